"""
Pages: walked at any limit they show each thing once; they keep the time and the question of the first.
"""

from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Commit, Store
from strandline.forum.records import POST

QUESTIONS: Final = ("feed.getDiscover", "feed.getTimeline", "feed.getCommunity", "community.post.list", "feed.getAll")
LISTS: Final = ("community.list", "community.getMembers", "community.getSubscribers", "actor.getComments")
NOW_US: Final = 1_783_000_000_000_000


def walked(forum: Any, name: str, *pairs: tuple[str, Any], viewer: str | None = None) -> list[Any]:
    """Return all items of a question, page by page."""
    found: list[Any] = []
    more: list[tuple[str, Any]] = []
    while True:
        got = forum.asked(name, *pairs, *more, viewer=viewer)
        assert got.status == 200, got.body
        items = next(value for value in got.body.values() if isinstance(value, list))
        found += items
        if "cursor" not in got.body:
            return found
        assert len(items) == dict(pairs)["limit"], "a page that is not the last is full"
        more = [("cursor", got.body["cursor"])]


@pytest.fixture(scope="session")
def told(forum: Any) -> dict[str, Any]:
    """Who and what is in the forum."""
    live = {row.did for row in forum.rows("community")}
    subscription = next(row for row in forum.rows("subscription") if not row.ended and row.community in live)
    thread = max((row for row in forum.rows("post") if row.community in live), key=lambda row: row.comment_count)
    return {"viewer": subscription.actor, "community": subscription.community, "thread": thread}


def asked_of(name: str, told: dict[str, Any]) -> list[tuple[str, Any]]:
    if name.startswith("actor."):
        return [("actor", told["viewer"])]
    return [("community", told["community"])] if name in ("feed.getCommunity", *LISTS[1:]) else []


def test_walking_a_feed_at_any_limit_shows_each_post_once(forum: Any, told: dict[str, Any]) -> None:
    whole: dict[tuple[str, str], list[str]] = {}

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(name=st.sampled_from(QUESTIONS), sort=st.sampled_from(("hot", "new", "top")), limit=st.integers(3, 50))
    def law(name: str, sort: str, limit: int) -> None:
        pairs = [*asked_of(name, told), ("sort", sort), ("timeframe", "all")]
        items = walked(forum, name, *pairs, ("limit", limit), viewer=told["viewer"])
        uris = [(item.get("post") or item)["uri"] for item in items]
        assert len(set(uris)) == len(uris)
        assert uris == whole.setdefault((name, sort), uris)

    law()
    live = {row.did for row in forum.rows("community") if row.visibility == "public"}
    hidden = {row[0] for row in forum.index.ask(_repos) if row[1] == 0}
    shown = {row.uri for row in forum.rows("post") if row.community in live - hidden and row.author not in hidden}
    uris = [item["post"]["uri"] for item in walked(forum, "feed.getDiscover", ("limit", 50), ("sort", "new"))]
    assert set(uris) == shown


async def _repos(store: Store) -> list[Any]:
    return [row async for _, rows in store.scan(["repo"]) for row in rows]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_walking_a_list_at_any_limit_shows_the_same(forum: Any, told: dict[str, Any], name: str, limit: int) -> None:
    pairs = asked_of(name, told)
    expected = walked(forum, name, *pairs, ("limit", 100))
    assert expected
    assert walked(forum, name, *pairs, ("limit", limit)) == expected


SEARCHES: Final = (
    *(("community.post.search", "meeting", (("sort", order),)) for order in ("relevance", "new", "top")),
    ("community.search", "a", ()),
    ("actor.search", "a", ()),
)


@pytest.mark.parametrize(("name", "words", "pairs"), SEARCHES)
def test_walking_a_search_at_any_limit_shows_the_same(
    forum: Any, name: str, words: str, pairs: tuple[tuple[str, Any], ...]
) -> None:
    expected = walked(forum, name, ("q", words), *pairs, ("limit", 50))
    assert len(expected) > 3
    for limit in (1, 3):
        assert walked(forum, name, ("q", words), *pairs, ("limit", limit)) == expected


def test_a_search_shows_what_a_stranger_may_see_that_has_the_word(forum: Any) -> None:
    shown = walked(forum, "feed.getDiscover", ("limit", 50), ("sort", "new"))
    said = {item["post"]["uri"]: item["post"]["record"] for item in shown}
    having = {uri for uri, it in said.items() if "meeting" in f"{it.get('title', '')} {it['content']}".lower()}
    found = walked(forum, "community.post.search", ("q", "meeting"), ("limit", 50))
    assert {post["uri"] for post in found} == having


