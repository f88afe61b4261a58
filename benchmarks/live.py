"""
From the socket to committed rows: how many events a second, and how long until an event is to be seen.

A second process writes the frames of a made-up forum's log to a socket, at a given rate or as fast as they are taken;
the follower of `strandline run` takes them into a store. An event's latency counts from when it was due to be sent, so
that what piles up is counted, until its batch is committed; one clock serves both processes. PostgreSQL keeps its own
defaults: it waits for its disk. `bare` receives frames and does nothing with them: the limit of the socket in this
language. As fast as it goes is a flood, in which batches are as great as they get and latency means nothing; the row
after it is at 0.8 of that rate. `--queue` tries out how many frames the websocket itself should hold.

    python benchmarks/live.py                          some seconds of each
    python benchmarks/live.py --full                   a minute of each
    python benchmarks/live.py --store postgres --frames zstd --rate 2000 --full
    python benchmarks/live.py --memory 600 --rate 2000 the memory over ten minutes, of the last frames and store named
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection as Pipes
from pathlib import Path

import zstandard
from attrs import define, field
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from strandline import Ingest, open_store
from strandline.event import Decoded
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import cursors_of
from strandline.session import Host, Place, follow
from strandline_cli.ahead import unhurried_collection
from strandline_jetstream import Follower, follower, host_of
from strandline_jetstream.frames import dictionary_of

ACCEPTS = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TICK_S = 0.002
AT_MOST = 15_000
"""Events a second that a flood is made of; a store that takes more in has its last ones measured early."""
SHARE = 0.8
BARE = 200_000
QUEUES = (1, 16, 64, 256, 1024, 4096)


def frames(events: int, packed: bool) -> list[bytes]:
    """Return the bytes of frames, as they go over the socket."""
    lines = sorted(line.rstrip() for line in world(seed=7, events=events, late=0, repeats=0))
    lines.sort(key=lambda line: int(line.partition(b'"time_us":')[2].partition(b",")[0]))
    if not packed:
        return [Frame(Opcode.TEXT, line).serialize(mask=False) for line in lines]
    zstd = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(dictionary_of(Host("", "v1"))[1]))
    return [Frame(Opcode.BINARY, zstd.compress(line)).serialize(mask=False) for line in lines]


def serve(pipe: Pipes, events: int, packed: bool, rate: float) -> None:
    """Serve one connection; tell the port first, then when its first frame was sent."""
    told = frames(events, packed)
    with socket.create_server(("127.0.0.1", 0)) as server:
        pipe.send(server.getsockname()[1])
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accept(connection)
            pipe.send(time.monotonic())
            send(connection, told, rate)
            connection.recv(1)


def accept(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    answer = base64.b64encode(hashlib.sha1(key.partition(b":")[2].strip() + ACCEPTS.encode()).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(head + b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n")


def send(connection: socket.socket, told: Sequence[bytes], rate: float) -> None:
    """Send frames as they are due: number i is due i / rate seconds after the first; at once if rate is 0."""
    if not rate:
        connection.sendall(b"".join(told))
        return
    began, at = time.monotonic(), 0
    while at < len(told):
        due = min(len(told), int((time.monotonic() - began) * rate) + 1)
        connection.sendall(b"".join(told[at:due]))
        at = due
        time.sleep(TICK_S)


@contextmanager
def served(events: int, packed: bool, rate: float) -> Iterator[tuple[str, Pipes]]:
    ours, theirs = Pipe()
    process = Process(target=serve, args=(theirs, events, packed, rate), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{ours.recv()}", ours
    finally:
        process.kill()
        process.join()


@define
class Measured:
    """What came of one run: when each event was due and when it was to be seen, in seconds, and the memory, in MB."""

    seen: list[tuple[int, float]] = field(factory=list)
    began: float = 0.0
    rate: float = 0.0
    memory_mb: list[float] = field(factory=list)

    @property
    def per_s(self) -> float:
        return self.seen[-1][0] / (self.seen[-1][1] - self.began)

    def latency_ms(self, share: float) -> float:
        """Return the latency within which that share of events was to be seen."""
        late = sorted(at - self.began - number / self.rate for number, at in self._each())
        return 1000 * late[min(len(late) - 1, int(share * len(late)))]

    def _each(self) -> Iterator[tuple[int, float]]:
        before = 0
        for until, at in self.seen:
            yield from ((number, at) for number in range(before, until))
            before = until


async def live(store_url: str, seconds: float, packed: bool, rate: float, watch_s: float = 0) -> Measured:
    """Take in what comes in so many seconds; of a flood, rate 0, as much as that is time for."""
    measured = Measured(rate=rate)
    events = int((rate or AT_MOST) * seconds)
    store = await open_store(store_url, SCHEMA)
    ingest = Ingest(store, SCHEMA)
    total, next_s = 0, time.monotonic()
    flood_s = None if rate else seconds

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        nonlocal total, next_s
        await ingest.fold(items, cursors_of(place) if place else None)
        total += len(items)
        measured.seen.append((total, time.monotonic()))
        if watch_s and time.monotonic() >= next_s:
            measured.memory_mb.append(resident_mb())
            next_s = time.monotonic() + watch_s
        if total >= events or (flood_s is not None and time.monotonic() - measured.seen[0][1] > flood_s):
            following.interrupt()

    with served(events, packed, rate) as (url, pipe):
        session = follow([host_of(f"{url}/subscribe")], [], compress=packed)
        following = Follower(session, deliver, go_on=ingest.go_on)
        with unhurried_collection():
            await following.follow()
        measured.began = pipe.recv()
    await store.close()
    return measured


async def bare(events: int, packed: bool) -> float:
    """Return how many frames a second are received by who does nothing with them."""
    with served(events, packed, 0) as (url, pipe):
        async with connect(url, compression=None, max_queue=follower.MAX_QUEUE) as receiving:
            for _ in range(events):
                await receiving.recv()
            seconds = time.monotonic()
        return float(events / (seconds - pipe.recv()))


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def stores(kinds: Sequence[str]) -> Iterator[Callable[[str], str]]:
    """Give the URLs of new stores."""
    number = count()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = None
        if "postgres" in kinds:
            from strandline_postgres.testing import started

            server = stack.enter_context(started(18, durable=True))

        def new(kind: str) -> str:
            if kind == "memory":
                return "memory:"
            if kind == "sqlite":
                return f"sqlite:///{folder}/{next(number)}.db"
            assert server is not None
            return server.url(schema=f"live{next(number)}")

        yield new


def report(kinds: Sequence[str], frames: Sequence[str], seconds: float, rates: Sequence[float]) -> None:
    with stores(kinds) as new:
        print(f"{'store':10}{'frames':8}{'events/s':>12}{'of bare':>10}{'p50 ms':>10}{'p99 ms':>10}")
        for how in frames:
            limit = asyncio.run(bare(BARE, how == "zstd"))
            print(f"{'bare':10}{how:8}{limit:12,.0f}{1:10.3f}", flush=True)
            for kind in kinds:
                for rate in rates:
                    it = asyncio.run(live(new(kind), seconds, how == "zstd", rate))
                    show(kind, how, limit, it)
                    if not rate:
                        show(kind, how, limit, asyncio.run(live(new(kind), seconds, how == "zstd", SHARE * it.per_s)))


def show(kind: str, how: str, limit: float, it: Measured) -> None:
    late = f"{it.latency_ms(0.5):10.1f}{it.latency_ms(0.99):10.1f}   at {it.rate:,.0f}/s" if it.rate else ""
    said = late or f"{'':20}   as fast as it goes"
    print(f"{kind:10}{how:8}{it.per_s:12,.0f}{it.per_s / limit:10.3f}{said}", flush=True)


async def decoded(events: int) -> float:
    """Return how many events a second are received and decoded by who does nothing with them."""
    total, seconds = 0, 0.0

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        nonlocal total, seconds
        total, seconds = total + len(items), time.monotonic()
        if total >= events:
            following.interrupt()

    with served(events, False, 0) as (url, pipe):
        following = Follower(follow([host_of(f"{url}/subscribe")], [], compress=False), deliver)
        await following.follow()
        return float(events / (seconds - pipe.recv()))


def queues(events: int) -> None:
    print(f"{'queue':>8}{'received/s':>12}{'decoded/s':>12}   as fast as they come, best of five")
    for size in QUEUES:
        follower.MAX_QUEUE = size  # type: ignore[misc]  # what is tried out
        received = max(asyncio.run(bare(events, False)) for _ in range(5))
        best = max(asyncio.run(decoded(events)) for _ in range(5))
        print(f"{size:8}{received:12,.0f}{best:12,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="append", choices=["memory", "sqlite", "postgres"])
    parser.add_argument("--frames", action="append", choices=["plain", "zstd"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--full", action="store_true", help="a minute of each")
    parser.add_argument("--rate", type=float, action="append", help="events a second, 0 for as fast as it goes")
    parser.add_argument("--queue", type=int, metavar="EVENTS", help="try out the websocket's queue with so many events")
    parser.add_argument("--memory", type=float, metavar="SECONDS", help="watch the memory for so long")
    told = parser.parse_args()
    rates = told.rate or [500.0, 2000.0, 0.0]
    kinds, frames = told.store or ["sqlite", "postgres"], told.frames or ["plain", "zstd"]
    if told.queue:
        queues(told.queue)
    elif told.memory:
        with stores(kinds) as new:
            packed = frames[-1] == "zstd"
            it = asyncio.run(live(new(kinds[-1]), told.memory, packed, rates[-1], told.memory / 20))
        print(f"MB over {told.memory:.0f} s at {rates[-1]:,.0f}/s: " + " ".join(f"{mb:.0f}" for mb in it.memory_mb))
    else:
        report(kinds, frames, 60.0 if told.full else told.seconds, rates)


if __name__ == "__main__":
    main()
