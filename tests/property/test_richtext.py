"""
Rich text: whatever its facets say, the text is shown whole and once, and leads nowhere but to http and https.
"""

import os
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.forum.richtext import MOST_FACETS, MOST_FEATURES, Segment, enclosed, excerpt, segments, web_link

EXAMPLES: Final = 20_000 if "STRANDLINE_FULL" in os.environ else 500
FACET: Final = "social.coves.richtext.facet#"
MARKS: Final = ("bold", "italic", "strikethrough")
WEB: Final = "https://tides.example/"

texts = st.text(st.sampled_from("ab é漢🌊\n\u202e"), max_size=12) | st.text(max_size=20)
uris = st.sampled_from(
    [WEB, "http://a.example", "javascript:alert(1)", "data:x", "//a.example", "HTTPS://A.example", ""]
)
features = st.one_of(
    st.builds(lambda uri: {"$type": f"{FACET}link", "uri": uri}, uris | st.text(max_size=9)),
    st.builds(lambda kind: {"$type": f"{FACET}{kind}"}, st.sampled_from([*MARKS, "spoiler", "blink"])),
    st.just({"$type": f"{FACET}mention", "did": "did:plc:44ybard66vv44zksje25o7dz"}),
)
junk = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
anything = st.recursive(
    junk,
    lambda it: (
        st.lists(it, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "features", "$type", "byteStart", "uri"]), it)
    ),
)
facets = st.lists(
    st.builds(
        lambda start, end, told: {"index": {"byteStart": start, "byteEnd": end}, "features": told},
        st.integers(-2, 40),
        st.integers(-2, 40),
        st.lists(features | anything, max_size=3),
    )
    | anything,
    max_size=8,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=texts, told=facets | anything)
def test_the_segments_put_together_are_the_text(text: str, told: Any) -> None:
    found = segments(text, told)
    assert "".join(it.text for it in found) == text
    assert all(it.text for it in found)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=texts, told=facets)
def test_no_segment_leads_anywhere_but_to_the_web(text: str, told: Any) -> None:
    for it in segments(text, told):
        assert it.link is None or urlsplit(it.link).scheme in ("http", "https")
        assert it.link is None or it.mention is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=texts, told=facets)
def test_a_letter_is_shown_as_the_plain_reading_of_its_facets_says(text: str, told: Any) -> None:
    """The oracle asks of each letter which whole stretches hold it."""
    shown = [piece for piece in segments(text, told) for _ in piece.text]
    place = 0
    for letter, piece in zip(text, shown, strict=True):
        kinds = {kind for start, end, kind in stretches(text, told) if start <= place < end}
        assert {mark for mark in MARKS if getattr(piece, mark)} == kinds & set(MARKS)
        assert (piece.spoiler is not None) == ("spoiler" in kinds)
        assert piece.link is None or "link" in kinds
        place += len(letter.encode())


def stretches(text: str, told: Sequence[Any]) -> list[tuple[int, int, str]]:
    cuts = {len(text[:at].encode()) for at in range(len(text) + 1)}
    found = []
    for facet in told:
        index = facet.get("index") if isinstance(facet, dict) else None
        start, end = (index.get("byteStart"), index.get("byteEnd")) if isinstance(index, dict) else (None, None)
        if type(start) is not int or type(end) is not int or not {start, end} <= cuts or start >= end:
            continue
        listed = facet.get("features")
        for feature in listed if isinstance(listed, list) else []:
            name = feature.get("$type") if isinstance(feature, dict) else None
            if isinstance(name, str) and name.startswith(FACET):
                found.append((start, end, name.removeprefix(FACET)))
    return found


def facet(start: int, end: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"index": {"byteStart": start, "byteEnd": end}, "features": [{"$type": f"{FACET}{kind}", **more}]}


def shown(text: str, *told: Any) -> list[Segment]:
    return segments(text, told)


def test_a_stretch_that_splits_a_character_is_ignored() -> None:
    for start, end in ((0, 1), (1, 2), (0, 5), (2, 2), (3, 1), (-1, 2)):
        assert shown("éa", facet(start, end, "bold")) == [Segment(text="éa")]
    assert [it.bold for it in shown("éa", facet(0, 2, "bold"))] == [True, False]