def test_a_timeframe_counts_in_every_order_of_a_search(forum: Any) -> None:
    for order in ("relevance", "new", "top"):
        pairs = ("q", "meeting"), ("sort", order), ("limit", 50)
        assert len(walked(forum, "community.post.search", *pairs, ("timeframe", "week"))) < len(
            walked(forum, "community.post.search", *pairs, ("timeframe", "all"))
        )


def test_comments_are_paged_within_each_parent(forum: Any, told: dict[str, Any]) -> None:
    post = ("post", told["thread"].uri)
    found: dict[str, None] = {}

    def take(pairs: list[tuple[str, Any]]) -> None:
        more: list[tuple[str, Any]] = []
        while True:
            got = forum.asked("community.comment.getComments", post, ("limit", 2), ("depth", 1), *pairs, *more).body
            for branch in got["comments"]:
                look(branch)
            if "cursor" not in got:
                return
            more = [("cursor", got["cursor"])]

    def look(branch: dict[str, Any]) -> None:
        found[branch["comment"]["uri"]] = None
        for reply in branch.get("replies", ()):
            look(reply)
        if branch.get("hasMore"):
            take([("parentRkey", branch["comment"]["uri"].split("/")[-1])])

    take([])
    whole = forum.asked("community.comment.getComments", post, ("limit", 100), ("depth", 100)).body
    assert set(found) == set(_uris(whole["comments"]))
    assert len(found) >= 10


def _uris(branches: list[dict[str, Any]]) -> list[str]:
    here = [branch["comment"]["uri"] for branch in branches]
    return here + [uri for branch in branches for uri in _uris(branch.get("replies", []))]


def test_a_thread_of_no_depth_tells_that_there_is_more(forum: Any, told: dict[str, Any]) -> None:
    pairs = ("post", told["thread"].uri), ("depth", 0)
    branches = forum.asked("community.comment.getComments", *pairs).body["comments"]
    assert not any("replies" in branch for branch in branches)
    assert any(branch.get("hasMore") for branch in branches)


def test_a_cursor_holds_for_its_question_alone(forum: Any, told: dict[str, Any]) -> None:
    cursor = forum.asked("feed.getDiscover", ("limit", 3)).body["cursor"]
    for name, pairs, viewer in (
        ("feed.getAll", (), None),
        ("feed.getDiscover", (("sort", "new"),), None),
        ("feed.getDiscover", (), told["viewer"]),
        ("feed.getCommunity", (("community", told["community"]),), None),
    ):
        got = forum.asked(name, *pairs, ("cursor", cursor), viewer=viewer)
        assert (got.status, got.body["error"]) == (400, "InvalidCursor")
    assert forum.asked("feed.getDiscover", ("limit", 7), ("cursor", cursor)).status == 200


def test_now_is_that_of_the_first_page(forum: Any) -> None:
    pairs = ("sort", "top"), ("timeframe", "month"), ("limit", 3)
    first = forum.asked("feed.getDiscover", *pairs)
    assert first.body["feed"]
    later = NOW_US * 2
    assert forum.asked("feed.getDiscover", *pairs, now_us=later).body["feed"] == []
    more = ("cursor", first.body["cursor"])
    assert (
        forum.asked("feed.getDiscover", *pairs, more, now_us=later).body["feed"]
        == forum.asked("feed.getDiscover", *pairs, more).body["feed"]
    )


def test_new_repeats_and_skips_nothing_while_posts_come(forum: Any, told: dict[str, Any]) -> None:
    pairs = ("community", told["community"]), ("sort", "new"), ("limit", 2)
    before = [item["post"]["uri"] for item in walked(forum, "feed.getCommunity", *pairs)]
    author = told["viewer"]
    seen: list[str] = []
    more: list[tuple[str, Any]] = []
    written: list[Commit] = []
    while True:
        got = forum.asked("feed.getCommunity", *pairs, *more).body
        seen += [item["post"]["uri"] for item in got["feed"]]
        if "cursor" not in got:
            break
        written.append(_post(told["community"], author, len(written)))
        forum.index.fold([written[-1]])
        more = [("cursor", got["cursor"])]
    forum.index.fold([_gone(it) for it in written])
    assert written
    assert seen == before


def _post(community: str, author: str, number: int) -> Commit:
    record = {"$type": POST, "community": community, "author": author, "createdAt": "2026-07-01T00:00:00Z"}
    rev = f"3zzzzzzzzz{'abcdefghijklmnopqrstuvwxyz234567'[number % 26]}22"[:13]
    return Commit(
        did=community,
        rev=rev,
        operation="create",
        collection=POST,
        rkey=rev,
        cid="",
        record=record,
        seen_us=NOW_US + number,
    )


def _gone(it: Commit) -> Commit:

    return evolve(it, operation="delete", record=None, rev="3zzzzzzzzzzz2")
