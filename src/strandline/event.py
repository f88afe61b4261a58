"""
What a Jetstream says happened: four events, and how a line of either wire becomes one.

A line decodes to an Event, to a BadEvent with a stable reason (garbage is counted and kept aside, it never stops the
stream), or to a Control frame, which says something of the stream and nothing of the network. A line with several
faults has one reason everywhere: a fault of the text comes before one of the envelope, that before one of the body,
and within each the order is that of BAD_REASONS; of the parser's own three, the one it meets first.

Source: https://github.com/bluesky-social/jetstream, its v1 `/subscribe` and v2 `subscribeEvents` wires
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

from attrs import field, frozen

from strandline.memo import remembered
from strandline.syntax import Did, Nsid, RecordKey, Tid, datetime_us
from strandline.wirejson import InvalidJson, canonical, parse

__all__ = [
    "BAD_REASONS",
    "MAX_LINE_BYTES",
    "Account",
    "BadEvent",
    "Commit",
    "Control",
    "Decoded",
    "Event",
    "Identity",
    "Sync",
    "canonical",
    "decode",
]

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
MAX_DID_BYTES: Final = 512
MAX_URI_BYTES: Final = 1200
MAX_HANDLE_LETTERS: Final = 512
"""Twice as long as a handle may be; a store seeks by it, and no store can seek by any text."""
MAX_INTEGER: Final = 2**53 - 1

BAD_REASONS: Final[Mapping[str, str]] = {
    "line-too-long": "the line is over 4 MiB",
    "nesting": "nested deeper than 64",
    "json": "not JSON, or not UTF-8",
    "not-finite": "holds NaN, Infinity or a number too great to be finite",
    "number": "holds an integer of more than 4,300 digits",
    "not-an-object": "JSON, but not an object",
    "kind": "a kind of event no wire has",
    "cursor": "the cursor is not an integer in 0…2^53−1",
    "did-mismatch": "envelope and body name different dids",
    "time": "an account, identity or v2 event without a parseable time",
    "seen": "the time it was seen is not an integer in 0…2^53−1",
    "did": "the did is not one",
    "operation": "an operation other than create, update, delete",
    "rev": "the rev is not a TID",
    "collection": "the collection is not an NSID",
    "rkey": "the rkey is not a record key",
    "too-long": "the did is over 512 bytes, or the at-uri over 1,200",
    "record": "a put whose record is not an object",
    "cid": "the cid is not a plain text of at most 512 bytes",
    "seq": "an account or identity event without a relay seq in 0…2^53−1",
    "active": "`active` is not a boolean",
    "handle": "the handle is not a text, holds control characters, or is over 512 letters long",
    "status": "the status is not a text, or holds control characters",
}
"""Why a line is bad: every reason that `decode` gives, with its meaning."""

Operation = Literal["create", "update", "delete"]

_is_did = remembered(Did.matches)
_is_nsid = remembered(Nsid.matches)

_V2 = "network.bsky.jetstream.subscribeEvents#"
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@frozen(kw_only=True)
class Commit:
    """
    One write to one path of a repository.

    Attributes:
        did: The repository's owner.
        rev: Revision of the commit; a TID, compared as text, only within one repo.
        operation: create, update or delete; the first two are *puts*.
        collection: NSID of the record's kind.
        rkey: Key of the record in its collection.
        cid: Content identifier of the record; "" when missing, and for every delete.
        record: The record as a JSON value; None for a delete.
        seen_us: When that Jetstream saw it, microseconds since 1970, UTC; never an ordering key.
        plain: The record is known to hold nothing that some store could not hold; False says nothing.
    """

    did: str
    rev: str
    operation: Operation
    collection: str
    rkey: str
    cid: str = ""
    record: dict[str, Any] | None = None
    seen_us: int
    plain: bool = field(default=False, eq=False, repr=False)
    position: int = field(default=0, eq=False, repr=False)


@frozen(kw_only=True)
class Identity:
    """A did's identity may have changed; its handle here is claimed, not verified. Times and position as in Commit."""

    did: str
    handle: str | None = None
    time_us: int
    relay_seq: int
    seen_us: int
    position: int = field(default=0, eq=False, repr=False)


@frozen(kw_only=True)
class Account:
    """A did's account is active or not; `status` says why not, in the host's words. Times and position as in Commit."""

    did: str
    active: bool
    status: str | None = None
    time_us: int
    relay_seq: int
    seen_us: int
    position: int = field(default=0, eq=False, repr=False)


