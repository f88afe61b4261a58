"""
What we know of one path: the write that stands there.

A repository gives each commit a *rev* greater than the last, so of two writes to one path the greater rev is the
true one, whichever came first. One commit may write a path twice; then the operation's rank decides. A delete is
kept as a tombstone: without it a late create would bring the record back.

Source: https://atproto.com/specs/repository#commit-objects
"""

import json
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zlib import crc32

from strandline.event import Account, Commit, Identity
from strandline.schema import Column, Index, Table, Type
from strandline.wirejson import canonical, canonical_plain

__all__ = [
    "REGISTER",
    "REPO",
    "Path",
    "Register",
    "Repo",
    "address",
    "is_live",
    "join",
    "join_account",
    "join_identity",
    "joined",
    "register",
    "registers_at",
    "slots_of",
]

RANK: Final[Mapping[str, int]] = {"delete": 0, "create": 1, "update": 2}

SLOTS: Final = 16

HASH_BITS: Final = 27
"""With those of 16 slots, 31: a signed integer of four bytes."""

Path = tuple[str, str, str]
"""Where a record lies, the part that differs most first: rkey, collection, did."""

Keep = Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None


class Register(NamedTuple):
    """
    The standing write to one path, as it is stored.

    Attributes:
        slot: The number by which the registers of a repo are found; see `slots_of`.
        rkey: With collection and did, the path.
        collection: NSID of the record's kind.
        did: The repository's owner.
        rev: Revision of the commit that wrote it; a TID, compared as text, only within one repo.
        rank: 0 delete, 1 create, 2 update; tells two writes of one commit apart.
        cid: Content identifier of the record; "" for none.
        record: The record as canonical JSON; None for a tombstone.
        kept: `[rev, rank, cid, what its kind keeps]` of the greatest put, as canonical JSON; None for nothing, and
            while it can still be read off the standing record.
        seen_us: When this version was first seen, microseconds since 1970, UTC.
        before_us: How long before `seen_us` a put at this path was first seen; None if none was. Mostly 0, which
            takes no room.
    """

    slot: int
    rkey: str
    collection: str
    did: str
    rev: str
    rank: int
    cid: str
    record: str | None
    kept: str | None
    seen_us: int
    before_us: int | None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self[1:4]

    @property
    def first_seen_us(self) -> int | None:
        """When any put at this path was first seen, microseconds since 1970, UTC; None if none was."""
        return None if self.before_us is None else self.seen_us - self.before_us


REGISTER: Final = Table(
    "register",
    (
        Column("slot", Type.INTEGER),
        Column("rkey"),
        Column("collection"),
        Column("did"),
        Column("rev"),
        Column("rank", Type.INTEGER),
        Column("cid", Type.CID),
        Column("record", Type.JSON, null=True),
        Column("kept", Type.JSON, null=True),
        Column("seen_us", Type.INTEGER),
        Column("before_us", Type.INTEGER, null=True),
    ),
    key_size=4,
    near=2,
    indexes=(Index("by_repo", partition=("slot",), order=("rkey",), descending=False),),
)


class Repo(NamedTuple):
    """
    What we know of a repository as a whole.

    Attributes:
        did: Its owner.
        active: What the standing Account event says: 1 or 0; None when none was seen, which counts as active.
        status: Why it is not active, in the host's words.
        time_us: The standing Account event's time at the host, microseconds since 1970, UTC.
        relay_seq: The standing Account event's number at the relay.
        handle: The handle that the standing Identity event claims; not verified.
        handle_time_us: The standing Identity event's time.
        handle_seq: The standing Identity event's number.
        floor: Greatest rev of its Sync events, "" for none; a standing write of a lesser rev is void.
    """

    did: str
    active: int | None = None
    status: str | None = None
    time_us: int = 0
    relay_seq: int = 0
    handle: str | None = None
    handle_time_us: int = 0
    handle_seq: int = 0
    floor: str = ""


REPO: Final = Table(
    "repo",
    (
        Column("did"),
        Column("active", Type.FLAG, null=True),
        Column("status", null=True),
        Column("time_us", Type.INTEGER),
        Column("relay_seq", Type.INTEGER),
        Column("handle", null=True),
        Column("handle_time_us", Type.INTEGER),
        Column("handle_seq", Type.INTEGER),
        Column("floor"),
    ),
    indexes=(Index("by_handle", partition=("handle",), order=("handle_time_us", "handle_seq")),),
)


def slots_of(did: str) -> list[int]:
    """
    Return the slots in which the registers of a repo stand; two dids may share them.

    A slot is a hash of the did, behind one of the beginning of the rkey. Most rkeys are TIDs, and the first four
    letters of those change every ten hours: so what is written at one time lies together in a store's tree, whoever
    wrote it, and a repo's registers are still found in a bounded number of places.
    """
    return [at << HASH_BITS | _hash(did) for at in range(SLOTS)]


def address(path: Path) -> tuple[int, str, str, str]:
    """Return the key of the register of a path: its slot, then the path."""
    rkey, _, did = path
    return (crc32(rkey[:4].encode()) % SLOTS << HASH_BITS | _hash(did), *path)


