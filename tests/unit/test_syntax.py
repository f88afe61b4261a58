"""The identifiers keep the protocol's syntax: its vectors, our own cases for every rule, and plain slow oracles."""

import copy
import pickle
import re
import string
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strandline.errors import InvalidSyntax, StrandlineError
from strandline.syntax import (
    MAX_RECORD_URI_BYTES,
    AtIdentifier,
    AtUri,
    Cid,
    Datetime,
    Did,
    Handle,
    Identifier,
    Language,
    Nsid,
    RecordKey,
    Tid,
    Uri,
    datetime_us,
    record_uri,
)

CID = "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
LABEL = "o" * 63
LONG_NSID = ".".join([LABEL, LABEL, LABEL, LABEL, "a" * 61])
LONG_HANDLE = ".".join(["a" * 61, LABEL, LABEL, LABEL])
LONG_DID = "did:web:" + "a" * 2040

VALID: dict[type[Identifier], list[str]] = {
    Did: ["did:plc:7iza6de2dwap2sbkpav7c6c6", "did:web:localhost%3A1234", "did:m:v", "did:a:::-", "did:a:.", LONG_DID],
    Handle: ["alice.example", "A.ISI.EDU", "8.cn", "4chan.o-g", "xn--bcher-kva.tld", "a.b0", LONG_HANDLE],
    AtIdentifier: ["did:plc:abc", "alice.example", LONG_DID, LONG_HANDLE],
    Nsid: ["com.example.post", "a.b.c", "a-0.b-1.c", "org.4chan.lex.getThing", "com.example.postV2", LONG_NSID],
    RecordKey: ["3jzfcijpj2z2a", "self", "...", ".a", ":", "~1.2-3_", "did:plc:a::did:web:b", "o" * 512],
    Tid: ["3jzfcijpj2z2a", "2222222222222", "jzzzzzzzzzzzz", "7777777777777"],
    Cid: [CID, "zdj7WWeQ43G6JJvLWQWZpyHuAMq6uYWRjkBXFad11vE2LHhQ7", "mBcDxtdWx0aWhhc2g+", "f0170122", "b" * 256],
    Language: [
        "en",
        "ban",
        "pt-BR",
        "es-419",
        "zh-cmn-Hans-CN",
        "zh-hakka",
        "i-navajo",
        "sgn-BE-NL",
        "en-GB-oed",
        "de-CH-1901",
        "sl-rozaj-biske-1994",
        "en-a-aaa-b-bbb-x-a-a",
        "en-w-aaa-Y-bbb-0-ccc",
        "en-x-aaa-x-bbb",
        "x-whatever",
        "X-fr-CH",
        "en-x-" + "-".join(["abcdefgh"] * 13) + "-abcdef",
    ],
    Uri: ["https://example.com/a?b=c&d#e", "dns:example.com", "go://?Mercedes%20Benz", "H2+a.b-c:x", "a:" + "x" * 8190],
    AtUri: [
        "at://did:plc:abc",
        "at://alice.example",
        "at://did:plc:abc/com.example.post",
        "at://alice.example/com.example.post/self",
        "at://did:plc:abc/com.example.post/did:plc:a::did:web:b",
        f"at://{LONG_DID}/{LONG_NSID}/{'o' * 512}",
        f"at://{LONG_HANDLE}/{LONG_NSID}",
    ],
    Datetime: [
        "1985-04-12T23:20:50Z",
        "1985-04-12T23:20:50.1Z",
        "1985-04-12T23:20:50.1235678912345+01:45",
        "1985-04-12T23:20:50.123-23:59",
        "1985-04-12T23:20:50+00:00",
        "1985-04-12T23:20:50-00:01",
        "2000-02-29T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999-23:59",
        "1985-04-12T23:20:50." + "9" * 100_000 + "Z",
    ],
}

