"""
Frames into lines, and the zstd dictionaries that unpack them.

A frame of any size or content becomes one line or one bad event: what unpacks to more than a line may hold, or not at
all, is bad. Nothing is unpacked further than that bound.

Source: https://github.com/bluesky-social/jetstream (README, `getZstdDictionary`)
"""

from http.client import HTTPException
from importlib.resources import files
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import zstandard

from strandline.event import MAX_LINE_BYTES, BadEvent
from strandline.masking import masked
from strandline.session import Host

__all__ = ["Unpacker", "dictionary_of", "host_of"]

MAX_DICTIONARY_BYTES: Final = 4 * 1024 * 1024
MAX_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""What a frame may ask to be kept while it is unpacked."""
FETCH_S: Final = 10.0


class Unpacker:
    """Takes lines out of frames: text as it is, binary as one zstd frame each, with a dictionary."""

    def __init__(self, dictionary: bytes | None = None) -> None:
        data = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
        self._zstd = zstandard.ZstdDecompressor(dict_data=data, max_window_size=MAX_WINDOW_BYTES)

    def line(self, frame: str | bytes) -> bytes | BadEvent:
        """
        Return the line in a frame, as it came; for what is none, a bad event.

        >>> Unpacker().line(b"no zstd").reason
        'json'
        """
        if isinstance(frame, str):
            return frame.encode("utf-8", "surrogatepass")
        try:
            line = self._unpacked(frame)
        except zstandard.ZstdError as error:
            return BadEvent("json", f"a binary frame is not zstd: {error}", frame)
        if len(line) > MAX_LINE_BYTES:
            return BadEvent("line-too-long", f"a frame unpacks to more than {MAX_LINE_BYTES} bytes", frame)
        return line

    def _unpacked(self, frame: bytes) -> bytes:
        """Return what it unpacks to, or one byte more than a line may hold of it."""
        size = zstandard.frame_content_size(frame)
        if 0 <= size <= MAX_LINE_BYTES:
            return self._zstd.decompress(frame)
        with self._zstd.stream_reader(frame) as reader:
            return reader.read(MAX_LINE_BYTES + 1)


def dictionary_of(host: Host) -> tuple[int, bytes]:
    """
    Return the dictionary of a host, with its id; waits for the network where it is not part of the package.

    Raises:
        OSError: it cannot be fetched.
        zstandard.ZstdError: what was fetched is none.
    """
    if host.generation == "v1":
        data = files("strandline_jetstream").joinpath("legacy_subscribe.zdict").read_bytes()
    else:
        url = host.url.rstrip("/").replace("ws", "http", 1)
        data = _answer(f"{url}/xrpc/network.bsky.jetstream.getZstdDictionary")
    return zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_FULLDICT).dict_id(), data


def _answer(url: str) -> bytes:
    try:
        with urlopen(url, timeout=FETCH_S) as answer:
            data: bytes = answer.read(MAX_DICTIONARY_BYTES)
            return data
    except HTTPError as error:
        error.close()
        trouble = f"HTTP {error.code}"
    except HTTPException as error:
        trouble = repr(error)
    raise OSError(f"{url}: {trouble}")  # outside of what was raised, whose frames hold the connection


def host_of(url: str) -> Host:
    """
    Return the Jetstream at a URL: v1 where its path is `/subscribe`, else v2.

    >>> host_of("wss://jetstream.example/subscribe")
    Host(url='wss://jetstream.example', generation='v1')

    Raises:
        ValueError: it is no URL of a websocket, or has another path, or a login.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("ws", "wss") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # its port or its address is none
        fits = False
    path = parts.path.rstrip("/") if fits else ""
    if not fits or path not in ("", "/subscribe") or parts.query or parts.fragment:
        raise ValueError(
            f"{masked(url)!r} is no Jetstream: write wss://HOST for v2, wss://HOST/subscribe for v1; it needs no login"
        )
    return Host(f"{parts.scheme}://{parts.netloc.lower()}", "v1" if path else "v2")
