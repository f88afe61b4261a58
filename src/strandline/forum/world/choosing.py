"""
Who acts next and on what, and how what they do is written down.
"""

from collections.abc import Sequence
from typing import Final

from strandline.forum.world.identifiers import CLOCK, DAY_US, PAIRS, stamp, stem_of
from strandline.forum.world.stage import HOT_SLOTS, Forum, Marker, Subject, T, Write, zipf

__all__ = ["choice", "client_time", "delete", "keep", "mark", "open_post", "put", "someone", "take", "tick"]

HOT_SHARE: Final = 0.4
POOL_SIZE: Final = 512


def _heat() -> tuple[int, ...]:
    """Return slots of hot posts, Zipf, and -1 for no hot one in the rest of cases: draw one evenly."""
    slots = zipf(HOT_SLOTS)
    return (*slots, *[-1] * int(len(slots) * (1 - HOT_SHARE) / HOT_SHARE))


_HEAT: Final = _heat()


def client_time(forum: Forum) -> str:
    """Return when the writer says it is: some clocks run a day ahead or behind, some write an offset."""
    at = forum.chance()
    if at > 0.06:
        return forum.time
    if at > 0.03:
        return f"{forum.time[:-1]}+00:00"
    return stamp(forum.us + (DAY_US if at > 0.02 else -DAY_US))


def tick(forum: Forum) -> None:
    """Go on by a step, so far that no two share a stem. A record's key is a little older than the commit's rev."""
    us = forum.us = forum.us + 1_024 + int(forum.chance() * forum.stride_us)
    stem, at = stem_of(us), us & 1023
    forum.rkey, forum.rev = f"{stem}{PAIRS[at >> 1]}{CLOCK}", f"{stem}{PAIRS[at]}{CLOCK}"
    forum.time = stamp(us)


def someone(forum: Forum) -> int:
    at = forum.chance()
    return int(len(forum.people) * at * at)


def choice(forum: Forum, things: Sequence[T]) -> T:
    return things[int(forum.chance() * len(things))]


def keep(forum: Forum, pool: list[T], thing: T) -> None:
    """Keep `thing` for a later act, in the place of some other when the pool is full."""
    if len(pool) < POOL_SIZE:
        pool.append(thing)
    else:
        pool[int(forum.chance() * POOL_SIZE)] = thing


def take(forum: Forum, pool: list[T]) -> T | None:
    if not pool:
        return None
    at = int(forum.chance() * len(pool))
    pool[at], pool[-1] = pool[-1], pool[at]
    return pool.pop()


def open_post(forum: Forum) -> Subject | None:
    """Return a post to react to, one of the hot ones or a recent one; None while there is none."""
    slot = _HEAT[int(forum.chance() * len(_HEAT))]
    if slot >= 0 and forum.hot:
        post = forum.hot[slot % len(forum.hot)]
        if not post.gone:
            return post
    return forum.posts.pick(forum.chance()) if forum.posts.count else None


def put(forum: Forum, did: str, collection: str, rkey: str, record: str, operation: str = "create") -> str:
    """Write `record` and return its CID."""
    cid = forum.cid()
    forum.out.append(Write(forum.us, did, forum.rev, operation, collection, rkey, record, cid))
    return cid


def delete(forum: Forum, did: str, collection: str, rkey: str) -> None:
    forum.out.append(Write(forum.us, did, forum.rev, "delete", collection, rkey, "", ""))


def mark(forum: Forum, did: str, kind: str, before: str, after: str = "") -> None:
    """Add a marker; its body has did, seq and time between the fields `before` and `after`."""
    forum.relay_seq += 1 + int(forum.chance() * 1_000)
    body = f'{{{before}"did":"{did}",{after}"seq":{forum.relay_seq},"time":"{forum.time}"}}'
    forum.out.append(Marker(forum.us, did, kind, body))
