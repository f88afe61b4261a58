"""
How a view's rows move when its sources do: retract what no longer stands, assert what does.

Each function takes what moved in the sources (pairs of old and new, None for nothing), and the rows the view has at
the keys concerned, and returns the rows it has then. Nothing is counted on arrival, so nothing depends on how often
or in what order things arrived. A weighted row is +1 when its item comes and -1 when it goes; sums that are all
zero are no row.

The algebra is that of weighted sets: https://github.com/brurucy/pydbsp tells it well.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

from attrs import Factory, define, frozen

from strandline.event import MAX_URI_BYTES, canonical
from strandline.schema import Attach, Column, Effective, Index, Row, Rows, Table, Type
from strandline.shares import Share, Shares, weighted

__all__ = [
    "DORMANT",
    "Election",
    "Moved",
    "attach_key",
    "attach_rows",
    "attached",
    "effective_rows",
    "elections",
    "row_sums",
    "seat_of",
    "sum_rows",
    "with_sums",
]

Key = tuple[Any, ...]
Moved = tuple[Any, Any]
"""One item's (old, new): None where there was, or is, nothing."""

DORMANT = Table(
    "dormant",
    (Column("view"), Column("subject"), Column("actor"), Column("rkey"), Column("rev"), Column("shown", Type.JSON)),
    key_size=4,
    indexes=(Index("by_pair", partition=("view", "subject", "actor"), order=("rev", "rkey")),),
)
"""The live relations that are not effective: a greater one of the same actor and subject stands."""


def row_sums(view: Rows, shares: Shares, moved: Mapping[str, Sequence[Moved]]) -> dict[Key, list[int]]:
    """Return what is added to each key's sums; keys at which all cancels out are left out."""
    sums: dict[Key, list[int]] = {}
    for source in view.sources:
        pairs = moved.get(source)
        if pairs:
            at = shares.at.get((view.name, source))
            part = weighted(view, source, shares.keys) if at is None else _part(at)
            for old, new in pairs:
                if old is not None:
                    _add(sums, part(old), -1)
                if new is not None:
                    _add(sums, part(new), 1)
    return {key: added for key, added in sums.items() if any(added)}


def _part(at: int) -> Callable[[Share], Any]:
    return lambda share: share.parts[at]


def _add(sums: dict[Key, list[int]], rows: Iterable[tuple[Key, tuple[int, ...]]], weight: int) -> None:
    for key, amounts in rows:
        held = sums.get(key)
        if held is None:
            sums[key] = [weight * amount for amount in amounts]
        else:
            for at, amount in enumerate(amounts):
                if amount:
                    held[at] += weight * amount


def with_sums(sums: Mapping[Key, list[int]], more: Mapping[Key, list[int]]) -> Mapping[Key, list[int]]:
    """Return what both add to each key's sums; keys at which all cancels out are left out."""
    if not more or not sums:
        return more or sums
    both = dict(sums)
    for key, added in more.items():
        held = both.get(key)
        total = added if held is None else [a + b for a, b in zip(held, added, strict=True)]
        if any(total):
            both[key] = total
        else:
            del both[key]
    return both


def sum_rows(sums: Mapping[Key, Sequence[int]], known: Mapping[Key, Row]) -> dict[Key, Row | None]:
    """Return the new rows of a `Rows` view, given the present ones at the keys of `sums`."""
    rows: dict[Key, Row | None] = {}
    for key, added in sums.items():
        row = known.get(key)
        amounts = added if row is None else [*map(add, row[len(key) :], added)]
        rows[key] = (*key, *amounts) if any(amounts) else None
    return rows


def attach_key(view: Attach, it: Share) -> Key:
    """Return the key of a record's row."""
    return (it.key if view.by == "record" else it.did,)


def attach_rows(
    view: Attach,
    shares: Shares,
    records: Mapping[Key, tuple[Share | None, Share | None]],
    sums: Mapping[Key, Row | None],
    known: Mapping[Key, Row],
) -> dict[Key, Row | None]:
    """
    Return the new rows of an `Attach` view.

    `records` are the records that moved, `sums` the carried rows at every key concerned, and `known` the present rows.
    """
    wide, at = len(view.columns) + 1, shares.at[view.name, view.kind]
    rows: dict[Key, Row | None] = {}
    for key in {**records, **sums}:
        if key in records:
            new = records[key][1]
            base = None if new is None else new.parts[at]
        else:
            row = known.get(key)
            base = None if row is None else row[1:wide]
        rows[key] = None if base is None else attached(view, key, base, sums.get(key))
    return rows


