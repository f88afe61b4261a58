"""The loop that takes a stream in: rows and cursor together, garbage aside, great jobs in small steps."""

import hashlib
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from strandline import (
    Account,
    Commit,
    Cursor,
    Event,
    Ingest,
    MemoryStore,
    Store,
    StoreFull,
    Sync,
    decode,
    layout_of,
    open_store,
    run,
)
from strandline import ingest as ingesting
from strandline.errors import StoreInterrupted
from strandline.event import BadEvent, Control
from strandline.fold import JOB
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.records import POST, VOTE
from strandline.forum.testing.strategies import ANN, BOB, CALM, SEA
from strandline.forum.world import world
from strandline.ingest import CURSOR, DEAD_LETTER, cursors_of
from strandline.jobs import step
from strandline.ports import Changes, Key
from strandline.register import REGISTER, slots_of
from strandline.schema import Row
from strandline.session import Place

NOON_US = 1_767_268_800_000_000
CREATED = "2026-01-01T12:00:00Z"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/index.db"
    opened = run(open_store(url, SCHEMA))
    yield opened
    run(opened.close())


class Watched:
    """
    A store that is counted, and dies if told to.

    Attributes:
        commits: What was committed, in order.
        asked: How many keys were asked for.
        found: How many rows were read, by table.
        left: How many more commits it lives for.
    """

    def __init__(self, store: Store, left: int = 1 << 30) -> None:
        self._store, self.layout, self.left = store, store.layout, left
        self._within: Any = store
        self.commits: list[Changes] = []
        self.asked = 0
        self.found: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self._store.transaction() as self._within:
            yield self

    async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        rows: dict[Key, Row] = await self._within.load(table, keys)
        self._count(table, len(keys), len(rows))
        return rows

    async def page(self, table: str, *where: Any, **bounds: Any) -> list[Row]:
        rows: list[Row] = await self._within.page(table, *where, **bounds)
        self._count(table, 1, len(rows))
        return rows

    async def commit(self, changes: Changes) -> None:
        if self.left <= 0:
            raise StoreFull("no room left")
        self.left -= 1
        await self._within.commit(changes)
        self.commits.append(changes)

    def _count(self, table: str, asked: int, found: int) -> None:
        self.asked += asked
        self.found[table] = self.found.get(table, 0) + found


class Unsteady(Watched):
    """A store whose next commits are cut short: before they are done, or when they are done and nobody is told."""

    def __init__(self, store: Store, *cuts: str) -> None:
        super().__init__(store)
        self.cuts = [*cuts]

    async def commit(self, changes: Changes) -> None:
        cut = self.cuts.pop(0) if self.cuts else ""
        if cut == "before":
            raise StoreInterrupted("cut short")
        await super().commit(changes)
        if cut == "after":
            raise StoreInterrupted("cut short")


class Strict(Watched):
    """A store that takes the port at its word: one transaction at a time, and nothing after its commit."""

    within = committed = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        assert not self.within, "a transaction within another would wait for ever"
        self.within, self.committed = True, False
        try:
            async with super().transaction() as transaction:
                yield transaction
        finally:
            self.within = False

    async def commit(self, changes: Changes) -> None:
        assert not self.committed, "a transaction is committed once"
        await super().commit(changes)
        self.committed = True

    def _count(self, table: str, asked: int, found: int) -> None:
        assert not (self.within and self.committed), "a commit is the last that a transaction does"
        super()._count(table, asked, found)


def rows_of(store: Store, table: str) -> list[Row]:
    async def rows() -> list[Row]:
        return [row async for _, chunk in store.scan([table]) for row in chunk]

    return run(rows())


def dumped(store: Store) -> list[bytes]:
    async def lines() -> list[bytes]:
        return sorted([line async for line in dump_lines(store)])

    return run(lines())


def folded(*batches: Sequence[Any]) -> list[bytes]:
    """Return the dump of events folded into an empty store."""
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    for batch in batches:
        run(index.fold(batch))
    run(index.finish())
    return dumped(store)


def drift(store: Store) -> list[Any]:
    async def drifts() -> list[Any]:
        return [it async for it in Ingest(store, SCHEMA).verify(MemoryStore(layout_of(SCHEMA)))]

    return run(drifts())


