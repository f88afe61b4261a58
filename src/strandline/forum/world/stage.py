"""
The forum as it stands: all that later acts need of earlier ones, and what an act makes happen.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Generic, NamedTuple, TypeVar

from attrs import Factory, define

from strandline.forum.world.identifiers import cids, new_did, stamp
from strandline.forum.world.vocabulary import SENTENCES, TOPICS

__all__ = [
    "HOT_SLOTS",
    "PARAGRAPHS",
    "Community",
    "Forum",
    "Happening",
    "Marker",
    "Phrase",
    "Subject",
    "T",
    "Topic",
    "Write",
    "phrase_of",
    "settle",
    "talk",
    "zipf",
]

T = TypeVar("T")
RELAY_SEQ: Final = 31_000_000_000
HOT_SLOTS: Final = 64
PARAGRAPHS: Final = 200


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


def settle(dice: Random, *, communities: int, people: int, start_us: int, step_us: int, window: int) -> Forum:
    bits = dice.getrandbits
    topics = [(name, _topic(dice.random, things)) for name, things in TOPICS.items()]
    return Forum(
        chance=dice.random,
        bits=bits,
        cid=cids(bits).__next__,
        us=start_us,
        stride_us=2 * (step_us - 1_024),
        people=[new_did(bits) for _ in range(people)],
        aggregators=[new_did(bits) for _ in range(1 + communities // 5)],
        communities=[
            _community(bits, number, *topics[number % len(topics)], start_us) for number in range(communities)
        ],
        popular=zipf(communities),
        follows=[0] * people,
        posts=Recent(window),
        comments=Recent(window),
    )


def _topic(chance: Callable[[], float], things: Sequence[str]) -> Topic:
    return talk(chance, [phrase_of(sentence.format(thing)) for sentence in SENTENCES for thing in things])


def talk(chance: Callable[[], float], sentences: Sequence[Phrase]) -> Topic:
    """Make paragraphs of one to five sentences each."""
    drawn = [[sentences[int(chance() * len(sentences))] for _ in range(1 + length % 5)] for length in range(PARAGRAPHS)]
    paragraphs = [Phrase(" ".join(p.text for p in said), sum(p.size + 1 for p in said) - 1) for said in drawn]
    return Topic(sentences, paragraphs)


def _community(bits: Callable[[int], int], number: int, name: str, topic: Topic, start_us: int) -> Community:
    again = number // len(TOPICS)
    return Community(
        did=new_did(bits),
        name=f"{name}{again + 1}" if again else name,
        created=stamp(start_us - (number + 1) * 3_600_000_000),
        visibility="unlisted" if number % 17 == 5 else "private" if number % 23 == 7 else "public",
        topic=topic,
    )


def zipf(count: int) -> list[int]:
    """Return numbers below `count`, the k-th about 1/k times as often as the first: draw one evenly."""
    return [number for number in range(count) for _ in range(8 * count // (number + 1))]


def phrase_of(text: str) -> Phrase:
    return Phrase(json.dumps(text, ensure_ascii=False)[1:-1], len(text.encode()))
