"""
The view tables, made anew by each rebuild: a generation of them stands until the next takes its place.

Under a view's plain name there is an SQL view of the present generation's table. Whoever asks by that name waits for
the switch, if it is just then, and goes on with the new tables. A scan holds the tables themselves; those that one
still reads outlive the switch, and are dropped when nobody is at work.

Source: https://www.postgresql.org/docs/current/sql-createview.html
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg
from attrs import frozen

from strandline.errors import StoreError, StoreLocked
from strandline.ports import Layout
from strandline_postgres import sql
from strandline_postgres.connections import BATCH, READ, Connections, savepoint
from strandline_postgres.following import payloads
from strandline_postgres.locks import Locks
from strandline_postgres.sql import Tables

__all__ = ["Generations"]

SWITCH_TRIES: Final = 30
"""How often a switch waits for the SQL views, two seconds each time."""

_WAIT_FOR_READERS = "SET LOCAL lock_timeout = '2s'"
_WAIT_FOR_SCANS = "SET LOCAL lock_timeout = '100ms'"

_TABLES = r"""
    SELECT relname FROM pg_catalog.pg_class
    WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND relname ~ '^[a-z][a-z0-9_]*\.[0-9]+$'
    ORDER BY relname
"""
_COLUMNS = """
    SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum) FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""


@frozen
class Generations:
    """The generations of a store's view tables."""

    connections: Connections
    layout: Layout
    tables: Tables
    locks: Locks

    def of(self, number: int) -> Tables:
        """Return where the tables of a generation stand."""
        return Tables(self.tables.schema, number, self.tables.views)

    async def make_first(self) -> None:
        """Make the view tables of a new store; drop what an interrupted rebuild of an old one left."""
        async with self.connections.begin(BATCH, self.locks.migrating) as connection:
            with self.connections.translated(connection):
                meta = dict(await connection.fetch(self.tables.read_meta()))
                if sql.GENERATION not in meta:
                    await self._create(connection, self.of(0))
                    await self._show(connection, self.of(0), meta)
                    return
        with suppress(StoreError):
            await self.drop_all_but(int(meta[sql.GENERATION]), self.locks.idle)

    async def make_beside(self, number: int) -> Tables:
        """Make the view tables of the next generation; no other rebuild may be at work."""
        await self.drop_all_but(number)
        last = max([number, *(_number(name) for name in await self._names())])
        tables = self.of(last + 1)
        async with self.connections.begin(BATCH) as connection:
            with self.connections.translated(connection):
                await self._create(connection, tables)
        return tables

    async def switch(self, connection: Any, tables: Tables) -> None:
        """
        Let the SQL views show the tables of a generation, and drop those of the others.

        Raises:
            StoreLocked: another transaction used an SQL view for a minute.
        """
        with self.connections.translated(connection):
            meta = dict(await connection.fetch(self.tables.read_meta()))
            for _ in range(SWITCH_TRIES):
                with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                    async with savepoint(connection):
                        await connection.execute(_WAIT_FOR_READERS)
                        await self._show(connection, tables, meta)
                    break
            else:
                raise StoreLocked(f"the views of {self.connections.shown!r} are in use by a long transaction; end it")
            with suppress(asyncpg.LockNotAvailableError):
                async with savepoint(connection):
                    await connection.execute(_WAIT_FOR_SCANS)
                    for name in await self._found(connection, meta):
                        if _number(name) != tables.generation:
                            await connection.execute(self.tables.drop_table(name))

    async def drop_all_but(self, number: int, lock: str = "SELECT true") -> None:
        """Drop the tables of other generations, but those that a scan still reads; none unless `lock` is true."""
        for name in await self._names():
            if _number(name) != number:
                await self._drop(name, lock)

    async def _drop(self, name: str, lock: str) -> None:
        async with self.connections.begin(BATCH, _WAIT_FOR_SCANS) as connection:
            with self.connections.translated(connection), suppress(asyncpg.LockNotAvailableError):
                async with savepoint(connection):
                    if await connection.fetchval(lock):
                        await connection.execute(self.tables.drop_table(name))

    async def _create(self, connection: Any, tables: Tables) -> None:
        for table in self.layout.views:
            for statement in tables.create(table):
                await connection.execute(statement)

    async def _show(self, connection: Any, tables: Tables, meta: Mapping[str, str]) -> None:
        """Let the SQL views show the tables of a generation, and say under what they were made."""
        names = [table.name for table in self.layout.views]
        told = {f"{sql.STAMP}{name}": value for name, value in self.layout.stamp.items()}
        told |= {sql.GENERATION: str(tables.generation), sql.VIEWS: json.dumps(names)}
        for name in sorted(set(json.loads(meta.get(sql.VIEWS, "[]"))) - set(names)):
            await connection.execute(tables.drop_view(name))
        for table in self.layout.views:
            old, new = [await connection.fetchval(_COLUMNS, it) for it in (tables.named(table.name), tables.at(table))]
            for statement in tables.show(table, anew=old is not None and old != new):
                await connection.execute(statement)
        await connection.execute(tables.forget_stamp())
        await connection.execute(tables.put_meta(), list(told), list(told.values()))
        for payload in payloads(names):
            await connection.execute(sql.NOTIFY, tables.channel, payload)

    async def _names(self) -> list[str]:
        """Return the names of all tables of any generation."""
        async with self.connections.begin(READ) as connection:
            with self.connections.translated(connection):
                return await self._found(connection, dict(await connection.fetch(self.tables.read_meta())))

    async def _found(self, connection: Any, meta: Mapping[str, str]) -> list[str]:
        """Return the names of all tables of any generation; what is not of a view of ours, is somebody else's."""
        ours = self.tables.views | set(json.loads(meta.get(sql.VIEWS, "[]")))
        names = [name for (name,) in await connection.fetch(_TABLES, sql.quoted(self.tables.schema))]
        return [name for name in names if name.rpartition(".")[0] in ours]


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])
