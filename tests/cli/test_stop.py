"""A signal reaches the command wherever it comes: in a coroutine at work, in one that waits, between commands' steps."""

import asyncio
import os
import signal

import pytest

from strandline_cli.loop import one_loop, run
from strandline_cli.stop import Stopped, stoppable


def send() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_coroutine_at_work_is_ended_where_it_is() -> None:
    """A store without a network never waits, and may be at work for minutes."""
    went_on: list[bool] = []

    async def at_work() -> None:
        send()
        went_on.append(True)

    with stoppable(), one_loop(), pytest.raises(Stopped):
        run(at_work())
    assert not went_on


@pytest.mark.parametrize("signals", [1, 2])
def test_a_coroutine_that_waits_is_cancelled_though_the_signal_comes_within_somebody_elses_step(signals: int) -> None:
    """What is raised within a callback of the loop is told to its exception handler, and to nobody else."""
    missed: list[bool] = []

    async def wait() -> None:
        for _ in range(signals):
            asyncio.get_running_loop().call_soon(send)
        try:
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        except TimeoutError:
            missed.append(True)

    with stoppable(), pytest.raises(Stopped) as stopped, one_loop():
        run(wait())
    assert (missed, stopped.value.code) == ([], 143)


def test_what_ends_as_the_signal_comes_is_stopped_all_the_same() -> None:
    async def wait() -> None:
        asyncio.get_running_loop().call_soon(send)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    with stoppable(), one_loop(), pytest.raises(Stopped):
        run(wait())
