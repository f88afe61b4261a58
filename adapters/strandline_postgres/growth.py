"""
Tables that grow fast: what the planner knows of a young table is soon wrong, and the server's own look comes late.

So a writer lets the planner look when it has put a thousand rows into a table, and at each tenfold.

Source: https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from attrs import define, field

from strandline.errors import StoreError
from strandline.ports import Layout
from strandline_postgres.connections import BATCH, Connections, Lent
from strandline_postgres.sql import Tables

__all__ = ["FIRST_LOOK", "Growth"]

FIRST_LOOK: Final = 1000
_WAIT = "SET LOCAL lock_timeout = '1s'"


@define
class Growth:
    """How many rows a writer has put into each table since it began, and since when the planner knows of them."""

    connections: Connections
    layout: Layout
    _put: Counter[str] = field(init=False, factory=Counter)
    _due: dict[str, int] = field(init=False, factory=dict)

    async def told(self, tables: Tables, written: Mapping[str, int]) -> None:
        """Count what a transaction has written; let the planner look where that is due. Never on a lent connection."""
        self._put.update(written)
        grown = [name for name in written if self._put[name] >= self._due.get(name, FIRST_LOOK)]
        for name in grown:
            self._due[name] = 10 * self._put[name]
            if not isinstance(self.connections, Lent):
                with suppress(StoreError):  # the server's own look comes, if later
                    await self._look(tables.analyze(self.layout.table(name)))

    async def _look(self, statement: str) -> None:
        async with self.connections.begin(BATCH, _WAIT) as connection:
            with self.connections.translated(connection):
                await connection.execute(statement)
