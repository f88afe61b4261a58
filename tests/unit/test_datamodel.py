"""What any record may hold: the data model's rules, and what every store can keep."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.lexicon import MAX_FAULTS, Fault, data_model_faults, storable_faults
from strandline.lexicon.datamodel import bytes_length, is_integer, is_link, is_map
from strandline.lexicon.fault import show, step

CID = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
BLOB = {"$type": "blob", "ref": {"$link": CID}, "mimeType": "image/png", "size": 7}

text = st.text(st.characters(codec=None), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text | st.sampled_from(["$type", "$link"]), inner),
    max_leaves=20,
)


def places(faults: list[Fault]) -> list[str]:
    assert {fault.rule for fault in faults} <= {"data-model"}
    return [fault.path for fault in faults]


def nested(depth: int, innermost: object) -> object:
    for _ in range(depth):
        innermost = [innermost]
    return innermost


def test_valid_vectors_have_no_fault(vectors: Path) -> None:
    cases = json.loads((vectors / "interop/data-model/data-model-valid.json").read_text())
    cases += json.loads((vectors / "interop/data-model/data-model-fixtures.json").read_text())
    assert cases
    for case in cases:
        assert data_model_faults(case["json"]) == [], case


def test_invalid_vectors_have_one(vectors: Path) -> None:
    cases = json.loads((vectors / "interop/data-model/data-model-invalid.json").read_text())
    assert [case["note"] for case in cases if not data_model_faults(case["json"])] == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, -1, True, None, "é", {}, []]},
        {"a": 123.0},
        {"a": -(2**63)},
        {"a": {"$link": CID}, "b": {"$bytes": ""}, "c": BLOB},
        {"a": {"$type": "org.example.tide", "more": 1}},
    ],
)
def test_a_value_of_the_data_model_has_no_fault(value: object) -> None:
    assert data_model_faults(value) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], ["$"]),
        ("tide", ["$"]),
        (None, ["$"]),
        ({"a": [1.5, float("nan"), float("inf")]}, ["$.a[0]", "$.a[1]", "$.a[2]"]),
        ({"a": 2**63}, ["$.a"]),
        ({"a": b"raw"}, ["$.a"]),
        ({"a": {1: 2}}, ["$.a"]),
        ({"$type": None}, ["$.$type"]),
        ({"a": {"$type": ""}}, ["$.a.$type"]),
        ({"a": {"$link": CID, "b": 1}}, ["$.a"]),
        ({"a": {"$link": "."}}, ["$.a"]),
        ({"a": {"$link": None}}, ["$.a"]),
        ({"a": {"$bytes": "?"}}, ["$.a"]),
        ({"a": {"$bytes": "", "b": 1}}, ["$.a"]),
        ({"a": {"$type": "blob"}}, ["$.a.ref", "$.a.mimeType", "$.a.size"]),
        ({"a": {**BLOB, "size": 0}}, ["$.a.size"]),
        ({"a": {**BLOB, "size": True}}, ["$.a.size"]),
        ({"a": {**BLOB, "size": "7"}}, ["$.a.size"]),
        ({"a": {**BLOB, "ref": CID}}, ["$.a.ref"]),
        ({"a": {**BLOB, "mimeType": ""}}, ["$.a.mimeType"]),
        ({"a b": [{"c": 1.5}], "d": 0.5}, ["$['a b'][0].c", "$.d"]),
    ],
)
def test_what_is_not_of_the_data_model_is_told_with_its_path(value: object, expected: list[str]) -> None:
    assert places(data_model_faults(value)) == expected


@pytest.mark.parametrize(
    "value", ["", "tide 🌊", 0, 2**53 - 1, -(2**53) + 1, 123.0, -0.0, True, None, {"é": [{"a": ["b"]}]}, [], {}]
)
def test_what_every_store_holds_exactly_has_no_fault(value: object) -> None:
    assert storable_faults(value) == storable_faults({"a": [value]}) == []


@pytest.mark.parametrize(
    "value",
    ["\x00", "a\x00b", "é\x00", "\ud800", "a\udfff", 2**53, -(2**53), 0.5, float("nan"), float("-inf"), 2.0**53, b""],
)
def test_what_some_store_cannot_hold_is_told_with_its_path(value: object) -> None:
    assert places(storable_faults(value)) == ["$"]
    assert places(storable_faults({"a": [0, {"b": value}], "c": value})) == ["$.a[1].b", "$.c"]


@pytest.mark.parametrize("key", ["\x00", "é\ud800"])
def test_a_key_no_store_can_hold_is_a_fault_of_its_object(key: str) -> None:
    assert places(storable_faults({"a": {key: 1}})) == ["$.a"]
    assert places(storable_faults({key: "\x00"})) == ["$", f"$[{key!a}]"]


def test_halves_of_a_surrogate_pair_in_two_strings_stay_lone() -> None:
    assert places(storable_faults(["\ud83c", "\udf0a"])) == ["$[0]", "$[1]"]
    assert storable_faults(["\U0001f30a"]) == []


@pytest.mark.parametrize("depth", [64, 5_000])
def test_no_depth_stops_the_walk(depth: int) -> None:
    value = nested(depth, {"a": 0.5})
    assert len(storable_faults(value)) == len(data_model_faults({"b": value})) == 1
    assert storable_faults(nested(depth, 1)) == []


def test_so_many_faults_are_told_and_no_more() -> None:
    assert len(storable_faults([0.5] * 5000)) == len(data_model_faults({"a": [0.5] * 5000})) == MAX_FAULTS


@given(json_values)
def test_no_value_makes_the_walks_raise(value: object) -> None:
    data_model_faults(value)
    storable_faults(value)


@given(json_values)
def test_storable_means_that_json_in_utf8_gives_the_value_back(value: object) -> None:
    if storable_faults(value):
        return
    encoded = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert json.loads(encoded) == value
    assert b"\\u0000" not in encoded


@given(json_values, json_values)
def test_faults_of_the_parts_are_the_faults_of_the_whole(one: object, other: object) -> None:
    whole = storable_faults([one, other])
    parts = [("$[0]", storable_faults(one)), ("$[1]", storable_faults(other))]
    assert places(whole) == [prefix + fault.path[1:] for prefix, faults in parts for fault in faults]


@given(st.binary(max_size=40), st.booleans())
def test_the_length_of_bytes_is_read_off_their_base64(data: bytes, is_padded: bool) -> None:
    encoded = b64encode(data).decode()
    assert bytes_length({"$bytes": encoded if is_padded else encoded.rstrip("=")}) == len(data)


@pytest.mark.parametrize("encoded", ["a", "abcde", "ab=", "abc==", "====", "ab-_", "ab c", "abcd\n", "é"])
def test_what_is_no_base64_has_no_length(encoded: str) -> None:
    assert bytes_length({"$bytes": encoded}) is None


def test_the_forms_of_the_data_model_are_told_apart() -> None:
    assert is_link({"$link": CID})
    assert not is_link({"$link": CID, "a": 1})
    assert is_map({"$type": "org.example.tide"})
    assert not any(map(is_map, ({"$link": CID}, {"$bytes": ""}, BLOB, [], None)))
    assert is_integer(1)
    assert is_integer(1.0)
    assert not any(map(is_integer, (True, 1.5, "1", None, float("inf"), float("nan"))))


@given(json_values)
def test_a_shown_value_is_one_short_line(value: Any) -> None:
    for shown in (show(value), step(str(value))):
        assert len(shown) < 2000
        assert "\n" not in shown
        shown.encode("utf-8")


def test_a_huge_value_is_shown_short() -> None:
    for value in ("x" * 10**6, [["x" * 10**6]] * 10**4, {"x" * 10**6: 10**5000}, 10**5000, [10**5000]):
        assert len(show(value)) < 1000
