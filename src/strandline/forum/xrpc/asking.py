"""What is asked, by whom and when: all that an answer may depend on."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from strandline.errors import InvalidToken
from strandline.forum.queries.people import claimant, hidden
from strandline.forum.queries.relations import blocked_by, subscribed_to
from strandline.forum.xrpc.blobs import BlobUrls
from strandline.forum.xrpc.refusal import Refusal, invalid, not_found
from strandline.page import place_of, token_of
from strandline.ports import Key, Store
from strandline.syntax import Did, Handle

__all__ = ["Answering", "Asked", "Place", "did_of", "place", "subscriptions", "token"]


@frozen(kw_only=True)
class Answering:
    """
    How questions are answered.

    Attributes:
        page_keys: Secrets of the page tokens, of 16 bytes or more; the first signs, all are believed.
        blobs: How the urls of blobs are made.
    """

    page_keys: tuple[bytes, ...]
    blobs: BlobUrls = field(factory=BlobUrls)


@frozen(kw_only=True)
class Asked:
    """
    A question.

    Attributes:
        store: The index it is asked of.
        nsid: Which question.
        parameters: Its parameters, validated, with their defaults.
        viewer: Did of who asks; None for a stranger.
        now_us: When, microseconds since 1970, UTC.
        how: How it is answered.
    """

    store: Store
    nsid: str
    parameters: Mapping[str, Any]
    viewer: str | None
    now_us: int
    how: Answering

    @property
    def limit(self) -> int:
        """How much is asked for at most."""
        return int(self.parameters["limit"])

    @property
    def bound(self) -> list[Any]:
        """What a page token holds for: the question, whose it is, and every parameter but how much and from where."""
        told = {name: value for name, value in self.parameters.items() if name not in ("cursor", "limit")}
        return [self.nsid, told, self.viewer]


@frozen
class Place:
    """Where a page begins: the time of the first page, and the sort columns behind which this one starts."""

    now_us: int
    after: Key | None


def place(asked: Asked) -> Place:
    """
    Return where the page asked for begins.

    Raises:
        Refusal: InvalidCursor: the cursor is not of this question.
    """
    told = asked.parameters.get("cursor")
    if told is None:
        return Place(asked.now_us, None)
    try:
        now_us, after = place_of(asked.how.page_keys, asked.bound, told)
    except InvalidToken as error:
        raise Refusal(400, "InvalidCursor", f"cursor: {error}") from None
    return Place(now_us, tuple(after))


def token(asked: Asked, began: Place, after: Key | None) -> dict[str, str]:
    """Return the `cursor` of the next page, to be put into an answer; nothing if there is none."""
    if after is None:
        return {}
    return {"cursor": token_of(asked.how.page_keys, asked.bound, [began.now_us, list(after)])}


async def did_of(asked: Asked, name: str, missing: str) -> str:
    """
    Return the did that a parameter names: a did, a handle, `@handle` or `!name@instance`.

    Args:
        asked: The question.
        name: The parameter.
        missing: Name of the error where nobody has that handle.

    Raises:
        Refusal: InvalidRequest: it is none of these; `missing`: nobody claims the handle.
    """
    who = str(asked.parameters[name]).strip()
    if Did.matches(who):
        return who
    handle = _handle(who)
    if handle is None or not Handle.matches(handle):
        raise invalid(f"{name}: {who[:100]!r} is no did, no handle and no !name@instance")
    found = await claimant(asked.store, handle)
    if found is None:
        raise not_found(missing, f"{name}: nobody has the handle {handle!r}")
    return found


def _handle(who: str) -> str | None:
    if not who.startswith("!"):
        return who.removeprefix("@").lower()
    name, _, instance = who[1:].partition("@")
    fits = "." not in name and Handle.matches(f"{name}.{instance}")
    return f"c-{name}.{instance}".lower() if fits else None


async def subscriptions(asked: Asked) -> tuple[set[str], set[str]]:
    """Return the communities the viewer is subscribed to, and those the viewer blocks."""
    if asked.viewer is None or await hidden(asked.store, [asked.viewer]):
        return set(), set()
    return await subscribed_to(asked.store, asked.viewer), await blocked_by(asked.store, asked.viewer)