@lru_cache(maxsize=16_384)
def _hash(did: str) -> int:
    """Return some bits of a did that nobody can choose cheaply: many dids of one slot would make each other slow."""
    return int.from_bytes(blake2b(did.encode(), digest_size=4).digest()) >> 32 - HASH_BITS


async def registers_at(
    get: Callable[[str, Collection[Any]], Coroutine[Any, Any, Mapping[Any, Any]]], paths: Collection[Path]
) -> dict[Path, Register]:
    """Return what is known of some paths, by path; `get` is that of a store, or `load` of a transaction."""
    rows = await get(REGISTER.name, [address(path) for path in paths])
    return {key[1:]: Register._make(row) for key, row in rows.items()}


def register(commit: Commit) -> Register:
    """Return the register of a path of which only this write is known."""
    put = commit.record is not None
    write = canonical_plain if commit.plain else canonical
    return Register(
        *address((commit.rkey, commit.collection, commit.did)),
        commit.rev,
        RANK[commit.operation],
        commit.cid,
        write(commit.record).decode() if put else None,
        None,
        commit.seen_us,
        0 if put else None,
    )


def join(old: Register | None, new: Register, keep: Keep = None) -> Register:
    """
    Return what stands of two registers of the same path.

    Idempotent, commutative and associative, so writes may come twice and in any order. `keep` tells what the
    record's kind keeps under a tombstone.

    >>> post = Register(0, "k", "c", "d", "3k2b", 1, "bafya", '{"title":"Tides"}', None, 5, 0)
    >>> gone = Register(0, "k", "c", "d", "3k2c", 0, "", None, None, 9, None)
    >>> join(gone, post) == join(post, gone)
    True
    >>> join(gone, post)[4:]
    ('3k2c', 0, '', None, None, 9, 4)
    """
    if old is None:
        return new
    old_version, new_version = old[4:7], new[4:7]
    if old_version == new_version:
        stands = old if (old.record or "") >= (new.record or "") else new
        seen_us = min(old.seen_us, new.seen_us)
    else:
        stands = old if old_version > new_version else new
        seen_us = stands.seen_us
    first_seen_us = _least(old.first_seen_us, new.first_seen_us)
    kept = stands.kept
    if keep is not None and (stands.record is None or (old_version == new_version and old != new)):
        greatest = max(_kept(old, keep), _kept(new, keep))
        own = stands.record is not None and greatest == _kept(stands._replace(kept=None), keep)
        kept = None if own or not greatest[0] else canonical(list(greatest)).decode()
    before_us = None if first_seen_us is None else seen_us - first_seen_us
    return stands._replace(kept=kept, seen_us=seen_us, before_us=before_us)


def joined(old: Register | None, writes: Iterable[Register], keep: Keep = None) -> tuple[Register | None, int]:
    """Return what stands at a path once some writes are joined to it, and how many of them changed what stood."""
    applied = 0
    for write in writes:
        stands = join(old, write, keep)
        applied += stands != old
        old = stands
    return old, applied


def kept_of(tombstone: Register) -> dict[str, Any] | None:
    """Return what is still known of the record that stood at a tombstone."""
    if tombstone.kept is None:
        return None
    text = json.loads(tombstone.kept)[3]
    return json.loads(text) if text else None


def is_live(it: Register, repo: Repo | None, quarantined: bool) -> bool:
    """Tell whether a register's record is live: a put, valid, not void, of an account that is not hidden."""
    if it.record is None or quarantined:
        return False
    return repo is None or (repo.active != 0 and it.rev >= repo.floor)


def join_account(repo: Repo | None, event: Account) -> Repo:
    """Return the repo with the later of its standing Account event and this one."""
    repo = repo or Repo(event.did)
    told = (event.time_us, event.relay_seq, not event.active, event.status or "")
    if repo.active is not None and told <= (repo.time_us, repo.relay_seq, not repo.active, repo.status or ""):
        return repo
    return repo._replace(
        active=int(event.active), status=event.status or None, time_us=event.time_us, relay_seq=event.relay_seq
    )


def join_identity(repo: Repo | None, event: Identity) -> Repo:
    """Return the repo with the later of the handle it claims and this event's; one without a handle says nothing."""
    repo = repo or Repo(event.did)
    if event.handle is None:
        return repo
    told = (event.time_us, event.relay_seq, event.handle)
    if repo.handle is not None and told <= (repo.handle_time_us, repo.handle_seq, repo.handle):
        return repo
    return repo._replace(handle=event.handle, handle_time_us=event.time_us, handle_seq=event.relay_seq)


def _kept(it: Register, keep: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> tuple[str, int, str, str]:
    if it.kept is not None:
        rev, rank, cid, text = json.loads(it.kept)
        return rev, rank, cid, text
    if it.record is None:
        return "", 0, "", ""
    value = keep(json.loads(it.record))
    return it.rev, it.rank, it.cid, "" if value is None else canonical(value).decode()


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
