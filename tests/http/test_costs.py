"""
What an answer costs: so many reads whatever its rows are, for every question, in every order, on every store.

A read is one call of the store's: a statement, or in SQLite one for each partition of an index that is merged.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest
from attrs import Factory, define, field

from strandline import Store
from strandline.forum.xrpc import ANSWERS, Answering, answer

HOW: Final = Answering(page_keys=(b"a secret of the tests",))
NOW_US: Final = 1_783_000_000_000_000
MOST: Final = 30
"""The most reads of any answer."""

SPARE: Final = 2
"""Authors that are hidden may cost another look, and what one row does not have, such as a quoted post, one more."""


ROUND: Final = 7
"""What one more look costs where posts are picked by what they hold: each look is twice as far as the one before."""


@define
class Counting:
    """A store that counts what is asked of it."""

    store: Any
    asked: Counter[str] = Factory(Counter)
    layout: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.layout = self.store.layout

    async def get(self, table: str, keys: Any) -> Any:
        """Count, and pass on."""
        self.asked[f"get {table}"] += 1
        return await self.store.get(table, keys)

    async def page(self, table: str, index: str, partitions: Any, **how: Any) -> Any:
        """Count, and pass on."""
        self.asked[f"page {table}"] += 1
        return await self.store.page(table, index, partitions, **how)

    async def search(self, table: str, search: str, query: Any, **how: Any) -> Any:
        """Count, and pass on."""
        self.asked[f"search {table}"] += 1
        return await self.store.search(table, search, query, **how)


@pytest.fixture(scope="session")
def told(forum: Any) -> dict[str, Any]:
    """Who and what is in the forum, of each what has most below it."""
    live = {row.did: row for row in forum.rows("community") if row.visibility == "public"}
    posts = [row for row in forum.rows("post") if row.community in live]
    subscriptions = Counter(row.actor for row in forum.rows("subscription") if not row.ended and row.community in live)
    [(viewer, _)] = subscriptions.most_common(1)
    profiles = forum.rows("profile")
    return {
        "viewer": viewer,
        "community": max(live.values(), key=lambda row: row.member_count).did,
        "author": max(profiles, key=lambda row: row.post_count).did,
        "speaker": max(profiles, key=lambda row: row.comment_count).did,
        "thread": max(posts, key=lambda row: row.comment_count).uri,
        "posts": [row.uri for row in posts[:25]],
        "aggregators": [row.did for row in forum.rows("aggregator")] or [viewer],
        "dids": [row.did for row in profiles[:25]],
    }


SORTS: Final = tuple(
    (("sort", sort), ("timeframe", frame)) for sort in ("hot", "new", "top") for frame in ("all", "week")
)
COMMUNITY, AUTHOR, SPEAKER = "community", "author", "speaker"

VARIANTS: Final[Mapping[str, tuple[tuple[tuple[str, str], ...], ...]]] = {
    "feed.getTimeline": SORTS,
    "feed.getDiscover": SORTS,
    "feed.getAll": (*SORTS, (("postType", "image"), ("postType", "article")), (("postTypes", "text"),)),
    "feed.getCommunity": tuple((("community", COMMUNITY), *it) for it in SORTS),
    "community.post.list": (
        *SORTS,
        *((("community", COMMUNITY), *it) for it in SORTS),
        *((("author", AUTHOR), *it) for it in SORTS),
    ),
    "community.post.search": tuple((("q", "the"), ("sort", it)) for it in ("relevance", "new", "top")),
    "community.comment.getComments": tuple((("post", "thread"), *it, ("depth", "100")) for it in SORTS),
    "actor.getProfile": ((("actor", AUTHOR),),),
    "actor.getPosts": (
        (("actor", AUTHOR),),
        (("actor", AUTHOR), ("filter", "posts_with_media")),
        (("actor", AUTHOR), ("community", COMMUNITY)),
    ),
    "actor.getComments": ((("actor", SPEAKER),), (("actor", SPEAKER), ("community", COMMUNITY))),
    "actor.search": ((("q", "a"),),),
    "community.get": ((("community", COMMUNITY),),),
    "community.list": tuple((("sort", it),) for it in ("popular", "active", "new", "alphabetical")),
    "community.search": ((("q", "a"),),),
    "community.getSubscribers": ((("community", COMMUNITY),),),
    "community.getMembers": ((("community", COMMUNITY),),),
    "aggregator.getAuthorizations": ((("aggregatorDid", "aggregator"),),),
    "aggregator.listForCommunity": ((("community", COMMUNITY),),),
    "community.post.get": ((),),
    "aggregator.getServices": ((("detailed", "true"),), ()),
}
"""Each question, in every way that reads something else; who and what it is about is put in by `told`."""


def asked_with(name: str, pairs: tuple[tuple[str, str], ...], told: dict[str, Any], rows: int) -> list[tuple[str, str]]:
    """Return a question's parameters, for so many rows."""
    if name == "community.post.get":
        return [("uris", uri) for uri in told["posts"][:rows]]
    if name == "aggregator.getServices":
        return [*pairs, *(("dids", did) for did in (told["aggregators"] + told["dids"])[: min(rows, 25)])]
    real = {**told, "aggregator": told["aggregators"][0]}
    whole = [(key, str(real.get(value, value)) if key not in ("sort", "q") else value) for key, value in pairs]
    return whole if name in ("actor.getProfile", "community.get") else [*whole, ("limit", str(rows))]


def reads(forum: Any, name: str, pairs: list[tuple[str, str]], viewer: str) -> tuple[int, int]:
    """Return how many reads an answer costs, and how many items it has."""
    counting = Counting(forum.index.store)

    async def ask(real: Store) -> Any:
        how: dict[str, Any] = {"viewer": viewer, "now_us": NOW_US, "how": HOW}
        return await answer(counting, f"social.coves.{name}", pairs, **how)  # type: ignore[arg-type]  # what is used of it

    found = forum.index.ask(ask)
    items = [len(it) for it in found.values() if isinstance(it, list)]
    return counting.asked.total(), max(items, default=1)


def test_every_question_is_counted() -> None:
    assert {f"social.coves.{name}" for name in VARIANTS} == set(ANSWERS)


@pytest.mark.parametrize("store", ["memory", "sqlite", "postgres"])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_read_does_not_grow_with_the_rows(
    forums: Mapping[str, Any], told: dict[str, Any], store: str, name: str
) -> None:
    shown = 0
    for pairs in VARIANTS[name]:
        few, _ = reads(forums[store], name, asked_with(name, pairs, told, 1), told["viewer"])
        many, items = reads(forums[store], name, asked_with(name, pairs, told, 50), told["viewer"])
        picked = any(key in ("postType", "postTypes", "filter") for key, _ in pairs)
        assert many <= few + SPARE + picked * ROUND, (pairs, few, many)
        assert many <= MOST, (pairs, many)
        shown = max(shown, items)
    alone = ("actor.getProfile", "community.get", "aggregator.getServices", "aggregator.getAuthorizations")
    assert shown > 3 or name in (*alone, "aggregator.listForCommunity"), "else it proves nothing"


def test_a_thread_costs_the_same_however_deep_it_is_shown(forum: Any, told: dict[str, Any]) -> None:
    def cost(depth: int) -> int:
        pairs = [("post", told["thread"]), ("depth", str(depth)), ("limit", "50")]
        return reads(forum, "community.comment.getComments", pairs, told["viewer"])[0]

    assert cost(100) <= cost(0) + SPARE
