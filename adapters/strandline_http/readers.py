"""
Who reads the store: on the event loop where the store waits, in threads where it blocks.

A store that blocks (SQLite) is opened once for each thread, so that many read at a time and no two share a connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from strandline import Schema, Store, open_store, run
from strandline.index import waits

__all__ = ["InThreads", "OnLoop", "Readers", "open_readers"]

T = TypeVar("T")

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

    async def ask(self, query: Query[T]) -> T:
        """Return the answer to a query. Given up on, it still ends in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, query)

    def _asked(self, query: Query[T]) -> T:
        try:
            store = self._idle.pop()
        except IndexError:
            store = self._opening()
        try:
            return run(query(store))
        finally:
            self._idle.append(store)

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
