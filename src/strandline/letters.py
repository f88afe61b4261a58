"""
Dead letters, seen to: tried again under the present code, or thrown away.

A letter is tried by decoding and folding its line; folding is idempotent, so one that was folded and not yet taken
away when the process died is folded again to no effect. What is cut (over 64 kB) cannot be tried, and stays.
"""

from collections.abc import AsyncIterator, Collection
from typing import Any, Final

from attrs import define

from strandline.event import BadEvent, decode
from strandline.ingest import DEAD_LETTER, Ingest
from strandline.ports import Store

__all__ = ["Retried", "letter", "letters", "purge", "retry"]

CHUNK: Final = 200


@define
class Retried:
    """What came of trying letters again: how many were taken in, are still bad, or were cut and could not be tried."""

    folded: int = 0
    bad: int = 0
    cut: int = 0


async def letters(store: Store) -> AsyncIterator[Any]:
    """Yield the letters, the newest first, each as a row of DEAD_LETTER; they may be taken away meanwhile."""
    after: tuple[int] | None = None
    while rows := await store.page(DEAD_LETTER.name, "by_number", [()], limit=CHUNK, after=after):
        for row in rows:
            yield DEAD_LETTER.row(row)
        after = (rows[-1][1],)


async def letter(store: Store, number: int) -> Any | None:
    """Return the letter of that number; None if there is none."""
    rows = await store.page(DEAD_LETTER.name, "by_number", [()], limit=1, after=(number + 1,))
    return DEAD_LETTER.row(rows[0]) if rows and rows[0][1] == number else None


async def retry(ingest: Ingest, numbers: Collection[int] = ()) -> Retried:
    """
    Decode and fold letters again, and take away those that are bad no more; those of some numbers, or all.

    Raises:
        StoreError: the store is in trouble; begin again.
    """
    retried = Retried()
    async for it in letters(ingest.store):
        if numbers and it.number not in numbers:
            continue
        item = decode(it.payload) if it.size == len(it.payload) else None
        if item is None:
            retried.cut += 1
        elif isinstance(item, BadEvent):
            retried.bad += 1
        else:
            await ingest.fold([item])
            await ingest.forget([it.digest])
            retried.folded += 1
    return retried


async def purge(ingest: Ingest, *, reasons: Collection[str] = (), keep: int = 0) -> int:
    """
    Take letters away, but for the newest `keep`; those of some reasons, or of all. Return how many.

    Raises:
        StoreError: the store is in trouble; begin again.
    """
    purged, at = 0, 0
    gone: list[str] = []
    async for it in letters(ingest.store):
        at += 1
        if at > keep and (not reasons or it.reason in reasons):
            gone.append(it.digest)
        if len(gone) == CHUNK:
            purged += await ingest.forget(gone)
            gone = []
    return purged + await ingest.forget(gone)
