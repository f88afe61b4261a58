"""
Who reads the store: on the event loop where the store waits, in threads where it blocks.

A store that blocks (SQLite) is opened once for each thread, so that no two share a connection. One thread works at a
time all the same: a query is mostly work for the interpreter, and threads that want it at once only make each other
slow. The others are there for when one takes long, so that it holds up nobody.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from strandline import Schema, Store, open_store, run
from strandline.index import waits

__all__ = ["InThreads", "OnLoop", "Readers", "open_readers"]

T = TypeVar("T")

_LONG_S: Final = 0.05
"""Who has been at work for longer is not waited for."""

Query = Callable[[Store], Coroutine[Any, Any, T]]


class Readers(Protocol):
    """What asks a store."""

    async def ask(self, query: Query[T]) -> T:
        """Return the answer to a query; raises what it raises."""
        ...

    async def close(self) -> None:
        """Let go of what was opened."""
        ...


class OnLoop:
    """
    Asks a store on the event loop.

    Args:
        store: The store; it stays its owner's unless `owned`.
        owned: Close it at the end.
    """

    def __init__(self, store: Store, *, owned: bool = False) -> None:
        self._store, self._owned = store, owned

    async def ask(self, query: Query[T]) -> T:
        """Return the answer to a query."""
        return await query(self._store)

    async def close(self) -> None:
        """Close the store if it is ours."""
        if self._owned:
            await self._store.close()


class InThreads:
    """
    Asks stores that block, each in a thread.

    Args:
        opening: Opens one store for reading.
        count: Threads, and stores.
    """

    def __init__(self, opening: Callable[[], Store], count: int) -> None:
        self._opening = opening
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="strandline-reader")
        self._idle: list[Store] = []
        self._turn = threading.Lock()
        self._begun_s = float("-inf")

    async def ask(self, query: Query[T]) -> T:
        """Return the answer to a query. Given up on, it still ends in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, query)

    def _asked(self, query: Query[T]) -> T:
        try:
            store = self._idle.pop()
        except IndexError:
            store = self._opening()
        has_turn = self._wait_for_turn()
        try:
            return run(query(store))
        finally:
            if has_turn:
                self._turn.release()
            self._idle.append(store)

    def _wait_for_turn(self) -> bool:
        """Wait while another thread is at work, unless it is for long; tell whether the turn is ours to give back."""
        while not self._turn.acquire(timeout=_LONG_S):
            if time.monotonic() - self._begun_s > _LONG_S:
                return False
        self._begun_s = time.monotonic()
        return True

    async def close(self) -> None:
        """Wait for what is asked, and close all stores."""
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            run(self._idle.pop().close())


async def open_readers(url: str, schema: Schema, *, threads: int = 4) -> Readers:
    """
    Open the store at a URL for reading.

    Raises:
        UnknownStore, StoreError: as `strandline.open_store`.
    """
    opening: Callable[[], Awaitable[Store]] = partial(open_store, url, schema, write=False)
    store = await opening()
    if waits(url):
        return OnLoop(store, owned=True)
    readers = InThreads(lambda: run(open_store(url, schema, write=False)), threads)
    await store.close()
    return readers
