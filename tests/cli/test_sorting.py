"""Sorted lines: those of `sorted`, however few fit into memory."""

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline_files import sorting
from strandline_files.sorting import sorted_lines

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=60)


@given(LINES, st.integers(1, 600))
def test_lines_come_sorted_whatever_fits_into_memory(lines: list[bytes], chunk_bytes: int) -> None:
    assert list(sorted_lines(lines, chunk_bytes=chunk_bytes)) == sorted(lines)


def test_many_runs_are_merged_into_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "_RUNS", 3)
    lines = [b"%d" % (number * 7919 % 1000) for number in range(1000)]
    assert list(sorted_lines(lines, chunk_bytes=500)) == sorted(lines)


def test_few_lines_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise AssertionError

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert list(sorted_lines([b"b", b"a"])) == [b"a", b"b"]


def test_no_file_is_left_open_by_who_stops_early() -> None:
    def lines() -> Iterator[bytes]:
        yield from (b"%04d" % (number * 37 % 1000) for number in range(1000))

    found = sorted_lines(lines(), chunk_bytes=1000)
    assert [next(found) for _ in range(3)] == [b"0000", b"0001", b"0002"]
    found.close()  # type: ignore[attr-defined]  # it is a generator; an open file would warn, and fail the test
