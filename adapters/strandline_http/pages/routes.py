"""
The pages: what each asks of the index, and which template shows it.

The answers are those of XRPC, so what is shown to whom, blocked, hidden or paged is decided by the core. A page is
asked for and made in one reading, in the reader's thread where there is one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from strandline import Store
from strandline.forum.records import POST
from strandline.forum.xrpc import Refusal
from strandline_http.freshness import Freshness, now_us
from strandline_http.pages.figures import Figures
from strandline_http.pages.html import file_page, headers_of, links_of, render
from strandline_http.pages.links import Links, shown_parameters
from strandline_http.pages.questions import Questions, communities_of, said_in
from strandline_http.readers import Readers
from strandline_http.settings import Settings

__all__ = ["Pages"]

Told = dict[str, Any]
Work = Callable[[Questions, Links], Awaitable[Told]]

_POSTS: Final = 25
_PEOPLE: Final = 50
_COMMENTS: Final = 50
_DEPTH: Final = 5
_KINDS: Final = ("posts", "communities", "people")


class Pages:
    """
    The pages over some readers.

    Args:
        readers: What asks the store.
        settings: How the index is served.
        freshness: Knows how far the index is behind.
    """

    def __init__(self, readers: Readers, settings: Settings, freshness: Freshness) -> None:
        self.readers, self.settings = readers, settings
        self.figures = Figures(readers, freshness)
        self.routes = [
            Route("/", self.discover),
            Route("/communities", self.communities),
            Route("/c/{who}", self.community),
            Route("/timeline", self.whose_timeline),
            Route("/timeline/{did}", self.timeline),
            Route("/u/{who}", self.profile),
            Route("/search", self.search),
            Route("/index", self.index),
            Route("/static/{name}", file_page),
        ]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the index now and then within the block, so that `/index` has something to show from the start."""
        watch = asyncio.create_task(self.figures.watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self.figures.close()

    async def discover(self, request: Request) -> Response:
        """Show the posts of all public communities."""

        async def work(it: Questions, here: Links) -> Told:
            told = await it.ask("feed.getDiscover", limit=_POSTS, **_order(here))
            return await _feed(it, told)

        return await self._page(request, "discover.html", work)

    async def timeline(self, request: Request) -> Response:
        """Show the posts of the communities somebody is subscribed to, but what is not shown to who asks."""
        did = request.path_params["did"]

        async def work(it: Questions, here: Links) -> Told:
            owner = await it.profile(did)
            told = await it.ask("feed.getTimeline", viewer=owner["did"], limit=_POSTS, **_order(here))
            posts = await it.seen_by_asker(item["post"] for item in told["feed"])
            return {**await _feed(it, {**told, "posts": posts}), "owner": owner}

        return await self._page(request, "timeline.html", work)

    async def whose_timeline(self, request: Request) -> Response:
        """Ask whose timeline is wanted, and lead there."""
        here = links_of(request)
        who = here.asked.get("who", "").strip()

        async def work(it: Questions, here: Links) -> Told:
            return {"did": await it.did_of(who) if who else None, "who": who}

        if not who:
            return await self._page(request, "whose.html", work)
        did = await self._ask(request, lambda it: it.did_of(who))
        if did is None:
            return await self._page(request, "whose.html", work, status=404)
        return RedirectResponse(here.timeline(did), 303, {"Cache-Control": "no-store"})

    async def communities(self, request: Request) -> Response:
        """List the communities."""

        async def work(it: Questions, here: Links) -> Told:
            asked = shown_parameters(("sort", "cursor"), here.asked)
            told = await it.ask("community.list", limit=_PEOPLE, **asked)
            shown = {"sort": asked.get("sort", "popular"), "cursor": told.get("cursor")}
            return {**told, **shown, "warnings": await it.warnings(home["did"] for home in told["communities"])}

        return await self._page(request, "communities.html", work)

    async def community(self, request: Request) -> Response:
        """Show a community and its posts."""
        who = request.path_params["who"]

        async def work(it: Questions, here: Links) -> Told:
            community = await it.ask("community.get", community=who)
            told = await it.ask("feed.getCommunity", community=community["did"], limit=_POSTS, **_order(here))
            warned = (await it.warnings([community["did"]])).get(community["did"], ())
            return {**await _feed(it, told), "community": community, "warned": warned}

        return await self._page(request, "community.html", work)

    async def profile(self, request: Request) -> Response:
        """Show an account with what it posted, or what it said."""
        who = request.path_params["who"]

        async def work(it: Questions, here: Links) -> Told:
            asked = shown_parameters(("cursor",), here.asked)
            said = here.asked.get("show") == "comments"
            profile = await it.profile(who)
            told: Told = (
                await it.ask("actor.getComments", actor=profile["did"], limit=_POSTS, **asked)
                if said
                else await it.ask("actor.getPosts", actor=profile["did"], limit=_POSTS, **asked)
            )
            views = told["comments"] if said else [item["post"] for item in told["feed"]]
            if not views and "stats" not in profile and not asked and not said:
                told = await it.ask("actor.getComments", actor=profile["did"], limit=1)
                if not told["comments"]:
                    raise Refusal(404, "ProfileNotFound", f"{who[:100]!r} has no profile, and wrote nothing here")
            return {
                "profile": profile,
                "said": said,
                "views": views,
                "cursor": told.get("cursor"),
                "warnings": await it.warnings(communities_of(views)),
            }

        return await self._page(request, "profile.html", work)

    async def post(self, request: Request) -> Response:
        """Show a post and what was said under it, or under one comment."""
        did, rkey = request.path_params["did"], request.path_params["rkey"]

        async def work(it: Questions, here: Links) -> Told:
            asked = shown_parameters(("sort", "cursor"), here.asked)
            under = here.asked.get("under")
            told = await it.ask(
                "community.comment.getComments",
                post=f"at://{did}/{POST}/{rkey}",
                parentRkey=under,
                depth=_DEPTH,
                limit=_COMMENTS,
                **asked,
            )
            post = told["post"]
            return {
                "post": post,
                "comments": told["comments"],
                "cursor": told.get("cursor"),
                "under": under,
                "sort": asked.get("sort", "hot"),
                "warnings": await it.warnings(communities_of([post, *said_in(told["comments"])])),
            }

        return await self._page(request, "thread.html", work, varies=True)

    async def search(self, request: Request) -> Response:
        """Search posts, communities or people."""

        async def work(it: Questions, here: Links) -> Told:
            kind = here.asked.get("kind") or "posts"
            if kind not in _KINDS:
                raise Refusal(400, "InvalidRequest", f"kind: {kind[:60]!r}: expected one of {', '.join(_KINDS)}")
            q = here.asked.get("q", "").strip()
            told = {"q": q, "kind": kind, "kinds": _KINDS, "sort": here.asked.get("sort") or "relevance"}
            none: Told = {"found": None, "cursor": None, "warnings": {}, "within": None}
            return {**none, **told, **(await _SEARCHES[kind](it, here, q) if q else {})}

        return await self._page(request, "search.html", work)

    async def index(self, request: Request) -> Response:
        """Show what is indexed, and how that goes; `part=figures` gives the figures alone."""
        async with asyncio.timeout(self.settings.timeout_s):
            told = await self.figures.told()
        here = links_of(request)
        template = "figures.html" if here.asked.get("part") == "figures" else "index.html"
        page = render(template, here, figures=told, version=self.settings.version)
        return Response(page, headers=headers_of(None, script=True), media_type="text/html")

    async def _page(
        self, request: Request, template: str, work: Work, *, status: int = 200, varies: bool = False
    ) -> Response:
        """Return the page that shows what is asked for."""
        here = links_of(request)

        async def made(it: Questions) -> str:
            told = await work(it, here)
            return render(template, here, pictured=self.settings.blobs.proxy is not None, **told)

        headers = {**headers_of(self.settings.blobs.proxy), **({"Vary": "Accept"} if varies else {})}
        return Response(await self._ask(request, made), status, headers, media_type="text/html")

    async def _ask(self, request: Request, work: Callable[[Questions], Awaitable[Any]]) -> Any:
        viewer = self.settings.viewer(request)
        who = await viewer if isawaitable(viewer) else viewer
        asked_us, how = now_us(), self.settings.answering

        async def query(store: Store) -> Any:
            return await work(Questions(store=store, viewer=who, now_us=asked_us, how=how))

        async with asyncio.timeout(self.settings.timeout_s):
            return await self.readers.ask(query)


def _order(here: Links) -> Told:
    """Return how a feed is ordered; the best of a day would show little of a small forum."""
    asked = shown_parameters(("sort", "timeframe", "cursor"), here.asked)
    return {**asked, "timeframe": asked.get("timeframe", "month")} if asked.get("sort") == "top" else asked


async def _feed(it: Questions, told: Told) -> Told:
    """Return what shows a page of a feed."""
    posts = told["posts"] if "posts" in told else [item["post"] for item in told["feed"]]
    return {"posts": posts, "cursor": told.get("cursor"), "warnings": await it.warnings(communities_of(posts))}


async def _search_posts(it: Questions, here: Links, q: str) -> Told:
    asked = shown_parameters(("sort", "cursor", "community"), here.asked)
    told = await it.ask("community.post.search", q=q, limit=_POSTS, **asked)
    within = await it.ask("community.get", community=asked["community"]) if "community" in asked else None
    return {**await _feed(it, told), "found": told["posts"], "within": within}


async def _search_communities(it: Questions, here: Links, q: str) -> Told:
    told = await it.ask("community.search", q=q, limit=_POSTS, **shown_parameters(("cursor",), here.asked))
    warnings = await it.warnings(home["did"] for home in told["communities"])
    return {"found": told["communities"], "cursor": told.get("cursor"), "warnings": warnings}


async def _search_people(it: Questions, here: Links, q: str) -> Told:
    told = await it.ask("actor.search", q=q, limit=_POSTS, **shown_parameters(("cursor",), here.asked))
    return {"found": told["actors"], "cursor": told.get("cursor")}


_SEARCHES: Final = {"posts": _search_posts, "communities": _search_communities, "people": _search_people}
