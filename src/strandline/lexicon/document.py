"""
A lexicon document: parsed once, believed afterwards.

The lexicon language has a fixed set of definition types, each with its own keywords, so the whole grammar stands
here as one table: type -> keyword -> check. Unknown keywords are let pass, because the language grows by them;
unknown types and string formats are not, because what they ask for could not be enforced. All faults are told.

Source: https://atproto.com/specs/lexicon
"""

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from strandline.errors import InvalidLexicon
from strandline.lexicon.datamodel import data_model_faults
from strandline.lexicon.fault import Fault, show, step
from strandline.syntax import AtIdentifier, AtUri, Cid, Datetime, Did, Handle, Language, Nsid, RecordKey, Tid, Uri
from strandline.wirejson import MAX_NESTING

__all__ = ["FORMATS", "Catalog", "Document", "catalog", "parse_document"]


@frozen
class Document:
    """
    A lexicon document that keeps the language's rules.

    Attributes:
        id: Its NSID.
        defs: Its definitions by name, as JSON data; "main" is the one that the bare NSID names. Not to be changed.
    """

    id: str
    defs: Mapping[str, Mapping[str, Any]]


Catalog = Mapping[str, Document]
"""Documents by id: what a definition may refer to."""


def parse_document(value: object) -> Document:
    """
    Return the document that a JSON value is.

    >>> parse_document({"lexicon": 1, "id": "org.example.tide", "defs": {"main": {"type": "token"}}}).id
    'org.example.tide'

    Raises:
        InvalidLexicon: It is none; `faults` are all its faults, at most MAX_FAULTS of the data model's.
    """
    faults = [*_nesting(value)] or data_model_faults(value) or [*_document(value, "$")]
    if faults:
        told = "\n".join(f"  {fault.path} ({fault.rule}) {fault.message}" for fault in faults)
        raise InvalidLexicon(f"not a lexicon document: {show(value)}\n{told}", faults)
    document: Any = copy.deepcopy(value)
    return Document(document["id"], MappingProxyType(document["defs"]))


def catalog(documents: Iterable[Document]) -> Catalog:
    """
    Return documents by id, not to be changed.

    Raises:
        InvalidLexicon: Two of them have one id.
    """
    by_id: dict[str, Document] = {}
    for document in documents:
        if by_id.setdefault(document.id, document) != document:
            raise InvalidLexicon(f"two documents have the id {document.id!r}")
    return MappingProxyType(by_id)


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType(
    {
        "at-identifier": AtIdentifier.matches,
        "at-uri": AtUri.matches,
        "cid": Cid.matches,
        "datetime": Datetime.matches,
        "did": Did.matches,
        "handle": Handle.matches,
        "language": Language.matches,
        "nsid": Nsid.matches,
        "record-key": RecordKey.matches,
        "tid": Tid.matches,
        "uri": Uri.matches,
    }
)
"""What tells whether a text has a string format."""

_Check = Callable[[Any, str], Iterator[Fault]]
"""Yields the faults of (a part of a document, its path)."""

_DEFINITION_NAME = re.compile(r"[^\s#.]+")
_PRIMARY: Final = frozenset({"permission-set", "procedure", "query", "record", "subscription"})
_SCALAR: Final = frozenset({"boolean", "integer", "string", "unknown"})
_NAMED: Final = frozenset(
    {"array", "blob", "boolean", "bytes", "cid-link", "integer", "null", "object", "string", "token", "union"}
)
_FIELD: Final = _NAMED | {"ref", "unknown"}


def _nesting(value: object) -> Iterator[Fault]:
    """Tell of a value too deep for the rest of this file, which recurses."""
    level: list[object] = [value]
    for _ in range(MAX_NESTING):
        level = [part for outer in level for part in _parts(outer)]
        if not level:
            return
    yield Fault("$", "data-model", f"nested deeper than {MAX_NESTING}")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _document(value: Any, path: str) -> Iterator[Fault]:
    yield from _keywords(value, path, _DOCUMENT, ("lexicon", "id", "defs"))


