"""The next batch, prepared in a second process: the same batches, and trouble with one comes after those before it."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from strandline import LogError
from strandline.prepare import Prepared
from strandline_cli.ahead import prepared
from strandline_cli.stop import Stopped

SIZE = 300


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture
def chunks(log: Path) -> list[list[bytes]]:
    lines = log.read_bytes().splitlines()
    return [lines[at : at + SIZE] for at in range(0, len(lines), SIZE)]


@pytest.fixture
def alone(chunks: list[list[bytes]]) -> list[Prepared]:
    """What this process makes of the chunks."""
    return [*prepared(iter(chunks), ahead=False)]


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_the_batches_are_those_that_one_process_prepares(
    chunks: list[list[bytes]], alone: list[Prepared], count: int
) -> None:
    assert [*prepared(iter(chunks[:count]), ahead=True)] == alone[:count]
    assert active_children() == []


@pytest.mark.parametrize("trouble", [LogError("cut short"), OSError("gone"), Stopped(signal.SIGINT)], ids=repr)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_trouble_with_a_chunk_comes_after_those_before_it(
    chunks: list[list[bytes]], alone: list[Prepared], count: int, trouble: BaseException
) -> None:
    def troubled() -> Iterator[list[bytes]]:
        yield from chunks[:count]
        raise trouble

    taken: list[Prepared] = []
    with pytest.raises(type(trouble)):
        taken.extend(batch for batch in prepared(troubled(), ahead=True))
    assert taken == alone[:count]
    assert active_children() == []


def test_a_second_process_that_dies_is_done_without(chunks: list[list[bytes]], alone: list[Prepared]) -> None:
    batches = prepared(iter(chunks), ahead=True)
    first = next(batches)
    [second_process] = active_children()
    second_process.kill()
    assert [first, *batches] == alone


@pytest.mark.parametrize(("ahead", "cores"), [(False, 2), (True, 1), (True, None)])
def test_no_chunk_is_asked_for_before_its_turn_where_that_is_wrong_or_no_gain(
    chunks: list[list[bytes]], monkeypatch: pytest.MonkeyPatch, ahead: bool, cores: int | None
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    rest = iter(chunks)
    next(prepared(rest, ahead=ahead))
    assert active_children() == []
    assert len([*rest]) == len(chunks) - 1
