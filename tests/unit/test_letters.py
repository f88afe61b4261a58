"""Dead letters, seen to: retry takes in what is an event now, purge takes away what it is told to, and no more."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from strandline import Ingest, MemoryStore, decode, layout_of, letters, open_store
from strandline.event import MAX_LINE_BYTES, BadEvent
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline.letters import Retried, letter, purge, retry

GOOD = [it.rstrip() for it in world(seed=7, events=200, late=0, repeats=0)]
BAD = [b"{", b"[1]", b'{"kind":"party"}', b"[2]"]
LONG = b"x" * 70_000


async def memory(_: Path) -> Ingest:
    return Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)


async def sqlite(folder: Path) -> Ingest:
    return Ingest(await open_store(f"sqlite:///{folder}/forum.db", SCHEMA), SCHEMA)


Opened = Callable[[Path], Awaitable[Ingest]]
SCHEMAS = count()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Open an empty store of each kind."""
    if request.param != "postgres":
        return memory if request.param == "memory" else sqlite
    url = request.getfixturevalue("postgres")(18).url(schema=f"letters_{next(SCHEMAS)}")

    async def postgres(_: Path) -> Ingest:
        return Ingest(await open_store(url, SCHEMA), SCHEMA)

    return postgres


async def reasons(ingest: Ingest) -> list[str]:
    return [it.reason async for it in letters.letters(ingest.store)]


async def dumped(ingest: Ingest) -> str:
    return digest(sorted([it async for it in dump_lines(ingest.store)]))


def test_what_is_an_event_now_is_taken_in_and_a_letter_no_more(opened: Opened, tmp_path: Path) -> None:
    """As if an older version had refused good lines."""

    async def test() -> None:
        ingest, told = await opened(tmp_path), await memory(tmp_path)
        await ingest.fold([BadEvent("kind", "not known yet", line) for line in GOOD])
        await ingest.fold([decode(it) for it in (*BAD, LONG)])
        assert await retry(ingest) == Retried(folded=len(GOOD), bad=len(BAD), cut=1)
        await ingest.finish()
        await told.fold([decode(it) for it in GOOD])
        await told.finish()
        assert await dumped(ingest) == await dumped(told)
        assert len(await reasons(ingest)) == len(BAD) + 1
        assert await retry(ingest) == Retried(bad=len(BAD), cut=1)
        await ingest.store.close()

    asyncio.run(test())


def test_letters_that_are_named_are_tried_alone(opened: Opened, tmp_path: Path) -> None:
    async def test() -> None:
        ingest = await opened(tmp_path)
        await ingest.fold([BadEvent("kind", "not known yet", line) for line in GOOD[:3]])
        assert await retry(ingest, [2]) == Retried(folded=1)
        assert [await letter(ingest.store, number) is None for number in (1, 2, 3, 4)] == [False, True, False, True]
        await ingest.store.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({}, []),
        ({"reasons": ["json"]}, ["not-an-object", "kind", "not-an-object"]),
        ({"keep": 1}, ["not-an-object"]),
        ({"keep": 3, "reasons": ["json"]}, ["not-an-object", "kind", "not-an-object"]),
        ({"keep": 3, "reasons": ["kind"]}, ["not-an-object", "kind", "not-an-object", "json"]),
        ({"reasons": ["kind", "not-an-object"]}, ["json"]),
        ({"keep": 9}, ["not-an-object", "kind", "not-an-object", "json"]),
    ],
)
def test_purge_takes_what_it_is_told_to(how: dict[str, Any], left: list[str], opened: Opened, tmp_path: Path) -> None:
    async def test() -> None:
        ingest = await opened(tmp_path)
        await ingest.fold([decode(it) for it in BAD])
        assert await purge(ingest, **how) == len(BAD) - len(left)
        assert await reasons(ingest) == left
        await ingest.fold([decode(b"?")])
        assert await reasons(ingest) == ["json", *left]
        await ingest.store.close()

    asyncio.run(test())


def test_more_letters_than_a_page_are_all_seen() -> None:
    async def test() -> None:
        ingest = await memory(Path())
        await ingest.fold([decode(b"[%d]" % it) for it in range(letters.CHUNK * 2 + 7)])
        assert len(await reasons(ingest)) == letters.CHUNK * 2 + 7
        assert await purge(ingest, keep=5) == letters.CHUNK * 2 + 2

    asyncio.run(test())


def test_a_line_that_was_too_long_is_cut_and_told_so() -> None:
    async def test() -> None:
        ingest = await memory(Path())
        await ingest.fold([decode(b" " * (MAX_LINE_BYTES + 1))])
        assert await retry(ingest) == Retried(cut=1)

    asyncio.run(test())
