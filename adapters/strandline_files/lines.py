"""
Logs as lines: chunks of bytes cut at newlines, and joined by them.

The buffered reader of the standard library finds the newlines: it takes a bound, and a line can be gone before the
next is made, so that a whole log passes through one warm piece of memory. A line that never ends must fill no memory,
and must still be counted once by who decodes it: its front is yielded, one byte over the bound, and the rest dropped.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from strandline.event import MAX_LINE_BYTES
from strandline_files.archive import CHUNK_BYTES, chunks, opened_for_writing

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["read_lines", "split_lines", "write_lines"]

_LINES_A_WRITE: Final = 1000


def read_lines(
    path: str | os.PathLike[str], *, max_line_bytes: int = MAX_LINE_BYTES, max_output_bytes: int | None = None
) -> Iterator[bytes]:
    r"""
    Yield the lines of a log, without their ends, in order; `-` is standard input.

    The file may be plain, gzip or zstd, in any number of members or frames; its first bytes tell. A line ends in
    `\n` or `\r\n`, the last one also with the file. Empty lines are left out. Memory does not grow with the file, its
    lines or its ratio. The file is opened at the first line asked for and closed after the last.

    Args:
        max_line_bytes: Of a longer line only the first `max_line_bytes + 1` bytes are yielded. By default the bound of
            `strandline.event.decode`, which therefore refuses them as `line-too-long`.
        max_output_bytes: Read no more than this, unpacked; None is no bound.

    Raises:
        LogError: The file is missing, unreadable, truncated or corrupt, or holds more than `max_output_bytes`; the
            lines before the damage were yielded, a line cut by it is not.
    """
    return split_lines(chunks(path, max_output_bytes), max_line_bytes)


def write_lines(path: str | os.PathLike[str], lines: Iterable[bytes]) -> int:
    """
    Write `lines` as a new log and return how many they were.

    A name in `.gz` or `.zst` packs it; `-` is standard output.

    Raises:
        ValueError: A line holds a newline.
        LogError: The file cannot be written. After any error the file is incomplete.
    """
    count, rest = 0, iter(lines)
    with opened_for_writing(path) as file:
        while batch := list(islice(rest, _LINES_A_WRITE)):
            text = b"\n".join(batch) + b"\n"
            if text.count(b"\n") != len(batch):
                raise ValueError(f"one of lines {count}…{count + len(batch) - 1} holds a newline")
            file.write(text)
            count += len(batch)
    return count


def split_lines(pieces: Iterator[bytes], max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    r"""
    Yield the lines that `pieces` make when put together, wherever they were cut.

    >>> list(split_lines(iter([b"on", b"e\r\n\ntwo"])))
    [b'one', b'two']
    """
    stream = io.BufferedReader(_Joined(pieces), CHUNK_BYTES)
    readline, most = stream.readline, max_line_bytes + len(b"\r\n")
    while line := readline(most):
        if len(line) == most and not line.endswith(b"\n"):
            yield line[: max_line_bytes + 1]
            _drop_line(readline)
        elif text := line.removesuffix(b"\n").removesuffix(b"\r"):
            yield text


def _drop_line(readline: Callable[[int], bytes]) -> None:
    while (piece := readline(CHUNK_BYTES)) and not piece.endswith(b"\n"):
        pass


class _Joined(io.RawIOBase):
    """Pieces of bytes as one stream; what their iterator raises, a read raises after what came before it was read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._piece = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        view = memoryview(buffer)
        size = min(len(view), len(self._piece))
        view[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size
