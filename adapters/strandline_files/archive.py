"""
The bytes of a log file, whatever it is packed in, in chunks of bounded size.

What a file is, its first bytes say; its name only tells a damaged archive from plain text. Nothing is unpacked
further than the reader has asked for, so an archive of any ratio takes the memory of one chunk and of one zstd window.

Source: https://www.rfc-editor.org/rfc/rfc1952 (gzip), https://www.rfc-editor.org/rfc/rfc8878 (zstd)
"""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from strandline.errors import LogError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CHUNK_BYTES", "Corrupt", "chunks", "opened_for_writing"]

CHUNK_BYTES: Final = 64 * 1024

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE_MAGIC: Final = b"\x2a\x4d\x18"


class Corrupt(Exception):
    """An archive is not what its format asks for; the text says where it departs."""


def chunks(path: str | os.PathLike[str], max_output_bytes: int | None = None) -> Iterator[bytes]:
    """
    Yield the unpacked bytes of the file at `path`, or of standard input for `-`, in order.

    A chunk is at most 128 KiB and may be empty. What is yielded is what could be read before the damage, but for at
    most the last chunk of a corrupt gzip.

    Raises:
        LogError: The file is missing, unreadable, truncated or corrupt, or holds more than `max_output_bytes`.
    """
    name = os.fspath(path)
    try:
        with _opened(name, "rb") as stream:
            yield from _bounded(name, _unpacked(name, stream), max_output_bytes)
    except EOFError:
        raise LogError(f"{name!r} is cut short; the lines before the cut were read: fetch or record it anew") from None
    except (gzip.BadGzipFile, zlib.error, Corrupt) as error:
        raise LogError(f"{name!r} is damaged ({error}); the lines before were read: fetch or record it anew") from error
    except OSError as error:
        raise _unusable(name, error, "read") from error


@contextmanager
def opened_for_writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """
    Open `path` to be written anew: gzip for a name in `.gz`, zstd for `.zst`, standard output for `-`, else plain.

    Equal bytes in give equal bytes out: neither a time nor a name goes into the archive.

    Raises:
        LogError: The file cannot be written, or is to be zstd and the extra `files` is not installed.
    """
    name = os.fspath(path)
    zstd = _zstd(name) if name.endswith(".zst") else None
    try:
        with ExitStack() as stack:
            file: Any = stack.enter_context(_opened(name, "wb"))
            if name.endswith(".gz"):
                file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
            elif zstd is not None:
                file = stack.enter_context(zstd.packing(file))
            yield file
    except OSError as error:
        raise _unusable(name, error, "written") from error


def _opened(name: str, mode: Literal["rb", "wb"]) -> AbstractContextManager[BinaryIO]:
    if name == "-":
        return nullcontext(sys.stdin.buffer if mode == "rb" else sys.stdout.buffer)
    return Path(name).open(mode)


def _unpacked(name: str, stream: BinaryIO) -> Iterator[bytes]:
    front = stream.read(4)
    whole = io.BufferedReader(_Unread(front, stream))
    if front.startswith(_GZIP_MAGIC):
        archive = gzip.GzipFile(fileobj=whole)
        yield from iter(lambda: archive.read1(CHUNK_BYTES), b"")
    elif front == _ZSTD_MAGIC or front[1:] == _ZSTD_SKIPPABLE_MAGIC:
        yield from _zstd(name).blocks(whole)
    elif name.endswith((".gz", ".zst")) and not front.lstrip().startswith(b"{"):
        raise Corrupt(f"it begins with {front!r}: neither gzip, nor zstd, nor an event")
    else:
        yield from iter(lambda: whole.read1(CHUNK_BYTES), b"")


class _Unread(io.RawIOBase):
    """A stream with the bytes that were read off its front put back."""

    def __init__(self, front: bytes, rest: BinaryIO) -> None:
        self._front, self._rest = front, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        # read1, since readinto1 may wait for more than what has come
        data = self._front or self._rest.read1(len(view))  # type: ignore[attr-defined]  # BinaryIO does not list it, both of ours have it
        size = min(len(data), len(view))
        view[:size], self._front = data[:size], data[size:]
        return size


def _bounded(name: str, pieces: Iterator[bytes], most: int | None) -> Iterator[bytes]:
    if most is None:
        yield from pieces
        return
    left = most
    for piece in pieces:
        yield piece[:left]
        if len(piece) > left:
            raise LogError(f"{name!r} holds more than {most} bytes unpacked: allow more if you trust it")
        left -= len(piece)


def _zstd(name: str) -> ModuleType:
    try:
        from strandline_files import zstd
    except ModuleNotFoundError:
        raise LogError(f"{name!r} is zstd, which needs an extra: pip install 'strandline[files]'") from None
    return zstd


def _unusable(name: str, error: OSError, verb: str) -> LogError:
    if isinstance(error, FileNotFoundError):
        told = "does not exist: check the path; `-` is standard input"
        return LogError(f"{name!r} {told if verb == 'read' else 'cannot be written: there is no such folder'}")
    if isinstance(error, IsADirectoryError):
        return LogError(f"{name!r} is a directory: name a file in it")
    if isinstance(error, PermissionError):
        return LogError(f"{name!r} may not be {verb}: check its permissions")
    return LogError(f"{name!r} cannot be {verb}: {error.strerror or error}")
