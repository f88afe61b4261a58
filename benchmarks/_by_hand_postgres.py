"""
The consumer of `_by_hand_sqlite.py` on PostgreSQL: the same tables, indexes and numbers, one transaction an event.

What it does to be fast: all that one step writes is one statement, whose parts hand each other what they find, so that
an event takes two round trips between its BEGIN and its COMMIT, and a comment three or four: it may answer itself, and
no statement finds a row that it makes. The driver prepares each statement once; rows are looked up one at a time along
a key, which needs no statistics of a young table; words stand in tables of their own, so that no vote moves them; and
text is compared by its bytes.

It judges no record either: it stops at a text that PostgreSQL cannot hold.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
CREATE TABLE record (uri TEXT PRIMARY KEY, did TEXT, collection TEXT, rev TEXT, rank BIGINT, cid TEXT, record TEXT,
                     seen_us BIGINT, first_us BIGINT);
CREATE TABLE post (uri TEXT PRIMARY KEY, community TEXT, author TEXT, title TEXT, created BIGINT, indexed BIGINT,
                   edited BIGINT, up BIGINT, down BIGINT, score BIGINT, hot BIGINT, replies BIGINT, comments BIGINT);
CREATE INDEX post_new ON post (community, created);
CREATE INDEX post_top ON post (community, score, created);
CREATE INDEX post_hot ON post (community, hot);
CREATE INDEX post_all_new ON post (created);
CREATE INDEX post_all_top ON post (score, created);
CREATE INDEX post_all_hot ON post (hot);
CREATE INDEX post_author ON post (author, created);
CREATE TABLE post_words (uri TEXT PRIMARY KEY, words TSVECTOR);
CREATE INDEX post_words_in ON post_words USING gin (words);
CREATE TABLE comment (uri TEXT PRIMARY KEY, author TEXT, root TEXT, parent TEXT, created BIGINT, indexed BIGINT,
                      edited BIGINT, up BIGINT, down BIGINT, score BIGINT, hot BIGINT, replies BIGINT,
                      comments BIGINT);
CREATE INDEX comment_root ON comment (root);
CREATE INDEX comment_author ON comment (author, created);
CREATE TABLE tally (subject TEXT PRIMARY KEY, up BIGINT, down BIGINT, replies BIGINT, comments BIGINT);
CREATE TABLE vote (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value TEXT, UNIQUE (actor, subject));
CREATE TABLE subscription (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value BIGINT, UNIQUE (actor, subject));
CREATE INDEX subscription_subject ON subscription (subject, actor);
CREATE TABLE block (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value BIGINT, UNIQUE (actor, subject));
CREATE TABLE "authorization" (uri TEXT PRIMARY KEY, actor TEXT, subject TEXT, value BIGINT, UNIQUE (actor, subject));
CREATE INDEX authorization_subject ON "authorization" (subject, actor);
CREATE TABLE dormant (uri TEXT PRIMARY KEY, relation TEXT, actor TEXT, subject TEXT, value TEXT);
CREATE INDEX dormant_pair ON dormant (actor, subject, relation);
CREATE TABLE member (community TEXT, did TEXT, contributions BIGINT, PRIMARY KEY (community, did));
CREATE TABLE community (did TEXT PRIMARY KEY, name TEXT, display_name TEXT, visibility TEXT,
                        subscribers BIGINT DEFAULT 0, posts BIGINT DEFAULT 0, members BIGINT DEFAULT 0);
CREATE INDEX community_popular ON community (visibility, subscribers, did);
CREATE TABLE community_words (did TEXT PRIMARY KEY, words TSVECTOR);
CREATE INDEX community_words_in ON community_words USING gin (words);
CREATE TABLE actor (did TEXT PRIMARY KEY, profile BOOLEAN DEFAULT FALSE, name TEXT, bio TEXT, posts BIGINT DEFAULT 0,
                    comments BIGINT DEFAULT 0, communities BIGINT DEFAULT 0, memberships BIGINT DEFAULT 0,
                    reputation BIGINT DEFAULT 0);
CREATE TABLE actor_words (did TEXT PRIMARY KEY, words TSVECTOR);
CREATE INDEX actor_words_in ON actor_words USING gin (words);
CREATE TABLE aggregator (did TEXT PRIMARY KEY, name TEXT);
CREATE TABLE account (did TEXT PRIMARY KEY, active BOOLEAN DEFAULT TRUE, status TEXT, handle TEXT);
CREATE INDEX account_handle ON account (handle);
CREATE TABLE cursor (id INTEGER PRIMARY KEY, time_us BIGINT);
CREATE FUNCTION hot_of(created BIGINT, score BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS
'SELECT created + round(sign(score::float8) * 45000000000 * log(1 + abs(score::float8)))::bigint';
""".replace(" TEXT", ' TEXT COLLATE "C"')
"""As those of `_by_hand_sqlite.py`; the value of a dormant relation is told as text."""

