"""
Ranks: integers, the same on every machine, and no clock.

A post's hot rank is when it came, moved forward by what its score is worth: a tenfold score is worth 12.5 hours. So
ranks move only when a vote does, and can be stored and indexed.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final

from strandline.syntax import datetime_us

__all__ = ["hot", "ranks", "sort_at"]

TENFOLD_US: Final = 45_000_000_000
"""What a tenfold score is worth: 12.5 hours, in microseconds."""

_FORTY_DIGITS = Context(prec=40, rounding=ROUND_HALF_EVEN)


def hot(sort_at_us: int, score: int) -> int:
    """
    Return the hot rank of what came at `sort_at_us` and stands at `score`.

    >>> hot(0, 9), hot(0, -9), hot(5, 0)
    (45000000000, -45000000000, 5)
    """
    worth = _worth(abs(score))
    return sort_at_us + worth if score > 0 else sort_at_us - worth


def ranks(sort_at_us: int, upvotes: int, downvotes: int) -> tuple[int, int]:
    """Return the score and the hot rank."""
    score = upvotes - downvotes
    return score, hot(sort_at_us, score)


def sort_at(created_at: str, first_seen_us: int) -> int:
    """Return when a record counts as written: when it says, but not after it was first seen. Microseconds, UTC."""
    created_us = datetime_us(created_at)
    return first_seen_us if created_us is None else min(created_us, first_seen_us)


@lru_cache(maxsize=100_000)
def _worth(size: int) -> int:
    exact = _FORTY_DIGITS.multiply(TENFOLD_US, _FORTY_DIGITS.log10(Decimal(1 + size)))
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
