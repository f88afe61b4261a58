"""
What clients of the incumbent count on, in our words: feeds, threads, communities, actors, as a client reads them.

Where its answer is one of its known weaknesses, or the wire is stricter, ours is what is tested here;
docs/reference/coves.md has the list, and says which behaviours are tested elsewhere or are no business of an index.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import pytest
from attrs import define, field

from strandline import Account, Commit, Identity, Index, open_index
from strandline.forum import SCHEMA
from strandline.forum.records import (
    ACTOR_PROFILE,
    BLOCK,
    COMMENT,
    COMMUNITY_PROFILE,
    POST,
    SUBSCRIPTION,
    VOTE,
)
from strandline.forum.xrpc import Answering, BlobUrls, Refusal, answer
from strandline.forum.xrpc.blobs import cid_of

HOW: Final = Answering(
    page_keys=(b"a secret of the tests",), blobs=BlobUrls(pds_of=lambda did: f"https://{did[8:]}.pds.example")
)
NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_US: Final = int(NOW.timestamp()) * 1_000_000
HOUR: Final = 60.0
"""Minutes in an hour: ages are told in minutes."""

CID: Final = "bafkreibrhh2al3dngkoj7vem53kpda4prqdhxlsa52trjjmbgciw4du4ge"
OTHER_CID: Final = "bafyreiden2tz6omhdcc7tc7tdlxajfrrdg3ogkgfq3pucdlkxyofnrlncm"
ANN, BEN = "did:web:ann.example", "did:web:ben.example"


def blob(cid: str = CID) -> dict[str, Any]:
    return {"$type": "blob", "ref": {"$link": cid}, "mimeType": "image/png", "size": 9}


def ref(uri: str) -> dict[str, str]:
    return {"uri": uri, "cid": CID}


def home(name: str) -> str:
    return f"did:web:{name}.example"


@define
class Forum:
    """An index, what is written to it, and what is asked of it."""

    index: Index
    numbers: Iterator[int] = field(factory=lambda: count(1))

    def put(self, did: str, collection: str, rkey: str, *, age: float = 0, gone: bool = False, **fields: Any) -> str:
        """Write a record, `age` minutes old; or delete it."""
        number = next(self.numbers)
        at = (NOW - timedelta(minutes=age)).isoformat().replace("+00:00", "Z")
        event = Commit(
            did=did,
            rev=f"3k{number:05}222222".translate(str.maketrans("0123456789", "abcdefghij")),
            operation="delete" if gone else "create",
            collection=collection,
            rkey=rkey,
            cid="" if gone else CID,
            record=None if gone else {"$type": collection, "createdAt": at, **fields},
            seen_us=NOW_US,
        )
        self.index.fold([event])
        return f"at://{did}/{collection}/{rkey}"

    def delete(self, uri: str) -> None:
        """Delete a record."""
        did, collection, rkey = uri[5:].split("/")
        self.put(did, collection, rkey, gone=True)

    def handle(self, did: str, handle: str) -> None:
        """Claim a handle."""
        number = next(self.numbers)
        self.index.fold([Identity(did=did, handle=handle, time_us=number, relay_seq=number, seen_us=NOW_US)])

    def community(self, name: str, **fields: Any) -> str:
        """Write a community's profile."""
        did = home(name)
        told = {"name": name, "createdBy": ANN, "hostedBy": "did:web:host.example", **fields}
        self.put(did, COMMUNITY_PROFILE, "self", **told)
        self.handle(did, f"c-{name}.host.example")
        return did

    def post(self, where: str, score: int = 0, *, age: float = 0, author: str = ANN, **fields: Any) -> str:
        """Write a post, and the votes that make its score."""
        rkey = f"p{next(self.numbers)}"
        uri = self.put(where, POST, rkey, age=age, community=where, author=author, **fields)
        return self.voted(uri, score)

    def comment(self, root: str, parent: str | None = None, score: int = 0, *, age: float = 0, who: str = BEN) -> str:
        """Write a comment, and the votes that make its score."""
        reply = {"root": ref(root), "parent": ref(parent or root)}
        uri = self.put(who, COMMENT, f"c{next(self.numbers)}", age=age, reply=reply, content="Low water at six.")
        return self.voted(uri, score)

    def voted(self, uri: str, score: int) -> str:
        """Let so many vote."""
        direction = "up" if score > 0 else "down"
        self.index.fold(
            [
                Commit(
                    did=f"did:web:voter{number}.example",
                    rev="3ka2222222222",
                    operation="create",
                    collection=VOTE,
                    rkey=uri.split("/")[-1],
                    cid="",
                    record={"$type": VOTE, "subject": ref(uri), "direction": direction, "createdAt": NOW.isoformat()},
                    seen_us=NOW_US,
                )
                for number in range(abs(score))
            ]
        )
        return uri

    def subscribe(self, who: str, *names: str) -> None:
        """Subscribe to communities."""
        for name in names:
            self.put(who, SUBSCRIPTION, name, subject=home(name))

    def ask(self, nsid: str, *, viewer: str | None = None, **pairs: Any) -> dict[str, Any]:
        """Return an answer, or the body of a refusal with its status."""
        told = [(name, str(one)) for name, value in pairs.items() for one in _each(value)]
        try:
            return self.index.ask(answer, f"social.coves.{nsid}", told, viewer=viewer, now_us=NOW_US, how=HOW)
        except Refusal as refusal:
            return {**refusal.body(), "status": refusal.status}

    def pages(self, nsid: str, **how: Any) -> list[list[Any]]:
        """Return the items of each page."""
        pages: list[list[Any]] = []
        more: dict[str, str] = {}
        while True:
            told = self.ask(nsid, **how, **more)
            pages.append(next(value for value in told.values() if isinstance(value, list)))
            if "cursor" not in told:
                return pages
            more = {"cursor": told["cursor"]}

    def feed(self, nsid: str = "feed.getDiscover", **how: Any) -> list[str]:
        """Return the titles of the first page of a feed."""
        return [item["post"]["record"]["title"] for item in self.ask(nsid, **how)["feed"]]


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def forum() -> Iterator[Forum]:
    with open_index("memory:", SCHEMA) as index:
        yield Forum(index)


