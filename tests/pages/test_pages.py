"""
The pages: each is right markup that runs nothing, shows what is hostile as text, and covers what is to be covered;
links lead somewhere, under any prefix; and pages of a feed show each post once.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest
from tests.pages.conftest import (
    ALT,
    ANN,
    BEN,
    BIDI,
    BLOB,
    CELLAR,
    CLOSED,
    EVE,
    FIRST,
    GONE,
    HIDDEN,
    MARKUP,
    NIGHT,
    NIGHTLY,
    NIGHTLY_QUOTED,
    PATHS,
    PIER,
    PROXY,
    SECRET,
    Element,
    Page,
    Site,
    Sites,
    comment,
    community,
    parsed,
    post,
    site_over,
)

from strandline import StoreUnavailable
from strandline.forum.records import POST
from strandline.forum.richtext import enclosed
from strandline.forum.xrpc import BlobUrls

CONTROLS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
OPENING, CLOSING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068", "\u202c\u2069"
VOID_OF_STYLE: Final = ("style", "on", "srcdoc", "formaction", "ping")


def links(page: Page) -> Iterator[tuple[str, Element]]:
    """Yield where the links of a page lead, each with its element."""
    for link in page.all("a"):
        yield link.attrib["href"], link


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_right_markup_that_runs_nothing(site: Site, path: str) -> None:
    page = site.page(path)  # strictly parsed
    assert page.response.headers["content-type"] == "text/html; charset=utf-8"
    [html], [title], [_], [_] = (page.all(name) for name in ("html", "title", "h1", "main"))
    assert html.attrib["lang"] == "en"
    assert title.text
    assert not CONTROLS.search(title.text)
    scripts = [(it.attrib.get("src"), it.text) for it in page.all("script")]
    assert [text for _, text in scripts] == [None] * len(scripts)
    assert len(scripts) == (path == "/index")
    assert not page.all("style")
    assert not page.all("iframe")
    for element in page.root.iter():
        assert not [name for name in element.attrib if name.startswith(VOID_OF_STYLE)], element.attrib
    ids = [it.attrib["id"] for it in page.root.iter() if "id" in it.attrib]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", [*PATHS, "/nowhere", "/?sort=best"])
def test_every_page_forbids_all_but_its_style_and_the_pictures_of_the_proxy(sites: Sites, path: str) -> None:
    for proxy in (PROXY, None):
        answer = sites("memory", proxy).ask(path)
        headers = answer.headers
        policy = dict(it.split(" ", 1) for it in headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert policy.pop("style-src") == "'self'"
        pictures = policy.pop("img-src")
        assert pictures == "'none'" if proxy is None else pictures in ("'none'", proxy)
        assert policy.pop("base-uri") == policy.pop("frame-ancestors") == "'none'"
        assert policy.pop("form-action") == "'self'"
        assert policy == ({"script-src": "'self'", "connect-src": "'self'"} if path == "/index" else {})
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PATHS)
def test_links_lead_to_pages_of_the_site_or_over_http_to_strangers_without_a_word_for_them(
    site: Site, path: str
) -> None:
    page = site.page(path)
    for href, link in links(page):
        parts = urlsplit(href)
        if parts.scheme or parts.netloc:
            assert parts.scheme in ("http", "https")
            assert {"nofollow", "ugc", "noopener"} <= set(link.attrib["rel"].split())
        else:
            assert href.startswith(("/", "#"))
    for form in page.all("form"):
        assert form.attrib.get("method", "get").lower() == "get"
        assert form.attrib["action"].startswith("/")


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example/x", "/\\evil.example/", "//evil.example%2f%09/"])
@pytest.mark.parametrize("prefix", ["", "/forum"])
def test_no_path_makes_a_link_to_another_host(sites: Sites, prefix: str, path: str) -> None:
    page = sites("memory", PROXY, prefix).page(f"http://forum.test{prefix}{path}?cursor=x", 404)
    found = [href for href, _ in links(page)]
    assert "Begin at the first page" in page.text()
    assert not [href for href in found if href.startswith(("//", "/\\"))]
    assert {urlsplit(urljoin("http://forum.test/", href)).netloc for href in found} == {"forum.test"}


@pytest.mark.parametrize("prefix", ["", "/forum"])
def test_every_link_within_the_site_leads_to_a_page(sites: Sites, prefix: str) -> None:
    site = sites("memory", PROXY, prefix)
    todo, seen = [f"{prefix}/", f"{prefix}/search?q=tides", f"{prefix}/timeline/{ANN}"], set[str]()
    while todo:
        path = todo.pop()
        shape = re.sub("cursor=[^&]+", "cursor", path)  # a walk through all pages is another test
        if shape in seen:
            continue
        seen.add(shape)
        answer = site.ask(path)
        assert answer.status_code == 200, path
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Page(answer, parsed(answer.text))
        assets = {it.attrib.get("href") or it.attrib["src"] for it in (*page.all("link"), *page.all("script"))}
        for asset in assets - seen:
            assert site.ask(asset).status_code == 200, (path, asset)
        seen |= assets
        for href, _ in links(page):
            if not urlsplit(href).scheme:
                target = urljoin(path, href).partition("#")[0]
                assert target.startswith(f"{prefix}/"), (path, href)
                todo.append(target)
    assert {f"{prefix}{it}" for it in ("/communities", "/index", "/timeline", f"/c/{PIER}", f"/u/{EVE}")} <= seen


@pytest.mark.parametrize("name", ["path", "self", "uri", "query", "changes", "here"])
def test_a_parameter_that_no_page_knows_is_kept_in_its_links_whatever_its_name(sites: Sites, name: str) -> None:
    for path, status in (
        ("/", 200),
        ("/communities", 200),
        (f"/c/{PIER}", 200),
        (f"/post/{PIER}/first?sort=new&", 200),
        (f"/u/{BEN}", 200),
        ("/search?q=tides&", 200),
        ("/?cursor=x&", 400),
    ):
        page = sites().page(f"{path}{'' if path.endswith('&') else '?'}{name}=1", status)
        assert [href for href, _ in links(page) if parse_qs(urlsplit(href).query).get(name) == ["1"]], path


@pytest.mark.parametrize("path", ["/", f"/c/{PIER}", f"/post/{PIER}/hostile", f"/u/{EVE}", "/search?q=alert"])
def test_markup_in_a_record_is_text(site: Site, path: str) -> None:
    page = site.page(path)
    assert MARKUP in page.text()
    assert not page.all("script")
    assert {it.attrib["src"].startswith(PROXY) for it in page.all("img")} <= {True}


@pytest.mark.parametrize("path", PATHS)
def test_text_that_turns_direction_turns_none_but_its_own(site: Site, path: str) -> None:
    def check(text: str | None, isolated: bool) -> None:
        assert isolated or not CONTROLS.search(text or ""), text
        for line in (text or "").split("\n"):
            begun = [it for it in line if it in OPENING]
            assert len(begun) == len([it for it in line if it in CLOSING]), "what is left open closes with its element"

    def walk(element: Element, isolated: bool) -> None:
        isolated = isolated or element.tag in ("bdi", "input") or element.attrib.get("dir") == "auto"
        check(element.text, isolated)
        for value in element.attrib.values():
            check(value, isolated=True)
        for child in element:
            walk(child, isolated)
            check(child.tail, isolated)

    page = site.page(path)
    walk(page.root, isolated=False)


@pytest.mark.parametrize(
    "name", ["Tom & Jerry", "\"<b>\" '&amp;'", "</title><script>alert(1)</script>", "&\u202elt;b&\u2066gt;"]
)
def test_a_page_is_called_what_its_post_or_community_is(name: str) -> None:
    events = (community(PIER, "pier", displayName=name), post("first", title=name))
    with site_over("memory:", BlobUrls(), events=events) as site:
        for path, called in (
            (f"/post/{PIER}/first", name),
            (f"/c/{PIER}", name),
            (f"/search?q={quote(name)}", f"Search: {name}"),
        ):
            page = site.page(path)
            [title] = page.all("title")
            assert title.text == f"{CONTROLS.sub('', called)} · strandline"
            assert not page.all("script")


def test_text_is_shown_whole_with_the_links_its_facets_may_make(site: Site) -> None:
    page = site.page(f"/post/{PIER}/first")
    [text] = [it for it in page.all("div") if it.attrib.get("class") == "text"][:1]
    assert "javascript" not in page.response.text
    told = {link.attrib["href"] for link in text.iter("a")}
    assert told == {"https://tides.example/?a=1&b=\"'", f"/u/{BEN}"}
    assert ["".join(it.itertext()) for it in text.iter("summary")] == ["Spoiler: <i>why</i>"]
    assert not list(text.iter("s"))
    shown = "".join(text.itertext())
    assert enclosed(BIDI)[:12] in shown
    assert MARKUP in shown
    assert text.attrib == {"class": "text", "dir": "auto", "lang": "de"}


COVERED: Final = [
    ("/", SECRET),
    ("/", NIGHTLY),
    (f"/c/{PIER}", SECRET),
    (f"/c/{PIER}", NIGHTLY),
    (f"/c/{NIGHT}", NIGHTLY),
    (f"/timeline/{ANN}", SECRET),
    (f"/timeline/{ANN}", NIGHTLY),
    (f"/post/{PIER}/labelled", SECRET),
    (f"/post/{PIER}/first", SECRET),
    (f"/post/{PIER}/first", NIGHTLY),
    (f"/post/{NIGHT}/midnight", NIGHTLY),
    (f"/post/{PIER}/quoting", NIGHTLY),
    (f"/u/{ANN}", SECRET),
    (f"/u/{ANN}", NIGHTLY),
    (f"/u/{ANN}?show=comments", SECRET),
    (f"/u/{ANN}?show=comments", NIGHTLY),
    ("/search?q=label", SECRET),
    ("/search?q=community", NIGHTLY),
]


@pytest.mark.parametrize(("path", "text"), COVERED)
def test_what_is_labelled_or_warned_of_is_covered_until_it_is_asked_for(site: Site, path: str, text: str) -> None:
    found = False
    for page in walked(site, path):
        found = found or text in page.text()
        assert text not in page.text(covered=False)
        assert not [it for it in page.all("details") if "open" in it.attrib]
        assert text not in {value for it in page.root.iter() for value in it.attrib.values()} - {text[:0]}
    assert found


@pytest.mark.parametrize("proxy", [PROXY, None])
def test_a_quote_is_covered_where_it_stands_within_another_cover_too(proxy: str | None) -> None:
    events = (
        community(PIER, "pier", avatar=BLOB, contentWarnings=["depth"]),
        community(NIGHT, "night", avatar=BLOB, contentWarnings=["violence"]),
        post("first"),
        post("second", embed=NIGHTLY_QUOTED),
        post("midnight", NIGHT, title=NIGHTLY),
        comment(BEN, "quoting", FIRST, embed=NIGHTLY_QUOTED),
    )
    with site_over("memory:", BlobUrls(proxy=proxy), events=events) as site:
        for path in (f"/c/{PIER}", f"/post/{PIER}/first", f"/post/{PIER}/second", f"/u/{BEN}?show=comments"):
            page = site.page(path)
            [quote] = [Page(page.response, it) for it in page.all("blockquote")]
            assert NIGHTLY in quote.text()
            assert NIGHTLY not in quote.text(covered=False)
            assert not quote.all("img")


def walked(site: Site, path: str, **how: Any) -> Iterator[Page]:
    """Yield the pages that follow on each other, by the link to the next."""
    while True:
        page = site.page(path, **how)
        yield page
        following = [href for href, link in links(page) if link.attrib.get("rel") == "next"]
        if not following:
            return
        [path] = following


def posts_of(page: Page) -> list[str]:
    """Return the addresses of the posts of a feed, by the links to their comments."""
    entries = [it for it in page.all("article") if it.attrib.get("class") == "entry"]
    stats = [it for entry in entries for it in entry.iter("p") if it.attrib.get("class") == "stats"]
    return [link.attrib["href"].partition("#")[0] for it in stats for link in it.iter("a")]


@pytest.mark.parametrize(
    ("path", "nsid", "asked", "viewer"),
    [
        ("/", "feed.getDiscover", {}, None),
        ("/?sort=new", "feed.getDiscover", {"sort": "new"}, None),
        ("/?sort=top&timeframe=all", "feed.getDiscover", {"sort": "top", "timeframe": "all"}, None),
        (f"/c/{PIER}", "feed.getCommunity", {"community": PIER}, None),
        (f"/timeline/{ANN}", "feed.getTimeline", {}, ANN),
        (f"/timeline/{BEN}", "feed.getTimeline", {}, BEN),
        (f"/u/{BEN}", "actor.getPosts", {"actor": BEN}, None),
        ("/search?q=more", "community.post.search", {"q": "more"}, None),
    ],
)
def test_walking_by_the_links_shows_each_post_of_a_feed_once(
    site: Site, path: str, nsid: str, asked: dict[str, str], viewer: str | None
) -> None:
    shown = [it for page in walked(site, path, viewer=viewer) for it in posts_of(page)]
    expected, cursor = [], ""
    while True:
        query = "&".join(f"{name}={quote(value)}" for name, value in {**asked, "cursor": cursor}.items() if value)
        told = site.ask(f"/xrpc/social.coves.{nsid}?{query}", viewer=viewer).json()
        views = told.get("posts") or [item["post"] for item in told["feed"]]
        expected += [it["uri"].replace("at://", "/post/").replace(f"/{POST}/", "/") for it in views]
        cursor = told.get("cursor", "")
        if not cursor:
            break
    assert len(expected) > 25
    assert shown == expected


def test_a_thread_shows_comments_under_each_other_and_leads_on_where_it_is_cut(site: Site) -> None:
    path, found = f"/post/{PIER}/first", set[str]()
    todo = [path]
    while todo:
        for page in walked(site, todo.pop()):
            found |= {it for it in page.text().split("\n") if it.startswith(("as deep as", "beside"))}
            more = [it for place in page.all("p") if place.attrib.get("class") == "deeper" for it in place.iter("a")]
            todo += [it.attrib["href"].partition("#")[0] for it in more]
    assert found == {f"as deep as {at}" for at in range(14)} | {f"beside {at}" for at in range(60)}


def test_no_comment_takes_a_page_for_itself(site: Site) -> None:
    told = "".join(page.text() for page in walked(site, f"/post/{PIER}/first"))
    assert "e\u0301" * 6000 in told
    assert "e\u0301" * 6000 + "e" not in told
    assert "It goes on for 1,000 more letters, which are not shown here." in told


def test_a_spoiler_that_is_cut_with_its_comment_covers_what_is_left_of_it(site: Site) -> None:
    for path in (f"/post/{PIER}/first", f"/u/{EVE}?show=comments"):
        pages = list(walked(site, path))
        assert [page for page in pages if "gardener g" in page.text()]
        assert not [page for page in pages if "gardener ga" in page.text()]
        assert not [page for page in pages if "gardener" in page.text(covered=False)]


def test_a_comment_that_was_taken_back_leaves_a_placeholder_over_its_answers(site: Site) -> None:
    pages = list(walked(site, f"/post/{PIER}/first"))
    told = [it for page in pages for it in page.all("li") if "Removed by its author" in "".join(it.itertext())]
    assert [it for it in told if "an answer to it" in "".join(it.itertext())]
    assert not [page for page in pages if "taken back" in page.text()]


@pytest.mark.parametrize("path", ["/", f"/c/{PIER}", f"/u/{GONE}", f"/post/{PIER}/first", "/search?q=hidden"])
def test_nothing_of_a_hidden_account_is_shown(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert HIDDEN not in answer.text
    assert answer.status_code == (404 if GONE in path else 200)


def test_what_is_said_in_a_private_community_is_shown_to_its_subscribers_alone(site: Site) -> None:
    for path in (
        "/",
        f"/timeline/{ANN}",
        f"/timeline/{BEN}",
        f"/u/{ANN}",
        f"/u/{ANN}?show=comments",
        "/search?q=cellar",
    ):
        assert not [page for page in walked(site, path) if CLOSED in page.text()], path
    for path in (f"/c/{CELLAR}", f"/post/{CELLAR}/shut"):
        site.page(path, 404)
        assert CLOSED in site.page(path, viewer=ANN).text()
    assert [page for page in walked(site, f"/timeline/{ANN}", viewer=ANN) if CLOSED in page.text()]


def test_a_timeline_is_without_the_communities_its_owner_blocks(site: Site) -> None:
    shown = {who: [it for page in walked(site, f"/timeline/{who}") for it in posts_of(page)] for who in (ANN, BEN)}
    assert f"/post/{NIGHT}/midnight" in shown[ANN]
    assert f"/post/{NIGHT}/midnight" not in shown[BEN]


def test_pictures_come_through_the_proxy_with_their_words(site: Site) -> None:
    page = site.page(f"/post/{PIER}/first")
    pictures = [it for it in page.all("img") if it.attrib["alt"]]
    assert [it.attrib["alt"] for it in pictures] == [enclosed(ALT), "A picture without a description"]
    assert pictures[0].attrib["height"] == "1280", "no record makes a picture of any height"
    for it in page.all("img"):
        assert it.attrib["src"].startswith(f"{PROXY}/img/")
        assert it.attrib["loading"] == "lazy"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/communities",
        f"/c/{NIGHT}",
        f"/post/{NIGHT}/midnight",
        f"/timeline/{ANN}",
        "/search?q=night&kind=communities",
    ],
)
def test_the_picture_of_a_community_that_warns_is_not_shown(site: Site, path: str) -> None:
    for page in walked(site, path):
        for link in page.all("a"):
            assert NIGHT not in link.attrib["href"] or not list(link.iter("img"))
        assert not [it for heading in page.all("h1") for it in heading.iter("img")]


def test_without_a_proxy_no_picture_is_fetched_and_its_words_stay(sites: Sites) -> None:
    page = sites("memory", None).page(f"/post/{PIER}/first")
    assert not page.all("img")
    assert f"A picture, not shown here: {enclosed(ALT)}" in page.text()


def test_where_the_hosts_are_known_a_picture_is_fetched_by_who_asks_for_it() -> None:
    with site_over("memory:", BlobUrls(pds_of=lambda did: "https://pds.example")) as site:
        page = site.page(f"/post/{PIER}/first")
        assert not page.all("img")
        shown = [href for href, link in links(page) if "".join(link.itertext()) == "Show the picture"]
        assert [parse_qs(urlsplit(it).query)["did"] for it in shown] == [[PIER]] * 2


@pytest.mark.parametrize("proxy", ["https://evil.example;script-src *", "javascript:x", "https://a@b.example", "//x"])
def test_no_image_proxy_loosens_the_policy(proxy: str) -> None:
    with site_over("memory:", BlobUrls(proxy=proxy), events=()) as site:
        assert "img-src 'none'" in site.ask("/").headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        (f"/c/{GONE}", 404),
        ("/c/nobody.example", 404),
        ("/c/%3Cscript%3E", 400),
        ("/u/nobody.example", 404),
        (f"/post/{PIER}/none", 404),
        ("/post/nobody/none", 400),
        (f"/post/{PIER}/first?under=none", 404),
        ("/timeline/nobody.example", 404),
        ("/?cursor=x", 400),
        ("/?sort=best", 400),
        ("/search?q=x&kind=y", 400),
        (f"/search?q={'x' * 513}", 400),
        ("/static/none.css", 404),
        ("/timeline?who=nobody.example", 404),
    ],
)
def test_an_error_is_a_page_to_who_reads_pages_and_data_to_others(sites: Sites, path: str, status: int) -> None:
    site = sites()
    page = site.page(path, status)
    assert len(page.all("h1")) == 1
    assert [href for href, _ in links(page) if href == "/"]
    if path.startswith((f"/post/{PIER}", "/timeline?who")):  # of these the data is no error, or there is none
        return
    assert "Accept" in page.response.headers["vary"]
    told = site.ask(path, Accept="application/json")
    assert told.status_code == status
    assert told.json()["error"]
    assert "Accept" in told.headers["vary"].split(", "), "a cache must not give the one for the other"


@pytest.mark.parametrize("path", ["/xrpc/social.coves.none", "/xrpc/social.coves.feed.getDiscover?sort=x"])
def test_an_error_of_the_api_is_data_to_everybody(sites: Sites, path: str) -> None:
    told = sites().ask(path)
    assert told.json()["error"]
    assert "Accept" not in told.headers.get("vary", "").split(", ")


def test_a_store_that_is_away_and_a_bug_are_pages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with site_over("memory:", BlobUrls()) as site:
        for error, status in ((StoreUnavailable("secret host"), 503), (ZeroDivisionError("secret"), 500)):

            async def fail(*args: Any, error: Exception = error, **kwargs: Any) -> Any:
                raise error

            monkeypatch.setattr(site.index.store, "page", fail)
            page = site.page("/", status)
            assert "secret" not in page.response.text
            assert ("retry-after" in page.response.headers) == (status == 503)
            assert "Accept" in site.ask("/", Accept="*/*").headers["vary"].split(", ")


def test_a_permanent_link_is_a_page_or_data_as_is_asked_for(site: Site) -> None:
    path = f"/post/{PIER}/first"
    for accept, kind in (
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/html;q=x", "application/json"),
    ):
        answer = site.ask(path, Accept=accept)
        assert (answer.headers["content-type"], answer.status_code) == (kind, 200)
        assert "Accept" in answer.headers["vary"]


def test_a_handle_leads_to_the_timeline_of_its_did(site: Site) -> None:
    answer = site.ask("/timeline?who=%40ann.example")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/timeline/{ANN}")
    assert site.ask("/c/!pier@forum.example").status_code == 200
    assert site.ask("/u/ann.example").status_code == 200


def test_an_account_without_a_profile_has_a_page_if_it_wrote(site: Site) -> None:
    assert "This account has no profile." in site.page(f"/u/{BEN}").text()
    site.page("/u/did:plc:nobodynobodynobodynobod2", 404)


def test_files_of_the_site_are_kept_for_ever_under_a_name_that_tells_their_bytes(sites: Sites) -> None:
    [style] = sites().page("/").all("link")
    answer = sites().ask(style.attrib["href"])
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "url(" not in answer.text
    assert "@import" not in answer.text


def test_a_page_is_only_read(sites: Sites) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert sites().ask("/", method=method).status_code == 405
    head = sites().ask("/", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_an_empty_forum_has_all_its_pages() -> None:
    with site_over("memory:", BlobUrls(), events=()) as site:
        for path in ("/", "/communities", "/index", "/timeline", "/search", "/search?q=x", f"/timeline/{ANN}"):
            site.page(path)
