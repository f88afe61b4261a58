"""
Questions to the forum: feeds, threads, posts, communities, profiles.

Coroutines over a store; nothing here writes or reads a clock. What an account's state changes is checked at read, so
that a hidden account is gone at once, while the job that takes its records back is still at work.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from attrs import frozen

from strandline.fold import QUARANTINE
from strandline.ports import Key, Store
from strandline.register import REGISTER, REPO, Register, Repo, is_live, kept_of
from strandline.schema import Keys

__all__ = [
    "TIMEFRAMES_US",
    "FeedPage",
    "Order",
    "Reply",
    "community",
    "community_feed",
    "discover",
    "handles",
    "post",
    "profile",
    "record",
    "thread",
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

_SORT_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "new": ("sort_at_us", "uri"),
    "top": ("score", "sort_at_us", "uri"),
    "hot": ("hot", "uri"),
}
_PAGE: Final = 500
_COMMENTS: Final = 5000
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


@frozen
class Reply:
    """
    One place of a thread, in reading order.

    Attributes:
        depth: 0 at the top.
        uri: At-uri of the comment.
        comment: Its row of the table `comment`; None for a placeholder.
    """

    depth: int
    uri: str
    comment: Any | None


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
    if found is None or (found.visibility == "private" and did not in await _subscribed(store, viewer)):
        return None
    return await _feed(store, [did], order, since_us, limit, after)


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
    blocked = await _blocked(store, viewer)
    found = await _everywhere(store, blocked, order, since_us, limit, after)
    if found is not None:
        return found
    dids = [row.did for row in await _public_communities(store) if row.did not in blocked]
    return await _feed(store, dids, order, since_us, limit, after)


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
    subscribed = {row.community for row in await _relations(store, "subscription", viewer) if not row.ended}
    blocked = {row.community for row in await _relations(store, "block", viewer)}
    wanted = sorted(subscribed - blocked)
    if await _hidden(store, [viewer]):
        return FeedPage((), None)
    rows = await store.get("community", [(did,) for did in wanted])
    dids = [did for did in wanted if (did,) in rows]
    return await _feed(store, dids, order, since_us, limit, after)


async def post(store: Store, uri: str) -> Any | None:
    """Return the row of a live post whose author's account is not hidden; None if there is none."""
    key = (store.layout.keys.of(uri),)
    rows = await store.get("post", [key])
    if not rows:
        return None
    row = store.layout.table("post").row(rows[key])
    return None if await _hidden(store, [row.community, row.author]) else row


async def community(store: Store, did: str) -> Any | None:
    """Return the row of a live community; None if there is none."""
    return await _owned(store, "community", did)


async def profile(store: Store, did: str) -> Any | None:
    """Return the row of a live actor profile; None if there is none."""
    return await _owned(store, "profile", did)


async def record(store: Store, uri: str) -> Register | None:
    """Return what stands at an at-uri; None if nothing is known of it."""
    rows = await store.get(REGISTER.name, [_path(uri)])
    return next((Register._make(row) for row in rows.values()), None)


async def handles(store: Store, dids: Iterable[str]) -> dict[str, str]:
    """Return the handle each did claims, of those that claim one that no later claim has taken."""
    rows = await store.get(REPO.name, [(did,) for did in set(dids)])
    claimed = [repo for repo in map(Repo._make, rows.values()) if repo.handle is not None]
    found: dict[str, str] = {}
    for repo in claimed:
        [latest] = await store.page(REPO.name, "by_handle", [(repo.handle,)], limit=1)
        if latest[0] == repo.did and repo.handle is not None:
            found[repo.did] = repo.handle
    return found


async def thread(store: Store, uri: str, *, order: Order = "hot") -> tuple[Reply, ...]:
    """
    Return the live comments of a post, each under its parent, with placeholders for parents that are gone.

    Siblings stand in `order`, the greatest first; a placeholder stands where its best reply would.
    """
    keys, root = store.layout.keys, store.layout.keys.of(uri)
    comments = await _comments(store, root)
    parents = await _parents(store, root, comments)
    _cut_cycles(keys, parents)
    _prune(comments, parents)
    return _laid_out(keys, comments, parents, order)