def _version(value: Any, path: str) -> Iterator[Fault]:
    if value != 1 or isinstance(value, bool):
        yield Fault(path, "const", f"{show(value)}: expected 1")


def _definitions(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, "type", f"{show(value)}: expected an object")
        return
    for name, definition in value.items():
        where = path + step(name)
        if not _DEFINITION_NAME.fullmatch(name):
            yield Fault(where, "format", f"{show(name)}: expected a name without space, '.' or '#'")
        yield from _definition(definition, where, _NAMED | _PRIMARY)
        if name != "main" and isinstance(definition, dict) and definition.get("type") in _PRIMARY:
            yield Fault(where, "type", f"{show(definition['type'])}: expected it to be the definition 'main'")


def _definition(value: Any, path: str, allowed: frozenset[str]) -> Iterator[Fault]:
    """Check a definition whose type must be one of `allowed`, by the table of its type."""
    if not isinstance(value, dict):
        yield Fault(path, "type", f"{show(value)}: expected a definition")
        return
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in allowed:
        yield Fault(path + ".type", "type", f"{show(kind)}: expected one of {', '.join(sorted(allowed))}")
        return
    yield from _keywords(value, path, _KEYWORDS[kind], _REQUIRED.get(kind, ()))
    for least, most in (("minLength", "maxLength"), ("minGraphemes", "maxGraphemes"), ("minimum", "maximum")):
        lower, upper = value.get(least), value.get(most)
        if isinstance(lower, int) and isinstance(upper, int) and lower > upper:
            yield Fault(path + step(least), "maximum", f"{show(lower)}: expected at most {most}, {show(upper)}")


def _keywords(value: Any, path: str, checks: Mapping[str, _Check], required: tuple[str, ...]) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, "type", f"{show(value)}: expected an object")
        return
    for name in required:
        if name not in value:
            yield Fault(path + step(name), "required", "missing: expected it to be there")
    for name, item in value.items():
        if name in checks:
            yield from checks[name](item, path + step(name))
    for name in (key for key in ("required", "nullable") if key in checks and isinstance(value.get(key), list)):
        yield from _declared(value, path, name)


def _declared(value: Mapping[str, Any], path: str, keyword: str) -> Iterator[Fault]:
    """Check that the fields which `required` or `nullable` name are declared."""
    properties = value.get("properties", {})
    for index, name in enumerate(value[keyword]):
        if isinstance(name, str) and isinstance(properties, dict) and name not in properties:
            yield Fault(f"{path}.{keyword}[{index}]", keyword, f"{show(name)}: expected one of the properties")


def _nsid(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, str) or not Nsid.matches(value):
        yield Fault(path, "format", f"{show(value)}: expected an NSID")


def _record_key(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, str) or not (
        value in ("tid", "nsid", "any") or (value.startswith("literal:") and RecordKey.matches(value[8:]))
    ):
        yield Fault(path, "format", f"{show(value)}: expected tid, nsid, any or literal:…")


def _reference(value: Any, path: str) -> Iterator[Fault]:
    nsid, hash_, name = value.partition("#") if isinstance(value, str) else ("", "", "")
    if not (Nsid.matches(nsid) or (hash_ and not nsid)) or (hash_ and not _DEFINITION_NAME.fullmatch(name)):
        yield Fault(path, "format", f"{show(value)}: expected an NSID, NSID#name or #name")


def _format(value: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, str) or value not in FORMATS:
        yield Fault(path, "format", f"{show(value)}: expected one of {', '.join(FORMATS)}")


def _is_a(kind: type, expected: str) -> _Check:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield Fault(path, "type", f"{show(value)}: expected {expected}")

    return check


def _at_least(least: int) -> _Check:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if type(value) is not int or value < least:
            yield Fault(path, "type", f"{show(value)}: expected an integer, {least} or more")

    return check


def _literally(text: str) -> _Check:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if value != text:
            yield Fault(path, "const", f"{show(value)}: expected {text!r}")

    return check


def _is_one_of(allowed: frozenset[str]) -> _Check:
    return lambda value, path: _definition(value, path, allowed)


