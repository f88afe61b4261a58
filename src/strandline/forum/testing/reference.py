"""
The law read aloud: what the index of a set of events is, worked out from nothing each time.

The slow and obvious version against which the engine and every store are tested. It takes all events at once, asks of
each path which write is the greatest, keeps the live ones, and counts with loops; nothing is carried from one event to
the next, so there is no order to get wrong. It shares no code with the engine: no register, schema, fold, view or
rank. What is shared is what an event is, the protocol's syntax, and the judgement of a record, which every function
takes as `faults`.

Text compares by code point, which is the order of its UTF-8 bytes. Times are microseconds since 1970, UTC.

Source: the page "What the index means" of the documentation, its sections 2 to 5 and 7
"""

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import Any, Final, TypeVar

from attrs import frozen

from strandline.event import Account, Commit, Event, Identity, Sync, canonical
from strandline.forum.records.kinds import KINDS
from strandline.judge import Judge, compile_judge
from strandline.syntax import datetime_us, record_uri

__all__ = [
    "COLLECTIONS",
    "WINDOWS_US",
    "Facts",
    "Faults",
    "Node",
    "Standing",
    "Tally",
    "communities",
    "community_feed",
    "discover",
    "dump",
    "find_facts",
    "handles",
    "hot_rank",
    "judge",
    "quarantine",
    "tally",
    "thread",
    "timeline",
]

ACTOR_PROFILE: Final = "social.coves.actor.profile"
COMMUNITY_PROFILE: Final = "social.coves.community.profile"
POST: Final = "social.coves.community.post"
COMMENT: Final = "social.coves.community.comment"
VOTE: Final = "social.coves.feed.vote"
SUBSCRIPTION: Final = "social.coves.community.subscription"
BLOCK: Final = "social.coves.community.block"
SERVICE: Final = "social.coves.aggregator.service"
AUTHORIZATION: Final = "social.coves.aggregator.authorization"

COLLECTIONS: Final = frozenset(
    {ACTOR_PROFILE, COMMUNITY_PROFILE, POST, COMMENT, VOTE, SUBSCRIPTION, BLOCK, SERVICE, AUTHORIZATION}
)
"""The nine kinds; writes to other collections are in no view."""

RANK: Final = {"delete": 0, "create": 1, "update": 2}

HOUR_US: Final = 3_600_000_000
WINDOWS_US: Final[Mapping[str, int]] = {
    "hour": HOUR_US,
    "day": 24 * HOUR_US,
    "week": 7 * 24 * HOUR_US,
    "month": 30 * 24 * HOUR_US,
    "year": 365 * 24 * HOUR_US,
}

Faults = Callable[[str, str, str, dict[str, Any]], Sequence[object]]
"""Judges the record at (did, collection, rkey): everything wrong with it, and nothing for a valid one."""

Item = TypeVar("Item")
Group = TypeVar("Group", bound=Hashable)


@frozen(kw_only=True)
class Standing:
    """
    The write that stands at a path, and what all writes to that path tell.

    Attributes:
        did: The repository's owner.
        collection: NSID of the record's kind.
        rkey: Its key in the collection.
        rev: Revision of the commit that wrote it.
        rank: 0 delete, 1 create, 2 update.
        cid: Content identifier of the record; "" for none.
        record: The record; None under a tombstone.
        seen_us: When this version was first seen.
        first_seen_us: When any put at this path was first seen; None if none was.
        kept: `root` and `parent` of the greatest put, under the tombstone of a comment; None for anything else.
    """

    did: str
    collection: str
    rkey: str
    rev: str
    rank: int
    cid: str
    record: Any
    seen_us: int
    first_seen_us: int | None
    kept: Mapping[str, str] | None

    @property
    def uri(self) -> str:
        """Its at-uri."""
        return f"at://{self.did}/{self.collection}/{self.rkey}"


