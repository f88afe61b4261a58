"""
The acts: each makes one thing happen, sometimes two, or falls back on another while its time has not come.
"""

from collections.abc import Callable
from typing import Final

from strandline.forum.records import (
    ACTOR_PROFILE,
    AUTHORIZATION,
    BLOCK,
    COMMENT,
    COMMUNITY_PROFILE,
    POST,
    SERVICE,
    SUBSCRIPTION,
    VOTE,
)
from strandline.forum.world.choosing import choice, client_time, delete, keep, mark, open_post, put, someone, take, tick
from strandline.forum.world.identifiers import CLOCK, DAY_US, PAIRS, stem_of
from strandline.forum.world.stage import HOT_SLOTS, Community, Forum, Marker, Subject, Write
from strandline.forum.world.vocabulary import HOST, HOST_DID, SPOILS, STATUSES
from strandline.forum.world.writing import (
    actor_record,
    authorization_record,
    comment_record,
    handle_of,
    new_blob,
    new_link,
    post_record,
    ref_of,
    subscription_record,
)

__all__ = ["ACTS", "MIX"]

MIX: Final = {
    "vote": 5900,
    "comment": 2110,
    "post": 620,
    "subscribe": 380,
    "unsubscribe": 40,
    "profile": 160,
    "community": 20,
    "edit": 140,
    "remove": 90,
    "flip": 90,
    "block": 25,
    "unblock": 5,
    "aggregate": 30,
    "identity": 120,
    "account": 80,
    "elsewhere": 100,
}
"""How often each act is drawn, in parts of roughly 10,000; `restate` (v2 only) and `spoil` are added on demand."""


TAIL_SIZE: Final = 16


def _post(forum: Forum) -> None:
    community = forum.communities[choice(forum, forum.popular)]
    if not community.opened:
        return _put_community(forum, community, "create")
    did, rkey, created = community.did, forum.rkey, client_time(forum)
    author = choice(forum, forum.aggregators) if forum.chance() < 0.05 else forum.people[someone(forum)]
    cid = put(forum, did, POST, rkey, post_record(forum, author, did, created, community.topic))
    post = Subject(ref_of(cid, did, POST, rkey), did, rkey, author, created, community.topic)
    forum.posts.add(post)
    if len(forum.hot) < HOT_SLOTS:
        forum.hot.append(post)
    elif forum.chance() < 0.125:
        forum.hot[int(forum.chance() * HOT_SLOTS)] = post
    return None


def _comment(forum: Forum) -> None:
    root = open_post(forum)
    if root is None:
        return _post(forum)
    tail, topic, rkey, created = root.tail, root.topic, forum.rkey, forum.time
    parent = choice(forum, tail) if tail and forum.chance() < 0.62 else root
    reply = f'{{"parent":{parent.ref},"root":{root.ref}}}'
    did = forum.people[someone(forum)]
    cid = put(forum, did, COMMENT, rkey, comment_record(forum, created, reply, topic))
    comment = Subject(ref_of(cid, did, COMMENT, rkey), did, rkey, did, created, topic, reply)
    forum.comments.add(comment)
    if len(tail) < TAIL_SIZE:
        tail.append(comment)
    else:
        tail[int(forum.chance() * TAIL_SIZE)] = comment
    return None


def _vote(forum: Forum) -> None:
    chance = forum.chance
    if forum.comments.count and chance() < 0.25:
        subject: Subject | None = forum.comments.pick(chance())
    else:
        subject = open_post(forum)
    if subject is None:
        return _post(forum)
    voter = someone(forum)
    if voter in subject.voters:
        voter = int(chance() * len(forum.people))
    subject.voters.add(voter)
    return _cast(forum, voter, subject, "up" if chance() < 0.88 else "down")


def _cast(forum: Forum, voter: int, subject: Subject, direction: str) -> None:
    created, rkey = forum.time, forum.rkey
    record = f'{{"$type":"{VOTE}","createdAt":"{created}","direction":"{direction}","subject":{subject.ref}}}'
    put(forum, forum.people[voter], VOTE, rkey, record)
    if not forum.us & 7:
        keep(forum, forum.votes, (voter, rkey, subject, direction))


def _flip(forum: Forum) -> None:
    """Take a vote back, and mostly vote the other way: in two commits, or sometimes in one."""
    vote = take(forum, forum.votes)
    if vote is None:
        return _vote(forum)
    voter, rkey, subject, direction = vote
    delete(forum, forum.people[voter], VOTE, rkey)
    at = forum.chance()
    if at < 0.25:
        return None
    if at < 0.8:
        tick(forum)
    return _cast(forum, voter, subject, "down" if direction == "up" else "up")


