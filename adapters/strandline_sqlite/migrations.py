"""
The versions of the file, each a migration in a transaction of its own: a failed one leaves the store as it was.

Only the kept tables migrate. Views are never migrated: they are rebuilt.
"""

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from strandline.errors import StoreCorrupt, StoreError, StoreTooNew
from strandline.ports import Layout
from strandline_sqlite import sql

__all__ = ["APPLICATION_ID", "migrate"]

APPLICATION_ID = 0x53545244
"""`STRD` in the file's header, so that `file` and we can tell a store from any other SQLite file."""


NAMES = frozenset({"m001_kept_tables", "m002_moved_tables", "m003_slots"})
"""Every migration this version knows."""


def migrations(layout: Layout) -> Migrations:
    """Return all migrations, oldest first; a new store runs them all."""
    every = Migrations("strandline")

    @every()
    def m001_kept_tables(db: Database) -> None:
        db.execute(sql.META)
        for table in layout.kept:
            db.execute(sql.create_table(table))
            for index in sql.own_indexes(table):
                db.execute(sql.create_index(table, index, 0))

    @every()
    def m002_moved_tables(db: Database) -> None:
        db.execute(sql.MOVED)

    @every()
    def m003_slots(db: Database) -> None:
        if "did_hash" in db["register"].columns_dict:
            db.execute(sql.RENAME_SLOT)

    return every


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
