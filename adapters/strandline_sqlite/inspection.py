"""
What a store's file holds, and whether it is sound.

Source: https://www.sqlite.org/pragma.html#pragma_integrity_check
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen
from sqlite_utils import Database

from strandline.ports import Layout

__all__ = ["Inspection", "inspect"]


@frozen(kw_only=True)
class Inspection:
    """
    What was found.

    Attributes:
        path: The store's file.
        file_bytes: Its size.
        wal_bytes: The size of its write-ahead log; 0 if there is none.
        free_bytes: How much of the file is free for new rows.
        rows: How many rows each table of the layout has; tables that are not there are left out.
        faults: What SQLite finds wrong with the file; none if it is sound.
    """

    path: Path
    file_bytes: int
    wal_bytes: int
    free_bytes: int
    rows: Mapping[str, int]
    faults: tuple[str, ...]


def inspect(connection: sqlite3.Connection, path: Path, layout: Layout) -> Inspection:
    """Inspect the file behind a connection; reads all of it."""
    database = Database(connection, execute_plugins=False)
    there = set(database.table_names())
    wal = path.with_name(f"{path.name}-wal")
    free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    found = [str(told) for (told,) in connection.execute("PRAGMA integrity_check")]
    return Inspection(
        path=path,
        file_bytes=path.stat().st_size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        free_bytes=free * size,
        rows={name: database.table(name).count for name in layout.tables if name in there},
        faults=() if found == ["ok"] else tuple(found),
    )
