"""The lexicons of the forum's records, written from their types."""

import json
from pathlib import Path
from typing import Any

import click

from strandline.forum.records import KINDS
from strandline.forum.xrpc import DOCUMENTS
from strandline.lexicon.model import export as documents_of
from strandline_cli.command import Command, Group
from strandline_cli.show import print_json

__all__ = ["lexicon"]


@click.group(cls=Group, examples=("strandline lexicon export --out lexicons/",))
def lexicon() -> None:
    """Write the lexicons of the forum's records."""


@lexicon.command(
    cls=Command,
    examples=(
        "strandline lexicon export --out lexicons/",
        "strandline lexicon export social.coves.feed.vote",
    ),
)
@click.argument("nsids", metavar="[NSID...]", nargs=-1)
@click.option(
    "--out", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Write a file for each."
)
def export(nsids: tuple[str, ...], out: Path | None) -> None:
    """
    Write strict lexicon documents.

    They are those of all record kinds and of what these refer to, and of the questions over HTTP; or those of the
    NSIDs named. They hold no tolerances.
    Without --out they are printed: one as an object, several as an array. With it each is a file, such as
    social/coves/feed/vote.json.
    """
    every = {**documents_of(*(kind.type for kind in KINDS)), **DOCUMENTS}
    for nsid in nsids:
        if nsid not in every:
            raise click.BadParameter(f"{nsid!r} is none of {', '.join(every)}.", param_hint="'NSID'")
    documents = [every[nsid] for nsid in nsids or every]
    if out is not None:
        _write(out, documents)
    else:
        print_json(documents[0] if len(nsids) == 1 else documents)


def _write(folder: Path, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        path = folder.joinpath(*document["id"].split(".")).with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(f"wrote {len(documents)} documents to {folder}")
