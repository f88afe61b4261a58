"""A store that keeps a batch waiting keeps nobody from stopping: the batch is given up whole, and comes again."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest

from strandline import Ingest, open_store
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.register import REGISTER
from strandline_jetstream import host_of
from strandline_jetstream.testing import serving
from strandline_postgres.testing import Server

LINES = [it.rstrip() for it in world(seed=7, events=100)]
SCHEMAS = count()


@asynccontextmanager
async def held(server: Server, table: str) -> Any:
    """Hold a table, as a migration of somebody else's does; give what waits until another waits for it."""
    connection = await asyncpg.connect(server.url())

    async def waited_for() -> None:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)

    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield waited_for
    finally:
        await connection.close()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_ends_it_within_two_seconds_though_its_store_is_slow(
    signals: int, postgres: Callable[[int], Server], running: Callable[..., Any], awaited: Callable[..., None]
) -> None:
    server, name = postgres(18), f"stop_{next(SCHEMAS)}"
    url = server.url(schema=name)

    async def test() -> None:
        await (await open_store(url, SCHEMA)).close()
        async with serving(LINES) as jetstream:
            async with (
                held(server, f"{name}.{REGISTER.name}") as waited_for,
                running("run", "--source", jetstream.url, "--store", url) as process,
            ):
                await waited_for()
                for _ in range(signals):
                    process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(2):
                    _, err = await process.communicate()
            assert (process.returncode, err) == (143, b"strandline: stopped\n")
            store = await open_store(url, SCHEMA)
            assert await Ingest(store, SCHEMA).places([host_of(jetstream.url).source]) == []
            await store.close()

    awaited(test())
