"""Answers with posts: by at-uri, of a community, of an author."""

from collections.abc import Mapping, Sequence
from typing import Any

from strandline.forum.queries.entries import community
from strandline.forum.queries.feeds import FeedPage, sort_key
from strandline.forum.queries.people import hidden
from strandline.forum.xrpc.answers.feeds import (
    answer_community,
    answer_discover,
    feed_of,
    kind_of,
    records_of,
    since_us,
)
from strandline.forum.xrpc.answers.walk import Fetch, walk
from strandline.forum.xrpc.asking import Asked, did_of, place, subscriptions
from strandline.forum.xrpc.gather import gather
from strandline.forum.xrpc.refusal import invalid, not_found
from strandline.forum.xrpc.views import blocked_post, not_found_post, post_view
from strandline.ports import Key
from strandline.syntax import record_uri

__all__ = ["answer_actor", "answer_get", "answer_list", "shown_posts"]

Json = dict[str, Any]

_MOST_URIS = 25


async def answer_get(asked: Asked) -> Json:
    """Answer `social.coves.community.post.get`: each in the order asked, or what stands for it."""
    uris = [*asked.parameters.get("uris", ()), *asked.parameters.get("uri", ())]
    if not 1 <= len(uris) <= _MOST_URIS:
        raise invalid(f"uris: {len(uris)} of them; expected 1 to {_MOST_URIS}")
    subscribed, blocked = await subscriptions(asked)
    rows = await shown_posts(asked, uris, subscribed)
    known = await gather(asked, posts=list(rows.values()), private=subscribed, blocked=blocked)

    def view(uri: str) -> Json:
        row = rows.get(uri)
        if row is None:
            return not_found_post(uri)
        return (
            blocked_post(uri, row.author) if row.community in blocked else post_view(known, row) or not_found_post(uri)
        )

    return {"posts": [view(uri) for uri in uris]}


async def shown_posts(asked: Asked, uris: Sequence[str], subscribed: set[str]) -> dict[str, Any]:
    """Return the rows of those of some at-uris that are live posts and may be shown to the viewer."""
    keys = asked.store.layout.keys
    named = asked.store.layout.table("post").row
    wanted = {keys.of(uri) for uri in uris if record_uri(uri) is not None}
    rows = list(map(named, (await asked.store.get("post", [(key,) for key in wanted])).values()))
    gone = await hidden(asked.store, {did for row in rows for did in (row.author, row.community)})
    closed = await _closed(asked, {row.community for row in rows}, subscribed)
    return {row.uri: row for row in rows if not {row.author, row.community} & gone and row.community not in closed}


async def _closed(asked: Asked, dids: set[str], subscribed: set[str]) -> set[str]:
    """Return those of some communities that are private and not the viewer's."""
    named = asked.store.layout.table("community").row
    rows = await asked.store.get("community", [(did,) for did in dids - subscribed])
    return {row.did for row in map(named, rows.values()) if row.visibility == "private"}


async def answer_list(asked: Asked) -> Json:
    """Answer `social.coves.community.post.list`: of a community, of an author, of both, or as discover."""
    if "author" in asked.parameters:
        author = await did_of(asked, "author", "ActorNotFound")
        told = await feed_of(asked, await _of_author(asked, author))
    elif "community" in asked.parameters:
        told = await answer_community(asked)
    else:
        told = await answer_discover(asked)
    return {"posts": [item["post"] for item in told.pop("feed")], **told}


async def answer_actor(asked: Asked) -> Json:
    """Answer `social.coves.actor.getPosts`, the newest first."""
    author = await did_of(asked, "actor", "ActorNotFound")
    with_media = asked.parameters["filter"] == "posts_with_media"
    return await feed_of(asked, await _of_author(asked, author, with_media=with_media))


async def _of_author(asked: Asked, author: str, *, with_media: bool = False) -> FeedPage:
    """Return posts of an author in live communities that are shown to the viewer."""
    home = await did_of(asked, "community", "CommunityNotFound") if "community" in asked.parameters else None
    if home is not None and await community(asked.store, home) is None:
        raise not_found("CommunityNotFound", f"community: {home!r} is no community")
    if await hidden(asked.store, [author]):
        return FeedPage((), None)
    subscribed, _ = await subscriptions(asked)

    async def keep(rows: Sequence[Any]) -> list[Any]:
        rows = [row for row in rows if home is None or row.community == home]
        open_ = await _open(asked, {row.community for row in rows}, subscribed)
        records = await records_of(asked, rows) if with_media else {}
        return [row for row in rows if row.community in open_ and (not with_media or _has_media(records, row))]

    order = asked.parameters.get("sort", "new")
    fetch = _newest(asked, author) if order == "new" else await _ranked(asked, author, order)
    began = place(asked)
    posts, after = await walk(fetch, keep, sort_key(order), limit=asked.limit, after=began.after)
    return FeedPage(tuple(posts), after)


def _has_media(records: Mapping[str, Json], row: Any) -> bool:
    return kind_of(records.get(row.uri, {})) != "text"


async def _open(asked: Asked, dids: set[str], subscribed: set[str]) -> set[str]:
    """Return those of some communities that are live and may be seen."""
    named = asked.store.layout.table("community").row
    rows = map(named, (await asked.store.get("community", [(did,) for did in dids])).values())
    gone = await hidden(asked.store, dids)
    return {row.did for row in rows if row.did not in gone and (row.visibility != "private" or row.did in subscribed)}


def _newest(asked: Asked, author: str) -> Fetch:
    named = asked.store.layout.table("post").row

    async def fetch(limit: int, after: Key | None) -> Sequence[Any]:
        return [*map(named, await asked.store.page("post", "by_author", [(author,)], limit=limit, after=after))]

    return fetch


async def _ranked(asked: Asked, author: str, order: str) -> Fetch:
    """Read all that an author wrote since, and sort it: no index holds these orders by author."""
    at, bound = sort_key(order), since_us(asked, place(asked))
    found: list[Any] = []
    after: Key | None = None
    newest = _newest(asked, author)
    while rows := await newest(2000, after):
        found += [row for row in rows if bound is None or row.sort_at_us >= bound]
        after = sort_key("new")(rows[-1])
    found.sort(key=at, reverse=True)

    async def fetch(limit: int, after: Key | None) -> Sequence[Any]:
        return [row for row in found if after is None or at(row) < after][:limit]

    return fetch
