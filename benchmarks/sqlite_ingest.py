"""
How fast does a log become a SQLite index, beside what the machine allows and what people write by hand?

Each side is a process of its own, started anew, and its whole life counts: interpreter start, reading, decoding,
writing, closing; of strandline both processes, their memory added. All use WAL with synchronous=NORMAL, and all other
pragmas of our store, on the same disk, one after the other, best of `--runs`.

- bare: parse each line, put it into one table with `executemany`, 1,000 lines a transaction. The machine's limit.
- by hand: one transaction an event: look up, upsert, count up and down, as forum consumers are written. It keeps the
  same rows, counts and indexes (records, votes, comments, posts, scores and ranks, subscribers, members, profiles and
  their reputation, the words of posts, communities and profiles), validates nothing, and is wrong when events come
  late, twice, or take something back.
- strandline: `strandline replay`, everything on.

    python benchmarks/sqlite_ingest.py --events 1000000
"""

import argparse
import contextlib
import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 32768",
    "PRAGMA journal_size_limit = 268435456",
)
"""Those of our store, for all."""

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


def lines_of(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as log:
        yield from log


def connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def bare(log: str, path: str) -> None:
    """Parse each line and insert it: nothing else."""
    connection = connect(path)
    connection.execute("CREATE TABLE line (time_us INTEGER, did TEXT, line TEXT)")
    rows: list[tuple[Any, ...]] = []
    for line in lines_of(log):
        event = json.loads(line)
        rows.append((event["time_us"], event["did"], line.decode()))
        if len(rows) == 1000:
            insert_lines(connection, rows)
            rows.clear()
    insert_lines(connection, rows)
    connection.close()


def insert_lines(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO line VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")


def by_hand(log: str, path: str) -> None:
    """What a forum's consumer does, one transaction an event."""
    connection = connect(path)
    connection.executescript(HAND_TABLES)
    for line in lines_of(log):
        event = json.loads(line)
        connection.execute("BEGIN")
        if event["kind"] != "commit":
            hand_account(connection, event)
        elif event["commit"]["collection"].startswith("social.coves."):
            hand_commit(connection, event["did"], event["commit"], event["time_us"])
        connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (event["time_us"],))
        connection.execute("COMMIT")
    connection.close()


def hand_account(connection: sqlite3.Connection, event: dict[str, Any]) -> None:
    active, handle = event.get("account", {}).get("active"), event.get("identity", {}).get("handle")
    connection.execute(
        "INSERT INTO account VALUES (?, ?, ?) ON CONFLICT (did) DO UPDATE SET"
        " active = coalesce(excluded.active, active), handle = coalesce(excluded.handle, handle)",
        (event["did"], active, handle),
    )


def hand_commit(connection: sqlite3.Connection, did: str, commit: dict[str, Any], seen_us: int) -> None:
    uri = f"at://{did}/{commit['collection']}/{commit['rkey']}"
    old = connection.execute("SELECT rev FROM record WHERE uri = ?", (uri,)).fetchone()
    if old is not None and old[0] >= commit["rev"]:
        return
    record = commit.get("record")
    row = (uri, did, commit["collection"], commit["rev"], commit.get("cid"), json.dumps(record), seen_us)
    connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    handler = HAND.get(commit["collection"])
    if handler is not None:
        handler(connection, uri, did, record, seen_us)


Record = dict[str, Any] | None


def hand_vote(connection: sqlite3.Connection, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        old = connection.execute("SELECT subject, direction FROM vote WHERE uri = ?", (uri,)).fetchone()
        connection.execute("DELETE FROM vote WHERE uri = ?", (uri,))
        if old is not None:
            hand_count(connection, old[0], old[1], -1)
        return
    subject = record["subject"]["uri"] if isinstance(record.get("subject"), dict) else ""
    old = connection.execute("SELECT direction FROM vote WHERE voter = ? AND subject = ?", (did, subject)).fetchone()
    if old is not None:
        connection.execute("DELETE FROM vote WHERE voter = ? AND subject = ?", (did, subject))
        hand_count(connection, subject, old[0], -1)
    connection.execute("INSERT OR REPLACE INTO vote VALUES (?, ?, ?, ?)", (uri, did, subject, record.get("direction")))
    hand_count(connection, subject, record.get("direction"), 1)


def hand_count(connection: sqlite3.Connection, subject: str, direction: str | None, by: int) -> None:
    column = "up" if direction == "up" else "down"
    table = "post" if "/social.coves.community.post/" in subject else "comment"
    by_score = by if column == "up" else -by
    row = connection.execute(f"SELECT author, created, score FROM {table} WHERE uri = ?", (subject,)).fetchone()
    if row is None:
        return
    score = row[2] + by_score
    hot = row[1] + math.copysign(45_000_000_000 * math.log10(1 + abs(score)), score)
    connection.execute(
        f"UPDATE {table} SET {column} = {column} + ?, score = ?, hot = ? WHERE uri = ?", (by, score, hot, subject)
    )
    hand_actor(connection, row[0], "reputation", by_score)


def hand_actor(connection: sqlite3.Connection, did: str, column: str, by: int) -> None:
    connection.execute(
        f"INSERT INTO actor (did, {column}) VALUES (?, ?) ON CONFLICT (did) DO UPDATE SET {column} = {column} + ?",
        (did, by, by),
    )


def hand_community(connection: sqlite3.Connection, did: str, column: str) -> None:
    connection.execute(
        f"INSERT INTO community (did, {column}) VALUES (?, 1) ON CONFLICT (did) DO UPDATE SET {column} = {column} + 1",
        (did,),
    )


def hand_member(connection: sqlite3.Connection, community: str, did: str) -> None:
    if connection.execute("INSERT OR IGNORE INTO member VALUES (?, ?)", (community, did)).rowcount == 1:
        hand_community(connection, community, "members")
        hand_actor(connection, did, "memberships", 1)


def hand_comment(connection: sqlite3.Connection, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        connection.execute("DELETE FROM comment WHERE uri = ?", (uri,))
        return
    reply = record.get("reply")
    root, parent = (reply[end]["uri"] for end in ("root", "parent")) if isinstance(reply, dict) else ("at://", "at://")
    created = hand_created(record, seen_us)
    connection.execute(
        "INSERT INTO comment (uri, author, root, parent, created, hot) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (uri) DO NOTHING",
        (uri, did, root, parent, created, created),
    )
    connection.execute("UPDATE post SET comments = comments + 1 WHERE uri = ?", (root,))
    connection.execute("UPDATE comment SET replies = replies + 1 WHERE uri = ?", (parent,))
    hand_actor(connection, did, "comments", 1)
    hand_member(connection, root.split("/")[2], did)


def hand_created(record: dict[str, Any], seen_us: int) -> int:
    try:
        return min(seen_us, int(datetime.fromisoformat(record["createdAt"]).timestamp() * 1e6))
    except (KeyError, ValueError, TypeError):
        return seen_us


def hand_post(connection: sqlite3.Connection, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        connection.execute("DELETE FROM post_words WHERE rowid = (SELECT rowid FROM post WHERE uri = ?)", (uri,))
        connection.execute("DELETE FROM post WHERE uri = ?", (uri,))
        return
    created, author = hand_created(record, seen_us), str(record.get("author"))
    connection.execute(
        "INSERT INTO post (uri, community, author, title, created, hot) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (uri) DO UPDATE SET title = excluded.title",
        (uri, did, author, record.get("title"), created, created),
    )
    hand_words(connection, "post", uri, record.get("title"), record.get("content"))
    hand_community(connection, did, "posts")
    hand_actor(connection, author, "posts", 1)
    hand_member(connection, did, author)


def hand_words(connection: sqlite3.Connection, table: str, key: str, first: object, second: object) -> None:
    by = "uri" if table == "post" else "did"
    (row,) = connection.execute(f"SELECT rowid FROM {table} WHERE {by} = ?", (key,)).fetchone()
    words = [text if isinstance(text, str) else "" for text in (first, second)]
    columns = "rowid, title, content" if table == "post" else "rowid, name, description"
    connection.execute(f"INSERT OR REPLACE INTO {table}_words ({columns}) VALUES (?, ?, ?)", (row, *words))


def hand_subscription(connection: sqlite3.Connection, uri: str, did: str, record: Record, seen_us: int) -> None:
    if record is None:
        connection.execute("DELETE FROM subscription WHERE uri = ?", (uri,))
        return
    community = str(record.get("subject"))
    connection.execute("INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)", (uri, did, community))
    hand_community(connection, community, "subscribers")
    hand_actor(connection, did, "communities", 1)


def hand_profile(connection: sqlite3.Connection, uri: str, did: str, record: Record, seen_us: int) -> None:
    table = "actor" if "/social.coves.actor." in uri else "community"
    name = None if record is None else record.get("displayName") or record.get("name")
    connection.execute(
        f"INSERT INTO {table} (did, name) VALUES (?, ?) ON CONFLICT (did) DO UPDATE SET name = excluded.name",
        (did, name if isinstance(name, str) else None),
    )
    hand_words(connection, table, did, name, None if record is None else record.get("description"))


HAND: Mapping[str, Callable[[sqlite3.Connection, str, str, Record, int], None]] = {
    "social.coves.feed.vote": hand_vote,
    "social.coves.community.comment": hand_comment,
    "social.coves.community.post": hand_post,
    "social.coves.community.subscription": hand_subscription,
    "social.coves.actor.profile": hand_profile,
    "social.coves.community.profile": hand_profile,
}


def timed(arguments: list[str]) -> tuple[float, float]:
    """Return the wall seconds of a process, and the peak resident MB of it and its children together."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident_mb(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{arguments[:4]} failed with {process.returncode}")
    return seconds, peak


def resident_mb(pid: int) -> float:
    """Return what a process and its children hold now, as /proc tells; 0 where there is none."""
    total = 0
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for it in (str(pid), *children):
            pages = int(Path(f"/proc/{it}/statm").read_text().split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20


def side(name: str, folder: Path, log: Path, runs: int) -> tuple[float, float, Path]:
    """Return the best seconds, the peak MB and the database of one side."""
    seconds, peak = float("inf"), 0.0
    for run in range(runs):
        path = folder / f"{name}{run}.db"
        for old in folder.glob(f"{name}*.db*"):
            old.unlink()
        if name == "strandline":
            command = [
                str(Path(sys.executable).with_name("strandline")),
                "replay",
                str(log),
                "--store",
                f"sqlite:///{path}",
            ]
        else:
            command = [sys.executable, __file__, "--side", name, str(log), str(path)]
        took, used = timed(command)
        seconds, peak = min(seconds, took), max(peak, used)
    return seconds, peak, path


def record_bytes(log: Path) -> int:
    """Return how long the records of a log are, as compact JSON."""
    total = 0
    for line in lines_of(str(log)):
        record = json.loads(line).get("commit", {}).get("record")
        if record is not None:
            total += len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    return total


def write_log(path: Path, events: int) -> None:
    with path.open("wb") as out:
        command = [str(Path(sys.executable).with_name("strandline")), "world", "--seed", "7", "--events", str(events)]
        subprocess.run(command, stdout=out, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--hand-events", type=int, help="by hand only the first so many; its rate falls as it grows")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.side:
        {"bare": bare, "by hand": by_hand}[told.side[0]](told.side[1], told.side[2])
        return
    with tempfile.TemporaryDirectory(dir=told.folder) as temporary:
        report(Path(temporary), told.events, told.runs, min(told.events, told.hand_events or told.events))


def report(folder: Path, events: int, runs: int, hand_events: int) -> None:
    log, short = folder / "world.ndjson", folder / "short.ndjson"
    write_log(log, events)
    with short.open("wb") as out:
        out.writelines(line for line, _ in zip(lines_of(str(log)), range(hand_events), strict=False))
    print(f"{events:,} events, {log.stat().st_size / events:.0f} bytes each; by hand {hand_events:,} of them")
    print(f"{'':12}{'events/s':>12}{'of bare':>10}{'peak MB':>10}{'bytes/event':>14}")
    rates: dict[str, float] = {}
    for name, source, count in (("bare", log, events), ("by hand", short, hand_events), ("strandline", log, events)):
        seconds, peak, path = side(name, folder, source, runs)
        rates[name] = count / seconds
        size = path.stat().st_size / count
        print(f"{name:12}{rates[name]:12,.0f}{rates[name] / rates['bare']:10.3f}{peak:10.0f}{size:14.0f}")
    own = path.stat().st_size / events - record_bytes(log) / events
    times = rates["strandline"] / rates["by hand"]
    print(f"strandline is {times:.1f} times by hand; {own:.0f} bytes an event beyond the records")


if __name__ == "__main__":
    main()