Connection = Any

MOVE = "INSERT INTO cursor VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET time_us = excluded.time_us"

KEEP = """
WITH moved AS (
    INSERT INTO cursor VALUES (1, $8) ON CONFLICT (id) DO UPDATE SET time_us = excluded.time_us
)
INSERT INTO record VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (uri) DO UPDATE SET rev = excluded.rev, rank = excluded.rank, cid = excluded.cid,
    record = excluded.record, seen_us = excluded.seen_us
    WHERE (excluded.rev, excluded.rank) > (record.rev, record.rank)
RETURNING first_us, coalesce((SELECT active FROM account WHERE did = $2), TRUE)
"""
"""Moves the cursor too. No row comes back if what stands is kept."""

SEE_HANDLE = (
    "INSERT INTO account (did, handle) VALUES ($1, $2) ON CONFLICT (did) DO UPDATE SET handle = excluded.handle"
)

SEE_ACCOUNT = """
WITH before AS (SELECT active FROM account WHERE did = $1)
INSERT INTO account (did, active, status) VALUES ($1, $2, $3)
ON CONFLICT (did) DO UPDATE SET active = excluded.active, status = excluded.status
RETURNING coalesce((SELECT active FROM before), TRUE)
"""

STANDS = """
SELECT collection, uri, record, first_us, CASE WHEN rank = 2 THEN seen_us END FROM record
WHERE uri >= $1 AND uri < $2 AND record IS NOT NULL ORDER BY rev, uri
"""


class Kind(NamedTuple):
    """What is done when a record comes, changes and goes; `edit` is False where what stood must go first."""

    add: Callable[[Connection, Put], Awaitable[None]]
    edit: Callable[[Connection, Put], Awaitable[bool]]
    remove: Callable[[Connection, str], Awaitable[None]]


async def consume(connection: Connection, lines: Iterable[bytes]) -> None:
    """Make the tables and take in a log, one transaction a line."""
    await connection.execute(TABLES)
    for line in lines:
        event = json.loads(line)
        async with connection.transaction():
            await see(connection, event)


async def see(connection: Connection, event: Record) -> None:
    did, kind = event["did"], event["kind"]
    if kind == "commit" and event["commit"]["collection"].startswith("social.coves."):
        await see_commit(connection, did, event["commit"], event["time_us"])
        return
    await connection.execute(MOVE, event["time_us"])
    if kind == "account":
        await see_account(connection, did, event["account"])
    elif kind == "identity" and event["identity"].get("handle") is not None:
        await connection.execute(SEE_HANDLE, did, event["identity"]["handle"])


async def see_account(connection: Connection, did: str, told: Record) -> None:
    """Hide what stands in a repository, or bring it back, if the account was not so before."""
    active = bool(told["active"])
    if active == await connection.fetchval(SEE_ACCOUNT, did, active, told.get("status")):
        return
    for collection, uri, record, first_us, edited_us in await connection.fetch(STANDS, f"at://{did}/", f"at://{did}0"):
        kind = KINDS.get(collection)
        if kind is None:
            continue
        if active:
            await kind.add(connection, Put(uri, did, json.loads(record), first_us, edited_us))
        else:
            await kind.remove(connection, uri)


