"""How a session goes: the one place where that is counted, for whoever shows it."""

import time
from collections import Counter

from attrs import Factory, asdict, define

__all__ = ["Status"]


@define
class Status:
    """
    How a session goes.

    Attributes:
        host: The source at hand; "" for none yet.
        connected: There is a connection.
        events: Events delivered; bad lines and control frames are none.
        bad: Bad lines delivered, by reason.
        control: Control frames delivered.
        gaps: How often history was reported as lost upstream.
        connections: How many connections stood.
        queue: Frames that wait to be taken in.
        seen_us: When the last event was seen upstream, microseconds since 1970, UTC; None for none yet.
        last_error: What went wrong last; "" for nothing.
    """

    host: str = ""
    connected: bool = False
    events: int = 0
    bad: Counter[str] = Factory(Counter)
    control: int = 0
    gaps: int = 0
    connections: int = 0
    queue: int = 0
    seen_us: int | None = None
    last_error: str = ""

    def told(self) -> dict[str, object]:
        """Return it for JSON, with `lag_us`: how long ago the last event was seen, by the clock; None for none yet."""
        lag_us = None if self.seen_us is None else time.time_ns() // 1000 - self.seen_us
        return asdict(self) | {"lag_us": lag_us}
