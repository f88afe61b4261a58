"""The SQLite store: one file, one writer, many readers."""

from strandline_sqlite.store import SQLiteStore, open_store

__all__ = ["SQLiteStore", "open_store"]
