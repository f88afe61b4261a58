"""
A forum network that never was: Jetstream logs of any size from a seed, for tests, demos and benchmarks.

A simulation walks forward in time. At each step the MIX says which act comes next; the act writes records into the
right repositories, as a client of that person, community or aggregator would. Popularity is skewed: few communities
hold most posts, few people do most of the talking, and most votes and replies go to what is new or hot. Three stages
then turn what happened into what a reader of the stream sees: some of it arrives late, all of it is printed with the
time it was seen, and some lines come again.

The same arguments give the same bytes on every platform and version: chance is `Random.random` and `getrandbits` of
an integer seed, arithmetic is integers and single IEEE operations, and nothing iterates over a set. Memory is bounded
by the numbers of people and communities, not by the length of the log.

Identifiers look real and are syntactically valid, but a CID is random: it names one version and matches no content.

Source: https://github.com/bluesky-social/jetstream for the wires; the `social.coves.*` lexicons for the records
"""

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from strandline.forum.world.acts import MIX
from strandline.forum.world.identifiers import DAY_US
from strandline.forum.world.printing import Wire, lines_of
from strandline.forum.world.stage import settle

__all__ = ["MIX", "START_US", "Wire", "world"]

START_US: Final = 1_780_272_000_000_000
"""Where a log begins unless told otherwise: 2026-06-01T00:00:00Z."""


SPAN_US: Final = 30 * DAY_US
"""How long a log lasts, however many events it has."""


MIN_STEP_US: Final = 2_048
FIRST_US: Final = 10**15
LAST_US: Final = 2**52
MAX_PEOPLE: Final = 250_000


def world(
    seed: int,
    events: int,
    *,
    communities: int | None = None,
    people: int | None = None,
    start_us: int = START_US,
    span_us: int = SPAN_US,
    late: float = 0.05,
    repeats: float = 0.02,
    spoilt: float = 0.001,
    garbage: float = 0.0,
    wire: Wire = "v1",
) -> Iterator[bytes]:
    """
    Return exactly `events` lines of a Jetstream log, lazily, each ending in a newline.

    The log is cut where it ends: what was to arrive later, or again, never does. A longer log of the same seed is
    another log, not a continuation.

    Args:
        seed: Chooses the log; equal arguments give equal bytes.
        events: How many lines, repeats and garbage included.
        communities: How many there may be; by default grows with the cube root of `events`: 50 at a million.
        people: How many take part, aggregators apart; by default a fortieth of `events`, at least 20, at most 250,000.
        start_us: When the log begins, microseconds since 1970, UTC; at least 10**15, in 2001, and over before 2**52.
        span_us: How long it lasts, about; at least 2,048 µs an event.
        late: Share, from 0 to below 1, of events held back behind up to a tenth of the log, at most 2,000 events.
        repeats: Share, from 0 to below 1, of lines that come a second time, byte for byte.
        spoilt: Share, from 0 to below 1, to about 1/10,000, of acts that write an invalid record.
        garbage: Share, from 0 to below 1, of lines that are no events at all.
        wire: v1 `/subscribe`, v2 `subscribeEvents`, or each line one of the two. Only v2 lines carry `#sync`.

    Raises:
        ValueError: An argument is out of its bounds.

    >>> log = list(world(7, 300))
    >>> len(log), log == list(world(7, 300))
    (300, True)
    """
    shares = {"late": late, "repeats": repeats, "spoilt": spoilt, "garbage": garbage}
    if not all(0 <= share < 1 for share in shares.values()) or wire not in ("v1", "v2", "mixed"):
        raise ValueError(f"shares are at least 0 and below 1, a wire is v1, v2 or mixed: got {shares}, {wire!r}")
    if communities is None:
        communities = _cube_root(events)
    if people is None:
        people = min(MAX_PEOPLE, max(20, events // 40))
    if events < 0 or communities < 1 or people < 1:
        raise ValueError(f"no forum has {communities} communities, {people} people and {events} events")
    step_us = max(MIN_STEP_US, span_us // max(1, events))
    if not FIRST_US <= start_us <= LAST_US - step_us * events:
        raise ValueError(f"a log lies between {FIRST_US} and {LAST_US}, not {step_us * events} long from {start_us}")
    forum = settle(
        Random(4 * seed),
        communities=communities,
        people=people,
        start_us=start_us,
        step_us=step_us,
        window=min(4_000, max(16, events // 200)),
    )
    return islice(lines_of(seed, forum, min(2_000, max(1, events // 10)), wire=wire, **shares), events)


def _cube_root(events: int) -> int:
    count = 3
    while (2 * count) ** 3 < events:
        count += 1
    return count
