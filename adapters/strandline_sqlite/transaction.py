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
from strandline.ports import Key
from strandline.schema import Row, Table, Type
from strandline_sqlite import sql
from strandline_sqlite.codec import encoder

__all__ = ["Recent", "Seen", "Writing"]

RECENT: Final = 4000
"""Rows of a table that are remembered, twice: the newer ones, and as many before them."""

TRIAL: Final = 20_000
"""So many keys of a table are asked for before it is told whether remembering its rows is worth the room."""

Seen = dict[str, dict[Key, Row | None]]
"""What a transaction found at the keys that it asked for, by table; None for nothing."""


@define
class Recent:
    """
    The rows of one table that were read or written last.

    Wide rows are not remembered, nor those of a table of which less than a fifth is asked for again.
    """

    idle: bool
    _asked: int = 0
    _found: int = 0
    _newer: dict[Key, Row | None] = Factory(dict)
    _older: dict[Key, Row | None] = Factory(dict)

    @classmethod
    def of(cls, table: Table) -> "Recent":
        """Return what is remembered of a table: nothing yet."""
        return cls(any(column.type in (Type.JSON, Type.BYTES, Type.WORDS) for column in table.columns))

    def find(self, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at those of some keys that are remembered."""
        if self.idle:
            return {}
        newer, older = self._newer, self._older
        found = {key: row for key in keys if (row := newer.get(key) or older.get(key)) is not None}
        self._asked += len(keys)
        self._found += len(found)
        return found

    def put(self, rows: Mapping[Key, Row | None]) -> None:
        """Remember what stands at some keys now."""
        if self._asked >= TRIAL and self._found * 5 < self._asked:
            self.idle = True
            self.clear()
        if self.idle:
            return
        if len(self._newer) >= RECENT:
            self._newer, self._older = {}, self._newer
        self._newer.update(rows)
        for key in [key for key, row in rows.items() if row is None]:
            del self._newer[key]
            self._older.pop(key, None)

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
    def _indexed(self) -> Sequence[frozenset[int]]:
        """Where the columns of each index stand, but those of the key, which never change."""
        places = [map(self.table.position.__getitem__, sql.indexed(index)) for index in sql.own_indexes(self.table)]
        return [frozenset(at for at in index if at >= self.table.key_size) for index in places]

    @cached_property
    def _entries(self) -> Sequence[Callable[[Row], Any]]:
        """What gives of a row what each index holds, but the key."""
        return [itemgetter(*sorted(places)) if places else lambda row: None for places in self._indexed]

    @cached_property
    def _nullable(self) -> Sequence[int]:
        return [at for at, column in enumerate(self.table.columns) if column.null]

    @cached_property
    def _puts(self) -> dict[Nulls, Change]:
        return {}

    @cached_property
    def _changes(self) -> dict[tuple[tuple[bool, ...], Nulls], Change]:
        return {}

    def _nulls(self, row: Row) -> Nulls:
        return tuple([at for at in self._nullable if row[at] is None]) if self._nullable else ()

    def put(self, new: Row) -> Change:
        """Return how to put a row in its place, whatever stands there."""
        nulls = self._nulls(new)
        found = self._puts.get(nulls)
        if found is None:
            places = [at for at in range(len(self.table.columns)) if at not in nulls]
            statement = sql.insert(self.table, self.suffix, self._names(nulls))
            found = self._puts[nulls] = Change(statement, encoder(self.table, places))
        return found

    def change(self, old: Row, new: Row) -> Change:
        """Return how to write a row whose old one is known: no index is touched of which no column moved."""
        touched = tuple([entry(old) != entry(new) for entry in self._entries])
        kind = touched, self._nulls(new)
        found = self._changes.get(kind)
        if found is None:
            found = self._changes[kind] = self._change(*kind)
        return found

    def _change(self, touched: tuple[bool, ...], nulls: Nulls) -> Change:
        still = frozenset[int]().union(
            *(index for index, moved in zip(self._indexed, touched, strict=True) if not moved)
        )
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
        moved: dict[str, tuple[Change, list[Row]]] = {}
        near, wide = self.table.near is not None, len(self.table.columns)
        for key, row in sorted(rows.items(), key=itemgetter(0)):
            old = seen.get(key)
            if row is None:
                gone.append(key)
                continue
            if len(row) != wide:
                raise StoreError(f"a row of {len(row)} values is none of {self.table.name!r}, which has {wide} columns")
            if old is None:
                change = self.put(row)
                if near and key not in seen:
                    gone.append(key)
            elif old != row:
                change = self.change(old, row)
            else:
                continue
            moved.setdefault(change.statement, (change, []))[1].append(row)
        if gone:
            yield self.delete, gone
        for statement, (change, changed) in moved.items():
            yield statement, [change.values(row) for row in changed]
