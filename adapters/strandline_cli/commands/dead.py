"""Lines that were no events: listed, shown, tried again under the present code, thrown away."""

import sys
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

import click
from attrs import asdict
from rich.console import RenderableType

from strandline import Ingest
from strandline.event import BAD_REASONS
from strandline.forum import SCHEMA
from strandline.ingest import DEAD_LETTER
from strandline.letters import Retried, letter, purge, retry
from strandline_cli.command import Command, Group, json_option, limit_option, store_option
from strandline_cli.commands.refused import tell_end
from strandline_cli.exit import NotThere
from strandline_cli.loop import run
from strandline_cli.opened import reading, writing
from strandline_cli.show import card, console, print_json, safe, table, text

__all__ = ["dead_letters"]

_FRONT: Final = 200
"""Characters of a line that are shown of it."""


class _Letters(Group):
    """Lists them where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Group.parse_args(self, ctx, args)


@click.group(
    "dead-letters",
    cls=_Letters,
    invoke_without_command=True,
    examples=(
        "strandline dead-letters --store sqlite:///forum.db",
        "strandline dead-letters retry --store sqlite:///forum.db",
        "strandline dead-letters purge --reason json --store sqlite:///forum.db",
    ),
)
@store_option
@limit_option(50)
@json_option
@click.pass_context
def dead_letters(ctx: click.Context, url: str | None, limit: int, as_json: bool) -> None:
    """
    See to the lines that were no events: list, show, retry, purge.

    Without a command they are listed. The newest 10,000 are kept, each once, with their first 64 kB.
    """
    if ctx.invoked_subcommand is None:
        _list(url, limit, as_json)


@dead_letters.command(
    "list", cls=Command, examples=("strandline dead-letters list --limit 10 --store sqlite:///forum.db",)
)
@store_option
@limit_option(50)
@json_option
def list_(url: str | None, limit: int, as_json: bool) -> None:
    """List them, the newest first."""
    _list(url, limit, as_json)


@dead_letters.command(
    "show", cls=Command, examples=("strandline dead-letters show 17 --store sqlite:///forum.db > line.json",)
)
@click.argument("number", type=click.IntRange(1))
@store_option
@json_option
def show(number: int, url: str | None, as_json: bool) -> None:
    """Show one as it came, as far as it is kept."""
    with reading(url) as store:
        found = run(letter(store, number))
    if found is None:
        raise NotThere(f"there is no dead letter {number}")
    if as_json:
        print_json(_letter(found))
    elif sys.stdout.isatty():
        print(safe(found.payload.decode(errors="backslashreplace")))
    else:
        sys.stdout.buffer.write(found.payload + b"\n")


@dead_letters.command(
    "retry",
    cls=Command,
    examples=(
        "strandline dead-letters retry --store sqlite:///forum.db",
        "strandline dead-letters retry 17 18 --store sqlite:///forum.db",
    ),
)
@click.argument("numbers", metavar="[NUMBER]...", type=click.IntRange(1), nargs=-1)
@store_option
@json_option
def retry_(numbers: Sequence[int], url: str | None, as_json: bool) -> None:
    """
    Decode and take in again what was bad, under the present code; all, unless numbers are named.

    What is an event now is taken in and is a dead letter no more. A line of over 64 kB was cut, and cannot be tried.
    """

    async def tried(ingest: Ingest) -> Retried:
        retried = await retry(ingest, numbers)
        await ingest.finish()
        return retried

    with writing(url) as store:
        told = asdict(run(tried(Ingest(store, SCHEMA))))
    if as_json:
        print_json(told)
        return
    names = {"folded": "taken in", "bad": "still bad", "cut": "cut, not tried"}
    console().print(card({names[name]: f"{count:,}" for name, count in told.items()}))


@dead_letters.command(
    "purge",
    cls=Command,
    examples=(
        "strandline dead-letters purge --reason json --store sqlite:///forum.db",
        "strandline dead-letters purge --keep 1000 --store sqlite:///forum.db",
        "strandline dead-letters purge --all --store sqlite:///forum.db",
    ),
)
@click.option(
    "--reason", "reasons", type=click.Choice(list(BAD_REASONS)), multiple=True, help="Of this reason; may be repeated."
)
@click.option("--keep", type=click.IntRange(0), default=0, help="Leave the newest so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@store_option
@click.pass_context
def purge_(ctx: click.Context, reasons: Sequence[str], keep: int, everything: bool, url: str | None) -> None:
    """Throw them away: of some reasons, all but the newest, or all."""
    if everything == bool(reasons or keep):
        raise click.UsageError("say which: --reason, --keep, or --all.", ctx)
    with writing(url) as store:
        purged = run(purge(Ingest(store, SCHEMA), reasons=reasons, keep=keep))
    console().print(text(f"{purged:,} thrown away"))


def _list(url: str | None, limit: int, as_json: bool) -> None:
    with reading(url) as store:
        rows = run(store.page(DEAD_LETTER.name, "by_number", [()], limit=limit + 1))
    letters = [DEAD_LETTER.row(row) for row in rows]
    if as_json:
        print_json([_letter(it) for it in letters[:limit]])
        return
    out = console()
    lines: list[list[RenderableType]] = [
        [str(it.number), text(it.reason), text(it.detail), f"{it.size:,}", text(_front(it.payload))]
        for it in letters[:limit]
    ]
    if lines:
        out.print(table(["number", "reason", "detail", "bytes", "line"], lines, numbers=["number", "bytes"]))
    tell_end(out, len(letters), limit, "there are no dead letters")


def _letter(it: Any) -> dict[str, Any]:
    told = {"number": it.number, "reason": it.reason, "detail": it.detail, "size": it.size, "sha256": it.digest}
    try:
        return told | {"payload": it.payload.decode()}
    except UnicodeDecodeError:
        return told | {"payloadBase64": b64encode(it.payload).decode()}


def _front(payload: bytes) -> str:
    front = payload[:_FRONT].decode(errors="backslashreplace")
    return front if len(payload) <= _FRONT else f"{front}…"
