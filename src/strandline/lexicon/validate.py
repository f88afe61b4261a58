"""
Whether a value satisfies a lexicon definition: the definition compiled once, asked for every record.

Each definition becomes a closure over the closures of its parts, so that nothing of a document is read again while
a stream runs. A check gives its faults with paths relative to its value, and an empty tuple for a value without
faults, which is the common case and builds no path, list or message.

References are resolved while compiling; one to a definition still being compiled goes through the table, so
documents may refer to themselves. A value nests deeper with each such turn, and wire values nest at most 64 deep.

Source: https://atproto.com/specs/lexicon
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from strandline.errors import InvalidLexicon
from strandline.lexicon.datamodel import blob_faults, bytes_length, is_integer, is_link, is_map
from strandline.lexicon.document import FORMATS, Catalog
from strandline.lexicon.fault import MAX_FAULTS, Fault, show, step, under
from strandline.lexicon.graphemes import exceeds, grapheme_count
from strandline.memo import remembered
from strandline.syntax import Cid, Nsid, RecordKey, Tid

__all__ = ["Validator", "compile_record", "compile_record_key", "compile_ref"]

Validator = Callable[[object], list[Fault]]
"""Returns all faults of a JSON value in the order of the definition, paths from "$"; an empty list if it is valid.

Of one array at most MAX_FAULTS are told. The value is neither changed nor kept.
"""


def compile_record(nsid: str, documents: Catalog) -> Validator:
    """
    Return what validates a record of collection `nsid`, its `$type` included.

    Raises:
        InvalidLexicon: The documents hold no such record, or lack one that it needs.
    """
    _record_definition(nsid, documents)
    return compile_ref(nsid, documents)


def compile_ref(ref: str, documents: Catalog) -> Validator:
    """
    Return what validates a value of the definition `ref`, written "nsid" or "nsid#name".

    Raises:
        InvalidLexicon: A definition that it needs is not there, or describes no value. Of an open union, members
            whose whole document is absent are not needed: they pass like any unknown `$type`.
    """
    check = _named(_absolute(ref, ""), _Work(documents))

    def validate(value: object) -> list[Fault]:
        faults = check(value)
        return under("$", faults) if faults else []

    return validate


def compile_record_key(nsid: str, documents: Catalog) -> Callable[[str], list[Fault]]:
    """
    Return what validates the record key of a record of collection `nsid`; its faults have path "rkey", rule "key".

    Raises:
        InvalidLexicon: The documents hold no such record.
    """
    rule: str = _record_definition(nsid, documents)["key"]
    kind, _, literal = rule.partition(":")
    matches = {"tid": Tid.matches, "nsid": Nsid.matches, "literal": literal.__eq__}.get(kind, RecordKey.matches)

    def validate(rkey: str) -> list[Fault]:
        if matches(rkey) and RecordKey.matches(rkey):
            return []
        return [Fault("rkey", "key", f"{show(rkey)}: expected a record key, {rule}")]

    return validate


_Check = Callable[[Any], Sequence[Fault]]
"""Returns the faults of a value, paths relative to it; something empty if it has none."""

_Definition = Mapping[str, Any]

_FINE: Final = ()


@frozen
class _Work:
    """What is compiled so far: a check for each name; while it is being made, one that asks again here."""

    documents: Catalog
    checks: dict[str, _Check] = field(factory=dict)


def _record_definition(nsid: str, documents: Catalog) -> _Definition:
    definition = _find(nsid, documents)
    if definition["type"] != "record":
        raise InvalidLexicon(f"{nsid!r} is a {definition['type']}, not a record")
    return definition


def _find(name: str, documents: Catalog) -> _Definition:
    nsid, _, local = name.partition("#")
    if nsid not in documents:
        raise InvalidLexicon(f"{name!r} is needed, and no document is {nsid!r}")
    definition = documents[nsid].defs.get(local or "main")
    if definition is None:
        raise InvalidLexicon(f"{name!r} is needed, and its document does not define it")
    return definition


def _absolute(ref: str, home: str) -> str:
    """Return the one full name of what `ref` names in document `home`: "nsid", or "nsid#name" if not main."""
    return (home + ref if ref.startswith("#") else ref).removesuffix("#main")


def _named(name: str, work: _Work) -> _Check:
    checks = work.checks
    if name not in checks:
        definition = _find(name, work.documents)
        checks[name] = lambda value: checks[name](value)
        checks[name] = _compile(definition, name, work)
    return checks[name]


def _compile(definition: _Definition, name: str, work: _Work) -> _Check:
    """Return the check of a definition that stands in, or is, the definition `name`."""
    kind = definition["type"]
    if kind not in _COMPILERS:
        raise InvalidLexicon(f"{name!r} holds a {kind}, which describes no value")
    return _COMPILERS[kind](definition, name, work)


# Containers.


def _object(definition: _Definition, name: str, work: _Work) -> _Check:
    required, nullable = definition.get("required", ()), definition.get("nullable", ())
    fields = tuple(
        (key, _compile(inner, name, work), key in required, key in nullable)
        for key, inner in definition.get("properties", {}).items()
    )

    def check(value: Any) -> Sequence[Fault]:
        # is_map, written out: a call for every object of a stream counts.
        if not isinstance(value, dict) or "$link" in value or "$bytes" in value or value.get("$type") == "blob":
            return _wrong_type(value, "an object that is no link, bytes or blob")
        faults: Sequence[Fault] = _FINE
        for key, check_field, is_required, is_nullable in fields:
            if key in value:
                found = check_field(value[key])
                if found and not (is_nullable and value[key] is None):
                    faults = [*faults, *_field_faults(key, value[key], found)]
            elif is_required:
                faults = [*faults, Fault(step(key), "required", "missing: expected it to be there")]
        return faults

    return check


def _field_faults(key: str, value: object, found: Sequence[Fault]) -> list[Fault]:
    if value is None:
        return [Fault(step(key), "nullable", "None: expected a value, or the field to be absent")]
    return under(step(key), found)


def _record(definition: _Definition, name: str, work: _Work) -> _Check:
    check_object = _object(definition["record"], name, work)

    def check(value: Any) -> Sequence[Fault]:
        faults = check_object(value)
        if not isinstance(value, dict) or value.get("$type") == name:
            return faults
        return [Fault(step("$type"), "$type", f"{show(value.get('$type'))}: expected {name!r}"), *faults]

    return check


def _array(definition: _Definition, name: str, work: _Work) -> _Check:
    check_item = _compile(definition["items"], name, work)
    limits = _limits(definition, _ARRAY_RULES)

    def check(value: Any) -> Sequence[Fault]:
        if not isinstance(value, list):
            return _wrong_type(value, "an array")
        faults = [limit.fault(value) for limit in limits if not limit.allows(value)]
        for index, item in enumerate(value):
            found = check_item(item)
            if found:
                faults += under(step(index), found)
                if len(faults) >= MAX_FAULTS:
                    return faults[:MAX_FAULTS]
        return faults

    return check


def _union(definition: _Definition, name: str, work: _Work) -> _Check:
    is_closed = definition.get("closed", False)
    members = [_absolute(ref, name.partition("#")[0]) for ref in definition["refs"]]
    known = {
        member: _member(member, work) for member in members if is_closed or member.partition("#")[0] in work.documents
    }

    def check(value: Any) -> Sequence[Fault]:
        if not isinstance(value, dict):
            return _wrong_type(value, "an object with a $type")
        kind = value.get("$type")
        if not isinstance(kind, str) or not kind:
            return (Fault("", "union", f"{show(value)}: expected an object with a $type"),)
        if kind in known:
            return known[kind](value)
        if kind.endswith("#main"):
            return (Fault(step("$type"), "$type", f"{show(kind)}: expected no #main"),)
        if is_closed:
            return (Fault(step("$type"), "union", f"{show(kind)}: expected one of {show([*known])}"),)
        return _FINE

    return check


def _member(name: str, work: _Work) -> _Check:
    kind = _find(name, work.documents)["type"]
    if kind not in ("object", "record"):
        raise InvalidLexicon(f"{name!r} is a {kind}; only objects and records can be members of a union")
    return _named(name, work)


def _ref(definition: _Definition, name: str, work: _Work) -> _Check:
    return _named(_absolute(definition["ref"], name.partition("#")[0]), work)


# Single values: a kind, and limits from a table.


@frozen
class _Limit:
    """One limit on values of the right kind: its rule, what allows a value, and what was expected."""

    rule: str
    allows: Callable[[Any], bool]
    expected: str

    def fault(self, value: object) -> Fault:
        return Fault("", self.rule, f"{show(value)}: expected {self.expected}")


_Rules = Mapping[str, tuple[Callable[[Any], Callable[[Any], bool]], str]]
"""For each keyword: what makes, of the keyword's value, the test of a value; and the words for what is expected."""