@frozen(kw_only=True)
class Facts:
    """
    What a set of events comes to, before any view.

    Attributes:
        standing: The standing write of every path of the nine kinds.
        hidden: The dids whose account is hidden, each with the status given.
        quarantined: At-uris of the standing puts that are not valid.
        live: The standing writes that are live.
        effective: The live records of the four relations that are effective.
    """

    standing: tuple[Standing, ...]
    hidden: Mapping[str, str | None]
    quarantined: frozenset[str]
    live: tuple[Standing, ...]
    effective: tuple[Standing, ...]


@frozen(kw_only=True)
class Tally:
    """How often an at-uri was voted up and down, answered (`replies`), and commented in its whole thread."""

    upvotes: int
    downvotes: int
    replies: int
    comments: int

    @property
    def score(self) -> int:
        """Votes up less votes down."""
        return self.upvotes - self.downvotes


@frozen
class Node:
    """A comment in a thread, or a placeholder for one that is not live, with what answers it, by uri."""

    uri: str
    placeholder: bool
    replies: tuple["Node", ...] = ()


def judge(did: str, collection: str, rkey: str, record: dict[str, Any]) -> Sequence[object]:
    """Return everything wrong with a record of one of the nine kinds, as the forum's own record kinds judge it."""
    return _judges()[collection].verdict(did, rkey, record).faults


@cache
def _judges() -> Mapping[str, Judge]:
    return {kind.collection: compile_judge(kind) for kind in KINDS}


# Registers: which write stands, and which are live.


def find_facts(events: Iterable[Event], faults: Faults = judge) -> Facts:
    """Return what stands, what is hidden, quarantined, live and effective once all these events are known."""
    events = list(events)
    writes = [it for it in events if isinstance(it, Commit) and it.collection in COLLECTIONS]
    standing = tuple(map(_stands, _grouped(writes, lambda it: (it.did, it.collection, it.rkey)).values()))
    hidden = _hidden(events)
    floors = _floors(events)
    puts = [it for it in standing if it.rank != RANK["delete"]]
    quarantined = {it.uri for it in puts if faults(it.did, it.collection, it.rkey, it.record)}
    live = tuple(
        it for it in puts if it.uri not in quarantined and it.did not in hidden and it.rev >= floors.get(it.did, "")
    )
    return Facts(
        standing=standing,
        hidden=hidden,
        quarantined=frozenset(quarantined),
        live=live,
        effective=tuple(_effective(live)),
    )


def quarantine(events: Iterable[Event], *, faults: Faults = judge) -> set[str]:
    """Return the at-uris of the standing puts that are not valid, void and hidden ones too."""
    return set(find_facts(events, faults).quarantined)


def _stands(writes: Sequence[Commit]) -> Standing:
    greatest = max(writes, key=lambda it: (_version(it), canonical(it.record)))
    same = [it for it in writes if _version(it) == _version(greatest)]
    puts = [it for it in writes if it.operation != "delete"]
    tombstone = greatest.operation == "delete"
    rev, rank, cid = _version(greatest)
    return Standing(
        did=greatest.did,
        collection=greatest.collection,
        rkey=greatest.rkey,
        rev=rev,
        rank=rank,
        cid=cid,
        record=None if tombstone else greatest.record,
        seen_us=min(it.seen_us for it in same),
        first_seen_us=min((it.seen_us for it in puts), default=None),
        kept=_kept(puts) if tombstone and greatest.collection == COMMENT else None,
    )


def _version(write: Commit) -> tuple[str, int, str]:
    return (write.rev, RANK[write.operation], "" if write.operation == "delete" else write.cid)


def _kept(puts: Sequence[Commit]) -> Mapping[str, str] | None:
    last = max(map(_version, puts), default=None)
    places = [_place(it.record or {}) for it in puts if _version(it) == last]
    return max((it for it in places if it is not None), key=canonical, default=None)


def _place(comment: Mapping[str, Any]) -> dict[str, str] | None:
    reply = comment.get("reply")
    if not isinstance(reply, dict):
        return None
    root, parent = _uri_in(reply.get("root")), _uri_in(reply.get("parent"))
    return None if root is None or parent is None else {"root": root, "parent": parent}


