"""
The views from the registers, from nothing: to replace the kept ones, or to compare with them.

Registers and repos are what was told; everything else follows from them. So the views can be made again at any time,
under a changed schema or validator too, and must then equal the ones that were kept batch by batch.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from attrs import frozen

from strandline.delta import Moved
from strandline.fold import QUARANTINE, Folded, quarantined
from strandline.ports import Key, Layout, Store
from strandline.prepare import Given, judged
from strandline.register import REGISTER, REPO, Register, Repo, is_live
from strandline.schema import Row
from strandline.shares import live
from strandline.views import view_changes

__all__ = ["Drift", "rebuild", "verify"]


@frozen
class Drift:
    """
    A row that is not what the registers say.

    Attributes:
        table: The view's table.
        key: The row's key.
        kept: The row as the store has it; None if it has none.
        right: The row as the registers give it; None if they give none.
    """

    table: str
    key: Key
    kept: Row | None
    right: Row | None


async def rebuild(store: Store, given: Given) -> int:
    """
    Make all views anew beside the present ones and put them in their place; return how many registers were read.

    No writer may be at work. Interrupted, the old views stay.
    """
    count = 0
    async with store.rebuild() as beside, aclosing(store.scan([REPO.name, REGISTER.name])) as chunks:
        repos: dict[str, Repo] = {}
        async for table, rows in chunks:
            count += await _refill(beside, given, table, rows, repos)
    return count


async def verify(store: Store, given: Given, scratch: Store) -> AsyncIterator[Drift]:
    """
    Yield every row of the views that is not what the registers say, all of one snapshot.

    `scratch` is an empty store with the same layout. No job may be waiting.
    """
    views = sorted(table.name for table in store.layout.views)
    told = (REPO.name, REGISTER.name)
    async with aclosing(store.scan([*told, *views])) as chunks:
        repos: dict[str, Repo] = {}
        kept: list[tuple[str, list[Row]]] = []
        async for table, rows in chunks:
            if table not in told:
                kept.append((table, rows))
                break
            await _refill(scratch, given, table, rows, repos)
        async with aclosing(scratch.scan(views)) as right:
            async for drift in _differences(store.layout, _rows(_chain(kept, chunks)), _rows(right)):
                yield drift


async def _refill(store: Store, given: Given, table: str, rows: Sequence[Row], repos: dict[str, Repo]) -> int:
    """Put a chunk of repos or registers into the views of `store`; `repos` gathers those that are not plain."""
    if table == REPO.name:
        found = (Repo._make(row) for row in rows)
        repos.update((repo.did, repo) for repo in found if repo.active == 0 or repo.floor)
        return 0
    folded = Folded()
    moved: dict[str, list[Moved]] = {}
    refused: dict[Key, Row | None] = {}
    for row in rows:
        it = Register._make(row)
        judge = given.judges.get(it.collection)
        if judge is None or it.record is None:
            continue
        verdict = judged(judge, it)
        if verdict.faults:
            refused[it.path] = quarantined(it, verdict.faults)
        elif is_live(it, repos.get(it.did), False):
            share = given.shares.of(live(given.schema.keys, it, verdict.record))
            moved.setdefault(it.collection, []).append((None, share))
    folded.put({QUARANTINE.name: refused})
    async with store.transaction() as transaction:
        folded.put(await view_changes(transaction, given, moved))
        await transaction.commit(folded.changes)
    return len(rows)


async def _differences(
    layout: Layout, kept: AsyncIterator[tuple[str, Row]], right: AsyncIterator[tuple[str, Row]]
) -> AsyncIterator[Drift]:
    have, want = await anext(kept, None), await anext(right, None)
    while have is not None or want is not None:
        have_at, want_at = _place(layout, have), _place(layout, want)
        at = min(place for place in (have_at, want_at) if place is not None)
        old = have[1] if have is not None and have_at == at else None
        new = want[1] if want is not None and want_at == at else None
        if old != new:
            yield Drift(at[0], at[1], old, new)
        have = have if old is None else await anext(kept, None)
        want = want if new is None else await anext(right, None)


def _place(layout: Layout, item: tuple[str, Row] | None) -> tuple[str, Key] | None:
    return None if item is None else (item[0], item[1][: layout.table(item[0]).key_size])


async def _rows(chunks: AsyncIterator[tuple[str, list[Row]]]) -> AsyncIterator[tuple[str, Row]]:
    async for table, rows in chunks:
        for row in rows:
            yield table, tuple(row)


async def _chain(
    first: Sequence[tuple[str, list[Row]]], rest: AsyncIterator[tuple[str, list[Row]]]
) -> AsyncIterator[tuple[str, list[Row]]]:
    for chunk in first:
        yield chunk
    async for chunk in rest:
        yield chunk
