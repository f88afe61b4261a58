"""
Up to which revision a repo's own writes were taken in, for who has just written and asks whether it is there yet.

No index holds registers by rev: one would be written with each event, for a header. But most records have a TID for a
key, made when they were; and where registers lie follows from the beginning of the key. So those that a repo made of
late are found in two places, and all of a small repo's in sixteen.
"""

from collections.abc import Sequence
from typing import Final

from strandline.ports import Store
from strandline.register import REGISTER, Register, address, slots_of

__all__ = ["LATELY_US", "rev_at_least"]

LATELY_US: Final = 2**35
"""So far back, in microseconds, records count as made of late: nine and a half hours, in which a TID's first four
letters change once."""

_READ: Final = 100
"""So many registers are read at once, and no more."""

_LETTERS: Final = "234567abcdefghijklmnopqrstuvwxyz"
_CLOCK_BITS: Final = 10


async def rev_at_least(store: Store, did: str, now_us: int) -> str | None:
    """
    Return a rev of a repo that was taken in; at least that one: there may be a greater one, of an older record.

    It is the greatest of the records whose keys were made within LATELY_US, the first 100 of them; where there are
    none, of the whole repo, if that has less than 100. Else None. Two statements at most, of 100 rows each.

    Args:
        store: An index.
        did: Whose repo.
        now_us: When it is asked, microseconds since 1970, UTC.
    """
    since = _tid(max(0, now_us - LATELY_US))
    begun = {since[:4], _tid(now_us)[:4]}
    near = {address((key, "", did))[0] for key in begun}
    revs = [it.rev for it in await _registers(store, sorted(near), since) if it.did == did and it.rkey[:4] in begun]
    if not revs:
        whole = await _registers(store, slots_of(did), None)
        revs = [it.rev for it in whole if it.did == did and len(whole) < _READ]
    return max(revs, default=None)


async def _registers(store: Store, slots: Sequence[int], after: str | None) -> list[Register]:
    behind = None if after is None else (after,)
    rows = await store.page(REGISTER.name, "by_repo", [(slot,) for slot in slots], limit=_READ, after=behind)
    return [*map(Register._make, rows)]


def _tid(us: int) -> str:
    """Return the first TID of an instant."""
    number = us << _CLOCK_BITS
    return "".join(_LETTERS[number >> 5 * at & 31] for at in reversed(range(13)))
