"""
How values stand in the file: as they are, but for content identifiers, which are bytes where they can be.

Of that of a record only the SHA-256 digest is kept, since all else is alike in every one. See `strandline.packing`.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter

from strandline.packing import PACKED_BYTES, packed, packed_places, spelt
from strandline.schema import Row, Table

__all__ = ["PAGE_BYTES", "Turn", "all_turned", "decoder", "encoder"]

PAGE_BYTES = 8192
"""Bytes a page of the file: records are long, and fewer of them are split."""

RECORD = bytes.fromhex("01711220")
"""How the identifier of a record begins: version 1, dag-cbor, SHA-256 of 32 bytes."""

Take = Callable[[Row], Row]
Turn = Take | None


def encoder(table: Table, places: Sequence[int]) -> Take:
    """Return what gives the values at some places of a row, in that order, as the file holds them."""
    taken = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
    return _turned(taken, [to for to, at in enumerate(places) if at in packed_places(table)], _to_bytes)


def decoder(table: Table) -> Turn:
    """Return what turns what the file holds into a row; None if that is the row."""
    places = packed_places(table)
    return _turned(_as_it_is, places, _to_text) if places else None


def _turned(taken: Take, places: Sequence[int], turn: Callable[[object], object]) -> Take:
    """Return what takes values of a row and turns those at some places."""
    if not places:
        return taken
    first, *others = places

    def turned(row: Row) -> Row:
        values = [*taken(row)]
        values[first] = turn(values[first])
        for at in others:
            values[at] = turn(values[at])
        return tuple(values)

    return turned


def _as_it_is(row: Row) -> Row:
    return row


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
