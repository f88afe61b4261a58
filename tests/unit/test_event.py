"""A line is an event, bad for one reason, or a control frame; the same on both wires, and decoding never fails."""

import copy
import json
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.event import (
    BAD_REASONS,
    MAX_LINE_BYTES,
    Account,
    BadEvent,
    Commit,
    Control,
    Identity,
    Sync,
    decode,
)

DID = "did:web:ann.example"
REV, RKEY, CID = "3kp2222222222", "3kq:2~_.-", "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm"
SEEN_US, SEEN = 1_767_268_800_000_001, "2026-01-01T12:00:00.000001Z"
HOST_US, HOST = 1_767_268_799_000_000, "2026-01-01T11:59:59Z"
GREATEST = 2**53 - 1

WRITE: dict[str, Any] = {
    "rev": REV,
    "operation": "create",
    "collection": "com.example.note",
    "rkey": RKEY,
    "record": {"$type": "com.example.note", "text": "é\u0000\ud800"},
    "cid": CID,
}
BODY: dict[str, dict[str, Any]] = {
    "commit": WRITE,
    "identity": {"did": DID, "handle": "ann.example", "seq": 7, "time": HOST},
    "account": {"did": DID, "active": False, "status": "deactivated", "seq": 7, "time": HOST},
    "sync": {"did": DID, "rev": REV, "blocks": {"$bytes": "AA"}},
}
EVENT: dict[str, Any] = {
    "commit": Commit(
        did=DID,
        rev=REV,
        operation="create",
        collection="com.example.note",
        rkey=RKEY,
        cid=CID,
        record=WRITE["record"],
        seen_us=SEEN_US,
    ),
    "identity": Identity(did=DID, handle="ann.example", time_us=HOST_US, relay_seq=7, seen_us=SEEN_US),
    "account": Account(did=DID, active=False, status="deactivated", time_us=HOST_US, relay_seq=7, seen_us=SEEN_US),
    "sync": Sync(did=DID, rev=REV, seen_us=SEEN_US),
}


class Form(NamedTuple):
    """One kind of event on one wire: a good line, and where in it the envelope and the body are."""

    wire: str
    kind: str
    line: dict[str, Any]
    envelope: tuple[str, ...]
    body: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.wire} {self.kind}"


def v1(kind: str) -> Form:
    line = {"did": DID, "time_us": SEEN_US, "cursor": 3, "kind": kind, kind: BODY[kind]}
    return Form("v1", kind, line, (), (kind,))


def v2(kind: str, wire: str = "v2") -> Form:
    told = WRITE if kind == "commit" else {kind: BODY[kind]}
    payload = {"$type": f"network.bsky.jetstream.subscribeEvents#{kind}", "did": DID, "seq": 3, "time": SEEN, **told}
    inside: tuple[str, ...] = ("payload",) if wire == "v2" else ()
    line = {"$type": "message", "payload": payload} if inside else payload
    return Form(wire, kind, line, inside, inside if kind == "commit" else (*inside, kind))


FORMS = [
    *map(v1, ("commit", "identity", "account")),
    *map(v2, EVENT),
    *(v2(kind, "v2 without its frame") for kind in EVENT),
]

GONE = object()
"""Stands for a field that is not there."""


class Fault(NamedTuple):
    """
    What makes a good line bad.

    Attributes:
        reason: Why it is bad then.
        level: 1 for a fault of the envelope, 2 for one of the body.
        fields: The field, by wire and, in bodies, by kind.
        values: What is put there, one at a time.
    """

    reason: str
    level: int
    fields: dict[str, str]
    values: tuple[Any, ...]

    def paths(self, form: Form) -> Iterator[tuple[str, ...]]:
        if self.level == 1 and form.wire[:2] in self.fields:
            yield (*form.envelope, self.fields[form.wire[:2]])
        if self.level == 2 and form.kind in self.fields:
            yield (*form.body, self.fields[form.kind])


NO_COUNT: tuple[Any, ...] = (GONE, None, True, False, "1", 1.0, 1e3, -1, 2**53, 2**64, 10**30, [1])
NO_TEXT: tuple[Any, ...] = (GONE, None, True, 5, 1.5, ["a"], {})
NO_FLAG: tuple[Any, ...] = (GONE, None, 0, 1, "true", "false", [], {})
NO_LINE: tuple[Any, ...] = (
    5,
    True,
    ["ann.example"],
    {},
    "a\x00",
    "a\n",
    "\x7f",
    "a\x85",
    "a\x1b[2J",
    "\ud800",
    "\udfff",
)


def every(field: str, *kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, field)


