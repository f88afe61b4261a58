"""Members: who has written in a community, and how often."""

from strandline.forum.records import COMMENT, POST, Comment, Post
from strandline.schema import Column, Index, Live, Rows, Weighted

__all__ = ["MEMBERS"]

_ONCE = (1,)


def _of_post(it: Live) -> list[Weighted]:
    post: Post = it.record
    return [((it.did, post.author), _ONCE)]


def _of_comment(it: Live) -> list[Weighted]:
    comment: Comment = it.record
    community = comment.reply.root.uri.split("/")[2]
    return [((community, it.did), _ONCE)]


MEMBERS = Rows(
    name="member",
    key=(Column("community"), Column("did")),
    sums=("contributions",),
    sources={POST: _of_post, COMMENT: _of_comment},
    indexes=(Index("by_community", partition=("community",), order=("did",), descending=False, total=True),),
)
"""A weighted set: `did` is a member of `community` iff there is a row."""