INVALID: dict[type[Identifier], list[str]] = {
    Did: [
        "did",
        "did:plc",
        "did:plc:",
        "did::abc",
        "DID:plc:abc",
        "did:PLC:abc",
        "did:m1:abc",
        "did:plc:abc:",
        "did:web:a%",
        "did:web:a/b",
        "did:web:a#b",
        "did:web:a?b",
        "adid:plc:abc",
        LONG_DID + "a",
    ],
    Handle: [
        "alice",
        ".alice.example",
        "alice.example.",
        "alice..example",
        "-alice.example",
        "alice-.example",
        "alice.-example",
        "alice.example-",
        "al_ice.example",
        "alice.0example",
        "127.0.0.1",
        "did:plc:abc",
        f"o{LABEL}.example",
        f"alice.o{LABEL}",
        f"a{LONG_HANDLE}",
    ],
    AtIdentifier: ["alice", "did:plc:", "@alice.example", f"a{LONG_HANDLE}", LONG_DID + "a", "at://did:plc:abc"],
    Nsid: [
        "com.example",
        "com.example.",
        ".com.example.post",
        "com..example.post",
        "com.example.2",
        "com.example.2post",
        "com.example.po-st",
        "com.example.po_st",
        "com.example-.post",
        "com.-example.post",
        "4com.example.post",
        "com-.example.post",
        "-com.example.post",
        "com.example.*",
        f"com.o{LABEL}.post",
        f"o{LABEL}.example.post",
        f"com.example.o{LABEL}",
        LONG_NSID + "a",
    ],
    RecordKey: [".", "..", "a/b", "a b", "a+b", "a@b", "a%20", "a=", '"a"', "a#b", "o" * 513],
    Tid: [
        "3jzfcijpj2z2",
        "3jzfcijpj2z2aa",
        "3JZFCIJPJ2Z2A",
        "3jzfcijpj2z21",
        "kjzfcijpj2z2a",
        "1jzfcijpj2z2a",
        "3jzf-cij-pj2z-2a",
    ],
    Cid: [
        "bafyrei",
        "example.com",
        "b" * 257,
        "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR",
        "bafy/eigdy",
        f"cid:{CID}",
    ],
    Language: [
        "e",
        "EN",
        "En-us",
        "jaja",
        "abcde",
        "en-",
        "-en",
        "en--US",
        "en_US",
        "123",
        "i",
        "i-nothing",
        "x",
        "en-x",
        "en-a",
        "en-a-b-cc",
        "de-419-DE",
        "en-US-GB",
        "en-Latn-Cyrl",
        "zh-aaa-bbb-ccc-ddd",
        "en-abcdefghi",
        "x-abcdefghi",
        "de-DE-1901-1901",
        "en-rozaj-ROZAJ",
        "en-a-foo-a-bar",
        "en-u-co-phonebk-U-ca-buddhist",
        "en-x-" + "-".join(["abcdefgh"] * 13) + "-abcdefg",
    ],
    Uri: [
        "example.com",
        ":a",
        "//a",
        "http:",
        "1a:b",
        ".a:b",
        "http://a b",
        "http://é",
        "a" * 82 + ":b",
        "a:" + "x" * 8191,
    ],
    AtUri: [
        "at:",
        "at://",
        "AT://did:plc:abc",
        "at:/did:plc:abc",
        "at:did:plc:abc",
        "http://did:plc:abc",
        "at://did:plc:abc/",
        "at://did:plc:abc//self",
        "at://did:plc:abc/com.example.post/",
        "at://did:plc:abc/com.example.post/self/",
        "at://did:plc:abc/com.example.post/self/more",
        "at://did:plc:abc/com.example.post/.",
        "at://did:plc:abc/com.example.post/..",
        "at://did:plc:abc/com.example.post/%20",
        "at://did:plc:abc/com.example.post#a",
        "at://did:plc:abc/com.example.post?a",
        "at://did:plc:abc#a",
        "at://did:plc:abc/self",
        "at://did:plc:/com.example.post",
        "at://alice/com.example.post",
        f"at://{LONG_DID}a",
        f"at://a{LONG_HANDLE}",
        f"at://did:plc:abc/{LONG_NSID}a",
        f"at://did:plc:abc/{LONG_NSID}a/self",
        f"at://did:plc:abc/com.example.post/{'o' * 513}",
    ],
    Datetime: [
        "1985-04-12",
        "1985-04-12T23:20:50",
        "1985-04-12T23:20Z",
        "1985-04-12T23Z",
        "1985-04-12T23:20:50z",
        "1985-04-12t23:20:50Z",
        "1985-04-12 23:20:50Z",
        "1985-04-12_23:20:50Z",
        "1985-04-12T23:20:50.Z",
        "1985-04-12T23:20:50,1Z",
        "1985-04-12T23:20:50.1",
        "19850412T232050Z",
        "1985-W15-5T23:20:50Z",
        "985-04-12T23:20:50Z",
        "01985-04-12T23:20:50Z",
        "+1985-04-12T23:20:50Z",
        "-1985-04-12T23:20:50Z",
        "1985-4-12T23:20:50Z",
        "1985-04-12T3:20:50Z",
        "1985-04-12T23:20:50+0000",
        "1985-04-12T23:20:50+00",
        "1985-04-12T23:20:50+24:00",
        "1985-04-12T23:20:50+00:60",
        "1985-04-12T23:20:50+01:00:00",
        "1985-04-12T23:20:50Z+01:00",
        "1985-04-12T23:20:50-00:00",
        "1985-04-12T23:20:50.123-00:00",
        "1985-00-12T23:20:50Z",
        "1985-13-12T23:20:50Z",
        "1985-04-00T23:20:50Z",
        "1985-04-31T23:20:50Z",
        "1985-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1985-04-12T24:00:00Z",
        "1985-04-12T25:20:50Z",
        "1985-04-12T23:60:50Z",
        "1985-04-12T23:20:60Z",
        "2016-12-31T23:59:60Z",
        "1985-04-12T23:20:61Z",
        "0000-01-01T00:00:00Z",
        "0000-01-01T00:00:00+01:00",
        "0000-12-31T23:59:59-01:00",
    ],
}

