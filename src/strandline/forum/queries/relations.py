"""
What a viewer is subscribed to, and blocks.

An actor's rows are read off the relation's own order; those of one whose account is hidden may still be there.
"""

from typing import Any, Final

from strandline.forum.queries.people import hidden
from strandline.ports import Store

__all__ = ["blocked_by", "relations", "subscribed_to"]

_PAGE: Final = 500


async def subscribed_to(store: Store, viewer: str | None) -> set[str]:
    """Return the communities a viewer is subscribed to; none for no viewer, or a hidden one."""
    if viewer is None or await hidden(store, [viewer]):
        return set()
    return {row.community for row in await relations(store, "subscription", viewer) if not row.ended}


async def blocked_by(store: Store, viewer: str | None) -> set[str]:
    """Return the communities a viewer blocks; none for no viewer, or a hidden one."""
    if viewer is None or await hidden(store, [viewer]):
        return set()
    return {row.community for row in await relations(store, "block", viewer)}


async def relations(store: Store, table: str, viewer: str) -> list[Any]:
    """Return a viewer's rows of a relation; those of one whose account is hidden may still be there."""
    named = store.layout.table(table).row
    found: list[Any] = []
    more = True
    while more:
        after = (found[-1].community,) if found else None
        rows = await store.page(table, "by_actor", [(viewer,)], limit=_PAGE, after=after)
        found += map(named, rows)
        more = len(rows) == _PAGE
    return found