def titled(pages: Iterable[Iterable[Any]]) -> list[list[str]]:
    return [[item["post"]["record"]["title"] for item in page] for page in pages]


# Timeline


@pytest.fixture
def rooms(forum: Forum) -> Forum:
    """Four communities, of which Ann is subscribed to three, and seven posts."""
    for name in ("chess", "tides", "birds", "cakes"):
        forum.community(name)
    forum.subscribe(ANN, "chess", "tides", "birds")
    for name, title, score, age in (
        ("chess", "gambit", 150, 2 * HOUR),
        ("tides", "ebb", 200, 30 * HOUR),
        ("birds", "wren", 3, 3 * HOUR),
        ("tides", "flood", 120, 5 * HOUR),
        ("chess", "pawn", 0, 1),
        ("tides", "neap", 8, 26 * HOUR),
        ("birds", "gull", 1, 4 * HOUR),
        ("cakes", "scone", 500, 1 * HOUR),
    ):
        forum.post(home(name), score, age=age, title=title)
    return forum


def test_a_timeline_has_the_posts_of_what_one_is_subscribed_to_by_age(rooms: Forum) -> None:
    feed = rooms.ask("feed.getTimeline", viewer=ANN, sort="new")["feed"]
    titles = [item["post"]["record"]["title"] for item in feed]
    assert titles == ["pawn", "gambit", "wren", "gull", "flood", "neap", "ebb"]
    assert Counter(item["post"]["community"]["name"] for item in feed) == {"chess": 2, "tides": 3, "birds": 2}
    for item in feed:
        community, record = item["post"]["community"], item["post"]["record"]
        assert community["did"] == home(community["name"])
        assert community["handle"] == f"c-{community['name']}.host.example"
        assert {"$type", "community", "author", "createdAt"} <= set(record)


def test_a_timeline_by_votes_and_by_heat(rooms: Forum) -> None:
    top = rooms.feed("feed.getTimeline", viewer=ANN, sort="top", timeframe="all")
    assert top == ["ebb", "gambit", "flood", "neap", "wren", "gull", "pawn"]
    assert rooms.feed("feed.getTimeline", viewer=ANN, sort="top") == ["gambit", "flood", "wren", "gull", "pawn"]
    hot = rooms.feed("feed.getTimeline", viewer=ANN)
    assert hot[:2] == ["gambit", "flood"], "many votes of today"
    assert set(hot) == set(top)


def test_a_timeline_in_pages_of_three(rooms: Forum) -> None:
    pages = titled(rooms.pages("feed.getTimeline", viewer=ANN, sort="new", limit=3))
    assert pages == [["pawn", "gambit", "wren"], ["gull", "flood", "neap"], ["ebb"]]


