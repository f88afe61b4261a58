"""JSON off the wire: one meaning with and without orjson, one canonical form, bounded whatever the text."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strandline import wirejson
from strandline.wirejson import MAX_NESTING, InvalidJson, canonical, canonical_plain, loads, parse

pytest.importorskip("orjson")


@pytest.fixture(params=["orjson", "standard library"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test that asks for it runs with orjson and as if it were not installed."""
    if request.param != "orjson":
        monkeypatch.setattr(wirejson, "orjson", None)
    return str(request.param)


def told(text: bytes) -> object:
    """Return what is read, so that 1, 1.0 and true differ, or why nothing is."""
    try:
        return repr(loads(text))
    except InvalidJson as error:
        return error.reason


def both(call: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what comes of a call with orjson, and without."""
    with_orjson = call()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wirejson, "orjson", None)
        return with_orjson, call()


def nested(depth: int, pairs: bytes = b"[]") -> bytes:
    inner = b'{"a":' if pairs == b"{}" else pairs[:1]
    return inner * depth + b"1" + pairs[1:] * depth


HOSTILE: dict[bytes, str] = {
    b"0": "0",
    b"-0": "0",
    b"-0.0": "-0.0",
    b"1.0": "1.0",
    b"1e16": "1e+16",
    b"1E5": "100000.0",
    b"1e308": "1e+308",
    b"1e-400": "0.0",
    b"1e400": "not-finite",
    b"-1e400": "not-finite",
    b"NaN": "not-finite",
    b"Infinity": "not-finite",
    b"[-Infinity]": "not-finite",
    b'{"a":1e400,"a":1}': "not-finite",
    b"9007199254740993": "9007199254740993",
    b"9223372036854775807": "9223372036854775807",
    b"9223372036854775808": "9223372036854775808",
    b"18446744073709551615": "18446744073709551615",
    b"18446744073709551616": "18446744073709551616",
    b"-9223372036854775809": "-9223372036854775809",
    b"1" + b"0" * 400: "1" + "0" * 400,
    b"9" * 4300: "9" * 4300,
    b"-" + b"9" * 4300: "-" + "9" * 4300,
    b"9" * 4301: "number",
    b"-" + b"9" * 4301: "number",
    b'{"a":' + b"9" * 5000 + b',"a":1}': "number",
    b'{"a":1,"b":2,"a":3}': "{'a': 3, 'b': 2}",
    b'{"a":1.5,"a":1}': "{'a': 1}",
    rb'"\ud800"': r"'\ud800'",
    rb'"\udc00\ud800"': r"'\udc00\ud800'",
    rb'"\ud83d\ude00"': "'😀'",
    rb'{"\ud800":1}': r"{'\ud800': 1}",
    rb'"\u0000"': r"'\x00'",
    rb'"\\ud800"': r"'\\ud800'",
    b'"\x7f"': r"'\x7f'",
    b'"\x1f"': "json",
    b'"\x00"': "json",
    b'"\n"': "json",
    b"\xef\xbb\xbf{}": "json",
    b'"\xff"': "json",
    b'"\xed\xa0\x80"': "json",
    b'"\xc0\xaf"': "json",
    '"é"'.encode("latin-1"): "json",
    '"é"'.encode("utf-16"): "json",
    '"é"'.encode(): "'é'",
    b"": "json",
    b" \t\r\n": "json",
    b" \t\r\n1 \t\r\n": "1",
    "\u00a01".encode(): "json",
    b"01": "json",
    b"+1": "json",
    b".5": "json",
    b"1.": "json",
    b"0x10": "json",
    b"1_000": "json",
    "１".encode(): "json",
    b"true": "True",
    b"True": "json",
    b"nul": "json",
    b"[1,]": "json",
    b'{"a":1,}': "json",
    b"{1:2}": "json",
    b"{'a':1}": "json",
    b"1 2": "json",
    b"[1]//": "json",
    b'"': "json",
    b'"\\': "json",
    rb'"\x41"': "json",
    rb'"\u12"': "json",
    b"]": "json",
    b"[" * 65: "nesting",
    b"[" * 100_000: "nesting",
    b'{"a":' * 100_000: "nesting",
    b"NaN" + b"[" * 65: "nesting",
    b'"' + b"[" * 100: "json",
    b'"' + b"[" * 100 + b'"': repr("[" * 100),
    rb'["\"' + b"[" * 100 + b'"]': repr(['"' + "[" * 100]),
    rb'["\\"' + b"[" * 100: "nesting",
    b"[" + b"[]," * 100 + b"1]": repr([[]] * 100 + [1]),
    b"{}" * 65: "json",
    b"]" * 65 + b"[" * 65: "json",
}
"""What is read off each text, as its repr, or the reason why nothing is."""


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:24]))
def test_a_hostile_text_means_the_same_with_and_without_orjson(text: bytes) -> None:
    assert both(lambda: told(text)) == (HOSTILE[text],) * 2


@pytest.mark.parametrize("pairs", [b"[]", b"{}"])
def test_nesting_is_read_to_64_and_no_deeper(parser: str, pairs: bytes) -> None:
    loads(nested(MAX_NESTING, pairs))
    assert told(nested(MAX_NESTING + 1, pairs)) == "nesting"


def test_nesting_counts_both_brackets_together(parser: str) -> None:
    loads(b'[{"a":' * 32 + b"1" + b"}]" * 32)
    assert told(b"[" + b'[{"a":' * 32 + b"1" + b"}]" * 32 + b"]") == "nesting"


@pytest.mark.parametrize(
    "text",
    [
        b'"' + b"[" * 65 + rb"\"" * 500_000,
        b"[" * 65 + b'"' * 1_000_000,
        b'["' + b"{" * 1_000_000,
        b"[" * 65 + b"]" * 65 + b"\\" * 1_000_000,
        b'{"":' * 65 + b'"\\"' * 250_000,
    ],
    ids=["escaped quotes", "quotes", "brackets in a string", "backslashes", "strings that never end"],
)
def test_a_line_of_a_mib_is_refused_in_time_that_grows_with_its_length(parser: str, text: bytes) -> None:
    began = time.process_time()
    assert told(text) in {"json", "nesting"}
    assert time.process_time() - began < 5, "some 100 ms each; what costs the square would take an hour"


def test_what_is_read_does_not_hang_on_the_interpreters_own_limit() -> None:
    said = (
        "import sys; from strandline.wirejson import *\ntry: loads(b'9'*4301)\nexcept InvalidJson as e: print(e.reason)"
    )
    for limit in ("0", "640", "100000"):
        environment = os.environ | {"PYTHONINTMAXSTRDIGITS": limit}
        run = subprocess.run([sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout == "number\n", limit


@st.composite
def json_texts(draw: st.DrawFn) -> bytes:
    """JSON with escapes, odd numbers, repeated keys and space in it, and at times a byte changed or lost."""
    text = draw(json_values).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0 and text:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.binary(max_size=2)) + text[at + 1 :]
    return text


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else letter for letter in text) + '"'


strings = st.one_of(
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(max_size=6).map(json.dumps),
    st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=4).map(_escaped),
    st.sampled_from(['"a"', '"a"', '"$type"', r'"\/\b\f\n\r\t"', r'"\ud83d\ude00"', '"[{"']),
)
numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["-0", "-0.0", "1.0", "1e16", "1E-7", "1e400", "NaN", "-Infinity", "9" * 30, "9" * 400]),
    st.integers(2**53 - 2, 2**64 + 2).map(str),
)
json_values: st.SearchStrategy[str] = st.recursive(
    st.one_of(strings, numbers, st.sampled_from(["null", "true", "false"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + " ,".join(items) + "]"),
        st.lists(st.tuples(strings, inner), max_size=4).map(
            lambda items: "{" + ",\t".join(f"{key}: {value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(json_texts())
def test_every_text_means_the_same_with_and_without_orjson(text: bytes) -> None:
    one, other = both(lambda: told(text))
    assert one == other


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_mean_the_same_with_and_without_orjson(text: bytes) -> None:
    one, other = both(lambda: told(text))
    assert one == other


@settings(max_examples=150, deadline=None)
@given(json_texts())
@example(b'{"b":1,"a":[1.0,-0.0,1e16,5e-324]}')
@example(rb'["\ud800","\\ud800","\udbff\udfff","\u007f\u2028\u0000"]')
def test_the_canonical_form_is_one_form(text: bytes) -> None:
    try:
        value = loads(text)
    except InvalidJson:
        return
    one, other = both(lambda: canonical(value))
    assert one == other
    assert both(lambda: canonical(loads(one))) == (one, one), "idempotent"
    assert repr(loads(one)) == repr(_sorted(value)), "the same value"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=120, deadline=None)
@given(json_texts())
@example(b'["a",1,null,{"b":true}]')
def test_what_is_surely_plain_is_written_the_same_the_quick_way(text: bytes) -> None:
    try:
        value, plain = parse(text)
    except InvalidJson:
        return
    if plain:
        assert canonical_plain(value) == canonical(value)
        assert not _odd(value), "a store may refuse it"


def _odd(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_odd(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return any(map(_odd, value))
    if isinstance(value, str):
        return "\0" in value or any(0xD800 <= ord(letter) <= 0xDFFF for letter in value)
    return isinstance(value, float) or (isinstance(value, int) and abs(value) >= 2**53)


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_utf8(parser: str) -> None:
    value = {"é": 1, "z": [True, None], "a": {"\u007f": "\u2028", "B": '"\\\n\x01'}, "\U0001f30a": "", "\uffff": 0}
    said = '{"a":{"B":"\\"\\\\\\n\\u0001","\x7f":"\u2028"},"z":[true,null],"é":1,"\uffff":0,"🌊":""}'
    assert canonical(value) == said.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": -float("inf")}]])
def test_what_is_not_finite_has_no_canonical_form(parser: str, value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(value)


def test_an_error_tells_its_reason_and_where(parser: str) -> None:
    for text, reason, detail in (
        (b'{"a":}', "json", "character 5"),
        (b'{"a":"\xff"}', "json", "byte 6"),
        (b"[1e999]", "not-finite", "1e999"),
        (b"[NaN]", "not-finite", "NaN"),
    ):
        with pytest.raises(InvalidJson, match=detail) as caught:
            loads(text)
        assert caught.value.reason == reason
        assert str(caught.value).isascii()
