"""
The nine laws of the index, on every store, against the reference.

Each example is one hostile log, put through every law on memory and SQLite, and a few on PostgreSQL. Stores are opened
once and emptied between examples, through the port, and what needs no store is worked out once for all of them, so that
thousands of logs fit into a test run. Jobs go on by a few registers a step where the process dies, so that it dies in
the midst of one. Logs of threads, and of relations, where those of everything seldom reach, are put through the laws
that cost little.
"""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import cached_property, partial
from inspect import isawaitable
from typing import Any, ClassVar, cast

import pytest
from attrs import define, evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Cursor, Event, Ingest, MemoryStore, Store, decode, layout_of, open_store, run
from strandline.event import Decoded
from strandline.fold import QUARANTINE
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.queries import Reply, thread
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import POSTS, commit_logs, logs, relation_logs, thread_logs
from strandline.jobs import step
from strandline.judge import compile_judges
from strandline.prepare import Given, Prepared
from strandline.testing.laws import Dying, Killed, told, wipe
from strandline.testing.strategies import GREATEST_REV, to_v2
from strandline_postgres.testing import Server

FULL = "STRANDLINE_FULL" in os.environ
EXAMPLES = int(os.environ.get("STRANDLINE_LOGS", "2000"))
AT_ONCE = 100_000 if FULL else EXAMPLES // 8

pytestmark = pytest.mark.laws

# One worker takes each share, so that pytest-xdist spreads the logs.
SHARES = 4


SMALL_PAGE_BYTES = 1024
"""
Of a page of SQLite's: each that a commit touches is written whole, and of small ones a few rows fill several.
"""


class Sparing(Ingest):
    """An ingest that prepares each batch once, for every law and every store."""

    _GIVEN: ClassVar = Given(SCHEMA, compile_judges(SCHEMA))
    _KNOWN: ClassVar[dict[tuple[int, ...], tuple[list[Decoded], Prepared]]] = {}

    def __init__(self, store: Store) -> None:
        super().__init__(store, SCHEMA)
        self.given = self._GIVEN

    def prepare(self, batch: Iterable[Decoded]) -> Prepared:
        """Return what was prepared of these very events, which are held, so that no other is taken for one of them."""
        events = list(batch)
        key = tuple(map(id, events))
        if key not in self._KNOWN:
            if len(self._KNOWN) > 1000:
                self._KNOWN.clear()
            self._KNOWN[key] = events, super().prepare(events)
        return self._KNOWN[key][1]


@define(slots=False)
class Right:
    """A log, and what the reference says of it."""

    log: list[Event]

    @cached_property
    def dump(self) -> list[str]:
        """The views."""
        return reference.dump(self.log)

    @cached_property
    def quarantine(self) -> set[str]:
        """The at-uris of the records in quarantine."""
        return reference.quarantine(self.log)

    @cached_property
    def threads(self) -> dict[str, list[reference.Node]]:
        """The thread of each post."""
        return {uri: reference.thread(self.log, uri) for uri in {*POSTS}}

    @cached_property
    def hides(self) -> list[Account]:
        """What hides every did that is not hidden, after all that was said of it."""
        hidden = reference.find_facts(self.log).hidden
        time_us = 1 + max((event.time_us for event in self.log if isinstance(event, Account)), default=0)
        plain = Account(did="did:web:x.example", active=False, time_us=time_us, relay_seq=0, seen_us=0)
        return [evolve(plain, did=did) for did in sorted({event.did for event in self.log} - {*hidden})]

    @cached_property
    def restores(self) -> list[Account]:
        """What restores them."""
        return [evolve(hide, active=True, time_us=hide.time_us + 1) for hide in self.hides]

    @cached_property
    def shown(self) -> list[str]:
        """The views, but of accounts, while they are hidden."""
        return _but_accounts(reference.dump([*self.log, *self.hides]))

    @cached_property
    def deletes(self) -> list[Commit]:
        """The deletes, after all that was written, of every path."""
        return deletes_of(self.log)

    @cached_property
    def left(self) -> list[str]:
        """The views once they were hidden, restored and deleted."""
        return reference.dump([*self.log, *self.hides, *self.restores, *self.deletes])


