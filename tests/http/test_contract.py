"""
The contract of the wire, kept alike by the library, the mounted application and the served process, on every store.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest

from strandline.forum.xrpc import ALIASES, ANSWERS, DOCUMENTS, WRITES
from strandline.lexicon import Validator, catalog, compile_ref, parse_document

POST: Final = "social.coves.community.post"
HOSTILE: Final = (
    " ",
    '"',
    '"a',
    "a*",
    "* OR a",
    "NEAR(a b)",
    "title:a",
    "-a",
    "a\0b",
    "'; DROP TABLE post; --",
    "%",
    "\\",
    "🌊",
    "x" * 512,
)
NOBODY: Final = "did:plc:nobodynobodynobodynobod2"
Ask = Callable[..., Any]


def checks() -> dict[str, Validator]:
    """Return for each question what validates its answer."""
    outputs = {nsid: DOCUMENTS[nsid]["defs"]["main"]["output"]["schema"] for nsid in ANSWERS}
    documents = [parse_document(document) for document in DOCUMENTS.values()]
    wrapped = {
        f"com.example.answer{at}": {"type": "object", "properties": {"it": schema}, "required": ["it"]}
        for at, schema in enumerate(outputs.values())
    }
    asked = [parse_document({"lexicon": 1, "id": name, "defs": {"main": it}}) for name, it in wrapped.items()]
    every = catalog([*documents, *asked])
    return {nsid: compile_ref(name, every) for nsid, name in zip(outputs, wrapped, strict=True)}


CHECKS: Final = checks()


@pytest.fixture(scope="session")
def told(forum: Any) -> dict[str, Any]:
    """Who and what is in the forum."""
    live = {row.did for row in forum.rows("community")}
    posts = [row for row in forum.rows("post") if row.community in live]
    subscription = next(row for row in forum.rows("subscription") if not row.ended and row.community in live)
    return {
        "viewer": subscription.actor,
        "community": subscription.community,
        "post": max(posts, key=lambda row: row.comment_count),
        "profile": max(forum.rows("profile"), key=lambda row: row.post_count).did,
        "name": next(row.display_name for row in forum.rows("profile") if row.display_name).split()[0],
        "aggregator": forum.rows("aggregator")[0].did if forum.rows("aggregator") else NOBODY,
    }


def questions(told: dict[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    """Return one way to ask each question."""
    community, actor = ("community", told["community"]), ("actor", told["profile"])
    return {
        "feed.getTimeline": [("sort", "new")],
        "feed.getDiscover": [("sort", "top"), ("timeframe", "all")],
        "feed.getAll": [("postType", "image"), ("postType", "text")],
        "feed.getCommunity": [community],
        "community.post.get": [("uris", told["post"].uri), ("uris", f"at://{NOBODY}/{POST}/self")],
        "community.post.list": [community, ("sort", "new")],
        "community.comment.getComments": [("post", told["post"].uri), ("sort", "top")],
        "community.post.search": [("q", "meeting"), community, ("sort", "top")],
        "actor.getProfile": [actor],
        "actor.search": [("q", told["name"])],
        "actor.getPosts": [actor],
        "actor.getComments": [actor],
        "community.get": [community],
        "community.list": [("sort", "alphabetical"), ("limit", 3)],
        "community.search": [("q", "photos"), ("limit", 2)],
        "community.getSubscribers": [community],
        "community.getMembers": [community],
        "aggregator.getServices": [("dids", told["aggregator"]), ("detailed", "true")],
        "aggregator.getAuthorizations": [("aggregatorDid", told["aggregator"])],
        "aggregator.listForCommunity": [community],
    }


def test_every_question_is_answered_as_its_lexicon_says(way: Ask, forum: Any, told: dict[str, Any]) -> None:
    asked = questions(told)
    assert {f"social.coves.{name}" for name in asked} == set(ANSWERS)
    for name, pairs in asked.items():
        got = way(name, *pairs, viewer=told["viewer"])
        assert got.status == 200, (name, got.body)
        assert CHECKS[f"social.coves.{name}"]({"it": got.body}) == [], name
        assert _untimed(got.body) == _untimed(forum.asked(name, *pairs, viewer=told["viewer"]).body), name


def _untimed(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the cursor, which tells the time of the first page."""
    return {name: value for name, value in body.items() if name != "cursor"}


