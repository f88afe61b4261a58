"""
A live Jetstream into a store, until it is told to stop.

A signal ends it after the batch in hand, whose place is committed with its rows; so it goes on from there next time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from strandline import Ingest
from strandline.event import Decoded
from strandline.forum import SCHEMA
from strandline.ingest import READ, cursors_of
from strandline.session import Place, Session, follow
from strandline_cli.ahead import unhurried_collection
from strandline_cli.command import Command, store_of, store_option
from strandline_cli.live import (
    END_S,
    collections_option,
    compress_option,
    dids_option,
    follow_until_stopped,
    hosts_of,
    json_status_option,
    wanted_of,
)
from strandline_cli.loop import run
from strandline_cli.opened import writing
from strandline_cli.serving import Served, checked, serving, serving_options
from strandline_cli.stop import ending_within

__all__ = ["run_"]

_SOURCE = "A Jetstream: wss://HOST for v2, wss://HOST/subscribe for v1; the first named is preferred."
_SERVE = "Serve it over HTTP too, at this port; the options of `strandline serve` hold."
_PATIENCE = "Seconds to wait for a store in trouble."


@click.command(
    "run",
    cls=Command,
    examples=(
        "strandline run --source wss://jetstream.us-east.bsky.network --store sqlite:///forum.db",
        "strandline run --source wss://jetstream.us-east.bsky.network --store sqlite:///forum.db --serve 8000",
        "strandline run --source wss://jetstream2.us-east.bsky.network/subscribe --store sqlite:///forum.db",
    ),
)
@click.option(
    "--source",
    "sources",
    metavar="URL",
    multiple=True,
    required=True,
    help=_SOURCE,
)
@store_option
@collections_option
@dids_option
@compress_option
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help=_PATIENCE,
)
@click.option("--serve", "port", metavar="PORT", type=click.IntRange(0, 65535), help=_SERVE)
@serving_options
@json_status_option
@ending_within(END_S)
def run_(
    sources: Sequence[str],
    url: str | None,
    collections: Sequence[str],
    dids: Sequence[str],
    no_compress: bool,
    patience_s: float,
    status_json: bool,
    port: int | None,
    key_files: tuple[Path, ...],
    **told: Any,
) -> None:
    """
    Follow a Jetstream into a store.

    Begins with what happens now, or where the store was taken to before. Lost connections are made again; a host that
    stays away is left for the next one. Stopped by Ctrl-C or SIGTERM, it finishes the batch in hand.
    """
    served = None if port is None else Served(url=store_of(url), port=port, **told)
    keys = () if served is None else checked(served, key_files)
    hosts = hosts_of(sources, "--source")
    wanted = wanted_of(collections, dids)
    with writing(url, new=True) as store, unhurried_collection():
        ingest = Ingest(store, SCHEMA)
        places = run(ingest.places([host.source for host in hosts]))
        session = evolve(follow(hosts, places), wanted=wanted, compress=not no_compress)
        run(_follow_and_serve(ingest, session, patience_s, status_json, served, keys))


async def _follow_and_serve(
    ingest: Ingest,
    session: Session,
    patience_s: float,
    status_json: bool,
    served: Served | None,
    keys: tuple[bytes, ...],
) -> None:
    async with serving(served, keys):
        await _follow(ingest, session, patience_s, status_json)


async def _follow(ingest: Ingest, session: Session, patience_s: float, status_json: bool) -> None:
    from strandline_jetstream import Follower

    read = {host.source: await ingest.cursor(f"{host.source}{READ}") or 0 for host in session.hosts}
    unplaced = 0

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        nonlocal unplaced
        count = unplaced + len(items)
        if place is None:
            await ingest.fold(items)
            unplaced = count
            return
        await ingest.fold(items, cursors_of(place, read[place.source] + count))
        read[place.source] += count
        unplaced = 0

    follower = Follower(session, deliver, go_on=ingest.go_on, patience_s=patience_s)
    await follow_until_stopped(follower, status_json)
