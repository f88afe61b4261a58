"""
What can be said of a batch without the store: which events are ours, what they write, and whether that is valid.

It is more than half of the work and needs nobody else, so it may be done before the writer's turn comes, or in another
process while the batch before it is committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from attrs import Factory, define

from strandline.draft import Draft, draft_of
from strandline.event import Account, BadEvent, Commit, Control, Decoded, Identity, Sync
from strandline.judge import Judge, Verdict
from strandline.lexicon.fault import Fault
from strandline.ports import Key
from strandline.register import Register, join, joined, register
from strandline.schema import Row, Schema
from strandline.shares import Share, Shares, live
from strandline.wirejson import loads

__all__ = ["Given", "Prepared", "judged", "prepare"]

PIECE: Final = 2000
"""Lines of a batch that are worked on at a time: only what they give is kept, and lines are greater."""


@define
class Given:
    """What a fold is told besides its events: the schema, the judge of each of its collections, and who gets what."""

    schema: Schema
    judges: Mapping[str, Judge]
    shares: Shares = Factory(lambda self: Shares(self.schema.keys, self.schema.views), takes_self=True)


@define
class Prepared:
    """
    A batch, ready to be folded.

    Attributes:
        registers: What stands at each path that it writes, if nothing was known of it, by key.
        repeated: The registers of all its writes, in their order, for paths that it writes more than once.
        refused: Why what stands there is not valid, for those of its paths.
        draft: What its live records give to the views if nothing was known of it.
        dids: The repos that it concerns, each once.
        others: What was said of whole repos, in its order.
        bad: The bad lines.
        commits: How many commits to our collections there were.
        applied: How many of these change what stands, if nothing was known.
        other: How many commits were to collections outside the schema's namespaces.
        control: How many control frames there were.
    """

    registers: dict[Key, Row] = Factory(dict)
    repeated: dict[Key, list[Register]] = Factory(dict)
    refused: dict[Key, tuple[Fault, ...]] = Factory(dict)
    draft: Draft = Factory(Draft)
    dids: list[str] = Factory(list)
    others: list[Identity | Account | Sync] = Factory(list)
    bad: list[BadEvent] = Factory(list)
    commits: int = 0
    applied: int = 0
    other: int = 0
    control: int = 0

    def __len__(self) -> int:
        return self.commits + len(self.others) + len(self.bad) + self.other + self.control


@define
class _Found:
    """What a batch writes to one path: what stands, why that is not valid, and what it gives if it is."""

    register: Register
    faults: tuple[Fault, ...]
    share: Share | None


def prepare(given: Given, batch: Iterable[Decoded]) -> Prepared:
    """Return a batch of decoded lines, ready to be folded; it is gone through piece by piece."""
    prepared = Prepared()
    found: dict[Key, _Found] = {}
    lines = iter(batch)
    while piece := [*islice(lines, PIECE)]:
        commits = _sorted_out(given, piece, prepared)
        prepared.commits += len(commits)
        for it in _found(given, commits):
            _join(given, it, found, prepared.repeated)
    prepared.dids = list(dict.fromkeys([*(key[3] for key in found), *(event.did for event in prepared.others)]))
    live: dict[str, list[Share]] = {}
    for key in sorted(found):
        it = found[key]
        prepared.registers[key] = it.register
        if it.faults:
            prepared.refused[key] = it.faults
        elif it.share is not None:
            live.setdefault(it.register.collection, []).append(it.share)
    keeps = given.schema.keeps
    again = sum(joined(None, writes, keeps.get(key[2]))[1] - 1 for key, writes in prepared.repeated.items())
    prepared.applied = len(found) + again
    prepared.draft = draft_of(given.schema, given.shares, live)
    return prepared


def _sorted_out(given: Given, piece: Iterable[Decoded], prepared: Prepared) -> list[Commit]:
    """Return the commits that are ours; put the rest where it belongs."""
    commits: list[Commit] = []
    held: dict[str, bool] = {}
    for item in piece:
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
    return commits


def _found(given: Given, commits: Sequence[Commit]) -> list[_Found]:
    """Return what commits write: each step for all of them before the next, which a processor likes better."""
    registers = [register(commit) for commit in commits]
    verdicts = [_verdict(given, commit) for commit in commits]
    return [_weighed(given, it, verdict) for it, verdict in zip(registers, verdicts, strict=True)]


def _verdict(given: Given, commit: Commit) -> Verdict | None:
    judge = given.judges.get(commit.collection)
    if judge is None or commit.record is None:
        return None
    return judge.verdict(commit.did, commit.rkey, commit.record, plain=commit.plain)


def _weighed(given: Given, it: Register, verdict: Verdict | None) -> _Found:
    if verdict is None:
        return _Found(it, (), None)
    if verdict.faults:
        return _Found(it, judged(given.judges[it.collection], it).faults, None)
    return _Found(it, (), given.shares.of(live(given.schema.keys, it, verdict.record)))


def _join(given: Given, it: _Found, found: dict[Key, _Found], repeated: dict[Key, list[Register]]) -> None:
    """Join what one more commit writes to what those before it wrote."""
    key = it.register[:4]
    before = found.get(key)
    if before is None:
        found[key] = it
        return
    repeated.setdefault(key, [before.register]).append(it.register)
    stands = join(before.register, it.register, given.schema.keeps.get(key[2]))
    if stands == it.register:
        found[key] = it
    elif stands != before.register:
        judge = given.judges.get(it.register.collection)
        verdict = None if judge is None or stands.record is None else judged(judge, stands)
        found[key] = _weighed(given, stands, verdict)


def judged(judge: Judge, it: Register) -> Verdict:
    """Return the verdict on the record as it is kept, so that the order of its keys on the wire shows nowhere."""
    return judge.verdict(it.did, it.rkey, loads((it.record or "").encode()))
