"""
The index: a schema over a store, and the loop that takes a stream in.

A batch is folded and committed with its cursor as one transaction, in which the jobs that earlier ones left go on by
one step, so that an account with a million records does not hold up the stream. A batch that concerns a repo whose
job is at work first waits for it. Who catches up with a log leaves jobs that are not begun for later.

Garbage never stops the loop: it is counted by reason and kept among the dead letters. Trouble of the store's does:
the error goes to the caller, and the batch was written whole, with its cursor, or not at all. Only a transaction that
was interrupted is done again first. Other writers may be at work, so nothing of the store is remembered between two.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import Factory, define, frozen

from strandline.delta import DORMANT
from strandline.errors import StoreInterrupted
from strandline.event import BadEvent, Decoded
from strandline.fold import JOB, QUARANTINE, Folded, asked, fold
from strandline.jobs import STEP, Stepped, begun, step
from strandline.judge import VALIDATOR, compile_judges
from strandline.ports import Batching, Foreseeing, Key, Layout, Store, Transaction
from strandline.prepare import Given, Prepared, prepare
from strandline.rebuild import Drift, rebuild, verify
from strandline.register import REGISTER, REPO
from strandline.schema import Column, Index, Row, Schema, Table, Type
from strandline.session import Place
from strandline.views import view_changes
from strandline.words import WORDS

__all__ = [
    "BATCH",
    "CURSOR",
    "DEAD_LETTER",
    "READ",
    "SEEN",
    "SEMANTICS",
    "Cursor",
    "Ingest",
    "Outcome",
    "cursors_of",
    "layout_of",
]

T = TypeVar("T")

SEMANTICS = "1"
"""Version of what the registers mean; a store folded under another one is stale."""

BATCH: Final = 14_000
"""Events a batch, unless the store says otherwise."""

TRIES: Final = 10
"""How often a transaction is tried in all when it is interrupted each time."""

SEEN: Final = " seen"
"""Put behind the name of a stream, it names the cursor that holds when its latest event was seen."""

READ: Final = " read"
"""Put behind the name of a stream, it names the cursor that holds how many events of it were read in all."""

MAX_LETTERS = 10_000
MAX_LETTER_BYTES = 64 * 1024

CURSOR = Table("cursor", (Column("source"), Column("position", Type.INTEGER)))
"""How far each source has been taken in."""

DEAD_LETTER = Table(
    "dead_letter",
    (
        Column("digest"),
        Column("number", Type.INTEGER),
        Column("reason"),
        Column("detail"),
        Column("payload", Type.BYTES),
        Column("size", Type.INTEGER),
    ),
    indexes=(Index("by_number", order=("number",), total=True),),
)
"""
Bad lines, the newest 10,000: SHA-256 of the line, a running number, why, the first 64 kB, and its whole length.

A line that is still kept when it comes again changes nothing.
"""


def layout_of(schema: Schema) -> Layout:
    """Return what a store of this schema is to hold."""
    return Layout(
        kept=(REGISTER, REPO, CURSOR, DEAD_LETTER),
        views=(JOB, QUARANTINE, DORMANT, *(view.table for view in schema.views)),
        stamp={"schema": schema.fingerprint, "semantics": SEMANTICS, "validator": VALIDATOR, "words": WORDS},
        keys=schema.keys,
    )


@frozen
class Cursor:
    """A position in one source's stream; positions of two sources are never compared."""

    source: str
    position: int


@define
class Outcome:
    """
    What came of the lines read so far.

    Attributes:
        read: Lines read.
        applied: Events that changed what stands.
        stale: Events that changed nothing: repeated, or older than what stands.
        other: Commits to other apps' collections, left alone.
        control: Control frames.
        bad: Bad lines, by reason.
        quarantined: Records that came to stand invalid, by the rule of their first fault.
    """

    read: int = 0
    applied: int = 0
    stale: int = 0
    other: int = 0
    control: int = 0
    bad: Counter[str] = Factory(Counter)
    quarantined: Counter[str] = Factory(Counter)


