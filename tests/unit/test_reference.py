"""
The law, sentence by sentence: hand-worked logs and what the naive reference must make of them.

Also: that the hostile strategies do reach what they are for, that what they find shrinks, and that their events
survive both wires.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from strandline.event import Account, Commit, Event, Identity, Sync, decode
from strandline.forum.testing import reference
from strandline.forum.testing.reference import (
    COLLECTIONS,
    Node,
    communities,
    community_feed,
    discover,
    dump,
    find_facts,
    handles,
    hot_rank,
    quarantine,
    thread,
    timeline,
)
from strandline.forum.testing.strategies import (
    ANN,
    BOB,
    CALM,
    CAT,
    CIDS,
    GONE,
    POSTS,
    SEA,
    SKETCHES,
    TALK,
    TEA,
    commit_logs,
    logs,
    relation_logs,
    thread_logs,
)
from strandline.testing.strategies import GREATEST_REV, Dice, to_v1, to_v2

REV = ["2222222222222", "3ka2222222222", "3kb2222222222", "3kc2222222222", "3kd2222222222"]
KEY = ["3kp2222222222", "3kq2222222222", "3kr2222222222", "3ks2222222222"]
NOON = "2026-01-01T12:00:00Z"
NOON_US = 1_767_268_800_000_000
LATER_US = NOON_US + 1_000_000
HOUR_US = 3_600_000_000

PROFILE = "social.coves.community.profile"
POST = "social.coves.community.post"
COMMENT = "social.coves.community.comment"
VOTE = "social.coves.feed.vote"
SUBSCRIPTION = "social.coves.community.subscription"


def put(did: str, collection: str, rkey: str, /, rev: int = 1, seen_us: int = LATER_US, **fields: Any) -> Commit:
    record = {"$type": collection, "createdAt": NOON, **fields}
    return Commit(
        did=did,
        rev=REV[rev],
        operation="create",
        collection=collection,
        rkey=rkey,
        cid=CIDS[0],
        record=record,
        seen_us=seen_us,
    )


def post(at: int = 0, community: str = SEA, author: str = ANN, **more: Any) -> Commit:
    return put(community, POST, KEY[at], community=community, author=author, **more)


def comment(did: str, at: int, parent: str, root: str = POSTS[0], **more: Any) -> Commit:
    return put(
        did, COMMENT, KEY[at], **{"reply": {"root": ref(root), "parent": ref(parent)}, "content": "Ebb.", **more}
    )


def vote(did: str, at: int, subject: str = POSTS[0], direction: str = "up", **more: Any) -> Commit:
    return put(did, VOTE, KEY[at], subject=ref(subject), direction=direction, **more)


def subscription(did: str, at: int = 0, subject: str = SEA, **more: Any) -> Commit:
    return put(did, SUBSCRIPTION, KEY[at], subject=subject, **more)


def block(did: str, subject: str = SEA, **more: Any) -> Commit:
    return put(did, "social.coves.community.block", KEY[0], subject=subject, **more)


def community(did: str = SEA, name: str = "sea", **more: Any) -> Commit:
    return put(did, PROFILE, "self", name=name, createdBy=ANN, hostedBy=GONE, **more)


def profile(did: str = ANN, **more: Any) -> Commit:
    return put(did, "social.coves.actor.profile", "self", **more)


def authorization(at: int, **more: Any) -> Commit:
    fields = {"aggregatorDid": BOB, "communityDid": SEA, "enabled": True, "createdBy": ANN, **more}
    return put(SEA, "social.coves.aggregator.authorization", KEY[at], **fields)


def deleted(write: Commit, rev: int = 4) -> Commit:
    return evolve(write, operation="delete", rev=REV[rev], cid="", record=None)


def updated(write: Commit, rev: int, **fields: Any) -> Commit:
    return evolve(write, operation="update", rev=REV[rev], record={**(write.record or {}), **fields})


def account(did: str, active: bool, time_us: int = 1, seq: int = 1, status: str | None = None) -> Account:
    return Account(did=did, active=active, status=status, time_us=time_us, relay_seq=seq, seen_us=1)


def claim(did: str, handle: str | None, time_us: int = 1, seq: int = 1) -> Identity:
    return Identity(did=did, handle=handle, time_us=time_us, relay_seq=seq, seen_us=1)


def sync(did: str, rev: int) -> Sync:
    return Sync(did=did, rev=REV[rev], seen_us=1)


def ref(uri: str) -> dict[str, str]:
    return {"uri": uri, "cid": CIDS[0]}


def uri(write: Commit) -> str:
    return f"at://{write.did}/{write.collection}/{write.rkey}"


def rows(events: Sequence[Event], view: str) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, dump(events)) if row["view"] == view]


def row(events: Sequence[Event], view: str) -> dict[str, Any]:
    (only,) = rows(events, view)
    return only


def standing(*events: Event) -> reference.Standing:
    (only,) = find_facts(events).standing
    return only


class TestRegisters:
    def test_the_greater_rev_stands_whichever_came_first(self) -> None:
        old, new = profile(displayName="Old"), profile(displayName="New", rev=2)
        assert row([old, new], "profile") == row([new, old], "profile")
        assert row([new, old], "profile")["displayName"] == "New"

    @pytest.mark.parametrize(
        ("operations", "stands"),
        [
            (["delete", "create"], "create"),
            (["create", "update"], "update"),
            (["create", "delete"], "create"),
            (["delete", "update", "create"], "update"),
        ],
    )
    def test_in_one_commit_the_rank_decides(self, operations: list[Any], stands: str) -> None:
        whole = profile()
        writes = [
            evolve(
                whole, operation=it, record=None if it == "delete" else whole.record, cid="" if it == "delete" else "b"
            )
            for it in operations
        ]
        assert standing(*writes).rank == ["delete", "create", "update"].index(stands)

    @pytest.mark.parametrize(("one", "other", "stands"), [("a", "b", "b"), ("", "a", "a")])
    def test_then_the_greater_cid_and_a_missing_one_is_least(self, one: str, other: str, stands: str) -> None:
        assert standing(evolve(profile(), cid=one), evolve(profile(), cid=other)).cid == stands

    def test_of_equal_versions_the_greater_canonical_json_stands(self) -> None:
        assert row([profile(displayName="b"), profile(displayName="a")], "profile")["displayName"] == "b"

    def test_a_tombstone_of_what_was_never_seen_keeps_an_older_create_dead(self) -> None:
        assert dump([deleted(profile(), rev=2), profile(rev=1)]) == []
        assert len(dump([deleted(profile(), rev=2), profile(rev=3)])) == 1

    def test_an_update_without_a_create_stands(self) -> None:
        assert row([updated(post(), 1)], "post")["edited"] is True
        assert row([post()], "post")["edited"] is False

    def test_seen_is_the_least_over_the_standing_version(self) -> None:
        first, again, older = post(rev=2, seen_us=7), post(rev=2, seen_us=5, title="x"), post(rev=1, seen_us=3)
        assert (standing(first, again, older).seen_us, standing(first, again, older).first_seen_us) == (5, 3)

    @pytest.mark.parametrize(
        "early",
        [post(rev=1, seen_us=3), post(rev=1, seen_us=3, author="nobody"), post(rev=0, seen_us=3)],
        ids=["superseded", "invalid", "void"],
    )
    def test_first_seen_counts_every_put_of_the_path(self, early: Commit) -> None:
        events: list[Event] = [early, post(rev=2, seen_us=7), sync(SEA, 1)]
        assert row(events, "post")["sortAtUs"] == 3

    def test_first_seen_counts_no_delete(self) -> None:
        gone = evolve(deleted(post(), rev=0), seen_us=3)
        assert row([gone, post(seen_us=7)], "post")["sortAtUs"] == 7

    @pytest.mark.parametrize(("rev", "live"), [(1, False), (2, True), (3, True)])
    def test_a_write_below_the_floor_is_void_and_one_at_it_is_not(self, rev: int, live: bool) -> None:
        assert bool(dump([profile(rev=rev), sync(ANN, 1), sync(ANN, 2)])) is live

    def test_a_floor_is_of_one_repo(self) -> None:
        assert len(dump([profile(ANN), sync(BOB, 4)])) == 1

    def test_an_older_version_does_not_come_back_when_the_standing_one_is_void(self) -> None:
        assert find_facts([profile(rev=0), profile(rev=1), sync(ANN, 2)]).live == ()

    @pytest.mark.parametrize(
        ("one", "other", "hidden"),
        [
            (account(ANN, False, time_us=1), account(ANN, True, time_us=2), False),
            (account(ANN, False, time_us=1, seq=2), account(ANN, True, time_us=1, seq=1), True),
            (account(ANN, False), account(ANN, True), True),
            (account(ANN, True, time_us=1, seq=9), account(ANN, False, time_us=2, seq=1), True),
        ],
        ids=["time", "seq", "inactive over active", "time before seq"],
    )
    def test_the_greatest_account_event_stands(self, one: Account, other: Account, hidden: bool) -> None:
        assert bool(rows([one, other], "account")) is hidden

    def test_of_equal_account_events_the_greater_status_stands(self) -> None:
        events: list[Event] = [account(ANN, False, status=it) for it in ("deleted", "takendown", None)]
        assert row(events, "account") == {"view": "account", "did": ANN, "active": False, "status": "takendown"}

    def test_only_hidden_accounts_are_shown_and_an_empty_status_is_none(self) -> None:
        events: list[Event] = [account(ANN, False, status=""), account(BOB, True, status="throttled")]
        assert [(it["did"], it["status"]) for it in rows(events, "account")] == [(ANN, None)]

    def test_hiding_takes_everything_and_restoring_gives_it_back(self) -> None:
        log: list[Event] = [*CALM]
        hidden = [*log, account(BOB, False, time_us=1)]
        assert [it.did for it in find_facts(hidden).live if it.did == BOB] == []
        assert dump([*hidden, account(BOB, True, time_us=2)]) == dump(log)

    @pytest.mark.parametrize(
        ("events", "shown"),
        [
            ([claim(ANN, "a.test"), claim(ANN, "b.test", time_us=2)], {ANN: "b.test"}),
            ([claim(ANN, "a.test"), claim(ANN, None, time_us=2)], {ANN: "a.test"}),
            ([claim(ANN, "a.test", seq=2), claim(ANN, "b.test")], {ANN: "a.test"}),
            ([claim(ANN, "a.test"), claim(ANN, "b.test")], {ANN: "b.test"}),
            ([claim(ANN, "a.test"), claim(BOB, "a.test")], {ANN: "handle.invalid", BOB: "a.test"}),
            ([claim(ANN, "a.test", seq=2), claim(BOB, "a.test")], {ANN: "a.test", BOB: "handle.invalid"}),
        ],
    )
    def test_the_claimed_handle(self, events: list[Event], shown: dict[str, str]) -> None:
        assert handles(events) == shown


class TestLiveRecords:
    def test_an_invalid_put_holds_its_path_and_is_quarantined(self) -> None:
        good, bad = profile(rev=1), profile(rev=2, displayName=7)
        assert dump([good, bad]) == []
        assert quarantine([good, bad]) == {uri(bad)}

    def test_the_quarantine_is_the_current_set(self) -> None:
        bad = profile(displayName=7)
        assert quarantine([bad, profile(rev=2)]) == set()
        assert quarantine([bad, deleted(bad)]) == set()

    def test_void_and_hidden_puts_stay_in_quarantine(self) -> None:
        bad = profile(displayName=7)
        assert quarantine([bad, sync(ANN, 4), account(ANN, False)]) == {uri(bad)}

    def test_collections_without_a_kind_are_in_no_view_and_no_quarantine(self) -> None:
        events = [put(ANN, "social.coves.community.wiki", KEY[0]), put(ANN, "app.bsky.feed.post", KEY[0], text=7)]
        assert dump(events) == []
        assert quarantine(events) == set()

    @pytest.mark.parametrize(
        "bad",
        [
            evolve(profile(), rkey=KEY[0]),
            evolve(community(), rkey=KEY[0]),
            post(community=SEA, author="ann.example"),
            evolve(post(), did=TEA),
            comment(ANN, 0, POSTS[0], root=uri(comment(ANN, 1, POSTS[0]))),
            comment(ANN, 0, f"at://{ANN}"),
            comment(ANN, 0, f"at://ann.example/{POST}/{KEY[0]}"),
            comment(ANN, 0, POSTS[0], content=" \t\n"),
            vote(ANN, 0, direction="sideways"),
            vote(ANN, 0, subject=f"at://{ANN}/{POST}"),
            subscription(ANN, subject="sea.example"),
            subscription(ANN, contentVisibility="5"),
            block(ANN, subject="sea.example"),
            authorization(0, communityDid=TEA),
            authorization(0, aggregatorDid="bob.example"),
            put(ANN, "social.coves.aggregator.service", "self", displayName="x", did=BOB),
            put(ANN, "social.coves.aggregator.service", KEY[0], displayName="x"),
            evolve(profile(), record={"displayName": "no type"}),
            evolve(profile(), record={"$type": POST}),
            profile(createdAt="2026-02-30T12:00:00Z"),
            profile(createdAt="2026-01-01T12:00:60Z"),
            profile(note="\x00"),
            profile(note=[{"\ud800": 1}]),
            profile(note=2**53),
            profile(note=0.5),
        ],
        ids=lambda it: f"{it.collection.split('.', 2)[2]}",
    )
    def test_a_broken_rule_quarantines(self, bad: Commit) -> None:
        assert quarantine([bad]) == {uri(bad)}

    @pytest.mark.parametrize(
        "good",
        [
            evolve(profile(), record={"$type": "social.coves.actor.profile"}),
            profile(note=2**53 - 1, extra={"deep": [None]}),
            put(ANN, "social.coves.aggregator.service", "self", displayName="x"),
            subscription(ANN, contentVisibility=9),
            comment(ANN, 0, POSTS[0], content="x" * 10_000),
            put(SEA, POST, "self", community=SEA, author=GONE),
        ],
    )
    def test_what_is_tolerated_is_live(self, good: Commit) -> None:
        assert quarantine([good]) == set()


class TestRelations:
    def test_the_greatest_by_rev_then_rkey_is_effective(self) -> None:
        low, high, late = vote(ANN, 0, rev=1), vote(ANN, 1, rev=1, direction="down"), vote(ANN, 0, rev=2)
        assert row([low, high], "vote")["uri"] == uri(high)
        assert row([low, high, late], "vote")["uri"] == uri(late)

    def test_only_live_records_compete_and_the_next_is_elected(self) -> None:
        first, second = vote(ANN, 0, rev=1), vote(ANN, 1, rev=2, direction="down")
        assert row([first, second, deleted(second)], "vote")["uri"] == uri(first)
        assert row([first, updated(second, 3, direction="?")], "vote")["uri"] == uri(first)

    def test_a_record_that_moves_to_another_subject_leaves_its_pair(self) -> None:
        first, second = vote(ANN, 0, rev=1), vote(ANN, 1, rev=2)
        moved = updated(second, 3, subject=ref(POSTS[-1]))
        assert {it["subject"]: it["uri"] for it in rows([first, second, moved], "vote")} == {
            POSTS[0]: uri(first),
            POSTS[-1]: uri(second),
        }

    def test_ended_means_not_subscribed_whatever_dormant_ones_say(self) -> None:
        old, ended = subscription(ANN, 0, rev=1), subscription(ANN, 1, rev=2, endedAt=NOON)
        assert rows([old, ended], "subscription") == []
        assert row([old, ended, deleted(ended)], "subscription")["uri"] == uri(old)

    @pytest.mark.parametrize(("said", "shown"), [({}, 3), (0, 1), (-9, 1), (1, 1), (4, 4), (5, 5), (99, 5)])
    def test_content_visibility_is_clamped(self, said: Any, shown: int) -> None:
        fields = {} if said == {} else {"contentVisibility": said}
        assert row([subscription(ANN, **fields)], "subscription")["contentVisibility"] == shown

    def test_blocks_and_authorizations_are_relations_too(self) -> None:
        again = evolve(block(ANN, rev=2), rkey=KEY[1])
        assert row([block(ANN), again], "block")["uri"] == uri(again)
        off = authorization(1, rev=2, enabled=False)
        assert row([authorization(0), off], "authorization") == {
            "view": "authorization",
            "community": SEA,
            "aggregator": BOB,
            "uri": uri(off),
            "enabled": False,
        }


class TestCounts:
    def test_a_tally_counts_effective_votes_by_direction(self) -> None:
        votes = [vote(ANN, 0), vote(ANN, 1, rev=2, direction="down"), vote(BOB, 0), vote(CAT, 0, direction="down")]
        shown = row([post(), *votes], "post")
        assert (shown["upvotes"], shown["downvotes"], shown["score"]) == (1, 2, -1)

    def test_a_tally_does_not_need_its_subject(self) -> None:
        facts = find_facts([vote(ANN, 0), comment(ANN, 1, POSTS[0])])
        assert reference.tally(facts, POSTS[0]) == reference.Tally(upvotes=1, downvotes=0, replies=1, comments=1)

    def test_replies_are_direct_and_comments_are_the_whole_thread(self) -> None:
        top = comment(ANN, 0, POSTS[0])
        below = comment(BOB, 0, uri(top))
        events = [post(), top, below, comment(CAT, 0, uri(below))]
        assert row(events, "post")["commentCount"] == 3
        replies = {it["uri"]: it["replyCount"] for it in rows(events, "comment")}
        assert replies == {uri(top): 1, uri(below): 1, uri(events[3]): 0}

    @pytest.mark.parametrize(
        ("created", "seen_us", "sort_at_us"),
        [
            ("2026-01-01T12:00:00Z", LATER_US, NOON_US),
            ("2031-01-01T00:00:00Z", LATER_US, LATER_US),
            ("2026-01-01T13:00:00.0000019+01:00", LATER_US, NOON_US + 1),
            ("1969-12-31T23:59:59Z", LATER_US, -1_000_000),
        ],
    )
    def test_posts_sort_at_the_earlier_of_created_and_seen(self, created: str, seen_us: int, sort_at_us: int) -> None:
        assert row([post(createdAt=created, seen_us=seen_us)], "post")["sortAtUs"] == sort_at_us

    @pytest.mark.parametrize(
        ("score", "boost"),
        [(0, 0), (1, 13_546_349_805), (-1, -13_546_349_805), (9, 45_000_000_000), (-99, -90_000_000_000)],
    )
    def test_hot_is_an_integer_of_time_and_score(self, score: int, boost: int) -> None:
        assert hot_rank(NOON_US, score) == NOON_US + boost

    def test_members_wrote_a_post_there_or_commented_on_one(self) -> None:
        events = [
            community(),
            post(author=ANN),
            post(1, author=ANN),
            comment(BOB, 0, POSTS[0]),
            comment(CAT, 0, POSTS[0], root=f"at://{TEA}/{POST}/{KEY[0]}"),
        ]
        assert row(events, "community")["memberCount"] == 2

    def test_members_need_neither_profile_nor_root(self) -> None:
        events = [profile(), comment(ANN, 0, POSTS[0]), comment(ANN, 1, POSTS[0], root=f"at://{TEA}/{POST}/{KEY[0]}")]
        assert row(events, "profile")["membershipCount"] == 2

    def test_a_community_counts_for_itself(self) -> None:
        events = [
            community(memberCount=9, subscriberCount=9),
            post(),
            post(1, community=TEA),
            subscription(ANN),
            subscription(BOB, endedAt=NOON),
            subscription(CAT, subject=TEA),
        ]
        shown = row(events, "community")
        assert (shown["subscriberCount"], shown["postCount"], shown["memberCount"]) == (1, 1, 1)

    def test_a_profile_sums_what_its_did_wrote(self) -> None:
        mine = comment(ANN, 0, POSTS[0])
        events = [
            profile(),
            post(author=ANN),
            post(1, author=BOB),
            mine,
            vote(BOB, 0, POSTS[0]),
            vote(CAT, 0, POSTS[0]),
            vote(CAT, 1, uri(mine), "down"),
            vote(CAT, 2, POSTS[-1]),
            subscription(ANN, 0),
            subscription(ANN, 1, subject=GONE),
        ]
        assert row(events, "profile") == {
            "view": "profile",
            "did": ANN,
            "displayName": None,
            "postCount": 1,
            "commentCount": 1,
            "communityCount": 2,
            "membershipCount": 1,
            "reputation": 1,
        }

    def test_posts_of_a_hidden_author_stay_live_and_counted(self) -> None:
        events: list[Event] = [community(), post(author=BOB), account(BOB, False)]
        assert row(events, "community")["postCount"] == 1
        assert community_feed(events, SEA) == discover(events) == []


class TestFeeds:
    def test_orders_are_descending_with_ties_by_uri(self) -> None:
        old = post(0, createdAt="2026-01-01T11:00:00Z")
        tied = [post(1), post(2)]
        events = [community(), old, *tied, vote(ANN, 0, uri(old)), vote(BOB, 0, uri(tied[0]), "down")]
        assert community_feed(events, SEA, "new") == [uri(tied[1]), uri(tied[0]), uri(old)]
        assert community_feed(events, SEA, "top") == [uri(old), uri(tied[1]), uri(tied[0])]
        assert community_feed(events, SEA, "hot") == [uri(old), uri(tied[1]), uri(tied[0])]

    def test_ties_compare_whole_uris(self) -> None:
        events = [community(), community(TEA), post(2), post(0, community=TEA)]
        assert discover(events, "new") == [uri(post(0, community=TEA)), uri(post(2))]

    @pytest.mark.parametrize(("now_us", "kept"), [(NOON_US + HOUR_US, 1), (NOON_US + HOUR_US + 1, 0)])
    def test_a_timeframe_keeps_what_is_not_older_than_its_window(self, now_us: int, kept: int) -> None:
        assert len(community_feed([community(), post()], SEA, "top", timeframe="hour", now_us=now_us)) == kept

    @pytest.mark.parametrize(
        ("visibility", "in_discover", "by_name", "to_subscriber", "on_timeline"),
        [
            ("public", 1, 1, 1, 1),
            ("unlisted", 0, 1, 1, 1),
            ("secret", 0, 1, 1, 1),
            ("private", 0, 0, 1, 1),
        ],
    )
    def test_visibility(
        self, visibility: str, in_discover: int, by_name: int, to_subscriber: int, on_timeline: int
    ) -> None:
        events = [community(visibility=visibility), post(), subscription(ANN)]
        assert len(discover(events, viewer=ANN)) == in_discover
        assert len(community_feed(events, SEA, viewer=BOB)) == len(community_feed(events, SEA)) == by_name
        assert len(community_feed(events, SEA, viewer=ANN)) == to_subscriber
        assert len(timeline(events, ANN)) == on_timeline
        assert timeline(events, BOB) == []

    def test_a_blocked_community_is_absent_but_reachable(self) -> None:
        events = [community(), post(), subscription(ANN), block(ANN)]
        assert timeline(events, ANN) == discover(events, viewer=ANN) == []
        assert len(community_feed(events, SEA, viewer=ANN)) == len(discover(events, viewer=BOB)) == 1

    def test_a_deleted_profile_hides_posts_from_feeds_and_a_new_one_restores_them(self) -> None:
        gone = [community(), post(), subscription(ANN), deleted(community(), rev=2)]
        assert community_feed(gone, SEA) == discover(gone) == timeline(gone, ANN) == []
        assert len(rows(gone, "post")) == 1
        assert len(timeline([*gone, community(rev=3)], ANN)) == 1

    def test_lists_of_communities(self) -> None:
        events = [
            community(SEA, "\u00e9t\u00e9", createdAt="2026-01-01T10:00:00Z"),
            community(TEA, "Eddy"),
            community(ANN, "delta", visibility="unlisted"),
            community(BOB, "creek", visibility="private"),
            post(),
            subscription(CAT, 0, subject=SEA),
            subscription(CAT, 1, subject=BOB),
        ]
        assert communities(events, "popular") == communities(events, "active") == [SEA, TEA]
        assert communities(events, "new") == communities(events, "alphabetical") == [TEA, SEA]
        assert communities(events, "alphabetical", viewer=CAT) == [BOB, TEA, SEA]


ANN_0, ANN_1, BOB_0, CAT_0 = (f"at://{did}/{COMMENT}/{KEY[at]}" for did, at in ((ANN, 0), (ANN, 1), (BOB, 0), (CAT, 0)))
OTHER_POST = f"at://{SEA}/{POST}/{KEY[1]}"


class TestThreads:
    @pytest.mark.parametrize(
        ("events", "tree"),
        [
            ([comment(ANN, 0, POSTS[0])], [Node(ANN_0, False)]),
            (
                [comment(ANN, 0, POSTS[0]), comment(CAT, 0, ANN_0), comment(BOB, 0, ANN_0)],
                [Node(ANN_0, False, (Node(BOB_0, False), Node(CAT_0, False)))],
            ),
            ([comment(ANN, 0, POSTS[0], root=OTHER_POST)], []),
            ([comment(BOB, 0, ANN_0), comment(ANN, 0, OTHER_POST, root=OTHER_POST)], [Node(BOB_0, False)]),
            ([comment(BOB, 0, OTHER_POST), post(1)], [Node(BOB_0, False)]),
            ([comment(BOB, 0, OTHER_POST)], [Node(OTHER_POST, True, (Node(BOB_0, False),))]),
            ([comment(BOB, 0, ANN_0)], [Node(ANN_0, True, (Node(BOB_0, False),))]),
        ],
        ids=["top", "replies", "other root", "parent elsewhere", "live post", "unknown post", "unknown parent"],
    )
    def test_where_a_comment_hangs(self, events: list[Event], tree: list[Node]) -> None:
        assert thread(events, POSTS[0]) == tree

    def test_a_placeholder_hangs_where_its_tombstone_says(self) -> None:
        top, gone = comment(ANN, 0, POSTS[0]), comment(BOB, 0, ANN_0)
        events = [top, gone, deleted(gone), comment(CAT, 0, BOB_0)]
        below = Node(BOB_0, True, (Node(CAT_0, False),))
        assert thread(events, POSTS[0]) == [Node(ANN_0, False, (below,))]
        assert thread([*events, deleted(top)], POSTS[0]) == [Node(ANN_0, True, (below,))]

    def test_a_placeholder_kept_for_another_root_hangs_at_the_top(self) -> None:
        gone = comment(BOB, 0, ANN_0, root=OTHER_POST)
        events = [comment(ANN, 0, POSTS[0]), gone, deleted(gone), comment(CAT, 0, BOB_0)]
        assert thread(events, POSTS[0]) == [Node(ANN_0, False), Node(BOB_0, True, (Node(CAT_0, False),))]

    @pytest.mark.parametrize(
        "loss",
        [account(BOB, False), sync(BOB, 4), comment(BOB, 0, ANN_0, rev=4, content=7)],
        ids=["hidden", "void", "invalid"],
    )
    def test_without_a_tombstone_a_placeholder_hangs_at_the_top(self, loss: Event) -> None:
        events = [comment(ANN, 0, POSTS[0]), comment(BOB, 0, ANN_0), comment(CAT, 0, BOB_0), loss]
        assert thread(events, POSTS[0]) == [Node(ANN_0, False), Node(BOB_0, True, (Node(CAT_0, False),))]

    def test_a_tombstone_keeps_the_place_of_the_greatest_put_valid_or_not(self) -> None:
        first, last = comment(BOB, 0, POSTS[0], rev=1), comment(BOB, 0, ANN_0, rev=2, content=7)
        events = [comment(ANN, 0, POSTS[0]), first, last, deleted(last), comment(CAT, 0, BOB_0)]
        assert thread(events, POSTS[0]) == [Node(ANN_0, False, (Node(BOB_0, True, (Node(CAT_0, False),)),))]

    def test_of_equal_versions_the_greater_place_is_kept(self) -> None:
        puts = [comment(BOB, 0, it) for it in (ANN_0, ANN_1, POSTS[0])]
        kept = standing(*puts, deleted(puts[0])).kept
        assert kept == {"root": POSTS[0], "parent": POSTS[0]}

    @pytest.mark.parametrize("parent", [f"at://{ANN}", "at://ann.example/app.bsky.feed.post/x", 7])
    def test_a_place_is_kept_only_if_both_uris_are_records(self, parent: Any) -> None:
        older, put = comment(BOB, 0, ANN_0, rev=1), comment(BOB, 0, parent, rev=2)
        assert standing(older, put, deleted(put)).kept is None

    def test_nothing_is_kept_of_other_kinds_or_under_a_put(self) -> None:
        reply = {"root": ref(POSTS[0]), "parent": ref(POSTS[0])}
        assert standing(post(reply=reply), deleted(post())).kept is None
        assert standing(comment(ANN, 0, POSTS[0])).kept is None

    def test_placeholders_without_a_live_descendant_are_not_shown(self) -> None:
        gone = comment(ANN, 0, POSTS[0])
        assert thread([gone, deleted(gone)], POSTS[0]) == []

    def test_of_a_cycle_the_least_uri_hangs_at_the_top(self) -> None:
        events = [comment(ANN, 0, CAT_0), comment(BOB, 0, ANN_0), comment(CAT, 0, BOB_0)]
        assert thread(events, POSTS[0]) == [Node(ANN_0, False, (Node(BOB_0, False, (Node(CAT_0, False),)),))]
        assert thread([comment(ANN, 0, ANN_0)], POSTS[0]) == [Node(ANN_0, False)]

    def test_a_cycle_of_placeholders_shows_only_those_above_a_live_comment(self) -> None:
        ann, bob = comment(ANN, 0, BOB_0), comment(BOB, 0, ANN_0)
        gone = [ann, bob, deleted(ann), deleted(bob)]
        assert thread([*gone, comment(CAT, 0, ANN_0)], POSTS[0]) == [Node(ANN_0, True, (Node(CAT_0, False),))]
        below = Node(BOB_0, True, (Node(CAT_0, False),))
        assert thread([*gone, comment(CAT, 0, BOB_0)], POSTS[0]) == [Node(ANN_0, True, (below,))]

    def test_any_depth_is_survived(self) -> None:
        chain = [comment(ANN, 0, POSTS[0])]
        for number in range(1100):
            chain.append(evolve(comment(ANN, 0, uri(chain[-1])), rkey=f"k{number}"))
        (node,) = thread(chain, POSTS[0])
        depth = 1
        while node.replies:
            (node,) = node.replies
            depth += 1
        assert depth == 1101


SHOWN = {
    "post": {
        *("uri", "cid", "community", "author", "upvotes", "downvotes"),
        *("score", "commentCount", "sortAtUs", "hot", "edited"),
    },
    "comment": {
        *("uri", "cid", "root", "parent", "upvotes", "downvotes"),
        *("score", "replyCount", "sortAtUs", "hot"),
    },
    "community": {"did", "name", "subscriberCount", "postCount", "memberCount"},
    "profile": {
        *("did", "displayName", "postCount", "commentCount", "communityCount"),
        *("membershipCount", "reputation"),
    },
    "vote": {"voter", "subject", "uri", "direction"},
    "subscription": {"actor", "community", "uri", "contentVisibility"},
    "block": {"actor", "community", "uri"},
    "authorization": {"community", "aggregator", "uri", "enabled"},
    "account": {"did", "active", "status"},
}


class TestDump:
    def test_every_view_has_its_lines_and_their_fields(self) -> None:
        events: list[Event] = [*CALM, block(BOB), authorization(0), account(TEA, False)]
        shown = {it["view"]: it.keys() - {"view"} for it in map(json.loads, dump(events))}
        assert shown == SHOWN

    def test_lines_are_canonical_and_sorted_as_bytes(self) -> None:
        lines = dump([profile(displayName="\U0001f30a"), evolve(profile(BOB, displayName="\uffee"), cid="")])
        counts = '"commentCount":0,"communityCount":0', '"membershipCount":0,"postCount":0,"reputation":0'
        assert lines == [
            f'{{{counts[0]},"did":"{ANN}","displayName":"\U0001f30a",{counts[1]},"view":"profile"}}',
            f'{{{counts[0]},"did":"{BOB}","displayName":"\uffee",{counts[1]},"view":"profile"}}',
        ]
        assert dump([post(), post(1)]) == sorted(dump([post(), post(1)]), key=str.encode)

    def test_a_missing_cid_is_null(self) -> None:
        assert row([evolve(post(), cid="")], "post")["cid"] is None
        assert row([evolve(comment(ANN, 0, POSTS[0]), cid="")], "comment")["cid"] is None

    def test_another_judge_may_be_given(self) -> None:
        assert dump([profile()], faults=lambda did, collection, rkey, record: ["no"]) == []
        assert dump([], faults=lambda did, collection, rkey, record: ["no"]) == []


class TestLaws:
    @given(logs(), st.randoms(use_true_random=False))
    @settings(max_examples=30, deadline=None)
    def test_order_and_repetition_change_nothing(self, log: list[Event], random: Random) -> None:
        twice = [*log, *log]
        random.shuffle(twice)
        assert dump(twice) == dump(log)

    @given(commit_logs())
    @settings(max_examples=30, deadline=None)
    def test_deleting_what_a_log_created_gives_the_empty_log(self, log: list[Commit]) -> None:
        undone = [evolve(it, operation="delete", rev=GREATEST_REV, cid="", record=None) for it in log]
        assert dump([*undone, *log]) == dump([])


def _is_dormant(log: list[Event]) -> bool:
    facts = find_facts(log)
    return sum(it.collection == VOTE for it in facts.live) > sum(it.collection == VOTE for it in facts.effective)


def _has_re_elected(log: list[Event]) -> bool:
    deletes = [it for it in log if isinstance(it, Commit) and it.operation == "delete" and it.collection == VOTE]
    return any(
        {it["uri"] for it in rows([it for it in log if it != gone], "vote")} - {it["uri"] for it in rows(log, "vote")}
        and {it["uri"] for it in rows(log, "vote")}
        - {it["uri"] for it in rows([it for it in log if it != gone], "vote")}
        for gone in deletes
    )


def _is_void(log: list[Event]) -> bool:
    floors = [it for it in log if isinstance(it, Sync)]
    return any(
        it.rank and it.did == floor.did and it.rev < floor.rev for it in find_facts(log).standing for floor in floors
    )


def _has_rivals(log: list[Event]) -> bool:
    writes = [it for it in log if isinstance(it, Commit) and it.record is not None]
    return any(
        (one.did, one.collection, one.rkey, one.rev, one.operation, one.cid)
        == (two.did, two.collection, two.rkey, two.rev, two.operation, two.cid)
        and one.record != two.record
        for one in writes
        for two in writes
    )


def _has_two_ranks(log: list[Event]) -> bool:
    writes = [it for it in log if isinstance(it, Commit)]
    at = {(it.did, it.collection, it.rkey, it.rev) for it in writes}
    return len(at) < len({(it.did, it.collection, it.rkey, it.rev, it.operation) for it in writes})


def _has_invalid_over_valid(log: list[Event]) -> bool:
    spoiled = quarantine(log)
    return any(
        isinstance(it, Commit) and uri(it) in spoiled and not quarantine([it]) and it.record is not None
        for it in log
        if isinstance(it, Commit) and it.collection in COLLECTIONS
    )


def _nodes(log: list[Event]) -> list[tuple[Node, int]]:
    found = [(node, 1) for node in thread(log, POSTS[0])]
    for node, depth in found:
        found.extend((reply, depth + 1) for reply in node.replies)
    return found


def _has_cycle(log: list[Event]) -> bool:
    comments = {it.uri: it.record["reply"]["parent"]["uri"] for it in find_facts(log).live if it.collection == COMMENT}
    return any(comments.get(parent) == child and parent != child for child, parent in comments.items())


REACHED = {
    "seven kinds live": lambda log: len({it.collection for it in find_facts(log).live}) >= 7,
    "tombstone": lambda log: any(it.rank == 0 for it in find_facts(log).standing),
    "hidden": lambda log: bool(find_facts(log).hidden),
    "restored": lambda log: {it.active for it in log if isinstance(it, Account) and it.did == SEA} == {True, False},
    "void": _is_void,
    "quarantined": lambda log: bool(quarantine(log)),
    "invalid over valid": _has_invalid_over_valid,
    "dormant vote": _is_dormant,
    "one version, two records": _has_rivals,
    "one commit, two writes": _has_two_ranks,
    "a feed of two": lambda log: len(discover(log)) >= 2,
    "a timeline": lambda log: bool(timeline(log, ANN)),
    "an edited post": lambda log: any(it["edited"] for it in rows(log, "post")),
    "a missing cid": lambda log: any(it["cid"] is None for it in rows(log, "post")),
    "a duplicate": lambda log: any(log.count(it) > 1 for it in log),
    "a contested handle": lambda log: "handle.invalid" in handles(log).values(),
    "a cross-root parent": lambda log: any(
        it["parent"] in {other["uri"] for other in rows(log, "comment") if other["root"] != it["root"]}
        for it in rows(log, "comment")
    ),
}


ONCE = settings(max_examples=3000, phases=[Phase.generate], database=None, deadline=None, derandomize=True)


class TestStrategies:
    @pytest.mark.parametrize("what", REACHED)
    def test_hostile_logs_reach(self, what: str) -> None:
        find(logs(), REACHED[what], settings=ONCE)

    @pytest.mark.parametrize(
        "wanted",
        [
            lambda log: any(node.placeholder for node, _ in _nodes(log)),
            lambda log: any(node.placeholder and depth > 1 for node, depth in _nodes(log)),
            lambda log: any(depth > 3 for _, depth in _nodes(log)),
            _has_cycle,
        ],
        ids=["placeholder", "placeholder under a comment", "depth 4", "cycle"],
    )
    def test_thread_logs_reach(self, wanted: Any) -> None:
        find(thread_logs(), wanted, settings=ONCE)

    def test_relation_logs_reach_what_dormant_records_are_for(self) -> None:
        find(relation_logs(), _has_re_elected, settings=ONCE)

    def test_every_kind_is_drawn(self) -> None:
        assert {sketch.collection for sketch in SKETCHES} > COLLECTIONS

    @pytest.mark.parametrize(
        "sketch", [it for it in SKETCHES if it.collection in COLLECTIONS], ids=lambda it: it.collection
    )
    def test_the_plainest_record_of_each_kind_is_live(self, sketch: Any) -> None:
        did, rkey = sketch.dids[0], sketch.rkeys[0]
        record = sketch.record(Dice(b""), did, rkey)
        assert reference.judge(did, sketch.collection, rkey, record) == ()

    @pytest.mark.parametrize("story", [CALM, TALK], ids=["calm", "talk"])
    def test_the_calm_stories_are_all_live(self, story: tuple[Commit, ...]) -> None:
        assert len(find_facts(story).live) == len(story)

    def test_what_is_found_shrinks_to_the_events_that_matter(self) -> None:
        enough = settings(max_examples=3000, database=None, deadline=None, derandomize=True)
        assert len(find(logs(max_events=10), _is_dormant, settings=enough)) == 2

    @given(logs(max_events=3))
    @settings(max_examples=20, deadline=None)
    def test_logs_keep_to_their_size(self, log: list[Event]) -> None:
        assert len(log) <= 3

    @given(logs())
    @settings(max_examples=60, deadline=None)
    def test_both_wires_say_the_same_event(self, log: list[Event]) -> None:
        assert [decode(to_v2(it, seq)) for seq, it in enumerate(log)] == log
        told = [it for it in log if not isinstance(it, Sync)]
        assert [decode(to_v1(it)) for it in told] == told

    def test_the_v1_wire_has_no_sync(self) -> None:
        with pytest.raises(ValueError, match="no sync"):
            to_v1(sync(ANN, 1))
