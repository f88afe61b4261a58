"""
What any record may hold, before a lexicon is asked.

Two questions. Is it a value of the protocol's data model: objects with text keys, arrays, text, integers, booleans,
null, and the three JSON forms of links, bytes and blobs? And can every store hold it exactly: no U+0000, no lone
surrogate, no integer that a double cannot hold, no fraction?

Both walk the value without recursion, so that no depth of it can stop them, and keep only the path that is open.

Source: https://atproto.com/specs/data-model
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeGuard

from strandline.lexicon.fault import MAX_FAULTS, Fault, show, step
from strandline.syntax import Cid

__all__ = [
    "MAX_INTEGER",
    "blob_faults",
    "bytes_length",
    "data_model_faults",
    "is_integer",
    "is_link",
    "is_map",
    "storable_faults",
]

MAX_INTEGER: Final = 2**53 - 1
"""The greatest integer, either side of zero, that every JSON reader holds exactly."""

# No repeat in the group varies in length, so it may be possessive also before Python 3.11.5; see strandline.syntax.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def data_model_faults(value: object) -> list[Fault]:
    """
    Return what keeps `value` from being a record of the data model; nothing if it is one. At most MAX_FAULTS.

    A float without a fraction counts as an integer.

    >>> [fault.path for fault in data_model_faults({"a": 1.0, "b": [1.5], "c": {"$link": "."}})]
    ['$.b[0]', '$.c']
    """
    if not isinstance(value, dict):
        return [Fault("$", "data-model", f"{show(value)}: expected an object")]
    return list(islice(_data_model_faults(value), MAX_FAULTS))


def storable_faults(value: object) -> list[Fault]:
    """
    Return what in `value` some store cannot hold exactly; nothing if every store can. At most MAX_FAULTS.

    >>> storable_faults({"size": 2**53})
    [Fault(path='$.size', rule='data-model', message='9007199254740992: expected an integer within ±(2^53−1)')]
    """
    return [] if _is_surely_storable(value) else list(islice(_storable_faults(value), MAX_FAULTS))


def is_integer(value: object) -> bool:
    """Tell whether a JSON value is an integer, written with or without a fraction of zero; a boolean is none."""
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def is_map(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a JSON value is an object of the data model: not the JSON form of a link, bytes or a blob."""
    return isinstance(value, dict) and not ("$link" in value or "$bytes" in value or value.get("$type") == "blob")


def is_link(value: object) -> bool:
    """Tell whether a JSON value is a link: {"$link": cid} and nothing besides."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    cid = value.get("$link")
    return isinstance(cid, str) and Cid.matches(cid)


def bytes_length(value: object) -> int | None:
    """
    Return how many bytes a JSON value {"$bytes": base64} stands for; None if it is none. Padding may be absent.

    >>> bytes_length({"$bytes": "bG93"}), bytes_length({"$bytes": "bG8"}), bytes_length({"$bytes": "?"})
    (3, 2, None)
    """
    if not isinstance(value, dict) or len(value) != 1:
        return None
    text = value.get("$bytes")
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        return None
    return len(text.rstrip("=")) * 3 // 4


def blob_faults(value: Mapping[str, Any]) -> list[Fault]:
    """Return what an object of `$type` "blob" lacks to be a blob, with paths relative to it."""
    faults = []
    for name, is_fine, expected in _BLOB_FIELDS:
        if name not in value:
            faults.append(Fault(step(name), "required", f"missing: expected {expected}"))
        elif not is_fine(value[name]):
            faults.append(Fault(step(name), "type", f"{show(value[name])}: expected {expected}"))
    return faults


_BLOB_FIELDS: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("ref", is_link, 'a link {"$link": cid}'),
    ("mimeType", lambda value: isinstance(value, str) and value != "", "a media type"),
    ("size", lambda value: is_integer(value) and value > 0, "a positive integer"),
)


def _data_model_faults(value: object) -> Iterator[Fault]:
    for parent, key, item in _parts(value):
        if isinstance(item, dict):
            for fault in _object_faults(item):
                yield Fault(parent + step(key) + fault.path, "data-model", fault.message)
        elif not (isinstance(item, str | list | bool | None) or (is_integer(item) and -(2**63) <= item < 2**63)):
            expected = "an integer of 64 bits" if isinstance(item, int | float) else "a JSON value"
            yield Fault(parent + step(key), "data-model", f"{show(item)}: expected {expected}")


def _object_faults(value: dict[Any, Any]) -> Iterator[Fault]:
    for key in value:
        if not isinstance(key, str):
            yield Fault("", "data-model", f"{show(key)}: expected a text as key")
    if "$link" in value and not is_link(value):
        yield Fault("", "data-model", f'{show(value)}: expected {{"$link": cid}} and nothing besides')
    if "$bytes" in value and bytes_length(value) is None:
        yield Fault("", "data-model", f'{show(value)}: expected {{"$bytes": base64}} and nothing besides')
    if "$type" in value:
        kind = value["$type"]
        if not isinstance(kind, str) or not kind:
            yield Fault(step("$type"), "data-model", f"{show(kind)}: expected the name of a type")
        elif kind == "blob":
            yield from blob_faults(value)


def _is_surely_storable(value: Any) -> bool:
    """Tell of most values, without a path, that they have no storable_faults; False is doubt."""
    texts: list[Any] = []
    ahead = [value]
    while ahead:
        item = ahead.pop()
        kind = type(item)
        if kind is str:
            texts.append(item)
        elif kind is dict:
            texts += item
            ahead += item.values()
        elif kind is list:
            ahead += item
        elif kind is int:
            if not -MAX_INTEGER <= item <= MAX_INTEGER:
                return False
        elif item is not None and kind is not bool:
            return False
    try:
        return _is_storable_text("".join(texts))
    except TypeError:  # a key that is no text
        return False


def _storable_faults(value: object) -> Iterator[Fault]:
    for parent, key, item in _parts(value):
        if isinstance(key, str) and not _is_storable_text(key):
            yield Fault(parent, "data-model", f"key {show(key)}: {_STORABLE_TEXT}")
        expected = _unmet(item)
        if expected:
            yield Fault(parent + step(key), "data-model", f"{show(item)}: {expected}")


_STORABLE_TEXT: Final = "expected text without U+0000 and without lone surrogates"


def _unmet(item: object) -> str:
    """Return what a part of a value had to be to be stored everywhere; "" if it is."""
    if isinstance(item, str):
        return "" if _is_storable_text(item) else _STORABLE_TEXT
    if item is None or isinstance(item, bool | dict | list):
        return ""
    if not isinstance(item, int | float):
        return "expected a JSON value"
    if isinstance(item, float) and not item.is_integer():
        return "expected an integer"
    return "" if -MAX_INTEGER <= item <= MAX_INTEGER else "expected an integer within ±(2^53−1)"


def _is_storable_text(text: str) -> bool:
    return "\x00" not in text if text.isascii() else _UNSTORABLE.search(text) is None


def _parts(value: object) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path of what holds it, key or index, part) for `value` itself, with key None, and all its parts."""
    yield "$", None, value
    open_: list[tuple[str, Iterable[tuple[Any, Any]]]] = [("$", _items(value))]
    while open_:
        path, items = open_[-1]
        for key, item in items:
            yield path, key, item
            if isinstance(item, dict | list):
                open_.append((path + step(key), _items(item)))
                break
        else:
            open_.pop()


def _items(value: object) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list) else iter(())
