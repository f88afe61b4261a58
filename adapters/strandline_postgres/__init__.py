"""The PostgreSQL store: a schema of its own in any database, several writers, many readers."""

from strandline_postgres.store import PostgresStore, open_store
from strandline_postgres.transaction import PostgresTransaction

__all__ = ["PostgresStore", "PostgresTransaction", "open_store"]