@pytest.mark.parametrize(
    ("name", "pairs", "status", "error"),
    [
        ("feed.getTimeline", [], 401, "AuthenticationRequired"),
        ("community.list", [("subscribed", "true")], 401, "AuthenticationRequired"),
        ("feed.getDiscover", [("limit", 51)], 400, "InvalidRequest"),
        ("feed.getDiscover", [("limit", 0)], 400, "InvalidRequest"),
        ("feed.getDiscover", [("limit", "abc")], 400, "InvalidRequest"),
        ("feed.getDiscover", [("sort", "best")], 400, "InvalidRequest"),
        ("feed.getDiscover", [("timeframe", "eon")], 400, "InvalidRequest"),
        ("feed.getDiscover", [("cursor", "not-base64!!!")], 400, "InvalidCursor"),
        ("feed.getDiscover", [("cursor", "JyBPUiAnMSc9JzE")], 400, "InvalidCursor"),
        ("feed.getCommunity", [], 400, "InvalidRequest"),
        ("feed.getCommunity", [("community", "http://x")], 400, "InvalidRequest"),
        ("feed.getCommunity", [("community", "!x")], 400, "InvalidRequest"),
        ("feed.getCommunity", [("community", "!@inst.example")], 400, "InvalidRequest"),
        ("feed.getCommunity", [("community", NOBODY)], 404, "CommunityNotFound"),
        ("feed.getCommunity", [("community", "!none@nowhere.example")], 404, "CommunityNotFound"),
        ("community.get", [("community", NOBODY)], 404, "NotFound"),
        ("community.getMembers", [("community", NOBODY)], 404, "NotFound"),
        ("community.list", [("cursor", "-1")], 400, "InvalidCursor"),
        ("community.list", [("limit", 101)], 400, "InvalidRequest"),
        ("community.post.get", [], 400, "InvalidRequest"),
        ("community.post.get", [("uris", "nonsense")], 400, "InvalidRequest"),
        ("community.comment.getComments", [("post", "at://nobody.example")], 400, "InvalidRequest"),
        ("community.comment.getComments", [("post", f"at://{NOBODY}/{POST}/self")], 404, "RootNotFound"),
        ("community.comment.getComments", [("post", f"at://{NOBODY}/{POST}/x"), ("depth", -1)], 400, "InvalidRequest"),
        ("actor.getProfile", [("actor", NOBODY)], 404, "ProfileNotFound"),
        ("actor.getPosts", [("actor", "nobody.example")], 404, "ActorNotFound"),
        ("actor.getPosts", [("actor", NOBODY), ("filter", "loud")], 400, "InvalidRequest"),
        ("actor.getPosts", [("actor", NOBODY), ("community", NOBODY)], 404, "CommunityNotFound"),
        ("aggregator.getServices", [], 400, "InvalidRequest"),
        ("aggregator.getAuthorizations", [("aggregatorDid", NOBODY)], 404, "AggregatorNotFound"),
        ("community.post.search", [], 400, "InvalidRequest"),
        ("community.post.search", [("q", "")], 400, "InvalidRequest"),
        ("community.post.search", [("q", "x" * 513)], 400, "InvalidRequest"),
        ("community.post.search", [("q", "tides"), ("sort", "hot")], 400, "InvalidRequest"),
        ("community.post.search", [("q", "tides"), ("community", NOBODY)], 404, "CommunityNotFound"),
        ("community.post.search", [("q", "tides"), ("author", "nobody.example")], 404, "ActorNotFound"),
        ("community.post.search", [("q", "tides"), ("cursor", "x")], 400, "InvalidCursor"),
        ("community.search", [("q", "tides"), ("visibility", "secret")], 400, "InvalidRequest"),
        ("actor.search", [("limit", 5)], 400, "InvalidRequest"),
        ("community.create", [], 501, "MethodNotImplemented"),
        ("none.such", [], 404, "MethodNotFound"),
        ("feed.vote.create", [], 405, "MethodNotAllowed"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(
    way: Ask, name: str, pairs: list[tuple[str, Any]], status: int, error: str
) -> None:
    got = way(name, *pairs)
    assert (got.status, got.body["error"]) == (status, error)
    assert got.body["message"]
    if error == "InvalidRequest" and pairs:
        assert pairs[-1][0] in got.body["message"], "the parameter is named"


@pytest.mark.parametrize("name", ["community.post.search", "community.search", "actor.search"])
@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_that_is_typed_breaks_a_search(way: Ask, name: str, words: str) -> None:
    got = way(name, ("q", words))
    assert got.status == 200, got.body
    assert CHECKS[f"social.coves.{name}"]({"it": got.body}) == []


def test_posts_come_in_the_order_asked_and_what_is_missing_is_marked(way: Ask, told: dict[str, Any]) -> None:
    missing, there = f"at://{NOBODY}/{POST}/self", told["post"].uri
    got = way("community.post.get", ("uris", missing), ("uris", there), ("uris", missing)).body["posts"]
    assert [post["uri"] for post in got] == [missing, there, missing]
    assert [post.get("notFound", False) for post in got] == [True, False, True]


def test_handles_of_every_form_name_the_same(way: Ask, told: dict[str, Any]) -> None:
    by_did = way("community.get", ("community", told["community"])).body
    for name in (by_did["handle"], f"@{by_did['handle'].upper()}", by_did["displayHandle"]):
        assert way("community.get", ("community", name)).body == by_did
    assert by_did["displayHandle"].startswith("!")


def test_other_names_of_a_question_are_the_same_question(way: Ask, told: dict[str, Any]) -> None:
    assert set(ALIASES.values()) < set(ANSWERS)
    page = ("community", told["community"]), ("limit", 1), ("sort", "new")
    assert way("communityFeed.getCommunity", *page).body["feed"] == way("feed.getCommunity", *page).body["feed"]


def test_who_is_nobody_is_shown_no_viewer(way: Ask) -> None:
    [item] = way("feed.getDiscover", ("limit", 1)).body["feed"]
    assert "viewer" not in item["post"]


def test_a_viewer_is_shown_their_vote(way: Ask, forum: Any) -> None:
    keys = forum.index.store.layout.keys
    vote = next(row for row in forum.rows("vote") if "/post/" in row.subject and _is_shown(way, keys.uri(row.subject)))
    [post] = way("community.post.get", ("uris", keys.uri(vote.subject)), viewer=vote.voter).body["posts"]
    assert post["viewer"]["vote"] == vote.direction
    assert post["viewer"]["voteUri"].startswith(f"at://{vote.voter}/social.coves.feed.vote/")
    assert post["viewer"]["saved"] is False


def _is_shown(way: Ask, uri: str) -> bool:
    return "record" in way("community.post.get", ("uris", uri)).body["posts"][0]


def test_documents_are_lexicons_and_name_all_that_is_asked() -> None:
    for nsid, document in DOCUMENTS.items():
        assert parse_document(document).id == nsid
    mains = {nsid for nsid, document in DOCUMENTS.items() if "main" in document["defs"]}
    assert mains == set(ANSWERS) | set(WRITES)
