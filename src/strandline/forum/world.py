"""
A forum network that never was: Jetstream logs of any size from a seed, for tests, demos and benchmarks.

A simulation walks forward in time. At each step the MIX says which act comes next; the act writes records into the
right repositories, as a client of that person, community or aggregator would. Popularity is skewed: few communities
hold most posts, few people do most of the talking, and most votes and replies go to what is new or hot. Three stages
then turn what happened into what a reader of the stream sees: some of it arrives late, all of it is printed with the
time it was seen, and some lines come again.

The same arguments give the same bytes on every platform and version: chance is `Random.random` and `getrandbits` of
an integer seed, arithmetic is integers and single IEEE operations, and nothing iterates over a set. Memory is bounded
by the numbers of people and communities, not by the length of the log.

Identifiers look real and are syntactically valid, but a CID is random: it names one version and matches no content.

Source: https://github.com/bluesky-social/jetstream for the wires; the `social.coves.*` lexicons for the records
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from random import Random
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from attrs import Factory, define

from strandline.forum.records import (
    ACTOR_PROFILE,
    AUTHORIZATION,
    BLOCK,
    COMMENT,
    COMMUNITY_PROFILE,
    POST,
    SERVICE,
    SUBSCRIPTION,
    VOTE,
)

__all__ = ["MIX", "START_US", "Wire", "world"]

T = TypeVar("T")

Wire = Literal["v1", "v2", "mixed"]

DAY_US: Final = 86_400_000_000

START_US: Final = 1_780_272_000_000_000
"""Where a log begins unless told otherwise: 2026-06-01T00:00:00Z."""

SPAN_US: Final = 30 * DAY_US
"""How long a log lasts, however many events it has."""

MIX: Final = {
    "vote": 5900,
    "comment": 2110,
    "post": 620,
    "subscribe": 380,
    "unsubscribe": 40,
    "profile": 160,
    "community": 20,
    "edit": 140,
    "remove": 90,
    "flip": 90,
    "block": 25,
    "unblock": 5,
    "aggregate": 30,
    "identity": 120,
    "account": 80,
    "elsewhere": 100,
}
"""How often each act is drawn, in parts of roughly 10,000; `restate` (v2 only) and `spoil` are added on demand."""

RESTATE_WEIGHT: Final = 3
LAG_US: Final = 180_000
MIN_STEP_US: Final = 2_048
FIRST_US: Final = 10**15
LAST_US: Final = 2**52
RELAY_SEQ: Final = 31_000_000_000
MAX_PEOPLE: Final = 250_000
HOT_SLOTS: Final = 64
HOT_SHARE: Final = 0.4
POOL_SIZE: Final = 512
TAIL_SIZE: Final = 16
PARAGRAPHS: Final = 200

FACET: Final = "social.coves.richtext.facet"
V2: Final = "network.bsky.jetstream.subscribeEvents"

HOST: Final = "strand.test"
HOST_DID: Final = "did:web:strand.test"

TOPICS: Final = {
    "gardening": ("tomato seedlings", "compost", "raised beds", "a wild hedge"),
    "bread": ("sourdough", "rye loaves", "slow dough", "an old oven"),
    "cycling": ("winter tyres", "long rides", "cargo bikes", "dynamo lights"),
    "tides": ("tide tables", "mud flats", "spring tides", "a home-made gauge"),
    "birds": ("nest boxes", "swifts", "owl pellets", "night calls"),
    "chess": ("rook endings", "blindfold games", "opening theory", "slow chess"),
    "maps": ("contour lines", "paper maps", "sea charts", "GPS traces"),
    "selfhosting": ("backups", "a small server", "mail", "reverse proxies"),
    "tea": ("oolong", "clay pots", "cold brewing", "smoked teas"),
    "trains": ("night trains", "timetables", "narrow gauge", "rail passes"),
    "astronomy": ("double stars", "cheap telescopes", "dark skies", "comets"),
    "knitting": ("sock heels", "wool from small farms", "cables", "mending"),
    "films": ("silent films", "subtitles", "short films", "old projectors"),
    "sailing": ("reefing early", "knots", "dinghies", "harbour etiquette"),
    "languages": ("minimal pairs", "flash cards", "dialects", "false friends"),
    "climbing": ("finger strength", "trad gear", "rest days", "sea cliffs"),
}

SENTENCES: Final = (
    "Has anyone here had luck with {}?",
    "After three years with {} I would do it all again.",
    "A short guide to {} for people who have never tried.",
    'The "expert" advice about {} turned out to be wrong, at least where I live.',
    "Where do you buy what you need for {} these days?",
    "My notes on {} from last weekend, mistakes included.",
    "I keep hearing that {} is not worth the trouble, and I don't agree.",
    "What nobody told me about {}: it takes twice as long as you think 😅",
    "We talked about {} at the meeting and could not settle it.",
    "Photos of {}, taken on a rainy afternoon ☔",
    "There is a good chapter on {} in the library's copy, near the end.",
    "If you only change one thing about {}, measure first.",
    "Question for the old hands: how did you start with {}?",
    "The café on the corner now runs an evening on {} 🎉",
)

REMARKS: Final = (
    "Agreed.",
    "This is the answer.",
    "Thank you, that saved me an evening.",
    "Do you have a source for that?",
    "I tried the same and it did not work for me.",
    "😂😂",
    "Can confirm.",
    "Good question!\n\nLet me look it up and come back to you.",
    "You are both right, I think.",
    "No. Please don't.",
    "Following 👀",
    "That is not what the post says.",
    "Came here to write exactly this.",
    "Naïve question: why?",
)

TONGUES: Final = {
    "de": ("Das habe ich auch schon probiert, leider ohne Erfolg.", "Schöne Grüße aus Köln!", "Wer hätte das gedacht?"),
    "fr": ("Ça marche très bien chez moi.", "Merci pour le conseil, à bientôt !", "Je n'y avais pas pensé."),
    "es": ("¿Alguien sabe cómo se hace?", "Muchas gracias por la explicación.", "Mañana lo vuelvo a intentar."),
    "pt": ("Alguém já experimentou?", "Isso não é bem assim.", "Obrigado, ajudou muito!"),
    "ja": ("ありがとうございます。", "これは知りませんでした。", "写真がきれいですね 📷"),
    "uk": ("Дякую, дуже корисно.", "А де це купити?", "Спробую завтра."),
    "ar": ("شكرا جزيلا على الشرح.", "هل جرب أحد هذا؟"),
}

NAMES: Final = (
    "ada",
    "bram",
    "chidi",
    "dara",
    "emil",
    "femke",
    "goran",
    "hana",
    "ines",
    "jonas",
    "kaja",
    "linh",
    "mira",
)
SIGNS: Final = ("", " 🌊", " 🌱", " (she/her)", " 🚲", " – on holiday", " 👩‍🔧", " & co")
SITES: Final = ("example.org", "news.example.com", "blog.example.net", "weather.example", "archive.example.org")
STATUSES: Final = ("deactivated", "suspended", "takendown", "deleted")

SPOILS: Final = (
    ("vote", '"direction":"', '"direction":"side'),
    ("vote", '"createdAt":"', '"createdAt":"on '),
    ("vote", '"subject":', '"object":'),
    ("vote", '"$type":"social', '"$type":"antisocial'),
    ("comment", '"content":"', '"contents":"'),
    ("comment", '"content":"', '"content":" ","was":"'),
    ("comment", '"$type"', '"$because":"\\u0000","$type"'),
    ("comment", '"$type"', '"$because":1.5,"$type"'),
    ("post", '"community":"did:', '"community":"none:'),
    ("edit", '"createdAt":"', '"createdAt":"before '),
    ("post", '"langs":[', '"langs":["en","de","fr","es",'),
)
"""What makes a good record a bad one: the act whose record it is, what to find in it, what to put there."""

GARBAGE: Final = (
    b"not json",
    b"[1,2,3]",
    b'{"did":"did:plc:',
    b'{"did":"did:web:a.test","time_us":1,"kind":"party"}',
    b'{"did":"nobody","time_us":1,"kind":"commit","commit":{"rev":"222222222222k"}}',
    b'{"did":"did:web:a.test","time_us":true,"kind":"commit","commit":{}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"commit","commit":{"rev":"zzzz","operation":"create"}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"account","account":{"did":"did:web:b.test","active":NaN}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"commit","commit":{"operation":"delete","bytes":"\xff\xfe"}}',
)

_PLAIN = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(high + low for high in _SORTABLE for low in _SORTABLE)
_SECONDS = tuple(f"{second:02d}." for second in range(60))
_MILLIS = tuple(f"{ms:03d}Z" for ms in range(1000))
_CLOCK = "2k"
_ENDS = tuple((first, last) for first in "abcdefgh" for last in "aeimquy4")


def world(
    seed: int,
    events: int,
    *,
    communities: int | None = None,
    people: int | None = None,
    start_us: int = START_US,
    span_us: int = SPAN_US,
    late: float = 0.05,
    repeats: float = 0.02,
    spoilt: float = 0.001,
    garbage: float = 0.0,
    wire: Wire = "v1",
) -> Iterator[bytes]:
    """
    Return exactly `events` lines of a Jetstream log, lazily, each ending in a newline.

    The log is cut where it ends: what was to arrive later, or again, never does. A longer log of the same seed is
    another log, not a continuation.

    Args:
        seed: Chooses the log; equal arguments give equal bytes.
        events: How many lines, repeats and garbage included.
        communities: How many there may be; by default grows with the cube root of `events`: 50 at a million.
        people: How many take part, aggregators apart; by default a fortieth of `events`, at least 20, at most 250,000.
        start_us: When the log begins, microseconds since 1970, UTC; at least 10**15, in 2001, and over before 2**52.
        span_us: How long it lasts, about; at least 2,048 µs an event.
        late: Share, from 0 to below 1, of events held back behind up to a tenth of the log, at most 2,000 events.
        repeats: Share, from 0 to below 1, of lines that come a second time, byte for byte.
        spoilt: Share, from 0 to below 1, to about 1/10,000, of acts that write an invalid record.
        garbage: Share, from 0 to below 1, of lines that are no events at all.
        wire: v1 `/subscribe`, v2 `subscribeEvents`, or each line one of the two. Only v2 lines carry `#sync`.

    Raises:
        ValueError: An argument is out of its bounds.

    >>> log = list(world(7, 300))
    >>> len(log), log == list(world(7, 300))
    (300, True)
    """
    shares = {"late": late, "repeats": repeats, "spoilt": spoilt, "garbage": garbage}
    if not all(0 <= share < 1 for share in shares.values()) or wire not in ("v1", "v2", "mixed"):
        raise ValueError(f"shares are at least 0 and below 1, a wire is v1, v2 or mixed: got {shares}, {wire!r}")
    if communities is None:
        communities = _cube_root(events)
    if people is None:
        people = min(MAX_PEOPLE, max(20, events // 40))
    if events < 0 or communities < 1 or people < 1:
        raise ValueError(f"no forum has {communities} communities, {people} people and {events} events")
    step_us = max(MIN_STEP_US, span_us // max(1, events))
    if not FIRST_US <= start_us <= LAST_US - step_us * events:
        raise ValueError(f"a log lies between {FIRST_US} and {LAST_US}, not {step_us * events} long from {start_us}")
    forum = _settle(
        Random(4 * seed),
        communities=communities,
        people=people,
        start_us=start_us,
        step_us=step_us,
        window=min(4_000, max(16, events // 200)),
    )
    return islice(_lines(seed, forum, min(2_000, max(1, events // 10)), wire=wire, **shares), events)


def _cube_root(events: int) -> int:
    count = 3
    while (2 * count) ** 3 < events:
        count += 1
    return count


# What happened, before any wire prints it.


class Write(NamedTuple):
    """One write to a repository, at `us`; the record is JSON text, "" for a delete."""

    us: int
    did: str
    rev: str
    operation: str
    collection: str
    rkey: str
    record: str
    cid: str


class Marker(NamedTuple):
    """An identity, account or sync event, at `us`; the body is JSON text."""

    us: int
    did: str
    kind: str
    body: str


Happening = Write | Marker


# The forum as it stands: all that later acts need of earlier ones.


class Phrase(NamedTuple):
    """A sentence, escaped for JSON, and how many UTF-8 bytes it has unescaped."""

    text: str
    size: int


class Topic(NamedTuple):
    """What is said of one thing, in one language."""

    sentences: Sequence[Phrase]
    paragraphs: Sequence[Phrase]


@define(eq=False)
class Subject:
    """A post or a comment: what can be voted on, answered, edited and removed; `ref` is its strongRef as JSON."""

    ref: str
    repo: str
    rkey: str
    author: str
    created: str
    topic: "Topic"
    reply: str = ""
    gone: bool = False
    voters: set[int] = Factory(set)
    tail: list["Subject"] = Factory(list)


@define(eq=False)
class Recent(Generic[T]):
    """The last `size` things of a kind."""

    size: int
    items: list[T] = Factory(list)
    count: int = 0

    def add(self, item: T) -> None:
        """Put `item` in the place of the oldest."""
        if self.count < self.size:
            self.items.append(item)
        else:
            self.items[self.count % self.size] = item
        self.count += 1

    def pick(self, at: float) -> T:
        """Return the thing at `at`, 0 the newest, 1 (never reached) the oldest, thinning out towards the old."""
        return self.items[(self.count - 1 - int(len(self.items) * at * at)) % self.size]


@define(eq=False)
class Community:
    """A community: its did, what is talked about, and whether its profile was written."""

    did: str
    name: str
    created: str
    visibility: str
    topic: Topic
    opened: bool = False


@define(eq=False)
class Forum:
    """Everyone, the recent past, the clock and the dice. `out` takes what the current act makes happen."""

    chance: Callable[[], float]
    bits: Callable[[int], int]
    cid: Callable[[], str]
    us: int
    stride_us: int
    people: list[str]
    aggregators: list[str]
    communities: list[Community]
    popular: list[int]
    follows: list[int]
    posts: Recent[Subject]
    comments: Recent[Subject]
    hot: list[Subject] = Factory(list)
    votes: list[tuple[int, str, Subject, str]] = Factory(list)
    subscriptions: list[tuple[int, int, str, str]] = Factory(list)
    blocks: list[tuple[str, str]] = Factory(list)
    authorizations: list[tuple[str, str, str, str]] = Factory(list)
    hidden: list[str] = Factory(list)
    joined: int = 0
    services: int = 0
    relay_seq: int = RELAY_SEQ
    out: list[Happening] = Factory(list)
    rev: str = ""
    rkey: str = ""
    time: str = ""


def _settle(dice: Random, *, communities: int, people: int, start_us: int, step_us: int, window: int) -> Forum:
    bits = dice.getrandbits
    topics = [(name, _topic(dice.random, things)) for name, things in TOPICS.items()]
    return Forum(
        chance=dice.random,
        bits=bits,
        cid=_cids(bits).__next__,
        us=start_us,
        stride_us=2 * (step_us - 1_024),
        people=[_did(bits) for _ in range(people)],
        aggregators=[_did(bits) for _ in range(1 + communities // 5)],
        communities=[
            _community(bits, number, *topics[number % len(topics)], start_us) for number in range(communities)
        ],
        popular=_zipf(communities),
        follows=[0] * people,
        posts=Recent(window),
        comments=Recent(window),
    )


def _topic(chance: Callable[[], float], things: Sequence[str]) -> Topic:
    return _talk(chance, [_phrase(sentence.format(thing)) for sentence in SENTENCES for thing in things])


def _talk(chance: Callable[[], float], sentences: Sequence[Phrase]) -> Topic:
    """Make paragraphs of one to five sentences each."""
    drawn = [[sentences[int(chance() * len(sentences))] for _ in range(1 + length % 5)] for length in range(PARAGRAPHS)]
    paragraphs = [Phrase(" ".join(p.text for p in said), sum(p.size + 1 for p in said) - 1) for said in drawn]
    return Topic(sentences, paragraphs)


def _community(bits: Callable[[int], int], number: int, name: str, topic: Topic, start_us: int) -> Community:
    again = number // len(TOPICS)
    return Community(
        did=_did(bits),
        name=f"{name}{again + 1}" if again else name,
        created=_stamp(start_us - (number + 1) * 3_600_000_000),
        visibility="unlisted" if number % 17 == 5 else "private" if number % 23 == 7 else "public",
        topic=topic,
    )


def _zipf(count: int) -> list[int]:
    """Return numbers below `count`, the k-th about 1/k times as often as the first: draw one evenly."""
    return [number for number in range(count) for _ in range(8 * count // (number + 1))]


def _heat() -> tuple[int, ...]:
    """Return slots of hot posts, Zipf, and -1 for no hot one in the rest of cases: draw one evenly."""
    slots = _zipf(HOT_SLOTS)
    return (*slots, *[-1] * int(len(slots) * (1 - HOT_SHARE) / HOT_SHARE))


_HEAT: Final = _heat()


def _phrase(text: str) -> Phrase:
    return Phrase(json.dumps(text, ensure_ascii=False)[1:-1], len(text.encode()))


_SPACE: Final = _phrase(" ")
_BREAK: Final = _phrase("\n\n")
_REMARKS: Final = tuple(map(_phrase, REMARKS))
_TONGUES: Final = tuple(
    (tongue, _talk(Random(0).random, tuple(map(_phrase, texts)))) for tongue, texts in TONGUES.items()
)


# Identifiers and times.


def _did(bits: Callable[[int], int]) -> str:
    return f"did:plc:{bits(192).to_bytes(24, 'big').translate(_PLAIN).decode()}"


def _cids(bits: Callable[[int], int]) -> Iterator[str]:
    """Give out valid CIDv1s (dag-cbor, sha2-256) that no content has, for ever; drawn many at a time for speed."""
    width = 50
    while True:
        drawn = bits(8 * width * len(_ENDS)).to_bytes(width * len(_ENDS), "big")
        letters = drawn.translate(_PLAIN).decode()
        for number, (first, last) in enumerate(_ENDS):
            yield f"bafyrei{first}{letters[width * number : width * (number + 1)]}{last}"


@lru_cache(maxsize=64)
def _epoch(us: int) -> str:
    """Return the first five letters of a TID, those above 30 bits of microseconds."""
    return f"{_SORTABLE[us >> 20]}{_PAIRS[us >> 10 & 1023]}{_PAIRS[us & 1023]}"


def _stem(us: int) -> str:
    """Return the first nine letters of a TID, those above 10 bits of microseconds; the rest are a pair and a clock."""
    low = us & 0x3FFF_FFFF
    return f"{_epoch(us >> 30)}{_PAIRS[low >> 20]}{_PAIRS[low >> 10 & 1023]}"


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    """Return a datetime as far as its seconds."""
    days, minute = divmod(minutes, 1440)
    return f"{date.fromordinal(719_163 + days).isoformat()}T{minute // 60:02d}:{minute % 60:02d}:"


def _stamp(us: int) -> str:
    """Return `us` as a datetime in milliseconds: what clients write."""
    ms = us // 1000 % 60_000
    return f"{_minute(us // 60_000_000)}{_SECONDS[ms // 1000]}{_MILLIS[ms % 1000]}"


def _client_time(forum: Forum) -> str:
    """Return when the writer says it is: some clocks run a day ahead or behind, some write an offset."""
    at = forum.chance()
    if at > 0.06:
        return forum.time
    if at > 0.03:
        return f"{forum.time[:-1]}+00:00"
    return _stamp(forum.us + (DAY_US if at > 0.02 else -DAY_US))


# Choosing.


def _tick(forum: Forum) -> None:
    """Go on by a step, so far that no two share a stem. A record's key is a little older than the commit's rev."""
    us = forum.us = forum.us + 1_024 + int(forum.chance() * forum.stride_us)
    stem, at = _stem(us), us & 1023
    forum.rkey, forum.rev = f"{stem}{_PAIRS[at >> 1]}{_CLOCK}", f"{stem}{_PAIRS[at]}{_CLOCK}"
    forum.time = _stamp(us)


def _person(forum: Forum) -> int:
    at = forum.chance()
    return int(len(forum.people) * at * at)


def _choice(forum: Forum, things: Sequence[T]) -> T:
    return things[int(forum.chance() * len(things))]


def _keep(forum: Forum, pool: list[T], thing: T) -> None:
    """Keep `thing` for a later act, in the place of some other when the pool is full."""
    if len(pool) < POOL_SIZE:
        pool.append(thing)
    else:
        pool[int(forum.chance() * POOL_SIZE)] = thing


def _take(forum: Forum, pool: list[T]) -> T | None:
    if not pool:
        return None
    at = int(forum.chance() * len(pool))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()


def _open_post(forum: Forum) -> Subject | None:
    """Return a post to react to, one of the hot ones or a recent one; None while there is none."""
    slot = _HEAT[int(forum.chance() * len(_HEAT))]
    if slot >= 0 and forum.hot:
        post = forum.hot[slot % len(forum.hot)]
        if not post.gone:
            return post
    return forum.posts.pick(forum.chance()) if forum.posts.count else None


# Writing.


def _put(forum: Forum, did: str, collection: str, rkey: str, record: str, operation: str = "create") -> str:
    """Write `record` and return its CID."""
    cid = forum.cid()
    forum.out.append(Write(forum.us, did, forum.rev, operation, collection, rkey, record, cid))
    return cid


def _delete(forum: Forum, did: str, collection: str, rkey: str) -> None:
    forum.out.append(Write(forum.us, did, forum.rev, "delete", collection, rkey, "", ""))


def _mark(forum: Forum, did: str, kind: str, before: str, after: str = "") -> None:
    """Add a marker; its body has did, seq and time between the fields `before` and `after`."""
    forum.relay_seq += 1 + int(forum.chance() * 1_000)
    body = f'{{{before}"did":"{did}",{after}"seq":{forum.relay_seq},"time":"{forum.time}"}}'
    forum.out.append(Marker(forum.us, did, kind, body))


# Text, embeds and the records that have them; keys in the order in which the wire has them, which is the alphabet's.


class Prose(NamedTuple):
    """A text as JSON, and the JSON of its facets and its language as further fields."""

    text: str
    facets: str
    langs: str


def _prose(forum: Forum, topic: Topic, openings: Sequence[Phrase], paragraphs: int, joint: Phrase) -> Prose:
    chance = forum.chance
    at, tongue = chance(), "en"
    if at < 0.12:
        tongue, topic = _choice(forum, _TONGUES)
        openings = topic.sentences
    opening = openings[int(chance() * len(openings))]
    said = [opening, *[topic.paragraphs[int(chance() * PARAGRAPHS)] for _ in range(paragraphs)]]
    text = joint.text.join([phrase.text for phrase in said])
    langs = f',"langs":["{tongue}"]' if at < 0.94 else ""
    if 0.5 < at < 0.66:
        size = sum(phrase.size for phrase in said) + paragraphs * joint.size
        more, facets = _decoration(forum, size, opening.size, at)
        return Prose(text + more, facets, langs)
    return Prose(text, "", langs)


def _decoration(forum: Forum, size: int, first_size: int, at: float) -> tuple[str, str]:
    """Return what is written after `size` bytes of text, and the facets: a link, a mention, or a bold opening."""
    if at < 0.58:
        link = _link(forum)
        return f" {link}", _facet(size + 1, size + 1 + len(link), f'"$type":"{FACET}#link","uri":"{link}"')
    if at < 0.61:
        person = _person(forum)
        name, did = f"@{_handle(person)}", forum.people[person]
        return f" {name}", _facet(size + 1, size + 1 + len(name), f'"$type":"{FACET}#mention","did":"{did}"')
    return "", _facet(0, first_size, f'"$type":"{FACET}#{"bold" if at < 0.64 else "spoiler"}"')


def _facet(start: int, end: int, feature: str) -> str:
    return f',"facets":[{{"features":[{{{feature}}}],"index":{{"byteEnd":{end},"byteStart":{start}}}}}]'


def _link(forum: Forum) -> str:
    return f"https://{_choice(forum, SITES)}/{forum.us // DAY_US}/{forum.bits(24):x}"


def _blob(forum: Forum, mime: str = "image/jpeg") -> str:
    size = 20_000 + forum.bits(19)
    return f'{{"$type":"blob","mimeType":"{mime}","ref":{{"$link":"bafkrei{forum.cid()[7:]}"}},"size":{size}}}'


def _embed(forum: Forum, topic: Topic) -> str:
    at = forum.chance()
    if at < 0.18:
        return _external(forum, topic, thumb=at < 0.1)
    if at < 0.30:
        images = ",".join([_image(forum, topic) for _ in range(1 + int((at - 0.18) * 25))])
        return f',"embed":{{"$type":"social.coves.embed.images","images":[{images}]}}'
    if at < 0.32 and forum.posts.count:
        return f',"embed":{{"$type":"social.coves.embed.post","post":{forum.posts.pick(forum.chance()).ref}}}'
    if at < 0.33:
        video = _blob(forum, "video/mp4")
        return f',"embed":{{"$type":"social.coves.embed.video","alt":"","duration":{forum.bits(8)},"video":{video}}}'
    return ""


def _external(forum: Forum, topic: Topic, *, thumb: bool) -> str:
    link = _link(forum)
    picture = f'"thumb":{_blob(forum)},' if thumb else ""
    fields = (
        f'"description":"{_choice(forum, topic.sentences).text}","domain":"{link.split("/")[2]}",'
        f'"embedType":"article",{picture}"title":"{_choice(forum, topic.sentences).text}","uri":"{link}"'
    )
    return f',"embed":{{"$type":"social.coves.embed.external","external":{{{fields}}}}}'


def _image(forum: Forum, topic: Topic) -> str:
    ratio = f'{{"height":{600 + forum.bits(9)},"width":{800 + forum.bits(9)}}}'
    return f'{{"alt":"{_choice(forum, topic.sentences).text}","aspectRatio":{ratio},"image":{_blob(forum)}}}'


def _post_record(forum: Forum, author: str, community: str, created: str, topic: Topic) -> str:
    at = forum.chance()
    prose = _prose(forum, topic, topic.sentences, 20 if at < 0.01 else int(at * 4), _BREAK)
    labels = ',"labels":{"values":[{"val":"nsfw"}]}' if 0.5 < at < 0.51 else ""
    tags = ',"tags":["weekly"]' if at > 0.9 else ""
    title = "" if 0.4 < at < 0.44 else f',"title":"{_choice(forum, topic.sentences).text}"'
    return (
        f'{{"$type":"{POST}","author":"{author}","community":"{community}","content":"{prose.text}",'
        f'"createdAt":"{created}"{_embed(forum, topic)}{prose.facets}{labels}{prose.langs}{tags}{title}}}'
    )


def _comment_record(forum: Forum, created: str, reply: str, topic: Topic) -> str:
    text, facets, langs = _prose(forum, topic, _REMARKS, int(forum.chance() * 1.8), _SPACE)
    return f'{{"$type":"{COMMENT}","content":"{text}","createdAt":"{created}"{facets}{langs},"reply":{reply}}}'


# The acts. Each makes one thing happen, sometimes two, or falls back on another while its time has not come.


def _post(forum: Forum) -> None:
    community = forum.communities[_choice(forum, forum.popular)]
    if not community.opened:
        return _put_community(forum, community, "create")
    did, rkey, created = community.did, forum.rkey, _client_time(forum)
    author = _choice(forum, forum.aggregators) if forum.chance() < 0.05 else forum.people[_person(forum)]
    cid = _put(forum, did, POST, rkey, _post_record(forum, author, did, created, community.topic))
    post = Subject(_ref(cid, did, POST, rkey), did, rkey, author, created, community.topic)
    forum.posts.add(post)
    if len(forum.hot) < HOT_SLOTS:
        forum.hot.append(post)
    elif forum.chance() < 0.125:
        forum.hot[int(forum.chance() * HOT_SLOTS)] = post
    return None


def _comment(forum: Forum) -> None:
    root = _open_post(forum)
    if root is None:
        return _post(forum)
    tail, topic, rkey, created = root.tail, root.topic, forum.rkey, forum.time
    parent = _choice(forum, tail) if tail and forum.chance() < 0.62 else root
    reply = f'{{"parent":{parent.ref},"root":{root.ref}}}'
    did = forum.people[_person(forum)]
    cid = _put(forum, did, COMMENT, rkey, _comment_record(forum, created, reply, topic))
    comment = Subject(_ref(cid, did, COMMENT, rkey), did, rkey, did, created, topic, reply)
    forum.comments.add(comment)
    if len(tail) < TAIL_SIZE:
        tail.append(comment)
    else:
        tail[int(forum.chance() * TAIL_SIZE)] = comment
    return None


def _ref(cid: str, did: str, collection: str, rkey: str) -> str:
    return f'{{"cid":"{cid}","uri":"at://{did}/{collection}/{rkey}"}}'


def _vote(forum: Forum) -> None:
    chance = forum.chance
    if forum.comments.count and chance() < 0.25:
        subject: Subject | None = forum.comments.pick(chance())
    else:
        subject = _open_post(forum)
    if subject is None:
        return _post(forum)
    voter = _person(forum)
    if voter in subject.voters:
        voter = int(chance() * len(forum.people))
    subject.voters.add(voter)
    return _cast(forum, voter, subject, "up" if chance() < 0.88 else "down")


def _cast(forum: Forum, voter: int, subject: Subject, direction: str) -> None:
    created, rkey = forum.time, forum.rkey
    record = f'{{"$type":"{VOTE}","createdAt":"{created}","direction":"{direction}","subject":{subject.ref}}}'
    _put(forum, forum.people[voter], VOTE, rkey, record)
    if not forum.us & 7:
        _keep(forum, forum.votes, (voter, rkey, subject, direction))


def _flip(forum: Forum) -> None:
    """Take a vote back, and mostly vote the other way: in two commits, or sometimes in one."""
    vote = _take(forum, forum.votes)
    if vote is None:
        return _vote(forum)
    voter, rkey, subject, direction = vote
    _delete(forum, forum.people[voter], VOTE, rkey)
    at = forum.chance()
    if at < 0.25:
        return None
    if at < 0.8:
        _tick(forum)
    return _cast(forum, voter, subject, "down" if direction == "up" else "up")


def _edit(forum: Forum) -> None:
    ring = forum.posts if forum.chance() < 0.5 else forum.comments
    subject = ring.pick(forum.chance()) if ring.count else None
    if subject is None or subject.gone:
        return _vote(forum)
    repo, rkey, created, topic = subject.repo, subject.rkey, subject.created, subject.topic
    if subject.reply:
        kind, record = COMMENT, _comment_record(forum, created, subject.reply, topic)
    else:
        kind, record = POST, _post_record(forum, subject.author, repo, created, topic)
    subject.ref = _ref(_put(forum, repo, kind, rkey, record, "update"), repo, kind, rkey)
    return None


def _remove(forum: Forum) -> None:
    ring = forum.posts if forum.chance() < 0.3 else forum.comments
    subject = ring.pick(forum.chance()) if ring.count else None
    if subject is None or subject.gone:
        return _vote(forum)
    subject.gone = True
    return _delete(forum, subject.repo, COMMENT if subject.reply else POST, subject.rkey)


def _subscribe(forum: Forum) -> None:
    person, place = int(forum.chance() * len(forum.people)), _choice(forum, forum.popular)
    if forum.follows[person] >> place & 1:
        place = int(forum.chance() * len(forum.communities))
    forum.follows[person] |= 1 << place
    _put(forum, forum.people[person], SUBSCRIPTION, forum.rkey, _subscription(forum, forum.time, place))
    _keep(forum, forum.subscriptions, (person, place, forum.rkey, forum.time))


def _subscription(forum: Forum, created: str, place: int, ended: str = "") -> str:
    level = int(forum.chance() * 14)
    seen = f'"contentVisibility":{level},' if level < 7 else ""
    return (
        f'{{"$type":"{SUBSCRIPTION}",{seen}"createdAt":"{created}",{ended}"subject":"{forum.communities[place].did}"}}'
    )


def _unsubscribe(forum: Forum) -> None:
    """End a subscription: mostly by deleting the record, sometimes by writing its end into it."""
    subscription = _take(forum, forum.subscriptions)
    if subscription is None:
        return _subscribe(forum)
    person, place, rkey, created = subscription
    forum.follows[person] &= ~(1 << place)
    if forum.chance() < 0.75:
        return _delete(forum, forum.people[person], SUBSCRIPTION, rkey)
    record = _subscription(forum, created, place, f'"endedAt":"{forum.time}",')
    _put(forum, forum.people[person], SUBSCRIPTION, rkey, record, "update")
    return None


def _profile(forum: Forum) -> None:
    """Let someone join, the most active first, or someone who has joined change, replace or drop a profile."""
    at = forum.chance()
    if forum.joined < len(forum.people) and (at < 0.8 or not forum.joined):
        person, did = forum.joined, forum.people[forum.joined]
        forum.joined += 1
        if at < 0.4:
            _mark(forum, did, "identity", "", f'"handle":"{_handle(person)}",')
        _put(forum, did, ACTOR_PROFILE, "self", _actor_record(forum, person))
        return
    person = int(forum.chance() * forum.joined)
    did, at = forum.people[person], forum.chance()
    if at < 0.1:
        _delete(forum, did, ACTOR_PROFILE, "self")
    if at > 0.03:
        _put(forum, did, ACTOR_PROFILE, "self", _actor_record(forum, person), "create" if at < 0.1 else "update")


def _handle(person: int, version: int = 0) -> str:
    return f"{NAMES[person % len(NAMES)]}{person}{f'-{version}' if version else ''}.{HOST}"


def _actor_record(forum: Forum, person: int) -> str:
    at = forum.chance()
    avatar = f'"avatar":{_blob(forum, "image/png")},' if at < 0.5 else ""
    about = "description" if at > 0.95 else "bio"
    created = f'"createdAt":"{forum.time}",' if at < 0.7 else ""
    bio = f"{_choice(forum, _choice(forum, forum.communities).topic.sentences).text} {_choice(forum, _REMARKS).text}"
    written = f'"{about}":"{bio}",'
    name = f"{NAMES[person % len(NAMES)].title()}{_choice(forum, SIGNS)}"
    fields = f"{written}{created}" if about == "bio" else f"{created}{written}"
    return f'{{"$type":"{ACTOR_PROFILE}",{avatar}{fields}"displayName":"{name}"}}'


def _community_act(forum: Forum) -> None:
    """Open a community, or let one that is open change its profile; a small one may close and open again."""
    place = int(forum.chance() * len(forum.communities))
    community = forum.communities[place]
    if not community.opened:
        return _put_community(forum, community, "create")
    if place * 2 < len(forum.communities) or forum.chance() < 0.8:
        return _put_community(forum, community, "update")
    _delete(forum, community.did, COMMUNITY_PROFILE, "self")
    _tick(forum)
    return _put_community(forum, community, "create")


def _put_community(forum: Forum, community: Community, operation: str) -> None:
    if operation == "create" and not community.opened:
        _mark(forum, community.did, "identity", "", f'"handle":"c-{community.name}.{HOST}",')
    community.opened = True
    about = _choice(forum, community.topic.paragraphs).text
    record = (
        f'{{"$type":"{COMMUNITY_PROFILE}","avatar":{_blob(forum, "image/webp")},"createdAt":"{community.created}",'
        f'"createdBy":"{forum.people[0]}","description":"{about}","displayName":"{community.name.title()}",'
        f'"federation":{{"allowExternalDiscovery":true}},"hostedBy":"{HOST_DID}","memberCount":0,'
        f'"moderationType":"moderator","name":"{community.name}","visibility":"{community.visibility}"}}'
    )
    _put(forum, community.did, COMMUNITY_PROFILE, "self", record, operation)


def _block(forum: Forum) -> None:
    did, subject = _choice(forum, forum.people), _choice(forum, forum.communities).did
    _put(forum, did, BLOCK, forum.rkey, f'{{"$type":"{BLOCK}","createdAt":"{forum.time}","subject":"{subject}"}}')
    _keep(forum, forum.blocks, (did, forum.rkey))


def _unblock(forum: Forum) -> None:
    block = _take(forum, forum.blocks)
    if block is None:
        return _block(forum)
    return _delete(forum, block[0], BLOCK, block[1])


def _aggregate(forum: Forum) -> None:
    """Let an aggregator present itself, a community let one in, or a community turn one off or away."""
    if forum.services < len(forum.aggregators):
        return _put_service(forum)
    authorization = _take(forum, forum.authorizations) if forum.chance() < 0.3 else None
    if authorization is None:
        community, aggregator = _choice(forum, forum.communities).did, _choice(forum, forum.aggregators)
        record = _authorization(forum, community, aggregator, forum.time, "")
        _put(forum, community, AUTHORIZATION, forum.rkey, record)
        return _keep(forum, forum.authorizations, (community, aggregator, forum.rkey, forum.time))
    community, aggregator, rkey, created = authorization
    if forum.chance() < 0.4:
        return _delete(forum, community, AUTHORIZATION, rkey)
    ended = f'"disabledAt":"{forum.time}","disabledBy":"{forum.people[0]}",'
    record = _authorization(forum, community, aggregator, created, ended)
    _put(forum, community, AUTHORIZATION, rkey, record, "update")
    return None


def _put_service(forum: Forum) -> None:
    did = forum.aggregators[forum.services]
    forum.services += 1
    record = (
        f'{{"$type":"{SERVICE}","configSchema":{{"properties":{{"feed":{{"type":"string"}}}},"type":"object"}},'
        f'"createdAt":"{forum.time}","description":"Posts the news of the day.","did":"{did}",'
        f'"displayName":"News bot {forum.services} 🤖","maintainer":"{forum.people[0]}","sourceUrl":"{_link(forum)}"}}'
    )
    _put(forum, did, SERVICE, "self", record)


def _authorization(forum: Forum, community: str, aggregator: str, created: str, ended: str) -> str:
    return (
        f'{{"$type":"{AUTHORIZATION}","aggregatorDid":"{aggregator}","communityDid":"{community}",'
        f'"config":{{"feed":"{_link(forum)}"}},"createdAt":"{created}","createdBy":"{forum.people[0]}",{ended}'
        f'"enabled":{"false" if ended else "true"}}}'
    )


def _identity(forum: Forum) -> None:
    """Say that an identity changed: mostly the same handle again, sometimes none at all or another one."""
    at, person = forum.chance(), int(forum.chance() * len(forum.people))
    handle = _handle(person, 1 + int(forum.chance() * 3) if at < 0.1 else 0)
    _mark(forum, forum.people[person], "identity", "", "" if at > 0.7 else f'"handle":"{handle}",')


def _account(forum: Forum) -> None:
    """Say that an account is active, as most are; hide some, and restore most of those. At times, a community's."""
    at = forum.chance()
    if at < 0.15:
        did = _choice(forum, forum.people) if at > 0.001 else forum.communities[-1].did
        _keep(forum, forum.hidden, did)
        status = _choice(forum, STATUSES)
        forum.relay_seq += 1
        body = f'{{"active":false,"did":"{did}","seq":{forum.relay_seq},"status":"{status}","time":"{forum.time}"}}'
        return forum.out.append(Marker(forum.us, did, "account", body))
    restored = _take(forum, forum.hidden) if at < 0.30 else None
    return _mark(forum, restored or _choice(forum, forum.people), "account", '"active":true,')


