"""
What a batch gives as if nothing was known, and what becomes of it when something was.

The laws see to it in general: they cut logs anywhere, and one event a batch leaves nothing to a draft. Here stands, plain
to read, what can go wrong.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from strandline import Commit, Event, Ingest, MemoryStore, layout_of, run
from strandline.draft import Draft
from strandline.fold import fold
from strandline.forum import SCHEMA, records
from strandline.forum.testing.strategies import CALM, REVS
from strandline.testing.laws import told

POST, VOTE = next(it for it in CALM if it.collection == records.POST), CALM[3]
RIVALS = [evolve(VOTE, rkey=rev, rev=rev) for rev in REVS[1:]]
"""Votes of one voter on one subject, the least first."""

LATE = "3kz2222222222"


def views(*batches: Sequence[Event]) -> dict[str, list[Any]]:
    """Return the rows of all views, once some batches are folded."""
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    for batch in batches:
        run(index.fold(batch))
    return dict(run(told(store, [table.name for table in layout_of(SCHEMA).views])))


def deleted(commit: Commit) -> Commit:
    return evolve(commit, operation="delete", rev=LATE, cid="", record=None)


def test_a_draft_holds_what_a_batch_gives_and_nothing_of_what_is_not_valid() -> None:
    index = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
    drafted = index.prepare([VOTE, VOTE, evolve(VOTE, rkey="self", record={"$type": VOTE.collection})])
    [row] = drafted.draft.rows["vote"].values()
    assert row[2] == VOTE.rkey
    assert [*drafted.draft.sums["tally"].values()] == [[1, 0, 0, 0]]
    assert (len(drafted), drafted.commits, drafted.applied) == (3, 3, 2)
    assert len(drafted.registers) == 2
    assert [*map(len, drafted.repeated.values())] == [2]
    assert len(drafted.refused) == 1
    assert not any(Draft().concerns(view.name) for view in SCHEMA.views)


def test_what_the_draft_got_wrong_is_taken_back() -> None:
    other = evolve(VOTE, did="did:web:other.example")
    assert views([VOTE], [deleted(VOTE)], [VOTE, other]) == views([other])
    assert views([VOTE], [VOTE, other]) == views([VOTE, other])


def test_what_changes_nothing_writes_nothing() -> None:
    store = MemoryStore(layout_of(SCHEMA))
    index = Ingest(store, SCHEMA)
    run(index.fold(CALM))

    async def again() -> set[str]:
        async with store.transaction() as transaction:
            folded = await fold(transaction, index.given, index.prepare(CALM))
            return {table for table, rows in folded.changes.items() if rows}

    assert run(again()) == set()


def test_a_new_record_carries_what_was_counted_before_it() -> None:
    uri = f"at://{POST.did}/{POST.collection}/{POST.rkey}"
    votes = [
        evolve(
            VOTE,
            did=f"did:web:{name}.example",
            record={**(VOTE.record or {}), "subject": {**(VOTE.record or {})["subject"], "uri": uri}},
        )
        for name in "abc"
    ]
    found = views(votes[:2], [POST, votes[2]])
    place = layout_of(SCHEMA).table("post").position
    [row] = found["post"]
    assert (row[place["upvotes"]], row[place["score"]]) == (3, 3)
    assert found == views([POST, *votes])


def test_of_new_rivals_the_greatest_stands_and_the_others_wait() -> None:
    for left in range(len(RIVALS), 0, -1):
        gone = [deleted(vote) for vote in RIVALS[left:]]
        found = views(RIVALS, gone)
        assert [row[2] for row in found["vote"]] == [RIVALS[left - 1].rkey]
        assert len(found.get("dormant", ())) == left - 1
        assert found == views([*RIVALS, *gone])
