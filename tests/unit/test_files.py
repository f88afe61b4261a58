"""Logs in files: what is read is what was written, whatever it is packed in; damage is told and costs no memory."""

import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import LogError
from strandline.event import MAX_LINE_BYTES, BadEvent, decode
from strandline_files import read_lines, write_lines
from strandline_files.lines import split_lines

Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def plain(data: bytes) -> bytes:
    return data


PACKS = pytest.mark.parametrize("pack", [plain, gzip.compress, zstd])
ARCHIVES = pytest.mark.parametrize("pack", [gzip.compress, zstd])


def lines_of(tmp_path: Path, data: bytes, name: str = "log", **bounds: int) -> list[bytes]:
    (tmp_path / name).write_bytes(data)
    return list(read_lines(tmp_path / name, **bounds))


def until_damage(lines: Iterator[bytes]) -> tuple[list[bytes], str]:
    read: list[bytes] = []
    with pytest.raises(LogError) as caught:
        read.extend(lines)
    return read, str(caught.value)


def naive(data: bytes, most: int) -> list[bytes]:
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return [line[: most + 1] for line in lines if line]


@given(st.lists(st.text("ab\r\n", max_size=9).map(str.encode), max_size=9), st.integers(1, 6))
def test_lines_do_not_depend_on_where_the_chunks_were_cut(pieces: list[bytes], most: int) -> None:
    assert list(split_lines(iter(pieces), most)) == naive(b"".join(pieces), most)


@PACKS
def test_a_log_reads_the_same_however_it_is_packed(tmp_path: Path, pack: Pack) -> None:
    assert lines_of(tmp_path, pack(b'{"a":1}\r\n\n{"b":2}\n\r\n{"c":3}')) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@PACKS
def test_an_empty_log_has_no_lines(tmp_path: Path, pack: Pack) -> None:
    assert lines_of(tmp_path, pack(b"")) == []


@ARCHIVES
def test_archives_may_be_put_one_after_the_other(tmp_path: Path, pack: Pack) -> None:
    parts = [b"one\ntw", b"", b"o\n", b"three"]
    assert lines_of(tmp_path, b"".join(map(pack, parts))) == [b"one", b"two", b"three"]


def test_zstd_frames_without_checksum_size_or_content_are_read(tmp_path: Path) -> None:
    skippable = b"\x53\x2a\x4d\x18" + (70_000).to_bytes(4, "little") + bytes(70_000)
    streamed = zstandard.ZstdCompressor(write_checksum=False).compressobj()
    frame = streamed.compress(b"one\n" * 100_000) + streamed.flush()
    assert lines_of(tmp_path, skippable + frame + skippable) == [b"one"] * 100_000


@ARCHIVES
def test_the_name_does_not_say_what_a_file_is(tmp_path: Path, pack: Pack) -> None:
    assert lines_of(tmp_path, pack(b"one\n"), "log.ndjson") == [b"one"]
    assert lines_of(tmp_path, b'{"a":1}\n', "log.gz") == [b'{"a":1}']


@PACKS
def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, pack: Pack) -> None:
    with io.TextIOWrapper(io.BytesIO(pack(b"one\ntwo"))) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert list(read_lines("-")) == [b"one", b"two"]
        assert not stdin.closed


