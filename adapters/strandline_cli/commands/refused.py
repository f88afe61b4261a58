"""Records that stand but are not valid, and why."""

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding

from strandline import Store
from strandline.fold import QUARANTINE
from strandline.wirejson import loads
from strandline_cli.command import Command, json_option, limit_option, store_option
from strandline_cli.opened import each, reading
from strandline_cli.show import console, print_json, text

__all__ = ["quarantine", "tell_end"]


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
    tell_end(out, len(found), limit, "no record is quarantined")


def _refused(store: Store) -> Generator[dict[str, Any], None, None]:
    for _, rows in each(store.scan([QUARANTINE.name]), 1):
        for rkey, collection, did, faults in rows:
            yield {"uri": f"at://{did}/{collection}/{rkey}", "faults": loads(faults.encode())}


def tell_end(out: Console, found: int, limit: int, none: str) -> None:
    """Say that nothing was found, or that there is more."""
    if not found:
        out.print(text(none, "dim"))
    elif found > limit:
        out.print(text("and more: --limit", "dim"))
