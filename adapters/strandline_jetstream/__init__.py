"""
A live Jetstream, v1 or v2: the websocket that does what `strandline.session` decides.

The names below are the whole of it; `frames` turns frames into lines, `connection` holds one websocket, `follower`
does a session's steps, `status` says how it goes.
"""

from strandline_jetstream.follower import Follower
from strandline_jetstream.frames import host_of
from strandline_jetstream.status import Status

__all__ = ["Follower", "Status", "host_of"]
