"""
Whatever is asked, by whatever method and by whomever, the answer is one that is documented, and none is our failure.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import schemathesis.openapi
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from strandline.forum.xrpc import ANSWERS, WRITES, openapi
from strandline_http import VIEWER_HEADER

FULL: Final = "STRANDLINE_FULL" in os.environ
EXAMPLES: Final = 1000 if FULL else 40
CASES: Final = 40 if FULL else 2
"""Cases of one operation, on one store, that keep its document, and as many that break it."""

STORES: Final = ("memory", "sqlite", "postgres")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NAMED: Final = (
    *("cursor", "community", "actor", "author", "post", "uris", "uri", "dids", "aggregatorDid", "parentRkey", "q"),
    *("limit", "depth", "sort", "timeframe", "filter", "postType", "visibility", "subscribed", "detailed"),
)
ODD: Final = (
    *("at://", "at://did:plc:x/y/z", "did:plc:", "did:web:a.b%00", "!a@b", "!@", "@", "\0", "\x7f", "\ud800", "\u202e"),
    *("' OR 1=1 --", '"; DROP TABLE post; --', "../..", "%00", "%", "\\", "9" * 40, "-1", "1e9", "NaN", "null", "[]"),
    *("x" * 5000, "\U0001f30a" * 100, "\u0130\u0131\u00df", "a\u0301" * 50, "true", "True", "", " "),
)
Web = Callable[..., httpx.Response]


@pytest.fixture(params=STORES)
def web(request: pytest.FixtureRequest, webs: Mapping[str, Web]) -> Web:
    """Requests to the application over each store."""
    return webs[request.param]


@pytest.fixture(scope="session")
def real(forum: Any) -> dict[str, list[str]]:
    """Parameters that have an answer, by name."""
    live = {row.did for row in forum.rows("community")}
    posts = [row for row in forum.rows("post") if row.community in live][:20]
    viewers = [row.actor for row in forum.rows("subscription") if not row.ended][:5]
    names = ("feed.getDiscover", "community.list", "actor.search")
    told = [forum.asked(name, *([("q", "a")] if "search" in name else []), ("limit", 1)).body for name in names]
    return {
        "cursor": [it["cursor"] for it in told if "cursor" in it],
        "community": [row.community for row in posts],
        "actor": [row.author for row in posts],
        "author": [row.author for row in posts],
        "post": [row.uri for row in posts],
        "uris": [row.uri for row in posts],
        "viewer": viewers,
    }


@st.composite
def touched(draw: st.DrawFn, texts: list[str]) -> str:
    """Take a text that is right, and change a letter, cut it, or double it."""
    text = draw(st.sampled_from(texts))
    at = draw(st.integers(0, len(text)))
    return draw(
        st.sampled_from([text, text[:at], text[at:], text + text, text[:at] + draw(st.characters()) + text[at + 1 :]])
    )


def plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def test_no_cursor_uri_or_handle_is_an_error_of_ours(web: Web, real: dict[str, list[str]]) -> None:
    texts = st.text(max_size=60) | st.sampled_from(ODD) | st.one_of([touched(it) for it in real.values() if it])
    fixed = {name: real[name][0] for name in ("community", "actor", "post", "uris")} | {"q": "a"}

    @settings(max_examples=10 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        method=st.sampled_from(("GET", "GET", "GET", *METHODS)),
        name=st.sampled_from(sorted({*ANSWERS, *WRITES, "none.such"})),
        pairs=st.lists(st.tuples(st.sampled_from(NAMED), texts), min_size=1, max_size=3),
        headers=st.fixed_dictionaries(
            {},
            optional={
                VIEWER_HEADER: st.sampled_from([*real["viewer"], "ann", "did:plc:", "did:web:nobody.example"]),
                "X-Request-Id": st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=80),
                "Origin": st.just("https://client.example"),
                "Accept-Encoding": st.sampled_from(["gzip", "identity", "br;q=1, *;q=0", "x"]),
            },
        ),
    )
    def law(method: str, name: str, pairs: list[tuple[str, str]], headers: dict[str, str]) -> None:
        asked = [*((key, it) for key, it in fixed.items() if key not in dict(pairs)), *pairs]
        got = web(method, f"/xrpc/{name}", params=[(key, plain(value)) for key, value in asked], headers=headers)
        assert got.status_code in (200, 204, 400, 401, 404, 405), got.text
        if got.status_code >= 400 and method != "HEAD":
            assert set(got.json()) - {"details"} == {"error", "message"}
        assert len(got.headers["X-Request-Id"]) <= 64

    law()


def test_a_cursor_that_was_touched_is_refused_whatever_the_question(web: Web, real: dict[str, list[str]]) -> None:
    [cursor, *_] = real["cursor"]

    @settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(touched([cursor]) | st.text(min_size=1, max_size=60))
    def law(text: str) -> None:
        got = web("GET", "/xrpc/social.coves.feed.getDiscover", params={"cursor": plain(text)})
        same = text.rstrip("=") == cursor
        assert got.status_code == (200 if same else 400)
        assert same or got.json()["error"] in ("InvalidCursor", "InvalidRequest")

    law()


def test_no_permanent_link_is_an_error_of_ours(web: Web) -> None:
    @settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(did=st.text(max_size=40) | st.sampled_from(ODD), rkey=st.text(max_size=40) | st.sampled_from(ODD))
    def law(did: str, rkey: str) -> None:
        path = "/post/" + "/".join(quote(plain(it), safe="/") for it in (did, rkey))
        assume(not {".", ".."} & set(path.split("/")))  # the client makes another path of these
        got = web("GET", path)
        assert got.status_code in (400, 404), got.text
        assert {"error", "message"} <= set(got.json()) or got.json()["post"]["notFound"]

    law()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("store", STORES)
def test_no_answer_is_undocumented(
    webs: Mapping[str, Web], real: dict[str, list[str]], store: str, mode: GenerationMode
) -> None:
    web = webs[store]
    assert web("GET", "/openapi.json").json() == json.loads(json.dumps(openapi("0.1.0")))
    schema = schemathesis.openapi.from_dict(openapi("0.1.0"))
    operations = [it.ok() for it in schema.get_all_operations()]  # type: ignore[union-attr]  # an error has none, and fails here
    assert len(operations) == len(ANSWERS) + len(WRITES) + 2
    for operation in operations:
        _hold(operation, web, mode, real["viewer"][0])


def _hold(operation: Any, web: Web, mode: GenerationMode, viewer: str) -> None:
    if mode is GenerationMode.NEGATIVE and not _can_be_broken(operation):
        return

    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), who=st.sampled_from([None, viewer]))
    def law(case: Any, who: str | None) -> None:
        sent = case.as_transport_kwargs(base_url="http://forum.test")
        headers = {**(sent.get("headers") or {}), **({} if who is None else {VIEWER_HEADER: who})}
        kept = {name: sent[name] for name in ("params", "json", "content") if name in sent}
        try:
            response = web(sent["method"], sent["url"], headers=headers, **kept)
        except httpx.InvalidURL:  # longer than this client sends
            reject()
        assert response.status_code < 500, response.text
        case.validate_response(
            response, checks=[status_code_conformance, response_schema_conformance, content_type_conformance]
        )

    law()


def _can_be_broken(operation: Any) -> bool:
    """Tell whether something can be asked that its document does not allow."""
    return bool(list(_parameters(operation)))


def _parameters(operation: Any) -> Iterator[Any]:
    yield from operation.query
    yield from operation.body
