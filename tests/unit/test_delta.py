"""
The algebra of views: whatever comes can be taken back, and then it is as if it had never come.

Each form is shown any moves, in batches, and must hold what the obvious way gives: sums by summing what is there,
an election by taking the greatest, a carried row by looking it up.
"""

import os
from collections.abc import Sequence
from typing import Any, cast

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.delta import DORMANT, attach_rows, effective_rows, elections, needs_heir, row_sums, sum_rows
from strandline.schema import Attach, Column, Effective, Keys, Live, Row, Rows, Type
from strandline.shares import Shares

EXAMPLES = 2000 if "STRANDLINE_FULL" in os.environ else 100
NOTE = "com.example.note"
KEYS = Keys({NOTE: "note"})

Key = tuple[Any, ...]
Moved = list[tuple[Any, Any]]


@frozen
class Said:
    """What a record says: its subject, and two numbers."""

    subject: str
    one: int
    two: int


def live(did: str, rkey: str, rev: str, said: Said) -> Live:
    return Live(did, NOTE, rkey, "", rev, False, 0, 0, said, "", KEYS.at(rkey, NOTE, did))


SUBJECTS = ("at://did:web:a.example/com.example.note/1", "at://did:web:b.example/com.example.note/2")
DIDS = ("did:web:a.example", "did:web:b.example")
SAID = st.builds(Said, st.sampled_from(SUBJECTS), st.sampled_from((1, 0, -1)), st.sampled_from((1, 0, -1, 2**53 - 1)))

SUMS = Rows(
    name="sums",
    key=(Column("subject", Type.KEY),),
    sums=("one", "two"),
    sources={NOTE: lambda it: [((it.record.subject,), (it.record.one, it.record.two))]},
)
TWICE = Rows(
    name="twice",
    key=(Column("did"), Column("one", Type.INTEGER)),
    sums=("weight",),
    sources={NOTE: lambda it: [((it.did, 0), (1,)), ((it.did, it.record.one), (1,)), ((it.did, 0), (-1,))]},
)
PICK = Effective(
    name="pick",
    kind=NOTE,
    subject=Column("subject", Type.KEY),
    columns=(Column("one", Type.INTEGER), Column("about", Type.KEY, null=True)),
    row=lambda it: (it.record.subject, (it.record.one, it.record.subject if it.record.two else None)),
)
SHOWN = Attach(
    name="shown",
    kind=NOTE,
    columns=(Column("said", Type.INTEGER), Column("about", Type.KEY)),
    row=lambda it: (it.record.one, it.record.subject),
    carries=SUMS,
    derived=(Column("total", Type.INTEGER),),
    derive=lambda base, sums: (base[0] + sum(sums),),
)

SHARES = Shares(KEYS, (SUMS, TWICE, PICK, SHOWN))


def shared(moved: Moved) -> Moved:
    return [(old and SHARES.of(old), new and SHARES.of(new)) for old, new in moved]


# A batch is what stands at some paths from now on, None for nothing.
WORLDS = st.lists(
    st.dictionaries(
        st.tuples(st.sampled_from(DIDS), st.sampled_from(("1", "2", "3", "4", "5", "6"))),
        st.none() | st.tuples(st.sampled_from(("3ka", "3kb", "3kc")), SAID),
        max_size=8,
    ),
    max_size=6,
)
World = dict[tuple[str, str], Live]
Batches = list[dict[tuple[str, str], tuple[str, Said] | None]]


def moves(worlds: Batches) -> list[tuple[World, Moved]]:
    """For each batch what is live after it, and what moved."""
    world: World = {}
    told = []
    for batch in worlds:
        moved = []
        for path, put in batch.items():
            old, new = world.get(path), put and live(*path, *put)
            if old is not None or new is not None:
                moved.append((old, new))
            world = {**world, path: new} if new else {it: held for it, held in world.items() if it != path}
        told.append((world, moved))
    return told


