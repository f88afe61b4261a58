"""
The fold: from what a batch says to the rows every table has then.

    writes -> registers (which write stands) -> records that moved (what was live, what is) -> views, sources first

Each step asks the store for the rows it stands on and says what they become; nothing is written until all is known,
and then all at once, with the cursor. The cost is that of the batch, whatever the index holds.

What one event does to many rows (an account hidden or restored, a repo re-stated) is left as a job; see
`strandline.jobs`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import Factory, define

from strandline.delta import Moved
from strandline.event import Account, Identity, Sync, canonical
from strandline.judge import Judge
from strandline.lexicon.fault import Fault
from strandline.ports import Changes, Key, Transaction
from strandline.prepare import Given, Prepared, judged
from strandline.register import (
    REGISTER,
    REPO,
    Register,
    Repo,
    is_live,
    join_account,
    join_identity,
    joined,
)
from strandline.schema import Column, Index, Row, Schema, Table, Type
from strandline.shares import Share, live
from strandline.views import asked_of_views, view_changes

__all__ = ["JOB", "QUARANTINE", "Folded", "asked", "fold", "quarantined", "repo_before"]

QUARANTINE = Table(
    "quarantine",
    (Column("rkey"), Column("collection"), Column("did"), Column("faults", Type.JSON)),
    key_size=3,
)
"""The standing puts that are not valid, and why: a JSON list of {path, rule, message}."""

JOB = Table(
    "job",
    (
        Column("did"),
        Column("hidden", Type.FLAG),
        Column("floor"),
        Column("after_rkey"),
        Column("after_collection"),
        Column("after_did"),
    ),
    indexes=(Index("all", order=("did",), descending=False, total=True),),
)
"""Repos whose registers are being moved from what they were (`hidden`, `floor`) to what they are, and how far."""


@define
class Folded:
    """
    What a batch comes to.

    Attributes:
        changes: The new rows, by table.
        applied: How many events changed what stands.
        stale: How many changed nothing: repeated, or older than what stands.
        quarantined: How many records came to stand invalid, by the rule of their first fault.
    """

    changes: dict[str, dict[Key, Row | None]] = Factory(dict)
    applied: int = 0
    stale: int = 0
    quarantined: Counter[str] = Factory(Counter)

    def put(self, changes: Changes) -> None:
        """Add new rows."""
        for table, rows in changes.items():
            if rows:
                self.changes.setdefault(table, {}).update(rows)


def asked(given: Given, batch: Prepared) -> Mapping[str, Collection[Key]]:
    """Return the keys at which the fold of a batch asks for rows, by table: most of them, and before its turn."""
    dids = [(did,) for did in batch.dids]
    return {REPO.name: dids, REGISTER.name: batch.registers, **asked_of_views(given, batch.draft)}


async def fold(
    transaction: Transaction,
    given: Given,
    batch: Prepared,
    beside: Mapping[str, Sequence[Moved]] | None = None,
    left: Mapping[str, Row] | None = None,
) -> Folded:
    """
    Return what a batch comes to, given what the store holds; nothing is written.

    Args:
        transaction: Tells what the store holds.
        given: The schema, its judges and shares.
        batch: What is to be folded.
        beside: The records that jobs move in the same commit, before the batch, by collection.
        left: The jobs of its repos that wait, by did; none is begun.
    """
    folded, left = Folded(), left or {}
    loaded = await transaction.load(REPO.name, [(did,) for did in batch.dids])
    repos = {did: Repo._make(row) for (did,), row in loaded.items()}
    _fold_repos(batch.others, repos, left, folded)
    repos |= {did: repo_before(job) for did, job in left.items()}
    moved, wrong = await _fold_writes(transaction, given, batch, repos, folded)
    for collection, pairs in (beside or {}).items():
        moved[collection] = _one_after_the_other(pairs, moved.get(collection, ()))
    folded.put(await view_changes(transaction, given, moved, batch.draft, wrong))
    return folded


def _one_after_the_other(first: Sequence[Moved], then: Sequence[Moved]) -> list[Moved]:
    """Return how records moved that moved twice, each once; what came and went in between did not move."""
    began = {_record(pair): pair for pair in first}
    both = [(began.pop(_record(pair), pair)[0], pair[1]) for pair in then]
    return [*began.values(), *(pair for pair in both if pair != (None, None))]


def _record(pair: Moved) -> str:
    share: Share = pair[0] or pair[1]
    return share.key


def repo_before(job: Row) -> Repo:
    """Return a repo as it was when it got a job, as far as that tells which of its records are live."""
    return Repo(job[0], active=0 if job[1] else 1, floor=job[2])


def _fold_repos(
    events: Iterable[Identity | Account | Sync], known: Mapping[str, Repo], left: Mapping[str, Row], folded: Folded
) -> None:
    repos: dict[str, Repo] = {}
    for event in events:
        old = repos.get(event.did) or known.get(event.did) or Repo(event.did)
        new = _join_repo(old, event)
        if new == old:
            folded.stale += 1
        else:
            folded.applied += 1
            repos[event.did] = new
    jobs: dict[Key, Row | None] = {}
    for did, repo in repos.items():
        was = repo_before(left[did]) if did in left else known.get(did) or Repo(did)
        if _standing(repo) != _standing(was):
            jobs[did,] = (did, *_standing(was), "", "", "")
        elif did in left:
            jobs[did,] = None
    folded.put({REPO.name: {(did,): tuple(repo) for did, repo in repos.items()}, JOB.name: jobs})


def _join_repo(repo: Repo, event: Identity | Account | Sync) -> Repo:
    if isinstance(event, Account):
        return join_account(repo, event)
    if isinstance(event, Identity):
        return join_identity(repo, event)
    return repo._replace(floor=max(repo.floor, event.rev))


def _standing(repo: Repo) -> tuple[int, str]:
    return int(repo.active == 0), repo.floor


async def _fold_writes(
    transaction: Transaction, given: Given, batch: Prepared, repos: Mapping[str, Repo], folded: Folded
) -> tuple[dict[str, list[Moved]], dict[str, list[Share]]]:
    """Return how records moved of which the draft does not tell, and the shares of the draft that did not come."""
    known = await transaction.load(REGISTER.name, batch.registers)
    odd = {did: repo for did, repo in repos.items() if repo.active == 0 or repo.floor}
    fresh: dict[Key, Row | None] = dict(batch.registers)
    refused: dict[Key, Row | None] = {}
    doubtful = (
        [key for key, row in batch.registers.items() if key in known or _cannot_be_live(row, odd)] if odd else [*known]
    )
    invalid = await transaction.load(QUARANTINE.name, [key[1:] for key in known])
    for key in batch.refused.keys() - set(doubtful):
        _refuse(Register._make(batch.registers[key]), batch.refused[key], refused, folded)
    folded.applied += batch.applied
    folded.stale += batch.commits - batch.applied
    moved: dict[str, list[Moved]] = {}
    wrong: dict[str, list[Share]] = {}
    for key in doubtful:
        told, row = Register._make(batch.registers[key]), known.get(key)
        old = None if row is None else Register._make(row)
        judge, faults, path = given.judges.get(told.collection), batch.refused.get(key, ()), told.path
        if judge is not None and told.record is not None and not faults:
            wrong.setdefault(told.collection, []).append(_shared(given, judge, told))
        new = _stand(given.schema, batch, key, old, folded)
        if new is None:
            del fresh[key]
            continue
        fresh[key] = new
        if judge is None:
            continue
        was = old is not None and is_live(old, repos.get(old.did), path in invalid)
        if new.record != told.record:
            faults = () if new.record is None else judged(judge, new).faults
        if faults:
            _refuse(new, faults, refused, folded)
            folded.quarantined[faults[0].rule] -= path in invalid
        elif path in invalid:
            refused[path] = None
        now = is_live(new, repos.get(new.did), bool(faults))
        if was or now:
            before = _shared(given, judge, old) if old is not None and was else None
            moved.setdefault(new.collection, []).append((before, _shared(given, judge, new) if now else None))
    folded.put({REGISTER.name: fresh, QUARANTINE.name: refused})
    return moved, wrong


def _cannot_be_live(row: Row, odd: Mapping[str, Repo]) -> bool:
    """Tell whether what stands at a path is not live, whatever it is, for what its repo is."""
    it = Register._make(row)
    repo = odd.get(it.did)
    return repo is not None and (repo.active == 0 or it.rev < repo.floor)


def _stand(schema: Schema, batch: Prepared, key: Key, old: Register | None, folded: Folded) -> Register | None:
    """Return what stands at a path, of what is known of it and what the batch writes; None if nothing moved."""
    keep = schema.keeps.get(key[2])
    writes = [Register._make(row) for row in batch.repeated.get(key, (batch.registers[key],))]
    _, alone = joined(None, writes, keep)
    stands, applied = joined(old, writes, keep)
    folded.applied += applied - alone
    folded.stale -= applied - alone
    return stands if applied else None


def _refuse(it: Register, faults: Sequence[Fault], refused: dict[Key, Row | None], folded: Folded) -> None:
    refused[it.path] = quarantined(it, faults)
    folded.quarantined[faults[0].rule] += 1


def _shared(given: Given, judge: Judge, it: Register) -> Share:
    return given.shares.of(live(given.schema.keys, it, judge.typed(it.record or "")))


def quarantined(it: Register, faults: Iterable[Fault]) -> Row:
    """Return the quarantine's row for a standing put that is not valid."""
    told = [{"path": fault.path, "rule": fault.rule, "message": fault.message} for fault in faults]
    return (it.rkey, it.collection, it.did, canonical(told).decode())
