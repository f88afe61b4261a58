"""
How many characters a reader sees in a text: its extended grapheme clusters.

The tables are uniseg's, pinned, so that every installation counts alike; the segmentation is the regular
expression that UAX #29 gives, over one letter for each code point's class. uniseg's own segmentation looks back
from every code point, so a run of n combining marks costs n² steps (four thousand took twelve seconds); this one
passes once. The tests hold one against the other.

Source: https://www.unicode.org/reports/tr29/#Regex_Definitions
"""

import re
from functools import lru_cache
from itertools import islice
from typing import Final

from uniseg import unidata_version
from uniseg.derived import indic_conjunct_break
from uniseg.emoji import extended_pictographic
from uniseg.graphemecluster import grapheme_cluster_break

__all__ = ["UNICODE_VERSION", "exceeds", "grapheme_count"]

UNICODE_VERSION: Final[str] = unidata_version
"""Version of Unicode by which clusters are counted."""

_LETTERS: Final = {
    "CR": "r",
    "LF": "n",
    "Control": "c",
    "Extend": "e",
    "ZWJ": "z",
    "Regional_Indicator": "R",
    "Prepend": "p",
    "SpacingMark": "s",
    "L": "L",
    "V": "V",
    "T": "T",
    "LV": "A",
    "LVT": "B",
    "Other": "o",
}
"""The letter of each Grapheme_Cluster_Break class. Besides: l Indic linker, i Extend that ends an Indic conjunct,
K Indic consonant, X pictograph."""

_CLUSTER = re.compile(
    r"""
    rn | [rnc]
    | (?: p*+
          (?: L*+ (?: V++ | A V*+ | B ) T*+ | L++ | T++      # a Hangul syllable
            | R R                                            # a flag
            | X (?: [eil]*+ z X )*                           # pictographs joined
            | K (?: [ez]*+ l [ezl]*+ K )*                    # an Indic conjunct
            | [^rnc]
          )
        | p++
      )
      [eilzs]*+
    """,
    re.VERBOSE,
)


def grapheme_count(text: str) -> int:
    """
    Return the number of extended grapheme clusters in `text`, in time linear in its length.

    >>> grapheme_count("🇳🇱 tij"), grapheme_count("e\\u0301"), grapheme_count("\\r\\n")
    (5, 1, 1)
    """
    if text.isascii():
        return len(text) - text.count("\r\n")
    return sum(1 for _ in _CLUSTER.finditer(_classes(text)))


def exceeds(text: str, limit: int) -> bool:
    """Tell whether `text` has more than `limit` extended grapheme clusters; free if it is no longer than that."""
    if len(text) <= limit:
        return False
    if text.isascii():
        return len(text) - text.count("\r\n") > limit
    return next(islice(_CLUSTER.finditer(_classes(text)), limit, None), None) is not None


def _classes(text: str) -> str:
    return "".join(map(_letter, text))


@lru_cache(maxsize=8192)
def _letter(character: str) -> str:
    conjunct = indic_conjunct_break(character).value
    if conjunct == "Consonant":
        return "K"
    if conjunct == "Linker":
        return "l"
    if extended_pictographic(character):
        return "X"
    letter = _LETTERS[grapheme_cluster_break(character).value]
    return "i" if letter == "e" and conjunct == "None" else letter