def _but_accounts(lines: list[str]) -> list[str]:
    return [line for line in lines if '"view":"account"' not in line]


async def _dump(store: Store) -> list[str]:
    return sorted([line.decode() async for line in dump_lines(store)])


def folded(store: Store, log: Sequence[Event], cuts: Sequence[int] = ()) -> Ingest:
    """Fold a log in batches that end at `cuts`, half of which leave the jobs for later, and finish those."""
    index = Sparing(store)
    for start, end in zip((0, *cuts), (*cuts, len(log)), strict=True):
        run(index.fold(log[start:end], Cursor("log", end), later=end % 2 == 1))
    run(index.finish())
    return index


def views(store: Store, log: Sequence[Event], cuts: Sequence[int] = ()) -> list[str]:
    """Return the dump of a log folded into the emptied store."""
    run(wipe(store))
    folded(store, log, cuts)
    return run(_dump(store))


def survived(store: Store, log: Sequence[Event], batch: int, lives: Sequence[int]) -> list[str]:
    """Return the dump of a log whose indexer is killed after so many commits in each life, and resumes."""
    run(wipe(store))
    for commits in (*lives, 1 << 30):
        index = Sparing(cast(Store, Dying(store, commits)))
        try:
            position = run(index.cursor("log")) or 0
            while position < len(log):
                end = min(position + batch, len(log))
                run(index.fold(log[position:end], Cursor("log", end), later=end % 4 > 1))
                position = end
            run(index.finish())
        except Killed:
            continue
        break
    return run(_dump(store))