def test_the_timeline_of_who_is_subscribed_to_nothing_is_empty(rooms: Forum) -> None:
    assert rooms.ask("feed.getTimeline", viewer=BEN) == {"feed": []}


# The feed of a community


@pytest.fixture
def pier(forum: Forum) -> str:
    return forum.community("pier")


def test_a_feed_in_its_three_orders(forum: Forum, pier: str) -> None:
    for title, score, age in (("two hours", 100, 2 * HOUR), ("two days", 200, 48 * HOUR), ("half an hour", 50, 30)):
        forum.post(pier, score, age=age, title=title)
    asked: dict[str, Any] = {"nsid": "feed.getCommunity", "community": pier}
    assert forum.feed(**asked, sort="top") == ["two hours", "half an hour"]
    assert forum.feed(**asked, sort="top", timeframe="all") == ["two days", "two hours", "half an hour"]
    assert forum.feed(**asked, sort="new") == ["half an hour", "two hours", "two days"]
    assert forum.feed(**asked, sort="hot") == ["two hours", "half an hour", "two days"]


def test_a_feed_of_many_posts_ends_without_a_cursor(forum: Forum, pier: str) -> None:
    for number in range(25):
        forum.post(pier, age=number, title=str(number))
    for sort in ("new", "hot", "top"):
        pages = titled(forum.pages("feed.getCommunity", community=pier, sort=sort, limit=10))
        assert [len(page) for page in pages] == [10, 10, 5]
        assert sorted(int(title) for page in pages for title in page) == [*range(25)]


def test_an_empty_community_has_an_empty_feed(forum: Forum, pier: str) -> None:
    assert forum.ask("feed.getCommunity", community=pier) == {"feed": []}


def test_past_the_most_a_page_may_hold_the_parameter_is_named(forum: Forum, pier: str) -> None:
    for nsid, more in (("feed.getDiscover", {}), ("feed.getCommunity", {"community": pier})):
        for limit, why in ((100, "not exceed 50"), (0, "at least 1")):
            told = forum.ask(nsid, limit=limit, **more)
            assert (told["status"], told["error"]) == (400, "InvalidRequest")
            assert "limit" in told["message"]
            assert why in told["message"]


def test_a_post_with_many_votes_does_not_hide_what_is_hot(forum: Forum, pier: str) -> None:
    for title, score, age in (("young", 17, HOUR), ("many", 100, 24 * HOUR), ("old", 50, 36 * HOUR)):
        forum.post(pier, score, age=age, title=title)
    assert titled(forum.pages("feed.getCommunity", community=pier, limit=1)) == [["young"], ["many"], ["old"]]


def test_posts_of_one_score_and_nearly_one_time_are_all_shown(forum: Forum, pier: str) -> None:
    for number in range(3):
        forum.post(pier, 50, age=number / 600, title=str(number))
    pages = titled(forum.pages("feed.getCommunity", community=pier, limit=1))
    assert pages == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize("sort", ["hot", "top", "new"])
def test_posts_that_are_alike_in_all_are_shown_once_each(forum: Forum, pier: str, sort: str) -> None:
    titles = {forum.post(pier, 2, age=5, title=str(number)) for number in range(15)}
    pages = forum.pages("feed.getCommunity", community=pier, sort=sort, limit=5)
    assert [len(page) for page in pages] == [5, 5, 5]
    assert {item["post"]["uri"] for page in pages for item in page} == titles


def test_the_picture_of_a_page_elsewhere_lies_in_the_communitys_repo(forum: Forum, pier: str) -> None:
    page = {"uri": "https://tides.example", "thumb": blob()}
    forum.post(pier, title="page", embed={"$type": "social.coves.embed.external", "external": page})
    [item] = forum.ask("feed.getCommunity", community=pier)["feed"]
    url = f"https://pier.example.pds.example/xrpc/com.atproto.sync.getBlob?did=did%3Aweb%3Apier.example&cid={CID}"
    assert item["post"]["embed"]["external"]["thumb"] == url


# Discover


def test_discover_has_all_public_communities_for_whoever_asks(forum: Forum) -> None:
    for name, title, score, age in (("a", "popular", 300, 40 * HOUR), ("b", "recent", 5, HOUR), ("c", "new", 0, 30)):
        forum.post(forum.community(name), score, age=age, title=title)
    assert forum.feed(sort="new") == ["new", "recent", "popular"]
    assert set(forum.feed()) == {"popular", "recent", "new"}
    assert titled(forum.pages("feed.getDiscover", sort="new", limit=2)) == [["new", "recent"], ["popular"]]


