"""Pages of what is left when some of an order is not shown: read on until the page is full or the order ends."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from strandline.ports import Key

__all__ = ["walk"]

_MOST: Final = 2000
"""So many rows at most are read at once."""

Fetch = Callable[[int, Key | None], Awaitable[Sequence[Any]]]
Keep = Callable[[Sequence[Any]], Awaitable[list[Any]]]


async def walk(
    fetch: Fetch, keep: Keep, at: Callable[[Any], Key], *, limit: int, after: Key | None
) -> tuple[list[Any], Key | None]:
    """
    Return a page of rows, and behind which row the next begins; None if nothing follows.

    Each time twice as much is read, so what is not shown costs a logarithm of statements.

    Args:
        fetch: Gives so many rows behind a place, in order.
        keep: Gives those of some rows that are shown, in order.
        at: Gives a row's place.
        limit: Rows a page.
        after: Where it begins.
    """
    found: list[Any] = []
    size = limit + 1
    while len(found) <= limit:
        rows = await fetch(size, after)
        found += await keep(rows)
        if len(rows) < size:
            break
        after = at(rows[-1])
        size = min(2 * size, _MOST)
    return found[:limit], at(found[limit - 1]) if len(found) > limit else None
