"""
The consumer by hand that we are measured against does our work: on a log in order, once, and valid, the same views.

The log is a made-up forum's, and stirred: between its events accounts are hidden and restored, records deleted,
written anew and moved elsewhere, and relations written twice, as often as no forum would.
"""

import importlib.util
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest

from strandline import Index, open_index
from strandline.event import canonical
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.records import AUTHORIZATION, BLOCK, COMMENT, POST, SUBSCRIPTION, VOTE
from strandline.forum.testing.reference import COLLECTIONS, judge
from strandline.forum.world import world
from strandline.forum.world.identifiers import CLOCK, PAIRS, stamp, stem_of
from strandline.ports import Store
from strandline.register import REPO

EVENTS = 3_000

Record = dict[str, Any]
Place = tuple[str, str, str]


def consumer() -> Callable[[sqlite3.Connection, Iterable[bytes]], None]:
    """`consume` of the benchmark, which is in no package."""
    path = Path(__file__).resolve().parents[2] / "benchmarks/_by_hand_sqlite.py"
    spec = importlib.util.spec_from_file_location("_by_hand_sqlite", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    consume: Callable[[sqlite3.Connection, Iterable[bytes]], None] = module.consume
    return consume


def by_hand(log: Iterable[bytes]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    consumer()(connection, log)
    return connection


# A log that is in order, once, and valid.


def is_valid(event: Record) -> bool:
    commit = event.get("commit", {})
    if commit.get("record") is None or commit["collection"] not in COLLECTIONS:
        return True
    return not judge(event["did"], commit["collection"], commit["rkey"], commit["record"])


class Stirred:
    """A log with events of our own between: what stands, and who is hidden, as they leave it."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.us = 0
        self.last: Place = ("", "", "")
        self.seq = 90_000_000_000
        self.stands: dict[Place, Record] = {}
        self.gone: list[tuple[Place, Record]] = []
        self.hidden: dict[str, None] = {}
        self.acts = (
            *(self.hide, self.restore, self.restore, self.drop, self.revive, self.move),
            *(self.again, self.again, self.again),
        )

    def lines(self, log: Iterable[bytes]) -> Iterator[bytes]:
        for line in log:
            event = json.loads(line)
            if is_valid(event):
                yield line
                self.us = event["time_us"]
                self.see(event)
                if self.dice.random() < 0.3:
                    yield from map(self.printed, self.dice.choice(self.acts)())

    def printed(self, event: Record) -> bytes:
        self.see(event)
        return canonical(event) + b"\n"

    def see(self, event: Record) -> None:
        if "account" in event:
            self.hidden.pop(event["did"], None)
            if not event["account"]["active"]:
                self.hidden[event["did"]] = None
        elif "commit" in event and event["commit"]["collection"] in COLLECTIONS:
            commit = event["commit"]
            path = (event["did"], commit["collection"], commit["rkey"])
            old = self.stands.pop(path, None)
            if commit["operation"] != "delete":
                self.stands[path] = commit["record"]
            elif old is not None:
                self.gone.append((path, old))

    def tick(self) -> str:
        self.us += 1
        return f"{stem_of(self.us)}{PAIRS[self.us & 1023]}{CLOCK}"

    def account(self, did: str, **told: object) -> Record:
        self.tick()
        self.seq += 1
        body = {"did": did, "seq": self.seq, "time": stamp(self.us + 1_000), **told}
        return {"did": did, "time_us": self.us, "kind": "account", "account": body}

    def write(self, path: Place, operation: str, record: Record | None = None) -> Record:
        did, collection, rkey = path
        rev = self.tick()
        put = {} if record is None else {"record": record, "cid": f"bafyrei{rev}"}
        commit = {"rev": rev, "operation": operation, "collection": collection, "rkey": rkey, **put}
        return {"did": did, "time_us": self.us, "kind": "commit", "commit": commit}

    def one(self, *collections: str) -> Place | None:
        found = [path for path in self.stands if path[1] in collections]
        return self.dice.choice(found) if found else None

    # The acts.

    def hide(self) -> Iterator[Record]:
        """Hide who wrote something: a person, a community, an aggregator."""
        path = self.one(self.dice.choice([*sorted(COLLECTIONS), COMMENT, VOTE, POST]))
        if path is not None:
            yield self.account(path[0], active=False, status=self.dice.choice(["deleted", "suspended"]))

    def restore(self) -> Iterator[Record]:
        if len(self.hidden) > 3:
            yield self.account(self.dice.choice(list(self.hidden)), active=True)

    def again(self) -> Iterator[Record]:
        """Write a relation a second time, with another value, under another key or the same; or to another subject."""
        collection = self.dice.choice([VOTE, SUBSCRIPTION, BLOCK, AUTHORIZATION])
        path, other = self.one(collection), self.one(collection)
        if self.last in self.stands and self.dice.random() < 0.8:
            path = other = self.last
            collection = path[1]
        if path is None or other is None:
            return
        record = self.stands[path] | self.value(collection)
        if self.dice.random() < 0.2:
            subject = "aggregatorDid" if collection == AUTHORIZATION else "subject"
            record[subject] = self.stands[other][subject]
        if self.dice.random() < 0.7:
            self.last = (path[0], collection, self.tick())
            yield self.write(self.last, "create", record)
        else:
            yield self.write(path, "update", record)

    def value(self, collection: str) -> Record:
        at = self.dice.random()
        if collection == VOTE:
            return {"direction": "up" if at < 0.5 else "down"}
        if collection == SUBSCRIPTION:
            return {"contentVisibility": int(at * 8)} | ({"endedAt": "2026-06-01T00:00:00Z"} if at < 0.3 else {})
        return {"enabled": at < 0.5} if collection == AUTHORIZATION else {}

    def drop(self) -> Iterator[Record]:
        path = self.one(self.dice.choice(sorted(COLLECTIONS)))
        if self.last in self.stands and self.dice.random() < 0.5:
            path = self.last
        if path is not None:
            yield self.write(path, "delete")

    def revive(self) -> Iterator[Record]:
        """Write again, at its path, what was deleted."""
        if self.gone:
            path, record = self.dice.choice(self.gone)
            yield self.write(path, "update" if path in self.stands else "create", record)

    def move(self) -> Iterator[Record]:
        """Give a post another author, a comment another place, or both another time."""
        path, other = self.one(POST, COMMENT), self.one(POST, COMMENT)
        if path is None or other is None:
            return
        at = self.dice.random()
        record = self.stands[path] | {"createdAt": f"202{6 if at < 0.5 else 7}-05-31T12:00:00.123456Z"}
        if path[1] == POST and at < 0.7:
            record["author"] = other[0]
        elif path[1] == other[1] == COMMENT and at < 0.7:
            record["reply"] = self.stands[other]["reply"]
        yield self.write(path, "update", record)


@cache
def stirred(seed: int) -> list[bytes]:
    return list(Stirred(seed).lines(world(seed, EVENTS, late=0, repeats=0, spoilt=0.02)))


# The views, as the consumer's tables have them.


def rows(connection: sqlite3.Connection, names: str, statement: str) -> list[Record]:
    return [dict(zip(names.split(), row, strict=True)) for row in connection.execute(f"SELECT {statement}")]


def hand_dump(connection: sqlite3.Connection) -> list[Record]:
    """The lines of `strandline dump`."""
    told = {
        "post": (
            "uri cid community author upvotes downvotes score commentCount sortAtUs hot edited",
            "uri, cid, community, author, up, down, score, comments, created, hot, edited IS NOT NULL"
            " FROM post JOIN record USING (uri)",
        ),
        "comment": (
            "uri cid root parent upvotes downvotes score replyCount sortAtUs hot",
            "uri, cid, root, parent, up, down, score, replies, created, hot FROM comment JOIN record USING (uri)",
        ),
        "community": (
            "did name subscriberCount postCount memberCount",
            "did, name, subscribers, posts, members FROM community WHERE visibility IS NOT NULL",
        ),
        "profile": (
            "did displayName postCount commentCount communityCount membershipCount reputation",
            "did, name, posts, comments, communities, memberships, reputation FROM actor WHERE profile",
        ),
        "vote": ("voter subject uri direction", "actor, subject, uri, value FROM vote"),
        "subscription": (
            "actor community uri contentVisibility",
            "actor, subject, uri, value FROM subscription WHERE value",
        ),
        "block": ("actor community uri", "actor, subject, uri FROM block"),
        "authorization": ("community aggregator uri enabled", "actor, subject, uri, value FROM authorization"),
        "account": ("did active status", "did, active, status FROM account WHERE NOT active"),
    }
    found = [{"view": view, **row} for view, (names, say) in told.items() for row in rows(connection, names, say)]
    flags = ("edited", "enabled", "active")
    return [row | {name: bool(row[name]) for name in flags if name in row} for row in found]


HAND_COUNTS = {
    "tally": "uri, up, down, replies, comments FROM post UNION ALL SELECT uri, up, down, replies, comments FROM comment"
    " UNION ALL SELECT * FROM tally",
    "member": "community, did, contributions FROM member",
    "community_tally": "did, subscribers, posts, members FROM community",
    "actor_tally": "did, posts, comments, communities, memberships, reputation FROM actor",
}


def hand_counts(connection: sqlite3.Connection, view: str) -> list[tuple[Any, ...]]:
    """The rows of a view of counts, but those of which nothing is counted."""
    keys = 2 if view == "member" else 1
    return sorted(row for row in connection.execute(f"SELECT {HAND_COUNTS[view]}") if any(row[keys:]))


# And as ours are.


async def dumped(store: Store) -> list[bytes]:
    return sorted([line async for line in dump_lines(store)])


async def scanned(store: Store, view: str) -> list[tuple[Any, ...]]:
    return [row async for _, chunk in store.scan([view]) for row in chunk]


def counts(index: Index, view: str) -> list[tuple[Any, ...]]:
    found = index.ask(scanned, view)
    if view == "tally":
        found = [(index.store.layout.keys.uri(key), *sums) for key, *sums in found]
    return sorted(found)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_log_in_order_gives_by_hand_what_it_gives_us(seed: int) -> None:
    log = stirred(seed)
    connection = by_hand(log)
    with open_index("memory:", SCHEMA) as index:
        outcome = index.fold(log)
        silent = sum(
            event["kind"] == "identity" and "handle" not in event["identity"] for event in map(json.loads, log)
        )
        assert (outcome.stale, outcome.bad, outcome.quarantined) == (silent, {}, {})
        assert sorted(map(canonical, hand_dump(connection))) == index.ask(dumped)
        for view in HAND_COUNTS:
            assert hand_counts(connection, view) == counts(index, view)
        names = index.store.layout.table(REPO.name).row
        handles = {row.did: row.handle for row in map(names, index.ask(scanned, REPO.name)) if row.handle is not None}
        assert handles == dict(connection.execute("SELECT did, handle FROM account WHERE handle IS NOT NULL"))
        services = {names[0] for names in index.ask(scanned, "aggregator")}
        assert services == {did for (did,) in connection.execute("SELECT did FROM aggregator")}
        for ours, words, theirs in (
            ("post_words", "post_words", "post"),
            ("community_words", "community_words", "community WHERE visibility IS NOT NULL"),
            ("profile_words", "actor_words", "actor WHERE profile"),
        ):
            places = connection.execute(f"SELECT rowid FROM {words}").fetchall()
            assert sorted(places) == connection.execute(f"SELECT rowid FROM {theirs} ORDER BY 1").fetchall()
            assert len(places) == len(index.ask(scanned, ours))


def test_the_logs_hold_what_is_to_be_taken_back() -> None:
    """Else the test above would show little."""
    connection = by_hand(stirred(2))
    seen = Counter[str]()
    for line in stirred(2):
        event = json.loads(line)
        commit = event.get("commit", {})
        seen[f"{commit.get('collection', event['kind'])} {commit.get('operation')}"] += 1
        seen[f"active {event.get('account', {}).get('active')}"] += 1
    assert seen["active False"] > 50
    assert seen["active True"] > 50
    for collection in (POST, COMMENT, VOTE, SUBSCRIPTION, BLOCK, AUTHORIZATION):
        assert seen[f"{collection} delete"], collection
        assert seen[f"{collection} update"], collection
    for table in ("dormant", "tally", "account WHERE NOT active", "subscription WHERE NOT value"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table


@pytest.mark.parametrize("spoilt", [0.001, 0.1])
def test_no_log_of_a_world_stops_it(spoilt: float) -> None:
    log = list(world(7, EVENTS, late=0.2, repeats=0.1, spoilt=spoilt))
    connection = by_hand(chain(log, reversed(log)))
    assert connection.execute("SELECT time_us FROM cursor").fetchall() == [(json.loads(log[0])["time_us"],)]
