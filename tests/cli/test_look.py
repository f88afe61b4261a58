"""What a person sees of the forum, and a program with --json; and why a record counts what it counts."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

Cli = Callable[..., Any]
Told = Callable[[Any], str]

ANN, BOB, SEA = "did:web:ann.example", "did:web:bob.example", "did:web:sea.example"
HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202etide\u2066\r\u200f"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def seaside(diary: Any, told: Told) -> tuple[str, str]:
    """A store with one community, one post with a small thread, votes and handles; and the post's at-uri."""
    diary.sea(displayName="The Sea", description="All about tides.")
    diary.put(ANN, "actor.profile", "self", {"displayName": "Ann", "bio": "Walks."})
    diary.handle(ANN, "ann.example")
    diary.handle(SEA, "sea.example")
    post = diary.post("3kaaaaaaaaaaa", title="Tide tables", content="Where do I find\nthem?")
    asked = diary.comment(BOB, "3kbbbbbbbbbbb", post, post, "At the harbour.")
    diary.comment(ANN, "3kccccccccccc", post, asked, "Thank you.")
    diary.delete(asked)
    diary.vote(ANN, "3kddddddddddd", post, "down")
    diary.vote(ANN, "3keeeeeeeeeee", post, "up")
    diary.vote(BOB, "3kfffffffffff", post)
    diary.put(ANN, "community.subscription", "3kggggggggggg", {"subject": SEA})
    return told(diary), post


def test_a_feed_has_a_title_a_place_and_the_uri_whole(cli: Cli, seaside: tuple[str, str]) -> None:
    url, post = seaside
    said = cli("feed", "discover", "--store", url)
    assert re.search(r"^ +2 +1 +2026-01-01 12:00 +Tide tables$", said.out, re.MULTILINE)
    assert "in sea by ann.example" in said.out
    assert f"\n{post}\n" in said.out


@pytest.mark.parametrize(
    "feed",
    [["discover"], ["community", SEA], ["community", "sea.example"], ["timeline", "ann.example"], ["timeline", ANN]],
)
def test_every_feed_tells_the_same_post_to_a_program(cli: Cli, seaside: tuple[str, str], feed: list[str]) -> None:
    url, post = seaside
    told = cli("feed", *feed, "--sort", "new", "--json", "--store", url).json
    [shown] = told["posts"]
    assert told["after"] is None
    assert (shown["uri"], shown["score"], shown["commentCount"]) == (post, 2, 1)
    assert (shown["authorHandle"], shown["communityName"]) == ("ann.example", "sea")
    assert shown["record"]["content"] == "Where do I find\nthem?"


def test_a_search_tells_a_person_and_a_program_the_same(cli: Cli, seaside: tuple[str, str]) -> None:
    url, post = seaside
    for words in (["tide"], ["tab*", "--author", ANN], ["find", "them"], ['"tide tables"', "--sort", "top"]):
        assert f"\n{post}\n" in cli("search", *words, "--store", url).out
        [shown] = cli("search", *words, "--json", "--store", url).json["posts"]
        assert (shown["uri"], shown["authorHandle"]) == (post, "ann.example")
    assert "no posts" in cli("search", "tide", "--store", url, "--", "-tables").out
    found = cli("search", "tid", "--kind", "community", "--json", "--store", url).json["communities"]
    assert [it["did"] for it in found] == [SEA]
    assert re.search(r"1 +The Sea +sea.example", cli("search", "sea", "--kind", "community", "--store", url).out)
    for words in (["walks"], ["@ann.example"], [ANN]):
        found = cli("search", *words, "--kind", "profile", "--json", "--store", url).json["profiles"]
        assert [it["handle"] for it in found] == ["ann.example"]


def test_a_search_that_means_nothing_is_refused_or_empty(cli: Cli, seaside: tuple[str, str]) -> None:
    url, _ = seaside
    assert cli("search", "tide", "--kind", "profile", "--author", ANN, "--store", url).code == 2
    assert cli("search", "tide", "--community", ANN, "--store", url).code == 1
    assert cli("search", "tide", "--after", "x", "--store", url).code == 2
    assert cli("search", '"', "NEAR(", "*", "--store", url).out == "no posts\n"