def _uri_in(strong_ref: object) -> str | None:
    uri = strong_ref.get("uri") if isinstance(strong_ref, dict) else None
    return uri if isinstance(uri, str) and record_uri(uri) is not None else None


def _floors(events: Iterable[Event]) -> dict[str, str]:
    syncs = _grouped([it for it in events if isinstance(it, Sync)], lambda it: it.did)
    return {did: max(it.rev for it in group) for did, group in syncs.items()}


def _hidden(events: Iterable[Event]) -> dict[str, str | None]:
    accounts = _grouped([it for it in events if isinstance(it, Account)], lambda it: it.did)
    standing = [max(group, key=_account_order) for group in accounts.values()]
    return {it.did: it.status or None for it in standing if not it.active}


def _account_order(account: Account) -> tuple[int, int, bool, str]:
    return (account.time_us, account.relay_seq, not account.active, account.status or "")


def handles(events: Iterable[Event]) -> dict[str, str]:
    """Return the handle shown for each did that claims one, where no resolver is configured."""
    identities = [it for it in events if isinstance(it, Identity)]
    claims = [
        max(group, key=lambda it: (it.time_us, it.relay_seq, it.handle or ""))
        for group in _grouped([it for it in identities if it.handle is not None], lambda it: it.did).values()
    ]
    shown = {}
    for claim in claims:
        rivals = [it for it in claims if it.handle == claim.handle]
        owner = max(rivals, key=lambda it: (it.time_us, it.relay_seq, it.did))
        shown[claim.did] = claim.handle if owner == claim and claim.handle is not None else "handle.invalid"
    return shown


# Relations: one for each actor and subject.


def _effective(live: Iterable[Standing]) -> list[Standing]:
    records = [it for it in live if it.collection in (VOTE, SUBSCRIPTION, BLOCK, AUTHORIZATION)]
    pairs = _grouped(records, lambda it: (it.collection, it.did, _subject(it)))
    return [max(group, key=lambda it: (it.rev, it.rkey)) for group in pairs.values()]


def _subject(relation: Standing) -> str:
    if relation.collection == VOTE:
        return str(relation.record["subject"]["uri"])
    if relation.collection == AUTHORIZATION:
        return str(relation.record["aggregatorDid"])
    return str(relation.record["subject"])


def _related(facts: Facts, collection: str) -> list[Standing]:
    return [it for it in facts.effective if it.collection == collection]


def _subscriptions(facts: Facts) -> list[Standing]:
    return [it for it in _related(facts, SUBSCRIPTION) if it.record.get("endedAt") is None]


def _is_subscribed(facts: Facts, actor: str | None, community: str) -> bool:
    return any(it.did == actor and _subject(it) == community for it in _subscriptions(facts))


def _blocks(facts: Facts, actor: str | None, community: str) -> bool:
    return any(it.did == actor and _subject(it) == community for it in _related(facts, BLOCK))


# Views of one record.


def _live(facts: Facts, collection: str) -> list[Standing]:
    return [it for it in facts.live if it.collection == collection]


def _root(comment: Standing) -> str:
    return str(comment.record["reply"]["root"]["uri"])


def _parent(comment: Standing) -> str:
    return str(comment.record["reply"]["parent"]["uri"])


def tally(facts: Facts, uri: str) -> Tally:
    """Return the tally of any at-uri; its subject need not be known."""
    directions = [it.record["direction"] for it in _related(facts, VOTE) if _subject(it) == uri]
    comments = _live(facts, COMMENT)
    return Tally(
        upvotes=directions.count("up"),
        downvotes=directions.count("down"),
        replies=sum(_parent(it) == uri for it in comments),
        comments=sum(_root(it) == uri for it in comments),
    )


def _score(facts: Facts, record: Standing) -> int:
    return tally(facts, record.uri).score


def _created_at_us(record: Standing) -> int:
    created = datetime_us(record.record["createdAt"])
    if created is None:
        raise ValueError(f"a record was judged valid with createdAt {record.record['createdAt']!r}")
    return created


