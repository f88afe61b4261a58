"""An index copied from one store to another, and both compared by digest."""

import click

from strandline import Store
from strandline.copying import copy as copied
from strandline.forum import SCHEMA, digest, dump_lines
from strandline.ingest import CURSOR
from strandline_cli.command import Command
from strandline_cli.exit import WRONG
from strandline_cli.loop import run
from strandline_cli.opened import each, settled, writing
from strandline_cli.progress import working
from strandline_files.sorting import sorted_lines

__all__ = ["copy"]


@click.command(
    cls=Command,
    examples=(
        "strandline copy --from sqlite:///forum.db --to postgresql:///forum",
        "strandline copy --from 'postgresql://me@db.example/forum' --to sqlite:///forum.db",
    ),
)
@click.option("--from", "source", metavar="URL", required=True, help="The store to copy.")
@click.option("--to", "target", metavar="URL", required=True, help="An empty store, made if it is not there.")
@click.pass_context
def copy(ctx: click.Context, source: str, target: str) -> None:
    """
    Copy an index into another store.

    What was taken in is copied from one snapshot, with the cursors; the views are made from it anew, and both stores
    are then compared by digest. Stop the writer first: else the digests may differ, and exit code 1 says so. A copy
    that was stopped may be begun again.
    """
    if source == target:
        raise click.UsageError("--from and --to name the same store.", ctx)
    with settled(source) as old, writing(target, new=True) as new, working("copying the index"):
        before = _cursors(old)
        count = run(copied(old, new, SCHEMA))
        digests = {_digest(store) for store in (old, new)}
        moved = _cursors(old) != before
    if len(digests) > 1:
        why = "it has moved on meanwhile: stop its writer" if moved else "run `strandline verify` on it"
        raise Differing(f"the copy's digest is not that of the store it was made from; {why}, and copy again")
    click.echo(f"copied {count:,} registers; both stores have the digest {digests.pop()}")


class Differing(click.ClickException):
    """The copy is not what it was made from."""

    exit_code = WRONG


def _digest(store: Store) -> str:
    return digest(sorted_lines(each(dump_lines(store))))


def _cursors(store: Store) -> list[object]:
    return [row for _, rows in each(store.scan([CURSOR.name]), 1) for row in rows]
