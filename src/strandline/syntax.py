"""
The protocol's identifiers: a text that was checked once is known to be right by its type.

Each type is a `str`, verbatim as it was given, that cannot be made from a text which breaks its rule; it compares,
hashes and prints as that text. A type is a line of a table: its rule in words, and its test. A test looks at the
length first and then at the whole string with one pattern of ASCII classes and possessive repeats, so that it never
raises, never takes a trailing newline or a foreign digit, and costs at most a few passes however hostile the text.

Only a class repeats possessively, never a group: before Python 3.11.5 a group's last, vain repeat may move the place
where the pattern goes on (https://github.com/python/cpython/issues/106052).

Source: https://atproto.com/specs/lexicon#string-formats
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Final, Self

from strandline.errors import InvalidSyntax

__all__ = [
    "MAX_RECORD_URI_BYTES",
    "AtIdentifier",
    "AtUri",
    "Cid",
    "Datetime",
    "Did",
    "Handle",
    "Identifier",
    "Language",
    "Nsid",
    "RecordKey",
    "Tid",
    "Uri",
    "datetime_us",
    "record_uri",
]

MAX_RECORD_URI_BYTES: Final = 1200
"""The longest at-uri of a record that `record_uri` takes."""

_Test = Callable[[str], bool]

_LABEL = "[a-zA-Z0-9][a-zA-Z0-9-]{0,62}+(?<!-)"
_LETTER_LABEL = "[a-zA-Z][a-zA-Z0-9-]{0,62}+(?<!-)"
_DID = "did:[a-z]++:[a-zA-Z0-9._:%-]++(?<![:%])"
_HANDLE = rf"(?:{_LABEL}\.)+{_LETTER_LABEL}"
_NSID = rf"{_LETTER_LABEL}\.(?:{_LABEL}\.)+[a-zA-Z][a-zA-Z0-9]{{0,62}}+"
_RECORD_KEY = r"(?!\.{1,2}\Z)[a-zA-Z0-9._:~-]{1,512}+"


def _part(pattern: str, most: int) -> str:
    """Return the pattern of a part of an at-uri that is at most so many characters long."""
    return f"(?![^/]{{{most + 1}}}){pattern}"


_AUTHORITY = f"{_part(_DID, 2048)}|{_part(_HANDLE, 253)}"
_AT_URI = f"at://(?:{_AUTHORITY})(?:/{_part(_NSID, 317)}(?:/{_RECORD_KEY})?)?"

_match_record_uri = re.compile(f"at://({_DID})/({_part(_NSID, 317)})/({_RECORD_KEY})").fullmatch

_match_datetime = re.compile(
    r"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T(?!24)[0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:\.[0-9]++)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9](?<!-00:00))"
).fullmatch

_match_language = re.compile(
    "en-GB-oed|sgn-BE-FR|sgn-BE-NL|sgn-CH-DE"
    "|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)"
    "|[xX](?:-[a-zA-Z0-9]{1,8}+)+"
    "|[a-z]{2,3}(?:-[a-zA-Z]{3}){0,3}(?:-[a-zA-Z]{4})?(?:-(?:[a-zA-Z]{2}|[0-9]{3}))?"
    "(?P<variants>(?:-(?:[a-zA-Z0-9]{5,8}|[0-9][a-zA-Z0-9]{3}))*)"
    "(?P<extensions>(?:-[0-9a-wyzA-WYZ](?:-[a-zA-Z0-9]{2,8})+)*)"
    "(?:-[xX](?:-[a-zA-Z0-9]{1,8})+)?"
).fullmatch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def datetime_us(text: str) -> int | None:
    """
    Return the instant of a datetime, microseconds since 1970, UTC; None if the text is not a valid datetime.

    The year is 0001 to 9999 where the text was written; the instant may lie up to a day outside, and before 1970 it is
    negative. Digits past the microsecond are cut, so an instant is never later than its text.

    >>> datetime_us("1970-01-01T01:00:00.0000019+01:00")
    1
    >>> datetime_us("2026-02-30T00:00:00Z") is None
    True
    """
    if _match_datetime(text) is None:
        return None
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


def record_uri(text: str) -> tuple[str, str, str] | None:
    """
    Return (did, collection, rkey) of a record's at-uri; None if the text is not exactly that.

    Exactly `at://did/collection/rkey`, each part valid, at most 1,200 bytes of ASCII. A handle is no authority here: it
    may change hands, and then two texts would name one record.

    >>> record_uri("at://did:web:a.example/com.example.post/1")
    ('did:web:a.example', 'com.example.post', '1')
    >>> record_uri("at://a.example/com.example.post/1") is None
    True
    """
    found = _match_record_uri(text) if len(text) <= MAX_RECORD_URI_BYTES else None
    return None if found is None else (found[1], found[2], found[3])


def _pattern(pattern: str, most: int) -> _Test:
    fullmatch = re.compile(pattern).fullmatch

    def matches(text: str) -> bool:
        return len(text) <= most and fullmatch(text) is not None

    return matches


def _is_datetime(text: str) -> bool:
    return datetime_us(text) is not None


def _is_language(text: str) -> bool:
    found = _match_language(text) if len(text) <= 128 else None
    if found is None:
        return False
    variants = (found["variants"] or "").lower().split("-")
    extensions = (found["extensions"] or "").lower().split("-")
    return _distinct(variants) and _distinct([subtag for subtag in extensions if len(subtag) == 1])


def _distinct(subtags: list[str]) -> bool:
    return len(set(subtags)) == len(subtags)


class Identifier(str):
    """
    A text that keeps a rule, verbatim.

    Raises:
        InvalidSyntax: The text breaks the rule; the error shows both, a long text by its beginning.
    """

    __slots__ = ()

    rule: ClassVar[str]
    """The rule, in words that end the sentence "a text is one iff it is"."""

    matches: ClassVar[_Test]
    """Whether the type can be made from the text; takes any `str`, never raises, linear in its length."""

    def __init_subclass__(cls, *, rule: str, test: _Test) -> None:
        super().__init_subclass__()
        cls.rule = rule
        cls.matches = staticmethod(test)

    def __new__(cls, text: str) -> Self:
        if not cls.matches(text):
            shown = repr(text) if len(text) <= 100 else f"{text[:100]!r}... of {len(text)} characters"
            raise InvalidSyntax(f"{shown} is no {cls.__name__}: it must be {cls.rule}")
        return super().__new__(cls, text)


class Did(
    Identifier,
    rule="did:method:id, the method of a-z, the id of a-zA-Z0-9._:%- not ending in : or %, at most 2,048 long",
    test=_pattern(_DID, 2048),
):
    """Who: the lasting name of an account. Case counts."""

    __slots__ = ()


class Handle(
    Identifier,
    rule="two or more labels of a-zA-Z0-9 and inner hyphens, 63 long at most, the last not begun by a digit, "
    "joined by dots, at most 253 long",
    test=_pattern(_HANDLE, 253),
):
    """A domain name that an account claims. Case does not count: compare `.lower()`. Kept as written."""

    __slots__ = ()


class AtIdentifier(Identifier, rule="a Did or a Handle", test=_pattern(_AUTHORITY, 2048)):
    """An account by either of its names."""

    __slots__ = ()


class Nsid(
    Identifier,
    rule="a domain name of two or more labels, reversed and not begun by a digit, a dot, and a name of a letter and "
    "up to 62 letters and digits, at most 317 long",
    test=_pattern(_NSID, 317),
):
    """What kind: the name of a lexicon, hence of a collection."""

    __slots__ = ()


class RecordKey(
    Identifier,
    rule="1 to 512 characters of a-zA-Z0-9._:~- and neither . nor ..",
    test=_pattern(_RECORD_KEY, 512),
):
    """A record's name in its collection."""

    __slots__ = ()


