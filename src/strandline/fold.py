"""
The fold: from what a batch says to the rows every table has then.

    events -> registers (which write stands) -> records that moved (what was live, what is) -> views, sources first

Each step asks the store for the rows it stands on and says what they become; nothing is written until all is known,
and then all at once, with the cursor. The cost is that of the batch, whatever the index holds.

What one event does to many rows (an account hidden or restored, a repo re-stated) is left as a job; see
`strandline.jobs`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from attrs import Factory, define

from strandline.delta import (
    DORMANT,
    Moved,
    attach_rows,
    effective_rows,
    elections,
    needs_heir,
    row_sums,
    sum_rows,
)
from strandline.event import Account, Commit, Event, Identity, Sync, canonical
from strandline.judge import Judge, Verdict
from strandline.ports import Changes, Key, Store
from strandline.register import (
    REGISTER,
    REPO,
    Register,
    Repo,
    is_live,
    join,
    join_account,
    join_identity,
    register,
)
from strandline.schema import Attach, Column, Effective, Index, Keys, Live, Row, Rows, Schema, Table, Type
from strandline.wirejson import loads

__all__ = ["JOB", "QUARANTINE", "Folded", "Given", "fold", "live", "quarantined", "view_changes"]

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
class Given:
    """What a fold is told besides its events: the schema, and the judge of each of its collections."""

    schema: Schema
    judges: Mapping[str, Judge]


@define
class Folded:
    """
    What a batch comes to.

    Attributes:
        changes: The new rows, by table.
        applied: How many events changed what stands.
        stale: How many changed nothing: repeated, or older than what stands.
        other: How many commits were to collections outside the schema's namespaces.
        quarantined: How many records came to stand invalid, by the rule of their first fault.
        jobs: Dids of repos that a job now waits for.
    """

    changes: dict[str, dict[Key, Row | None]] = Factory(dict)
    applied: int = 0
    stale: int = 0
    other: int = 0
    quarantined: Counter[str] = Factory(Counter)
    jobs: list[str] = Factory(list)

    def put(self, changes: Changes) -> None:
        """Add new rows."""
        for table, rows in changes.items():
            if rows:
                self.changes.setdefault(table, {}).update(rows)


async def fold(store: Store, given: Given, events: Iterable[Event]) -> Folded:
    """
    Return what a batch of events comes to, given what the store holds; nothing is written.

    No repo of the batch may have a job waiting: those are finished first.
    """
    folded = Folded()
    commits, others = _sort_out(given.schema, events, folded)
    dids = {event.did for event in commits} | {event.did for event in others}
    repos = {did: Repo(*row) for (did,), row in (await store.load(REPO.name, [(did,) for did in dids])).items()}
    _fold_repos(others, repos, folded)
    moved = await _fold_commits(store, given, commits, repos, folded)
    folded.put(await view_changes(store, given.schema, moved))
    return folded


def _sort_out(
    schema: Schema, events: Iterable[Event], folded: Folded
) -> tuple[list[Commit], list[Identity | Account | Sync]]:
    commits: list[Commit] = []
    others: list[Identity | Account | Sync] = []
    held: dict[str, bool] = {}
    for event in events:
        if not isinstance(event, Commit):
            others.append(event)
            continue
        if event.collection not in held:
            held[event.collection] = schema.holds(event.collection)
        if held[event.collection]:
            commits.append(event)
        else:
            folded.other += 1
    return commits, others


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


async def _fold_commits(
    store: Store, given: Given, commits: Sequence[Commit], repos: Mapping[str, Repo], folded: Folded
) -> dict[str, list[Moved]]:
    paths = {(commit.rkey, commit.collection, commit.did) for commit in commits}
    known = {path: Register._make(row) for path, row in (await store.load(REGISTER.name, paths)).items()}
    fresh, told = _stand(given.schema, commits, known, folded)
    invalid = await store.load(QUARANTINE.name, [key for key in fresh if key in known])
    moved: dict[str, list[Moved]] = {}
    refused: dict[Key, Row | None] = {}
    keys = given.schema.keys
    for key, new in fresh.items():
        judge = given.judges.get(new.collection)
        if judge is None:
            continue
        old, repo = known.get(key), repos.get(new.did)
        was = old if old is not None and is_live(old, repo, key in invalid) else None
        verdict = Verdict(None, ())
        commit = told.get(key)
        if commit is not None and commit.record is not None:
            verdict = judge.verdict(new.did, new.rkey, commit.record, plain=commit.plain)
        elif new.record is not None:
            verdict = judge.verdict(new.did, new.rkey, loads(new.record.encode()))
        if verdict.faults:  # told of the record as it is kept, so that the order of its keys on the wire shows nowhere
            verdict = judge.verdict(new.did, new.rkey, loads((new.record or "").encode()))
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
    schema: Schema, commits: Iterable[Commit], known: Mapping[Key, Register], folded: Folded
) -> tuple[dict[Key, Register], dict[Key, Commit]]:
    fresh: dict[Key, Register] = {}
    told: dict[Key, Commit] = {}
    keep = {collection: kind.kept for collection, kind in schema.kind_of.items()}
    for commit in commits:
        key = (commit.rkey, commit.collection, commit.did)
        old, new = fresh.get(key) or known.get(key), register(commit)
        stands = join(old, new, keep.get(commit.collection))
        if stands == old:
            folded.stale += 1
            continue
        folded.applied += 1
        fresh[key] = stands
        if stands.record is new.record:
            told[key] = commit
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


async def view_changes(store: Store, schema: Schema, moved: Mapping[str, Sequence[Moved]]) -> Changes:
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
            known = await store.load(view.name, sums)
            rows = sum_rows(sums, known)
        elif isinstance(view, Effective):
            known, rows = await _elect(store, schema.keys, view, told.get(view.kind, ()), changes[DORMANT.name])
        else:
            known, rows = await _attach(store, schema.keys, view, told.get(view.kind, ()), changes)
        changes[view.name] = rows
        if view.name in schema.followed:
            named = view.table.row
            told[view.name] = [
                (named(known[key]) if key in known else None, None if row is None else named(row))
                for key, row in rows.items()
            ]
    return changes


async def _elect(
    store: Store, keys: Keys, view: Effective, moved: Sequence[Moved], dormant: dict[Key, Row | None]
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    pairs = elections(view, keys, moved)
    known = await store.load(view.name, pairs)
    orphaned = {(view.name, *pair): len(it.left) + 1 for pair, it in pairs.items() if needs_heir(it, known.get(pair))}
    heirs: dict[Key, list[Row]] = {}
    if orphaned:
        each = max(orphaned.values())
        for row in await store.page(DORMANT.name, "by_pair", list(orphaned), limit=each * len(orphaned), each=each):
            heirs.setdefault(row[1:3], []).append(row)
    elected = effective_rows(view, pairs, known, heirs)
    dormant.update(elected.dormant)
    return known, elected.rows


async def _attach(
    store: Store, keys: Keys, view: Attach, moved: Sequence[Moved], changes: Changes
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    records = {_key(view, old or new): (old, new) for old, new in moved}
    sums: dict[Key, Row | None] = {}
    if view.carries is not None:
        carried = changes.get(view.carries.name, {})
        sums.update((key, row) for key, row in carried.items() if key in records or _may_hold(view, keys, key))
        sums.update(await store.load(view.carries.name, [key for key in records if key not in carried]))
    known = await store.load(view.name, [key for key in {**records, **sums} if key not in records or records[key][0]])
    rows = attach_rows(view, keys, records, sums, known)
    return known, {key: row for key, row in rows.items() if row is not None or key in known}


def _key(view: Attach, it: Live) -> Key:
    return (it.key if view.by == "record" else it.did,)


def _may_hold(view: Attach, keys: Keys, key: Key) -> bool:
    return view.by == "repo" or f"/{keys.names[view.kind]}/" in key[0]