class Ingest:
    """
    Takes a stream into a store.

    Args:
        store: A store that is open for writing; its layout is `layout_of(schema)`.
        schema: What is indexed.
    """

    def __init__(self, store: Store, schema: Schema) -> None:
        self.store = store
        self.given = Given(schema, compile_judges(schema))
        self.outcome = Outcome()

    @property
    def batch(self) -> int:
        """How many events of a long log are best taken in at a time."""
        return self.store.batch if isinstance(self.store, Batching) else BATCH

    def prepare(self, batch: Iterable[Decoded]) -> Prepared:
        """Do what needs no store: for `fold`, at another time or in another process."""
        return prepare(self.given, batch)

    async def fold(
        self,
        batch: Sequence[Decoded] | Prepared,
        cursor: Cursor | Sequence[Cursor] | None = None,
        *,
        later: bool = False,
    ) -> None:
        """
        Take in a batch, move the cursor or cursors, and take the waiting jobs one step on, in one commit.

        A job that the batch itself leaves waits for the next one, `go_on` or `finish`. A transaction that was
        interrupted is done again, whole.

        Args:
            batch: What to take in.
            cursor: Where its source, or sources, are then.
            later: Leave the jobs that are not begun to `finish`: for a log that is caught up with, in which most of
                what is hidden is restored further on. Such a job then ends before it has moved anything.

        Raises:
            StoreError: the store is in trouble. The batch was written whole, with its cursor, or not at all: go on
                from `cursor`.
        """
        told = batch if isinstance(batch, Prepared) else self.prepare(batch)
        cursors = [cursor] if isinstance(cursor, Cursor) else cursor or ()
        if isinstance(self.store, Foreseeing):
            await self.store.foresee(asked(self.given, told))
        folded = None
        while folded is None:
            folded = await _persistently(lambda: self._fold(told, cursors, later))
        self._count(told, folded)

    async def go_on(self) -> bool:
        """Take the waiting jobs one bounded step on; return whether there were any. Raises as `fold`."""
        return await _persistently(self._step)

    async def finish(self) -> None:
        """Take all waiting jobs to their end."""
        while await self.go_on():
            pass

    async def cursor(self, source: str) -> int | None:
        """Return how far a source has been taken in; None if it never was."""
        rows = await self.store.get(CURSOR.name, [(source,)])
        return rows[source,][1] if rows else None

    async def places(self, sources: Sequence[str]) -> list[Place]:
        """Return how far streams were taken in, of those that ever were."""
        rows = await self.store.get(CURSOR.name, [(key,) for it in sources for key in (it, _seen_at(it))])
        return [
            Place(it, rows[it,][1], rows[_seen_at(it),][1])
            for it in sources
            if (it,) in rows and (_seen_at(it),) in rows
        ]

    async def forget(self, digests: Sequence[str]) -> int:
        """Take dead letters away, by the digests of their lines; return how many they were. Raises as `fold`."""
        if digests:
            await _persistently(lambda: self._forget(digests))
        return len(digests)

    async def rebuild(self) -> int:
        """
        Make all views anew from the registers; return how many registers were read.

        The new views show each repo as it is, so the jobs that were waiting go with the old ones.
        """
        return await rebuild(self.store, self.given)

    def verify(self, scratch: Store) -> AsyncIterator[Drift]:
        """Yield every row of the views that is not what the registers say; finish the jobs first."""
        return verify(self.store, self.given, scratch)

    async def _fold(self, batch: Prepared, cursors: Sequence[Cursor], later: bool) -> Folded | None:
        """Commit the batch, or if it must wait for a job, a step of that: then there is nothing to return."""
        async with self.store.transaction() as transaction:
            waiting = await _waiting(transaction)
            concerned = await _concerned(transaction, waiting, batch.dids)
            first = [did for did, job in concerned.items() if not later or begun(job)]
            stepped = await step(transaction, self.given, first if later else [*first, *waiting])
            if not all(map(stepped.ends, _keys(first))):
                await self._commit_step(transaction, stepped)
                return None
            left = {did: job for did, job in concerned.items() if not stepped.ends((did,))}
            folded = await fold(transaction, self.given, batch, stepped.moved, left)
            folded.put({JOB.name: {**stepped.jobs, **folded.changes.get(JOB.name, {})}})
            folded.put({DEAD_LETTER.name: await _letter_rows(transaction, batch.bad)})
            if cursors:
                folded.put({CURSOR.name: {(it.source,): (it.source, it.position) for it in cursors}})
            await transaction.commit(folded.changes)
            return folded

    async def _step(self) -> bool:
        """Take the waiting jobs one step on; tell whether there was one."""
        async with self.store.transaction() as transaction:
            waiting = await _waiting(transaction)
            if waiting:
                await self._commit_step(transaction, await step(transaction, self.given, waiting))
            return bool(waiting)

    async def _commit_step(self, transaction: Transaction, stepped: Stepped) -> None:
        changes = await view_changes(transaction, self.given, stepped.moved)
        await transaction.commit({**changes, JOB.name: stepped.jobs})

    async def _forget(self, digests: Sequence[str]) -> None:
        async with self.store.transaction() as transaction:
            await transaction.commit({DEAD_LETTER.name: {(digest,): None for digest in digests}})

    def _count(self, batch: Prepared, folded: Folded) -> None:
        it = self.outcome
        it.read += len(batch)
        it.applied += folded.applied
        it.stale += folded.stale
        it.other += batch.other
        it.control += batch.control
        it.bad.update(item.reason for item in batch.bad)
        it.quarantined.update(+folded.quarantined)


