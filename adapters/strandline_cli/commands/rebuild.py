"""The views made anew from the registers, beside the old ones, and put in their place at one stroke."""

import click

from strandline import Ingest, Store, run
from strandline.fold import JOB
from strandline.forum import SCHEMA
from strandline_cli.command import Command, store_option
from strandline_cli.opened import each, is_stale, writing
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
        ingest = Ingest(store, SCHEMA)
        if is_stale(store):
            _drop_jobs(store)
        else:
            run(ingest.finish())
        count = run(ingest.rebuild())
    click.echo(f"rebuilt the views from {count:,} registers")


def _drop_jobs(store: Store) -> None:
    """
    Drop the jobs of a stale store: what they move are rows of views that may have other columns by now.

    Nothing is lost. New views show each repo as it is, and until they stand the store is refused as stale.
    """
    jobs = [row for _, rows in each(store.scan([JOB.name])) for row in rows]
    run(store.commit({JOB.name: {(row[0],): None for row in jobs}}))
