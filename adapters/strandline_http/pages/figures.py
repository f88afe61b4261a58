"""
The figures of `/index`: what is indexed, how far behind it is, how fast it goes, and what was refused.

They are read from the store, since whoever writes it may be another process. How fast it goes is told by its cursors,
looked at now and then: a table of a few rows. What costs more (counts, samples of what was refused) is read beside the
requests, at most one fiftieth of the time, and shown with its age.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from strandline import Store, StoreError
from strandline.fold import JOB, QUARANTINE
from strandline.ingest import CURSOR, DEAD_LETTER, READ, SEEN
from strandline.ports import Counting
from strandline.wirejson import loads
from strandline_http.freshness import Freshness, now_us
from strandline_http.pages.charts import Line, line, share
from strandline_http.readers import Readers

__all__ = ["Figures", "Look", "Source", "events_between", "lag_of", "rates", "sources"]

LOG: Final = logging.getLogger("strandline.http")

LETTERS: Final = 500
"""So many of the newest dead letters are looked at."""

REFUSED: Final = 2000
"""So many quarantined records are looked at."""

SOON_US: Final = 2_000_000
"""The cursors are not looked at again within so many microseconds."""

_LOOKS: Final = 180
_LOOK_S: Final = 10.0
_RECENT_US: Final = 60_000_000
_WINDOW_US: Final = 1_800_000_000
_PATIENCE_S: Final = 0.5
_LEAST_PAUSE_S: Final = 15.0
_SHARE: Final = 50
_JOBS: Final = 100
_EARLIEST_US: Final = 1_500_000_000_000_000
_NAMES: Final[Mapping[str, str]] = {
    "post": "Posts",
    "comment": "Comments",
    "vote": "Votes",
    "community": "Communities",
    "profile": "Profiles",
    "subscription": "Subscriptions",
    "member": "Memberships",
    "block": "Blocks",
    "aggregator": "Aggregators",
    "authorization": "Authorizations",
    "register": "Records, deleted ones too",
    "repo": "Accounts",
}


@frozen
class Look:
    """How far each source had been taken in at a time, microseconds since 1970, UTC."""

    at_us: int
    positions: Mapping[str, int]


@frozen(kw_only=True)
class Source:
    """
    A source, as it is shown.

    Attributes:
        name: Where it is: a host, or the name of a file without its folders.
        lines: How many events or lines of it were read; None where that is not known.
        seen_us: When the latest event taken in was seen, microseconds since 1970, UTC; None for a log.
    """

    name: str
    lines: int | None
    seen_us: int | None


@frozen
class Bar:
    """A count among others: its name, and the length of its bar of at most 100."""

    name: str
    count: int
    length: int


@frozen(kw_only=True)
class Refused:
    """
    What was refused, by why.

    Attributes:
        bars: Why, the most frequent first.
        looked_at: How many were looked at.
        all: How many there are; None where that is not known.
    """

    bars: Sequence[Bar]
    looked_at: int
    all: int | None


@frozen(kw_only=True)
class _Census:
    """What takes longer to read, and when it was."""

    at_us: int
    rows: Sequence[Bar]
    bad: Refused
    quarantined: Refused
    jobs: int


class Figures:
    """
    Keeps what the figures are made of.

    Args:
        readers: What asks the store.
        freshness: Knows how far the index is behind.
    """

    def __init__(self, readers: Readers, freshness: Freshness) -> None:
        self._readers, self._freshness = readers, freshness
        self._looks: deque[Look] = deque(maxlen=_LOOKS)
        self._census: _Census | None = None
        self._next_s = float("-inf")
        self._at_work: asyncio.Task[None] | None = None

    async def watch(self) -> None:
        """Look at the cursors every few seconds, until cancelled; a store in trouble is looked at again later."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                LOG.warning("the figures wait for the store: %s", error)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Look at the cursors, unless they were looked at just now. Raises StoreError."""
        now = now_us()
        if self._looks and now - self._looks[-1].at_us < SOON_US:
            return
        self._looks.append(Look(now, await self._readers.ask(_positions)))
        while now - self._looks[0].at_us > _WINDOW_US:
            self._looks.popleft()

    async def told(self) -> dict[str, Any]:
        """Return the figures as they are shown. Raises StoreError."""
        await self.look()
        lag_us = await self._freshness.lag_us()
        await self._count()
        looks = list(self._looks)
        return {
            "at_us": looks[-1].at_us,
            "lag_us": lag_us,
            "sources": sources(looks[-1].positions),
            "rate": _rate(looks),
            "rates": line(rates(looks)),
            "lags": _lags(looks),
            "census": self._census,
        }

    async def close(self) -> None:
        """Wait for what is being read."""
        if self._at_work is not None:
            await asyncio.gather(self._at_work, return_exceptions=True)

    async def _count(self) -> None:
        """Begin to read what takes longer if it is time to, and wait for it a little."""
        if self._at_work is None or self._at_work.done():
            if time.monotonic() < self._next_s:
                return
            self._at_work = asyncio.create_task(self._read())
        await asyncio.wait({self._at_work}, timeout=_PATIENCE_S)

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            self._census = await self._readers.ask(_census)
        except StoreError as error:
            LOG.warning("the figures could not be counted: %s", error)
        took = time.monotonic() - began
        self._next_s = time.monotonic() + max(_LEAST_PAUSE_S, _SHARE * took)


