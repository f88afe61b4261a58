"""
Identifiers that look real, and times as clients write them.
"""

from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from typing import Final

__all__ = ["CLOCK", "DAY_US", "PAIRS", "cids", "new_did", "stamp", "stem_of"]

DAY_US: Final = 86_400_000_000
_PLAIN = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"
PAIRS = tuple(high + low for high in _SORTABLE for low in _SORTABLE)
_SECONDS = tuple(f"{second:02d}." for second in range(60))
_MILLIS = tuple(f"{ms:03d}Z" for ms in range(1000))
CLOCK = "2k"
_ENDS = tuple((first, last) for first in "abcdefgh" for last in "aeimquy4")


def new_did(bits: Callable[[int], int]) -> str:
    return f"did:plc:{bits(192).to_bytes(24, 'big').translate(_PLAIN).decode()}"


def cids(bits: Callable[[int], int]) -> Iterator[str]:
    """Give out valid CIDv1s (dag-cbor, sha2-256) that no content has, for ever; drawn many at a time for speed."""
    width = 50
    while True:
        drawn = bits(8 * width * len(_ENDS)).to_bytes(width * len(_ENDS), "big")
        letters = drawn.translate(_PLAIN).decode()
        for number, (first, last) in enumerate(_ENDS):
            yield f"bafyrei{first}{letters[width * number : width * (number + 1)]}{last}"


@lru_cache(maxsize=64)
def _epoch(us: int) -> str:
    """Return the first five letters of a TID, those above 30 bits of microseconds."""
    return f"{_SORTABLE[us >> 20]}{PAIRS[us >> 10 & 1023]}{PAIRS[us & 1023]}"


def stem_of(us: int) -> str:
    """Return the first nine letters of a TID, those above 10 bits of microseconds; the rest are a pair and a clock."""
    low = us & 0x3FFF_FFFF
    return f"{_epoch(us >> 30)}{PAIRS[low >> 20]}{PAIRS[low >> 10 & 1023]}"


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    """Return a datetime as far as its seconds."""
    days, minute = divmod(minutes, 1440)
    return f"{date.fromordinal(719_163 + days).isoformat()}T{minute // 60:02d}:{minute % 60:02d}:"


def stamp(us: int) -> str:
    """Return `us` as a datetime in milliseconds: what clients write."""
    ms = us // 1000 % 60_000
    return f"{_minute(us // 60_000_000)}{_SECONDS[ms // 1000]}{_MILLIS[ms % 1000]}"
