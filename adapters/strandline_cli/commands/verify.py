"""The views kept batch by batch, beside those that the registers give: told apart row by row."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import click

from strandline import Ingest, Store, Table, open_store
from strandline.forum import SCHEMA
from strandline.rebuild import Drift
from strandline_cli.command import Command, json_option, store_option
from strandline_cli.exit import WRONG
from strandline_cli.loop import run
from strandline_cli.opened import each, settled
from strandline_cli.show import plain, print_json

__all__ = ["verify"]


@click.command(
    cls=Command,
    examples=("strandline verify --store sqlite:///forum.db", "strandline verify --store sqlite:///forum.db --json"),
)
@store_option
@json_option
@click.pass_context
def verify(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """
    Compare the views with what the registers say.

    All views are made once more, in a temporary store (TMPDIR says where), from one snapshot of the registers. Every
    row that differs is told: its table, its key, what is kept, what is right. Exit code 1 if there is one.
    `strandline rebuild` puts it right.
    """
    with settled(url) as store, _scratch() as scratch:
        drifts = each(Ingest(store, SCHEMA).verify(scratch))
        count = _print_objects(drifts, store) if as_json else _print_words(drifts, store)
    if count:
        ctx.exit(WRONG)


@contextmanager
def _scratch() -> Iterator[Store]:
    with TemporaryDirectory(prefix="strandline-") as folder:
        store = run(open_store(f"sqlite:///{quote(folder)}/scratch.db", SCHEMA))
        try:
            yield store
        finally:
            run(store.close())


def _print_words(drifts: Iterator[Drift], store: Store) -> int:
    count = 0
    for count, drift in enumerate(drifts, 1):  # noqa: B007  # the last count is the answer
        print(plain(_sentence(drift, store.layout.table(drift.table))))
    print("verified: every row of the views is what the registers say" if not count else f"{count:,} rows drift")
    return count


def _sentence(drift: Drift, table: Table) -> str:
    kept, right = _named(drift.kept, table), _named(drift.right, table)
    if kept is not None and right is not None:
        differing = [name for name in kept if kept[name] != right[name]]
        kept, right = ({name: row[name] for name in differing} for row in (kept, right))
    key = ", ".join(str(part) for part in drift.key)
    return f"{drift.table}  {key}\n    kept   {_words(kept)}\n    right  {_words(right)}"


def _named(row: Any, table: Table) -> dict[str, Any] | None:
    return None if row is None else {column.name: value for column, value in zip(table.columns, row, strict=True)}


def _words(row: dict[str, Any] | None) -> str:
    return "no row" if row is None else "  ".join(f"{name}={value!r}" for name, value in row.items())


def _print_objects(drifts: Iterator[Drift], store: Store) -> int:
    told = [
        {
            "table": drift.table,
            "key": list(drift.key),
            "kept": _named(drift.kept, store.layout.table(drift.table)),
            "right": _named(drift.right, store.layout.table(drift.table)),
        }
        for drift in drifts
    ]
    print_json(told)
    return len(told)
