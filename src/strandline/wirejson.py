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

__all__ = ["MAX_NESTING", "InvalidJson", "canonical", "loads"]

MAX_NESTING = 64

_BRACKET_OR_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class InvalidJson(ValueError):
    """Text that is no JSON we read; `reason` is one stable word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def loads(text: bytes) -> Any:
    """
    Parse one JSON text.

    Raises:
        InvalidJson: reason `json` (no JSON, or not UTF-8), `nesting` (over 64 deep), `not-finite` (NaN, Infinity or
            a number too great to be finite), `number` (more digits than Python reads).
    """
    if text.count(b"{") + text.count(b"[") > MAX_NESTING and _depth(text) > MAX_NESTING:
        raise InvalidJson("nesting", f"nested deeper than {MAX_NESTING}")
    if orjson is not None:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _loads_exactly(text)
        if not has_float(value):
            return value
    return _loads_exactly(text)


def canonical(value: object) -> bytes:
    """
    Return `value` as canonical JSON: equal values give equal bytes, on every installation.

    >>> canonical({"b": [1, None], "a": "é"}).decode()
    '{"a":"é","b":[1,null]}'
    """
    if orjson is not None and not has_float(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a lone surrogate or an integer past 64 bits
            pass
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def has_float(value: object) -> bool:
    """Tell whether a float stands anywhere in a JSON value."""
    kind = type(value)
    if kind is dict:
        for item in value.values():  # type: ignore[attr-defined]  # type(value) is dict
            inner = type(item)
            if inner is not str and inner is not int and (inner is float or has_float(item)):
                return True
        return False
    if kind is list:
        return any(has_float(item) for item in value)  # type: ignore[attr-defined]  # type(value) is list
    return kind is float


def _loads_exactly(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except InvalidJson:
        raise
    except UnicodeDecodeError as error:
        raise InvalidJson("json", f"not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidJson("json", f"{error.msg} at character {error.pos}") from None
    except ValueError:  # int() refuses more than 4,300 digits
        raise InvalidJson("number", "an integer of more digits than can be read") from None


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