def test_pages_of_a_search_follow_each_other(cli: Cli, store: str) -> None:
    found: list[str] = []
    after: list[str] = []
    for _ in range(100):
        page = cli("search", "guide", "--limit", "3", *after, "--json", "--store", store).json
        found += [it["uri"] for it in page["posts"]]
        if page["after"] is None:
            break
        after = ["--after", page["after"]]
    assert len(found) > 3
    assert len({*found}) == len(found)
    every = cli("search", "guide", "--limit", "50", "--json", "--store", store).json["posts"]
    assert [it["uri"] for it in every][: len(found)] == found[:50]


def test_pages_follow_each_other_and_end(cli: Cli, store: str) -> None:
    feed = ["feed", "discover", "--sort", "top", "--timeframe", "all", "--store", store, "--json"]
    whole = cli(*feed, "--limit", "30").json["posts"]
    pages: list[Any] = []
    after = None
    while len(pages) < 3:
        page = cli(*feed, "--limit", "10", *(["--after", after] if after else [])).json
        pages.append(page["posts"])
        after = page["after"]
    assert [row["uri"] for page in pages for row in page] == [row["uri"] for row in whole]
    other = cli("feed", "discover", "--sort", "new", "--after", after, "--store", store)
    assert (other.code, "another feed" in other.err) == (2, True)
    for forged in ("x", "W10", "!!", f"{after}AA"):
        assert cli(*feed, "--after", forged).code == 2


def test_a_timeframe_is_for_top_and_its_window_stays_that_of_the_first_page(cli: Cli, store: str) -> None:
    said = cli("feed", "discover", "--timeframe", "day", "--store", store)
    assert (said.code, "--sort top" in said.err) == (2, True)
    assert cli("feed", "discover", "--sort", "top", "--timeframe", "hour", "--store", store).out == "no posts\n"


def test_who_is_not_known_is_told(cli: Cli, seaside: tuple[str, str]) -> None:
    url, _ = seaside
    for who, code in (("nobody.example", 1), ("not a name", 2), (BOB, 1)):
        said = cli("feed", "community", who, "--store", url)
        assert (said.code, said.out) == (code, "")
        assert who in said.err


def test_a_thread_is_a_tree_with_placeholders(cli: Cli, seaside: tuple[str, str]) -> None:
    url, post = seaside
    lines = cli("thread", post, "--store", url).out.splitlines()
    assert lines[0] == "Tide tables"
    assert lines[2] == post
    assert lines[-3] == "[deleted]"
    assert lines[-2].startswith("  ann.example  +0  ")
    assert lines[-1] == "  Thank you."
    assert cli("thread", "--store", url).out.splitlines() == lines, "without an at-uri, the most discussed"
    told = cli("thread", post, "--json", "--store", url).json
    assert [
        (reply["depth"], reply["comment"] and reply["comment"]["record"]["content"]) for reply in told["replies"]
    ] == [
        (0, None),
        (1, "Thank you."),
    ]


def test_a_deep_thread_is_survived(cli: Cli, diary: Any, told: Told) -> None:
    diary.sea()
    parent = post = diary.post("3kaaaaaaaaaaa", title="Deep")
    for depth in range(300):
        parent = diary.comment(
            BOB,
            f"3k{depth:03}".translate(str.maketrans("0189", "abcd"))
            + f"{depth:08x}".translate(str.maketrans("0189", "wxyz")),
            post,
            parent,
            "on",
        )
    lines = cli("thread", post, "--store", told(diary)).out.splitlines()
    assert "(299) " in lines[-2]
    assert max(map(len, lines)) <= 120


