"""
Lexicon definitions written as frozen attrs types, and strict lexicon documents exported from them.

A type is the one source: its annotations say the shape, its field declarations carry the limits as data
(`Limits`), its docstring says in words what each field is. From it follow the JSON document (`export`) and the
way between a JSON value and the type (`structurer`, `unstructure`). Judging a value is not done here but by
`strandline.lexicon.validate`, from the exported documents alone, so that what we publish is what we enforce.

The annotation decides the lexicon type:

    str, int, bool            string, integer, boolean
    Blob                      blob
    Mapping[str, object]      unknown (any object)
    tuple[X, ...]             array of X
    a declared type           ref to its definition
    A | B                     closed union of declared types; with `| Mapping[str, object]`, an open one
    X | None                  X, and the field may be absent

What the network writes beyond a definition is never mixed into it: a `Tolerance` is separate data, and
`tolerate` makes of a strict document the one by which records are judged.

Source: https://atproto.com/specs/lexicon
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, dataclass_transform

import attrs
import cattrs
from attrs import NOTHING, Attribute, frozen
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from strandline.errors import InvalidLexicon

__all__ = [
    "Blob",
    "Definition",
    "Limits",
    "Tolerance",
    "array",
    "at_uri",
    "blob",
    "boolean",
    "cid",
    "converter",
    "datetime",
    "definition",
    "definition_of",
    "did",
    "export",
    "integer",
    "limits_of",
    "record",
    "ref",
    "structurer",
    "text",
    "tolerate",
    "union",
    "unknown",
    "unstructure",
    "uri",
    "wire_name",
]

T = TypeVar("T")
Json = dict[str, Any]


@frozen(kw_only=True)
class Definition:
    """
    Where a type stands among the documents.

    Attributes:
        nsid: The document.
        name: The definition in it; "main" for a record and for the chief object of a document.
        key: The record key type ("tid", "any", "literal:self"); None for an object.
    """

    nsid: str
    name: str = "main"
    key: str | None = None

    @property
    def type_name(self) -> str:
        """What `$type` says of such a value, and what refers to it from another document."""
        return self.nsid if self.name == "main" else f"{self.nsid}#{self.name}"


@frozen(kw_only=True)
class Limits:
    """
    What one field may hold, as data; None says nothing.

    Attributes:
        name: The name on the wire; None for the attribute's name in camelCase.
        older: A name older writers used for it: read where the field is absent and the value is a string,
            never judged, never written.
        required: Whether the strict document asks for it; None says as the type does, by having no default.
        default: What an absent field is read as.
        format: String format: "did", "at-uri", "datetime" and so on.
        min_length, max_length: UTF-8 bytes of a string, items of an array, both inclusive.
        min_graphemes, max_graphemes: Extended grapheme clusters of a string, both inclusive.
        minimum, maximum: Bounds of an integer, both inclusive.
        known_values: Values with a known meaning; any other string is as valid.
        accept: Media types of a blob; "image/*" takes all of a kind.
        max_size: Bytes of a blob, inclusive.
        items: What each item of an array may hold.
    """

    name: str | None = None
    older: str | None = None
    required: bool | None = None
    default: str | int | bool | None = None
    format: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_graphemes: int | None = None
    max_graphemes: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    known_values: tuple[str, ...] | None = None
    accept: tuple[str, ...] | None = None
    max_size: int | None = None
    items: "Limits | None" = None


KEYWORDS = {
    "format": "format",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_graphemes": "minGraphemes",
    "max_graphemes": "maxGraphemes",
    "minimum": "minimum",
    "maximum": "maximum",
    "known_values": "knownValues",
    "accept": "accept",
    "max_size": "maxSize",
    "default": "default",
}
NO_LIMITS = Limits()


# Field declarations. Each returns an attrs field whose metadata hold its Limits.


def _declared(default: Any, limits: Limits, converter: Callable[[Any], Any] | None = None) -> Any:
    told = default if isinstance(default, str | int) else None
    metadata = {Limits: attrs.evolve(limits, default=told)}
    return attrs.field(default=default, converter=converter, metadata=metadata)


def text(
    *,
    default: Any = NOTHING,
    required: bool | None = None,
    name: str | None = None,
    older: str | None = None,
    format: str | None = None,  # noqa: A002 - the lexicon's own word
    min_length: int | None = None,
    max_length: int | None = None,
    min_graphemes: int | None = None,
    max_graphemes: int | None = None,
    known_values: tuple[str, ...] | None = None,
) -> Any:
    """Declare a string; lengths in UTF-8 bytes, graphemes in extended grapheme clusters."""
    limits = Limits(
        name=name,
        older=older,
        required=required,
        format=format,
        min_length=min_length,
        max_length=max_length,
        min_graphemes=min_graphemes,
        max_graphemes=max_graphemes,
        known_values=known_values,
    )
    return _declared(default, limits)


def did(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a string of format did."""
    return _declared(default, Limits(name=name, required=required, format="did"))


