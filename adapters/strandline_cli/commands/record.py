"""
What a Jetstream sends, kept as a log: a line a frame, byte for byte.

Frames are kept as they came, with those that come twice after a lost connection, and with garbage; so a log of a bad
hour brings the hour back. A frame that holds a newline, which no Jetstream sends, has a blank in its place: the same
JSON. What cannot be unpacked is kept as it is.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from attrs import evolve

from strandline import LogError
from strandline.event import BadEvent, Control, Decoded
from strandline.session import Place, Session, follow
from strandline_cli.command import Command
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
from strandline_cli.stop import ending_within
from strandline_files.archive import opened_for_writing

__all__ = ["record"]

FLUSH_S: Final = 1.0


@click.command(
    cls=Command,
    examples=(
        "strandline record wss://jetstream.us-east.bsky.network -o window.ndjson.zst",
        "strandline record wss://jetstream2.us-east.bsky.network/subscribe --events 1000 -o window.ndjson",
    ),
)
@click.argument("source", metavar="URL")
@click.option("-o", "--out", metavar="FILE", required=True, help="A new file; .gz and .zst are packed.")
@click.option(
    "--events", type=click.IntRange(1), help="End once so many events have come; all of the last batch are kept."
)
@collections_option
@dids_option
@compress_option
@json_status_option
@ending_within(END_S)
def record(
    source: str,
    out: str,
    events: int | None,
    collections: Sequence[str],
    dids: Sequence[str],
    no_compress: bool,
    status_json: bool,
) -> None:
    """
    Keep what a Jetstream sends as a log.

    URL is wss://HOST for v2, wss://HOST/subscribe for v1. Begins with what happens now; `strandline replay` takes the
    log in. Stopped by Ctrl-C or SIGTERM, the file is whole; killed, it can be read up to its last second.
    """
    hosts = hosts_of([source], "URL")
    wanted = wanted_of(collections, dids)
    if Path(out).exists():
        raise LogError(f"{out!r} is there already: name a new file")
    session = evolve(follow(hosts, []), wanted=wanted, compress=not no_compress)
    with opened_for_writing(out) as file:
        run(_record(session, file, events, status_json))


async def _record(session: Session, file: Any, most: int | None, status_json: bool) -> None:
    from strandline_jetstream import Follower

    flushed_s = time.monotonic()

    def keep(line: bytes | BadEvent) -> None:
        told = line.payload if isinstance(line, BadEvent) else line
        file.write(told.replace(b"\n", b" ") + b"\n")

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        nonlocal flushed_s
        if time.monotonic() - flushed_s > FLUSH_S:
            file.flush()
            flushed_s = time.monotonic()
        came = follower.status.events + sum(1 for it in items if not isinstance(it, BadEvent | Control))
        if most is not None and came >= most:
            follower.interrupt()

    follower = Follower(session, deliver, tap=keep)
    await follow_until_stopped(follower, status_json)
