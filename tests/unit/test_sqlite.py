"""
One file that survives: kills, full disks, missing rights, damage, other versions; and is quick to ask and to join.

What must be killed runs in a process of its own. Nothing waits by the clock: a killed child dies at a chosen
instruction of SQLite's, and whoever waits for a fact asks for it until a deadline.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from sqlite_utils import Database, Migrations

from strandline import (
    Account,
    Column,
    Commit,
    Cursor,
    Ingest,
    Layout,
    MemoryStore,
    Rows,
    Schema,
    Store,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreStale,
    StoreTooNew,
    Table,
    TableIndex,
    Type,
    UnknownStore,
    decode,
    layout_of,
    run,
)
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.forum.records import POST
from strandline.forum.world import world
from strandline.ingest import CURSOR
from strandline.register import REGISTER
from strandline.schema import Row
from strandline.testing.laws import put
from strandline_sqlite import SQLiteStore, migrations, open_store, sql
from strandline_sqlite import store as adapter

FULL = "STRANDLINE_FULL" in os.environ
KILLS = 50 if FULL else 5
EVENTS, BATCH = 1000, 50
LAYOUT = layout_of(SCHEMA)
NOBODY = 65534
DEADLINE_S = 60


def opened(path: Path, **how: Any) -> SQLiteStore:
    return open_store(f"sqlite:///{path}", how.pop("layout", LAYOUT), **how)


@cache
def log() -> tuple[Any, ...]:
    return tuple(decode(line) for line in world(3, EVENTS))


def replay(store: Store, end: int = EVENTS, batch: int = BATCH) -> None:
    """Go on with the log from where the store's cursor is."""
    index = Ingest(store, SCHEMA)
    for at in range(run(index.cursor("log")) or 0, end, batch):
        run(index.fold(log()[at : at + batch], Cursor("log", min(at + batch, end))))
    run(index.finish())


def digested(store: Store) -> str:
    async def lines() -> list[bytes]:
        return sorted([line async for line in dump_lines(store)])

    return digest(run(lines()))


@cache
def expected(end: int = EVENTS) -> str:
    store = MemoryStore(LAYOUT)
    replay(store, end)
    return digested(store)


def drift(store: Store, schema: Schema = SCHEMA) -> list[Any]:
    async def drifts() -> list[Any]:
        return [it async for it in Ingest(store, schema).verify(MemoryStore(layout_of(schema)))]

    return run(drifts())


def scanned(store: Store) -> dict[str, list[Row]]:
    async def rows() -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {name: [] for name in store.layout.tables}
        async for name, chunk in store.scan(list(store.layout.tables)):
            found[name].extend(chunk)
        return found

    return run(rows())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the whole log, closed."""
    path = tmp_path_factory.mktemp("template") / "whole.db"
    store = opened(path)
    replay(store)
    run(store.close())
    return path


@pytest.fixture
def whole(template: Path, tmp_path: Path) -> Path:
    """A copy of a store with the whole log."""
    return Path(shutil.copy(template, tmp_path / "whole.db"))


CHILD = """
import os, resource, signal, sys
from strandline_sqlite import store as adapter
sys.path.insert(0, {folder!r})
from {module} import *

def dead_after(ticks):
    def tick():
        nonlocal ticks
        ticks -= 1
        if ticks < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return tick

def die_after(store, ticks):
    store._connection.set_progress_handler(dead_after(ticks), 50)

def life(live, *how):
    process = os.fork()
    if not process:
        live(*how)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def tell(what):
    print(what, flush=True)

path = Path(sys.argv[1])
"""


def child(path: Path, said: str, *arguments: object, **how: Any) -> "subprocess.Popen[str]":
    """Start another process, which has what this module has, and `path`."""
    head = CHILD.format(folder=str(Path(__file__).parent), module=Path(__file__).stem)
    command = [sys.executable, "-c", head + said, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how)


def outcome(path: Path, said: str, *arguments: object, **how: Any) -> tuple[int, str]:
    """Return how another process ended, and what it said."""
    with child(path, said, *arguments, **how) as process:
        told, _ = process.communicate(timeout=DEADLINE_S)
        return process.returncode, told.strip()


TRY_TO_WRITE = """
try:
    opened(path)
    tell("opened")
except StoreError as error:
    tell(f"{type(error).__name__}: {error}")
