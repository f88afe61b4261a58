"""
One thing by its name: a post, a community, a profile, whatever stands at an at-uri.
"""

from typing import Any

from strandline.forum.queries.people import hidden
from strandline.ports import Store
from strandline.register import Register, registers_at

__all__ = ["community", "path_of", "post", "profile", "record"]


async def post(store: Store, uri: str) -> Any | None:
    """Return the row of a live post whose author's account is not hidden; None if there is none."""
    key = (store.layout.keys.of(uri),)
    rows = await store.get("post", [key])
    if not rows:
        return None
    row = store.layout.table("post").row(rows[key])
    return None if await hidden(store, [row.community, row.author]) else row


async def community(store: Store, did: str) -> Any | None:
    """Return the row of a live community; None if there is none."""
    return await _owned(store, "community", did)


async def profile(store: Store, did: str) -> Any | None:
    """Return the row of a live actor profile; None if there is none."""
    return await _owned(store, "profile", did)


async def record(store: Store, uri: str) -> Register | None:
    """Return what stands at an at-uri; None if nothing is known of it."""
    path = path_of(uri)
    return (await registers_at(store.get, [path])).get(path)


async def _owned(store: Store, table: str, did: str) -> Any | None:
    rows = await store.get(table, [(did,)])
    if not rows or await hidden(store, [did]):
        return None
    return store.layout.table(table).row(rows[did,])


def path_of(uri: str) -> tuple[str, str, str]:
    """Return the path that an at-uri names."""
    did, collection, rkey = uri[5:].split("/")
    return rkey, collection, did
