"""What a page asks of the index: the questions clients ask, and what communities warn of, in one reading."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from strandline import Store
from strandline.forum.queries.people import claimant
from strandline.forum.records import COMMUNITY_PROFILE
from strandline.forum.xrpc import Answering, Refusal, answer
from strandline.register import registers_at
from strandline.syntax import Did, Handle
from strandline.wirejson import loads

__all__ = ["Questions", "communities_of", "said_in"]

Json = dict[str, Any]

_N: Final = "social.coves."


@frozen(kw_only=True)
class Questions:
    """
    Who asks a store, and when.

    Attributes:
        store: The index.
        viewer: Did of who asks; None for a stranger.
        now_us: When, microseconds since 1970, UTC.
        how: How questions are answered.
    """

    store: Store
    viewer: str | None
    now_us: int
    how: Answering

    async def ask(self, name: str, *, viewer: str | None = None, **parameters: Any) -> Json:
        """
        Return the answer to `social.coves.NAME`; parameters that are None are left out.

        Raises:
            Refusal: there is none.
        """
        pairs = [(key, str(value)) for key, value in parameters.items() if value is not None]
        who = viewer or self.viewer
        return await answer(self.store, f"{_N}{name}", pairs, viewer=who, now_us=self.now_us, how=self.how)

    async def seen_by_asker(self, posts: Iterable[Json]) -> list[Json]:
        """Return those of at most 25 posts that are shown to who asks, whoever they were read for."""
        uris = [post["uri"] for post in posts]
        if not uris:
            return []
        pairs = [("uris", uri) for uri in uris]
        told = await answer(
            self.store, f"{_N}community.post.get", pairs, viewer=self.viewer, now_us=self.now_us, how=self.how
        )
        return [post for post in told["posts"] if not post.get("notFound") and not post.get("blocked")]

    async def warnings(self, dids: Iterable[str]) -> dict[str, list[str]]:
        """Return what some communities warn of in their profiles, by did, of those that do."""
        paths = [("self", COMMUNITY_PROFILE, did) for did in sorted(set(dids))]
        found = await registers_at(self.store.get, paths)
        told = {did: _warnings(it.record) for (_, _, did), it in found.items() if it.record is not None}
        return {did: warned for did, warned in told.items() if warned}

    async def did_of(self, who: str) -> str | None:
        """Return the did a did or a handle names; None if it is neither, or nobody has the handle."""
        who = who.strip().removeprefix("@")
        if Did.matches(who):
            return who
        return await claimant(self.store, who.lower()) if Handle.matches(who) else None

    async def profile(self, who: str) -> Json:
        """
        Return a profile; of an account without one, what is known of it.

        Raises:
            Refusal: it is no did and no handle of anybody.
        """
        try:
            return await self.ask("actor.getProfile", actor=who)
        except Refusal as refusal:
            did = await self.did_of(who)
            if refusal.status != 404 or did is None:
                raise
        return {"did": did, "handle": "handle.invalid" if Did.matches(who) else who.removeprefix("@")}


def _warnings(record: str) -> list[str]:
    told = loads(record.encode()).get("contentWarnings")
    return [it for it in told if isinstance(it, str)] if isinstance(told, list) else []


def communities_of(views: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the dids of the communities that posts, the posts they show, and comments are in."""
    found = set()
    for view in views:
        found.add(view["post"]["uri"].split("/")[2] if "community" not in view else view["community"]["did"])
        quoted = view.get("embed", {}).get("resolved", {})
        if "community" in quoted:
            found.add(quoted["community"]["did"])
    return found


def said_in(branches: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the comments of a thread, those under others too."""
    todo = list(branches)
    for branch in todo:
        todo.extend(branch.get("replies", ()))
    return [branch["comment"] for branch in todo]
