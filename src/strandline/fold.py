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
from strandline.judge import Judge
from strandline.lexicon.fault import Fault
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
from strandline.schema import Attach, Column, Effective, Index, Row, Rows, Schema, Table, Type
from strandline.shares import Share, Shares, live

__all__ = ["JOB", "QUARANTINE", "Folded", "fold", "quarantined", "view_changes"]

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


async def fold(
    transaction: Transaction, given: Given, batch: Prepared, beside: Mapping[str, Sequence[Moved]] | None = None
) -> Folded:
    """
    Return what a batch comes to, given what the store holds; nothing is written.

    No repo of the batch may have a job waiting: those are finished first. `beside` are the records that jobs move in
    the same commit, before the batch, by collection.
    """
    folded = Folded()
    loaded = await transaction.load(REPO.name, [(did,) for did in batch.dids])
    repos = {did: Repo._make(row) for (did,), row in loaded.items()}
    _fold_repos(batch.others, repos, folded)
    moved = await _fold_writes(transaction, given, batch.writes, repos, folded)
    for collection, pairs in (beside or {}).items():
        moved[collection] = _one_after_the_other(pairs, moved.get(collection, ()))
    folded.put(await view_changes(transaction, given, moved))
    return folded


def _one_after_the_other(first: Sequence[Moved], then: Sequence[Moved]) -> list[Moved]:
    """Return how records moved that moved twice, each once; what came and went in between did not move."""
    began = {_record(pair): pair for pair in first}
    both = [(began.pop(_record(pair), pair)[0], pair[1]) for pair in then]
    return [*began.values(), *(pair for pair in both if pair != (None, None))]


def _record(pair: Moved) -> str:
    share: Share = pair[0] or pair[1]
    return share.key


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
    jobs = [did for did, repo in repos.items() if _standing(repo) != _standing(was[did])]
    folded.put({REPO.name: {(did,): tuple(repo) for did, repo in repos.items()}})
    folded.put({JOB.name: {(did,): (did, *_standing(was[did]), "", "", "") for did in jobs}})


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
    keys = {write.register[:4] for write in writes}
    known = {key: Register._make(row) for key, row in (await transaction.load(REGISTER.name, keys)).items()}
    fresh, told = _stand(given.schema, writes, known, folded)
    invalid = await transaction.load(QUARANTINE.name, [key[1:] for key in fresh if key in known])
    moved: dict[str, list[Moved]] = {}
    refused: dict[Key, Row | None] = {}
    for key, new in fresh.items():
        judge = given.judges.get(new.collection)
        if judge is None:
            continue
        old, repo, path = known.get(key), repos.get(new.did), new.path
        was = old is not None and is_live(old, repo, path in invalid)
        faults, share = _weighed(given, judge, new, told.get(key))
        if faults:
            refused[path] = quarantined(new, faults)
            folded.quarantined[faults[0].rule] += path not in invalid
        elif path in invalid:
            refused[path] = None
        now = share if is_live(new, repo, bool(faults)) else None
        if was or now is not None:
            before = _shared(given, judge, old) if old is not None and was else None
            moved.setdefault(new.collection, []).append((before, now))
    folded.put({REGISTER.name: fresh, QUARANTINE.name: refused})
    return moved


def _weighed(given: Given, judge: Judge, it: Register, told: Write | None) -> tuple[tuple[Fault, ...], Share | None]:
    """Return what is wrong with what stands at a path and, if nothing is, what it gives were it live."""
    if it.record is None:
        return (), None
    if told is None:
        verdict = judged(judge, it)
        return verdict.faults, None if verdict.faults else given.shares.of(live(given.schema.keys, it, verdict.record))
    if told.faults or it is told.register:
        return told.faults, told.share
    return (), _shared(given, judge, it)


def _shared(given: Given, judge: Judge, it: Register) -> Share:
    return given.shares.of(live(given.schema.keys, it, judge.typed(it.record or "")))


def _stand(
    schema: Schema, writes: Iterable[Write], known: Mapping[Key, Register], folded: Folded
) -> tuple[dict[Key, Register], dict[Key, Write]]:
    fresh: dict[Key, Register] = {}
    told: dict[Key, Write] = {}
    keep = {collection: kind.kept for collection, kind in schema.kind_of.items()}
    for write in writes:
        new = write.register
        key = new[:4]
        old = fresh.get(key) or known.get(key)
        stands = join(old, new, keep.get(new.collection))
        if stands == old:
            folded.stale += 1
            continue
        folded.applied += 1
        fresh[key] = stands
        if stands.record is new.record:
            told[key] = write
    return fresh, told


def quarantined(it: Register, faults: Iterable[Fault]) -> Row:
    """Return the quarantine's row for a standing put that is not valid."""
    told = [{"path": fault.path, "rule": fault.rule, "message": fault.message} for fault in faults]
    return (it.rkey, it.collection, it.did, canonical(told).decode())


async def view_changes(transaction: Transaction, given: Given, moved: Mapping[str, Sequence[Moved]]) -> Changes:
    """
    Return the new rows of every view, given the shares of the records that moved, by collection.

    A record may stand in `moved` once, and rows of no table are asked for twice.
    """
    told: dict[str, Sequence[Moved]] = dict(moved)
    changes: dict[str, dict[Key, Row | None]] = {DORMANT.name: {}}
    for view in given.schema.views:
        if not any(told.get(name) or changes.get(name) for name in view.inputs):
            continue
        if isinstance(view, Rows):
            sums = row_sums(view, given.shares, told)
            known = await transaction.load(view.name, sums)
            rows = sum_rows(sums, known)
        elif isinstance(view, Effective):
            known, rows = await _elect(transaction, given.shares, view, told.get(view.kind, ()), changes[DORMANT.name])
        else:
            known, rows = await _attach(transaction, given.shares, view, told.get(view.kind, ()), changes)
        changes[view.name] = rows
        if view.name in given.schema.followed:
            named = view.table.row
            told[view.name] = [
                (named(known[key]) if key in known else None, None if row is None else named(row))
                for key, row in rows.items()
            ]
    return changes


async def _elect(
    transaction: Transaction, shares: Shares, view: Effective, moved: Sequence[Moved], dormant: dict[Key, Row | None]
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    pairs = elections(view, shares, moved)
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
    transaction: Transaction, shares: Shares, view: Attach, moved: Sequence[Moved], changes: Changes
) -> tuple[dict[Key, Row], dict[Key, Row | None]]:
    records = {_key(view, old or new): (old, new) for old, new in moved}
    sums: dict[Key, Row | None] = {}
    if view.carries is not None:
        carried = changes.get(view.carries.name, {})
        sums.update((key, row) for key, row in carried.items() if key in records or _may_hold(view, shares, key))
        sums.update(await transaction.load(view.carries.name, [key for key in records if key not in carried]))
    known = await transaction.load(
        view.name, [key for key in {**records, **sums} if key not in records or records[key][0]]
    )
    rows = attach_rows(view, shares, records, sums, known)
    return known, {key: row for key, row in rows.items() if row is not None or key in known}


def _key(view: Attach, it: Share) -> Key:
    return (it.key if view.by == "record" else it.did,)


def _may_hold(view: Attach, shares: Shares, key: Key) -> bool:
    return view.by == "repo" or f"/{shares.keys.names[view.kind]}/" in key[0]
