"""
Who they are: the handles they claim, and whose accounts are hidden.
"""

from collections.abc import Iterable

from strandline.ports import Store
from strandline.register import REPO, Repo

__all__ = ["claimant", "handles", "handles_of", "hidden"]


async def handles(store: Store, dids: Iterable[str]) -> dict[str, str]:
    """Return the handle each did claims, of those that claim one that no later claim has taken."""
    rows = await store.get(REPO.name, [(did,) for did in set(dids)])
    return await handles_of(store, map(Repo._make, rows.values()))


async def handles_of(store: Store, repos: Iterable[Repo]) -> dict[str, str]:
    """Return the handle each repo's did claims, of those that claim one that no later claim has taken."""
    claimed = [repo for repo in repos if repo.handle is not None]
    wanted = [(repo.handle,) for repo in claimed]
    latest = await store.page(REPO.name, "by_handle", wanted, limit=len(wanted), each=1) if wanted else []
    holders = {row[0] for row in latest}
    return {repo.did: repo.handle for repo in claimed if repo.handle is not None and repo.did in holders}


async def claimant(store: Store, handle: str) -> str | None:
    """Return the did whose claim to a handle, in lower case, is the latest; None if there is none."""
    rows = await store.page(REPO.name, "by_handle", [(handle,)], limit=1)
    return str(rows[0][0]) if rows else None


async def hidden(store: Store, dids: Iterable[str]) -> set[str]:
    """Return those of some dids whose account is hidden."""
    rows = await store.get(REPO.name, [(did,) for did in set(dids)])
    return {repo.did for repo in map(Repo._make, rows.values()) if repo.active == 0}