def test_lines_of_a_pipe_come_as_they_are_written(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 — a descriptor has no path
        lines = read_lines(f"/dev/fd/{reading}")
        for line in (b'{"first":1}', b'{"second":2}'):
            pipe.write(line + b"\n")
            assert next(lines) == line
    assert list(lines) == []
    os.close(reading)


@PACKS
def test_a_line_too_long_is_one_bad_event_and_the_log_goes_on(tmp_path: Path, pack: Pack) -> None:
    data = b"\n".join([b"{}", b"x" * MAX_LINE_BYTES, b" " * (3 * MAX_LINE_BYTES), b"{}", b"x" * (MAX_LINE_BYTES + 1)])
    lines = lines_of(tmp_path, pack(data))
    assert [len(line) for line in lines] == [2, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 2, MAX_LINE_BYTES + 1]
    decoded = [decode(line) for line in lines]
    assert [event.reason == "line-too-long" for event in decoded if isinstance(event, BadEvent)] == [0, 0, 1, 0, 1]


def bomb(pack: Pack, member_bytes: int, members: int) -> bytes:
    return pack(bytes(member_bytes)) * members


@ARCHIVES
def test_a_bomb_of_one_endless_line_fills_no_memory(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "bomb").write_bytes(bomb(pack, 2**24, 16) + pack(b"\nlast"))
    tracemalloc.start()
    lines = [len(line) for line in read_lines(tmp_path / "bomb", max_line_bytes=2**20)]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == [2**20 + 1, 4]
    assert peak_bytes < 2**24


@PACKS
def test_output_is_bounded_on_request(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "log").write_bytes(pack(b"one\ntwo\n" + b"x" * 1000))
    read, message = until_damage(read_lines(tmp_path / "log", max_output_bytes=500))
    assert read == [b"one", b"two"]
    assert "more than 500 bytes" in message
    assert len(list(read_lines(tmp_path / "log", max_output_bytes=1008))) == 3


def test_a_zstd_window_over_128_mib_is_refused(tmp_path: Path) -> None:
    asking = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    packing = zstandard.ZstdCompressor(compression_params=asking).compressobj()
    (tmp_path / "log").write_bytes(zstd(b"one\n") + packing.compress(b"two\n") + packing.flush())
    read, message = until_damage(read_lines(tmp_path / "log"))
    assert read == [b"one"]
    assert "window" in message


def some_lines(count: int) -> list[bytes]:
    return [b'{"line":%d,"text":"%s"}' % (n, os.urandom(40).hex().encode()) for n in range(count)]


@ARCHIVES
def test_of_a_log_cut_short_the_lines_before_the_cut_are_read(tmp_path: Path, pack: Pack) -> None:
    lines = some_lines(5000)
    whole = pack(b"\n".join(lines))
    for size in (len(whole) * 9 // 10, len(whole) - 1):
        (tmp_path / "log").write_bytes(whole[:size])
        read, message = until_damage(read_lines(tmp_path / "log"))
        assert read == lines[: len(read)]
        assert len(read) > 3000
        assert "cut short" in message
        assert str(tmp_path / "log") in message


@ARCHIVES
def test_no_cut_of_an_archive_goes_unseen(tmp_path: Path, pack: Pack) -> None:
    whole = pack(b"one\ntwo\n")
    for size in range(5, len(whole)):
        (tmp_path / "log").write_bytes(whole[:size])
        assert "cut short" in until_damage(read_lines(tmp_path / "log"))[1]
    for size in range(5):
        (tmp_path / "log.gz").write_bytes(whole[:size])
        assert until_damage(read_lines(tmp_path / "log.gz"))[0] == []


@ARCHIVES
def test_of_a_damaged_log_the_lines_before_the_damage_are_read(tmp_path: Path, pack: Pack) -> None:
    first, later = some_lines(2000), some_lines(2000)
    members = pack(b"\n".join(first) + b"\n"), pack(b"\n".join(later))
    damaged = bytearray(b"".join(members))
    damaged[len(members[0]) + len(members[1]) // 2] ^= 0xFF
    (tmp_path / "log").write_bytes(damaged)
    read, message = until_damage(read_lines(tmp_path / "log"))
    assert read[:2000] == first
    assert "is damaged" in message


@ARCHIVES
def test_what_follows_an_archive_and_is_none_is_damage(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "log").write_bytes(pack(b"one\n") + b"no archive")
    assert until_damage(read_lines(tmp_path / "log"))[0] == [b"one"]


@given(st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]), st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, magic: bytes, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(magic + rest)
    with suppress(LogError):
        assert all(read_lines(path))


def test_what_cannot_be_opened_is_told_with_its_path(tmp_path: Path) -> None:
    assert "does not exist" in until_damage(read_lines(tmp_path / "none"))[1]
    assert "is a directory" in until_damage(read_lines(tmp_path))[1]
    assert "may not be read" in until_damage(read_lines(unreadable(tmp_path)))[1]


def unreadable(tmp_path: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = tmp_path / "secret"
    path.touch(mode=0)
    return path


def test_zstd_without_its_extra_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.delitem(sys.modules, "strandline_files.zstd", raising=False)
    monkeypatch.delattr("strandline_files.zstd", raising=False)
    (tmp_path / "log").write_bytes(zstd(b"one\n"))
    assert "strandline[files]" in until_damage(read_lines(tmp_path / "log"))[1]
    with pytest.raises(LogError, match=r"strandline\[files\]"):
        write_lines(tmp_path / "log.zst", [b"one"])


def test_leaving_a_log_early_closes_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\n")
    lines = read_lines(tmp_path / "log")
    assert list(islice(lines, 1)) == [b"one"]
    lines.close()  # type: ignore[attr-defined]  # an Iterator to its callers, a generator in truth


@pytest.mark.parametrize("name", ["log.ndjson", "log.gz", "log.zst"])
def test_a_written_log_reads_back_and_equal_logs_are_equal_files(tmp_path: Path, name: str) -> None:
    lines = some_lines(2500)
    other = tmp_path / "other"
    other.mkdir()
    assert write_lines(tmp_path / name, iter(lines)) == write_lines(other / name, lines) == 2500
    assert list(read_lines(tmp_path / name)) == lines
    assert (tmp_path / name).read_bytes() == (other / name).read_bytes()
    assert (name == "log.ndjson") == ((tmp_path / name).stat().st_size == sum(map(len, lines)) + 2500)


def test_a_line_with_a_newline_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="newline"):
        write_lines(tmp_path / "log", [b"one", b"two\n"])


def test_what_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is a directory"):
        write_lines(tmp_path, [b"one"])
