"""
The views as canonical lines: one JSON object a line, keys sorted, no spaces, UTF-8 unescaped.

Sorted as bytes they are the dump; the SHA-256 of the dump is the store's digest, the same for the same events
whatever their order, repetition or store.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from strandline.event import canonical
from strandline.forum.records import AUTHORIZATION, BLOCK, SUBSCRIPTION, VOTE
from strandline.ports import Store
from strandline.register import REPO
from strandline.schema import Keys

__all__ = ["digest", "dump_lines"]


async def dump_lines(store: Store) -> AsyncIterator[bytes]:
    """
    Yield the dump's lines, not yet sorted, without line ends; all of one snapshot.

    No job may be waiting: see `Ingest.finish`.
    """
    async with aclosing(store.scan(list(_TELL))) as chunks:
        async for table, rows in chunks:
            named, tell = store.layout.table(table).row, _TELL[table]
            for row in rows:
                told = tell(store.layout.keys, named(row))
                if told is not None:
                    yield canonical(told)


def digest(sorted_lines: Iterable[bytes]) -> str:
    """Return the digest of a dump, given its lines in order, without line ends."""
    sha = hashlib.sha256()
    for line in sorted_lines:
        sha.update(line)
        sha.update(b"\n")
    return sha.hexdigest()


Told = Mapping[str, Any] | None


def _post(keys: Keys, row: Any) -> Told:
    return {
        "view": "post",
        "uri": row.uri,
        "cid": row.cid or None,
        "community": row.community,
        "author": row.author,
        "upvotes": row.upvotes,
        "downvotes": row.downvotes,
        "score": row.score,
        "commentCount": row.comment_count,
        "sortAtUs": row.sort_at_us,
        "hot": row.hot,
        "edited": row.edited_at_us is not None,
    }


def _comment(keys: Keys, row: Any) -> Told:
    return {
        "view": "comment",
        "uri": keys.uri(row.key),
        "cid": row.cid or None,
        "root": keys.uri(row.root),
        "parent": keys.uri(row.parent),
        "upvotes": row.upvotes,
        "downvotes": row.downvotes,
        "score": row.score,
        "replyCount": row.reply_count,
        "sortAtUs": row.sort_at_us,
        "hot": row.hot,
    }


def _community(keys: Keys, row: Any) -> Told:
    return {
        "view": "community",
        "did": row.did,
        "name": row.name,
        "subscriberCount": row.subscriber_count,
        "postCount": row.post_count,
        "memberCount": row.member_count,
    }


def _profile(keys: Keys, row: Any) -> Told:
    return {
        "view": "profile",
        "did": row.did,
        "displayName": row.display_name,
        "postCount": row.post_count,
        "commentCount": row.comment_count,
        "communityCount": row.community_count,
        "membershipCount": row.membership_count,
        "reputation": row.reputation,
    }


def _vote(keys: Keys, row: Any) -> Told:
    return {
        "view": "vote",
        "voter": row.voter,
        "subject": keys.uri(row.subject),
        "uri": f"at://{row.voter}/{VOTE}/{row.rkey}",
        "direction": row.direction,
    }


def _subscription(keys: Keys, row: Any) -> Told:
    if row.ended:
        return None
    return {
        "view": "subscription",
        "actor": row.actor,
        "community": row.community,
        "uri": f"at://{row.actor}/{SUBSCRIPTION}/{row.rkey}",
        "contentVisibility": row.content_visibility,
    }


def _block(keys: Keys, row: Any) -> Told:
    return {
        "view": "block",
        "actor": row.actor,
        "community": row.community,
        "uri": f"at://{row.actor}/{BLOCK}/{row.rkey}",
    }


def _authorization(keys: Keys, row: Any) -> Told:
    return {
        "view": "authorization",
        "community": row.community,
        "aggregator": row.aggregator,
        "uri": f"at://{row.community}/{AUTHORIZATION}/{row.rkey}",
        "enabled": bool(row.enabled),
    }


def _account(keys: Keys, row: Any) -> Told:
    return {"view": "account", "did": row.did, "active": False, "status": row.status} if row.active == 0 else None


_TELL: Mapping[str, Callable[[Keys, Any], Told]] = {
    REPO.name: _account,
    "authorization": _authorization,
    "block": _block,
    "comment": _comment,
    "community": _community,
    "post": _post,
    "profile": _profile,
    "subscription": _subscription,
    "vote": _vote,
}
