"""What the fold asks the store for: enough, though of a pair's records only the greatest are looked at."""

from collections.abc import Collection
from typing import Any

import pytest
from attrs import evolve

from strandline import Commit, Ingest, MemoryStore, decode, layout_of, run
from strandline.fold import asked, fold
from strandline.forum import SCHEMA, records
from strandline.forum.testing.strategies import CALM, REVS
from strandline.forum.world import world
from strandline.ports import Key, Transaction
from strandline.prepare import Prepared
from strandline.register import REGISTER, REPO
from strandline.schema import Row
from strandline.testing.laws import told

POST, VOTE = next(it for it in CALM if it.collection == records.POST), CALM[3]
SEEN_US = 1_000_000
RIVALS = [evolve(VOTE, rkey=rev, rev=rev) for rev in REVS[1:]]
"""Votes of one voter on one subject, the least first."""


def deleted(vote: Commit) -> Commit:
    return evolve(vote, operation="delete", rev="3kz2222222222", cid="", record=None)


@pytest.mark.parametrize("record", [VOTE.record, {"$type": VOTE.collection}], ids=["valid", "not valid"])
def test_what_was_written_and_deleted_in_one_batch_is_neither_live_nor_quarantined(record: dict[str, Any]) -> None:
    store = MemoryStore(layout_of(SCHEMA))
    run(Ingest(store, SCHEMA).fold([evolve(VOTE, record=record), deleted(VOTE)]))
    assert run(told(store, ["vote", "tally", "quarantine"])) == {}


@pytest.mark.parametrize("between", [[], ["delete"]], ids=["update", "delete and create"])
def test_what_stands_where_something_stood_sorts_by_when_that_was_seen(between: list[Any]) -> None:
    store = MemoryStore(layout_of(SCHEMA))
    first, last = evolve(POST, seen_us=SEEN_US), evolve(POST, rev="3kz3222222222", cid="bafyb", seen_us=2 * SEEN_US)
    gone = [evolve(POST, operation=how, rev="3kz2222222222", cid="", record=None) for how in between]
    index = Ingest(store, SCHEMA)
    for batch in ([first], gone, [last]):
        run(index.fold(batch))
    [row] = run(told(store, ["post"]))["post"]
    assert row[2] == "bafyb"
    assert row[store.layout.table("post").position["indexed_at_us"]] == SEEN_US


@pytest.mark.parametrize("leaving", range(1, len(RIVALS)))
def test_when_the_greatest_leave_together_the_next_is_effective(leaving: int) -> None:
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    run(index.fold(RIVALS))
    run(index.fold([deleted(vote) for vote in RIVALS[-leaving:]]))
    left = RIVALS[:-leaving]
    assert [vote[2] for vote in run(told(store, ["vote"])).get("vote", ())] == [left[-1].rkey]
    assert len(run(told(store, ["dormant"])).get("dormant", ())) == len(left) - 1
    [tally] = run(told(store, ["tally"]))["tally"]
    assert tally[1:3] == (1, 0)


def test_nearly_all_that_a_fold_asks_for_is_known_before_it() -> None:
    """Else a store would foresee in vain, or little."""
    lines = [decode(line) for line in world(7, 3000)]
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    kept = {REGISTER.name, REPO.name, *(view.name for view in SCHEMA.views)}
    before: list[tuple[str, Key]] = []
    loaded: list[tuple[str, Key]] = []

    class Loading:
        """A transaction of which it is noted what it is asked for."""

        def __init__(self, transaction: Transaction) -> None:
            self.page, self.commit, self._load = transaction.page, transaction.commit, transaction.load

        async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
            loaded.extend((table, key) for key in {*keys} if table in kept)
            return await self._load(table, keys)

    async def folded(batch: Prepared) -> None:
        before.extend((table, key) for table, keys in asked(index.given, batch).items() for key in {*keys})
        async with store.transaction() as transaction:
            await transaction.commit((await fold(Loading(transaction), index.given, batch)).changes)

    for start in range(0, len(lines), 500):
        before, loaded = [], []
        run(folded(index.prepare(lines[start : start + 500])))
        known = len({*before} & {*loaded})
        assert known > 0.9 * len({*loaded})
        assert known > 0.9 * len(before)
