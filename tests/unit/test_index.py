"""The index in a plain script: how far each source was taken in."""

import asyncio

import pytest

from strandline import open_index, run
from strandline.forum import SCHEMA
from strandline.forum.testing.strategies import CALM


def test_each_run_of_a_source_goes_on_counting() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold(CALM[:5], source="log", batch=2)
        assert index.cursor("log") == 5
        index.fold(CALM[5:], source="log")
        assert index.cursor("log") == len(CALM)


def test_a_run_that_takes_nothing_in_moves_no_cursor() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold([], source="log")
        assert index.cursor("log") is None
        index.fold(CALM, source="log")
        index.fold([], source="log")
        assert index.cursor("log") == len(CALM)


def test_lines_of_no_source_move_no_cursor() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold(CALM, source="log")
        index.fold(CALM)
        assert index.cursor("log") == len(CALM)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_takes_a_line_at_least(size: int) -> None:
    with open_index("memory:", SCHEMA) as index, pytest.raises(ValueError, match=f"a batch of {size} lines"):
        index.fold(CALM, batch=size)


def test_what_waits_is_not_run_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="asyncio"):
        run(asyncio.sleep(0))
