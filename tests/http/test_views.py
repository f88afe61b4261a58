"""
What is shown, and to whom: pictures with urls, placeholders without content, nothing of what is private or hidden.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import pytest

from strandline import Account, Commit, Event, Identity, Index, open_index
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

ANN, BEN, PIER, COVE = (f"did:plc:{name * 24}"[:32] for name in ("ann", "ben", "pier", "cove"))
CID: Final = "bafkreibrhh2al3dngkoj7vem53kpda4prqdhxlsa52trjjmbgciw4du4ge"
BLOB: Final = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 9}
AT: Final = "2026-06-01T12:00:00Z"
Operation = Literal["create", "update", "delete"]
NOW_US: Final = 1_780_500_000_000_000
PDS: Final = Answering(page_keys=(b"a secret of the tests",), blobs=BlobUrls(pds_of=lambda did: "https://pds.example/"))
PROXY: Final = Answering(page_keys=PDS.page_keys, blobs=BlobUrls(proxy="https://pictures.example/"))


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


def community(did: str, name: str, **more: Any) -> Commit:
    told = {"name": name, "createdAt": AT, "createdBy": ANN, "hostedBy": "did:web:host.example", **more}
    return put(did, COMMUNITY_PROFILE, "self", **told)


def uri(did: str, collection: str, rkey: str) -> str:
    return f"at://{did}/{collection}/{rkey}"


def ref(at: str) -> dict[str, str]:
    return {"uri": at, "cid": CID}


def post(rkey: str, home: str = PIER, author: str = ANN, **more: Any) -> Commit:
    return put(home, POST, rkey, community=home, author=author, createdAt=AT, **more)


FIRST: Final = uri(PIER, POST, "first")


def comment(did: str, rkey: str, parent: str = FIRST, **more: Any) -> Commit:
    reply = {"root": ref(FIRST), "parent": ref(parent)}
    return put(did, COMMENT, rkey, reply=reply, content=f"{rkey} was said", createdAt=AT, **more)


BASE: Final[Sequence[Event]] = (
    community(PIER, "pier", avatar=BLOB, federation={"allowExternalDiscovery": True}),
    Identity(did=PIER, handle="c-pier.forum.example", time_us=1, relay_seq=1, seen_us=1),
    Identity(did=ANN, handle="ann.example", time_us=1, relay_seq=1, seen_us=1),
    put(ANN, ACTOR_PROFILE, "self", displayName="Ann", avatar=BLOB, createdAt=AT),
    post("first", title="Tides"),
)


@pytest.fixture
def index() -> Iterator[Index]:
    with open_index("memory:", SCHEMA) as opened:
        opened.fold(BASE)
        yield opened


def ask(index: Index, name: str, *pairs: tuple[str, str], viewer: str | None = None, how: Answering = PDS) -> Any:
    try:
        return index.ask(answer, f"social.coves.{name}", pairs, viewer=viewer, now_us=NOW_US, how=how)
    except Refusal as refusal:
        return refusal.name


def shown(index: Index, at: str = FIRST, **how: Any) -> Any:
    return ask(index, "community.post.get", ("uris", at), **how)["posts"][0]


def test_pictures_have_the_url_of_the_repo_that_holds_the_record(index: Index) -> None:
    pictures = {"$type": "social.coves.embed.images", "images": [{"image": BLOB, "alt": "the pier"}]}
    index.fold([post("seen", embed=pictures), comment(BEN, "look", embed=pictures)])
    view = shown(index, uri(PIER, POST, "seen"))
    url = f"https://pds.example/xrpc/com.atproto.sync.getBlob?did=did%3Aplc%3A{PIER[8:]}&cid={CID}"
    assert view["embed"] == {
        "$type": "social.coves.embed.images#view",
        "images": [{"thumb": url, "fullsize": url, "alt": "the pier"}],
    }
    assert view["record"]["embed"] == pictures, "the record itself is as it was written"
    [branch] = ask(index, "community.comment.getComments", ("post", FIRST))["comments"]
    assert BEN[8:] in branch["comment"]["embed"]["images"][0]["thumb"]
    proxied = shown(index, uri(PIER, POST, "seen"), how=PROXY)["embed"]["images"][0]
    assert proxied["thumb"] == f"https://pictures.example/img/content_preview/plain/{PIER}/{CID}"
    assert proxied["fullsize"] == f"https://pictures.example/img/content_full/plain/{PIER}/{CID}"


def test_a_page_elsewhere_and_a_film_are_shown_with_urls(index: Index) -> None:
    page = {"uri": "https://tides.example", "thumb": BLOB, "title": "Tides"}
    index.fold(
        [
            post("page", embed={"$type": "social.coves.embed.external", "external": page}),
            post("film", embed={"$type": "social.coves.embed.video", "video": {**BLOB, "mimeType": "video/mp4"}}),
            post("odd", embed={"$type": "com.example.embed", "x": 1}),
        ]
    )
    external = shown(index, uri(PIER, POST, "page"))["embed"]["external"]
    assert external["thumb"].startswith("https://pds.example/xrpc/com.atproto.sync.getBlob?")
    assert external["title"] == "Tides"
    assert shown(index, uri(PIER, POST, "film"))["embed"]["video"].endswith(CID)
    assert "embed" not in shown(index, uri(PIER, POST, "odd"))


def test_an_embedded_post_is_shown_one_deep_or_marked_missing(index: Index) -> None:
    def quote(at: str) -> dict[str, Any]:
        return {"$type": "social.coves.embed.post", "post": ref(at)}

    index.fold([post("quoting", embed=quote(FIRST)), post("again", embed=quote(uri(PIER, POST, "quoting")))])
    assert shown(index, uri(PIER, POST, "quoting"))["embed"]["resolved"]["record"]["title"] == "Tides"
    assert "embed" not in shown(index, uri(PIER, POST, "again"))["embed"]["resolved"]
    index.fold([put(PIER, POST, "first", "delete", rev="3l")])
    assert shown(index, uri(PIER, POST, "quoting"))["embed"]["resolved"]["notFound"] is True


def test_names_are_shown_beside_and_unknown_handles_as_invalid(index: Index) -> None:
    view = shown(index)
    assert (view["author"]["handle"], view["author"]["displayName"]) == ("ann.example", "Ann")
    assert (view["community"]["handle"], view["community"]["name"]) == ("c-pier.forum.example", "pier")
    index.fold([post("bens", author=BEN)])
    assert shown(index, uri(PIER, POST, "bens"))["author"] == {"did": BEN, "handle": "handle.invalid"}


def test_an_edited_post_says_when(index: Index) -> None:
    assert "editedAt" not in shown(index)
    index.fold([put(PIER, POST, "first", "update", rev="3l", community=PIER, author=ANN, createdAt=AT, title="Ebb")])
    assert shown(index)["editedAt"] == "2026-06-03T15:20:00.000000Z"


def test_a_deleted_comment_leaves_a_placeholder_without_author_or_content(index: Index) -> None:
    gone = uri(BEN, COMMENT, "gone")
    index.fold([comment(BEN, "gone"), comment(ANN, "left", gone), put(BEN, COMMENT, "gone", "delete", rev="3l")])
    [branch] = ask(index, "community.comment.getComments", ("post", FIRST))["comments"]
    placeholder = branch["comment"]
    assert set(placeholder) == {"uri", "post", "stats", "isDeleted", "deletionReason", "deletedAt"}
    assert (placeholder["isDeleted"], placeholder["deletionReason"]) == (True, "author")
    reply = branch["replies"][0]["comment"]
    assert (reply["record"]["content"], reply["parent"]["uri"]) == ("left was said", gone)


def test_a_comment_on_top_has_no_parent_beside_its_root(index: Index) -> None:
    index.fold([comment(BEN, "top")])
    [branch] = ask(index, "community.comment.getComments", ("post", FIRST))["comments"]
    assert "parent" not in branch["comment"]
    assert branch["comment"]["post"]["uri"] == FIRST


PRIVATE_QUESTIONS: Final = (
    ("feed.getCommunity", ("community", COVE)),
    ("community.get", ("community", COVE)),
    ("community.getMembers", ("community", COVE)),
    ("community.getSubscribers", ("community", COVE)),
    ("aggregator.listForCommunity", ("community", COVE)),
    ("community.comment.getComments", ("post", uri(COVE, POST, "secret"))),
)


def test_a_quoted_post_of_a_blocked_community_is_not_shown_to_who_blocks_it(index: Index) -> None:
    quote = {"$type": "social.coves.embed.post", "post": ref(uri(COVE, POST, "theirs"))}
    told = [community(COVE, "cove"), post("theirs", COVE), post("told", embed=quote)]
    index.fold([*told, put(BEN, BLOCK, "one", subject=COVE, createdAt=AT)])
    for question in (("feed.getDiscover",), ("community.post.get", ("uris", uri(PIER, POST, "told")))):
        for viewer, is_shown in ((BEN, False), (ANN, True), (None, True)):
            found = ask(index, *question, viewer=viewer)
            posts = found.get("posts") or [item["post"] for item in found["feed"]]
            [view] = [it for it in posts if it["uri"] == uri(PIER, POST, "told")]
            assert ("notFound" not in view["embed"]["resolved"]) is is_shown, (question, viewer)


def test_a_private_community_is_shown_to_its_subscribers_alone(index: Index) -> None:
    hold = put(BEN, SUBSCRIPTION, "one", subject=COVE, createdAt=AT)
    quote = {"$type": "social.coves.embed.post", "post": ref(uri(COVE, POST, "secret"))}
    index.fold([community(COVE, "cove", visibility="private"), post("secret", COVE), post("told", embed=quote), hold])
    for name, pair in PRIVATE_QUESTIONS:
        for stranger in (None, ANN):
            assert isinstance(ask(index, name, pair, viewer=stranger), str), name
        assert isinstance(ask(index, name, pair, viewer=BEN), dict), name
    for stranger in (None, ANN):
        assert shown(index, uri(COVE, POST, "secret"), viewer=stranger)["notFound"] is True
        assert "notFound" in shown(index, uri(PIER, POST, "told"), viewer=stranger)["embed"]["resolved"]
        feed = ask(index, "actor.getPosts", ("actor", ANN), viewer=stranger)["feed"]
        assert {item["post"]["community"]["did"] for item in feed} == {PIER}
        listed = ask(index, "community.list", viewer=stranger)["communities"]
        assert [it["did"] for it in listed] == [PIER]
    assert "record" in shown(index, uri(COVE, POST, "secret"), viewer=BEN)
    assert "record" in shown(index, uri(PIER, POST, "told"), viewer=BEN)["embed"]["resolved"]
    assert {it["did"] for it in ask(index, "community.list", viewer=BEN)["communities"]} == {PIER, COVE}


def test_an_unlisted_community_is_reached_by_name_and_stands_in_no_list(index: Index) -> None:
    index.fold([community(COVE, "cove", visibility="unlisted"), post("quiet", COVE)])
    assert ask(index, "community.get", ("community", COVE))["visibility"] == "unlisted"
    assert len(ask(index, "feed.getCommunity", ("community", COVE))["feed"]) == 1
    assert [it["did"] for it in ask(index, "community.list")["communities"]] == [PIER]
    assert ask(index, "community.list", ("visibility", "unlisted"))["communities"] == []


def test_what_a_viewer_blocks_is_marked(index: Index) -> None:
    index.fold([put(BEN, BLOCK, "one", subject=PIER, createdAt=AT)])
    assert shown(index, viewer=BEN)["blocked"] is True
    assert "record" not in shown(index, viewer=BEN)
    assert ask(index, "community.get", ("community", PIER), viewer=BEN)["viewer"] == {
        "subscribed": False,
        "blocked": True,
    }
    assert ask(index, "feed.getDiscover", viewer=BEN)["feed"] == []


def test_a_hidden_account_is_shown_nowhere(index: Index) -> None:
    index.fold([post("bens", author=BEN), comment(ANN, "said")])
    index.fold([Account(did=ANN, active=False, status="takendown", time_us=9, relay_seq=9, seen_us=9)])
    assert shown(index)["notFound"] is True
    assert ask(index, "actor.getProfile", ("actor", ANN)) == "ProfileNotFound"
    assert ask(index, "actor.getPosts", ("actor", ANN)) == {"feed": []}
    assert ask(index, "actor.getComments", ("actor", ANN)) == {"comments": []}
    members = ask(index, "community.getMembers", ("community", PIER))["members"]
    assert [it["did"] for it in members] == [BEN]
    assert ask(index, "community.comment.getComments", ("post", FIRST)) == "RootNotFound"


def test_who_voted_sees_which_way_and_who_did_not_sees_none(index: Index) -> None:
    index.fold([put(BEN, VOTE, "one", subject=ref(FIRST), direction="down", createdAt=AT)])
    assert shown(index, viewer=BEN)["viewer"] == {
        "vote": "down",
        "voteUri": uri(BEN, VOTE, "one"),
        "saved": False,
    }
    assert shown(index, viewer=ANN)["viewer"] == {"saved": False}
    assert shown(index)["stats"] == {"upvotes": 0, "downvotes": 1, "score": -1, "commentCount": 0}


def test_what_was_said_at_once_is_paged_one_by_one(index: Index) -> None:
    index.fold([comment(BEN, rkey) for rkey in ("one", "three", "two")])
    found: list[str] = []
    more: list[tuple[str, str]] = []
    while len(found) < 9:
        got = ask(index, "actor.getComments", ("actor", BEN), ("limit", "1"), *more)
        found += [view["record"]["content"] for view in got["comments"]]
        if "cursor" not in got:
            break
        more = [("cursor", got["cursor"])]
    assert sorted(found) == ["one was said", "three was said", "two was said"]


def test_posts_with_media_are_those_with_an_embed(index: Index) -> None:
    page = {"$type": "social.coves.embed.external", "external": {"uri": "https://tides.example"}}
    index.fold([post("page", embed=page)])
    feed = ask(index, "actor.getPosts", ("actor", ANN), ("filter", "posts_with_media"))["feed"]
    assert [item["post"]["rkey"] for item in feed] == ["page"]
    assert len(ask(index, "actor.getPosts", ("actor", ANN))["feed"]) == 2


@pytest.mark.parametrize(
    ("kind", "expected"), [("text", {"first"}), ("article", {"page"}), ("image", set()), ("microblog", set())]
)
def test_kinds_of_posts_are_told_by_their_embed(index: Index, kind: str, expected: set[str]) -> None:
    page = {"$type": "social.coves.embed.external", "external": {"uri": "https://tides.example"}}
    index.fold([post("page", embed=page)])
    feed = ask(index, "feed.getAll", ("postTypes", kind))["feed"]
    assert {item["post"]["rkey"] for item in feed} == expected
