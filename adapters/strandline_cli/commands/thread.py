"""A post and what was said under it, as an indented tree."""

from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from strandline import Store
from strandline.forum import queries
from strandline.forum.queries import Reply
from strandline_cli.command import Command, json_option, limit_option, sort_option, store_option, uri_argument
from strandline_cli.entries import Known, comment_json, known, post_json
from strandline_cli.exit import NotThere
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.show import console, one_line, print_json, text, when

__all__ = ["thread"]

DELETED: Final = "[deleted]"
_STEP: Final = 2
_POST_LINES: Final = 6


@click.command(
    cls=Command,
    examples=(
        "strandline thread at://did:plc:abc/social.coves.community.post/3k2b --store sqlite:///forum.db",
        "strandline thread --sort new --store sqlite:///forum.db",
    ),
)
@uri_argument(required=False)
@store_option
@sort_option
@limit_option(1000)
@json_option
def thread(uri: str | None, url: str | None, order: queries.Order, limit: int, as_json: bool) -> None:
    """
    Show a post and what was said under it.

    AT-URI is that of the post; without it, the most discussed post of a page of `strandline feed discover` is shown. A
    comment that is gone, but was answered, is shown as [deleted]. Texts are cut to the terminal; --json has them whole.
    """
    with reading(url) as store:
        row = _discussed_post(store) if uri is None else run(queries.post(store, uri))
        if row is None:
            raise NotThere(f"no post is shown at {uri!r}; `strandline explain` says why" if uri else "there is no post")
        replies = run(queries.thread(store, row.uri, order=order))
        about = _known(store, row, replies[:limit])
    if as_json:
        _print_json(row, replies[:limit], about, len(replies))
    else:
        _print(row, replies[:limit], about, len(replies))


def _discussed_post(store: Store) -> Any | None:
    posts = run(queries.discover(store)).posts
    return max(posts, key=lambda row: row.comment_count, default=None)


def _known(store: Store, row: Any, replies: Sequence[Reply]) -> Known:
    uris = [reply.uri for reply in replies if reply.comment is not None]
    authors = {reply.comment.author for reply in replies if reply.comment is not None}
    return known(store, [row.uri, *uris], {row.author, row.community} | authors)


def _print_json(row: Any, replies: Sequence[Reply], about: Known, count: int) -> None:
    told = [
        {
            "depth": reply.depth,
            "uri": reply.uri,
            "comment": None if reply.comment is None else comment_json(reply.comment, about),
        }
        for reply in replies
    ]
    print_json({"post": post_json(row, about), "replies": told, "more": count - len(told)})


def _print(row: Any, replies: Sequence[Reply], about: Known, count: int) -> None:
    out = console()
    where = f"in {about.place(row.community)} by {about.who(row.author)}"
    out.print(text(row.title or "(no title)", "bold"))
    out.print(text(f"{row.score:,} points  {where}  {when(row.sort_at_us, exact=False)}", "dim"))
    out.print(text(row.uri, "dim"), no_wrap=True, overflow="ignore", crop=False)
    words = about.words(row.uri, "content")
    if words:
        out.print(_cut(text(words), out, _POST_LINES))
    out.print(text(f"{row.comment_count:,} comments", "dim"))
    for reply in replies:
        _print_reply(out, reply, about)
    if count > len(replies):
        out.print(text(f"and {count - len(replies):,} more: --limit", "dim"))


def _print_reply(out: Console, reply: Reply, about: Known) -> None:
    deepest = out.width // 2 // _STEP
    indent = " " * (_STEP * min(reply.depth, deepest))
    mark = f"({reply.depth}) " if reply.depth > deepest else ""
    if reply.comment is None:
        lines = [Text(f"{mark}{DELETED}", style="dim italic")]
    else:
        row = reply.comment
        head = f"{mark}{one_line(about.who(row.author))}  {row.score:+,}  {when(row.sort_at_us, exact=False)}"
        lines = [Text(head, style="dim"), text(about.words(reply.uri, "content"))]
    for line in lines:
        out.print(Text(indent).append_text(line), no_wrap=True, overflow="ellipsis")


def _cut(words: Text, out: Console, lines: int) -> Text:
    wrapped = words.wrap(out, out.width)
    if len(wrapped) <= lines:
        return words
    last = wrapped[lines - 1]
    last.truncate(out.width - 1)
    return Text("\n").join(wrapped[:lines]).append("…")
