"""
What other writers' turns have changed, so that a writer may read before its own turn what it will need in it.

Each turn has a number and says by which writer it was, and, while several are at work, at which keys it wrote: four
bytes a key. Who has read rows in a snapshot reads the number of its last turn there too. In its own turn it forgets the
rows at the keys that later turns wrote; all the others stand as they did. A key that is forgotten in vain, since
another has the same four bytes, is read once more.
"""

import os
import sys
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from attrs import define, field, frozen

from strandline.ports import Changes, Key, Layout
from strandline.schema import Row, Table, Type
from strandline_postgres.sql import Tables

__all__ = ["KEPT", "Foresight", "Turn", "Turns", "can_be_foreseen", "marks"]

KEPT: Final = 8
"""So many turns are kept; what was read before the first of them is forgotten."""

Rows = Mapping[str, Mapping[Key, Row | None]]

_TEXTS = (Type.TEXT, Type.KEY)


@frozen
class Foresight:
    """
    Rows that were read before a turn.

    Attributes:
        generation: That of the views' tables.
        last: The last turn before: its number, and whose it was.
        rows: By table; None where there is no row.
        marks: Those of the keys of `rows`, in their order.
    """

    generation: int | None
    last: tuple[int, str]
    rows: Rows
    marks: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, generation: int | None, last: tuple[int, str], layout: Layout, rows: Rows) -> "Foresight":
        """Return what was read."""
        return cls(generation, last, rows, {name: marks(layout.table(name), found) for name, found in rows.items()})

    def standing(self, turns: Sequence[Any]) -> Rows:
        """
        Return what of it stands after the last of some turns: number, writer, names, marks.

        They begin with the last one before; without it, those behind it may be gone too, so nothing stands.
        """
        if not turns or tuple(turns[0][:2]) != self.last:
            return {}
        moved: dict[str, set[int]] = {}
        for _, _, names, told in turns[1:]:
            if names is None:
                return {}
            for name, found in zip(names, told, strict=True):
                moved.setdefault(name, set()).update(array("I", found))
        return {name: rows if name not in moved else self._but(name, moved[name]) for name, rows in self.rows.items()}

    def _but(self, table: str, moved: Collection[int]) -> Mapping[Key, Row | None]:
        marked = zip(self.rows[table].items(), self.marks[table], strict=True)
        return {key: row for (key, row), mark in marked if mark not in moved}


@frozen
class Turn:
    """
    A writer's turn.

    Attributes:
        foreseen: The rows that it knows from before, and that stand.
    """

    foreseen: Rows
    _tables: Tables
    _writer: str
    _number: int
    _shared: bool

    async def say(self, connection: Any, layout: Layout, changes: Changes) -> None:
        """Say which turn it is, and what it changes. Errors are the driver's."""
        names = told = None
        if self._shared:
            names = [name for name, rows in changes.items() if rows and can_be_foreseen(layout.table(name))]
            told = [marks(layout.table(name), changes[name]).tobytes() for name in names]
        await connection.execute(self._tables.put_turn(), self._number, self._writer, names, told, self._number - KEPT)


@define
class Turns:
    """The turns of a store, as one of its writers knows them."""

    _writer: str = field(factory=lambda: os.urandom(8).hex())
    _number: int = 0
    _alone: int = KEPT

    @property
    def shared(self) -> bool:
        """Tell whether other writers had turns of late, and marks are spelt here as they spell them."""
        return self._alone < KEPT and sys.byteorder == "little"

    async def begin(self, connection: Any, tables: Tables, foresight: Foresight | None) -> Turn:
        """
        Begin a turn, in which nobody else has one. Errors are the driver's.

        No writer has the same number twice, though a server may have lost the turn that had it.
        """
        if foresight is not None and foresight.generation != tables.generation:
            foresight = None
        since = self._number if foresight is None else foresight.last[0]
        turns = await connection.fetch(tables.read_turns(), since, foresight is not None)
        self._alone = 0 if any(turn[1] != self._writer for turn in turns) else min(KEPT, self._alone + 1)
        self._number = 1 + max(self._number, turns[-1][0] if turns else since)
        foreseen = {} if foresight is None else foresight.standing(turns)
        return Turn(foreseen, tables, self._writer, self._number, self.shared)


def marks(table: Table, keys: Collection[Key]) -> "array[int]":
    """
    Return four bytes for each key of a table, the same in every process; none for one with None, where no row stands.

    >>> table = Table("named", (Column("name"),))
    >>> marks(table, [("a",)]) == marks(table, [("a",)])
    True
    """
    numbers = [at for at, column in enumerate(table.key) if column.type is Type.INTEGER]
    told: Iterable[Key] = [key for key in keys if None not in key]
    if numbers and told:
        columns: list[Sequence[Any]] = list(zip(*told, strict=True))
        for at in numbers:
            columns[at] = [str(int(it)) for it in columns[at]]  # what is equal is spelt alike
        told = zip(*columns, strict=True)
    return array("I", [crc32(it.encode()) for it in map("\0".join, told)])


def can_be_foreseen(table: Table) -> bool:
    """Tell whether its keys are of texts and integers alone, of which there is one spelling."""
    return all(column.type in (*_TEXTS, Type.INTEGER) for column in table.key)