class TestDeadLetters:
    def letters(self, store: Store) -> list[str]:
        """Return the kept lines, the oldest first."""
        return [row[4].decode() for row in sorted(rows_of(store, DEAD_LETTER.name), key=lambda row: row[1])]

    def fold(self, store: Store, *texts: str, batch: int = 3) -> None:
        index, bad = Ingest(store, SCHEMA), [decode(text.encode()) for text in texts]
        for at in range(0, len(bad), batch):
            run(index.fold(bad[at : at + batch]))

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ingesting, "MAX_LETTERS", 5)

    @pytest.mark.parametrize("batch", [1, 3, 4, 100])
    def test_the_newest_are_kept(self, store: Store, batch: int) -> None:
        self.fold(store, *"abcdefgh", batch=batch)
        assert self.letters(store) == [*"defgh"]
        self.fold(store, *"ij", batch=batch)
        assert self.letters(store) == [*"fghij"]

    @pytest.mark.parametrize("batch", [1, 3, 100])
    def test_the_same_line_counts_once_and_pushes_nothing_out(self, store: Store, batch: int) -> None:
        self.fold(store, *"abcd", *"aaaaaaaaabababab", batch=batch)
        assert self.letters(store) == [*"abcd"]
        self.fold(store, *"eedd", *"aaa", batch=batch)
        assert self.letters(store) == [*"abcde"]

    def test_a_log_taken_in_again_changes_no_letter(self, store: Store) -> None:
        self.fold(store, *"abc")
        before = rows_of(store, DEAD_LETTER.name)
        self.fold(store, *"abc", batch=2)
        assert rows_of(store, DEAD_LETTER.name) == before

    def test_a_commit_that_fails_costs_no_letter(self, store: Store) -> None:
        self.fold(store, *"abc")
        dying = Watched(store, 0)
        index = Ingest(dying, SCHEMA)
        bad = [decode(text.encode()) for text in "xy"]
        for _ in range(9):
            with pytest.raises(StoreFull):
                run(index.fold(bad))
        dying.left = 1
        run(index.fold(bad))
        assert self.letters(store) == [*"abcxy"]

    def test_a_letter_tells_why_and_how_long_it_was_and_keeps_64_kb(self, store: Store) -> None:
        long = b'{"kind":"' + b"x" * 70_000 + b'"}'
        other = long[:-2] + b'y"}'
        run(Ingest(store, SCHEMA).fold([decode(long), decode(other), decode(b"[]")]))
        kept = {row[0]: row[2:] for row in rows_of(store, DEAD_LETTER.name)}
        assert kept.keys() == {hashlib.sha256(line).hexdigest() for line in (long, other, b"[]")}
        reason, detail, payload, size = kept[hashlib.sha256(long).hexdigest()]
        assert (reason, payload, size) == ("kind", long[: 64 * 1024], len(long))
        assert detail.startswith("kind is 'xxx")
        assert kept[hashlib.sha256(b"[]").hexdigest()] == ("not-an-object", "line is []", b"[]", 2)

    def test_any_bytes_can_be_kept(self, store: Store) -> None:
        lines = [b"", b"\x00\xff\xfe", b'{"did":"\\ud800"}', '{"kind":"é\u2028"}'.encode(), b"\xed\xa0\x80"]
        run(Ingest(store, SCHEMA).fold([decode(line) for line in lines]))
        assert {row[4] for row in rows_of(store, DEAD_LETTER.name)} == set(lines)

    def test_garbage_stops_nothing_and_moves_nothing(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold([BadEvent("json", "?", b"?"), *CALM, Control("info", ""), BadEvent("kind", "?", b"!")]))
        assert dumped(store) == folded(CALM)
        outcome = index.outcome
        assert (outcome.read, outcome.applied, outcome.control) == (len(CALM) + 3, len(CALM), 1)
        assert outcome.bad == {"json": 1, "kind": 1}


