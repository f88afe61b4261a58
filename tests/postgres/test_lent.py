"""A store inside an application: over its own connection or pool, in its own transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from strandline import Cursor, Ingest, StoreError, decode
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline.memory import MemoryStore
from strandline.testing.laws import told
from strandline_postgres import PostgresStore, open_store
from strandline_postgres.testing import Server

LAYOUT = layout_of(SCHEMA)
LOG = tuple(decode(line) for line in world(5, 100))


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server.url())
    await connection.execute("CREATE TEMP TABLE mine (it int PRIMARY KEY)")
    try:
        yield connection
    finally:
        await connection.close()


async def views() -> dict[str, list[Any]]:
    store = MemoryStore(LAYOUT)
    await Ingest(store, SCHEMA).fold(LOG, Cursor("log", 1))
    return await told(store)


async def seen(server: Server, schema: str) -> dict[str, list[Any]]:
    """Return all rows as somebody else sees them."""
    store = await open_store(server.url(schema=schema), LAYOUT, write=False)
    try:
        return await told(store)
    finally:
        await store.close()


def test_a_batch_is_committed_with_the_applications_own_rows(server: Server, schema: str) -> None:
    async def together() -> None:
        async with connected(server) as connection:
            index = Ingest(await PostgresStore.over(connection, LAYOUT, schema=schema), SCHEMA)
            async with connection.transaction():
                await connection.execute("INSERT INTO mine VALUES (1)")
                await index.fold(LOG, Cursor("log", 1))
                assert await index.cursor("log") == 1
                assert await seen(server, schema) == {}, "nobody sees it yet"
            assert await seen(server, schema) == await views()
            assert await connection.fetchval("SELECT count(*) FROM mine") == 1

    asyncio.run(together())


def test_a_batch_goes_with_the_applications_transaction(server: Server, schema: str) -> None:
    async def undone() -> None:
        async with connected(server) as connection:
            index = Ingest(await PostgresStore.over(connection, LAYOUT, schema=schema), SCHEMA)
            theirs = connection.transaction()
            await theirs.start()
            await index.fold(LOG, Cursor("log", 1))
            await theirs.rollback()
            assert await index.cursor("log") is None
            assert await seen(server, schema) == {}

    asyncio.run(undone())


def test_a_batch_that_fails_leaves_the_applications_transaction_usable(server: Server, schema: str) -> None:
    async def failed() -> None:
        async with connected(server) as connection:
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)

            async def fail() -> None:
                async with store.transaction() as transaction:
                    await transaction.commit({"cursor": {("log",): ("log", "seven")}})

            async with connection.transaction():
                await connection.execute("INSERT INTO mine VALUES (1)")
                with pytest.raises(StoreError):
                    await fail()
                await Ingest(store, SCHEMA).fold(LOG, Cursor("log", 1))
                await connection.execute("INSERT INTO mine VALUES (2)")
            assert await seen(server, schema) == await views()
            assert await connection.fetchval("SELECT count(*) FROM mine") == 2

    asyncio.run(failed())


def test_an_application_writes_in_a_transaction_of_ours(server: Server, schema: str) -> None:
    async def within() -> None:
        async with connected(server) as connection:
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)
            async with store.transaction() as transaction:
                await transaction.connection.execute("INSERT INTO mine VALUES (1)")
                await transaction.commit({"cursor": {("log",): ("log", 1)}})
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT count(*) FROM mine") == 1
            assert (await seen(server, schema))["cursor"] == [("log", 1)]

    asyncio.run(within())


def test_a_transaction_of_another_isolation_is_refused(server: Server, schema: str) -> None:
    async def refused() -> None:
        async with connected(server) as connection:
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)
            async with connection.transaction(isolation="repeatable_read"):
                with pytest.raises(StoreError, match="READ COMMITTED"):
                    await Ingest(store, SCHEMA).fold(LOG)
                assert await told(store) == {}
            async with connection.transaction():
                with pytest.raises(StoreError, match="REPEATABLE READ"):
                    await told(store)

    asyncio.run(refused())


def test_settings_of_ours_end_with_our_transactions(server: Server, schema: str) -> None:
    async def settings() -> None:
        asked = (
            "SELECT name, setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%' ORDER BY name"  # it may be loaded
        )
        async with connected(server) as connection:
            before = await connection.fetch(asked)
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)
            await Ingest(store, SCHEMA).fold(LOG, Cursor("log", 1))
            await told(store)
            assert await connection.fetch(asked) == before
            assert await connection.fetch("SELECT * FROM pg_locks WHERE locktype = 'advisory'") == []

    asyncio.run(settings())


def test_a_pool_is_lent_and_stays_the_applications(server: Server, schema: str) -> None:
    async def lent() -> None:
        async with asyncpg.create_pool(server.url(), min_size=1, max_size=5) as pool:
            store = await PostgresStore.over(pool, LAYOUT, schema=schema)
            await Ingest(store, SCHEMA).fold(LOG, Cursor("log", 1))
            assert await told(store) == await views()
            async with store.rebuild():
                pass
            assert (await told(store)).keys() == {table.name for table in LAYOUT.kept} & (await views()).keys()
            await store.close()
            assert await pool.fetchval("SELECT 1") == 1

    asyncio.run(lent())


def test_one_connection_cannot_rebuild(server: Server, schema: str) -> None:
    async def refused() -> None:
        async with connected(server) as connection:
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)
            with pytest.raises(StoreError, match="several connections"):
                await store.rebuild().__aenter__()

    asyncio.run(refused())


def test_a_connection_that_is_lost_is_the_applications_trouble(server: Server, schema: str) -> None:
    async def lost() -> None:
        async with connected(server) as connection, connected(server) as other:
            store = await PostgresStore.over(connection, LAYOUT, schema=schema)
            await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            for _ in range(2):
                with pytest.raises(StoreError):
                    await store.get("cursor", [("log",)])

    asyncio.run(lost())
