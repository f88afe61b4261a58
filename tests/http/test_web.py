"""
The application as HTTP: whatever comes, the answer is JSON of one shape, with an id, compressed, readable from pages.
"""

import asyncio
import logging
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from strandline import Cursor, Ingest, StoreError, StoreUnavailable, layout_of
from strandline.forum import SCHEMA
from strandline.forum.records import KINDS
from strandline.forum.xrpc import ANSWERS, WRITES, openapi
from strandline.judge import compile_judge
from strandline.memory import MemoryStore
from strandline_http import VIEWER_HEADER, Settings, create_app

DISCOVER: Final = "/xrpc/social.coves.feed.getDiscover"
KEYS: Final = (b"a secret of the tests",)
Web = Callable[..., httpx.Response]


class Client:
    """Asks an application, each request to its end."""

    def __init__(self, app: Any, runner: asyncio.Runner) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://forum.test")
        self._runner = runner

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Return the response to a request."""
        return self._runner.run(self._client.request(method, path, **how))

    def get(self, path: str) -> httpx.Response:
        """Return the response to a GET."""
        return self.request("GET", path)

    def close(self) -> None:
        """Let go of it."""
        self._runner.run(self._client.aclose())


@contextmanager
def clients(app: Any) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        client = Client(app, runner)
        yield client
        client.close()


def test_each_answer_has_an_id_and_keeps_one_that_was_given(web: Web) -> None:
    assert len(web("GET", DISCOVER).headers["X-Request-Id"]) == 32
    assert web("GET", DISCOVER, headers={"X-Request-Id": "mine-7"}).headers["X-Request-Id"] == "mine-7"
    assert web("GET", "/nowhere", headers={"X-Request-Id": "not ours!"}).headers["X-Request-Id"] != "not ours!"


def test_head_is_get_without_a_body(web: Web) -> None:
    got, head = web("GET", DISCOVER), web("HEAD", DISCOVER)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"] == "application/json"


def test_long_answers_are_compressed_where_that_is_understood(web: Web) -> None:
    assert web("GET", DISCOVER, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in web("GET", DISCOVER, headers={"Accept-Encoding": "identity"}).headers


def test_pages_of_other_origins_may_read_it(web: Web) -> None:
    origin = {"Origin": "https://client.example"}
    assert web("GET", DISCOVER, headers=origin).headers["access-control-allow-origin"] == "*"
    asked = web("OPTIONS", DISCOVER, headers={**origin, "Access-Control-Request-Method": "GET"})
    assert asked.status_code == 200
    assert "GET" in asked.headers["access-control-allow-methods"]
    assert web("OPTIONS", DISCOVER).headers["allow"] == "GET, HEAD, POST, OPTIONS"


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "NotFound"),
        ("GET", f"{DISCOVER}/", 404, "NotFound"),
        ("PUT", DISCOVER, 405, "MethodNotAllowed"),
        ("POST", DISCOVER, 405, "MethodNotAllowed"),
        ("POST", "/health", 405, "MethodNotAllowed"),
        ("POST", "/xrpc/social.coves.none", 404, "MethodNotFound"),
        ("POST", "/xrpc/social.coves.community.create", 501, "MethodNotImplemented"),
        ("POST", "/xrpc/social.coves.feed.vote.create", 400, "WriteToPds"),
        ("GET", f"{DISCOVER}?limit=x", 400, "InvalidRequest"),
        ("GET", f"{DISCOVER}?cursor=%FF%00", 400, "InvalidRequest"),
    ],
)
def test_every_error_is_json_of_one_shape(web: Web, method: str, path: str, status: int, error: str) -> None:
    got = web(method, path, headers={"Origin": "https://client.example"})
    assert (got.status_code, got.json()["error"]) == (status, error)
    assert got.json()["message"]
    assert got.headers["access-control-allow-origin"] == "*"
    assert got.headers["X-Request-Id"]
    if status == 405:
        assert "GET" in got.headers["allow"]


def test_a_body_that_is_too_long_is_refused(web: Web) -> None:
    got = web("POST", "/xrpc/social.coves.comment.create", content=b"x" * 1_000_001)
    assert (got.status_code, got.json()["error"]) == (413, "RequestTooLarge")


def bodies() -> dict[str, Any]:
    """Return what validates the body of each call to a host: the types of a library of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from atproto import models
    kinds = {"create": models.ComAtprotoRepoCreateRecord, "put": models.ComAtprotoRepoPutRecord}
    kinds["delete"] = models.ComAtprotoRepoDeleteRecord
    return {f"com.atproto.repo.{name}Record": it.Data for name, it in kinds.items()}


@pytest.mark.parametrize("nsid", sorted(WRITES))
def test_a_write_is_told_where_it_goes_with_a_body_that_is_valid(web: Web, nsid: str) -> None:
    told = web("POST", f"/xrpc/{nsid}", json={}, headers={"Authorization": "Bearer a secret of somebody's"})
    details = told.json()["details"]
    body = details["body"]
    bodies()[details["call"]].model_validate(body, context={"strict_string_format": True})
    assert body["collection"] == details["collection"]
    if "record" in body:
        kind = next(kind for kind in KINDS if kind.collection == body["collection"])
        assert compile_judge(kind).verdict(body["repo"], body.get("rkey", "3kabcdefghij2"), body["record"]).faults == ()
    assert ("record" in body) == (not details["call"].endswith("deleteRecord"))
    assert "secret" not in told.text


