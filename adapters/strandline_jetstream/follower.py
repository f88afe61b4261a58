"""
What `strandline.session` says, done: connect, wait, decode, deliver.

All is one task, but for the reading of the socket: a batch is delivered before the next is decoded, so what a session
takes for delivered is. While nothing comes, what earlier batches left to be done goes on by bounded steps.

A store that is locked, out of reach or was interrupted is waited for; one that is damaged, stale, too new, full or
read-only is not, since no waiting mends it.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Final, TypeVar

import zstandard
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from strandline.errors import StoreInterrupted, StoreLocked, StoreUnavailable
from strandline.event import BadEvent, Control, Decoded, decode
from strandline.session import (
    MAX_FRAME_BYTES,
    Arrived,
    Closed,
    Connect,
    Deliver,
    Disconnect,
    FetchDictionary,
    Fetched,
    Gap,
    Happening,
    Host,
    Interrupted,
    Opened,
    Place,
    Ponged,
    Refused,
    Session,
    Sleep,
    Step,
    Stop,
    Waited,
    began,
    step,
)
from strandline_jetstream.connection import Connection
from strandline_jetstream.frames import Unpacker, dictionary_of
from strandline_jetstream.status import Status

__all__ = ["Follower"]

T = TypeVar("T")

PASSING: Final = (StoreInterrupted, StoreLocked, StoreUnavailable)
"""Trouble of a store that may pass."""
MAX_QUEUE: Final = 64
"""Frames that the websocket itself holds; at its default of 16 it stops and starts reading all the time."""
ENVELOPE_BYTES: Final = 64 * 1024
"""What may come on top of what a host takes for the size of a message."""
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
PATIENCE_S: Final = 300.0
FETCH_S: Final = 10.0
"""So long a dictionary may take; then it is done without."""


class Follower:
    """
    Follows a Jetstream until it is interrupted.

    Args:
        session: Where to begin.
        deliver: Takes in a batch, and keeps the place with it if there is one; raises StoreError having done neither.
        go_on: Does a bounded part of what the batches left to be done; returns whether there was any.
        patience_s: How long a batch is tried again while the store is in trouble that may pass.
        tap: Is given every frame first, unpacked: a line, or what is none.

    Attributes:
        status: How it goes.
    """

    def __init__(
        self,
        session: Session,
        deliver: Callable[[Sequence[Decoded], Place | None], Awaitable[None]],
        *,
        go_on: Callable[[], Awaitable[bool]] | None = None,
        patience_s: float = PATIENCE_S,
        tap: Callable[[bytes | BadEvent], None] | None = None,
    ) -> None:
        self.status = Status()
        self._session, self._deliver, self._go_on, self._patience_s = session, deliver, go_on, patience_s
        self._tap, self._is_left = tap, go_on is not None
        self._stirred, self._interrupted = asyncio.Event(), asyncio.Event()
        self._connection: Connection | None = None
        self._unpacker = Unpacker()
        self._dictionaries: dict[int, bytes] = {}
        self._until_s = 0.0

    def interrupt(self) -> None:
        """End it: the batch in hand is delivered, nothing after it."""
        self._interrupted.set()
        self._stirred.set()

    async def follow(self) -> str:
        """
        Follow until interrupted, or until nothing more can be done; return why, "" if interrupted.

        Raises:
            StoreError: the store is in trouble that does not pass, or did not within the patience; the place is where
                it was.
        """
        self._session, steps = began(self._session)
        try:
            while True:
                happening: Happening | None = None
                for it in steps:
                    if isinstance(it, Stop):
                        return it.reason
                    happening = await self._do(it) or happening
                happening = happening or await self._next()
                now_us = time.monotonic_ns() // 1000
                self._session, steps = step(self._session, happening, now_us, random.random())
        finally:
            await self._disconnect()

    async def _do(self, it: Step) -> Happening | None:
        match it:
            case Connect():
                return await self._unless_interrupted(self._connect(it))
            case Deliver():
                return await self._patiently(lambda: self._delivered(it))
            case Sleep():
                self._until_s = time.monotonic() + it.us / 1e6
            case FetchDictionary():
                return await self._unless_interrupted(self._fetch(it.host))
            case Gap():
                self.status.gaps += 1
                until = "" if it.until_us is None else f" to {it.until_us}"
                self.status.last_error = f"{it.host.source} no longer has what was seen from {it.since_us}{until}"
            case Disconnect():
                await self._disconnect()
        return None

    async def _unless_interrupted(self, work: Coroutine[None, None, Happening]) -> Happening:
        """Return what comes of waiting for a host, which may take long; an interruption does not wait for it."""
        tasks = asyncio.create_task(work), asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].result() if tasks[0].done() else Interrupted()
        finally:
            for task in tasks:
                task.cancel()

    async def _next(self) -> Happening:
        """Wait for what happens next."""
        while True:
            if self._interrupted.is_set():
                return Interrupted()
            self._stirred.clear()
            due_s, happening = self._at_hand()
            if happening is not None:
                return happening
            if self._is_left:
                happening = await self._patiently(self._went_on)
                if happening is not None:
                    return happening
                continue
            try:
                await asyncio.wait_for(self._stirred.wait(), due_s)
            except TimeoutError:
                continue

    def _at_hand(self) -> tuple[float, Happening | None]:
        """Return what has happened; if nothing, after how many seconds to look again at the latest."""
        left_s = self._until_s - time.monotonic()
        connection = self._connection
        due_s = connection.due_s() if connection else None
        if connection is not None and due_s is not None and due_s <= 0:
            return 0.0, Arrived([self._decoded(frame) for frame in connection.take()])
        if connection is not None and connection.ponged:
            connection.ponged = False
            return 0.0, Ponged()
        if connection is not None and connection.closed is not None:
            self._connection, self.status.connected = None, False
            self.status.last_error = "closed {} {}".format(*connection.closed).rstrip()
            return 0.0, Closed(*connection.closed)
        if left_s <= 0 and due_s is None:
            return 0.0, Waited()
        return max(0.0, left_s) if due_s is None else due_s, None

    async def _connect(self, it: Connect) -> Happening:
        await self._disconnect()
        self.status.host = it.host.source
        self._unpacker = Unpacker(None if it.dictionary is None else self._dictionaries[it.dictionary])
        try:
            socket = await connect(
                it.url,
                compression=None,
                ping_interval=None,
                close_timeout=1,
                max_size=MAX_FRAME_BYTES + ENVELOPE_BYTES,
                max_queue=MAX_QUEUE,
            )
            if it.hello is not None:
                await socket.send(it.hello)
        except InvalidStatus as refused:
            happening = _refusal(refused)
            self.status.last_error = f"HTTP {happening.status} {happening.error} {happening.message}".rstrip()
            return happening
        except (OSError, WebSocketException) as error:
            self.status.last_error = str(error)
            return Closed(1006, str(error))
        self._connection = Connection(socket, self._stirred)
        self.status.connected = True
        self.status.connections += 1
        return Opened()

    async def _disconnect(self) -> None:
        connection, self._connection, self.status.connected = self._connection, None, False
        if connection is not None:
            await connection.close()

    async def _fetch(self, host: Host) -> Fetched:
        try:
            number, data = await asyncio.wait_for(_left_behind(lambda: dictionary_of(host)), FETCH_S)
        except (OSError, ValueError, zstandard.ZstdError) as error:
            self.status.last_error = f"no dictionary: {error}"
            return Fetched(None)
        self._dictionaries[number] = data
        return Fetched(number)

    def _decoded(self, frame: str | bytes) -> Decoded:
        line = self._unpacker.line(frame)
        if self._tap is not None:
            self._tap(line)
        return line if isinstance(line, BadEvent) else decode(line)

    async def _delivered(self, it: Deliver) -> None:
        await self._deliver(it.items, it.place)
        self._is_left = self._go_on is not None
        self._count(it)

    async def _went_on(self) -> None:
        self._is_left = self._go_on is not None and await self._go_on()

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> Happening | None:
        """Do it; while the store is in trouble that may pass, wait and do the same again."""
        until_s, pause_s = time.monotonic() + self._patience_s, FIRST_PAUSE_S
        while True:
            try:
                await work()
            except PASSING as error:
                self.status.last_error = str(error)
                if time.monotonic() + pause_s > until_s:
                    raise
                if await _is_set_within(self._interrupted, pause_s):
                    return Interrupted()
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            else:
                return None

    def _count(self, it: Deliver) -> None:
        for item in it.items:
            if isinstance(item, BadEvent):
                self.status.bad[item.reason] += 1
            elif isinstance(item, Control):
                self.status.control += 1
                self.status.last_error = item.detail if item.name == "error" else self.status.last_error
            else:
                self.status.events += 1
        self.status.seen_us = it.place.seen_us if it.place else self.status.seen_us
        self.status.queue = len(self._connection) if self._connection else 0


def _left_behind(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Do what waits for the network in a thread that nobody waits for at the end, unlike those of the event loop."""
    done = Future[T]()

    def do() -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            done.set_exception(error)

    Thread(target=do, daemon=True).start()
    return asyncio.wrap_future(done)


def _refusal(error: InvalidStatus) -> Refused:
    try:
        told = json.loads(error.response.body or b"")
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    return Refused(error.response.status_code, str(told.get("error", "")), str(told.get("message", "")))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
