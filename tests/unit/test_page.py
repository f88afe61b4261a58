"""Page tokens: each holds for what was asked, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import InvalidToken
from strandline.page import MAX_TOKEN, place_of, token_of

OLD, NEW = b"the secret before this", b"the secret of today"
ASKED = ["feed", {"sort": "hot"}, "did:plc:ann"]
PLACES = st.lists(st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=9))


@given(place=PLACES)
def test_a_token_tells_its_place_and_fits_into_a_url(place: list[object]) -> None:
    token = token_of([NEW], ASKED, place)
    assert place_of([NEW], ASKED, token) == place
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "other",
    [
        ["other", {"sort": "hot"}, "did:plc:ann"],
        ["feed", {"sort": "new"}, "did:plc:ann"],
        ["feed", {"sort": "hot"}, None],
    ],
)
def test_a_token_of_another_feed_order_or_viewer_is_none(other: list[object]) -> None:
    with pytest.raises(InvalidToken):
        place_of([NEW], other, token_of([NEW], ASKED, [1]))


def test_a_secret_is_changed_by_putting_the_new_one_in_front() -> None:
    before = token_of([OLD], ASKED, [1])
    assert place_of([NEW, OLD], ASKED, before) == [1]
    assert token_of([NEW, OLD], ASKED, [1]) == token_of([NEW], ASKED, [1])
    with pytest.raises(InvalidToken):
        place_of([NEW], ASKED, before)


@given(token=st.text(max_size=200) | st.just("A" * (MAX_TOKEN + 1)))
def test_what_was_not_made_here_is_no_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        place_of([NEW], ASKED, token)


@given(at=st.integers(0, 200), letter=st.sampled_from("AB_:. \n\u00e9"), more=st.booleans())
def test_a_token_that_was_touched_is_none(at: int, letter: str, more: bool) -> None:
    token = token_of([NEW], ASKED, [1, "at://x"])
    at %= len(token)
    touched = token[:at] + letter + token[at + (not more) :]
    if touched != token:
        with pytest.raises(InvalidToken):
            place_of([NEW], ASKED, touched)
