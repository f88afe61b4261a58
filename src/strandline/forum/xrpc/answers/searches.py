"""Answers to searches: posts, communities and actors by their words."""

from typing import Any

from strandline.forum.queries.feeds import TIMEFRAMES_US
from strandline.forum.queries.search import search_actors, search_communities, search_posts
from strandline.forum.xrpc.answers.feeds import post_views
from strandline.forum.xrpc.asking import Asked, did_of, place, subscriptions, token
from strandline.forum.xrpc.gather import gather
from strandline.forum.xrpc.refusal import not_found
from strandline.forum.xrpc.views import community_view, profile_view

__all__ = ["answer_actors", "answer_communities", "answer_posts"]

Json = dict[str, Any]


async def answer_posts(asked: Asked) -> Json:
    """Answer `social.coves.community.post.search`; a timeframe counts in every order."""
    named = asked.parameters
    home = await did_of(asked, "community", "CommunityNotFound") if "community" in named else None
    author = await did_of(asked, "author", "ActorNotFound") if "author" in named else None
    began, window_us = place(asked), TIMEFRAMES_US[named["timeframe"]]
    found = await search_posts(
        asked.store,
        named["q"],
        community=home,
        author=author,
        order=named["sort"],
        since_us=None if window_us is None else began.now_us - window_us,
        limit=asked.limit,
        after=began.after,
        viewer=asked.viewer,
    )
    if found is None:
        raise not_found("CommunityNotFound", f"community: {home!r} is no community that is shown to you")
    return {"posts": await post_views(asked, found.rows), **token(asked, began, found.after)}


async def answer_communities(asked: Asked) -> Json:
    """Answer `social.coves.community.search`."""
    began = place(asked)
    found = await search_communities(
        asked.store,
        asked.parameters["q"],
        visibility=asked.parameters["visibility"],
        limit=asked.limit,
        after=began.after,
        viewer=asked.viewer,
    )
    subscribed, blocked = await subscriptions(asked)
    known = await gather(asked, communities=[row.did for row in found.rows])
    shown = [row.did for row in found.rows if row.did in known.communities]
    return {
        "communities": [community_view(known, did, subscribed, blocked) for did in shown],
        **token(asked, began, found.after),
    }


async def answer_actors(asked: Asked) -> Json:
    """Answer `social.coves.actor.search`."""
    began = place(asked)
    found = await search_actors(asked.store, asked.parameters["q"], limit=asked.limit, after=began.after)
    known = await gather(asked, people=[row.did for row in found.rows])
    shown = [row.did for row in found.rows if row.did in known.profiles]
    return {"actors": [profile_view(known, did) for did in shown], **token(asked, began, found.after)}