def _sort_at_us(record: Standing) -> int:
    if record.first_seen_us is None:
        raise ValueError(f"a put that was never seen at {record.uri!r}")
    return min(_created_at_us(record), record.first_seen_us)


def hot_rank(sort_at_us: int, score: int) -> int:
    """
    Return the hot rank: a tenfold score is worth 12.5 hours.

    >>> hot_rank(0, 9), hot_rank(0, -9), hot_rank(7, 0)
    (45000000000, -45000000000, 7)
    """
    exact = Context(prec=40, rounding=ROUND_HALF_EVEN)
    boost = exact.multiply(Decimal(45_000_000_000), exact.log10(Decimal(1 + abs(score))))
    sign = (score > 0) - (score < 0)
    return sort_at_us + sign * int(boost.to_integral_value(rounding=ROUND_HALF_EVEN))


def _hot(facts: Facts, record: Standing) -> int:
    return hot_rank(_sort_at_us(record), _score(facts, record))


def _members(facts: Facts) -> set[tuple[str, str]]:
    authors = {(str(it.record["author"]), it.did) for it in _live(facts, POST)}
    commenters = {(it.did, _root(it).split("/")[2]) for it in _live(facts, COMMENT)}
    return authors | commenters


# The dump.


def dump(events: Iterable[Event], *, faults: Faults = judge) -> list[str]:
    """Return the views as canonical lines, sorted as UTF-8 bytes."""
    facts = find_facts(events, faults)
    rows = [
        *(_post_row(facts, it) for it in _live(facts, POST)),
        *(_comment_row(facts, it) for it in _live(facts, COMMENT)),
        *(_community_row(facts, it) for it in _live(facts, COMMUNITY_PROFILE)),
        *(_profile_row(facts, it) for it in _live(facts, ACTOR_PROFILE)),
        *map(_vote_row, _related(facts, VOTE)),
        *map(_subscription_row, _subscriptions(facts)),
        *map(_block_row, _related(facts, BLOCK)),
        *map(_authorization_row, _related(facts, AUTHORIZATION)),
        *({"view": "account", "did": did, "active": False, "status": facts.hidden[did]} for did in facts.hidden),
    ]
    return [line.decode() for line in sorted(map(canonical, rows))]


def _post_row(facts: Facts, post: Standing) -> dict[str, Any]:
    votes = tally(facts, post.uri)
    return {
        "view": "post",
        "uri": post.uri,
        "cid": post.cid or None,
        "community": post.record["community"],
        "author": post.record["author"],
        "upvotes": votes.upvotes,
        "downvotes": votes.downvotes,
        "score": votes.score,
        "commentCount": votes.comments,
        "sortAtUs": _sort_at_us(post),
        "hot": _hot(facts, post),
        "edited": post.rank == RANK["update"],
    }


def _comment_row(facts: Facts, comment: Standing) -> dict[str, Any]:
    votes = tally(facts, comment.uri)
    return {
        "view": "comment",
        "uri": comment.uri,
        "cid": comment.cid or None,
        "root": _root(comment),
        "parent": _parent(comment),
        "upvotes": votes.upvotes,
        "downvotes": votes.downvotes,
        "score": votes.score,
        "replyCount": votes.replies,
        "sortAtUs": _sort_at_us(comment),
        "hot": _hot(facts, comment),
    }


def _community_row(facts: Facts, community: Standing) -> dict[str, Any]:
    return {
        "view": "community",
        "did": community.did,
        "name": community.record["name"],
        "subscriberCount": sum(_subject(it) == community.did for it in _subscriptions(facts)),
        "postCount": sum(it.did == community.did for it in _live(facts, POST)),
        "memberCount": sum(where == community.did for _, where in _members(facts)),
    }


