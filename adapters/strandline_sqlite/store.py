"""
A store in one SQLite file.

One connection writes, and a lock file says which process it is: the lock is the kernel's, so it goes with the
process however that dies. Readers, any number and in any process, see the state between two commits through WAL.
A commit is one transaction with synchronous=NORMAL: a crash of the process loses nothing, a crash of the machine
may lose the last commits, whole and with their cursors, which the stream then sends again.

Source: https://www.sqlite.org/wal.html
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from strandline.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreStale,
    UnknownStore,
)
from strandline.ports import Changes, Found, Key, Layout
from strandline.schema import Row, Table
from strandline.words import Query
from strandline_sqlite import searching, sql
from strandline_sqlite.checkpoints import Checkpoints
from strandline_sqlite.codec import PAGE_BYTES, all_turned, decoder
from strandline_sqlite.inspection import Inspection, inspect
from strandline_sqlite.lock import WriterLock
from strandline_sqlite.migrations import APPLICATION_ID, migrate
from strandline_sqlite.searching import Sought
from strandline_sqlite.transaction import Recent, Seen, Writing

__all__ = ["SQLiteStore", "open_store"]

BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 64 * 1024
CACHED_STATEMENTS = 1024
CHECKPOINT_PAGES = 32_768
WAL_LIMIT_BYTES = 256 * 1024 * 1024

LOOK_S = 0.05
"""How often one who follows the store looks whether it moved, seconds."""

_BESIDE = "+new"  # no declared name can end so
_CHUNK = 2000
_KEYS_A_STATEMENT = (1, 8, 32, 64, 128, 256)


class SQLiteStore:
    """A store in one SQLite file; see `strandline.ports.Store`. Open it with `open_store`."""

    def __init__(self, path: Path, layout: Layout, connection: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path, self.layout = path, layout
        self._connection, self._lock = connection, lock
        self._file = _identity(path)
        self._suffix: Mapping[str, str] = {}
        self._beside: int | None = None  # the generation of its views, if it is one that a rebuild fills
        self._said: dict[tuple[Any, ...], str] = {}
        self._idle: list[sqlite3.Connection] = []
        self._checkpoints = Checkpoints(partial(_connect, path, write=True))
        self._written: dict[str, Writing] = {}
        self._recent = {name: Recent.of(table) for name, table in layout.tables.items()}
        self._decode = {name: decoder(table) for name, table in layout.tables.items()}

    @property
    def stamp(self) -> Mapping[str, str]:
        """The versions the views were made under."""
        with _translated(self.path):
            return {name[6:]: value for name, value in self._meta().items() if name.startswith("stamp.")}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["SQLiteTransaction"]:
        """Begin a transaction: the file is written at its commit, since one process writes."""
        yield SQLiteTransaction(self)

    async def get(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`."""
        if not keys:
            return {}
        key_of = itemgetter(slice(self.layout.table(table).key_size))
        found: dict[Key, Row] = {}
        with _translated(self.path), self._snapshot():
            for chunk in _chunks(sorted(keys)):
                statement = self._say(sql.select, table, len(chunk))
                rows = self._connection.execute(statement, list(chain.from_iterable(chunk))).fetchall()
                turned = all_turned(self._decode[table], rows)
                found.update(zip(map(key_of, turned), turned, strict=True))
        return found

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
        shape = self.layout.table(table)
        declared = shape.index(index)
        after, bound = after or (), bound or ()
        wanted = list(dict.fromkeys(partitions))
        places = [shape.position[name] for name in shape.sort_columns(declared)]
        order = itemgetter(*places) if places else lambda row: ()
        most = limit if each is None else min(limit, each)
        after_size, bound_size, suffix = len(after), len(bound), self._suffix.get(table, "")
        plain = not sql.is_clustered(shape) and not any(None in partition for partition in wanted)
        with _translated(self.path), self._snapshot():
            if plain and len(wanted) > 1 and len(wanted) * most <= limit:
                say = partial(sql.heads, shape, declared, after=after_size, bound=bound_size, suffix=suffix)
                found = self._heads(say, wanted, (*after, *bound, most), order, declared.descending)
            else:
                statement = sql.page(shape, declared, after=after_size, bound=bound_size, suffix=suffix)
                asked = [(*partition, *after, *bound, most) for partition in wanted]
                found = self._merged(statement, asked, order, declared.descending, limit)
        return list(all_turned(self._decode[table], found))

    def _heads(
        self,
        say: Callable[[int], str],
        wanted: Sequence[Key],
        bounds: Sequence[Any],
        order: Callable[[Row], Any],
        descending: bool,
    ) -> list[Row]:
        """Return the first rows of each of some partitions, all of them together in order."""
        found: dict[Row, None] = {}  # a chunk may hold a partition twice
        for chunk in _chunks(wanted):
            parameters = [*chain.from_iterable(chunk), *bounds]
            found.update(dict.fromkeys(self._connection.execute(say(len(chunk)), parameters).fetchall()))
        return sorted(found, key=order, reverse=descending)

    def _merged(
        self, statement: str, wanted: Sequence[Key], order: Callable[[Row], Any], descending: bool, limit: int
    ) -> list[Row]:
        """Return the first rows of some answers, merged; of each answer no more is read than is asked for."""
        if len(wanted) == 1:
            return self._connection.execute(statement, wanted[0]).fetchall()
        answers: list[sqlite3.Cursor] = []
        try:
            for at, parameters in enumerate(
                wanted
            ):  # a prepared statement gives one answer at a time: so many are told apart
                answers.append(self._connection.execute(f"{statement} -- {at}", parameters))
            return list(islice(merge(*answers, key=order, reverse=descending), limit))
        finally:
            for answer in answers:
                answer.close()

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
        if not query.wanted:
            return []
        shape = self.layout.table(table)
        declared = shape.search(search)
        sought = Sought(
            table=shape,
            words=self.layout.table(declared.words),
            search=declared,
            query=query,
            within=within or {},
            since=since,
            after=after,
        )
        with _translated(self.path), self._snapshot():
            statement = sought.statement(self._generation(), self._suffix.get(table, ""))
            found = self._connection.execute(statement, {**sought.parameters, "limit": limit}).fetchall()
        cut = len(sought.place)
        rows = all_turned(self._decode[table], [row[cut:] for row in found])
        return [(row[:cut], turned) for row, turned in zip(found, rows, strict=True)]

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[tuple[str, list[Row]], None]:
        """Yield all rows of some tables, by key, in chunks, from one snapshot."""
        if _identity(self.path) != self._file:
            raise StoreError(f"the store {str(self.path)!r} was moved or deleted since it was opened; open it again")
        with _translated(self.path):
            connection = self._idle.pop() if self._idle else _connect(self.path, write=False)
        try:
            with _translated(self.path):
                connection.execute("BEGIN")
                for name in tables:
                    rows = connection.execute(self._scan(name, connection))
                    while chunk := rows.fetchmany(_CHUNK):
                        yield name, list(all_turned(self._decode[name], chunk))
        finally:
            connection.rollback()
            self._idle.append(connection)

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator["SQLiteStore"]:
        """Open a store with new, empty views beside this one's; switch when the block ends well."""
        with _translated(self.path):
            with _transaction(self._connection):
                generation = self._generation() + 1
                self._drop_leftovers(generation - 1)
                for table in self.layout.views:
                    self._create(table, generation, _BESIDE)
            beside = SQLiteStore(self.path, self.layout, self._connection, None)
            beside._suffix = {table.name: _BESIDE for table in self.layout.views}
            beside._beside = generation
            beside._recent |= {table.name: self._recent[table.name] for table in self.layout.kept}
            beside._idle, beside._checkpoints = self._idle, self._checkpoints  # closed with this store
            try:
                yield beside
                with _transaction(self._connection):
                    self._switch(generation)
                self._forget()
            except BaseException:
                with _transaction(self._connection):
                    self._drop_leftovers(generation - 1)
                raise

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[frozenset[str]]]:
        """
        Follow the store within the block, whichever process writes it.

        SQLite tells nobody; so a number that it moves with each commit is looked at, twenty times a second.
        """
        with _translated(self.path):
            connection = _connect(self.path, write=False)
        try:
            with _translated(self.path):
                seen = _moved(connection)
            yield self._moves(connection, seen)
        finally:
            connection.close()

    async def _moves(
        self, connection: sqlite3.Connection, seen: Mapping[str, int]
    ) -> AsyncGenerator[frozenset[str], None]:
        version = None
        while True:
            with _translated(self.path):
                now = connection.execute("PRAGMA data_version").fetchone()
                found = seen if now == version else _moved(connection)
            version = now
            names = frozenset(name for name, times in found.items() if times != seen.get(name))
            seen = found
            if names:
                yield names
            else:
                await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Checkpoint the WAL, close the file and let the lock go."""
        try:
            if self._lock is not None:
                self._checkpoints.wait()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass
        finally:
            for connection in (*self._idle, self._connection):
                connection.close()
            if self._lock is not None:
                self._lock.release()

    async def counts(self) -> Mapping[str, int]:
        """Return how many rows each table has, all exactly."""
        with _translated(self.path), self._snapshot():
            return {name: self._connection.execute(self._say(sql.count, name)).fetchone()[0] for name in self._decode}

    def inspect(self) -> Inspection:
        """Return what the file holds and whether it is sound; reads all of it."""
        with _translated(self.path), self._snapshot():
            return inspect(self._connection, self.path, self.layout)

    def create_views(self) -> None:
        """Create the view tables of a new store, and drop what an interrupted rebuild left."""
        with _translated(self.path), _transaction(self._connection):
            self._drop_leftovers(self._generation())
            if "generation" not in self._meta():
                for table in self.layout.views:
                    self._create(table, 0, "")
                self._put_meta(0)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        if self._lock is not None:  # nobody else writes
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _write(self, changes: Changes, seen: Seen) -> None:
        """Write all changes in one transaction; `seen` are the present rows, of those that were read."""
        try:
            with _translated(self.path), _transaction(self._connection) as connection:
                for name, rows in changes.items():
                    for statement, parameters in self._writing(name).statements(rows, seen.get(name, {})):
                        connection.executemany(statement, parameters)
                if not self._suffix:
                    connection.executemany(sql.MOVE, [(name,) for name, rows in changes.items() if rows])
        except BaseException:
            self._forget()  # what stands now is not known
            raise
        for name, rows in changes.items():
            self._recent[name].put(rows)
        self._checkpoints.wrote(sum(map(len, changes.values())))

    def _forget(self) -> None:
        for recent in self._recent.values():
            recent.clear()

    def _writing(self, name: str) -> Writing:
        found = self._written.get(name)
        if found is None:
            found = self._written[name] = Writing(self.layout.table(name), self._suffix.get(name, ""))
        return found

    def _say(self, statement: Callable[..., str], table: str, *sizes: int) -> str:
        said = self._said.get((statement.__name__, table, *sizes))
        if said is None:
            said = statement(self.layout.table(table), self._suffix.get(table, ""), *sizes)
            self._said[statement.__name__, table, *sizes] = said
        return said

    def _create(self, table: Table, generation: int, suffix: str) -> None:
        self._connection.execute(sql.create_table(table, suffix))
        for index in sql.own_indexes(table):
            self._connection.execute(sql.create_index(table, index, generation, suffix))
        for statement in searching.create(table, generation, suffix) if table.words else ():
            self._connection.execute(statement)

    def _scan(self, name: str, connection: sqlite3.Connection) -> str:
        table = self.layout.table(name)
        if not table.words:
            return self._say(sql.scan, name)
        return searching.scan(table, self._generation(connection), self._suffix.get(name, ""))

    def _generation(self, connection: sqlite3.Connection | None = None) -> int:
        """Return the generation of the views, as it stands: another process may have rebuilt them."""
        if self._beside is not None:
            return self._beside
        told = (connection or self._connection).execute(sql.GENERATION).fetchone()
        return 0 if told is None else int(told[0])

    def _switch(self, generation: int) -> None:
        for name in json.loads(self._meta()["views"]):
            self._connection.execute(sql.drop(name))
        for table in self.layout.views:
            self._connection.execute(sql.rename(table, _BESIDE))
        self._drop_leftovers(generation)
        self._put_meta(generation)
        self._connection.executemany(sql.MOVE, [(table.name,) for table in self.layout.views])

    def _drop_leftovers(self, generation: int) -> None:
        """Drop what is of no generation of the views but this one."""
        names = self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in names:
            index, _, number = name.rpartition(searching.INDEX)
            if name.endswith(_BESIDE) or (index and number.isdigit() and int(number) != generation):
                self._connection.execute(sql.drop(name))

    def _meta(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT name, value FROM strandline_meta"))

    def _put_meta(self, generation: int) -> None:
        told = {f"stamp.{name}": value for name, value in self.layout.stamp.items()}
        told |= {"generation": str(generation), "views": json.dumps([table.name for table in self.layout.views])}
        self._connection.execute("DELETE FROM strandline_meta")
        self._connection.executemany("INSERT INTO strandline_meta VALUES (?, ?)", told.items())


class SQLiteTransaction:
    """A writer's batch; see `strandline.ports.Transaction`."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self._seen: Seen = {}
        self.page = store.page

    async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`."""
        recent = self._store._recent[table]
        remembered, others = recent.find(keys)
        fetched = await self._store.get(table, others)
        seen = self._seen.setdefault(table, {})
        seen.update(remembered)
        if others:
            read = dict.fromkeys(others) | fetched
            recent.put(read)
            seen.update(read)
        return fetched | {key: row for key, row in remembered.items() if row is not None}

    async def commit(self, changes: Changes) -> None:
        """Write all changes in one transaction."""
        self._store._write(changes, self._seen)


def open_store(url: str, layout: Layout, *, write: bool = True, stale: bool = False) -> SQLiteStore:
    """
    Open the store at `sqlite:///relative/path.db` or `sqlite:////absolute/path.db`.

    Args:
        url: Where it is.
        layout: What it is to hold.
        write: Open it for writing, alone, and create it if it is not there; else for reading.
        stale: Accept a store whose views were made under another stamp: for a rebuild, or a look.

    Raises:
        StoreLocked: another process writes it.
        StoreTooNew: a newer strandline made it.
        StoreStale: its views were made under another stamp.
        StoreCorrupt: it is damaged, or is no store.
        StoreReadOnly: it may not be written.
        StoreError: it is not there, or cannot be opened.
    """
    path = path_of(url)
    lock = WriterLock.take(path) if write else None
    try:
        store = _open(path, layout, lock)
        try:
            if not stale:
                _refuse_stale(store)
        except BaseException:
            store._connection.close()
            raise
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return store


def path_of(url: str) -> Path:
    """Return the path that a `sqlite:///` URL names."""
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.scheme != "sqlite" or parts.netloc or parts.query or parts.fragment or not path or "\0" in path:
        raise UnknownStore(f"{url!r} is no SQLite store: write sqlite:///forum.db, or sqlite:////var/lib/forum.db")
    return Path(path)


def _open(path: Path, layout: Layout, lock: WriterLock | None) -> SQLiteStore:
    there = os.access(path, os.F_OK)
    if lock is None and not there:
        raise StoreError(f"there is no store at {str(path)!r}; `strandline replay` makes one")
    if there and not path.is_file():
        raise StoreError(f"{str(path)!r} is no file; name the file to keep the store in")
    if there and lock is not None and not os.access(path, os.W_OK):  # SQLite would tell it at the first commit
        raise StoreReadOnly(f"the store {str(path)!r} may not be written; nothing was changed")
    with _translated(path):
        connection = _connect(path, write=lock is not None)
        try:
            migrate(connection, path, layout, write=lock is not None)
            store = SQLiteStore(path, layout, connection, lock)
            if lock is not None:
                store.create_views()
        except BaseException:
            connection.close()
            raise
    return store


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that takes its place; None if there is none."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


def _refuse_stale(store: SQLiteStore) -> None:
    with _translated(store.path):
        meta = store._meta()
    for name, value in store.layout.stamp.items():
        if meta.get(f"stamp.{name}") != value:
            raise StoreStale(
                f"the views of {str(store.path)!r} were made under {name} {meta.get(f'stamp.{name}')!r}, this is "
                f"{name} {value!r}: run `strandline rebuild --store sqlite:///{store.path}`"
            )


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut keys into chunks of few sizes, so that few statements are prepared; the last is filled up with its last."""
    largest = _KEYS_A_STATEMENT[-1]
    for at in range(0, len(keys), largest):
        chunk = keys[at : at + largest]
        size = next(size for size in _KEYS_A_STATEMENT if size >= len(chunk))
        yield [*chunk, *[chunk[-1]] * (size - len(chunk))]


