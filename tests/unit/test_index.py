"""The index in a plain script: how far each source was taken in, and stores that wait."""

import asyncio
from pathlib import Path

import pytest

from strandline import open_index, open_store, run
from strandline.forum import SCHEMA
from strandline.forum.queries import discover
from strandline.forum.testing.strategies import CALM
from strandline.index import waits


def test_each_run_of_a_source_goes_on_counting() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold(CALM[:5], source="log", batch=2)
        assert index.cursor("log") == 5
        index.fold(CALM[5:], source="log")
        assert index.cursor("log") == len(CALM)


def test_a_run_that_takes_nothing_in_moves_no_cursor() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold([], source="log")
        assert index.cursor("log") is None
        index.fold(CALM, source="log")
        index.fold([], source="log")
        assert index.cursor("log") == len(CALM)


def test_lines_of_no_source_move_no_cursor() -> None:
    with open_index("memory:", SCHEMA) as index:
        index.fold(CALM, source="log")
        index.fold(CALM)
        assert index.cursor("log") == len(CALM)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_takes_a_line_at_least(size: int) -> None:
    with open_index("memory:", SCHEMA) as index, pytest.raises(ValueError, match=f"a batch of {size} lines"):
        index.fold(CALM, batch=size)


def test_what_waits_is_not_run_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="asyncio"):
        run(asyncio.sleep(0))


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that waits for its event loop wherever one may."""
    (tmp_path / "waiting_store.py").write_text(WAITING)
    told = tmp_path / "waiting_store-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: waiting-store\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[strandline.stores]\nwaiting = waiting_store:open_store\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "waiting:"


WAITING = """
import asyncio
from strandline import MemoryStore


class WaitingStore(MemoryStore):
    async def load(self, *keys):
        await asyncio.sleep(0)
        return await super().load(*keys)

    get = load

    async def commit(self, changes):
        await asyncio.sleep(0)
        await super().commit(changes)

    async def close(self):
        await asyncio.sleep(0)


async def open_store(url, layout, *, write=True, stale=False):
    await asyncio.sleep(0)
    return WaitingStore(layout)
"""


def test_a_store_that_waits_is_known_by_its_opener(waiting: str) -> None:
    assert waits(waiting)
    assert not waits("memory:")
    assert not waits("sqlite:///never-made.db")


def test_a_store_that_waits_gets_a_loop_of_the_indexs_own(waiting: str) -> None:
    with open_index(waiting, SCHEMA) as index, open_index(waiting, SCHEMA) as other:
        index.fold(CALM, source="log", batch=2)
        assert (index.cursor("log"), other.cursor("log")) == (len(CALM), None)
        assert index.ask(discover).posts
        assert index.rebuild() == len(CALM)


def test_a_store_that_waits_is_not_opened_without_a_loop(waiting: str) -> None:
    with pytest.raises(RuntimeError, match="asyncio"):
        run(open_store(waiting, SCHEMA))