def attached(view: Attach, key: Key, base: tuple[Any, ...], carried: Row | None) -> Row:
    """Return the row of an `Attach` view, given what is shown of its record and the row whose sums it carries."""
    if view.carries is None:
        sums: tuple[int, ...] = ()
    else:
        sums = carried[1:] if carried is not None else (0,) * len(view.carries.sums)
    derived = () if view.derive is None else view.derive(base, sums)
    return (*key, *base, *sums, *derived)


@define
class Election:
    """What moved of one actor's records about one subject: rkeys that left, and (rev, columns) by rkey that came."""

    left: set[str] = Factory(set)
    came: dict[str, tuple[str, tuple[Any, ...]]] = Factory(dict)


class Candidate(NamedTuple):
    """One live record of a pair."""

    rev: str
    rkey: str
    shown: tuple[Any, ...]


def elections(
    view: Effective, shares: Shares, moved: Sequence[tuple[Share | None, Share | None]]
) -> dict[Key, Election]:
    """Return, for each (subject, actor) concerned, which records left and which came."""
    pairs: dict[Key, Election] = {}
    at = shares.at[view.name, view.kind]
    for old, new in moved:
        if old is not None:
            _of_pair(pairs, old.parts[at][0], old.did).left.add(old.rkey)
        if new is not None:
            subject, shown = new.parts[at]
            _of_pair(pairs, subject, new.did).came[new.rkey] = (new.rev, shown)
    return pairs


def _of_pair(pairs: dict[Key, Election], subject: str, actor: str) -> Election:
    found = pairs.get((subject, actor))
    if found is None:
        found = pairs[subject, actor] = Election()
    return found


def needs_heir(election: Election, row: Row | None) -> bool:
    """Tell whether the effective record left and a dormant one may take its place."""
    return row is not None and row[2] in election.left and row[-1] > 0


@frozen
class Elected:
    """New rows of an `Effective` view, and of the dormant table."""

    rows: dict[Key, Row | None]
    dormant: dict[Key, Row | None]


def effective_rows(
    view: Effective, pairs: Mapping[Key, Election], known: Mapping[Key, Row], heirs: Mapping[Key, Sequence[Row]]
) -> Elected:
    """
    Return what is effective now.

    `known` are the present rows of the pairs. `heirs` are, for each pair that `needs_heir`, its greatest dormant rows:
    one more than records left it.
    """
    elected = Elected({}, {})
    for pair, election in pairs.items():
        row = known.get(pair)
        held = _standing(row)
        field = [Candidate(rev, rkey, shown) for rkey, (rev, shown) in election.came.items()]
        if held is not None and held.rkey not in election.left:
            field.append(held)
        seat = seat_of(view, pair)
        heir = _heir(election, heirs.get(pair, ()))
        best = max((*field, heir) if heir else field, key=_by_rev, default=None)
        dormant = 0 if row is None else row[-1]
        for rkey in election.left:
            if held is None or rkey != held.rkey:
                elected.dormant[(*seat, rkey)] = None
                dormant -= 1
        if heir is not None and best is heir:
            elected.dormant[(*seat, heir.rkey)] = None
            dormant -= 1
        for loser in field:
            if loser is not best:
                key = (*seat, loser.rkey)
                elected.dormant[key] = (*key, loser.rev, canonical(list(loser.shown)).decode())
                dormant += 1
        elected.rows[pair] = None if best is None else (*pair, best.rkey, best.rev, *best.shown, dormant)
    return elected


def seat_of(view: Effective, pair: Key) -> Key:
    """
    Return where the dormant rows of a pair stand: view, subject, actor.

    A subject over 1,200 bytes, which only a did can be, is told by its SHA-256: stores that keep keys in pages of 8 kB
    hold no key of more than about 2,700 bytes.
    """
    subject, actor = pair
    if len(subject) > MAX_URI_BYTES:
        subject = f"sha256:{hashlib.sha256(subject.encode()).hexdigest()}"
    return view.name, subject, actor


def _standing(row: Row | None) -> Candidate | None:
    return None if row is None else Candidate(row[3], row[2], row[4:-1])


def _heir(election: Election, dormant: Sequence[Row]) -> Candidate | None:
    for _, _, _, rkey, rev, shown in dormant:
        if rkey not in election.left:
            return Candidate(rev, rkey, tuple(json.loads(shown)))
    return None


def _by_rev(candidate: Candidate) -> tuple[str, str]:
    return candidate.rev, candidate.rkey
