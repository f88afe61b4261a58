"""What is remembered is what would be found, and the memory is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from strandline.memo import MAX_LETTERS, remembered

texts = st.text("ab", max_size=3) | st.integers(0, 3).map(lambda more: "a" * (MAX_LETTERS + more))


@given(st.lists(texts))
def test_the_same_is_found_however_long_the_text_and_however_often(asked: list[str]) -> None:
    found = remembered(lambda text: (len(text), text))
    assert [found(text) for text in asked] == [(len(text), text) for text in asked]


def test_short_texts_are_worked_out_once_and_long_ones_are_not_kept() -> None:
    worked_out: list[int] = []
    found = remembered(lambda text: worked_out.append(len(text)))
    for text in ("a", "a" * MAX_LETTERS, "a" * (MAX_LETTERS + 1)):
        found(text)
        found(text)
    assert worked_out == [1, MAX_LETTERS, MAX_LETTERS + 1, MAX_LETTERS + 1]
