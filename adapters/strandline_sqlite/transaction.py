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

from strandline.ports import Key
from strandline.schema import Row, Table, Type
from strandline_sqlite import sql
from strandline_sqlite.codec import Turn, all_turned, encoder

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


@frozen
class Change:
    """
    A way to write a row: the statement, and which of its values it takes, in their order.

    Attributes:
        statement: It takes one row's values.
        values: Gives them.
    """

    statement: str
    values: Callable[[Row], Sequence[Any]]


@define(slots=False)
class Writing:
    """How the rows of one table are written."""

    table: Table
    suffix: str

    @cached_property
    def encode(self) -> Turn:
        """What turns rows into what the file holds."""
        return encoder(self.table)

    @cached_property
    def delete(self) -> str:
        """The statement that deletes the row at a key."""
        return sql.delete(self.table, self.suffix)

    @cached_property
    def insert(self) -> str:
        """The statement that puts a row in its place, whatever stands there."""
        return sql.insert(self.table, self.suffix)

    @cached_property
    def _indexed(self) -> Sequence[frozenset[int]]:
        """Where the columns of each index stand, but those of the key, which never change."""
        places = [map(self.table.position.__getitem__, sql.indexed(index)) for index in sql.own_indexes(self.table)]
        return [frozenset(at for at in index if at >= self.table.key_size) for index in places]

    @cached_property
    def _changes(self) -> dict[tuple[bool, ...], Change]:
        return {}

    def change(self, old: Row, new: Row) -> Change:
        """Return how to write a row whose old one is known: no index is touched of which no column moved."""
        touched = tuple(any(old[at] != new[at] for at in index) for index in self._indexed)
        found = self._changes.get(touched)
        if found is None:
            found = self._changes[touched] = self._change(touched)
        return found

    def _change(self, touched: tuple[bool, ...]) -> Change:
        still = frozenset[int]().union(
            *(index for index, moved in zip(self._indexed, touched, strict=True) if not moved)
        )
        size, wide = self.table.key_size, len(self.table.columns)
        places = [at for at in range(size, wide) if at not in still]
        names = [self.table.columns[at].name for at in places]
        return Change(sql.update(self.table, self.suffix, names), itemgetter(*places, *range(size)))

    def statements(
        self, rows: Mapping[Key, Row | None], seen: Mapping[Key, Row | None]
    ) -> Iterable[tuple[str, Sequence[Any]]]:
        """Yield the statements that write some rows, each with the parameters of every row it writes, by key."""
        gone: list[Key] = []
        here: list[Row] = []
        moved: dict[str, tuple[Change, list[Row]]] = {}
        near = self.table.near is not None
        for key, row in sorted(rows.items(), key=itemgetter(0)):
            old = seen.get(key)
            if row is None:
                gone.append(key)
            elif old is None:
                here.append(row)
                if near and key not in seen:
                    gone.append(key)
            elif old != row:
                change = self.change(old, row)
                moved.setdefault(change.statement, (change, []))[1].append(row)
        if gone:
            yield self.delete, gone
        if here:
            yield self.insert, all_turned(self.encode, here)
        for statement, (change, changed) in moved.items():
            yield statement, [change.values(row) for row in all_turned(self.encode, changed)]
