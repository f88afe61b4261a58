"""
A forum's consumer as people write it by hand: one transaction an event, SQL that counts up and down, no library.

On a log that comes in order, once, and valid, its tables hold the numbers of strandline's views: whose vote,
subscription, block or authorization counts where there are two, what goes and comes back with a hidden account, what
an edit moves and a delete takes back. It judges no record, and is wrong where events come late, twice or invalid.

What it does to be fast: a write that comes again is found by the statement that would keep it; counts are moved on the
row itself, and where there is none, because its record is not here or not here now, they wait in `tally` and are taken
up when it comes; the second of two votes is looked for only once the first is in the way; and accounts are hidden and
restored by going through their records, which lie side by side. It has the indexes that readers of strandline's views
have, for feeds, threads, profiles, members, and what a viewer has said; but not the one that tells who voted on a
thing, which no page of a forum asks for, and which would cost it a tenth of its speed.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from _by_hand import (
    Put,
    Record,
    authorization_told,
    block_told,
    community_told,
    community_words,
    created_of,
    post_words,
    record_row,
    reply_of,
    subscription_told,
    table_of,
    text_of,
    vote_told,
)

__all__ = ["consume"]

TABLES = """
CREATE TABLE record (uri TEXT PRIMARY KEY, did TEXT, collection TEXT, rev TEXT, rank INTEGER, cid TEXT, record TEXT,
                     seen_us INTEGER, first_us INTEGER);
CREATE TABLE post (uri TEXT PRIMARY KEY, community TEXT, author TEXT, title TEXT, created INTEGER, indexed INTEGER,
                   edited INTEGER, up INTEGER, down INTEGER, score INTEGER, hot INTEGER, replies INTEGER,
                   comments INTEGER);
CREATE INDEX post_new ON post (community, created);
CREATE INDEX post_top ON post (community, score, created);
CREATE INDEX post_hot ON post (community, hot);
CREATE INDEX post_all_new ON post (created);
CREATE INDEX post_all_top ON post (score, created);
CREATE INDEX post_all_hot ON post (hot);
CREATE INDEX post_author ON post (author, created);
CREATE VIRTUAL TABLE post_words USING fts5 (title, content);
CREATE TABLE comment (uri TEXT PRIMARY KEY, author TEXT, root TEXT, parent TEXT, created INTEGER, indexed INTEGER,
                      edited INTEGER, up INTEGER, down INTEGER, score INTEGER, hot INTEGER, replies INTEGER,
                      comments INTEGER);
CREATE INDEX comment_root ON comment (root);
CREATE INDEX comment_author ON comment (author, created);
CREATE TABLE tally (subject TEXT PRIMARY KEY, up INTEGER, down INTEGER, replies INTEGER, comments INTEGER);
CREATE TABLE vote (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value TEXT, UNIQUE (actor, subject));
CREATE TABLE subscription (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value INTEGER, UNIQUE (actor, subject));
CREATE INDEX subscription_subject ON subscription (subject, actor);
CREATE TABLE block (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value INTEGER, UNIQUE (actor, subject));
CREATE TABLE authorization (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value INTEGER, UNIQUE (actor, subject));
CREATE INDEX authorization_subject ON authorization (subject, actor);
CREATE TABLE dormant (uri TEXT PRIMARY KEY, relation TEXT, actor TEXT, subject TEXT, value);
CREATE INDEX dormant_pair ON dormant (actor, subject, relation);
CREATE TABLE member (community TEXT, did TEXT, contributions INTEGER, PRIMARY KEY (community, did)) WITHOUT ROWID;
CREATE TABLE community (did TEXT PRIMARY KEY, name TEXT, display_name TEXT, visibility TEXT,
                        subscribers INTEGER DEFAULT 0, posts INTEGER DEFAULT 0, members INTEGER DEFAULT 0);
CREATE INDEX community_popular ON community (visibility, subscribers, did);
CREATE VIRTUAL TABLE community_words USING fts5 (name, description);
CREATE TABLE actor (did TEXT PRIMARY KEY, profile INTEGER DEFAULT 0, name TEXT, bio TEXT, posts INTEGER DEFAULT 0,
                    comments INTEGER DEFAULT 0, communities INTEGER DEFAULT 0, memberships INTEGER DEFAULT 0,
                    reputation INTEGER DEFAULT 0);
