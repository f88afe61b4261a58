"""
How values stand in the file: as they are, but for content identifiers.

A CID is 59 letters of text, or 36 bytes; the usual ones are kept as bytes, whatever else is called a cid as text.
Those by which rows are sought or sorted stay text, so that keys are compared as they are given.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from strandline.schema import Row, Table, Type

__all__ = ["PAGE_BYTES", "Turn", "all_turned", "decoder", "encoder"]

PAGE_BYTES = 8192
"""Bytes a page of the file: records are long, and fewer of them are split."""

Turn = Callable[[Row], Row] | None

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TO_DIGITS = bytes.maketrans(_LETTERS.encode(), b"0123456789abcdefghijklmnopqrstuv")
_PAIRS = [one + other for one in _LETTERS for other in _LETTERS]
_USUAL = re.compile("b[a-z2-7]{57}[aeimquy4]")


def encoder(table: Table) -> Turn:
    """Return what turns a row into what the file holds; None if that is the row."""
    return _turn(table, _to_bytes)


def decoder(table: Table) -> Turn:
    """Return what turns what the file holds into a row; None if that is the row."""
    return _turn(table, _to_text)


def _turn(table: Table, turned: Callable[[object], object]) -> Turn:
    sought = {name for index in table.indexes for name in (*index.partition, *index.order)}
    places = [
        at
        for at, column in enumerate(table.columns[table.key_size :], table.key_size)
        if column.type is Type.CID and column.name not in sought
    ]
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
        return (int(cid.encode()[1:].translate(_TO_DIGITS), 32) >> 2).to_bytes(36, "big")
    return cid


def _to_text(cid: object) -> object:
    return _spelt(cid) if isinstance(cid, bytes) else cid


@lru_cache(maxsize=16_384)
def _spelt(cid: bytes) -> str:
    bits = int.from_bytes(cid, "big") << 2
    return "b" + "".join([_PAIRS[bits >> at & 1023] for at in range(280, -1, -10)])


def all_turned(turn: Turn, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows, each turned."""
    return rows if turn is None else [turn(row) for row in rows]
