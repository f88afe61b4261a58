"""The command as a process beside a server in this one; whatever a test comes to, it is gone afterwards."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

COMMAND = (sys.executable, "-c", "import sys; from strandline_cli import main; sys.exit(main())")

Running = Callable[..., AbstractAsyncContextManager[Process]]
Within = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def running() -> Running:
    """Run `strandline` with these arguments within a block, with pipes; what still runs at its end is killed."""

    @asynccontextmanager
    async def run(*arguments: object) -> AsyncIterator[Process]:
        settings = os.environ | {"NO_COLOR": "1"}
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *map(str, arguments), stdout=PIPE, stderr=PIPE, env=settings
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return run


@pytest.fixture
def awaited() -> Within:
    """Run a coroutine to its end, which must come within a minute."""

    def run(test: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(60):
                await test

        asyncio.run(bounded())

    return run
