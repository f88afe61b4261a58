"""
One websocket: frames are put by as they come, within bounds, and taken in batches.

Where nobody takes them the buffer fills, then the socket is read no more: a slow store slows the host, and memory
stays flat. Pings are sent here, so that an idle host can be told from a dead one.
"""

import asyncio
import time
from collections import deque
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from strandline.session import TOO_BIG

__all__ = ["Connection"]

BATCH: Final = 20_000
AGE_S: Final = 0.05
GATHER_S: Final = 0.02
"""So long frames are read, at least, before those that came meanwhile are taken."""

BUFFERED: Final = 40_000
BUFFERED_BYTES: Final = 64 * 1024 * 1024
PING_S: Final = 20.0


class Connection:
    """
    A websocket that stands.

    Args:
        socket: The websocket; its own pings are off.
        stirred: Is set whenever something comes.

    Attributes:
        closed: The close code and reason, once it is closed and its frames are put by; None before.
        ponged: A pong has come; whoever reads it sets it back.
    """

    def __init__(self, socket: ClientConnection, stirred: asyncio.Event) -> None:
        self.closed: tuple[int, str] | None = None
        self.ponged = False
        self._socket, self._stirred = socket, stirred
        self._frames: deque[str | bytes] = deque()
        self._bytes = 0
        self._waits_s = self._due_s = 0.0
        self._room = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._ping())]

    def __len__(self) -> int:
        return len(self._frames)

    def due_s(self) -> float | None:
        """Return in how many seconds a batch is to be taken, 0 or less for now; None while there is no frame."""
        if not self._frames:
            return None
        full = len(self._frames) >= BATCH or self._is_full() or self.closed is not None
        return 0.0 if full else self._due_s - time.monotonic()

    def take(self) -> list[str | bytes]:
        """Take a batch: what has come, at most 20,000 frames."""
        taken = [self._frames.popleft() for _ in range(min(BATCH, len(self._frames)))]
        self._bytes -= sum(map(len, taken))
        self._due_s = time.monotonic() + AGE_S
        self._room.set()
        return taken

    async def close(self) -> None:
        """Close it within a second; what was not taken is forgotten."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    def _is_full(self) -> bool:
        return len(self._frames) >= BUFFERED or self._bytes >= BUFFERED_BYTES

    async def _read(self) -> None:
        try:
            while True:
                self._waits_s = time.monotonic()
                self._put(await self._socket.recv())
                while self._is_full():
                    self._room.clear()
                    await self._room.wait()
        except ConnectionClosed as closed:
            self.closed = _end(closed)
            self._stirred.set()

    def _put(self, frame: str | bytes) -> None:
        if not self._frames:
            # While a batch is folded nothing is read: a frame may have lain there since its reader began to wait.
            self._due_s = max(self._waits_s + AGE_S, time.monotonic() + GATHER_S)
            self._stirred.set()
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) == BATCH or self._is_full():
            self._stirred.set()

    async def _ping(self) -> None:
        try:
            while True:
                await asyncio.sleep(PING_S)
                await (await self._socket.ping())
                self.ponged = True
                self._stirred.set()
        except ConnectionClosed:
            return


def _end(closed: ConnectionClosed) -> tuple[int, str]:
    """Return the code and the reason: ours for a frame that is too big, else the host's, 1006 for none."""
    ours, theirs = closed.sent, closed.rcvd
    if ours is not None and ours.code == TOO_BIG:
        return TOO_BIG, ours.reason
    return (theirs.code, theirs.reason) if theirs is not None else (1006, "")
