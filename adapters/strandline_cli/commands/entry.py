"""One post, one community, one profile."""

from typing import Any

import click
from rich.console import Console

from strandline import Store
from strandline.forum import queries
from strandline.forum.records import ACTOR_PROFILE, COMMUNITY_PROFILE
from strandline_cli.command import Command, json_option, store_option, uri_argument
from strandline_cli.entries import Known, known, known_of_posts, owned_json, post_json
from strandline_cli.exit import NotThere
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.people import did_of
from strandline_cli.show import card, console, plain, print_json, text, when

__all__ = ["community", "post", "profile"]


@click.command(
    cls=Command,
    examples=(
        "strandline post at://did:plc:abc/social.coves.community.post/3k2b --store sqlite:///forum.db",
        "strandline post at://did:plc:abc/social.coves.community.post/3k2b --json --store sqlite:///forum.db",
    ),
)
@uri_argument()
@store_option
@json_option
def post(uri: str, url: str | None, as_json: bool) -> None:
    """Show a post: its text, its tally and its ranks."""
    with reading(url) as store:
        row = run(queries.post(store, uri))
        if row is None:
            raise NotThere(f"no post is shown at {uri!r}; `strandline explain` says why")
        about = known_of_posts(store, [row])
    if as_json:
        print_json(post_json(row, about))
    else:
        _print_post(console(), row, about)


def _print_post(out: Console, row: Any, about: Known) -> None:
    out.print(text(row.title or "(no title)", "bold"))
    _print_words(out, about.words(row.uri, "content"))
    pairs = {
        "uri": row.uri,
        "cid": row.cid,
        "community": _both(about.place(row.community), row.community),
        "author": _both(about.who(row.author), row.author),
        "score": f"{row.score:,}  ({row.upvotes:,} up, {row.downvotes:,} down)",
        "comments": f"{row.comment_count:,}  ({row.reply_count:,} of them to the post itself)",
        "sorted at": when(row.sort_at_us),
        "first seen": when(row.indexed_at_us),
        "edited": when(row.edited_at_us),
        "hot": str(row.hot),
    }
    out.print(card(pairs))


@click.command(cls=Command, examples=("strandline community pier.example --store sqlite:///forum.db",))
@click.argument("who", metavar="DID-OR-HANDLE")
@store_option
@json_option
def community(who: str, url: str | None, as_json: bool) -> None:
    """Show a community: what it says of itself, and its counts."""
    with reading(url) as store:
        did = did_of(store, who)
        row, uri = run(queries.community(store, did)), f"at://{did}/{COMMUNITY_PROFILE}/self"
        _show_owned(store, "community", who, row, uri, as_json)


@click.command(cls=Command, examples=("strandline profile alice.example --store sqlite:///forum.db",))
@click.argument("who", metavar="DID-OR-HANDLE")
@store_option
@json_option
def profile(who: str, url: str | None, as_json: bool) -> None:
    """Show a profile: what an account says of itself, and its counts."""
    with reading(url) as store:
        did = did_of(store, who)
        row, uri = run(queries.profile(store, did)), f"at://{did}/{ACTOR_PROFILE}/self"
        _show_owned(store, "profile", who, row, uri, as_json)


def _show_owned(store: Store, what: str, who: str, row: Any | None, uri: str, as_json: bool) -> None:
    if row is None:
        raise NotThere(f"{who!r} has no live {what}; `strandline explain {uri}` says why")
    about = known(store, [uri], [row.did])
    if as_json:
        print_json(owned_json(row, uri, about))
        return
    out = console()
    out.print(text(row.display_name or (row.name if what == "community" else about.who(row.did)), "bold"))
    _print_words(out, about.words(uri, "description") if what == "community" else row.bio or "")
    out.print(card(_community_pairs(row, about) if what == "community" else _profile_pairs(row, about)))


def _community_pairs(row: Any, about: Known) -> dict[str, object]:
    return {
        "name": row.name,
        "handle": about.handles.get(row.did),
        "did": row.did,
        "visibility": row.visibility,
        "subscribers": f"{row.subscriber_count:,}",
        "members": f"{row.member_count:,}",
        "posts": f"{row.post_count:,}",
        "created": when(row.created_at_us),
        "first seen": when(row.indexed_at_us),
    }


def _profile_pairs(row: Any, about: Known) -> dict[str, object]:
    return {
        "handle": about.handles.get(row.did),
        "did": row.did,
        "reputation": f"{row.reputation:,}",
        "posts": f"{row.post_count:,}",
        "comments": f"{row.comment_count:,}",
        "subscribed to": f"{row.community_count:,} communities",
        "member of": f"{row.membership_count:,} communities",
        "first seen": when(row.indexed_at_us),
    }


def _print_words(out: Console, words: str) -> None:
    if words:
        out.print()
        out.print(plain(words))
        out.print()


def _both(name: str, did: str) -> str:
    return did if name == did else f"{name}  {did}"