FAULTS = [
    Fault("kind", 1, {"v1": "kind", "v2": "$type"}, ("party", "", "Commit", "commit\n", None, True, 5, ["commit"], {})),
    Fault("cursor", 1, {"v1": "cursor"}, NO_COUNT[1:]),
    Fault("cursor", 1, {"v2": "seq"}, NO_COUNT),
    Fault("seen", 1, {"v1": "time_us"}, NO_COUNT),
    Fault("time", 1, {"v2": "time"}, (*NO_TEXT, "", "now", "2026-01-01", SEEN + "\n", "2026-02-30T00:00:00Z", SEEN_US)),
    Fault("seen", 1, {"v2": "time"}, ("1969-12-31T23:59:59.999999Z", "2255-06-05T23:47:34.740992Z")),
    Fault(
        "did",
        1,
        {"v1": "did", "v2": "did"},
        (*NO_TEXT, "", "nobody", "ann.example", DID + "\n", " " + DID, DID + "/", "did:web:", "DID:web:a", "did:é:a"),
    ),
    Fault("did", 1, {"v1": "did", "v2": "did"}, ("did:web:" + "a" * 2041, "did:web:" + "\n" * 600)),
    Fault("too-long", 1, {"v1": "did", "v2": "did"}, ("did:web:" + "a" * 505, "did:web:" + "a" * 2040)),
    Fault(
        "did-mismatch",
        2,
        every("did", "identity", "account", "sync"),
        (*NO_TEXT, "", "did:web:bob.example", DID + "\n", DID.upper()),
    ),
    Fault(
        "operation",
        2,
        every("operation", "commit"),
        (*NO_TEXT, "", "Create", "upsert", "create\n", ["create"], {"create": 1}),
    ),
    Fault(
        "rev",
        2,
        every("rev", "commit", "sync"),
        (
            *NO_TEXT,
            "",
            "zzzz",
            REV + "\n",
            REV[:-1],
            REV + "2",
            REV.upper(),
            "k" + REV[1:],
            "3kp222222222é",
            "3kp222222-222",
        ),
    ),
    Fault(
        "collection",
        2,
        every("collection", "commit"),
        (
            *NO_TEXT,
            "",
            "note",
            "com.example",
            "com.example.note\n",
            "com.example.*",
            "com..note",
            "com.example.no-te",
            "a." * 160 + "b",
        ),
    ),
    Fault(
        "rkey",
        2,
        every("rkey", "commit"),
        (*NO_TEXT, "", ".", "..", "a/b", "a b", "self\n", "é", "a#b", "a%20", "a" * 513, "\x00"),
    ),
    Fault("record", 2, every("record", "commit"), (*NO_TEXT[:-1], [], [{}], "{}", 0)),
    Fault("cid", 2, every("cid", "commit"), (True, 5, ["a"], {}, "a\n", "\x00", "é", "\ud800", "b" * 513)),
    Fault("time", 2, every("time", "identity", "account"), (*NO_TEXT, "", HOST + "\n", HOST[:-1], "1", HOST_US)),
    Fault("seq", 2, every("seq", "identity", "account"), NO_COUNT),
    Fault("active", 2, every("active", "account"), NO_FLAG),
    Fault("handle", 2, every("handle", "identity"), NO_LINE),
    Fault("handle", 2, every("handle", "identity"), ("a" * 513, "é" * 2000)),
    Fault("status", 2, every("status", "account"), NO_LINE),
]

WHOLE = [
    *((form, form.body) for form in FORMS if form.kind != "commit" or form.wire == "v1"),
    *((form, form.envelope) for form in FORMS if form.wire == "v2"),
]
"""Bodies and payloads that are no object."""

TEXTS = {
    "line-too-long": [b"x" * (MAX_LINE_BYTES + 1), b"{}" + b" " * MAX_LINE_BYTES],
    "nesting": [b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 65, b"NaN" + b"{" * 65],
    "json": [
        b"",
        b"\n",
        b"not json",
        b"{",
        b'{"a":1,}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b'"\x00"',
        b"{}{}",
    ],
    "not-finite": [b"NaN", b'{"a":-Infinity}', b'{"did":1e400}', b'{"a":1e400,"a":1}'],
    "number": [b"9" * 4301, b'{"time_us":' + b"1" * 5000 + b"}"],
    "not-an-object": [b"[]", b'"{}"', b"1", b"1.5", b"true", b"null", b"[{}]"],
    "kind": [b"{}", b'{"$type":"message"}', b'{"$type":"social.coves.feed.vote"}', b'{"commit":{}}', b'{"kind":null}'],
    "too-long": [],
}
"""Lines that are bad as they stand."""


