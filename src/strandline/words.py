"""
The words of a text, as every store indexes them; and what is sought, as every store understands it.

What a search finds must be the same everywhere, and databases cut text each in its own way: so it is cut here, and
stores see words between spaces, made of a-z, 0-9 and what is not ASCII. Case, width, ligatures and accents are
folded. Scripts that are written without spaces, and emoji, are words of one character; since a chunk of a query is
sought as it stands, its words side by side, they are found as they are written.

Words that stand side by side are looked for as text, ` the sea `: one rule, for phrases, prefixes and single words.

Source: https://www.unicode.org/reports/tr15/ (normalisation), https://www.unicode.org/reports/tr44/ (categories)
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from strandline.memo import remembered

__all__ = ["MAX_CHARACTERS", "MAX_QUERY", "WORDS", "Query", "query_of", "words_of"]

WORDS: Final = f"1/unicode-{unicodedata.unidata_version}"
"""Version of this file and of its Unicode: words that were cut under another are cut anew."""

MAX_CHARACTERS: Final = 100_000
"""So many characters of a text are cut into words; the rest is not found."""

MAX_QUERY: Final = 256
"""So many characters of a query are read."""

_MAX_WORD: Final = 64
_LONG: Final = re.compile(f"(?<=[^ ]{{{_MAX_WORD}}})[^ ]+")
"""What of a long word is cut off."""

_MAX_TERMS: Final = 16

_ACCENTS: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe00-\ufe2f]"
)
"""Marks that people leave out when they type: Latin and Greek accents, points of Hebrew and Arabic, variants."""

_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese: no spaces between words."""

_PICTURES: Final = re.compile("[\U0001f000-\U0001f3fa\U0001f400-\U0001faff]")
_CHUNK: Final = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


class _Letters(dict[int, str]):
    """For each code point what stands for it where text is cut; filled as they are met."""

    def __missing__(self, point: int) -> str:
        found = self[point] = _letter(chr(point))
        return found


def _letter(character: str) -> str:
    if _PICTURES.match(character):
        return f" {character} "
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return f" {character} " if _UNSPACED.match(character) else character
    if category == "So":
        return f" {character} "
    return "" if category == "Cf" else " "


_LETTERS: Final = _Letters()
_ASCII: Final = bytes(
    point + 32 if 65 <= point <= 90 else point if point > 127 or chr(point).isalnum() else 32 for point in range(256)
)
"""For each byte of UTF-8 what stands for it where text is cut: a-z and 0-9, and all that is not ASCII."""


def words_of(*texts: str | None) -> str:
    """
    Return the words of some texts, in their order: each between two spaces, the first after one; "" if there is none.

    >>> words_of("The Æther, 2nd café; 東京 👍🏽!", None)
    ' the æther 2nd cafe 東 京 👍 '
    """
    every = "\n".join([_plain(text[:MAX_CHARACTERS]) for text in texts if text])
    found = every.encode(errors="replace").translate(_ASCII).split()
    if not found:
        return ""
    whole = f" {b' '.join(found).decode()} "
    return whole if max(map(len, found)) <= _MAX_WORD else _LONG.sub("", whole)


def _plain(text: str) -> str:
    return text if text.isascii() else " ".join([it if it.isascii() else _foreign(it) for it in text.split(" ")])


@remembered
def _foreign(text: str) -> str:
    """Return a text that is not ASCII without case, width, ligatures and accents, its words parted by spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain))
    return unicodedata.normalize("NFKC", bare).casefold()[:MAX_CHARACTERS].translate(_LETTERS)


@frozen
class Query:
    """
    What is sought. Each is words with a space before and between them; with one behind too, the last is whole, else
    it may go on.

    Attributes:
        wanted: What must be there, each within one text; if there is none, nothing is found.
        unwanted: What must not be there.
    """

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()

    def finds(self, texts: Sequence[str]) -> bool:
        """Tell whether texts, cut into words, are what is sought."""
        wanted = bool(self.wanted) and all(_held(it, texts) for it in self.wanted)
        return wanted and not any(_held(it, texts) for it in self.unwanted)

    def heads(self, text: str) -> bool:
        """Tell whether one text, cut into words, holds all that is wanted."""
        return all(it in text for it in self.wanted)

    @property
    def terms(self) -> tuple[tuple[str, bool], ...]:
        """Each word that must be there, and whether it is whole: what an index of single words can be asked."""
        found = {}
        for it in self.wanted:
            *most, last = it.split()
            found.update(dict.fromkeys((word, True) for word in most))
            found[last, it.endswith(" ")] = None
        return tuple(found)


def _held(it: str, texts: Iterable[str]) -> bool:
    return any(it in text for text in texts)


def query_of(text: str, *, typing: bool = False) -> Query:
    """
    Return what a text, written by anybody, asks for. No text is an error.

    A word asks for itself, `wor*` for words that begin so, `"the sea"` for a phrase, `-word` for texts without it;
    what is joined by other signs, like `well-kept`, is a phrase. All else is no more than the space between words.

    Args:
        text: What was typed; of a longer one than MAX_QUERY only the beginning counts.
        typing: The last word may go on.

    >>> query_of('Tid* "the sea" -storm')
    Query(wanted=(' tid', ' the sea '), unwanted=(' storm ',))
    >>> query_of("NEAR(tides OR", typing=True).wanted
    (' near tides ', ' or')
    """
    text = text[:MAX_QUERY]
    wanted: dict[str, None] = {}
    unwanted: dict[str, None] = {}
    for found in _CHUNK.finditer(text):
        minus, quoted, plain = found.groups()
        words = words_of(quoted if plain is None else plain)
        if not words:
            continue
        goes_on = plain is not None and (plain.endswith("*") or (typing and found.end() == len(text) and not minus))
        (unwanted if minus else wanted)[words[:-1] if goes_on else words] = None
    return Query(tuple(wanted)[:_MAX_TERMS], tuple(unwanted)[:_MAX_TERMS])