TYPES = list(VALID)

NOT_TAKEN = {"0000-01-01T00:00:00.000Z"}
"""The protocol's vectors allow this one; strandline holds year 0000 to be no datetime."""

types = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)


def cases(file: Path) -> list[str]:
    """The lines of a vector file, untrimmed, but for empty lines and comments."""
    lines = file.read_bytes().decode().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def wrongly_refused(kind: type[Identifier], texts: list[str]) -> list[str]:
    return [text for text in texts if not kind.matches(text)]


def wrongly_taken(kind: type[Identifier], texts: list[str]) -> list[str]:
    return [text for text in texts if kind.matches(text)]


def is_made(kind: type[Identifier], text: str) -> bool:
    try:
        kind(text)
    except InvalidSyntax:
        return False
    return True


@types
def test_the_protocols_vectors_are_judged_as_it_says(kind: type[Identifier], vectors: Path) -> None:
    folder, name = vectors / "interop/syntax", kind.__name__.lower()
    valid = cases(folder / f"{name}_syntax_valid.txt")
    invalid = [text for file in folder.glob(f"{name}_*_invalid.txt") for text in cases(file)]
    assert valid
    assert invalid
    assert set(wrongly_refused(kind, valid)) == NOT_TAKEN & set(valid)
    assert wrongly_taken(kind, invalid) == []


def test_no_vector_is_left_unread(vectors: Path) -> None:
    names = {file.name.split("_")[0] for file in (vectors / "interop/syntax").glob("*.txt")}
    assert names == {kind.__name__.lower() for kind in TYPES}


@types
def test_each_rule_takes_what_keeps_it(kind: type[Identifier]) -> None:
    assert wrongly_refused(kind, VALID[kind]) == []


