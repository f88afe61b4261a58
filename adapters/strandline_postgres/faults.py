"""
What PostgreSQL and its driver say went wrong, as strandline's errors: by SQLSTATE and class, never by text.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

from strandline.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInterrupted,
    StoreReadOnly,
    StoreUnavailable,
)

__all__ = ["ERRORS", "is_away", "is_closed", "store_error"]

ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    OverflowError,
    UnicodeError,
)
"""Whatever the driver raises."""

_AGAIN = "the transaction was cut short; it is done again"
_AWAY = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300"}
"""The server stops, starts, ended the session, or has no connection free; and all of class 08."""

_OTHER_TALK = "08P01"

_BY_CODE: Mapping[str, tuple[type[StoreError], str]] = {
    "40001": (StoreInterrupted, _AGAIN),
    "40P01": (StoreInterrupted, _AGAIN),
    "55P03": (StoreInterrupted, _AGAIN),
    "57014": (StoreInterrupted, _AGAIN),
    "53100": (StoreFull, "has no room left on its disk; make room, then run the same command again"),
    "25006": (StoreReadOnly, "may not be written: the server or the transaction is read-only"),
    "42501": (StoreReadOnly, "may not be used so by this role; check its grants"),
    "XX001": (StoreCorrupt, "is damaged; restore a backup, or replay the log into a new store"),
    "XX002": (StoreCorrupt, "has a damaged index; REINDEX it, or restore a backup"),
    _OTHER_TALK: (StoreError, "does not talk as PostgreSQL does; behind a proxy add statement_cache_size=0 to its URL"),
    "28P01": (StoreError, "cannot be opened: the password is wrong"),
    "28000": (StoreError, "cannot be opened: the server refuses this login"),
    "3D000": (StoreError, "cannot be opened: there is no such database"),
    "42P01": (StoreError, "lacks a table"),
    "42703": (StoreError, "lacks a column"),
    "22": (StoreError, "cannot hold a value"),
    "23": (StoreError, "cannot hold a value"),
    "54000": (StoreError, "cannot hold a value: it is too long for its index"),
}


def is_away(error: BaseException, connection: Any = None) -> bool:
    """Tell whether the connection was lost or could not be had, so that another one may help."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return (code.startswith("08") and code != _OTHER_TALK) or code in _AWAY
    if isinstance(error, OSError | EOFError | asyncpg.TargetServerAttributeNotMatched):
        return not isinstance(error, PermissionError)
    return connection is not None and is_closed(connection)


def is_closed(connection: Any) -> bool:
    """Tell whether nothing can be said on a connection any more; a pool's that was closed cannot even be asked."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def store_error(error: BaseException, shown: str, *, away: bool, lasting: bool = False) -> StoreError:
    """
    Return the error to raise for one of the driver's.

    Args:
        error: The driver's.
        shown: The store's URL, without its password.
        away: What `is_away` says of it.
        lasting: No other connection will help.
    """
    said = str(error) or type(error).__name__
    kind, told = _told(error, away, lasting)
    done = "the batch was written whole or not at all" if away else "nothing of this batch was written"
    return kind(f"the store {shown!r} {told} (PostgreSQL: {said}); {done}")


def _told(error: BaseException, away: bool, lasting: bool) -> tuple[type[StoreError], str]:
    if away:
        return (StoreUnavailable, "cannot be reached") if lasting else (StoreInterrupted, "was lost from reach")
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return _BY_CODE.get(code) or _BY_CODE.get(code[:2], (StoreError, "is in trouble"))
    if isinstance(error, OSError):
        return StoreError, "cannot be opened"
    return StoreError, "cannot hold a value, or was used wrongly"
