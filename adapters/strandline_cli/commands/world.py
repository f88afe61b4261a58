"""The log of a forum that never was, for a first look, tests and benchmarks."""

import sys
from itertools import islice

import click

from strandline.forum.world import Wire
from strandline.forum.world import world as lines_of
from strandline_cli.command import Command
from strandline_files import write_lines

__all__ = ["world"]

_LINES_A_WRITE = 1000


@click.command(
    cls=Command,
    examples=(
        "strandline world --seed 7 --events 20000 > log.ndjson",
        "strandline world --seed 7 --events 1000000 --wire mixed --garbage 0.001 --out log.ndjson.zst",
        "strandline world | strandline replay - --store sqlite:///forum.db",
    ),
)
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the forum.")
@click.option("--events", type=click.IntRange(0), default=10_000, show_default=True, help="Lines to write.")
@click.option(
    "--wire", type=click.Choice(["v1", "v2", "mixed"]), default="v1", show_default=True, help="Jetstream's wire."
)
@click.option(
    "--garbage",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of lines that are no events.",
)
@click.option(
    "--out", metavar="FILE", default="-", help="Where to; .gz and .zst are packed.  [default: standard output]"
)
def world(seed: int, events: int, wire: Wire, garbage: float, out: str) -> None:
    """
    Write the log of a made-up forum.

    Communities, people, posts, threads, votes, late and repeated events: a Jetstream log of any size. The same
    options give the same bytes, on every machine.
    """
    try:
        lines = lines_of(seed, events, wire=wire, garbage=garbage)
    except ValueError as error:
        raise click.UsageError(f"{error}.", click.get_current_context()) from None
    if out == "-":
        while batch := b"".join(islice(lines, _LINES_A_WRITE)):
            sys.stdout.buffer.write(batch)
    else:
        write_lines(out, (line.removesuffix(b"\n") for line in lines))