def _edit(forum: Forum) -> None:
    ring = forum.posts if forum.chance() < 0.5 else forum.comments
    subject = ring.pick(forum.chance()) if ring.count else None
    if subject is None or subject.gone:
        return _vote(forum)
    repo, rkey, created, topic = subject.repo, subject.rkey, subject.created, subject.topic
    if subject.reply:
        kind, record = COMMENT, comment_record(forum, created, subject.reply, topic)
    else:
        kind, record = POST, post_record(forum, subject.author, repo, created, topic)
    subject.ref = ref_of(put(forum, repo, kind, rkey, record, "update"), repo, kind, rkey)
    return None


def _remove(forum: Forum) -> None:
    ring = forum.posts if forum.chance() < 0.3 else forum.comments
    subject = ring.pick(forum.chance()) if ring.count else None
    if subject is None or subject.gone:
        return _vote(forum)
    subject.gone = True
    return delete(forum, subject.repo, COMMENT if subject.reply else POST, subject.rkey)


def _subscribe(forum: Forum) -> None:
    person, place = int(forum.chance() * len(forum.people)), choice(forum, forum.popular)
    if forum.follows[person] >> place & 1:
        place = int(forum.chance() * len(forum.communities))
    forum.follows[person] |= 1 << place
    put(forum, forum.people[person], SUBSCRIPTION, forum.rkey, subscription_record(forum, forum.time, place))
    keep(forum, forum.subscriptions, (person, place, forum.rkey, forum.time))


def _unsubscribe(forum: Forum) -> None:
    """End a subscription: mostly by deleting the record, sometimes by writing its end into it."""
    subscription = take(forum, forum.subscriptions)
    if subscription is None:
        return _subscribe(forum)
    person, place, rkey, created = subscription
    forum.follows[person] &= ~(1 << place)
    if forum.chance() < 0.75:
        return delete(forum, forum.people[person], SUBSCRIPTION, rkey)
    record = subscription_record(forum, created, place, f'"endedAt":"{forum.time}",')
    put(forum, forum.people[person], SUBSCRIPTION, rkey, record, "update")
    return None


def _profile(forum: Forum) -> None:
    """Let someone join, the most active first, or someone who has joined change, replace or drop a profile."""
    at = forum.chance()
    if forum.joined < len(forum.people) and (at < 0.8 or not forum.joined):
        person, did = forum.joined, forum.people[forum.joined]
        forum.joined += 1
        if at < 0.4:
            mark(forum, did, "identity", "", f'"handle":"{handle_of(person)}",')
        put(forum, did, ACTOR_PROFILE, "self", actor_record(forum, person))
        return
    person = int(forum.chance() * forum.joined)
    did, at = forum.people[person], forum.chance()
    if at < 0.1:
        delete(forum, did, ACTOR_PROFILE, "self")
    if at > 0.03:
        put(forum, did, ACTOR_PROFILE, "self", actor_record(forum, person), "create" if at < 0.1 else "update")


def _community_act(forum: Forum) -> None:
    """Open a community, or let one that is open change its profile; a small one may close and open again."""
    place = int(forum.chance() * len(forum.communities))
    community = forum.communities[place]
    if not community.opened:
        return _put_community(forum, community, "create")
    if place * 2 < len(forum.communities) or forum.chance() < 0.8:
        return _put_community(forum, community, "update")
    delete(forum, community.did, COMMUNITY_PROFILE, "self")
    tick(forum)
    return _put_community(forum, community, "create")


def _put_community(forum: Forum, community: Community, operation: str) -> None:
    if operation == "create" and not community.opened:
        mark(forum, community.did, "identity", "", f'"handle":"c-{community.name}.{HOST}",')
    community.opened = True
    about = choice(forum, community.topic.paragraphs).text
    record = (
        f'{{"$type":"{COMMUNITY_PROFILE}","avatar":{new_blob(forum, "image/webp")},"createdAt":"{community.created}",'
        f'"createdBy":"{forum.people[0]}","description":"{about}","displayName":"{community.name.title()}",'
        f'"federation":{{"allowExternalDiscovery":true}},"hostedBy":"{HOST_DID}","memberCount":0,'
        f'"moderationType":"moderator","name":"{community.name}","visibility":"{community.visibility}"}}'
    )
    put(forum, community.did, COMMUNITY_PROFILE, "self", record, operation)


def _block(forum: Forum) -> None:
    did, subject = choice(forum, forum.people), choice(forum, forum.communities).did
    put(forum, did, BLOCK, forum.rkey, f'{{"$type":"{BLOCK}","createdAt":"{forum.time}","subject":"{subject}"}}')
    keep(forum, forum.blocks, (did, forum.rkey))


def _unblock(forum: Forum) -> None:
    block = take(forum, forum.blocks)
    if block is None:
        return _block(forum)
    return delete(forum, block[0], BLOCK, block[1])