def _connect(path: Path, *, write: bool) -> sqlite3.Connection:
    mode = "rwc" if write else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if write:
            _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    told = connection.execute("PRAGMA application_id").fetchone()[0]
    if told == 0 and _is_empty(connection):
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif told != APPLICATION_ID:
        return  # another program's: `migrate` refuses it, and not a byte of it may change
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")


def _moved(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, times FROM strandline_moved"))


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_BY_CODE: Mapping[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreFull, "has no room left on its disk; make room, then run the same command again"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "may not be written; check the rights of the file and its folder"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "is damaged; restore a backup, or replay the log into a new store"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "is no SQLite file; name another one"),
    sqlite3.SQLITE_BUSY: (StoreLocked, f"is held by another program for over {BUSY_TIMEOUT_MS // 1000} s"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "cannot be opened; check that its folder is there and may be written"),
    sqlite3.SQLITE_IOERR: (StoreError, "cannot be read or written: the disk reports an error"),
    # SQLite has no code of its own for a quota, or a limit to the size of files: they end as these.
    sqlite3.SQLITE_IOERR_WRITE: (StoreFull, "cannot grow; make room, raise the quota, or check the disk"),
    sqlite3.SQLITE_IOERR_SHMSIZE: (StoreFull, "cannot grow; make room, raise the quota, or check the disk"),
}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        by_python = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else -1  # text, not UTF-8
        code: int = getattr(error, "sqlite_errorcode", by_python)
        kind, told = _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF, (StoreError, "is in trouble"))
        raise kind(f"the store {str(path)!r} {told} (SQLite: {error}); nothing of this batch was written") from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise StoreError(
            f"the store {str(path)!r} cannot hold a value ({error}); nothing of this batch was written"
        ) from error
