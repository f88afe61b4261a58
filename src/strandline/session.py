"""
What to do next with a Jetstream: a session, and what happened to it, give a session and what is to be done.

It touches no socket and no clock: whoever drives it tells the time, throws the dice, and does what it says. So every
decision stands here, and can be tried without waiting.

- A connection ends for any reason or none. The next one is made after a pause that doubles, with jitter, from 250 ms
  to 30 s, and begins anew once an event has come; then too the hosts are tried from the first again.
- A position means something at one host only. At another the stream is taken up by time, from well before what was
  seen last; what comes twice changes nothing.
- No frame for a minute is silence. Where the host answers pings it is idle, and left alone for a quarter of an hour.
- History that a host no longer has is a gap: it is told, and the stream goes on from what there is.
- A frame that is too big to be taken would end each connection anew: it is told as a bad line, and the host is asked to
  leave such frames out until events come again.
- Compression is never in the way: without a dictionary a connection is plain, and the next one asks for it again.

Source: https://github.com/bluesky-social/jetstream (README, specs/client.md)
"""

import json
import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from attrs import evolve, frozen

from strandline.event import BadEvent, Control, Decoded

__all__ = [
    "Arrived",
    "Closed",
    "Connect",
    "Deliver",
    "Disconnect",
    "FetchDictionary",
    "Fetched",
    "Filter",
    "Gap",
    "Happening",
    "Host",
    "Interrupted",
    "Opened",
    "Place",
    "Ponged",
    "Refused",
    "Session",
    "Sleep",
    "Step",
    "Stop",
    "Waited",
    "began",
    "follow",
    "step",
]

Generation = Literal["v1", "v2"]

SECOND_US: Final = 1_000_000
FIRST_PAUSE_US: Final = SECOND_US // 4
LONGEST_PAUSE_US: Final = 30 * SECOND_US
SILENCE_US: Final = 60 * SECOND_US
IDLE_US: Final = 15 * 60 * SECOND_US
REWIND_US: Final = 5 * SECOND_US
"""How far a v1 cursor goes back at the same host; events of one instant may have been cut apart."""
REWIND_AT_ANOTHER_US: Final = 5 * 60 * SECOND_US
"""How far time goes back at another host; its clock, and its place in the network's stream, are its own."""
CLAMP_US: Final = 60 * SECOND_US
"""A first event so much later than the cursor asked for says that the host no longer has what lay between."""
MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
"""Of a greater frame nothing is taken."""
TOO_BIG: Final = 1009
"""The code with which a connection is closed for a frame that is too big."""
MAX_FILTER: Final = 4096
"""Of v1, a filter that takes more characters of a URL is sent as a message: longer URLs are refused on the way."""
LOSSES_A_HOST: Final = 3
"""How often in a row a host may fail before the next is tried."""


@frozen
class Host:
    """
    A Jetstream, and the wire it is asked for.

    Attributes:
        url: Its URL without a path, such as `wss://jetstream.us-east.bsky.network`.
        generation: `v1` for `/subscribe`, `v2` for `subscribeEvents`.
    """

    url: str
    generation: Generation

    @property
    def source(self) -> str:
        """The name under which its positions are kept."""
        return f"jetstream {self.generation} {urlsplit(self.url).netloc}"


@frozen(kw_only=True)
class Filter:
    """What is asked for: collections, exact or ending in `.*`, and dids; nothing named is everything."""

    collections: tuple[str, ...] = ()
    dids: tuple[str, ...] = ()


@frozen
class Place:
    """
    How far a stream was taken in.

    Attributes:
        source: `Host.source`: positions of two sources are never compared.
        position: v1 microseconds, v2 a sequence number.
        seen_us: When the event there was seen, microseconds since 1970, UTC: by it another host is asked.
    """

    source: str
    position: int
    seen_us: int


# What happens.


@frozen
class Waited:
    """The pause is over, or what was to be watched has been still until now."""


@frozen
class Opened:
    """The connection stands."""


@frozen
class Arrived:
    """Frames have come: what each says, in their order."""

    items: Sequence[Decoded]