def test_no_record_makes_a_text_of_more_pieces_than_can_be_shown() -> None:
    many = [facet(at, at + 1, "bold") for at in range(0, 20_000, 2)]
    assert len(shown("a" * 20_000, *many)) <= 2 * MOST_FACETS + 1


@pytest.mark.parametrize("before", [0, MOST_FACETS - 1, MOST_FACETS, 3 * MOST_FACETS])
def test_no_spoiler_is_lost_behind_many_facets(before: int) -> None:
    many = [facet(at % 99, at % 99 + 1, "bold") for at in range(before)]
    for piece in shown("a" * 99 + "the gardener", *many, facet(103, 111, "spoiler")):
        assert piece.spoiler or "gardener" not in piece.text
    assert [it.spoiler for it in shown("a" * 99, *many[:MOST_FACETS]) if it.spoiler] == []


@pytest.mark.parametrize("before", [0, MOST_FEATURES - 1, MOST_FEATURES, 90])
def test_no_spoiler_is_lost_behind_many_features_of_its_facet(before: int) -> None:
    [bold], [spoiler] = (facet(4, 12, kind)["features"] for kind in ("bold", "spoiler"))
    told = {**facet(4, 12, ""), "features": [*[bold] * before, spoiler]}
    assert excerpt(shown("the gardener did it", told), 99) == "the […] did it"
    told["features"] = [bold] * min(before, MOST_FEATURES)
    assert excerpt(shown("the gardener did it", told), 99) == "the gardener did it"


def test_of_many_features_of_a_facet_the_first_alone_are_looked_at() -> None:
    looked: list[str] = []

    class Watched(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            looked.append(name)
            return super().get(name, default)

    shown("abc", {**facet(0, 3, ""), "features": [Watched({"$type": f"{FACET}bold"}) for _ in range(1000)]})
    assert 0 < len(looked) <= 2 * MOST_FEATURES


def test_of_two_links_that_overlap_the_first_is_kept_whole() -> None:
    first, second = facet(0, 4, "link", uri=WEB), facet(2, 6, "link", uri="https://evil.example")
    for told in ((first, second), (second, first)):
        assert [(it.text, it.link) for it in shown("abcdef", *told)] == [("abcd", WEB), ("ef", None)]


def test_spoilers_that_overlap_are_one_cover() -> None:
    [before, *covered, after] = shown(
        "abcdef", facet(1, 3, "spoiler", reason="x"), facet(2, 5, "spoiler"), facet(2, 4, "bold")
    )
    assert (before.text, after.text) == ("a", "f")
    assert len({it.spoiler for it in covered}) == 1
    assert "".join(it.text for it in covered) == "bcde"


def test_an_excerpt_gives_nothing_of_a_spoiler_away() -> None:
    assert excerpt(shown("the gardener did it", facet(4, 12, "spoiler"), facet(4, 6, "bold")), 99) == "the […] did it"


CONTROLS: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(st.sampled_from(f"{CONTROLS}ab\n\u2029"), max_size=12))
def test_an_enclosed_text_turns_no_direction_but_its_own(text: str) -> None:
    """As an isolate of each kind has it: what is within ends within."""
    found = enclosed(text)
    assert re.sub(f"[{CONTROLS}]", "", found) == re.sub(f"[{CONTROLS}]", "", text)
    assert enclosed(found) == found
    for line in re.split("[\n\u2029]", found):
        assert closes(re.sub(f"[^{CONTROLS}]", "", line))


def closes(rest: str) -> bool:
    """What an isolate ends besides itself: embeddings that were left open within it."""
    while (
        fewer := re.sub(
            "[\u2066\u2067\u2068][\u202a\u202b\u202d\u202e]*\u2069|[\u202a\u202b\u202d\u202e]\u202c", "", rest
        )
    ) != rest:
        rest = fewer
    return rest == ""


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " https://a.example",
        "https://a.example/\n",
        "java\tscript:alert(1)",
        "https:/a.example",
        "https:a.example",
        "https://",
        "https://a.example@b.example/",
        "https://a.example\\@b.example/",
        "https://a.example/\u202egpj",
        "https://[::1",
        "ftp://a.example",
        "/local",
        "//a.example",
        "",
        None,
        7,
    ],
)
def test_what_is_no_plain_address_of_the_web_is_no_link(uri: Any) -> None:
    assert web_link(uri) is None
