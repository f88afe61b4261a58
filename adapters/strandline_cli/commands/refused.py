"""What was refused, and why: records that are not valid, lines that are no events."""

from base64 import b64encode
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import Any, Final

import click
from rich.console import Console, RenderableType
from rich.padding import Padding

from strandline import Store
from strandline.fold import QUARANTINE
from strandline.ingest import DEAD_LETTER
from strandline.wirejson import loads
from strandline_cli.command import Command, json_option, limit_option, store_option
from strandline_cli.loop import run
from strandline_cli.opened import each, reading
from strandline_cli.show import console, print_json, table, text

__all__ = ["dead_letters", "quarantine"]

_FRONT: Final = 200
"""Characters of a line that are shown of it."""


@click.command(
    cls=Command,
    examples=(
        "strandline quarantine --store sqlite:///forum.db",
        "strandline quarantine --store sqlite:///forum.db --json --limit 1000",
    ),
)
@store_option
@limit_option(50)
@json_option
def quarantine(url: str | None, limit: int, as_json: bool) -> None:
    """
    List the records that stand but are not valid.

    Each holds its place and counts for nothing, until a later write of its repo takes the place.
    """
    with reading(url) as store, closing(_refused(store)) as rows:
        found = list(islice(rows, limit + 1))
    if as_json:
        print_json(found[:limit])
        return
    out = console()
    for it in found[:limit]:
        out.print(text(it["uri"], "bold"), no_wrap=True, overflow="ignore", crop=False)
        for fault in it["faults"]:
            out.print(Padding(text(f"{fault['path']}  {fault['rule']}: {fault['message']}"), (0, 0, 0, 4)))
    _tell_end(out, len(found), limit, "no record is quarantined")


def _refused(store: Store) -> Generator[dict[str, Any], None, None]:
    for _, rows in each(store.scan([QUARANTINE.name]), 1):
        for rkey, collection, did, faults in rows:
            yield {"uri": f"at://{did}/{collection}/{rkey}", "faults": loads(faults.encode())}


@click.command(
    "dead-letters",
    cls=Command,
    examples=(
        "strandline dead-letters --store sqlite:///forum.db",
        "strandline dead-letters --store sqlite:///forum.db --json --limit 10000",
    ),
)
@store_option
@limit_option(50)
@json_option
def dead_letters(url: str | None, limit: int, as_json: bool) -> None:
    """
    List the lines that were no events.

    The newest come first; the newest 10,000 are kept, each once, with their first 64 kB.
    """
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
    _tell_end(out, len(letters), limit, "there are no dead letters")


def _letter(it: Any) -> dict[str, Any]:
    told = {"number": it.number, "reason": it.reason, "detail": it.detail, "size": it.size, "sha256": it.digest}
    try:
        return told | {"payload": it.payload.decode()}
    except UnicodeDecodeError:
        return told | {"payloadBase64": b64encode(it.payload).decode()}


def _front(payload: bytes) -> str:
    front = payload[:_FRONT].decode(errors="backslashreplace")
    return front if len(payload) <= _FRONT else f"{front}…"


def _tell_end(out: Console, found: int, limit: int, none: str) -> None:
    if not found:
        out.print(text(none, "dim"))
    elif found > limit:
        out.print(text("and more: --limit", "dim"))
