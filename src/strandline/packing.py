"""
Content identifiers as bytes: 36 instead of 59 letters, for stores that care.

Only the usual ones are packed, and only in columns by which nothing is sought or sorted, since bytes sort unlike
their text. Whatever else is called a cid stays text.
"""

from functools import lru_cache

from strandline.schema import Table, Type

__all__ = ["PACKED_BYTES", "packed", "packed_places", "spelt"]

PACKED_BYTES = 36
"""How long a packed cid is."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_DIGITS = dict(zip(_LETTERS.encode(), b"0123456789abcdefghijklmnopqrstuv", strict=True))
_TO_DIGITS = bytes(_DIGITS.get(letter, ord("!")) for letter in range(256))
_PAIRS = [one + other for one in _LETTERS for other in _LETTERS]
_LONG = 59


def packed_places(table: Table) -> list[int]:
    """Return where in a row the cids stand that may be kept as bytes."""
    sought = {name for index in table.indexes for name in (*index.partition, *index.order)}
    return [
        at
        for at, column in enumerate(table.columns[table.key_size :], table.key_size)
        if column.type is Type.CID and column.name not in sought
    ]


def packed(cid: str) -> bytes | None:
    """
    Return the bytes of a cid; None if it is not of the usual form.

    >>> packed("no cid") is None
    True
    >>> spelt(packed("bafyrei" + "a" * 52)) == "bafyrei" + "a" * 52
    True
    """
    if len(cid) != _LONG or cid[0] != "b":
        return None
    try:
        bits = int(cid[1:].encode().translate(_TO_DIGITS), 32)
    except ValueError:  # another letter, which is no digit
        return None
    return None if bits & 3 else (bits >> 2).to_bytes(PACKED_BYTES, "big")


@lru_cache(maxsize=16_384)
def spelt(cid: bytes) -> str:
    """Return the text of a packed cid."""
    bits = int.from_bytes(cid, "big") << 2
    return "b" + "".join([_PAIRS[bits >> at & 1023] for at in range(280, -1, -10)])