def test_a_viewer_sees_their_votes_and_a_stranger_none(forum: Forum, pier: str) -> None:
    up, down, none = (forum.post(pier, title=title, age=age) for age, title in enumerate(("up", "down", "none")))
    for uri, direction in ((up, "up"), (down, "down")):
        forum.put(BEN, VOTE, direction, subject=ref(uri), direction=direction)
    shown = [item["post"] for item in forum.ask("feed.getDiscover", sort="new", viewer=BEN)["feed"]]
    assert [it["uri"] for it in shown] == [up, down, none]
    assert [it["viewer"].get("vote") for it in shown] == ["up", "down", None]
    assert [it["viewer"].get("voteUri") for it in shown] == [f"at://{BEN}/{VOTE}/up", f"at://{BEN}/{VOTE}/down", None]
    assert all("viewer" not in item["post"] for item in forum.ask("feed.getDiscover")["feed"])


# Threads


@pytest.fixture
def root(forum: Forum, pier: str) -> str:
    return forum.post(pier, title="root")


def thread(forum: Forum, root: str, **how: Any) -> list[Any]:
    comments: list[Any] = forum.ask("community.comment.getComments", post=root, **how)["comments"]
    return comments


def uris(branches: Iterable[Any]) -> list[str]:
    return [branch["comment"]["uri"] for branch in branches]


def test_comments_on_top_have_stats_and_no_replies(forum: Forum, root: str) -> None:
    said = {forum.comment(root) for _ in range(3)}
    branches = thread(forum, root)
    assert set(uris(branches)) == said
    for branch in branches:
        assert branch["comment"]["stats"] == {"upvotes": 0, "downvotes": 0, "score": 0, "replyCount": 0}
        assert set(branch) == {"comment"}
        assert "parent" not in branch["comment"]


def test_replies_are_nested_as_deep_as_asked(forum: Forum, root: str) -> None:
    a, b = (forum.comment(root, age=age) for age in (1, 2))
    a1, a2 = (forum.comment(root, a, age=age) for age in (1, 2))
    a1a, a1b = (forum.comment(root, a1, age=age) for age in (1, 2))
    branches = thread(forum, root, sort="new", depth=2)
    assert uris(branches) == [a, b]
    assert uris(branches[0]["replies"]) == [a1, a2]
    deepest = branches[0]["replies"][0]["replies"]
    assert uris(deepest) == [a1a, a1b]
    assert all(set(branch) == {"comment"} for branch in (*deepest, branches[1]))
    assert deepest[0]["comment"]["parent"]["uri"] == a1
    assert branches[0]["comment"]["stats"]["replyCount"] == 2


def test_a_chain_is_cut_at_the_depth_asked_and_says_so(forum: Forum, root: str) -> None:
    last = None
    for _ in range(5):
        last = forum.comment(root, last)
    [top] = thread(forum, root, depth=0)
    assert (top.get("replies"), top["hasMore"]) == (None, True)
    [branch] = thread(forum, root, depth=3)
    for _ in range(3):
        assert "hasMore" not in branch
        [branch] = branch["replies"]
    assert (branch.get("replies"), branch["hasMore"]) == (None, True)


def test_comments_in_their_three_orders(forum: Forum, root: str) -> None:
    ten = forum.comment(root, score=10, age=2 * HOUR)
    five = forum.comment(root, score=5, age=5)
    less = forum.comment(root, score=-2)
    assert uris(thread(forum, root, sort="hot")) == uris(thread(forum, root, sort="top")) == [ten, five, less]
    assert uris(thread(forum, root, sort="new")) == [less, five, ten]
    assert uris(thread(forum, root, sort="top", timeframe="hour")) == [five, less]
    stats = thread(forum, root, sort="new")[0]["comment"]["stats"]
    assert stats == {"upvotes": 0, "downvotes": 2, "score": -2, "replyCount": 0}


def test_sixty_comments_are_two_pages(forum: Forum, root: str) -> None:
    said = {forum.comment(root, age=age) for age in range(60)}
    pages = forum.pages("community.comment.getComments", post=root, limit=50)
    assert [len(page) for page in pages] == [50, 10]
    assert {uri for page in pages for uri in uris(page)} == said


def test_a_post_without_comments_is_shown_with_none(forum: Forum, root: str) -> None:
    told = forum.ask("community.comment.getComments", post=root)
    assert (told["post"]["uri"], told["comments"]) == (root, [])
    assert "cursor" not in told