CREATE VIRTUAL TABLE actor_words USING fts5 (name, bio);
CREATE TABLE aggregator (did TEXT PRIMARY KEY, name TEXT);
CREATE TABLE account (did TEXT PRIMARY KEY, active INTEGER DEFAULT 1, status TEXT, handle TEXT);
CREATE INDEX account_handle ON account (handle);
CREATE TABLE cursor (id INTEGER PRIMARY KEY, time_us INTEGER);
"""
"""
A community without a profile has no visibility; an actor without one has `profile` 0. Of a vote the value is its
direction, of a subscription how much of it is to be seen, 0 once it has ended, of an authorization whether it is on.
"""

KEEP = """
INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (uri) DO UPDATE SET rev = excluded.rev, rank = excluded.rank, cid = excluded.cid,
    record = excluded.record, seen_us = excluded.seen_us
    WHERE (excluded.rev, excluded.rank) > (record.rev, record.rank)
"""
KNOWN = "SELECT first_us, active FROM record LEFT JOIN account USING (did) WHERE uri = ?"

TENFOLD_US = 45_000_000_000

Connection = sqlite3.Connection


def consume(connection: Connection, lines: Iterable[bytes]) -> None:
    """Make the tables and take in a log, one transaction a line."""
    connection.create_function("hot_of", 2, hot_of, deterministic=True)
    connection.executescript(TABLES)
    for line in lines:
        event = json.loads(line)
        connection.execute("BEGIN")
        if event["kind"] == "account":
            see_account(connection, event["did"], event["account"])
        elif event["kind"] == "identity":
            see_handle(connection, event["did"], event["identity"].get("handle"))
        elif event["commit"]["collection"].startswith("social.coves."):
            see_commit(connection, event["did"], event["commit"], event["time_us"])
        connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (event["time_us"],))
        connection.execute("COMMIT")


def see_handle(connection: Connection, did: str, handle: str | None) -> None:
    if handle is not None:
        connection.execute(
            "INSERT INTO account (did, handle) VALUES (?, ?) ON CONFLICT (did) DO UPDATE SET handle = excluded.handle",
            (did, handle),
        )


def see_account(connection: Connection, did: str, told: Record) -> None:
    """Hide what stands in a repository, or bring it back, if the account was not so before."""
    active = int(told["active"])
    old = connection.execute("SELECT active FROM account WHERE did = ?", (did,)).fetchone()
    connection.execute(
        "INSERT INTO account (did, active, status) VALUES (?, ?, ?)"
        " ON CONFLICT (did) DO UPDATE SET active = excluded.active, status = excluded.status",
        (did, active, told.get("status")),
    )
    if active == (1 if old is None else old[0]):
        return
    stands = connection.execute(
        "SELECT collection, uri, did, record, first_us, iif(rank = 2, seen_us, NULL) FROM record"
        " WHERE uri >= ? AND uri < ? AND record IS NOT NULL ORDER BY rev, uri",
        (f"at://{did}/", f"at://{did}0"),
    ).fetchall()
    for collection, uri, _, record, first_us, edited_us in stands:
        kind = KINDS.get(collection)
        if kind is None:
            continue
        if active:
            kind.add(connection, Put(uri, did, json.loads(record), first_us, edited_us))
        else:
            kind.remove(connection, uri)


def see_commit(connection: Connection, did: str, commit: Record, seen_us: int) -> None:
    operation, record = commit["operation"], commit.get("record")
    row = record_row(did, commit, None if record is None else json.dumps(record), seen_us)
    uri, kind, kept = row[0], KINDS.get(commit["collection"]), connection.execute(KEEP, row).rowcount
    if kind is None or not kept:
        return
    first_us, active = connection.execute(KNOWN, (uri,)).fetchone()
    if active == 0:
        return
    if not isinstance(record, dict):
        kind.remove(connection, uri)
        return
    put = Put(uri, did, record, first_us, seen_us if operation == "update" else None)
    if operation == "update":
        if kind.edit(connection, put):
            return
        kind.remove(connection, uri)
    kind.add(connection, put)


# Counts.


def hot_of(created: int, score: int) -> int:
    return created + round(math.copysign(TENFOLD_US * math.log10(1 + abs(score)), score))


def wait(connection: Connection, subject: str, up: int, down: int, replies: int, comments: int) -> None:
    """Count for what is not here."""
    if up or down or replies or comments:
        connection.execute(
            "INSERT INTO tally VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET"
            " up = up + excluded.up, down = down + excluded.down,"
            " replies = replies + excluded.replies, comments = comments + excluded.comments",
            (subject, up, down, replies, comments),
        )


def waiting(connection: Connection, subject: str) -> tuple[int, int, int, int]:
    """Take up what was counted for what comes now."""
    found: tuple[int, int, int, int] | None = connection.execute(
        "DELETE FROM tally WHERE subject = ? RETURNING up, down, replies, comments", (subject,)
    ).fetchone()
    return found or (0, 0, 0, 0)


def count_vote(connection: Connection, subject: str, up: int, down: int) -> None:
    table = table_of(subject)
    row = connection.execute(f"SELECT author, created, score FROM {table} WHERE uri = ?", (subject,)).fetchone()
    if row is None:
        wait(connection, subject, up, down, 0, 0)
        return
    author, created, score = row
    score += up - down
    connection.execute(
        f"UPDATE {table} SET up = up + ?, down = down + ?, score = ?, hot = ? WHERE uri = ?",
        (up, down, score, hot_of(created, score), subject),
    )
    count_actor(connection, author, reputation=up - down)


def count_replies(connection: Connection, root: str, parent: str, by: int) -> None:
    """Count a comment where it hangs: in its thread, and under what it answers."""
    if root == parent:
        count_answer(connection, root, by, by)
    else:
        count_answer(connection, root, 0, by)
        count_answer(connection, parent, by, 0)


def count_answer(connection: Connection, subject: str, replies: int, comments: int) -> None:
    statement = f"UPDATE {table_of(subject)} SET replies = replies + ?, comments = comments + ? WHERE uri = ?"
    if not connection.execute(statement, (replies, comments, subject)).rowcount:
        wait(connection, subject, 0, 0, replies, comments)


def count_actor(
    connection: Connection,
    did: str,
    posts: int = 0,
    comments: int = 0,
    communities: int = 0,
    memberships: int = 0,
    reputation: int = 0,
) -> None:
    connection.execute(
        "INSERT INTO actor (did, posts, comments, communities, memberships, reputation) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (did) DO UPDATE SET posts = posts + excluded.posts, comments = comments + excluded.comments,"
        " communities = communities + excluded.communities, memberships = memberships + excluded.memberships,"
        " reputation = reputation + excluded.reputation",
        (did, posts, comments, communities, memberships, reputation),
    )


def count_community(connection: Connection, did: str, posts: int, members: int) -> None:
    if posts or members:
        connection.execute(
            "INSERT INTO community (did, posts, members) VALUES (?, ?, ?) ON CONFLICT (did) DO UPDATE SET"
            " posts = posts + excluded.posts, members = members + excluded.members",
            (did, posts, members),
        )


def join(connection: Connection, community: str, did: str) -> int:
    """Count a contribution; return 1 if it is the first, and makes a member."""
    again = "UPDATE member SET contributions = contributions + 1 WHERE community = ? AND did = ?"
    if connection.execute(again, (community, did)).rowcount:
        return 0
    connection.execute("INSERT INTO member VALUES (?, ?, 1)", (community, did))
    return 1


def leave(connection: Connection, community: str, did: str) -> int:
    """Take a contribution back; return 1 if it was the last, and who made it is no member any more."""
    (contributions,) = connection.execute(
        "UPDATE member SET contributions = contributions - 1 WHERE community = ? AND did = ? RETURNING contributions",
        (community, did),
    ).fetchone()
    if contributions:
        return 0
    connection.execute("DELETE FROM member WHERE community = ? AND did = ?", (community, did))
    return 1


# Posts and comments.


def add_post(connection: Connection, it: Put) -> None:
    created, author = created_of(it), str(it.record.get("author"))
    title, content = post_words(it.record)
    up, down, replies, comments = waiting(connection, it.uri)
    score = up - down
    row = (it.uri, it.did, author, title, created, it.first_us, it.edited_us, up, down, score, hot_of(created, score))
    place = connection.execute(
        "INSERT INTO post VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, replies, comments)
    ).lastrowid
    connection.execute("INSERT INTO post_words (rowid, title, content) VALUES (?, ?, ?)", (place, title, content))
    joined = join(connection, it.did, author)
    count_community(connection, it.did, 1, joined)
    count_actor(connection, author, posts=1, memberships=joined, reputation=score)


def edit_post(connection: Connection, it: Put) -> bool:
    created = created_of(it)
    title, content = post_words(it.record)
    row = connection.execute(
        "UPDATE post SET title = ?, created = ?, hot = hot_of(?, score), edited = ? WHERE uri = ? AND author = ?"
        " RETURNING rowid",
        (title, created, created, it.edited_us, it.uri, str(it.record.get("author"))),
    ).fetchone()
    if row is not None:
        connection.execute("UPDATE post_words SET title = ?, content = ? WHERE rowid = ?", (title, content, row[0]))
    return row is not None


def remove_post(connection: Connection, uri: str) -> None:
    row = connection.execute(
        "DELETE FROM post WHERE uri = ? RETURNING rowid, community, author, up, down, replies, comments", (uri,)
    ).fetchone()
    if row is None:
        return
    place, community, author, up, down, replies, comments = row
    wait(connection, uri, up, down, replies, comments)
    connection.execute("DELETE FROM post_words WHERE rowid = ?", (place,))
    left = leave(connection, community, author)
    count_community(connection, community, -1, -left)
    count_actor(connection, author, posts=-1, memberships=-left, reputation=down - up)


def add_comment(connection: Connection, it: Put) -> None:
    created, (root, parent) = created_of(it), reply_of(it.record)
    up, down, replies, comments = waiting(connection, it.uri)
    score = up - down
    row = (it.uri, it.did, root, parent, created, it.first_us, it.edited_us, up, down, score, hot_of(created, score))
    connection.execute("INSERT INTO comment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, replies, comments))
    count_replies(connection, root, parent, 1)
    community = root.split("/")[2]
    joined = join(connection, community, it.did)
    count_community(connection, community, 0, joined)
    count_actor(connection, it.did, comments=1, memberships=joined, reputation=score)


def edit_comment(connection: Connection, it: Put) -> bool:
    created = created_of(it)
    done = connection.execute(
        "UPDATE comment SET created = ?, hot = hot_of(?, score), edited = ? WHERE uri = ? AND root = ? AND parent = ?",
        (created, created, it.edited_us, it.uri, *reply_of(it.record)),
    )
    return done.rowcount == 1


def remove_comment(connection: Connection, uri: str) -> None:
    row = connection.execute(
        "DELETE FROM comment WHERE uri = ? RETURNING author, root, parent, up, down, replies, comments", (uri,)
    ).fetchone()
    if row is None:
        return
    author, root, parent, up, down, replies, comments = row
    wait(connection, uri, up, down, replies, comments)
    count_replies(connection, root, parent, -1)
    community = root.split("/")[2]
    left = leave(connection, community, author)
    count_community(connection, community, 0, -left)
    count_actor(connection, author, comments=-1, memberships=-left, reputation=down - up)


# Relations: of one actor's records about one subject the last is in the table, the others are dormant.


class Relation(NamedTuple):
    """How a relation's table is called, what a record of it tells, and what is counted when the value changes."""

    table: str
    told: Callable[[Record], tuple[str, Any]]
    counts: Callable[[Connection, str, str, Any, Any], None]


