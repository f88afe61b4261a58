"""
A store in a schema of a PostgreSQL database: several writers, many readers.

Writers take turns, a batch a turn: each is one READ COMMITTED transaction whose first statement takes the writers'
lock, so what it reads stands until it commits, and there is one lock, so no deadlock. A rebuild fills tables of the
next generation while it keeps all writers waiting; its switch is one transaction, that of the lock itself, so a
rebuild that lost its lock can switch nothing. What it leaves is dropped by the next writer that finds nobody at work.
Where writers wait for each other, each reads before its turn what it will need in it; see `strandline_postgres.turns`.

Source: https://www.postgresql.org/docs/current/transaction-iso.html
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from strandline.errors import (
    StoreError,
    StoreInterrupted,
    StoreLocked,
    StoreReadOnly,
    StoreStale,
    StoreUnavailable,
    UnknownStore,
)
from strandline.ports import Found, Key, Layout
from strandline.schema import Row, Table
from strandline.words import Query
from strandline_postgres import sql
from strandline_postgres.address import address_of
from strandline_postgres.codec import FIRST_ROWS, next_rows
from strandline_postgres.connections import BATCH, PATIENCE_S, READ, SNAPSHOT, Connections, Lent, Pooled, pool_at
from strandline_postgres.faults import ERRORS, is_closed
from strandline_postgres.following import follow
from strandline_postgres.generations import Generations
from strandline_postgres.growth import Growth
from strandline_postgres.locks import Locks
from strandline_postgres.migrations import is_there, migrate, refuse_version
from strandline_postgres.sql import Tables
from strandline_postgres.transaction import PostgresTransaction, Speech
from strandline_postgres.turns import Foresight, Turn, Turns, can_be_foreseen

__all__ = ["PostgresStore", "open_store"]

T = TypeVar("T")

TRIES: Final = 5
"""How often a read is begun anew when it is interrupted each time."""

COUNTED: Final = 100_000
"""So many rows of a table are counted at most; of more the planner's estimate is told."""

LINES: Final = 28_000
"""So many events of a long log are best given at a time: what many of them move is written once."""

OPENING_PATIENCE_S: Final = 5.0
"""How long a server that is away is tried when a store is opened."""

_NEVER_IDLE = "SET LOCAL idle_in_transaction_session_timeout = 0"