def test_deleted_comments_without_replies_are_gone(forum: Forum, root: str) -> None:
    said = [forum.comment(root) for _ in range(5)]
    for uri in said[:2]:
        forum.delete(uri)
    assert set(uris(thread(forum, root))) == set(said[2:])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("post", "not a uri"),
        ("post", ""),
        ("sort", "loudest"),
        ("depth", -1),
        ("depth", 150),
        ("depth", "abc"),
        ("limit", 0),
        ("limit", 200),
    ],
)
def test_what_is_past_the_bounds_of_a_thread_is_refused_not_cut(
    forum: Forum, root: str, parameter: str, value: Any
) -> None:
    told = forum.ask("community.comment.getComments", **{"post": root, parameter: value})
    assert (told["status"], told["error"]) == (400, "InvalidRequest")
    assert parameter in told["message"]


def test_a_comment_is_shown_as_it_was_written_or_not_at_all(forum: Forum, root: str) -> None:
    facets = [{"index": {"byteStart": 0, "byteEnd": 3}, "features": [{"$type": "social.coves.richtext.facet#bold"}]}]
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "spoiler"}]}
    reply = {"root": ref(root), "parent": ref(root)}
    whole: dict[str, Any] = {"reply": reply, "content": "Ebb.", "facets": facets, "labels": labels, "extra": [1, None]}
    forum.put(BEN, COMMENT, "whole", **whole)
    forum.put(BEN, COMMENT, "broken", reply=reply, content="Flood.", facets="bold")
    [branch] = thread(forum, root)
    record = branch["comment"]["record"]
    assert {name: record[name] for name in whole} == whole


# Actors


def test_who_only_has_a_handle_has_no_profile(forum: Forum) -> None:
    forum.handle(BEN, "ben.example")
    assert forum.ask("actor.getProfile", actor=BEN)["error"] == "ProfileNotFound"
    forum.put(BEN, ACTOR_PROFILE, "self")
    assert forum.ask("actor.getProfile", actor="ben.example")["did"] == BEN


def test_a_handle_that_was_given_up_names_nobody(forum: Forum) -> None:
    forum.put(BEN, ACTOR_PROFILE, "self")
    for _ in range(2):
        forum.handle(BEN, "ben.example")
    forum.handle(BEN, "benjamin.example")
    assert forum.ask("actor.getProfile", actor="@Benjamin.example")["handle"] == "benjamin.example"
    assert forum.ask("actor.getProfile", actor="ben.example")["error"] == "ProfileNotFound"
    forum.handle(ANN, "benjamin.example")
    assert forum.ask("actor.getProfile", actor=BEN)["handle"] == "handle.invalid"


SHOWN: Final[dict[str, tuple[str, Any, str]]] = {
    "displayName": ("displayName", "Ben", "Ben"),
    "bio": ("description", "Likes tides.", "Likes tides."),
    "description": ("description", "Likes tides.", "Likes tides."),
    "avatar": ("avatar", blob(), f"https://ben.example.pds.example/xrpc/com.atproto.sync.getBlob?did=did%3Aweb%3Aben.example&cid={CID}"),
    "banner": ("banner", blob(), f"https://ben.example.pds.example/xrpc/com.atproto.sync.getBlob?did=did%3Aweb%3Aben.example&cid={CID}"),
}  # fmt: skip
ALWAYS: Final = {"did", "handle", "createdAt", "uri", "stats"}


@pytest.mark.parametrize("names", [[name] for name in SHOWN] + [[*SHOWN]])
def test_a_profile_shows_what_its_record_has_and_nothing_more(forum: Forum, names: list[str]) -> None:
    forum.put(BEN, ACTOR_PROFILE, "self", displayName="Before", avatar=blob(OTHER_CID), bio="Before.")
    forum.put(BEN, ACTOR_PROFILE, "self", **{name: SHOWN[name][1] for name in names})
    told = forum.ask("actor.getProfile", actor=BEN)
    shown = {name: told[name] for name in set(told) - ALWAYS}
    assert shown == {SHOWN[name][0]: SHOWN[name][2] for name in names}, "what an edit left out is cleared"


