"""
Who is who: dids for the handles people type, and handles for the dids they see.
"""

import click

from strandline import Store
from strandline.register import REPO
from strandline.syntax import Did, Handle, record_uri
from strandline_cli.exit import NotThere
from strandline_cli.loop import run

__all__ = ["did_of"]


def did_of(store: Store, who: str) -> str:
    """
    Return the did that `who` names: a did, a handle, or the at-uri of a record.

    Of several accounts that claim a handle, the latest to do so has it.

    Raises:
        NotThere: no account claims the handle.
        click.UsageError: it is none of these.
    """
    named = record_uri(who)
    did = named[0] if named is not None else who.removeprefix("at://")
    if Did.matches(did):
        return did
    handle = did.removeprefix("@")
    if not Handle.matches(handle):
        raise click.UsageError(
            f"{who!r} is neither a did nor a handle: write did:plc:… or alice.example", click.get_current_context()
        )
    for claimed in dict.fromkeys((handle, handle.lower())):
        rows = run(store.page(REPO.name, "by_handle", [(claimed,)], limit=1))
        if rows:
            return str(rows[0][0])
    raise NotThere(f"no account claims the handle {handle!r}")