@frozen(kw_only=True)
class Sync:
    """The repo was re-stated as of `rev`: what stands with a lesser rev, and was not re-sent, is gone."""

    did: str
    rev: str
    seen_us: int
    position: int = field(default=0, eq=False, repr=False)


Event = Commit | Identity | Account | Sync
"""What happened on the network: a line of a Jetstream that says one of these four."""


@frozen
class BadEvent:
    """A line that is no event: a reason of BAD_REASONS, what was wrong in it, and the line itself."""

    reason: str
    detail: str
    payload: bytes


@frozen
class Control:
    """A frame about the stream, not the network: `#info`, or an error frame."""

    name: str
    detail: str


Decoded = Event | BadEvent | Control


def decode(line: bytes) -> Decoded:
    """
    Return what one line of a Jetstream says; v1 and v2 lines may be mixed.

    >>> decode(b'{"did":"did:web:a.example","time_us":1,"kind":"party"}')
    BadEvent(reason='kind', detail="kind is 'party'", payload=b'{"did":"did:web:a.example","time_us":1,"kind":"party"}')
    """
    try:
        if len(line) > MAX_LINE_BYTES:
            _refuse("line-too-long", "line", len(line))
        value, plain = parse(line)
        if type(value) is not dict:
            _refuse("not-an-object", "line", value)
        kind = value.get("kind")
        if kind == "commit":
            seen_us = _seen_v1(value)
            return _commit(value, value.get("commit"), seen_us, seen_us, plain)
        return _decode_v1(value, kind) if "kind" in value else _decode_v2(value, plain)
    except InvalidJson as error:
        return BadEvent(error.reason, str(error), line)
    except _Refused as refused:
        return BadEvent(refused.reason, refused.detail, line)


