"""
How values stand in the database: as they are, but for content identifiers, which are `bytea` where they can be.

A usual cid is its 36 bytes; any other text its UTF-8, and where that has 36 bytes too, one byte 0xFF more, which no
UTF-8 has. Rows go to the server as an array a column.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from strandline.errors import StoreError
from strandline.packing import PACKED_BYTES, packed, packed_places, spelt
from strandline.ports import Key
from strandline.schema import Row, Table, Type
from strandline_postgres.sql import key_texts

__all__ = ["FIRST_ROWS", "Chunk", "chunks", "copied", "decoder", "next_rows", "wanted"]

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
        _refuse_width(table, row, wide)
        held.append(row)
        size += _length(row, long)
        if len(held) == CHUNK_ROWS or size > CHUNK_BYTES:
            yield _columns(held, places)
            held, size = [], 0
    if held:
        yield _columns(held, places)


def copied(table: Table, rows: Sequence[Row]) -> list[Sequence[Any]]:
    """
    Return rows as they are streamed to the server.

    Raises:
        StoreError: a row has not as many values as the table has columns.
    """
    wide, places = len(table.columns), packed_places(table)
    for row in rows:
        if len(row) != wide:
            _refuse_width(table, row, wide)
    if not places:
        return list(rows)
    found: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for at in places:
            values[at] = _to_bytes(values[at])
        found.append(values)
    return found


def next_rows(table: Table, records: Sequence[Any]) -> int:
    """Return how many rows to fetch after these, so that about 4 MiB are held: 1 to 512, by powers of two."""
    long = _long_places(table)
    most = max(1, _FETCHED_BYTES * len(records) // (1 + sum([_length(record, long) for record in records])))
    return int(min(_MOST_ROWS, 1 << (most.bit_length() - 1)))


def wanted(table: Table, keys: Sequence[Key]) -> list[Any]:
    """
    Return keys, of which there is one at least, as the arguments of a statement: a column each.

    A column of text is one text, in which a mark stands before each value, since the driver takes long for each value
    of an array; the mark comes behind all columns. Any other column is an array.

    Raises:
        TypeError: a value that should be a text is none.
        StoreError: there is no character that is in none of the texts.
    """
    columns, texts = [[key[at] for key in keys] for at in range(table.key_size)], key_texts(table)
    if not texts:
        return columns
    for mark in chain("\x1f", map(chr, range(1, 0xD800))):
        given = [mark + mark.join(it) if at in texts else it for at, it in enumerate(columns)]
        if all(given[at].count(mark) == len(keys) for at in texts):
            return [*given, mark]
    raise StoreError(f"table {table.name!r}: the keys hold every character there is; ask for fewer at a time")


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


def _refuse_width(table: Table, row: Row, wide: int) -> None:
    if len(row) != wide:
        raise StoreError(f"table {table.name!r}: a row of {len(row)} values; it has {wide} columns: {row!r}")


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
