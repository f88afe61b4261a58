"""
Posts, comments, communities and profiles, as their rows and their records together say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from strandline import Store
from strandline.forum import SCHEMA, queries
from strandline.forum.queries.entries import path_of
from strandline.register import registers_at
from strandline.wirejson import loads
from strandline_cli.loop import run
from strandline_cli.show import camel

__all__ = ["Known", "comment_json", "known", "known_of_posts", "owned_json", "post_json"]


@frozen
class Known:
    """What else is known of some rows: records by at-uri, handles and communities' names by did."""

    records: Mapping[str, Mapping[str, Any]]
    handles: Mapping[str, str]
    names: Mapping[str, str]

    def words(self, uri: str, name: str) -> str:
        """Return a text of a record; "" where it has none."""
        return str(self.records.get(uri, {}).get(name) or "")

    def who(self, did: str) -> str:
        """Return the handle of a did; itself where it has none."""
        return self.handles.get(did, did)

    def place(self, did: str) -> str:
        """Return the name of a community; its did where it has none."""
        return self.names.get(did, did)


def known(store: Store, uris: Iterable[str], dids: Iterable[str] = ()) -> Known:
    """Return what is known of some records and dids, with as many questions whatever their number."""
    every = set(dids)
    registers = run(registers_at(store.get, [path_of(uri) for uri in uris])).values()
    records = {f"at://{it.did}/{it.collection}/{it.rkey}": loads((it.record or "{}").encode()) for it in registers}
    communities = map(
        store.layout.table("community").row, run(store.get("community", [(did,) for did in every])).values()
    )
    return Known(records, run(queries.handles(store, every)), {row.did: row.name for row in communities})


def known_of_posts(store: Store, posts: Sequence[Any]) -> Known:
    """Return what is known of some posts."""
    dids = {row.author for row in posts} | {row.community for row in posts}
    return known(store, [row.uri for row in posts], dids)


def post_json(row: Any, about: Known) -> dict[str, Any]:
    """Return a post as a JSON object."""
    told = camel(row)
    del told["key"]
    more = {"communityName": about.names.get(row.community), "record": about.records.get(row.uri)}
    return told | {"authorHandle": about.handles.get(row.author)} | more


def comment_json(row: Any, about: Known) -> dict[str, Any]:
    """Return a comment as a JSON object."""
    told = camel(row)
    del told["key"]
    uri = SCHEMA.keys.uri(row.key)
    told |= {"uri": uri, "root": SCHEMA.keys.uri(row.root), "parent": SCHEMA.keys.uri(row.parent)}
    return told | {"authorHandle": about.handles.get(row.author), "record": about.records.get(uri)}


def owned_json(row: Any, uri: str, about: Known) -> dict[str, Any]:
    """Return a community or a profile as a JSON object."""
    return camel(row) | {"uri": uri, "handle": about.handles.get(row.did), "record": about.records.get(uri)}