def test_a_profile_that_is_deleted_or_broken_is_none(forum: Forum, root: str) -> None:
    forum.handle(ANN, "ann.example")
    for spoilt in ({"gone": True}, {"displayName": "Ann", "avatar": "no blob"}):
        forum.put(ANN, ACTOR_PROFILE, "self", displayName="Ann")
        assert forum.ask("feed.getDiscover")["feed"][0]["post"]["author"]["displayName"] == "Ann"
        forum.put(ANN, ACTOR_PROFILE, "self", **spoilt)
        assert forum.ask("actor.getProfile", actor=ANN)["error"] == "ProfileNotFound"
        author = forum.ask("feed.getDiscover")["feed"][0]["post"]["author"]
        assert author == {"did": ANN, "handle": "ann.example"}


@pytest.mark.parametrize(
    "broken",
    [
        None,
        CID,
        [],
        {},
        {"ref": {"$link": CID}},
        {"$type": "image", "ref": {"$link": CID}},
        {"$type": "blob"},
        {"$type": "blob", "ref": {}},
        {"$type": "blob", "ref": CID},
        {"$type": "blob", "ref": {"$link": 7}},
    ],
)
def test_only_a_blob_has_a_cid(broken: Any) -> None:
    assert cid_of(broken) is None
    assert cid_of(blob()) == CID


@pytest.fixture
def author(forum: Forum, pier: str) -> Forum:
    """Ann with five posts in two communities, two of them with media."""
    forum.handle(ANN, "ann.example")
    page = {"$type": "social.coves.embed.external", "external": {"uri": "https://tides.example"}}
    for number in range(3):
        forum.post(pier, age=number, title=str(number))
    cove = forum.community("cove")
    for number in range(3, 5):
        forum.post(cove, age=number, title=str(number), embed=page)
    return forum


def test_the_posts_of_an_author_by_any_name_and_in_pages(author: Forum) -> None:
    for who in (ANN, "ann.example", "@ANN.example", f" {ANN} "):
        assert author.feed("actor.getPosts", actor=who) == [*"01234"]
    assert titled(author.pages("actor.getPosts", actor=ANN, limit=3)) == [[*"012"], [*"34"]]
    assert author.feed("actor.getPosts", actor=ANN, community=home("cove")) == [*"34"]
    assert author.feed("actor.getPosts", actor=ANN, community="!cove@host.example") == [*"34"]


def test_the_posts_of_an_author_filtered(author: Forum) -> None:
    assert author.feed("actor.getPosts", actor=ANN, filter="posts_with_media") == [*"34"]
    assert author.feed("actor.getPosts", actor=ANN, filter="posts_no_replies") == [*"01234"]
    assert author.ask("actor.getPosts", actor=ANN, filter="loud")["error"] == "InvalidRequest"


def test_an_account_nobody_saw_has_posted_nothing_and_a_handle_nobody_claims_is_not_found(author: Forum) -> None:
    for nsid, name in (("actor.getPosts", "feed"), ("actor.getComments", "comments")):
        assert author.ask(nsid, actor="did:plc:nobodynobodynobodynobod2") == {name: []}
        assert author.ask(nsid, actor="nobody.example")["error"] == "ActorNotFound"
        for wrong in ("", " ", "word", "did:plc:", f"did:plc:{'a' * 2048}", "x" * 2049, "http://ann.example"):
            told = author.ask(nsid, actor=wrong)
            assert (told["status"], told["error"]) == (400, "InvalidRequest"), wrong
            assert "actor" in told["message"]
        assert author.ask(nsid, actor=ANN, community=home("none"))["error"] == "CommunityNotFound"
        assert author.ask(nsid, actor=ANN, limit="abc")["error"] == "InvalidRequest"
        assert author.ask(nsid, actor=ANN, cursor="abc")["error"] == "InvalidCursor"
        assert author.ask(nsid)["error"] == "InvalidRequest"


def test_a_post_that_is_gone_is_in_no_list_of_its_author(author: Forum) -> None:
    [item] = author.ask("actor.getPosts", actor=ANN, limit=1)["feed"]
    author.delete(item["post"]["uri"])
    assert author.feed("actor.getPosts", actor=ANN) == [*"1234"]


def test_the_comments_of_an_actor_in_one_community(forum: Forum, root: str) -> None:
    other = forum.post(forum.community("cove"), title="other")
    first, second = forum.comment(root, age=2), forum.comment(other, age=1)
    said = forum.ask("actor.getComments", actor=BEN)["comments"]
    assert [view["uri"] for view in said] == [second, first]
    there = forum.ask("actor.getComments", actor=BEN, community="c-cove.host.example")["comments"]
    assert [view["uri"] for view in there] == [second]


# Communities


