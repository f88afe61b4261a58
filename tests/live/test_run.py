"""`strandline run` as a process: killed, stopped, begun again, told what it cannot do."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from strandline import Ingest, decode, open_store
from strandline.event import BadEvent, Event
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.testing import dump
from strandline.forum.world import world
from strandline.ingest import CURSOR, DEAD_LETTER, READ
from strandline_jetstream.testing import Cut, Faults, Stall, serving

Running = Callable[..., Any]
Within = Callable[..., None]

GARBAGE = [b"{", b'{"kind":"party"}', b"[]"]


def log(count: int) -> list[bytes]:
    lines = [it.rstrip() for it in world(seed=7, events=count)]
    for at, line in enumerate(GARBAGE):
        lines.insert((at + 1) * len(lines) // 4, line)
    return lines


LINES = log(1_000)
LAST_US = max(it.seen_us for it in map(decode, LINES) if isinstance(it, Event))


def following(source: str, store: str) -> tuple[str, ...]:
    return ("run", "--source", source, "--store", store, "--status-json")


async def told(process: Process, name: str, least: int) -> None:
    """Wait until a run tells of at least so much."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if (json.loads(line)[name] or 0) >= least:
            return
    raise AssertionError("it ended")


async def assert_is_index_of(lines: Sequence[bytes], url: str) -> None:
    store = await open_store(url, SCHEMA)
    await Ingest(store, SCHEMA).finish()
    items = [decode(it) for it in lines]
    expected = dump([it for it in items if isinstance(it, Event)])
    assert sorted([it async for it in dump_lines(store)]) == [it.encode() for it in expected]
    letters = [row[4] async for _, rows in store.scan([DEAD_LETTER.name]) for row in rows]
    assert sorted(letters) == sorted({it.payload for it in items if isinstance(it, BadEvent)})
    await store.close()


@pytest.mark.parametrize("path", ["", "/subscribe"][: 2 if "STRANDLINE_FULL" in os.environ else 1])
def test_a_killed_run_goes_on_where_its_rows_end(path: str, running: Running, awaited: Within, tmp_path: Path) -> None:
    """Of the naive reference, not of a fold: what it was killed within is there whole, or not at all."""
    url = f"sqlite:///{tmp_path}/index.db"

    async def test() -> None:
        faults = Faults(fates=[Stall(300), Cut(400), Stall(700)])
        async with serving(LINES, faults) as jetstream:
            command = following(f"{jetstream.url}{path}", url)
            async with running(*command) as first:
                await told(first, "events", 1)
            assert first.returncode == -signal.SIGKILL
            async with running(*command) as second:
                await told(second, "connections", 2)
            async with running(*command) as third:
                await told(third, "seen_us", LAST_US)
                third.terminate()
                await third.communicate()
            assert third.returncode == 143
        assert "cursor=" in jetstream.asked[-1]
        await assert_is_index_of(LINES, url)

    awaited(test())


@pytest.mark.parametrize("path", ["", "/subscribe"])
def test_it_is_kept_how_many_events_of_a_stream_were_read(
    path: str, running: Running, awaited: Within, tmp_path: Path
) -> None:
    """Those of a second run are counted on, whoever asks the store."""
    url = f"sqlite:///{tmp_path}/index.db"

    async def read() -> int:
        store = await open_store(url, SCHEMA, write=False)
        found = [row async for _, rows in store.scan([CURSOR.name]) for row in rows]
        await store.close()
        [(_, count)] = [row for row in found if row[0].endswith(READ)]
        return int(count)

    async def test() -> None:
        expected = 0
        async with serving(LINES, Faults(fates=[Cut(100), Cut(200)])) as jetstream:
            for connections in (3, 1):
                async with running(*following(f"{jetstream.url}{path}", url)) as process:
                    await told(process, "connections", connections)
                    process.terminate()
                    out, _ = await process.communicate()
                status = json.loads(out.splitlines()[-1])
                expected += status["events"] + status["control"] + sum(status["bad"].values())
                assert await read() == expected > 0

    awaited(test())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_within_two_seconds_with_a_summary(
    number: int, code: int, running: Running, awaited: Within, tmp_path: Path
) -> None:
    async def test() -> None:
        async with serving(LINES) as jetstream:
            store = f"sqlite:///{tmp_path}/index.db"
            async with running("run", "--source", f"{jetstream.url}/subscribe", "--store", store) as process:
                while not jetstream.asked:
                    await asyncio.sleep(0.01)
                process.send_signal(number)
                async with asyncio.timeout(2):
                    out, err = await process.communicate()
        assert process.returncode == code
        assert err.startswith(b"strandline: stopped")
        assert {line.split("  ")[0] for line in out.decode().splitlines()} >= {"events", "bad", "host", "connections"}

    awaited(test())


def test_a_second_run_is_refused_while_the_first_has_the_store(
    running: Running, awaited: Within, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/index.db"

    async def test() -> None:
        async with serving(LINES) as jetstream:
            command = following(f"{jetstream.url}/subscribe", url)
            async with running(*command) as first:
                await told(first, "events", 1)
                async with running(*command) as second:
                    _, err = await second.communicate()
                assert second.returncode == 4
                assert b"one writer at a time" in err

    awaited(test())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--source"),
        (("--source", "https://a.example"), "is no Jetstream"),
        (("--source", "ws://127.0.0.1:99999"), "is no Jetstream"),
        (("--source", "ws://a.example", "--collections", "a b"), "refuses what it was asked"),
        (("--source", "ws://a.example", "--dids", "me"), "'me' is no did"),
        (("--source", "ws://a.example", "--patience", "-1"), "--patience"),
    ],
)
def test_what_cannot_be_followed_is_told(
    arguments: tuple[str, ...], words: str, running: Running, awaited: Within, tmp_path: Path
) -> None:
    async def test() -> None:
        async with serving(LINES) as jetstream:
            given = [it.replace("ws://a.example", jetstream.url) for it in arguments]
            async with running("run", *given, "--store", f"sqlite:///{tmp_path}/index.db") as process:
                _, err = await process.communicate()
        assert process.returncode in (1, 2)
        assert words in err.decode()
        assert "Traceback" not in err.decode()

    awaited(test())
