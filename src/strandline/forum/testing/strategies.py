"""
Hostile forum logs for Hypothesis: three people, two communities, and everything that can go wrong between them.

Paths are few and some are likelier than others, and what records point at is drawn from the same few paths with the
same odds, so votes, comments and posts meet often though nothing is arranged. About one record in twelve is spoiled:
it breaks its lexicon, its house rule or the data model, often over a valid one at the same path.

Source: the page "What the index means" of the documentation
"""

from base64 import b32encode
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from hypothesis import strategies as st

from strandline.event import Commit, Event
from strandline.testing import strategies as hostile
from strandline.testing.strategies import Dice, Pools, Sketch

__all__ = [
    "CALM",
    "COMMUNITIES",
    "GONE",
    "PEOPLE",
    "POOLS",
    "POSTS",
    "REVS",
    "RKEYS",
    "SKETCHES",
    "commit_logs",
    "logs",
    "relation_logs",
    "thread_logs",
]

ANN, BOB, CAT = PEOPLE = ("did:web:ann.example", "did:web:bob.example", "did:web:cat.example")
SEA, TEA = COMMUNITIES = ("did:web:sea.example", "did:web:tea.example")
GONE: Final = "did:web:gone.example"
"""A repository of which no event ever speaks, though records do."""

RKEYS: Final = ("3kp2222222222", "3kq2222222222", "3kr2222222222")
REVS: Final = tuple(f"{start}2222222222" for start in ("222", "3ka", "3kb", "3kc", "3kd", "3ke", "3kf"))
"""Revisions, the least first; a clock would read the first as 1970."""

NOON_US: Final = 1_767_268_800_000_000  # 2026-01-01T12:00:00Z
SECOND_US: Final = 1_000_000


def _cid(number: int) -> str:
    return "b" + b32encode(bytes((0x01, 0x71, 0x12, 0x20)) + bytes([number]) * 32).decode().lower().rstrip("=")


CIDS: Final = tuple(map(_cid, range(3)))

POOLS: Final = Pools(
    dids=(*PEOPLE, SEA, TEA, BOB),
    revs=REVS,
    cids=(*CIDS, CIDS[0], CIDS[1], ""),
    times_us=tuple(NOON_US + at * SECOND_US for at in (0, 0, 1, 2)),
    relay_seqs=(7, 7, 8, 9),
    seen_us=tuple(NOON_US + at * SECOND_US for at in (10, 20, 0, 40, 10)),
    handles=("ann.example", "sea.example", "bob.example", None),
    statuses=(None, "deactivated", "takendown", "deleted", ""),
)

CREATED: Final = (
    "2026-01-01T12:00:05Z",
    "2026-01-01T12:00:05.000000Z",
    "2026-01-01T13:00:05+01:00",
    "2026-01-01T12:00:05.0000009Z",
    "2026-01-01T12:00:15.250Z",
    "2025-12-31T23:59:59.123456Z",
    "2031-06-01T00:00:00Z",
    "1969-12-31T23:59:59.5Z",
)
"""Datetimes of records: one instant in four spellings, and others; the one of 2031 is later than any event."""

POST_DIDS: Final = (SEA, SEA, SEA, TEA)
POST_RKEYS: Final = (*RKEYS[:1] * 3, RKEYS[1])
COMMENT_DIDS: Final = (ANN, ANN, ANN, BOB, BOB, CAT)
COMMENT_RKEYS: Final = (RKEYS[0], RKEYS[0], RKEYS[1])


def _uris(collection: str, dids: Sequence[str], rkeys: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"at://{did}/{collection}/{rkey}" for rkey in rkeys for did in dids)


POSTS: Final = _uris("social.coves.community.post", POST_DIDS, POST_RKEYS)
"""At-uris of posts, with the odds at which they are written."""

COMMENTS: Final = _uris("social.coves.community.comment", COMMENT_DIDS, COMMENT_RKEYS)
"""At-uris of comments, with the odds at which they are written."""

ELSEWHERE: Final = (
    f"at://{GONE}/social.coves.community.post/{RKEYS[0]}",
    f"at://{GONE}/social.coves.community.comment/{RKEYS[0]}",
    f"at://{BOB}/social.coves.feed.vote/{RKEYS[0]}",
    f"at://{ANN}/app.bsky.feed.post/{RKEYS[1]}",
)
"""At-uris of what is never seen, or is neither post nor comment."""


