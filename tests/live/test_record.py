"""`strandline record`: what came is what is kept, and it says the same each time it is replayed."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strandline import open_index
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline_files import read_lines
from strandline_jetstream.testing import Close, Faults, serving

Running = Callable[..., Any]
Within = Callable[..., None]

LINES = [it.rstrip() for it in world(seed=7, events=400, wire="v2", repeats=0, late=0)]
GARBAGE = [b"{", b"\xff\xfe", b"not\nJSON", b'{ "$type":\n"message" }']
SENT = [*LINES[:100], *GARBAGE, *LINES[100:]]
KEPT = [it.replace(b"\n", b" ") for it in SENT]


@pytest.mark.parametrize("name", ["window.ndjson", "window.ndjson.gz", "window.ndjson.zst"])
def test_what_came_is_kept_byte_for_byte_and_says_the_same_each_time(
    name: str, running: Running, awaited: Within, tmp_path: Path
) -> None:
    async def test() -> None:
        async with serving(SENT) as jetstream:
            told = ("record", jetstream.url, "-o", tmp_path / name, "--collections", "*", "--events", len(LINES))
            async with running(*told) as process:
                out, err = await process.communicate()
        assert process.returncode == 0, err
        assert ["events", str(len(LINES))] in [line.split() for line in out.decode().splitlines()]

    awaited(test())
    assert list(read_lines(tmp_path / name)) == KEPT
    assert digest(tmp_path / name, tmp_path / "one.db") == digest(tmp_path / name, tmp_path / "two.db")


def digest(log: Path, store: Path) -> list[bytes]:
    with open_index(f"sqlite:///{store}", SCHEMA) as index:
        index.fold(read_lines(log))

        async def dumped(store: Any) -> list[bytes]:
            return sorted([it async for it in dump_lines(store)])

        return index.ask(dumped)


def test_stopped_it_leaves_a_whole_file_with_what_came_twice_in_it(
    running: Running, awaited: Within, tmp_path: Path
) -> None:
    out = tmp_path / "window.ndjson.zst"

    async def test() -> None:
        async with serving(LINES, Faults(fates=[Close(50)])) as jetstream:
            await stopped(jetstream.url)

    async def stopped(url: str) -> None:
        async with running("record", url, "-o", out, "--status-json", "--collections", "*") as process:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                if json.loads(line)["events"] > len(LINES):
                    break
            process.send_signal(signal.SIGINT)
            await process.communicate()
            assert process.returncode == 130

    awaited(test())
    kept = list(read_lines(out))
    assert kept == [*LINES[:50], *LINES[49:]]


def test_a_file_that_is_there_is_not_written_over(running: Running, awaited: Within, tmp_path: Path) -> None:
    out = tmp_path / "window.ndjson"
    out.write_bytes(b"precious\n")

    async def test() -> None:
        async with serving(LINES) as jetstream:
            async with running("record", jetstream.url, "-o", out) as process:
                _, err = await process.communicate()
            assert (process.returncode, jetstream.asked) == (3, [])
            assert b"there already" in err

    awaited(test())
    assert out.read_bytes() == b"precious\n"
