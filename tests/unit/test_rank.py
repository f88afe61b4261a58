"""Ranks are exact integers, whatever the score and the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.forum.rank import hot, ranks, sort_at
from strandline.forum.testing.reference import hot_rank

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
