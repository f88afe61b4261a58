"""
How fast does a log become a PostgreSQL index, beside what the server allows and what people write by hand?

Each side is a process of its own, started anew, and its whole life counts: interpreter start, reading, decoding,
writing, closing; of strandline both processes, their memory added. All write to one server, which keeps its own
defaults (it waits for its disk at each commit) but for `--settings`, into a database of their own, one after the other,
each after a checkpoint.

- by hand: one transaction an event, on asyncpg, each statement prepared once. It does less than we and than the one of
  sqlite_ingest.py: it knows no blocks and no authorizations, hides no account, and takes back what votes counted only.
- one writer: `strandline replay`, everything on.
- two writers: two of those at a time, each with every other line of the log.
- bare: the rows that all of strandline's tables hold after the one writer's run, in files of COPY's binary form, which
  COPY takes back into equal tables, a transaction each: with their primary keys, without the other indexes. The
  server's limit: nothing is read, decided or written twice.

    python benchmarks/postgres_ingest.py --events 1000000 --hand-events 50000
"""

import argparse
import asyncio
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from sqlite_ingest import lines_of, record_bytes, timed, write_log
from strandline.forum import SCHEMA
from strandline.ingest import layout_of
from strandline_postgres.sql import Tables
from strandline_postgres.testing import Server, started

LAYOUT = layout_of(SCHEMA)
STRANDLINE = str(Path(sys.executable).with_name("strandline"))
HAND_TABLES = """
CREATE TABLE record (uri TEXT PRIMARY KEY, did TEXT, collection TEXT, rev TEXT, cid TEXT, record TEXT, seen_us INTEGER);
CREATE TABLE post (uri TEXT PRIMARY KEY, community TEXT, author TEXT, title TEXT, created INTEGER, up INTEGER DEFAULT 0,
                   down INTEGER DEFAULT 0, score INTEGER DEFAULT 0, hot REAL, comments INTEGER DEFAULT 0);
CREATE INDEX post_new ON post (community, created);
CREATE INDEX post_top ON post (community, score, created);
CREATE INDEX post_hot ON post (community, hot);
CREATE INDEX post_all_new ON post (created);
CREATE INDEX post_all_top ON post (score, created);
CREATE INDEX post_all_hot ON post (hot);
CREATE INDEX post_author ON post (author, created);
CREATE VIRTUAL TABLE post_words USING fts5 (title, content);
CREATE TABLE comment (uri TEXT PRIMARY KEY, author TEXT, root TEXT, parent TEXT, created INTEGER, up INTEGER DEFAULT 0,
                      down INTEGER DEFAULT 0, score INTEGER DEFAULT 0, hot REAL, replies INTEGER DEFAULT 0);
CREATE INDEX comment_root ON comment (root);
CREATE INDEX comment_author ON comment (author, created);
CREATE TABLE vote (uri TEXT PRIMARY KEY, voter TEXT, subject TEXT, direction TEXT, UNIQUE (voter, subject));
CREATE TABLE subscription (uri TEXT PRIMARY KEY, actor TEXT, community TEXT, UNIQUE (actor, community));
CREATE INDEX subscription_community ON subscription (community, actor);
CREATE TABLE member (community TEXT, did TEXT, PRIMARY KEY (community, did)) WITHOUT ROWID;
CREATE TABLE community (did TEXT PRIMARY KEY, name TEXT, subscribers INTEGER DEFAULT 0, posts INTEGER DEFAULT 0,
                        members INTEGER DEFAULT 0);
CREATE TABLE actor (did TEXT PRIMARY KEY, name TEXT, posts INTEGER DEFAULT 0, comments INTEGER DEFAULT 0,
                    communities INTEGER DEFAULT 0, memberships INTEGER DEFAULT 0, reputation INTEGER DEFAULT 0);
CREATE INDEX community_popular ON community (subscribers, did);
CREATE VIRTUAL TABLE community_words USING fts5 (name, description);
CREATE VIRTUAL TABLE actor_words USING fts5 (name, description);
CREATE TABLE account (did TEXT PRIMARY KEY, active INTEGER, handle TEXT);
CREATE INDEX account_handle ON account (handle);
CREATE TABLE cursor (id INTEGER PRIMARY KEY, time_us INTEGER);
"""
TABLES = re.sub(
    r"CREATE VIRTUAL TABLE (\w+) .*;",
    r"CREATE TABLE \1 (key TEXT PRIMARY KEY, words TSVECTOR); CREATE INDEX \1_in ON \1 USING gin (words);",
    HAND_TABLES.replace("INTEGER", "BIGINT").replace("REAL", "DOUBLE PRECISION").replace(" WITHOUT ROWID", ""),
)