def relate(relation: Relation, connection: Connection, it: Put) -> None:
    table, (subject, value) = relation.table, relation.told(it.record)
    row, pair = (it.uri, it.did, subject, value), (it.did, subject)
    done = connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?) ON CONFLICT (actor, subject) DO NOTHING", row)
    if done.rowcount:
        return relation.counts(connection, it.did, subject, None, value)
    old = connection.execute(f"SELECT uri, value FROM {table} WHERE actor = ? AND subject = ?", pair).fetchone()
    connection.execute("INSERT INTO dormant VALUES (?, ?, ?, ?, ?)", (old[0], table, *pair, old[1]))
    connection.execute(f"UPDATE {table} SET uri = ?, value = ? WHERE uri = ?", (it.uri, value, old[0]))
    return relation.counts(connection, it.did, subject, old[1], value)


def unrelate(relation: Relation, connection: Connection, uri: str) -> None:
    """Take a record back; if it was the one that counts, the last of the dormant ones does now."""
    table = relation.table
    row = connection.execute(f"DELETE FROM {table} WHERE uri = ? RETURNING actor, subject, value", (uri,)).fetchone()
    if row is None:
        connection.execute("DELETE FROM dormant WHERE uri = ?", (uri,))
        return
    actor, subject, value = row
    heir = connection.execute(
        "SELECT uri, value FROM dormant JOIN record USING (uri) WHERE actor = ? AND subject = ? AND relation = ?"
        " ORDER BY rev DESC, uri DESC LIMIT 1",
        (actor, subject, table),
    ).fetchone()
    if heir is not None:
        connection.execute("DELETE FROM dormant WHERE uri = ?", (heir[0],))
        connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", (heir[0], actor, subject, heir[1]))
    relation.counts(connection, actor, subject, value, None if heir is None else heir[1])


