"""
Remember what was found of short texts: the same dids, uris and cids come again and again in a stream.

Bounded: so many texts of at most so many letters; longer ones are worked out each time.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

__all__ = ["remembered"]

T = TypeVar("T")

MAX_LETTERS = 160
MAX_TEXTS = 16_384


def remembered(find: Callable[[str], T]) -> Callable[[str], T]:
    """Return a function that finds the same, and remembers what it found of the last short texts."""
    remember = lru_cache(maxsize=MAX_TEXTS)(find)

    def found(text: str) -> T:
        return remember(text) if len(text) <= MAX_LETTERS else find(text)

    return found