class TestCursor:
    def test_rows_and_cursor_are_one_commit(self, store: Store) -> None:
        watched = Watched(store)
        run(Ingest(watched, SCHEMA).fold([*CALM, decode(b"?")], Cursor("log", 9)))
        assert len(watched.commits) == 1
        assert {REGISTER.name, CURSOR.name, DEAD_LETTER.name, "post", "tally"} <= watched.commits[0].keys()

    def test_a_commit_that_fails_leaves_rows_and_cursor_as_they_were(self, store: Store) -> None:
        dying = Watched(store, 1)
        index = Ingest(dying, SCHEMA)
        run(index.fold(CALM[:3], Cursor("log", 3)))
        before = dumped(store)
        with pytest.raises(StoreFull):
            run(index.fold(CALM[3:], Cursor("log", 9)))
        assert dumped(store) == before
        assert run(index.cursor("log")) == 3
        assert index.outcome.read == 3
        dying.left = 1
        run(index.fold(CALM[3:], Cursor("log", 9)))
        assert dumped(store) == folded(CALM)
        assert run(index.cursor("log")) == 9

    def test_an_empty_batch_moves_the_cursor_only_if_one_is_given(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        assert run(index.cursor("log")) is None
        run(index.fold([]))
        assert run(index.cursor("log")) is None
        run(index.fold(CALM, Cursor("log", 9)))
        run(index.fold([]))
        run(index.fold(CALM))
        assert run(index.cursor("log")) == 9
        run(index.fold([], Cursor("log", 12)))
        assert run(index.cursor("log")) == 12

    def test_a_batch_in_which_nothing_concerns_us_moves_the_cursor(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        other = evolve(CALM[0], collection="app.bsky.feed.post")
        run(index.fold([other, decode(b"?"), Control("info", "")], Cursor("log", 3)))
        assert run(index.cursor("log")) == 3
        assert (index.outcome.other, rows_of(store, REGISTER.name)) == (1, [])

    def test_each_source_has_its_own(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold(CALM[:2], Cursor("one", 2)))
        run(index.fold(CALM[2:], Cursor("other", 0)))
        assert (run(index.cursor("one")), run(index.cursor("other")), run(index.cursor("third"))) == (2, 0, None)

    def test_it_goes_back_if_told_so(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold(CALM, Cursor("log", 9)))
        run(index.fold(CALM[:1], Cursor("log", 1)))
        assert run(index.cursor("log")) == 1

    def test_a_step_that_fails_after_the_batch_leaves_the_batch(self, store: Store) -> None:
        index = Ingest(Watched(store, 1), SCHEMA)
        run(index.fold([*CALM, hidden(SEA)], Cursor("log", 10)))
        with pytest.raises(StoreFull):
            run(index.finish())
        again = Ingest(store, SCHEMA)
        assert run(again.cursor("log")) == 10
        run(again.finish())
        assert dumped(store) == folded([*CALM, hidden(SEA)])


class TestInterruption:
    LOG = (*CALM, decode(b"?"))

    @pytest.mark.parametrize(
        "cuts", [["before"], ["after"], ["before", "after", "before"], ["before"] * 9], ids=lambda cuts: "-".join(cuts)
    )
    def test_a_batch_that_was_cut_short_is_done_again_whole(self, store: Store, cuts: list[str]) -> None:
        index = Ingest(Unsteady(store, *cuts), SCHEMA)
        run(index.fold(self.LOG, Cursor("log", 10)))
        assert dumped(store) == folded(CALM)
        assert (run(index.cursor("log")), len(rows_of(store, DEAD_LETTER.name))) == (10, 1)
        assert (index.outcome.read, index.outcome.bad) == (len(self.LOG), {"json": 1}), "counted once"

    def test_one_that_is_cut_short_each_time_goes_to_the_caller_and_nothing_is_written(self, store: Store) -> None:
        index = Ingest(Unsteady(store, *["before"] * 10), SCHEMA)
        with pytest.raises(StoreInterrupted):
            run(index.fold(self.LOG, Cursor("log", 10)))
        assert (dumped(store), run(index.cursor("log")), index.outcome.read) == ([], None, 0)
        run(index.fold(self.LOG, Cursor("log", 10)))
        assert dumped(store) == folded(CALM)

    @pytest.mark.parametrize("cut", ["before", "after"])
    @pytest.mark.parametrize("commits", range(4))
    def test_so_is_a_step_of_a_job(self, store: Store, monkeypatch: pytest.MonkeyPatch, commits: int, cut: str) -> None:
        monkeypatch.setattr(ingesting, "step", partial(step, size=7))
        run(Ingest(store, SCHEMA).fold([*POSTS, *VOTES]))
        late = evolve(vote(MANY + 1), rkey=rkey(3))
        index = Ingest(Unsteady(store, *[""] * commits, cut), SCHEMA)
        run(index.fold([hidden(ANN)], Cursor("log", 1)))
        run(index.fold([late], Cursor("log", 2)))
        run(index.finish())
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN), late])
        assert drift(store) == []


def post(at: int, did: str = SEA) -> Commit:
    record = {"$type": POST, "community": did, "author": BOB, "createdAt": CREATED, "title": f"{at}"}
    return commit(did, POST, at, record)