async def see_commit(connection: Connection, did: str, commit: Record, seen_us: int) -> None:
    operation, record = commit["operation"], commit.get("record")
    row = record_row(did, commit, None if record is None else json.dumps(record), seen_us)
    uri, kind, kept = row[0], KINDS.get(commit["collection"]), await connection.fetchrow(KEEP, *row)
    if kind is None or kept is None:
        return
    first_us, active = kept
    if not active:
        return
    if not isinstance(record, dict):
        await kind.remove(connection, uri)
        return
    put = Put(uri, did, record, first_us, seen_us if operation == "update" else None)
    if operation == "update":
        if await kind.edit(connection, put):
            return
        await kind.remove(connection, uri)
    await kind.add(connection, put)


# Counts: on the row itself, or in `tally` where it is not here.

WAIT = """
ON CONFLICT (subject) DO UPDATE SET up = tally.up + excluded.up, down = tally.down + excluded.down,
    replies = tally.replies + excluded.replies, comments = tally.comments + excluded.comments
"""

COUNT_ANSWER = {
    table: f"""
WITH moved AS (
    UPDATE {table} SET replies = replies + $2, comments = comments + $3 WHERE uri = $1 RETURNING uri
)
INSERT INTO tally SELECT $1, 0, 0, $2, $3 WHERE NOT EXISTS (SELECT FROM moved) {WAIT}
"""
    for table in ("post", "comment")
}


async def count_replies(connection: Connection, root: str, parent: str, by: int) -> None:
    """Count a comment where it hangs: in its thread, and under what it answers."""
    await connection.execute(COUNT_ANSWER[table_of(root)], root, by if root == parent else 0, by)
    if root != parent:
        await connection.execute(COUNT_ANSWER[table_of(parent)], parent, by, 0)


TAKE_UP = """
waited AS (DELETE FROM tally WHERE subject = $1 RETURNING up, down, replies, comments),
sums AS (
    SELECT coalesce(max(up), 0) AS up, coalesce(max(down), 0) AS down, coalesce(max(replies), 0) AS replies,
        coalesce(max(comments), 0) AS comments FROM waited
)"""
"""What was counted for what comes now: one row, of zeros if nothing was."""


def joining(posts: int, comments: int) -> str:
    """Return the parts that count a contribution of $3 to community $2: the first makes a member."""
    return f"""
joined AS (
    INSERT INTO member VALUES ($2, $3, 1)
    ON CONFLICT (community, did) DO UPDATE SET contributions = member.contributions + 1
    RETURNING (contributions = 1)::int AS members
), counted AS (
    INSERT INTO community (did, posts, members) SELECT $2, {posts}, members FROM joined WHERE {posts} + members > 0
    ON CONFLICT (did) DO UPDATE SET posts = community.posts + excluded.posts,
        members = community.members + excluded.members
), credited AS (
    INSERT INTO actor (did, posts, comments, memberships, reputation)
    SELECT $3, {posts}, {comments}, members, up - down FROM joined, sums
    ON CONFLICT (did) DO UPDATE SET posts = actor.posts + excluded.posts, comments = actor.comments + excluded.comments,
        memberships = actor.memberships + excluded.memberships, reputation = actor.reputation + excluded.reputation
)"""