"""

HOLD = """
store = opened(path)
tell("open")
sys.stdin.read()
"""


class TestOneWriter:
    def test_a_second_writer_is_told_who_the_first_is(self, tmp_path: Path) -> None:
        store = opened(tmp_path / "a.db")
        with pytest.raises(StoreLocked, match=f"process {os.getpid()};"):
            opened(tmp_path / "a.db")
        code, told = outcome(tmp_path / "a.db", TRY_TO_WRITE)
        assert (code, told.split(":")[0]) == (0, "StoreLocked")
        assert f"process {os.getpid()};" in told
        run(store.close())
        run(opened(tmp_path / "a.db").close())

    def test_a_killed_writer_holds_nothing(self, tmp_path: Path) -> None:
        with child(tmp_path / "a.db", HOLD) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            with pytest.raises(StoreLocked, match=f"process {process.pid};"):
                opened(tmp_path / "a.db")
            run(opened(tmp_path / "a.db", write=False).close())
            process.kill()
            process.communicate(timeout=DEADLINE_S)
        run(opened(tmp_path / "a.db").close())

    def test_links_to_one_store_share_its_writer(self, tmp_path: Path) -> None:
        store = opened(tmp_path / "a.db")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "b.db").symlink_to(tmp_path / "a.db")
        with pytest.raises(StoreLocked):
            opened(tmp_path / "elsewhere" / "b.db")
        run(store.close())

    def test_a_store_that_cannot_be_opened_is_not_held(self, whole: Path) -> None:
        stale = evolve(LAYOUT, stamp={**LAYOUT.stamp, "schema": "another"})
        for _ in range(2):
            with pytest.raises(StoreStale):
                opened(whole, layout=stale)
        run(opened(whole).close())

    def test_closing_twice_lets_nothing_of_others_go(self, tmp_path: Path) -> None:
        first = opened(tmp_path / "a.db")
        run(first.close())
        second = opened(tmp_path / "a.db")
        run(first.close())
        with pytest.raises(StoreLocked):
            opened(tmp_path / "a.db")
        run(second.close())


REPLAY_AND_DIE = """
def replay_and_die(ticks):
    adapter.CHECKPOINT_PAGES = 40
    store = opened(path)
    die_after(store, ticks)
    replay(store)
    run(store.close())

log()
for ticks in map(int, sys.argv[2:]):
    tell(life(replay_and_die, ticks))
"""

REBUILD_AND_DIE = """
store = opened(path)
die_after(store, int(sys.argv[2]))
run(Ingest(store, SCHEMA).rebuild())
"""

MAKE_AND_DIE = """
def make_and_die(path, ticks):
    connect = adapter.sqlite3.connect
    def dying(*how, **named):
        connection = connect(*how, **named)
        connection.set_progress_handler(dead_after(ticks), 20)
        return connection
    adapter.sqlite3.connect = dying
    opened(path)

for ticks in map(int, sys.argv[2:]):
    tell(life(make_and_die, path / f"{ticks}.db", ticks))
"""


def ticks(store: SQLiteStore, work: Callable[[], object]) -> int:
    """Return how often SQLite ticks during some work."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    store._connection.set_progress_handler(tick, 50)
    work()
    store._connection.set_progress_handler(None, 0)
    return count


@pytest.fixture(scope="module")
def replay_ticks(tmp_path_factory: pytest.TempPathFactory) -> int:
    store = opened(tmp_path_factory.mktemp("ticks") / "a.db")
    count = ticks(store, lambda: replay(store))
    run(store.close())
    return count