@contextmanager
def steps_of(registers: int) -> Iterator[None]:
    """Let jobs go on by so many registers a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strandline.ingest.step", partial(step, size=registers))
        yield


def quarantined(store: Store) -> set[str]:
    """Return the at-uris of the records in quarantine."""
    rows = run(told(store, [QUARANTINE.name])).get(QUARANTINE.name, ())
    return {f"at://{did}/{collection}/{rkey}" for rkey, collection, did, _ in rows}


def deletes_of(log: Sequence[Event]) -> list[Commit]:
    """Return the deletes, after all that was written, of every path of a log."""
    paths = {(it.did, it.collection, it.rkey): it for it in log if isinstance(it, Commit)}
    return [evolve(it, operation="delete", rev=GREATEST_REV, cid="", record=None) for it in paths.values()]


def drift(store: Store) -> list[Any]:
    """Return where the views are not what the registers say."""

    async def drifts() -> list[Any]:
        scratch = MemoryStore(layout_of(SCHEMA))
        return [found async for found in Ingest(store, SCHEMA).verify(scratch)]

    return run(drifts())


def nested(replies: Sequence[Reply]) -> list[reference.Node]:
    """Return a thread as the reference tells it."""
    stack: list[tuple[int, reference.Node]] = []
    for reply in reversed(replies):
        below = []
        while stack and stack[-1][0] == reply.depth + 1:
            below.append(stack.pop()[1])
        below.sort(key=lambda node: node.uri)
        stack.append((reply.depth, reference.Node(reply.uri, reply.comment is None, tuple(below))))
    return sorted((node for _, node in stack), key=lambda node: node.uri)


def close(store: Store) -> None:
    """Let go of a store."""
    run(store.close())


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Store]]:
    path = tmp_path_factory.mktemp("laws") / "laws.db"
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr("strandline_sqlite.store.PAGE_BYTES", SMALL_PAGE_BYTES)
        opened: dict[str, Store] = {
            "memory": run(open_store("memory:", SCHEMA)),
            "sqlite": run(open_store(f"sqlite:///{path}", SCHEMA)),
        }
        for store in opened.values():
            stack.callback(close, store)
        yield opened


class Waited:
    """A store that waits on a network, or what it opens, as one that never waits: each step is waited for in a loop."""

    def __init__(self, waiting: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting, self._loop = waiting, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._waiting, name)
        return (lambda *args, **how: self._waited(found(*args, **how))) if callable(found) else found

    def _waited(self, begun: Any) -> Any:
        if isawaitable(begun):
            return self._result(begun)
        if isinstance(begun, AsyncGenerator):
            return self._items(begun)
        return self._block(begun) if isinstance(begun, AbstractAsyncContextManager) else begun

    async def _result(self, begun: Any) -> Any:
        return self._loop.run_until_complete(begun)

    async def _items(self, begun: Any) -> AsyncIterator[Any]:
        try:
            while (item := self._loop.run_until_complete(anext(begun, None))) is not None:
                yield item
        finally:
            self._loop.run_until_complete(begun.aclose())

    @asynccontextmanager
    async def _block(self, begun: Any) -> AsyncIterator[Any]:
        entered = self._loop.run_until_complete(begun.__aenter__())
        try:
            yield Waited(entered, self._loop)
        except BaseException as error:
            if not self._loop.run_until_complete(begun.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            self._loop.run_until_complete(begun.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def distant(postgres: Callable[[int], Server]) -> Iterator[Store]:
    """A store in PostgreSQL."""
    with asyncio.Runner() as runner:
        opening: Any = open_store(postgres(18).url(schema="laws"), SCHEMA)
        store = runner.run(opening)
        yield cast(Store, Waited(store, runner.get_loop()))
        runner.run(store.close())


def hostile(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=max(1, examples),
        deadline=None,
        database=None if FULL else settings().database,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("share", range(SHARES))
def test_every_law_holds_on_every_store(stores: dict[str, Store], share: int) -> None:
    @hostile(EXAMPLES // SHARES)
    @given(log=logs(), dice=st.integers(0, 2**32))
    def laws(log: list[Event], dice: int) -> None:
        right = Right(log)
        for store in stores.values():
            _laws(store, right, random.Random(dice))

    laws()


def _laws(store: Store, right: Right, dice: random.Random) -> None:
    log, size = right.log, len(right.log)
    cuts = sorted(dice.choices(range(size + 1), k=dice.randrange(4)))
    assert views(store, log, cuts) == right.dump, "7: same everywhere"
    assert drift(store) == [], "6: what is kept is what a rebuild gives"
    assert quarantined(store) == right.quarantine, "the quarantine is the current set"
    assert threads(store) == right.threads, "threads"
    if isinstance(store, MemoryStore) or dice.randrange(8) == 0:  # a rebuild makes and drops forty tables
        run(Ingest(store, SCHEMA).rebuild())
        assert run(_dump(store)) == right.dump, "6: rebuild"

    assert views(store, dice.sample(log, size), cuts) == right.dump, "1: any order"
    assert views(store, log + dice.choices(log, k=size // 2) if log else log) == right.dump, "2: any repetition"
    assert views(store, log, range(1, size)) == right.dump, "3: any batching"
    with steps_of(1 + dice.randrange(3)):
        lives = [dice.randrange(6) for _ in range(3)]
        assert survived(store, log, 1 + dice.randrange(5), lives) == right.dump, "4: restart"
    middle = size // 2
    halves = [*log[middle // 2 :], *log[: middle + 1]]
    assert views(store, halves, [min(size - middle // 2, len(halves))]) == right.dump, "5: merge"
    _hide_and_restore(store, right)


def threads(store: Store) -> dict[str, list[reference.Node]]:
    """Return the thread of each post, as the reference tells it."""
    return {uri: nested(run(thread(store, uri))) for uri in {*POSTS}}


def _hide_and_restore(store: Store, right: Right) -> None:
    """9: whoever is hidden and restored, in a store that took in the log, has what they had."""
    folded(store, right.hides)
    assert _but_accounts(run(_dump(store))) == right.shown, "9: hidden"
    folded(store, right.restores)
    assert run(_dump(store)) == right.dump, "9: hide and restore"


@pytest.mark.parametrize("share", range(SHARES))
def test_all_laws_hold_at_once(stores: dict[str, Store], share: int) -> None:
    """Every law on one walk of each log, so that very many can be shown; which one broke, the test above tells."""

    @hostile(AT_ONCE // SHARES)
    @given(log=logs(), dice=st.integers(0, 2**32))
    def laws(log: list[Event], dice: int) -> None:
        right = Right(log)
        for store in stores.values():
            _at_once(store, right, random.Random(dice))

    laws()


def _at_once(store: Store, right: Right, dice: random.Random) -> None:
    log = right.log
    middle = dice.randrange(len(log) + 1)
    told = [*dice.sample(log, len(log)), *log[middle:], *log[: middle // 2]]
    with steps_of(1 + dice.randrange(3)):
        lives = [dice.randrange(6) for _ in range(3)]
        batch = 1 + dice.randrange(12)
        assert survived(store, told, batch, lives) == right.dump, "1 to 5, 7: order, repetition, restart"
    if dice.randrange(16):
        assert drift(store) == [], "6: what is kept is what a rebuild gives"
    else:
        run(Ingest(store, SCHEMA).rebuild())
        assert run(_dump(store)) == right.dump, "6: rebuild"
    _hide_and_restore(store, right)
    folded(store, dice.sample(right.deletes, len(right.deletes)))
    assert run(_dump(store)) == right.left, "8: undo"


@pytest.mark.parametrize("walk", [_laws, _at_once])
def test_every_law_holds_in_postgresql(distant: Store, walk: Callable[..., None]) -> None:
    @hostile(200 if FULL else 12)
    @given(log=logs(), dice=st.integers(0, 2**32))
    def laws(log: list[Event], dice: int) -> None:
        walk(distant, Right(log), random.Random(dice))

    laws()


@pytest.mark.parametrize("share", range(SHARES))
def test_what_a_log_created_can_be_deleted_in_any_order(stores: dict[str, Store], share: int) -> None:
    @hostile(EXAMPLES // SHARES)
    @given(log=commit_logs(), dice=st.integers(0, 2**32))
    def undo(log: list[Commit], dice: int) -> None:
        deletes = deletes_of(log)
        turn = random.Random(dice)
        turn.shuffle(deletes)
        undone = [*log, *deletes]
        cuts = sorted(turn.choices(range(len(undone) + 1), k=turn.randrange(4)))
        for store in stores.values():
            assert views(store, undone, cuts) == [], "8: undo"

    undo()


@pytest.mark.parametrize("narrow", [thread_logs, relation_logs])
def test_the_laws_hold_of_threads_and_of_relations(stores: dict[str, Store], narrow: Any) -> None:
    @hostile(EXAMPLES // 4)
    @given(log=narrow(), dice=st.randoms(use_true_random=False))
    def laws(log: list[Event], dice: random.Random) -> None:
        deletes = [it for it in deletes_of(log) if dice.randrange(3)]
        right, left = Right(log), Right([*log, *deletes])
        shuffled = dice.sample(log, len(log))
        cuts = sorted(dice.choices(range(len(log) + 1), k=3))
        for store in stores.values():
            assert views(store, log, cuts) == right.dump, "7: same everywhere"
            assert threads(store) == right.threads, "threads"
            assert views(store, shuffled, range(1, len(log))) == right.dump, "1 and 3: order, batching"
            assert views(store, left.log, [len(log)]) == left.dump, "8: undo, of a part, at once"
            assert threads(store) == left.threads, "threads"

    laws()


@settings(max_examples=100, deadline=None)
@given(log=logs())
def test_the_wire_says_what_the_events_say(log: list[Event]) -> None:
    for event in log:
        assert decode(to_v2(event)) == event
