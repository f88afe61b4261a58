"""
Searches of the forum: posts, communities, profiles, found by their words.

What is found is what a viewer may see: a blocked, private or unlisted community and a hidden account are in no answer.
What a text asks for, `strandline.words.query_of` tells; no text is an error, and one without a word finds nothing.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, Literal

from attrs import frozen

from strandline.forum.queries import (
    _blocked,
    _hidden,
    _public_communities,
    _subscribed,
    community,
    profile,
)
from strandline.ports import Found, Key, Store
from strandline.register import REPO
from strandline.syntax import Did, Handle
from strandline.words import Query, query_of

__all__ = ["Matches", "SearchOrder", "search_actors", "search_communities", "search_posts"]

SearchOrder = Literal["relevance", "new", "top"]

Ask = Callable[[int, Key | None], Awaitable[list[Found]]]

_MOST: Final = 1000
"""So many rows are read at once where many of those read before may not be shown."""


@frozen
class Matches:
    """
    A page of what was found.

    Attributes:
        rows: Rows of the table `post`, `community` or `profile`, in order.
        after: Where the next page begins; None if there is none.
    """

    rows: tuple[Any, ...]
    after: Key | None


async def search_posts(
    store: Store,
    text: str,
    *,
    community: str | None = None,
    author: str | None = None,
    order: SearchOrder = "relevance",
    since_us: int | None = None,
    limit: int = 15,
    after: Key | None = None,
    viewer: str | None = None,
) -> Matches | None:
    """
    Return posts whose title, content and tags are what a text asks for; None if the community may not be seen.

    Args:
        store: An index of the forum.
        text: What is asked for.
        community: Only posts of this one, which may be unlisted; else those of all live public ones.
        author: Only posts of this account.
        order: `relevance`: those with all of it in the title first, then by `hot`; `new`; `top`: by score.
        since_us: Only posts whose `sort_at_us` is at least this.
        limit: Posts a page.
        after: `after` of the page before.
        viewer: Did of who asks.
    """
    communities = await _searched(store, community, viewer)
    if communities is None:
        return None
    within = {"community": communities, **({} if author is None else {"author": [author]})}
    query = query_of(text)

    async def ask(count: int, behind: Key | None) -> list[Found]:
        return await store.search(
            "post", f"by_{order}", query, within=within, since=since_us, limit=count, after=behind
        )

    return await _matches(store, "post", ask, limit, after, ("author", "community"))


async def search_communities(
    store: Store,
    text: str,
    *,
    visibility: str = "public",
    limit: int = 50,
    after: Key | None = None,
    viewer: str | None = None,
) -> Matches:
    """
    Return live public communities whose names and description are what a text asks for; its last word may go on.

    Those with all of it in their names come first, then by subscribers. Those the viewer blocks are left out, and of
    another `visibility` than `public` there are none to be found: they are reachable by name.
    """
    blocked = await _blocked(store, viewer)
    query = query_of(text, typing=True) if visibility == "public" else Query(())

    async def ask(count: int, behind: Key | None) -> list[Found]:
        within = {"visibility": ["public"]}
        return await store.search("community", "by_relevance", query, within=within, limit=count, after=behind)

    return await _matches(store, "community", ask, limit, after, ("did",), blocked)


async def search_actors(store: Store, text: str, *, limit: int = 50, after: Key | None = None) -> Matches:
    """
    Return live profiles whose name and bio are what a text asks for; its last word may go on.

    Those with all of it in their name come first, then by reputation. A handle is in no profile, so it is looked up:
    a text that is the did or the claimed handle of an account with a profile, with @ before it or not, finds that one.
    """
    named = await _named(store, text.strip().removeprefix("@"))
    if named is not None:
        return Matches((named,) if after is None else (), None)
    query = query_of(text, typing=True)

    async def ask(count: int, behind: Key | None) -> list[Found]:
        return await store.search("profile", "by_relevance", query, limit=count, after=behind)

    return await _matches(store, "profile", ask, limit, after, ("did",))


async def _searched(store: Store, did: str | None, viewer: str | None) -> list[str] | None:
    """Return the communities whose posts are searched; None if the one that is asked for may not be seen."""
    blocked = await _blocked(store, viewer)
    if did is None:
        return [row.did for row in await _public_communities(store) if row.did not in blocked]
    found = await community(store, did)
    if found is None or (found.visibility == "private" and did not in await _subscribed(store, viewer)):
        return None
    return [] if did in blocked else [did]


async def _named(store: Store, text: str) -> Any | None:
    """Return the profile of the account that a text names; None if it names none."""
    if Did.matches(text):
        return await profile(store, text)
    if not Handle.matches(text):
        return None
    rows = await store.page(REPO.name, "by_handle", [(text.lower(),)], limit=1)
    return await profile(store, rows[0][0]) if rows else None


async def _matches(
    store: Store,
    table: str,
    ask: Ask,
    limit: int,
    after: Key | None,
    owners: Sequence[str],
    unwanted: Collection[str] = (),
) -> Matches:
    """Return a page of what is found, without rows of hidden accounts and of unwanted ones."""
    named = store.layout.table(table).row
    kept: list[tuple[Key, Any]] = []
    count = limit + 1
    while len(kept) <= limit:
        found = [(place, named(row)) for place, row in await ask(count, after)]
        hidden = {*unwanted, *await _hidden(store, {getattr(row, it) for _, row in found for it in owners})}
        kept += [it for it in found if not hidden.intersection(getattr(it[1], owner) for owner in owners)]
        if len(found) < count:
            break
        after, count = found[-1][0], min(2 * count, _MOST)
    rows = kept[:limit]
    return Matches(tuple(row for _, row in rows), rows[-1][0] if len(kept) > limit and rows else None)