async def _positions(store: Store) -> dict[str, int]:
    return {row[0]: row[1] async for _, rows in store.scan([CURSOR.name]) for row in rows}


def sources(positions: Mapping[str, int]) -> list[Source]:
    """Return the sources behind some cursors, by name; a folder or a user's name of theirs is not shown."""
    found = [
        Source(name=_shown(name), lines=_lines(positions, name), seen_us=_seen(positions, name))
        for name in positions
        if not name.endswith((READ, SEEN))
    ]
    return sorted(found, key=lambda it: it.name)


def _shown(source: str) -> str:
    is_log = source.startswith("file:")
    return source.rpartition("/")[2] if is_log else source.rpartition("@")[2]  # a password may stand before the @


def _lines(positions: Mapping[str, int], name: str) -> int | None:
    """Return how many lines were read of a source: as its writer counts them, or as a log's place tells."""
    counted = positions.get(f"{name}{READ}")
    if counted is not None:
        return counted
    is_log = f"{name}{SEEN}" not in positions and positions[name] < _EARLIEST_US
    return positions[name] if is_log else None


def _seen(positions: Mapping[str, int], name: str) -> int | None:
    told = positions.get(f"{name}{SEEN}", positions[name])
    return told if told > _EARLIEST_US else None


def lag_of(look: Look) -> int | None:
    """Return by how much the index was behind, microseconds; None if no live stream was ever followed."""
    latest = max((it for it in look.positions.values() if it > _EARLIEST_US), default=None)
    return None if latest is None else max(0, look.at_us - latest)


def events_between(before: Look, after: Look) -> int | None:
    """Return how many events were read between two looks; None where no source tells."""
    told = {name: _lines(after.positions, name) for name in after.positions if not name.endswith((READ, SEEN))}
    counts = {name: count for name, count in told.items() if count is not None}
    if not counts:
        return None
    was = {name: _lines(before.positions, name) or 0 if name in before.positions else 0 for name in counts}
    return sum(max(0, count - was[name]) for name, count in counts.items())


def rates(looks: Sequence[Look]) -> list[tuple[int, float]]:
    """Return the events a second between each two looks, behind the time of the later."""
    told = [
        (after.at_us, events_between(before, after), after.at_us - before.at_us) for before, after in pairwise(looks)
    ]
    return [(at_us, count / took_us * 1e6) for at_us, count, took_us in told if count is not None and took_us > 0]


def _rate(looks: Sequence[Look]) -> float | None:
    """Return the events a second of the last minute."""
    recent = [it for it in looks if looks[-1].at_us - it.at_us <= _RECENT_US]
    found = rates([recent[0], recent[-1]]) if len(recent) > 1 else []
    return found[0][1] if found else None


def _lags(looks: Sequence[Look]) -> Line | None:
    told = [(it.at_us, lag_of(it)) for it in looks]
    return line([(at_us, lag / 1e6) for at_us, lag in told if lag is not None])


async def _census(store: Store) -> _Census:
    counts = await store.counts() if isinstance(store, Counting) else {}
    rows = {label: counts[name] for name, label in _NAMES.items() if name in counts}
    letters = await store.page(DEAD_LETTER.name, "by_number", [()], limit=LETTERS)
    reasons = Counter(DEAD_LETTER.row(row).reason for row in letters)
    rules = await _rules(store)
    jobs = await store.page(JOB.name, "all", [()], limit=_JOBS)
    return _Census(
        at_us=now_us(),
        rows=_bars(rows),
        bad=_refused(reasons, len(letters), counts.get(DEAD_LETTER.name)),
        quarantined=_refused(rules, rules.total(), counts.get(QUARANTINE.name)),
        jobs=len(jobs),
    )


async def _rules(store: Store) -> Counter[str]:
    """Return by which rule records are quarantined first, of those looked at."""
    found: Counter[str] = Counter()
    async with aclosing(store.scan([QUARANTINE.name])) as chunks:
        async for _, rows in chunks:
            faults = [loads(row[3].encode()) for row in rows[: REFUSED - found.total()]]
            found.update(str(it[0]["rule"]) for it in faults if it)
            if found.total() >= REFUSED:
                break
    return found


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    most = max(counts.values(), default=0)
    return [Bar(name, count, share(count, most)) for name, count in counts.items()]


def _refused(counts: Counter[str], looked_at: int, in_all: int | None) -> Refused:
    return Refused(bars=_bars(dict(counts.most_common())), looked_at=looked_at, all=in_all)
