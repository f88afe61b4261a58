"""What goes wrong at a server, told as whose trouble it is and what to do next; and what each leaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from strandline import (
    Cursor,
    Ingest,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInterrupted,
    StoreReadOnly,
    StoreUnavailable,
    decode,
)
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline.memory import MemoryStore
from strandline.testing.laws import told
from strandline_postgres import PostgresStore, open_store
from strandline_postgres.testing import Server, started

LAYOUT = layout_of(SCHEMA)
LOG = tuple(decode(line) for line in world(5, 400))
BATCH = 50


@asynccontextmanager
async def opened(url: str, **how: Any) -> AsyncIterator[PostgresStore]:
    store = await open_store(url, LAYOUT, **how)
    try:
        yield store
    finally:
        await store.close()


async def expected() -> dict[str, list[Any]]:
    store = MemoryStore(LAYOUT)
    await replayed(store)
    return await told(store)


async def replayed(store: Any, end: int = len(LOG)) -> None:
    index = Ingest(store, SCHEMA)
    start = await index.cursor("log") or 0
    for at in range(start, end, BATCH):
        await index.fold(LOG[at : at + BATCH], Cursor("log", min(at + BATCH, end)))
    await index.finish()


async def say(url: str, statement: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(url.partition("&schema")[0])
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


async def said_in_a_transaction(store: PostgresStore, statement: str) -> None:
    async with store.transaction() as transaction:
        with store.connections.translated(transaction.connection):
            await transaction.connection.execute(statement)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("40001", StoreInterrupted),
        ("40P01", StoreInterrupted),
        ("55P03", StoreInterrupted),
        ("57014", StoreInterrupted),
        ("57P01", StoreInterrupted),
        ("53100", StoreFull),
        ("25006", StoreReadOnly),
        ("42501", StoreReadOnly),
        ("XX001", StoreCorrupt),
        ("XX002", StoreCorrupt),
        ("22003", StoreError),
        ("23514", StoreError),
        ("54000", StoreError),
        ("XX000", StoreError),
        ("08P01", StoreError),
    ],
)
def test_a_code_of_the_server_says_whose_trouble_it_is(url: str, code: str, error: type[StoreError]) -> None:
    async def raised() -> None:
        async with opened(url) as store:
            with pytest.raises(StoreError) as found:
                await said_in_a_transaction(store, f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")
            assert type(found.value) is error
            assert await store.get("cursor", [("log",)]) == {}, "the store is usable"

    asyncio.run(raised())


def test_a_store_opened_for_reading_writes_nothing(url: str) -> None:
    async def refused() -> None:
        async with opened(url):
            pass
        async with opened(url, write=False) as store:
            with pytest.raises(StoreReadOnly):
                await replayed(store)
            async with store.connections.reading() as connection:
                with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                    await connection.execute(f"DELETE FROM {store.tables.meta}")

    asyncio.run(refused())


def test_a_connection_cut_in_the_midst_of_a_batch_loses_and_doubles_nothing(url: str) -> None:
    """Whoever is cut off by the server's administrator does the batch again: nobody else need notice."""

    async def cut() -> None:
        async with opened(url) as store:
            turns = 0

            class Cut(Ingest):
                async def _fold(self, *batch: Any) -> Any:
                    nonlocal turns
                    turns += 1
                    if turns % 2:
                        async with store.transaction() as transaction:
                            await say(url, "SELECT pg_terminate_backend($1)", transaction.connection.get_server_pid())
                            await transaction.load("cursor", [("log",)])
                    return await super()._fold(*batch)

            index = Cut(store, SCHEMA)
            for at in range(0, len(LOG), BATCH):
                await index.fold(LOG[at : at + BATCH], Cursor("log", at + BATCH))
            await index.finish()
            assert turns == 2 * len(LOG) // BATCH
            assert await told(store) == await expected()

    asyncio.run(cut())


def test_a_read_survives_its_connections(url: str) -> None:
    async def read() -> None:
        async with opened(url) as store:
            await replayed(store)
            for _ in range(3):
                await asyncio.gather(*(store.get("cursor", [("log",)]) for _ in range(8)))
                await say(
                    url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strandline'",
                )
                assert await store.get("cursor", [("log",)]) == {("log",): ("log", len(LOG))}

    asyncio.run(read())


