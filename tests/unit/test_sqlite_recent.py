"""What is remembered of a key, a row or none, is what stands there, however few are remembered."""

from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from strandline import Column, Table
from strandline_sqlite import transaction
from strandline_sqlite.transaction import Recent

Key = tuple[Any, ...]
KEYS = st.sampled_from([(name,) for name in "abcdefgh"])
STEPS = st.lists(st.tuples(st.booleans(), st.dictionaries(KEYS, st.none() | st.integers(0, 9))), max_size=30)


@given(STEPS, st.integers(1, 4), st.integers(1, 40))
def test_what_is_remembered_stands(steps: list[tuple[bool, dict[Key, int | None]]], most: int, trial: int) -> None:
    recent = Recent.of(Table("row", (Column("name"),)))
    stands: dict[Key, tuple[Any, ...]] = {}
    with patch.object(transaction, "RECENT", most), patch.object(transaction, "TRIAL", trial):
        for writes, values in steps:
            rows = {key: None if value is None else (*key, value) for key, value in values.items()}
            if writes:
                stands = {key: row for key, row in {**stands, **rows}.items() if row is not None}
                recent.put(rows)
            else:
                found, others = recent.find(rows)
                assert found == {key: stands.get(key) for key in rows if key not in others}
                recent.put({key: stands.get(key) for key in others})


def test_what_was_written_last_is_remembered_and_what_is_not_asked_for_again_is_not() -> None:
    recent = Recent.of(Table("row", (Column("name"),)))
    for at in range(transaction.TRIAL):
        recent.put({(at,): (at,)})
    last = (transaction.TRIAL - 1,)
    assert recent.find([last]) == ({last: last}, [])
    assert recent.find([(0,)]) == ({}, [(0,)])
    recent.find([(-at,) for at in range(1, transaction.TRIAL)])
    recent.put({(0,): (0,)})
    assert recent.find([(0,)]) == ({}, [(0,)])


def test_keys_that_are_read_and_then_written_push_the_others_out_once() -> None:
    recent = Recent.of(Table("row", (Column("name"),)))
    for letter in "ab":
        keys = [(letter, at) for at in range(transaction.RECENT)]
        recent.put(dict.fromkeys(keys))
        recent.put({key: key for key in keys})
    assert recent.find([("a", 0), ("b", 0)]) == ({("a", 0): ("a", 0), ("b", 0): ("b", 0)}, [])


def test_that_nothing_stands_at_a_key_is_remembered_too() -> None:
    recent = Recent.of(Table("row", (Column("name"),)))
    recent.put({("a",): None, ("b",): ("b",)})
    recent.put({("b",): None})
    assert recent.find([("a",), ("b",), ("c",)]) == ({("a",): None, ("b",): None}, [("c",)])
