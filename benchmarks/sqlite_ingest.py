"""
How fast does a log become a SQLite index, beside what the machine allows and what people write by hand?

Each side is a process of its own, started anew, and its whole life counts: interpreter start, reading, decoding,
writing, closing; of strandline both processes, their memory added. All use WAL with synchronous=NORMAL, and all other
pragmas of our store, on the same disk, one after the other, best of `--runs`.

- bare: parse each line, put it into one table with `executemany`, 1,000 lines a transaction. The machine's limit.
- by hand: one transaction an event: look up, upsert, count up and down, as forum consumers are written. It keeps the
  same rows, counts and indexes (but who voted on a thing), takes back what is deleted or hidden, and moves what is
  edited: on a log that comes in order, once, and valid, its tables hold the numbers of our views. It validates nothing,
  and is wrong when events come late or twice.
- strandline: `strandline replay`, everything on.

    python benchmarks/sqlite_ingest.py --events 1000000
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _by_hand_sqlite import consume

PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 32768",
    "PRAGMA journal_size_limit = 268435456",
)
"""Those of our store, for all."""


def lines_of(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as log:
        yield from log


def connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def bare(log: str, path: str) -> None:
    """Parse each line and insert it: nothing else."""
    connection = connect(path)
    connection.execute("CREATE TABLE line (time_us INTEGER, did TEXT, line TEXT)")
    rows: list[tuple[Any, ...]] = []
    for line in lines_of(log):
        event = json.loads(line)
        rows.append((event["time_us"], event["did"], line.decode()))
        if len(rows) == 1000:
            insert_lines(connection, rows)
            rows.clear()
    insert_lines(connection, rows)
    connection.close()


def insert_lines(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO line VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")


def by_hand(log: str, path: str) -> None:
    """What a forum's consumer does, one transaction an event."""
    connection = connect(path)
    consume(connection, lines_of(log))
    connection.close()


def timed(arguments: list[str]) -> tuple[float, float]:
    """Return the wall seconds of a process, and the peak resident MB of it and its children together."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident_mb(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{arguments[:4]} failed with {process.returncode}")
    return seconds, peak


def resident_mb(pid: int) -> float:
    """Return what a process and its children hold now, as /proc tells; 0 where there is none."""
    total = 0
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for it in (str(pid), *children):
            pages = int(Path(f"/proc/{it}/statm").read_text().split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20


def side(name: str, folder: Path, log: Path, runs: int) -> tuple[float, float, Path]:
    """Return the best seconds, the peak MB and the database of one side."""
    seconds, peak = float("inf"), 0.0
    for run in range(runs):
        path = folder / f"{name}{run}.db"
        for old in folder.glob(f"{name}*.db*"):
            old.unlink()
        if name == "strandline":
            command = [
                str(Path(sys.executable).with_name("strandline")),
                "replay",
                str(log),
                "--store",
                f"sqlite:///{path}",
            ]
        else:
            command = [sys.executable, __file__, "--side", name, str(log), str(path)]
        took, used = timed(command)
        seconds, peak = min(seconds, took), max(peak, used)
    return seconds, peak, path


def record_bytes(log: Path) -> int:
    """Return how long the records of a log are, as compact JSON."""
    total = 0
    for line in lines_of(str(log)):
        record = json.loads(line).get("commit", {}).get("record")
        if record is not None:
            total += len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    return total


def write_log(path: Path, events: int) -> None:
    with path.open("wb") as out:
        command = [str(Path(sys.executable).with_name("strandline")), "world", "--seed", "7", "--events", str(events)]
        subprocess.run(command, stdout=out, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--hand-events", type=int, help="by hand only the first so many; its rate falls as it grows")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.side:
        {"bare": bare, "by hand": by_hand}[told.side[0]](told.side[1], told.side[2])
        return
    with tempfile.TemporaryDirectory(dir=told.folder) as temporary:
        report(Path(temporary), told.events, told.runs, min(told.events, told.hand_events or told.events))


def report(folder: Path, events: int, runs: int, hand_events: int) -> None:
    log, short = folder / "world.ndjson", folder / "short.ndjson"
    write_log(log, events)
    with short.open("wb") as out:
        out.writelines(line for line, _ in zip(lines_of(str(log)), range(hand_events), strict=False))
    print(f"{events:,} events, {log.stat().st_size / events:.0f} bytes each; by hand {hand_events:,} of them")
    print(f"{'':12}{'events/s':>12}{'of bare':>10}{'peak MB':>10}{'bytes/event':>14}")
    rates: dict[str, float] = {}
    for name, source, count in (("bare", log, events), ("by hand", short, hand_events), ("strandline", log, events)):
        seconds, peak, path = side(name, folder, source, runs)
        rates[name] = count / seconds
        size = path.stat().st_size / count
        print(f"{name:12}{rates[name]:12,.0f}{rates[name] / rates['bare']:10.3f}{peak:10.0f}{size:14.0f}")
    own = path.stat().st_size / events - record_bytes(log) / events
    times = rates["strandline"] / rates["by hand"]
    print(f"strandline is {times:.1f} times by hand; {own:.0f} bytes an event beyond the records")


if __name__ == "__main__":
    main()
