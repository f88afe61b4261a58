"""
A declared type, its document and its values say the same: exports, tolerances, and the way from JSON and back.

The annotations of this file are text until they are resolved, as in a module of anyone who writes it so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import InvalidLexicon
from strandline.lexicon import compile_record, parse_document
from strandline.lexicon import model as field
from strandline.lexicon.model import (
    Blob,
    Definition,
    Limits,
    Tolerance,
    definition,
    definition_of,
    export,
    limits_of,
    record,
    structurer,
    tolerate,
    unstructure,
)

CID = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
PICTURE = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 9}


@record("org.example.tide")
class Tide:
    """
    A tide at a gauge, told
    by whoever stood there.

    More that no document needs.

    Attributes:
        gauge: Where it was
            measured.
        height_mm: Above the chart's zero, in millimetres.
        told_by: Who stood there.
        seen_at: When.
        kind: High or low.
        words: What was said of it.
        picture: What it looked like.
        sure: Whether the gauge was read twice.
        raw: What the gauge gave.
        stars: How good the view was.
        then: What came after.
        notes: Notes on it.
    """

    gauge: Gauge = field.ref()
    height_mm: int = field.integer(minimum=-9000, maximum=9000)
    told_by: str = field.did()
    seen_at: str | None = field.datetime(default=None, required=True)
    kind: str = field.text(default="high", known_values=("high", "low"))
    words: tuple[str, ...] | None = field.array(
        default=None, min_length=1, max_length=2, items=Limits(min_length=1, max_length=8, max_graphemes=4)
    )
    picture: Blob | None = field.blob(default=None, accept=("image/*",), max_size=10)
    sure: bool | None = field.boolean(default=None)
    raw: Mapping[str, object] | None = field.unknown(default=None)
    stars: int = field.integer(default=3, minimum=1, maximum=5, clamp=True, name="rating")
    then: Note | Gauge | None = field.union(default=None)
    notes: tuple[Note | Gauge | Mapping[str, object], ...] | None = field.array(default=None)


@definition("org.example.tide#gauge")
class Gauge:
    """A gauge."""

    place: str = field.text(older="location", format="uri")
    at: str = field.at_uri(default="at://did:web:a.example")
    version: str | None = field.cid(default=None)
    link: str | None = field.uri(default=None)


@definition("org.example.note")
class Note:
    text: str = field.text(min_graphemes=1)
    after: Note | None = field.ref(default=None)
    below: tuple[Note | Mapping[str, object], ...] | None = field.array(default=None)


def test_the_exported_documents_are_these() -> None:
    assert json.loads(json.dumps(export(Tide))) == {
        "org.example.note": {
            "lexicon": 1,
            "id": "org.example.note",
            "defs": {
                "main": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {
                        "text": {"type": "string", "minGraphemes": 1},
                        "after": {"type": "ref", "ref": "#main"},
                        "below": {"type": "array", "items": {"type": "union", "refs": ["#main"]}},
                    },
                }
            },
        },
        "org.example.tide": {
            "lexicon": 1,
            "id": "org.example.tide",
            "defs": {
                "main": {
                    "type": "record",
                    "description": "A tide at a gauge, told by whoever stood there.",
                    "key": "tid",
                    "record": {
                        "type": "object",
                        "required": ["gauge", "heightMm", "toldBy", "seenAt"],
                        "properties": {
                            "gauge": {"type": "ref", "description": "Where it was measured.", "ref": "#gauge"},
                            "heightMm": {
                                "type": "integer",
                                "description": "Above the chart's zero, in millimetres.",
                                "minimum": -9000,
                                "maximum": 9000,
                            },
                            "toldBy": {"type": "string", "description": "Who stood there.", "format": "did"},
                            "seenAt": {"type": "string", "description": "When.", "format": "datetime"},
                            "kind": {
                                "type": "string",
                                "description": "High or low.",
                                "knownValues": ["high", "low"],
                                "default": "high",
                            },
                            "words": {
                                "type": "array",
                                "description": "What was said of it.",
                                "items": {"type": "string", "minLength": 1, "maxLength": 8, "maxGraphemes": 4},
                                "minLength": 1,
                                "maxLength": 2,
                            },
                            "picture": {
                                "type": "blob",
                                "description": "What it looked like.",
                                "accept": ["image/*"],
                                "maxSize": 10,
                            },
                            "sure": {"type": "boolean", "description": "Whether the gauge was read twice."},
                            "raw": {"type": "unknown", "description": "What the gauge gave."},
                            "rating": {
                                "type": "integer",
                                "description": "How good the view was.",
                                "minimum": 1,
                                "maximum": 5,
                                "default": 3,
                            },
                            "then": {
                                "type": "union",
                                "description": "What came after.",
                                "refs": ["org.example.note", "#gauge"],
                                "closed": True,
                            },
                            "notes": {
                                "type": "array",
                                "description": "Notes on it.",
                                "items": {"type": "union", "refs": ["org.example.note", "#gauge"]},
                            },
                        },
                    },
                },
                "gauge": {
                    "type": "object",
                    "description": "A gauge.",
                    "required": ["place"],
                    "properties": {
                        "place": {"type": "string", "format": "uri"},
                        "at": {"type": "string", "format": "at-uri", "default": "at://did:web:a.example"},
                        "version": {"type": "string", "format": "cid"},
                        "link": {"type": "string", "format": "uri"},
                    },
                },
            },
        },
    }


def test_exports_are_documents() -> None:
    documents = export(Tide)
    assert {nsid: parse_document(document).id for nsid, document in documents.items()} == {
        nsid: nsid for nsid in documents
    }


def test_export_is_the_same_whatever_is_asked_first() -> None:
    assert json.dumps(export(Tide)) == json.dumps(export(Note, Gauge, Tide)) == json.dumps(export(Tide, Note))


def test_a_type_knows_its_place() -> None:
    assert definition_of(Tide) == Definition(nsid="org.example.tide", key="tid")
    assert (definition_of(Tide).type_name, definition_of(Gauge).type_name) == (
        "org.example.tide",
        "org.example.tide#gauge",
    )
    with pytest.raises(TypeError, match="int"):
        definition_of(int)


def test_limits_are_data() -> None:
    limits = limits_of(Tide)
    assert limits["heightMm"] == Limits(minimum=-9000, maximum=9000)
    assert limits["rating"].default == 3
    assert limits["seenAt"].required is True


@definition("org.example.odd")
class Odd:
    value: complex = field.text()


@definition("org.example.odd")
class OddList:
    value: tuple[complex, ...] = field.array()


@definition("org.example.odd")
class OddUnion:
    value: str | int = field.union()


@definition("org.example.odd")
class OddPair:
    value: tuple[str, int] = field.array()


@pytest.mark.parametrize("cls", [Odd, OddList, OddUnion, OddPair])
def test_what_no_lexicon_can_say_is_not_exported(cls: type) -> None:
    with pytest.raises(InvalidLexicon, match=rf"{cls.__name__}\.value"):
        export(cls)


@definition("org.example.note")
class OtherNote:
    text: str = field.text()


def test_two_types_cannot_be_one_definition() -> None:
    with pytest.raises(InvalidLexicon, match=r"org\.example\.note"):
        export(Note, OtherNote)


# Types.


def test_a_declared_type_is_frozen_and_wants_what_is_required() -> None:
    gauge = Gauge(place="https://a.example/")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        gauge.place = "elsewhere"  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        Gauge()  # type: ignore[call-arg]  # that is the point


@pytest.mark.parametrize(("given_", "kept"), [(-(2**53), 1), (0, 1), (1, 1), (5, 5), (6, 5), (2**53, 5)])
def test_a_clamped_integer_is_brought_to_the_nearer_bound(given_: int, kept: int) -> None:
    assert tide(stars=given_).stars == kept


def tide(**fields: Any) -> Tide:
    return Tide(gauge=Gauge(place="https://a.example/"), height_mm=1, told_by="did:web:a.example", **fields)


# From JSON and back.


def test_a_value_becomes_its_type() -> None:
    value = {
        "$type": "org.example.tide",
        "gauge": {"place": "https://a.example/", "unknown": 1},
        "heightMm": 3.0,
        "toldBy": "did:web:a.example",
        "words": ["a", "b"],
        "picture": PICTURE,
        "sure": False,
        "raw": {"a": [1, {"b": None}]},
        "rating": 9,
        "then": {"$type": "org.example.note", "text": "ebb"},
        "notes": [
            {"$type": "org.example.tide#gauge", "place": "x:y"},
            {"$type": "org.example.else", "text": 7},
            {"$type": "org.example.note", "text": "a", "below": [{"$type": "org.example.note", "text": "b"}]},
        ],
        "unknown": "dropped",
    }
    told = structurer(Tide)(value)
    assert told == Tide(
        gauge=Gauge(place="https://a.example/"),
        height_mm=3,
        told_by="did:web:a.example",
        words=("a", "b"),
        picture=Blob(ref=CID, mime_type="image/png", size=9),
        sure=False,
        raw={"a": [1, {"b": None}]},
        stars=5,
        then=Note(text="ebb"),
        notes=(
            Gauge(place="x:y"),
            {"$type": "org.example.else", "text": 7},
            Note(text="a", below=(Note(text="b"),)),
        ),
    )
    assert type(told.height_mm) is int


def test_the_same_json_in_the_catalog_is_valid() -> None:
    check = compile_record("org.example.tide", {nsid: parse_document(told) for nsid, told in export(Tide).items()})
    then = Note(text="ebb", after=Note(text="flood"))
    whole = tide(
        seen_at="2026-01-01T00:00:00Z",
        then=then,
        notes=({"$type": "x.y.z"},),
        picture=Blob(ref=CID, mime_type="image/gif"),
    )
    assert check(unstructure(whole)) == []


def test_type_names_are_written_where_they_tell_something() -> None:
    whole = tide(then=Note(text="a"), notes=(Gauge(place="x:y"),))
    assert unstructure(whole) == {
        "$type": "org.example.tide",
        "gauge": {"place": "https://a.example/"},
        "heightMm": 1,
        "toldBy": "did:web:a.example",
        "then": {"$type": "org.example.note", "text": "a"},
        "notes": [{"$type": "org.example.tide#gauge", "place": "x:y"}],
    }
    assert unstructure(Gauge(place="x:y")) == {"place": "x:y"}


def test_the_first_form_of_blobs_is_read_and_written() -> None:
    old = {"cid": CID, "mimeType": "image/png"}
    told = structurer(Tide)({**unstructure(tide()), "picture": old})
    assert told.picture == Blob(ref=CID, mime_type="image/png", size=None)
    assert unstructure(told)["picture"] == old


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"location": "a:b"}, "a:b"),
        ({"place": "c:d", "location": "a:b"}, "c:d"),
        ({"place": "c:d", "location": 7}, "c:d"),
    ],
)
def test_an_older_name_is_read_where_the_newer_is_absent(value: dict[str, object], place: str) -> None:
    assert structurer(Gauge)(value) == Gauge(place=place)
    assert unstructure(structurer(Gauge)(value)) == {"place": place}


strangers = st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(lambda d: {**d, "$type": "x.y.z"})
gauges = st.builds(Gauge, place=st.text(), at=st.text(), version=st.none() | st.text(), link=st.none() | st.text())
blobs = st.builds(Blob, ref=st.text(), mime_type=st.text(), size=st.none() | st.integers(min_value=1))


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(items, max_size=3).map(tuple)


notes = st.recursive(
    st.builds(Note, text=st.text()),
    lambda inner: st.builds(Note, text=st.text(), after=st.none() | inner, below=some(inner | strangers)),
    max_leaves=5,
)
tides = st.builds(
    Tide,
    gauge=gauges,
    height_mm=st.integers(),
    told_by=st.text(),
    seen_at=st.none() | st.text(),
    kind=st.text(),
    words=some(st.text()),
    picture=st.none() | blobs,
    sure=st.none() | st.booleans(),
    raw=st.none() | st.dictionaries(st.text(), st.integers()),
    stars=st.integers(),
    then=st.none() | notes | gauges,
    notes=some(notes | gauges | strangers),
)


@given(tides)
def test_what_is_written_reads_back_as_the_same(whole: Tide) -> None:
    assert structurer(Tide)(unstructure(whole)) == whole
    assert structurer(Tide)(json.loads(json.dumps(unstructure(whole)))) == whole


# Tolerances.


def field_of(document: Mapping[str, Any], name: str) -> Any:
    return document["defs"]["main"]["record"]["properties"][name]


def test_a_tolerance_loosens_a_copy() -> None:
    strict = export(Tide)["org.example.tide"]
    before = json.dumps(strict)
    loose = tolerate(
        strict,
        [
            Tolerance(path="seenAt", required=False),
            Tolerance(path="words", max_length=3),
            Tolerance(path="rating", dropped=("minimum", "maximum")),
            Tolerance(path="gauge#place", required=False, dropped=("format",)),
        ],
    )
    assert json.dumps(strict) == before
    assert loose["defs"]["main"]["record"]["required"] == ["gauge", "heightMm", "toldBy"]
    assert field_of(loose, "words")["maxLength"] == 3
    assert not {"minimum", "maximum"} & field_of(loose, "rating").keys()
    assert loose["defs"]["gauge"]["required"] == []
    assert "format" not in loose["defs"]["gauge"]["properties"]["place"]
    parse_document(loose)


def test_no_tolerance_changes_nothing() -> None:
    strict = export(Tide)["org.example.tide"]
    assert tolerate(strict, []) == strict


@pytest.mark.parametrize(
    "tolerance",
    [
        Tolerance(path="unheard", required=False),
        Tolerance(path="other#place", required=False),
        Tolerance(path="stars", dropped=("minimum",)),
        Tolerance(path="kind", required=False),
        Tolerance(path="gauge", required=True),
        Tolerance(path="words", max_length=1),
        Tolerance(path="words", max_length=2),
        Tolerance(path="words", max_graphemes=9),
        Tolerance(path="heightMm", dropped=("maxLength",)),
    ],
)
def test_a_tolerance_that_loosens_nothing_is_a_mistake(tolerance: Tolerance) -> None:
    with pytest.raises(InvalidLexicon, match="loosens nothing"):
        tolerate(export(Tide)["org.example.tide"], [tolerance])