@frozen
class Ponged:
    """The host answered a ping."""


@frozen
class Closed:
    """The connection was lost, or could not be made; `code` is the close frame's, 1006 for none."""

    code: int
    reason: str = ""


@frozen
class Refused:
    """The host answered the connection with an HTTP error, with its XRPC error name and message if it gave them."""

    status: int
    error: str = ""
    message: str = ""


@frozen
class Fetched:
    """The dictionary was fetched: its id; None if it could not be."""

    dictionary: int | None


@frozen
class Interrupted:
    """Somebody wants it to stop."""


Happening = Waited | Opened | Arrived | Ponged | Closed | Refused | Fetched | Interrupted


# What is to be done.


@frozen
class Connect:
    """
    Connect to a URL.

    Attributes:
        url: With all that is asked for.
        host: Whose it is.
        dictionary: By which frames are zstd; None for plain text.
        hello: A message to be sent first; None for none.
    """

    url: str
    host: Host
    dictionary: int | None
    hello: str | None = None


@frozen
class Deliver:
    """Take these in, in this order; then the stream was taken in up to `place`, if there is one."""

    items: Sequence[Decoded]
    place: Place | None


@frozen
class Sleep:
    """Do nothing for so long, then tell `Waited`; what comes first, comes first."""

    us: int


@frozen
class FetchDictionary:
    """Fetch the dictionary of this host, and tell `Fetched`."""

    host: Host


@frozen
class Gap:
    """Report that events between two times may never have come: microseconds since 1970, UTC."""

    host: Host
    since_us: int
    until_us: int | None


@frozen
class Disconnect:
    """Close the connection, if there is one; nothing need be told of its end."""


@frozen
class Stop:
    """Do nothing more; `reason` says why, "" if somebody wanted it."""

    reason: str = ""


Step = Connect | Deliver | Sleep | FetchDictionary | Gap | Disconnect | Stop


@frozen(kw_only=True)
class Session:
    """
    Where a session stands.

    Attributes:
        hosts: Jetstreams in order of preference, at least one.
        wanted: What is asked of them.
        place: How far the stream was taken; None to begin with what happens now.
        compress: Ask for zstd, where there is a dictionary.
        at: Which host is at hand.
        losses: Connections in a row that brought no event.
        asked_us: The time asked for on this connection, while no event has come; None for none.
        heard_us: When a frame last came.
        ponged_us: When the host last answered a ping.
        dictionary: Id of the zstd dictionary at hand; None for none yet.
        refused: A dictionary was refused, and no event has come since.
        plain: Compression is done without until the connection is lost.
        choked: A frame was too big, and no event has come since.
        connected: There is a connection.
        over: It has stopped.
        silence_us: After so long without a frame a host that answers no ping is left, in microseconds.
        idle_us: After so long without a frame any host is.
        pause_us: The first pause after a loss.
    """

    hosts: tuple[Host, ...]
    wanted: Filter = Filter()
    place: Place | None = None
    compress: bool = True
    at: int = 0
    losses: int = 0
    asked_us: int | None = None
    heard_us: int = 0
    ponged_us: int = 0
    dictionary: int | None = None
    refused: bool = False
    plain: bool = False
    choked: bool = False
    connected: bool = False
    over: bool = False
    silence_us: int = SILENCE_US
    idle_us: int = IDLE_US
    pause_us: int = FIRST_PAUSE_US

    @property
    def host(self) -> Host:
        """The host at hand."""
        return self.hosts[self.at]

    @property
    def packed(self) -> bool:
        """The next connection is to be compressed."""
        return self.compress and not self.plain


def began(session: Session) -> tuple[Session, list[Step]]:
    """Begin: connect to the first host."""
    return _connecting(session)


