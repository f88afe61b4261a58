"""
A live Jetstream into a store, until it is told to stop.

A signal ends it after the batch in hand, whose place is committed with its rows; so it goes on from there next time.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from attrs import evolve
from rich.text import Text

from strandline import Ingest
from strandline.event import Decoded
from strandline.forum import SCHEMA
from strandline.ingest import cursors_of
from strandline.session import Filter, Host, Place, Session, follow
from strandline_cli.command import Command, store_option
from strandline_cli.loop import run
from strandline_cli.opened import writing
from strandline_cli.show import by_reason, card, console, text, when
from strandline_cli.stop import SIGNALS, Stopped

if TYPE_CHECKING:  # it needs an extra
    from strandline_jetstream import Status

__all__ = ["run_"]

FORUM = "social.coves.*"
_SOURCE = "A Jetstream: wss://HOST for v2, wss://HOST/subscribe for v1; the first named is preferred."
_COLLECTIONS = "Ask for these, exact or ending in .*; may be repeated."
_PATIENCE = "Seconds to wait for a store in trouble."


@click.command(
    "run",
    cls=Command,
    examples=(
        "strandline run --source wss://jetstream.us-east.bsky.network --store sqlite:///forum.db",
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
@click.option(
    "--collections",
    metavar="NSID",
    multiple=True,
    default=(FORUM,),
    show_default=True,
    help=_COLLECTIONS,
)
@click.option("--dids", metavar="DID", multiple=True, help="Ask for these repos alone; may be repeated.")
@click.option("--no-compress", is_flag=True, help="Ask for plain text instead of zstd.")
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help=_PATIENCE,
)
@click.option("--status-json", is_flag=True, help="Print how it goes, one JSON object a second.")
def run_(
    sources: Sequence[str],
    url: str | None,
    collections: Sequence[str],
    dids: Sequence[str],
    no_compress: bool,
    patience_s: float,
    status_json: bool,
) -> None:
    """
    Follow a Jetstream into a store.

    Begins with what happens now, or where the store was taken to before. Lost connections are made again; a host that
    stays away is left for the next one. Stopped by Ctrl-C or SIGTERM, it finishes the batch in hand.
    """
    hosts = _hosts(sources)
    wanted = Filter(collections=tuple(collections), dids=tuple(dids))
    with writing(url, new=True) as store:
        ingest = Ingest(store, SCHEMA)
        places = run(ingest.places([host.source for host in hosts]))
        session = evolve(follow(hosts, places), wanted=wanted, compress=not no_compress)
        run(_follow(ingest, session, patience_s, status_json))


def _hosts(sources: Sequence[str]) -> list[Host]:
    try:
        from strandline_jetstream import host_of
    except ModuleNotFoundError as error:
        raise click.UsageError(f"this needs {error.name!r}: pip install 'strandline[jetstream]'") from None
    try:
        return [host_of(it) for it in sources]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--source") from None


async def _follow(ingest: Ingest, session: Session, patience_s: float, status_json: bool) -> None:
    from strandline_jetstream import Follower

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        await ingest.fold(items, cursors_of(place) if place else None)

    follower = Follower(session, deliver, go_on=ingest.go_on, patience_s=patience_s)
    arrived: list[int] = []

    def stop(number: int) -> None:
        arrived.append(number)
        follower.interrupt()

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    telling = asyncio.create_task(_tell(follower.status, status_json))
    try:
        reason = await follower.follow()
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
        _summarise(follower.status, status_json)
    if arrived:
        raise Stopped(arrived[0])
    if reason:
        raise click.ClickException(reason)


def _summarise(status: "Status", status_json: bool) -> None:
    told = status.told()
    if status_json:
        print(json.dumps(told), flush=True)
        return
    rows = {
        "host": status.host or None,
        "events": f"{status.events:,}",
        "bad": by_reason(status.bad),
        "control": f"{status.control:,}",
        "gaps": f"{status.gaps:,}",
        "connections": f"{status.connections:,}",
        "taken in up to": when(status.seen_us),
        "last error": status.last_error,
    }
    console().print(card(rows))


async def _tell(status: "Status", status_json: bool) -> None:
    """Tell every second how it goes: on a terminal in a line, as JSON if asked, else not."""
    if status_json:
        while True:
            print(json.dumps(status.told()), flush=True)
            await asyncio.sleep(1)
    if not sys.stderr.isatty():
        return
    before = status.events
    with console(error=True).status("") as line:
        while True:
            line.update(_line(status, status.events - before))
            before = status.events
            await asyncio.sleep(1)


def _line(status: "Status", rate: int) -> Text:
    lag_us = status.told()["lag_us"]
    lag = "-" if lag_us is None else f"{int(str(lag_us)) / 1e6:,.1f} s"
    words = [status.host, f"{rate:,} events/s", f"lag {lag}", f"queue {status.queue:,}", f"bad {status.bad.total():,}"]
    return text(", ".join([*words, status.last_error] if status.last_error else words))
