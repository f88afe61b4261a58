"""Rows are streamed to where nothing stands, and what stands is replaced, whether or not the writer has looked."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from strandline import StoreError
from strandline.ports import Key, Layout
from strandline.schema import Column, Row, Table, Type
from strandline_postgres import PostgresStore, open_store
from strandline_postgres.transaction import COPIED

TABLE = Table("thing", (Column("kind"), Column("number", Type.INTEGER), Column("cid", Type.CID)), key_size=2)
LAYOUT = Layout(kept=(TABLE,), views=(), stamp={})
MANY = 3 * COPIED


def rows(mark: str, numbers: range) -> dict[Key, Row | None]:
    """Return rows with such a mark; not sorted by key."""
    return {("a", number): ("a", number, f"{mark}{number}") for number in sorted(numbers, key=str)}


def tried(url: str, work: Callable[[PostgresStore], Coroutine[Any, Any, None]]) -> list[Row]:
    """Return what stands after some work."""

    async def done() -> list[Row]:
        store = await open_store(url, LAYOUT)
        try:
            await work(store)
            return [row async for _, chunk in store.scan([TABLE.name]) for row in chunk]
        finally:
            await store.close()

    return asyncio.run(done())


@pytest.mark.parametrize("looked", [range(0), range(MANY), range(MANY // 2, 2 * MANY), range(MANY, 2 * MANY)])
@pytest.mark.parametrize("written", [range(MANY), range(MANY // 2, 2 * MANY), range(MANY - 5, MANY + 5)])
def test_what_stands_is_replaced_and_the_rest_is_new(url: str, looked: range, written: range) -> None:
    async def work(store: PostgresStore) -> None:
        async with store.transaction() as transaction:
            await transaction.commit({TABLE.name: rows("old", range(MANY))})
        async with store.transaction() as transaction:
            await transaction.load(TABLE.name, [("a", number) for number in looked])
            await transaction.commit({TABLE.name: {**rows("new", written), ("a", 0): None}})

    expected = {**rows("old", range(MANY)), **rows("new", written)}
    del expected["a", 0]
    assert tried(url, work) == [expected[key] for key in sorted(expected)]


@pytest.mark.parametrize(
    "wrong", [("a", 7), ("a", 7, "x", 1), ("a", 2**63, "x"), ("\0", 7, "x"), ("\ud800", 7, "x"), ("a", 7, 7)]
)
def test_of_rows_one_of_which_cannot_be_held_none_is_written(url: str, wrong: Row) -> None:
    async def work(store: PostgresStore) -> None:
        with pytest.raises(StoreError):
            async with store.transaction() as transaction:
                await transaction.commit({TABLE.name: {**rows("new", range(10, 10 + MANY)), wrong[:2]: wrong}})
        async with store.transaction() as transaction:
            await transaction.commit({TABLE.name: rows("good", range(1))})

    assert tried(url, work) == [("a", 0, "good0")]
