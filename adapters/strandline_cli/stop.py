"""
Ctrl-C and SIGTERM: an exception at once, or, while a batch is in hand, once that is done.

Some things that a process may hang in hear of no exception: a name that is looked up, a file that another process has
locked, a server that answers nothing. Where a command is to end in time all the same, a thread ends the process; the
interpreter wakes it when the signal comes, and not, as its handlers, when the main thread is at work again.

Source: https://docs.python.org/3/library/signal.html#handlers-and-exceptions
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Final

__all__ = ["Stopped", "answering", "ending_within", "held", "leave", "may_raise", "stoppable"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Answer = Callable[[int], None]


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
    answer: Answer | None = None
    held = told = watched = False
    waiting: int | None = None
    came = 0


_state: Final = _State()


@contextmanager
def stoppable(*, for_good: bool = False) -> Iterator[None]:
    """
    Turn SIGINT and SIGTERM into `Stopped` within the block; the main thread's alone.

    Args:
        for_good: The process ends with the block: how signals were answered before is not brought back.
    """
    before = {number: signal.signal(number, _arrived) for number in SIGNALS}
    _state.told, _state.watched, _state.came = False, False, 0
    try:
        yield
    finally:
        for number, handler in before.items():
            if not (for_good and _state.told):
                signal.signal(number, handler)


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Call `answer` with each signal's number within the block, between any two steps of it, in place of raising."""
    before, _state.answer = _state.answer, answer
    try:
        yield
    finally:
        _state.answer = before


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


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """Let the process end so long after a signal that comes within the block at the latest, whatever it hangs in."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    Thread(target=_watch, args=(ours, seconds), daemon=True).start()
    _state.watched = True
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()
        _state.watched = _state.came > 0


def leave(hint: str = "") -> None:
    """Say that the process was stopped; from here on it hears no signal."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _state.told = True
    print(f"strandline: stopped{': ' if hint else ''}{hint}", file=sys.stderr, flush=True)


def _arrived(number: int, _: FrameType | None) -> None:
    _state.came += 1
    if _state.held and _state.waiting is None:
        _state.waiting = number
    elif _state.answer is not None:
        _state.answer(number)
    elif may_raise():
        raise Stopped(number)


def may_raise() -> bool:
    """Tell whether a signal may raise: but for the first it need not where the end is watched, and may cut a close."""
    return _state.came == 1 or not _state.watched


def _watch(told: socket.socket, seconds: float) -> None:
    """Wait for a signal; if one comes, end the process later. Nothing comes any more once the other side is closed."""
    with told:
        while came := told.recv(1):
            if came[0] in SIGNALS:
                time.sleep(seconds)
                if not _state.told:
                    os.write(sys.stderr.fileno(), b"strandline: stopped\n")  # the main thread may hold what buffers it
                os._exit(128 + came[0])
