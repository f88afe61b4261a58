"""
What can be said of a batch without the store: which events are ours, what they write, and whether that is valid.

It is a third of the work and needs nobody else, so it may be done before the writer's turn comes, or in another
process while the batch before it is committed.
"""

from collections.abc import Iterable, Mapping
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
    held: dict[str, bool] = {}
    for item in batch:
        if isinstance(item, Commit):
            ours = held.get(item.collection)
            if ours is None:
                ours = held[item.collection] = given.schema.holds(item.collection)
            if ours:
                prepared.writes.append(_write(given, item))
            else:
                prepared.other += 1
        elif isinstance(item, BadEvent):
            prepared.bad.append(item)
        elif isinstance(item, Control):
            prepared.control += 1
        else:
            prepared.others.append(item)
    return prepared


def _write(given: Given, commit: Commit) -> Write:
    written = register(commit)
    judge = given.judges.get(commit.collection)
    if judge is None or commit.record is None:
        return Write(written, None, ())
    verdict = judge.verdict(commit.did, commit.rkey, commit.record, plain=commit.plain)
    if verdict.faults:
        return Write(written, None, judged(judge, written).faults)
    return Write(written, given.shares.of(live(given.schema.keys, written, verdict.record)), ())


def judged(judge: Judge, it: Register) -> Verdict:
    """Return the verdict on the record as it is kept, so that the order of its keys on the wire shows nowhere."""
    return judge.verdict(it.did, it.rkey, loads((it.record or "").encode()))
