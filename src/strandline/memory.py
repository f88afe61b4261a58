"""
The reference store: dicts, and pages by sorting. Right by being plain; for tests, scripts and small indexes.

An index is kept only from the first page asked of it: a mapping from partition to the keys in it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from heapq import nlargest, nsmallest
from operator import itemgetter
from typing import Any

from strandline.following import Followers, Moves
from strandline.ports import Changes, Found, Key, Layout
from strandline.schema import Row, Table
from strandline.words import Query

__all__ = ["MemoryStore", "open_store"]

_CHUNK = 1000


class MemoryStore:
    """A store that keeps its tables in this process; see `strandline.ports.Store`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._rows: dict[str, dict[Key, Row]] = {name: {} for name in layout.tables}
        self._indexes: dict[str, dict[str, dict[Key, set[Key]]]] = {name: {} for name in layout.tables}
        self.stamp: Mapping[str, str] = dict(layout.stamp)
        self._followers = Followers()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["MemoryStore"]:
        """Begin a transaction; there is one writer, so it is the store itself."""
        yield self

    async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`."""
        rows = self._rows[table]
        return {key: rows[key] for key in keys if key in rows}

    get = load

    async def commit(self, changes: Changes) -> None:
        """Write all changes."""
        for table in changes:
            self.layout.table(table)  # KeyError before anything is written
        for table, rows in changes.items():
            held, indexes = self._rows[table], self._indexes[table]
            for key, row in rows.items():
                for index in indexes:
                    self._move(table, index, key, held.get(key), row)
                if row is None:
                    held.pop(key, None)
                else:
                    held[key] = row
        self._followers.tell(table for table, rows in changes.items() if rows)

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
        places = [shape.position[name] for name in shape.sort_columns(declared)]
        best = nlargest if declared.descending else nsmallest

        def order(row: Row) -> Key:
            return tuple(row[place] for place in places)

        def wanted(row: Row) -> bool:
            at = order(row)
            sign = 1 if declared.descending else -1
            behind = after is None or _compare(at, after) * sign < 0
            return behind and (bound is None or _compare(at[: len(bound)], bound) * sign >= 0)

        found: list[Row] = []
        for partition in dict.fromkeys(partitions):
            rows = filter(wanted, self._partition(shape, index, partition))
            found.extend(best(limit if each is None else min(each, limit), rows, key=order))
        return best(limit, found, key=order)

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
        """Return rows of whose words a query is true, by looking at all."""
        shape = self.layout.table(table)
        declared = shape.search(search)
        words, at = self.layout.table(declared.words), shape.position
        texts = [words.position[name] for name in words.words]
        held = self._rows[table]

        def asked(row: Row) -> bool:
            kept = all(row[at[name]] in values for name, values in (within or {}).items())
            return kept and (since is None or declared.since is None or row[at[declared.since]] >= since)

        def place(key: Key, told: Row) -> Key:
            head = (int(query.heads(told[texts[0]])),) if declared.headed else ()
            return (*head, *(held[key][at[name]] for name in shape.found_columns(declared)))

        found = [
            (place(key, told), held[key])
            for key, told in self._rows[declared.words].items()
            if query.finds([told[text] for text in texts]) and key in held and asked(held[key])
        ]
        return nlargest(limit, (it for it in found if after is None or it[0] < after), key=itemgetter(0))

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[tuple[str, list[Row]], None]:
        """Yield all rows of some tables, by key."""
        snapshot = [(table, sorted(self._rows[table].items())) for table in tables]
        for table, items in snapshot:
            for at in range(0, len(items), _CHUNK):
                yield table, [row for _, row in items[at : at + _CHUNK]]

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator["MemoryStore"]:
        """Open a store with new, empty views beside this one's."""
        beside = MemoryStore(self.layout)
        for table in self.layout.kept:
            beside._rows[table.name] = self._rows[table.name]
            beside._indexes[table.name] = self._indexes[table.name]
        yield beside
        self._rows, self._indexes, self.stamp = beside._rows, beside._indexes, dict(self.layout.stamp)
        self._followers.tell(table.name for table in self.layout.views)

    async def counts(self) -> Mapping[str, int]:
        """Return how many rows each table has."""
        return {name: len(rows) for name, rows in self._rows.items()}

    def changes(self) -> AbstractAsyncContextManager[Moves]:
        """Follow the store within the block."""
        return self._followers.follow()

    async def close(self) -> None:
        """Nothing is held."""

    def _partition(self, table: Table, index: str, partition: Key) -> Iterator[Row]:
        rows, indexes = self._rows[table.name], self._indexes[table.name]
        if index not in indexes:
            indexes[index] = {}
            for key, row in rows.items():
                self._move(table.name, index, key, None, row)
        return (rows[key] for key in indexes[index].get(partition, ()))

    def _move(self, table: str, index: str, key: Key, old: Row | None, new: Row | None) -> None:
        shape, keys = self.layout.table(table), self._indexes[table][index]
        places = [shape.position[name] for name in shape.index(index).partition]
        if old is not None:
            keys[tuple(old[place] for place in places)].discard(key)
        if new is not None:
            keys.setdefault(tuple(new[place] for place in places), set()).add(key)


def _compare(one: Key, other: Key) -> int:
    return (one > other) - (one < other)


def open_store(url: str, layout: Layout, *, write: bool = True, stale: bool = False) -> MemoryStore:
    """Open an empty store in memory; the URL is `memory:`, and nothing of it is kept."""
    del url, write, stale
    return MemoryStore(layout)
