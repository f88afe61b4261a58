"""The views made anew from the registers, beside the old ones, and put in their place at one stroke."""

import click

from strandline import Ingest
from strandline.forum import SCHEMA
from strandline_cli.command import Command, store_option
from strandline_cli.loop import run
from strandline_cli.opened import writing
from strandline_cli.progress import working

__all__ = ["rebuild"]


@click.command(cls=Command, examples=("strandline rebuild --store sqlite:///forum.db",))
@store_option
def rebuild(url: str | None) -> None:
    """
    Make the views anew from the registers.

    Needed after an upgrade that changed the schema, the semantics or the validator, and when `strandline verify` found
    drift. The old views are read until the new ones are whole; a rebuild that is stopped, or killed, leaves the old.
    """
    with writing(url, stale=True) as store, working("making the views anew"):
        count = run(Ingest(store, SCHEMA).rebuild())
    click.echo(f"rebuilt the views from {count:,} registers")
