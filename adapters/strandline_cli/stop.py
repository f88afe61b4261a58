"""
Ctrl-C and SIGTERM: an exception at once, or, while a batch is in hand, once that is done.

Source: https://docs.python.org/3/library/signal.html#handlers-and-exceptions
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["Stopped", "held", "stoppable"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """
    The process was told to stop.

    Attributes:
        code: The exit code that says so.
        hint: How to go on from here; "" for nothing to say.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number
        self.hint = ""


class _State:
    held = False
    waiting: int | None = None


_state: Final = _State()


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped` within the block; the main thread's alone."""
    before = {number: signal.signal(number, _arrived) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Let a signal wait for the end of the block; a second one does not wait."""
    _state.held, _state.waiting = True, None
    try:
        yield
    finally:
        _state.held = False
    if _state.waiting is not None:
        raise Stopped(_state.waiting)


def _arrived(number: int, _: FrameType | None) -> None:
    if _state.held and _state.waiting is None:
        _state.waiting = number
    else:
        raise Stopped(number)
