"""
Many writers of one store, in processes of their own, killed and cut off throughout: the index is that of one clean run.

Each replays a part of one log, and the parts overlap. Whenever the writers have come so far as the dice say, one of
them is killed, or the server ends one of their sessions; half way, the server crashes. Whoever died goes on where its
cursor is.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from attrs import define, field

from strandline import Cursor, Ingest, MemoryStore, decode, open_store, run
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline_postgres.testing import Server, started

FULL = "STRANDLINE_FULL" in os.environ
EVENTS: Final = 500_000 if FULL else 8_000
BATCH: Final = 1_000 if FULL else 100
ACTS: Final = 120 if FULL else 10
"""So many kills, and so many sessions ended."""

WRITERS: Final = 4
DEADLINE_S: Final = 3600.0 if FULL else 180.0
NAP_S: Final = 0.01
COMMAND: Final = (sys.executable, "-c", "import sys, strandline_cli; sys.exit(strandline_cli.main())")
STORE_IN_TROUBLE, KILLED = 4, -9


def parts(lines: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Return the parts of a log, each a tenth longer than its share."""
    size = len(lines) // WRITERS
    doubled = [*lines, *lines]
    return [doubled[at * size : at * size + size + size // 10] for at in range(WRITERS)]


@define
class Writer:
    """A process that replays a part of the log, begun again as often as it dies."""

    part: Path
    url: str
    ends: Counter[int] = field(factory=Counter)
    process: "subprocess.Popen[bytes] | None" = None

    def tend(self) -> bool:
        """Begin it, or begin it again if it died; tell whether there is more to do."""
        if self.process is not None:
            code = self.process.poll()
            if code is None or code == 0:
                return code is None
            self.ends[code] += 1
            assert code in (STORE_IN_TROUBLE, KILLED), self.part.with_suffix(".err").read_text()
        with self.part.with_suffix(".err").open("wb") as told:
            command = [*COMMAND, "replay", str(self.part), "--store", self.url, "--resume", "--batch", str(BATCH)]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        return True

    def kill(self) -> None:
        """Kill it, if it lives."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Watch:
    """Asks the server, and asks again while it is away."""

    def __init__(self, url: str) -> None:
        self.url = url.partition("&schema")[0]
        self.runner = asyncio.Runner()

    def ask(self, question: str, *values: Any) -> list[Any]:
        """Return what the server answers; nothing while it has nothing to say."""
        return self.runner.run(self._ask(question, *values))

    async def _ask(self, question: str, *values: Any) -> list[Any]:
        try:
            connection = await asyncpg.connect(self.url, timeout=10)
            try:
                return [row[0] for row in await connection.fetch(question, *values)]
            finally:
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return []

    def lines_taken_in(self) -> int:
        """Return how far all writers have come, in lines."""
        return int(sum(self.ask("SELECT coalesce(sum(position), 0)::bigint FROM strandline.cursor")))

    def end_a_session(self, dice: random.Random) -> int:
        """End one of the writers' sessions; return how many were ended."""
        sessions = self.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'strandline' ORDER BY pid")
        return len(self.ask("SELECT pg_terminate_backend($1)", dice.choice(sessions))) if sessions else 0


def acts(dice: random.Random, lines: int) -> Iterator[tuple[int, str]]:
    """Yield what is done, and when so many lines were taken in."""
    does = ["kill"] * ACTS + ["end"] * ACTS
    dice.shuffle(does)
    does.insert(len(does) // 2, "crash")
    yield from zip(sorted(dice.randrange(lines * 19 // 20) for _ in does), does, strict=True)


async def told_by(store: Any) -> str:
    return digest(sorted([line async for line in dump_lines(store)]))


def clean_run(lines: Sequence[bytes]) -> str:
    """Return the digest of the whole log, folded by one writer that nobody disturbs."""
    index = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
    for start in range(0, len(lines), 10_000):
        run(index.fold([decode(line) for line in lines[start : start + 10_000]], Cursor("log", start)))
    run(index.finish())
    return run(told_by(index.store))


async def digest_at(url: str) -> str:
    store = await open_store(url, SCHEMA, write=False)
    try:
        return await told_by(store)
    finally:
        await store.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that may be crashed."""
    with started(18) as server:
        yield server


@pytest.mark.parametrize("seed", [1])
def test_many_writers_that_die_leave_the_index_of_one_that_does_not(
    own_server: Server, tmp_path: Path, seed: int
) -> None:
    dice, url = random.Random(seed), own_server.url()
    lines = list(world(seed, EVENTS))
    writers = []
    for at, part in enumerate(parts(lines)):
        path = tmp_path / f"{at}.ndjson"
        path.write_bytes(b"".join(part))
        writers.append(Writer(path, url))
    plan = list(acts(dice, sum(len(part) for part in parts(lines))))
    done = survive(own_server, writers, plan, dice)

    assert done["kill"] >= ACTS // 2
    assert done["end"] >= ACTS // 2
    assert done["crash"] == 1
    assert asyncio.run(digest_at(url)) == clean_run(lines)
    verified = subprocess.run([*COMMAND, "verify", "--store", url], capture_output=True, check=False)
    assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()


def survive(server: Server, writers: list[Writer], plan: list[tuple[int, str]], dice: random.Random) -> Counter[str]:
    """Let the writers come to their ends while the plan is carried out; return how often what was done."""
    watch, done = Watch(server.url()), Counter[str]()
    deadline = time.monotonic() + DEADLINE_S
    try:
        while [writer for writer in writers if writer.tend()]:
            assert time.monotonic() < deadline, f"{watch.lines_taken_in()} lines in; left to do: {plan}"
            if plan and watch.lines_taken_in() >= plan[0][0]:
                done[plan[0][1]] += act(plan.pop(0)[1], server, writers, watch, dice)
            time.sleep(NAP_S)
    finally:
        for writer in writers:
            writer.kill()
        watch.runner.close()
    return done


def act(what: str, server: Server, writers: list[Writer], watch: Watch, dice: random.Random) -> int:
    if what == "crash":
        server.crash()
        server.start()
        return 1
    if what == "end":
        return watch.end_a_session(dice)
    living = [writer for writer in writers if writer.process is not None and writer.process.poll() is None]
    dice.choice(living or writers).kill()
    return 1
