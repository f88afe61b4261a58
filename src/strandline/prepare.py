"""
What can be said of a batch without the store: which events are ours, what they write, and whether that is valid.

It is a third of the work and needs nobody else, so it may be done before the writer's turn comes, or in another
process while the batch before it is committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from attrs import Factory, define

from strandline.event import Account, BadEvent, Commit, Control, Decoded, Identity, Sync
from strandline.judge import Judge, Verdict
from strandline.lexicon.fault import Fault
from strandline.register import Register, register
from strandline.schema import Schema
from strandline.shares import Share, Shares, live
from strandline.wirejson import loads

__all__ = ["Given", "Prepared", "Write", "judged", "prepare"]


@define
class Given:
    """What a fold is told besides its events: the schema, the judge of each of its collections, and who gets what."""

    schema: Schema
    judges: Mapping[str, Judge]
    shares: Shares = Factory(lambda self: Shares(self.schema.keys, self.schema.views), takes_self=True)


class Write(NamedTuple):
    """
    A commit.

    Attributes:
        register: Its register.
        share: What its record gives to the views if it stands, is live and was never seen before; None for a delete,
            for an invalid record and for a kind that is not judged.
        faults: Why its record is not valid.
    """

    register: Register
    share: Share | None
    faults: tuple[Fault, ...]


@define
class Prepared:
    """
    A batch, ready to be folded.

    Attributes:
        writes: The commits to our collections, in their order.
        others: What was said of whole repos, in its order.
        bad: The bad lines.
        other: How many commits were to collections outside the schema's namespaces.
        control: How many control frames there were.
    """

    writes: list[Write] = Factory(list)
    others: list[Identity | Account | Sync] = Factory(list)
    bad: list[BadEvent] = Factory(list)
    other: int = 0
    control: int = 0

    def __len__(self) -> int:
        return len(self.writes) + len(self.others) + len(self.bad) + self.other + self.control

    def extend(self, other: "Prepared") -> None:
        """Add what comes after."""
        self.writes += other.writes
        self.others += other.others
        self.bad += other.bad
        self.other += other.other
        self.control += other.control

    @property
    def dids(self) -> list[str]:
        """The repos that it concerns, each once."""
        told = (write.register.did for write in self.writes)
        return list(dict.fromkeys([*told, *(event.did for event in self.others)]))


def prepare(given: Given, batch: Iterable[Decoded]) -> Prepared:
    """Return a batch of decoded lines, ready to be folded."""
    prepared = Prepared()
    commits: list[Commit] = []
    held: dict[str, bool] = {}
    for item in batch:
        if isinstance(item, Commit):
            ours = held.get(item.collection)
            if ours is None:
                ours = held[item.collection] = given.schema.holds(item.collection)
            if ours:
                commits.append(item)
            else:
                prepared.other += 1
        elif isinstance(item, BadEvent):
            prepared.bad.append(item)
        elif isinstance(item, Control):
            prepared.control += 1
        else:
            prepared.others.append(item)
    prepared.writes = _writes(given, commits)
    return prepared


def _writes(given: Given, commits: Sequence[Commit]) -> list[Write]:
    """Return what commits write: each step for all of them before the next, which a processor likes better."""
    registers = [register(commit) for commit in commits]
    verdicts = [_verdict(given, commit) for commit in commits]
    return [_write(given, *told) for told in zip(registers, verdicts, strict=True)]


def _verdict(given: Given, commit: Commit) -> Verdict | None:
    judge = given.judges.get(commit.collection)
    if judge is None or commit.record is None:
        return None
    return judge.verdict(commit.did, commit.rkey, commit.record, plain=commit.plain)


def _write(given: Given, it: Register, verdict: Verdict | None) -> Write:
    if verdict is None:
        return Write(it, None, ())
    if verdict.faults:
        return Write(it, None, judged(given.judges[it.collection], it).faults)
    return Write(it, given.shares.of(live(given.schema.keys, it, verdict.record)), ())


def judged(judge: Judge, it: Register) -> Verdict:
    """Return the verdict on the record as it is kept, so that the order of its keys on the wire shows nowhere."""
    return judge.verdict(it.did, it.rkey, loads((it.record or "").encode()))
