"""
All that the views of a page need, read together: a bounded number of statements, however many rows it has.

What is written while a page is read may part a row from its record. A row whose record is gone is left out, as it
would be a moment later.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from strandline.forum.queries.entries import path_of
from strandline.forum.queries.people import handles_of
from strandline.forum.records import ACTOR_PROFILE, COMMUNITY_PROFILE
from strandline.forum.schema import SCHEMA
from strandline.forum.xrpc.asking import Asked
from strandline.forum.xrpc.blobs import BlobUrls
from strandline.judge import compile_judge
from strandline.register import REPO, Register, Repo, registers_at
from strandline.schema import Keys
from strandline.syntax import record_uri
from strandline.wirejson import loads

__all__ = ["Known", "gather"]

QUOTE = "social.coves.embed.post"


@frozen(kw_only=True)
class Known:
    """
    What is known for the views of a page.

    Attributes:
        blobs: How the urls of blobs are made.
        keys: How records are named in the views.
        viewer: Did of who asks.
        registers: What stands at each at-uri.
        records: The record at each at-uri; none where there is none.
        repos: What is known of each account.
        handles: The handle of each did that has one.
        profiles: Rows of the table `profile`, by did; none of hidden accounts.
        communities: Rows of the table `community`, by did; none of hidden accounts.
        quoted: Rows of posts that are embedded, by at-uri, those that may be shown.
        votes: Rows of the viewer's votes, by key of the subject.
    """

    blobs: BlobUrls
    keys: Keys
    viewer: str | None
    registers: Mapping[str, Register]
    records: Mapping[str, Any]
    repos: Mapping[str, Repo]
    handles: Mapping[str, str]
    profiles: Mapping[str, Any]
    communities: Mapping[str, Any]
    quoted: Mapping[str, Any]
    votes: Mapping[str, Any]

    def profile_record(self, did: str) -> Mapping[str, Any]:
        """Return the record of a live actor profile; an empty one if there is none."""
        return self.records.get(actor_uri(did), {}) if did in self.profiles else {}

    def community_record(self, did: str) -> Mapping[str, Any]:
        """Return the record of a live community; an empty one if there is none."""
        return self.records.get(community_uri(did), {}) if did in self.communities else {}


def actor_uri(did: str) -> str:
    """Return the at-uri of an actor's profile."""
    return f"at://{did}/{ACTOR_PROFILE}/self"


def community_uri(did: str) -> str:
    """Return the at-uri of a community's profile."""
    return f"at://{did}/{COMMUNITY_PROFILE}/self"


async def gather(
    asked: Asked,
    *,
    posts: Sequence[Any] = (),
    comments: Sequence[Any] = (),
    people: Iterable[str] = (),
    communities: Iterable[str] = (),
    others: Iterable[str] = (),
    private: Iterable[str] = (),
    blocked: Iterable[str] = (),
) -> Known:
    """
    Read what the views of some rows need.

    Args:
        asked: The question.
        posts: Rows of the table `post`.
        comments: Rows of the table `comment`.
        people: Dids whose profiles are shown beside.
        communities: Dids of communities shown beside.
        others: At-uris of more records that are shown.
        private: Private communities that the viewer may see.
        blocked: Communities whose posts the viewer wants to see nowhere.
    """
    uri = asked.store.layout.keys.uri
    expected = {**{row.uri: row.cid for row in posts}, **{uri(row.key): row.cid for row in comments}}
    registers = await _registers(asked, [*expected, *others])
    records = _records(registers, expected)
    quoted = await _quoted(asked, [records[at] for at in expected if at in records])
    dids = {*people, *communities}
    for row in (*posts, *quoted.values()):
        dids |= {row.author, row.community}
    dids |= {row.author for row in comments}
    repos = await _repos(asked, dids)
    gone = {did for did, repo in repos.items() if repo.active == 0}
    shown = dids - gone
    found = await _owned(asked, "community", shown)
    profiles = await _owned(asked, "profile", shown)
    expected = {row.uri: row.cid for row in quoted.values()}
    expected |= {actor_uri(row.did): row.cid for row in profiles.values()}
    expected |= {community_uri(row.did): row.cid for row in found.values()}
    beside = await _registers(asked, expected)
    may, unwanted = set(private), set(blocked)
    return Known(
        blobs=asked.how.blobs,
        keys=asked.store.layout.keys,
        viewer=asked.viewer,
        registers={**registers, **beside},
        records={**records, **_records(beside, expected)},
        repos=repos,
        handles=await handles_of(asked.store, repos.values()),
        profiles=profiles,
        communities=found,
        quoted={at: row for at, row in quoted.items() if _may_quote(row, gone | unwanted, found, may)},
        votes=await _votes(asked, [*(row.key for row in (*posts, *comments, *quoted.values()))]),
    )


def _may_quote(row: Any, gone: set[str], communities: Mapping[str, Any], private: set[str]) -> bool:
    home = communities.get(row.community)
    closed = home is not None and home.visibility == "private" and row.community not in private
    return row.author not in gone and row.community not in gone and not closed


async def _registers(asked: Asked, uris: Iterable[str]) -> dict[str, Register]:
    paths = {path_of(uri): uri for uri in uris}
    found = await registers_at(asked.store.get, paths)
    return {paths[path]: it for path, it in found.items()}


def _records(registers: Mapping[str, Register], expected: Mapping[str, str]) -> dict[str, Any]:
    """Return the records that stand; one that was written since its row was read only if it is valid."""
    return {
        uri: loads(it.record.encode())
        for uri, it in registers.items()
        if it.record is not None and (expected.get(uri, it.cid) == it.cid or _is_valid(it))
    }


def _is_valid(it: Register) -> bool:
    judge = compile_judge(SCHEMA.kind_of[it.collection])
    return not judge.verdict(it.did, it.rkey, loads((it.record or "").encode())).faults


async def _quoted(asked: Asked, records: Iterable[Any]) -> dict[str, Any]:
    named = asked.store.layout.table("post").row
    keys = {asked.store.layout.keys.of(uri) for record in records if (uri := quoted_uri(record))}
    rows = await asked.store.get("post", [(key,) for key in keys])
    found = map(named, rows.values())
    return {row.uri: row for row in found}


def quoted_uri(record: Mapping[str, Any]) -> str | None:
    """Return the at-uri of the post that a record embeds; None if it embeds none."""
    embed = record.get("embed")
    if not isinstance(embed, dict) or embed.get("$type") != QUOTE:
        return None
    uri = str(embed["post"]["uri"])
    return uri if record_uri(uri) is not None else None


async def _repos(asked: Asked, dids: Iterable[str]) -> dict[str, Repo]:
    rows = await asked.store.get(REPO.name, [(did,) for did in dids])
    return {repo.did: repo for repo in map(Repo._make, rows.values())}


async def _owned(asked: Asked, table: str, dids: Iterable[str]) -> dict[str, Any]:
    named = asked.store.layout.table(table).row
    rows = await asked.store.get(table, [(did,) for did in dids])
    return {row.did: row for row in map(named, rows.values())}


async def _votes(asked: Asked, keys: Iterable[str]) -> dict[str, Any]:
    if asked.viewer is None:
        return {}
    named = asked.store.layout.table("vote").row
    rows = await asked.store.get("vote", [(key, asked.viewer) for key in keys])
    return {row.subject: row for row in map(named, rows.values())}
