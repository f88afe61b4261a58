"""Ranks are exact integers, whatever the score and the machine, and an edit moves nothing up."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from strandline import Commit, Ingest, MemoryStore, layout_of, run
from strandline.forum import SCHEMA
from strandline.forum.rank import hot, ranks, sort_at
from strandline.forum.testing.reference import hot_rank
from strandline.forum.testing.strategies import CALM, REVS
from strandline.testing.laws import told

SEEN_US = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z


@given(st.integers(-(2**53), 2**53), st.integers(-(2**53), 2**53))
def test_hot_is_what_the_law_says(sort_at_us: int, score: int) -> None:
    assert hot(sort_at_us, score) == hot_rank(sort_at_us, score)


@pytest.mark.parametrize("score", [61_356, -61_356, 186_856, -186_856])
def test_no_float_comes_into_it(score: int) -> None:
    # The scores at which rounding a binary float's 45e9 * log10(1 + |score|) first goes wrong.
    rank = hot(SEEN_US, score)
    assert type(rank) is int
    assert rank == hot_rank(SEEN_US, score)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_votes_up_and_down_weigh_the_same(upvotes: int, downvotes: int) -> None:
    score, rank = ranks(0, upvotes, downvotes)
    assert score == upvotes - downvotes
    assert ranks(0, downvotes, upvotes) == (-score, -rank)


@pytest.mark.parametrize(
    ("created_at", "sorted_at_us"),
    [
        pytest.param("2026-01-01T11:59:59Z", SEEN_US - 1_000_000, id="when it says"),
        pytest.param("2031-06-01T00:00:00Z", SEEN_US, id="but not after it was first seen"),
        pytest.param("no date", SEEN_US, id="or when it was seen, if it says nothing"),
    ],
)
def test_what_comes_from_the_future_came_when_it_was_seen(created_at: str, sorted_at_us: int) -> None:
    assert sort_at(created_at, SEEN_US) == sorted_at_us


@pytest.mark.parametrize(("view", "put"), [("post", CALM[1]), ("comment", CALM[2])])
def test_what_is_edited_stays_where_it_was(view: str, put: Commit) -> None:
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    edit = evolve(put, rev=REVS[3], operation="update", seen_us=SEEN_US + 2_000_000)
    for write in (evolve(put, seen_us=SEEN_US + 1_000_000), edit):
        run(index.fold([write]))
    [row] = run(told(store, [view]))[view]
    place = SCHEMA.view(view).table.position
    assert row[place["sort_at_us"]] == row[place["indexed_at_us"]] == SEEN_US + 1_000_000
    assert row[place["edited_at_us"]] == SEEN_US + 2_000_000
