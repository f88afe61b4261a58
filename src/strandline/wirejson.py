"""
JSON as it comes off the wire, and the one canonical form it is kept in.

Two parsers, one meaning. orjson is used where it is installed and where it cannot differ from the standard
library: it turns integers past 64 bits into floats and refuses lone surrogates, so a value in which it found a
float is read again by the standard library, and so is whatever it refused. Nothing here depends on which ran.

Canonical JSON is the same data-model value with its keys sorted, no spaces, and UTF-8 unescaped; a lone surrogate,
which UTF-8 cannot hold, stays the escape it was. NaN and infinities are not JSON and are refused.

Source: https://atproto.com/specs/data-model#json-representation
"""

import json
import math
import re
from typing import Any, NoReturn

try:
    import orjson
except ImportError:  # the extra `fast` is not installed: the standard library says the same, slower
    orjson = None  # type: ignore[assignment]  # absence is the case the branches below test for

__all__ = ["MAX_NESTING", "InvalidJson", "canonical", "canonical_plain", "loads", "parse"]

MAX_NESTING = 64
MAX_DIGITS = 4300
MAX_INTEGER = 2**53 - 1

# A string without an end is taken to the text's end: sought anew from each quote in it, it would cost its square.
# The group holds no repeat, so its own may be possessive also before Python 3.11.5; see strandline.syntax.
_BRACKET_OR_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class InvalidJson(ValueError):
    """Text that is no JSON we read; `reason` is one stable word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def loads(text: bytes) -> Any:
    """Parse one JSON text; raises as `parse`."""
    return parse(text)[0]


def parse(text: bytes) -> tuple[Any, bool]:
    """
    Parse one JSON text; tell also whether it is surely plain.

    A plain value holds no float, no integer past ±(2**53 - 1), no U+0000 and no lone surrogate, so every store can
    hold it and `canonical_plain` may write it. False says nothing.

    Raises:
        InvalidJson: reason `json` (no JSON, or not UTF-8), `nesting` (over 64 deep), `not-finite` (NaN, Infinity or
            a number too great to be finite), `number` (an integer of more than 4,300 digits).
    """
    if text.count(b"{") + text.count(b"[") > MAX_NESTING and _depth(text) > MAX_NESTING:
        raise InvalidJson("nesting", f"nested deeper than {MAX_NESTING}")
    if orjson is not None:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _loads_exactly(text), False
        if not has_odd_number(value):
            return value, b"\\u" not in text
    return _loads_exactly(text), False


def canonical(value: object) -> bytes:
    """
    Return `value` as canonical JSON: equal values give equal bytes, on every installation.

    >>> canonical({"b": [1, None], "a": "é"}).decode()
    '{"a":"é","b":[1,null]}'
    """
    if orjson is not None and not has_odd_number(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a lone surrogate
            pass
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def canonical_plain(value: object) -> bytes:
    """Return a value that `parse` found plain as canonical JSON; quicker than `canonical`."""
    return canonical(value) if orjson is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def has_odd_number(value: Any) -> bool:
    """Tell whether a float, or an integer past ±(2**53 - 1), stands anywhere in a JSON value."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return kind is float or (kind is int and not -MAX_INTEGER <= value <= MAX_INTEGER)
    for item in value:
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not -MAX_INTEGER <= item <= MAX_INTEGER:
                return True
        elif kind is float or has_odd_number(item):
            return True
    return False


def _loads_exactly(text: bytes) -> Any:
    try:
        integer = _integer if len(text) > MAX_DIGITS else None
        decoded = text.decode("utf-8")
        return json.loads(decoded, parse_constant=_refuse_constant, parse_float=_finite, parse_int=integer)
    except InvalidJson:
        raise
    except UnicodeDecodeError as error:
        raise InvalidJson("json", f"not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidJson("json", f"{error.msg} at character {error.pos}") from None
    except ValueError:  # the interpreter was told to read even fewer digits
        raise InvalidJson("number", "an integer of more digits than this interpreter reads") from None


def _integer(text: str) -> int:
    if len(text.removeprefix("-")) > MAX_DIGITS:
        raise InvalidJson("number", f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJson("not-finite", f"the number {text[:40]} is not finite")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson("not-finite", f"{name} is not JSON")


def _depth(text: bytes) -> int:
    deepest = depth = 0
    for token in _BRACKET_OR_STRING.findall(text):
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest
