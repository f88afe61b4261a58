"""
The versions of the file, each a migration in a transaction of its own: a failed one leaves the store as it was.

Only the kept tables migrate. Views are never migrated: they are rebuilt.
"""

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from strandline.errors import StoreCorrupt, StoreError, StoreTooNew
from strandline.ports import Layout
from strandline.register import REGISTER, address
from strandline.schema import Table
from strandline_sqlite import sql

__all__ = ["APPLICATION_ID", "migrate"]

APPLICATION_ID = 0x53545244
"""`STRD` in the file's header, so that `file` and we can tell a store from any other SQLite file."""


NAMES = frozenset({"m001_kept_tables", "m002_moved_tables", "m003_slots", "m004_near"})
"""Every migration this version knows; m003_slots is no more: m004_near does what it did."""


def migrations(layout: Layout) -> Migrations:
    """Return all migrations, oldest first; a new store runs them all."""
    every = Migrations("strandline")

    @every()
    def m001_kept_tables(db: Database) -> None:
        db.execute(sql.META)
        for table in layout.kept:
            _create(db, table)

    @every()
    def m002_moved_tables(db: Database) -> None:
        db.execute(sql.MOVED)

    @every()
    def m004_near(db: Database) -> None:
        register = layout.tables.get(REGISTER.name)
        if register is not None and not db.table(register.name).use_rowid:
            _readdress(db, register)

    return every


def _create(db: Database, table: Table) -> None:
    db.execute(sql.create_table(table))
    for index in sql.own_indexes(table):
        db.execute(sql.create_index(table, index, 0))


def _readdress(db: Database, register: Table) -> None:
    """Put the registers of an older version, whose key was their path alone, under the key of now."""
    values = ", ".join(f'"{column.name}"' for column in register.columns[1:])
    db.register_function(lambda rkey, collection, did: address((rkey, collection, did))[0], name="slot_of")
    db.execute(sql.set_aside(register))
    _create(db, register)
    db.execute(f"INSERT INTO register SELECT slot_of(rkey, collection, did), {values} FROM {sql.ASIDE} ORDER BY rowid")
    db.execute(f"DROP TABLE {sql.ASIDE}")


def migrate(connection: sqlite3.Connection, path: Path, layout: Layout, *, write: bool) -> None:
    """
    Bring the file to this version of the store, or refuse it.

    Raises:
        StoreCorrupt: it is another program's SQLite file.
        StoreTooNew: a newer strandline has migrated it.
        StoreError: it is older, and opened for reading only.
    """
    told = connection.execute("PRAGMA application_id").fetchone()[0]
    if told != APPLICATION_ID:
        raise StoreCorrupt(f"{str(path)!r} is no strandline store; nothing was changed. Name another file")
    db, every = Database(connection, execute_plugins=False), migrations(layout)
    newer = [it.name for it in every.applied(db) if it.name not in NAMES]
    if newer:
        raise StoreTooNew(f"the store {str(path)!r} was written by a newer strandline ({newer[-1]}); upgrade this one")
    if every.pending(db):
        if not write:
            raise StoreError(f"the store {str(path)!r} is of an older version; open it once for writing")
        every.apply(db)