@types
def test_each_rule_refuses_what_breaks_it(kind: type[Identifier]) -> None:
    assert wrongly_taken(kind, ["", *INVALID[kind]]) == []


@types
def test_nothing_is_put_before_or_after(kind: type[Identifier]) -> None:
    around = ["\n", "\r\n", " ", "\t", "\0", "\u2028", "\ud800"]
    texts = [made for text in VALID[kind] for extra in around for made in (text + extra, extra + text)]
    assert wrongly_taken(kind, texts) == []


@types
def test_only_ascii_is_taken_at_any_place(kind: type[Identifier]) -> None:
    foreign = ["é", "ſ", "\u212a", "\u0663", "\uff11", "\uff41", "\ud83d", "\U0001f4a9"]
    short = [text for text in VALID[kind] if len(text) < 100]
    texts = [text[:at] + char + text[at + 1 :] for text in short for at in range(len(text)) for char in foreign]
    assert wrongly_taken(kind, texts) == []


@types
@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "a." * 500_000,
        "a-" * 4_000,
        "a." * 4_000,
        "-".join(["a1"] * 100_000),
        "en" + "-abc" * 31,
        "en" + "-abcde" * 20,
        "en" + "-a-bc" * 25,
        "did:" + "a:" * 1_000,
        "did:a:" + ":" * 2_000,
        "did:a:" + "%" * 1_000_000,
        "at://" + "a." * 4_000,
        "at://a.a/" + "a." * 4_000,
        "at://did:a:" + "a:" * 900 + "/" + "a." * 150 + "/" + "." * 4_000,
        "1985-04-12T23:20:50." + "9" * 1_000_000,
        "1985-04-12T23:20:50." + "9" * 1_000_000 + "+99:99",
        "\ud800" * 100_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_a_long_hostile_text_is_refused_in_good_time(kind: type[Identifier], text: str) -> None:
    assert not kind.matches(text + " ")


@types
def test_an_identifier_is_its_text(kind: type[Identifier]) -> None:
    for text in VALID[kind]:
        made = kind(text)
        assert type(made) is kind
        assert (made, str(made), hash(made)) == (text, text, hash(text))
        assert not hasattr(made, "__dict__")
        for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), kind(made)):
            assert (type(again), again) == (kind, made)


@types
def test_the_error_shows_the_text_and_the_rule(kind: type[Identifier]) -> None:
    with pytest.raises(InvalidSyntax, match=re.escape(repr("no such\n\ud800"))) as caught:
        kind("no such\n\ud800")
    assert kind.rule in str(caught.value)
    assert kind.__name__ in str(caught.value)
    assert isinstance(caught.value, StrandlineError)
    assert isinstance(caught.value, ValueError)


def test_the_error_of_a_long_text_stays_short() -> None:
    with pytest.raises(InvalidSyntax, match="1000000 characters") as caught:
        Tid("\n" * 1_000_000)
    assert len(str(caught.value)) < 400


def near(kind: type[Identifier]) -> st.SearchStrategy[str]:
    """Texts of any kind, and valid ones with a piece put in another's place."""
    valid = st.sampled_from([text for texts in VALID.values() for text in texts if len(text) < 100] + VALID[kind])
    edit = st.tuples(
        valid, st.integers(0, 80), st.integers(0, 3), st.text(max_size=3) | st.sampled_from([*".-:/%~T+Z0a"])
    )
    return st.text(st.characters(codec=None)) | valid | edit.map(lambda e: e[0][: e[1]] + e[3] + e[0][e[1] + e[2] :])


@types
@given(data=st.data())
def test_what_matches_is_what_can_be_made(kind: type[Identifier], data: st.DataObject) -> None:
    text = data.draw(near(kind))
    assert kind.matches(text) is is_made(kind, text)


# The same rules once more, slow and plain, for every text over the characters that matter.

