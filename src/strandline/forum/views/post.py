"""Posts: each live post with its tally and its ranks; and its words, which no vote moves."""

from typing import Any

from strandline.forum.rank import ranks, sort_at
from strandline.forum.records import POST, Post
from strandline.forum.views.tally import TALLY
from strandline.schema import Attach, Column, Index, Live, Search, Type
from strandline.words import words_of

__all__ = ["POSTS", "POST_WORDS"]

_SORT_AT = 5


def _row(it: Live) -> tuple[Any, ...]:
    post: Post = it.record
    at = sort_at(post.created_at, it.first_seen_us)
    edited_at = it.seen_us if it.edited else None
    return it.uri, it.cid, it.did, post.author, post.title, at, it.first_seen_us, edited_at


def _ranks(post: tuple[Any, ...], tally: tuple[int, ...]) -> tuple[int, int]:
    return ranks(post[_SORT_AT], tally[0], tally[1])


def _words(it: Live) -> tuple[str, str]:
    post: Post = it.record
    return words_of(post.title), words_of(post.content, *(post.tags or ()))


POST_WORDS = Attach(
    name="post_words",
    kind=POST,
    columns=(Column("title", Type.WORDS), Column("content", Type.WORDS)),
    row=_words,
)
"""What a post is found by: the words of its title, and those of its content and tags."""


def _search(name: str, *order: str, headed: bool = False) -> Search:
    return Search(
        name, POST_WORDS.name, order, headed=headed, within=("community", "author"), since="sort_at_us", total=True
    )


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
    ),
    searches=(
        _search("by_relevance", "hot", "uri", headed=True),
        _search("by_new", "sort_at_us", "uri"),
        _search("by_top", "score", "sort_at_us", "uri"),
    ),
)
"""`edited_at_us` is null unless the standing version is an update."""
