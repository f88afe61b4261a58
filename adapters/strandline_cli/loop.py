"""
The event loop of a command, made when its first coroutine is run and closed at its end.

A command is one thread, and all it opens lives in this loop.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:  # a command that asks no store is spared its import
    import asyncio

__all__ = ["one_loop", "run"]

T = TypeVar("T")

_loops: Final[list["asyncio.Runner"]] = []


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, run in the command's event loop."""
    if not _loops:
        import asyncio

        _loops.append(asyncio.Runner())
    return _loops[0].run(coroutine)


@contextmanager
def one_loop() -> Iterator[None]:
    """Close the event loop that was made within the block, if one was."""
    try:
        yield
    finally:
        while _loops:
            _loops.pop().close()
