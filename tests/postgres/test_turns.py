"""What writers read before their turns: it is used, and what others changed meanwhile is read again."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from strandline import Column, Cursor, Ingest, Layout, StoreError, StoreInterrupted, Table, decode
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline.memory import MemoryStore
from strandline.ports import Changes, Foreseeing, Key
from strandline.schema import Row, Type
from strandline_postgres import PostgresStore, open_store
from strandline_postgres.turns import KEPT, marks

KEPT_TABLE = Table("kept", (Column("one", Type.INTEGER), Column("two"), Column("value")), key_size=2)
SHOWN = Table("shown", (Column("name"), Column("value")))
FLAGGED = Table("flagged", (Column("flag", Type.FLAG), Column("value")))
LAYOUT = Layout(kept=(KEPT_TABLE, FLAGGED), views=(SHOWN,), stamp={"schema": "1"})

Rows = dict[str, dict[Key, Row]]


@asynccontextmanager
async def opened(url: str, count: int = 2, layout: Layout = LAYOUT) -> AsyncIterator[list[PostgresStore]]:
    stores = [await open_store(url, layout) for _ in range(count)]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


async def put(store: PostgresStore, changes: Changes) -> None:
    async with store.transaction() as transaction:
        await transaction.commit(changes)


async def meet(*stores: PostgresStore) -> None:
    """Let writers have turns until each knows of the others."""
    for store in (*stores, *stores):
        await put(store, {})
    assert all(store._turns.shared for store in stores)


def shown(name: str, value: str | None) -> dict[str, dict[Key, Row | None]]:
    return {"shown": {(name,): None if value is None else (name, value)}}


async def foreseen_and_found(store: PostgresStore, keys: Sequence[Key]) -> tuple[set[Key], dict[Key, Row]]:
    """Return which of the keys of `shown` are known at the beginning of a turn, and the rows found in it."""
    async with store.transaction() as transaction:
        assert transaction._turn is not None
        known = set(transaction._turn.foreseen.get("shown", {}))
        return known, await transaction.load("shown", keys)


def test_what_was_foreseen_and_stands_is_not_read_again(url: str) -> None:
    async def told() -> None:
        async with opened(url) as (one, other):
            assert isinstance(one, Foreseeing)
            await meet(one, other)
            await put(other, shown("a", "1"))
            await one.foresee({"shown": [("a",), ("b",), ("c",)]})
            await put(other, {**shown("c", "2"), "kept": {(1, "y"): (1, "y", "z")}})
            known, found = await foreseen_and_found(one, [("a",), ("b",), ("c",)])
            assert known == {("a",), ("b",)}
            assert found == {("a",): ("a", "1"), ("c",): ("c", "2")}

    asyncio.run(told())


def test_foresight_is_for_one_turn(url: str) -> None:
    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await one.foresee({"shown": [("a",)]})
            assert (await foreseen_and_found(one, [("a",)]))[0] == {("a",)}
            assert (await foreseen_and_found(one, [("a",)]))[0] == set()

    asyncio.run(told())


def test_who_writes_alone_foresees_nothing_and_says_nothing_of_its_rows(url: str) -> None:
    async def told() -> None:
        async with opened(url, 1) as (one,):
            for number in range(2 * KEPT):
                await one.foresee({"shown": [("a",)]})
                assert one._foresight is None
                await put(one, shown("a", str(number)))
            async with one.connections.begin("READ ONLY") as connection:
                turns = await connection.fetch(f"SELECT number, names FROM {one.tables.turn} ORDER BY number")
            assert [tuple(turn) for turn in turns] == [(2 * KEPT - left, None) for left in reversed(range(KEPT))]

    asyncio.run(told())


def test_a_writer_that_has_been_alone_for_long_is_not_trusted_at_once(url: str) -> None:
    """It has not said what it changed: nothing that was read before stands."""

    async def told() -> None:
        async with opened(url) as (one, other):
            for _ in range(2 * KEPT):
                await put(one, {})
            await put(other, {})
            assert other._turns.shared
            assert not one._turns.shared
            await other.foresee({"shown": [("a",)]})
            assert other._foresight is not None
            async with one.connections.begin("READ WRITE") as connection:
                await connection.execute(
                    f"INSERT INTO {one.tables.turn} VALUES ((SELECT max(number) + 1 FROM {one.tables.turn}), 'it')"
                )
            assert (await foreseen_and_found(other, [("a",)]))[0] == set()

    asyncio.run(told())


def test_what_was_read_before_the_turns_that_are_kept_does_not_stand(url: str) -> None:
    async def told() -> None:
        async with opened(url, 3) as (one, other, third):
            await meet(one, other, third)
            await one.foresee({"shown": [("a",), ("b",)]})
            await put(other, shown("a", "1"))
            for _ in range(KEPT // 2):
                await put(third, {})
                await put(other, {})
            assert other._turns.shared
            known, found = await foreseen_and_found(one, [("a",), ("b",)])
            assert (known, found) == (set(), {("a",): ("a", "1")})

    asyncio.run(told())


def test_foresight_of_a_turn_that_a_server_has_lost_does_not_stand(url: str) -> None:
    """As after a switch to a server that was behind: the number is there again, but it is another's turn."""

    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await one.foresee({"shown": [("a",)]})
            async with other.connections.begin("READ WRITE") as connection:
                await connection.execute(
                    f"UPDATE {one.tables.turn} SET writer = 'it' WHERE number = (SELECT max(number) FROM {one.tables.turn})"
                )
            assert (await foreseen_and_found(one, [("a",)]))[0] == set()
            await meet(one, other)
            await one.foresee({"shown": [("a",)]})
            async with other.connections.begin("READ WRITE") as connection:
                await connection.execute(f"DELETE FROM {one.tables.turn}")
            assert (await foreseen_and_found(one, [("a",)]))[0] == set()

    asyncio.run(told())


