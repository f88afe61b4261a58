"""
From acts to the lines that a reader of the stream sees: some late, some twice, each with the time it was seen.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import Final, Literal

from strandline.forum.world.acts import ACTS, MIX
from strandline.forum.world.choosing import tick
from strandline.forum.world.identifiers import stamp
from strandline.forum.world.stage import Forum, Happening, T, Write
from strandline.forum.world.vocabulary import GARBAGE

__all__ = ["Wire", "lines_of"]

Wire = Literal["v1", "v2", "mixed"]


RESTATE_WEIGHT: Final = 3
LAG_US: Final = 180_000
V2: Final = "network.bsky.jetstream.subscribeEvents"


def lines_of(
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
        tick(forum)
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
    time = f"{stamp(seen_us)[:-1]}{seen_us % 1000:03d}Z"
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