@pytest.mark.parametrize(
    "name",
    [
        "did:web:pier.example",
        " did:web:pier.example ",
        "c-pier.host.example",
        "C-Pier.HOST.example",
        "@c-pier.host.example",
        "@C-PIER.host.example",
        "!pier@host.example",
        "!Pier@Host.Example",
        "  !pier@host.example  ",
    ],
)
def test_a_community_has_many_names(forum: Forum, pier: str, name: str) -> None:
    assert forum.ask("community.get", community=name)["did"] == pier


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "word",
        "!pier",
        "!@host.example",
        "!pier@",
        "!pi er@host.example",
        "!pi_er@host.example",
        "!pi.er@host.example",
        "!-pier@host.example",
        "!pier-@host.example",
        f"!{'x' * 64}@host.example",
        "!pier@-host.example",
        "!pier@host..example",
        "did:plc:",
        "did:PLC:x",
        "@",
    ],
)
def test_what_is_no_name_of_a_community_is_refused_and_shown(forum: Forum, pier: str, name: str) -> None:
    told = forum.ask("community.get", community=name)
    assert (told["status"], told["error"]) == (400, "InvalidRequest")
    assert "community" in told["message"]
    assert name.strip() in told["message"]


@pytest.mark.parametrize(
    "name", ["!none@host.example", "!pier@elsewhere.example", "@c-none.host.example", "!a-1@b.example"]
)
def test_a_community_that_nobody_knows_is_named(forum: Forum, pier: str, name: str) -> None:
    told = forum.ask("feed.getCommunity", community=name)
    assert (told["status"], told["error"]) == (404, "CommunityNotFound")
    named, _, where = name.removeprefix("!").removeprefix("@c-").replace("@", ".").partition(".")
    assert f"c-{named}.{where}" in told["message"]


@pytest.mark.parametrize(
    ("handle", "shown"),
    [
        ("c-pier.coves.social", "!pier@coves.social"),
        ("c-x.coves.co.uk", "!x@coves.co.uk"),
        ("c-test.dev.coves.social", "!test@dev.coves.social"),
        ("pier.example", "pier.example"),
    ],
)
def test_a_handle_is_shown_as_people_write_it(forum: Forum, pier: str, handle: str, shown: str) -> None:
    forum.handle(pier, handle)
    told = forum.ask("community.get", community=pier)
    assert (told["handle"], told["displayHandle"]) == (handle, shown)
    assert forum.ask("community.get", community=shown)["did"] == pier


def test_a_list_tells_a_viewer_what_they_are_subscribed_to(forum: Forum) -> None:
    for name in ("a", "b", "c"):
        forum.community(name)
    forum.subscribe(BEN, "a", "nowhere")
    listed = forum.ask("community.list", viewer=BEN, sort="alphabetical")["communities"]
    assert [(it["name"], it["viewer"]["subscribed"]) for it in listed] == [("a", True), ("b", False), ("c", False)]
    assert all("viewer" not in it for it in forum.ask("community.list")["communities"])
    mine = forum.ask("community.list", viewer=BEN, subscribed="true")["communities"]
    assert [it["name"] for it in mine] == ["a"]
    assert len(forum.ask("community.list", viewer=BEN, subscribed="false")["communities"]) == 3
    assert forum.ask("community.list", viewer=ANN, subscribed="true") == {"communities": []}
    assert forum.ask("community.list", subscribed="true")["error"] == "AuthenticationRequired"


def test_lists_of_communities_in_their_four_orders(forum: Forum) -> None:
    for name, age in (("b", 1), ("A", 3), ("c", 2)):
        forum.community(name, createdAt=(NOW - timedelta(minutes=age)).isoformat())
    forum.subscribe(BEN, "c", "A")
    forum.subscribe(ANN, "c")
    forum.post(home("A"), title="newest")
    forum.post(home("b"), age=9, title="older")
    for sort, expected in (("popular", "cAb"), ("active", "Abc"), ("new", "bcA"), ("alphabetical", "Abc")):
        told = forum.ask("community.list", sort=sort)["communities"]
        assert "".join(it["name"] for it in told) == expected, sort
    assert [len(page) for page in forum.pages("community.list", limit=2)] == [2, 1]
    for wrong in ({"sort": "best"}, {"limit": "abc"}, {"limit": 0}, {"limit": 1000}, {"cursor": "abc"}, {"cursor": -1}):
        assert forum.ask("community.list", **wrong)["status"] == 400


