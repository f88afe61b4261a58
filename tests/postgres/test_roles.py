"""Roles with no more rights than they need: one that writes, one that reads, and who sees what."""

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from strandline import Cursor, Ingest, StoreReadOnly, decode, open_store
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline.testing.laws import told
from strandline_postgres.testing import Server

HOWTO = Path(__file__).resolve().parents[2] / "docs/howto/postgres.md"
LOG = tuple(decode(line) for line in world(5, 200))


def granting(roles: str) -> str:
    """Return the SQL by which the manual makes the two roles, with other names: roles are a server's, not a database's."""
    [found] = re.findall(r"```sql postgres\n(.*?CREATE ROLE.*?)```", HOWTO.read_text(), re.DOTALL)
    return re.sub(r"\b(indexer|web)\b", rf"\1_{roles}", str(found))


@pytest.fixture
def urls(server: Server, schema: str) -> tuple[str, str]:
    """URLs of one store for the two roles, made as the manual says in a database of its own."""

    async def made() -> None:
        for database, statement in (("postgres", f"CREATE DATABASE {schema}"), (schema, granting(schema))):
            owner = await asyncpg.connect(server.url(database))
            await owner.execute(statement)
            await owner.close()

    asyncio.run(made())
    return server.url(schema, f"indexer_{schema}"), server.url(schema, f"web_{schema}")


def test_a_writer_and_a_reader_need_no_more_than_the_manual_grants(urls: tuple[str, str]) -> None:
    async def used() -> None:
        writer = await open_store(urls[0], SCHEMA)
        index = Ingest(writer, SCHEMA)
        await index.fold(LOG, Cursor("log", 1))
        reader = await open_store(urls[1], SCHEMA, write=False)
        try:
            assert await told(reader) == await told(writer)
            async with reader.changes() as moves:
                await index.rebuild()
                assert "post" in await anext(moves)
            assert await reader.get("cursor", [("log",)]) == {("log",): ("log", 1)}
            assert await told(reader) == await told(writer), "what a rebuild makes, is granted too"
        finally:
            await reader.close()
            await writer.close()

    asyncio.run(used())


def test_a_reader_can_write_nothing(urls: tuple[str, str]) -> None:
    async def refused() -> None:
        writer = await open_store(urls[0], SCHEMA)
        await Ingest(writer, SCHEMA).fold(LOG, Cursor("log", 1))
        with pytest.raises(StoreReadOnly):
            await open_store(f"{urls[1]}&schema=another", SCHEMA)
        try:
            reader = await open_store(urls[1], SCHEMA)
        except StoreReadOnly:
            pass
        else:
            with pytest.raises(StoreReadOnly):
                await Ingest(reader, SCHEMA).fold(LOG, Cursor("log", 2))
            await reader.close()
        connection = await asyncpg.connect(urls[1])
        for table in layout_of(SCHEMA).tables:
            for statement in (f"DELETE FROM strandline.{table}", f"DROP TABLE strandline.{table}"):
                with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.WrongObjectTypeError)):
                    await connection.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE strandline.mine (it int)")
        await connection.close()
        await writer.close()

    asyncio.run(refused())
