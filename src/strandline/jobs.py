"""
What one event does to many rows, in bounded steps.

When an account is hidden or restored, or a repo re-stated, the batch that says so leaves a job: what the repo was.
A step takes the repo's next registers, in the order of their keys, and moves each from what it was to what it is;
its rows and the job's place are one commit. So it may die after any step and go on from there. Until it is done the
registers behind its place count as the repo is, those before it as the repo was; that is exact because no event of
the repo is folded once its job is begun: `strandline.ingest` finishes it first. While it is not begun all count as
the repo was, those too that are written meanwhile; and if the repo comes to be again what it was, the job is done.
"""

from collections.abc import Iterable

from attrs import Factory, define

from strandline.delta import Moved
from strandline.fold import JOB, QUARANTINE, repo_before
from strandline.ports import Key, Transaction
from strandline.prepare import Given
from strandline.register import REGISTER, REPO, Register, Repo, is_live, slots_of
from strandline.schema import Row
from strandline.shares import live

__all__ = ["STEP", "Stepped", "begun", "step"]

STEP = 2000
"""How many registers a step moves at most."""


@define
class Stepped:
    """
    What a step comes to.

    Attributes:
        jobs: The new rows of the table of jobs; None for those that it ends.
        moved: The records that moved, by collection, for `strandline.views.view_changes`.
    """

    jobs: dict[Key, Row | None] = Factory(dict)
    moved: dict[str, list[Moved]] = Factory(dict)

    def ends(self, job: Key) -> bool:
        """Tell whether the step is the last of a job."""
        return job in self.jobs and self.jobs[job] is None


def begun(job: Row) -> bool:
    """Tell whether a job has moved anything."""
    return bool(job[3])


async def step(transaction: Transaction, given: Given, dids: Iterable[str], size: int = STEP) -> Stepped:
    """Return what the next step of these repos' jobs comes to, in their order; those without a job are passed over."""
    stepped = Stepped()
    keys = dict.fromkeys((did,) for did in dids)
    jobs = await transaction.load(JOB.name, keys)
    repos = await transaction.load(REPO.name, list(jobs))
    for key in keys:
        job = jobs.get(key)
        if job is None:
            continue
        if size <= 0:
            break
        registers = await _next_registers(transaction, job, size)
        size -= len(registers) + 1
        await _move(transaction, given, job, Repo._make(repos[key]), registers, stepped.moved)
        if registers and size <= 0:
            last = registers[-1]
            stepped.jobs[key] = (*job[:3], last.rkey, last.collection, last.did)
        else:
            stepped.jobs[key] = None
    return stepped


async def _next_registers(transaction: Transaction, job: Row, size: int) -> list[Register]:
    after = tuple(job[3:]) if begun(job) else None
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
    was = repo_before(job)
    own = [it for it in registers if it.did == repo.did and it.collection in given.judges]
    invalid = await transaction.load(QUARANTINE.name, [it.path for it in own])
    for it in own:
        before, after = (is_live(it, state, it.path in invalid) for state in (was, repo))
        if before != after:
            record = given.judges[it.collection].typed(it.record or "")
            share = given.shares.of(live(given.schema.keys, it, record))
            moved.setdefault(it.collection, []).append((share, None) if before else (None, share))
