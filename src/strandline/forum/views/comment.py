"""Comments: each live comment with its tally and its ranks, where its current record says."""

from typing import Any

from strandline.forum.rank import ranks, sort_at
from strandline.forum.records import COMMENT, Comment
from strandline.forum.views.tally import TALLY
from strandline.schema import Attach, Column, Index, Live, Type

__all__ = ["COMMENTS"]

_SORT_AT = 4


def _row(it: Live) -> tuple[Any, ...]:
    comment: Comment = it.record
    root, parent = comment.reply.root.uri, comment.reply.parent.uri
    at = sort_at(comment.created_at, it.first_seen_us)
    edited_at = it.seen_us if it.edited else None
    return it.cid, it.did, root, parent, at, it.first_seen_us, edited_at


def _ranks(comment: tuple[Any, ...], tally: tuple[int, ...]) -> tuple[int, int]:
    return ranks(comment[_SORT_AT], tally[0], tally[1])


COMMENTS = Attach(
    name="comment",
    kind=COMMENT,
    columns=(
        Column("cid", Type.CID),
        Column("author"),
        Column("root", Type.KEY),
        Column("parent", Type.KEY),
        Column("sort_at_us", Type.INTEGER),
        Column("indexed_at_us", Type.INTEGER),
        Column("edited_at_us", Type.INTEGER, null=True),
    ),
    row=_row,
    carries=TALLY,
    derived=(Column("score", Type.INTEGER), Column("hot", Type.INTEGER)),
    derive=_ranks,
    indexes=(
        Index("by_root", partition=("root",)),
        Index("by_author", partition=("author",), order=("sort_at_us",)),
    ),
)
"""`root` and `parent` are keys; `author` owns the repo."""