def test_a_writer_has_no_number_twice_though_its_turn_was_lost(url: str) -> None:
    """As after a crash that lost the last commit: it is told by one and the same writer, but it is another turn."""

    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await put(other, shown("a", "lost"))
            await one.foresee({"shown": [("a",)]})
            async with other.connections.begin("READ WRITE") as connection:
                last = f"SELECT max(number) FROM {one.tables.turn}"
                await connection.execute(f"DELETE FROM {one.tables.turn} WHERE number = ({last})")
                await connection.execute(f"DELETE FROM {one.tables.named('shown.0')}")
            await other.foresee({"shown": [("b",)]})
            await put(other, shown("b", "1"))
            assert await foreseen_and_found(one, [("a",)]) == (set(), {})

    asyncio.run(told())


def test_rows_that_a_rebuild_leaves_though_it_fails_are_told_too(url: str) -> None:
    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await one.foresee({"kept": [(1, "a")]})
            with suppress(ZeroDivisionError):
                async with other.rebuild() as beside:
                    await put(beside, {"kept": {(1, "a"): (1, "a", "b")}})
                    raise ZeroDivisionError
            async with one.transaction() as transaction:
                assert await transaction.load("kept", [(1, "a")]) == {(1, "a"): (1, "a", "b")}

    asyncio.run(told())


def test_half_a_commit_is_told_too(url: str) -> None:
    """Whoever goes on after a commit has failed writes what was written before it did."""

    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await one.foresee({"kept": [(1, "a")]})
            async with other.transaction() as transaction:
                with pytest.raises(StoreError):
                    await transaction.commit({"kept": {(1, "a"): (1, "a", "b")}, "shown": {("a",): ("a",)}})
            async with one.transaction() as transaction:
                assert await transaction.load("kept", [(1, "a")]) == {(1, "a"): (1, "a", "b")}

    asyncio.run(told())


def test_foresight_ends_with_a_rebuild(url: str) -> None:
    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await put(other, shown("a", "1"))
            await one.foresee({"shown": [("a",)]})
            async with other.rebuild() as beside:
                await put(beside, shown("b", "2"))
            assert await foreseen_and_found(one, [("a",)]) == (set(), {}), "no turn has said that it is not made anew"

    asyncio.run(told())


def test_a_read_that_is_cut_off_foresees_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut_off(*_: Any) -> Any:
        raise StoreInterrupted("the connection was lost")

    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            monkeypatch.setattr(one, "_held", cut_off)
            await one.foresee({"shown": [("a",)]})
            assert (await foreseen_and_found(one, [("a",)]))[0] == set()

    asyncio.run(told())


def test_only_keys_with_one_spelling_are_foreseen(url: str) -> None:
    async def told() -> None:
        async with opened(url) as (one, other):
            await meet(one, other)
            await one.foresee({"flagged": [(1,)], "kept": [(1, "b"), (2, "b")], "shown": []})
            await put(other, {"flagged": {(1,): (1, "one")}, "kept": {(1, "b"): (1, "b", "c")}})
            async with one.transaction() as transaction:
                assert transaction._turn is not None
                assert transaction._turn.foreseen == {"kept": {(2, "b"): None}}
                assert await transaction.load("flagged", [(True,)]) == {(1,): (1, "one")}
                assert await transaction.load("kept", [(1, "b"), (2, "b")]) == {(1, "b"): (1, "b", "c")}
            await one.foresee({"kept": [(1, "b"), (None, "b"), (3, None)], "shown": [(None,)]})
            await put(other, {"kept": {(True, "b"): (True, "b", "d")}})
            async with one.transaction() as transaction:
                assert await transaction.load("kept", [(1, "b")]) == {(1, "b"): (1, "b", "d")}
                assert await transaction.load("kept", [(None, "b")]) == {}
                assert await transaction.load("shown", [(None,)]) == {}

    asyncio.run(told())


