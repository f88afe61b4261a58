"""
URLs as they may be shown: without their passwords.

A URL that somebody mistyped is shown too, so nothing is taken for granted: what may be a password, is hidden.
"""

import re
from urllib.parse import unquote

__all__ = ["masked"]

_HOST = re.compile(r"(\[[^]]*\]|[^:\[\]]*)(:[0-9]*)?")
_PARAMETER = re.compile("(?<=[?&])([^=&#]+)=([^&#]*)")


def masked(url: str) -> str:
    """
    Return a URL with `***` for each password in it; any text, well-formed or not.

    >>> masked("postgresql://me:secret@db.example/forum?schema=a")
    'postgresql://me:***@db.example/forum?schema=a'
    >>> masked("postgresql:///forum?host=/tmp&password=secret")
    'postgresql:///forum?host=/tmp&password=***'
    """
    scheme, mark, rest = url.partition("://")
    if mark:
        at = _end_of_login(rest)
        user, colon, _ = rest[:at].partition(":")
        rest = f"{user}:***{rest[at:]}" if colon else rest
    return _PARAMETER.sub(_hidden, f"{scheme}{mark}{rest}")


def _end_of_login(rest: str) -> int:
    """Return where the host begins, at its `@`; 0 where there is no login. A password may hold `/`, `?` and `@`."""
    if rest.startswith("/"):
        return 0
    path = rest.partition("?")[0]
    if "@" in path:
        return path.rindex("@")
    hosts = re.split("[/?#]", rest, maxsplit=1)[0]
    plain = all(_HOST.fullmatch(host) for host in hosts.split(",")) and "@" not in rest.partition("=")[0]
    return 0 if plain else max(rest.rfind("@"), 0) or len(rest)


def _hidden(found: re.Match[str]) -> str:
    name, value = found.groups()
    return f"{name}=***" if "password" in unquote(name).lower() else f"{name}={value}"