def vote_counts(connection: Connection, actor: str, subject: str, old: str | None, new: str | None) -> None:
    if old != new:
        count_vote(connection, subject, (new == "up") - (old == "up"), (new == "down") - (old == "down"))


def subscription_counts(connection: Connection, actor: str, subject: str, old: int | None, new: int | None) -> None:
    by = bool(new) - bool(old)
    if by:
        connection.execute(
            "INSERT INTO community (did, subscribers) VALUES (?, ?)"
            " ON CONFLICT (did) DO UPDATE SET subscribers = subscribers + excluded.subscribers",
            (subject, by),
        )
        count_actor(connection, actor, communities=by)


def nothing_counts(connection: Connection, actor: str, subject: str, old: object, new: object) -> None:
    """Blocks and authorizations are looked up, and counted nowhere."""


# What communities, actors and aggregators say of themselves.


def add_community(connection: Connection, it: Put) -> None:
    (place,) = connection.execute(
        "INSERT INTO community (did, name, display_name, visibility) VALUES (?, ?, ?, ?) ON CONFLICT (did) DO UPDATE"
        " SET name = excluded.name, display_name = excluded.display_name, visibility = excluded.visibility"
        " RETURNING rowid",
        (it.did, *community_told(it.record)),
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO community_words (rowid, name, description) VALUES (?, ?, ?)",
        (place, *community_words(it.record)),
    )