def test_the_validator_of_bodies_finds_what_is_wrong() -> None:
    wrong = {"repo": "a b", "collection": "nope", "rkey": "a b", "record": {}}
    with pytest.raises(ValueError, match="collection"):
        bodies()["com.atproto.repo.putRecord"].model_validate(wrong, context={"strict_string_format": True})


def test_who_says_nonsense_of_themselves_is_refused(web: Web) -> None:
    got = web("GET", DISCOVER, headers={VIEWER_HEADER: "ann"})
    assert (got.status_code, got.json()["error"]) == (401, "AuthenticationRequired")


def test_a_viewer_is_told_up_to_which_rev_their_repo_was_taken_in(web: Web, forum: Any) -> None:
    viewer = next(row.actor for row in forum.rows("subscription"))
    origin = {"Origin": "https://client.example"}
    told = web("GET", DISCOVER, headers={**origin, VIEWER_HEADER: viewer})
    assert told.headers["Atproto-Repo-Rev"] in forum.index.ask(_revs, viewer)
    assert "Atproto-Repo-Rev" in told.headers["access-control-expose-headers"]
    assert "Atproto-Repo-Rev" not in web("GET", DISCOVER, headers=origin).headers
    unknown = {VIEWER_HEADER: "did:plc:nobodynobodynobodynobod2"}
    assert "Atproto-Repo-Rev" not in web("GET", DISCOVER, headers=unknown).headers


async def _revs(store: Any, did: str) -> set[str]:
    return {row[4] async for _, rows in store.scan(["register"]) for row in rows if row[3] == did}


def test_a_post_has_a_permanent_link(web: Web) -> None:
    post = web("GET", DISCOVER).json()["feed"][0]["post"]
    did, rkey = post["uri"].split("/")[2], post["rkey"]
    assert web("GET", f"/post/{did}/{rkey}").json()["post"] == post
    assert web("GET", f"/post/{did}/none").status_code == 404
    assert web("GET", "/post/nobody/none").status_code == 400


class Broken(MemoryStore):
    """A store that is away, or wrong."""

    def __init__(self, error: Exception) -> None:
        super().__init__(layout_of(SCHEMA))
        self._error = error

    async def page(self, *args: Any, **kwargs: Any) -> Any:
        """Fail."""
        raise self._error

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[Any, None]:
        """Fail, if the store is away."""
        if isinstance(self._error, StoreError):
            raise self._error
        async for chunk in super().scan(tables):
            yield chunk


def test_a_store_that_is_away_is_503_and_a_bug_is_500_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "strandline.http")
    for error, status, name in (
        (StoreUnavailable("secret host"), 503, "ServiceUnavailable"),
        (ZeroDivisionError("secret"), 500, "InternalServerError"),
    ):
        app = create_app(Broken(error), Settings(page_keys=KEYS))
        with clients(app) as client:
            got = client.get(DISCOVER)
            assert (got.status_code, got.json()["error"]) == (status, name)
            assert "secret" not in got.text
            if status == 503:
                assert client.get("/health").status_code == 503
                assert client.get("/xrpc/_health").json()["store"] == "unavailable"


class Stuck(MemoryStore):
    """A store that does not answer, but tells how far it is."""

    async def page(self, *args: Any, **kwargs: Any) -> Any:
        """Take for ever."""
        await asyncio.sleep(3600)


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with clients(create_app(Stuck(layout_of(SCHEMA)), Settings(page_keys=KEYS, timeout_s=0.2))) as client:
        got = client.get(DISCOVER)
        assert (got.status_code, got.json()["error"]) == (503, "ServiceUnavailable")
        assert got.headers["Retry-After"]
        assert client.get("/health").status_code == 200


def test_an_index_that_is_too_far_behind_is_not_healthy(forum: Any) -> None:
    store = forum.index.store
    forum.index.ask(lambda it: Ingest(it, forum.index.schema).fold([], Cursor("jetstream", 1_782_000_000_000_000)))
    with clients(create_app(store, Settings(page_keys=KEYS, max_lag_s=60))) as client:
        got = client.get("/health")
        assert got.status_code == 503
        assert int(got.headers["X-Index-Lag-Ms"]) > 60_000
        assert got.json()["lagMs"] > 60_000
    with clients(create_app(store, Settings(page_keys=KEYS))) as client:
        assert client.get("/health").status_code == 200


def test_it_is_mounted_in_another_application(forum: Any) -> None:
    inner = create_app(forum.index.store, Settings(page_keys=KEYS))
    with clients(Starlette(routes=[Mount("/forum", inner)])) as client:
        assert client.get(f"/forum{DISCOVER}").json()["feed"]
        assert client.get("/forum/nowhere").json()["error"] == "NotFound"


def test_keys_that_are_short_are_refused() -> None:
    for keys in ((), (b"short",)):
        with pytest.raises(ValueError, match="page keys"):
            Settings(page_keys=keys)


def test_the_openapi_document_names_every_question(web: Web) -> None:
    assert web("GET", "/openapi.json").json() == openapi("0.1.0")
    paths = web("GET", "/openapi.json").json()["paths"]
    assert {path.removeprefix("/xrpc/") for path in paths} >= set(ANSWERS) | set(WRITES)