def test_a_post_a_community_and_a_profile(cli: Cli, seaside: tuple[str, str]) -> None:
    url, post = seaside
    assert "2  (2 up, 0 down)" in cli("post", post, "--store", url).out
    assert cli("post", post, "--json", "--store", url).json["upvotes"] == 2
    community = cli("community", "@sea.example", "--store", url)
    assert community.out.startswith("The Sea\n\nAll about tides.\n")
    assert cli("community", SEA, "--json", "--store", url).json["subscriberCount"] == 1
    profile = cli("profile", "ann.example", "--json", "--store", url).json
    assert (profile["displayName"], profile["postCount"], profile["reputation"]) == ("Ann", 1, 2)
    assert "reputation     2" in cli("profile", ANN, "--store", url).out
    for missing in (["post", post + "x"], ["profile", BOB], ["community", ANN], ["thread", post + "x"]):
        said = cli(*missing, "--store", url)
        assert (said.code, "explain" in said.err) == (1, True)


def test_what_strangers_write_cannot_reach_the_terminal(cli: Cli, diary: Any, told: Told) -> None:
    diary.sea(displayName=HOSTILE, description=HOSTILE)
    diary.put(ANN, "actor.profile", "self", {"displayName": HOSTILE, "bio": HOSTILE})
    post = diary.post("3kaaaaaaaaaaa", title=HOSTILE, content=HOSTILE)
    diary.comment(BOB, "3kbbbbbbbbbbb", post, post, f"see {HOSTILE}")
    bad = diary.put(BOB, "feed.vote", "3kccccccccccc", {"direction": HOSTILE})
    url = told(diary)
    seen = [
        ["feed", "discover"],
        ["thread", post],
        ["post", post],
        ["community", SEA],
        ["profile", ANN],
        ["quarantine"],
        ["explain", bad],
    ]
    for command in seen:
        for extra in ([], ["--json"]):
            said = cli(*command, *extra, "--store", url)
            assert said.code == 0
            assert not RAW.search(said.out.replace("\n", "")), command
    assert cli("post", post, "--json", "--store", url).json["title"] == HOSTILE
    assert r"\x1b]0;pwned\x07" in cli("post", post, "--store", url).out


def test_the_quarantine_lists_every_fault(cli: Cli, diary: Any, told: Told) -> None:
    uri = diary.post("3kaaaaaaaaaaa", community=ANN, title=7, author="nobody")
    url = told(diary)
    [refused] = cli("quarantine", "--json", "--store", url).json
    assert refused["uri"] == uri
    assert {fault["path"] for fault in refused["faults"]} == {"$.title", "$.author"}
    assert "$.title" in cli("quarantine", "--store", url).out
    assert cli("dead-letters", "--store", url).out == "there are no dead letters\n"


def states(cli: Cli, url: str, uri: str) -> list[str]:
    told = cli("explain", uri, "--json", "--store", url).json
    shown = cli("explain", uri, "--store", url)
    assert (told["state"], shown.code) == (told["states"][0], 0)
    assert all(f"{state}: " in shown.out for state in told["states"])
    return list(told["states"])


def test_explain_tells_what_holds(cli: Cli, diary: Any, told: Told) -> None:
    diary.sea()
    post = diary.post("3kaaaaaaaaaaa", title="Tide")
    first, second = diary.vote(ANN, "3kbbbbbbbbbbb", post, "down"), diary.vote(ANN, "3kccccccccccc", post)
    comment = diary.comment(BOB, "3kddddddddddd", post, post, "Low.")
    diary.delete(comment)
    bad = diary.put(ANN, "feed.vote", "3keeeeeeeeeee", {"direction": "sideways"})
    new_kind = diary.put(ANN, "feed.bookmark", "3kfffffffffff", {})
    hidden = diary.vote(BOB, "3kggggggggggg", post)
    diary.account(BOB, active=False)
    url = told(diary)
    assert states(cli, url, post) == ["live"]
    assert states(cli, url, second) == ["effective"]
    assert states(cli, url, first) == ["dormant"]
    assert states(cli, url, comment) == ["tombstone", "hidden"]
    assert states(cli, url, hidden) == ["hidden"]
    assert states(cli, url, bad) == ["quarantined"]
    assert states(cli, url, new_kind) == ["undeclared"]
    assert states(cli, url, f"{post}x") == ["unknown"]
    assert states(cli, url, f"at://{ANN}/app.bsky.feed.post/1") == ["foreign"]


