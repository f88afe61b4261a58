"""
Logs that are in order, once, and valid, for consumers by hand.

Each is a made-up forum's, and stirred: between its events accounts are hidden and restored, records deleted, written
anew and moved elsewhere, and relations written twice, as often as no forum would.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from random import Random
from typing import Any

from strandline.event import canonical
from strandline.forum.records import AUTHORIZATION, BLOCK, COMMENT, POST, SUBSCRIPTION, VOTE
from strandline.forum.testing.reference import COLLECTIONS, judge
from strandline.forum.world import world
from strandline.forum.world.identifiers import CLOCK, PAIRS, stamp, stem_of

EVENTS = 3_000

Record = dict[str, Any]
Place = tuple[str, str, str]


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
