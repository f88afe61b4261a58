"""
Many events through all that can go wrong, at once: the index is that of the log, the dead letters are its garbage.

The hosts serve one log, each with numbers, an order and fates of its own; the follower takes it into SQLite, whose
commits fail now and then. STRANDLINE_FULL=1 makes it ten times as long: 200,000 events. What the index must be is a fold in memory of
the whole log at once, which the laws of tests/property tie to the naive reference.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from random import Random
from typing import Final

import pytest

from strandline import Ingest, MemoryStore, Store, decode, layout_of, open_store
from strandline.errors import StoreInterrupted, StoreLocked, StoreUnavailable
from strandline.event import BadEvent, Control, Decoded, Event
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.forum.world import Wire, world
from strandline.ingest import DEAD_LETTER, cursors_of
from strandline.session import Place, follow
from strandline_jetstream import Follower, connection, follower, host_of
from strandline_jetstream.testing import Close, Cut, Error, Fate, Faults, Jetstream, Refuse, Stall, serving

EVENTS: Final = 100_000 if "STRANDLINE_FULL" in os.environ else 10_000
"""Of each of the two soaks."""

ROUNDS: Final = 10 if "STRANDLINE_FULL" in os.environ else 2
"""How often everything goes wrong."""

EVERY: Final = 250_000
"""Microseconds between two events: five minutes of them are 1,200."""


def log(wire: Wire) -> list[bytes]:
    """A made-up forum's events with garbage among them, every piece of which is another."""
    lines = list(world(seed=7, events=EVENTS, span_us=EVERY * EVENTS, spoilt=0.01, wire=wire))
    kinds = [
        b'{"n":%d',
        b"\xff%d",
        b'{"did":"did:web:a.test","time_us":1,"kind":"%d"}',
        b"[%d]",
        b'"%d"',
        b"%d" + b"x" * 300,
    ]
    for number in range(EVENTS // 200):
        lines.insert(number * 197 + 50, kinds[number % len(kinds)] % number)
    return [line.rstrip() for line in lines]


def fates(dice: Random, count: int, size: int) -> list[Fate]:
    """What connections come to, in an order by chance; three refusals in a row send a follower to another host."""
    ends: list[list[Fate]] = [
        [Cut(dice.randrange(size))],
        [Cut(dice.randrange(size))],
        [Cut(0), Cut(1)],
        [Close(dice.randrange(size), 1001)],
        [Close(dice.randrange(size), 1000)],
        [Error(dice.randrange(size), "ConsumerTooSlow")],
        [Stall(dice.randrange(size))],
        [Refuse(503, "ServiceUnavailable")],
        [Refuse(400, "CursorTooOld", "the oldest is 1")],
        [Refuse(400, "UnknownZstdDictionary", "another")],
        [Refuse(502)] * 3,
    ]
    return [it for _ in range(count) for some in dice.sample(ends, len(ends)) for it in some]


@pytest.mark.parametrize(("wire", "paths"), [("v2", ["", ""]), ("v1", ["/subscribe", ""])])
def test_whatever_goes_wrong_the_index_is_that_of_the_log(
    wire: Wire, paths: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(connection, "BATCH", 500)
    asyncio.run(_soaked(log(wire), paths, f"sqlite:///{tmp_path}/index.db"))


async def _soaked(lines: list[bytes], paths: Sequence[str], url: str) -> None:
    dice = Random(7)
    expected = {_told(it) for it in map(decode, lines) if isinstance(it, Event)}
    store = await open_store(url, SCHEMA)
    ingest = Ingest(store, SCHEMA)

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        if dice.random() < 0.05:
            raise dice.choice([StoreUnavailable, StoreInterrupted, StoreLocked])("for a while")
        await ingest.fold(items, cursors_of(place) if place else None)
        expected.difference_update(_told(it) for it in items if isinstance(it, Event))
        if not expected:
            following.interrupt()

    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(_host(lines, number)) for number in range(len(paths))]
        sources = [host_of(f"{it.url}{path}") for it, path in zip(hosts, paths, strict=True)]
        session = follow(sources, [], pause_us=10_000, silence_us=100_000)
        following = Follower(session, deliver, go_on=ingest.go_on)
        assert await following.follow() == ""
        assert not hosts[0].faults.fates, "all has gone wrong"
        assert len(hosts[1].asked) > 2, "the other host stood in"
    await ingest.finish()
    await assert_is_index_of(lines, store)
    await store.close()


def _told(event: Event) -> tuple[object, ...]:
    """What tells an event from others on either wire."""
    path = [getattr(event, name, None) for name in ("rev", "operation", "collection", "rkey")]
    return (type(event), event.did, event.seen_us, *path)


def _host(lines: list[bytes], number: int) -> AbstractAsyncContextManager[Jetstream]:
    faults = Faults(fates(Random(number), ROUNDS, EVENTS // (6 * ROUNDS)), twice=13, rotate=5, no_dictionary=1)
    return serving(lines, faults, first=1 + 10**6 * number, shuffled=3 * number, seed=number)


async def assert_is_index_of(lines: list[bytes], store: Store) -> None:
    told = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
    await told.fold([decode(line) for line in lines])
    await told.finish()
    assert digest(sorted([it async for it in dump_lines(store)])) == digest(
        sorted([it async for it in dump_lines(told.store)])
    )
    letters = [row[4] async for _, rows in store.scan([DEAD_LETTER.name]) for row in rows]
    assert sorted(letters) == sorted({it.payload for it in map(decode, lines) if isinstance(it, BadEvent)})
    assert not any(isinstance(it, Control) for it in map(decode, lines))