async def _feed(
    store: Store, dids: Sequence[str], order: Order, since_us: int | None, limit: int, after: Key | None
) -> FeedPage:
    posts: list[Any] = []
    while len(posts) <= limit:
        wanted = limit + 1 - len(posts)
        scope = _Scope("by_", [(did,) for did in dids])
        rows, more = await _post_rows(store, scope, order, since_us, wanted + wanted // 8 + 1, after)
        hidden = await _hidden(store, {row.author for row in rows} | {row.community for row in rows})
        posts += [row for row in rows if row.author not in hidden and row.community not in hidden]
        dids = [did for did in dids if did not in hidden]
        if not more:
            break
        after = _sort_key(order)(rows[-1])
    return _cut(posts, order, limit)


def _cut(posts: Sequence[Any], order: Order, limit: int) -> FeedPage:
    cut = tuple(posts[:limit])
    return FeedPage(cut, _sort_key(order)(cut[-1]) if len(posts) > limit and cut else None)


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
        after = _sort_key(order)(rows[-1])
        size *= 2
    return None


async def _shown(store: Store, rows: Sequence[Any], blocked: Collection[str]) -> list[Any]:
    """Return the posts of live public communities that are not blocked; neither they nor their authors are hidden."""
    named = store.layout.table("community").row
    found = await store.get("community", {(row.community,) for row in rows})
    public = {key[0] for key, row in found.items() if named(row).visibility == "public"}.difference(blocked)
    hidden = await _hidden(store, {row.author for row in rows if row.community in public} | public)
    return [row for row in rows if row.community in public - hidden and row.author not in hidden]


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
    named, at, newness = store.layout.table("post").row, _sort_key(order), _sort_key("new")
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


def _sort_key(order: str) -> Callable[[Any], Key]:
    columns = _SORT_COLUMNS[order]
    return lambda row: tuple(getattr(row, column) for column in columns)


async def _public_communities(store: Store) -> list[Any]:
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


async def _subscribed(store: Store, viewer: str | None) -> set[str]:
    if viewer is None or await _hidden(store, [viewer]):
        return set()
    return {row.community for row in await _relations(store, "subscription", viewer) if not row.ended}


async def _blocked(store: Store, viewer: str | None) -> set[str]:
    if viewer is None or await _hidden(store, [viewer]):
        return set()
    return {row.community for row in await _relations(store, "block", viewer)}


async def _relations(store: Store, table: str, viewer: str) -> list[Any]:
    """Return a viewer's rows of a relation; those of one whose account is hidden may still be there."""
    named = store.layout.table(table).row
    found: list[Any] = []
    more = True
    while more:
        after = (found[-1].community,) if found else None
        rows = await store.page(table, "by_actor", [(viewer,)], limit=_PAGE, after=after)
        found += map(named, rows)
        more = len(rows) == _PAGE
    return found


async def _owned(store: Store, table: str, did: str) -> Any | None:
    rows = await store.get(table, [(did,)])
    if not rows or await _hidden(store, [did]):
        return None
    return store.layout.table(table).row(rows[did,])


async def _hidden(store: Store, dids: Iterable[str]) -> set[str]:
    rows = await store.get(REPO.name, [(did,) for did in set(dids)])
    return {repo.did for repo in map(Repo._make, rows.values()) if repo.active == 0}


async def _comments(store: Store, root: str) -> dict[str, Any]:
    named = store.layout.table("comment").row
    found: dict[str, Any] = {}
    after: Key | None = None
    more = True
    while more:
        rows = await store.page("comment", "by_root", [(root,)], limit=_COMMENTS, after=after)
        found.update((row[0], named(row)) for row in rows)
        after = rows[-1][:1] if rows else None
        more = len(rows) == _COMMENTS
    hidden = await _hidden(store, {row.author for row in found.values()})
    return {key: row for key, row in found.items() if row.author not in hidden}


async def _parents(store: Store, root: str, comments: Mapping[str, Any]) -> dict[str, str | None]:
    """Return, for each comment and placeholder of a thread, the one it hangs under; None at the top."""
    parents: dict[str, str | None] = {}
    told = {key: row.parent for key, row in comments.items()}
    while told:
        unknown = {parent for parent in told.values() if parent not in comments and parent not in parents}
        gone = await _gone(store, root, unknown - {root} - set(told))
        for key, parent in told.items():
            stands = parent in comments or parent in gone or parent in parents or parent in told
            parents[key] = parent if stands and parent != root else None
        told = {key: parent or root for key, parent in gone.items()}
    return parents


async def _gone(store: Store, root: str, keys: Iterable[str]) -> dict[str, str | None]:
    """Return those of some keys at which nothing live stands, each with its parent as its tombstone has it."""
    names = store.layout.keys
    paths = {_path(names.uri(key)): key for key in keys}
    registers = await store.get(REGISTER.name, list(paths))
    invalid = await store.get(QUARANTINE.name, list(paths))
    repos = await store.get(REPO.name, [(path[2],) for path in paths])
    gone: dict[str, str | None] = {}
    for path, key in paths.items():
        it = Register._make(registers[path]) if path in registers else None
        repo = Repo._make(repos[path[2],]) if (path[2],) in repos else None
        if it is None or not is_live(it, repo, path in invalid):
            kept = kept_of(it) if it is not None and it.record is None else None
            gone[key] = names.of(kept["parent"]) if kept and names.of(kept["root"]) == root else None
    return gone


def _path(uri: str) -> tuple[str, str, str]:
    did, collection, rkey = uri[5:].split("/")
    return rkey, collection, did


def _cut_cycles(keys: Keys, parents: dict[str, str | None]) -> None:
    done: set[str] = set()
    for start in sorted(parents):
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in done and at not in path:
            path[at] = None
            at = parents[at]
        if at is not None and at in path:
            walked = list(path)
            parents[min(walked[walked.index(at) :], key=keys.uri)] = None
        done.update(path)


def _prune(comments: Mapping[str, Any], parents: dict[str, str | None]) -> None:
    """Leave out the placeholders under which nothing live hangs."""
    shown: set[str] = set()
    for key in comments:
        at: str | None = key
        while at is not None and at not in shown:
            shown.add(at)
            at = parents[at]
    for key in [key for key in parents if key not in shown]:
        del parents[key]


def _laid_out(
    keys: Keys, comments: Mapping[str, Any], parents: Mapping[str, str | None], order: Order
) -> tuple[Reply, ...]:
    children: dict[str | None, list[str]] = {}
    for key, parent in parents.items():
        children.setdefault(parent, []).append(key)
    ranks = _ranks(keys, comments, parents, children, order)
    laid: list[Reply] = []
    stack = [(0, key) for key in sorted(children.get(None, ()), key=ranks.__getitem__)]
    while stack:
        depth, key = stack.pop()
        laid.append(Reply(depth, keys.uri(key), comments.get(key)))
        stack += [(depth + 1, child) for child in sorted(children.get(key, ()), key=ranks.__getitem__)]
    return tuple(laid)


def _ranks(
    keys: Keys,
    comments: Mapping[str, Any],
    parents: Mapping[str, str | None],
    children: Mapping[str | None, Sequence[str]],
    order: Order,
) -> dict[str, Key]:
    columns = _SORT_COLUMNS[order][:-1]
    ranks = {key: (*(getattr(row, name) for name in columns), keys.uri(key)) for key, row in comments.items()}
    for key in _deepest_first(parents, children):
        if key not in ranks:
            ranks[key] = max(ranks[child] for child in children[key])
    return ranks


def _deepest_first(parents: Mapping[str, str | None], children: Mapping[str | None, Sequence[str]]) -> list[str]:
    found = list(children.get(None, ()))
    for key in found:
        found.extend(children.get(key, ()))
    return found[::-1]
