"""
The event loop of a command, made when its first coroutine is run and closed at its end.

A command is one thread, and all it opens lives in this loop. A signal raises in the coroutine where that is at work;
where it waits it is cancelled, since what is raised in the midst of the loop reaches somebody else, or nobody.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from strandline_cli.stop import Stopped, answering, may_raise

if TYPE_CHECKING:  # a command that asks no store is spared its import
    import asyncio

__all__ = ["hush", "one_loop", "run"]

T = TypeVar("T")

_loops: Final[list["asyncio.Runner"]] = []


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Return what a coroutine returns, run in the command's event loop.

    Raises:
        Stopped: a signal came.
    """
    if not _loops:
        import asyncio

        _loops.append(asyncio.Runner())
    return _loops[0].run(_stoppable(coroutine))


@contextmanager
def one_loop() -> Iterator[None]:
    """Close the event loop that was made within the block, if one was."""
    try:
        yield
    except Stopped:
        for it in _loops:
            hush(it.get_loop())
        raise
    finally:
        while _loops:
            _loops.pop().close()


def hush(loop: "asyncio.AbstractEventLoop") -> None:
    """Let nobody hear of what fails from here on because it was given up in the midst."""
    loop.set_exception_handler(lambda *_: None)


async def _stoppable(coroutine: Coroutine[Any, Any, T]) -> T:
    from asyncio import current_task, get_running_loop

    loop, task = get_running_loop(), current_task()
    assert task is not None
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        hush(loop)
        if len(came) == 1 and may_raise() and current_task(loop) is task:
            raise Stopped(number)
        loop.call_soon_threadsafe(task.cancel)

    with answering(stop):
        try:
            return await coroutine
        finally:
            if came:
                raise Stopped(came[0])
