"""
The store, open for a command: for reading, for writing, or so that one scan sees no job half done.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Final, TypeVar, cast

from strandline import Ingest, Store, StoreError, StoreLocked, open_store
from strandline.fold import JOB
from strandline.forum import SCHEMA
from strandline.schema import Row
from strandline_cli.command import store_of
from strandline_cli.loop import run
from strandline_sqlite.store import path_of

__all__ = ["each", "is_stale", "reading", "settled", "writing"]

T = TypeVar("T")

PATIENCE_S: Final = 10.0
_NAP_S: Final = 0.05


@contextmanager
def reading(url: str | None, *, stale: bool = False) -> Iterator[Store]:
    """Open the store for reading, beside a writer or not. Raises as `strandline.open_store`."""
    with _closing(run(open_store(store_of(url), SCHEMA, write=False, stale=stale))) as store:
        yield store


@contextmanager
def writing(url: str | None, *, stale: bool = False, new: bool = False) -> Iterator[Store]:
    """Open the store for writing, alone; `new` makes it if it is not there. Raises as `strandline.open_store`."""
    _refuse_missing(store_of(url), new)
    with _closing(run(open_store(store_of(url), SCHEMA, write=True, stale=stale))) as store:
        yield store


def _refuse_missing(url: str, new: bool) -> None:
    if url.startswith("sqlite:") and not new and not path_of(url).exists():
        raise StoreError(f"there is no store at {str(path_of(url))!r}; `strandline replay` makes one")


@contextmanager
def _closing(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        run(store.close())


@contextmanager
def settled(url: str | None) -> Iterator[Store]:
    """
    Open the store for reading; what a scan of it yields is one snapshot in which no job waits.

    Waiting jobs are finished first, by this process, or by the writer that is at work.

    Raises:
        StoreLocked: a writer was at work on jobs for all of 10 seconds.
        StoreError: as `strandline.open_store`.
    """
    with reading(url) as store:
        yield cast(Store, _Settled(store, store_of(url)))  # scanned only


class _Settled:
    def __init__(self, store: Store, url: str) -> None:
        self.layout, self._store, self._url = store.layout, store, url

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[tuple[str, list[Row]], None]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            async with aclosing(self._store.scan([JOB.name, *tables])) as chunks:
                first = await anext(chunks, None)
                if first is None or first[0] != JOB.name:
                    if first is not None:
                        yield first
                    async for chunk in chunks:
                        yield chunk
                    return
            await self._finish(deadline)

    async def _finish(self, deadline: float) -> None:
        try:
            store = await open_store(self._url, SCHEMA)
            try:
                await Ingest(store, SCHEMA).finish()
            finally:
                await store.close()
        except StoreLocked:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_NAP_S)


def each(items: AsyncIterator[T], size: int = 1000) -> Iterator[T]:
    """Yield what an asynchronous iterator does, `size` at a time."""

    async def chunk() -> list[T]:
        found: list[T] = []
        async for item in items:
            found.append(item)
            if len(found) == size:
                break
        return found

    try:
        while found := run(chunk()):
            yield from found
    finally:
        if isinstance(items, AsyncGenerator):
            run(items.aclose())


def is_stale(store: Store) -> bool:
    """Tell whether the store's views were made under another schema, semantics or validator."""
    stamp = store.stamp
    return any(stamp.get(name) != value for name, value in store.layout.stamp.items())
