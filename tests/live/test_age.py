"""How old a batch may get: what lay unread while the one before was folded is as old as it may be."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from strandline_jetstream import connection
from strandline_jetstream.connection import AGE_S, GATHER_S, Connection


class Socket:
    """A websocket on which frames are put."""

    def __init__(self) -> None:
        self.frames = asyncio.Queue[bytes]()
        self.recv = self.frames.get

    async def close(self) -> None: ...


@pytest.mark.parametrize(("folded_s", "due_s"), [(0.0, AGE_S), (AGE_S / 2, AGE_S / 2), (10.0, GATHER_S)])
def test_a_frame_is_as_old_as_its_reader_has_waited(
    monkeypatch: pytest.MonkeyPatch, folded_s: float, due_s: float
) -> None:
    clock: Any = SimpleNamespace(now_s=100.0)
    clock.monotonic = lambda: clock.now_s
    monkeypatch.setattr(connection, "time", clock)

    async def due() -> Any:
        socket: Any = Socket()
        it = Connection(socket, stirred := asyncio.Event())
        await asyncio.sleep(0)
        clock.now_s += folded_s
        socket.frames.put_nowait(b"{}")
        await stirred.wait()
        try:
            return it.due_s()
        finally:
            await it.close()

    assert asyncio.run(due()) == pytest.approx(due_s)
