"""
The fold: from what a batch says to the rows every table has then.

    writes -> registers (which write stands) -> records that moved (what was live, what is) -> views, sources first

Each step asks the store for the rows it stands on and says what they become; nothing is written until all is known,
and then all at once, with the cursor. The cost is that of the batch, whatever the index holds.

What one event does to many rows (an account hidden or restored, a repo re-stated) is left as a job; see
`strandline.jobs`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import Factory, define

from strandline.delta import (
    DORMANT,
    Moved,
    attach_rows,
    effective_rows,
    elections,
    needs_heir,
    row_sums,
    seat_of,
    sum_rows,
)
from strandline.event import Account, Identity, Sync, canonical
from strandline.judge import Verdict
from strandline.ports import Changes, Key, Transaction
from strandline.prepare import Given, Prepared, Write, judged
from strandline.register import (
    REGISTER,
    REPO,
    Register,
    Repo,
    is_live,
    join,
    join_account,
    join_identity,
)
from strandline.schema import Attach, Column, Effective, Index, Keys, Live, Row, Rows, Schema, Table, Type

__all__ = ["JOB", "QUARANTINE", "Folded", "fold", "live", "quarantined", "view_changes"]

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


NO_RECORD: Final = Verdict(None, ())


@define
class Folded:
    """
    What a batch comes to.

    Attributes:
        changes: The new rows, by table.
        applied: How many events changed what stands.
        stale: How many changed nothing: repeated, or older than what stands.
        quarantined: How many records came to stand invalid, by the rule of their first fault.
        jobs: Dids of repos that a job now waits for.
    """

    changes: dict[str, dict[Key, Row | None]] = Factory(dict)
    applied: int = 0
    stale: int = 0
    quarantined: Counter[str] = Factory(Counter)
    jobs: list[str] = Factory(list)

    def put(self, changes: Changes) -> None:
        """Add new rows."""
        for table, rows in changes.items():
            if rows:
                self.changes.setdefault(table, {}).update(rows)


async def fold(transaction: Transaction, given: Given, batch: Prepared) -> Folded:
    """
    Return what a batch comes to, given what the store holds; nothing is written.

    No repo of the batch may have a job waiting: those are finished first.
    """
    folded = Folded()
    loaded = await transaction.load(REPO.name, [(did,) for did in batch.dids])
    repos = {did: Repo._make(row) for (did,), row in loaded.items()}
    _fold_repos(batch.others, repos, folded)
    moved = await _fold_writes(transaction, given, batch.writes, repos, folded)
    folded.put(await view_changes(transaction, given.schema, moved))
    return folded


def _fold_repos(events: Iterable[Identity | Account | Sync], known: Mapping[str, Repo], folded: Folded) -> None:
    repos: dict[str, Repo] = {}
    for event in events:
        old = repos.get(event.did) or known.get(event.did) or Repo(event.did)
        new = _join_repo(old, event)
        if new == old:
            folded.stale += 1
        else:
            folded.applied += 1
            repos[event.did] = new
    was = {did: known.get(did) or Repo(did) for did in repos}
    folded.jobs = [did for did, repo in repos.items() if _standing(repo) != _standing(was[did])]
    folded.put({REPO.name: {(did,): tuple(repo) for did, repo in repos.items()}})
    folded.put({JOB.name: {(did,): (did, *_standing(was[did]), "", "", "") for did in folded.jobs}})


def _join_repo(repo: Repo, event: Identity | Account | Sync) -> Repo:
    if isinstance(event, Account):
        return join_account(repo, event)
    if isinstance(event, Identity):
        return join_identity(repo, event)
    return repo._replace(floor=max(repo.floor, event.rev))


def _standing(repo: Repo) -> tuple[int, str]:
    return int(repo.active == 0), repo.floor


async def _fold_writes(
    transaction: Transaction, given: Given, writes: Sequence[Write], repos: Mapping[str, Repo], folded: Folded
) -> dict[str, list[Moved]]:
    paths = {write.register[:3] for write in writes}
    known = {path: Register._make(row) for path, row in (await transaction.load(REGISTER.name, paths)).items()}
    fresh, told = _stand(given.schema, writes, known, folded)
    invalid = await transaction.load(QUARANTINE.name, [key for key in fresh if key in known])
    moved: dict[str, list[Moved]] = {}
    refused: dict[Key, Row | None] = {}
    keys = given.schema.keys
    for key, new in fresh.items():
        judge = given.judges.get(new.collection)
        if judge is None:
            continue
        old, repo = known.get(key), repos.get(new.did)
        was = old if old is not None and is_live(old, repo, key in invalid) else None
        verdict = told.get(key)
        if verdict is None:
            verdict = NO_RECORD if new.record is None else judged(judge, new)
        if verdict.faults:
            refused[key] = quarantined(new, verdict)
            folded.quarantined[verdict.faults[0].rule] += key not in invalid
        elif key in invalid:
            refused[key] = None
        now = verdict.record is not None and is_live(new, repo, False)
        if was is not None or now:
            before = was and live(keys, was, judge.typed(was.record or ""))
            pair = (before, live(keys, new, verdict.record) if now else None)
            moved.setdefault(new.collection, []).append(pair)
    folded.put({REGISTER.name: fresh, QUARANTINE.name: refused})
    return moved


def _stand(
    schema: Schema, writes: Iterable[Write], known: Mapping[Key, Register], folded: Folded
) -> tuple[dict[Key, Register], dict[Key, Verdict]]:
    fresh: dict[Key, Register] = {}
    told: dict[Key, Verdict] = {}
    keep = {collection: kind.kept for collection, kind in schema.kind_of.items()}
    for new, verdict in writes:
        key = new[:3]
        old = fresh.get(key) or known.get(key)
        stands = join(old, new, keep.get(new.collection))
        if stands == old:
            folded.stale += 1
            continue
        folded.applied += 1
        fresh[key] = stands
        if verdict is not None and stands.record is new.record:
            told[key] = verdict
        else:
            told.pop(key, None)
    return fresh, told


def quarantined(it: Register, verdict: Verdict) -> Row:
    """Return the quarantine's row for a standing put that is not valid."""
    faults = [{"path": fault.path, "rule": fault.rule, "message": fault.message} for fault in verdict.faults]
    return (it.rkey, it.collection, it.did, canonical(faults).decode())


