"""
What a transaction reads and writes: each call one statement, its keys given as a text a column, its rows as arrays.

Rows are written sorted by key, so that they fall side by side in the trees, and so that two who write without our
locks lock rows in one order. Where nothing stands yet, many rows are streamed in by COPY, which costs the server and
the driver half of what an upsert does. What stands is mostly known: a batch has looked up what it writes, and under
the writers' lock nobody else has written since.

Source: https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

import asyncpg
from attrs import define, field, frozen

from strandline.errors import StoreError
from strandline.ports import Changes, Found, Key, Layout
from strandline.schema import Index, Row, Table
from strandline.words import Query
from strandline_postgres.codec import chunks, copied, decoder, wanted
from strandline_postgres.following import payloads
from strandline_postgres.sql import NOTIFY, Tables, terms
from strandline_postgres.turns import Turn

__all__ = ["PostgresTransaction", "Speech"]

COPIED: Final = 100
"""So many rows are worth a COPY, and worth asking where rows stand."""

HEADS: Final = 3
"""So many rows are first looked at for one of the page, over all partitions: the fewer, the worse a bound they give."""


_UNKNOWN: Final = ()
"""Stands for a row of which nothing is foreseen; no row is empty."""


@define
class Speech:
    """
    What is said and heard of the tables of a layout: statements, made once, and rows.

    Attributes:
        layout: The tables.
    """

    layout: Layout
    _said: dict[Any, str]
    _decoders: Mapping[str, Callable[[Any], list[Row]]]

    @classmethod
    def of(cls, layout: Layout) -> "Speech":
        """Return what is said of a layout."""
        return cls(layout, {}, {name: decoder(table) for name, table in layout.tables.items()})

    def say(self, tables: Tables, what: str, table: Table, *how: Any, **sizes: Any) -> str:
        """Return one of the statements of `Tables`."""
        name = (tables.generation, what, table.name, *how, *sizes.values())
        said = self._said.get(name)
        if said is None:
            said = self._said[name] = getattr(tables, what)(table, *how, **sizes)
        return said

    def rows(self, table: Table, records: Any) -> list[Row]:
        """Return what the driver read, as rows."""
        return self._decoders[table.name](records)


@frozen
class PostgresTransaction:
    """
    A transaction on one connection; see `strandline.ports.Transaction`.

    Attributes:
        connection: The driver's connection: an application may write its own rows on it, before the commit.
        written: How many rows it has put into each table.
    """

    connection: Any
    _speech: Speech
    _tables: Tables
    _translated: Callable[[Any], AbstractContextManager[None]]
    _channel: str | None = None
    _refusal: StoreError | None = None
    _turn: Turn | None = None
    written: Counter[str] = field(factory=Counter)
    _stands: dict[str, dict[Key, bool]] = field(factory=dict)

    async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`."""
        if not keys:
            return {}
        asked = [*dict.fromkeys(keys)]
        foreseen = self._foreseen(table)
        if not foreseen:
            return await self._load(self._speech.layout.table(table), asked)
        known = [*map(foreseen.get, asked, repeat(_UNKNOWN))]
        found = {key: row for key, row in zip(asked, known, strict=True) if row}
        left = [key for key, row in zip(asked, known, strict=True) if row is _UNKNOWN]
        return found | await self._load(self._speech.layout.table(table), left)

    async def foreseen(self, table: str, keys: Collection[Key]) -> dict[Key, Row | None]:
        """Return the rows at `keys`; None where there is no row."""
        asked = [key for key in keys if None not in key]
        return dict.fromkeys(asked) | await self.load(table, asked)

    async def _load(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row]:
        asked = sorted(keys)  # most come sorted, and sorting those costs little
        if not asked:
            return {}
        rows = self._speech.rows(table, await self._ask("select", table, asked))
        found = dict(zip(map(itemgetter(slice(table.key_size)), rows), rows, strict=True))
        stands = self._stands.setdefault(table.name, {})
        stands |= dict.fromkeys(asked, False)
        stands |= dict.fromkeys(found, True)
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
        shape = self._speech.layout.table(table)
        declared = shape.index(index)
        parts = _by_nulls(partitions)
        if not parts:
            return []
        after, bound = after or (), bound or ()
        most = limit if each is None else min(limit, each)
        given = [limit, most, *after, *bound, *_arrays(parts)]
        sizes = {"after": len(after), "bound": len(bound)}
        heads = _heads(shape, declared, parts, limit)
        if heads is None:
            return await self._fetch(shape, self._say("page", shape, declared, tuple(parts), **sizes), *given)
        return await self._fetch(shape, self._say("merge", shape, declared, **sizes), *given, min(heads, most))

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
        """Return rows of whose words a query is true; see `Store.search`."""
        if not query.wanted:
            return []
        shape = self._speech.layout.table(table)
        declared, asked, after = shape.search(search), within or {}, after or ()
        words = self._speech.layout.table(declared.words)
        floor = () if since is None or declared.since is None else (since,)
        sizes = {"within": tuple(asked), "since": bool(floor), "after": len(after)}
        statement = self._speech.say(self._tables, "search", shape, declared, words, **sizes)
        given = [terms(query), query.wanted, query.unwanted, *map(list, asked.values()), *floor, *after]
        with self._translated(self.connection):
            records = await self.connection.fetch(statement, limit, *given)
        cut = len(shape.found_columns(declared)) + declared.headed
        found = [tuple(record) for record in records]
        rows = self._speech.rows(shape, [it[cut:] for it in found])
        return [(it[:cut], row) for it, row in zip(found, rows, strict=True)]

    async def commit(self, changes: Changes) -> None:
        """Write all changes; they stand once the transaction has ended."""
        if self._refusal is not None:
            raise self._refusal
        if self._turn is not None:  # first, so that nothing is ever written of which no turn tells
            with self._translated(self.connection):
                await self._turn.say(self.connection, self._speech.layout, changes)
        for name, rows in sorted(changes.items()):
            await self._write(self._speech.layout.table(name), rows)
        if self._channel is not None:
            await self._tell(self._channel, [name for name, rows in changes.items() if rows])

    async def _write(self, table: Table, rows: Mapping[Key, Row | None]) -> None:
        ordered = sorted(rows.items(), key=itemgetter(0))
        gone = [key for key, row in ordered if row is None]
        if gone:
            await self._ask("delete", table, gone)
        put = [(key, row) for key, row in ordered if row is not None]
        if len(put) < COPIED:
            await self._upsert(table, [row for _, row in put])
            return
        stands = await self._standing(table, [key for key, _ in put])
        fresh = [row for (_, row), stood in zip(put, stands, strict=True) if not stood]
        if len(fresh) >= COPIED:
            await self._copy(table, fresh)
            put = [it for it, stood in zip(put, stands, strict=True) if stood]
        await self._upsert(table, [row for _, row in put])

    def _foreseen(self, table: str) -> Mapping[Key, Row | None]:
        return {} if self._turn is None else self._turn.foreseen.get(table, {})

    async def _standing(self, table: Table, keys: Sequence[Key]) -> Sequence[bool | None]:
        """Tell of each key whether a row stands there."""
        stands, foreseen = self._stands.setdefault(table.name, {}), self._foreseen(table.name)
        if foreseen:
            stands |= {key: foreseen[key] is not None for key in keys if key in foreseen}
        unknown = [key for key in keys if key not in stands]
        if unknown:
            found = await self._ask("keys", table, unknown)
            stands |= dict.fromkeys(unknown, False)
            stands |= dict.fromkeys(map(tuple, found), True)
        return [*map(stands.get, keys)]

    async def _copy(self, table: Table, rows: Sequence[Row]) -> None:
        where = {"schema_name": self._tables.schema, "columns": [column.name for column in table.columns]}
        with self._translated(self.connection), _refused():
            await self.connection.copy_records_to_table(self._tables.plain(table), records=copied(table, rows), **where)
        self.written[table.name] += len(rows)

    async def _upsert(self, table: Table, rows: Iterable[Row]) -> None:
        statement = self._say("insert", table)
        with self._translated(self.connection):
            for columns in chunks(table, rows):
                await self.connection.execute(statement, *columns)
                self.written[table.name] += len(columns[0])

    async def _tell(self, channel: str, moved: Sequence[str]) -> None:
        with self._translated(self.connection):
            for payload in payloads(moved):
                await self.connection.execute(NOTIFY, channel, payload)

    def _say(self, what: str, table: Table, *how: Any, **sizes: int) -> str:
        return self._speech.say(self._tables, what, table, *how, **sizes)

    async def _ask(self, what: str, table: Table, keys: Sequence[Key]) -> Any:
        """Return what one of the statements about keys gives; where a part of a key is None, no row stands."""
        keys = [key for key in keys if None not in key]
        if not keys:
            return []
        with self._translated(self.connection), _refused():
            return await self.connection.fetch(self._say(what, table), *wanted(table, keys))

    async def _fetch(self, table: Table, statement: str, *arguments: Any) -> list[Row]:
        with self._translated(self.connection):
            records = await self.connection.fetch(statement, *arguments)
        return self._speech.rows(table, records)


