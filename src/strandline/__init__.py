"""
Strandline: an event-sourced indexer for the AT Protocol.

A Jetstream says what happened; strandline folds it into views that are right whatever the order, the repetition, the
crash or the store.
"""

from importlib.metadata import version

from strandline.errors import (
    InvalidLexicon,
    InvalidSchema,
    InvalidSyntax,
    LogError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInterrupted,
    StoreLocked,
    StoreReadOnly,
    StoreStale,
    StoreTooNew,
    StoreUnavailable,
    StrandlineError,
    UnknownStore,
)
from strandline.event import Account, BadEvent, Commit, Control, Event, Identity, Sync, decode
from strandline.index import Index, open_index, open_store, run, waits
from strandline.ingest import Cursor, Ingest, Outcome, layout_of
from strandline.memory import MemoryStore
from strandline.ports import Layout, Store, Transaction
from strandline.schema import (
    Attach,
    Column,
    Effective,
    Keys,
    Live,
    RecordKind,
    Rows,
    Schema,
    Search,
    Table,
    Type,
)
from strandline.schema import Index as TableIndex

__version__ = version("strandline")

__all__ = [
    "Account",
    "Attach",
    "BadEvent",
    "Column",
    "Commit",
    "Control",
    "Cursor",
    "Effective",
    "Event",
    "Identity",
    "Index",
    "Ingest",
    "InvalidLexicon",
    "InvalidSchema",
    "InvalidSyntax",
    "Keys",
    "Layout",
    "Live",
    "LogError",
    "MemoryStore",
    "Outcome",
    "RecordKind",
    "Rows",
    "Schema",
    "Search",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInterrupted",
    "StoreLocked",
    "StoreReadOnly",
    "StoreStale",
    "StoreTooNew",
    "StoreUnavailable",
    "StrandlineError",
    "Sync",
    "Table",
    "TableIndex",
    "Transaction",
    "Type",
    "UnknownStore",
    "__version__",
    "decode",
    "layout_of",
    "open_index",
    "open_store",
    "run",
    "waits",
]
