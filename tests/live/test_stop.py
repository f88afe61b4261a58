"""Told to stop it ends within two seconds, with a word, whatever it waits for; a batch is given up whole, if at all."""

import asyncio
import os
import signal
import socket
import sqlite3
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from strandline import Ingest, open_store
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import CURSOR
from strandline.register import REGISTER
from strandline_cli.live import GRACE_S
from strandline_jetstream import host_of
from strandline_jetstream.testing import serving
from strandline_postgres.locks import Locks
from strandline_postgres.testing import Server

LINES = [it.rstrip() for it in world(seed=7, events=100)]
SCHEMAS = count()
SIGNALS = pytest.mark.parametrize(
    ("numbers", "code"),
    [((signal.SIGTERM,), 143), ((signal.SIGINT,) * 5, 130)],
    ids=["SIGTERM", "SIGINT five times"],
)

Postgres = Callable[[int], Server]
Running = Callable[..., Any]
Within = Callable[..., None]
Begun = Callable[[Process], Awaitable[None]]


@asynccontextmanager
async def held(server: Server, statement: str) -> AsyncIterator[Begun]:
    """Hold a lock, as a migration or a rebuild of somebody else's does; give what waits until another waits for it."""
    connection = await asyncpg.connect(server.url())

    async def waited_for(_: Process) -> None:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)

    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield waited_for
    finally:
        await connection.close()


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, Begun]]:
    """Listen on a port of this machine and answer nothing; give it, with what waits until somebody has called."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)

        async def waited_for(_: Process) -> None:
            caller, _ = await loop.sock_accept(server)
            stack.enter_context(caller)
            await loop.sock_recv(caller, 1)

        yield f"127.0.0.1:{server.getsockname()[1]}", waited_for


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[Begun]:
    """Hold a whole SQLite file, as another program's transaction does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield lambda process: at_work_on(path, process)


async def at_work_on(path: Path, process: Process) -> None:
    """Wait until a process is this store's writer."""
    lock = Path(f"{path}-writer")
    while not lock.exists() or lock.read_text() != str(process.pid):
        await asyncio.sleep(0.01)


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    """Let a server stand still, its backends too: it takes connections, and answers nothing."""
    connection = await asyncpg.connect(server.url())
    backends = [pid for (pid,) in await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")]
    pids = [int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0]), *backends]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        await connection.close()


async def assert_ends(process: Process, numbers: tuple[int, ...], code: int, within_s: float = 2) -> bytes:
    for number in numbers:
        process.send_signal(number)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(within_s):
        out, err = await process.communicate()
    assert (process.returncode, err) == (code, b"strandline: stopped\n")
    return bytes(out)


@SIGNALS
@pytest.mark.parametrize("wire", ["", "/subscribe"], ids=["v2", "v1"])
def test_a_host_that_never_answers_is_left(
    wire: str, numbers: tuple[int, ...], code: int, running: Running, awaited: Within, tmp_path: Path
) -> None:
    """Of v2 it is the dictionary that is asked for first, in a thread."""

    async def test() -> None:
        async with (
            silent() as (address, called),
            running("run", "--source", f"ws://{address}{wire}", "--store", f"sqlite:///{tmp_path}/a.db") as process,
        ):
            await called(process)
            await assert_ends(process, numbers, code)

    awaited(test())


@SIGNALS
def test_a_file_that_somebody_else_has_locked_is_left(
    numbers: tuple[int, ...], code: int, running: Running, awaited: Within, tmp_path: Path
) -> None:
    """SQLite waits for it in the main thread, deaf to signals; first as it is opened, then as a batch is committed."""
    path = tmp_path / "index.db"

    async def test() -> None:
        async with serving(LINES) as jetstream:
            command = ("run", "--source", jetstream.url, "--store", f"sqlite:///{path}")
            async with locked(path) as begun, running(*command) as process:
                await begun(process)
                await assert_ends(process, numbers, code)
            await (await open_store(f"sqlite:///{path}", SCHEMA)).close()
            async with running(*command) as process:
                while not jetstream.asked:
                    await asyncio.sleep(0.01)
                async with locked(path):
                    jetstream.put(*LINES)
                    await assert_ends(process, numbers, code)

    awaited(test())


