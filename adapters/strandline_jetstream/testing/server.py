"""
The server: it sends each connection what it asked for, until the fate of that connection befalls it.

A v2 dictionary is made here, from made-up frames, and is another one after each rotation; a v1 one is that of the
package. Without a cursor a connection begins with the first line that is held, as if all of it happened now.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from random import Random
from typing import Final
from urllib.parse import parse_qs, urlsplit

import zstandard
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from strandline.session import Host
from strandline_jetstream.frames import dictionary_of
from strandline_jetstream.testing.asking import Asked, Invalid, asked, updated
from strandline_jetstream.testing.faults import Close, Cut, Error, Fate, Faults, Refuse, Stall
from strandline_jetstream.testing.log import Entry, Log

__all__ = ["Jetstream", "serving"]

DICTIONARY: Final = "/xrpc/network.bsky.jetstream.getZstdDictionary"
FIRST_DICTIONARY: Final = 20260811
DICTIONARY_BYTES: Final = 4096
TIME: Final = 10**15
"""A v2 cursor of at least so much is a time in microseconds."""


@asynccontextmanager
async def serving(
    lines: Iterable[bytes] = (),
    faults: Faults | None = None,
    *,
    first: int = 1,
    shuffled: int = 0,
    seed: int = 0,
) -> AsyncIterator["Jetstream"]:
    """
    Serve a log within the block, on a free port of this machine.

    Args:
        lines: Lines of either wire, in any order; what is no event comes as it is, behind the event before it.
        faults: What goes wrong; nothing unless told.
        first: The v2 number of the first line; lines of a v2 log keep theirs where it is 1.
        shuffled: Within so many events the repos are mixed anew, each in its own order; 0 for not at all.
        seed: By which they are mixed, and by which connections are cut.
    """
    jetstream = Jetstream(Log(lines, first, shuffled, seed), faults or Faults(), seed)
    async with serve(jetstream.send, "127.0.0.1", 0, process_request=jetstream.answer, compression=None) as listening:
        jetstream.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield jetstream


class Jetstream:
    """
    A host that is served.

    Attributes:
        url: Its URL without a path, such as `ws://127.0.0.1:40123`: v2; with `/subscribe` v1.
        faults: What goes wrong.
        asked: The paths, with their queries, that were asked for, dictionaries apart.
        sent: Frames that were sent, in all.
        dictionary: The id of the v2 dictionary.
    """

    def __init__(self, log: Log, faults: Faults, seed: int) -> None:
        self.url, self.faults, self.asked, self.sent = "", faults, list[str](), 0
        self._log, self._dice = log, Random(seed)
        self._grown = asyncio.Event()
        self.dictionary = FIRST_DICTIONARY
        self._data = _trained(FIRST_DICTIONARY)

    def put(self, *lines: bytes) -> None:
        """Let something more happen."""
        for line in lines:
            self._log.put(line)
        self._grown.set()
        self._grown = asyncio.Event()

    def rotate(self) -> None:
        """Make the v2 dictionary another one; connections that stand keep theirs."""
        self.dictionary += 1
        self._data = _trained(self.dictionary)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the HTTP answer to a request; None where it is a connection that may stand."""
        if urlsplit(request.path).path == DICTIONARY:
            return self._dictionary(parse_qs(urlsplit(request.path).query).get("id"))
        self.asked.append(request.path)
        if self.faults.rotate and len(self.asked) % self.faults.rotate == 0:
            self.rotate()
        fate = next(iter(self.faults.fates), None)
        if isinstance(fate, Refuse):
            del self.faults.fates[0]
            return _refused(fate)
        told = asked(request.path)
        refused = told if isinstance(told, Refuse) else self._refusal(told)
        return None if refused is None else _refused(refused)

    async def send(self, connection: ServerConnection) -> None:
        """Send one connection what it asked for."""
        assert connection.request is not None
        told = asked(connection.request.path)
        assert isinstance(told, Asked)
        subscriber = _Subscriber(connection, told, self._zstd(told))
        fate = self.faults.fates.pop(0) if self.faults.fates else None
        tasks = [asyncio.create_task(it) for it in (subscriber.listen(), self._send(subscriber, fate))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception) and not isinstance(end, ConnectionClosed):
                raise end

    async def _send(self, to: "_Subscriber", fate: Fate | None) -> None:
        await to.greeted.wait()
        at, is_outdated = self._begin(to.asked)
        if is_outdated:
            await to.send(_info("OutdatedCursor", "the stream begins later"))
        frames = 0
        async for line in self._lines(to, at):
            if not isinstance(fate, Refuse | None) and frames == fate.after:
                await self._befall(to, fate, line)
                return
            await to.send(line)
            frames += 1
            self.sent += 1

    async def _lines(self, to: "_Subscriber", at: int) -> AsyncIterator[bytes]:
        """Yield what a connection is to be sent, for ever."""
        told = 0
        while True:
            if at == len(self._log.entries):
                await self._grown.wait()
                continue
            line = _said(to.asked, self._log.entries[at])
            at += 1
            if line is not None:
                told += 1
                yield line
                if self.faults.twice and told % self.faults.twice == 0:
                    yield line

    def _begin(self, told: Asked) -> tuple[int, bool]:
        """Return the place of the first entry to be sent, and whether it is later than was asked for by time."""
        log, lost, cursor = self._log, self.faults.lost, told.cursor
        if cursor is None:
            return lost, False
        at = log.at_seq(cursor) if told.generation == "v2" and cursor < TIME else log.at_time(cursor)
        return max(at, lost), told.generation == "v2" and at < lost

    async def _befall(self, to: "_Subscriber", fate: Fate, line: bytes) -> None:
        match fate:
            case Cut():
                to.cut(line, self._dice)
            case Close():
                await to.connection.close(fate.code, fate.reason)
            case Error():
                if to.asked.generation == "v2":
                    await to.send(_line({"$type": "error", "error": fate.error, "message": fate.message}))
                await to.connection.close(1008, fate.error)
            case Stall():
                await to.connection.wait_closed()

    def _refusal(self, told: Asked) -> Refuse | None:
        if told.dictionary not in (None, self.dictionary):
            return Refuse(400, "UnknownZstdDictionary", f"the dictionary is {self.dictionary}")
        if told.generation == "v2" and told.cursor is not None and self.faults.lost and told.cursor < TIME:
            floor = self._log.entries[self.faults.lost].seq
            if told.cursor < floor:
                return Refuse(400, "CursorTooOld", f"the oldest is {floor}")
        return None

    def _zstd(self, told: Asked) -> zstandard.ZstdCompressor | None:
        if told.dictionary is not None:
            return zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(self._data))
        legacy = dictionary_of(Host("", "v1"))[1] if told.compress else None
        return zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(legacy)) if legacy else None

    def _dictionary(self, wanted: list[str] | None) -> Response:
        if self.faults.no_dictionary:
            self.faults.no_dictionary -= 1
            return _refused(Refuse(503, "ServiceUnavailable", "soon"))
        if wanted not in (None, [str(self.dictionary)]):
            return _refused(Refuse(404, "DictionaryNotFound", str(wanted)))
        return _response(200, "application/octet-stream", self._data)


