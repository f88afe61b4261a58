"""
What consumers by hand read in a record, whatever database they write to: the values of its rows, and no SQL.

They judge no record: of what is missing or no text they make something that can be kept.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

__all__ = [
    "Put",
    "Record",
    "authorization_told",
    "block_told",
    "community_told",
    "community_words",
    "created_of",
    "post_words",
    "record_row",
    "reply_of",
    "subscription_told",
    "table_of",
    "text_of",
    "vote_told",
]

RANKS = {"delete": 0, "create": 1, "update": 2}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Record = dict[str, Any]


class Put(NamedTuple):
    """A record that stands in the repository of `did`; `edited_us` is None unless it was updated."""

    uri: str
    did: str
    record: Record
    first_us: int
    edited_us: int | None


def record_row(did: str, commit: Record, told: str | None, seen_us: int) -> tuple[Any, ...]:
    """Return the row of a write, `told` being its record as text; it was first seen now unless a row says otherwise."""
    collection = commit["collection"]
    uri, rank = f"at://{did}/{collection}/{commit['rkey']}", RANKS[commit["operation"]]
    return uri, did, collection, commit["rev"], rank, commit.get("cid"), told, seen_us, seen_us


def table_of(subject: str) -> str:
    return "post" if "/social.coves.community.post/" in subject else "comment"


def text_of(record: Record, *names: str) -> str | None:
    """Return the first of some fields that is a text."""
    return next((record[name] for name in names if isinstance(record.get(name), str)), None)


def created_of(it: Put) -> int:
    """Return when a record says it was written, but not after it was first seen."""
    try:
        return min(it.first_us, (datetime.fromisoformat(it.record["createdAt"]) - EPOCH) // MICROSECOND)
    except (KeyError, ValueError, TypeError):
        return it.first_us


def post_words(record: Record) -> tuple[str | None, str]:
    tags = [tag for tag in record.get("tags") or () if isinstance(tag, str)]
    return text_of(record, "title"), " ".join([text_of(record, "content") or "", *tags])


def uri_in(ref: object) -> str:
    """Return what a strong reference points at; where it is none, an uri of nothing."""
    uri = ref.get("uri") if isinstance(ref, dict) else None
    return uri if isinstance(uri, str) and uri.count("/") >= 2 else "at://"


def reply_of(record: Record) -> tuple[str, str]:
    reply = record.get("reply")
    return (uri_in(reply.get("root")), uri_in(reply.get("parent"))) if isinstance(reply, dict) else ("at://", "at://")


# What a relation is about, and its value.


def vote_told(record: Record) -> tuple[str, str]:
    return uri_in(record.get("subject")), "up" if record.get("direction") == "up" else "down"


def subscription_told(record: Record) -> tuple[str, int]:
    level = record.get("contentVisibility", 3)
    ended = record.get("endedAt") is not None
    return str(record.get("subject")), 0 if ended else min(max(level, 1), 5) if isinstance(level, int) else 3


def block_told(record: Record) -> tuple[str, None]:
    return str(record.get("subject")), None


def authorization_told(record: Record) -> tuple[str, int]:
    return str(record.get("aggregatorDid")), int(record.get("enabled") is True)


# What a community says of itself.


def community_told(record: Record) -> tuple[str | None, str | None, str]:
    """Return its name, its name as it is to be shown, and who may see it."""
    visibility = record.get("visibility", "public")
    shown = visibility if visibility in ("public", "private") else "unlisted"
    return text_of(record, "name"), text_of(record, "displayName"), shown


def community_words(record: Record) -> tuple[str, str | None]:
    return f"{text_of(record, 'name')} {text_of(record, 'displayName') or ''}", text_of(record, "description")
