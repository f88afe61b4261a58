"""What goes wrong with a Jetstream: of each connection its fate, and what holds of all of them."""

from attrs import Factory, define, frozen

__all__ = ["Close", "Cut", "Error", "Fate", "Faults", "Refuse", "Stall"]


@frozen
class Refuse:
    """The connection is answered by an HTTP error: its status, and the XRPC error's name and message."""

    status: int
    error: str = ""
    message: str = ""


@frozen
class Cut:
    """After so many frames the connection is lost within the bytes of the next; no close frame comes."""

    after: int


@frozen
class Close:
    """After so many frames it is closed, as the protocol has it."""

    after: int
    code: int = 1001
    reason: str = ""


@frozen
class Stall:
    """After so many frames nothing more comes, though the connection stays, and pings are answered."""

    after: int


@frozen
class Error:
    """After so many frames a v2 error frame comes, and then the close; v1 has no such frame, and is closed."""

    after: int
    error: str = "ConsumerTooSlow"
    message: str = ""


Fate = Refuse | Cut | Close | Stall | Error
"""What one connection comes to."""


@define
class Faults:
    """
    What goes wrong. It may be changed while the server runs.

    Attributes:
        fates: What connections come to, used up from its front; a connection that finds none goes on for ever.
        twice: Every so many-th frame of a connection is sent twice; 0 for none.
        lost: So many of the log's first lines are no longer held: v2 refuses a number before, what is asked for by
            time begins with the first that is held.
        rotate: After each so many connections the v2 dictionary is another, and the one before is unknown; 0: never.
        no_dictionary: So many requests for the dictionary are answered by HTTP 503.
    """

    fates: list[Fate] = Factory(list)
    twice: int = 0
    lost: int = 0
    rotate: int = 0
    no_dictionary: int = 0