def _strong_ref(dice: Dice, uri: str) -> dict[str, Any]:
    return {"uri": uri, "cid": dice.pick(CIDS)}


def _post(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    record = {"community": did, "author": dice.pick((*PEOPLE, ANN, BOB, did, GONE)), "createdAt": dice.pick(CREATED)}
    return {**record, "title": "Tides"} if dice.happens(30) else record


def _comment(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    root = ELSEWHERE[0] if dice.happens(4) else dice.pick(POSTS)
    parent = dice.pick(dice.pick(((root,), COMMENTS, (root,), COMMENTS, COMMENTS, COMMENTS, (*ELSEWHERE, *POSTS[-2:]))))
    reply = {"root": _strong_ref(dice, root), "parent": _strong_ref(dice, parent)}
    return {"reply": reply, "content": "Low water at six.", "createdAt": dice.pick(CREATED)}


def _vote(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    uris = dice.pick((POSTS, COMMENTS, POSTS, COMMENTS, POSTS, COMMENTS, POSTS, ELSEWHERE))
    return {
        "subject": _strong_ref(dice, dice.pick(uris)),
        "direction": dice.pick(("up", "up", "down")),
        "createdAt": dice.pick(CREATED),
    }


def _subscription(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "subject": dice.pick((SEA, SEA, TEA, SEA, ANN, SEA, TEA, GONE)),
        "createdAt": dice.pick(CREATED),
    }
    if dice.happens(40):
        record["contentVisibility"] = dice.pick((1, 5, 0, 9, -3, 2**53 - 1))
    return {**record, "endedAt": dice.pick(CREATED)} if dice.happens(20) else record


def _block(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    return {"subject": dice.pick((SEA, TEA, SEA, GONE)), "createdAt": dice.pick(CREATED)}


def _community(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    record = {
        "name": dice.pick(("sea", "Tea", "e\u0301te\u0301", "\u00e9t\u00e9", "\U0001f30a")),
        "createdAt": dice.pick(CREATED),
        "createdBy": dice.pick(PEOPLE),
        "hostedBy": GONE,
        "memberCount": 1_000_000,
    }
    visibility = dice.pick((None, "public", None, "public", "unlisted", None, "private", None, "secret"))
    return record if visibility is None else {**record, "visibility": visibility}


def _profile(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    shown = {"displayName": dice.pick(("Ann", "", "A\n\u202eB"))} if dice.happens(60) else {}
    return {**shown, "createdAt": dice.pick(CREATED)} if dice.happens(60) else shown


def _service(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    record = {"displayName": "Tide tables", "createdAt": dice.pick(CREATED)}
    return {**record, "did": did} if dice.happens(50) else record


def _authorization(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    return {
        "aggregatorDid": dice.pick((ANN, BOB, ANN, GONE)),
        "communityDid": did,
        "enabled": dice.pick((True, False)),
        "createdAt": dice.pick(CREATED),
        "createdBy": ANN,
    }


def _undeclared(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    return {"subject": _strong_ref(dice, dice.pick(POSTS)), "createdAt": dice.pick(CREATED)}


SPOILED: Final[tuple[tuple[str, Any], ...]] = (
    ("$type", "social.coves.feed.like"),
    ("$type", None),
    ("createdAt", "2026-02-30T12:00:00Z"),
    ("createdAt", "2026-01-01T12:00:60Z"),
    ("createdAt", 7),
    ("createdAt", None),
    ("community", ANN),
    ("author", "ann.example"),
    ("content", " \t\n"),
    ("content", "\x00"),
    ("reply", {"root": {"uri": COMMENTS[0], "cid": CIDS[0]}, "parent": {"uri": COMMENTS[0], "cid": CIDS[0]}}),
    ("reply", {"root": {"uri": POSTS[0], "cid": CIDS[0]}, "parent": {"uri": f"at://{ANN}", "cid": CIDS[0]}}),
    ("reply", {"root": {"uri": POSTS[0], "cid": "no cid"}, "parent": {"uri": COMMENTS[1], "cid": CIDS[0]}}),
    ("reply", []),
    ("direction", "sideways"),
    ("subject", "ann.example"),
    ("subject", {"uri": "at://ann.example/social.coves.community.post/3kp2222222222", "cid": CIDS[0]}),
    ("contentVisibility", "5"),
    ("endedAt", "soon"),
    ("name", ""),
    ("name", "s" * 65),
    ("displayName", 7),
    ("did", GONE),
    ("communityDid", ANN),
    ("enabled", 1),
)
"""Fields that break a record which has them."""

UNSTORABLE: Final[tuple[tuple[str, Any], ...]] = (
    ("note", "\x00"),
    ("no\x00te", "nul in a key"),
    ("note", ["\ud800"]),
    ("note", {"count": 2**53}),
    ("note", 0.5),
    ("note", 10**30),
)
"""Fields that no record may have, though its lexicon says nothing of them."""


def _spoiled(dice: Dice, record: dict[str, Any]) -> dict[str, Any]:
    ways = [(name, value) for name, value in SPOILED if name in record]
    name, value = dice.pick((*ways, *ways, *UNSTORABLE))
    if value is None:
        return {key: kept for key, kept in record.items() if key != name}
    return {**record, name: value}


def _sketch(
    collection: str,
    build: Callable[[Dice, str, str], dict[str, Any]],
    dids: Sequence[str],
    rkeys: Sequence[str],
    weight: int,
) -> Sketch:
    def record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
        spoiled, garnished = dice.happens(8), dice.happens(5)
        plain = {"$type": collection, **build(dice, did, rkey)}
        if garnished:
            plain["extra"] = {"null": None, "whole": [1, True, "\U0001f30a", {"$link": CIDS[0]}]}
        return _spoiled(dice, plain) if spoiled else plain

    return Sketch(collection=collection, dids=tuple(dids), rkeys=tuple(rkeys), record=record, weight=weight)


SELF: Final = (*("self",) * 15, RKEYS[0])
EVERYONE: Final = (ANN, ANN, ANN, BOB, BOB, CAT, SEA)

SKETCHES: Final = (
    _sketch("social.coves.community.post", _post, POST_DIDS, POST_RKEYS, 11),
    _sketch("social.coves.community.comment", _comment, COMMENT_DIDS, COMMENT_RKEYS, 15),
    _sketch("social.coves.feed.vote", _vote, EVERYONE, (*RKEYS, "self"), 15),
    _sketch("social.coves.community.profile", _community, (*(SEA,) * 6, TEA, TEA, ANN), SELF, 8),
    _sketch("social.coves.community.subscription", _subscription, EVERYONE, RKEYS[:2], 6),
    _sketch("social.coves.actor.profile", _profile, (ANN, ANN, BOB, CAT, SEA), SELF, 5),
    _sketch("social.coves.community.block", _block, (CAT, BOB, ANN), RKEYS[:2], 2),
    _sketch("social.coves.aggregator.authorization", _authorization, COMMUNITIES, ("self", RKEYS[0]), 2),
    _sketch("social.coves.aggregator.service", _service, (ANN, BOB), SELF, 2),
    _sketch("social.coves.community.wiki", _undeclared, COMMUNITIES, RKEYS[:2], 1),
    _sketch("social.covesx.feed.vote", _undeclared, PEOPLE, RKEYS[:2], 1),
    _sketch("app.bsky.feed.post", _undeclared, PEOPLE, RKEYS[:2], 1),
)
"""The nine kinds, a collection of the forum's that no kind declares, and two of other apps."""


def _calm(did: str, collection: str, rkey: str, at: int, **fields: Any) -> Commit:
    return Commit(
        did=did,
        rev=REVS[2],
        operation="create",
        collection=collection,
        rkey=rkey,
        cid=CIDS[0],
        record={"$type": collection, **fields, "createdAt": CREATED[0]},
        seen_us=POOLS.seen_us[0] + at,
    )


def _calm_comment(did: str, at: int, parent: str) -> Commit:
    reply = {"root": _ref(POSTS[0]), "parent": _ref(parent)}
    return _calm(did, "social.coves.community.comment", RKEYS[0], at, reply=reply, content="Low water at six.")


def _ref(uri: str) -> dict[str, str]:
    return {"uri": uri, "cid": CIDS[0]}


_ANN_SAYS, _BOB_SAYS, _CAT_SAYS = (f"at://{did}/social.coves.community.comment/{RKEYS[0]}" for did in PEOPLE)

CALM: Final = (
    _calm(SEA, "social.coves.community.profile", "self", 0, name="sea", createdBy=ANN, hostedBy=GONE),
    _calm(SEA, "social.coves.community.post", RKEYS[0], 1, community=SEA, author=ANN),
    _calm_comment(BOB, 2, POSTS[0]),
    _calm(ANN, "social.coves.feed.vote", RKEYS[0], 3, subject=_ref(POSTS[0]), direction="up"),
    _calm(ANN, "social.coves.community.subscription", RKEYS[0], 4, subject=SEA),
    _calm(SEA, "social.coves.community.post", RKEYS[1], 5, community=SEA, author=CAT),
    _calm_comment(ANN, 6, _BOB_SAYS),
    _calm(ANN, "social.coves.actor.profile", "self", 7, displayName="Ann"),
    _calm(BOB, "social.coves.feed.vote", RKEYS[0], 8, subject=_ref(_ANN_SAYS), direction="down"),
)
"""A community with two posts, a thread, a subscriber and two votes: what hostile events are let loose on."""

TALK: Final = (
    _calm(SEA, "social.coves.community.post", RKEYS[0], 0, community=SEA, author=ANN),
    _calm_comment(ANN, 1, POSTS[0]),
    _calm_comment(BOB, 2, _ANN_SAYS),
    _calm_comment(CAT, 3, _BOB_SAYS),
)
"""A post and a chain of three comments."""


def logs(*, max_events: int = 25) -> st.SearchStrategy[list[Event]]:
    """Return a strategy for forum logs of every event, in no order."""
    return hostile.logs(POOLS, SKETCHES, calm=CALM, max_events=max_events)


def commit_logs(*, max_events: int = 25) -> st.SearchStrategy[list[Commit]]:
    """Return a strategy for forum logs of commits only; each has a rev less than GREATEST_REV."""
    commits = hostile.logs(POOLS, SKETCHES, calm=CALM, max_events=max_events, only_commits=True)
    return cast(st.SearchStrategy[list[Commit]], commits)


def thread_logs(*, max_events: int = 25) -> st.SearchStrategy[list[Event]]:
    """Return a strategy for logs of posts and comments, nearly all under POSTS[0]: chains, cycles, placeholders."""
    rkeys = RKEYS[:2]
    sketches = (
        _sketch("social.coves.community.comment", _talk, PEOPLE, rkeys, 14),
        _sketch("social.coves.community.post", _post, (SEA,), rkeys, 2),
    )
    return hostile.logs(POOLS, sketches, calm=TALK, max_events=max_events)


def _talk(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    root = dice.pick(POSTS) if dice.happens(15) else POSTS[0]
    parent = root if dice.happens(15) else dice.pick(_uris("social.coves.community.comment", PEOPLE, RKEYS[:2]))
    reply = {"root": _strong_ref(dice, root), "parent": _strong_ref(dice, parent)}
    return {"reply": reply, "content": "High water at noon.", "createdAt": CREATED[0]}


def relation_logs(*, max_events: int = 25) -> st.SearchStrategy[list[Event]]:
    """Return a strategy for logs in which two people vote, subscribe and block, again and again, about little."""
    sketches = (
        _sketch("social.coves.feed.vote", _vote_on_little, (ANN, BOB), RKEYS, 6),
        _sketch("social.coves.community.subscription", _subscription, (ANN, BOB), RKEYS, 3),
        _sketch("social.coves.community.block", _block, (ANN, BOB), RKEYS, 1),
        _sketch("social.coves.aggregator.authorization", _authorization, (SEA,), RKEYS, 1),
    )
    return hostile.logs(POOLS, sketches, calm=CALM[:2], max_events=max_events)


def _vote_on_little(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    subject = _strong_ref(dice, dice.pick((POSTS[0], POSTS[0], POSTS[-1])))
    return {"subject": subject, "direction": dice.pick(("up", "up", "down")), "createdAt": CREATED[0]}
