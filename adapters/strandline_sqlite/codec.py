"""
How values stand in the file: as they are, but for content identifiers, which are bytes where they can be.

Of that of a record only the SHA-256 digest is kept, since all else is alike in every one. See `strandline.packing`.
"""

from collections.abc import Callable, Sequence

from strandline.packing import PACKED_BYTES, packed, packed_places, spelt
from strandline.schema import Row, Table

__all__ = ["PAGE_BYTES", "Turn", "all_turned", "decoder", "encoder"]

PAGE_BYTES = 8192
"""Bytes a page of the file: records are long, and fewer of them are split."""

RECORD = bytes.fromhex("01711220")
"""How the identifier of a record begins: version 1, dag-cbor, SHA-256 of 32 bytes."""

Turn = Callable[[Row], Row] | None


def encoder(table: Table) -> Turn:
    """Return what turns a row into what the file holds; None if that is the row."""
    return _turn(table, _to_bytes)


def decoder(table: Table) -> Turn:
    """Return what turns what the file holds into a row; None if that is the row."""
    return _turn(table, _to_text)


def _turn(table: Table, turned: Callable[[object], object]) -> Turn:
    places = packed_places(table)
    if not places:
        return None

    def turn(row: Row) -> Row:
        values = list(row)
        for at in places:
            values[at] = turned(values[at])
        return tuple(values)

    return turn


def _to_bytes(cid: object) -> object:
    if not isinstance(cid, str):
        return cid
    usual = packed(cid)
    return cid if usual is None else bytearray(usual.removeprefix(RECORD))  # bytes, the module would ask how to adapt


def _to_text(cid: object) -> object:
    if isinstance(cid, bytes):
        return spelt(cid if len(cid) == PACKED_BYTES else RECORD + cid)
    return cid


def all_turned(turn: Turn, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows, each turned."""
    return rows if turn is None else [turn(row) for row in rows]