class _Subscriber:
    """One connection, and what it asks for by now."""

    def __init__(self, connection: ServerConnection, told: Asked, zstd: zstandard.ZstdCompressor | None) -> None:
        self.connection, self.asked, self._zstd = connection, told, zstd
        self.greeted = asyncio.Event()
        if not told.hello:
            self.greeted.set()

    async def listen(self) -> None:
        """Take what the client says, until it is gone: options on v1, nothing at all on v2."""
        async for said in self.connection:
            code, reason = self._took(said)
            if code:
                await self.connection.close(code, reason[:100])
                return

    def _took(self, said: str | bytes) -> tuple[int, str]:
        """Take a message; return the code and the reason it is to be closed with, 0 for neither."""
        if self.asked.generation == "v2":
            return 1008, "a client sends nothing"
        try:
            self.asked = updated(self.asked, json.loads(said))
        except Invalid as error:
            return 1008, str(error)
        except ValueError:
            return 1007, "no JSON"
        if not self.asked.hello:
            self.greeted.set()
        return 0, ""

    async def send(self, line: bytes) -> None:
        await self.connection.send(self._frame(line))

    def cut(self, line: bytes, dice: Random) -> None:
        """Send a part of a frame, and be gone once it is sent."""
        said = self._frame(line)
        frame = Frame(Opcode.BINARY, said) if isinstance(said, bytes) else Frame(Opcode.TEXT, said.encode())
        whole = frame.serialize(mask=False)
        self.connection.transport.write(whole[: dice.randrange(1, len(whole))])
        self.connection.transport.close()

    def _frame(self, line: bytes) -> str | bytes:
        """Return a frame: text as it is, zstd if asked for; what is no text comes as a binary frame, unpacked."""
        if self._zstd is not None:
            return self._zstd.compress(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            return line


def _said(told: Asked, entry: Entry) -> bytes | None:
    line = entry.said(told.generation) if told.wants(entry) else None
    return None if line is None or 0 < told.max_bytes < len(line) else line


def _info(name: str, message: str) -> bytes:
    body = {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": name, "message": message}
    return _line({"$type": "message", "payload": body})


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _refused(refuse: Refuse) -> Response:
    body = json.dumps({"error": refuse.error, "message": refuse.message}).encode()
    return _response(refuse.status, "application/json", body)


def _response(status: int, kind: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, HTTPStatus(status).phrase, headers, body)


def _trained(number: int) -> bytes:
    """Return a dictionary of frames like those that are sent, under that id."""
    dice = Random(number)
    samples: list[bytes | bytearray | memoryview[int]] = [
        _line(
            {
                "$type": "message",
                "payload": {
                    "$type": "network.bsky.jetstream.subscribeEvents#commit",
                    "did": f"did:plc:{dice.getrandbits(100):x}",
                    "collection": f"social.coves.{dice.choice(['feed.vote', 'community.comment', 'community.post'])}",
                    "operation": dice.choice(["create", "update", "delete"]),
                    "rev": f"3m{dice.getrandbits(50):x}",
                    "seq": dice.getrandbits(30),
                },
            }
        )
        for _ in range(200)
    ]
    data = zstandard.train_dictionary(DICTIONARY_BYTES, samples, k=64, d=8, dict_id=number)
    return data.as_bytes()
