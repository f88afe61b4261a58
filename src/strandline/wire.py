"""
An event as a line of either wire: what `strandline.event.decode` reads, written.

Source: https://github.com/bluesky-social/jetstream, its v1 `/subscribe` and v2 `subscribeEvents` wires
"""

from datetime import datetime, timedelta
from typing import Any

from strandline.event import Account, Commit, Event, Identity, Sync, canonical

__all__ = ["to_v1", "to_v2"]


def to_v1(event: Event) -> bytes:
    """
    Return the event as a line of the v1 wire, without a line end.

    Raises:
        ValueError: a Sync, which that wire cannot say.
    """
    envelope: dict[str, Any] = {"did": event.did, "time_us": event.seen_us}
    if isinstance(event, Commit):
        return canonical({**envelope, "kind": "commit", "commit": _write(event)})
    if isinstance(event, Identity):
        return canonical({**envelope, "kind": "identity", "identity": _marker(event)})
    if isinstance(event, Account):
        return canonical({**envelope, "kind": "account", "account": _marker(event)})
    raise ValueError(f"the v1 wire has no sync: {event!r}")


def to_v2(event: Event, seq: int = 1) -> bytes:
    """Return the event as a frame of the v2 wire, without a line end; `seq` is its number in the stream."""
    kind = type(event).__name__.lower()
    told = _write(event) if isinstance(event, Commit) else {kind: _marker(event)}
    body = {
        "$type": f"network.bsky.jetstream.subscribeEvents#{kind}",
        "did": event.did,
        "seq": seq,
        "time": _datetime(event.seen_us),
        **told,
    }
    return canonical({"$type": "message", "payload": body})


def _write(commit: Commit) -> dict[str, Any]:
    told: dict[str, Any] = {
        "rev": commit.rev,
        "operation": commit.operation,
        "collection": commit.collection,
        "rkey": commit.rkey,
    }
    if commit.record is not None:
        told["record"] = commit.record
    return {**told, "cid": commit.cid} if commit.cid else told


def _marker(event: Identity | Account | Sync) -> dict[str, Any]:
    told: dict[str, Any] = {"did": event.did}
    if isinstance(event, Sync):
        return {**told, "rev": event.rev}
    told |= {"seq": event.relay_seq, "time": _datetime(event.time_us)}
    if isinstance(event, Identity):
        return told if event.handle is None else {**told, "handle": event.handle}
    told["active"] = event.active
    return told if event.status is None else {**told, "status": event.status}


def _datetime(us: int) -> str:
    moment = datetime(1970, 1, 1) + timedelta(microseconds=us)
    return f"{moment.isoformat(timespec='microseconds')}Z"
