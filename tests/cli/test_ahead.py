"""
A log in batches, read and prepared in a second process: the same as in one, and trouble comes after what came before it.
"""

import gzip
import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from strandline import LogError
from strandline_cli.ahead import Read, batches
from strandline_cli.stop import Stopped
from strandline_files import read_lines

SIZE = 300


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def alone(log: Path, skip: int = 0) -> list[Read]:
    """What this process makes of a log."""
    return [*batches(str(log), skip=skip, size=SIZE, ahead=False)]


def both(log: Path, skip: int = 0) -> Iterator[Read]:
    """What two processes make of it."""
    return batches(str(log), skip=skip, size=SIZE, ahead=True)


def cut(log: Path, path: Path, lines: int) -> Path:
    """Return a log of the first lines of another."""
    path.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:lines]))
    return path


@pytest.mark.parametrize("lines", [0, 1, SIZE, SIZE + 1, 2 * SIZE, 4 * SIZE - 1])
def test_the_batches_are_those_that_one_process_prepares(log: Path, tmp_path: Path, lines: int) -> None:
    short = cut(log, tmp_path / "short.ndjson", lines)
    told = alone(short)
    assert [*both(short)] == told
    assert sum(len(it.batch) for it in told) == lines
    assert not told or told[-1].read_bytes == short.stat().st_size
    assert active_children() == []


@pytest.mark.parametrize("skip", [1, SIZE, 2 * SIZE + 7])
def test_lines_that_were_taken_in_are_passed_over(log: Path, skip: int) -> None:
    told = alone(log, skip)
    assert [*both(log, skip)] == told
    rest = log.with_name("rest.ndjson")
    rest.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[skip:]))
    assert [it.batch for it in told] == [it.batch for it in alone(rest)]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_trouble_with_a_log_comes_after_the_lines_before_it(
    log: Path, tmp_path: Path, part: float, ahead: bool
) -> None:
    archive = gzip.compress(log.read_bytes())
    damaged = tmp_path / "damaged.ndjson.gz"
    damaged.write_bytes(archive[: int(len(archive) * part)])
    before: list[bytes] = []
    with pytest.raises(LogError, match="cut short"):
        before.extend(line + b"\n" for line in read_lines(damaged))
    whole = tmp_path / "whole.ndjson"
    whole.write_bytes(b"".join(before))
    taken: list[Read] = []
    with pytest.raises(LogError, match="cut short"):
        taken.extend(batches(str(damaged), skip=0, size=SIZE, ahead=ahead))
    assert taken == alone(whole)
    assert active_children() == []


@pytest.mark.parametrize("ahead", [False, True])
def test_a_log_shorter_than_what_was_taken_in_of_it_is_refused(log: Path, ahead: bool) -> None:
    held = len(log.read_bytes().splitlines())
    with pytest.raises(LogError, match=f"holds {held:,} lines, but {held + 1:,} were taken in"):
        next(batches(str(log), skip=held + 1, size=SIZE, ahead=ahead))


@pytest.mark.parametrize("lines", [0, 10, SIZE, SIZE + 10])
def test_lines_that_came_before_a_signal_are_a_batch(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    short = cut(log, tmp_path / "short.ndjson", lines)

    def stopped(path: str) -> Iterator[bytes]:
        yield from read_lines(path)
        raise Stopped(signal.SIGINT)

    told = alone(short)
    monkeypatch.setattr("strandline_cli.ahead.read_lines", stopped)
    taken: list[Read] = []
    with pytest.raises(Stopped):
        taken.extend(batches(str(short), skip=0, size=SIZE, ahead=False))
    assert taken == told


def test_a_second_process_that_dies_is_done_without(log: Path) -> None:
    reads = both(log)
    before = [next(reads), next(reads)]
    [second_process] = active_children()
    second_process.kill()
    assert [*before, *reads] == alone(log)


def test_a_log_that_is_replaced_meanwhile_is_read_to_its_end(log: Path, tmp_path: Path) -> None:
    told = alone(log)
    moved, other = cut(log, tmp_path / "log.ndjson", 1 << 30), cut(log, tmp_path / "other.ndjson", SIZE + 20)
    reads = both(moved)
    first = next(reads)
    other.replace(moved)
    assert [first, *reads] == told


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no names of open files here")
def test_a_name_that_is_another_file_in_another_process_is_read_here(log: Path) -> None:
    with log.open("rb") as file:
        assert [*both(Path(f"/proc/self/fd/{file.fileno()}"))] == alone(log)


@pytest.mark.parametrize(("ahead", "cores"), [(False, 2), (True, 1), (True, None)])
def test_no_line_is_asked_for_before_its_turn_where_that_is_wrong_or_no_gain(
    log: Path, monkeypatch: pytest.MonkeyPatch, ahead: bool, cores: int | None
) -> None:
    asked: list[bytes] = []

    def watched(path: str) -> Iterator[bytes]:
        for line in read_lines(path):
            asked.append(line)
            yield line

    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr("strandline_cli.ahead.read_lines", watched)
    reads = batches(str(log), skip=7, size=SIZE, ahead=ahead)
    next(reads)
    assert active_children() == []
    assert len(asked) == 7 + SIZE
    next(reads)
    assert len(asked) == 7 + 2 * SIZE