def _each(item_check: _Check) -> _Check:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield Fault(path, "type", f"{show(value)}: expected an array")
            return
        for index, item in enumerate(value):
            yield from item_check(item, path + step(index))

    return check


def _map(item_check: _Check) -> _Check:
    def check(value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield Fault(path, "type", f"{show(value)}: expected an object")
            return
        for key, item in value.items():
            yield from item_check(item, path + step(key))

    return check


def _with(checks: Mapping[str, _Check], *required: str) -> _Check:
    return lambda value, path: _keywords(value, path, {"description": _text, **checks}, required)


_text = _is_a(str, "a string")
_integer = _is_a(int, "an integer")
_boolean = _is_a(bool, "a boolean")
_count = _at_least(0)

_LENGTHS: Final[Mapping[str, _Check]] = {"minLength": _count, "maxLength": _count}
_BODY: Final = _with({"encoding": _text, "schema": _is_one_of(frozenset({"object", "ref", "union"}))}, "encoding")
_PARAMETERS: Final = _is_one_of(frozenset({"params"}))
_ERRORS: Final = _each(_with({"name": _text}, "name"))
_ENDPOINT: Final[Mapping[str, _Check]] = {"parameters": _PARAMETERS, "output": _BODY, "errors": _ERRORS}


def _parameter(value: Any, path: str) -> Iterator[Fault]:
    yield from _definition(value, path, _SCALAR | {"array"})
    if isinstance(value, dict) and value.get("type") == "array" and isinstance(value.get("items"), dict):
        kind = value["items"].get("type")
        if kind in _FIELD - _SCALAR:
            yield Fault(path + ".items.type", "type", f"{show(kind)}: expected one of {', '.join(sorted(_SCALAR))}")


_KEYWORDS: Final[Mapping[str, Mapping[str, _Check]]] = {
    kind: {"description": _text, **checks}
    for kind, checks in {
        "null": {},
        "boolean": {"default": _boolean, "const": _boolean},
        "integer": {
            "minimum": _integer,
            "maximum": _integer,
            "enum": _each(_integer),
            "default": _integer,
            "const": _integer,
        },
        "string": {
            "format": _format,
            **_LENGTHS,
            "minGraphemes": _count,
            "maxGraphemes": _count,
            "knownValues": _each(_text),
            "enum": _each(_text),
            "default": _text,
            "const": _text,
        },
        "bytes": _LENGTHS,
        "cid-link": {},
        "blob": {"accept": _each(_text), "maxSize": _at_least(1)},
        "array": {"items": _is_one_of(_FIELD), **_LENGTHS},
        "object": {"properties": _map(_is_one_of(_FIELD)), "required": _each(_text), "nullable": _each(_text)},
        "ref": {"ref": _reference},
        "union": {"refs": _each(_reference), "closed": _boolean},
        "token": {},
        "unknown": {},
        "params": {"properties": _map(_parameter), "required": _each(_text)},
        "record": {"key": _record_key, "record": _is_one_of(frozenset({"object"}))},
        "query": _ENDPOINT,
        "procedure": {**_ENDPOINT, "input": _BODY},
        "subscription": {
            "parameters": _PARAMETERS,
            "message": _with({"schema": _is_one_of(frozenset({"object", "ref", "union"}))}, "schema"),
            "errors": _ERRORS,
        },
        "permission-set": {
            "title": _text,
            "title:lang": _map(_text),
            "detail": _text,
            "detail:lang": _map(_text),
            "permissions": _each(_with({"type": _literally("permission"), "resource": _text}, "type", "resource")),
        },
    }.items()
}
"""The language: the keywords of each type of definition and what each must be."""

_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "array": ("items",),
    "permission-set": ("permissions",),
    "record": ("key", "record"),
    "ref": ("ref",),
    "union": ("refs",),
}

_DOCUMENT: Final[Mapping[str, _Check]] = {
    "lexicon": _version,
    "id": _nsid,
    "description": _text,
    "defs": _definitions,
}