class PostgresStore:
    """
    A store in a schema of a PostgreSQL database; see `strandline.ports.Store`. Open it with `open_store` or `over`.

    Attributes:
        layout: What it holds.
        batch: How many events of a long log it is best given at a time.
        connections: Where its transactions are run.
        tables: Where its tables stand: for a reader, under their plain names.
    """

    def __init__(
        self, connections: Connections, layout: Layout, schema: str, *, write: bool = True, stale: bool = False
    ) -> None:
        self.layout, self.connections, self.batch = layout, connections, LINES
        self.tables = Tables(schema, None, frozenset(table.name for table in layout.views))
        self._locks = Locks(schema)
        self._generations = Generations(connections, layout, self.tables, self._locks)
        self._speech = Speech.of(layout)
        self._growth = Growth(connections, layout)
        self._turns = Turns()
        self._foresight: Foresight | None = None
        self._write, self._stale = write, stale
        self._meta: Mapping[str, str] = {}
        self._beside: Tables | None = None
        self._rebuilding = False

    @classmethod
    async def over(
        cls, lent: Any, layout: Layout, *, schema: str = "strandline", write: bool = True, stale: bool = False
    ) -> "PostgresStore":
        """
        Open a store over an application's own asyncpg connection or pool, which stays the application's.

        On a connection that is in a transaction, a batch is a savepoint of it: the batch's rows and the
        application's are committed together, by the application. Until then it holds the writers' lock.

        Raises:
            StoreError: as `open_store`.
        """
        shown = f"the application's, schema {schema}"
        pooled = isinstance(lent, asyncpg.Pool)
        connections = Pooled(shown, lent, owned=False) if pooled else Lent(shown, lent)
        store = cls(connections, layout, schema, write=write, stale=stale)
        await store.opened()
        return store

    @property
    def stamp(self) -> Mapping[str, str]:
        """The versions the views were made under, as they were last read."""
        return {name.removeprefix(sql.STAMP): value for name, value in self._meta.items() if name.startswith(sql.STAMP)}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Begin a transaction, once no other writer is in one and no rebuild is at work."""
        within = self._beside is not None or self._rebuilding
        lock = self._locks.writing_beside if within else self._locks.writing
        if not self._write:
            raise StoreReadOnly(f"the store {self.connections.shown!r} was opened for reading")
        async with self.connections.begin(BATCH, lock) as connection:
            tables = await self._written(connection)
            foresight, self._foresight = self._foresight, None
            with self.connections.translated(connection):
                turn = await self._turns.begin(connection, tables, foresight)
            channel = None if self._beside else self.tables.channel
            transaction = self._transaction(connection, tables, channel, self._refusal(), turn)
            yield transaction
        await self._growth.told(tables, transaction.written)

    async def foresee(self, keys: Mapping[str, Collection[Key]]) -> None:
        """Read rows for the next transaction, if other writers are at work, whose turns it may have to wait for."""
        self._foresight = None
        shapes = [shape for shape in map(self.layout.table, keys) if keys[shape.name] and can_be_foreseen(shape)]
        if not shapes or not self._turns.shared or isinstance(self.connections, Lent):
            return
        with suppress(StoreInterrupted):
            async with self.connections.begin(SNAPSHOT) as connection:
                tables = await self._held(connection, shapes)
                if tables is None:
                    return  # a rebuild switched just then
                with self.connections.translated(connection):
                    last = await connection.fetchrow(tables.last_turn())
                it = self._transaction(connection, tables)
                rows = {shape.name: await it.foreseen(shape.name, keys[shape.name]) for shape in shapes}
            if last is not None:
                self._foresight = Foresight.of(tables.generation, tuple(last), self.layout, rows)

    async def get(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`."""
        return await self._ask(lambda it: it.load(table, keys))

    async def page(
        self,
        table: str,
        index: str,
        partitions: Sequence[Key],
        *,
        limit: int,
        each: int | None = None,
        after: Key | None = None,
        bound: Key | None = None,
    ) -> list[Row]:
        """Return rows of some partitions of an index, merged in its order."""
        return await self._ask(
            lambda it: it.page(table, index, partitions, limit=limit, each=each, after=after, bound=bound)
        )

    async def search(
        self,
        table: str,
        search: str,
        query: Query,
        *,
        limit: int,
        within: Mapping[str, Collection[Any]] | None = None,
        since: int | None = None,
        after: Key | None = None,
    ) -> list[Found]:
        """Return rows of whose words a query is true, in the order of a search, each behind its place."""
        return await self._ask(
            lambda it: it.search(table, search, query, limit=limit, within=within, since=since, after=after)
        )

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[tuple[str, list[Row]], None]:
        """Yield all rows of some tables, by key, in chunks, from one snapshot."""
        shapes = [self.layout.table(name) for name in tables]
        for _ in range(TRIES if shapes else 0):
            async with self.connections.begin(SNAPSHOT) as connection:
                standing = await self._held(connection, shapes)
                if standing is None:
                    continue  # a rebuild switched just then
                for table in shapes:
                    async with aclosing(self._walk(connection, standing, table)) as chunks:
                        async for chunk in chunks:
                            yield table.name, chunk
            return
        if shapes:
            raise StoreError(f"the store {self.connections.shown!r} lacks a table of {sorted(tables)}")

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator["PostgresStore"]:
        """
        Open a store with new, empty views beside this one's, alone; switch when the block ends well.

        Raises:
            StoreError: the store is over one lent connection; a rebuild needs several.
            StoreInterrupted: the lock was lost, with its connection; the old views stay.
            StoreLocked: another transaction used an SQL view for a minute; the old views stay.
        """
        if isinstance(self.connections, Lent):
            raise StoreError(
                f"{self.connections.shown}: a rebuild needs several connections; lend a pool, or use a URL"
            )
        async with self.connections.begin(BATCH, f"{_NEVER_IDLE}; {self._locks.rebuilding}") as alone:
            generation = _generation(await self._read_meta(alone))
            tables = await self._generations.make_beside(generation)
            self._rebuilding = True
            try:
                yield self._store_beside(tables)
                await self._generations.switch(alone, tables)
            except BaseException:
                if not is_closed(alone):  # else another may be rebuilding by now
                    with suppress(StoreError):
                        await self._generations.drop_all_but(generation)
                raise
            finally:
                self._rebuilding = False
        self._stale = False
        await self._refresh()

    async def counts(self) -> Mapping[str, int]:
        """Return how many rows each table has: counted up to 100,000, else as the planner believes, if it was told."""
        async with self.connections.begin(SNAPSHOT) as connection:
            standing = await self._held(connection, self.layout.views)
            with self.connections.translated(connection):
                told = {
                    name: await connection.fetchrow(standing.count(table), COUNTED + 1, standing.at(table))
                    for name, table in self.layout.tables.items()
                    if standing is not None
                }
        found = {name: counted if counted <= COUNTED else believed for name, (counted, believed) in told.items()}
        return {name: count for name, count in found.items() if count >= 0}

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[frozenset[str]]]:
        """
        Follow the store within the block, whichever process writes it. Keeps a connection, which no proxy may pool.

        After the connection was lost all tables count as moved.

        Raises:
            StoreUnavailable: the server was away for 30 seconds.
        """
        return follow(self.connections, self.tables.channel, self.layout.tables)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.connections.close()

    async def opened(self) -> None:
        """
        Make what is not there yet, if it may write, and see that the store is one of this version.

        Raises:
            StoreError: as `open_store`.
        """
        if self._write:
            await migrate(self.connections, self.layout, self.tables, self._locks)
            await self._generations.make_first()
        await self._refresh()

    def _store_beside(self, tables: Tables) -> "PostgresStore":
        beside = PostgresStore(self.connections, self.layout, tables.schema)
        beside._beside, beside._meta, beside._speech = tables, self._meta, self._speech
        return beside

    # What the store says of itself.

    async def _refresh(self) -> None:
        async with self.connections.begin(READ) as connection:
            there = await is_there(self.connections, connection, self.tables)
            meta = await self._read_meta(connection) if there else {}
        if sql.GENERATION not in meta:
            raise StoreError(f"there is no store at {self.connections.shown!r}; `strandline replay` makes one")
        self._take(meta)

    async def _read_meta(self, connection: Any) -> Mapping[str, str]:
        with self.connections.translated(connection):
            return dict(await connection.fetch(self.tables.read_meta()))

    def _take(self, meta: Mapping[str, str]) -> None:
        refuse_version(self.connections.shown, meta)
        self._meta = meta
        if not self._stale:
            self._refuse_stale()

    def _refuse_stale(self) -> None:
        stamp, shown = self.stamp, self.connections.shown
        for name, value in self.layout.stamp.items():
            if stamp.get(name) != value:
                raise StoreStale(
                    f"the views of {shown!r} were made under {name} {stamp.get(name)!r}, this is {name} {value!r}: "
                    f"run `strandline rebuild --store '{shown}'`"
                )

    # Reading and writing.

    def _transaction(
        self,
        connection: Any,
        tables: Tables,
        channel: str | None = None,
        refusal: StoreError | None = None,
        turn: Turn | None = None,
    ) -> PostgresTransaction:
        translated = self.connections.translated
        return PostgresTransaction(connection, self._speech, tables, translated, channel, refusal, turn)

    async def _ask(self, question: Callable[[PostgresTransaction], Awaitable[T]]) -> T:
        """Ask one statement, which is a snapshot of its own; begun anew when it is interrupted."""
        for _ in range(TRIES - 1):
            with suppress(StoreInterrupted):
                return await self._answer(question)
        return await self._answer(question)

    async def _answer(self, question: Callable[[PostgresTransaction], Awaitable[T]]) -> T:
        async with self.connections.reading() as connection:
            return await question(self._transaction(connection, self._beside or self.tables))

    async def _written(self, connection: Any) -> Tables:
        """Return where a writer's tables stand; the store may have been rebuilt, or migrated, since its last turn."""
        if self._beside is not None:
            return self._beside
        meta = await self._read_meta(connection)
        if meta != self._meta:
            self._take(meta)
        return self._generations.of(_generation(meta))

    def _refusal(self) -> StoreError | None:
        if not self._rebuilding:
            return None
        return StoreLocked(
            f"the store {self.connections.shown!r} is being rebuilt; what its views got now would be lost"
        )

    async def _held(self, connection: Any, shapes: Sequence[Table]) -> Tables | None:
        """Return where tables stand in a snapshot, none of which is dropped before its end; None if one was."""
        standing = self._beside or self._generations.of(_generation(await self._read_meta(connection)))
        with self.connections.translated(connection):
            try:
                await connection.execute(standing.lock(shapes))
            except asyncpg.UndefinedTableError:
                return None
        return standing

    async def _walk(self, connection: Any, tables: Tables, table: Table) -> AsyncGenerator[list[Row], None]:
        cursor = tables.cursor(table)
        with self.connections.translated(connection):
            await connection.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {tables.scan(table)}")
        count = FIRST_ROWS
        while True:
            with self.connections.translated(connection):
                records = await connection.fetch(f"FETCH FORWARD {count} FROM {cursor}")
            if not records:
                break
            count = next_rows(table, records)
            yield self._speech.rows(table, records)
        with self.connections.translated(connection):
            await connection.execute(f"CLOSE {cursor}")