@pytest.mark.parametrize("turn", range(KILLS))
def test_killed_at_a_random_moment_of_a_replay_and_resumed_it_is_the_same(
    tmp_path: Path, replay_ticks: int, turn: int
) -> None:
    path, dice = tmp_path / "a.db", random.Random(turn)
    moments = [dice.randrange(replay_ticks), dice.randrange(replay_ticks // 2)]
    assert outcome(path, REPLAY_AND_DIE, *moments) in ((0, "-9\n-9"), (0, "-9\n0"))
    reader = opened(path, write=False)
    assert (run(Ingest(reader, SCHEMA).cursor("log")) or 0) % BATCH == 0
    run(reader.close())
    store = opened(path)
    replay(store)
    assert digested(store) == expected()
    assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    run(store.close())


def test_killed_while_it_is_made_it_can_be_made_again(tmp_path: Path) -> None:
    moments = range(40)
    code, told = outcome(tmp_path, MAKE_AND_DIE, *moments)
    assert (code, told.split()) == (0, ["-9"] * len(moments))
    for moment in moments:
        store = opened(tmp_path / f"{moment}.db")
        replay(store, 10)
        assert digested(store) == expected(10)
        run(store.close())


WRITE_THREE_A_COMMIT = """
from strandline import Commit
store = opened(path)
index = Ingest(store, SCHEMA)
tell("open")
for at in range(1, 201):
    keys = [f"3kp222{at:04}2{n}2".translate(str.maketrans("0189", "abcd")) for n in range(2, 5)]
    how = {"did": "did:web:a.example", "operation": "create", "collection": POST, "record": {}, "seen_us": 1}
    run(index.fold([Commit(rev=key, rkey=key, **how) for key in keys], Cursor("log", at)))
    if at % 100 == 0:
        sys.stdin.readline()
run(store.close())
"""


class TestReaders:
    def rows(self, position: int) -> dict[str, dict[Any, Row]]:
        """Return a commit: `position` in the cursor, and a letter for each position."""
        return {
            CURSOR.name: {("log",): ("log", position)},
            "member": {(f"c{at}", "d"): (f"c{at}", "d", position) for at in range(600)},
            "block": {("c", f"a{at}"): ("c", f"a{at}", "r", f"{position}", 0) for at in range(3)},
        }

    def test_one_scan_is_one_state_whatever_is_written_meanwhile(self, tmp_path: Path) -> None:
        writer = opened(tmp_path / "a.db")
        run(put(writer, self.rows(1)))
        reader = opened(tmp_path / "a.db", write=False)

        async def positions() -> set[int]:
            found = set()
            async for _, rows in reader.scan([CURSOR.name, "member"]):
                found |= {row[-1] for row in rows}
                await put(writer, self.rows(max(found) + 1))
            return found

        assert run(positions()) == {1}
        assert run(positions()) == {2}
        run(reader.close())
        run(writer.close())

    @pytest.mark.parametrize("asked", ["get", "page"])
    def test_one_answer_is_of_one_state_however_many_statements_it_takes(self, tmp_path: Path, asked: str) -> None:
        writer = opened(tmp_path / "a.db")
        run(put(writer, self.rows(1)))
        reader = opened(tmp_path / "a.db", write=False)
        position = 1

        def write_on(statement: str) -> None:
            nonlocal position
            if statement.startswith("SELECT"):
                position += 1
                run(put(writer, self.rows(position)))

        reader._connection.set_trace_callback(write_on)
        if asked == "get":
            keys = [(f"c{at}", "d") for at in range(600)]
            found = {row[2] for row in run(reader.get("member", keys)).values()}
        else:
            rows = run(reader.page("block", "by_actor", [(f"a{at}",) for at in range(3)], limit=5))
            found = {row[3] for row in rows}
        assert position > 2
        assert len(found) == 1
        reader._connection.set_trace_callback(None)
        run(reader.close())
        run(writer.close())

    def test_a_reader_beside_a_writing_process_sees_whole_commits_only(self, tmp_path: Path) -> None:
        with child(tmp_path / "a.db", WRITE_THREE_A_COMMIT) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "open\n"
            reader = opened(tmp_path / "a.db", write=False)
            deadline = time.monotonic() + DEADLINE_S
            for awaited in (100, 200):
                while (position := self.position(reader)) < awaited:
                    assert time.monotonic() < deadline
                assert position == awaited
                process.stdin.write("go on\n")
                process.stdin.flush()
            run(reader.close())
            process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0

    def position(self, reader: Store) -> int:
        """Return the cursor of one snapshot, which must tell how many rows the other tables have in it."""
        rows = scanned(reader)
        position = int(rows[CURSOR.name][0][1]) if rows[CURSOR.name] else 0
        assert len(rows[REGISTER.name]) == len(rows["quarantine"]) == 3 * position
        return position


def grow(store: SQLiteStore, pages: int) -> None:
    """Let the file hold so many pages more, and no more."""
    (used,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {used + pages}")


class TestFull:
    def test_a_full_disk_leaves_the_last_commit_and_can_be_resumed(self, tmp_path: Path) -> None:
        store = opened(tmp_path / "a.db")
        replay(store, 500)
        grow(store, 6)
        with pytest.raises(StoreFull, match="make room"):
            replay(store)
        position = run(Ingest(store, SCHEMA).cursor("log"))
        assert position is not None
        assert digested(store) == expected(position)
        with pytest.raises(StoreFull):
            replay(store)
        grow(store, 100_000)
        replay(store)
        assert digested(store) == expected()
        run(store.close())

    def test_a_file_that_may_not_grow_leaves_the_last_commit_and_can_be_resumed(self, tmp_path: Path) -> None:
        said = """
adapter.CHECKPOINT_PAGES = 40
store = opened(path)
replay(store, 300)
size = max(os.path.getsize(path), os.path.getsize(f"{path}-wal")) + 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    replay(store)
    tell("done")
except StoreError as error:
    tell(type(error).__name__)
tell(run(Ingest(store, SCHEMA).cursor("log")))
tell(digested(store))
run(store.close())
"""
        code, told = outcome(tmp_path / "a.db", said)
        kind, position, was = told.split("\n")
        assert (code, kind) == (0, "StoreFull")
        assert was == expected(int(position))
        store = opened(tmp_path / "a.db")
        assert digested(store) == was
        replay(store)
        assert digested(store) == expected()
        run(store.close())

    def test_no_room_for_a_new_store_is_told(self, tmp_path: Path) -> None:
        said = "for size in (0, 8, 9000):\n resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))\n"
        code, told = outcome(tmp_path / "a.db", said + TRY_TO_WRITE.replace("\n", "\n "))
        assert (code, [line.split(":")[0] for line in told.split("\n")]) == (0, ["StoreFull"] * 3)
        run(opened(tmp_path / "a.db").close())

    def test_no_room_for_a_rebuild_leaves_the_views(self, whole: Path) -> None:
        store = opened(whole)
        grow(store, 20)
        with pytest.raises(StoreFull):
            run(Ingest(store, SCHEMA).rebuild())
        assert digested(store) == expected()
        grow(store, 100_000)
        run(Ingest(store, SCHEMA).rebuild())
        assert digested(store) == expected()
        run(store.close())


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="strandline-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


class TestReadOnly:
    def tell(self, path: Path, said: str = TRY_TO_WRITE) -> str:
        """Return what a process says that may only do what it is let."""
        step_down = f"if os.geteuid() == 0: os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        code, told = outcome(path, step_down + said)
        assert code == 0
        return told

    def test_a_folder_that_may_not_be_written(self, template: Path, shared: Path) -> None:
        shutil.copy(template, shared / "a.db")
        before = (shared / "a.db").read_bytes()
        shared.chmod(0o555)
        assert self.tell(shared / "a.db").startswith("StoreReadOnly: the folder of")
        assert self.tell(shared / "new.db").startswith("StoreReadOnly: the folder of")
        assert [it.name for it in shared.iterdir()] == ["a.db"]
        assert (shared / "a.db").read_bytes() == before

    def test_a_file_that_may_not_be_written(self, template: Path, shared: Path) -> None:
        shutil.copy(template, shared / "a.db")
        before = (shared / "a.db").read_bytes()
        (shared / "a.db").chmod(0o444)
        shared.chmod(0o777)
        assert self.tell(shared / "a.db").startswith("StoreReadOnly: the store")
        assert (shared / "a.db").read_bytes() == before

    def test_a_file_that_may_not_be_written_is_read(self, template: Path, shared: Path) -> None:
        shutil.copy(template, shared / "a.db")
        (shared / "a.db").chmod(0o444)
        shared.chmod(0o777)
        assert self.tell(shared / "a.db", "tell(digested(opened(path, write=False)))") == expected()

    def test_what_may_not_be_seen_is_not_there(self, shared: Path) -> None:
        (shared / "closed").mkdir(mode=0)
        said = TRY_TO_WRITE.replace("opened(path)", "opened(path, write=False)")
        assert self.tell(shared / "closed" / "a.db", said).startswith("StoreError: there is no store at")

    def test_a_reader_cannot_write(self, whole: Path) -> None:
        reader = opened(whole, write=False)
        with pytest.raises(StoreReadOnly):
            run(put(reader, {CURSOR.name: {("log",): ("log", 1)}}))
        assert digested(reader) == expected()
        run(reader.close())


def page_size(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18])


class TestCorrupt:
    def damaged(self, path: Path) -> None:
        with pytest.raises(StoreCorrupt):
            read_all(path)

    def test_each_page_that_is_overwritten_is_noticed_when_it_is_read(self, template: Path, tmp_path: Path) -> None:
        whole, size = template.read_bytes(), page_size(template)
        pages = range(1, len(whole) // size)
        for page in random.Random(1).sample(pages, min(len(pages), 20)):
            path = tmp_path / f"{page}.db"
            path.write_bytes(whole[: page * size] + b"\xff" * size + whole[(page + 1) * size :])
            self.damaged(path)

    def test_a_file_overwritten_in_the_middle(self, whole: Path) -> None:
        data = whole.read_bytes()
        third = len(data) // 3
        for junk in (bytes(third), random.Random(2).randbytes(third)):
            whole.write_bytes(data[:third] + junk + data[2 * third :])
            self.damaged(whole)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_file_cut_short(self, whole: Path, share: float) -> None:
        os.truncate(whole, int(whole.stat().st_size * share))
        self.damaged(whole)

    def test_a_damaged_page_stops_the_fold_and_writes_nothing(self, whole: Path) -> None:
        with closing(sqlite3.connect(whole)) as connection:
            (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'tally'").fetchone()
        data, size = bytearray(whole.read_bytes()), page_size(whole)
        data[(root - 1) * size : root * size] = b"\xff" * size
        whole.write_bytes(data)
        store = opened(whole)
        with pytest.raises(StoreCorrupt):
            run(Ingest(store, SCHEMA).fold([decode(line) for line in world(4, 100)], Cursor("other", 1)))
        assert run(Ingest(store, SCHEMA).cursor("other")) is None
        run(store.close())

    @pytest.mark.parametrize("write", [True, False])
    @pytest.mark.parametrize("text", [b"Not a store.\n", b"x" * 100_000, b"SQLite format 3\0", b"\0" * 5000])
    def test_a_file_that_is_no_database_is_refused_and_untouched(
        self, tmp_path: Path, text: bytes, write: bool
    ) -> None:
        (tmp_path / "a.db").write_bytes(text)
        with pytest.raises(StoreCorrupt):
            opened(tmp_path / "a.db", write=write)
        assert (tmp_path / "a.db").read_bytes() == text
        assert {it.name for it in tmp_path.iterdir()} <= {"a.db", "a.db-writer"}

    @pytest.mark.parametrize("write", [True, False])
    @pytest.mark.parametrize("mode", ["delete", "wal"])
    @pytest.mark.parametrize("application_id", [0, 7])
    def test_another_programs_database_is_refused_and_untouched(
        self, tmp_path: Path, mode: str, application_id: int, write: bool
    ) -> None:
        path = tmp_path / "a.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            connection.execute(f"PRAGMA application_id = {application_id}")
            connection.execute("CREATE TABLE recipe (name TEXT)")
            connection.execute("INSERT INTO recipe VALUES ('bread')")
            connection.commit()
        before = path.read_bytes()
        with pytest.raises(StoreCorrupt, match="no strandline store"):
            opened(path, write=write)
        assert path.read_bytes() == before
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT * FROM recipe").fetchall() == [("bread",)]

    def test_an_empty_file_becomes_a_store(self, tmp_path: Path) -> None:
        (tmp_path / "a.db").touch()
        store = opened(tmp_path / "a.db")
        replay(store, 100)
        assert digested(store) == expected(100)
        run(store.close())

    def test_what_is_not_there_is_not_read(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="no store at"):
            opened(tmp_path / "a.db", write=False)
        with pytest.raises(StoreError, match="No such file"):
            opened(tmp_path / "nowhere" / "a.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_or_pipe_is_no_store(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe"):
            for write in (True, False):
                with pytest.raises(StoreError, match="is no file"):
                    opened(path, write=write)


def read_all(path: Path) -> None:
    """Open a store, read every row in every way, and close it."""
    store = opened(path)
    try:
        scanned(store)
        with adapter._translated(path):
            if store._connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise StoreCorrupt("the integrity check finds damage")
    finally:
        run(store.close())


_OLDER_REGISTER = """
CREATE TABLE older (rkey TEXT NOT NULL, collection TEXT NOT NULL, did TEXT NOT NULL, SLOT INTEGER NOT NULL,
    rev TEXT NOT NULL, rank INTEGER NOT NULL, cid ANY NOT NULL, record TEXT, kept TEXT, seen_us INTEGER NOT NULL,
    before_us INTEGER, PRIMARY KEY (rkey, collection, did)) STRICT;
INSERT INTO older SELECT rkey, collection, did, 1, rev, rank, cid, record, kept, seen_us, before_us FROM register;
DROP TABLE register;
ALTER TABLE older RENAME TO register;
CREATE INDEX "register.by_repo.0" ON register (SLOT, rkey);
DELETE FROM _sqlite_migrations WHERE name = 'm004_near';
"""


class TestVersions:
    def test_a_store_of_a_newer_strandline_is_refused(self, whole: Path) -> None:
        with closing(sqlite3.connect(whole)) as connection:
            told = ("strandline", "m999_what_is_to_come", "2030-01-01")
            connection.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)", told
            )
            connection.commit()
        before = whole.read_bytes()
        for write in (True, False):
            with pytest.raises(StoreTooNew, match="m999_what_is_to_come"):
                opened(whole, write=write)
        assert whole.read_bytes() == before

    @pytest.mark.parametrize("name", ["slot", "did_hash"])
    def test_registers_of_an_older_version_come_under_the_key_of_now(self, whole: Path, name: str) -> None:
        with closing(sqlite3.connect(whole)) as connection:
            connection.executescript(_OLDER_REGISTER.replace("SLOT", name))
        with pytest.raises(StoreError, match="older version"):
            opened(whole, write=False)
        store = opened(whole)
        assert digested(store) == expected()
        ingest, did = Ingest(store, SCHEMA), next(it.did for it in log() if isinstance(it, Commit))
        run(ingest.fold([Account(did=did, active=False, status=None, time_us=2**50, relay_seq=1, seen_us=1)]))
        run(ingest.finish())
        assert digested(store) != expected()
        assert drift(store) == []
        run(store.close())

    def test_a_migration_that_fails_leaves_the_old_store(self, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        migrations_of = migrations.migrations

        def with_another(layout: Layout) -> Migrations:
            every = migrations_of(layout)

            @every()
            def m002_that_fails(db: Database) -> None:
                db.execute("ALTER TABLE repo ADD COLUMN shoe_size INTEGER")
                db.execute("DELETE FROM register")
                raise RuntimeError("half way")

            return every

        monkeypatch.setattr(migrations, "migrations", with_another)
        monkeypatch.setattr(migrations, "NAMES", {*migrations.NAMES, "m002_that_fails"})
        for _ in range(2):
            with pytest.raises(RuntimeError, match="half way"):
                opened(whole)
        with pytest.raises(StoreError, match="older version"):
            opened(whole, write=False)
        monkeypatch.undo()
        store = opened(whole)
        assert digested(store) == expected()
        assert drift(store) == []
        run(store.close())

    @pytest.mark.parametrize("part", ["schema", "semantics", "validator", "words"])
    def test_views_made_under_another_stamp_are_stale_until_rebuilt(self, whole: Path, part: str) -> None:
        layout = evolve(LAYOUT, stamp={**LAYOUT.stamp, part: "another"})
        for write in (True, False):
            with pytest.raises(StoreStale, match=f"{part} .*rebuild"):
                opened(whole, layout=layout, write=write)
        store = opened(whole, layout=layout, stale=True)
        assert store.stamp == LAYOUT.stamp
        run(Ingest(store, SCHEMA).rebuild())
        assert store.stamp == layout.stamp
        run(store.close())
        store = opened(whole, layout=layout)
        assert digested(store) == expected()
        run(store.close())
        with pytest.raises(StoreStale):
            opened(whole)

    def test_a_new_view_is_filled_by_a_rebuild_and_one_no_longer_declared_goes(self, whole: Path) -> None:
        authors = Rows(
            name="author",
            key=(Column("did"),),
            sums=("posts",),
            sources={POST: lambda it: [((it.record.author,), (1,))]},
            indexes=(TableIndex("by_posts", order=("posts", "did"), total=True),),
        )
        wider = SCHEMA.extended(views=[authors])
        with pytest.raises(StoreStale):
            opened(whole, layout=layout_of(wider))
        store = opened(whole, layout=layout_of(wider), stale=True)
        run(Ingest(store, wider).rebuild())
        run(store.close())
        store = opened(whole, layout=layout_of(wider))
        assert drift(store, wider) == []
        first, second = run(store.page("author", "by_posts", [()], limit=2))
        assert first[1] >= second[1] > 0
        run(store.close())
        store = opened(whole, stale=True)
        run(Ingest(store, SCHEMA).rebuild())
        assert digested(store) == expected()
        names = {name for (name,) in store._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert "author" not in names
        run(store.close())


def leftovers(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [name for (name,) in names if name.endswith(adapter._BESIDE)]


def word_indexes(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%' ORDER BY name")
        return [name for (name,) in names]


class TestWords:
    def test_a_word_that_its_index_lacks_is_drift_until_a_rebuild(self, whole: Path) -> None:
        store = opened(whole)
        with closing(sqlite3.connect(whole)) as connection:
            [key, words] = connection.execute("SELECT key, title || content FROM post_words LIMIT 1").fetchone()
            connection.execute(
                f"""INSERT INTO "{word_indexes(whole)[1]}" ("{word_indexes(whole)[1]}") VALUES ('delete-all')"""
            )
            connection.commit()
        [of_it] = [it for it in drift(store) if it.table == "post_words" and it.key == (key,)]
        assert of_it.kept == (key, "", "")
        assert of_it.right is not None
        assert "".join(of_it.right[1:]) == words
        assert {it.table for it in drift(store)} == {"post_words"}
        run(Ingest(store, SCHEMA).rebuild())
        assert drift(store) == []
        run(store.close())

    def test_what_moves_a_row_and_not_its_words_leaves_their_index_alone(self, whole: Path) -> None:
        store = opened(whole)
        rows = scanned(store)
        index = store._connection.execute('SELECT * FROM "post_words.words.0_data" ORDER BY id').fetchall()
        run(put(store, {"post": {row[:1]: (*row[:-1], row[-1] + 1) for row in rows["post"]}}))
        run(put(store, {"post_words": {row[:1]: row for row in rows["post_words"]}}))
        assert store._connection.execute('SELECT * FROM "post_words.words.0_data" ORDER BY id').fetchall() == index
        run(store.close())

    def test_each_table_of_words_has_one_index_whatever_became_of_rebuilds(self, whole: Path) -> None:
        def names(generation: int) -> list[str]:
            return [f"{name}.words.{generation}" for name in ("community_words", "post_words", "profile_words")]

        store = opened(whole)
        assert word_indexes(whole) == names(0)
        with pytest.raises(KeyboardInterrupt):
            run(self._interrupted(store))
        assert word_indexes(whole) == names(0)
        count = ticks(store, lambda: run(Ingest(store, SCHEMA).rebuild()))
        assert word_indexes(whole) == names(1)
        run(store.close())
        assert outcome(whole, REBUILD_AND_DIE, count // 2)[0] == -signal.SIGKILL
        assert word_indexes(whole) == sorted([*names(1), *names(2)])
        run(opened(whole).close())
        assert word_indexes(whole) == names(1)

    async def _interrupted(self, store: adapter.SQLiteStore) -> None:
        async with store.rebuild():
            raise KeyboardInterrupt

    def test_rows_keep_their_words_through_a_vacuum(self, whole: Path) -> None:
        store = opened(whole)
        some = [row[:1] for row in scanned(store)["post_words"]][::2]
        run(put(store, {"post_words": dict.fromkeys(some)}))
        with closing(sqlite3.connect(whole)) as connection:
            connection.execute("VACUUM")
        assert {it.key for it in drift(store) if it.table == "post_words"} == {*some}
        run(store.close())


class TestRebuild:
    def test_it_makes_good_what_drifted(self, whole: Path) -> None:
        store = opened(whole)
        with closing(sqlite3.connect(whole)) as connection:
            connection.execute("UPDATE tally SET upvotes = upvotes + 7")
            connection.execute("DELETE FROM post")
            connection.commit()
        assert {it.table for it in drift(store)} == {"tally", "post"}
        run(Ingest(store, SCHEMA).rebuild())
        assert drift(store) == []
        assert digested(store) == expected()
        run(store.close())

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_interrupted_it_leaves_the_old_views(self, whole: Path, error: type[BaseException]) -> None:
        store = opened(whole)

        async def interrupted() -> None:
            async with store.rebuild() as beside:
                await put(beside, {"tally": {("a",): ("a", 1, 0, 0, 0)}})
                assert await beside.get("tally", [("a",)]) != await store.get("tally", [("a",)])
                raise error

        with pytest.raises(error):
            run(interrupted())
        assert digested(store) == expected()
        assert leftovers(whole) == []
        run(store.close())

    def test_killed_it_leaves_the_old_views_and_the_next_writer_clears_away(self, whole: Path) -> None:
        store = opened(whole)
        count = ticks(store, lambda: run(Ingest(store, SCHEMA).rebuild()))
        run(store.close())
        for share in (0.3, 0.9):
            code, told = outcome(whole, REBUILD_AND_DIE, int(count * share))
            assert (code, told) == (-signal.SIGKILL, "")
            assert len(leftovers(whole)) == len(LAYOUT.views)
            reader = opened(whole, write=False)
            assert digested(reader) == expected()
            run(reader.close())
            run(opened(whole).close())
            assert leftovers(whole) == []

    def test_a_reader_sees_the_old_views_and_then_the_new(self, whole: Path) -> None:
        store, reader = opened(whole), opened(whole, write=False)

        async def rebuilt() -> None:
            async with store.rebuild() as beside:
                await put(beside, {"tally": {("a",): ("a", 1, 0, 0, 0)}})
                assert digested(reader) == expected()

        run(rebuilt())
        assert run(reader.get("tally", [("a",)])) == run(store.get("tally", [("a",)])) == {("a",): ("a", 1, 0, 0, 0)}
        assert scanned(reader)["post"] == []
        run(reader.close())
        run(store.close())

    def test_no_declared_table_is_taken_for_a_leftover(self, tmp_path: Path) -> None:
        named = Table("what_is__new", (Column("key"), Column("value")))
        layout = evolve(LAYOUT, views=(*LAYOUT.views, named))
        store = opened(tmp_path / "a.db", layout=layout)
        run(put(store, {named.name: {("a",): ("a", "b")}}))
        run(store.close())
        store = opened(tmp_path / "a.db", layout=layout)
        assert run(store.get(named.name, [("a",)])) == {("a",): ("a", "b")}
        run(store.close())


def test_the_wal_stays_small_and_is_gone_when_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "CHECKPOINT_PAGES", 32)
    store, wal = opened(tmp_path / "a.db"), tmp_path / "a.db-wal"
    sizes = []
    for end in range(50, EVENTS + 1, 50):
        replay(store, end, batch=50)
        sizes.append(wal.stat().st_size)
    half = len(sizes) // 2
    assert max(sizes[half:]) <= 1.5 * max(sizes[:half]), sizes
    run(store.close())
    assert not wal.exists()


@pytest.fixture(scope="module")
def connection(template: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{template}?mode=ro", uri=True)) as connection:
        yield connection


class TestTables:
    @pytest.mark.parametrize("table", LAYOUT.tables.values(), ids=lambda table: table.name)
    def test_a_row_is_found_by_its_key(self, connection: sqlite3.Connection, table: Table) -> None:
        for statement in (sql.delete(table, ""), *(sql.select(table, "", count) for count in (1, 16, 256))):
            for step in plan(connection, statement):
                assert not step.startswith("SCAN") or step == "SCAN wanted" or "CONSTANT ROW" in step, step

    @pytest.mark.parametrize(
        ("table", "index"),
        [(table, index) for table in LAYOUT.tables.values() for index in table.indexes],
        ids=lambda it: it.name,
    )
    def test_a_page_is_read_off_an_index(self, connection: sqlite3.Connection, table: Table, index: TableIndex) -> None:
        width = len(table.sort_columns(index))
        for after in (0, width):
            for bound in range(len(index.order) + 1):
                steps = plan(connection, sql.page(table, index, after=after, bound=bound))
                self.check(steps, table, index, bounded=bool(after or bound))

    def check(self, steps: Sequence[str], table: Table, index: TableIndex, *, bounded: bool) -> None:
        """The rows are sought where they begin, and already sorted if the index is total."""
        search, *sorting = steps
        if index.partition or bounded:
            assert search.startswith(f"SEARCH {table.name} USING"), steps
        for name in index.partition:
            assert f"{name}=?" in search, steps
        if bounded and index.order:
            assert re.search(rf"[( ]{index.order[0]}(,\w+)*\)?[<>]", search), steps
        assert not (index.total and sorting), steps

    @pytest.mark.parametrize("table", LAYOUT.tables.values(), ids=lambda table: table.name)
    def test_a_scan_by_key_sorts_nothing_but_what_is_near(self, connection: sqlite3.Connection, table: Table) -> None:
        sorts = [step for step in plan(connection, sql.scan(table)) if "TEMP B-TREE" in step]
        few = ("RIGHT PART", "LAST TERM", "LAST 2 TERMS")  # as the versions of SQLite say it
        assert not sorts if table.near is None else any(it in sorts[0] for it in few)

    def test_every_table_is_strict(self, connection: sqlite3.Connection) -> None:
        strict = {row[1]: row[5] for row in connection.execute("PRAGMA table_list")}
        assert {name: strict[name] for name in LAYOUT.tables} == dict.fromkeys(LAYOUT.tables, 1)

    def test_what_the_columns_cannot_hold_is_refused_whole(self, whole: Path) -> None:
        store = opened(whole)
        for row in (
            ("d", 2, None, 0, 0, None, 0, 0, ""),
            ("d", 1, None, "soon", 0, None, 0, 0, ""),
            ("d", 1, None, None, 0, None, 0, 0, ""),
        ):
            with pytest.raises(StoreError):
                run(put(store, {CURSOR.name: {("x",): ("x", 1)}, "repo": {("d",): row}}))
        with pytest.raises(StoreError):
            run(
                put(
                    store, {CURSOR.name: {("x",): ("x", 1)}, "repo": {("d",): ("d", 1, None, 2**63, 0, None, 0, 0, "")}}
                )
            )
        with pytest.raises(StoreError):
            run(
                put(
                    store, {CURSOR.name: {("x",): ("x", 1)}, "repo": {("d",): ("d", 1, "\ud800", 0, 0, None, 0, 0, "")}}
                )
            )
        assert run(store.get(CURSOR.name, [("x",)])) == {}
        run(store.close())

    def test_a_person_can_join_them(self, connection: sqlite3.Connection) -> None:
        told = connection.execute(
            """
            SELECT post.title, community.name, tally.upvotes, count(comment.key)
            FROM post
            JOIN community ON community.did = post.community
            JOIN tally ON tally.subject = post.key
            JOIN comment ON comment.root = post.key
            LEFT JOIN profile ON profile.did = post.author
            WHERE tally.upvotes = post.upvotes AND tally.comment_count = post.comment_count
            GROUP BY post.key
            """
        ).fetchall()
        assert len(told) > 3
        assert all(name and upvotes >= 0 and comments > 0 for _, name, upvotes, comments in told)
        (records,) = connection.execute(
            "SELECT count(*) FROM register WHERE json_extract(record, '$.title') <> ''"
        ).fetchone()
        assert records > 3


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    marks = [None] * statement.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", marks)]


def test_a_content_identifier_is_found_sorted_and_shown_as_text(tmp_path: Path) -> None:
    seen = Table(
        "seen",
        (
            Column("cid", Type.CID),
            Column("version", Type.CID),
            Column("shown", Type.CID),
            Column("nothing", Type.CID, null=True),
        ),
        indexes=(TableIndex("by_version", order=("version",)), TableIndex("of_version", partition=("version",))),
    )
    cids = [
        "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm",
        "bafkreieajxclqzwk2mczx7hxmoboqpuiveqlbm35gsda5xlaqfmlryu4ri",
        "b" + "a" * 58,
        "b" + "7" * 57 + "4",
        "b" + "a" * 57 + "b",
        "zdj7Wx",
        "",
    ]
    rows = {(cid,): (cid, cid, cid, None if at % 2 else cid) for at, cid in enumerate(cids)}
    layout = evolve(LAYOUT, views=(*LAYOUT.views, seen))
    store = opened(tmp_path / "a.db", layout=layout)
    run(put(store, {"seen": rows}))
    assert run(store.get("seen", list(rows))) == rows
    in_order = run(store.page("seen", "by_version", [()], limit=9))
    assert [row[0] for row in in_order] == sorted(cids, reverse=True)
    for cid in cids:
        assert run(store.page("seen", "of_version", [(cid,)], limit=9)) == [rows[cid,]]
    run(put(store, {"seen": dict.fromkeys(list(rows)[1:])}))
    assert scanned(store)["seen"] == [rows[cids[0],]]
    run(store.close())


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://forum.db",
        "sqlite://host/forum.db",
        "sqlite:///forum.db?mode=ro",
        "sqlite:///forum.db#a",
        "sqlite:///forum%00.db",
        "postgresql:///forum",
        "forum.db",
        "",
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownStore):
        open_store(url, LAYOUT)
    assert list(tmp_path.iterdir()) == []


def test_a_url_names_a_relative_or_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, name in (
        ("sqlite:///a.db", "a.db"),
        (f"sqlite:///{tmp_path}/b%20c.db", "b c.db"),
        ("sqlite:///%23%3F%25é.db", "#?%é.db"),
    ):
        run(open_store(url, LAYOUT).close())
        assert (tmp_path / name).is_file()


def test_the_first_rows_of_many_partitions_are_one_statement(tmp_path: Path) -> None:
    store, oracle, said = opened(tmp_path / "forum.db"), MemoryStore(LAYOUT), list[str]()
    replay(store)
    replay(oracle)
    homes = [(row[0],) for row in scanned(oracle)["community"]]
    middle = sorted(row[6] for row in scanned(oracle)["post"])[len(scanned(oracle)["post"]) // 2]
    store._connection.set_trace_callback(said.append)
    for each, bounds in ((1, {}), (3, {}), (3, {"after": (middle,)}), (2, {"bound": (middle,)})):
        how: dict[str, Any] = {"limit": 3 * len(homes), "each": each, **bounds}
        said.clear()
        found = run(store.page("post", "by_new", homes, **how))
        assert found == run(oracle.page("post", "by_new", homes, **how)) != []
        assert len([it for it in said if it.startswith("SELECT")]) == 1
    run(store.close())
