"""Which write stands: the same of the same writes, in whatever order, grouping and number they come."""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import permutations
from typing import Any, Literal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.event import Account, Commit, Identity
from strandline.register import (
    Register,
    Repo,
    is_live,
    join,
    join_account,
    join_identity,
    kept_of,
    register,
    slots_of,
)

DID = "did:web:ann.example"
OLD, MIDDLE, NEW = "2222222222222", "3kp2222222222", "3kq2222222222"

Operation = Literal["create", "update", "delete"]


def keep(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Keep where a record is; nothing of one that does not say."""
    return {"where": record["where"]} if "where" in record else None


def write(
    rev: str = MIDDLE,
    operation: Operation = "create",
    record: dict[str, Any] | None = None,
    cid: str = "",
    seen_us: int = 5,
) -> Commit:
    put = operation != "delete"
    return Commit(
        did=DID,
        rev=rev,
        operation=operation,
        collection="com.example.note",
        rkey="1",
        cid=cid if put else "",
        record=({} if record is None else record) if put else None,
        seen_us=seen_us,
    )


def stands(*writes: Commit) -> Register:
    """Return what stands of some writes, joined one after the other."""
    joined = reduce(lambda old, new: join(old, register(new), keep), writes[1:], join(None, register(writes[0]), keep))
    assert isinstance(joined, Register)
    return joined


RECORDS: list[dict[str, Any]] = [
    {},
    {"where": "a"},
    {"where": "b"},
    {"text": "z"},
    {"where": "a", "text": "b"},
    {"a": 0, "where": "c"},
]

writes = st.builds(
    write,
    rev=st.sampled_from([OLD, MIDDLE, NEW]),
    operation=st.sampled_from(["create", "update", "delete", "delete"]),
    record=st.sampled_from(RECORDS),
    cid=st.sampled_from(["", "bafya", "bafyb"]),
    seen_us=st.integers(1, 4),
)
registers = st.lists(writes, min_size=1, max_size=4).map(lambda some: stands(*some))


@settings(max_examples=150, deadline=None)
@given(registers)
def test_join_is_idempotent(it: Register) -> None:
    assert join(it, it, keep) == it


@settings(max_examples=150, deadline=None)
@given(registers, registers)
def test_join_is_commutative(one: Register, other: Register) -> None:
    assert join(one, other, keep) == join(other, one, keep)


@settings(max_examples=200, deadline=None)
@given(registers, registers, registers)
def test_join_is_associative(one: Register, two: Register, three: Register) -> None:
    assert join(join(one, two, keep), three, keep) == join(one, join(two, three, keep), keep)


@settings(max_examples=150, deadline=None)
@given(st.lists(writes, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_what_stands_is_what_the_law_says_of_all_writes(some: list[Commit], dice: Any) -> None:
    again = [*some, *dice.choices(some, k=2)]
    dice.shuffle(again)
    assert told(stands(*again)) == lawful(some)


def told(it: Register) -> tuple[Any, ...]:
    kept = kept_of(it) if it.record is None else None
    return (
        it.rev,
        it.rank,
        it.cid,
        None if it.record is None else json.loads(it.record),
        it.seen_us,
        it.first_seen_us,
        kept,
    )


def lawful(some: Sequence[Commit]) -> tuple[Any, ...]:
    """The same, said as the law says it."""

    def version(it: Commit) -> tuple[str, int, str]:
        return it.rev, ("delete", "create", "update").index(it.operation), it.cid

    def text(it: Commit) -> str:
        return json.dumps(it.record, sort_keys=True, separators=(",", ":"))

    greatest = max(some, key=lambda it: (version(it), text(it)))
    puts = [it for it in some if it.record is not None]
    kept = None
    if greatest.record is None and puts:
        last = max(map(version, puts))
        kept = max((keep(it.record or {}) for it in puts if version(it) == last), key=_as_text)
    seen_us = min(it.seen_us for it in some if version(it) == version(greatest))
    first_seen_us = min((it.seen_us for it in puts), default=None)
    return *version(greatest), greatest.record, seen_us, first_seen_us, kept


def _as_text(kept: Mapping[str, Any] | None) -> str:
    return "" if kept is None else json.dumps(kept, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        pytest.param(write(OLD, "update", cid="z"), write(NEW, "delete"), id="a later rev, whatever the rest"),
        pytest.param(write(OLD), write("222222222222a"), id="revs compare as text, and 2 comes before a"),
        pytest.param(write(operation="delete"), write(operation="create"), id="delete then create in one commit"),
        pytest.param(
            write(operation="create", cid="z"), write(operation="update"), id="create then update in one commit"
        ),
        pytest.param(write(cid=""), write(cid="bafya"), id="a cid over none"),
        pytest.param(write(cid="bafya"), write(cid="bafyb"), id="the greater cid"),
        pytest.param(write(record={"a": 2}), write(record={"b": 1}), id="one version of two records: the greater JSON"),
        pytest.param(write(record={"a": "\uffff"}), write(record={"a": "\U0001f30a"}), id="JSON compares as UTF-8"),
    ],
)
def test_the_greater_version_stands(lesser: Commit, greater: Commit) -> None:
    for order in permutations([lesser, greater, lesser]):
        it = stands(*order)
        assert it[4:8] == register(greater)[4:8]


def test_arrival_and_seen_time_do_not_tell_which_stands() -> None:
    early, late = write(OLD, record={"text": "old"}, seen_us=9), write(NEW, record={"text": "new"}, seen_us=1)
    assert stands(late, early).record == stands(early, late).record == '{"text":"new"}'


def test_a_tombstone_is_kept_of_what_was_never_seen_and_holds_back_an_older_create() -> None:
    gone = write(NEW, "delete", seen_us=9)
    assert stands(gone).record is None
    assert stands(gone, write(OLD, seen_us=3)).record is None
    assert stands(gone, write("3kr2222222222", record={"text": "again"})).record == '{"text":"again"}'


def test_under_a_tombstone_only_what_the_kind_keeps_of_the_last_put_is_known() -> None:
    older, last = (
        write(OLD, record={"where": "a", "text": "secret"}),
        write(MIDDLE, record={"where": "b", "text": "secret"}),
    )
    gone = write(NEW, "delete")
    for order in permutations([older, last, gone]):
        it = stands(*order)
        assert kept_of(it) == {"where": "b"}
        assert "secret" not in str(it)
    assert kept_of(stands(gone)) is None
    assert kept_of(stands(write(MIDDLE, record={"text": "no place"}), older, gone)) is None


def test_a_kind_that_keeps_nothing_keeps_nothing() -> None:
    put, gone = register(write(OLD, record={"where": "a"})), register(write(NEW, "delete"))
    assert join(put, gone).kept is None
    assert join(gone, put).kept is None


def test_what_was_kept_is_no_longer_once_a_later_put_stands() -> None:
    it = stands(write(OLD, record={"where": "a"}), write(MIDDLE, "delete"), write(NEW, record={"where": "b"}))
    assert it.kept is None
    assert kept_of(join(it, register(write("3kz2222222222", "delete")), keep)) == {"where": "b"}


def test_first_seen_is_the_least_over_all_puts_and_of_deletes_there_is_none() -> None:
    superseded, gone, last = write(OLD, seen_us=3), write(MIDDLE, "delete", seen_us=1), write(NEW, "update", seen_us=7)
    for order in permutations([superseded, gone, last]):
        assert stands(*order).first_seen_us == 3
    assert stands(gone).first_seen_us is None
    assert stands(gone, superseded).first_seen_us == 3


def test_seen_is_the_least_over_the_events_of_the_standing_version() -> None:
    assert stands(write(NEW, seen_us=7), write(NEW, seen_us=4), write(OLD, seen_us=1)).seen_us == 4
    assert stands(write(NEW, "delete", seen_us=7), write(NEW, "delete", seen_us=4), write(OLD, seen_us=1)).seen_us == 4


def test_a_record_is_kept_as_canonical_json() -> None:
    assert register(write(record={"b": [1, "é\n"], "a": None})).record == '{"a":null,"b":[1,"é\\n"]}'
    assert register(write(record={"a": "\ud800"})).record == r'{"a":"\ud800"}'


def test_a_repo_is_found_in_its_slots_whatever_its_rkeys() -> None:
    slots = slots_of(DID)
    assert len({slot % 2**27 for slot in slots}) == 1
    rkeys = ["self", "1", *(f"3m{one}{other}aaaaaaaaa" for one in "abcdefgh" for other in "234567abcdefghij")]
    assert {register(evolve(write(), rkey=rkey)).slot for rkey in rkeys} == {*slots}


def test_what_is_written_at_one_time_stands_in_one_slot_of_its_repo() -> None:
    one, soon, later = (
        register(evolve(write(), rkey=rkey)).slot for rkey in ("3mn7aaaaaaaaa", "3mn7zzzzzzzzz", "3mnbaaaaaaaaa")
    )
    assert one == soon != later


def account(time_us: int = 5, relay_seq: int = 5, active: bool = False, status: str | None = "takendown") -> Account:
    return Account(did=DID, active=active, status=status, time_us=time_us, relay_seq=relay_seq, seen_us=1)


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        pytest.param(account(5, 9, False), account(6, 1, True), id="the host's time"),
        pytest.param(account(5, 5, False), account(5, 6, True), id="then the relay's number"),
        pytest.param(
            account(active=True, status="z"), account(active=False, status=None), id="then inactive over active"
        ),
        pytest.param(account(status="deactivated"), account(status="takendown"), id="then the status"),
        pytest.param(account(status=None), account(status="deleted"), id="a status over none"),
        pytest.param(account(-1, 9), account(0, 0), id="from before 1970 on"),
    ],
)
def test_the_greater_account_event_stands(lesser: Account, greater: Account) -> None:
    for order in permutations([lesser, greater, lesser]):
        repo = reduce(join_account, order, None)
        assert repo is not None
        assert (repo.active, repo.status) == (int(greater.active), greater.status)
        assert (repo.time_us, repo.relay_seq) == (greater.time_us, greater.relay_seq)


accounts = st.builds(
    account,
    time_us=st.integers(-1, 1),
    relay_seq=st.integers(0, 1),
    active=st.booleans(),
    status=st.sampled_from([None, "", "deleted", "takendown"]),
)
identities = st.builds(
    Identity,
    did=st.just(DID),
    handle=st.sampled_from([None, "a.example", "b.example"]),
    time_us=st.integers(-1, 1),
    relay_seq=st.integers(0, 1),
    seen_us=st.just(1),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(accounts, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_standing_account_event_does_not_depend_on_order(some: list[Account], dice: Any) -> None:
    first = reduce(join_account, some, None)
    again = [*some, *dice.choices(some, k=2)]
    dice.shuffle(again)
    assert reduce(join_account, again, None) == first


@settings(max_examples=200, deadline=None)
@given(st.lists(identities, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_standing_handle_does_not_depend_on_order(some: list[Identity], dice: Any) -> None:
    first = reduce(join_identity, some, None)
    again = [*some, *dice.choices(some, k=2)]
    dice.shuffle(again)
    assert reduce(join_identity, again, None) == first


def identity(time_us: int, relay_seq: int, handle: str | None) -> Identity:
    return Identity(did=DID, handle=handle, time_us=time_us, relay_seq=relay_seq, seen_us=1)


def test_the_handle_is_that_of_the_greatest_event_that_carries_one() -> None:
    order = [
        identity(1, 9, "z.example"),
        identity(2, 1, "c.example"),
        identity(2, 2, "a.example"),
        identity(2, 2, "b.example"),
    ]
    for count in range(1, len(order) + 1):
        for some in permutations([*order[:count], identity(9, 9, None)]):
            repo = reduce(join_identity, some, None)
            assert repo is not None
            assert repo.handle == order[count - 1].handle


def test_account_and_handle_do_not_touch_each_other() -> None:
    told = join_identity(join_account(None, account()), identity(1, 1, "a.example"))
    assert told == join_account(join_identity(None, identity(1, 1, "a.example")), account())
    assert (told.active, told.handle) == (0, "a.example")


def test_a_record_is_live_unless_deleted_quarantined_void_or_hidden() -> None:
    it = register(write(MIDDLE))
    assert is_live(it, None, False)
    assert is_live(it, Repo(DID), False)
    assert not is_live(it, None, True)
    assert not is_live(register(write(MIDDLE, "delete")), None, False)
    assert not is_live(it, join_account(None, account()), False)
    assert is_live(it, join_account(None, evolve(account(), active=True)), False)


def test_a_write_is_void_below_the_floor_and_not_at_it() -> None:
    repo = Repo(DID, floor=MIDDLE)
    assert not is_live(register(write(OLD)), repo, False)
    assert is_live(register(write(MIDDLE)), repo, False)
    assert is_live(register(write(NEW)), repo, False)
