"""
A forum of hostile people, in two stores, shown as pages; and pages read by a parser that forgives nothing.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal
from urllib.parse import quote
from xml.etree import ElementTree

import html5lib
import httpx
import pytest
from attrs import frozen
from starlette.applications import Starlette
from starlette.routing import Mount

from strandline import Account, Commit, Event, Identity, Index, open_index
from strandline.forum import SCHEMA
from strandline.forum.records import ACTOR_PROFILE, BLOCK, COMMENT, COMMUNITY_PROFILE, POST, SUBSCRIPTION, VOTE
from strandline.forum.xrpc import BlobUrls
from strandline_http import VIEWER_HEADER, Settings, create_app, open_readers, trusted_header

Element = ElementTree.Element
Operation = Literal["create", "update", "delete"]

KEYS: Final = (b"a secret of the tests",)
PROXY: Final = "https://pictures.example"
CID: Final = "bafkreibrhh2al3dngkoj7vem53kpda4prqdhxlsa52trjjmbgciw4du4ge"
BLOB: Final = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 9}
AT: Final = "2026-06-01T12:00:00Z"
NOW_US: Final = 1_780_500_000_000_000
HTML: Final = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}

ANN, BEN, EVE, GONE = (f"did:plc:{name * 24}"[:32] for name in ("ann", "ben", "eve", "gone"))
PIER, NIGHT, CELLAR = (f"did:plc:{name * 24}"[:32] for name in ("pier", "night", "cellar"))
MARKUP: Final = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{ 7*7 }}"
BIDI: Final = "safe\u202etxt.exe\u2066 \u200f end"
SECRET: Final = "what the label covers"
NIGHTLY: Final = "what the community warns of"
CLOSED: Final = "said in the cellar"
HIDDEN: Final = "by whom is hidden"
ALT: Final = 'a pier at low water "<b>" \u202e'
FACET: Final = "social.coves.richtext.facet"


def put(
    did: str, collection: str, rkey: str, operation: Operation = "create", rev: str = "3k", **record: Any
) -> Commit:
    whole = None if operation == "delete" else {"$type": collection, **record}
    return Commit(
        did=did,
        rev=f"{rev}{'2' * 13}"[:13],
        operation=operation,
        collection=collection,
        rkey=rkey,
        cid="",
        record=whole,
        seen_us=NOW_US,
    )


def uri(did: str, collection: str, rkey: str) -> str:
    return f"at://{did}/{collection}/{rkey}"


def ref(at: str) -> dict[str, str]:
    return {"uri": at, "cid": CID}


def community(did: str, name: str, **more: Any) -> Commit:
    told = {"name": name, "createdAt": AT, "createdBy": ANN, "hostedBy": "did:web:host.example", **more}
    return put(did, COMMUNITY_PROFILE, "self", **told)


def post(rkey: str, home: str = PIER, author: str = ANN, **more: Any) -> Commit:
    return put(home, POST, rkey, community=home, author=author, createdAt=AT, **more)


def comment(
    did: str, rkey: str, root: str, parent: str | None = None, content: str = "was said", **more: Any
) -> Commit:
    reply = {"root": ref(root), "parent": ref(parent or root)}
    return put(did, COMMENT, rkey, reply=reply, content=content, createdAt=AT, **more)


def facet(start: int, end: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"index": {"byteStart": start, "byteEnd": end}, "features": [{"$type": f"{FACET}#{kind}", **more}]}


FIRST: Final = uri(PIER, POST, "first")
MIDNIGHT: Final = uri(NIGHT, POST, "midnight")
NIGHTLY_QUOTED: Final = {"$type": "social.coves.embed.post", "post": ref(MIDNIGHT)}
PICTURES: Final = {
    "$type": "social.coves.embed.images",
    "images": [
        {"image": BLOB, "alt": ALT, "aspectRatio": {"width": 1, "height": 9_000_000}},
        {"image": BLOB},
    ],
}
ELSEWHERE: Final = {
    "$type": "social.coves.embed.external",
    "external": {
        "uri": "javascript:alert(3)",
        "title": MARKUP,
        "description": BIDI,
        "sources": [{"uri": "https://news.example/tides", "title": "Tides"}, {"uri": "data:text/html,x"}],
    },
}
TEXT: Final = f"bold link js {MARKUP} {BIDI} spoil é end"
FACETS: Final = [
    facet(0, 4, "bold"),
    facet(5, 9, "link", uri="https://tides.example/?a=1&b=\"'"),
    facet(10, 12, "link", uri="javascript:alert(4)"),
    facet(0, 4, "mention", did=BEN),
    facet(TEXT.encode().index(b"spoil"), TEXT.encode().rindex(b" end"), "spoiler", reason="<i>why</i>"),
    facet(0, TEXT.encode().rindex(b" end") - 1, "strikethrough"),  # it splits the é
]
LABELS: Final = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nsfw <u>"}]}


def chain(length: int) -> list[Commit]:
    """Return comments, each a reply to the one before."""
    uris = [FIRST, *(uri(BEN, COMMENT, f"deep{at}") for at in range(length))]
    return [comment(BEN, f"deep{at}", FIRST, uris[at], f"as deep as {at}") for at in range(length)]


EVENTS: Final[Sequence[Event]] = (
    community(
        PIER, "pier", displayName="The pier", description=TEXT, descriptionFacets=FACETS, avatar=BLOB, banner=BLOB
    ),
    community(NIGHT, "night", avatar=BLOB, contentWarnings=["violence", "a <b> of one's own"]),
    community(CELLAR, "cellar", visibility="private"),
    *(
        Identity(did=did, handle=handle, time_us=1, relay_seq=1, seen_us=1)
        for did, handle in ((PIER, "c-pier.forum.example"), (ANN, "ann.example"), (EVE, "eve.example"))
    ),
    put(ANN, ACTOR_PROFILE, "self", displayName="Ann", bio="Counts the tides.", avatar=BLOB, createdAt=AT),
    put(EVE, ACTOR_PROFILE, "self", displayName=f"{MARKUP}"[:30] + BIDI, bio=TEXT, createdAt=AT),
    put(GONE, ACTOR_PROFILE, "self", displayName="Gone", createdAt=AT),
    post("first", title="Tides", content=TEXT, facets=FACETS, embed=PICTURES, tags=[MARKUP[:30], BIDI], langs=["de"]),
    post("hostile", author=EVE, title=MARKUP, content=BIDI, embed=ELSEWHERE),
    post("words", author=EVE, content=f"a\n\n\n\n{'long' * 700}\u0301\u0301"),
    post("labelled", title=SECRET, content=SECRET, embed=PICTURES, labels=LABELS),
    post("silent", author=BEN),
    post("quoting", author=BEN, title="See there", embed=NIGHTLY_QUOTED),
    post("nowhere", author=BEN, embed={"$type": "social.coves.embed.post", "post": ref(uri(PIER, POST, "none"))}),
    post(
        "film",
        author=BEN,
        title="A film",
        embed={"$type": "social.coves.embed.video", "video": {**BLOB, "mimeType": "video/mp4"}, "alt": ALT},
    ),
    post("midnight", NIGHT, title=NIGHTLY, content=NIGHTLY),
    post("shut", CELLAR, title=CLOSED),
    post("gone", author=GONE, title=HIDDEN),
    *(post(f"more{at:02}", author=BEN, title=f"More of it, {at}") for at in range(60)),
    *chain(14),
    comment(BEN, "quoting", FIRST, uri(BEN, COMMENT, "deep0"), embed=NIGHTLY_QUOTED),
    comment(ANN, "labelled", FIRST, content=SECRET, labels=LABELS),
    comment(EVE, "hostile", FIRST, content=TEXT, facets=FACETS),
    comment(EVE, "taken", FIRST, content="taken back"),
    comment(EVE, "endless", FIRST, content="e\u0301" * 6_500),
    comment(EVE, "cut", FIRST, content="e\u0301" * 5_995 + "gardener " * 9, facets=[facet(17_985, 18_060, "spoiler")]),
    comment(ANN, "answer", FIRST, uri(EVE, COMMENT, "taken"), "an answer to it"),
    put(EVE, COMMENT, "taken", "delete", rev="3l"),
    comment(GONE, "gone", FIRST, content=HIDDEN),
    comment(ANN, "late", MIDNIGHT, content=NIGHTLY),
    comment(ANN, "shut", uri(CELLAR, POST, "shut"), content=CLOSED),
    *(comment(ANN, f"wide{at:02}", FIRST, content=f"beside {at}") for at in range(60)),
    *(
        put(did, SUBSCRIPTION, f"s{at}", subject=subject, createdAt=AT)
        for did in (ANN, BEN)
        for at, subject in enumerate((PIER, NIGHT, CELLAR))
    ),
    put(BEN, BLOCK, "b", subject=NIGHT, createdAt=AT),
    put(BEN, VOTE, "v", subject=ref(FIRST), direction="up", createdAt=AT),
    Account(did=GONE, active=False, status="deactivated", time_us=2, relay_seq=2, seen_us=2),
)

PATHS: Final = (
    "/",
    "/?sort=new",
    "/?sort=top&timeframe=all",
    "/communities",
    "/communities?sort=alphabetical",
    f"/c/{PIER}",
    f"/c/{NIGHT}",
    f"/timeline/{ANN}",
    "/timeline",
    f"/post/{PIER}/first",
    f"/post/{PIER}/hostile",
    f"/post/{PIER}/words",
    f"/post/{PIER}/labelled",
    f"/post/{PIER}/silent",
    f"/post/{PIER}/quoting",
    f"/post/{PIER}/nowhere",
    f"/post/{PIER}/film",
    f"/post/{NIGHT}/midnight",
    f"/post/{PIER}/first?under=deep3",
    f"/u/{ANN}",
    f"/u/{EVE}",
    f"/u/{BEN}",
    f"/u/{ANN}?show=comments",
    f"/u/{EVE}?show=comments",
    "/search",
    "/search?q=tides",
    f"/search?q={quote(BIDI[4:])}",
    "/search?q=a*&kind=people",
    "/search?q=pier&kind=communities",
    f"/search?q=tides&community={PIER}",
    "/index",
)
"""A page of each kind, and what is hostile on it."""


@frozen
class Page:
    """
    A page, as it was read.

    Attributes:
        response: The whole answer.
        root: Its document.
    """

    response: httpx.Response
    root: Element

    def all(self, name: str) -> list[Element]:
        """Return all elements of a name."""
        return list(self.root.iter(name))

    def text(self, *, covered: bool = True) -> str:
        """Return all that can be read; or without what is covered, as long as nobody asks for it."""
        return _text(self.root, covered)


def _text(element: Element, covered: bool) -> str:
    told = [element.text or ""]
    for child in element:
        if covered or element.tag != "details" or child.tag == "summary":
            told.append(_text(child, covered))
            told.append(child.tail or "")
    return "".join(told)


def parsed(text: str) -> Element:
    """Return the document of a page; what is wrong with its markup raises."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    root: Element = parser.parse(text)
    return root