def at_uri(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a string of format at-uri."""
    return _declared(default, Limits(name=name, required=required, format="at-uri"))


def cid(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a string of format cid."""
    return _declared(default, Limits(name=name, required=required, format="cid"))


def uri(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a string of format uri."""
    return _declared(default, Limits(name=name, required=required, format="uri"))


def datetime(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a string of format datetime; the type keeps the text as it was written."""
    return _declared(default, Limits(name=name, required=required, format="datetime"))


def integer(
    *,
    default: Any = NOTHING,
    required: bool | None = None,
    name: str | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    clamp: bool = False,
) -> Any:
    """Declare an integer; with `clamp` the type brings a value beyond its bounds to the nearer one."""
    limits = Limits(name=name, required=required, minimum=minimum, maximum=maximum)
    return _declared(default, limits, _clamped(minimum, maximum) if clamp else None)


def boolean(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a boolean."""
    return _declared(default, Limits(name=name, required=required))


def unknown(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare an object of any shape, kept as it came."""
    return _declared(default, Limits(name=name, required=required))


def ref(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a value of the declared type that the annotation names."""
    return _declared(default, Limits(name=name, required=required))


def union(*, default: Any = NOTHING, required: bool | None = None, name: str | None = None) -> Any:
    """Declare a value of one of the declared types that the annotation names, told apart by `$type`."""
    return _declared(default, Limits(name=name, required=required))


def array(
    *,
    default: Any = NOTHING,
    required: bool | None = None,
    name: str | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    items: Limits | None = None,
) -> Any:
    """Declare an array; lengths in items."""
    limits = Limits(name=name, required=required, min_length=min_length, max_length=max_length, items=items)
    return _declared(default, limits)


def blob(
    *,
    default: Any = NOTHING,
    required: bool | None = None,
    name: str | None = None,
    accept: tuple[str, ...] | None = None,
    max_size: int | None = None,
) -> Any:
    """Declare a blob; size in bytes."""
    return _declared(default, Limits(name=name, required=required, accept=accept, max_size=max_size))


def _clamped(minimum: int | None, maximum: int | None) -> Callable[[Any], Any]:
    def nearest(value: Any) -> Any:
        if minimum is not None and value < minimum:
            return minimum
        if maximum is not None and value > maximum:
            return maximum
        return value

    return nearest


# Declaring a type.


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(text, did, at_uri, cid, uri, datetime, integer, boolean, unknown, ref, union, array, blob),
)
def record(nsid: str, key: str = "tid") -> Callable[[type[T]], type[T]]:
    """Make a class the frozen attrs type of a record: the main definition of document `nsid`, with that key type."""
    return _declare(Definition(nsid=nsid, key=key))


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(text, did, at_uri, cid, uri, datetime, integer, boolean, unknown, ref, union, array, blob),
)
def definition(name: str) -> Callable[[type[T]], type[T]]:
    """Make a class the frozen attrs type of an object definition, "nsid" or "nsid#name"."""
    nsid, _, local = name.partition("#")
    return _declare(Definition(nsid=nsid, name=local or "main"))


def _declare(place: Definition) -> Callable[[type[T]], type[T]]:
    def declare(cls: type[T]) -> type[T]:
        made = frozen(kw_only=True)(cls)
        setattr(made, _PLACE, place)
        return made

    return declare


_PLACE = "__lexicon__"


def definition_of(cls: type) -> Definition:
    """
    Return the place of a declared type.

    Raises:
        TypeError: The class was not made by `record` or `definition`.
    """
    place = cls.__dict__.get(_PLACE)
    if not isinstance(place, Definition):
        raise TypeError(f"not a lexicon type: {cls!r}")
    return place


def _is_declared(annotation: Any) -> bool:
    return isinstance(annotation, type) and _PLACE in annotation.__dict__


@frozen(kw_only=True)
class Blob:
    """
    A reference to a file that a repository holds.

    Attributes:
        ref: Its content identifier, as text.
        mime_type: Media type, as its writer claimed it.
        size: Bytes, as its writer claimed them; None in the form of 2022, which did not say.
    """

    ref: str
    mime_type: str
    size: int | None = None


def wire_name(attribute: "Attribute[Any]") -> str:
    """
    Return the name of a field in JSON.

    >>> wire_name(attrs.fields_dict(Blob)["mime_type"])
    'mimeType'
    """
    return _limits(attribute).name or re.sub(r"_(\w)", lambda found: found[1].upper(), attribute.name)


def limits_of(cls: type) -> dict[str, Limits]:
    """Return the limits of each field of a declared type, by its name on the wire, in order."""
    return {wire_name(attribute): _limits(attribute) for attribute in _fields(cls)}


def _limits(attribute: "Attribute[Any]") -> Limits:
    found: Limits = attribute.metadata.get(Limits, NO_LIMITS)
    return found


def _fields(cls: Any) -> "tuple[Attribute[Any], ...]":
    # Annotations may be text (`from __future__ import annotations`); resolved late, so types may name later ones.
    found: tuple[Attribute[Any], ...] = attrs.fields(attrs.resolve_types(cls))
    return found


# Export.


def export(*roots: type) -> dict[str, Json]:
    """
    Return the strict lexicon documents of some types and of all they refer to, by NSID.

    A document holds only the definitions that were reached, main first, the others by name. The values are plain
    JSON. Descriptions are the docstrings' words and have no effect on what is valid.

    Raises:
        InvalidLexicon: A field's annotation is no lexicon type, or two types claim one definition.
    """
    documents: dict[str, Json] = {}
    for cls in sorted(_reached(roots), key=_by_place):
        place = definition_of(cls)
        document = documents.setdefault(place.nsid, {"lexicon": 1, "id": place.nsid, "defs": {}})
        if place.name in document["defs"]:
            raise InvalidLexicon(f"two types claim {place.type_name!r}")
        document["defs"][place.name] = _exported(cls, place)
    return documents


def _by_place(cls: type) -> tuple[str, bool, str]:
    place = definition_of(cls)
    return place.nsid, place.name != "main", place.name


def _reached(roots: Iterable[type]) -> set[type]:
    seen: set[type] = set()
    ahead = list(roots)
    while ahead:
        cls = ahead.pop()
        if cls not in seen:
            seen.add(cls)
            ahead += [named for attribute in _fields(cls) for named in _named(attribute.type)]
    return seen


def _named(annotation: Any) -> Iterator[type]:
    if _is_declared(annotation):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _named(argument)


def _exported(cls: type, place: Definition) -> Json:
    summary, words = _described(cls.__doc__ or "")
    fields = {wire_name(attribute): attribute for attribute in _fields(cls)}
    body: Json = {"type": "object"}
    if required := [name for name, attribute in fields.items() if _is_required(attribute)]:
        body["required"] = required
    body["properties"] = {
        name: _property(cls, attribute, place, words.get(attribute.name)) for name, attribute in fields.items()
    }
    told = {"description": summary} if summary else {}
    if place.key is None:
        return {"type": "object", **told, **{word: body[word] for word in body if word != "type"}}
    return {"type": "record", **told, "key": place.key, "record": body}


def _is_required(attribute: "Attribute[Any]") -> bool:
    said = _limits(attribute).required
    return attribute.default is NOTHING if said is None else said


def _property(cls: type, attribute: "Attribute[Any]", place: Definition, words: str | None) -> Json:
    shape = _shape(attribute.type, place)
    if shape is None:
        raise InvalidLexicon(f"{cls.__name__}.{attribute.name}: {attribute.type!r} is no lexicon type")
    limited = _limited(shape, _limits(attribute))
    return {"type": limited.pop("type"), **({"description": words} if words else {}), **limited}


def _limited(shape: Json, limits: Limits) -> Json:
    keywords = {
        keyword: list(value) if isinstance(value, tuple) else value
        for attribute, keyword in KEYWORDS.items()
        if (value := getattr(limits, attribute)) is not None
    }
    if limits.items is not None:
        shape = {**shape, "items": _limited(shape["items"], limits.items)}
    return {**shape, **keywords}


SCALARS: Mapping[Any, str] = {str: "string", int: "integer", bool: "boolean", Blob: "blob"}


def _shape(annotation: Any, place: Definition) -> Json | None:
    """Return the lexicon type of an annotation, without limits; None if it has none."""
    members = _members(annotation)
    if len(members) > 1:
        return _union_shape(members, place)
    (only,) = members
    if _is_declared(only):
        return {"type": "ref", "ref": _reference(only, place)}
    if _is_mapping(only):
        return {"type": "unknown"}
    if _is_array(only):
        items = _shape(typing.get_args(only)[0], place)
        return None if items is None else {"type": "array", "items": items}
    return {"type": SCALARS[only]} if only in SCALARS else None


def _union_shape(members: tuple[Any, ...], place: Definition) -> Json | None:
    declared = [member for member in members if _is_declared(member)]
    is_open = any(_is_mapping(member) for member in members)
    if not declared or len(declared) + is_open != len(members):
        return None
    refs = [_reference(member, place) for member in declared]
    return {"type": "union", "refs": refs} if is_open else {"type": "union", "refs": refs, "closed": True}


def _reference(cls: type, place: Definition) -> str:
    target = definition_of(cls)
    return f"#{target.name}" if target.nsid == place.nsid else target.type_name


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation, None left out."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return tuple(member for member in typing.get_args(annotation) if member is not types.NoneType)
    return (annotation,)


def _is_mapping(annotation: Any) -> bool:
    return typing.get_origin(annotation) is Mapping


def _is_array(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple and typing.get_args(annotation)[1:] == (Ellipsis,)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (types.UnionType, typing.Union)


def _described(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's summary, and the words on each attribute under its "Attributes:"."""
    summary, _, attributes = inspect.cleandoc(docstring).partition("Attributes:")
    found = re.findall(r"^ {4}(\w+(?:, \w+)*): (.+(?:\n {5,}.+)*)", attributes, re.MULTILINE)
    words = {name: " ".join(told.split()) for names, told in found for name in names.split(", ")}
    return " ".join(summary.split("\n\n")[0].split()), words


# Tolerances.


@frozen(kw_only=True)
class Tolerance:
    """
    One limit of a document that the network breaks and we let pass. It only ever loosens.

    Attributes:
        path: The field: "createdAt" of the main definition, "image#alt" of the definition `image`.
        required: False where it may be absent; None leaves that as it is.
        max_length: The greater bound in UTF-8 bytes or items; None leaves it.
        max_graphemes: The greater bound in grapheme clusters; None leaves it.
        dropped: Lexicon keywords that bind no longer, such as "minimum".
    """

    path: str
    required: bool | None = None
    max_length: int | None = None
    max_graphemes: int | None = None
    dropped: tuple[str, ...] = ()


def tolerate(document: Mapping[str, Any], tolerances: Iterable[Tolerance]) -> Json:
    """
    Return a document as loose as the tolerances say; the given one is left as it was.

    Raises:
        InvalidLexicon: A tolerance names no field or no limit of the document, or would make it stricter.
    """
    loose: Json = _copied(document)
    for tolerance in tolerances:
        _loosen(loose, tolerance)
    return loose


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _loosen(document: Json, tolerance: Tolerance) -> None:
    local, _, name = tolerance.path.rpartition("#")
    found = document["defs"].get(local or "main", {})
    body = found.get("record", found)
    if name not in body.get("properties", {}):
        raise _useless(document, tolerance)
    if tolerance.required is not None:
        if tolerance.required or name not in body.get("required", ()):
            raise _useless(document, tolerance)
        body["required"].remove(name)
    _loosen_bounds(document, body["properties"][name], tolerance)


def _loosen_bounds(document: Json, field: Json, tolerance: Tolerance) -> None:
    for keyword, bound in (("maxLength", tolerance.max_length), ("maxGraphemes", tolerance.max_graphemes)):
        if bound is not None:
            if keyword not in field or field[keyword] >= bound:
                raise _useless(document, tolerance)
            field[keyword] = bound
    for keyword in tolerance.dropped:
        if keyword not in field:
            raise _useless(document, tolerance)
        del field[keyword]


def _useless(document: Json, tolerance: Tolerance) -> InvalidLexicon:
    return InvalidLexicon(f"{document['id']}: loosens nothing: {tolerance!r}")


# From JSON and back.


def structurer(cls: type[T]) -> Callable[[Mapping[str, object]], T]:
    """
    Return what makes a `cls` of a JSON object that its (tolerated) document found valid.

    It judges nothing: what it does with any other value is not said. Unknown fields are dropped; of an open
    union, a member of unknown `$type` stays the mapping it is.
    """
    hook: Callable[[Any, Any], T] = _shared().get_structure_hook(cls)
    return lambda value: hook(value, cls)


def unstructure(value: object) -> Json:
    """Return a declared value as a JSON object; absent fields are left out, and so are those at their default."""
    made: Json = _shared().unstructure(value)
    return made


@cache
def _shared() -> cattrs.Converter:
    return converter()


def converter() -> cattrs.Converter:
    """
    Return a new cattrs converter that knows every declared type, `Blob`, and unions of declared types.

    Wire names and `$type` are as the documents say. Scalars and unknown objects pass as they are, unchecked.
    """
    made = cattrs.Converter(detailed_validation=False)
    made.register_structure_hook(str, _as_it_is)
    made.register_structure_hook(bool, _as_it_is)
    made.register_structure_hook(int, _whole)
    made.register_structure_hook_factory(_is_mapping, lambda _: _as_it_is)
    made.register_structure_hook_factory(_is_array, _array_structurer(made))
    made.register_structure_hook_factory(_is_union, _union_structurer(made))
    made.register_structure_hook_factory(_is_declared, _object_structurer(made))
    made.register_structure_hook(Blob, _structure_blob)
    made.register_unstructure_hook_factory(_is_mapping, lambda _: _itself)
    made.register_unstructure_hook_factory(_is_array, _array_unstructurer(made))
    made.register_unstructure_hook_factory(_is_union, _union_unstructurer(made))
    made.register_unstructure_hook_factory(_is_declared, _object_unstructurer(made))
    made.register_unstructure_hook(Blob, _unstructure_blob)
    return made


Structure = Callable[[Any, Any], Any]
Unstructure = Callable[[Any], Any]


def _as_it_is(value: Any, _: Any) -> Any:
    return value


def _whole(value: Any, _: Any) -> int:
    return int(value)  # JSON may write 3 as 3.0


def _itself(value: Any) -> Any:
    return value


def _structure_blob(value: Mapping[str, Any], _: Any) -> Blob:
    if "ref" in value:
        return Blob(ref=value["ref"]["$link"], mime_type=value["mimeType"], size=int(value["size"]))
    return Blob(ref=value["cid"], mime_type=value["mimeType"])


def _unstructure_blob(value: Blob) -> Json:
    if value.size is None:
        return {"cid": value.ref, "mimeType": value.mime_type}
    return {"$type": "blob", "ref": {"$link": value.ref}, "mimeType": value.mime_type, "size": value.size}


def _structure_hook(made: cattrs.Converter, annotation: Any) -> Structure:
    """Return the hook of an annotation; while that is still being made, one that asks for it when called."""
    try:
        hook: Structure = made.get_structure_hook(annotation)
    except RecursionError:  # so cattrs says that a type refers to itself
        return made.structure
    return hook


def _unstructure_hook(made: cattrs.Converter, annotation: Any) -> Unstructure:
    try:
        hook: Unstructure = made.get_unstructure_hook(annotation)
    except RecursionError:
        return lambda value: made.unstructure(value, annotation)
    return hook


def _array_structurer(made: cattrs.Converter) -> Callable[[Any], Structure]:
    def factory(annotation: Any) -> Structure:
        item = typing.get_args(annotation)[0]
        hook = _structure_hook(made, item)
        if hook is _as_it_is:
            return lambda values, _: tuple(values)
        return lambda values, _: tuple([hook(value, item) for value in values])

    return factory


def _array_unstructurer(made: cattrs.Converter) -> Callable[[Any], Unstructure]:
    def factory(annotation: Any) -> Unstructure:
        hook = _unstructure_hook(made, typing.get_args(annotation)[0])
        return lambda values: [hook(value) for value in values]

    return factory


def _union_structurer(made: cattrs.Converter) -> Callable[[Any], Structure]:
    def factory(annotation: Any) -> Structure:
        members = _members(annotation)
        if len(members) == 1:
            return _structure_hook(made, members[0])
        known = {
            definition_of(member).type_name: (_structure_hook(made, member), member)
            for member in members
            if _is_declared(member)
        }

        def structure(value: Any, _: Any) -> Any:
            found = known.get(value["$type"])
            return value if found is None else found[0](value, found[1])

        return structure

    return factory


def _union_unstructurer(made: cattrs.Converter) -> Callable[[Any], Unstructure]:
    def factory(annotation: Any) -> Unstructure:
        members = _members(annotation)
        if len(members) == 1:
            return _unstructure_hook(made, members[0])
        known = {
            member: (definition_of(member).type_name, _unstructure_hook(made, member))
            for member in members
            if _is_declared(member)
        }

        def unstructure(value: Any) -> Any:
            if type(value) not in known:
                return value
            type_name, hook = known[type(value)]
            return {"$type": type_name, **hook(value)}

        return unstructure

    return factory


def _object_structurer(made: cattrs.Converter) -> Callable[[Any], Structure]:
    def factory(cls: Any) -> Structure:
        hook: Structure = make_dict_structure_fn(cls, made, **_renamed(cls))
        older = {name: limits.older for name, limits in limits_of(cls).items() if limits.older}
        return _reading_older(hook, older) if older else hook

    return factory


def _renamed(cls: type) -> dict[str, Any]:
    return {attribute.name: override(rename=wire_name(attribute)) for attribute in _fields(cls)}


def _reading_older(hook: Structure, older: Mapping[str, str]) -> Structure:
    def structure(value: Mapping[str, Any], cls: Any) -> Any:
        for name, once in older.items():
            if name not in value and isinstance(value.get(once), str):
                value = {**value, name: value[once]}
        return hook(value, cls)

    return structure


def _object_unstructurer(made: cattrs.Converter) -> Callable[[Any], Unstructure]:
    def factory(cls: Any) -> Unstructure:
        hook: Unstructure = make_dict_unstructure_fn(cls, made, _cattrs_omit_if_default=True, **_renamed(cls))
        place = definition_of(cls)
        if place.key is None:
            return hook
        return lambda value: {"$type": place.type_name, **hook(value)}

    return factory
