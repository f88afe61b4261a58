"""
How values stand in the file: as they are, but for content identifiers, which are bytes where they can be.

See `strandline.packing`.
"""

from collections.abc import Callable, Sequence

from strandline.packing import packed, packed_places, spelt
from strandline.schema import Row, Table

__all__ = ["PAGE_BYTES", "Turn", "all_turned", "decoder", "encoder"]

PAGE_BYTES = 8192
"""Bytes a page of the file: records are long, and fewer of them are split."""

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
    if isinstance(cid, str):
        return packed(cid) or cid
    return cid


def _to_text(cid: object) -> object:
    return spelt(cid) if isinstance(cid, bytes) else cid


def all_turned(turn: Turn, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows, each turned."""
    return rows if turn is None else [turn(row) for row in rows]
