"""
Where things are on this site: every address below the path the application is mounted at.

Accounts and communities are linked by did, which stays theirs; a handle may be another's tomorrow.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from attrs import frozen

__all__ = ["Links"]


@frozen
class Links:
    """
    The addresses of one request.

    Attributes:
        root: The path the application is mounted at, without a slash at its end; "" for the site's own root.
        path: The path that was asked for, below `root`.
        asked: Names and values of the query string.
    """

    root: str
    path: str
    asked: Mapping[str, str]

    def to(self, path: str, /, **query: str | None) -> str:
        """Return the address of a path below the root; a parameter may have any name."""
        told = [(name, value) for name, value in query.items() if value is not None]
        within = f"{self.root}{path}".lstrip("/")  # after two slashes a browser reads the name of a host
        return f"/{within}{'?' if told else ''}{urlencode(told)}"

    def same(self, /, **changes: str | None) -> str:
        """Return the address of this page with some parameters changed, without those that are None."""
        return self.to(quote(self.path, safe="/:@!~"), **{**self.asked, **changes})

    def user(self, did: str) -> str:
        """Return the address of a profile."""
        return self.to(f"/u/{_part(did)}")

    def community(self, did: str) -> str:
        """Return the address of a community."""
        return self.to(f"/c/{_part(did)}")

    def timeline(self, did: str) -> str:
        """Return the address of a timeline."""
        return self.to(f"/timeline/{_part(did)}")

    def post(self, uri: str, /, **query: str | None) -> str:
        """Return the address of a post, by its at-uri."""
        _, _, did, _, rkey = uri.split("/")
        return self.to(f"/post/{_part(did)}/{_part(rkey)}", **query)

    def comment(self, comment: Mapping[str, Any]) -> str:
        """Return the address of a comment: its place in the thread."""
        return f"{self.post(comment['post']['uri'])}#{self.place(comment['uri'])}"

    def place(self, uri: str) -> str:
        """Return the name of a comment's place in the page of its thread."""
        _, _, did, _, rkey = uri.split("/")
        return f"{_part(rkey)}/{_part(did)}"


def _part(text: str) -> str:
    return quote(text, safe=":")


def shown_parameters(names: Iterable[str], query: Mapping[str, str]) -> dict[str, str]:
    """Return those parameters of a query that a page knows and that are not empty."""
    return {name: query[name] for name in names if query.get(name)}
