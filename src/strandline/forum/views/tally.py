"""Tallies: the votes on, and the comments under, any at-uri, whether or not anything is known to stand there."""

from typing import Any

from strandline.forum.records import COMMENT, Comment
from strandline.schema import Column, Live, Rows, Type, Weighted

__all__ = ["TALLY"]

_UP, _DOWN, _REPLY, _COMMENT = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)


def _of_vote(vote: Any) -> list[Weighted]:
    return [((vote.subject,), _UP if vote.direction == "up" else _DOWN)]


def _of_comment(it: Live) -> list[Weighted]:
    comment: Comment = it.record
    reply = comment.reply
    return [((reply.root.uri,), _COMMENT), ((reply.parent.uri,), _REPLY)]


TALLY = Rows(
    name="tally",
    key=(Column("subject", Type.KEY),),
    sums=("upvotes", "downvotes", "reply_count", "comment_count"),
    sources={"vote": _of_vote, COMMENT: _of_comment},
)
"""`reply_count` counts the comments whose parent it is, `comment_count` those whose root it is: the whole thread."""
