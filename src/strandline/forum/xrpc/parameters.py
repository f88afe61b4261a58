"""
The parameters of a question, read off a query string by its lexicon document.

Strict where a client would else be misled: a value past its bounds is refused, never cut, and what has known values
takes no other. Parameters nobody declared are let pass.

Source: https://atproto.com/specs/xrpc#lexicon-http-endpoints
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from strandline.forum.xrpc.refusal import invalid
from strandline.lexicon.document import FORMATS

__all__ = ["parse"]

Json = Mapping[str, Any]

_INTEGER: Final = re.compile("-?[0-9]{1,16}")
_MOST: Final = 4096
_SHOWN: Final = 60


def parse(definition: Json, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """
    Return the parameters by name, with their defaults.

    Args:
        definition: The `params` of a query's document.
        pairs: Names and values as they stand in the query string; of a name told twice the last value counts, but
            an array takes all.

    Raises:
        Refusal: InvalidRequest: one is missing, or is not what the document asks for.
    """
    told: dict[str, list[str]] = {}
    for name, value in pairs:
        told.setdefault(name, []).append(value)
    found: dict[str, Any] = {}
    for name, shape in definition["properties"].items():
        if name in told:
            found[name] = (
                _array(name, shape, told[name]) if shape["type"] == "array" else _one(name, shape, told[name][-1])
            )
        elif name in definition.get("required", ()):
            raise invalid(f"{name}: missing: expected it to be there")
        elif "default" in shape:
            found[name] = shape["default"]
    return found


def _array(name: str, shape: Json, values: list[str]) -> list[Any]:
    least, most = shape.get("minLength", 0), shape.get("maxLength", 100)
    if not least <= len(values) <= most:
        raise invalid(f"{name}: {len(values)} of them: expected {least} to {most}")
    return [_one(name, shape["items"], value) for value in values]


def _one(name: str, shape: Json, text: str) -> Any:
    return _READERS[shape["type"]](name, shape, text)


def _boolean(name: str, shape: Json, text: str) -> bool:
    if text not in ("true", "false"):
        raise invalid(f"{name}: {text[:_SHOWN]!r}: expected true or false")
    return text == "true"


def _integer(name: str, shape: Json, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise invalid(f"{name}: {text[:_SHOWN]!r}: expected a whole number")
    value = int(text)
    if "minimum" in shape and value < shape["minimum"]:
        raise invalid(f"{name}: {value}: it must be at least {shape['minimum']}")
    if "maximum" in shape and value > shape["maximum"]:
        raise invalid(f"{name}: {value}: it must not exceed {shape['maximum']}")
    return value


def _string(name: str, shape: Json, text: str) -> str:
    if len(text.encode("utf-8", "replace")) > shape.get("maxLength", _MOST):
        raise invalid(f"{name}: expected at most {shape.get('maxLength', _MOST)} bytes")
    if not text and name != "cursor" and "knownValues" not in shape:
        raise invalid(f"{name}: it is empty")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise invalid(f"{name}: it holds what is no text")
    if "knownValues" in shape and text not in shape["knownValues"]:
        raise invalid(f"{name}: {text[:_SHOWN]!r}: expected one of {', '.join(shape['knownValues'])}")
    if "format" in shape and not FORMATS[shape["format"]](text):
        raise invalid(f"{name}: {text[:_SHOWN]!r}: expected a {shape['format']}")
    return text


_READERS: Final[Mapping[str, Callable[[str, Json, str], Any]]] = {
    "boolean": _boolean,
    "integer": _integer,
    "string": _string,
}