def step(session: Session, happening: Happening, now_us: int, chance: float) -> tuple[Session, list[Step]]:
    """
    Return the session after what happened, and what is to be done now, in this order.

    Args:
        session: As it was.
        happening: What happened to it.
        now_us: The time, microseconds; only differences matter.
        chance: A throw of the dice, at least 0 and less than 1, by which pauses of many clients differ.
    """
    if session.over:
        return session, []
    match happening:
        case Interrupted():
            return evolve(session, over=True, connected=False), [Disconnect(), Stop()]
        case Opened():
            opened = evolve(session, connected=True, heard_us=now_us, ponged_us=now_us)
            return opened, [Sleep(session.silence_us)]
        case Arrived():
            return _arrived(session, happening, now_us)
        case Ponged():
            return evolve(session, ponged_us=now_us), []
        case Waited():
            return _waited(session, now_us, chance)
        case Closed():
            return _closed(session, happening, chance)
        case Refused():
            return _refused(session, happening, chance)
        case Fetched():
            return _connecting(evolve(session, dictionary=happening.dictionary, plain=happening.dictionary is None))


def follow(hosts: Sequence[Host], places: Sequence[Place], **how: object) -> Session:
    """
    Return a session that goes on from what was taken in.

    Args:
        hosts: Jetstreams in order of preference.
        places: The places that were kept, one a source; the first host's own is preferred, unless another was seen
            later by more than hosts may differ.
        how: Other attributes of the session.
    """
    latest = max(places, key=lambda place: place.seen_us, default=None)
    own = next((place for place in places if place.source == hosts[0].source), None)
    if own is not None and latest is not None and latest.seen_us - own.seen_us <= REWIND_AT_ANOTHER_US:
        latest = own
    return Session(hosts=tuple(hosts), place=latest, **how)  # type: ignore[arg-type]  # attrs checks the names


def _connecting(session: Session) -> tuple[Session, list[Step]]:
    host = session.host
    if session.packed and session.dictionary is None:
        return session, [FetchDictionary(host)]
    cursor, asked_us = _cursor(session)
    path, parameters = _SAID[host.generation](session)
    parameters += [("maxMessageSizeBytes", str(MAX_FRAME_BYTES))] if session.choked else []
    parameters += [] if cursor is None else [("cursor", str(cursor))]
    query = urlencode(parameters)
    url = f"{host.url.rstrip('/')}{path}{'?' if query else ''}{query}"
    dictionary = session.dictionary if session.packed else None
    hello = _hello(session) if _HELLO in parameters else None
    return evolve(session, asked_us=asked_us, connected=False), [Connect(url, host, dictionary, hello)]


def _cursor(session: Session) -> tuple[int | None, int | None]:
    """Return the cursor to ask for, and the time it stands for."""
    place, host = session.place, session.host
    if place is None:
        return None, None
    if place.source != host.source:
        at_us = max(0, place.seen_us - REWIND_AT_ANOTHER_US)
        return at_us, at_us
    if host.generation == "v2":
        return place.position, None
    at_us = max(0, place.position - REWIND_US)
    return at_us, at_us


def _said_v1(session: Session) -> tuple[str, list[tuple[str, str]]]:
    said = [("wantedCollections", it) for it in session.wanted.collections]
    said += [("wantedDids", it) for it in session.wanted.dids]
    said = [_HELLO] if len(urlencode(said)) > MAX_FILTER else said
    return "/subscribe", said + ([("compress", "true")] if session.packed else [])


def _hello(session: Session) -> str:
    """Return the message that says what is wanted; it takes the place of all that the URL says of that."""
    wanted = {"wantedCollections": session.wanted.collections, "wantedDids": session.wanted.dids}
    payload = wanted | {"maxMessageSizeBytes": MAX_FRAME_BYTES if session.choked else 0}
    return json.dumps({"type": "options_update", "payload": payload})


def _said_v2(session: Session) -> tuple[str, list[tuple[str, str]]]:
    said = [("collections", it) for it in session.wanted.collections]
    said += [("dids", it) for it in session.wanted.dids]
    said += [("zstdDictionary", str(session.dictionary))] if session.packed else []
    return "/xrpc/network.bsky.jetstream.subscribeEvents", said


_HELLO: Final = ("requireHello", "true")
_SAID: Final = {"v1": _said_v1, "v2": _said_v2}