def test_a_list_of_public_ones_has_no_other_and_a_search_finds_by_name(forum: Forum) -> None:
    for name, visibility in (("harbour", "public"), ("quay", "unlisted"), ("cove", "private")):
        forum.community(name, visibility=visibility)
    told = forum.ask("community.list", visibility="public")["communities"]
    assert [it["name"] for it in told] == ["harbour"]
    assert [it["name"] for it in forum.ask("community.search", q="harb")["communities"]] == ["harbour"]
    assert forum.ask("community.search", q="quay") == {"communities": []}


def test_the_count_of_subscribers_follows_each_record(forum: Forum, pier: str) -> None:
    def counted() -> int:
        return int(forum.ask("community.get", community=pier)["subscriberCount"])

    assert counted() == 0
    one = forum.put(BEN, SUBSCRIPTION, "one", subject=pier, contentVisibility=5)
    assert counted() == 1
    two = forum.put(BEN, SUBSCRIPTION, "two", subject=pier)
    assert counted() == 1, "one actor is one subscriber"
    forum.delete(two)
    assert forum.ask("community.get", community=pier, viewer=BEN)["viewer"]["subscribed"] is True
    forum.delete(one)
    assert counted() == 0
    assert forum.ask("community.getSubscribers", community=pier) == {"subscribers": []}


def test_a_block_is_seen_and_taken_back(forum: Forum, root: str, pier: str) -> None:
    block = forum.put(BEN, BLOCK, "one", subject=pier)
    assert forum.ask("community.get", community=pier, viewer=BEN)["viewer"]["blocked"] is True
    assert forum.ask("feed.getDiscover", viewer=BEN) == {"feed": []}
    forum.delete(block)
    assert forum.ask("community.get", community=pier, viewer=BEN)["viewer"]["blocked"] is False
    assert len(forum.ask("feed.getDiscover", viewer=BEN)["feed"]) == 1


def test_each_edit_of_a_community_is_shown_and_nothing_else_stays(forum: Forum, pier: str) -> None:
    assert forum.ask("community.get", community=pier)["uri"] == f"at://{pier}/{COMMUNITY_PROFILE}/self"
    for name, visibility, cid in (("The pier", "unlisted", CID), ("The old pier", "public", OTHER_CID)):
        forum.community("pier", displayName=name, description=f"{name}.", visibility=visibility, avatar=blob(cid))
        told = forum.ask("community.get", community=pier)
        assert (told["displayName"], told["description"], told["visibility"]) == (name, f"{name}.", visibility)
        assert told["avatar"].endswith(f"cid={cid}")
    forum.community("pier", banner=blob())
    told = forum.ask("community.get", community=pier)
    assert told["banner"].endswith(f"cid={CID}")
    assert not {"avatar", "displayName", "description"} & set(told)


def test_what_a_community_says_of_its_own_size_and_handle_is_not_believed(forum: Forum, pier: str) -> None:
    forum.community("pier", memberCount=1000, subscriberCount=1000, handle="c-famous.host.example")
    told = forum.ask("community.get", community=pier)
    assert (told["subscriberCount"], told["memberCount"], told["postCount"]) == (0, 0, 0)
    assert told["handle"] == "c-pier.host.example"


def test_a_post_is_kept_whoever_is_not_yet_known_and_shown_with_its_community(forum: Forum) -> None:
    uri = forum.post(home("late"), title="early", author="did:web:never.seen.example")
    assert forum.ask("feed.getDiscover") == {"feed": []}
    forum.community("late")
    assert [item["post"]["uri"] for item in forum.ask("feed.getDiscover")["feed"]] == [uri]


def test_a_post_from_the_future_is_no_older_than_it_was_seen(forum: Forum, pier: str) -> None:
    forum.post(pier, age=-3 * HOUR, title="future")
    forum.post(pier, 1, title="now")
    assert forum.feed(sort="hot") == ["now", "future"]


def test_an_account_that_is_taken_down_is_shown_nowhere(forum: Forum, root: str) -> None:
    forum.put(ANN, ACTOR_PROFILE, "self", displayName="Ann")
    forum.index.fold([Account(did=ANN, active=False, status="takendown", time_us=1, relay_seq=1, seen_us=NOW_US)])
    assert forum.ask("feed.getDiscover") == {"feed": []}
    assert forum.ask("actor.getPosts", actor=ANN) == {"feed": []}
    assert forum.ask("actor.getProfile", actor=ANN)["error"] == "ProfileNotFound"