LETTERS, DIGITS = set(string.ascii_letters), set(string.digits)


def is_label(text: str) -> bool:
    return 0 < len(text) < 64 and set(text) <= LETTERS | DIGITS | {"-"} and "-" not in (text[0], text[-1])


def is_did(text: str) -> bool:
    scheme, method, name = (*text.split(":", 2), "", "")[:3]
    plain = set(name) <= LETTERS | DIGITS | set("._:%-") and set(method) <= set(string.ascii_lowercase)
    return scheme == "did" and plain and bool(method and name) and name[-1] not in ":%" and len(text) < 2049


def is_handle(text: str) -> bool:
    labels = text.split(".")
    return len(labels) > 1 and all(map(is_label, labels)) and labels[-1][0] in LETTERS and len(text) < 254


def is_nsid(text: str) -> bool:
    *domain, name = text.split(".")
    named = 0 < len(name) < 64 and set(name) <= LETTERS | DIGITS and name[0] in LETTERS
    return len(domain) > 1 and all(map(is_label, domain)) and domain[0][0] in LETTERS and named and len(text) < 318


def is_record_key(text: str) -> bool:
    return 0 < len(text) < 513 and set(text) <= LETTERS | DIGITS | set("._:~-") and text not in (".", "..")


def is_at_uri(text: str) -> bool:
    scheme, empty, authority, *path = (*text.split("/"), "", "")[: max(3, text.count("/") + 1)]
    rules = zip((is_nsid, is_record_key), path, strict=False)
    named = is_did(authority) or is_handle(authority)
    return (scheme, empty) == ("at:", "") and named and len(path) < 3 and all(rule(part) for rule, part in rules)


ORACLES = {Did: is_did, Handle: is_handle, Nsid: is_nsid, RecordKey: is_record_key, AtUri: is_at_uri}

pieces = st.sampled_from(
    ["a", "Z", "0", ".", "..", "-", "_", ":", "%", "~", "!", "com", "a.b", "o" * 30, LABEL, "a" * 61]
)


def any_of(*starts: str) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(starts), st.lists(pieces, max_size=9).map("".join)).map("".join)


dids = any_of("", "did:", "did:a:", "did:plc:", "Did:a:", "did:a1:")
handles = any_of("", "a.", "alice.example")
nsids = any_of("", "com.", "com.example.", "a-0.")
record_keys = any_of("", ".", "3jzfcijpj2z2a")


@st.composite
def at_uris(draw: st.DrawFn) -> str:
    authority = draw(st.sampled_from(["did:plc:abc", "alice.example", LONG_HANDLE]) | dids | handles)
    collection = draw(st.sampled_from(["com.example.post", LONG_NSID]) | nsids)
    rkey = draw(st.sampled_from(["self", "3jzfcijpj2z2a", "o" * 512]) | record_keys)
    parts = [authority, collection, rkey, "more"][: draw(st.sampled_from([3, 3, 3, 1, 2, 4]))]
    return "at://" + "/".join(parts) + draw(st.sampled_from(["", "", "", "", "/", "#a"]))


@given(text=dids | handles | nsids | record_keys | at_uris())
def test_the_rules_agree_with_their_slow_versions(text: str) -> None:
    assert {kind: kind.matches(text) for kind in ORACLES} == {kind: rule(text) for kind, rule in ORACLES.items()}
    assert AtIdentifier.matches(text) is (is_did(text) or is_handle(text))


@given(uri=at_uris())
@example("at://did:plc:abc/com.example.post/self")
def test_an_at_uri_gives_its_parts(uri: str) -> None:
    if AtUri.matches(uri):
        made = AtUri(uri)
        parts = [part for part in (made.authority, made.collection, made.rkey) if part is not None]
        assert "at://" + "/".join(parts) == uri


