"""Lexicon documents, and validators compiled of them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uniseg.graphemecluster import grapheme_clusters

from strandline.errors import InvalidLexicon
from strandline.lexicon import (
    MAX_FAULTS,
    UNICODE_VERSION,
    Document,
    Fault,
    Validator,
    catalog,
    compile_record,
    compile_record_key,
    compile_ref,
    exceeds,
    grapheme_count,
    parse_document,
)

CID = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
BLOB = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 7}
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f466"

text = st.text(st.characters(codec=None), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(text | st.sampled_from(["$type", "$link", "$bytes", "a", "b", "ref", "size"]), inner)
    ),
    max_leaves=20,
)


def document(nsid: str = "org.example.tide", **defs: object) -> dict[str, Any]:
    return {"lexicon": 1, "id": nsid, "defs": defs}


def record_of(properties: object, **more: object) -> dict[str, Any]:
    return {"type": "record", "key": "tid", "record": {"type": "object", "properties": properties, **more}}


def validator_of(definition: object, *others: dict[str, Any]) -> Validator:
    documents = catalog(map(parse_document, [document(x={"type": "object", "properties": {"v": definition}}), *others]))
    validate = compile_ref("org.example.tide#x", documents)
    return lambda value: validate({"v": value})


def rules(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.path, fault.rule) for fault in faults]


def document_faults(value: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidLexicon) as caught:
        parse_document(value)
    faults = [fault for fault in caught.value.faults if isinstance(fault, Fault)]
    assert all(fault.path in str(caught.value) and fault.message in str(caught.value) for fault in faults)
    return rules(faults)


# Documents.


def test_document_vectors(vectors: Path) -> None:
    folder = vectors / "interop/lexicon"
    for case in json.loads((folder / "lexicon-valid.json").read_text()):
        parse_document(case["lexicon"])
    for case in json.loads((folder / "lexicon-invalid.json").read_text()):
        assert document_faults(case["lexicon"]), case["name"]


def test_the_protocols_own_documents_parse(vectors: Path) -> None:
    files = [*vectors.glob("interop/lexicon/catalog/*.json"), *vectors.glob("lexicons/**/*.json")]
    assert len(files) > 50
    documents = catalog(parse_document(json.loads(file.read_text())) for file in files)
    assert compile_record_key("com.atproto.lexicon.schema", documents)("org.example.tide") == []


def test_a_document_of_every_type_parses() -> None:
    body = {"encoding": "application/json", "schema": {"type": "union", "refs": ["#b", "org.example.other#x"]}}
    parameters = {"type": "params", "required": ["q"], "properties": {"q": {"type": "string", "format": "did"}}}
    endpoint = {"parameters": parameters, "output": body, "errors": [{"name": "Ebb", "description": "no water"}]}
    permission = {"type": "permission", "resource": "repo", "collection": ["org.example.tide"]}
    for main in (
        record_of({}),
        {"type": "query", **endpoint},
        {"type": "procedure", **endpoint, "input": body},
        {"type": "subscription", "parameters": parameters, "message": {"schema": body["schema"]}, "future": 1},
        {"type": "permission-set", "title": "t", "title:lang": {"nl": "t"}, "permissions": [permission]},
    ):
        assert parse_document({**document(main=main), "description": "d", "$type": "com.atproto.lexicon.schema"})
    others: dict[str, Any] = {
        "a": {"type": "array", "items": {"type": "ref", "ref": "#b"}, "maxLength": 3},
        "b": {"type": "object", "properties": {"c": {"type": "unknown"}, "d": {"type": "null"}}, "nullable": ["c"]},
        "c": {"type": "token"},
        "d": {"type": "string", "enum": ["x"], "knownValues": ["y"], "default": "x", "maxGraphemes": 3},
        "e": {"type": "blob", "accept": ["image/*"], "maxSize": 9},
        "f": {"type": "bytes", "minLength": 0},
        "g": {"type": "cid-link"},
        "h": {"type": "boolean", "const": True},
        "i": {"type": "integer", "minimum": -1, "maximum": 1, "enum": [0], "default": 0},
        "j": {"type": "union", "refs": [], "closed": False},
    }
    parsed = parse_document(document(**others))
    assert parsed.id == "org.example.tide"
    assert parsed.defs == others


def test_a_document_is_not_changed_by_changing_what_it_was_parsed_from() -> None:
    value = document(main={"type": "string", "enum": ["up"]})
    parsed = parse_document(value)
    value["defs"]["main"]["enum"].append("down")
    assert parsed == parse_document(document(main={"type": "string", "enum": ["up"]}))


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("string", ("", "type")),
        ({}, (".type", "type")),
        ({"type": "text"}, (".type", "type")),
        ({"type": "ref", "ref": "#a"}, (".type", "type")),
        ({"type": "unknown"}, (".type", "type")),
        ({"type": "params"}, (".type", "type")),
        (record_of({}), ("", "type")),
        ({"type": "string", "description": 1}, (".description", "type")),
        ({"type": "string", "format": "email"}, (".format", "format")),
        ({"type": "string", "maxLength": -1}, (".maxLength", "type")),
        ({"type": "string", "maxGraphemes": True}, (".maxGraphemes", "type")),
        ({"type": "string", "minLength": 2, "maxLength": 1}, (".minLength", "maximum")),
        ({"type": "integer", "minimum": 2, "maximum": 1}, (".minimum", "maximum")),
        ({"type": "integer", "enum": ["1"]}, (".enum[0]", "type")),
        ({"type": "integer", "default": True}, (".default", "type")),
        ({"type": "boolean", "const": 1}, (".const", "type")),
        ({"type": "string", "knownValues": "x"}, (".knownValues", "type")),
        ({"type": "array"}, (".items", "required")),
        ({"type": "array", "items": {"type": "record"}}, (".items.type", "type")),
        ({"type": "object", "properties": []}, (".properties", "type")),
        ({"type": "object", "properties": {"a": {"type": "x"}}}, (".properties.a.type", "type")),
        ({"type": "object", "properties": {}, "required": ["a"]}, (".required[0]", "required")),
        ({"type": "object", "nullable": ["a"]}, (".nullable[0]", "nullable")),
        ({"type": "union"}, (".refs", "required")),
        ({"type": "union", "refs": ["nsid"]}, (".refs[0]", "format")),
        ({"type": "union", "refs": ["#"]}, (".refs[0]", "format")),
        ({"type": "union", "refs": [], "closed": 1}, (".closed", "type")),
        ({"type": "blob", "maxSize": 0}, (".maxSize", "type")),
        ({"type": "blob", "accept": [1]}, (".accept[0]", "type")),
    ],
)
def test_a_bad_definition_is_refused_with_its_path(definition: object, expected: tuple[str, str]) -> None:
    path, rule = expected
    assert document_faults(document(a=definition)) == [(f"$.defs.a{path}", rule)]


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ({"type": "record", "record": {"type": "object"}}, (".key", "required")),
        ({"type": "record", "key": "self", "record": {"type": "object"}}, (".key", "format")),
        ({"type": "record", "key": "literal:", "record": {"type": "object"}}, (".key", "format")),
        ({"type": "record", "key": "any"}, (".record", "required")),
        ({"type": "record", "key": "any", "record": {"type": "string"}}, (".record.type", "type")),
        ({"type": "query", "output": {"schema": {"type": "object"}}}, (".output.encoding", "required")),
        ({"type": "query", "parameters": {"type": "object"}}, (".parameters.type", "type")),
        ({"type": "subscription", "message": {}}, (".message.schema", "required")),
        ({"type": "procedure", "errors": [{}]}, (".errors[0].name", "required")),
        ({"type": "permission-set"}, (".permissions", "required")),
        (
            {"type": "permission-set", "permissions": [{"type": "p", "resource": "r"}]},
            (".permissions[0].type", "const"),
        ),
        (
            {
                "type": "query",
                "parameters": {
                    "type": "params",
                    "properties": {"a": {"type": "array", "items": {"type": "ref", "ref": "#b"}}},
                },
            },
            (".parameters.properties.a.items.type", "type"),
        ),
    ],
)
def test_a_bad_main_definition_is_refused_with_its_path(main: object, expected: tuple[str, str]) -> None:
    path, rule = expected
    assert document_faults(document(main=main)) == [(f"$.defs.main{path}", rule)]


def test_all_faults_of_a_document_are_told() -> None:
    bad = {"lexicon": 2, "id": "tide", "defs": {"a b": {"type": "string", "format": 1, "maxLength": "x"}}}
    assert document_faults(bad) == [
        ("$.lexicon", "const"),
        ("$.id", "format"),
        ("$.defs['a b']", "format"),
        ("$.defs['a b'].format", "format"),
        ("$.defs['a b'].maxLength", "type"),
    ]
    assert document_faults({}) == [(f"$.{name}", "required") for name in ("lexicon", "id", "defs")]


def test_a_document_too_deep_is_refused() -> None:
    definition: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        definition = {"type": "array", "items": definition}
    assert document_faults(document(main=definition)) == [("$", "data-model")]


@given(json_values)
def test_no_value_makes_parsing_raise_anything_else(value: object) -> None:
    for whole in (value, document(main=value), document(main={"type": "object", "properties": value})):
        with contextlib.suppress(InvalidLexicon):
            parse_document(whole)


def test_a_catalog_holds_one_document_of_each_id() -> None:
    one = parse_document(document(main={"type": "token"}))
    assert catalog([one, one]) == {"org.example.tide": one}
    with pytest.raises(InvalidLexicon, match=r"org\.example\.tide"):
        catalog([one, parse_document(document(main={"type": "string"}))])


# Validators.


def test_record_vectors(vectors: Path) -> None:
    folder = vectors / "interop/lexicon"
    documents = catalog(parse_document(json.loads(file.read_text())) for file in folder.glob("catalog/*.json"))
    validate = compile_record("example.lexicon.record", documents)
    validate_key = compile_record_key("example.lexicon.record", documents)
    for case in json.loads((folder / "record-data-valid.json").read_text()):
        assert validate(case["data"]) + validate_key(case["rkey"]) == [], case["name"]
    cases = json.loads((folder / "record-data-invalid.json").read_text())
    assert len(cases) >= 50
    assert [case["name"] for case in cases if not validate(case["data"])] == []


@pytest.mark.parametrize(
    ("definition", "good", "bad"),
    [
        ({"type": "boolean"}, [True, False], {"type": [0, 1, "true"], "nullable": [None]}),
        ({"type": "boolean", "const": True}, [True], {"const": [False], "type": [1]}),
        ({"type": "integer"}, [0, -5, 123.0, 2**60], {"type": [True, 1.5, "1", [], float("inf"), float("nan")]}),
        ({"type": "integer", "minimum": 1, "maximum": 3}, [1, 3, 2.0], {"minimum": [0, 0.0], "maximum": [4]}),
        ({"type": "integer", "enum": [1, 4]}, [1, 4.0], {"enum": [2], "type": [True]}),
        ({"type": "integer", "const": 1}, [1, 1.0], {"const": [2], "type": [True]}),
        ({"type": "string"}, ["", "é", "\ud800"], {"type": [1, [], {}], "nullable": [None]}),
        ({"type": "string", "const": "up"}, ["up"], {"const": ["down"]}),
        ({"type": "string", "enum": ["up", "down"]}, ["up"], {"enum": ["Up", ""], "type": [["up"]]}),
        ({"type": "string", "knownValues": ["up"]}, ["up", "sideways"], {"type": [1]}),
        (
            {"type": "string", "maxLength": 4},
            ["abcd", "éé", "🌊", "€"],
            {"maxLength": ["abcde", "ééa", "\ud800\ud800"]},
        ),
        ({"type": "string", "minLength": 4}, ["abcd", "éé", "🌊"], {"minLength": ["abc", "é", "\ud800"]}),
        ({"type": "string", "maxGraphemes": 2}, ["ab", FAMILY, "e\u0301e\u0301"], {"maxGraphemes": ["abc", "ééé"]}),
        ({"type": "string", "minGraphemes": 2}, ["ab", "🌊🌊"], {"minGraphemes": ["a", FAMILY, "\r\n", ""]}),
        ({"type": "string", "format": "did"}, ["did:web:a.example"], {"format": ["a.example", "\ud800"], "type": [1]}),
        ({"type": "string", "format": "handle"}, ["a.example"], {"format": ["a"]}),
        ({"type": "string", "format": "at-identifier"}, ["a.example", "did:web:a.example"], {"format": ["a"]}),
        ({"type": "string", "format": "nsid"}, ["org.example.tide"], {"format": ["example"]}),
        ({"type": "string", "format": "at-uri"}, ["at://did:web:a.example/org.example.tide/x"], {"format": ["at:"]}),
        ({"type": "string", "format": "cid"}, [CID], {"format": ["b"]}),
        ({"type": "string", "format": "datetime"}, ["2024-02-03T04:05:06.7Z"], {"format": ["2024-02-03"]}),
        ({"type": "string", "format": "language"}, ["nl", "pt-BR"], {"format": ["123"]}),
        ({"type": "string", "format": "uri"}, ["https://a.example/b"], {"format": ["a"]}),
        ({"type": "string", "format": "tid"}, ["3kznmn7xqxl22"], {"format": ["000"]}),
        ({"type": "string", "format": "record-key"}, ["self"], {"format": [".", ""]}),
        ({"type": "bytes"}, [{"$bytes": ""}, {"$bytes": "bG93"}], {"type": ["", {}, {"$bytes": 1}, {"$bytes": "?"}]}),
        ({"type": "bytes", "minLength": 1, "maxLength": 2}, [{"$bytes": "bA"}, {"$bytes": "bG8="}], {}),
        ({"type": "bytes", "minLength": 1}, [], {"minLength": [{"$bytes": ""}]}),
        ({"type": "bytes", "maxLength": 2}, [], {"maxLength": [{"$bytes": "bG93"}]}),
        ({"type": "cid-link"}, [{"$link": CID}], {"type": [CID, {}, {"$link": "b"}, {"$link": CID, "a": 1}]}),
        ({"type": "null"}, [None], {"type": [0, ""]}),
        ({"type": "unknown"}, [{}, {"$type": "org.example.x", "a": 1}], {"type": [1, [], {"$link": CID}, BLOB]}),
        ({"type": "array", "items": {"type": "integer"}}, [[], [1, 2]], {"type": [{}, "ab"], "nullable": [None]}),
        ({"type": "array", "items": {"type": "null"}, "maxLength": 1}, [[None]], {"maxLength": [[None, None]]}),
        ({"type": "array", "items": {"type": "null"}, "minLength": 1}, [[None]], {"minLength": [[]]}),
        ({"type": "object"}, [{}, {"a": 1}], {"type": [[], {"$link": CID}, {"$bytes": ""}, BLOB], "nullable": [None]}),
        (
            {"type": "blob"},
            [BLOB, {"cid": CID, "mimeType": "a/b"}],
            {"type": [{}, CID, {"cid": "b", "mimeType": "a/b"}]},
        ),
        ({"type": "blob", "maxSize": 7}, [BLOB, {**BLOB, "size": 7.0}], {"maxSize": [{**BLOB, "size": 8}]}),
        ({"type": "blob", "accept": ["image/*"]}, [BLOB], {"accept": [{**BLOB, "mimeType": "imagepng/x"}]}),
        ({"type": "blob", "accept": ["image/png"]}, [BLOB], {"accept": [{**BLOB, "mimeType": "image/png2"}]}),
        ({"type": "blob", "accept": ["a/b", "*/*"]}, [BLOB], {}),
    ],
)
def test_one_field(definition: object, good: list[object], bad: dict[str, list[object]]) -> None:
    validate = validator_of(definition)
    for value in good:
        assert validate(value) == [], value
    for rule, values in bad.items():
        for value in values:
            assert rules(validate(value)) == [("$.v", rule)], value


def test_a_blob_tells_all_that_is_wrong_with_it() -> None:
    validate = validator_of({"type": "blob"})
    assert rules(validate({"$type": "blob", "ref": CID, "size": 0})) == [
        ("$.v.ref", "type"),
        ("$.v.mimeType", "required"),
        ("$.v.size", "type"),
    ]


def test_required_nullable_and_unknown_fields() -> None:
    fields = {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}
    validate = validator_of({"type": "object", "properties": fields, "required": ["a", "b"], "nullable": ["b", "c"]})
    assert validate({"a": "", "b": None, "c": None, "more": 1.5}) == []
    assert validate({"a": "", "b": ""}) == []
    assert rules(validate({"b": 1})) == [("$.v.a", "required"), ("$.v.b", "type")]
    assert rules(validate({"a": None, "c": 1})) == [("$.v.a", "nullable"), ("$.v.b", "required"), ("$.v.c", "type")]


def test_all_faults_of_a_value_are_told_each_with_its_path() -> None:
    item = {
        "type": "object",
        "required": ["uri"],
        "properties": {"uri": {"type": "string", "maxLength": 2, "enum": ["a"]}},
    }
    validate = validator_of({"type": "array", "items": item, "maxLength": 2})
    assert rules(validate([{"uri": "abc"}, {}, 3])) == [
        ("$.v", "maxLength"),
        ("$.v[0].uri", "enum"),
        ("$.v[0].uri", "maxLength"),
        ("$.v[1].uri", "required"),
        ("$.v[2]", "type"),
    ]


def test_a_message_shows_the_value_and_what_was_expected() -> None:
    (fault,) = validator_of({"type": "integer", "maximum": 20})(9000)
    assert fault == Fault("$.v", "maximum", "9000: expected at most 20")
    (fault,) = validator_of({"type": "string", "maxLength": 20})("x" * 10**6)
    assert len(fault.message) < 200


def test_of_one_array_so_many_faults_are_told() -> None:
    assert len(validator_of({"type": "array", "items": {"type": "string"}})([1] * 5000)) == MAX_FAULTS


def test_a_record_says_its_collection() -> None:
    validate = compile_record("org.example.tide", catalog([parse_document(document(main=record_of({})))]))
    assert validate({"$type": "org.example.tide"}) == []
    assert rules(validate({})) == rules(validate({"$type": 1})) == [("$.$type", "$type")]
    assert rules(validate({"$type": "org.example.tide#main"})) == [("$.$type", "$type")]
    assert rules(validate([])) == [("$", "type")]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("tid", ["3kznmn7xqxl22"], ["self", "3kznmn7xqxl2", ""]),
        ("nsid", ["org.example.tide"], ["self", "a.b"]),
        ("literal:self", ["self"], ["self2", "", "literal:self"]),
        ("any", ["self", "a:b", "3kznmn7xqxl22"], [".", "..", "", "a/b", "x" * 513, "\ud800"]),
    ],
)
def test_a_record_key_keeps_its_kind(key: str, good: list[str], bad: list[str]) -> None:
    documents = catalog([parse_document(document(main={**record_of({}), "key": key}))])
    validate = compile_record_key("org.example.tide", documents)
    assert [validate(rkey) for rkey in good] == [[]] * len(good)
    assert [rules(validate(rkey)) for rkey in bad] == [[("rkey", "key")]] * len(bad)


def test_a_token_is_its_full_name() -> None:
    other = document("org.example.other", main={"type": "token"}, ebb={"type": "token"})
    main, ebb = (validator_of({"type": "ref", "ref": f"org.example.other{name}"}, other) for name in ("#main", "#ebb"))
    assert main("org.example.other") == ebb("org.example.other#ebb") == []
    assert rules(ebb("org.example.other")) == [("$.v", "token")]
    assert rules(ebb(1)) == [("$.v", "type")]


def test_an_open_union_takes_any_named_object() -> None:
    other = document("org.example.other", main={"type": "object", "properties": {"a": {"type": "integer"}}})
    union = {"type": "union", "refs": ["org.example.other", "org.example.absent"]}
    validate = validator_of(union, other)
    assert validate({"$type": "org.example.other", "a": 1}) == []
    assert rules(validate({"$type": "org.example.other", "a": "1"})) == [("$.v.a", "type")]
    assert validate({"$type": "org.example.absent", "a": "1"}) == []
    assert validate({"$type": "org.example.unheard#of"}) == []
    assert rules(validate({"$type": "org.example.other#main", "a": 1})) == [("$.v.$type", "$type")]
    unnamed_values: list[object] = [{}, {"$type": 1}, {"$type": ""}, {"$type": []}, {"$link": CID}]
    for unnamed in unnamed_values:
        assert rules(validate(unnamed)) == [("$.v", "union")]
    assert rules(validate(3)) == [("$.v", "type")]


def test_a_closed_union_takes_its_members_only() -> None:
    other = document("org.example.other", main=record_of({}), b={"type": "object"})
    validate = validator_of(
        {"type": "union", "refs": ["org.example.other#main", "org.example.other#b"], "closed": True}, other
    )
    assert validate({"$type": "org.example.other"}) == validate({"$type": "org.example.other#b"}) == []
    assert rules(validate({"$type": "org.example.other#c"})) == [("$.v.$type", "union")]


def test_definitions_may_refer_to_themselves() -> None:
    branch = {"type": "array", "items": {"type": "union", "refs": ["#tree"]}}
    tree = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer"}, "next": {"type": "ref", "ref": "#tree"}, "all": branch},
    }
    validate = compile_ref("org.example.tide#tree", catalog([parse_document(document(tree=tree))]))
    assert validate({"n": 1, "next": {"n": 2, "all": [{"$type": "org.example.tide#tree", "n": 3}]}}) == []
    bad = {"n": 1, "next": {"n": 2, "all": [{"$type": "org.example.tide#tree", "next": {}}]}}
    assert rules(validate(bad)) == [("$.next.all[0].n", "required"), ("$.next.all[0].next.n", "required")]
    deep: dict[str, Any] = {"n": "x"}
    for _ in range(64):
        deep = {"n": 1, "next": deep}
    assert rules(validate(deep)) == [("$" + ".next" * 64 + ".n", "type")]


@pytest.mark.parametrize(
    ("definition", "named"),
    [
        ({"type": "ref", "ref": "org.example.absent#x"}, "org.example.absent"),
        ({"type": "ref", "ref": "#absent"}, "org.example.tide#absent"),
        ({"type": "array", "items": {"type": "ref", "ref": "org.example.absent"}}, "org.example.absent"),
        ({"type": "union", "refs": ["org.example.absent"], "closed": True}, "org.example.absent"),
        ({"type": "union", "refs": ["#absent"]}, "org.example.tide#absent"),
        ({"type": "union", "refs": ["#token"]}, "org.example.tide#token"),
        ({"type": "ref", "ref": "org.example.tide"}, "query"),
    ],
)
def test_what_a_validator_needs_must_be_there_when_compiling(definition: object, named: str) -> None:
    main = {"type": "object", "properties": {"v": definition}}
    documents = catalog([parse_document(document(main={"type": "query"}, token={"type": "token"}, x=main))])
    with pytest.raises(InvalidLexicon, match=named):
        compile_ref("org.example.tide#x", documents)


@pytest.mark.parametrize("nsid", ["org.example.absent", "org.example.tide"])
def test_only_records_compile_as_records(nsid: str) -> None:
    documents = catalog([parse_document(document(main={"type": "object"}))])
    for compile_ in (compile_record, compile_record_key):
        with pytest.raises(InvalidLexicon, match=nsid):
            compile_(nsid, documents)


EVERYTHING: dict[str, Document] = dict(
    catalog(
        [
            parse_document(
                document(
                    main=record_of(
                        {
                            "a": {"type": "ref", "ref": "#all"},
                            "b": {"type": "array", "items": {"type": "union", "refs": ["#all"]}},
                            "ref": {"type": "blob", "accept": ["image/*"], "maxSize": 3},
                            "size": {"type": "integer", "enum": [1], "minimum": 0},
                        }
                    ),
                    all={
                        "type": "object",
                        "required": ["a"],
                        "properties": {
                            "a": {"type": "string", "maxLength": 4, "maxGraphemes": 2, "format": "datetime"},
                            "b": {"type": "union", "refs": ["#all"], "closed": True},
                            "ref": {"type": "bytes", "maxLength": 3},
                            "size": {"type": "unknown"},
                        },
                    },
                )
            )
        ]
    )
)
VALIDATE = compile_record("org.example.tide", EVERYTHING)


@given(json_values | st.dictionaries(st.sampled_from(["$type", "a", "b", "ref", "size"]), json_values))
def test_no_value_makes_a_validator_raise(value: object) -> None:
    for fault in VALIDATE(value):
        assert fault.path.startswith("$")
        fault.message.encode()


# The slow obvious validator: it reads the definition each time, and knows the rules one by one.


def obvious(definition: dict[str, Any], value: Any, path: str = "$") -> Iterator[tuple[str, str]]:
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": (int, float)}
    kind = definition["type"]
    is_kind = isinstance(value, kinds[kind]) and not isinstance(value, bool)
    if not is_kind or (isinstance(value, float) and value % 1 != 0):
        yield path, "type"
        return
    if "const" in definition and value != definition["const"]:
        yield path, "const"
    if "enum" in definition and value not in definition["enum"]:
        yield path, "enum"
    if kind == "integer":
        yield from outside(value, definition, "minimum", "maximum", path)
    if kind == "string":
        yield from outside(len(value.encode("utf-8", "surrogatepass")), definition, "minLength", "maxLength", path)
        yield from outside(len(list(grapheme_clusters(value))), definition, "minGraphemes", "maxGraphemes", path)
    if kind == "array":
        yield from outside(len(value), definition, "minLength", "maxLength", path)
        for index, item in enumerate(value):
            yield from obvious(definition["items"], item, f"{path}[{index}]")
    if kind == "object":
        for name, inner in definition["properties"].items():
            if name not in value:
                if name in definition["required"]:
                    yield f"{path}.{name}", "required"
            elif value[name] is not None:
                yield from obvious(inner, value[name], f"{path}.{name}")
            elif name not in definition["nullable"]:
                yield f"{path}.{name}", "nullable"


def outside(number: float, definition: dict[str, Any], least: str, most: str, path: str) -> Iterator[tuple[str, str]]:
    if number < definition.get(least, number):
        yield path, least
    if number > definition.get(most, number):
        yield path, most


small = st.integers(0, 4)
some_text = st.text(st.sampled_from("aé\u0301\u200d\U0001f469\ud800\r\n"), max_size=5)
integers = st.fixed_dictionaries(
    {"type": st.just("integer")},
    optional={"minimum": st.integers(-3, 0), "maximum": small, "enum": st.lists(small, max_size=3), "const": small},
)
strings = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(2, 9),
        "minGraphemes": st.integers(0, 1),
        "maxGraphemes": st.integers(1, 3),
        "enum": st.lists(some_text, max_size=3),
        "const": some_text,
    },
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.lists(st.sampled_from("abc"), unique=True)
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner},
        optional={"minLength": st.integers(0, 1), "maxLength": st.integers(1, 3)},
    )
    objects = st.builds(
        lambda properties, required, nullable: {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if name in properties],
            "nullable": [name for name in nullable if name in properties],
        },
        st.dictionaries(st.sampled_from("abc"), inner),
        names,
        names,
    )
    return arrays | objects


definitions = containers(st.recursive(integers | strings, containers, max_leaves=5))
leaves = st.none() | st.booleans() | small | st.floats(allow_nan=False, allow_infinity=False) | some_text


@st.composite
def near(draw: st.DrawFn, definition: dict[str, Any]) -> Any:
    """Draw a value that mostly has the shape of `definition`."""
    if draw(small) == 0:
        return draw(leaves | st.just([]) | st.just({}))
    match definition["type"]:
        case "integer":
            return draw(small | st.sampled_from([-5, 1.0, 1.5, 9]))
        case "string":
            return draw(some_text)
        case "array":
            return draw(st.lists(near(definition["items"]), max_size=4))
        case _:
            names = draw(st.sets(st.sampled_from(["d", *definition["properties"]])))
            return {name: draw(near(definition["properties"].get(name, {"type": "integer"}))) for name in sorted(names)}


@given(definitions.flatmap(lambda definition: st.tuples(st.just(definition), near(definition))))
def test_compiled_and_obvious_validators_tell_the_same(pair: tuple[dict[str, Any], Any]) -> None:
    definition, value = pair
    validate = compile_ref("org.example.tide", catalog([parse_document(document(main=definition))]))
    assert sorted(rules(validate(value))) == sorted(obvious(definition, value))


# Grapheme clusters.

clusters = st.text(
    st.characters(codec=None)
    | st.sampled_from(
        "a\r\n\x01\u0301\u200c\u200d\U0001f1e9\U0001f1ea\u0600\u0903\u1100\u1161\u11a8\uac00\uac01"
        "\u0915\u094d\u093c\u2764\ufe0f\U0001f469\U0001f3fd\ud800"
    ),
    max_size=10,
)


@given(clusters)
def test_clusters_are_counted_as_the_library_splits_them(value: str) -> None:
    assert grapheme_count(value) == len(list(grapheme_clusters(value)))


@given(clusters, st.integers(0, 12))
def test_exceeds_is_a_count_over_the_limit(value: str, limit: int) -> None:
    assert exceeds(value, limit) == (grapheme_count(value) > limit)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("", 0),
        ("tide", 4),
        ("\r\n\r\n", 2),
        ("\n\r", 2),
        ("é", 1),
        ("e\u0301", 1),
        (FAMILY * 3, 3),
        ("🇩🇪🇩🇪", 2),
        ("각각", 2),
    ],
)
def test_known_counts(value: str, count: int) -> None:
    assert grapheme_count(value) == count


@pytest.mark.parametrize("unit", ["\u0301", "\u200d", "\U0001f469\u200d", "\u0915\u094d", "\u1100", "\u0600"])
def test_long_runs_are_one_cluster_and_soon_counted(unit: str) -> None:
    assert grapheme_count("é" + unit * 50_000) <= 2


def test_the_tables_are_the_pinned_ones() -> None:
    assert UNICODE_VERSION == "16.0.0"
