"""
The index in a plain script: open it, fold a log into it, ask it.

`Index` is for callers without an event loop. In one, use `strandline.Ingest` and the queries as they are: they are
coroutines over a `Store`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from inspect import isawaitable, iscoroutinefunction
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from strandline.errors import StrandlineError, UnknownStore
from strandline.event import Decoded, decode
from strandline.ingest import Cursor, Ingest, Outcome, layout_of
from strandline.masking import masked
from strandline.ports import Layout, Store
from strandline.rebuild import Drift
from strandline.schema import Schema

__all__ = ["Drive", "Index", "open_index", "open_store", "run", "waits"]

T = TypeVar("T")
P = ParamSpec("P")

_EXTRAS = {"sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres"}


class _Opener(Protocol):
    def __call__(self, url: str, layout: Layout, *, write: bool, stale: bool) -> Store | Awaitable[Store]: ...


class Drive(Protocol):
    """What drives coroutines to their end and returns what they return."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Return what the coroutine returns."""
        ...


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Drive a coroutine over a store that never waits, such as memory or SQLite, without an event loop.

    Raises:
        RuntimeError: it waits for something; use `asyncio.run`, or await it.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what a coroutine of T returns
    coroutine.close()
    raise RuntimeError("this store waits on the outside world: run its coroutines with asyncio")


async def open_store(url: str, schema: Schema, *, write: bool = True, stale: bool = False) -> Store:
    """
    Open the store that a URL names, by the adapter that serves its scheme.

    Args:
        url: `memory:`, `sqlite:///forum.db`, `postgresql://…`, or what an installed adapter serves.
        schema: What is indexed.
        write: Open it for writing; else for reading.
        stale: Accept a store whose views were made under another schema, semantics or validator.

    Raises:
        UnknownStore: no installed adapter serves it; the text names the extra to install.
        StoreError: it cannot be opened; see its subclasses.
    """
    opened = _opener(url)(url, layout_of(schema), write=write, stale=stale)
    return await opened if isawaitable(opened) else opened


def waits(url: str) -> bool:
    """
    Tell whether the store that a URL names waits on the outside world, so that its coroutines need an event loop.

    Raises:
        UnknownStore: as `open_store`.
    """
    return iscoroutinefunction(_opener(url))


def _opener(url: str) -> _Opener:
    scheme = url.partition(":")[0]
    found = entry_points(group="strandline.stores", name=scheme)
    if not found:
        known = ", ".join(sorted(entry_points(group="strandline.stores").names))
        raise UnknownStore(f"no store is installed for {masked(url)!r}; installed are: {known}")
    try:
        opener: _Opener = next(iter(found)).load()
    except ImportError as error:
        extra = _EXTRAS.get(scheme, scheme)
        raise UnknownStore(f"{masked(url)!r} needs {error.name}: pip install 'strandline[{extra}]'") from error
    return opener


def open_index(url: str, schema: Schema) -> "Index":
    """
    Open an index for writing; close it, or use it in a `with` block.

    A store that waits on the outside world gets an event loop of the index's own.

    Raises as `open_store`; StrandlineError where an event loop is running.
    """
    if not waits(url):
        return Index(run(open_store(url, schema)), schema)
    _refuse_a_loop()
    runner = asyncio.Runner()
    try:
        return Index(runner.run(open_store(url, schema)), schema, runner)
    except BaseException:
        runner.close()
        raise


def _refuse_a_loop() -> None:
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise StrandlineError("an event loop is running here: `await open_store(...)`, and use `Ingest` with it")


class Index:
    """
    An index for callers without an event loop.

    Args:
        store: An open store, with the schema's layout; closed with the index.
        schema: What is indexed.
        runner: What drives the store's coroutines, for one that waits on the outside world; closed with the index.
    """

    def __init__(self, store: Store, schema: Schema, runner: asyncio.Runner | None = None) -> None:
        self.store = store
        self.schema = schema
        self.ingest = Ingest(store, schema)
        self._runner = runner
        self._run: Drive = run if runner is None else runner.run

    @property
    def outcome(self) -> Outcome:
        """What came of the lines folded so far."""
        return self.ingest.outcome

    def fold(self, lines: Iterable[bytes | Decoded], *, source: str | None = None, batch: int | None = None) -> Outcome:
        """
        Take in the lines, or decoded events, of a log; each batch is one commit, and what they mean does not
        depend on its size.

        Args:
            lines: NDJSON lines of a Jetstream, either wire, or what `decode` returned.
            source: Name under which the number of lines taken in is kept, with each batch, as a cursor.
            batch: Lines a commit; None for `Ingest.batch`.

        Returns:
            What came of all lines so far.

        Raises:
            StoreError: the store is in trouble; the batches before this one stand, this one does not.
        """
        position = (self.cursor(source) or 0) if source is not None else 0
        for chunk in _chunks(lines, self.ingest.batch if batch is None else batch):
            position += len(chunk)
            told = [decode(line) if isinstance(line, bytes) else line for line in chunk]
            self._run(self.ingest.fold(told, None if source is None else Cursor(source, position)))
        self._run(self.ingest.finish())
        return self.outcome

    def cursor(self, source: str) -> int | None:
        """Return how many lines of a source were taken in; None if it was never named."""
        return self._run(self.ingest.cursor(source))

    def ask(self, query: Callable[Concatenate[Store, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the answer to a query: a coroutine function whose first argument is the store."""

        async def answer() -> T:
            return await query(self.store, *args, **kwargs)

        return self._run(answer())

    def verify(self, scratch: Store) -> list[Drift]:
        """Return every row of the views that is not what the registers say; `scratch` is an empty store."""

        async def drifts() -> list[Drift]:
            await self.ingest.finish()
            return [drift async for drift in self.ingest.verify(scratch)]

        return self._run(drifts())

    def rebuild(self) -> int:
        """Make all views anew from the registers; return how many registers were read. Interrupted, the old stay."""
        return self._run(self.ingest.rebuild())

    def close(self) -> None:
        """Let go of the store."""
        try:
            self._run(self.store.close())
        finally:
            if self._runner is not None:
                self._runner.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    if size < 1:
        raise ValueError(f"a batch of {size!r} lines: it takes at least 1")
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
