"""The views as canonical lines, in order, in bounded memory; and their digest."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from strandline.forum import digest as digest_of
from strandline.forum import dump_lines
from strandline_cli.command import Command, store_option
from strandline_cli.opened import each, settled
from strandline_cli.show import print_lines
from strandline_files.sorting import sorted_lines

__all__ = ["digest", "dump"]


@contextmanager
def _dumped(url: str | None) -> Iterator[Iterator[bytes]]:
    with settled(url) as store:
        yield sorted_lines(each(dump_lines(store)))


@click.command(
    cls=Command,
    examples=(
        "strandline dump --store sqlite:///forum.db > forum.ndjson",
        "strandline dump --store sqlite:///forum.db | sha256sum",
        "diff <(strandline dump --store sqlite:///a.db) <(strandline dump --store sqlite:///b.db)",
    ),
)
@store_option
def dump(url: str | None) -> None:
    """
    Print the views as sorted lines of JSON.

    One object a line, its keys sorted, the lines sorted as bytes: two stores that took in the same events print the
    same. It may run beside a writer. Great dumps are sorted in temporary files; TMPDIR says where.
    """
    with _dumped(url) as lines:
        print_lines(lines)


@click.command(
    cls=Command,
    examples=("strandline digest --store sqlite:///forum.db",),
)
@store_option
def digest(url: str | None) -> None:
    """
    Print the SHA-256 of the dump.

    Equal for two stores that took in the same events, whatever their order, repetition, batches or store.
    """
    with _dumped(url) as lines:
        click.echo(digest_of(lines))
