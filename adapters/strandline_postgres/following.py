"""
Who follows a store hears its commits by NOTIFY: the server tells them after the commit, and none that is undone.

What is told while the connection is lost, nobody hears; so once it is there again, everything may have moved.

Source: https://www.postgresql.org/docs/current/sql-notify.html
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from attrs import define, field

from strandline.following import Moves
from strandline_postgres.connections import Connections
from strandline_postgres.faults import ERRORS

__all__ = ["follow", "payloads"]

PAYLOAD_BYTES: Final = 7900
"""A notification has less than 8,000 bytes."""


def payloads(names: Collection[str]) -> Iterator[str]:
    """Yield the names of tables as what a notification holds: as many as there is room for in each."""
    held: list[str] = []
    for name in sorted(names):
        if held and len(" ".join([*held, name]).encode()) > PAYLOAD_BYTES:
            yield " ".join(held)
            held = []
        held.append(name)
    if held:
        yield " ".join(held)


@asynccontextmanager
async def follow(
    connections: Connections, channel: str, names: Collection[str]
) -> AsyncIterator[AsyncIterator[frozenset[str]]]:
    """Follow until the end of the block; `names` are those of all tables."""
    ear = _Ear(connections, channel, frozenset(names))
    await ear.listen()
    try:
        yield ear.moves()
    finally:
        await ear.rest()


@define(eq=False)
class _Ear:
    connections: Connections
    channel: str
    names: frozenset[str]
    heard: Moves = field(factory=Moves)
    connection: Any = None

    async def listen(self) -> None:
        self.connection = await self.connections.acquire()
        with self.connections.translated(self.connection):
            self.connection.add_termination_listener(self._lose)
            await self.connection.add_listener(self.channel, self._hear)

    async def moves(self) -> AsyncGenerator[frozenset[str], None]:
        async for names in self.heard:
            if self.connection is None:
                await self.listen()
            yield names

    async def rest(self) -> None:
        connection, self.connection = self.connection, None
        if connection is None:
            return
        with suppress(*ERRORS):
            connection.remove_termination_listener(self._lose)
            await connection.remove_listener(self.channel, self._hear)
        await self.connections.release(connection)

    def _hear(self, connection: Any, process: int, channel: str, payload: str) -> None:
        del connection, process, channel
        self.heard.tell(payload.split())

    def _lose(self, connection: Any) -> None:
        del connection
        self.connection = None
        self.heard.tell(self.names)