def _limits(definition: _Definition, rules: _Rules) -> tuple[_Limit, ...]:
    return tuple(
        _Limit(keyword, make(definition[keyword]), expected.format(show(definition[keyword])))
        for keyword, (make, expected) in rules.items()
        if keyword in definition
    )


def _scalar(is_kind: Callable[[Any], bool], expected: str, rules: _Rules) -> "_Compiler":
    """Return what compiles definitions of values that are of one kind and keep the limits of `rules`."""

    def compile_(definition: _Definition, name: str, work: _Work) -> _Check:
        limits = _limits(definition, rules)
        tests = tuple(limit.allows for limit in limits)

        def check(value: Any) -> Sequence[Fault]:
            if not is_kind(value):
                return _wrong_type(value, expected)
            for allows in tests:
                if not allows(value):
                    return [each.fault(value) for each in limits if not each.allows(value)]
            return _FINE

        return check

    return compile_


def _string(definition: _Definition, name: str, work: _Work) -> _Check:
    """Compile a string like any scalar; those with one limit, which are the most, with fewer calls."""
    check_any = _any_string(definition, name, work)
    limits = _limits(definition, _STRING_RULES)
    if len(limits) != 1:
        return check_any
    allows = limits[0].allows

    def check(value: Any) -> Sequence[Fault]:
        return _FINE if isinstance(value, str) and allows(value) else check_any(value)

    return check


