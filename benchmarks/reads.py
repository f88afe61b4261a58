"""
How long does a page take, on an index of so many events, and does that grow with it?

Viewers follow 50 communities of 500: some drawn evenly, some the most popular, some the least; feeds of a community
are drawn as people would, the popular ones more often. Each question is asked `--asks` times in a row on one
connection, after some asks that do not count, so that caches are warm; p50 and p99 of the wall time of one ask are
told, its rows made and all. Nothing else is at work.

    python benchmarks/reads.py --events 100000 1000000
    python benchmarks/reads.py --events 1000000 --stores postgresql
    python benchmarks/reads.py --urls sqlite:///forum.db   # one that holds such a log
"""

import argparse
import asyncio
import contextlib
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from strandline import Commit, Ingest, Store, open_store
from strandline.forum import SCHEMA, queries
from strandline.forum.records import SUBSCRIPTION
from strandline.forum.world import world

COMMUNITIES = 500
FOLLOWED = 50
VIEWERS = 20
WARM = 30
DAY_US = 86_400_000_000

Ask = Callable[[random.Random], Awaitable[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--stores", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--asks", type=int, default=500)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--urls", nargs="+", help="ask these, which hold a log already; viewers are added")
    told = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; caches warm; milliseconds"
    )
    for url in told.urls or ():
        tell(url, url, told.asks)
    if told.urls:
        return
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        for events in told.events:
            log = Path(folder) / "world.ndjson"
            with log.open("wb") as out:
                out.writelines(world(7, events, communities=COMMUNITIES))
            for name in told.stores:
                with store_url(name, Path(folder)) as url:
                    report(name, events, log, url, told.asks)


@contextlib.contextmanager
def store_url(name: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a store that is new."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(dir=folder) as own:
            yield f"sqlite:///{own}/forum.db"
    else:
        from strandline_postgres.testing import started

        with started(18) as server:
            yield server.url()


def report(name: str, events: int, log: Path, url: str, asks: int) -> None:
    command = [str(Path(sys.executable).with_name("strandline")), "replay", str(log), "--store", url]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    tell(f"{name}, {events:,} events", url, asks)


def tell(title: str, url: str, asks: int) -> None:
    print(f"\n{title}\n{'':34}{'p50':>9}{'p99':>9}{'rows':>7}")
    asyncio.run(measure(url, asks))


async def measure(url: str, asks: int) -> None:
    async with opened(url) as store:
        for what, ask in (await questions(store)).items():
            dice, seconds, rows = random.Random(1), [], 0
            for at in range(WARM + asks):
                start = time.perf_counter()
                answer = await ask(dice)
                if at >= WARM:
                    seconds.append(time.perf_counter() - start)
                    rows += len(getattr(answer, "posts", answer))
            cuts = statistics.quantiles(seconds, n=100)
            print(f"{what:34}{cuts[49] * 1e3:9.2f}{cuts[98] * 1e3:9.2f}{rows / asks:7.0f}", flush=True)


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await open_store(url, SCHEMA)
    try:
        yield store
    finally:
        await store.close()


async def questions(store: Store) -> dict[str, Ask]:
    rows = [store.layout.table("community").row(row) async for _, chunk in store.scan(["community"]) for row in chunk]
    public = sorted((row for row in rows if row.visibility == "public"), key=lambda row: row.post_count)
    dids, weights = [row.did for row in public], [row.post_count for row in public]
    dice = random.Random(2)
    kinds = {
        "even": [dice.sample(dids, FOLLOWED) for _ in range(VIEWERS)],
        "popular": [dids[-FOLLOWED:]],
        "tail": [dids[:FOLLOWED]],
    }
    viewers = {kind: [f"did:web:{kind}{at}.example" for at in range(len(sets))] for kind, sets in kinds.items()}
    await subscribe(store, {viewers[kind][at]: it for kind, sets in kinds.items() for at, it in enumerate(sets)})
    threads = await long_threads(store)
    latest = max([row[store.layout.table("post").position["sort_at_us"]] for row in await newest(store, dids)])

    def feed(order: str, since_us: int | None = None) -> Ask:
        return lambda dice: queries.community_feed(
            store, dice.choices(dids, weights)[0], order=order, since_us=since_us, limit=50
        )

    def timeline(kind: str, order: str, since_us: int | None = None) -> Ask:
        return lambda dice: queries.timeline(
            store, dice.choice(viewers[kind]), order=order, since_us=since_us, limit=50
        )

    def discover(order: str, since_us: int | None = None) -> Ask:
        return lambda dice: queries.discover(store, order=order, since_us=since_us, limit=50)

    asked: dict[str, Ask] = {}
    for order in ("new", "hot", "top"):
        asked |= {f"timeline, {kind}, {order}": timeline(kind, order) for kind in kinds}
        asked |= {f"community, {order}": feed(order), f"discover, {order}": discover(order)}
    for name, days in (("day", 1), ("week", 7)):
        since = latest - days * DAY_US
        asked |= {f"timeline, even, top of the {name}": timeline("even", "top", since)}
        asked |= {f"community, top of the {name}": feed("top", since)}
        asked |= {f"discover, top of the {name}": discover("top", since)}
    return asked | {"thread of about 500": lambda dice: queries.thread(store, dice.choice(threads))}


async def subscribe(store: Store, viewers: dict[str, Sequence[str]]) -> None:
    record = {"$type": SUBSCRIPTION, "contentVisibility": 3, "createdAt": "2026-06-01T00:00:00Z"}
    commits = [
        Commit(
            did=viewer,
            rev="3lzzzzzzzzzz2",
            operation="create",
            collection=SUBSCRIPTION,
            rkey=f"3lzzzzzzzz{at:03}".translate(str.maketrans("01", "ab")),
            record={**record, "subject": did},
            seen_us=1,
        )
        for viewer, dids in viewers.items()
        for at, did in enumerate(dids)
    ]
    await Ingest(store, SCHEMA).fold(commits)


async def newest(store: Store, dids: Sequence[str]) -> list[Any]:
    return await store.page("post", "by_new", [(did,) for did in dids], limit=1)


async def long_threads(store: Store) -> list[str]:
    """Return the posts whose threads are nearest to 500 comments."""
    named = store.layout.table("post").row
    rows = [named(row) async for _, chunk in store.scan(["post"]) for row in chunk]
    return [row.uri for row in sorted(rows, key=lambda row: abs(row.comment_count - 500))[:5]]


if __name__ == "__main__":
    main()
