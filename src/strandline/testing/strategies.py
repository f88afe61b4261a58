"""
Hostile logs for Hypothesis: few ids, many collisions, every order.

A log is drawn flat: one short string of bytes an event, read by a pure function. Byte 0 is always the plainest choice,
so shrinking drops events and turns bytes to 0, and what is left of a failing log can be read. Drawing costs
microseconds an event, where nested strategies cost milliseconds.

What makes a log hostile is in its `Pools`: few dids, record keys, revs and times, so that writes meet at one path, in
one commit, at one instant, and come again. Events of a log are in no order. An *echo* repeats an earlier event of the
log, or gives a rival to it: the same version with another cid or record, another write of the same commit, the same
record at another key, a delete.

Source: https://hypothesis.readthedocs.io/en/latest/details.html#shrinking
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from attrs import evolve, field, frozen
from hypothesis import strategies as st

from strandline.event import Account, Commit, Event, Identity, Sync
from strandline.wire import to_v1, to_v2

__all__ = ["GREATEST_REV", "Dice", "Pools", "Sketch", "decode_log", "logs", "to_v1", "to_v2"]

EVENT_BYTES: Final = 24
"""How many choices an event may take; those past it are the plainest."""

ECHO_REACH: Final = 16
"""How many events an echo may look back; not the whole log, so that dropping its beginning changes no echo."""

GREATEST_REV: Final = "jzzzzzzzzzzzz"
"""A rev after every other: what is written or deleted with it stands."""

Option = TypeVar("Option")


class Dice:
    """Choices read off bytes, one a byte; past the end every choice is the first."""

    __slots__ = ("_at", "_rolled")

    def __init__(self, rolled: bytes) -> None:
        self._rolled = rolled
        self._at = 0

    def roll(self) -> int:
        """Return the next byte, 0 past the end."""
        at = self._at
        self._at = at + 1
        return self._rolled[at] if at < len(self._rolled) else 0

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of at most 256 options; an option that stands twice is twice as likely, byte 0 gives the first."""
        return options[self.roll() % len(options)]

    def happens(self, percent: int) -> bool:
        """Tell whether something that happens this often does; byte 0 says no."""
        return self.roll() * 100 >= 256 * (100 - percent)


@frozen(kw_only=True)
class Pools:
    """
    The few values that a log's events share; the first of each is the plainest.

    Attributes:
        dids: Repositories that identities, accounts and syncs speak of.
        revs: Revisions of commits, the least first.
        cids: Content identifiers of records; "" is a missing one.
        times_us: Times at the host, microseconds since 1970, UTC.
        relay_seqs: Numbers at the relay.
        seen_us: Times at which an event is seen, none before 1970.
        handles: Handles claimed; None is an identity without one.
        statuses: Status texts of accounts.
    """

    dids: tuple[str, ...]
    revs: tuple[str, ...]
    cids: tuple[str, ...]
    times_us: tuple[int, ...]
    relay_seqs: tuple[int, ...]
    seen_us: tuple[int, ...]
    handles: tuple[str | None, ...]
    statuses: tuple[str | None, ...]


@frozen(kw_only=True)
class Sketch:
    """
    How writes of one kind of record look.

    Attributes:
        collection: NSID of the kind.
        dids: Repositories that hold its records.
        rkeys: Record keys.
        record: Builds a record for (dice, did, rkey); all zeroes give the plainest valid one.
        weight: How often the kind is written, against the weights of the others.
    """

    collection: str
    dids: tuple[str, ...]
    rkeys: tuple[str, ...]
    record: Callable[[Dice, str, str], dict[str, Any]]
    weight: int = 1


@frozen
class _Plan:
    pools: Pools
    sketches: tuple[Sketch, ...]
    by_collection: Mapping[str, Sketch] = field(init=False)

    @by_collection.default
    def _by_collection(self) -> Mapping[str, Sketch]:
        return {sketch.collection: sketch for sketch in self.sketches}


