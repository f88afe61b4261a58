"""
A log that makes something fail, cut to the fewest lines that still do.

Parts are left out, great ones first, for as long as what is left still fails; in the end every line counts: without
any one of them it does not fail. That takes some n log n runs for few guilty lines, n squared at worst.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002 (ddmin)
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import click

from strandline_cli.command import Command
from strandline_cli.progress import working
from strandline_files import read_lines, write_lines

__all__ = ["fewest", "shrink"]

T = TypeVar("T")

_NOWHERE = subprocess.DEVNULL


def fewest(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """
    Return items, in their order, that still fail together, none of which can be left out alone.

    Args:
        items: They fail together.
        fails: Tells whether some of them do; asked of no selection twice in a row.

    >>> fewest(range(100), lambda some: 7 in some and 70 in some)
    [7, 70]
    """
    left, parts = list(items), 2
    while len(left) > 1:
        size = -(-len(left) // parts)
        for at in range(0, len(left), size):
            without = [*left[:at], *left[at + size :]]
            if without and fails(without):
                left, parts = without, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(left))
    return left


@click.command(
    cls=Command,
    examples=(
        "strandline shrink log.ndjson --check ./check.sh --out small.ndjson",
        "strandline shrink log.ndjson.zst --check 'python check.py --strict' > small.ndjson",
    ),
)
@click.argument("log", metavar="LOG")
@click.option("--check", metavar="CMD", required=True, help="Run with a log's path as its last word; not 0: it fails.")
@click.option(
    "--out", metavar="FILE", default="-", help="Where to; .gz and .zst are packed.  [default: standard output]"
)
@click.pass_context
def shrink(ctx: click.Context, log: str, check: str, out: str) -> None:
    """
    Cut a log that makes something fail to the fewest lines that still do.

    CMD is run again and again, each time with another part of the log. It fails when its exit code is not 0, and must
    fail on the whole log. Lines keep their order. Stopped by Ctrl-C, nothing is written.
    """
    lines = list(read_lines(log))
    command = shlex.split(check)
    with TemporaryDirectory(prefix="strandline-") as folder, working("cutting the log"):
        part = Path(folder) / "part.ndjson"

        def fails(some: Sequence[bytes]) -> bool:
            part.write_bytes(b"".join(line + b"\n" for line in some))
            try:
                done = subprocess.run([*command, str(part)], stdout=_NOWHERE, stderr=_NOWHERE, check=False)
            except OSError as error:
                raise click.UsageError(f"{check!r} cannot be run: {error.strerror}.", ctx) from error
            return done.returncode != 0

        if not command or not fails(lines):
            raise click.UsageError(f"{check!r} does not fail on the whole log: its exit code is 0.", ctx)
        left = fewest(lines, fails)
    if out == "-":
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in left))
    else:
        write_lines(out, left)
    click.echo(f"{len(left):,} of {len(lines):,} lines still fail", err=True)