# By hand.


async def by_hand(log: str, url: str) -> None:
    """What a forum's consumer does, one transaction an event."""
    connection = await asyncpg.connect(url)
    await connection.execute(TABLES)
    for line in lines_of(log):
        event = json.loads(line)
        async with connection.transaction():
            if event["kind"] != "commit":
                await hand_account(connection, event)
            elif event["commit"]["collection"].startswith("social.coves."):
                await hand_commit(connection, event["did"], event["commit"], event["time_us"])
            await connection.execute(
                "INSERT INTO cursor VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET time_us = excluded.time_us",
                event["time_us"],
            )
    await connection.close()


async def hand_account(connection: Any, event: dict[str, Any]) -> None:
    active, handle = event.get("account", {}).get("active"), event.get("identity", {}).get("handle")
    await connection.execute(
        "INSERT INTO account VALUES ($1, $2, $3) ON CONFLICT (did) DO UPDATE SET"
        " active = coalesce(excluded.active, account.active), handle = coalesce(excluded.handle, account.handle)",
        event["did"],
        active,
        handle,
    )


async def hand_commit(connection: Any, did: str, commit: dict[str, Any], seen_us: int) -> None:
    uri = f"at://{did}/{commit['collection']}/{commit['rkey']}"
    old = await connection.fetchval("SELECT rev FROM record WHERE uri = $1", uri)
    if old is not None and old >= commit["rev"]:
        return
    record = commit.get("record")
    await connection.execute(
        "INSERT INTO record VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (uri) DO UPDATE SET"
        " rev = excluded.rev, cid = excluded.cid, record = excluded.record, seen_us = excluded.seen_us",
        *(uri, did, commit["collection"], commit["rev"], commit.get("cid"), json.dumps(record), seen_us),
    )
    written = HAND.get(commit["collection"])
    if written is not None:
        await written(connection, uri, did, record, seen_us)


Record = dict[str, Any] | None