def _token(definition: _Definition, name: str, work: _Work) -> _Check:
    return _scalar(_is_text, "a string", _TOKEN_RULES)({"token": name}, name, work)


def _blob(definition: _Definition, name: str, work: _Work) -> _Check:
    limits = _limits(definition, _BLOB_RULES)

    def check(value: Any) -> Sequence[Fault]:
        if not isinstance(value, dict) or (value.get("$type") != "blob" and not _is_legacy_blob(value)):
            return _wrong_type(value, "a blob")
        faults = blob_faults(value) if "$type" in value else []
        return faults or [limit.fault(value) for limit in limits if not limit.allows(value)]

    return check


def _is_legacy_blob(value: dict[str, Any]) -> bool:
    """Tell whether it is a blob as first written, {cid, mimeType}, which never said its size."""
    cid, mime_type = value.get("cid"), value.get("mimeType")
    return len(value) == 2 and isinstance(cid, str) and Cid.matches(cid) and isinstance(mime_type, str)


def _wrong_type(value: object, expected: str) -> Sequence[Fault]:
    return (Fault("", "type", f"{show(value)}: expected {expected}"),)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _accepts(pattern: str, mime_type: str) -> bool:
    is_kind = pattern.endswith("/*") and mime_type.startswith(pattern[:-1])
    return is_kind or pattern in (mime_type, "*/*")


_ENUM_RULES: Final[_Rules] = {
    "const": (lambda only: lambda value: bool(value == only), "{}"),
    "enum": (lambda allowed: frozenset(allowed).__contains__, "one of {}"),
}

_INTEGER_RULES: Final[_Rules] = {
    **_ENUM_RULES,
    "minimum": (lambda least: lambda value: bool(value >= least), "at least {}"),
    "maximum": (lambda most: lambda value: bool(value <= most), "at most {}"),
}

_QUICK: Final = {name: remembered(FORMATS[name]) for name in ("at-uri", "cid", "did", "language")}

_STRING_RULES: Final[_Rules] = {
    **_ENUM_RULES,
    "format": (lambda name: _QUICK.get(name) or FORMATS[name], "the format {}"),
    "minLength": (lambda least: lambda text: _utf8_bytes(text) >= least, "at least {} UTF-8 bytes"),
    "maxLength": (
        lambda most: lambda text: len(text) * 4 <= most or _utf8_bytes(text) <= most,
        "at most {} UTF-8 bytes",
    ),
    "minGraphemes": (lambda least: lambda text: grapheme_count(text) >= least, "at least {} grapheme clusters"),
    "maxGraphemes": (lambda most: lambda text: not exceeds(text, most), "at most {} grapheme clusters"),
}

_TOKEN_RULES: Final[_Rules] = {"token": (lambda name: lambda text: bool(text == name), "the token {}")}

_BYTES_RULES: Final[_Rules] = {
    "minLength": (lambda least: lambda value: (bytes_length(value) or 0) >= least, "at least {} bytes"),
    "maxLength": (lambda most: lambda value: (bytes_length(value) or 0) <= most, "at most {} bytes"),
}

_ARRAY_RULES: Final[_Rules] = {
    "minLength": (lambda least: lambda items: len(items) >= least, "at least {} items"),
    "maxLength": (lambda most: lambda items: len(items) <= most, "at most {} items"),
}

_BLOB_RULES: Final[_Rules] = {
    "accept": (lambda patterns: lambda blob: any(_accepts(each, blob["mimeType"]) for each in patterns), "one of {}"),
    "maxSize": (lambda most: lambda blob: blob.get("size", 0) <= most, "at most {} bytes"),
}

_any_string = _scalar(_is_text, "a string", _STRING_RULES)

_Compiler = Callable[[_Definition, str, _Work], _Check]

_COMPILERS: Final[Mapping[str, _Compiler]] = {
    "array": _array,
    "blob": _blob,
    "boolean": _scalar(lambda value: isinstance(value, bool), "a boolean", _ENUM_RULES),
    "bytes": _scalar(lambda value: bytes_length(value) is not None, 'bytes {"$bytes": base64}', _BYTES_RULES),
    "cid-link": _scalar(is_link, 'a link {"$link": cid}', {}),
    "integer": _scalar(is_integer, "an integer", _INTEGER_RULES),
    "null": _scalar(lambda value: value is None, "null", {}),
    "object": _object,
    "record": _record,
    "ref": _ref,
    "string": _string,
    "token": _token,
    "union": _union,
    "unknown": _scalar(is_map, "an object that is no link, bytes or blob", {}),
}
