"""
Answers with comments: a thread, cut to what is asked for, and what one actor said.

A thread is laid out whole, since where a comment hangs depends on comments far from it; records are read of those
that are shown alone. Siblings are cut by rank, so that each parent's replies have pages of their own.
"""

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, frozen

from strandline.forum.queries.entries import community
from strandline.forum.queries.feeds import TIMEFRAMES_US
from strandline.forum.queries.people import hidden
from strandline.forum.queries.threads import Tree, tree
from strandline.forum.xrpc.answers.posts import shown_posts
from strandline.forum.xrpc.answers.walk import walk
from strandline.forum.xrpc.asking import Asked, Place, did_of, place, subscriptions, token
from strandline.forum.xrpc.gather import Known, gather
from strandline.forum.xrpc.refusal import invalid, not_found
from strandline.forum.xrpc.views import comment_view, iso, post_view
from strandline.ports import Key
from strandline.syntax import record_uri

__all__ = ["REPLIES", "SHOWN", "answer_actor_comments", "answer_comments"]

Json = dict[str, Any]

REPLIES: Final = 10
"""So many replies of one comment are shown at most, before their own pages."""

SHOWN: Final = 500
"""So many comments a page shows at most, those on top first."""


async def answer_comments(asked: Asked) -> Json:
    """Answer `social.coves.community.comment.getComments`."""
    uri = asked.parameters["post"]
    if record_uri(uri) is None:
        raise invalid(f"post: {uri[:100]!r} is no at-uri of a record; write at://DID/COLLECTION/RKEY")
    subscribed, blocked = await subscriptions(asked)
    row = (await shown_posts(asked, [uri], subscribed)).get(uri)
    if row is None:
        raise not_found("RootNotFound", f"post: nothing is at {uri!r} that is shown to you")
    began = place(asked)
    window_us = TIMEFRAMES_US[asked.parameters["timeframe"]]
    bound = None if window_us is None else began.now_us - window_us
    grown = await tree(asked.store, uri, order=asked.parameters["sort"], since_us=bound)
    cut = _cut(asked, grown, _parent(asked, grown), began)
    keys = [key for key in cut.shown if key in grown.comments]
    ghosts = [asked.store.layout.keys.uri(key) for key in cut.shown if key not in grown.comments]
    shown = [grown.comments[key] for key in keys]
    known = await gather(asked, posts=[row], comments=shown, others=ghosts, private=subscribed, blocked=blocked)
    post = post_view(known, row)
    if post is None:
        raise not_found("RootNotFound", f"post: nothing is at {uri!r}")
    return {
        "post": post,
        "comments": [_branch(known, grown, cut, key, post) for key in cut.top],
        **token(asked, began, cut.after),
    }


def _parent(asked: Asked, grown: Tree) -> str | None:
    """Return the key of the comment whose replies are asked for; None for the top."""
    rkey = asked.parameters.get("parentRkey")
    if rkey is None:
        return None
    found = [key for key in grown.ranks if key.partition("/")[0] == rkey]
    if not found:
        raise not_found("ParentNotFound", f"parentRkey: no comment of this thread has the key {rkey[:100]!r}")
    return min(found, key=asked.store.layout.keys.uri)


@define
class _Cut:
    """What a page shows of a thread: under each key the replies shown, and whether there are more."""

    top: Sequence[str]
    after: Key | None
    replies: dict[str, Sequence[str]]
    more: set[str]
    shown: list[str]


def _cut(asked: Asked, grown: Tree, parent: str | None, began: Place) -> _Cut:
    siblings = [key for key in grown.children.get(parent, ()) if began.after is None or grown.ranks[key] < began.after]
    top = siblings[: asked.limit]
    after = grown.ranks[top[-1]] if len(siblings) > len(top) else None
    cut = _Cut(top, after, {}, set(), list(top))
    level = list(top)
    for _ in range(asked.parameters["depth"]):
        level = [reply for key in level for reply in _replies(asked, grown, cut, key)]
    cut.more |= {key for key in level if grown.children.get(key)}
    return cut