class Tid(
    Identifier,
    rule="13 characters of 2-7a-z, the first of 2-7a-j",
    test=_pattern("[2-7a-j][2-7a-z]{12}", 13),
):
    """A logical clock's tick. The order of the numbers is the order of the texts; it says nothing of the hour."""

    __slots__ = ()


class Cid(
    Identifier,
    rule="8 to 256 characters of a-zA-Z0-9+= not begun by Qm, which is the old version",
    test=_pattern("(?!Qm)[a-zA-Z0-9+=]{8,256}+", 256),
):
    """The hash that names content, in any base; its inside is not looked at."""

    __slots__ = ()


class Language(
    Identifier,
    rule="a well-formed BCP 47 tag, its language two or three letters of a-z, no variant or extension twice, "
    "at most 128 long",
    test=_is_language,
):
    """A language tag. No registry is asked; the irregular tags of old are known in their registered spelling."""

    __slots__ = ()


class Uri(
    Identifier,
    rule="a scheme, a colon and one or more visible ASCII characters, at most 8,192 long",
    test=_pattern("[a-zA-Z][a-zA-Z0-9+.-]{0,80}+:[!-~]++", 8192),
):
    """Any address; what follows the scheme is not looked at."""

    __slots__ = ()


class AtUri(
    Identifier,
    rule="at://authority, at://authority/collection or at://authority/collection/rkey, each part valid, "
    "at most 8,192 long",
    test=_pattern(_AT_URI, 8192),
):
    """
    The address of a repository, a collection or a record.

    >>> uri = AtUri("at://did:web:a.example/com.example.post")
    >>> uri.authority, uri.collection, uri.rkey
    ('did:web:a.example', 'com.example.post', None)
    """

    __slots__ = ()

    @property
    def authority(self) -> str:
        """The did or handle of the account."""
        return self.split("/")[2]

    @property
    def collection(self) -> str | None:
        """The collection's NSID; None if the address ends before it."""
        return next(iter(self.split("/")[3:]), None)

    @property
    def rkey(self) -> str | None:
        """The record's key; None if the address ends before it."""
        return next(iter(self.split("/")[4:]), None)


class Datetime(
    Identifier,
    rule="a real YYYY-MM-DDThh:mm:ss, a fraction if any, then Z or ±hh:mm, and no year 0000, second 60 or -00:00",
    test=_is_datetime,
):
    """
    An instant as someone wrote it.

    Texts of one instant differ and sort by their letters: compare `.us`.
    """

    __slots__ = ()

    @property
    def us(self) -> int:
        """The instant, microseconds since 1970, UTC; bounds as in `datetime_us`."""
        us = datetime_us(self)
        assert us is not None, "it was checked when it was made"
        return us