def logs(
    pools: Pools,
    sketches: Sequence[Sketch],
    *,
    calm: Sequence[Commit] = (),
    max_events: int = 25,
    only_commits: bool = False,
) -> st.SearchStrategy[list[Event]]:
    """
    Return a strategy for logs of at most `max_events` events, in no order.

    `calm` is a plain story on which the hostile events play: some of its beginning, two fifths of `max_events` at
    most, comes before or after them. One log in five is short.
    """
    calm = calm[: max_events * 2 // 5]
    most = max_events - len(calm)
    rolled = st.binary(min_size=EVENT_BYTES, max_size=EVENT_BYTES)
    few = st.lists(rolled, max_size=most)
    many = st.lists(rolled, min_size=most * 2 // 3, max_size=most)
    scene = st.integers(-len(calm), len(calm))
    drawn = st.one_of(st.tuples(scene, few), *[st.tuples(scene, many)] * 4)
    return _logs(pools, tuple(sketches), calm, drawn, only_commits)


@st.composite
def _logs(
    draw: st.DrawFn,
    pools: Pools,
    sketches: Sequence[Sketch],
    calm: Sequence[Commit],
    drawn: st.SearchStrategy[tuple[int, list[bytes]]],
    only_commits: bool,
) -> list[Event]:
    # Composite, not map: of a mapped strategy Hypothesis would report the bytes, of this one the events.
    scene, rolls = draw(drawn)
    before, after = calm[: max(scene, 0)], calm[: max(-scene, 0)]
    return [*decode_log(pools, sketches, rolls, before=before, only_commits=only_commits), *after]


def decode_log(
    pools: Pools,
    sketches: Sequence[Sketch],
    rolls: Sequence[bytes],
    *,
    before: Sequence[Event] = (),
    only_commits: bool = False,
) -> list[Event]:
    """Return the log that these bytes stand for, an event for each behind those `before`; always the same one."""
    plan = _Plan(pools, tuple(sketch for sketch in sketches for _ in range(sketch.weight)))
    log = list(before)
    for rolled in rolls:
        log.append(_event(plan, Dice(rolled), log, only_commits))
    return log


def _event(plan: _Plan, dice: Dice, log: Sequence[Event], only_commits: bool) -> Event:
    if dice.happens(18) and log:
        return _echo(plan, dice, log[-1 - min(dice.roll() % ECHO_REACH, len(log) - 1)])
    if not only_commits and dice.happens(20):
        return dice.pick(_MARKERS)(plan.pools, dice)
    return _commit(plan, dice)


def _commit(plan: _Plan, dice: Dice) -> Commit:
    sketch = dice.pick(plan.sketches)
    operation = dice.pick(_OPERATIONS)
    did, rkey = dice.pick(sketch.dids), dice.pick(sketch.rkeys)
    rev, seen_us, cid = dice.pick(plan.pools.revs), dice.pick(plan.pools.seen_us), dice.pick(plan.pools.cids)
    put = operation != "delete"
    return Commit(
        did=did,
        rev=rev,
        operation=operation,
        collection=sketch.collection,
        rkey=rkey,
        cid=cid if put else "",
        record=sketch.record(dice, did, rkey) if put else None,
        seen_us=seen_us,
    )


_OPERATIONS: Final[tuple[Literal["create", "update", "delete"], ...]] = (
    *("create",) * 12,
    *("update",) * 3,
    *("delete",) * 2,
)


def _identity(pools: Pools, dice: Dice) -> Identity:
    return Identity(
        did=dice.pick(pools.dids),
        handle=dice.pick(pools.handles),
        time_us=dice.pick(pools.times_us),
        relay_seq=dice.pick(pools.relay_seqs),
        seen_us=dice.pick(pools.seen_us),
    )


def _account(pools: Pools, dice: Dice) -> Account:
    active = not dice.happens(45)
    return Account(
        did=dice.pick(pools.dids),
        active=active,
        status=None if active and not dice.happens(10) else dice.pick(pools.statuses),
        time_us=dice.pick(pools.times_us),
        relay_seq=dice.pick(pools.relay_seqs),
        seen_us=dice.pick(pools.seen_us),
    )


def _sync(pools: Pools, dice: Dice) -> Sync:
    rev = min(dice.pick(pools.revs), dice.pick(pools.revs))
    return Sync(did=dice.pick(pools.dids), rev=rev, seen_us=dice.pick(pools.seen_us))


_MARKERS: Final[tuple[Callable[[Pools, Dice], Event], ...]] = (_identity, _account, _account, _sync)


def _echo(plan: _Plan, dice: Dice, event: Event) -> Event:
    seen_us = dice.pick((event.seen_us, *plan.pools.seen_us))
    if isinstance(event, Commit) and event.collection in plan.by_collection:
        return dice.pick(_ECHOES)(plan, dice, event, seen_us)
    if isinstance(event, Account) and dice.happens(60):
        return evolve(event, active=not event.active, status=dice.pick(plan.pools.statuses), seen_us=seen_us)
    return evolve(event, seen_us=seen_us)


def _again(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    return evolve(commit, seen_us=seen_us)


def _other_key(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    rkeys = plan.by_collection[commit.collection].rkeys
    return evolve(commit, rkey=dice.pick(rkeys), rev=dice.pick(plan.pools.revs), seen_us=seen_us)


def _other_cid(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    cid = dice.pick(plan.pools.cids)
    return evolve(commit, cid="" if commit.record is None else cid, seen_us=seen_us)


def _other_record(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    if commit.record is None:
        return evolve(commit, seen_us=seen_us)
    record = plan.by_collection[commit.collection].record(dice, commit.did, commit.rkey)
    return evolve(commit, record=record, seen_us=seen_us)


def _deleted(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    rev = dice.pick(plan.pools.revs)
    return evolve(commit, operation="delete", rev=rev, cid="", record=None, seen_us=seen_us)


def _other_write(plan: _Plan, dice: Dice, commit: Commit, seen_us: int) -> Commit:
    operation = dice.pick(_OTHER_OPERATION[commit.operation])
    if operation == "delete":
        return evolve(commit, operation=operation, cid="", record=None, seen_us=seen_us)
    record = plan.by_collection[commit.collection].record(dice, commit.did, commit.rkey)
    return evolve(commit, operation=operation, cid=dice.pick(plan.pools.cids), record=record, seen_us=seen_us)


_ECHOES: Final = (_again, _other_key, _deleted, _other_write, _other_key, _other_cid, _deleted, _other_record)

_OTHER_OPERATION: Final[Mapping[str, tuple[Literal["create", "update", "delete"], ...]]] = {
    "create": ("update", "update", "delete"),
    "update": ("create", "delete"),
    "delete": ("create", "create", "update"),
}
