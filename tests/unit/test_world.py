"""
The forum network that never was: the same log for the same seed, in the right proportions, and nearly all of it valid.
"""

import json
import re
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.event import BadEvent, Commit, Sync, decode
from strandline.forum.records import ACTOR_PROFILE, COMMENT, COMMUNITY_PROFILE, POST, VOTE
from strandline.forum.schema import SCHEMA
from strandline.forum.world import START_US, Wire, world
from strandline.forum.world.vocabulary import GARBAGE
from strandline.judge import compile_judges
from strandline.syntax import Cid, Did, Tid, datetime_us

EVENTS = 20_000
WIRES: tuple[Wire, ...] = ("v1", "v2", "mixed")
JUDGES = compile_judges(SCHEMA)
PLC = re.compile("did:plc:[a-z2-7]{24}")


@pytest.fixture(scope="module")
def log() -> list[bytes]:
    return list(world(7, EVENTS))


@pytest.fixture(scope="module")
def in_order() -> list[Commit]:
    """The commits of a log in which nothing is late and nothing comes again."""
    return [event for event in map(decode, world(7, EVENTS, late=0, repeats=0)) if isinstance(event, Commit)]


def commits(lines: list[bytes]) -> list[Commit]:
    return [event for event in map(decode, lines) if isinstance(event, Commit)]


def is_valid(commit: Commit) -> bool:
    assert commit.record is not None
    return not JUDGES[commit.collection].verdict(commit.did, commit.rkey, commit.record).faults


def uri(commit: Commit) -> str:
    return f"at://{commit.did}/{commit.collection}/{commit.rkey}"


# The same log everywhere.


def test_a_seed_gives_the_same_bytes_on_every_platform_and_version() -> None:
    digest = sha256(b"".join(world(7, 2_000))).hexdigest()
    assert digest == "c12637e79eecdba0fb50fc442b7cefd51d539aabb6e246ac243736b669e392ea"


def test_so_does_a_log_of_both_wires_with_garbage() -> None:
    digest = sha256(b"".join(world(7, 2_000, wire="mixed", garbage=0.01))).hexdigest()
    assert digest == "e5bb65f4e4ae49ead925d52b05094b09a733facfe32eb64c5c9c3cf355d8e81d"


def test_two_seeds_give_two_logs() -> None:
    assert list(world(1, 50)) != list(world(2, 50))


def test_a_log_is_made_as_it_is_read() -> None:
    assert len(list(islice(world(7, 10**12, people=100, communities=5), 10))) == 10


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**64),
    events=st.integers(0, 400),
    communities=st.none() | st.integers(1, 40),
    people=st.none() | st.integers(1, 100),
    shares=st.tuples(*[st.floats(0, 0.9)] * 4),
    wire=st.sampled_from(WIRES),
)
def test_any_world_has_exactly_its_events_a_line_each(
    seed: int,
    events: int,
    communities: int | None,
    people: int | None,
    shares: tuple[float, ...],
    wire: Wire,
) -> None:
    late, repeats, spoilt, garbage = shares
    lines = list(
        world(
            seed,
            events,
            communities=communities,
            people=people,
            late=late,
            repeats=repeats,
            spoilt=spoilt,
            garbage=garbage,
            wire=wire,
        )
    )
    assert len(lines) == events
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert all(line[:-1] in GARBAGE for line in lines if isinstance(decode(line), BadEvent))


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": -1},
        {"communities": 0},
        {"people": 0},
        {"late": 1.0},
        {"repeats": -0.1},
        {"garbage": 1},
        {"spoilt": 2},
        {"wire": "v3"},
        {"start_us": 0},
        {"start_us": 2**52},
    ],
)
def test_a_world_that_cannot_be_is_refused_at_once(wrong: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"seed": 1, "events": 10} | wrong
    with pytest.raises(ValueError, match=r"at least 0|no forum|a log lies"):
        world(**arguments)


# What a reader of the stream sees.


def test_the_mean_line_is_as_long_as_on_the_network(log: list[bytes]) -> None:
    assert 560 <= sum(map(len, log)) / len(log) <= 680


@pytest.mark.parametrize("wire", WIRES)
def test_every_line_is_an_event(wire: Wire) -> None:
    lines = list(world(5, 3_000, wire=wire))
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert not [line for line in lines if isinstance(decode(line), BadEvent)]


def test_both_wires_say_the_same_things() -> None:
    def told(wire: Wire) -> list[tuple[str, ...]]:
        lines = world(5, 2_000, wire=wire, late=0, repeats=0)
        return [(event.did, event.rev, event.rkey, event.cid) for event in map(decode, lines) if type(event) is Commit]

    assert told("v2") == told("mixed")


