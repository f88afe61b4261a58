"""
The laws of an index, for any schema and any store, shipped: subclass `LawsConformance`.

An index is a function of the set of events it was given. So whatever the order, the repetition, the batches, the
crashes or the store, the rows must be those that the same log gives when it is folded in one batch into
`MemoryStore`. Views of your own are proved so too: set `schema`, and give `logs` that are hostile to it.

A store is opened once a test and emptied between logs, through the port.

Source: the page "What the index means" of the documentation
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from inspect import isawaitable
from typing import Any, ClassVar, Final, TypeVar, cast

import pytest
from attrs import define, evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline.event import Account, Commit, Event
from strandline.fold import QUARANTINE
from strandline.ingest import Cursor, Ingest, layout_of
from strandline.memory import MemoryStore
from strandline.ports import Changes, Layout, Store, Transaction
from strandline.register import REGISTER, REPO
from strandline.schema import Row, Schema
from strandline.testing.strategies import GREATEST_REV, Dice
from strandline.testing.toy import SCHEMA, commit_logs, logs

__all__ = ["Dying", "Held", "Killed", "LawsConformance", "Opening", "put", "told", "wipe"]

T = TypeVar("T")

Told = dict[str, list[Row]]
"""All rows of some tables, by key."""

_FOREVER: Final = 1 << 30
_ROLLS: Final = 96


class Killed(Exception):
    """The process died here."""


class Dying:
    """A store that dies after some commits, as if the process were killed; whatever it wrote, stays."""

    def __init__(self, store: Store, commits: int) -> None:
        self._store, self._left = store, commits
        self.layout = store.layout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction, in whose commit it may die."""
        async with self._store.transaction() as transaction:
            yield cast(Transaction, _Mortal(transaction, self))

    def live_on(self) -> None:
        """Live through one more commit, or die."""
        if self._left == 0:
            raise Killed
        self._left -= 1


class _Mortal:
    def __init__(self, transaction: Transaction, dying: Dying) -> None:
        self._transaction, self._dying = transaction, dying

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def commit(self, changes: Changes) -> None:
        self._dying.live_on()
        await self._transaction.commit(changes)


@define
class Held:
    """An open store, and the way to close it and open it again."""

    store: Store
    _reopen: Callable[[Store], "Store | Awaitable[Store]"]

    async def reopen(self) -> Store:
        """Close the store and open what it kept."""
        await self.store.close()
        self.store = await _now(self._reopen(self.store))
        return self.store


