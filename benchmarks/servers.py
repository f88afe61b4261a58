"""
Which server carries the application best: uvicorn, which `strandline serve` runs, or granian.

The same application over the same store in SQLite, with 100 connections of `wrk` beside it, without a pause. The ready
answer is `/openapi.json`, which only the server's own work stands behind. Needs `wrk`, and `pip install granian`.

    python benchmarks/servers.py --events 100000
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from strandline import open_index
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline_cli.serving import Served, tell

CONNECTIONS: Final = 100
APPLICATION: Final = "strandline_cli.serving:worker"
KEY: Final = b"a secret of the benchmark"
PATHS: Final = {"ready JSON": "/openapi.json", "timeline": "/xrpc/social.coves.feed.getTimeline"}

SERVERS: Final[Mapping[str, list[str]]] = {
    "uvicorn": ["uvicorn", APPLICATION, "--factory", "--log-level", "warning", "--no-access-log"],
    "granian": ["granian", APPLICATION, "--factory", "--log-level", "warning", "--interface", "asgi", "--http", "1"],
}


@contextmanager
def running(name: str, port: int, workers: int) -> Iterator[None]:
    """Run a server until the block ends."""
    command = [sys.executable, "-m", *SERVERS[name], "--port", str(port), "--workers", str(workers)]
    with subprocess.Popen(command) as server:
        try:
            _wait(port)
            yield
        finally:
            server.terminate()


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not begin")


def measured(port: int, path: str, viewer: str, seconds: int) -> tuple[float, float, float, int]:
    """Return requests a second, p50 and p99 in milliseconds, and how many answers were none."""
    header = ["-H", f"X-Strandline-Viewer: {viewer}"]
    options = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", *header]
    said = subprocess.run(
        ["wrk", *options, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    ).stdout
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", said))
    wrong = int(_found(r"Non-2xx or 3xx responses: (\d+)", said, "0"))
    return rate, _ms(_found(r"\n +50%\s+(\S+)", said)), _ms(_found(r"\n +99%\s+(\S+)", said)), wrong


def _found(pattern: str, text: str, otherwise: str | None = None) -> str:
    found = re.search(pattern, text)
    if found is None and otherwise is None:
        raise SystemExit(f"wrk said nothing of {pattern}:\n{text}")
    return found[1] if found else str(otherwise)


def _ms(text: str) -> float:
    number, unit = float(text.rstrip("mus")), text.lstrip("0123456789.")
    return number * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def filled(url: str, events: int) -> str:
    """Fill a store that is empty; return the did of who subscribes to most."""
    with open_index(url, SCHEMA) as index:
        index.fold(world(seed=7, events=events))
        named = SCHEMA.view("subscription").table.row

        async def actors(store: Any) -> list[str]:
            return [named(row).actor async for _, rows in store.scan(["subscription"]) for row in rows]

        told: list[str] = index.ask(actors)
    return max(sorted(set(told)), key=told.count)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--store", type=Path, help="keep the store here, and take it as it is if it is there")
    parser.add_argument("--fill", action="store_true", help="only fill the store")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        print("this needs wrk: apt install wrk")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = asked.store or Path(folder) / "forum.db"
        url = f"sqlite:///{path}"
        viewer = filled(url, 0 if path.exists() else asked.events)
        if not asked.fill:
            compare(url, viewer, asked.seconds)


def compare(url: str, viewer: str, seconds: int) -> None:
    """Print a table of all servers there are."""
    print(f"{'server':9} {'workers':>7} {'question':11} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'wrong':>6}")
    for name in SERVERS:
        if find_spec(name) is None:
            print(f"{name:9} is not installed")
            continue
        for workers in (1, 2):
            port = free_port()
            tell(Served(url=url, host="127.0.0.1", port=port, trust_viewer=True), (KEY,))
            with running(name, port, workers):
                for question, path in PATHS.items():
                    measured(port, path, viewer, 1)
                    rate, p50, p99, wrong = measured(port, path, viewer, seconds)
                    print(f"{name:9} {workers:7} {question:11} {rate:8.0f} {p50:8.1f} {p99:8.1f} {wrong:6}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
