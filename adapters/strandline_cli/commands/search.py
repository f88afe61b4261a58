"""
Posts, communities and profiles, found by their words, a page at a time.

A page ends with a token for the next, as a feed's does: it is of use for the same search only.
"""

import time
from typing import Any, Final

import click
from attrs import evolve
from rich.text import Text

from strandline import Store
from strandline.forum.queries import TIMEFRAMES_US, FeedPage
from strandline.forum.records import ACTOR_PROFILE, COMMUNITY_PROFILE
from strandline.forum.searching import Matches, search_actors, search_communities, search_posts
from strandline_cli.command import Command, json_option, limit_option, store_option
from strandline_cli.commands.feed import Asked, print_posts, read_token, token_of, viewer_option
from strandline_cli.entries import known, known_of_posts, owned_json, post_json
from strandline_cli.exit import NotThere
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.people import did_of
from strandline_cli.show import console, print_json, table, text

__all__ = ["search"]

KINDS: Final = {"community": COMMUNITY_PROFILE, "profile": ACTOR_PROFILE}


@click.command(
    cls=Command,
    examples=(
        'strandline search "low water" --store sqlite:///forum.db',
        "strandline search 'tid* -storm' --sort top --timeframe week --store sqlite:///forum.db",
        "strandline search tides --kind community --json --store sqlite:///forum.db",
    ),
)
@click.argument("words", nargs=-1, required=True)
@store_option
@click.option("--kind", type=click.Choice(["post", *KINDS]), default="post", show_default=True, help="What to find.")
@click.option("--community", metavar="WHO", help="Only posts of this community: a did or a handle.")
@click.option("--author", metavar="WHO", help="Only posts of this author: a did or a handle.")
@click.option(
    "--sort", type=click.Choice(["relevance", "new", "top"]), default="relevance", show_default=True, help="Of posts."
)
@click.option(
    "--timeframe",
    type=click.Choice(list(TIMEFRAMES_US)),
    default="all",
    show_default=True,
    help="Age of posts.",
)
@limit_option(15)
@click.option("--after", metavar="TOKEN", help="Show the page that follows; the page before ends with its token.")
@viewer_option
@json_option
def search(words: tuple[str, ...], url: str | None, kind: str, as_json: bool, **options: Any) -> None:
    """
    Find posts, communities or profiles by their words.

    All words must be there. "the sea" in quotes is a phrase, tid* finds words that begin so, -storm leaves out what
    has that word (write -- before the first if it begins with a minus). Of a community or a profile the last word may
    be half typed; a did or a handle finds its profile.
    """
    _refuse_of_posts(kind, options)
    with reading(url) as store:
        asked, page = _asked(store, kind, " ".join(words), options)
        following = None if page.after is None else token_of(evolve(asked, after=page.after))
        if kind == "post":
            _show_posts(store, page, as_json, following)
        else:
            _show_owned(store, kind, page, as_json, following)


def _refuse_of_posts(kind: str, options: dict[str, Any]) -> None:
    of_posts = [name for name in ("community", "author") if options[name] is not None]
    if kind != "post" and of_posts:
        raise click.UsageError(f"--{of_posts[0]} goes with --kind post.", click.get_current_context())


def _asked(store: Store, kind: str, words: str, options: dict[str, Any]) -> tuple[Asked, Matches]:
    who: dict[str, Any] = {
        name: None if options[name] is None else did_of(store, options[name])
        for name in ("community", "author", "viewer")
    }
    window_us = TIMEFRAMES_US[options["timeframe"]]
    since_us = None if window_us is None else time.time_ns() // 1000 - window_us
    told = " ".join(["search", kind, *(it or "" for it in who.values()), words])
    asked = Asked(told, options["sort"], options["timeframe"], options["limit"], since_us)
    if options["after"] is not None:
        try:
            asked = read_token(options["after"], asked)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", click.get_current_context(), param_hint="'--after'") from None
    return asked, _found(store, kind, words, who, asked)


def _found(store: Store, kind: str, words: str, who: dict[str, Any], asked: Asked) -> Matches:
    by: dict[str, Any] = {"limit": asked.limit, "after": asked.after}
    if kind == "profile":
        return run(search_actors(store, words, **by))
    if kind == "community":
        return run(search_communities(store, words, viewer=who["viewer"], **by))
    page = run(search_posts(store, words, **by, **who, order=asked.order, since_us=asked.since_us))
    if page is None:
        raise NotThere(f"{who['community']!r} is no live community, or is private and the viewer not subscribed to it")
    return page


def _show_posts(store: Store, page: Matches, as_json: bool, following: str | None) -> None:
    about = known_of_posts(store, page.rows)
    if as_json:
        print_json({"posts": [post_json(row, about) for row in page.rows], "after": following})
    else:
        print_posts(FeedPage(page.rows, page.after), about, following)


def _show_owned(store: Store, kind: str, page: Matches, as_json: bool, following: str | None) -> None:
    uris = {row.did: f"at://{row.did}/{KINDS[kind]}/self" for row in page.rows}
    about = known(store, uris.values(), uris)
    if as_json:
        name = "communities" if kind == "community" else "profiles"
        print_json({name: [owned_json(row, uris[row.did], about) for row in page.rows], "after": following})
        return
    count = "subscribers" if kind == "community" else "reputation"
    rows = [[text(it) for it in _cells(kind, row, about.who(row.did))] for row in page.rows]
    out = console()
    out.print(table([count, "name", "who"], rows, [count]) if rows else Text(f"no {kind} is found", "dim"))
    if following is not None:
        out.print(text(f"next page: --after {following}", "dim"), no_wrap=True, overflow="ignore", crop=False)


def _cells(kind: str, row: Any, who: str) -> tuple[str, str, str]:
    if kind == "community":
        return f"{row.subscriber_count:,}", row.display_name or row.name, who
    return f"{row.reputation:,}", row.display_name or "", who
