"""
Remember what was found of short texts: the same dids, uris and cids come again and again in a stream.

Bounded: so many texts of at most so many letters; longer ones are worked out each time.
"""

from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["remembered"]

T = TypeVar("T")

MAX_LETTERS: Final = 160
MAX_TEXTS: Final = 16_384


class _Memo(dict[str, T]):
    """
    What was found of the texts asked for last, the newer half, and behind it the older.

    A text of the newer half is looked up without a call of ours, which is most of what there is to gain.
    """

    def __init__(self, find: Callable[[str], T]) -> None:
        self._find = find
        self._older: dict[str, T] = {}

    def __missing__(self, text: str) -> T:
        if len(text) > MAX_LETTERS:
            return self._find(text)
        found = self._older[text] if text in self._older else self._find(text)
        if len(self) >= MAX_TEXTS // 2:
            self._older = dict(self)
            self.clear()
        self[text] = found
        return found


def remembered(find: Callable[[str], T]) -> Callable[[str], T]:
    """Return a function that finds the same, and remembers what it found of the last short texts."""
    return _Memo(find).__getitem__