def _elsewhere(forum: Forum) -> None:
    """Write what is no part of the forum: another app's record, or a `social.coves` kind not yet declared."""
    did, at = _choice(forum, forum.people), forum.chance()
    yesterday = f"{_stem(forum.us - DAY_US)}{_PAIRS[forum.bits(10)]}{_CLOCK}"
    if at < 0.2:
        return _delete(forum, did, "app.bsky.feed.like", yesterday)
    if at < 0.3:
        kind, subject = "social.coves.actor.block", f'"{_choice(forum, forum.people)}"'
    else:
        kind, subject = "app.bsky.feed.like", _ref(forum.cid(), did, "app.bsky.feed.post", yesterday)
    _put(forum, did, kind, forum.rkey, f'{{"$type":"{kind}","createdAt":"{forum.time}","subject":{subject}}}')
    return None


def _restate(forum: Forum) -> None:
    """Re-state a repository as of now: a `#sync`, and of its records only the profile comes again."""
    person = int(forum.chance() * len(forum.people))
    did = forum.people[person]
    _mark(forum, did, "sync", '"blocks":{"$bytes":"OqJlcm9vdHOA"},', f'"rev":"{forum.rev}",')
    _put(forum, did, ACTOR_PROFILE, "self", _actor_record(forum, person))


