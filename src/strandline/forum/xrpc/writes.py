"""
Writes belong to the client: where each goes, and what its body is.

A user's repo is written by the user's own client at the user's own host; the index only follows.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from strandline.forum.records import BLOCK, COMMENT, POST, SUBSCRIPTION, VOTE
from strandline.forum.xrpc.refusal import Refusal

__all__ = ["WRITES", "Write", "write_to_pds"]

_REPO: Final = "did:plc:yourdidyourdidyourdidyo2"
_COMMUNITY: Final = "did:plc:acommunityacommunityaco2"
_RKEY: Final = "3kabcdefghij2"
_AT: Final = "2026-06-01T12:00:00.000Z"
_REF: Final = {
    "uri": f"at://{_COMMUNITY}/{POST}/{_RKEY}",
    "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
}
_FOLLOW: Final = {"subject": _COMMUNITY, "createdAt": _AT}
_SAID: Final = {"reply": {"root": _REF, "parent": _REF}, "content": "Low water is at nine.", "createdAt": _AT}


@frozen
class Write:
    """
    A write, as a client makes it.

    Attributes:
        call: The procedure of the user's host.
        collection: The collection that is written.
        record: An example of the record, without its `$type`; None for a delete.
    """

    call: str
    collection: str
    record: Mapping[str, Any] | None

    def body(self) -> dict[str, Any]:
        """Return an example of the call's body."""
        told: dict[str, Any] = {"repo": _REPO, "collection": self.collection}
        if not self.call.endswith("createRecord"):
            told["rkey"] = _RKEY
        return told if self.record is None else {**told, "record": {"$type": self.collection, **self.record}}


_CREATE, _PUT, _DELETE = (f"com.atproto.repo.{name}Record" for name in ("create", "put", "delete"))

WRITES: Final[Mapping[str, Write]] = {
    "social.coves.community.subscribe": Write(_CREATE, SUBSCRIPTION, {**_FOLLOW, "contentVisibility": 3}),
    "social.coves.community.unsubscribe": Write(_DELETE, SUBSCRIPTION, None),
    "social.coves.community.blockCommunity": Write(_CREATE, BLOCK, _FOLLOW),
    "social.coves.community.unblockCommunity": Write(_DELETE, BLOCK, None),
    "social.coves.feed.vote.create": Write(_CREATE, VOTE, {"subject": _REF, "direction": "up", "createdAt": _AT}),
    "social.coves.feed.vote.delete": Write(_DELETE, VOTE, None),
    "social.coves.community.comment.create": Write(_CREATE, COMMENT, _SAID),
    "social.coves.community.comment.update": Write(_PUT, COMMENT, _SAID),
    "social.coves.community.comment.delete": Write(_DELETE, COMMENT, None),
}
"""What a client writes itself, by the procedure that it used to call."""


def write_to_pds(nsid: str) -> Refusal:
    """Return the refusal that says where a write goes."""
    write = WRITES[nsid]
    return Refusal(
        400,
        "WriteToPds",
        f"this is written by the user's client: call {write.call} on the user's own host, collection "
        f"{write.collection}; the index follows",
        {"call": write.call, "collection": write.collection, "body": write.body()},
    )