def leaving(posts: int, comments: int) -> str:
    """Return the parts that take back the contribution that is `gone`: who made the last is no member any more."""
    community, author = "(SELECT community FROM gone)", "(SELECT author FROM gone)"
    mine = f"community = {community} AND did = {author}"
    return f"""
parted AS (DELETE FROM member WHERE {mine} AND contributions = 1 RETURNING did),
stayed AS (UPDATE member SET contributions = contributions - 1 WHERE {mine} AND contributions > 1),
counted AS (
    UPDATE community SET posts = posts - {posts}, members = members - (SELECT count(*) FROM parted)
    WHERE did = {community} AND ({posts} > 0 OR EXISTS (SELECT FROM parted))
), credited AS (
    UPDATE actor SET posts = posts - {posts}, comments = comments - {comments},
        memberships = memberships - (SELECT count(*) FROM parted),
        reputation = reputation - (SELECT up - down FROM gone)
    WHERE did = {author}
), waiting AS (
    INSERT INTO tally SELECT $1, up, down, replies, comments FROM gone
    WHERE (up, down, replies, comments) <> (0, 0, 0, 0) {WAIT}
)"""


# Posts and comments.


def words_of(head: str, body: str) -> str:
    """Return how words are told from two texts, those of the first above the others."""
    head, body = (f"to_tsvector('simple', coalesce({text}::text, ''))" for text in (head, body))
    return f"setweight({head}, 'A') || {body}"


ADD_POST = f"""
WITH {TAKE_UP}, {joining(posts=1, comments=0)},
written AS (INSERT INTO post_words VALUES ($1, {words_of("$4", "$8")}))
INSERT INTO post SELECT $1, $2, $3, $4, $5, $6, $7, up, down, up - down, hot_of($5, up - down), replies, comments
FROM sums
"""
EDIT_POST = f"""
WITH edited AS (
    UPDATE post SET title = $2, created = $3, hot = hot_of($3, score), edited = $4 WHERE uri = $1 AND author = $5
    RETURNING uri
)
UPDATE post_words SET words = {words_of("$2", "$6")} WHERE uri = $1 AND EXISTS (SELECT FROM edited) RETURNING TRUE
"""
REMOVE_POST = f"""
WITH gone AS (
    DELETE FROM post WHERE uri = $1 RETURNING community, author, up, down, replies, comments
), {leaving(posts=1, comments=0)}
DELETE FROM post_words WHERE uri = $1
"""

ADD_COMMENT = f"""
WITH {TAKE_UP}, {joining(posts=0, comments=1)}
INSERT INTO comment SELECT $1, $3, $4, $8, $5, $6, $7, up, down, up - down, hot_of($5, up - down), replies, comments
FROM sums
"""
EDIT_COMMENT = """
UPDATE comment SET created = $2, hot = hot_of($2, score), edited = $3 WHERE uri = $1 AND root = $4 AND parent = $5
RETURNING TRUE
"""
REMOVE_COMMENT = f"""
WITH gone AS (
    DELETE FROM comment WHERE uri = $1
    RETURNING split_part(root, '/', 3) AS community, author, root, parent, up, down, replies, comments
), {leaving(posts=0, comments=1)}
SELECT root, parent FROM gone
"""


async def add_post(connection: Connection, it: Put) -> None:
    title, content = post_words(it.record)
    row = (it.uri, it.did, str(it.record.get("author")), title, created_of(it), it.first_us, it.edited_us)
    await connection.execute(ADD_POST, *row, content)


async def edit_post(connection: Connection, it: Put) -> bool:
    title, content = post_words(it.record)
    row = (it.uri, title, created_of(it), it.edited_us, str(it.record.get("author")))
    return await connection.fetchval(EDIT_POST, *row, content) is not None


async def remove_post(connection: Connection, uri: str) -> None:
    await connection.execute(REMOVE_POST, uri)


async def add_comment(connection: Connection, it: Put) -> None:
    root, parent = reply_of(it.record)
    row = (it.uri, root.split("/")[2], it.did, root, created_of(it), it.first_us, it.edited_us)
    await connection.execute(ADD_COMMENT, *row, parent)
    await count_replies(connection, root, parent, 1)


async def edit_comment(connection: Connection, it: Put) -> bool:
    row = (it.uri, created_of(it), it.edited_us, *reply_of(it.record))
    return await connection.fetchval(EDIT_COMMENT, *row) is not None