def _spoil(forum: Forum) -> None:
    """Write a vote, comment or post that breaks its lexicon, its house rule or the data model."""
    act, find, put = _choice(forum, SPOILS)
    ACTS[act](forum)
    last = forum.out[-1]
    if isinstance(last, Write):
        forum.out[-1] = last._replace(record=last.record.replace(find, put, 1))


Act = Callable[[Forum], None]

ACTS: Final[dict[str, Act]] = {
    "vote": _vote,
    "comment": _comment,
    "post": _post,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "profile": _profile,
    "community": _community_act,
    "edit": _edit,
    "remove": _remove,
    "flip": _flip,
    "block": _block,
    "unblock": _unblock,
    "aggregate": _aggregate,
    "identity": _identity,
    "account": _account,
    "elsewhere": _elsewhere,
    "restate": _restate,
    "spoil": _spoil,
}


# From acts to lines.


def _lines(
    seed: int, forum: Forum, reach: int, *, late: float, repeats: float, spoilt: float, garbage: float, wire: Wire
) -> Iterator[bytes]:
    mix = MIX if wire == "v1" else MIX | {"restate": RESTATE_WEIGHT}
    mix = mix | {"spoil": int(sum(mix.values()) * spoilt / (1 - spoilt))}
    happenings = _held_back(_happenings(forum, mix), late, reach, Random(4 * seed + 1).random)
    chance = Random(4 * seed + 2).random
    lines = _again(_printed(happenings, wire, chance), repeats, reach, Random(4 * seed + 3).random)
    return _littered(lines, garbage, chance) if garbage else lines