def applied(held: dict[Key, Row], rows: dict[Key, Row | None]) -> dict[Key, Row]:
    return {key: row for key, row in {**held, **rows}.items() if row is not None}


def summed(view: Rows, items: Sequence[Live]) -> dict[Key, Row]:
    """The obvious sums."""
    sums: dict[Key, list[int]] = {}
    for it in items:
        for given_key, amounts in view.sources[NOTE](it):
            key = tuple(KEYS.of(part) if isinstance(part, str) else part for part in given_key)
            sums[key] = [a + b for a, b in zip(sums.get(key, [0] * len(amounts)), amounts, strict=True)]
    return {key: (*key, *amounts) for key, amounts in sums.items() if any(amounts)}


def fold_sums(view: Rows, held: dict[Key, Row], moved: Moved) -> dict[Key, Row]:
    sums = row_sums(view, SHARES, {NOTE: shared(moved)})
    return applied(held, sum_rows(sums, {key: held[key] for key in sums if key in held}))


def test_a_retraction_after_an_assertion_is_nothing() -> None:
    note = live(DIDS[0], "1", "3ka", Said(SUBJECTS[0], 1, 2))
    for view in (SUMS, TWICE):
        assert row_sums(view, SHARES, {NOTE: shared([(None, note), (note, None)])}) == {}
        assert row_sums(view, SHARES, {NOTE: shared([(note, note)])}) == {}
        assert fold_sums(view, fold_sums(view, {}, [(None, note)]), [(note, None)]) == {}


def test_contributions_that_cancel_out_are_no_row() -> None:
    up, down = (live(DIDS[0], rkey, "3ka", Said(SUBJECTS[0], one, -one)) for rkey, one in (("1", 1), ("2", -1)))
    assert row_sums(SUMS, SHARES, {NOTE: shared([(None, up), (None, down)])}) == {}
    held = fold_sums(SUMS, {}, [(None, up)])
    assert held == {("1/note/web:a.example",): ("1/note/web:a.example", 1, -1)}
    assert fold_sums(SUMS, held, [(None, down)]) == {}
    assert fold_sums(SUMS, fold_sums(SUMS, {}, [(None, down), (None, up)]), [(down, None)]) == held


@settings(max_examples=EXAMPLES, deadline=None)
@given(WORLDS)
def test_sums_are_what_summing_gives_and_never_all_zero(worlds: Batches) -> None:
    for view in (SUMS, TWICE):
        held: dict[Key, Row] = {}
        for world, moved in moves(worlds):
            held = fold_sums(view, held, moved)
            assert held == summed(view, list(world.values()))


@settings(max_examples=EXAMPLES, deadline=None)
@given(WORLDS)
def test_a_row_carries_the_sums_at_its_key_whichever_moves(worlds: Batches) -> None:
    sums: dict[Key, Row] = {}
    held: dict[Key, Row] = {}
    for world, moved in moves(worlds):
        new = fold_sums(SUMS, sums, moved)
        records = {((old or it).key,): (old, it) for old, it in shared(moved)}
        concerned = {*records, *(key for key in {*sums, *new} if sums.get(key) != new.get(key))}
        sums = new
        rows = attach_rows(SHOWN, SHARES, records, {key: sums.get(key) for key in concerned}, held)
        held = applied(held, rows)
        assert held == {(it.key,): shown(it, sums) for it in world.values()}


def shown(it: Live, sums: dict[Key, Row]) -> Row:
    _, one, two = sums.get((it.key,), (it.key, 0, 0))
    return (it.key, it.record.one, KEYS.of(it.record.subject), one, two, it.record.one + one + two)


# Elections.


