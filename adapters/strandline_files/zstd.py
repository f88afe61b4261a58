"""
zstd archives, walked frame by frame and block by block.

A block never unpacks to more than 128 KiB, so feeding the decompressor one block at a time bounds what it answers,
loses nothing of what stands before the damage, and tells a frame that stops early from one that ends. The stream
readers of `zstandard` do neither of the last two. Headers and blocks are left to the library; only their lengths are
read here.

This file alone imports `zstandard` (the extra `files`).

Source: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Final

import zstandard

from strandline_files.archive import CHUNK_BYTES, Corrupt

__all__ = ["MAX_WINDOW_BYTES", "blocks", "packing"]

MAX_WINDOW_BYTES: Final = 128 * 1024 * 1024

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC: Final = b"\x2a\x4d\x18"
_SHORTEST_HEADER_BYTES: Final = 5
_BLOCK_HEADER_BYTES: Final = 3
_CHECKSUM_BYTES: Final = 4
_RLE: Final = 1


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """
    Yield what each block of each frame of `stream` unpacks to; a piece may be empty.

    Raises:
        EOFError: The stream ends within a frame.
        Corrupt: A frame breaks the format or its checksum, or wants a window of more than 128 MiB.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    try:
        while magic := stream.read(len(_MAGIC)):
            if magic == _MAGIC:
                yield from _frame(stream, decompressor)
            elif magic[1:] == _SKIPPABLE_MAGIC:
                _skip(stream, int.from_bytes(_exactly(stream, 4), "little"))
            else:
                raise Corrupt(f"a frame begins with {magic!r}")
    except zstandard.ZstdError as error:
        raise Corrupt(str(error)) from error


def packing(file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Return a stream that writes one checksummed frame to `file`, ended when the stream is left."""
    return zstandard.ZstdCompressor(write_checksum=True).stream_writer(file, closefd=False)


def _frame(stream: BinaryIO, decompressor: zstandard.ZstdDecompressor) -> Iterator[bytes]:
    header = _MAGIC + _exactly(stream, _SHORTEST_HEADER_BYTES - len(_MAGIC))
    header += _exactly(stream, zstandard.frame_header_size(header) - len(header))
    parameters = zstandard.get_frame_parameters(header)
    if parameters.window_size > MAX_WINDOW_BYTES:
        raise Corrupt(f"a window of {parameters.window_size} bytes, over {MAX_WINDOW_BYTES}; pack it without --long")
    unpacking = decompressor.decompressobj()
    unpacking.decompress(header)
    last = False
    while not last:
        start = _exactly(stream, _BLOCK_HEADER_BYTES)
        block = int.from_bytes(start, "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        size = (1 if kind == _RLE else size) + (_CHECKSUM_BYTES if last and parameters.has_checksum else 0)
        yield unpacking.decompress(start + _exactly(stream, size))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _skip(stream: BinaryIO, size: int) -> None:
    while size:
        size -= len(_exactly(stream, min(size, CHUNK_BYTES)))