async def open_store(url: str, layout: Layout, *, write: bool = True, stale: bool = False) -> PostgresStore:
    """
    Open the store at `postgresql://user:password@host:5432/database?schema=strandline`.

    Args:
        url: Where it is: libpq's parameters, and ours: `schema`, `statement_cache_size`, `pool_size`.
        layout: What it is to hold.
        write: Open it for writing, and create it if it is not there; else for reading.
        stale: Accept a store whose views were made under another stamp: for a rebuild, or a look.

    Raises:
        UnknownStore: it is no such URL.
        StoreUnavailable: the server was away for 5 seconds.
        StoreTooNew: a newer strandline made it.
        StoreStale: its views were made under another stamp.
        StoreReadOnly: this role may not use it so.
        StoreError: it is not there, or cannot be opened.
    """
    address = address_of(url)
    if address.folders and not any(Path(folder).is_dir() for folder in address.folders):
        raise StoreUnavailable(
            f"the store {address.shown!r} cannot be reached: there is no folder {address.folders[0]!r}"
        )
    try:
        pool = await pool_at(address, write=write)
    except (ValueError, *ERRORS):
        raise UnknownStore(f"{address.shown!r} is no URL of a PostgreSQL database") from None
    connections = Pooled(address.shown, pool, owned=True, ours=not address.proxied, patience_s=OPENING_PATIENCE_S)
    store = PostgresStore(connections, layout, address.schema, write=write, stale=stale)
    try:
        await store.opened()
    except BaseException:
        await store.close()
        raise
    connections.patience_s = PATIENCE_S
    return store


def _generation(meta: Mapping[str, str]) -> int:
    return int(meta[sql.GENERATION])
