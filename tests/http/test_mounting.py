"""
The application within another: Starlette's, FastAPI's, and beside Django's, each with routes of its own, under a prefix.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import django
import httpx
import pytest
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.functional import empty
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from strandline.forum import SCHEMA
from strandline_http import VIEWER_HEADER, InThreads, Readers, Settings, create_app, open_readers, trusted_header

FEED: Final = "/forum/xrpc/social.coves.feed.getDiscover"
ORIGIN: Final = {"Origin": "https://client.example"}
Lifespan = Callable[[Any], Any]
Ask = Callable[..., httpx.Response]


async def ours(request: Request) -> PlainTextResponse:
    """Answer at a route of the outer application."""
    return PlainTextResponse("ours")


def in_starlette(lifespan: Lifespan) -> Any:
    site = Starlette(lifespan=lifespan)
    site.add_route("/ours", ours)
    return site


def in_fastapi(lifespan: Lifespan) -> Any:
    site = FastAPI(lifespan=lifespan)

    @site.get("/ours", response_class=PlainTextResponse)
    async def ours() -> str:
        return "ours"

    return site


def beside_django(lifespan: Lifespan) -> Any:
    @asynccontextmanager
    async def then_django(site: Any) -> AsyncIterator[None]:
        with set_up():
            async with lifespan(site):
                site.mount("/", get_asgi_application())
                yield

    return Starlette(lifespan=then_django)


@contextmanager
def set_up() -> Iterator[None]:
    """Set Django up within the block, whoever set it up before."""
    before = django_settings._wrapped
    django_settings._wrapped = empty
    django_settings.configure(
        ROOT_URLCONF=(path("ours", _of_django),), ALLOWED_HOSTS=["*"], SECRET_KEY="a secret of the tests"
    )
    django.setup()
    yield
    django_settings._wrapped = before


def _of_django(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ours", content_type="text/plain")


HOSTS: Final = {"starlette": in_starlette, "fastapi": in_fastapi, "django": beside_django}


@asynccontextmanager
async def opened(site: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        site.router.lifespan_context(site),
        httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://forum.test") as client,
    ):
        yield client


@pytest.fixture(scope="module", params=[*HOSTS])
def host(request: pytest.FixtureRequest, forums: Any) -> Iterator[Ask]:
    """Requests to another application, with ours under /forum."""
    made: list[Readers] = []

    @asynccontextmanager
    async def lifespan(site: Any) -> AsyncIterator[None]:
        made.append(await open_readers(forums["sqlite"].url, SCHEMA, threads=2))
        forum = create_app(made[0], Settings(page_keys=(b"a secret of the tests",), viewer=trusted_header))
        async with forum.router.lifespan_context(forum):
            site.mount("/forum", forum)
            yield

    with asyncio.Runner() as runner:
        whole = opened(HOSTS[request.param](lifespan))
        client = runner.run(whole.__aenter__())

        def asked(method: str, at: str, **how: Any) -> httpx.Response:
            sent: Any = client.request(method, at, **how)
            response: httpx.Response = runner.run(sent)
            return response

        yield asked
        runner.run(whole.__aexit__(None, None, None))
    [readers] = made
    assert isinstance(readers, InThreads)
    assert readers._idle == [], "closed with the application around it"


def test_both_answer(host: Ask) -> None:
    assert host("GET", "/ours").text == "ours"
    feed = host("GET", FEED, params={"limit": 3}).json()
    assert len(feed["feed"]) == 3
    assert len(host("GET", FEED, params={"limit": 3, "cursor": feed["cursor"]}).json()["feed"]) == 3
    post = feed["feed"][0]["post"]
    did, rkey = post["uri"].split("/")[2], post["rkey"]
    assert host("GET", f"/forum/post/{did}/{rkey}").json()["post"] == post
    assert host("GET", "/forum/health").json()["store"] == "ok"


def test_errors_below_the_prefix_are_ours_and_others_are_not(host: Ask) -> None:
    for method, at, status, error in (
        ("GET", "/forum/nowhere", 404, "NotFound"),
        ("GET", "/forum/xrpc/none.such", 404, "MethodNotFound"),
        ("PUT", FEED, 405, "MethodNotAllowed"),
        ("POST", "/forum/health", 405, "MethodNotAllowed"),
        ("POST", "/forum/xrpc/social.coves.feed.vote.create", 400, "WriteToPds"),
        ("GET", "/forum/xrpc/social.coves.feed.getTimeline", 401, "AuthenticationRequired"),
    ):
        got = host(method, at, headers=ORIGIN)
        assert (got.status_code, got.json()["error"]) == (status, error)
        assert got.headers["X-Request-Id"]
        assert got.headers["access-control-allow-origin"] == "*"
    elsewhere = host("GET", "/nowhere", headers=ORIGIN)
    assert elsewhere.status_code == 404
    assert "X-Request-Id" not in elsewhere.headers


def test_head_and_options_are_answered_below_the_prefix(host: Ask) -> None:
    for at in (FEED, "/forum/health", "/forum/openapi.json"):
        got, head = host("GET", at), host("HEAD", at)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        plain = host("OPTIONS", at)
        assert (plain.status_code, plain.content) == (204, b"")
        assert {"GET", "HEAD", "OPTIONS"} <= set(plain.headers["allow"].split(", "))
        asked = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-mine"}
        preflight = host("OPTIONS", at, headers=asked)
        assert preflight.status_code == 200
        assert "GET" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "x-mine"
    assert host("OPTIONS", "/forum/nowhere").status_code == 404


def test_the_openapi_document_says_where_it_is_mounted(host: Ask) -> None:
    told = host("GET", "/forum/openapi.json").json()
    assert told["servers"] == [{"url": "/forum"}]
    assert f"{told['servers'][0]['url']}/xrpc/social.coves.feed.getDiscover" == FEED
    assert FEED.removeprefix("/forum") in told["paths"]


def test_who_asks_is_known_below_the_prefix(host: Ask, forums: Any) -> None:
    live = {row.did for row in forums["sqlite"].rows("community")}
    viewer = next(row.actor for row in forums["sqlite"].rows("subscription") if row.community in live)
    got = host("GET", "/forum/xrpc/social.coves.feed.getTimeline", headers={VIEWER_HEADER: viewer})
    assert got.status_code == 200
    assert got.json()["feed"]
