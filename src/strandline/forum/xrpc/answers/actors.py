"""Answers about actors."""

from typing import Any

from strandline.forum.queries.people import hidden
from strandline.forum.xrpc.asking import Asked, did_of
from strandline.forum.xrpc.gather import gather
from strandline.forum.xrpc.refusal import not_found
from strandline.forum.xrpc.views import profile_view_detailed

__all__ = ["answer_profile"]


async def answer_profile(asked: Asked) -> dict[str, Any]:
    """Answer `social.coves.actor.getProfile`."""
    did = await did_of(asked, "actor", "ProfileNotFound")
    known = await gather(asked, people=[did])
    if did not in known.profiles or await hidden(asked.store, [did]):
        raise not_found("ProfileNotFound", f"actor: {did!r} has no profile")
    return profile_view_detailed(known, did)