def _profile_row(facts: Facts, profile: Standing) -> dict[str, Any]:
    posts = [it for it in _live(facts, POST) if it.record["author"] == profile.did]
    comments = [it for it in _live(facts, COMMENT) if it.did == profile.did]
    return {
        "view": "profile",
        "did": profile.did,
        "displayName": profile.record.get("displayName"),
        "postCount": len(posts),
        "commentCount": len(comments),
        "communityCount": sum(it.did == profile.did for it in _subscriptions(facts)),
        "membershipCount": sum(who == profile.did for who, _ in _members(facts)),
        "reputation": sum(_score(facts, it) for it in [*posts, *comments]),
    }


def _vote_row(vote: Standing) -> dict[str, Any]:
    return {
        "view": "vote",
        "voter": vote.did,
        "subject": _subject(vote),
        "uri": vote.uri,
        "direction": vote.record["direction"],
    }


def _subscription_row(subscription: Standing) -> dict[str, Any]:
    return {
        "view": "subscription",
        "actor": subscription.did,
        "community": _subject(subscription),
        "uri": subscription.uri,
        "contentVisibility": min(max(subscription.record.get("contentVisibility", 3), 1), 5),
    }


def _block_row(block: Standing) -> dict[str, Any]:
    return {"view": "block", "actor": block.did, "community": _subject(block), "uri": block.uri}


def _authorization_row(authorization: Standing) -> dict[str, Any]:
    return {
        "view": "authorization",
        "community": authorization.did,
        "aggregator": _subject(authorization),
        "uri": authorization.uri,
        "enabled": authorization.record["enabled"],
    }


# Feeds and lists.


def community_feed(
    events: Iterable[Event],
    did: str,
    order: str = "hot",
    *,
    viewer: str | None = None,
    timeframe: str = "all",
    now_us: int = 0,
    faults: Faults = judge,
) -> list[str]:
    """
    Return the posts of one community, first to last; none if it is not live, or private and not the viewer's.

    `order` is hot, new or top; `timeframe` is all or one of WINDOWS_US, counted back from `now_us`.
    """
    facts = find_facts(events, faults)
    where = {it.did for it in _live(facts, COMMUNITY_PROFILE) if it.did == did and _may_see(facts, it, viewer)}
    return _feed(facts, where, order, timeframe, now_us)


def discover(
    events: Iterable[Event],
    order: str = "hot",
    *,
    viewer: str | None = None,
    timeframe: str = "all",
    now_us: int = 0,
    faults: Faults = judge,
) -> list[str]:
    """Return the posts of all public communities that the viewer does not block, first to last."""
    facts = find_facts(events, faults)
    public = [it for it in _live(facts, COMMUNITY_PROFILE) if _visibility(it) == "public"]
    where = {it.did for it in public if not _blocks(facts, viewer, it.did)}
    return _feed(facts, where, order, timeframe, now_us)


def timeline(
    events: Iterable[Event],
    viewer: str,
    order: str = "hot",
    *,
    timeframe: str = "all",
    now_us: int = 0,
    faults: Faults = judge,
) -> list[str]:
    """Return the posts of the communities the viewer is subscribed to and does not block, first to last."""
    facts = find_facts(events, faults)
    mine = [it for it in _live(facts, COMMUNITY_PROFILE) if _is_subscribed(facts, viewer, it.did)]
    where = {it.did for it in mine if not _blocks(facts, viewer, it.did)}
    return _feed(facts, where, order, timeframe, now_us)


def communities(
    events: Iterable[Event], order: str = "popular", *, viewer: str | None = None, faults: Faults = judge
) -> list[str]:
    """
    Return the dids of the listed communities: public ones, and private ones to their subscribers.

    `order` is popular, active or new, the greatest first, or alphabetical; ties go the same way by did.
    """
    facts = find_facts(events, faults)
    live = _live(facts, COMMUNITY_PROFILE)
    listed = [it for it in live if _visibility(it) in ("public", "private") and _may_see(facts, it, viewer)]
    ordered = sorted(listed, key=lambda it: (_list_rank(facts, it, order), it.did), reverse=order != "alphabetical")
    return [it.did for it in ordered]