async def remove_comment(connection: Connection, uri: str) -> None:
    gone = await connection.fetchrow(REMOVE_COMMENT, uri)
    if gone is not None:
        await count_replies(connection, gone["root"], gone["parent"], -1)


# Relations: of one actor's records about one subject the last is in the table, the others are dormant.


MOVED = """
UPDATE {table} AS it SET up = it.up + by.up, down = it.down + by.down, score = score + by.up - by.down,
    hot = hot_of(created, score + by.up - by.down)
FROM by WHERE uri = by.subject RETURNING author, by.up - by.down AS score
"""
COUNT_VOTE = f"""
, sides AS (
    SELECT subject, coalesce(new_value = 'up', FALSE)::int - coalesce(old_value = 'up', FALSE)::int AS up,
        coalesce(new_value = 'down', FALSE)::int - coalesce(old_value = 'down', FALSE)::int AS down FROM changed
),
by AS (SELECT subject, up, down FROM sides WHERE (up, down) <> (0, 0)),
moved_post AS ({MOVED.format(table="post")}), moved_comment AS ({MOVED.format(table="comment")}),
moved AS (SELECT author, score FROM moved_post UNION ALL SELECT author, score FROM moved_comment),
credited AS (
    INSERT INTO actor (did, reputation) SELECT author, score FROM moved
    ON CONFLICT (did) DO UPDATE SET reputation = actor.reputation + excluded.reputation
)
INSERT INTO tally SELECT subject, up, down, 0, 0 FROM by WHERE NOT EXISTS (SELECT FROM moved) {WAIT}
"""
COUNT_SUBSCRIPTION = """
, by AS (
    SELECT actor, subject, (coalesce(new_value, 0) <> 0)::int - (coalesce(old_value, 0) <> 0)::int AS one FROM changed
), counted AS (
    INSERT INTO community (did, subscribers) SELECT subject, one FROM by WHERE one <> 0
    ON CONFLICT (did) DO UPDATE SET subscribers = community.subscribers + excluded.subscribers
)
INSERT INTO actor (did, communities) SELECT actor, one FROM by WHERE one <> 0
ON CONFLICT (did) DO UPDATE SET communities = actor.communities + excluded.communities
"""
COUNT_NOTHING = "SELECT"


def related(name: str, type_: str, told: Callable[[Record], tuple[str, Any]], count: str) -> Kind:
    """
    Return what is done about a relation.

    Args:
        name: Of its table.
        type_: Of its values, in PostgreSQL.
        told: Tells a record's subject and value.
        count: How a statement ends that has `changed` a value: what it counts.
    """
    relate = f"""
WITH stood AS (SELECT uri, value FROM "{name}" WHERE actor = $2 AND subject = $3),
slept AS (INSERT INTO dormant SELECT uri, '{name}', $2, $3, value::text FROM stood),
changed AS (
    INSERT INTO "{name}" VALUES ($1, $2, $3, $4)
    ON CONFLICT (actor, subject) DO UPDATE SET uri = excluded.uri, value = excluded.value
    RETURNING actor, subject, (SELECT value FROM stood) AS old_value, value AS new_value
)
{count}"""
    unrelate = f"""
WITH gone AS (SELECT actor, subject, value FROM "{name}" WHERE uri = $1),
heir AS (
    SELECT uri, value::{type_} AS value FROM dormant AS it
    WHERE actor = (SELECT actor FROM gone) AND subject = (SELECT subject FROM gone) AND relation = '{name}'
    ORDER BY (SELECT rev FROM record WHERE uri = it.uri) DESC, uri DESC LIMIT 1
),
woken AS (DELETE FROM dormant WHERE uri = coalesce((SELECT uri FROM heir), $1)),
ended AS (DELETE FROM "{name}" WHERE uri = $1 AND NOT EXISTS (SELECT FROM heir)),
taken AS (
    UPDATE "{name}" SET uri = (SELECT uri FROM heir), value = (SELECT value FROM heir)
    WHERE uri = $1 AND EXISTS (SELECT FROM heir)
),
changed AS (SELECT actor, subject, value AS old_value, (SELECT value FROM heir) AS new_value FROM gone)
{count}"""

    async def add(connection: Connection, it: Put) -> None:
        await connection.execute(relate, it.uri, it.did, *told(it.record))

    async def edit(connection: Connection, it: Put) -> bool:
        return False  # it goes first: another may wait behind it

    async def remove(connection: Connection, uri: str) -> None:
        await connection.execute(unrelate, uri)

    return Kind(add, edit, remove)


