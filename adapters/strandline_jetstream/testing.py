"""
A Jetstream to test consumers with: it serves a log over a websocket on this machine, and fails as it is told.

Source: https://github.com/bluesky-social/jetstream (README): v1 `/subscribe`, v2 `subscribeEvents`
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

import zstandard
from attrs import Factory, define
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from strandline.event import BadEvent, Commit, Control, decode
from strandline.session import Host
from strandline_jetstream.frames import dictionary_of

__all__ = ["Faults", "serving"]

_V1: Final = "/subscribe"
_V2: Final = "/xrpc/network.bsky.jetstream.subscribeEvents"


@define
class Faults:
    """
    What goes wrong; each list is used up from its front, one item a connection.

    Attributes:
        cuts: After how many frames the connection is lost without a close frame.
        stalls: After how many frames nothing more is sent, though the connection stays.
        refusals: HTTP errors that are answered: status, XRPC error name, message.
        twice: Every so many-th frame is sent twice; 0 for none.
        floor: The least position that is still held: v2 refuses an older cursor, v1 goes on from there.
    """

    cuts: list[int] = Factory(list)
    stalls: list[int] = Factory(list)
    refusals: list[tuple[int, str, str]] = Factory(list)
    twice: int = 0
    floor: int = 0


@asynccontextmanager
async def serving(lines: Sequence[bytes], faults: Faults | None = None) -> AsyncIterator[str]:
    """
    Serve a log, in the order of its positions, and yield the server's URL, such as `ws://127.0.0.1:40123`.

    A line is sent as it is to whichever path is asked, so a log should be of one wire; what is no event comes with the
    event before it. A cursor is inclusive; without one all is sent. After the last line a connection stays open, still.
    """
    server = _Server(_placed(lines), faults or Faults())
    async with serve(server.send, "127.0.0.1", 0, process_request=server.answer, compression=None) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


def _placed(lines: Sequence[bytes]) -> list[tuple[int, str, str, bytes]]:
    """Return lines with their positions, dids and collections."""
    placed: list[tuple[int, str, str, bytes]] = []
    position = 0
    for line in lines:
        item = decode(line)
        if isinstance(item, BadEvent | Control):
            placed.append((position, "", "", line))
            continue
        position = item.position
        placed.append((position, item.did, item.collection if isinstance(item, Commit) else "", line))
    return sorted(placed, key=lambda it: it[0])


class _Server:
    def __init__(self, lines: list[tuple[int, str, str, bytes]], faults: Faults) -> None:
        self._lines, self._faults = lines, faults
        legacy = dictionary_of(Host("", "v1"))[1]
        self._zstd = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(legacy))

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the HTTP error of this connection; None where it may stand."""
        parts = urlsplit(request.path)
        asked = parse_qs(parts.query)
        if self._faults.refusals:
            return _refused(connection, *self._faults.refusals.pop(0))
        if parts.path not in (_V1, _V2):
            return _refused(connection, 404, "XRPCNotSupported", parts.path)
        cursor = int(asked.get("cursor", ["0"])[0])
        if parts.path == _V2 and "cursor" in asked and cursor < self._faults.floor:
            return _refused(connection, 400, "CursorTooOld", f"the oldest is {self._faults.floor}")
        if "zstdDictionary" in asked:
            return _refused(connection, 400, "UnknownZstdDictionary", "there is none")
        return None

    async def send(self, connection: ServerConnection) -> None:
        """Send the log to one connection."""
        assert connection.request is not None
        asked = parse_qs(urlsplit(connection.request.path).query)
        cut = self._faults.cuts.pop(0) if self._faults.cuts else None
        stall = self._faults.stalls.pop(0) if self._faults.stalls else None
        try:
            for number, frame in enumerate(self._frames(asked)[:stall]):
                if number == cut:
                    connection.transport.abort()
                    return
                await connection.send(frame)
            await connection.wait_closed()
        except ConnectionClosed:
            return

    def _frames(self, asked: dict[str, list[str]]) -> list[str | bytes]:
        since = max(self._faults.floor, int(asked.get("cursor", ["0"])[0]))
        dids = asked.get("wantedDids", asked.get("dids", []))
        collections = asked.get("wantedCollections", asked.get("collections", []))
        told: list[bytes] = []
        for position, did, collection, line in self._lines:
            if position >= since and _is_wanted(did, dids) and _is_wanted(collection, collections):
                told.append(line)
                told += [line] if self._faults.twice and len(told) % self._faults.twice == 0 else []
        if "compress" in asked:
            return [self._zstd.compress(line) for line in told]
        return [line.decode("utf-8", "replace") for line in told]


def _is_wanted(name: str, wanted: Sequence[str]) -> bool:
    """Tell whether a name is asked for; what has none always is."""
    return not name or not wanted or any(name == it or (it[-1:] == "*" and name.startswith(it[:-1])) for it in wanted)


def _refused(connection: ServerConnection, status: int, error: str, message: str) -> Response:
    response = connection.respond(HTTPStatus(status), json.dumps({"error": error, "message": message}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response
