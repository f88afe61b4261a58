"""
Feeds: the posts of a community, of all public ones, of those a viewer is subscribed to; a page at a time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from attrs import frozen

from strandline.forum.queries.entries import community
from strandline.forum.queries.people import hidden
from strandline.forum.queries.relations import blocked_by, relations, subscribed_to
from strandline.ports import Key, Store

__all__ = [
    "SORT_COLUMNS",
    "TIMEFRAMES_US",
    "FeedPage",
    "Order",
    "community_feed",
    "discover",
    "page_of",
    "public_communities",
    "sort_key",
    "timeline",
]

Order = Literal["hot", "new", "top"]

_DAY_US: Final = 86_400_000_000

TIMEFRAMES_US: Final[Mapping[str, int | None]] = {
    "hour": _DAY_US // 24,
    "day": _DAY_US,
    "week": 7 * _DAY_US,
    "month": 30 * _DAY_US,
    "year": 365 * _DAY_US,
    "all": None,
}
"""How long each timeframe is, in microseconds; None for all there is."""

SORT_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "new": ("sort_at_us", "uri"),
    "top": ("score", "sort_at_us", "uri"),
    "hot": ("hot", "uri"),
}
_PAGE: Final = 500
_ROUNDS: Final = 5
"""So many pages of all posts, each twice the one before, are looked through for those that discover shows."""

_WINDOW: Final = 1000
"""So many posts of a window are read and sorted at first; of more, the order itself is walked too."""


@frozen
class FeedPage:
    """
    A page of a feed.

    Attributes:
        posts: Rows of the table `post`, in order.
        after: Where the next page begins; None if there is none.
    """

    posts: tuple[Any, ...]
    after: Key | None


async def community_feed(
    store: Store,
    did: str,
    *,
    order: Order = "hot",
    since_us: int | None = None,
    limit: int = 15,
    after: Key | None = None,
    viewer: str | None = None,
) -> FeedPage | None:
    """
    Return posts of one community; None if it is not live, or is private and the viewer not subscribed to it.

    Args:
        store: An index of the forum.
        did: The community.
        order: `hot`, `new` or `top`, the greatest first.
        since_us: Only posts whose `sort_at_us` is at least this.
        limit: Posts a page.
        after: `after` of the page before.
        viewer: Did of who asks.
    """
    found = await community(store, did)
    if found is None or (found.visibility == "private" and did not in await subscribed_to(store, viewer)):
        return None
    return await page_of(store, [did], order, since_us, limit, after)


async def discover(
    store: Store,
    *,
    order: Order = "hot",
    since_us: int | None = None,
    limit: int = 15,
    after: Key | None = None,
    viewer: str | None = None,
) -> FeedPage:
    """Return posts of all live public communities but those the viewer blocks; arguments as `community_feed`."""
    blocked = await blocked_by(store, viewer)
    found = await _everywhere(store, blocked, order, since_us, limit, after)
    if found is not None:
        return found
    dids = [row.did for row in await public_communities(store) if row.did not in blocked]
    return await page_of(store, dids, order, since_us, limit, after)


async def timeline(
    store: Store,
    viewer: str,
    *,
    order: Order = "hot",
    since_us: int | None = None,
    limit: int = 15,
    after: Key | None = None,
) -> FeedPage:
    """Return posts of the live communities the viewer is subscribed to and does not block; as `community_feed`."""
    subscribed = {row.community for row in await relations(store, "subscription", viewer) if not row.ended}
    blocked = {row.community for row in await relations(store, "block", viewer)}
    wanted = sorted(subscribed - blocked)
    if await hidden(store, [viewer]):
        return FeedPage((), None)
    rows = await store.get("community", [(did,) for did in wanted])
    dids = [did for did in wanted if (did,) in rows]
    return await page_of(store, dids, order, since_us, limit, after)


async def page_of(
    store: Store, dids: Sequence[str], order: Order, since_us: int | None, limit: int, after: Key | None
) -> FeedPage:
    """Return posts of some communities, but those of hidden authors; arguments as `community_feed`."""
    posts: list[Any] = []
    while len(posts) <= limit:
        wanted = limit + 1 - len(posts)
        scope = _Scope("by_", [(did,) for did in dids])
        rows, more = await _post_rows(store, scope, order, since_us, wanted + wanted // 8 + 1, after)
        gone = await hidden(store, {row.author for row in rows} | {row.community for row in rows})
        posts += [row for row in rows if row.author not in gone and row.community not in gone]
        dids = [did for did in dids if did not in gone]
        if not more:
            break
        after = sort_key(order)(rows[-1])
    return _cut(posts, order, limit)


def _cut(posts: Sequence[Any], order: Order, limit: int) -> FeedPage:
    cut = tuple(posts[:limit])
    return FeedPage(cut, sort_key(order)(cut[-1]) if len(posts) > limit and cut else None)


async def _everywhere(
    store: Store, blocked: Collection[str], order: Order, since_us: int | None, limit: int, after: Key | None
) -> FeedPage | None:
    """
    Walk down the order of all posts, past what discover does not show; None where that is too much.

    Communities may be many and most posts are in public ones, so this is the shorter way; whoever floods a community
    that is not shown makes it no longer than a few pages.
    """
    posts: list[Any] = []
    size = limit + 1 + limit // 2
    for _ in range(_ROUNDS):
        rows, more = await _post_rows(store, _Scope("all_", [()]), order, since_us, size, after)
        posts += await _shown(store, rows, blocked)
        if len(posts) > limit or not more:
            return _cut(posts, order, limit)
        after = sort_key(order)(rows[-1])
        size *= 2
    return None


async def _shown(store: Store, rows: Sequence[Any], blocked: Collection[str]) -> list[Any]:
    """Return the posts of live public communities that are not blocked; neither they nor their authors are hidden."""
    named = store.layout.table("community").row
    found = await store.get("community", {(row.community,) for row in rows})
    public = {key[0] for key, row in found.items() if named(row).visibility == "public"}.difference(blocked)
    gone = await hidden(store, {row.author for row in rows if row.community in public} | public)
    return [row for row in rows if row.community in public - gone and row.author not in gone]


class _Scope(NamedTuple):
    """Which of the indexes of posts is asked, and where in it."""

    prefix: str
    partitions: Sequence[Key]


async def _post_rows(
    store: Store, scope: _Scope, order: Order, since_us: int | None, limit: int, after: Key | None
) -> tuple[list[Any], bool]:
    """Return the next posts of a scope, and whether there may be more."""
    named = store.layout.table("post").row
    bound = None if since_us is None else (since_us,)
    if since_us is None or order == "new":
        index = f"{scope.prefix}{order}"
        rows = await store.page("post", index, scope.partitions, limit=limit, after=after, bound=bound)
        return [named(row) for row in rows], len(rows) == limit
    found = await _since(store, scope, order, since_us, limit, after)
    return found[:limit], len(found) >= limit


async def _since(store: Store, scope: _Scope, order: Order, since_us: int, limit: int, after: Key | None) -> list[Any]:
    """
    Read the window, and walk down the order past what is older, in turns and ever further, until one has the page.

    The one is short where the window is, the other where much is in it; so at most some three times the posts are read
    that the better one needs.
    """
    named, at, newness = store.layout.table("post").row, sort_key(order), sort_key("new")
    window: list[Any] = []
    walked: list[Any] = []
    size = _WINDOW
    while True:
        last = newness(window[-1]) if window else None
        rows = await store.page(
            "post", f"{scope.prefix}new", scope.partitions, limit=size, after=last, bound=(since_us,)
        )
        window += map(named, rows)
        if len(rows) < size:
            return sorted((row for row in window if after is None or at(row) < after), key=at, reverse=True)
        last = at(walked[-1]) if walked else after
        rows = await store.page("post", f"{scope.prefix}{order}", scope.partitions, limit=size, after=last)
        walked += map(named, rows)
        found = [row for row in walked if row.sort_at_us >= since_us]
        if len(rows) < size or len(found) >= limit:
            return found
        size *= 2


def sort_key(order: str) -> Callable[[Any], Key]:
    """Give a row of a post its place in an order."""
    columns = SORT_COLUMNS[order]
    return lambda row: tuple(getattr(row, column) for column in columns)


async def public_communities(store: Store) -> list[Any]:
    """Return the rows of all public communities; those of one whose account is hidden may still be there."""
    named = store.layout.table("community").row
    found: list[Any] = []
    more = True
    while more:
        after = (found[-1].subscriber_count, found[-1].did) if found else None
        rows = await store.page("community", "by_popular", [("public",)], limit=_PAGE, after=after)
        found += map(named, rows)
        more = len(rows) == _PAGE
    return found