def test_marks_are_the_same_in_every_process() -> None:
    assert list(marks(SHOWN, [("123456789",)])) == [0xCBF43926], "the check value of CRC-32"
    assert (
        marks(KEPT_TABLE, [(1, "b")])
        == marks(KEPT_TABLE, [(1.0, "b")])
        == marks(SHOWN, [("1\0b",)])
        != marks(SHOWN, [("1b",)])
    )


@pytest.mark.parametrize("seed", range(5))
def test_whatever_writers_do_between_each_finds_in_its_turn_what_stands(url: str, seed: int) -> None:
    """Three writers foresee, write, give up, and rebuild, as the dice say; the model is a dict a table."""
    dice = random.Random(seed)
    model: Rows = {"kept": {}, "shown": {}}
    used = 0

    def some(table: str) -> list[Key]:
        count = range(dice.randrange(6))
        if table == "kept":
            return [(dice.randrange(4), dice.choice("abcd")) for _ in count]
        return [(dice.choice("abcdefgh"),) for _ in count]

    def change(table: str) -> dict[Key, Row | None]:
        return {key: None if dice.random() < 0.3 else (*key, str(dice.randrange(1000))) for key in some(table)}

    async def turn(store: PostgresStore) -> None:
        nonlocal used
        try:
            async with store.transaction() as transaction:
                assert transaction._turn is not None
                used += sum(map(len, transaction._turn.foreseen.values()))
                for table in model:
                    keys = some(table)
                    expected = {key: model[table][key] for key in keys if key in model[table]}
                    assert await transaction.load(table, keys) == expected
                changes = {table: change(table) for table in model}
                await transaction.commit(changes)
                if dice.random() < 0.2:
                    raise ZeroDivisionError  # given up, after all was written
        except ZeroDivisionError:
            return
        for table, rows in changes.items():
            for key, row in rows.items():
                model[table].pop(key, None)
                model[table].update({} if row is None else {key: row})

    async def played() -> None:
        async with opened(url, 3) as stores:
            for _ in range(300):
                store = dice.choice(stores)
                act = dice.random()
                if act < 0.5:
                    await store.foresee({table: some(table) for table in model})
                elif act < 0.98:
                    await turn(store)
                else:
                    async with store.rebuild() as beside:
                        await put(beside, {"shown": dict(model["shown"])})

    asyncio.run(played())
    assert used > 50, "else nothing was shown"


def test_writers_that_wait_for_each_other_fold_as_one(url: str) -> None:
    """Two take in what overlaps, at once: the second of each turn knows what it read before the first's."""
    lines = [decode(line) for line in world(3, 3000)]
    known = 0

    async def taken_in() -> str:
        nonlocal known
        async with opened(url, 2, layout_of(SCHEMA)) as stores:
            indexes = [Ingest(store, SCHEMA) for store in stores]
            for start in range(0, len(lines), 150):
                piece = lines[start : start + 150]
                halves = (piece[:100], piece[50:])
                await asyncio.gather(*(index.fold(half) for index, half in zip(indexes, halves, strict=True)))
            known = sum(store._turns.shared for store in stores)
            await indexes[0].finish()
            return digest(sorted([line async for line in dump_lines(stores[0])]))

    async def alone() -> str:
        index = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
        await index.fold(lines, Cursor("log", 1))
        await index.finish()
        return digest(sorted([line async for line in dump_lines(index.store)]))

    assert asyncio.run(taken_in()) == asyncio.run(alone())
    assert known == 2


def test_a_store_over_one_connection_foresees_nothing(url: str) -> None:
    async def told() -> None:
        async with opened(url, 1) as (other,):
            connection = await asyncpg.connect(url.partition("&schema")[0])
            one = await PostgresStore.over(connection, LAYOUT, schema=other.tables.schema)
            try:
                await meet(one, other)
                await one.foresee({"shown": [("a",)]})
                assert one._foresight is None
                await other.foresee({"shown": [("a",)]})
                await put(one, shown("a", "1"))
                assert await foreseen_and_found(other, [("a",)]) == (set(), {("a",): ("a", "1")})
            finally:
                await connection.close()

    asyncio.run(told())