def test_a_server_that_crashes_comes_back_with_what_was_committed() -> None:
    async def crashed(server: Server) -> None:
        async with opened(server.url()) as store:
            await replayed(store, len(LOG) // 2)
            server.crash()
            reading = asyncio.create_task(store.get("cursor", [("log",)]))
            await asyncio.to_thread(server.start)
            assert await reading == {("log",): ("log", len(LOG) // 2)}
            await replayed(store)
            assert await told(store) == await expected()

    with started(18) as server:
        asyncio.run(crashed(server))


def test_a_server_that_stays_away_is_told() -> None:
    async def gone(server: Server) -> None:
        async with opened(server.url()) as store:
            server.stop()
            store.connections.patience_s = 0.1  # type: ignore[attr-defined]  # a pool's
            for work in (store.get("cursor", [("log",)]), replayed(store)):
                with pytest.raises(StoreUnavailable):
                    await work

    with started(18) as server:
        asyncio.run(gone(server))


def test_a_deadlock_with_somebody_elses_locks_is_done_again_whole(url: str) -> None:
    """An application may lock our tables in its own order: the server ends one of the two, and we begin anew."""

    async def deadlocked() -> None:
        async with opened(url) as store:
            cursor, letter = store.tables.named("cursor"), store.tables.named("dead_letter")
            other = await asyncpg.connect(url.partition("&schema")[0])
            theirs = other.transaction()
            await theirs.start()
            await other.execute("SET LOCAL deadlock_timeout = '10s'")
            await other.execute(f"LOCK TABLE {letter}")
            tries = 0

            async def ours() -> None:
                nonlocal tries
                async with store.transaction() as transaction:
                    tries += 1
                    await transaction.connection.execute("SET LOCAL deadlock_timeout = '20ms'")
                    await transaction.connection.execute(f"LOCK TABLE {cursor}")
                    waiting.set()
                    await transaction.load("dead_letter", [("a",)])

            waiting = asyncio.Event()
            ending = asyncio.create_task(ours())
            await waiting.wait()
            their_wait = asyncio.create_task(other.execute(f"LOCK TABLE {cursor}"))
            with pytest.raises(StoreInterrupted):
                await ending
            await their_wait
            await theirs.rollback()
            await other.close()
            await ours()
            assert tries == 2

    asyncio.run(deadlocked())


def test_a_writer_that_hangs_lets_the_others_go_on(url: str) -> None:
    async def hung() -> None:
        async with opened(url) as store, opened(url) as other:

            async def hang() -> None:
                async with store.transaction() as transaction:
                    limit = await transaction.connection.fetchval("SHOW idle_in_transaction_session_timeout")
                    assert limit == "2min"
                    await transaction.connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
                    await replayed(other)
                    await transaction.load("cursor", [("log",)])

            with pytest.raises(StoreInterrupted):
                await hang()
            assert await told(store) == await expected()

    asyncio.run(hung())


@pytest.mark.parametrize("cache", [0, 200])
def test_two_writers_in_turns_leave_what_one_would(url: str, cache: int) -> None:
    async def both() -> None:
        at = f"{url}&statement_cache_size={cache}"
        async with opened(at) as one, opened(at) as two:
            halves: Sequence[tuple[PostgresStore, str, Any]] = [(one, "a", LOG[:220]), (two, "b", LOG[180:])]

            async def follow(store: PostgresStore, source: str, log: Any) -> None:
                index = Ingest(store, SCHEMA)
                for start in range(0, len(log), 20):
                    await index.fold(log[start : start + 20], Cursor(source, min(start + 20, len(log))))
                await index.finish()

            await asyncio.gather(*(follow(*half) for half in halves))
            found, wanted = await told(one), await expected()
            assert found.pop("cursor") == [("a", 220), ("b", 220)]
            wanted.pop("cursor")
            assert found == wanted

    asyncio.run(both())


def test_one_pool_serves_many_readers_at_once(url: str) -> None:
    async def many() -> None:
        async with opened(url) as store:
            await replayed(store)
            found = await asyncio.gather(*(store.get("cursor", [("log",)]) for _ in range(100)))
            assert {row[("log",)] for row in found} == {("log", len(LOG))}

    asyncio.run(many())