async def hand_vote(connection: Any, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        old = await connection.fetchrow("DELETE FROM vote WHERE uri = $1 RETURNING subject, direction", uri)
        if old is not None:
            await hand_count(connection, old[0], old[1], -1)
        return
    subject = record["subject"]["uri"] if isinstance(record.get("subject"), dict) else ""
    direction = str(record.get("direction"))
    old = await connection.fetchval(
        "DELETE FROM vote WHERE voter = $1 AND subject = $2 RETURNING direction", did, subject
    )
    if old is not None:
        await hand_count(connection, subject, old, -1)
    await connection.execute(
        "INSERT INTO vote VALUES ($1, $2, $3, $4) ON CONFLICT (uri) DO UPDATE SET direction = excluded.direction",
        *(uri, did, subject, direction),
    )
    await hand_count(connection, subject, direction, 1)


async def hand_count(connection: Any, subject: str, direction: str | None, by: int) -> None:
    column = "up" if direction == "up" else "down"
    table = "post" if "/social.coves.community.post/" in subject else "comment"
    by_score = by if column == "up" else -by
    row = await connection.fetchrow(f"SELECT author, created, score FROM {table} WHERE uri = $1", subject)
    if row is None:
        return
    score = row[2] + by_score
    hot = row[1] + math.copysign(45_000_000_000 * math.log10(1 + abs(score)), score)
    await connection.execute(
        f"UPDATE {table} SET {column} = {column} + $1, score = $2, hot = $3 WHERE uri = $4", by, score, hot, subject
    )
    await hand_actor(connection, row[0], "reputation", by_score)


async def hand_actor(connection: Any, did: str, column: str, by: int) -> None:
    await connection.execute(
        f"INSERT INTO actor (did, {column}) VALUES ($1, $2)"
        f" ON CONFLICT (did) DO UPDATE SET {column} = actor.{column} + $2",
        *(did, by),
    )


async def hand_community(connection: Any, did: str, column: str) -> None:
    await connection.execute(
        f"INSERT INTO community (did, {column}) VALUES ($1, 1)"
        f" ON CONFLICT (did) DO UPDATE SET {column} = community.{column} + 1",
        did,
    )


async def hand_member(connection: Any, community: str, did: str) -> None:
    done = await connection.execute("INSERT INTO member VALUES ($1, $2) ON CONFLICT DO NOTHING", community, did)
    if done.endswith(" 1"):
        await hand_community(connection, community, "members")
        await hand_actor(connection, did, "memberships", 1)


async def hand_comment(connection: Any, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        await connection.execute("DELETE FROM comment WHERE uri = $1", uri)
        return
    reply = record.get("reply")
    root, parent = (reply[end]["uri"] for end in ("root", "parent")) if isinstance(reply, dict) else ("at://", "at://")
    created = hand_created(record, seen_us)
    await connection.execute(
        "INSERT INTO comment (uri, author, root, parent, created, hot) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (uri) DO NOTHING",
        *(uri, did, root, parent, created, float(created)),
    )
    await connection.execute("UPDATE post SET comments = comments + 1 WHERE uri = $1", root)
    await connection.execute("UPDATE comment SET replies = replies + 1 WHERE uri = $1", parent)
    await hand_actor(connection, did, "comments", 1)
    await hand_member(connection, root.split("/")[2], did)


def hand_created(record: dict[str, Any], seen_us: int) -> int:
    try:
        return min(seen_us, int(datetime.fromisoformat(record["createdAt"]).timestamp() * 1e6))
    except (KeyError, ValueError, TypeError):
        return seen_us


async def hand_post(connection: Any, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        await connection.execute("DELETE FROM post_words WHERE key = $1", uri)
        await connection.execute("DELETE FROM post WHERE uri = $1", uri)
        return
    created, author = hand_created(record, seen_us), str(record.get("author"))
    title = str(record.get("title")).replace("\0", "")
    await connection.execute(
        "INSERT INTO post (uri, community, author, title, created, hot) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (uri) DO UPDATE SET title = excluded.title",
        *(uri, did, author, title, created, float(created)),
    )
    await hand_words(connection, "post", uri, title, record.get("content"))
    await hand_community(connection, did, "posts")
    await hand_actor(connection, author, "posts", 1)
    await hand_member(connection, did, author)


async def hand_words(connection: Any, table: str, key: str, *texts: object) -> None:
    told = " ".join(text.replace("\0", "") for text in texts if isinstance(text, str))
    await connection.execute(
        f"INSERT INTO {table}_words VALUES ($1, to_tsvector('simple', $2))"
        " ON CONFLICT (key) DO UPDATE SET words = excluded.words",
        *(key, told),
    )


async def hand_subscription(connection: Any, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        await connection.execute("DELETE FROM subscription WHERE uri = $1", uri)
        return
    community = str(record.get("subject"))
    await connection.execute("DELETE FROM subscription WHERE actor = $1 AND community = $2", did, community)
    await connection.execute(
        "INSERT INTO subscription VALUES ($1, $2, $3) ON CONFLICT (uri) DO UPDATE SET community = excluded.community",
        *(uri, did, community),
    )
    await hand_community(connection, community, "subscribers")
    await hand_actor(connection, did, "communities", 1)


async def hand_profile(connection: Any, uri: str, did: str, record: Record, seen_us: int) -> None:
    table = "actor" if "/social.coves.actor." in uri else "community"
    name = None if record is None else record.get("displayName") or record.get("name")
    await connection.execute(
        f"INSERT INTO {table} (did, name) VALUES ($1, $2) ON CONFLICT (did) DO UPDATE SET name = excluded.name",
        *(did, name.replace("\0", "") if isinstance(name, str) else None),
    )
    await hand_words(connection, table, did, name, None if record is None else record.get("description"))


HAND: Mapping[str, Callable[[Any, str, str, Record, int], Awaitable[None]]] = {
    "social.coves.feed.vote": hand_vote,
    "social.coves.community.comment": hand_comment,
    "social.coves.community.post": hand_post,
    "social.coves.community.subscription": hand_subscription,
    "social.coves.actor.profile": hand_profile,
    "social.coves.community.profile": hand_profile,
}


# Bare.


async def bare(folder: str, url: str) -> None:
    """Let COPY take in the rows of each table."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA bare")
    tables = Tables("bare", None, frozenset())
    for table in LAYOUT.tables.values():
        await connection.execute(tables.create(table)[0])
        path = Path(folder) / table.name
        await connection.copy_to_table(table.name, schema_name="bare", source=path, format="binary")
    await connection.close()


async def write_rows(url: str, folder: Path) -> int:
    """Write the rows of strandline's tables into files, in COPY's binary form; return how many there are."""
    connection, count = await asyncpg.connect(url), 0
    for table in LAYOUT.tables.values():
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        query = f'SELECT {columns} FROM strandline."{table.name}"'
        told = await connection.copy_from_query(query, output=folder / table.name, format="binary")
        count += int(told.split()[-1])
    await connection.close()
    return count


# Sides.


async def new_database(server: Server, name: str) -> str:
    connection = await asyncpg.connect(server.url())
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.execute("CHECKPOINT")
    await connection.close()
    return server.url(name)


async def size_of(url: str) -> int:
    """Return how many bytes the tables of a database and their indexes take."""
    connection = await asyncpg.connect(url)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
    )
    await connection.close()
    return int(size)


def replays(logs: Iterable[Path], url: str) -> list[list[str]]:
    return [[STRANDLINE, "replay", str(log), "--store", url] for log in logs]


def side(server: Server, name: str, commands: Callable[[str], list[list[str]]]) -> tuple[float, float, int, str]:
    """Return the seconds of a side, its peak MB, the bytes it left, and the URL of its database."""
    url = asyncio.run(new_database(server, name))
    told = commands(url)
    if len(told) == 1:
        seconds, peak = timed(told[0])
    else:
        start = time.perf_counter()
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in told]
        ends = [process.wait() for process in running]
        seconds, peak = time.perf_counter() - start, float("nan")
        if any(ends):
            raise SystemExit(f"{name} failed with {ends}")
    return seconds, peak, asyncio.run(size_of(url)), url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--hand-events", type=int, help="by hand only the first so many; its rate falls as it grows")
    parser.add_argument("--settings", nargs="*", default=[], help="what else the server is told, as name=value")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--log", type=Path, help="a log that was written before, instead of a new one")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.side:
        asyncio.run({"bare": bare, "by hand": by_hand}[told.side[0]](told.side[1], told.side[2]))
        return
    with tempfile.TemporaryDirectory(dir=told.folder) as folder, started(18, *told.settings, durable=True) as server:
        report(Path(folder), server, told.events, min(told.events, told.hand_events or told.events), told.log)


def report(folder: Path, server: Server, events: int, hand_events: int, log: Path | None) -> None:
    if log is None:
        log = folder / "world.ndjson"
        write_log(log, events)
    short, halves = folder / "short.ndjson", [folder / "even.ndjson", folder / "odd.ndjson"]
    cut(log, short, halves, hand_events)
    print(f"{events:,} events, {log.stat().st_size / events:.0f} bytes each; by hand {hand_events:,} of them")
    if server.settings:
        print(f"the server's settings: {' '.join(server.settings)}")

    def alone(name: str, source: Path) -> Callable[[str], list[list[str]]]:
        return lambda url: [[sys.executable, __file__, "--side", name, str(source), url]]

    found = {"by hand": side(server, "by hand", alone("by hand", short))}
    found["one writer"] = side(server, "one writer", lambda url: replays([log], url))
    rows = asyncio.run(write_rows(found["one writer"][3], folder))
    found["bare"] = side(server, "bare", alone("bare", folder))
    found["two writers"] = side(server, "two writers", lambda url: replays(halves, url))
    print(f"bare: {rows:,} rows, {rows / found['bare'][0]:,.0f} a second\n")
    tell(found, events, hand_events, record_bytes(log) / events)


def cut(log: Path, short: Path, halves: list[Path], hand_events: int) -> None:
    with short.open("wb") as first, halves[0].open("wb") as even, halves[1].open("wb") as odd:
        for number, line in enumerate(lines_of(str(log))):
            (odd if number % 2 else even).write(line)
            if number < hand_events:
                first.write(line)


def tell(found: Mapping[str, tuple[float, float, int, str]], events: int, hand_events: int, record: float) -> None:
    print(f"{'':12}{'events/s':>12}{'of bare':>10}{'peak MB':>10}{'bytes/event':>14}")
    counts = {name: hand_events if name == "by hand" else events for name in found}
    rates = {name: counts[name] / seconds for name, (seconds, *_) in found.items()}
    for name, (_, peak, size, _) in found.items():
        shown = "" if math.isnan(peak) else f"{peak:.0f}"
        line = f"{rates[name]:12,.0f}{rates[name] / rates['bare']:10.3f}{shown:>10}{size / counts[name]:14.0f}"
        print(f"{name:12}{line}")
    own, one = found["one writer"][2] / events - record, rates["one writer"]
    print(f"one writer is {one / rates['by hand']:.1f} times by hand; {own:.0f} bytes an event beyond the records")
    print(f"two writers are {rates['two writers'] / one:.2f} times one")


if __name__ == "__main__":
    main()
