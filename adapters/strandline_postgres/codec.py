"""
How values stand in the database: as they are, but for content identifiers, which are `bytea` where they can be.

A usual cid is its 36 bytes; any other text its UTF-8, and where that has 36 bytes too, one byte 0xFF more, which no
UTF-8 has. Rows go to the server as an array a column.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from strandline.errors import StoreError
from strandline.packing import PACKED_BYTES, packed, packed_places, spelt
from strandline.ports import Key
from strandline.schema import Row, Table, Type

__all__ = ["FIRST_ROWS", "Chunk", "chunks", "columns_of", "decoder", "next_rows"]

CHUNK_ROWS = 5000
CHUNK_BYTES = 32 * 1024 * 1024
"""So many rows, or so much text in them, are said in one statement: a message has at most 1 GiB."""

FIRST_ROWS = 64
"""So many rows are fetched first; then `next_rows`."""

_MOST_ROWS = 512
_FETCHED_BYTES = 4 * 1024 * 1024
_MARK = b"\xff"

Chunk = list[list[Any]]
"""Some rows, as a list of values a column."""


def chunks(table: Table, rows: Iterable[Row]) -> Iterator[Chunk]:
    """
    Yield rows as columns, some at a time.

    Raises:
        StoreError: a row has not as many values as the table has columns.
    """
    long = _long_places(table)
    places, wide = packed_places(table), len(table.columns)
    held: list[Row] = []
    size = 0
    for row in rows:
        if len(row) != wide:
            raise StoreError(f"table {table.name!r}: a row of {len(row)} values; it has {wide} columns: {row!r}")
        held.append(row)
        size += _length(row, long)
        if len(held) == CHUNK_ROWS or size > CHUNK_BYTES:
            yield _columns(held, places)
            held, size = [], 0
    if held:
        yield _columns(held, places)


def next_rows(table: Table, records: Sequence[Any]) -> int:
    """Return how many rows to fetch after these, so that about 4 MiB are held: 1 to 512, by powers of two."""
    long = _long_places(table)
    most = max(1, _FETCHED_BYTES * len(records) // (1 + sum([_length(record, long) for record in records])))
    return int(min(_MOST_ROWS, 1 << (most.bit_length() - 1)))


def columns_of(keys: Sequence[Key], size: int) -> Chunk:
    """Return keys as columns; `size` is how many columns a key has."""
    return [[key[at] for key in keys] for at in range(size)]


def decoder(table: Table) -> Callable[[Iterable[Any]], list[Row]]:
    """Return what turns rows of the driver's into rows."""
    places = packed_places(table)
    if not places:
        return lambda records: list(map(tuple, records))

    def decoded(record: Any) -> Row:
        values = list(record)
        for at in places:
            if values[at] is not None:
                values[at] = _to_text(values[at])
        return tuple(values)

    return lambda records: list(map(decoded, records))


def _long_places(table: Table) -> list[int]:
    return [
        at for at, column in enumerate(table.columns) if column.type in (Type.JSON, Type.TEXT, Type.BYTES, Type.WORDS)
    ]


def _length(row: Any, places: Sequence[int]) -> int:
    return sum([len(row[at]) for at in places if isinstance(row[at], str | bytes)])


def _columns(rows: Sequence[Row], places: Sequence[int]) -> Chunk:
    columns = list(map(list, zip(*rows, strict=True)))
    for at in places:
        columns[at] = [_to_bytes(cid) for cid in columns[at]]
    return columns


def _to_bytes(cid: Any) -> Any:
    if not isinstance(cid, str):
        return cid
    usual = packed(cid)
    if usual is not None:
        return usual
    text = cid.encode()
    return text + _MARK if len(text) == PACKED_BYTES else text


def _to_text(held: bytes) -> str:
    return spelt(held) if len(held) == PACKED_BYTES else held.removesuffix(_MARK).decode()
