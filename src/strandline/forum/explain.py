"""
Why an at-uri counts what it counts.

What stands at the path decides everything else, so the answer is read off the registers and the views: what holds of
the record (it may be void, hidden and invalid all at once), what it adds to which row, and what was said about it.
What it adds is worked out by the views' own functions, so it cannot say anything but what the index does.

Source: the page "What the index means" of the documentation
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast

from attrs import evolve, frozen

from strandline.delta import elections, row_sums
from strandline.fold import JOB, QUARANTINE
from strandline.forum.queries import community
from strandline.forum.records import COMMENT, POST
from strandline.forum.schema import SCHEMA
from strandline.judge import compile_judge
from strandline.ports import Key, Store
from strandline.register import REPO, Register, Repo, kept_of, registers_at
from strandline.schema import Attach, Effective, Live, Rows, Type
from strandline.shares import Shares, live
from strandline.wirejson import loads

__all__ = ["STATES", "WITHHELD", "Contribution", "Explanation", "State", "Vote", "explain"]

State = Literal[
    "unknown",
    "foreign",
    "tombstone",
    "void",
    "hidden",
    "quarantined",
    "undeclared",
    "dormant",
    "effective",
    "live",
]

STATES: Final[Mapping[State, str]] = {
    "unknown": "no event about it was ever taken in",
    "foreign": "it belongs to another app; such records are counted as they pass and not kept",
    "tombstone": "it was deleted; no older write can bring it back",
    "void": "its repo was re-stated without it: its rev is below the repo's floor",
    "hidden": "the account that holds it is not active",
    "quarantined": "it stands, but is not valid, and counts for nothing",
    "undeclared": "it is kept, but no view reads records of its kind",
    "dormant": "a later record of the same actor about the same subject counts in its place",
    "effective": "of its actor's records about its subject it is the one that counts",
    "live": "it counts",
}
"""What may hold of an at-uri, with its meaning; of several, the first here is told first."""

WITHHELD: Final[Mapping[str, str]] = {
    "author-hidden": "its author's account is not active: it counts, but is in no feed and is not found",
    "community-gone": "its community has no live profile: it is in no feed",
    "unlisted": "its community is not public: it is not in discover",
    "private": "its community is private: only subscribers are shown it",
}
"""Why a live post may not be shown."""

_SHARES: Final = Shares(SCHEMA.keys, SCHEMA.views)
_SHOWN_VOTES: Final = 10


@frozen
class Contribution:
    """
    What a record adds to a row of a view.

    Attributes:
        view: The view's name.
        key: The row's key; records are told by their at-uris.
        sums: What it adds, by column; no zeros.
    """

    view: str
    key: tuple[str, ...]
    sums: Mapping[str, int]


@frozen
class Vote:
    """A vote that counts: whose, which way, and its own at-uri."""

    voter: str
    direction: str
    uri: str


@frozen(kw_only=True)
class Explanation:
    """
    What is known of an at-uri, and why it counts what it counts.

    Attributes:
        uri: The at-uri.
        states: All that holds of it, in the order of STATES; never empty.
        register: What stands there; None if nothing is known.
        repo: What is known of the repository it lies in; None if nothing is.
        faults: Why it is quarantined: path, rule and message of each fault.
        superseded_by: At-uri of the record that counts in its place, if it is dormant.
        dormant: How many records it keeps from counting, if it is effective.
        contributions: What it adds to the rows of views.
        root: At-uri of the post a comment hangs under; also that of a deleted one.
        parent: At-uri of what a comment answers; also that of a deleted one.
        withheld: Keys of WITHHELD: why a live post is not shown everywhere.
        tally: What was said about it, by name: votes and comments. They count whether or not it is live.
        votes: Some of the votes in the tally, by voter.
        settling: A job still moves the records of its repository, so the views may lag behind.
    """

    uri: str
    states: tuple[State, ...]
    register: Register | None = None
    repo: Repo | None = None
    faults: tuple[Mapping[str, str], ...] = ()
    superseded_by: str | None = None
    dormant: int = 0
    contributions: tuple[Contribution, ...] = ()
    root: str | None = None
    parent: str | None = None
    withheld: tuple[str, ...] = ()
    tally: Mapping[str, int]
    votes: tuple[Vote, ...] = ()
    settling: bool = False


async def explain(store: Store, uri: str) -> Explanation:
    """
    Explain the at-uri of a record.

    Args:
        store: An index of the forum.
        uri: Of the form `at://did/collection/rkey`; see `strandline.syntax.record_uri`.
    """
    did, collection, rkey = uri[5:].split("/")
    path = (rkey, collection, did)
    bare = Explanation(
        uri=uri,
        states=("unknown" if SCHEMA.holds(collection) else "foreign",),
        tally=await _tally(store, uri),
        votes=await _votes(store, uri),
    )
    it = (await registers_at(store.get, [path])).get(path)
    if it is None:
        return bare
    repos = await store.get(REPO.name, [(did,)])
    refused = (await store.get(QUARANTINE.name, [path])).get(path)
    told = evolve(
        bare,
        register=it,
        repo=Repo._make(repos[did,]) if repos else None,
        faults=() if refused is None else tuple(loads(refused[3].encode())),
        settling=bool(await store.get(JOB.name, [(did,)])),
    )
    told = evolve(told, states=_standing(it, told), **_place(it, told))
    return told if told.states else await _explain_live(store, it, told)


def _standing(it: Register, told: Explanation) -> tuple[State, ...]:
    """Return all reasons for which a register counts for nothing; none if it is live."""
    holds: Mapping[State, bool] = {
        "tombstone": it.record is None,
        "void": it.record is not None and told.repo is not None and it.rev < told.repo.floor,
        "hidden": told.repo is not None and told.repo.active == 0,
        "quarantined": bool(told.faults),
        "undeclared": it.collection not in SCHEMA.kind_of,
    }
    return tuple(state for state, so in holds.items() if so)


def _place(it: Register, told: Explanation) -> dict[str, Any]:
    """Return where a comment hangs, or hung, as far as it can be known."""
    if it.collection != COMMENT or told.faults:
        return {}
    if it.record is None:
        return {name: uri for name, uri in (kept_of(it) or {}).items() if name in ("root", "parent")}
    reply = loads(it.record.encode())["reply"]
    return {name: reply[name]["uri"] for name in ("root", "parent")}


async def _explain_live(store: Store, it: Register, told: Explanation) -> Explanation:
    record = live(SCHEMA.keys, it, compile_judge(SCHEMA.kind_of[it.collection]).typed(it.record or ""))
    told = evolve(told, states=("live",))
    for view in SCHEMA.views:
        if isinstance(view, Effective) and view.kind == it.collection:
            [key] = _own_keys(view, record)
            row = (await store.get(view.name, [key])).get(key)
            if row is not None and row[2] != it.rkey:
                return evolve(told, states=("dormant",), superseded_by=f"at://{it.did}/{it.collection}/{row[2]}")
            told = evolve(told, states=("effective",), dormant=0 if row is None else row[-1])
    return evolve(told, contributions=await _contributions(store, record), withheld=await _withheld(store, record))


async def _contributions(store: Store, record: Live) -> tuple[Contribution, ...]:
    """Follow a live record through the views, each after its sources."""
    came: dict[str, list[tuple[None, Any]]] = {record.collection: [(None, _SHARES.of(record))]}
    found: list[Contribution] = []
    for view in SCHEMA.views:
        if isinstance(view, Rows):
            added = row_sums(view, _SHARES, came)
            found += [_contribution(view, key, sums) for key, sums in added.items()]
            keys = list(added)
        else:
            keys = _own_keys(view, record)
        rows = await store.get(view.name, keys)
        came[view.name] = [(None, view.table.row(rows[key])) for key in keys if key in rows]
    return tuple(found)


def _own_keys(view: Effective | Attach, record: Live) -> list[Key]:
    if view.kind != record.collection:
        return []
    if isinstance(view, Effective):
        return list(elections(view, _SHARES, [(None, _SHARES.of(record))]))
    return [(record.key if view.by == "record" else record.did,)]


def _contribution(view: Rows, key: Key, sums: Iterable[int]) -> Contribution:
    told = tuple(
        SCHEMA.keys.uri(part) if column.type is Type.KEY else part for column, part in zip(view.key, key, strict=True)
    )
    return Contribution(view.name, told, {name: it for name, it in zip(view.sums, sums, strict=True) if it})


async def _withheld(store: Store, record: Live) -> tuple[str, ...]:
    if record.collection != POST:
        return ()
    authors = await store.get(REPO.name, [(record.record.author,)])
    home = await community(store, record.did)
    holds = {
        "author-hidden": any(Repo._make(row).active == 0 for row in authors.values()),
        "community-gone": home is None,
        "unlisted": home is not None and home.visibility not in ("public", "private"),
        "private": home is not None and home.visibility == "private",
    }
    return tuple(name for name, so in holds.items() if so)


async def _tally(store: Store, uri: str) -> dict[str, int]:
    key = (SCHEMA.keys.of(uri),)
    view = cast(Rows, SCHEMA.view("tally"))
    row = (await store.get(view.name, [key])).get(key, (*key, *(0 for _ in view.sums)))
    return dict(zip(view.sums, row[1:], strict=True))


async def _votes(store: Store, uri: str) -> tuple[Vote, ...]:
    view = cast(Effective, SCHEMA.view("vote"))
    rows = await store.page(view.name, "by_subject", [(SCHEMA.keys.of(uri),)], limit=_SHOWN_VOTES)
    named = map(view.table.row, rows)
    return tuple(Vote(row.voter, row.direction, f"at://{row.voter}/{view.kind}/{row.rkey}") for row in named)
