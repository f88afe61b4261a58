"""
The index over HTTP: bytes in, a question to the core, bytes out.

`create_app` gives an ASGI application, to be served or mounted in another. It decides nothing about the forum: every
answer and every refusal comes from `strandline.forum.xrpc`. Whatever happens, the answer is JSON of one shape; but for
the pages (`strandline_http.pages`), and errors told to who reads pages.

Source: https://atproto.com/specs/xrpc
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strandline import Store, StoreError
from strandline.forum.queries import rev_at_least
from strandline.forum.records import POST
from strandline.forum.xrpc import Refusal, answer, openapi, refusal_of_post
from strandline_http.freshness import Freshness, now_us
from strandline_http.pages import Pages, error_page, negotiated, wants_page
from strandline_http.readers import OnLoop, Readers
from strandline_http.settings import Settings

__all__ = ["create_app"]

Endpoint = Callable[[Request], Awaitable[Response]]

LOG: Final = logging.getLogger("strandline.http")

_REQUEST_ID: Final = "strandline.request_id"
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_ALLOWED: Final = "GET, HEAD, POST, OPTIONS"
_EXPOSED: Final = ("X-Request-Id", "X-Index-Lag-Ms", "Atproto-Repo-Rev", "Retry-After")
_STATUS_NAMES: Final[Mapping[int, str]] = {404: "NotFound", 405: "MethodNotAllowed", 413: "RequestTooLarge"}
_POST_QUERY: Final = "social.coves.community.post.get"


def create_app(store: Store | Readers, settings: Settings) -> Starlette:
    """
    Return the ASGI application that answers for an index.

    Args:
        store: An open store, asked on the event loop and left open; or readers, closed with the application.
        settings: How it is served.
    """
    readers = OnLoop(store) if isinstance(store, Store) else store
    served = _Served(readers, settings)
    pages = Pages(readers, settings, served.freshness)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with pages.watching():
            yield
        await served.freshness.close()
        await readers.close()

    app = Starlette(
        routes=[
            Route("/xrpc/_health", served.health),
            Route("/health", served.health),
            Route("/openapi.json", served.openapi),
            Route("/post/{did}/{rkey}", _negotiated(pages.post, served.permalink)),
            Route("/xrpc/{nsid}", served.xrpc, methods=_METHODS),
            *pages.routes,
        ],
        middleware=[
            Middleware(_Framed, served=served),
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.origins),
                allow_methods=["GET", "HEAD", "POST"],
                allow_headers=["*"],
                expose_headers=list(_EXPOSED),
                max_age=86_400,
            ),
            Middleware(_Guarded),
            Middleware(GZipMiddleware, minimum_size=1024, compresslevel=3),
        ],
        exception_handlers={
            HTTPException: _told_http,
            Refusal: _told_refusal,
            StoreError: _told_store,
            TimeoutError: _told_timeout,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would send the asker where the Host header says
    return app


def _negotiated(page: Endpoint, data: Endpoint) -> Endpoint:
    """Return an endpoint that gives a page to those who would rather read one, else data."""

    async def endpoint(request: Request) -> Response:
        if wants_page(request):
            return await page(request)
        response = await data(request)
        response.headers["Vary"] = "Accept"
        return response

    return endpoint


class _Served:
    """The endpoints over some readers."""

    def __init__(self, readers: Readers, settings: Settings) -> None:
        self.readers, self.settings = readers, settings
        self.freshness = Freshness(readers, timeout_s=settings.timeout_s)
        self._openapi = openapi(settings.version)
        self._ready = orjson.dumps(self._openapi)

    async def xrpc(self, request: Request) -> Response:
        """Answer a question, or say why not."""
        nsid = request.path_params["nsid"]
        if request.method == "OPTIONS":
            return _options(_ALLOWED)
        if request.method == "POST":
            await self._read_body(request)
            raise refusal_of_post(nsid)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": _ALLOWED})
        told, rev = await self._ask(request, nsid, request.query_params.multi_items())
        return _json(200, told, None if rev is None else {"Atproto-Repo-Rev": rev})

    async def permalink(self, request: Request) -> Response:
        """Answer with the post at a permanent link."""
        did, rkey = request.path_params["did"], request.path_params["rkey"]
        told, _ = await self._ask(request, _POST_QUERY, [("uris", f"at://{did}/{POST}/{rkey}")])
        [post] = told["posts"]
        return _json(404 if post.get("notFound") else 200, {"post": post})

    async def health(self, request: Request) -> Response:
        """Say whether the index can be asked, and is not too far behind."""
        told: dict[str, Any] = {"version": self.settings.version, "store": "ok"}
        try:
            lag_us = await self.freshness.lag_us()
        except (StoreError, TimeoutError):
            return _json(503, {**told, "store": "unavailable"})
        late = self.settings.max_lag_s is not None and lag_us is not None and lag_us > self.settings.max_lag_s * 1e6
        return _json(503 if late else 200, {**told, **({} if lag_us is None else {"lagMs": lag_us // 1000})})

    async def openapi(self, request: Request) -> Response:
        """Give the OpenAPI document, which says where it is mounted."""
        prefix = request.scope.get("root_path")
        if prefix:
            return _json(200, {**self._openapi, "servers": [{"url": prefix}]})
        return Response(self._ready, media_type="application/json")

    async def _ask(
        self, request: Request, nsid: str, pairs: list[tuple[str, str]]
    ) -> tuple[dict[str, Any], str | None]:
        """Return an answer, and up to which rev the viewer's own repo stands in it, where that is known."""
        viewer = self.settings.viewer(request)
        who = await viewer if isawaitable(viewer) else viewer
        asked_us = now_us()

        async def query(store: Store) -> tuple[dict[str, Any], str | None]:
            rev = None if who is None else await rev_at_least(store, who, asked_us)  # first: the answer has it then
            return await answer(store, nsid, pairs, viewer=who, now_us=asked_us, how=self.settings.answering), rev

        async with asyncio.timeout(self.settings.timeout_s):
            return await self.readers.ask(query)

    async def _read_body(self, request: Request) -> None:
        """Read the body and forget it, so that the connection can go on."""
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.settings.max_body_bytes:
                raise Refusal(413, "RequestTooLarge", f"a body of more than {self.settings.max_body_bytes} bytes")


