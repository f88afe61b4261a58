"""
What a batch gives to the views if nothing is known yet of what it concerns.

Nine of ten records are new, and so is what most of them are about. So the rows that they give can be worked out before
the writer's turn, or in another process: a draft. The fold then asks the store what was known after all, takes back
what the draft got wrong, and works out that part alone; what each view is told are differences, so it comes to the
same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define

from strandline.delta import Key, Moved, attach_key, attach_rows, row_sums
from strandline.schema import Attach, Effective, Row, Rows, Schema
from strandline.shares import Share, Shares

__all__ = ["Candidates", "Draft", "draft_of"]

Candidates = Sequence[tuple[str, str, tuple[Any, ...]]]
"""The records of one actor about one subject: rkey, rev, and what is shown of each."""


@define
class Draft:
    """
    The part of the views that a batch gives.

    Attributes:
        sums: By `Rows` view, what is added to the sums at each key; but for what rows of other `Rows` views add.
        rows: By view of another form, the rows. All are in the order of their keys, in which stores write them.
        rivals: By `Effective` view, the candidates for each pair that has several; it has no row then.
    """

    sums: dict[str, dict[Key, list[int]]] = Factory(dict)
    rows: dict[str, dict[Key, Row]] = Factory(dict)
    rivals: dict[str, Mapping[Key, Candidates]] = Factory(dict)

    def concerns(self, view: str) -> bool:
        """Tell whether it gives anything to a view."""
        return bool(self.sums.get(view) or self.rows.get(view) or self.rivals.get(view))

    def candidates(self, view: str, pair: Key) -> Candidates:
        """Return the records that it holds for a pair of an `Effective` view."""
        rivals = self.rivals.get(view, {}).get(pair)
        if rivals is not None:
            return rivals
        row = self.rows.get(view, {}).get(pair)
        return () if row is None else ((row[2], row[3], row[4:-1]),)


def draft_of(schema: Schema, shares: Shares, live: Mapping[str, Sequence[Share]]) -> Draft:
    """Return what live records give, by collection; each record may stand there once."""
    draft = Draft()
    told: dict[str, Sequence[Moved]] = {name: [(None, share) for share in found] for name, found in live.items()}
    for view in schema.views:
        if isinstance(view, Rows):
            draft.sums[view.name] = dict(sorted(row_sums(view, shares, told).items()))
            continue
        came = told.get(view.kind, ())
        rows = _elected(draft, shares, view, came) if isinstance(view, Effective) else _rows(draft, shares, view, came)
        draft.rows[view.name] = rows
        if view.name in schema.followed:
            named = view.table.row
            told[view.name] = [(None, named(row)) for row in rows.values()]
    return draft


def _elected(draft: Draft, shares: Shares, view: Effective, came: Sequence[Moved]) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    rivals: dict[Key, list[tuple[str, str, tuple[Any, ...]]]] = {}
    at = shares.at[view.name, view.kind]
    for _, share in came:
        subject, shown = share.parts[at]
        pair = (subject, share.did)
        if pair in rows:
            rivals.setdefault(pair, []).append((share.rkey, share.rev, shown))
        else:
            rows[pair] = (*pair, share.rkey, share.rev, *shown, 0)
    for pair, others in rivals.items():
        row = rows.pop(pair)
        others.append((row[2], row[3], row[4:-1]))
    draft.rivals[view.name] = rivals
    return dict(sorted(rows.items()))


def _rows(draft: Draft, shares: Shares, view: Attach, came: Sequence[Moved]) -> dict[Key, Row]:
    records = {attach_key(view, share): (None, share) for _, share in came}
    carried = {} if view.carries is None else draft.sums[view.carries.name]
    sums = {key: (*key, *carried[key]) for key in records if key in carried}
    rows = attach_rows(view, shares, records, sums, {})
    return {key: row for key, row in sorted(rows.items()) if row is not None}
