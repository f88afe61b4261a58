"""How far the index is behind: the time of the latest event whose place was committed, against the clock."""

import time
from typing import Final

from strandline import Store
from strandline.ingest import CURSOR
from strandline_http.readers import Readers

__all__ = ["Freshness", "now_us"]

_LOOK_S: Final = 1.0
_EARLIEST_US: Final = 1_500_000_000_000_000
"""Places before it are numbers of lines, not times."""


def now_us() -> int:
    """Return the time, microseconds since 1970, UTC."""
    return time.time_ns() // 1000


async def _latest_us(store: Store) -> int | None:
    found = [row[1] async for _, rows in store.scan([CURSOR.name]) for row in rows]
    return max((it for it in found if it > _EARLIEST_US), default=None)


class Freshness:
    """Knows how far the index is behind, and looks at most once a second."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._looked_s = float("-inf")
        self._latest_us: int | None = None

    async def lag_us(self, *, anew: bool = False) -> int | None:
        """
        Return by how many microseconds the index is behind; None if no live stream was ever followed.

        Raises:
            StoreError: the store is in trouble.
        """
        if anew or time.monotonic() - self._looked_s > _LOOK_S:
            self._looked_s = time.monotonic()
            self._latest_us = await self._readers.ask(_latest_us)
        return None if self._latest_us is None else max(0, now_us() - self._latest_us)