def add_actor(connection: Connection, it: Put) -> None:
    name, bio = text_of(it.record, "displayName"), text_of(it.record, "bio", "description")
    (place,) = connection.execute(
        "INSERT INTO actor (did, profile, name, bio) VALUES (?, 1, ?, ?) ON CONFLICT (did) DO UPDATE"
        " SET profile = 1, name = excluded.name, bio = excluded.bio RETURNING rowid",
        (it.did, name, bio),
    ).fetchone()
    connection.execute("INSERT OR REPLACE INTO actor_words (rowid, name, bio) VALUES (?, ?, ?)", (place, name, bio))


def remove_community(connection: Connection, uri: str) -> None:
    statement = "UPDATE community SET name = NULL, display_name = NULL, visibility = NULL WHERE did = ? RETURNING rowid"
    row = connection.execute(statement, (uri.split("/")[2],)).fetchone()
    connection.execute("DELETE FROM community_words WHERE rowid = ?", row or (None,))


def remove_actor(connection: Connection, uri: str) -> None:
    statement = "UPDATE actor SET profile = 0, name = NULL, bio = NULL WHERE did = ? RETURNING rowid"
    row = connection.execute(statement, (uri.split("/")[2],)).fetchone()
    connection.execute("DELETE FROM actor_words WHERE rowid = ?", row or (None,))


def add_aggregator(connection: Connection, it: Put) -> None:
    row = (it.did, text_of(it.record, "displayName"))
    connection.execute("INSERT OR REPLACE INTO aggregator VALUES (?, ?)", row)


def remove_aggregator(connection: Connection, uri: str) -> None:
    connection.execute("DELETE FROM aggregator WHERE did = ?", (uri.split("/")[2],))


class Kind(NamedTuple):
    """What is done when a record comes, changes and goes; `edit` is False where what stood must go first."""

    add: Callable[[Connection, Put], None]
    edit: Callable[[Connection, Put], bool]
    remove: Callable[[Connection, str], None]


def related(relation: Relation) -> Kind:
    return Kind(partial(relate, relation), lambda connection, it: False, partial(unrelate, relation))


def described(add: Callable[[Connection, Put], None], remove: Callable[[Connection, str], None]) -> Kind:
    """One record of each repository, which is written over."""

    def edit(connection: Connection, it: Put) -> bool:
        add(connection, it)
        return True

    return Kind(add, edit, remove)


KINDS: Mapping[str, Kind] = {
    "social.coves.community.post": Kind(add_post, edit_post, remove_post),
    "social.coves.community.comment": Kind(add_comment, edit_comment, remove_comment),
    "social.coves.feed.vote": related(Relation("vote", vote_told, vote_counts)),
    "social.coves.community.subscription": related(Relation("subscription", subscription_told, subscription_counts)),
    "social.coves.community.block": related(Relation("block", block_told, nothing_counts)),
    "social.coves.aggregator.authorization": related(Relation("authorization", authorization_told, nothing_counts)),
    "social.coves.community.profile": described(add_community, remove_community),
    "social.coves.actor.profile": described(add_actor, remove_actor),
    "social.coves.aggregator.service": described(add_aggregator, remove_aggregator),
}
