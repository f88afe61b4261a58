"""
What a client asks of a Jetstream: parameters of either path, read as strictly as the host reads them.

Source: https://github.com/bluesky-social/jetstream (README), the lexicon `network.bsky.jetstream.subscribeEvents`
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, frozen

from strandline.session import Generation
from strandline_jetstream.testing.faults import Refuse
from strandline_jetstream.testing.log import Entry

__all__ = ["V1", "V2", "Asked", "Invalid", "asked", "updated"]

V1: Final = "/subscribe"
V2: Final = "/xrpc/network.bsky.jetstream.subscribeEvents"

MAX_COLLECTIONS: Final = 100
MAX_DIDS: Final = 10_000
_KINDS: Final = {"commit", "identity", "account", "sync"}
_V1_NAMES: Final = {"wantedCollections", "wantedDids", "compress", "requireHello"}
_PATTERN: Final = re.compile(r"[A-Za-z0-9.-]+(\.\*)?")

Parameters = Mapping[str, Sequence[str]]


class Invalid(ValueError):
    """What is asked for is not what may be asked for; the text says why."""


@frozen(kw_only=True)
class Asked:
    """
    What one connection asked for.

    Attributes:
        generation: The wire.
        cursor: From where, inclusive; None for where the log begins.
        collections: Exact, or ending in `.*`; none is all.
        dids: None is all.
        kinds: None is all; v2 alone has it.
        max_bytes: Longer lines are left out; 0 for no bound.
        compress: v1: frames are to be zstd.
        dictionary: v2: the id of the dictionary by which they are to be; None for plain.
        hello: v1: nothing is to come before the first update.
    """

    generation: Generation
    cursor: int | None = None
    collections: tuple[str, ...] = ()
    dids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    max_bytes: int = 0
    compress: bool = False
    dictionary: int | None = None
    hello: bool = False

    def wants(self, entry: Entry) -> bool:
        """Tell whether an entry is asked for: collections concern commits alone; what is no event always is."""
        if not entry.kind:
            return True
        return (
            (not self.dids or entry.did in self.dids)
            and (not self.kinds or entry.kind in self.kinds)
            and (not self.collections or not entry.collection or _matches(entry.collection, self.collections))
        )


def asked(path: str) -> Asked | Refuse:
    """Return what is asked for by a path and its query; what may not be asked for is refused."""
    parts = urlsplit(path)
    parameters = parse_qs(parts.query, keep_blank_values=True)
    read = {V1: _v1, V2: _v2}.get(parts.path)
    if read is None:
        return Refuse(404, "XRPCNotSupported", parts.path)
    try:
        return read(parameters)
    except Invalid as error:
        return Refuse(400, "InvalidRequest", str(error))


def updated(before: Asked, message: Any) -> Asked:
    """
    Return what is asked for after a message of the client's: an `options_update` takes the place of all options.

    Raises:
        Invalid: the options are none.
    """
    if not isinstance(message, dict) or message.get("type") != "options_update":
        return before
    options = message.get("payload")
    if not isinstance(options, dict):
        raise Invalid("options_update has no payload")
    collections, dids = options.get("wantedCollections") or [], options.get("wantedDids") or []
    size = options.get("maxMessageSizeBytes") or 0
    if not all(isinstance(it, list) for it in (collections, dids)) or type(size) is not int:
        raise Invalid("wantedCollections and wantedDids are lists, maxMessageSizeBytes is a number")
    return evolve(before, collections=_patterns(collections), dids=_dids(dids), max_bytes=max(0, size), hello=False)


def _v1(parameters: Parameters) -> Asked:
    return Asked(
        generation="v1",
        cursor=_cursor(parameters),
        collections=_patterns(parameters.get("wantedCollections", ())),
        dids=_dids(parameters.get("wantedDids", ())),
        max_bytes=int(_one(parameters, "maxMessageSizeBytes") or 0),
        compress=_one(parameters, "compress") == "true",
        hello=_one(parameters, "requireHello") == "true",
    )


def _v2(parameters: Parameters) -> Asked:
    strange = sorted(_V1_NAMES & parameters.keys())
    if strange:
        raise Invalid(f"{strange[0]} belongs to the v1 wire")
    kinds = tuple(parameters.get("kinds", ()))
    if not set(kinds) <= _KINDS:
        raise Invalid(f"kinds: {kinds!r}")
    if kinds and "commit" not in kinds and "collections" in parameters:
        raise Invalid("collections are asked for, but kinds leave commits out")
    return Asked(
        generation="v2",
        cursor=_cursor(parameters),
        collections=_patterns(parameters.get("collections", ())),
        dids=_dids(parameters.get("dids", ())),
        kinds=kinds,
        max_bytes=_count(parameters, "maxMessageSizeBytes") or 0,
        dictionary=_count(parameters, "zstdDictionary"),
    )


def _cursor(parameters: Parameters) -> int | None:
    return _count(parameters, "cursor")


def _count(parameters: Parameters, name: str) -> int | None:
    text = _one(parameters, name)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise Invalid(f"{name} is {text!r}")
    return None if text is None else int(text)


def _one(parameters: Parameters, name: str) -> str | None:
    return parameters[name][0] if name in parameters else None


def _patterns(collections: Sequence[str]) -> tuple[str, ...]:
    if len(set(collections)) > MAX_COLLECTIONS:
        raise Invalid(f"more than {MAX_COLLECTIONS} collections")
    for it in collections:
        if not isinstance(it, str) or not _PATTERN.fullmatch(it):
            raise Invalid(f"no collection: {it!r}")
    return tuple(collections)


def _dids(dids: Sequence[str]) -> tuple[str, ...]:
    if len(set(dids)) > MAX_DIDS:
        raise Invalid(f"more than {MAX_DIDS} dids")
    for it in dids:
        if not isinstance(it, str) or not it.startswith("did:"):
            raise Invalid(f"no did: {it!r}")
    return tuple(dids)


def _matches(collection: str, wanted: Sequence[str]) -> bool:
    return any(collection == it or (it.endswith(".*") and collection.startswith(it[:-1])) for it in wanted)