@given(uri=at_uris())
def test_a_record_uri_is_a_whole_at_uri_of_a_did_that_is_not_too_long(uri: str) -> None:
    found = record_uri(uri)
    whole = AtUri.matches(uri) and uri.count("/") == 4 and Did.matches(uri.split("/")[2])
    assert (found is not None) is (whole and len(uri) <= MAX_RECORD_URI_BYTES)
    assert found is None or "at://" + "/".join(found) == uri


@given(text=near(AtUri))
def test_record_uri_is_total(text: str) -> None:
    found = record_uri(text)
    assert found is None or (AtUri.matches(text) and "at://" + "/".join(found) == text)


def test_a_record_uri_may_be_1200_bytes_and_no_more() -> None:
    start, end = "at://did:web:", "/com.example.post/self"
    most = start + "a" * (1200 - len(start) - len(end)) + end
    assert record_uri(most) == (most[5 : -len(end)], "com.example.post", "self")
    assert record_uri(most.replace("a/", "aa/")) is None


@pytest.mark.parametrize(
    "text",
    [
        "at://alice.example/com.example.post/self",
        "at://did:plc:abc/com.example.post",
        "at://did:plc:abc",
        "at://did:plc:abc/com.example.post/self/",
        "at://did:plc:abc/com.example.post/self\n",
        "at://did:plc:abc/com.example.post/self#a",
        "at://did:plc:abc/com.example.post/..",
        "at://did:plc:abc/com.example.post/é",
        "at://did:plc:abc:/com.example.post/self",
        f"at://did:plc:abc/{LONG_NSID}a/self",
        f"at://did:plc:abc/com.example.post/{'o' * 513}",
        "",
        "\ud800",
    ],
)
def test_a_record_uri_is_exactly_a_did_a_collection_and_a_key(text: str) -> None:
    assert record_uri(text) is None


TID_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"


def tid_text(number: int) -> str:
    return "".join(TID_DIGITS[number >> 5 * place & 31] for place in reversed(range(13)))


@given(one=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_tids_sort_as_text_as_their_numbers_do(one: int, other: int) -> None:
    assert (Tid(tid_text(one)) < Tid(tid_text(other))) is (one < other)


@given(number=st.integers(2**64, 2**65 - 1))
def test_a_tid_has_no_65th_bit(number: int) -> None:
    assert not Tid.matches(tid_text(number))


@st.composite
def datetimes(draw: st.DrawFn) -> tuple[str, int]:
    """A datetime as text, and its instant by plain arithmetic."""
    day = draw(st.dates())
    hour, minute, second = draw(st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)))
    fraction = draw(st.text("0123456789", max_size=20))
    ahead = draw(st.none() | st.integers(-1439, 1439))
    zone = "Z" if ahead is None else f"{'-' if ahead < 0 else '+'}{abs(ahead) // 60:02}:{abs(ahead) % 60:02}"
    text = f"{day.year:04}-{day:%m-%d}T{hour:02}:{minute:02}:{second:02}{'.' * bool(fraction)}{fraction}{zone}"
    minutes = (day - date(1970, 1, 1)).days * 1440 + hour * 60 + minute - (ahead or 0)
    return text, (minutes * 60 + second) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


@given(given_=datetimes())
@example(("1970-01-01T00:00:00Z", 0))
@example(("1969-12-31T23:59:59.9999999Z", -1))
@example(("1985-04-12T23:20:50.123+01:45", 482189750_123000))
@example(("0001-01-01T00:00:00+23:59", -62135683140_000000))
@example(("9999-12-31T23:59:59.999999-23:59", 253402387139_999999))
def test_a_datetime_is_the_instant_it_says(given_: tuple[str, int]) -> None:
    text, us = given_
    assert (Datetime(text).us, datetime_us(text), Datetime(text)) == (us, us, text)


@given(text=near(Datetime))
def test_datetime_us_is_none_for_whatever_is_no_datetime(text: str) -> None:
    assert (datetime_us(text) is None) is not is_made(Datetime, text)