def live(keys: Keys, it: Register, record: object) -> Live:
    """Return a live register as views see it."""
    return Live(
        it.did,
        it.collection,
        it.rkey,
        it.cid,
        it.rev,
        it.rank == 2,
        it.seen_us,
        it.first_seen_us or 0,
        record,
        it.record or "",
        keys.at(it.rkey, it.collection, it.did),
    )


async def view_changes(transaction: Transaction, schema: Schema, moved: Mapping[str, Sequence[Moved]]) -> Changes:
    """
    Return the new rows of every view, given the records that moved, by collection.

    A record may stand in `moved` once, and rows of no table are asked for twice.
    """
    told: dict[str, Sequence[Moved]] = dict(moved)
    changes: dict[str, dict[Key, Row | None]] = {DORMANT.name: {}}
    for view in schema.views:
        if not any(told.get(name) or changes.get(name) for name in view.inputs):
            continue
        if isinstance(view, Rows):
            sums = row_sums(view, schema.keys, told)
            known = await transaction.load(view.name, sums)
            rows = sum_rows(sums, known)
        elif isinstance(view, Effective):
            known, rows = await _elect(transaction, schema.keys, view, told.get(view.kind, ()), changes[DORMANT.name])
        else:
            known, rows = await _attach(transaction, schema.keys, view, told.get(view.kind, ()), changes)
        changes[view.name] = rows
        if view.name in schema.followed:
            named = view.table.row
            told[view.name] = [
                (named(known[key]) if key in known else None, None if row is None else named(row))
                for key, row in rows.items()
            ]
    return changes


async def _elect(
    transaction: Transaction, keys: Keys, view: Effective, moved: Sequence[Moved], dormant: dict[Key, Row | None]
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    pairs = elections(view, keys, moved)
    known = await transaction.load(view.name, pairs)
    orphaned = {seat_of(view, pair): pair for pair, it in pairs.items() if needs_heir(it, known.get(pair))}
    heirs: dict[Key, list[Row]] = {}
    if orphaned:
        each = 1 + max(len(pairs[pair].left) for pair in orphaned.values())
        for row in await transaction.page(
            DORMANT.name, "by_pair", list(orphaned), limit=each * len(orphaned), each=each
        ):
            heirs.setdefault(orphaned[row[:3]], []).append(row)
    elected = effective_rows(view, pairs, known, heirs)
    dormant.update(elected.dormant)
    return known, elected.rows


async def _attach(
    transaction: Transaction, keys: Keys, view: Attach, moved: Sequence[Moved], changes: Changes
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    records = {_key(view, old or new): (old, new) for old, new in moved}
    sums: dict[Key, Row | None] = {}
    if view.carries is not None:
        carried = changes.get(view.carries.name, {})
        sums.update((key, row) for key, row in carried.items() if key in records or _may_hold(view, keys, key))
        sums.update(await transaction.load(view.carries.name, [key for key in records if key not in carried]))
    known = await transaction.load(
        view.name, [key for key in {**records, **sums} if key not in records or records[key][0]]
    )
    rows = attach_rows(view, keys, records, sums, known)
    return known, {key: row for key, row in rows.items() if row is not None or key in known}


def _key(view: Attach, it: Live) -> Key:
    return (it.key if view.by == "record" else it.did,)


def _may_hold(view: Attach, keys: Keys, key: Key) -> bool:
    return view.by == "repo" or f"/{keys.names[view.kind]}/" in key[0]
