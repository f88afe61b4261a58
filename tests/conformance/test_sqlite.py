"""The store in one SQLite file, against the port and the laws."""

import os
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from strandline.ports import Layout, Store
from strandline.testing.conformance import StoreConformance
from strandline_sqlite import SQLiteStore, open_store


class TestSQLite(StoreConformance):
    durable: ClassVar[bool] = True
    examples: ClassVar[int] = 400 if "STRANDLINE_FULL" in os.environ else 40

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.paths = (tmp_path / f"{number}.db" for number in count())

    def open(self, layout: Layout) -> SQLiteStore:
        return open_store(f"sqlite:///{next(self.paths)}", layout)

    def reopen(self, store: Store) -> SQLiteStore:
        assert isinstance(store, SQLiteStore)
        return open_store(f"sqlite:///{store.path}", store.layout)