def _replies(asked: Asked, grown: Tree, cut: _Cut, key: str) -> Sequence[str]:
    """Take the replies of one comment that are shown."""
    there = grown.children.get(key, ())
    taken = there[: max(0, min(asked.limit, REPLIES, SHOWN - len(cut.shown)))]
    if len(taken) < len(there):
        cut.more.add(key)
    cut.replies[key] = taken
    cut.shown += taken
    return taken


def _branch(known: Known, grown: Tree, cut: _Cut, key: str, post: Json) -> Json:
    """Return a comment with the replies shown under it; without recursion, since a thread may be deep."""
    branches: dict[str, Json] = {}
    order = [key]
    for one in order:
        order.extend(cut.replies.get(one, ()))
    for one in reversed(order):
        branch: Json = {"comment": _comment(known, grown, one, post)}
        if cut.replies.get(one):
            branch["replies"] = [branches[reply] for reply in cut.replies[one]]
        if one in cut.more:
            branch["hasMore"] = True
        branches[one] = branch
    return branches[key]


def _comment(known: Known, grown: Tree, key: str, post: Json) -> Json:
    row = grown.comments.get(key)
    view = None if row is None else comment_view(known, row)
    return view or _placeholder(known, grown, key, post)


def _placeholder(known: Known, grown: Tree, key: str, post: Json) -> Json:
    """Return what stands for a comment that is gone: nothing of whoever wrote it, and of what."""
    uri = known.keys.uri(key)
    it = known.registers.get(uri)
    deleted = it is not None and it.record is None
    told: Json = {
        "uri": uri,
        "post": {"uri": post["uri"], "cid": post["cid"]},
        "stats": {"upvotes": 0, "downvotes": 0, "score": 0, "replyCount": len(grown.children.get(key, ()))},
        "isDeleted": True,
        "deletionReason": "author" if deleted else "unavailable",
    }
    return {**told, "deletedAt": iso(it.seen_us)} if it is not None and deleted else told


async def answer_actor_comments(asked: Asked) -> Json:
    """Answer `social.coves.actor.getComments`, the newest first."""
    did = await did_of(asked, "actor", "ActorNotFound")
    home = await did_of(asked, "community", "CommunityNotFound") if "community" in asked.parameters else None
    if home is not None and await community(asked.store, home) is None:
        raise not_found("CommunityNotFound", f"community: {home!r} is no community")
    began = place(asked)
    if await hidden(asked.store, [did]):
        return {"comments": []}
    subscribed, blocked = await subscriptions(asked)
    of = _Spoken(asked, did, home, frozenset(subscribed))
    rows, after = await walk(of.fetch, of.keep, _spoken_at, limit=asked.limit, after=began.after)
    known = await gather(asked, comments=rows, private=subscribed, blocked=blocked)
    views = [view for row in rows if (view := comment_view(known, row)) is not None]
    return {"comments": views, **token(asked, began, after)}


def _spoken_at(row: Any) -> Key:
    return row.sort_at_us, row.key


@frozen
class _Spoken:
    """What one actor said, where the viewer may see it."""

    asked: Asked
    did: str
    home: str | None
    subscribed: frozenset[str]

    async def fetch(self, limit: int, after: Key | None) -> Sequence[Any]:
        store = self.asked.store
        rows = await store.page("comment", "by_author", [(self.did,)], limit=limit, after=after)
        return [*map(store.layout.table("comment").row, rows)]

    async def keep(self, rows: Sequence[Any]) -> list[Any]:
        homes = {row.key: self._home(row) for row in rows}
        closed = await self._closed({*homes.values()})
        fit = [row for row in rows if self.home is None or homes[row.key] == self.home]
        return [row for row in fit if homes[row.key] not in closed]

    def _home(self, row: Any) -> str:
        return str(self.asked.store.layout.keys.uri(row.root).split("/")[2])

    async def _closed(self, dids: set[str]) -> set[str]:
        store = self.asked.store
        rows = await store.get("community", [(did,) for did in dids - self.subscribed])
        private = {
            row.did for row in map(store.layout.table("community").row, rows.values()) if row.visibility == "private"
        }
        return private | await hidden(store, dids)