def test_only_v2_lines_restate_a_repository() -> None:
    def syncs(wire: Wire) -> list[bytes]:
        return [line for line in world(5, EVENTS // 2, wire=wire) if b"#sync" in line]

    assert not syncs("v1")
    for line in syncs("v2") + syncs("mixed"):
        assert isinstance(decode(line), Sync)
    assert syncs("mixed")


def test_garbage_comes_only_when_asked_for() -> None:
    bad = [line for line in world(5, 4_000, garbage=0.05) if isinstance(decode(line), BadEvent)]
    assert 140 <= len(bad) <= 260
    assert {line[:-1] for line in bad} == set(GARBAGE)


def test_repeats_are_exact(log: list[bytes]) -> None:
    times = Counter(log)
    assert max(times.values()) == 2
    assert 0.012 <= sum(count - 1 for count in times.values()) / EVENTS <= 0.028
    assert max(Counter(world(7, 5_000, repeats=0)).values()) == 1


def test_but_for_repeats_the_time_seen_always_rises() -> None:
    seen = [json.loads(line)["time_us"] for line in world(7, 5_000, repeats=0)]
    assert seen[0] > START_US
    assert all(before < after for before, after in pairwise(seen))


def test_some_votes_and_comments_come_before_their_post(log: list[bytes]) -> None:
    posts: dict[str, int] = {}
    for place, commit in enumerate(commits(log)):
        posts.setdefault(uri(commit), place)
    early = Counter[str]()
    for place, commit in enumerate(commits(log)):
        record = commit.record or {}
        subject = record.get("subject") if commit.collection == VOTE else record.get("reply", {}).get("root")
        early[commit.collection] += isinstance(subject, dict) and posts.get(subject["uri"], -1) > place
    assert early[VOTE] > 20
    assert early[COMMENT] > 5


def test_the_mix_is_that_of_a_forum(log: list[bytes]) -> None:
    seen = Counter[str]()
    for line in log:
        event = decode(line)
        seen[f"{event.collection} {event.operation}" if isinstance(event, Commit) else type(event).__name__] += 1
    bounds = {
        f"{VOTE} create": (0.57, 0.62),
        f"{COMMENT} create": (0.19, 0.23),
        f"{POST} create": (0.05, 0.07),
        "social.coves.community.subscription create": (0.03, 0.05),
        f"{ACTOR_PROFILE} create": (0.008, 0.02),
        "app.bsky.feed.like create": (0.004, 0.012),
        "Identity": (0.01, 0.03),
        "Account": (0.004, 0.015),
    }
    assert {
        kind: seen[kind] / EVENTS for kind, (low, high) in bounds.items() if not low < seen[kind] / EVENTS < high
    } == {}
    assert 0.01 < sum(count for kind, count in seen.items() if kind.endswith("update")) / EVENTS < 0.03
    assert 0.01 < sum(count for kind, count in seen.items() if kind.endswith("delete")) / EVENTS < 0.03
    assert {collection for collection in JUDGES if not seen[f"{collection} create"]} == set()


def test_a_log_of_a_few_hundred_events_is_a_forum_too() -> None:
    kinds = Counter(commit.collection for commit in commits(list(world(7, 300))))
    assert min(kinds[kind] for kind in (POST, COMMENT, VOTE)) >= 8


def test_accounts_are_hidden_and_restored(log: list[bytes]) -> None:
    said: dict[str, list[bool]] = defaultdict(list)
    for line in log:
        if b'"kind":"account"' in line:
            body = json.loads(line)["account"]
            said[body["did"]].append(body["active"])
    assert any(True in states[states.index(False) :] for states in said.values() if False in states)


# What the repositories hold.


def test_revs_rise_with_every_commit_of_a_repository(in_order: list[Commit]) -> None:
    last: dict[str, Commit] = {}
    pairs = 0
    for commit in in_order:
        before = last.get(commit.did)
        if before is not None and before.rev == commit.rev:
            pairs += 1
            assert (before.operation, commit.operation) == ("delete", "create")
        else:
            assert before is None or before.rev < commit.rev
        last[commit.did] = commit
    assert 0 < pairs < EVENTS / 100


def test_lateness_moves_events_and_changes_none() -> None:
    def versions(late: float) -> list[tuple[str, ...]]:
        found = commits(list(world(7, 4_000, late=late, repeats=0)))
        return [(commit.did, commit.rev, commit.operation, commit.cid) for commit in found]

    prompt, late = versions(0), versions(0.3)
    assert set(late[:3_000]) <= set(prompt)
    assert [version[1] for version in late] != sorted(version[1] for version in late)


def test_identifiers_are_valid_and_versions_have_their_own(in_order: list[Commit]) -> None:
    for commit in in_order:
        assert PLC.fullmatch(commit.did)
        assert Did.matches(commit.did)
        assert Tid.matches(commit.rev)
        assert commit.rkey == "self" or Tid.matches(commit.rkey)
    cids = [commit.cid for commit in in_order if commit.operation != "delete"]
    assert all(map(Cid.matches, cids))
    assert all(re.fullmatch("bafyrei[a-h][a-z2-7]{50}[aeimquy4]", cid) for cid in cids)
    assert len(set(cids)) == len(cids)


def test_a_rev_is_near_the_time_its_commit_was_seen(in_order: list[Commit]) -> None:
    letters = "234567abcdefghijklmnopqrstuvwxyz"
    for commit in in_order[:2_000]:
        number = 0
        for letter in commit.rev:
            number = number * 32 + letters.index(letter)
        assert 0 < commit.seen_us - (number >> 10) < 1_000_000


def test_a_path_is_created_once_and_deleted_only_after(in_order: list[Commit]) -> None:
    stands: dict[str, bool] = {}
    for commit in in_order:
        if commit.rkey == "self" or commit.collection not in JUDGES:
            continue
        if commit.operation == "create":
            assert uri(commit) not in stands
        else:
            assert stands[uri(commit)]
        stands[uri(commit)] = commit.operation != "delete"


@pytest.mark.parametrize("wire", WIRES)
def test_every_record_is_valid_unless_some_are_to_be_spoilt(wire: Wire) -> None:
    puts = [
        commit for commit in commits(list(world(11, EVENTS // 2, spoilt=0, wire=wire))) if commit.record is not None
    ]
    judged = [commit for commit in puts if commit.collection in JUDGES]
    assert {commit.collection for commit in judged} == set(JUDGES)
    assert [commit for commit in judged if not is_valid(commit)] == []


@pytest.mark.parametrize(("spoilt", "low", "high"), [(0.001, 0.0003, 0.002), (0.05, 0.03, 0.06)])
def test_about_so_many_records_as_asked_are_spoilt(spoilt: float, low: float, high: float) -> None:
    judged = [c for c in commits(list(world(11, EVENTS, spoilt=spoilt))) if c.collection in JUDGES and c.record]
    assert low < sum(not is_valid(commit) for commit in judged) / EVENTS < high


def test_facets_mark_whole_links_and_mentions(in_order: list[Commit]) -> None:
    marked = Counter[str]()
    for commit in in_order:
        for facet in (commit.record or {}).get("facets", ()):
            assert commit.record is not None
            text = commit.record["content"].encode()
            part = text[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()
            feature = facet["features"][0]
            marked[feature["$type"].partition("#")[2]] += 1
            assert part
            assert part == feature.get("uri", part)
            assert part.startswith("@") or "did" not in feature
    assert set(marked) == {"link", "mention", "bold", "spoiler"}


def test_texts_come_in_several_languages_and_scripts(in_order: list[Commit]) -> None:
    posts = [commit.record for commit in in_order if commit.collection in (POST, COMMENT) and commit.record]
    assert {"en", "de", "ja", "ar"} <= {tongue for record in posts for tongue in record.get("langs", ())}
    assert any("\n" in record["content"] for record in posts if "content" in record)
    assert any(ord(sign) > 0xFFFF for record in posts for sign in record.get("content", ""))


# How popularity falls.


def test_few_hold_most_and_threads_are_nested(in_order: list[Commit]) -> None:
    creates = [commit for commit in in_order if commit.operation == "create" and commit.record is not None]
    posts = Counter(commit.did for commit in creates if commit.collection == POST)
    assert posts.most_common(1)[0][1] > 3 * sorted(posts.values())[len(posts) // 2]

    replies = {
        uri(c): c.record["reply"] for c in creates if c.collection == COMMENT and c.record and "reply" in c.record
    }
    sizes = Counter(reply["root"]["uri"] for reply in replies.values())
    assert sizes.most_common(1)[0][1] > 60
    assert sorted(sizes.values())[len(sizes) // 2] < 10

    def depth(comment: str) -> int:
        steps = 0
        while comment in replies:
            comment, steps = replies[comment]["parent"]["uri"], steps + 1
        return steps

    assert max(map(depth, replies)) > 4


def test_communities_open_before_they_are_posted_to(in_order: list[Commit]) -> None:
    opened: dict[str, str] = {}
    for commit in in_order:
        if commit.collection == COMMUNITY_PROFILE:
            opened.setdefault(commit.did, commit.rev)
        assert commit.collection != POST or commit.did in opened


def test_some_clocks_are_wrong(in_order: list[Commit]) -> None:
    ahead = Counter[bool]()
    for commit in in_order:
        if commit.collection == POST and commit.operation == "create" and commit.record:
            created = datetime_us(commit.record["createdAt"])
            ahead[created is not None and created > commit.seen_us] += 1
    assert 0 < ahead[True] < ahead[False] / 20
