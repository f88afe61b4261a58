"""
Rich text: a text and its facets, cut into segments that can be shown one after the other.

Facets are written by strangers, and their offsets count bytes. A stretch that is empty, ends before it begins, leaves
the text, or splits a character is ignored. Where stretches overlap, what is bold in either is bold; a link that would
overlap an earlier one is ignored, since half of its words would lead elsewhere; and what any spoiler covers is
covered, since to ignore one would show what it hides. Of many facets not all are read: what the rest may cover is
covered.

Source: https://atproto.com/blog/create-post#mentions-and-links
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

__all__ = ["MOST_FACETS", "MOST_FEATURES", "Segment", "Spoiler", "enclosed", "excerpt", "segments", "web_link"]

MOST_FACETS: Final = 1000
"""Of more facets those after the first so many are not read: a record has room for ten thousand, a reader has not."""

MOST_FEATURES: Final = 8
"""Of more features of one facet those after the first so many are not read: there are seven kinds."""

_FACET: Final = "social.coves.richtext.facet#"
_MARKS: Final = ("bold", "italic", "strikethrough")
_COVERED: Final = "[…]"
_CONTROL: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PARAGRAPH: Final = re.compile("([\n\r\x1c-\x1e\x85\u2029])")
_EMBEDDINGS: Final = "\u202a\u202b\u202d\u202e"
_ISOLATES: Final = "\u2066\u2067\u2068"
_POP_EMBEDDING: Final = "\u202c"
_POP_ISOLATE: Final = "\u2069"


@frozen
class Spoiler:
    """
    A stretch that is covered until asked for.

    Attributes:
        start: Byte of the text at which it begins: no two of one text begin at the same.
        reason: What its author says it would give away; "" for nothing.
    """

    start: int
    reason: str


@frozen(kw_only=True)
class Segment:
    """
    A piece of a text that is shown in one way.

    Attributes:
        text: Its letters, never none.
        link: Where it leads: an http or https address; None if it leads nowhere.
        mention: Did of the account it names; None if it names none, or is a link.
        bold: Whether it is bold.
        italic: Whether it is italic.
        strikethrough: Whether it is struck through.
        spoiler: What covers it, the same for all segments under one cover; None for nothing.
    """

    text: str
    link: str | None = None
    mention: str | None = None
    bold: bool = False
    italic: bool = False
    strikethrough: bool = False
    spoiler: Spoiler | None = None


@frozen
class _Stretch:
    """Bytes `start` to `end` of a text, and what they mean."""

    start: int
    end: int
    meaning: Any = None


def segments(text: str, facets: Any = ()) -> list[Segment]:
    """
    Return a text cut into segments; their texts put together are the text.

    Args:
        text: The text.
        facets: Its facets, as they stand in the record; what is no facet is ignored.

    >>> bold = {"index": {"byteStart": 0, "byteEnd": 3}, "features": [{"$type": "social.coves.richtext.facet#bold"}]}
    >>> [(it.text, it.bold) for it in segments("low water", [bold])]
    [('low', True), (' water', False)]
    """
    data = text.encode("utf-8", "surrogatepass")
    found = list(_features(data, facets))
    anchors = _apart(it for kind, it in found if kind in ("link", "mention"))
    covers = _covers([it for kind, it in found if kind == "spoiler"])
    marks = {mark: _joined(it for kind, it in found if kind == mark) for mark in _MARKS}
    layers = [anchors, covers, *marks.values()]
    edges = {0, len(data), *(edge for layer in layers for it in layer for edge in (it.start, it.end))}
    walks = [_Walk(layer) for layer in layers]
    cuts = sorted(edges)
    return [
        _segment(data[start:end].decode("utf-8", "surrogatepass"), *(walk.at(start) for walk in walks))
        for start, end in pairwise(cuts)
    ]


def excerpt(pieces: Iterable[Segment], most: int) -> str:
    """
    Return the beginning of a text in one line, without what is covered: at most so many letters and a `…`.

    >>> excerpt(segments("low\\n\\nwater at nine"), 9)
    'low water…'
    """
    told: list[str] = []
    for piece in pieces:
        if piece.spoiler is None:
            told.append(piece.text)
        elif not told or told[-1] != _COVERED:
            told.append(_COVERED)
    line = " ".join("".join(told).split())
    return line if len(line) <= most else f"{line[:most].rstrip()}…"


def enclosed(text: str) -> str:
    """
    Return a text that ends every change of direction it begins, and none that it did not begin.

    Without it, no element isolates a text: an isolate that is left open in a name takes the end of the element for its
    own, and turns round what stands after it.

    Source: https://www.unicode.org/reports/tr9/#Explicit_Directional_Isolates

    >>> enclosed("gpj\u202eexe\u2066") == "gpj\u202eexe\u2066\u2069\u202c"
    True
    >>> enclosed("a\u2069b")
    'ab'
    """
    if not _CONTROL.search(text):
        return text
    return "".join(map(_enclosed_line, _PARAGRAPH.split(text)))


def _enclosed_line(line: str) -> str:
    kept: list[str] = []
    begun: list[str] = []
    for letter in line:
        if letter in _ISOLATES:
            begun.append(_POP_ISOLATE)
        elif letter in _EMBEDDINGS:
            begun.append(_POP_EMBEDDING)
        elif letter == _POP_EMBEDDING:
            if not begun or begun[-1] != letter:
                continue
            begun.pop()
        elif letter == _POP_ISOLATE:
            if letter not in begun:
                continue
            while begun.pop() != letter:
                pass  # what began within an isolate ends with it
        kept.append(letter)
    return "".join([*kept, *reversed(begun)])


def web_link(uri: object) -> str | None:
    """
    Return an address that may be linked to, http or https and of a host; None for any other.

    One that names a user is none: it reads as if it led to the host that is named there.

    >>> web_link("https://tides.example/today")
    'https://tides.example/today'
    >>> web_link("javascript:alert(1)"), web_link("https://bank.example@evil.example/")
    (None, None)
    """
    if not isinstance(uri, str) or not uri.isprintable() or " " in uri or "\\" in uri:
        return None
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return None
    return uri if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def _features(data: bytes, facets: Any) -> Iterator[tuple[str, _Stretch]]:
    """Yield what stretches of a text mean, by kind, in the order written; what is not read as spoilers, last."""
    written = _listed(facets)
    unread = [(0, len(data))] if len(written) > MOST_FACETS else []
    for facet in written[:MOST_FACETS]:
        stretch = _stretch(data, facet)
        if stretch is None:
            continue
        features = _listed(facet.get("features"))
        unread += [stretch] if len(features) > MOST_FEATURES else []
        for feature in features[:MOST_FEATURES]:
            kind = _kind(feature)
            meaning = None if kind is None else _MEANINGS[kind](feature)
            if kind and meaning is not None:
                yield kind, _Stretch(*stretch, (kind, meaning))
    yield from (("spoiler", _Stretch(start, end, ("spoiler", ""))) for start, end in unread)


def _listed(told: Any) -> Sequence[Any]:
    return told if isinstance(told, Sequence) and not isinstance(told, str) else ()


def _kind(feature: Any) -> str | None:
    name = feature.get("$type") if isinstance(feature, Mapping) else None
    kind = name.removeprefix(_FACET) if isinstance(name, str) and name.startswith(_FACET) else None
    return kind if kind in _MEANINGS else None


def _text(feature: Mapping[str, Any], name: str) -> str | None:
    told = feature.get(name)
    return told if isinstance(told, str) else None


_MEANINGS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "link": lambda it: web_link(it.get("uri")),
    "mention": lambda it: _text(it, "did"),
    "spoiler": lambda it: _text(it, "reason") or "",
    **{mark: lambda it: True for mark in _MARKS},
}


def _stretch(data: bytes, facet: Any) -> tuple[int, int] | None:
    """Return the bytes a facet is about; None if they are no stretch of whole characters of the text."""
    index = facet.get("index") if isinstance(facet, Mapping) else None
    if not isinstance(index, Mapping):
        return None
    start, end = index.get("byteStart"), index.get("byteEnd")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(data):
        return None
    return None if _splits(data, start) or _splits(data, end) else (start, end)


def _splits(data: bytes, at: int) -> bool:
    """Whether a cut there goes through a character: what follows it is not the first byte of one."""
    return at < len(data) and data[at] & 0xC0 == 0x80


def _apart(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    """Return those that overlap no earlier one, in order; of two that begin at one byte the first written is kept."""
    kept: list[_Stretch] = []
    for it in sorted(stretches, key=lambda it: it.start):
        if not kept or it.start >= kept[-1].end:
            kept.append(it)
    return kept


def _joined(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    """Return all, those that overlap as one, in order, with the meaning of the first."""
    joined: list[_Stretch] = []
    for it in sorted(stretches, key=lambda it: it.start):
        if joined and it.start < joined[-1].end:
            joined[-1] = _Stretch(joined[-1].start, max(joined[-1].end, it.end), joined[-1].meaning)
        else:
            joined.append(it)
    return joined


def _covers(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    return [_Stretch(it.start, it.end, Spoiler(it.start, it.meaning[1])) for it in _joined(stretches)]


class _Walk:
    """Goes along stretches that do not overlap, asked for places that grow."""

    def __init__(self, stretches: Sequence[_Stretch]) -> None:
        self._stretches, self._next = stretches, 0

    def at(self, place: int) -> Any:
        """Return the meaning of the stretch around a place; None if there is none."""
        while self._next < len(self._stretches) and self._stretches[self._next].end <= place:
            self._next += 1
        if self._next == len(self._stretches) or place < self._stretches[self._next].start:
            return None
        return self._stretches[self._next].meaning


def _segment(text: str, anchor: Any, cover: Any, *marks: Any) -> Segment:
    kind, value = anchor or (None, None)
    return Segment(
        text=text,
        link=value if kind == "link" else None,
        mention=value if kind == "mention" else None,
        **dict(zip(_MARKS, map(bool, marks), strict=True)),
        spoiler=cover,
    )
