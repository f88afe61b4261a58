"""
How many requests a second a server answers, and how long 100 users wait for each.

The server is `strandline serve` over an index of a made-up forum, the users live in this process beside it, all on the
same cores. They ask without a pause first, each on a connection of its own; then with a second between two requests,
as people who read do. Each is a viewer of their own, from those with many subscriptions to those with one. `bare` is a
short answer of JSON that needs no index, of the same server: the limit. Errors are answers of another status.

    python benchmarks/serve.py --events 1000000 --stores sqlite postgresql
    python benchmarks/serve.py --urls sqlite:///forum.db --workers 2
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from reads import store_url
from strandline import Store, open_store
from strandline.forum import SCHEMA
from strandline.forum.queries.people import hidden
from strandline.forum.world import world

USERS: Final = 100
PAUSE_S: Final = 1.0
STRANDLINE: Final = str(Path(sys.executable).with_name("strandline"))
HEAD: Final = f"{'question':12} {'req/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'errors':>7} {'of bare':>8}"


@frozen
class Question:
    """A path that is asked, and the status that answers it."""

    path: str
    status: int = 200


@frozen
class Answers:
    """How long the answers took, in order, seconds; how many were errors; and how long all was."""

    waits: Sequence[float]
    errors: int
    seconds: float

    def row(self, name: str, limit: float) -> str:
        """Return a line of the table."""
        cuts = [1000 * self.waits[int(len(self.waits) * part)] for part in (0.5, 0.95, 0.99)]
        return (
            f"{name:12} {self.rate:8.0f} {cuts[0]:8.1f} {cuts[1]:8.1f} {cuts[2]:8.1f} {self.errors:7}"
            f" {self.rate / (limit or self.rate):8.2f}"
        )

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.waits) / self.seconds


async def questions(url: str) -> tuple[dict[str, Question], list[str]]:
    """Return what is asked of an index, and the viewers who ask."""
    store = await open_store(url, SCHEMA, write=False)
    try:
        posts, communities = [[row async for row in rows_of(store, name)] for name in ("post", "community")]
        subscribers = Counter([row.actor async for row in rows_of(store, "subscription")])
        gone = await hidden(store, {did for row in posts for did in (row.author, row.community)})
    finally:
        await store.close()
    live = {row.did for row in communities if row.visibility == "public"} - gone
    seen = [row for row in posts if row.community in live and row.author not in gone]
    shown = sorted(seen, key=lambda row: abs(row.comment_count - 500))
    home = Counter(row.community for row in seen).most_common(1)[0][0]
    uris = "&".join(f"uris={quote(row.uri)}" for row in random.Random(1).sample(shown, 15))
    viewers = [did for did, _ in subscribers.most_common()]
    return {
        "bare": Question("/xrpc/com.example.unknown", 404),
        "timeline": Question("/xrpc/social.coves.feed.getTimeline"),
        "discover": Question("/xrpc/social.coves.feed.getDiscover"),
        "community": Question(f"/xrpc/social.coves.feed.getCommunity?community={home}"),
        "thread": Question(f"/xrpc/social.coves.community.comment.getComments?post={quote(shown[0].uri)}"),
        "getPosts": Question(f"/xrpc/social.coves.community.post.get?{uris}"),
    }, viewers[:: max(1, len(viewers) // USERS)][:USERS]


async def rows_of(store: Store, table: str) -> Any:
    """Yield the rows of a table, with names."""
    named = store.layout.table(table).row
    async for _, chunk in store.scan([table]):
        for row in chunk:
            yield named(row)


async def asked(port: int, question: Question, viewers: Sequence[str], seconds: float, pause_s: float) -> Answers:
    """Let all users ask one question for some time."""
    waits: list[float] = []
    errors = 0
    began = time.perf_counter()

    async def one(viewer: str) -> None:
        nonlocal errors
        request = f"GET {question.path} HTTP/1.1\r\nHost: x\r\nX-Strandline-Viewer: {viewer}\r\n\r\n".encode()
        await asyncio.sleep(random.random() * pause_s)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < began + seconds:
            asked_at = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(length)
            waits.append(time.perf_counter() - asked_at)
            errors += int(head[9:12]) != question.status
            await asyncio.sleep(pause_s)
        writer.close()

    await asyncio.gather(*(one(viewers[at % len(viewers)]) for at in range(USERS)))
    return Answers(sorted(waits), errors, time.perf_counter() - began)


def tell(title: str, url: str, workers: int, seconds: float) -> None:
    """Serve an index and print both tables."""
    paths, viewers = asyncio.run(questions(url))
    options = ["--store", url, "--port", "0", "--trust-viewer-header", "--workers", str(workers)]
    with subprocess.Popen([STRANDLINE, "serve", *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            for pause_s, told in ((0.0, "without a pause"), (PAUSE_S, "with a second between")):
                print(f"\n{title}, {workers} workers, {USERS} users {told}\n{HEAD}")
                limit = 0.0
                for name, question in paths.items():
                    answers = asyncio.run(asked(port, question, viewers, seconds, pause_s))
                    limit = limit or answers.rate
                    print(answers.row(name, limit), flush=True)
        finally:
            server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--stores", nargs="+", default=["sqlite"], choices=["sqlite", "postgresql"])
    parser.add_argument("--urls", nargs="+", help="serve these, which hold a log already")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    told = parser.parse_args()
    for url in told.urls or ():
        tell(url, url, told.workers, told.seconds)
    if told.urls:
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "world.ndjson"
        with log.open("wb") as out:
            out.writelines(world(seed=7, events=told.events))
        for name in told.stores:
            with store_url(name, Path(folder)) as url:
                command = [STRANDLINE, "replay", str(log), "--store", url]
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                tell(f"{name}, {told.events:,} events", url, told.workers, told.seconds)


if __name__ == "__main__":
    main()
