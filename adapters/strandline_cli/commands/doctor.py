"""What is installed, what a store holds, and whether it is sound."""

import platform
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import click

from strandline import Store, StoreError, UnknownStore, __version__, layout_of
from strandline.fold import JOB
from strandline.forum import SCHEMA
from strandline.ingest import CURSOR
from strandline.lexicon import UNICODE_VERSION
from strandline_cli.command import Command, json_option, store_option
from strandline_cli.exit import WRONG
from strandline_cli.opened import each, reading
from strandline_cli.show import card, console, print_json, text
from strandline_sqlite import SQLiteStore

__all__ = ["doctor"]

_SHOWN: Final = 20


@click.command(
    cls=Command,
    examples=("strandline doctor", "strandline doctor --store sqlite:///forum.db", "strandline doctor --json"),
)
@store_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """
    Say what is installed, what the store holds and whether it is sound.

    Reads all of the store, beside a writer or not, and changes nothing. Without a store, only what is installed is
    told. Exit code 1 if something is wrong with the store, 4 if it cannot even be read.
    """
    told: dict[str, Any] = {"installed": _installed()}
    try:
        if url:
            with reading(url, stale=True) as store:
                told["store"] = _examined(store, url)
    except (StoreError, UnknownStore) as error:
        told["wrong"] = [str(error)]
        raise
    finally:
        _tell(told, as_json)
    if told.get("store", {}).get("wrong"):
        ctx.exit(WRONG)


def _installed() -> dict[str, str]:
    stamp = layout_of(SCHEMA).stamp
    return {
        "strandline": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "unicode": UNICODE_VERSION,
        **stamp,
    }


def _examined(store: Store, url: str) -> dict[str, Any]:
    stamp, wanted = store.stamp, store.layout.stamp
    stale = [
        f"stale: its views were made under {name} {stamp.get(name)!r}, this is {value!r}; run `strandline rebuild`"
        for name, value in wanted.items()
        if stamp.get(name) != value
    ]
    jobs = [row[0] for row in _rows(store, JOB.name)]
    cursors = {row[0]: row[1] for row in _rows(store, CURSOR.name)}
    told = {"url": url, **dict(stamp), "jobs": jobs, "cursors": cursors}
    if not isinstance(store, SQLiteStore):
        return told | {"wrong": stale}
    found = store.inspect()
    sizes = {"fileBytes": found.file_bytes, "walBytes": found.wal_bytes, "freeBytes": found.free_bytes}
    return told | sizes | {"rows": dict(found.rows), "wrong": [*stale, *found.faults]}


def _rows(store: Store, table: str) -> Iterator[Any]:
    return (row for _, rows in each(store.scan([table]), 1) for row in rows)


def _tell(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    out = console()
    out.print(text("installed", "bold"))
    out.print(card(told["installed"]))
    if "store" in told:
        out.print()
        out.print(text("store", "bold"))
        out.print(card(_pairs(told["store"])))


def _pairs(store: Mapping[str, Any]) -> dict[str, object]:
    jobs, cursors = store["jobs"], store["cursors"]
    shown = {name: value for name, value in store.items() if name in ("url", "schema", "semantics", "validator")}
    sizes = {
        "file": _megabytes(store.get("fileBytes")),
        "wal": _megabytes(store.get("walBytes")),
        "free in it": _megabytes(store.get("freeBytes")),
        "rows": [f"{count:>12,}  {name}" for name, count in store.get("rows", {}).items()],
    }
    return {
        **shown,
        **sizes,
        "cursors": [f"{position:>12,}  {source}" for source, position in islice(cursors.items(), _SHOWN)] or "none",
        "waiting jobs": [f"{len(jobs):,}", *jobs[:_SHOWN]],
        "sound": "no" if store["wrong"] else "yes",
        "wrong": store["wrong"],
    }


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:,.1f} MB"
