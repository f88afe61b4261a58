"""
Records that come, become invalid, are put right, and go: a few paths, half of all writes spoilt, against the reference.

The standing put holds its path, valid or not. So an older valid version never comes back, and the quarantine is the
set of standing puts that are not valid, whatever was there before.
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal, get_args
from unittest.mock import patch

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Event, Ingest, MemoryStore, ingest, layout_of, run
from strandline.fold import QUARANTINE
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import CALM, CIDS, POOLS, REVS
from strandline.jobs import STEP, step
from strandline.testing.laws import told

EXAMPLES = 20_000 if "STRANDLINE_FULL" in os.environ else 1200

LETTERS: Final = "234567abcdefghijklmnopqrstuvwxyz"
Operation = Literal["create", "update", "delete"]
SPOILT: Final[dict[str, Any]] = {"createdAt": "yesterday", "note": "\x00", "extra": 0.5}
SEEN_US: Final = tuple(POOLS.times_us[0] + seconds * 1_000_000 for seconds in (1, 2, 3, 4, 9))
"""All but the last before what the story's records say of when they were written."""

STORY: Final = (CALM[0], CALM[1], CALM[2], CALM[3], CALM[7])
"""A community, a post, a comment on it, a vote on it, and its author's profile."""


@st.composite
def writes(draw: st.DrawFn, story: Sequence[Commit]) -> Commit:
    """Draw a write to one of a story's paths; half of the puts are spoilt."""
    plain, spoil = draw(st.sampled_from(story)), draw(st.sampled_from([None, *SPOILT, None, None]))
    rev, operation = draw(st.sampled_from(REVS[:4])), draw(st.sampled_from(get_args(Operation)))
    plain = evolve(plain, rev=rev, operation=operation, seen_us=draw(st.sampled_from(SEEN_US)))
    if operation == "delete":
        return evolve(plain, cid="", record=None)
    record = {**(plain.record or {}), **({} if spoil is None else {spoil: SPOILT[spoil]})}
    return evolve(plain, cid=draw(st.sampled_from(CIDS[:2])), record=record)


def accounts(story: Sequence[Commit]) -> st.SearchStrategy[Account]:
    """Return a strategy for accounts of a story's repos that are hidden, or shown again."""
    return st.builds(
        Account,
        did=st.sampled_from(sorted({it.did for it in story})),
        active=st.booleans(),
        time_us=st.integers(1, 9),
        relay_seq=st.just(1),
        seen_us=st.just(1),
    )


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, list[Event]]]:
    """Draw batches about the whole story or one path of it, in order or not, and what becomes of the jobs in each."""
    story = draw(st.sampled_from([STORY, *((it,) for it in STORY)]))
    becomes = st.sampled_from(["left", "taken on", "ended"])
    drawn: list[tuple[str, list[Event]]] = draw(
        st.lists(st.tuples(becomes, st.lists(writes(story) | accounts(story), max_size=2)), max_size=8)
    )
    if not draw(st.booleans()):
        return drawn
    times = iter(range(1, 99))
    return [(jobs, [_at(next(times), event) for event in events]) for jobs, events in drawn]


def _at(time: int, event: Event) -> Event:
    if isinstance(event, Commit):
        return evolve(event, rev=f"3kp{LETTERS[time]}222222222")
    return evolve(event, time_us=time) if isinstance(event, Account) else event


@settings(max_examples=EXAMPLES, deadline=None)
@given(batches=batches(), size=st.sampled_from([1, 2, STEP]))
def test_the_standing_put_holds_its_path_valid_or_not(batches: list[tuple[str, list[Event]]], size: int) -> None:
    """Jobs end behind some batches, wait during others, and are else taken on in them, however much a step is."""
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    log: list[Event] = []
    with patch.object(ingest, "step", partial(step, size=size)):
        for jobs, batch in batches:
            log += batch
            run(index.fold(batch, later=jobs == "left"))
            if jobs == "ended":
                run(index.finish())
                assert dumped(store) == reference.dump(log)
            assert quarantined(store) == reference.quarantine(log)
        run(index.finish())
    assert dumped(store) == reference.dump(log)
    run(index.rebuild())
    assert dumped(store) == reference.dump(log)
    assert quarantined(store) == reference.quarantine(log)


def dumped(store: MemoryStore) -> list[str]:
    async def lines() -> list[str]:
        return sorted([line.decode() async for line in dump_lines(store)])

    return run(lines())


def quarantined(store: MemoryStore) -> set[str]:
    rows = run(told(store, [QUARANTINE.name])).get(QUARANTINE.name, ())
    return {f"at://{did}/{collection}/{rkey}" for rkey, collection, did, _ in rows}
