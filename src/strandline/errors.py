"""
Every error strandline raises on purpose.

    StrandlineError
    ├── InvalidSyntax     an identifier or a datetime breaks the protocol's syntax
    ├── InvalidLexicon    a lexicon document is not one; carries all its faults
    ├── InvalidSchema     a view or record kind says what cannot be kept right; carries the reason
    ├── InvalidToken      a page token was not made here, or for something else
    ├── LogError          a log cannot be read: missing, truncated, corrupt
    ├── StoreError        our own store is in trouble: the work stops, what stands is whole
    │   ├── StoreLocked       another writer has it
    │   ├── StoreTooNew       written by a newer strandline
    │   ├── StoreStale        written under another schema, semantics or validator: rebuild it
    │   ├── StoreCorrupt      the file is damaged or is no store
    │   ├── StoreFull         no room left
    │   ├── StoreInterrupted  its transaction was cut short: do the batch again
    │   ├── StoreUnavailable  it cannot be reached
    │   └── StoreReadOnly     it may not be written
    └── UnknownStore      no installed adapter serves that URL; names the extra to install

Errors are told apart by class and carry data; nobody need read their text.
"""

from collections.abc import Sequence

__all__ = [
    "InvalidLexicon",
    "InvalidSchema",
    "InvalidSyntax",
    "InvalidToken",
    "LogError",
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
    "UnknownStore",
]


class StrandlineError(Exception):
    """Whatever strandline raises on purpose."""


class InvalidSyntax(StrandlineError, ValueError):
    """A text is not the identifier or datetime it was taken for."""


class InvalidLexicon(StrandlineError, ValueError):
    """A lexicon document that is not one; `faults` are all of them, each with its path."""

    def __init__(self, message: str, faults: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidSchema(StrandlineError, ValueError):
    """A record kind, table or view that cannot be kept right whatever the order; the text says why."""


class InvalidToken(StrandlineError, ValueError):
    """A page token that was not made here, or was made for something else."""


class LogError(StrandlineError):
    """A log that cannot be read to its end; the lines before the damage were delivered."""


class StoreError(StrandlineError):
    """
    The store is in trouble.

    Nothing of the current batch was written and the cursor is where it was, unless a subclass says otherwise.
    """


class StoreLocked(StoreError):
    """Another writer holds the store."""


class StoreTooNew(StoreError):
    """The store was written by a newer strandline than this one."""


class StoreStale(StoreError):
    """The store was written under another schema, semantics or validator and must be rebuilt first."""


class StoreCorrupt(StoreError):
    """The file is damaged, or is not a strandline store."""


class StoreFull(StoreError):
    """The disk, or a quota, has no room left."""


class StoreReadOnly(StoreError):
    """The store, its file or its folder may not be written."""


class StoreInterrupted(StoreError):
    """
    The transaction was cut short: by another one, or by the loss of the connection.

    It was done whole or not at all, and which is not known; folding the batch again is right in either case.
    """


class StoreUnavailable(StoreError):
    """The store cannot be reached, though it was tried for a while."""


class UnknownStore(StrandlineError, ValueError):
    """No installed adapter serves the store URL."""
