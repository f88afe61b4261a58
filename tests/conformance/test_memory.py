"""The store in memory, the reference, against the port and the laws."""

import os
from typing import ClassVar

from strandline.memory import MemoryStore
from strandline.ports import Layout
from strandline.testing.conformance import StoreConformance


class TestMemory(StoreConformance):
    refuses: ClassVar[bool] = False  # dicts take any row; SQLite is the store that says no
    examples: ClassVar[int] = 400 if "STRANDLINE_FULL" in os.environ else 40

    def open(self, layout: Layout) -> MemoryStore:
        return MemoryStore(layout)
