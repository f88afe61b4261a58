"""
Who reads a store that blocks: one at a time while each is quick, several as soon as one takes long.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from strandline import Store, open_index
from strandline.forum import SCHEMA
from strandline_http import InThreads, open_readers

PATIENCE_S = 30.0


def made(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'forum.db'}"
    with open_index(url, SCHEMA):
        pass
    return url


def test_quick_questions_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strandline_http.readers._LONG_S", PATIENCE_S)  # quick they are, however busy the machine
    at_work, most = 0, 0
    lock = threading.Lock()

    async def quick(store: Store) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        await store.get("post", [("nothing",)])
        with lock:
            at_work -= 1

    async def body() -> None:
        readers = await open_readers(made(tmp_path), SCHEMA, threads=4)
        await asyncio.gather(*(readers.ask(quick) for _ in range(200)))
        await readers.close()

    asyncio.run(body())
    assert most == 1


def test_a_question_that_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    answered = threading.Event()

    async def long(store: Store) -> bool:
        return answered.wait(PATIENCE_S)

    async def quick(store: Store) -> Any:
        answered.set()
        return await store.get("post", [("nothing",)])

    async def body() -> None:
        readers = await open_readers(made(tmp_path), SCHEMA, threads=2)
        assert isinstance(readers, InThreads)
        waited, found = await asyncio.gather(readers.ask(long), readers.ask(quick))
        assert waited, "it waited for the other, and was answered after it"
        assert found == {}
        await readers.close()

    asyncio.run(body())
