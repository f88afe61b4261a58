"""
How the views move with the records: the rows that they have then, sources first.

What is given as a draft counts as having moved from nothing; see `strandline.draft`. Without one, all that moved is
told one by one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from strandline.delta import (
    DORMANT,
    Election,
    Moved,
    attach_key,
    attach_rows,
    attached,
    effective_rows,
    elections,
    needs_heir,
    row_sums,
    seat_of,
    sum_rows,
    with_sums,
)
from strandline.draft import Draft
from strandline.ports import Changes, Key, Transaction
from strandline.prepare import Given
from strandline.schema import Attach, Effective, Row, Rows, View
from strandline.shares import Share, Shares

__all__ = ["asked_of_views", "view_changes"]

NOTHING = Draft()


async def view_changes(
    transaction: Transaction,
    given: Given,
    moved: Mapping[str, Sequence[Moved]],
    draft: Draft = NOTHING,
    wrong: Mapping[str, Sequence[Share]] | None = None,
) -> Changes:
    """
    Return the new rows of every view.

    A record may stand in `moved` once, and rows of no table are asked for twice.

    Args:
        transaction: Tells the rows that the views have.
        given: The schema and its shares.
        moved: The shares of the records that moved, by collection.
        draft: What came besides, already worked out.
        wrong: The shares in the draft that did not come, by collection; where the record moved otherwise, `moved` says
            how.
    """
    told: dict[str, Sequence[Moved]] = dict(moved)
    back: dict[str, Sequence[Any]] = dict(wrong or {})
    changes: dict[str, dict[Key, Row | None]] = {DORMANT.name: {}}
    for view in given.schema.views:
        inputs = view.inputs
        if not (draft.concerns(view.name) or any(told.get(it) or back.get(it) or changes.get(it) for it in inputs)):
            continue
        if isinstance(view, Rows):
            worked = await _sum(transaction, given.shares, view, told, back, draft)
        elif isinstance(view, Effective):
            worked = await _elect(transaction, given.shares, view, told, back, draft, changes[DORMANT.name])
        else:
            worked = await _attach(transaction, given.shares, view, told, back, draft, changes)
        changes[view.name] = worked.rows
        if view.name in given.schema.followed:
            told[view.name], back[view.name] = _moves(view, worked, draft)
        for key in [key for key in worked.keys if key in worked.known and worked.rows.get(key) == worked.known[key]]:
            worked.rows.pop(key, None)
    return changes


def asked_of_views(given: Given, draft: Draft) -> Mapping[str, Collection[Key]]:
    """Return the keys at which `view_changes` asks for rows, by view, as far as the draft tells."""
    asked: dict[str, set[Key]] = {view.name: set() for view in given.schema.views}
    for view in given.schema.views:
        drafted = draft.rows.get(view.name, {}).keys()
        if isinstance(view, Rows):
            asked[view.name] |= draft.sums.get(view.name, {}).keys()
        elif isinstance(view, Effective):
            asked[view.name] |= drafted | draft.rivals.get(view.name, {}).keys()
        elif view.carries is not None:
            sums = draft.sums.get(view.carries.name, {}).keys()
            asked[view.carries.name] |= drafted
            asked[view.name].update(key for key in sums - drafted if _may_hold(view, given.shares, key))
    return asked


class _Worked(NamedTuple):
    """
    What became of a view.

    Attributes:
        rows: Its new rows.
        known: Those it has, of those that were asked for.
        keys: Where the rows are not simply those of the draft.
    """

    rows: dict[Key, Row | None]
    known: Mapping[Key, Row]
    keys: Collection[Key]


def _moves(view: View, worked: _Worked, draft: Draft) -> tuple[list[Moved], list[Any]]:
    """Return how rows moved of which the draft does not tell, and those of the draft that did not come."""
    named, drafted = view.table.row, draft.rows.get(view.name, {})
    told: list[Moved] = []
    for key in worked.keys:
        old, new = worked.known.get(key), worked.rows.get(key)
        if old is not None or new is not None:
            told.append((None if old is None else named(old), None if new is None else named(new)))
    return told, [named(drafted[key]) for key in worked.keys if key in drafted]


async def _sum(
    transaction: Transaction,
    shares: Shares,
    view: Rows,
    told: Mapping[str, Sequence[Moved]],
    back: Mapping[str, Sequence[Any]],
    draft: Draft,
) -> _Worked:
    moved = {it: [*told.get(it, ()), *((wrong, None) for wrong in back.get(it, ()))] for it in view.inputs}
    sums = with_sums(draft.sums.get(view.name, {}), row_sums(view, shares, moved))
    known = await transaction.load(view.name, sums)
    rows = sum_rows(sums, known)
    return _Worked(rows, known, rows)


async def _elect(
    transaction: Transaction,
    shares: Shares,
    view: Effective,
    told: Mapping[str, Sequence[Moved]],
    back: Mapping[str, Sequence[Share]],
    draft: Draft,
    dormant: dict[Key, Row | None],
) -> _Worked:
    drafted, rivals = draft.rows.get(view.name, {}), draft.rivals.get(view.name, {})
    pairs = elections(view, shares, told.get(view.kind, ()))
    wrong = {pair: it.left for pair, it in elections(view, shares, _left(back.get(view.kind, ()))).items()}
    asked = [*drafted, *rivals, *(pair for pair in pairs if pair not in drafted and pair not in rivals)]
    known = await transaction.load(view.name, asked)
    for pair in {**known, **rivals, **pairs, **wrong}:
        election = pairs.setdefault(pair, Election())
        for rkey, rev, shown in draft.candidates(view.name, pair):
            if rkey not in wrong.get(pair, ()):
                election.came[rkey] = (rev, shown)
    heirs = await _heirs(transaction, view, pairs, known)
    elected = effective_rows(view, pairs, known, heirs)
    dormant.update(elected.dormant)
    rows: dict[Key, Row | None] = {**drafted, **elected.rows}
    for pair in pairs:
        if rows[pair] is None and pair not in known:
            del rows[pair]
    return _Worked(rows, known, pairs)


def _left(wrong: Iterable[Share]) -> list[Moved]:
    return [(share, None) for share in wrong]


async def _heirs(
    transaction: Transaction, view: Effective, pairs: Mapping[Key, Election], known: Mapping[Key, Row]
) -> dict[Key, list[Row]]:
    orphaned = {seat_of(view, pair): pair for pair, it in pairs.items() if needs_heir(it, known.get(pair))}
    heirs: dict[Key, list[Row]] = {}
    if orphaned:
        each = 1 + max(len(pairs[pair].left) for pair in orphaned.values())
        for row in await transaction.page(
            DORMANT.name, "by_pair", list(orphaned), limit=each * len(orphaned), each=each
        ):
            heirs.setdefault(orphaned[row[:3]], []).append(row)
    return heirs


async def _attach(
    transaction: Transaction,
    shares: Shares,
    view: Attach,
    told: Mapping[str, Sequence[Moved]],
    back: Mapping[str, Sequence[Share]],
    draft: Draft,
    changes: Changes,
) -> _Worked:
    records = {attach_key(view, old or new): (old, new) for old, new in told.get(view.kind, ())}
    wrong = {attach_key(view, share) for share in back.get(view.kind, ())}
    drafted = {key: row for key, row in draft.rows.get(view.name, {}).items() if key not in wrong}
    sums: dict[Key, Row | None] = {}
    if view.carries is not None:
        moved = changes.get(view.carries.name, {})
        sums.update(
            (key, row) for key, row in moved.items() if key in records or key in drafted or _may_hold(view, shares, key)
        )
        sums.update(await transaction.load(view.carries.name, [it for it in (*records, *drafted) if it not in moved]))
    concerned = [key for key in {**records, **sums} if key not in drafted]
    known = await transaction.load(view.name, [it for it in concerned if it not in records or records[it][0]])
    rows = attach_rows(view, shares, records, {key: sums.get(key) for key in concerned}, known)
    rows = {key: row for key, row in rows.items() if row is not None or key in known}
    again = _again(view, drafted, sums)
    return _Worked({**drafted, **again, **rows}, known, {*rows, *again, *wrong})


def _again(view: Attach, drafted: Mapping[Key, Row], sums: Mapping[Key, Row | None]) -> dict[Key, Row]:
    """Return the rows of a draft that carry other sums after all."""
    if view.carries is None:
        return {}
    wide, nothing = len(view.columns) + 1, (0,) * len(view.carries.sums)
    end = wide + len(nothing)
    again: dict[Key, Row] = {}
    for key, row in drafted.items():
        carried = sums.get(key)
        if row[wide:end] != (nothing if carried is None else carried[1:]):
            again[key] = attached(view, key, row[1:wide], carried)
    return again


def _may_hold(view: Attach, shares: Shares, key: Key) -> bool:
    return view.by == "repo" or f"/{shares.keys.names[view.kind]}/" in key[0]
