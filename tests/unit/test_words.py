"""How text is cut into words, and what a query asks for: the same on every machine, whatever is typed."""

import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.words import MAX_CHARACTERS, MAX_QUERY, Query, query_of, words_of

CUT: Final = {
    "Low water at SIX.": "low water at six",
    "café cafe\u0301 CAFÉ": "cafe cafe cafe",
    "Straße İstanbul ΣΊΣΥΦΟΣ": "strasse istanbul σισυφοσ",
    "ｆｕｌｌ ﬁsh x²": "full fish x2",
    "東京都 カ\u3099": "東 京 都 ガ",
    "한국어 검색": "한국어 검색",
    "ภาษา": "ภ า ษ า",
    "हिन्दी": "हिन्दी",
    "שָׁלוֹם مَرْحَبًا": "שלום مرحبا",
    "don't well-kept a_b C++": "don t well kept a b c",
    "#tides @ann.example": "tides ann example",
    "go👍🏽go 👩\u200d🔧 ♥\ufe0f 🇳🇱": "go 👍 go 👩 🔧 ♥ 🇳 🇱",
    "co\u00adop\u200b zero": "coop zero",
    "a\0b\x1fc\u202ed": "a b cd",
    "\ud800x": "x",
    "\u3000全角　space": "全 角 space",
    "x" * 80 + " y": "x" * 64 + " y",
    "": "",
    " \n-…!": "",
}

QUERIES: Final = {
    "": Query(()),
    "tides": Query((" tides ",)),
    "Tides, tides!": Query((" tides ",)),
    "tid*": Query((" tid",)),
    '"The Sea"': Query((" the sea ",)),
    '"the sea': Query((" the sea ",)),
    "well-kept": Query((" well kept ",)),
    "東京": Query((" 東 京 ",)),
    "-storm": Query((), (" storm ",)),
    'sea -"blue whale" -kril*': Query((" sea ",), (" blue whale ", " kril")),
    "sea OR NEAR(tide": Query((" sea ", " or ", " near tide ")),
    "title: ^sea + {x}": Query((" title ", " sea ", " x ")),
    '*"-"*-': Query(()),
}


@pytest.mark.parametrize("text", CUT)
def test_text_is_cut_so(text: str) -> None:
    assert words_of(text).strip() == CUT[text]


@pytest.mark.parametrize("text", QUERIES)
def test_a_text_asks_for_this(text: str) -> None:
    assert query_of(text) == QUERIES[text]


def test_who_types_has_not_ended_the_last_word() -> None:
    assert query_of("the se", typing=True) == Query((" the ", " se"))
    assert query_of("the sea ", typing=True) == Query((" the ", " sea "))
    assert query_of('the "sea"', typing=True) == Query((" the ", " sea "))
    assert query_of("the -sea", typing=True) == Query((" the ",), (" sea ",))


@given(st.text(max_size=40))
def test_words_are_of_letters_that_no_store_cuts_at(text: str) -> None:
    words = words_of(text)
    assert words == "" or (words[0], words[-1]) == (" ", " ")
    assert "  " not in words
    assert all(it in " abcdefghijklmnopqrstuvwxyz0123456789" or not it.isascii() for it in words)
    assert not any(it.isspace() for it in words.replace(" ", ""))


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_is_written_is_found_as_it_is_written(text: str, other: str) -> None:
    quoted = query_of(f'"{text.replace(chr(34), " ")}"')
    assert quoted.finds([words_of(f"{other}\n{text}\n{other}")]) == bool(words_of(text))


@given(st.text(max_size=40))
def test_forms_of_one_text_are_the_same_words(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert words_of(unicodedata.normalize(form, text)) == words_of(text)


@given(st.text())
def test_any_text_is_a_query_of_few_terms(text: str) -> None:
    query = query_of(text * 20)
    assert len(query.wanted) <= 16
    assert len(query.unwanted) <= 16
    for it in (*query.wanted, *query.unwanted):
        assert it.startswith(" ")
        assert it.split()


def test_of_a_long_text_the_beginning_counts() -> None:
    assert len(words_of("x " * MAX_CHARACTERS)) == MAX_CHARACTERS + 1
    assert len(words_of("\ufdfa" * MAX_CHARACTERS)) <= 3 * MAX_CHARACTERS
    assert query_of(" " * MAX_QUERY + "sea") == Query(())


def test_a_query_tells_what_it_finds() -> None:
    texts = [words_of("The tides"), words_of("of the deep sea")]
    for text in ("tides sea", "tid* dee*", '"the deep" -storm', "THE"):
        assert query_of(text).finds(texts), text
    for text in ("tide", "tides of", '"tides of"', "-storm", "sea -tides", "sea -tid*", '"deep the"'):
        assert query_of(text).finds(texts) == (text == "tides of"), text
    assert query_of("the tid*").heads(texts[0])
    assert not query_of("the sea").heads(texts[0])
