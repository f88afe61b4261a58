"""Posts: each live post with its tally and its ranks."""

from typing import Any

from strandline.forum.rank import ranks, sort_at
from strandline.forum.records import POST, Post
from strandline.forum.views.tally import TALLY
from strandline.schema import Attach, Column, Index, Live, Type

__all__ = ["POSTS"]

_SORT_AT = 5


def _row(it: Live) -> tuple[Any, ...]:
    post: Post = it.record
    at = sort_at(post.created_at, it.first_seen_us)
    edited_at = it.seen_us if it.edited else None
    return it.uri, it.cid, it.did, post.author, post.title, at, it.first_seen_us, edited_at


def _ranks(post: tuple[Any, ...], tally: tuple[int, ...]) -> tuple[int, int]:
    return ranks(post[_SORT_AT], tally[0], tally[1])


POSTS = Attach(
    name="post",
    kind=POST,
    columns=(
        Column("uri"),
        Column("cid", Type.CID),
        Column("community"),
        Column("author"),
        Column("title", null=True),
        Column("sort_at_us", Type.INTEGER),
        Column("indexed_at_us", Type.INTEGER),
        Column("edited_at_us", Type.INTEGER, null=True),
    ),
    row=_row,
    carries=TALLY,
    derived=(Column("score", Type.INTEGER), Column("hot", Type.INTEGER)),
    derive=_ranks,
    indexes=(
        Index("by_new", partition=("community",), order=("sort_at_us", "uri"), total=True),
        Index("by_top", partition=("community",), order=("score", "sort_at_us", "uri"), total=True),
        Index("by_hot", partition=("community",), order=("hot", "uri"), total=True),
        Index("by_author", partition=("author",), order=("sort_at_us", "uri"), total=True),
    ),
)
"""`edited_at_us` is null unless the standing version is an update."""