def test_explain_tells_what_stands_in_the_place_and_what_is_added_to_what(cli: Cli, diary: Any, told: Told) -> None:
    diary.sea()
    post = diary.post("3kaaaaaaaaaaa", title="Tide")
    first, second = diary.vote(ANN, "3kbbbbbbbbbbb", post, "down"), diary.vote(ANN, "3kccccccccccc", post)
    comment = diary.comment(BOB, "3kddddddddddd", post, post, "Low.")
    url = told(diary)
    assert cli("explain", first, "--json", "--store", url).json["supersededBy"] == second
    effective = cli("explain", second, "--json", "--store", url).json
    assert effective["dormant"] == 1
    assert effective["adds"] == [{"view": "tally", "key": [post], "sums": {"upvotes": 1}}]
    shown = cli("explain", comment, "--json", "--store", url).json
    assert (shown["root"], shown["parent"]) == (post, post)
    added = {(it["view"], *it["key"]): it["sums"] for it in shown["adds"]}
    assert added["tally", post] == {"reply_count": 1, "comment_count": 1}
    assert added["actor_tally", BOB] == {"comment_count": 1, "membership_count": 1}
    about = cli("explain", post, "--json", "--store", url).json
    assert about["tally"] == {"upvotes": 1, "downvotes": 0, "replyCount": 1, "commentCount": 1}
    assert about["votes"] == [{"voter": ANN, "direction": "up", "uri": second}]
    assert about["register"]["seen"] == "2026-01-01T12:00:01.000000Z"


def test_explain_tells_of_a_live_post_why_it_is_not_shown(cli: Cli, diary: Any, told: Told) -> None:
    diary.sea(visibility="unlisted")
    post = diary.post("3kaaaaaaaaaaa", title="Tide")
    diary.account(ANN, active=False)
    url = told(diary)
    assert cli("explain", post, "--json", "--store", url).json["withheld"] == ["author-hidden", "unlisted"]
    assert cli("post", post, "--store", url).code == 1


def test_explain_tells_of_a_void_record(cli: Cli, diary: Any, told: Told) -> None:
    post = diary.post("3kaaaaaaaaaaa", title="Tide")
    body = {
        "$type": "network.bsky.jetstream.subscribeEvents#sync",
        "seq": 1,
        "did": SEA,
        "time": "2026-01-02T00:00:00Z",
    }
    diary.lines.append(json.dumps(body | {"sync": {"did": SEA, "rev": "3kzzzzzzzzzzz"}}).encode())
    url = told(diary)
    assert states(cli, url, post) == ["void"]
    assert cli("explain", post, "--json", "--store", url).json["repo"]["floor"] == "3kzzzzzzzzzzz"


def test_every_row_of_a_view_is_explained_as_counting(cli: Cli, store: str) -> None:
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as database:
        votes = database.execute("SELECT voter, rkey FROM vote LIMIT 3").fetchall()
        dormant = database.execute("SELECT actor, rkey FROM dormant WHERE view = 'vote' LIMIT 3").fetchall()
    for did, rkey in votes:
        assert states(cli, store, f"at://{did}/social.coves.feed.vote/{rkey}") == ["effective"]
    for did, rkey in dormant:
        assert states(cli, store, f"at://{did}/social.coves.feed.vote/{rkey}") == ["dormant"]


@pytest.mark.parametrize("command", ["explain", "post", "thread"])
@pytest.mark.parametrize(
    "uri", ["at://x/y/z", "https://a.example", f"at://{ANN}", "", "at://a.example/a.b.c/1", "\x1b[2J"]
)
def test_what_is_no_at_uri_is_refused_with_the_form_wanted(cli: Cli, store: str, command: str, uri: str) -> None:
    said = cli(command, uri, "--store", store)
    assert (said.code, said.out) == (2, "")
    assert repr(uri) in said.err
    assert "at://DID/COLLECTION/RKEY" in said.err