class _Framed:
    """The outermost: gives each request an id, and tells how far the index is behind."""

    def __init__(self, app: ASGIApp, served: _Served) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"x-request-id", request_id.encode())]
                lag_us = await self.served.freshness.lag_us_if_known()
                if lag_us is not None:
                    headers.append((b"x-index-lag-ms", str(lag_us // 1000).encode()))
                message = {**message, "headers": headers}
            await send(message)

        await self.app({**scope, _REQUEST_ID: request_id}, receive, framed)


class _Guarded:
    """Turns what nobody expected into a 500 without details, and tells them in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception:  # the outermost: it becomes an answer
            LOG.exception("request %s failed", scope.get(_REQUEST_ID))
            if begun:
                raise
            told = {"error": "InternalServerError", "message": "something went wrong here; the log says what"}
            await _told(Request(scope), 500, told)(scope, receive, send)


def _request_id(scope: Scope) -> str:
    """Return the id the caller gave, if it is a plain short one; else a new one."""
    told = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return told if 0 < len(told) <= 64 and told.isascii() and told.replace("-", "").isalnum() else uuid4().hex


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


def _options(allowed: str) -> Response:
    """Return what may be asked at a path; a page of another origin asks in other words, which CORS answers."""
    methods = allowed if "OPTIONS" in allowed else f"{allowed}, OPTIONS"
    return Response(status_code=204, headers={"Allow": methods})


def _told(request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return an error: as a page to those who would rather read one, else as data."""
    if wants_page(request):
        return error_page(request, status, body["message"], headers)
    return _json(status, body, {**({"Vary": "Accept"} if negotiated(request) else {}), **(headers or {})})


async def _told_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    headers = {"Allow": _ALLOWED} if error.status == 405 else None
    return _told(request, error.status, error.body(), headers)


async def _told_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and request.method == "OPTIONS":
        return _options((error.headers or {})["Allow"])
    name = _STATUS_NAMES.get(error.status_code, "InvalidRequest")
    return _told(request, error.status_code, {"error": name, "message": error.detail}, error.headers)


async def _told_store(request: Request, error: Exception) -> Response:
    LOG.error("the store is in trouble: %s", error)
    told = {"error": "ServiceUnavailable", "message": "the index cannot be read now"}
    return _told(request, 503, told, {"Retry-After": "5"})


async def _told_timeout(request: Request, error: Exception) -> Response:
    told = {"error": "ServiceUnavailable", "message": "the answer took too long"}
    return _told(request, 503, told, {"Retry-After": "5"})