@SIGNALS
def test_a_server_that_never_answers_is_left(
    numbers: tuple[int, ...], code: int, running: Running, awaited: Within
) -> None:
    async def test() -> None:
        async with silent() as (address, called):
            command = ("run", "--source", "ws://127.0.0.1:1", "--store", f"postgresql://a:b@{address}/c")
            async with running(*command) as process:
                await called(process)
                await assert_ends(process, numbers, code)

    awaited(test())


@SIGNALS
@pytest.mark.parametrize("what", ["opening", "places", "batch", "rebuild"])
def test_a_store_that_somebody_else_holds_is_left(
    what: str, numbers: tuple[int, ...], code: int, postgres: Postgres, running: Running, awaited: Within
) -> None:
    """The batch in hand is given up whole, and how it went is told; at a second signal without grace."""
    server, name = postgres(18), f"stop_{next(SCHEMAS)}"
    url, locks = server.url(schema=name), Locks(name)
    statement = {
        "opening": locks.migrating,
        "places": f"LOCK TABLE {name}.{CURSOR.name} IN ACCESS EXCLUSIVE MODE",
        "batch": f"LOCK TABLE {name}.{REGISTER.name} IN ACCESS EXCLUSIVE MODE",
        "rebuild": locks.rebuilding,
    }[what]

    async def test() -> None:
        await (await open_store(url, SCHEMA)).close()
        async with serving(LINES) as jetstream:
            async with (
                held(server, statement) as waited_for,
                running("run", "--source", jetstream.url, "--store", url) as process,
            ):
                await waited_for(process)
                out = await assert_ends(process, numbers, code, within_s=2 if len(numbers) == 1 else GRACE_S)
            assert (b"connections" in out) == (what in ("batch", "rebuild"))
            store = await open_store(url, SCHEMA)
            assert await Ingest(store, SCHEMA).places([host_of(jetstream.url).source]) == []
            await store.close()

    awaited(test())


@SIGNALS
@pytest.mark.parametrize("what", ["opening", "batch"])
def test_a_server_that_hangs_in_the_midst_is_left(
    what: str, numbers: tuple[int, ...], code: int, postgres: Postgres, running: Running, awaited: Within
) -> None:
    """It answers no request to cancel either."""
    server, name = postgres(18), f"stop_{next(SCHEMAS)}"
    url, locks = server.url(schema=name), Locks(name)
    statement = locks.migrating if what == "opening" else locks.rebuilding

    async def test() -> None:
        await (await open_store(url, SCHEMA)).close()
        async with AsyncExitStack() as stack:
            jetstream = await stack.enter_async_context(serving(LINES))
            waited_for = await stack.enter_async_context(held(server, statement))
            process = await stack.enter_async_context(running("run", "--source", jetstream.url, "--store", url))
            await waited_for(process)
            async with frozen(server):
                await assert_ends(process, numbers, code)

    awaited(test())


@pytest.mark.parametrize("command", [("replay", "-"), ("rebuild",), ("dead-letters", "retry")], ids=" ".join)
def test_other_commands_leave_a_store_that_is_held_too(
    command: tuple[str, ...], postgres: Postgres, running: Running, awaited: Within
) -> None:
    server, name = postgres(18), f"stop_{next(SCHEMAS)}"
    url = server.url(schema=name)

    async def test() -> None:
        await (await open_store(url, SCHEMA)).close()
        async with held(server, Locks(name).migrating) as waited_for, running(*command, "--store", url) as process:
            await waited_for(process)
            await assert_ends(process, (signal.SIGTERM,), 143)

    awaited(test())