def _arrived(session: Session, happening: Arrived, now_us: int) -> tuple[Session, list[Step]]:
    heard = evolve(session, heard_us=now_us, ponged_us=now_us)
    steps: list[Step] = []
    if any(_is_outdated(item) for item in happening.items):
        steps += _gap(session)
    events = [item for item in happening.items if not isinstance(item, BadEvent | Control)]
    place = None
    if events:
        asked_us, first_us = session.asked_us, events[0].seen_us
        if asked_us is not None and session.host.generation == "v1" and first_us - asked_us > CLAMP_US:
            steps.append(Gap(session.host, asked_us, first_us))
        place = Place(session.host.source, events[-1].position, events[-1].seen_us)
        heard = evolve(heard, place=place, asked_us=None, losses=0, refused=False, choked=False)
    return heard, [*steps, Deliver(happening.items, place)]


def _gap(session: Session) -> list[Gap]:
    """Return the gap from where it was; none where a cursor that was too old has told it already."""
    place = session.place
    return [] if place is None or not place.source else [Gap(session.host, place.seen_us, None)]


def _is_outdated(item: Decoded) -> bool:
    return isinstance(item, Control) and item.name == "info" and item.detail.startswith("OutdatedCursor")


def _waited(session: Session, now_us: int, chance: float) -> tuple[Session, list[Step]]:
    if not session.connected:
        return _connecting(session)
    answers_until = min(session.ponged_us + session.silence_us, session.heard_us + session.idle_us)
    still_until = max(session.heard_us + session.silence_us, answers_until)
    if now_us < still_until:
        return session, [Sleep(still_until - now_us)]
    lost, steps = _lost(session, chance)
    return lost, [Disconnect(), *steps]


def _closed(session: Session, closed: Closed, chance: float) -> tuple[Session, list[Step]]:
    if closed.code != TOO_BIG:
        return _lost(session, chance)
    lost, steps = _lost(evolve(session, choked=True), chance)
    after = session.place.position if session.place else None
    known = f"{session.host.source}: after position {after}".encode()
    return lost, [Deliver([BadEvent("line-too-long", closed.reason, known)], None), *steps]


def _lost(session: Session, chance: float) -> tuple[Session, list[Step]]:
    losses = session.losses + 1
    at = (session.at + 1) % len(session.hosts) if losses % LOSSES_A_HOST == 0 else session.at
    at = 0 if losses == 1 else at
    pause_us = min(LONGEST_PAUSE_US, session.pause_us * 2 ** min(losses - 1, 20))
    moved = evolve(session, at=at, losses=losses, connected=False, plain=False)
    if moved.host != session.host:
        moved = evolve(moved, dictionary=None, refused=False)
    return moved, [Sleep(round(pause_us * (0.5 + chance / 2)))]


def _refused(session: Session, refusal: Refused, chance: float) -> tuple[Session, list[Step]]:
    if refusal.error == "CursorTooOld" and session.place is not None:
        return _too_old(session, session.place, refusal, chance)
    if refusal.error == "UnknownZstdDictionary":
        return _connecting(evolve(session, dictionary=None, refused=True, plain=session.refused))
    if refusal.status == 400:
        said = f"{refusal.error}: {refusal.message}" if refusal.error else f"HTTP {refusal.status} {refusal.message}"
        return evolve(session, over=True), [Stop(f"{session.host.url} refuses what it was asked: {said}")]
    return _lost(session, chance)


def _too_old(session: Session, place: Place, refusal: Refused, chance: float) -> tuple[Session, list[Step]]:
    """Go on by time, which a host moves to the oldest it has; if that is refused too, from the floor it names."""
    gap = Gap(session.host, place.seen_us, None)
    if place.source == session.host.source:
        moved, steps = _connecting(evolve(session, place=evolve(place, source="")))
        return moved, [gap, *steps]
    floor = re.search("[0-9]+", refusal.message)
    if floor is None:
        lost, steps = _lost(evolve(session, place=None), chance)
        return lost, steps
    return _connecting(evolve(session, place=Place(session.host.source, int(floor[0]), place.seen_us)))