def vote(at: int, did: str = ANN) -> Commit:
    subject = {
        "uri": f"at://{SEA}/{POST}/{rkey(at)}",
        "cid": "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm",
    }
    return commit(did, VOTE, at, {"$type": VOTE, "subject": subject, "direction": "up", "createdAt": CREATED})


def commit(did: str, collection: str, at: int, record: dict[str, Any]) -> Commit:
    return Commit(
        did=did,
        rev=rkey(at),
        operation="create",
        collection=collection,
        rkey=rkey(at),
        record=record,
        seen_us=NOON_US + at,
    )


def rkey(at: int) -> str:
    return "3kp2222222" + "".join("234567abcdefghijklmnopqrstuvwxyz"[at >> shift & 31] for shift in (10, 5, 0))


def hidden(did: str, at: int = 0, *, active: bool = False) -> Account:
    return Account(did=did, active=active, time_us=NOON_US + at, relay_seq=at, seen_us=NOON_US)


def restored(did: str, at: int = 1) -> Account:
    return hidden(did, at, active=True)


MANY = 40
POSTS = [post(at) for at in range(MANY)]
VOTES = [vote(at) for at in range(MANY)]


class TestJobs:
    @pytest.fixture(autouse=True)
    def _small_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ingesting, "step", partial(step, size=7))

    def pending(self, store: Store) -> list[str]:
        return [row[0] for row in rows_of(store, JOB.name)]

    def standing(self, store: Store) -> int:
        return len(rows_of(store, "vote"))

    def test_an_account_of_many_records_is_hidden_in_bounded_steps(self, store: Store) -> None:
        watched = Watched(store)
        index = Ingest(watched, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)]))
        assert self.standing(store) == MANY, "the next batch does the first step"
        assert self.pending(store) == [ANN]
        for done in range(7, MANY, 7):
            run(index.fold([]))
            assert self.standing(store) == MANY - done
        run(index.finish())
        assert (self.standing(store), self.pending(store)) == (0, [])
        for changes in watched.commits[2:]:
            assert sum(map(len, changes.values())) <= 4 * 7 + 2, "a vote, its tally, its post, the author's tally"
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN)])
        assert drift(store) == []

    def test_what_concerns_the_account_waits_until_it_is_done(self, store: Store) -> None:
        watched = Watched(store)
        index = Ingest(watched, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)]))
        late = evolve(vote(MANY + 1), rkey=rkey(3))
        run(index.fold([late], Cursor("log", 1)))
        assert self.pending(store) == []
        ended = next(at for at, it in enumerate(watched.commits) if it.get(JOB.name, {}).get((ANN,), ()) is None)
        moved = next(at for at, it in enumerate(watched.commits) if CURSOR.name in it)
        assert 1 < ended == moved, "the last step, and no other, is one commit with the batch"
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN), late])

    def test_a_job_that_another_writer_left_is_waited_for_too(self, store: Store) -> None:
        one, other = Ingest(store, SCHEMA), Ingest(store, SCHEMA)
        run(one.fold([*POSTS, *VOTES]))
        run(other.fold([hidden(ANN)]))
        assert self.pending(store) == [ANN]
        late = evolve(vote(MANY + 1), rkey=rkey(3))
        run(one.fold([late]))
        assert self.pending(store) == []
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN), late])
        run(other.finish())
        assert drift(store) == []

    def test_a_batch_that_waits_for_a_job_writes_nothing_until_it_is_done(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold([*POSTS, *VOTES], Cursor("log", 1)))
        run(index.fold([hidden(ANN)], Cursor("log", 2)))
        for _ in range(3):
            with pytest.raises(StoreFull):
                run(Ingest(Watched(store, 1), SCHEMA).fold([vote(MANY + 1)], Cursor("log", 3)))
            assert run(index.cursor("log")) == 2

    def test_a_transaction_ends_before_the_next_begins_and_with_its_commit(self, store: Store) -> None:
        index = Ingest(Strict(store), SCHEMA)
        run(index.fold([*POSTS, *VOTES, decode(b"?")], Cursor("log", 1)))
        run(index.fold([hidden(ANN), hidden(SEA)], Cursor("log", 2)))
        run(index.fold([restored(ANN), vote(3, BOB)], Cursor("log", 3)))
        run(index.finish())
        assert dumped(store) == folded([*POSTS, *VOTES, vote(3, BOB), hidden(SEA)])

    def test_what_comes_while_a_job_is_left_is_moved_by_it_once(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        moved, more = evolve(vote(MANY + 1), rkey=rkey(3)), evolve(vote(MANY + 2), rev=rkey(MANY + 3))
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)], later=True))
        run(index.fold([moved, more], Cursor("log", 2), later=True))
        assert (self.pending(store), self.standing(store)) == ([ANN], MANY + 1)
        assert run(index.cursor("log")) == 2
        run(index.finish())
        assert (self.pending(store), self.standing(store)) == ([], 0)
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN), moved, more])
        assert drift(store) == []

    def test_a_job_that_was_left_ends_when_the_repo_is_again_what_it_was(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN), hidden(SEA)], later=True))
        run(index.fold([restored(ANN), vote(1, BOB)], later=True))
        assert self.pending(store) == [SEA]
        assert self.standing(store) == MANY + 1
        run(index.finish())
        assert dumped(store) == folded([*POSTS, *VOTES, vote(1, BOB), hidden(SEA)])
        assert drift(store) == []

    def test_a_job_at_work_is_waited_for_though_jobs_are_left(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        late = evolve(vote(MANY + 1), rkey=rkey(3))
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)], later=True))
        run(index.go_on())
        assert (self.pending(store), self.standing(store)) == ([ANN], MANY - 7)
        run(index.fold([late], later=True))
        assert (self.pending(store), self.standing(store)) == ([], 0)
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN), late])
        assert drift(store) == []

    def test_what_concerns_others_does_not_wait(self, store: Store) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)]))
        run(index.fold([vote(1, BOB)]))
        assert self.pending(store) == [ANN]
        assert self.standing(store) == MANY - 7 + 1

    def test_a_batch_takes_a_short_job_with_it_and_what_both_move_moves_once(self, store: Store) -> None:
        watched = Watched(store)
        index = Ingest(watched, SCHEMA)
        run(index.fold([*POSTS, vote(1), vote(2), vote(3)]))
        run(index.fold([hidden(ANN)]))
        run(index.fold([restored(ANN)]))
        later: list[Event] = [
            evolve(vote(1), rev=rkey(90), operation="update", record=vote(2).record),
            vote(4, BOB),
            hidden(ANN, 3),
        ]
        run(index.fold(later))
        assert len(watched.commits) == 4
        run(index.finish())
        assert dumped(store) == folded([*POSTS, vote(1), vote(2), vote(3), restored(ANN), *later])
        assert drift(store) == []

    @pytest.mark.parametrize("kind", [2, 3, 7], ids=["comment", "vote", "profile"])
    def test_what_a_job_brings_back_and_the_batch_takes_away_did_not_move(self, store: Store, kind: int) -> None:
        gone = evolve(CALM[kind], rev=rkey(90), operation="delete", cid="", record=None)
        index = Ingest(store, SCHEMA)
        for batch in ([*CALM], [hidden(gone.did)], [], [restored(gone.did)], [gone]):
            run(index.fold(batch))
        run(index.finish())
        assert dumped(store) == folded([*CALM, restored(gone.did), gone])
        assert drift(store) == []

    @pytest.mark.parametrize("commits", range(8))
    def test_a_crash_between_steps_goes_on_from_there(self, store: Store, commits: int) -> None:
        run(Ingest(store, SCHEMA).fold([*POSTS, *VOTES]))
        dying = Watched(store, commits)
        index = Ingest(dying, SCHEMA)
        try:
            run(index.fold([hidden(ANN)], Cursor("log", 1)))
            run(index.finish())
        except StoreFull:
            pass
        again = Ingest(Watched(store), SCHEMA)
        if run(again.cursor("log")) is None:
            assert commits == 0
            run(again.fold([hidden(ANN)], Cursor("log", 1)))
        run(again.finish())
        assert dumped(store) == folded([*POSTS, *VOTES, hidden(ANN)])
        assert drift(store) == []

    @pytest.mark.parametrize(
        "later",
        [
            pytest.param([restored(ANN)], id="restored"),
            pytest.param([restored(ANN), hidden(ANN, 2)], id="restored and hidden again"),
            pytest.param([restored(ANN), hidden(ANN, 2), restored(ANN, 3)], id="restored, hidden and restored"),
            pytest.param([Sync(did=ANN, rev=rkey(20), seen_us=NOON_US)], id="re-stated"),
            pytest.param([Sync(did=ANN, rev=rkey(20), seen_us=NOON_US), restored(ANN)], id="re-stated and restored"),
            pytest.param([evolve(vote(99), rkey=rkey(30)), restored(ANN)], id="a vote cast again, and restored"),
            pytest.param([hidden(SEA), restored(ANN)], id="its subject hidden, and restored"),
        ],
    )
    @pytest.mark.parametrize("at_once", [True, False])
    def test_an_account_may_change_while_its_job_is_not_done(
        self, store: Store, later: list[Event], at_once: bool
    ) -> None:
        index = Ingest(store, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([hidden(ANN)]))
        for batch in [later] if at_once else [[event] for event in later]:
            run(index.fold(batch))
        run(index.finish())
        assert dumped(store) == folded(later, [*POSTS, *VOTES, hidden(ANN)])
        assert drift(store) == []

    def test_hidden_and_restored_in_one_batch_is_no_job(self, store: Store) -> None:
        watched = Watched(store)
        index = Ingest(watched, SCHEMA)
        run(index.fold([*POSTS, *VOTES]))
        run(index.fold([restored(ANN), hidden(ANN)]))
        assert len(watched.commits) == 2
        assert JOB.name not in watched.commits[1]

    def test_many_accounts_share_a_step(self, store: Store) -> None:
        voters = [f"did:web:v{at}.example" for at in range(30)]
        index = Ingest(store, SCHEMA)
        run(index.fold([*POSTS, *(vote(at % MANY, did) for at, did in enumerate(voters))]))
        run(index.fold([hidden(did) for did in voters]))
        run(index.fold([]))
        assert 0 < len(self.pending(store)) < 30
        run(index.finish())
        assert self.pending(store) == []
        assert self.standing(store) == 0

    def test_two_repos_whose_hashes_collide_do_not_move_each_other(self, store: Store) -> None:
        one, other = "did:web:22132.example", "did:web:51052.example"
        assert slots_of(one) == slots_of(other)
        events = [*POSTS, *(vote(at, did) for at in range(10) for did in (one, other))]
        index = Ingest(store, SCHEMA)
        run(index.fold(events))
        run(index.fold([hidden(one)]))
        run(index.finish())
        assert {row[1] for row in rows_of(store, "vote")} == {other}
        assert dumped(store) == folded([*events, hidden(one)])
        run(index.fold([restored(one), hidden(other)]))
        run(index.finish())
        assert {row[1] for row in rows_of(store, "vote")} == {one}
        assert drift(store) == []

    def test_a_store_in_trouble_while_the_jobs_are_read_forgets_none(self, store: Store) -> None:
        run(Ingest(store, SCHEMA).fold([*POSTS, *VOTES, hidden(ANN)]))
        assert self.pending(store) == [ANN]

        class Unreadable(Watched):
            async def page(self, table: str, *where: Any, **bounds: Any) -> list[Row]:
                raise StoreFull("no room left to read in")

        watched = Unreadable(store)
        index = Ingest(watched, SCHEMA)
        with pytest.raises(StoreFull):
            run(index.finish())
        index.store = store
        run(index.fold([evolve(vote(99), rkey=rkey(30)), restored(ANN)]))
        run(index.finish())
        assert dumped(store) == folded([*POSTS, *VOTES, evolve(vote(99), rkey=rkey(30))])


