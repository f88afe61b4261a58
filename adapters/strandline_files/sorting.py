"""
Lines in order, however many: sorted runs in temporary files, merged as they are read.

The files have no names, so they go with the process however it ends. They lie where `tempfile` puts them; the
environment's TMPDIR moves them.
"""

import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import IO, Final

__all__ = ["CHUNK_BYTES", "sorted_lines"]

CHUNK_BYTES: Final = 64 * 1024 * 1024
"""How many bytes of lines are sorted in memory at once, unless said otherwise."""

_RUNS: Final = 128
_LINES_A_WRITE: Final = 1000
_OBJECT_BYTES: Final = 48
"""What a line weighs besides its text."""


def sorted_lines(lines: Iterable[bytes], *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    r"""
    Yield `lines`, which hold no newline, sorted as bytes; equal ones as often as they came.

    Takes the memory of about twice `chunk_bytes`, or of the longest line, whatever their number, and no file if they
    all fit.

    Raises:
        ValueError: A line holds a newline.
        OSError: The temporary files cannot be written; nothing was yielded yet.

    >>> list(sorted_lines([b"tide", b"pier", b"buoy"], chunk_bytes=1))
    [b'buoy', b'pier', b'tide']
    """
    runs: list[IO[bytes]] = []
    try:
        pieces = _sorted_pieces(lines, chunk_bytes)
        piece = next(pieces, [])
        for following in pieces:
            runs.append(_spilled(piece))
            if len(runs) == _RUNS:
                runs = [_merged(runs)]
            piece = following
        yield from merge(*map(_read, runs), piece)
    finally:
        for run in runs:
            run.close()


def _sorted_pieces(lines: Iterable[bytes], chunk_bytes: int) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line) + _OBJECT_BYTES
        if size >= chunk_bytes:
            yield sorted(piece)
            piece, size = [], 0
    if piece:
        yield sorted(piece)


def _spilled(lines: Iterable[bytes]) -> IO[bytes]:
    run = tempfile.TemporaryFile()  # noqa: SIM115  # closed by who merges it
    rest = iter(lines)
    while batch := list(islice(rest, _LINES_A_WRITE)):
        text = b"\n".join(batch) + b"\n"
        if text.count(b"\n") != len(batch):
            raise ValueError("a line holds a newline")
        run.write(text)
    run.seek(0)
    return run


def _merged(runs: list[IO[bytes]]) -> IO[bytes]:
    merged = _spilled(merge(*map(_read, runs)))
    for run in runs:
        run.close()
    return merged


def _read(run: IO[bytes]) -> Iterator[bytes]:
    return (line[:-1] for line in run)