def cursors_of(place: Place, read: int | None = None) -> list[Cursor]:
    """
    Return what keeps a place, for `Ingest.fold`; `Ingest.places` reads it back.

    `read` is how many events of the stream were read in all, those that came again too: by it whoever reads the store
    tells how fast the stream is taken in. None for not counted.
    """
    kept = [Cursor(place.source, place.position), Cursor(_seen_at(place.source), place.seen_us)]
    return kept if read is None else [*kept, Cursor(f"{place.source}{READ}", read)]


def _seen_at(source: str) -> str:
    return f"{source}{SEEN}"


async def _persistently(work: Callable[[], Awaitable[T]]) -> T:
    for _ in range(TRIES - 1):
        try:
            return await work()
        except StoreInterrupted:
            continue
    return await work()


def _keys(dids: Iterable[str]) -> list[Key]:
    return [(did,) for did in dids]


async def _waiting(transaction: Transaction) -> dict[str, Row]:
    """Return the jobs that wait, by repo; as many as one step may take on."""
    return {row[0]: row for row in await transaction.page(JOB.name, "all", [()], limit=STEP)}


async def _concerned(transaction: Transaction, waiting: Mapping[str, Row], dids: Iterable[str]) -> Mapping[str, Row]:
    """Return the jobs of some repos, given those that wait, if not all of them."""
    if len(waiting) < STEP:
        return {did: waiting[did] for did in dids if did in waiting}
    return {did: job for (did,), job in (await transaction.load(JOB.name, _keys(dids))).items()}


async def _letter_rows(transaction: Transaction, bad: Sequence[BadEvent]) -> dict[Key, Row | None]:
    """Number the letters not yet kept, without gaps, so that the numbers tell how many are kept."""
    told = {hashlib.sha256(item.payload).hexdigest(): item for item in bad}
    known = await transaction.load(DEAD_LETTER.name, [(digest,) for digest in told])
    fresh = [(digest, item) for digest, item in told.items() if (digest,) not in known]
    if not fresh:
        return {}
    newest = await transaction.page(DEAD_LETTER.name, "by_number", [()], limit=1)
    first = newest[0][1] + 1 if newest else 1
    oldest = first + len(fresh) - MAX_LETTERS
    gone = await transaction.page(DEAD_LETTER.name, "by_number", [()], limit=len(fresh), after=(oldest,))
    rows: dict[Key, Row | None] = {(row[0],): None for row in gone}
    for number, (digest, item) in enumerate(fresh, first):
        if number >= oldest:
            cut = item.payload[:MAX_LETTER_BYTES]
            rows[digest,] = (digest, number, item.reason, item.detail, cut, len(item.payload))
    return rows
