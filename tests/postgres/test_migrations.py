"""Versions of a store: new ones are refused, old ones brought up whole or not at all, once whoever comes."""

import asyncio
from collections.abc import Callable

import pytest
from attrs import evolve

from strandline import Column, Layout, StoreError, StoreStale, StoreTooNew, Table, TableIndex
from strandline.schema import Row
from strandline.testing.laws import put, told
from strandline_postgres import PostgresStore, migrations, open_store, sql
from strandline_postgres.sql import Tables

KEPT = Table("kept", (Column("name"), Column("value")), key_size=1)
SHOWN = Table("shown", (Column("name"), Column("value")), indexes=(TableIndex("by_value", order=("value",)),))
LAYOUT = Layout(kept=(KEPT,), views=(SHOWN,), stamp={"schema": "1"})
ROWS: dict[str, dict[tuple[str], Row | None]] = {"kept": {("a",): ("a", "b")}, "shown": {("a",): ("a", "c")}}

Migration = Callable[[Layout, Tables], list[str]]


def longer(layout: Layout, tables: Tables) -> list[str]:
    """A migration that marks each row."""
    kept = tables.at(layout.table("kept"))
    return [f"UPDATE {kept} SET value = value || '!'"]


def broken(layout: Layout, tables: Tables) -> list[str]:
    """A migration that fails once it has done something."""
    return [*longer(layout, tables), "SELECT 1 / 0"]


def migrated_by(patch: pytest.MonkeyPatch, *more: Migration) -> None:
    for module in (migrations,):
        patch.setattr(module, "MIGRATIONS", (*migrations.MIGRATIONS, *more))


async def filled(url: str) -> None:
    store = await open_store(url, LAYOUT)
    await put(store, ROWS)
    await store.close()


async def kept(url: str) -> list[Row]:
    store = await open_store(url, LAYOUT, write=False)
    try:
        return (await told(store))["kept"]
    finally:
        await store.close()


async def opened_and_closed(url: str, layout: Layout = LAYOUT, *, write: bool = True) -> None:
    await (await open_store(url, layout, write=write)).close()


def test_a_store_is_brought_to_this_version_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def many() -> None:
        await filled(url)
        migrated_by(monkeypatch, longer, longer)
        with pytest.raises(StoreError, match="open it once for writing"):
            await opened_and_closed(url, write=False)
        await asyncio.gather(*(opened_and_closed(url) for _ in range(5)))
        assert await kept(url) == [("a", "b!!")]

    asyncio.run(many())


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failed() -> None:
        await filled(url)
        with monkeypatch.context() as patch:
            migrated_by(patch, longer, broken)
            with pytest.raises(StoreError, match="division by zero"):
                await opened_and_closed(url)
        with monkeypatch.context() as patch:
            migrated_by(patch, longer)
            assert await kept(url) == [("a", "b!")], "the first of the two stands"

    asyncio.run(failed())


def test_a_store_of_a_newer_version_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused() -> None:
        with monkeypatch.context() as patch:
            migrated_by(patch, longer)
            await filled(url)
        for write in (True, False):
            with pytest.raises(StoreTooNew):
                await opened_and_closed(url, write=write)

    asyncio.run(refused())


def test_a_writer_that_is_open_sees_that_the_store_was_migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def seen() -> None:
        store = await open_store(url, LAYOUT)
        with monkeypatch.context() as patch:
            migrated_by(patch, longer)
            await opened_and_closed(url)
        with pytest.raises(StoreTooNew):
            await put(store, ROWS)
        await store.close()

    asyncio.run(seen())


def test_a_stale_store_is_refused_with_the_command_that_helps(url: str) -> None:
    async def stale() -> None:
        await filled(url)
        newer = evolve(LAYOUT, stamp={"schema": "2"})
        with pytest.raises(StoreStale, match=r"strandline rebuild --store 'postgresql://postgres@/postgres\?"):
            await opened_and_closed(url, newer)
        store = await open_store(url, newer, stale=True)
        async with store.rebuild() as beside:
            await put(beside, {"shown": ROWS["shown"]})
        await store.close()
        await opened_and_closed(url, newer, write=False)
        with pytest.raises(StoreStale):
            await opened_and_closed(url)

    asyncio.run(stale())


def test_a_writer_that_is_open_sees_that_the_store_was_rebuilt_under_another_stamp(url: str) -> None:
    async def seen() -> None:
        old = await open_store(url, LAYOUT)
        new = await open_store(url, evolve(LAYOUT, stamp={"schema": "2"}), stale=True)
        async with new.rebuild():
            pass
        with pytest.raises(StoreStale):
            await put(old, ROWS)
        await old.close()
        await new.close()

    asyncio.run(seen())


def test_what_is_no_store_is_not_taken_for_one(url: str) -> None:
    async def nothing() -> None:
        with pytest.raises(StoreError, match="there is no store"):
            await opened_and_closed(url, write=False)

    asyncio.run(nothing())


def test_a_store_lives_beside_an_applications_own_tables(url: str, schema: str) -> None:
    """A schema that is there already is used as it is, and what else stands in it is left alone."""

    async def beside() -> None:
        first = await open_store(url, LAYOUT)
        async with first.connections.begin("READ WRITE") as connection:
            await connection.execute(f'CREATE TABLE {sql.quoted(schema)}."mine.7" (it int)')
            await connection.execute(f"CREATE TABLE {sql.quoted(schema)}.mine AS SELECT 1 AS it")
        await first.close()
        second = await open_store(url, LAYOUT)
        async with second.rebuild() as store:
            await put(store, {"shown": ROWS["shown"]})
        async with second.connections.begin("READ ONLY") as connection:
            assert await connection.fetchval(f"SELECT it FROM {sql.quoted(schema)}.mine") == 1
            assert await connection.fetch(f'SELECT it FROM {sql.quoted(schema)}."mine.7"') == []
        await second.close()

    asyncio.run(beside())


def test_an_index_name_may_be_long(url: str) -> None:
    """PostgreSQL cuts names at 63 bytes; two that differ only behind that stay two."""
    name = "x" * 38
    columns = (Column("name"), *(Column(f"c{at}") for at in range(3)))
    indexes = tuple(TableIndex(f"{name}_{at}", order=(f"c{at}",)) for at in range(3))
    layout = Layout(kept=(), views=(Table("v" * 30, columns, indexes=indexes),), stamp={})

    async def made() -> None:
        store = await open_store(url, layout)
        found: PostgresStore = store
        async with found.connections.begin("READ ONLY") as connection:
            count = await connection.fetchval(
                "SELECT count(*) FROM pg_indexes WHERE schemaname = $1", found.tables.schema
            )
        assert count == 6, "our two, the table's key, and one each"
        await store.close()

    asyncio.run(made())
