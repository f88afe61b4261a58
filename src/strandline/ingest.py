"""
The index: a schema over a store, and the loop that takes a stream in.

A batch is folded and committed with its cursor as one transaction; then the jobs it left go on by one step, so that
an account with a million records does not hold up the stream. A batch that concerns a repo whose job is not done
first waits for it.

Garbage never stops the loop: it is counted by reason and kept among the dead letters. Trouble of the store's does:
the error goes to the caller, and the cursor is where it was.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice

from attrs import Factory, define, frozen

from strandline.delta import DORMANT
from strandline.event import BadEvent, Control, Decoded, Event
from strandline.fold import JOB, QUARANTINE, Folded, Given, fold
from strandline.jobs import STEP, step
from strandline.judge import VALIDATOR, compile_judges
from strandline.ports import Key, Layout, Store
from strandline.rebuild import Drift, rebuild, verify
from strandline.register import REGISTER, REPO
from strandline.schema import Column, Index, Row, Schema, Table, Type

__all__ = ["CURSOR", "DEAD_LETTER", "SEMANTICS", "Cursor", "Ingest", "Outcome", "layout_of"]

SEMANTICS = "1"
"""Version of what the registers mean; a store folded under another one is stale."""

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
        stamp={"schema": schema.fingerprint, "semantics": SEMANTICS, "validator": VALIDATOR},
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
        store: An open store that this process writes; its layout is `layout_of(schema)`.
        schema: What is indexed.
    """

    def __init__(self, store: Store, schema: Schema) -> None:
        self.store = store
        self.given = Given(schema, compile_judges(schema))
        self.outcome = Outcome()
        self._waiting: dict[str, None] | None = None

    async def fold(self, batch: Sequence[Decoded], cursor: Cursor | None = None) -> None:
        """
        Take in a batch, and move the cursor, in one commit; then take the waiting jobs one step on.

        Raises:
            StoreError: the store is in trouble. The batch was written whole, with its cursor, or not at all: go on
                from `cursor`.
        """
        events = [item for item in batch if not isinstance(item, BadEvent | Control)]
        await self._clear_the_way(events)
        folded = await fold(self.store, self.given, events)
        bad = [item for item in batch if type(item) is BadEvent]
        folded.put({DEAD_LETTER.name: await self._letter_rows(bad)})
        if cursor is not None:
            folded.put({CURSOR.name: {(cursor.source,): (cursor.source, cursor.position)}})
        await self._commit(folded)
        self._count(batch, bad, folded)
        await self._step(await self._next_jobs())

    async def finish(self) -> None:
        """Take all waiting jobs to their end."""
        while waiting := await self._next_jobs():
            await self._step(waiting)

    async def cursor(self, source: str) -> int | None:
        """Return how far a source has been taken in; None if it never was."""
        rows = await self.store.get(CURSOR.name, [(source,)])
        return rows[source,][1] if rows else None

    async def rebuild(self) -> int:
        """
        Make all views anew from the registers; return how many registers were read.

        The new views show each repo as it is, so the jobs that were waiting go with the old ones.
        """
        count = await rebuild(self.store, self.given)
        self._waiting = None
        return count

    def verify(self, scratch: Store) -> AsyncIterator[Drift]:
        """Yield every row of the views that is not what the registers say; finish the jobs first."""
        return verify(self.store, self.given, scratch)

    async def _clear_the_way(self, events: Iterable[Event]) -> None:
        waiting = await self._jobs()
        if waiting:
            concerned = [did for did in dict.fromkeys(event.did for event in events) if did in waiting]
            while concerned:
                concerned = await self._step(concerned)

    async def _jobs(self) -> dict[str, None]:
        if self._waiting is None:
            waiting: dict[str, None] = {}
            after: Key | None = None
            while rows := await self.store.page(JOB.name, "all", [()], limit=1000, after=after):
                waiting.update((row[0], None) for row in rows)
                after = (rows[-1][0],)
            self._waiting = waiting
        return self._waiting

    async def _next_jobs(self) -> list[str]:
        return list(islice(await self._jobs(), STEP))

    async def _step(self, dids: Sequence[str]) -> list[str]:
        if not dids:
            return []
        folded = await step(self.store, self.given, dids)
        await self.store.commit(folded.changes)
        for did in dids:
            if did not in folded.jobs:
                (await self._jobs()).pop(did, None)
        return folded.jobs

    async def _commit(self, folded: Folded) -> None:
        waiting = await self._jobs()
        await self.store.commit(folded.changes)
        waiting.update(dict.fromkeys(folded.jobs))

    def _count(self, batch: Sequence[Decoded], bad: Sequence[BadEvent], folded: Folded) -> None:
        it = self.outcome
        it.read += len(batch)
        it.applied += folded.applied
        it.stale += folded.stale
        it.other += folded.other
        it.control += sum(type(item) is Control for item in batch)
        it.bad.update(item.reason for item in bad)
        it.quarantined.update(folded.quarantined)

    async def _letter_rows(self, bad: Sequence[BadEvent]) -> dict[Key, Row | None]:
        """Number the letters not yet kept, without gaps, so that the numbers tell how many are kept."""
        told = {hashlib.sha256(item.payload).hexdigest(): item for item in bad}
        known = await self.store.load(DEAD_LETTER.name, [(digest,) for digest in told])
        fresh = [(digest, item) for digest, item in told.items() if (digest,) not in known]
        if not fresh:
            return {}
        newest = await self.store.page(DEAD_LETTER.name, "by_number", [()], limit=1)
        first = newest[0][1] + 1 if newest else 1
        oldest = first + len(fresh) - MAX_LETTERS
        gone = await self.store.page(DEAD_LETTER.name, "by_number", [()], limit=len(fresh), after=(oldest,))
        rows: dict[Key, Row | None] = {(row[0],): None for row in gone}
        for number, (digest, item) in enumerate(fresh, first):
            if number >= oldest:
                cut = item.payload[:MAX_LETTER_BYTES]
                rows[digest,] = (digest, number, item.reason, item.detail, cut, len(item.payload))
        return rows
