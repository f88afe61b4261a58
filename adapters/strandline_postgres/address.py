"""
Where a store is: a libpq URL with some parameters of our own.

Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from attrs import frozen

from strandline.errors import UnknownStore
from strandline.masking import masked

__all__ = ["Address", "address_of"]

SCHEMES = ("postgresql", "postgres")
LEAST_CONNECTIONS = 4
"""A rebuild holds its lock, scans, and writes, each on a connection; one more is for whoever reads meanwhile."""


@frozen(kw_only=True)
class Address:
    """
    Where a store is.

    Attributes:
        dsn: What the driver is told, the password with it.
        schema: The database schema that holds its tables.
        statement_cache_size: How many prepared statements a connection keeps; 0 behind a transaction-pooling proxy.
        pool_size: How many connections it opens at most.
        connect_timeout_s: How long one attempt to connect may take, seconds.
        shown: The URL without its password.
        folders: Where the server's sockets are said to be.
    """

    dsn: str
    schema: str = "strandline"
    statement_cache_size: int = 200
    pool_size: int = 8
    connect_timeout_s: int = 10
    shown: str
    folders: tuple[str, ...] = ()

    @property
    def proxied(self) -> bool:
        """A transaction-pooling proxy may stand between: nothing outlives a transaction."""
        return self.statement_cache_size == 0


def address_of(url: str) -> Address:
    """
    Return what a URL names: libpq's, and our parameters `schema`, `statement_cache_size` and `pool_size`.

    Raises:
        UnknownStore: it is no such URL; the text shows it without its password.
    """
    shown = masked(url)
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise UnknownStore(f"{shown!r} is no URL: write postgresql://user:password@host:5432/database") from None
    if parts.scheme not in SCHEMES or parts.fragment:
        raise UnknownStore(f"{shown!r} is no PostgreSQL store: write postgresql://user:password@host:5432/database")
    ours = dict(given)
    theirs = [(name, value) for name, value in given if name not in _OURS]
    sizes = {name: _number(shown, name, ours[name], least) for name, least in _LEAST.items() if name in ours}
    return Address(
        dsn=f"{parts.scheme}://{parts.netloc}{parts.path}{'?' * bool(theirs)}{urlencode(theirs, quote_via=quote)}",
        schema=_schema(shown, ours.get("schema", "strandline")),
        statement_cache_size=sizes.get("statement_cache_size", 200),
        pool_size=sizes.get("pool_size", 8),
        connect_timeout_s=sizes.get("connect_timeout", 10),
        shown=shown,
        folders=tuple(host for host in _hosts(parts.netloc, ours) if host.startswith("/")),
    )


_LEAST = {"statement_cache_size": 0, "pool_size": LEAST_CONNECTIONS, "connect_timeout": 1}
_OURS = {"schema", *_LEAST}


def _hosts(netloc: str, given: Mapping[str, str]) -> list[str]:
    listed = given.get("host") or unquote(netloc.rpartition("@")[2])
    return listed.split(",")


def _number(shown: str, name: str, text: str, least: int) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < least:
        raise UnknownStore(f"{shown!r}: {name} is {text!r}; it is a whole number, at least {least}")
    return int(text)


def _schema(shown: str, name: str) -> str:
    if not 0 < len(name.encode(errors="replace")) < 64 or "\0" in name or name.startswith("pg_"):
        raise UnknownStore(f"{shown!r}: {name!r} cannot name a schema; it has 1 to 63 bytes and begins not with pg_")
    return name