class _Refused(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def _refuse(reason: str, name: str, value: object) -> NoReturn:
    shown = ascii(value)
    raise _Refused(reason, f"{name} is {shown if len(shown) <= 80 else shown[:77] + '...'}")


def _decode_v1(envelope: dict[str, Any], kind: object) -> Event:
    if kind == "identity":
        seen_us = _seen_v1(envelope)
        return _identity(envelope, envelope.get("identity"), seen_us, seen_us)
    if kind == "account":
        seen_us = _seen_v1(envelope)
        return _account(envelope, envelope.get("account"), seen_us, seen_us)
    _refuse("kind", "kind", kind)


def _decode_v2(frame: dict[str, Any], plain: bool) -> Event | Control:
    name = frame.get("$type")
    if name == "error":
        return Control("error", f"{str(frame.get('error'))[:80]}: {str(frame.get('message'))[:400]}")
    body = frame.get("payload") if name == "message" else frame
    if type(body) is not dict:
        _refuse("kind", "payload", body)
    name = body.get("$type")
    if type(name) is not str or not name.startswith(_V2):
        _refuse("kind", "$type", name)
    kind = name[len(_V2) :]
    if kind == "info":
        return Control("info", f"{str(body.get('name'))[:80]}: {str(body.get('message'))[:400]}")
    if kind == "commit":
        return _commit(body, body, *_seen_v2(body), plain)
    if kind == "identity":
        return _identity(body, body.get("identity"), *_seen_v2(body))
    if kind == "account":
        return _account(body, body.get("account"), *_seen_v2(body))
    if kind == "sync":
        return _sync(body, body.get("sync"), *_seen_v2(body))
    _refuse("kind", "$type", name)


def _seen_v1(envelope: dict[str, Any]) -> int:
    if "cursor" in envelope and not _is_count(envelope["cursor"]):
        _refuse("cursor", "cursor", envelope["cursor"])
    seen = envelope.get("time_us")
    if type(seen) is not int or not 0 <= seen <= MAX_INTEGER:
        _refuse("seen", "time_us", seen)
    return seen


def _seen_v2(body: dict[str, Any]) -> tuple[int, int]:
    """Return when it was seen, and its position."""
    seq: Any = body.get("seq")
    if not _is_count(seq):
        _refuse("cursor", "seq", seq)
    time_us = _time(body)
    if not 0 <= time_us <= MAX_INTEGER:
        _refuse("seen", "time", body["time"])
    return time_us, seq


def _commit(envelope: dict[str, Any], body: Any, seen_us: int, position: int, plain: bool) -> Commit:
    did = _did(envelope)
    if type(body) is not dict:
        _refuse("kind", "commit", body)
    operation, rev, collection, rkey = body.get("operation"), body.get("rev"), body.get("collection"), body.get("rkey")
    if operation not in ("create", "update", "delete"):
        _refuse("operation", "operation", operation)
    if type(rev) is not str or not Tid.matches(rev):
        _refuse("rev", "rev", rev)
    if type(collection) is not str or not _is_nsid(collection):
        _refuse("collection", "collection", collection)
    if type(rkey) is not str or not RecordKey.matches(rkey):
        _refuse("rkey", "rkey", rkey)
    if len(did) + len(collection) + len(rkey) + len("at:////") > MAX_URI_BYTES:
        _refuse("too-long", "at-uri", f"at://{did}/{collection}/{rkey}")
    if operation == "delete":
        return Commit(
            did=did, rev=rev, operation="delete", collection=collection, rkey=rkey, seen_us=seen_us, position=position
        )
    record = body.get("record")
    if type(record) is not dict:
        _refuse("record", "record", record)
    return Commit(
        did=did,
        rev=rev,
        operation=operation,
        collection=collection,
        rkey=rkey,
        cid=_cid(body.get("cid")),
        record=record,
        seen_us=seen_us,
        plain=plain,
        position=position,
    )


def _identity(envelope: dict[str, Any], body: Any, seen_us: int, position: int) -> Identity:
    did, body = _did(envelope), _same_did(envelope, body, "identity")
    time_us, relay_seq = _time(body), _relay_seq(body)
    handle = _plain(body.get("handle"), "handle")
    if handle is not None and len(handle) > MAX_HANDLE_LETTERS:
        _refuse("handle", "handle", handle)
    return Identity(did=did, handle=handle, time_us=time_us, relay_seq=relay_seq, seen_us=seen_us, position=position)


def _account(envelope: dict[str, Any], body: Any, seen_us: int, position: int) -> Account:
    did, body = _did(envelope), _same_did(envelope, body, "account")
    time_us, relay_seq = _time(body), _relay_seq(body)
    active = body.get("active")
    if type(active) is not bool:
        _refuse("active", "active", active)
    status = _plain(body.get("status"), "status")
    return Account(
        did=did, active=active, status=status, time_us=time_us, relay_seq=relay_seq, seen_us=seen_us, position=position
    )


def _sync(envelope: dict[str, Any], body: Any, seen_us: int, position: int) -> Sync:
    did, body = _did(envelope), _same_did(envelope, body, "sync")
    rev = body.get("rev")
    if type(rev) is not str or not Tid.matches(rev):
        _refuse("rev", "rev", rev)
    return Sync(did=did, rev=rev, seen_us=seen_us, position=position)


def _did(envelope: dict[str, Any]) -> str:
    did = envelope.get("did")
    if type(did) is not str:
        _refuse("did", "did", did)
    if len(did) > MAX_DID_BYTES:  # never cached: hostile texts would fill the memory
        _refuse("too-long" if Did.matches(did) else "did", "did", did)
    if not _is_did(did):
        _refuse("did", "did", did)
    return did


def _same_did(envelope: dict[str, Any], body: Any, name: str) -> dict[str, Any]:
    if type(body) is not dict:
        _refuse("kind", name, body)
    if body.get("did") != envelope["did"]:
        _refuse("did-mismatch", f"{name}.did", body.get("did"))
    return body


def _time(body: dict[str, Any]) -> int:
    text = body.get("time")
    time_us = datetime_us(text) if type(text) is str else None
    if time_us is None:
        _refuse("time", "time", text)
    return time_us


def _relay_seq(body: dict[str, Any]) -> int:
    seq: Any = body.get("seq")
    if not _is_count(seq):
        _refuse("seq", "seq", seq)
    return int(seq)


def _plain(text: object, name: str) -> str | None:
    if text is None:
        return None
    if type(text) is not str or _UNPRINTABLE.search(text):
        _refuse(name, name, text)
    return text


def _cid(cid: object) -> str:
    if cid is None:
        return ""
    if type(cid) is not str or len(cid) > 512 or not cid.isprintable() or not cid.isascii():
        _refuse("cid", "cid", cid)
    return cid


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number <= MAX_INTEGER
