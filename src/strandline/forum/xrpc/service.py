"""
The questions by name: validated, asked, answered.

`answer` is all that a server needs: it decides everything but how bytes come and go.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from strandline.forum.xrpc.answers import actors, aggregators, comments, communities, feeds, posts, searches
from strandline.forum.xrpc.asking import Answering, Asked
from strandline.forum.xrpc.documents import ALIASES, QUERIES, UNSERVED
from strandline.forum.xrpc.parameters import parse
from strandline.forum.xrpc.refusal import Refusal, not_found
from strandline.forum.xrpc.writes import WRITES, write_to_pds
from strandline.ports import Store

__all__ = ["ANSWERS", "answer", "refusal_of_post"]

Json = dict[str, Any]

_N: Final = "social.coves."

ANSWERS: Final[Mapping[str, Callable[[Asked], Awaitable[Json]]]] = {
    f"{_N}feed.getTimeline": feeds.answer_timeline,
    f"{_N}feed.getDiscover": feeds.answer_discover,
    f"{_N}feed.getAll": feeds.answer_all,
    f"{_N}feed.getCommunity": feeds.answer_community,
    f"{_N}community.post.get": posts.answer_get,
    f"{_N}community.post.list": posts.answer_list,
    f"{_N}community.post.search": searches.answer_posts,
    f"{_N}community.comment.getComments": comments.answer_comments,
    f"{_N}actor.getProfile": actors.answer_profile,
    f"{_N}actor.getPosts": posts.answer_actor,
    f"{_N}actor.getComments": comments.answer_actor_comments,
    f"{_N}actor.search": searches.answer_actors,
    f"{_N}community.get": communities.answer_get,
    f"{_N}community.list": communities.answer_list,
    f"{_N}community.search": searches.answer_communities,
    f"{_N}community.getSubscribers": communities.answer_subscribers,
    f"{_N}community.getMembers": communities.answer_members,
    f"{_N}aggregator.getServices": aggregators.answer_services,
    f"{_N}aggregator.getAuthorizations": aggregators.answer_authorizations,
    f"{_N}aggregator.listForCommunity": aggregators.answer_for_community,
}
"""What answers each question."""


async def answer(
    store: Store,
    nsid: str,
    pairs: Iterable[tuple[str, str]],
    *,
    viewer: str | None,
    now_us: int,
    how: Answering,
) -> Json:
    """
    Answer a question, as JSON data.

    Args:
        store: An index of the forum.
        nsid: The question's name, or one of ALIASES.
        pairs: Names and values of its query string.
        viewer: Did of who asks; None for a stranger.
        now_us: When, microseconds since 1970, UTC; the pages after the first keep its time.
        how: How questions are answered.

    Raises:
        Refusal: there is no answer; it says why.
        StoreError: the store is in trouble.
    """
    name = ALIASES.get(nsid, nsid)
    if name not in ANSWERS:
        raise _unknown(name, "GET")
    parameters = parse(QUERIES[name]["parameters"], pairs)
    return await ANSWERS[name](
        Asked(store=store, nsid=name, parameters=parameters, viewer=viewer, now_us=now_us, how=how)
    )


def refusal_of_post(nsid: str) -> Refusal:
    """Return why a procedure is not run: none is."""
    return write_to_pds(nsid) if nsid in WRITES else _unknown(ALIASES.get(nsid, nsid), "POST")


def _unknown(nsid: str, method: str) -> Refusal:
    if nsid in UNSERVED:
        return Refusal(501, "MethodNotImplemented", f"{nsid} is not served here")
    if nsid in WRITES:
        return Refusal(405, "MethodNotAllowed", f"{nsid} is a procedure: POST it")
    if nsid in ANSWERS and method == "POST":
        return Refusal(405, "MethodNotAllowed", f"{nsid} is a query: GET it")
    return not_found("MethodNotFound", f"there is no {nsid[:200]!r}")
