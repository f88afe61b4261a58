"""
Feeds, a page at a time.

A page ends with a token for the next. It carries what the feed was asked and when, so that the next page goes on in
the same window of time, and is of use for no other feed.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from attrs import evolve, frozen
from rich.table import Table
from rich.text import Text

from strandline import Store
from strandline.forum import queries
from strandline.forum.queries import TIMEFRAMES_US, FeedPage, Order
from strandline.ports import Key
from strandline.wirejson import canonical, loads
from strandline_cli.command import Command, Group, json_option, limit_option, sort_option, store_option
from strandline_cli.entries import Known, known_of_posts, post_json
from strandline_cli.exit import NotThere
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.people import did_of
from strandline_cli.show import console, print_json, text, when

__all__ = ["Asked", "feed", "print_posts", "read_token", "token_of", "viewer_option"]

F = TypeVar("F", bound=Callable[..., Any])
Ask = Callable[..., Any]


@frozen
class Asked:
    """
    What a page of a feed was asked by.

    Attributes:
        feed: Which feed, of whom and for whom.
        order: `hot`, `new` or `top`; of a search `relevance` for `hot`.
        timeframe: A key of TIMEFRAMES_US; None for all there is.
        limit: Posts a page.
        since_us: Only posts since then, microseconds since 1970, UTC; None for all. Fixed by the first page.
        after: Where it begins: sort columns of the last post before; None for the first.
    """

    feed: str
    order: Any
    timeframe: str | None
    limit: int
    since_us: int | None
    after: Key | None = None


def feed_options(command: F) -> F:
    """Let a feed be told its order and page."""
    for option in (
        json_option,
        click.option(
            "--after", metavar="TOKEN", help="Show the page that follows; the page before ends with its token."
        ),
        limit_option(15),
        click.option(
            "--timeframe", type=click.Choice(list(TIMEFRAMES_US)), help="With --sort top: how far back.  [default: all]"
        ),
        sort_option,
        store_option,
    ):
        command = option(command)
    return command


viewer_option: Final = click.option("--viewer", metavar="WHO", help="Who asks: a did or a handle.")


@click.group(
    cls=Group,
    examples=(
        "strandline feed discover --store sqlite:///forum.db",
        "strandline feed discover --sort top --timeframe week --limit 30 --store sqlite:///forum.db",
        "strandline feed community pier.example --sort new --store sqlite:///forum.db",
        "strandline feed timeline alice.example --json --store sqlite:///forum.db",
    ),
)
def feed() -> None:
    """
    Show posts: of all communities, of one, or of those a viewer follows.

    hot: by score and age. new: the newest first. top: by score, of a timeframe. Under each post stands its at-uri,
    which `strandline thread` and `strandline explain` take.
    """


@feed.command(cls=Command, examples=("strandline feed discover --viewer alice.example --store sqlite:///forum.db",))
@feed_options
@viewer_option
def discover(url: str | None, viewer: str | None, as_json: bool, **asked: Any) -> None:
    """Show posts of all live public communities, but those the viewer blocks."""
    with reading(url) as store:
        who = None if viewer is None else did_of(store, viewer)
        _show(store, f"discover {who or ''}", as_json, asked, lambda **by: queries.discover(store, viewer=who, **by))


@feed.command(cls=Command, examples=("strandline feed community pier.example --sort new --store sqlite:///forum.db",))
@click.argument("community", metavar="DID-OR-HANDLE")
@feed_options
@viewer_option
def community(url: str | None, community: str, viewer: str | None, as_json: bool, **asked: Any) -> None:
    """Show posts of one community. A private one shows them to its subscribers only."""
    with reading(url) as store:
        did, who = did_of(store, community), None if viewer is None else did_of(store, viewer)

        async def ask(**by: Any) -> FeedPage:
            page = await queries.community_feed(store, did, viewer=who, **by)
            if page is None:
                raise NotThere(f"{community!r} is no live community, or is private and the viewer not subscribed to it")
            return page

        _show(store, f"community {did} {who or ''}", as_json, asked, ask)


@feed.command(cls=Command, examples=("strandline feed timeline alice.example --store sqlite:///forum.db",))
@click.argument("viewer", metavar="VIEWER")
@feed_options
def timeline(url: str | None, viewer: str, as_json: bool, **asked: Any) -> None:
    """Show posts of the live communities that VIEWER, a did or a handle, is subscribed to and does not block."""
    with reading(url) as store:
        who = did_of(store, viewer)
        _show(store, f"timeline {who}", as_json, asked, lambda **by: queries.timeline(store, who, **by))


def _show(store: Store, feed: str, as_json: bool, options: dict[str, Any], ask: Ask) -> None:
    asked = _asked(feed, **options)
    page: FeedPage = run(ask(order=asked.order, since_us=asked.since_us, limit=asked.limit, after=asked.after))
    about = known_of_posts(store, page.posts)
    following = None if page.after is None else token_of(evolve(asked, after=page.after))
    if as_json:
        print_json({"posts": [post_json(row, about) for row in page.posts], "after": following})
    else:
        print_posts(page, about, following)


def _asked(feed: str, order: Order, timeframe: str | None, limit: int, after: str | None) -> Asked:
    if timeframe is not None and order != "top":
        raise click.UsageError("--timeframe goes with --sort top.", click.get_current_context())
    window_us = TIMEFRAMES_US[timeframe or "all"]
    since_us = None if window_us is None else time.time_ns() // 1000 - window_us
    first = Asked(feed, order, timeframe, limit, since_us)
    if after is None:
        return first
    try:
        return read_token(after, first)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", click.get_current_context(), param_hint="'--after'") from None


def token_of(asked: Asked) -> str:
    """Return the token of a page."""
    told = [asked.feed, asked.order, asked.timeframe, asked.since_us, asked.after]
    return urlsafe_b64encode(canonical(told)).decode().rstrip("=")


def read_token(token: str, first: Asked) -> Asked:
    """
    Return what a page was asked by, given its token and how the first page would be asked now.

    Raises:
        ValueError: it is no token, or is one of another feed, order or timeframe.
    """
    try:
        *told, since_us, after = loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        kinds = [type(part) for part in after]
    except (ValueError, TypeError):
        raise ValueError("it is no token that a page ended with") from None
    if told != [first.feed, first.order, first.timeframe]:
        raise ValueError("it is of another feed, order, timeframe or viewer")
    if kinds != [*[int] * (len(after) - 1), str] or (since_us is None) != (first.since_us is None):
        raise ValueError("it is no token that a page ended with")
    return evolve(first, since_us=since_us, after=tuple(after))


def print_posts(page: FeedPage, about: Known, following: str | None) -> None:
    """Print a page of posts, two lines each and the at-uri below, and the token of the next."""
    out = console()
    if not page.posts:
        out.print(text("no posts", "dim"))
        return
    out.print(_line("score", "replies", "when", "title", style="bold"))
    for row in page.posts:
        title = text(row.title or about.words(row.uri, "content") or "(no title)")
        place = text(f"in {about.place(row.community)} by {about.who(row.author)}", "dim")
        out.print(_line(f"{row.score:,}", f"{row.comment_count:,}", when(row.sort_at_us, exact=False), title))
        out.print(_line("", "", "", place))
        out.print(text(f"{row.uri}", "dim"), no_wrap=True, overflow="ignore", crop=False)
    if following is not None:
        out.print(text(f"next page: --after {following}", "dim"), no_wrap=True, overflow="ignore", crop=False)


def _line(*cells: str | Text, style: str = "") -> Table:
    """Return one line of the list: its columns are as wide in every line, so that they stand below each other."""
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(width=6, justify="right", no_wrap=True, style=style)
    line.add_column(width=7, justify="right", no_wrap=True, style=style)
    line.add_column(width=16, no_wrap=True, style=style)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style=style)
    line.add_row(*cells)
    return line