@frozen
class Elections:
    """The rows of an effective view, and those that are dormant."""

    rows: dict[Key, Row]
    dormant: dict[Key, Row]

    def moved(self, moved: Moved) -> "Elections":
        """What they are after some moves, told no more of the dormant than a store is asked for."""
        pairs = elections(PICK, SHARES, shared(moved))
        orphaned = {pair: it for pair, it in pairs.items() if needs_heir(it, self.rows.get(pair))}
        each = max((len(it.left) + 1 for it in orphaned.values()), default=0)
        heirs = {pair: self.greatest(pair)[:each] for pair in orphaned}
        known = {pair: self.rows[pair] for pair in pairs if pair in self.rows}
        elected = effective_rows(PICK, pairs, known, heirs)
        return Elections(applied(self.rows, elected.rows), applied(self.dormant, elected.dormant))

    def greatest(self, pair: Key) -> list[Row]:
        index = DORMANT.index("by_pair")
        places = [DORMANT.position[name] for name in DORMANT.sort_columns(index)]
        own = [row for row in self.dormant.values() if row[:3] == (PICK.name, *pair)]
        return sorted(own, key=lambda row: tuple(row[at] for at in places), reverse=True)


def elected(world: World) -> tuple[dict[Key, Row], set[Key]]:
    """The obvious election: the greatest by (rev, rkey), and the keys of the others."""
    rivals: dict[Key, list[Live]] = {}
    for it in world.values():
        rivals.setdefault((KEYS.of(it.record.subject), it.did), []).append(it)
    rows: dict[Key, Row] = {}
    dormant: set[Key] = set()
    for pair, them in rivals.items():
        best = max(them, key=lambda it: (it.rev, it.rkey))
        about = KEYS.of(best.record.subject) if best.record.two else None
        rows[pair] = (*pair, best.rkey, best.rev, best.record.one, about, len(them) - 1)
        dormant |= {(PICK.name, *pair, it.rkey) for it in them if it is not best}
    return rows, dormant


def check(worlds: Batches) -> None:
    held = Elections({}, {})
    for world, moved in moves(worlds):
        held = held.moved(moved)
        rows, dormant = elected(world)
        assert held.rows == rows
        assert set(held.dormant) == dormant
    end = held.moved([(it, None) for it in (moves(worlds)[-1][0].values() if worlds else ())])
    assert end == Elections({}, {})


@settings(max_examples=EXAMPLES, deadline=None)
@given(WORLDS)
def test_the_greatest_is_effective_and_all_others_are_dormant(worlds: Batches) -> None:
    check(worlds)


ONE_PAIR = st.lists(
    st.dictionaries(
        st.tuples(st.just(DIDS[0]), st.sampled_from([f"{at:02}" for at in range(12)])),
        st.none()
        | st.tuples(
            st.sampled_from(("3ka", "3kb", "3kc")),
            st.builds(Said, st.just(SUBJECTS[0]), st.integers(0, 2), st.integers(0, 1)),
        ),
        max_size=12,
    ),
    max_size=6,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(ONE_PAIR)
def test_one_pair_of_many_rivals_that_come_change_and_go(worlds: Batches) -> None:
    check(worlds)


def test_the_heir_is_found_though_it_and_its_like_leave_with_the_effective_one() -> None:
    said = Said(SUBJECTS[0], 1, 0)
    here = {(DIDS[0], str(at)): (f"3k{at}", said) for at in range(9)}
    gone = {(DIDS[0], str(at)): None for at in (8, 7, 6, 4)}
    check(cast(Batches, [here, gone, {(DIDS[0], "5"): None}, {(DIDS[0], "9"): ("3k0", said)}]))


def test_an_update_of_a_dormant_record_may_make_it_effective_and_one_of_the_effective_dormant() -> None:
    old, new = Said(SUBJECTS[0], 0, 0), Said(SUBJECTS[0], 1, 1)
    here = {(DIDS[0], str(at)): (f"3k{at}", old) for at in range(4)}
    check(
        cast(
            Batches,
            [here, {(DIDS[0], "1"): ("3k9", new)}, {(DIDS[0], "1"): ("3k0", old)}, {(DIDS[0], "3"): ("3k3", new)}],
        )
    )
    other = Said(SUBJECTS[1], 1, 1)
    check(cast(Batches, [here, {(DIDS[0], "3"): ("3k3", other), (DIDS[0], "0"): ("3k0", other)}, here]))
