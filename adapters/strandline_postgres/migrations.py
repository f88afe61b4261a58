"""
The versions of a store, each a migration in a transaction of its own: a failed one leaves the store as it was.

Only the kept tables migrate. Views are never migrated: they are rebuilt. Whoever migrates holds a lock, so of two
that open a store at once the second finds it done.
"""

from collections.abc import Callable, Mapping
from typing import Any

from strandline.errors import StoreError, StoreTooNew
from strandline.ports import Layout
from strandline_postgres import sql
from strandline_postgres.connections import BATCH, Connections
from strandline_postgres.locks import Locks
from strandline_postgres.sql import Tables

__all__ = ["MIGRATIONS", "is_there", "migrate", "refuse_version"]

Migration = Callable[[Layout, Tables], list[str]]


def _kept_tables(layout: Layout, tables: Tables) -> list[str]:
    return [statement for table in layout.kept for statement in tables.create(table)]


def _turns(layout: Layout, tables: Tables) -> list[str]:
    return tables.create_turn()


MIGRATIONS: tuple[Migration, ...] = (_kept_tables, _turns)
"""All migrations, oldest first; a store's version is how many were applied, and a new store runs them all."""


async def is_there(connections: Connections, connection: Any, tables: Tables) -> bool:
    """Tell whether the schema holds a store."""
    with connections.translated(connection):
        return bool(await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", tables.meta))


def refuse_version(shown: str, meta: Mapping[str, str]) -> None:
    """
    Refuse a store of another version.

    Raises:
        StoreTooNew: a newer strandline has migrated it.
        StoreError: it is older.
    """
    version = int(meta.get(sql.VERSION, "0"))
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"the store {shown!r} was written by a newer strandline (version {version}); upgrade this one"
        )
    if version < len(MIGRATIONS):
        raise StoreError(f"the store {shown!r} is of an older version ({version}); open it once for writing")


async def migrate(connections: Connections, layout: Layout, tables: Tables, locks: Locks) -> None:
    """
    Bring the schema to this version of the store, or refuse it.

    Raises:
        StoreTooNew: a newer strandline has migrated it.
        StoreReadOnly: this role may not migrate it.
    """
    while await _migrated_once(connections, layout, tables, locks):
        pass


async def _migrated_once(connections: Connections, layout: Layout, tables: Tables, locks: Locks) -> bool:
    """Apply the next migration, if there is one; tell whether there was."""
    async with connections.begin(BATCH, locks.migrating) as connection:
        if not await is_there(connections, connection, tables):
            await _make(connections, connection, tables)
        with connections.translated(connection):
            version = int(dict(await connection.fetch(tables.read_meta())).get(sql.VERSION, "0"))
            if version >= len(MIGRATIONS):
                return False
            for statement in MIGRATIONS[version](layout, tables):
                await connection.execute(statement)
            await connection.execute(tables.put_meta(), [sql.VERSION], [str(version + 1)])
        return True


async def _make(connections: Connections, connection: Any, tables: Tables) -> None:
    with connections.translated(connection):
        there = await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", sql.quoted(tables.schema))
        if not there:  # asking for it IF NOT EXISTS would need the right to make one
            await connection.execute(f"CREATE SCHEMA {sql.quoted(tables.schema)}")
        await connection.execute(tables.create_meta())
