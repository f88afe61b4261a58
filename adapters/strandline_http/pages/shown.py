"""
What templates ask of the JSON views: names, times, numbers, text in segments, and why something is covered.

Plain functions of the views; nothing here waits or escapes, the templates do.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from strandline.forum.richtext import Segment, Spoiler, excerpt, segments, web_link
from strandline.syntax import datetime_us

__all__ = ["FILTERS", "Instant"]

Json = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US: Final = 253_402_300_799_000_000
_EXCERPT: Final = 280
_WIDTH: Final = 640
_MANY_LINES: Final = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*){2,}")
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@frozen
class Instant:
    """A time as a machine reads it, and as a person does."""

    machine: str
    person: str


def instant(us: int) -> Instant:
    """Return an instant, microseconds since 1970, UTC, to the minute."""
    at = _EPOCH + timedelta(microseconds=min(max(us, 0), _LATEST_US))
    return Instant(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at.day} {at:%b %Y, %H:%M} UTC")


def written(view: Json) -> Instant:
    """Return when a post or comment was written: as it says, but no later than it was first seen."""
    seen = datetime_us(view["indexedAt"]) or 0
    told = datetime_us(view["createdAt"])
    return instant(seen if told is None else min(told, seen))


def day(text: str) -> Instant | None:
    """Return a datetime of a record; None if it is none."""
    us = datetime_us(text)
    return None if us is None else instant(us)


def pieces(text: str, facets: Any = (), most: int | None = None) -> list[tuple[Spoiler | None, list[Segment]]]:
    """Return a text, or its first so many letters, in segments, those under one cover together."""
    found = segments(text, facets)
    shown = found if most is None else _first(found, most)
    return [(cover, list(it)) for cover, it in groupby(shown, key=lambda it: it.spoiler)]


def _first(found: Iterable[Segment], most: int) -> Iterator[Segment]:
    """Yield the first letters; cut here, for a facet that leaves the text it is read with is ignored."""
    for it in found:
        if most <= 0:
            return
        yield evolve(it, text=it.text[:most])
        most -= len(it.text)


def calm(text: str) -> str:
    """Return a text with no more than one empty line between two."""
    return _MANY_LINES.sub("\n\n", text)


def beginning(text: str, facets: Any = ()) -> str:
    """Return the beginning of a text in one line, nothing of it that is covered."""
    return excerpt(segments(text, facets), _EXCERPT)


def plain(text: str) -> str:
    """
    Return a text without what turns the direction of others or has no look; for where it cannot be isolated.

    Markup stays markup: what is taken from it is no part of any, and what is left is not escaped again.
    """
    return type(text)(_UNSEEN.sub("", text))


def named(account: Json) -> str:
    """
    Return what an account or a community is called: its name, its handle, or the beginning of its did.

    >>> named({"did": "did:plc:44ybard66vv44zksje25o7dz"}), named({"did": "did:web:tides.example", "name": "tides"})
    ('did:plc:44ybar…', 'tides')
    """
    told = account.get("displayName") or account.get("name") or ""
    if told.strip():
        return str(told)
    handle = handled(account)
    return f"{handle[:14]}…" if handle.startswith("did:plc:") else handle


def handled(account: Json) -> str:
    """Return how an account is addressed: by its handle, or its did if it has none."""
    handle = account.get("displayHandle") or account.get("handle")
    if handle in (None, "handle.invalid"):
        return str(account["did"])
    return handle if handle.startswith("!") else f"@{handle}"


def titled(post: Json) -> str:
    """Return what a post is called: its title, or its first words."""
    record = post["record"]
    title = " ".join(record.get("title", "").split())
    return title or excerpt(segments(record.get("content", ""), record.get("facets")), 80) or "A post without words"


def covered(post: Json, warnings: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """
    Return why a post or comment is covered, in words; nothing if it is not.

    Args:
        post: The view.
        warnings: What communities warn of, by did; None where it is told already what the one it is in warns of.
    """
    where = _community(post)
    labels = post.get("record", {}).get("labels")
    values = labels.get("values", ()) if isinstance(labels, Mapping) else ()
    own = [str(it["val"]) for it in values if isinstance(it, Mapping) and it.get("val")]
    return list(dict.fromkeys([*own, *((warnings or {}).get(where, ()))]))


def _community(post: Json) -> str:
    """Return the did of the community that a post, or the post a comment is under, is in."""
    return str(post["community"]["did"] if "community" in post else post["post"]["uri"].split("/")[2])


def host(uri: str) -> str:
    """Return the host of an address."""
    return urlsplit(uri).hostname or ""


def tongue(record: Json) -> str | None:
    """Return the language a record is written in, if it names one."""
    told: Sequence[str] = record.get("langs") or []
    return str(told[0]) if len(told) == 1 else None  # of several, nothing says which part is in which


def height(picture: Json) -> int | None:
    """Return how high a picture of the width shown is, so that nothing moves when it comes; None if it does not say."""
    shape = picture.get("aspectRatio")
    if not shape:
        return None
    return int(min(max(_WIDTH * shape["height"] // shape["width"], 40), 2 * _WIDTH))


def number(count: int) -> str:
    """
    Return a number as people read it.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{count:,}"


def counted(count: int, one: str, many: str) -> str:
    """
    Return a number of things.

    >>> counted(1, "post", "posts")
    '1 post'
    """
    return f"{count:,} {one if count == 1 else many}"


def lasting(us: float) -> str:
    """
    Return a stretch of time as people say it.

    >>> lasting(4_200_000), lasting(150_000_000), lasting(200_000_000_000)
    ('4.2 s', '2 min 30 s', '2 d 7 h')
    """
    seconds = us / 1e6
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for size, small, one, two in ((86_400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= size:
            return f"{whole // size:,} {one} {whole % size // small} {two}"
    return f"{whole} s"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "beginning": beginning,
    "calm": calm,
    "counted": counted,
    "covered": covered,
    "day": day,
    "handled": handled,
    "height": height,
    "host": host,
    "instant": instant,
    "lasting": lasting,
    "named": named,
    "number": number,
    "pieces": pieces,
    "plain": plain,
    "titled": titled,
    "tongue": tongue,
    "web_link": web_link,
    "written": written,
}
"""What templates may ask."""
