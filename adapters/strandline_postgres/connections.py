"""
Where transactions are run: on a pool, or on the one connection an application lends.

A pool's connection that is lost before anything was done is replaced, patiently; later the caller is told to do it
all again. Settings and locks last no longer than their transaction, so that a transaction-pooling proxy may stand
between. On a lent connection that is in a transaction of its own, ours is a savepoint: it ends with the
application's, and its failure leaves the application's usable.

Source: https://www.postgresql.org/docs/current/sql-savepoint.html
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, Final, Protocol

import asyncpg
from attrs import define, field

from strandline.errors import StoreError, StoreInterrupted, UnknownStore
from strandline_postgres.address import Address
from strandline_postgres.faults import ERRORS, is_away, is_closed, store_error

__all__ = ["BATCH", "PATIENCE_S", "READ", "SNAPSHOT", "Connections", "Lent", "Pooled", "pool_at", "savepoint"]

PATIENCE_S: Final = 30.0
"""How long a server that is away is tried again, unless said otherwise."""

READ: Final = "ISOLATION LEVEL READ COMMITTED READ ONLY"
SNAPSHOT: Final = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
BATCH: Final = "ISOLATION LEVEL READ COMMITTED READ WRITE"

_PLANNING = {"enable_bitmapscan": "off", "random_page_cost": "1.1"}
"""We ask for few rows, in a tree's order: a bitmap, or a walk through a table, would read much to show little."""

_LASTING = {**_PLANNING, "jit": "off", "plan_cache_mode": "force_generic_plan"}
_LOCAL = {**_PLANNING, "jit_above_cost": "-1", "plan_cache_mode": "force_custom_plan"}
_SETTINGS = "; ".join(f"SET LOCAL {name} = {value}" for name, value in _LOCAL.items())
_LIMITS = {BATCH: "; SET LOCAL idle_in_transaction_session_timeout = '2min'"}
_FIRST_NAP_S, _LONGEST_NAP_S = 0.02, 1.0
_SAVEPOINT = "SAVEPOINT strandline"
_RELEASE = f"RELEASE {_SAVEPOINT}"
_BACK = f"ROLLBACK TO {_SAVEPOINT}; {_RELEASE}"


class Connections(Protocol):
    """Where transactions are run."""

    shown: str

    def begin(self, mode: str, then: str = "") -> AbstractAsyncContextManager[Any]:
        """
        Begin a transaction, with `then`, statements separated by semicolons, as its first ones.

        It is committed when the block ends well, else rolled back. The driver's errors come as StoreErrors; those of
        the block as they are.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Any]:
        """Lend a connection on which to say one statement, which only reads."""
        ...

    def translated(self, connection: Any) -> AbstractContextManager[None]:
        """Turn the errors that the driver raises in the block into StoreErrors."""
        ...

    async def acquire(self) -> Any:
        """Return a connection to listen on; `release` it."""
        ...

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        ...

    async def close(self) -> None:
        """Let go of them."""
        ...


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """One that needs nothing undone when it goes back to the pool: all we set ends with its transaction."""

    def get_reset_query(self) -> str:
        return ""


async def pool_at(address: Address, *, write: bool) -> Any:
    """
    Return a pool of connections, none of them open yet.

    The plan of a statement is made once a connection: ours are so written that their plans depend on no value. A
    proxy would refuse to pass such settings on.
    """
    settings = {"application_name": "strandline"}
    if not address.proxied:
        settings |= _LASTING | {"default_transaction_read_only": "off" if write else "on"}
    return await asyncpg.create_pool(
        address.dsn,
        min_size=0,
        max_size=address.pool_size,
        statement_cache_size=address.statement_cache_size,
        timeout=address.connect_timeout_s,
        connection_class=_Connection,
        server_settings=settings,
    )


def _begin(mode: str) -> str:
    """Return what begins a transaction; a writer that hangs lets the others go on after two minutes."""
    return f"BEGIN {mode}; {_SETTINGS}{_LIMITS.get(mode, '')}"


@define
class Pooled:
    """
    Connections of a pool.

    Attributes:
        shown: The store's URL, without its password.
        pool: The pool.
        owned: It is closed with the store.
        ours: Its connections have our settings, so that a lone statement needs no transaction around it.
        patience_s: How long a server that is away is tried again, seconds.
    """

    shown: str
    pool: Any
    owned: bool
    ours: bool = False
    patience_s: float = PATIENCE_S
    _nap_s: float = field(default=_FIRST_NAP_S, init=False)
    _kept: list[Any] = field(factory=list, init=False)

    @asynccontextmanager
    async def begin(self, mode: str, then: str = "") -> AsyncIterator[Any]:
        """Begin a transaction on a connection of its own; see `Connections.begin`."""
        connection = await self._begun(f"{_begin(mode)}; {then}")
        try:
            async with _ended(self, connection, "COMMIT", "ROLLBACK"):
                yield connection
        except StoreInterrupted:
            nap_s, self._nap_s = self._nap_s, min(4 * self._nap_s, _LONGEST_NAP_S)
            await asyncio.sleep(nap_s)  # who cut it short may still be at work
            raise
        finally:
            await self.pool.release(connection)
        self._nap_s = _FIRST_NAP_S

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        """Lend a connection, in a transaction only where our settings need one; see `Connections.reading`."""
        if not self.ours:
            async with self.begin(READ) as connection:
                yield connection
            return
        connection = self._kept.pop() if self._kept else await self._begun("")
        try:
            yield connection
        except BaseException as error:
            await self.pool.release(connection)
            if isinstance(error, StoreInterrupted):
                await self.pool.expire_connections()  # what cut this one off may have cut off all
            raise
        if self._kept:
            await self.pool.release(connection)
        else:
            self._kept.append(connection)  # giving it back to the pool would cost as much as a short answer

    @contextmanager
    def translated(self, connection: Any) -> Iterator[None]:
        """Turn the driver's errors into StoreErrors; one that another connection may help is StoreInterrupted."""
        try:
            yield
        except ERRORS as error:
            raise store_error(error, self.shown, away=is_away(error, connection)) from error

    async def acquire(self) -> Any:
        """Return a connection of the pool's; a server that is away is tried for a while."""
        return await self._begun("SELECT 1")

    async def release(self, connection: Any) -> None:
        """Give a connection back to the pool."""
        with self.translated(connection):
            await self.pool.release(connection)

    async def close(self) -> None:
        """Close the pool; what is still at work is cut off."""
        while self._kept:
            await self.release(self._kept.pop())
        if not self.owned:
            return
        if self.pool.get_size() > self.pool.get_idle_size():
            self.pool.terminate()
        else:
            await self.pool.close()

    async def _begun(self, first: str) -> Any:
        loop = asyncio.get_running_loop()
        deadline, nap_s = loop.time() + self.patience_s, _FIRST_NAP_S
        while True:
            try:
                return await self._first(first)
            except _Away as away:
                if loop.time() >= deadline:
                    raise store_error(away.error, self.shown, away=True, lasting=True) from away.error
            await asyncio.sleep(nap_s)
            nap_s = min(2 * nap_s, _LONGEST_NAP_S)

    async def _first(self, first: str) -> Any:
        """Return a connection on which the first statements were said."""
        connection = None
        try:
            connection = await self.pool.acquire()
            if first:
                await connection.execute(first)
            return connection
        except BaseException as error:
            away = is_away(error, connection)
            if connection is not None:
                await _undo(connection, "ROLLBACK")
                await self.pool.release(connection)
            if connection is None and isinstance(error, ValueError):
                raise UnknownStore(f"{self.shown!r} is no URL of a PostgreSQL database") from None
            if not isinstance(error, ERRORS):
                raise
            if away:
                raise _Away(error) from error
            raise store_error(error, self.shown, away=False) from error


