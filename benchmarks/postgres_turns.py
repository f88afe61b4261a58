"""
How much do writers of one PostgreSQL store win by working at once?

Each writer folds batches that were prepared before, so that only turns are measured: reading, folding, writing. One
writer takes the batches of two in turns: the same batches, in nearly the same order. Two take their own, once as they
are and once reading in their turns, as if they could not foresee.

    python benchmarks/postgres_turns.py --events 150000
"""

import argparse
import asyncio
import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from postgres_ingest import new_database
from sqlite_ingest import lines_of, write_log
from strandline import Cursor, Ingest, decode
from strandline.forum import SCHEMA
from strandline.ingest import layout_of
from strandline_postgres import PostgresStore, open_store
from strandline_postgres.testing import Server, started

WRITERS = 2


async def fold(log: str, url: str, own: list[int], size: int) -> None:
    """Fold some of the batches of a log, once a line comes by standard input."""
    store = await open_store(url, layout_of(SCHEMA))
    ingest = Ingest(store, SCHEMA)
    shares: list[list[bytes]] = [[] for _ in range(WRITERS)]
    for number, line in enumerate(lines_of(log)):
        shares[number % WRITERS].append(line)
    starts = range(0, len(shares[0]), size)
    batches = [ingest.prepare(map(decode, shares[it][at : at + size])) for at in starts for it in own]
    del shares
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    for number, batch in enumerate(batches):
        await ingest.fold(batch, Cursor(f"writer {own[0]}", number), later=True)
    print("done", flush=True)
    await store.close()


def seconds(server: Server, log: Path, owners: list[list[int]], size: int, foresees: bool) -> float:
    """Return how long it takes until all batches are folded, by so many writers."""
    url = asyncio.run(new_database(server, "turns"))
    command = [sys.executable, __file__, "--log", str(log), "--url", url, "--batch", str(size)]
    command += [] if foresees else ["--in-turn"]
    writers = [
        subprocess.Popen(
            [*command, "--own", *map(str, own)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for own in owners
    ]
    _await(writers, "ready")
    start = time.perf_counter()
    for writer in writers:
        writer.stdin.write("\n")
    _await(writers, "done")
    took = time.perf_counter() - start
    for writer in writers:
        writer.communicate()
    return took


def _await(writers: list["subprocess.Popen[str]"], word: str) -> None:
    for writer in writers:
        if writer.stdout.readline() != f"{word}\n":
            raise SystemExit("a writer failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=150_000)
    parser.add_argument("--batch", type=int, default=14_000)
    parser.add_argument("--log", type=Path, help="a log that was written before, instead of a new one")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--own", type=int, nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--in-turn", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.url:
        if told.in_turn:
            del PostgresStore.foresee
        asyncio.run(fold(str(told.log), told.url, told.own, told.batch))
        return
    with tempfile.TemporaryDirectory() as folder, started(18, durable=True) as server:
        log = told.log or Path(folder) / "world.ndjson"
        if told.log is None:
            write_log(log, told.events)
        count = sum(1 for _ in lines_of(str(log)))
        everyone = [[it] for it in range(WRITERS)]
        for name, owners, foresees in (
            ("one writer", [[*range(WRITERS)]], True),
            ("two, reading in their turns", everyone, False),
            ("two, reading before", everyone, True),
        ):
            print(f"{name:28}{count / seconds(server, log, owners, told.batch, foresees):10,.0f} events/s", flush=True)


if __name__ == "__main__":
    main()