class Site:
    """The pages over one store: asked by a browser without a face."""

    def __init__(self, client: httpx.AsyncClient, runner: asyncio.Runner, index: Index) -> None:
        self._client, self._runner, self.index = client, runner, index

    def ask(self, path: str, *, method: str = "GET", viewer: str | None = None, **headers: str) -> httpx.Response:
        """Return the answer to a request."""
        told = {**HTML, **({} if viewer is None else {VIEWER_HEADER: viewer}), **headers}
        return self._runner.run(self._client.request(method, path, headers=told))

    def page(self, path: str, status: int = 200, **how: Any) -> Page:
        """Return a page."""
        response = self.ask(path, **how)
        assert response.status_code == status, (path, response.text)
        return Page(response, parsed(response.text))


@contextmanager
def site_over(url: str, blobs: BlobUrls, prefix: str = "", events: Sequence[Event] = EVENTS) -> Iterator[Site]:
    """The pages over a store at a URL, that holds the hostile forum."""
    settings = Settings(page_keys=KEYS, viewer=trusted_header, blobs=blobs)
    with ExitStack() as stack:
        index = stack.enter_context(open_index(url, SCHEMA))
        index.fold(events)
        runner = stack.enter_context(asyncio.Runner())
        readers: Any = None if url == "memory:" else runner.run(open_readers(url, SCHEMA, threads=2))
        app: Any = create_app(readers or index.store, settings)
        if prefix:
            app = Starlette(routes=[Mount(prefix, app)])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://forum.test", follow_redirects=False)
        yield Site(client, runner, index)
        runner.run(client.aclose())
        if readers is not None:
            runner.run(readers.close())


Sites = Callable[..., Site]


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Sites by store, image proxy and prefix, each made when first asked for."""
    made: dict[tuple[str, str | None, str], Site] = {}
    with ExitStack() as stack:

        def site(store: str = "memory", proxy: str | None = PROXY, prefix: str = "") -> Site:
            key = store, proxy, prefix
            if key not in made:
                file = tmp_path_factory.mktemp("pages") / "forum.db"
                url = "memory:" if store == "memory" else f"sqlite:///{file}"
                made[key] = stack.enter_context(site_over(url, BlobUrls(proxy=proxy), prefix))
            return made[key]

        yield site


@pytest.fixture(params=["memory", "sqlite"])
def site(request: pytest.FixtureRequest, sites: Sites) -> Site:
    """The pages over each store."""
    return sites(request.param)