class Opening:
    """
    How a store is opened, for all that is proved of one.

    Attributes:
        durable: What it keeps outlives it; then give `reopen`.
        examples: How many examples each property is shown.
    """

    durable: ClassVar[bool] = False
    examples: ClassVar[int] = 30

    def open(self, layout: Layout) -> Store | Awaitable[Store]:
        """Return a new, empty store; called often, and each time nothing may be left of the others."""
        raise NotImplementedError

    def reopen(self, store: Store) -> Store | Awaitable[Store]:
        """Return the store that `store`, which is closed, has left behind, opened for writing."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _one_event_loop(self) -> Iterator[None]:
        with asyncio.Runner() as runner:
            self._runner = runner
            yield

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Drive a coroutine; all those of one test share an event loop."""
        return self._runner.run(coroutine)

    def prove(
        self,
        layout: Layout,
        examples: st.SearchStrategy[T],
        check: Callable[[Held, T], Coroutine[Any, Any, None]],
        *,
        share: int = 1,
    ) -> None:
        """Show each example to `check` with an emptied store; of `examples` only one in `share`."""

        async def checked(held: Held, example: T) -> None:
            await wipe(held.store)
            await check(held, example)

        async def opened() -> Held:
            return Held(await _now(self.open(layout)), self.reopen)

        @settings(max_examples=max(1, self.examples // share), deadline=None, suppress_health_check=list(HealthCheck))
        @given(examples)
        def holds(example: T) -> None:
            self.run(checked(held, example))

        held = self.run(opened())
        try:
            holds()
        finally:
            self.run(held.store.close())

    def once(self, layout: Layout, check: Callable[[Held], Coroutine[Any, Any, None]]) -> None:
        """Show `check` a new store."""

        async def checked() -> None:
            held = Held(await _now(self.open(layout)), self.reopen)
            try:
                await check(held)
            finally:
                await held.store.close()

        self.run(checked())


async def _now(value: T | Awaitable[T]) -> T:
    return await value if isawaitable(value) else value


async def told(store: Store, tables: Collection[str] | None = None) -> Told:
    """Return all rows of some tables, all of them unless said otherwise; tables without rows are left out."""
    rows: Told = {}
    async with aclosing(store.scan(list(store.layout.tables if tables is None else tables))) as chunks:
        async for table, chunk in chunks:
            rows.setdefault(table, []).extend(tuple(row) for row in chunk)
    return rows


async def wipe(store: Store) -> None:
    """Delete every row."""
    size = {name: table.key_size for name, table in store.layout.tables.items()}
    rows = await told(store)
    await put(store, {table: dict.fromkeys(row[: size[table]] for row in found) for table, found in rows.items()})


async def put(store: Store, changes: Changes) -> None:
    """Write changes in a transaction of their own."""
    async with store.transaction() as transaction:
        await transaction.commit(changes)


class LawsConformance(Opening):
    """
    Proves that an index over a store is right whatever happens to its log.

    Attributes:
        schema: What is indexed; unless said otherwise a small library's, with views of every form.
    """

    schema: ClassVar[Schema] = SCHEMA

    def logs(self) -> st.SearchStrategy[list[Event]]:
        """Return a strategy for hostile logs of the schema."""
        return logs()

    def commit_logs(self) -> st.SearchStrategy[list[Commit]]:
        """Return a strategy for hostile logs of commits only, all with a rev less than GREATEST_REV."""
        return commit_logs()

    def test_the_rows_are_those_that_memory_has(self) -> None:
        self._law(self._same)

    def test_order_changes_nothing(self) -> None:
        self._law(self._any_order)

    def test_repetition_changes_nothing(self) -> None:
        self._law(self._any_repetition)

    def test_batches_change_nothing(self) -> None:
        self._law(self._any_batching)

    def test_death_between_two_writes_changes_nothing(self) -> None:
        self._law(self._any_restart, share=2)

    def test_overlapping_halves_merge(self) -> None:
        self._law(self._merge)

    def test_a_rebuild_gives_what_was_kept(self) -> None:
        self._law(self._rebuild, share=2)

    def test_what_a_log_created_can_be_deleted_in_any_order(self) -> None:
        self._law(self._undo, self.commit_logs())

    def test_an_account_hidden_and_restored_has_what_it_had(self) -> None:
        self._law(self._hide_and_restore)

    def _law(
        self,
        law: Callable[[Held, tuple[list[Any], Dice]], Coroutine[Any, Any, None]],
        logs: st.SearchStrategy[list[Any]] | None = None,
        share: int = 1,
    ) -> None:
        dice = st.binary(min_size=_ROLLS, max_size=_ROLLS).map(Dice)
        self.prove(layout_of(self.schema), st.tuples(self.logs() if logs is None else logs, dice), law, share=share)

    async def _same(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        assert await self._folded(held.store, log, _cuts(dice, len(log))) == await self._right(log)

    async def _any_order(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        shuffled = _shuffled(dice, log)
        assert await self._folded(held.store, shuffled, _cuts(dice, len(log))) == await self._right(log)

    async def _any_repetition(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        again = [dice.pick(log) for _ in log]
        right = await self._right(log)
        assert await self._folded(held.store, [*log, *again]) == right, "in one batch"
        assert await self._folded(held.store, again, _cuts(dice, len(log))) == right, "once more, onto what is there"

    async def _any_batching(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, _ = drawn
        assert await self._folded(held.store, log, range(1, len(log))) == await self._right(log)

    async def _any_restart(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        batch = 1 + dice.roll() % 5
        for commits in (*(dice.roll() % 6 for _ in range(3)), _FOREVER):
            try:
                await self._resume(Dying(held.store, commits), log, batch)
            except Killed:
                if self.durable:
                    await held.reopen()
        assert await self._rows(held.store) == await self._right(log)

    async def _merge(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        start, end = sorted((dice.roll() % (len(log) + 1), dice.roll() % (len(log) + 1)))
        halves = [*log[start:], *log[:end]]
        assert await self._folded(held.store, halves, [len(log) - start]) == await self._right(log)

    async def _rebuild(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, dice = drawn
        kept = await self._folded(held.store, log, _cuts(dice, len(log)))
        index = Ingest(held.store, self.schema)
        scratch = MemoryStore(layout_of(self.schema))
        assert [drift async for drift in index.verify(scratch)] == []
        await index.rebuild()
        assert await self._rows(held.store) == kept

    async def _undo(self, held: Held, drawn: tuple[list[Commit], Dice]) -> None:
        log, dice = drawn
        last = {(commit.did, commit.collection, commit.rkey): commit for commit in log}
        deletes = [
            evolve(commit, operation="delete", rev=GREATEST_REV, cid="", record=None) for commit in last.values()
        ]
        undone = [*log, *_shuffled(dice, deletes)]
        await self._folded(held.store, undone, _cuts(dice, len(undone)))
        assert await told(held.store, self._views) == {}

    async def _hide_and_restore(self, held: Held, drawn: tuple[list[Event], Dice]) -> None:
        log, _ = drawn
        await self._folded(held.store, log)
        before = await told(held.store, self._views)
        hidden = {row[0] for row in (await told(held.store, [REPO.name])).get(REPO.name, ()) if row[1] == 0}
        latest = max((event.time_us for event in log if isinstance(event, Account)), default=0)
        hide = [
            Account(did=did, active=False, time_us=latest + 1, relay_seq=0, seen_us=0)
            for did in {event.did for event in log} - hidden
        ]
        await self._folded(held.store, hide)
        assert set(await told(held.store, self._views)) <= {QUARANTINE.name}, "hidden"
        await self._folded(held.store, [evolve(it, active=True, time_us=latest + 2) for it in hide])
        assert await told(held.store, self._views) == before, "restored"

    @property
    def _views(self) -> list[str]:
        return [table.name for table in layout_of(self.schema).views]

    async def _rows(self, store: Store) -> Told:
        return await told(store, [REGISTER.name, REPO.name, *self._views])

    async def _right(self, log: Sequence[Event]) -> Told:
        return await self._folded(MemoryStore(layout_of(self.schema)), log)

    async def _folded(self, store: Store, log: Sequence[Event], cuts: Sequence[int] = ()) -> Told:
        """Fold a log in batches that end at `cuts`, half of which leave the jobs for later; return the rows."""
        index = Ingest(store, self.schema)
        for start, end in zip((0, *cuts), (*cuts, len(log)), strict=True):
            await index.fold(log[start:end], Cursor("log", end), later=end % 2 == 1)
        await index.finish()
        return await self._rows(store)

    async def _resume(self, store: Any, log: Sequence[Event], batch: int) -> None:
        index = Ingest(store, self.schema)
        position = await index.cursor("log") or 0
        while position < len(log):
            end = min(position + batch, len(log))
            await index.fold(log[position:end], Cursor("log", end), later=end % 4 > 1)
            position = end
        await index.finish()


def _cuts(dice: Dice, size: int) -> list[int]:
    return sorted(dice.roll() % (size + 1) for _ in range(dice.roll() % 4))


def _shuffled(dice: Dice, items: Sequence[T]) -> list[T]:
    return [item for _, item in sorted(((dice.roll(), item) for item in items), key=lambda pair: pair[0])]