def _visibility(community: Standing) -> str:
    return str(community.record.get("visibility", "public"))


def _may_see(facts: Facts, community: Standing, viewer: str | None) -> bool:
    return _visibility(community) != "private" or _is_subscribed(facts, viewer, community.did)


def _feed(facts: Facts, where: set[str], order: str, timeframe: str, now_us: int) -> list[str]:
    posts = [it for it in _live(facts, POST) if it.did in where and it.record["author"] not in facts.hidden]
    if timeframe != "all":
        posts = [it for it in posts if _sort_at_us(it) >= now_us - WINDOWS_US[timeframe]]
    return [it.uri for it in sorted(posts, key=lambda it: _post_rank(facts, it, order), reverse=True)]


def _post_rank(facts: Facts, post: Standing, order: str) -> tuple[Any, ...]:
    if order == "new":
        return (_sort_at_us(post), post.uri)
    if order == "top":
        return (_score(facts, post), _sort_at_us(post), post.uri)
    if order == "hot":
        return (_hot(facts, post), post.uri)
    raise ValueError(f"no order of posts: {order!r}")


def _list_rank(facts: Facts, community: Standing, order: str) -> Any:
    if order == "popular":
        return sum(_subject(it) == community.did for it in _subscriptions(facts))
    if order == "active":
        posts = [it for it in _live(facts, POST) if it.did == community.did]
        return max((_sort_at_us(it) for it in posts), default=float("-inf"))
    if order == "new":
        return _created_at_us(community)
    if order == "alphabetical":
        return unicodedata.normalize("NFC", community.record["name"]).casefold()
    raise ValueError(f"no order of communities: {order!r}")


# The thread.


def thread(events: Iterable[Event], post_uri: str, *, faults: Faults = judge) -> list[Node]:
    """Return what hangs at the top under a post, by uri, with everything below it; the post need not be live."""
    facts = find_facts(events, faults)
    comments = {it.uri for it in _live(facts, COMMENT) if _root(it) == post_uri}
    above = _places(facts, comments, post_uri)
    for cycle in _cycles(above):
        above[min(cycle)] = None
    shown = {uri for comment in comments for uri in _chain(above, comment)}
    nodes: dict[str, Node] = {}
    for uri in sorted(shown, key=lambda it: len(_chain(above, it)), reverse=True):
        replies = sorted(it for it in nodes if above[it] == uri)
        nodes[uri] = Node(uri, uri not in comments, tuple(nodes[it] for it in replies))
    return [nodes[uri] for uri in sorted(shown) if above[uri] is None]


def _places(facts: Facts, comments: set[str], post_uri: str) -> dict[str, str | None]:
    """Return for each comment, and each placeholder above one, what it hangs under; None at the top."""
    told = {it.uri: _parent(it) for it in facts.live if it.uri in comments}
    kept = {it.uri: it.kept["parent"] for it in facts.standing if it.kept is not None and it.kept["root"] == post_uri}
    elsewhere = {it.uri for it in facts.live} - comments
    above: dict[str, str | None] = {}
    waiting = list(comments)
    while waiting:
        uri = waiting.pop()
        parent = told.get(uri, kept.get(uri))
        above[uri] = None if parent == post_uri or parent in elsewhere else parent
        if parent is not None and above[uri] is not None and parent not in above:
            waiting.append(parent)
    return above


def _chain(above: Mapping[str, str | None], uri: str) -> list[str]:
    """Return an uri and everything it hangs under, once each, nearest first."""
    chain: dict[str, None] = {}
    at: str | None = uri
    while at is not None and at not in chain:
        chain[at] = None
        at = above[at]
    return list(chain)


def _cycles(above: Mapping[str, str | None]) -> list[list[str]]:
    chains = [_chain(above, uri) for uri in above]
    return [chain for chain in chains if above[chain[-1]] == chain[0]]


def _grouped(items: Iterable[Item], group_of: Callable[[Item], Group]) -> dict[Group, list[Item]]:
    groups: dict[Group, list[Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)
    return groups