def _aggregate(forum: Forum) -> None:
    """Let an aggregator present itself, a community let one in, or a community turn one off or away."""
    if forum.services < len(forum.aggregators):
        return _put_service(forum)
    authorization = take(forum, forum.authorizations) if forum.chance() < 0.3 else None
    if authorization is None:
        community, aggregator = choice(forum, forum.communities).did, choice(forum, forum.aggregators)
        record = authorization_record(forum, community, aggregator, forum.time, "")
        put(forum, community, AUTHORIZATION, forum.rkey, record)
        return keep(forum, forum.authorizations, (community, aggregator, forum.rkey, forum.time))
    community, aggregator, rkey, created = authorization
    if forum.chance() < 0.4:
        return delete(forum, community, AUTHORIZATION, rkey)
    ended = f'"disabledAt":"{forum.time}","disabledBy":"{forum.people[0]}",'
    record = authorization_record(forum, community, aggregator, created, ended)
    put(forum, community, AUTHORIZATION, rkey, record, "update")
    return None


def _put_service(forum: Forum) -> None:
    did = forum.aggregators[forum.services]
    forum.services += 1
    record = (
        f'{{"$type":"{SERVICE}","configSchema":{{"properties":{{"feed":{{"type":"string"}}}},"type":"object"}},'
        f'"createdAt":"{forum.time}","description":"Posts the news of the day.","did":"{did}",'
        f'"displayName":"News bot {forum.services} 🤖","maintainer":"{forum.people[0]}",'
        f'"sourceUrl":"{new_link(forum)}"}}'
    )
    put(forum, did, SERVICE, "self", record)


def _identity(forum: Forum) -> None:
    """Say that an identity changed: mostly the same handle again, sometimes none at all or another one."""
    at, person = forum.chance(), int(forum.chance() * len(forum.people))
    handle = handle_of(person, 1 + int(forum.chance() * 3) if at < 0.1 else 0)
    mark(forum, forum.people[person], "identity", "", "" if at > 0.7 else f'"handle":"{handle}",')


def _account(forum: Forum) -> None:
    """Say that an account is active, as most are; hide some, and restore most of those. At times, a community's."""
    at = forum.chance()
    if at < 0.15:
        did = choice(forum, forum.people) if at > 0.001 else forum.communities[-1].did
        keep(forum, forum.hidden, did)
        status = choice(forum, STATUSES)
        forum.relay_seq += 1
        body = f'{{"active":false,"did":"{did}","seq":{forum.relay_seq},"status":"{status}","time":"{forum.time}"}}'
        return forum.out.append(Marker(forum.us, did, "account", body))
    restored = take(forum, forum.hidden) if at < 0.30 else None
    return mark(forum, restored or choice(forum, forum.people), "account", '"active":true,')


def _elsewhere(forum: Forum) -> None:
    """Write what is no part of the forum: another app's record, or a `social.coves` kind not yet declared."""
    did, at = choice(forum, forum.people), forum.chance()
    yesterday = f"{stem_of(forum.us - DAY_US)}{PAIRS[forum.bits(10)]}{CLOCK}"
    if at < 0.2:
        return delete(forum, did, "app.bsky.feed.like", yesterday)
    if at < 0.3:
        kind, subject = "social.coves.actor.block", f'"{choice(forum, forum.people)}"'
    else:
        kind, subject = "app.bsky.feed.like", ref_of(forum.cid(), did, "app.bsky.feed.post", yesterday)
    put(forum, did, kind, forum.rkey, f'{{"$type":"{kind}","createdAt":"{forum.time}","subject":{subject}}}')
    return None


def _restate(forum: Forum) -> None:
    """Re-state a repository as of now: a `#sync`, and of its records only the profile comes again."""
    person = int(forum.chance() * len(forum.people))
    did = forum.people[person]
    mark(forum, did, "sync", '"blocks":{"$bytes":"OqJlcm9vdHOA"},', f'"rev":"{forum.rev}",')
    put(forum, did, ACTOR_PROFILE, "self", actor_record(forum, person))


def _spoil(forum: Forum) -> None:
    """Write a vote, comment or post that breaks its lexicon, its house rule or the data model."""
    act, find, instead = choice(forum, SPOILS)
    ACTS[act](forum)
    last = forum.out[-1]
    if isinstance(last, Write):
        forum.out[-1] = last._replace(record=last.record.replace(find, instead, 1))


Act = Callable[[Forum], None]


ACTS: Final[dict[str, Act]] = {
    "vote": _vote,
    "comment": _comment,
    "post": _post,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "profile": _profile,
    "community": _community_act,
    "edit": _edit,
    "remove": _remove,
    "flip": _flip,
    "block": _block,
    "unblock": _unblock,
    "aggregate": _aggregate,
    "identity": _identity,
    "account": _account,
    "elsewhere": _elsewhere,
    "restate": _restate,
    "spoil": _spoil,
}
