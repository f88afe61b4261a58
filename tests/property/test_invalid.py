"""
Records that come, become invalid, are put right, and go: a few paths, half of all writes spoilt, against the reference.

The standing put holds its path, valid or not. So an older valid version never comes back, and the quarantine is the
set of standing puts that are not valid, whatever was there before.
"""

import os
from typing import Any, Final, Literal, get_args

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Event, Ingest, MemoryStore, layout_of, run
from strandline.fold import QUARANTINE
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import CALM, CIDS, POOLS, REVS
from strandline.testing.laws import told

EXAMPLES = 20_000 if "STRANDLINE_FULL" in os.environ else 200

Operation = Literal["create", "update", "delete"]
SPOILT: Final[dict[str, Any]] = {"createdAt": "yesterday", "note": "\x00", "extra": 0.5}
SEEN_US: Final = tuple(POOLS.times_us[0] + seconds * 1_000_000 for seconds in (1, 2, 3, 4, 9))
"""All but the last before what the story's records say of when they were written."""

STORY: Final = (CALM[0], CALM[1], CALM[2], CALM[3], CALM[7])
"""A community, a post, a comment on it, a vote on it, and its author's profile."""


@st.composite
def writes(draw: st.DrawFn) -> Commit:
    """Draw a write to one of the story's paths; half of the puts are spoilt."""
    plain, spoil = draw(st.sampled_from(STORY)), draw(st.sampled_from([None, *SPOILT, None, None]))
    rev, operation = draw(st.sampled_from(REVS[:4])), draw(st.sampled_from(get_args(Operation)))
    plain = evolve(plain, rev=rev, operation=operation, seen_us=draw(st.sampled_from(SEEN_US)))
    if operation == "delete":
        return evolve(plain, cid="", record=None)
    record = {**(plain.record or {}), **({} if spoil is None else {spoil: SPOILT[spoil]})}
    return evolve(plain, cid=draw(st.sampled_from(CIDS[:2])), record=record)


def accounts() -> st.SearchStrategy[Account]:
    """Return a strategy for accounts of the story's repos that are hidden, or shown again."""
    return st.builds(
        Account,
        did=st.sampled_from(sorted({it.did for it in STORY})),
        active=st.booleans(),
        time_us=st.integers(1, 3),
        relay_seq=st.just(1),
        seen_us=st.just(1),
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.lists(writes() | writes() | writes() | accounts(), max_size=6), max_size=5))
def test_the_standing_put_holds_its_path_valid_or_not(batches: list[list[Event]]) -> None:
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    log: list[Event] = []
    for batch in batches:
        log += batch
        run(index.fold(batch))
        run(index.finish())
        assert dumped(store) == reference.dump(log)
        assert quarantined(store) == reference.quarantine(log)
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