def _happenings(forum: Forum, mix: dict[str, int]) -> Iterator[Happening]:
    """Go on for ever, one act after another; revs rise in the order of what is given out."""
    acts = [ACTS[name] for name, weight in mix.items() for _ in range(weight)]
    count, chance, out = len(acts), forum.chance, forum.out
    while True:
        _tick(forum)
        acts[int(chance() * count)](forum)
        yield from out
        out.clear()


def _held_back(items: Iterable[T], share: float, reach: int, chance: Callable[[], float]) -> Iterator[T]:
    """Give out `items`, but that share of them up to `reach` places late, mostly much less."""
    held: list[tuple[int, int, T]] = []
    for count, item in enumerate(items):
        while held and held[0][0] <= count:
            yield heappop(held)[2]
        if chance() < share:
            heappush(held, (_later(count, reach, chance()), count, item))
        else:
            yield item


def _again(items: Iterable[T], share: float, reach: int, chance: Callable[[], float]) -> Iterator[T]:
    """Give out `items`, and that share of them once more, up to `reach` places later."""
    held: list[tuple[int, int, T]] = []
    for count, item in enumerate(items):
        while held and held[0][0] <= count:
            yield heappop(held)[2]
        if chance() < share:
            heappush(held, (_later(count, reach, chance()), count, item))
        yield item


