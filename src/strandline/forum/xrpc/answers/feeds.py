"""Answers with feeds of posts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from strandline.forum.queries.feeds import (
    TIMEFRAMES_US,
    FeedPage,
    Order,
    community_feed,
    discover,
    sort_key,
    timeline,
)
from strandline.forum.xrpc.answers.walk import walk
from strandline.forum.xrpc.asking import Asked, Place, did_of, place, subscriptions, token
from strandline.forum.xrpc.gather import gather
from strandline.forum.xrpc.refusal import Refusal, not_found
from strandline.forum.xrpc.views import post_view
from strandline.ports import Key
from strandline.register import registers_at
from strandline.wirejson import loads

__all__ = [
    "answer_all",
    "answer_community",
    "answer_discover",
    "answer_timeline",
    "feed_of",
    "kind_of",
    "post_views",
    "records_of",
    "since_us",
]

Json = dict[str, Any]
Ask = Callable[[int, Key | None], Awaitable[FeedPage | None]]

_EMBED: Final = "social.coves.embed."


def since_us(asked: Asked, began: Place) -> int | None:
    """Return the least `sort_at_us` that a feed shows: a timeframe is looked at with `sort=top` alone."""
    window_us = TIMEFRAMES_US[asked.parameters["timeframe"]]
    return None if window_us is None or asked.parameters["sort"] != "top" else began.now_us - window_us


def _order(asked: Asked) -> dict[str, Any]:
    began = place(asked)
    order: Order = asked.parameters["sort"]
    return {
        "order": order,
        "since_us": since_us(asked, began),
        "limit": asked.limit,
        "after": began.after,
    }


async def answer_timeline(asked: Asked) -> Json:
    """Answer `social.coves.feed.getTimeline`."""
    if asked.viewer is None:
        raise Refusal(401, "AuthenticationRequired", "a timeline is somebody's: say who asks")
    return await feed_of(asked, await timeline(asked.store, asked.viewer, **_order(asked)))


async def answer_discover(asked: Asked) -> Json:
    """Answer `social.coves.feed.getDiscover`."""
    return await feed_of(asked, await discover(asked.store, viewer=asked.viewer, **_order(asked)))


async def answer_all(asked: Asked) -> Json:
    """Answer `social.coves.feed.getAll`: as discover, of some kinds of posts."""
    wanted = {*asked.parameters.get("postType", ()), *asked.parameters.get("postTypes", ())}
    if not wanted:
        return await answer_discover(asked)
    told = _order(asked)

    async def fetch(limit: int, after: Key | None) -> Sequence[Any]:
        page = await discover(asked.store, viewer=asked.viewer, **{**told, "limit": limit, "after": after})
        return page.posts

    async def keep(rows: Sequence[Any]) -> list[Any]:
        records = await records_of(asked, rows)
        return [row for row in rows if kind_of(records.get(row.uri, {})) in wanted]

    at = sort_key(asked.parameters["sort"])
    posts, after = await walk(fetch, keep, at, limit=asked.limit, after=told["after"])
    return await feed_of(asked, FeedPage(tuple(posts), after))


async def answer_community(asked: Asked) -> Json:
    """Answer `social.coves.feed.getCommunity`."""
    did = await did_of(asked, "community", "CommunityNotFound")
    page = await community_feed(asked.store, did, viewer=asked.viewer, **_order(asked))
    if page is None:
        raise not_found("CommunityNotFound", f"community: {did!r} is no community that is shown to you")
    return await feed_of(asked, page)


async def feed_of(asked: Asked, page: FeedPage) -> Json:
    """Return a page of a feed, with the cursor of the next."""
    views = await post_views(asked, page.posts)
    return {"feed": [{"post": view} for view in views], **token(asked, place(asked), page.after)}


async def post_views(asked: Asked, rows: Sequence[Any]) -> list[Json]:
    """Return the views of some posts; of one whose record is gone meanwhile there is none."""
    subscribed, blocked = await subscriptions(asked)
    known = await gather(asked, posts=rows, private=subscribed, blocked=blocked)
    return [view for row in rows if (view := post_view(known, row)) is not None]


async def records_of(asked: Asked, rows: Sequence[Any]) -> dict[str, Json]:
    """Return the records of some posts, by at-uri."""
    paths = {(uri[4], uri[3], uri[2]): row.uri for row in rows if (uri := row.uri.split("/"))}
    found = await registers_at(asked.store.get, paths)
    return {paths[path]: loads(it.record.encode()) for path, it in found.items() if it.record is not None}


def kind_of(record: Json) -> str:
    """
    Return what kind of post a record is, by its embed.

    >>> kind_of({"title": "Tides"})
    'text'
    >>> kind_of({"embed": {"$type": "social.coves.embed.external", "external": {"embedType": "video"}}})
    'video'
    """
    embed = record.get("embed") or {}
    kind = str(embed.get("$type", "")).removeprefix(_EMBED)
    if kind == "external":
        return "video" if embed["external"].get("embedType") == "video" else "article"
    return {"images": "image", "video": "video", "post": "microblog"}.get(kind, "text")
