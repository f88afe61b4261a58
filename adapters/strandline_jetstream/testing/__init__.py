"""
A Jetstream to test consumers with: it serves any log over a websocket on this machine, and fails as it is told.

It speaks v1 `/subscribe` and v2 `subscribeEvents`, both from one log. `log` is what it holds, `asking` reads what a
client asks for, `faults` are what goes wrong, `server` sends.

Source: https://github.com/bluesky-social/jetstream (README, specs, and the lexicons `network.bsky.jetstream.*`)
"""

from strandline_jetstream.testing.faults import Close, Cut, Error, Fate, Faults, Refuse, Stall
from strandline_jetstream.testing.server import Jetstream, serving

__all__ = ["Close", "Cut", "Error", "Fate", "Faults", "Jetstream", "Refuse", "Stall", "serving"]
