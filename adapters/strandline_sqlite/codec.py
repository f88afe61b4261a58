"""
How values stand in the file: as they are, but for content identifiers.

A CID is 59 letters of text, or 36 bytes; the usual ones are kept as bytes, whatever else is called a cid as text.
"""

import re
from base64 import b32decode, b32encode
from collections.abc import Callable, Sequence

from strandline.schema import Row, Table, Type

__all__ = ["PAGE_BYTES", "Turn", "all_turned", "decoder", "encoder"]

PAGE_BYTES = 16_384
"""Bytes a page of the file: records are long, and fewer of them are split."""

Turn = Callable[[Row], Row] | None

_USUAL = re.compile("b[a-z2-7]{57}[aeimquy4]")


def encoder(table: Table) -> Turn:
    """Return what turns a row into what the file holds; None if that is the row."""
    return _turn(table, _to_bytes)


def decoder(table: Table) -> Turn:
    """Return what turns what the file holds into a row; None if that is the row."""
    return _turn(table, _to_text)


def _turn(table: Table, turned: Callable[[object], object]) -> Turn:
    places = [at for at, column in enumerate(table.columns) if column.type is Type.CID]
    if not places:
        return None

    def turn(row: Row) -> Row:
        values = list(row)
        for at in places:
            values[at] = turned(values[at])
        return tuple(values)

    return turn


def _to_bytes(cid: object) -> object:
    if isinstance(cid, str) and _USUAL.fullmatch(cid):
        return b32decode(f"{cid[1:].upper()}======")
    return cid


def _to_text(cid: object) -> object:
    return f"b{b32encode(cid).decode().rstrip('=').lower()}" if isinstance(cid, bytes) else cid


def all_turned(turn: Turn, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows, each turned."""
    return rows if turn is None else [turn(row) for row in rows]
