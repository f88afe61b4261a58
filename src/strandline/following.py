"""
Who follows a store, told which tables have moved.

A follower is told names, not rows: it asks for what it wants. So a slow one costs nothing and misses nothing: what
moved meanwhile waits as one set of names.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

__all__ = ["Followers", "Moves"]


class Moves:
    """What moved, for one of them: each item is the names of all tables that moved since the item before."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._woken = asyncio.Event()

    def tell(self, names: Iterable[str]) -> None:
        """Add names of tables that have moved."""
        self._names.update(names)
        if self._names:
            self._woken.set()

    def __aiter__(self) -> AsyncIterator[frozenset[str]]:
        return self

    async def __anext__(self) -> frozenset[str]:
        await self._woken.wait()
        names = frozenset(self._names)
        self._names.clear()
        self._woken.clear()
        return names


class Followers:
    """The followers of a store in this process, all in one event loop."""

    def __init__(self) -> None:
        self._followers: set[Moves] = set()

    def tell(self, names: Iterable[str]) -> None:
        """Tell all followers of tables that have moved."""
        told = frozenset(names)
        for moves in self._followers:
            moves.tell(told)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[Moves]:
        """Follow until the end of the block."""
        moves = Moves()
        self._followers.add(moves)
        try:
            yield moves
        finally:
            self._followers.discard(moves)