@contextmanager
def _refused() -> Iterator[None]:
    """Tell of a value of a wrong type as the driver does of an argument; while it copies, it does not."""
    try:
        yield
    except TypeError as error:
        raise asyncpg.DataError(str(error)) from error


def _by_nulls(partitions: Sequence[Key]) -> dict[tuple[bool, ...], list[Key]]:
    """Return partitions by which of their columns are null: `IS NULL` and `=` are different words of SQL."""
    found: dict[tuple[bool, ...], list[Key]] = {}
    different = dict.fromkeys(partitions)
    if different and all(None not in partition for partition in different):
        return {(False,) * len(partitions[0]): list(different)}
    for partition in different:
        found.setdefault(tuple(value is None for value in partition), []).append(partition)
    return found


def _arrays(parts: Mapping[tuple[bool, ...], Sequence[Key]]) -> list[list[Any]]:
    """Return the values of the partition columns that are not null, an array a column."""
    return [[key[at] for key in keys] for nulls, keys in parts.items() for at, null in enumerate(nulls) if not null]


def _heads(table: Table, index: Index, parts: Mapping[tuple[bool, ...], Sequence[Key]], limit: int) -> int | None:
    """Return how many rows of each of many partitions to look at first; None to read them all, a page of each."""
    [nulls, keys], *others = parts.items()
    if others or any(nulls) or len(keys) < 2 or limit < 1 or not table.sort_columns(index):
        return None
    return -(-HEADS * limit // len(keys))
