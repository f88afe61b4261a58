"""
What one event does to many rows, in bounded steps.

When an account is hidden or restored, or a repo re-stated, the batch that says so leaves a job: what the repo was.
A step takes the repo's next registers, in the order of their keys, and moves each from what it was to what it is;
its rows and the job's place are one commit. So it may die after any step and go on from there. Until it is done the
registers behind its place count as the repo is, those before it as the repo was; that is exact because no event of
the repo is folded meanwhile: `strandline.ingest` finishes its job first.
"""

from collections.abc import Iterable

from strandline.delta import Moved
from strandline.fold import JOB, QUARANTINE, Folded, view_changes
from strandline.ports import Transaction
from strandline.prepare import Given
from strandline.register import REGISTER, REPO, Register, Repo, is_live, slots_of
from strandline.schema import Row
from strandline.shares import live

__all__ = ["STEP", "step"]

STEP = 2000
"""How many registers a step moves at most."""


async def step(transaction: Transaction, given: Given, dids: Iterable[str], size: int = STEP) -> Folded:
    """
    Return what the next step of these repos' jobs comes to; `jobs` are those that it does not end.

    Dids without a job are passed over.
    """
    folded = Folded()
    jobs = await transaction.load(JOB.name, [(did,) for did in dids])
    repos = await transaction.load(REPO.name, list(jobs))
    moved: dict[str, list[Moved]] = {}
    for key, job in jobs.items():
        if size <= 0:
            folded.jobs.append(job[0])
            continue
        registers = await _next_registers(transaction, job, size)
        size -= len(registers) + 1
        await _move(transaction, given, job, Repo._make(repos[key]), registers, moved)
        if registers and size <= 0:
            last = registers[-1]
            folded.put({JOB.name: {key: (*job[:3], last.rkey, last.collection, last.did)}})
            folded.jobs.append(job[0])
        else:
            folded.put({JOB.name: {key: None}})
    folded.put(await view_changes(transaction, given, moved))
    return folded


async def _next_registers(transaction: Transaction, job: Row, size: int) -> list[Register]:
    after = tuple(job[3:]) if job[3] else None
    rows = await transaction.page(
        REGISTER.name, "by_repo", [(slot,) for slot in slots_of(job[0])], limit=size, after=after
    )
    return [Register._make(row) for row in rows]


async def _move(
    transaction: Transaction,
    given: Given,
    job: Row,
    repo: Repo,
    registers: Iterable[Register],
    moved: dict[str, list[Moved]],
) -> None:
    was = Repo(repo.did, active=0 if job[1] else 1, floor=job[2])
    own = [it for it in registers if it.did == repo.did and it.collection in given.judges]
    invalid = await transaction.load(QUARANTINE.name, [it.path for it in own])
    for it in own:
        before, after = (is_live(it, state, it.path in invalid) for state in (was, repo))
        if before != after:
            record = given.judges[it.collection].typed(it.record or "")
            share = given.shares.of(live(given.schema.keys, it, record))
            moved.setdefault(it.collection, []).append((share, None) if before else (None, share))