def test_the_cost_of_a_batch_is_that_of_the_batch_whatever_the_index_holds() -> None:
    size = 200
    costs = []
    for held in (1000, 10_000):
        events = [decode(line) for line in islice(world(7, 10_000 + size), 10_000 + size)]
        watched = Watched(MemoryStore(layout_of(SCHEMA)))
        index = Ingest(watched, SCHEMA)
        run(index.fold(events[:held]))
        run(index.finish())
        watched.asked, watched.found, watched.commits = 0, {}, []
        run(index.fold(events[-size:]))
        run(index.finish())
        costs.append(
            (watched.asked, sum(watched.found.values()), sum(len(it) for c in watched.commits for it in c.values()))
        )
    (small_asked, _, small_written), (asked, found, written) = costs
    assert asked < 1.5 * small_asked, costs
    assert written < 1.5 * small_written, costs
    assert found <= asked, costs
    assert asked < 20 * size, costs


def test_a_place_is_kept_with_its_rows_and_read_back(store: Store) -> None:
    ingest = Ingest(store, SCHEMA)
    place = Place("jetstream v2 east.example", 77, NOON_US)
    run(ingest.fold([], cursors_of(place)))
    run(ingest.fold([], Cursor("a file", 3)))
    assert run(ingest.places(["jetstream v2 west.example", place.source, "a file"])) == [place]
