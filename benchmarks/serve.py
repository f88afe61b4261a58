"""
How many requests a second one server answers, and how long 100 connections without a pause wait for each.

The store is SQLite, of a made-up forum; the server is `strandline serve` with one worker, the client lives in this
process beside it. `/openapi.json` is what the same server takes for an answer that is ready: the limit.

    python benchmarks/serve.py --events 20000
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from strandline import open_index
from strandline.forum import SCHEMA
from strandline.forum.world import world

CONNECTIONS: Final = 100
COMMAND: Final = [sys.executable, "-c", "import sys; from strandline_cli import main; sys.exit(main())", "serve"]


def questions(index: Any) -> dict[str, str]:
    async def rows(store: Any, table: str) -> list[Any]:
        return [row async for _, chunk in store.scan([table]) for row in chunk]

    named = {name: [*map(SCHEMA.view(name).table.row, index.ask(rows, name))] for name in ("post", "community")}
    live = {row.did for row in named["community"] if row.visibility == "public"}
    posts = sorted((row for row in named["post"] if row.community in live), key=lambda row: -row.comment_count)
    home = max(named["community"], key=lambda row: row.post_count).did
    uris = "&".join(f"uris={quote(row.uri)}" for row in posts[:15])
    return {
        "ready JSON": "/openapi.json",
        "timeline": "/xrpc/social.coves.feed.getTimeline",
        "discover": "/xrpc/social.coves.feed.getDiscover",
        "community": f"/xrpc/social.coves.feed.getCommunity?community={home}",
        "thread": f"/xrpc/social.coves.community.comment.getComments?post={quote(posts[0].uri)}",
        "getPosts": f"/xrpc/social.coves.community.post.get?{uris}",
    }


async def measure(port: int, path: str, viewer: str, seconds: float) -> tuple[list[float], int]:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Strandline-Viewer: {viewer}\r\n\r\n".encode()
    waits: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(length)
            waits.append(time.perf_counter() - begun)
            errors += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return sorted(waits), errors


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'forum.db'}"
        with open_index(url, SCHEMA) as index:
            index.fold(world(seed=7, events=asked.events))
            paths = questions(index)

            async def one(store: Any) -> str:
                found = [row[1] async for _, rows in store.scan(["subscription"]) for row in rows]
                return str(min(found))

            viewer = index.ask(one)
        options = ["--store", url, "--port", "0", "--trust-viewer-header"]
        with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            print(
                f"{'question':12} {'req/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'errors':>7} {'of limit':>9}"
            )
            limit = 0.0
            for name, path in paths.items():
                waits, errors = asyncio.run(measure(port, path, viewer, asked.seconds))
                rate = len(waits) / asked.seconds
                limit = limit or rate
                p50, p95, p99 = (1000 * waits[int(len(waits) * part)] for part in (0.5, 0.95, 0.99))
                print(f"{name:12} {rate:8.0f} {p50:8.1f} {p95:8.1f} {p99:8.1f} {errors:7} {rate / limit:9.2f}")
            server.terminate()


if __name__ == "__main__":
    main()
