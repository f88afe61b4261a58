"""
The numbers of a log, those of a consumer's tables and those of our views, told alike: lists by what they are about.

A consumer's tables are asked in SQL that SQLite and PostgreSQL both understand.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from strandline import Index, open_index
from strandline.event import canonical
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.ports import Store
from strandline.register import REPO

Ask = Callable[[str], list[Any]]
"""Returns the rows of a statement."""

Numbers = dict[str, list[Any]]

VIEWS = {
    "post": (
        "uri cid community author upvotes downvotes score commentCount sortAtUs hot edited",
        "uri, cid, community, author, up, down, score, comments, created, hot, edited IS NOT NULL"
        " FROM post JOIN record USING (uri)",
    ),
    "comment": (
        "uri cid root parent upvotes downvotes score replyCount sortAtUs hot",
        "uri, cid, root, parent, up, down, score, replies, created, hot FROM comment JOIN record USING (uri)",
    ),
    "community": (
        "did name subscriberCount postCount memberCount",
        "did, name, subscribers, posts, members FROM community WHERE visibility IS NOT NULL",
    ),
    "profile": (
        "did displayName postCount commentCount communityCount membershipCount reputation",
        "did, name, posts, comments, communities, memberships, reputation FROM actor WHERE profile",
    ),
    "vote": ("voter subject uri direction", "actor, subject, uri, value FROM vote"),
    "subscription": (
        "actor community uri contentVisibility",
        "actor, subject, uri, value FROM subscription WHERE value <> 0",
    ),
    "block": ("actor community uri", "actor, subject, uri FROM block"),
    "authorization": ("community aggregator uri enabled", 'actor, subject, uri, value FROM "authorization"'),
    "account": ("did active status", "did, active, status FROM account WHERE NOT active"),
}
"""The names of a line of `strandline dump`, and where a consumer has its values."""

FLAGS = ("edited", "enabled", "active")

COUNTS = {
    "tally": "uri, up, down, replies, comments FROM post UNION ALL SELECT uri, up, down, replies, comments FROM comment"
    " UNION ALL SELECT * FROM tally",
    "member": "community, did, contributions FROM member",
    "community_tally": "did, subscribers, posts, members FROM community",
    "actor_tally": "did, posts, comments, communities, memberships, reputation FROM actor",
}
"""Where a consumer has the rows of our views of counts."""


def numbers_by_hand(ask: Ask) -> Numbers:
    """Return the numbers of a consumer's tables."""
    return {
        "dump": sorted(canonical(line) for view in VIEWS for line in _lines(ask, view)),
        **{view: _counts(ask, view) for view in COUNTS},
        "handle": sorted(map(tuple, ask("SELECT did, handle FROM account WHERE handle IS NOT NULL"))),
        "aggregator": sorted(did for (did,) in ask("SELECT did FROM aggregator")),
    }


def _lines(ask: Ask, view: str) -> list[dict[str, Any]]:
    names, statement = VIEWS[view]
    found = [{"view": view, **dict(zip(names.split(), row, strict=True))} for row in ask(f"SELECT {statement}")]
    return [row | {name: bool(row[name]) for name in FLAGS if name in row} for row in found]


def _counts(ask: Ask, view: str) -> list[tuple[Any, ...]]:
    """The rows of a view of counts, but those of which nothing is counted."""
    keys = 2 if view == "member" else 1
    return sorted(tuple(row) for row in ask(f"SELECT {COUNTS[view]}") if any(row[keys:]))


def numbers_of_ours(log: Iterable[bytes]) -> Numbers:
    """Return the numbers of our views, none of whose events was late, twice, bad or invalid."""
    log = list(log)
    with open_index("memory:", SCHEMA) as index:
        outcome = index.fold(log)
        silent = sum(
            event["kind"] == "identity" and "handle" not in event["identity"] for event in map(json.loads, log)
        )
        assert (outcome.stale, outcome.bad, outcome.quarantined) == (silent, {}, {})
        named = index.store.layout.table(REPO.name).row
        repos = map(named, index.ask(_scanned, REPO.name))
        return {
            "dump": index.ask(_dumped),
            **{view: _our_counts(index, view) for view in COUNTS},
            "handle": sorted((repo.did, repo.handle) for repo in repos if repo.handle is not None),
            "aggregator": sorted(row[0] for row in index.ask(_scanned, "aggregator")),
        }


async def _dumped(store: Store) -> list[bytes]:
    return sorted([line async for line in dump_lines(store)])


async def _scanned(store: Store, view: str) -> list[tuple[Any, ...]]:
    return [row async for _, chunk in store.scan([view]) for row in chunk]


def _our_counts(index: Index, view: str) -> list[tuple[Any, ...]]:
    found = index.ask(_scanned, view)
    if view == "tally":
        found = [(index.store.layout.keys.uri(key), *sums) for key, *sums in found]
    return sorted(found)