def _later(count: int, reach: int, at: float) -> int:
    return count + 1 + int(reach * at * at * at)


def _printed(happenings: Iterable[Happening], wire: Wire, chance: Callable[[], float]) -> Iterator[bytes]:
    """Print each as a line; what time it was seen always rises, for it is stamped in the order of the lines."""
    seen_us = 0
    for seq, happening in enumerate(happenings, 1):
        seen_us = max(seen_us + 1, happening.us + LAG_US)
        v1 = wire == "v1" or (wire == "mixed" and chance() < 0.5)
        line = _v1(happening, seen_us) if v1 else ""
        yield (line or _v2(happening, seen_us, seq)).encode()


def _v1(happening: Happening, seen_us: int) -> str:
    """Return the v1 line; "" for a `#sync`, which that wire does not carry."""
    if isinstance(happening, Write):
        _, did, rev, operation, collection, rkey, record, cid = happening
        put = f',"record":{record},"cid":"{cid}"' if record else ""
        return (
            f'{{"did":"{did}","time_us":{seen_us},"kind":"commit","commit":{{"rev":"{rev}","operation":"{operation}",'
            f'"collection":"{collection}","rkey":"{rkey}"{put}}}}}\n'
        )
    _, did, kind, body = happening
    if kind == "sync":
        return ""
    return f'{{"did":"{did}","time_us":{seen_us},"kind":"{kind}","{kind}":{body}}}\n'


def _v2(happening: Happening, seen_us: int, seq: int) -> str:
    time = f"{_stamp(seen_us)[:-1]}{seen_us % 1000:03d}Z"
    if isinstance(happening, Write):
        _, did, rev, operation, collection, rkey, record, cid = happening
        before, between = (f'"cid":"{cid}",', f'"record":{record},') if record else ("", "")
        payload = (
            f'"$type":"{V2}#commit",{before}"collection":"{collection}","did":"{did}","operation":"{operation}",'
            f'{between}"rev":"{rev}","rkey":"{rkey}","seq":{seq},"time":"{time}"'
        )
    else:
        _, did, kind, body = happening
        fields = (f'"did":"{did}"', f'"{kind}":{body}', f'"seq":{seq}', f'"time":"{time}"')
        payload = f'"$type":"{V2}#{kind}",' + ",".join(sorted(fields))
    return f'{{"$type":"message","payload":{{{payload}}}}}\n'


def _littered(lines: Iterator[bytes], share: float, chance: Callable[[], float]) -> Iterator[bytes]:
    """Strew lines that are no events among the others."""
    for line in lines:
        while chance() < share:
            yield GARBAGE[int(chance() * len(GARBAGE))] + b"\n"
        yield line
