"""
The log of a host: lines of either wire, numbered in its own order, and said on both.

Order is by the time seen, as that of any host; what is no event stays behind the event before it. A line is sent byte
for byte where the wire is its own and its number is the host's; else it is the same event, written anew.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

from attrs import frozen

from strandline.event import BadEvent, Commit, Control, Decoded, Sync, decode
from strandline.session import Generation
from strandline.wire import to_v1, to_v2

__all__ = ["Entry", "Log"]

T = TypeVar("T")


@frozen
class Entry:
    """A line, what it says, its number, and the time it was seen: its own, or that of the event before it."""

    line: bytes
    item: Decoded
    seq: int
    seen_us: int

    @property
    def did(self) -> str:
        """Its repo; "" for what is no event."""
        return "" if isinstance(self.item, BadEvent | Control) else self.item.did

    @property
    def kind(self) -> str:
        """The name of its kind on both wires; "" for what is no event."""
        return "" if isinstance(self.item, BadEvent | Control) else type(self.item).__name__.lower()

    @property
    def collection(self) -> str:
        """Its collection; "" for what has none."""
        return self.item.collection if isinstance(self.item, Commit) else ""

    def said(self, generation: Generation) -> bytes | None:
        """Return it as a line of that wire; None if the wire has no such event."""
        item = self.item
        if isinstance(item, BadEvent | Control):
            return self.line
        is_v1 = item.position == item.seen_us
        if generation == "v1":
            return None if isinstance(item, Sync) else self.line if is_v1 else to_v1(item)
        is_own = not is_v1 and item.position == self.seq and self.line.startswith(b'{"$type":"message"')
        return self.line if is_own else to_v2(item, self.seq)


class Log:
    """
    What a host holds.

    Args:
        lines: Lines of either wire, in any order.
        first: The number of the first; lines that bring a greater number of their own keep it.
        shuffled: Within so many events the repos are mixed anew, each in its own order; 0 for not at all.
        seed: By which they are mixed.
    """

    def __init__(self, lines: Iterable[bytes], first: int = 1, shuffled: int = 0, seed: int = 0) -> None:
        self.entries: list[Entry] = []
        self._seq, self._seen_us = first - 1, 0
        self._reached_us: list[int] = []
        timed = _timed(lines)
        keeps = not shuffled and first == 1
        for line, item in _mixed(timed, shuffled, Random(seed)) if shuffled else timed:
            self._append(line, item, keeps)

    def put(self, line: bytes) -> None:
        """Append a line, as the latest."""
        self._append(line.rstrip(b"\r\n"), decode(line), True)

    def at_seq(self, seq: int) -> int:
        """Return the place of the first entry with at least this number."""
        return bisect_left(self.entries, seq, key=lambda it: it.seq)

    def at_time(self, us: int) -> int:
        """Return the place of the first entry that was seen then or later."""
        return bisect_left(self._reached_us, us)

    def _append(self, line: bytes, item: Decoded, keeps: bool) -> None:
        if not isinstance(item, BadEvent | Control):
            own = item.position if keeps and item.position != item.seen_us else 0
            self._seq = own if own > self._seq else self._seq + 1
            self._seen_us = item.seen_us
        self.entries.append(Entry(line, item, self._seq, self._seen_us))
        self._reached_us.append(max(self._seen_us, self._reached_us[-1] if self._reached_us else 0))


def _timed(lines: Iterable[bytes]) -> list[tuple[bytes, Decoded]]:
    """Return lines with what they say, by the time they were seen."""
    bare = [line.rstrip(b"\r\n") for line in lines]
    items = [decode(line) for line in bare]
    seen = accumulate(items, lambda us, it: us if isinstance(it, BadEvent | Control) else it.seen_us, initial=0)
    next(seen)
    return [(line, item) for _, line, item in sorted(zip(seen, bare, items, strict=True), key=lambda it: it[0])]


def _mixed(told: Sequence[tuple[bytes, Decoded]], size: int, dice: Random) -> Iterator[tuple[bytes, Decoded]]:
    """Mix the repos within each part of so many; what one repo did keeps its order."""
    for at in range(0, len(told), size):
        part = told[at : at + size]
        repos = [_repo(item) for _, item in part]
        queues = {repo: iter([it for it, own in zip(part, repos, strict=True) if own == repo]) for repo in set(repos)}
        dice.shuffle(repos)
        yield from (next(queues[repo]) for repo in repos)


def _repo(item: Decoded) -> str:
    return "" if isinstance(item, BadEvent | Control) else item.did
