"""
Answers about communities: one, lists of them, who subscribes and who takes part.

Communities are few beside posts: a list reads those that may be listed and sorts them.
"""

from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import normalize

from strandline.forum.queries.entries import community
from strandline.forum.queries.feeds import public_communities
from strandline.forum.queries.people import hidden
from strandline.forum.xrpc.answers.walk import walk
from strandline.forum.xrpc.asking import Asked, did_of, place, subscriptions, token
from strandline.forum.xrpc.gather import gather
from strandline.forum.xrpc.refusal import Refusal, not_found
from strandline.forum.xrpc.views import author_view, community_view, community_view_detailed
from strandline.ports import Key

__all__ = ["answer_get", "answer_list", "answer_members", "answer_subscribers"]

Json = dict[str, Any]


async def answer_get(asked: Asked) -> Json:
    """Answer `social.coves.community.get`."""
    did = await _shown(asked)
    subscribed, blocked = await subscriptions(asked)
    known = await gather(asked, communities=[did])
    if did not in known.communities:
        raise not_found("NotFound", f"community: {did!r} is gone")
    return community_view_detailed(known, did, subscribed, blocked)


async def _shown(asked: Asked) -> str:
    """Return the did of the community asked about, if it is live and may be seen."""
    did = await did_of(asked, "community", "NotFound")
    row = await community(asked.store, did)
    subscribed, _ = await subscriptions(asked)
    if row is None or (row.visibility == "private" and did not in subscribed):
        raise not_found("NotFound", f"community: {did!r} is no community that is shown to you")
    return did


async def answer_list(asked: Asked) -> Json:
    """Answer `social.coves.community.list`: public ones, and private ones to their subscribers."""
    if asked.parameters["subscribed"] and asked.viewer is None:
        raise Refusal(401, "AuthenticationRequired", "subscribed: these are somebody's: say who asks")
    subscribed, blocked = await subscriptions(asked)
    rows = await _listed(asked, subscribed)
    at, descending = await _rank(asked, rows)
    began = place(asked)
    rows.sort(key=at, reverse=descending)
    if began.after is not None:
        edge = began.after
        rows = [row for row in rows if (at(row) < edge if descending else at(row) > edge)]
    page = rows[: asked.limit]
    known = await gather(asked, communities=[row.did for row in page])
    shown = [row.did for row in page if row.did in known.communities]
    return {
        "communities": [community_view(known, did, subscribed, blocked) for did in shown],
        **token(asked, began, at(page[-1]) if len(rows) > len(page) else None),
    }


async def _listed(asked: Asked, subscribed: set[str]) -> list[Any]:
    """Return the rows of the communities that a list may name."""
    named = asked.store.layout.table("community").row
    mine = map(named, (await asked.store.get("community", [(did,) for did in subscribed])).values())
    own = {row.did: row for row in mine}
    if asked.parameters["subscribed"]:
        found = own
    else:
        public = {row.did: row for row in await public_communities(asked.store)}
        found = {**public, **{did: row for did, row in own.items() if row.visibility == "private"}}
    gone = await hidden(asked.store, found)
    wanted = asked.parameters.get("visibility")
    return [row for did, row in found.items() if did not in gone and wanted in (None, row.visibility)]


async def _rank(asked: Asked, rows: Sequence[Any]) -> tuple[Callable[[Any], Key], bool]:
    """Return what orders communities, and whether the greatest comes first."""
    order = asked.parameters["sort"]
    if order == "popular":
        return (lambda row: (row.subscriber_count, row.did)), True
    if order == "new":
        return (lambda row: (row.created_at_us, row.did)), True
    if order == "alphabetical":
        return (lambda row: (normalize("NFC", row.name).casefold(), row.did)), False
    dids = [(row.did,) for row in rows]
    named = asked.store.layout.table("post").row
    newest = await asked.store.page("post", "by_new", dids, limit=len(dids), each=1) if dids else []
    latest = {row.community: row.sort_at_us for row in map(named, newest)}
    never = -(2**62)
    return (lambda row: (latest.get(row.did, never), row.did)), True


async def answer_subscribers(asked: Asked) -> Json:
    """Answer `social.coves.community.getSubscribers`, by did."""
    return await _people(asked, "subscription", "actor", "subscribers")


async def answer_members(asked: Asked) -> Json:
    """Answer `social.coves.community.getMembers`, by did."""
    return await _people(asked, "member", "did", "members")


async def _people(asked: Asked, table: str, column: str, name: str) -> Json:
    home = await _shown(asked)
    named = asked.store.layout.table(table).row
    began = place(asked)

    async def fetch(limit: int, after: Key | None) -> Sequence[Any]:
        rows = await asked.store.page(table, "by_community", [(home,)], limit=limit, after=after)
        return [*map(named, rows)]

    async def keep(rows: Sequence[Any]) -> list[Any]:
        gone = await hidden(asked.store, {getattr(row, column) for row in rows})
        there = [row for row in rows if getattr(row, column) not in gone]
        return there if table == "member" else [row for row in there if not row.ended]

    def at(row: Any) -> Key:
        return (getattr(row, column),)

    rows, after = await walk(fetch, keep, at, limit=asked.limit, after=began.after)
    known = await gather(asked, people=[getattr(row, column) for row in rows])
    return {name: [author_view(known, getattr(row, column)) for row in rows], **token(asked, began, after)}
