"""
Up to which rev a repo was taken in, against all that was written to it: never more than that, and all of it for who
has just written something new.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Commit, Event, Ingest, Store, open_store, run
from strandline.forum import SCHEMA
from strandline.forum.queries import rev_at_least
from strandline.forum.queries.revs import LATELY_US
from strandline.forum.records import VOTE
from strandline.forum.testing.strategies import CALM, CIDS, POOLS, logs
from strandline.testing.laws import wipe

EXAMPLES = 2000 if "STRANDLINE_FULL" in os.environ else 100

NOW_US: Final = 1_780_000_000_000_000
LETTERS: Final = "234567abcdefghijklmnopqrstuvwxyz"
ANN: Final = "did:web:ann.example"


def tid(us: int) -> str:
    """Return the first TID of an instant, told naively."""
    bits = f"{us << 10:065b}"
    return "".join(LETTERS[int(bits[at : at + 5], 2)] for at in range(0, 65, 5))


def vote(us: int, *, rev_us: int | None = None, rkey: str | None = None) -> Commit:
    record = {"$type": VOTE, "subject": {"uri": "at://x", "cid": CIDS[0]}, "direction": "up", "createdAt": "x"}
    return Commit(
        did=ANN,
        rev=tid(us if rev_us is None else rev_us),
        operation="create",
        collection=VOTE,
        rkey=rkey or tid(us),
        cid=CIDS[0],
        record=record,
        seen_us=NOW_US,
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, ...]]:
    path = tmp_path_factory.mktemp("revs") / "revs.db"
    with ExitStack() as stack:
        opened = (run(open_store("memory:", SCHEMA)), run(open_store(f"sqlite:///{path}", SCHEMA)))
        for store in opened:
            stack.callback(lambda it: run(it.close()), store)
        yield opened


def told(store: Store, log: Sequence[Event]) -> None:
    run(wipe(store))
    run(Ingest(store, SCHEMA).fold(log))


def revs_of(log: Sequence[Event], did: str) -> set[str]:
    kept = [it for it in log if isinstance(it, Commit) and it.collection.startswith("social.coves.")]
    return {it.rev for it in kept if it.did == did}


def test_of_a_small_repo_it_is_the_greatest_there_was(stores: Sequence[Store]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(log=logs())
    def law(log: list[Event]) -> None:
        for store in stores:
            told(store, log)
            for did in {*POOLS.dids, "did:web:nobody.example"}:
                assert run(rev_at_least(store, did, NOW_US)) == max(revs_of(log, did), default=None)

    law()


def test_who_has_just_written_sees_that_rev_and_never_one_that_was_not_written(stores: Sequence[Store]) -> None:
    ages = st.integers(0, 3 * LATELY_US)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ages=st.lists(ages, max_size=12), again=st.lists(st.tuples(ages, ages), max_size=4), just=ages)
    def law(ages: list[int], again: list[tuple[int, int]], just: int) -> None:
        log = [vote(NOW_US - it) for it in ages]
        log += [vote(NOW_US - made, rev_us=NOW_US - put) for made, put in again]
        for store in stores:
            told(store, log)
            assert run(rev_at_least(store, ANN, NOW_US)) in {*revs_of(log, ANN), None if not log else ""}
            run(Ingest(store, SCHEMA).fold([vote(NOW_US + 1)]))
            assert run(rev_at_least(store, ANN, NOW_US + 1 + just % LATELY_US)) == tid(NOW_US + 1)

    law()


@define
class Counting:
    """A store that counts the statements, and the rows they give."""

    store: Any
    asked: int = 0
    rows: int = 0
    layout: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.layout = self.store.layout

    async def page(self, *args: Any, **how: Any) -> Any:
        """Count, and pass on."""
        found = await self.store.page(*args, **how)
        self.asked += 1
        self.rows += len(found)
        return found


@pytest.mark.parametrize(("age_us", "expected"), [(0, "some"), (LATELY_US * 4, None)])
def test_what_it_costs_does_not_grow_with_the_repo(stores: Sequence[Store], age_us: int, expected: str | None) -> None:
    log = [vote(NOW_US - age_us - at) for at in range(1, 400)]
    log.append(evolve(vote(NOW_US - 5 * LATELY_US), rkey="self"))
    for store in stores:
        told(store, [*CALM, *log])
        counting = Counting(store)
        rev = run(rev_at_least(counting, ANN, NOW_US))  # type: ignore[arg-type]  # what is used of it
        assert counting.asked <= 2
        assert counting.rows <= 200
        assert (rev is None) == (expected is None)
        assert rev in {*revs_of(log, ANN), None}
