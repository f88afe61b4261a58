"""
How fast does a log become a PostgreSQL index, beside what the server allows and what people write by hand?

Each side is a process of its own, started anew, and its whole life counts: interpreter start, reading, decoding,
writing, closing; of strandline both processes, their memory added. All write to one server, which keeps its own
defaults (it waits for its disk at each commit) but for `--settings`, into a database of their own, one after the other,
each after a checkpoint.

- by hand: one transaction an event, on asyncpg, each statement prepared once, and as few of them as will do: the
  consumer of sqlite_ingest.py on this server. It keeps the same rows, counts, words and indexes as we (but who voted on
  a thing), takes back what is deleted or hidden, and moves what is edited: on a log that comes in order, once, and
  valid, its tables hold the numbers of our views. It validates nothing, and is wrong when events come late or twice.
- one writer: `strandline replay`, everything on; a second process prepares, so it has two cores.
- one process: the same with `--processes 1`, which has one core.
- two writers: two of a process each at a time, each with every other line of the log.
- bare: the rows that all of strandline's tables hold after the one writer's run, in files of COPY's binary form, which
  COPY takes back into equal tables, a transaction each: with their primary keys, without the other indexes. The
  server's limit: nothing is read, decided or written twice.

    python benchmarks/postgres_ingest.py --events 1000000 --hand-events 50000
"""

import argparse
import asyncio
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import asyncpg

from _by_hand_postgres import consume
from sqlite_ingest import lines_of, record_bytes, timed, write_log
from strandline.forum import SCHEMA
from strandline.ingest import layout_of
from strandline_postgres.sql import Tables
from strandline_postgres.testing import Server, started

LAYOUT = layout_of(SCHEMA)
STRANDLINE = str(Path(sys.executable).with_name("strandline"))


# By hand.


async def by_hand(log: str, url: str) -> None:
    """What a forum's consumer does, one transaction an event."""
    connection = await asyncpg.connect(url)
    await consume(connection, lines_of(log))
    await connection.close()


# Bare.


async def bare(folder: str, url: str) -> None:
    """Let COPY take in the rows of each table."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA bare")
    tables = Tables("bare", None, frozenset())
    for table in LAYOUT.tables.values():
        await connection.execute(tables.create(table)[0])
        path = Path(folder) / table.name
        await connection.copy_to_table(table.name, schema_name="bare", source=path, format="binary")
    await connection.close()


async def write_rows(url: str, folder: Path) -> int:
    """Write the rows of strandline's tables into files, in COPY's binary form; return how many there are."""
    connection, count = await asyncpg.connect(url), 0
    for table in LAYOUT.tables.values():
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        query = f'SELECT {columns} FROM strandline."{table.name}"'
        told = await connection.copy_from_query(query, output=folder / table.name, format="binary")
        count += int(told.split()[-1])
    await connection.close()
    return count


# Sides.


async def new_database(server: Server, name: str) -> str:
    connection = await asyncpg.connect(server.url())
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.execute("CHECKPOINT")
    await connection.close()
    return server.url(name)


async def size_of(url: str) -> int:
    """Return how many bytes the tables of a database and their indexes take."""
    connection = await asyncpg.connect(url)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
    )
    await connection.close()
    return int(size)


def replays(logs: Iterable[Path], url: str, processes: int) -> list[list[str]]:
    return [[STRANDLINE, "replay", str(log), "--store", url, "--processes", str(processes)] for log in logs]


def side(server: Server, name: str, commands: Callable[[str], list[list[str]]]) -> tuple[float, float, int, str]:
    """Return the seconds of a side, its peak MB, the bytes it left, and the URL of its database."""
    url = asyncio.run(new_database(server, name))
    told = commands(url)
    if len(told) == 1:
        seconds, peak = timed(told[0])
    else:
        start = time.perf_counter()
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in told]
        ends = [process.wait() for process in running]
        seconds, peak = time.perf_counter() - start, float("nan")
        if any(ends):
            raise SystemExit(f"{name} failed with {ends}")
    return seconds, peak, asyncio.run(size_of(url)), url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--hand-events", type=int, help="by hand only the first so many; its rate falls as it grows")
    parser.add_argument("--settings", nargs="*", default=[], help="what else the server is told, as name=value")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--log", type=Path, help="a log that was written before, instead of a new one")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.side:
        asyncio.run({"bare": bare, "by hand": by_hand}[told.side[0]](told.side[1], told.side[2]))
        return
    with tempfile.TemporaryDirectory(dir=told.folder) as folder, started(18, *told.settings, durable=True) as server:
        report(Path(folder), server, told.events, min(told.events, told.hand_events or told.events), told.log)


def report(folder: Path, server: Server, events: int, hand_events: int, log: Path | None) -> None:
    if log is None:
        log = folder / "world.ndjson"
        write_log(log, events)
    short, halves = folder / "short.ndjson", [folder / "even.ndjson", folder / "odd.ndjson"]
    cut(log, short, halves, hand_events)
    print(f"{events:,} events, {log.stat().st_size / events:.0f} bytes each; by hand {hand_events:,} of them")
    print(f"Python {platform.python_version()}, {platform.python_compiler()}")
    if server.settings:
        print(f"the server's settings: {' '.join(server.settings)}")

    def alone(name: str, source: Path) -> Callable[[str], list[list[str]]]:
        return lambda url: [[sys.executable, __file__, "--side", name, str(source), url]]

    found = {"by hand": side(server, "by hand", alone("by hand", short))}
    found["one writer"] = side(server, "one writer", lambda url: replays([log], url, 2))
    rows = asyncio.run(write_rows(found["one writer"][3], folder))
    found["bare"] = side(server, "bare", alone("bare", folder))
    found["one process"] = side(server, "one process", lambda url: replays([log], url, 1))
    found["two writers"] = side(server, "two writers", lambda url: replays(halves, url, 1))
    print(f"bare: {rows:,} rows, {rows / found['bare'][0]:,.0f} a second\n")
    tell(found, events, hand_events, record_bytes(log) / events)


def cut(log: Path, short: Path, halves: list[Path], hand_events: int) -> None:
    with short.open("wb") as first, halves[0].open("wb") as even, halves[1].open("wb") as odd:
        for number, line in enumerate(lines_of(str(log))):
            (odd if number % 2 else even).write(line)
            if number < hand_events:
                first.write(line)


def tell(found: Mapping[str, tuple[float, float, int, str]], events: int, hand_events: int, record: float) -> None:
    print(f"{'':12}{'events/s':>12}{'of bare':>10}{'peak MB':>10}{'bytes/event':>14}")
    counts = {name: hand_events if name == "by hand" else events for name in found}
    rates = {name: counts[name] / seconds for name, (seconds, *_) in found.items()}
    for name, (_, peak, size, _) in found.items():
        shown = "" if math.isnan(peak) else f"{peak:.0f}"
        line = f"{rates[name]:12,.0f}{rates[name] / rates['bare']:10.3f}{shown:>10}{size / counts[name]:14.0f}"
        print(f"{name:12}{line}")
    own, one = found["one writer"][2] / events - record, rates["one writer"]
    print(f"one writer is {one / rates['by hand']:.1f} times by hand; {own:.0f} bytes an event beyond the records")
    alone, two = rates["one process"], rates["two writers"]
    print(f"two writers, a process each, are {two / alone:.2f} times one of them,")
    print(f"and {two / one:.2f} times the one writer of two processes")


if __name__ == "__main__":
    main()
