"""
How far the index is behind: the time of the latest event whose place was committed, against the clock.

One look at the store a second is enough, whoever asks and however many they are. A look that fails, or takes long, may
make `/health` say so; it holds up no other answer.
"""

import asyncio
import logging
import time
from typing import Final

from strandline import Store, StoreError
from strandline.ingest import CURSOR
from strandline_http.readers import Readers

__all__ = ["Freshness", "now_us"]

LOG: Final = logging.getLogger("strandline.http")

_LOOK_S: Final = 1.0
_PATIENCE_S: Final = 0.25
"""So long an answer is held up at most, for a look that is young; for an older one it does not wait at all."""

_EARLIEST_US: Final = 1_500_000_000_000_000
"""Places before it are numbers of lines, not times."""


def now_us() -> int:
    """Return the time, microseconds since 1970, UTC."""
    return time.time_ns() // 1000


async def _latest_us(store: Store) -> int | None:
    found = [row[1] async for _, rows in store.scan([CURSOR.name]) for row in rows]
    return max((it for it in found if it > _EARLIEST_US), default=None)


class Freshness:
    """
    Knows how far the index is behind, and looks at most once a second.

    Args:
        readers: What asks the store.
        timeout_s: A look that takes longer is given up.
    """

    def __init__(self, readers: Readers, *, timeout_s: float) -> None:
        self._readers, self._timeout_s = readers, timeout_s
        self._began_s = float("-inf")
        self._look: asyncio.Task[int | None] | None = None

    async def lag_us(self) -> int | None:
        """
        Return by how many microseconds the index was behind a second ago at most; None if no stream was ever followed.

        Raises:
            StoreError: the store is in trouble.
            TimeoutError: it does not answer.
        """
        return _behind_us(await asyncio.shield(self._looking()))

    async def lag_us_if_known(self) -> int | None:
        """Return the same; None too where the store does not tell, or not soon. Raises nothing of the store's."""
        look = self._looking()
        left_s = self._began_s + _PATIENCE_S - time.monotonic()
        if not look.done() and left_s > 0:
            await asyncio.wait([look], timeout=left_s)
        return None if not look.done() or look.cancelled() or look.exception() else _behind_us(look.result())

    async def close(self) -> None:
        """Give up the look that is at work."""
        if self._look is not None and not self._look.done() and _is_ours(self._look):
            self._look.cancel()
            await asyncio.wait([self._look])

    def _looking(self) -> "asyncio.Task[int | None]":
        """Return the look that is at work, or was done within the second; else begin one."""
        look = self._look
        fresh = time.monotonic() - self._began_s <= _LOOK_S
        if look is not None and (fresh or not look.done()) and _is_ours(look):
            return look
        self._began_s = time.monotonic()
        self._look = asyncio.create_task(self._latest_us(), name="how far the index is behind")
        self._look.add_done_callback(_told)
        return self._look

    async def _latest_us(self) -> int | None:
        async with asyncio.timeout(self._timeout_s):
            return await self._readers.ask(_latest_us)


def _is_ours(look: "asyncio.Task[int | None]") -> bool:
    """Tell whether a look ends in this event loop: an application may be asked in one after the other."""
    return look.get_loop() is asyncio.get_running_loop()


def _behind_us(latest_us: int | None) -> int | None:
    return None if latest_us is None else max(0, now_us() - latest_us)


def _told(look: "asyncio.Task[int | None]") -> None:
    """Tell the log why it is not known."""
    error = None if look.cancelled() else look.exception()
    if error is not None:
        expected = isinstance(error, StoreError | TimeoutError)
        LOG.warning("how far the index is behind is not known: %r", error, exc_info=None if expected else error)