def line_of(value: object) -> bytes:
    return json.dumps(value).encode()


def put(line: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy of the line with that value at a path, or without one there."""
    changed = copy.deepcopy(line)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if value is GONE:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return changed


def refused(line: bytes) -> str:
    """Return the reason why a line is bad."""
    bad = decode(line)
    assert isinstance(bad, BadEvent), bad
    assert bad.payload is line
    assert bad.detail.isascii()
    assert bad.detail.isprintable()
    assert len(bad.detail) < 120
    return bad.reason


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_good_line_says_the_same_on_every_wire(form: Form) -> None:
    assert decode(line_of(form.line)) == EVENT[form.kind]
    assert decode(b" \t" + line_of(form.line) + b"\r\n") == EVENT[form.kind]
    assert decode(line_of(put(form.line, (*form.body, "new"), {"field": [1.5]}))) == EVENT[form.kind]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_fault_has_its_reason_on_every_wire(form: Form) -> None:
    for fault in FAULTS:
        for path in fault.paths(form):
            for value in fault.values:
                assert refused(line_of(put(form.line, path, value))) == fault.reason, (path, value)


@pytest.mark.parametrize(("form", "path"), WHOLE, ids=str)
def test_a_body_that_is_no_object_is_no_kind_of_event(form: Form, path: tuple[str, ...]) -> None:
    for value in (GONE, None, [], [BODY[form.kind]], "{}", 1, True):
        assert refused(line_of(put(form.line, path, value))) == "kind", value


@pytest.mark.parametrize("reason", TEXTS)
def test_a_text_that_is_no_line_has_its_reason(reason: str) -> None:
    for text in TEXTS[reason]:
        assert refused(text) == reason, text[:40]


def test_every_reason_has_a_case_and_every_case_a_reason() -> None:
    assert {fault.reason for fault in FAULTS} | set(TEXTS) == set(BAD_REASONS)
    for fault in FAULTS:
        assert any(list(fault.paths(form)) for form in FORMS), fault


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_of_two_faults_the_envelopes_is_told_and_then_the_first_of_bad_reasons(form: Form) -> None:
    order = list(BAD_REASONS)
    faults = [(fault, path) for fault in FAULTS for path in fault.paths(form)]
    for (one, one_path), (two, two_path) in combinations(faults, 2):
        if one_path == two_path:
            continue
        line = put(put(form.line, one_path, one.values[-1]), two_path, two.values[-1])
        first = min(one, two, key=lambda fault: (fault.level, order.index(fault.reason)))
        assert refused(line_of(line)) == first.reason, (one_path, two_path)


def test_a_fault_of_the_text_is_told_before_all_others() -> None:
    line = line_of(put(v1("commit").line, ("kind",), "party"))
    assert refused(line[:-1]) == "json"
    assert refused(line[:-1] + b',"a":NaN}') == "not-finite"
    assert refused(b"[" * 65 + line) == "nesting"
    assert refused(b"[" * 65 + line + b" " * MAX_LINE_BYTES) == "line-too-long"


def test_a_line_may_be_4_mib_long() -> None:
    line = line_of(v1("commit").line)
    assert decode(line + b" " * (MAX_LINE_BYTES - len(line))) == EVENT["commit"]
    assert refused(line + b" " * (MAX_LINE_BYTES - len(line) + 1)) == "line-too-long"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_did_may_be_512_bytes_long(form: Form) -> None:
    for size, fits in ((512, True), (513, False)):
        did = "did:web:" + "a" * (size - 8)
        line = put(form.line, (*form.envelope, "did"), did)
        if form.kind != "commit":
            line = put(line, (*form.body, "did"), did)
        if fits:
            assert decode(line_of(line)) == evolve(EVENT[form.kind], did=did)
        else:
            assert refused(line_of(line)) == "too-long"


@pytest.mark.parametrize("form", [v1("commit"), v2("commit")], ids=str)
@pytest.mark.parametrize("operation", ["create", "delete"])
def test_an_at_uri_may_be_1200_bytes_long(form: Form, operation: str) -> None:
    did, collection = "did:web:" + "a" * 504, "com." + "a" * 63 + ".b" * 92 + "." + "c" * 63
    line = put(put(form.line, (*form.envelope, "did"), did), (*form.body, "collection"), collection)
    line = put(line, (*form.body, "operation"), operation)
    room = 1200 - len(f"at://{did}/{collection}/")
    assert isinstance(decode(line_of(put(line, (*form.body, "rkey"), "k" * room))), Commit)
    assert refused(line_of(put(line, (*form.body, "rkey"), "k" * (room + 1)))) == "too-long"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_numbers_may_be_from_0_to_what_a_double_holds(form: Form) -> None:
    for count in (0, GREATEST):
        v1_seen, v2_seq = (*form.envelope, "time_us"), (*form.envelope, "seq")
        line = put(form.line, v1_seen if form.wire == "v1" else v2_seq, count)
        told = decode(line_of(line))
        assert told == evolve(EVENT[form.kind], seen_us=count if form.wire == "v1" else SEEN_US)
        if form.kind in ("identity", "account"):
            told = decode(line_of(put(form.line, (*form.body, "seq"), count)))
            assert isinstance(told, Identity | Account)
            assert told.relay_seq == count


@pytest.mark.parametrize("kind", EVENT)
def test_a_v2_event_may_be_seen_from_1970_to_what_a_double_holds(kind: str) -> None:
    for time, seen_us in (("1970-01-01T00:00:00Z", 0), ("2255-06-05T23:47:34.740991Z", GREATEST)):
        told = decode(line_of(put(v2(kind).line, ("payload", "time"), time)))
        assert told == evolve(EVENT[kind], seen_us=seen_us)


@pytest.mark.parametrize("kind", ["identity", "account"])
def test_the_hosts_own_time_may_be_any(kind: str) -> None:
    for time, time_us in (("1969-12-31T23:59:59Z", -1_000_000), ("9999-12-31T23:59:59Z", 253_402_300_799_000_000)):
        told = decode(line_of(put(v1(kind).line, (kind, "time"), time)))
        assert told == evolve(EVENT[kind], time_us=time_us)


@pytest.mark.parametrize("form", [v1("commit"), v2("commit")], ids=str)
def test_a_delete_has_neither_cid_nor_record(form: Form) -> None:
    gone = Commit(
        did=DID,
        rev=REV,
        operation="delete",
        collection="com.example.note",
        rkey=RKEY,
        cid="",
        record=None,
        seen_us=SEEN_US,
    )
    line = put(form.line, (*form.body, "operation"), "delete")
    for cid in (GONE, CID, 5):
        for record in (GONE, {}, [], None):
            told = put(put(line, (*form.body, "cid"), cid), (*form.body, "record"), record)
            assert decode(line_of(told)) == gone


@pytest.mark.parametrize("form", [v1("commit"), v2("commit")], ids=str)
@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_put_may_come_without_a_cid(form: Form, operation: str) -> None:
    line = put(form.line, (*form.body, "operation"), operation)
    for cid, told in ((GONE, ""), (None, ""), ("", ""), ("b" * 512, "b" * 512)):
        event = decode(line_of(put(line, (*form.body, "cid"), cid)))
        assert event == evolve(EVENT["commit"], operation=operation, cid=told)


@pytest.mark.parametrize("wire", [v1, v2])
def test_handle_and_status_may_be_absent(wire: Any) -> None:
    for kind, field in (("identity", "handle"), ("account", "status")):
        form = wire(kind)
        for value in (GONE, None):
            assert decode(line_of(put(form.line, (*form.body, field), value))) == evolve(EVENT[kind], **{field: None})


def test_the_v1_cursor_may_be_absent() -> None:
    assert decode(line_of(put(v1("commit").line, ("cursor",), GONE))) == EVENT["commit"]


def test_the_v1_wire_has_no_sync() -> None:
    assert refused(line_of(v1("sync").line)) == "kind"


def test_frames_about_the_stream_are_control_frames() -> None:
    info = {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": "OutdatedCursor", "message": "clamped"}
    assert decode(line_of({"$type": "message", "payload": info})) == Control("info", "OutdatedCursor: clamped")
    assert decode(line_of(info)) == Control("info", "OutdatedCursor: clamped")
    error = {"$type": "error", "error": "ConsumerTooSlow", "message": "fell behind"}
    assert decode(line_of(error)) == Control("error", "ConsumerTooSlow: fell behind")
    for odd in (
        {"$type": "error"},
        {**error, "error": [1] * 1000, "message": {"a": "x" * 10_000}},
        {**info, "name": 5},
    ):
        control = decode(line_of(odd))
        assert isinstance(control, Control)
        assert len(control.detail) < 500


def test_hostile_texts_are_not_kept_in_memory() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for at in range(40):
            long = f"{at}" + "a" * 100_000
            assert refused(line_of(put(v1("commit").line, ("did",), f"did:web:{long}"))) == "did"
            assert refused(line_of(put(v1("commit").line, ("commit", "collection"), f"com.{long}"))) == "collection"
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
odd_values = json_values | st.sampled_from(
    [GONE, DID, REV, "self", "create", "delete", SEEN, 2**53, {}, WRITE, "network.bsky.jetstream.subscribeEvents#sync"]
)


@st.composite
def changed_lines(draw: st.DrawFn) -> bytes:
    """A good line in which a few fields hold anything, and at times a byte too."""
    form = draw(st.sampled_from(FORMS))
    line = form.line
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.sampled_from([form.envelope, form.body]))
        inner = line
        for step in where:
            inner = inner.get(step, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict) and inner:
            line = put(line, (*where, draw(st.sampled_from(sorted(inner)))), draw(odd_values))
    text = line_of(line)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.binary(max_size=2)) + text[at + 1 :]
    return text


@settings(max_examples=250, deadline=None)
@given(st.one_of(changed_lines(), changed_lines(), st.binary(max_size=60), json_values.map(line_of)))
def test_decoding_never_fails(line: bytes) -> None:
    told = decode(line)
    if isinstance(told, BadEvent):
        assert refused(line) in BAD_REASONS
    else:
        assert isinstance(told, Commit | Identity | Account | Sync | Control)
        assert decode(line) == told


def lines_of(vectors: Path, name: str) -> list[bytes]:
    return [line for line in (vectors / "jetstream" / name).read_bytes().split(b"\n") if line]


def _instant_us(text: str) -> int:
    since = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@pytest.mark.parametrize(("name", "count"), [("expected_v1.jsonl", 152), ("golden_v1.jsonl", 10)])
def test_real_v1_events_say_what_their_json_says(vectors: Path, name: str, count: int) -> None:
    lines = lines_of(vectors, name)
    assert len(lines) == count
    for line in lines:
        said = json.loads(line)
        event, body = decode(line), said[said["kind"]]
        assert isinstance(event, Commit | Identity | Account), event
        assert (event.did, event.seen_us) == (said["did"], said["time_us"])
        if isinstance(event, Commit):
            wrote = (event.rev, event.operation, event.collection, event.rkey, event.cid, event.record)
            fields = ("rev", "operation", "collection", "rkey")
            assert wrote == (*(body[field] for field in fields), body.get("cid", ""), body.get("record"))
        else:
            assert (event.time_us, event.relay_seq) == (_instant_us(body["time"]), body["seq"])
        if isinstance(event, Identity):
            assert event.handle == body.get("handle")
        if isinstance(event, Account):
            assert (event.active, event.status) == (body["active"], body.get("status"))


def test_real_v1_events_are_of_every_kind(vectors: Path) -> None:
    events = [decode(line) for line in lines_of(vectors, "golden_v1.jsonl")]
    assert {type(event) for event in events} == {Commit, Identity, Account}
    commits = [event for event in events if isinstance(event, Commit)]
    assert {commit.operation for commit in commits} == {"create", "update", "delete"}
    assert any(":" in commit.rkey for commit in commits)


def test_real_v2_frames_say_what_their_json_says(vectors: Path) -> None:
    lines = lines_of(vectors, "v2_frames_from_dictionary.jsonl")
    assert len(lines) == 3
    for line in lines:
        said = json.loads(line)["payload"]
        assert decode(line) == Commit(
            did=said["did"],
            rev=said["rev"],
            operation=said["operation"],
            collection=said["collection"],
            rkey=said["rkey"],
            cid=said.get("cid", ""),
            record=said.get("record"),
            seen_us=_instant_us(said["time"]),
        )


def test_real_v2_frames_with_a_corrupt_time_are_bad_for_it(vectors: Path) -> None:
    lines = lines_of(vectors, "v2_frames_corrupt_time.jsonl")
    assert [refused(line) for line in lines] == ["time"] * 5


def test_a_position_is_that_of_the_wire_and_no_part_of_what_happened() -> None:
    v1 = decode(
        b'{"did":"did:web:a.example","time_us":7,"kind":"commit","commit":{"rev":"3k2aaaaaaaaa2","operation":"delete",'
        b'"collection":"a.b.c","rkey":"k"}}'
    )
    v2 = decode(
        b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":35610,'
        b'"did":"did:web:a.example","time":"1970-01-01T00:00:00.000007Z","rev":"3k2aaaaaaaaa2","operation":"delete",'
        b'"collection":"a.b.c","rkey":"k"}}'
    )
    assert isinstance(v1, Commit)
    assert isinstance(v2, Commit)
    assert (v1.position, v2.position) == (7, 35610)
    assert v1 == v2