class _Away(Exception):
    """The server was away before anything was done."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@define
class Lent:
    """
    The one connection that an application lends.

    Attributes:
        shown: What errors call the store.
        connection: The connection; one task at a time may use it.
    """

    shown: str
    connection: Any

    @asynccontextmanager
    async def begin(self, mode: str, then: str = "") -> AsyncIterator[Any]:
        """Begin a transaction, or a savepoint within the application's; see `Connections.begin`."""
        if self.connection.is_in_transaction():
            await self._check_isolation(mode)
            first, commit, rollback = _SAVEPOINT, _RELEASE, _BACK
        else:
            first, commit, rollback = _begin(mode), "COMMIT", "ROLLBACK"
        with self.translated(self.connection):
            await self.connection.execute(first)
        async with _ended(self, self.connection, commit, rollback):
            if then:
                with self.translated(self.connection):
                    await self.connection.execute(then)
            yield self.connection

    def reading(self) -> AbstractAsyncContextManager[Any]:
        """Lend it, in a transaction; see `Connections.reading`."""
        return self.begin(READ)

    @contextmanager
    def translated(self, connection: Any) -> Iterator[None]:
        """Turn the driver's errors into StoreErrors; there is no other connection, so one that is lost, stays so."""
        try:
            yield
        except ERRORS as error:
            raise store_error(error, self.shown, away=is_away(error, connection), lasting=True) from error

    async def acquire(self) -> Any:
        """Return the connection: it hears nothing while it is in a transaction."""
        return self.connection

    async def release(self, connection: Any) -> None:
        """Leave it to the application."""

    async def close(self) -> None:
        """Leave it to the application."""

    async def _check_isolation(self, mode: str) -> None:
        with self.translated(self.connection):
            isolation = await self.connection.fetchval("SELECT current_setting('transaction_isolation')")
        if mode == BATCH and isolation != "read committed":
            raise StoreError(
                f"{self.shown}: the transaction is {isolation}; a batch must see what the writer before it did: "
                "begin it READ COMMITTED"
            )
        if mode == SNAPSHOT and isolation == "read committed":
            raise StoreError(f"{self.shown}: the transaction is {isolation}; a scan needs REPEATABLE READ")


@asynccontextmanager
async def savepoint(connection: Any) -> AsyncIterator[None]:
    """Let a failure of the block undo no more than the block; errors are the driver's."""
    await connection.execute(_SAVEPOINT)
    try:
        yield
    except BaseException:
        await _undo(connection, _BACK)
        raise
    await connection.execute(_RELEASE)


@asynccontextmanager
async def _ended(connections: Connections, connection: Any, commit: str, rollback: str) -> AsyncIterator[None]:
    try:
        yield
        with connections.translated(connection):
            await connection.execute(commit)
    except BaseException:
        await _undo(connection, rollback)
        raise


async def _undo(connection: Any, rollback: str) -> None:
    """Roll back, if there is something to; a pool cuts a connection on which that failed."""
    if not is_closed(connection) and connection.is_in_transaction():
        with suppress(*ERRORS):
            await connection.execute(rollback)
