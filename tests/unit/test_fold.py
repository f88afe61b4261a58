"""What the fold asks the store for: enough, though of a pair's records only the greatest are looked at."""

from typing import Any

import pytest
from attrs import evolve

from strandline import Commit, Ingest, MemoryStore, layout_of, run
from strandline.forum import SCHEMA, records
from strandline.forum.testing.strategies import CALM, REVS
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
