"""
What every store must do, shipped: subclass `StoreConformance` and say how your store is opened.

    class TestMyStore(StoreConformance):
        durable = True

        def open(self, layout):
            return MyStore(new_address(), layout)

        def reopen(self, store):
            return MyStore(store.address, store.layout)

Two things are proved. `StoreConformance` proves the port, `strandline.ports.Store`: what is kept, how it is paged, what
a scan, a rebuild and a crash leave. Its oracle is plain: dicts of rows, and pages by filtering and sorting.
`LawsConformance` proves that an index over the store obeys the laws: its oracle is the same log folded in one batch
into `MemoryStore`. It is right for any schema, so it also proves views of your own: set `schema` and give `logs`.

Whatever a store returns is compared by type too: 1 is no True, bytes are no memoryview.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from inspect import isawaitable
from random import Random
from typing import Any, Final, TypeVar

import pytest
from attrs import evolve, field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline.errors import StoreError
from strandline.event import Account, Commit, Event
from strandline.fold import QUARANTINE
from strandline.ingest import Cursor, Ingest, layout_of
from strandline.memory import MemoryStore
from strandline.ports import Changes, Key, Layout, Store
from strandline.register import REGISTER, REPO
from strandline.schema import Column, Index, Row, Schema, Table, Type
from strandline.testing import toy
from strandline.testing.strategies import GREATEST_REV
