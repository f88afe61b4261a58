"""The store in PostgreSQL, against the port and the laws: all of it on 18; on 17, which copies every row, and 15 fewer."""

import os
from collections.abc import Callable
from itertools import count
from typing import ClassVar

import pytest

from strandline.ports import Layout, Store
from strandline.testing.conformance import StoreConformance
from strandline_postgres import PostgresStore, open_store, transaction
from strandline_postgres.testing import Server

FULL = "STRANDLINE_FULL" in os.environ
NUMBERS = count()


class TestPostgres18(StoreConformance):
    durable: ClassVar[bool] = True
    examples: ClassVar[int] = 400 if FULL else 15
    version: ClassVar[int] = 18
    copied: ClassVar[int] = transaction.COPIED

    @pytest.fixture(autouse=True)
    def _server(self, postgres: Callable[[int], Server], monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = postgres(self.version)
        monkeypatch.setattr(transaction, "COPIED", self.copied)

    async def open(self, layout: Layout) -> PostgresStore:
        return await self._opened(layout, f"conformance_{next(NUMBERS)}")

    async def reopen(self, store: Store) -> PostgresStore:
        assert isinstance(store, PostgresStore)
        return await self._opened(store.layout, store.tables.schema)

    async def _opened(self, layout: Layout, schema: str) -> PostgresStore:
        return await open_store(self.server.url(schema=schema), layout)


class TestPostgres17(TestPostgres18):
    copied: ClassVar[int] = 1
    examples: ClassVar[int] = 40 if FULL else 2
    version: ClassVar[int] = 17


class TestPostgres15(TestPostgres18):
    examples: ClassVar[int] = 40 if FULL else 2
    version: ClassVar[int] = 15
