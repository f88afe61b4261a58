"""
What a batch reads, and how the rows that it changes are written.

One process writes the file, so what it wrote last it need not read again: the rows of late are remembered, and of a
row that was read only what changed is written. A row of ten columns and three indexes, of which a vote moves one sum,
is one look and two trees less.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

from attrs import Factory, define, frozen

from strandline.errors import StoreError
from strandline.packing import packed_places
from strandline.ports import Key
from strandline.schema import Row, Table, Type
from strandline_sqlite import sql
from strandline_sqlite.codec import encoder

__all__ = ["Recent", "Seen", "Writing"]

RECENT: Final = 4000
"""
So many keys of a table are remembered, and as many before them; but what is put at once stays whole, however much.
"""

TRIAL: Final = 20_000
"""So many keys of a table are asked for before it is told whether remembering its rows is worth the room."""

_UNKNOWN: Final = object()

Seen = dict[str, dict[Key, Row | None]]
"""What a transaction found at the keys that it asked for, by table; None for nothing."""


@define
class Recent:
    """
    What stands at the keys of one table that were read or written last: rows, or nothing.

    Wide rows are not remembered, nor those of a table of which less than a fifth is asked for again.
    """

    idle: bool
    _asked: int = 0
    _found: int = 0
    _newer: dict[Key, Any] = Factory(dict)
    _older: dict[Key, Any] = Factory(dict)

    @classmethod
    def of(cls, table: Table) -> "Recent":
        """Return what is remembered of a table: nothing yet."""
        return cls(any(column.type in (Type.JSON, Type.BYTES, Type.WORDS) for column in table.columns))

    def find(self, keys: Collection[Key]) -> tuple[dict[Key, Row | None], list[Key]]:
        """Return what stands at those of some keys where it is remembered, None for nothing; and the other keys."""
        if self.idle:
            return {}, list(keys)
        newer, older = self._newer, self._older
        found: dict[Key, Row | None] = {}
        others: list[Key] = []
        for key in keys:
            row = newer.get(key, _UNKNOWN)
            if row is _UNKNOWN:
                row = older.get(key, _UNKNOWN)
            if row is _UNKNOWN:
                others.append(key)
            else:
                found[key] = row
        self._asked += len(keys)
        self._found += len(found)
        return found, others

    def put(self, rows: Mapping[Key, Row | None]) -> None:
        """Remember what stands at some keys now."""
        if self._asked >= TRIAL and self._found * 5 < self._asked:
            self.idle = True
            self.clear()
        if self.idle:
            return
        if len(self._newer) >= RECENT and not rows.keys() <= self._newer.keys():
            self._newer, self._older = {}, self._newer
        self._newer.update(rows)

    def clear(self) -> None:
        """Forget all."""
        self._newer.clear()
        self._older.clear()


Nulls = tuple[int, ...]
"""Where in a row the nulls stand."""


@frozen
class Change:
    """
    A way to write a row: the statement, and what gives it its parameters.

    Nulls stand in the statement: Python's module asks at length how to adapt each that is a parameter.

    Attributes:
        statement: It takes one row's values.
        values: Gives them, as the file holds them.
    """

    statement: str
    values: Callable[[Row], Sequence[Any]]


@define(slots=False)
class Writing:
    """How the rows of one table are written."""

    table: Table
    suffix: str

    @cached_property
    def delete(self) -> str:
        """The statement that deletes the row at a key."""
        return sql.delete(self.table, self.suffix)

    @cached_property
    def _apart(self) -> Sequence[frozenset[int]]:
        """
        Where columns stand of which none is written unless one of them moved.

        They are those of each index, but of the key, which never changes; and content identifiers, which are long to
        pack.
        """
        places = [map(self.table.position.__getitem__, sql.indexed(index)) for index in sql.own_indexes(self.table)]
        groups = [frozenset(at for at in index if at >= self.table.key_size) for index in places]
        packed = packed_places(self.table)
        return [*groups, frozenset(packed)] if packed else groups

    @cached_property
    def _entries(self) -> Sequence[Callable[[Row], Any]]:
        """What gives of a row what stands in each of those."""
        return [itemgetter(*sorted(places)) if places else lambda row: None for places in self._apart]

    @cached_property
    def _nullable(self) -> Sequence[int]:
        return [at for at, column in enumerate(self.table.columns) if column.null]

    @cached_property
    def _puts(self) -> dict[Nulls, Change]:
        return {}

    @cached_property
    def _changes(self) -> dict[tuple[tuple[bool, ...], Nulls], Change]:
        return {}

    def put(self, nulls: Nulls) -> Change:
        """Return how to put a row with nulls at these places in its own place, whatever stands there."""
        places = [at for at in range(len(self.table.columns)) if at not in nulls]
        return Change(sql.insert(self.table, self.suffix, self._names(nulls)), encoder(self.table, places))

    def change(self, touched: tuple[bool, ...], nulls: Nulls) -> Change:
        """Return how to write a row whose old one is known: no index is touched of which no column moved."""
        still = frozenset[int]().union(*(index for index, moved in zip(self._apart, touched, strict=True) if not moved))
        size, wide = self.table.key_size, len(self.table.columns)
        places = [at for at in range(size, wide) if at not in still]
        statement = sql.update(self.table, self.suffix, self._names(places), self._names(nulls))
        return Change(statement, encoder(self.table, [*(at for at in places if at not in nulls), *range(size)]))

    def _names(self, places: Iterable[int]) -> list[str]:
        return [self.table.columns[at].name for at in places]

    def statements(
        self, rows: Mapping[Key, Row | None], seen: Mapping[Key, Row | None]
    ) -> Iterable[tuple[str, Sequence[Any]]]:
        """Yield the statements that write some rows, each with the parameters of every row it writes, by key."""
        gone: list[Key] = []
        put: dict[Nulls, list[Row]] = {}
        changed: dict[tuple[tuple[bool, ...], Nulls], list[Row]] = {}
        near, wide, nullable, entries = (
            self.table.near is not None,
            len(self.table.columns),
            self._nullable,
            self._entries,
        )
        for key in sorted(rows):
            row, old = rows[key], seen.get(key)
            if row is None:
                gone.append(key)
                continue
            if len(row) != wide:
                raise StoreError(f"a row of {len(row)} values is none of {self.table.name!r}, which has {wide} columns")
            nulls = tuple([at for at in nullable if row[at] is None]) if nullable else ()
            if old is None:
                if nulls in put:
                    put[nulls].append(row)
                else:
                    put[nulls] = [row]
                if near and key not in seen:
                    gone.append(key)
            elif old != row:
                touched = tuple([entry(old) != entry(row) for entry in entries])
                changed.setdefault((touched, nulls), []).append(row)
        if gone:
            yield self.delete, gone
        for nulls, moved in put.items():
            change = self._puts.get(nulls) or self._puts.setdefault(nulls, self.put(nulls))
            yield change.statement, [*map(change.values, moved)]
        for kind, moved in changed.items():
            change = self._changes.get(kind) or self._changes.setdefault(kind, self.change(*kind))
            yield change.statement, [*map(change.values, moved)]