# What communities, actors and aggregators say of themselves: one record of each repository, which is written over.

ADD_COMMUNITY = f"""
WITH written AS (
    INSERT INTO community_words VALUES ($1, {words_of("$5", "$6")})
    ON CONFLICT (did) DO UPDATE SET words = excluded.words
)
INSERT INTO community (did, name, display_name, visibility) VALUES ($1, $2, $3, $4) ON CONFLICT (did) DO UPDATE
SET name = excluded.name, display_name = excluded.display_name, visibility = excluded.visibility
"""
REMOVE_COMMUNITY = """
WITH unwritten AS (DELETE FROM community_words WHERE did = $1)
UPDATE community SET name = NULL, display_name = NULL, visibility = NULL WHERE did = $1
"""
ADD_ACTOR = f"""
WITH written AS (
    INSERT INTO actor_words VALUES ($1, {words_of("$2", "$3")}) ON CONFLICT (did) DO UPDATE SET words = excluded.words
)
INSERT INTO actor (did, profile, name, bio) VALUES ($1, TRUE, $2, $3)
ON CONFLICT (did) DO UPDATE SET profile = TRUE, name = excluded.name, bio = excluded.bio
"""
REMOVE_ACTOR = """
WITH unwritten AS (DELETE FROM actor_words WHERE did = $1)
UPDATE actor SET profile = FALSE, name = NULL, bio = NULL WHERE did = $1
"""
ADD_AGGREGATOR = "INSERT INTO aggregator VALUES ($1, $2) ON CONFLICT (did) DO UPDATE SET name = excluded.name"
REMOVE_AGGREGATOR = "DELETE FROM aggregator WHERE did = $1"


def community_row(record: Record) -> tuple[str | None, ...]:
    return *community_told(record), *community_words(record)


def actor_row(record: Record) -> tuple[str | None, ...]:
    return text_of(record, "displayName"), text_of(record, "bio", "description")


def aggregator_row(record: Record) -> tuple[str | None, ...]:
    return (text_of(record, "displayName"),)


def described(add: str, remove: str, row: Callable[[Record], tuple[str | None, ...]]) -> Kind:
    async def added(connection: Connection, it: Put) -> None:
        await connection.execute(add, it.did, *row(it.record))

    async def edited(connection: Connection, it: Put) -> bool:
        await added(connection, it)
        return True

    async def removed(connection: Connection, uri: str) -> None:
        await connection.execute(remove, uri.split("/")[2])

    return Kind(added, edited, removed)


KINDS: Mapping[str, Kind] = {
    "social.coves.community.post": Kind(add_post, edit_post, remove_post),
    "social.coves.community.comment": Kind(add_comment, edit_comment, remove_comment),
    "social.coves.feed.vote": related("vote", "text", vote_told, COUNT_VOTE),
    "social.coves.community.subscription": related("subscription", "bigint", subscription_told, COUNT_SUBSCRIPTION),
    "social.coves.community.block": related("block", "bigint", block_told, COUNT_NOTHING),
    "social.coves.aggregator.authorization": related("authorization", "bigint", authorization_told, COUNT_NOTHING),
    "social.coves.community.profile": described(ADD_COMMUNITY, REMOVE_COMMUNITY, community_row),
    "social.coves.actor.profile": described(ADD_ACTOR, REMOVE_ACTOR, actor_row),
    "social.coves.aggregator.service": described(ADD_AGGREGATOR, REMOVE_AGGREGATOR, aggregator_row),
}
