"""Dump, digest, verify, rebuild, doctor: what they say of a store, and what they do when it is not as it should be."""

import ctypes
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from strandline import Ingest, open_store, run
from strandline.event import decode
from strandline.fold import JOB
from strandline.forum import SCHEMA
from strandline_cli import opened

Cli = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]


def path_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


@contextmanager
def altered(url: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path_of(url))) as database, database:
        yield database


def leave_a_job(url: str, did: str, *, active: bool) -> None:
    """Take in an account event and end before the job it leaves is begun."""
    body = {"did": did, "seq": 10 if active else 9, "time": "2030-01-01T00:00:00Z", "active": active}
    line = json.dumps({"did": did, "kind": "account", "account": body, "time_us": 1_900_000_000_000_000}).encode()
    store = run(open_store(url, SCHEMA))
    event: Any = decode(line)
    run(Ingest(store, SCHEMA).fold([event]))
    assert list(run(store.get(JOB.name, [(did,)]))) == [(did,)]
    run(store.close())


def a_voter(url: str) -> str:
    with closing(sqlite3.connect(path_of(url))) as database:
        return str(database.execute("SELECT voter FROM vote ORDER BY voter LIMIT 1").fetchone()[0])


def test_the_dump_is_sorted_canonical_lines_and_the_digest_is_its_hash(cli: Cli, store: str) -> None:
    dump = cli("dump", "--store", store).out.encode()
    lines = dump.splitlines()
    assert lines == sorted(lines)
    assert len(lines) > 300
    assert all(
        json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == line
        for line in lines
    )
    assert cli("digest", "--store", store).out == hashlib.sha256(dump).hexdigest() + "\n"


def test_dump_into_head_ends_quietly(spawn: Spawn, store: str) -> None:
    process = spawn("dump", "--store", store)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"{")
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(timeout=20)) == (b"", 0)


def test_a_table_into_head_ends_quietly(spawn: Spawn, store: str) -> None:
    process = spawn("quarantine", "--limit", "10000", "--store", store)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(timeout=20)) == (b"", 0)


def test_output_that_cannot_be_written_is_told(spawn: Spawn, store: str) -> None:
    with Path("/dev/full").open("wb") as full:
        process = spawn("dump", "--store", store, stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 74
    assert err.decode() == "strandline: error: cannot write: No space left on device\n"


def test_a_waiting_job_is_finished_first(cli: Cli, own: str) -> None:
    before, voter = cli("digest", "--store", own).out, a_voter(own)
    leave_a_job(own, voter, active=False)
    hidden = cli("dump", "--store", own).out
    assert f'"voter":"{voter}"' not in hidden
    assert cli("verify", "--store", own).code == 0
    leave_a_job(own, voter, active=True)
    assert cli("verify", "--store", own).code == 0
    assert cli("digest", "--store", own).out == before


def test_dump_works_beside_a_writer_and_waits_for_its_jobs_only_so_long(
    cli: Cli, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "PATIENCE_S", 0.0)
    voter = a_voter(own)
    with closing_store(own):
        assert cli("dump", "--store", own).code == 0
    leave_a_job(own, voter, active=False)
    with closing_store(own):
        said = cli("digest", "--store", own)
    assert (said.code, said.out) == (4, "")
    assert "being written by process" in said.err


@contextmanager
def closing_store(url: str) -> Iterator[None]:
    writer = run(open_store(url, SCHEMA))
    try:
        yield
    finally:
        run(writer.close())


def test_verify_is_content_with_a_right_store(cli: Cli, store: str) -> None:
    said = cli("verify", "--store", store)
    assert (said.code, said.err) == (0, "")
    assert said.out == "verified: every row of the views is what the registers say\n"
    assert cli("verify", "--store", store, "--json").json == []


def test_drift_is_named_row_by_row_and_rebuild_puts_it_right(cli: Cli, own: str) -> None:
    before = cli("digest", "--store", own).out
    with altered(own) as database:
        [post] = database.execute("SELECT key FROM post ORDER BY key LIMIT 1").fetchone()
        database.execute("UPDATE post SET score = score + 7 WHERE key = ?", (post,))
        [vote] = database.execute("SELECT subject FROM vote ORDER BY subject LIMIT 1").fetchone()
        gone = database.execute("DELETE FROM vote WHERE subject = ?", (vote,)).rowcount
    said = cli("verify", "--store", own)
    assert said.code == 1
    assert f"post  {post}\n    kept   score=" in said.out
    assert f"vote  {vote}, did:" in said.out
    assert said.out.count("kept   no row") == gone
    assert said.out.endswith(f"{1 + gone} rows drift\n")
    drift = cli("verify", "--store", own, "--json").json
    assert [it["table"] for it in drift] == ["post"] + ["vote"] * gone
    assert drift[0]["kept"]["score"] == drift[0]["right"]["score"] + 7
    assert drift[1]["kept"] is None
    assert cli("rebuild", "--store", own).out.startswith("rebuilt the views from ")
    assert cli("verify", "--store", own).code == 0
    assert cli("digest", "--store", own).out == before


def test_a_stale_store_is_refused_until_it_is_rebuilt_with_a_job_waiting_too(cli: Cli, own: str) -> None:
    voter = a_voter(own)
    leave_a_job(own, voter, active=False)
    with altered(own) as database:
        database.execute("UPDATE strandline_meta SET value = 'old' WHERE name = 'stamp.schema'")
        database.execute("ALTER TABLE vote DROP COLUMN direction")
    said = cli("feed", "discover", "--store", own)
    assert (said.code, "strandline rebuild" in said.err) == (4, True)
    said = cli("doctor", "--store", own)
    assert said.code == 1
    assert "stale: its views were made under schema 'old'" in said.out.replace("\n", " ")
    assert cli("rebuild", "--store", own).code == 0
    assert cli("doctor", "--store", own).code == 0
    assert cli("verify", "--store", own).code == 0
    assert f'"voter":"{voter}"' not in cli("dump", "--store", own).out


def test_a_rebuild_that_is_stopped_leaves_the_old_views(spawn: Spawn, cli: Cli, own: str) -> None:
    before = cli("digest", "--store", own).out
    with altered(own) as database:  # as a rebuild leaves it that was killed
        database.execute('CREATE TABLE "post+new" (key TEXT)')
    assert cli("digest", "--store", own).out == before
    assert cli("rebuild", "--store", own).code == 0
    assert cli("digest", "--store", own).out == before


def test_doctor_tells_what_is_installed_and_what_the_store_holds(cli: Cli, store: str, log: Path) -> None:
    told = cli("doctor", "--store", store, "--json").json
    assert {"strandline", "python", "sqlite", "unicode", "schema", "semantics", "validator", "words"} == set(
        told["installed"]
    )
    assert told["store"]["wrong"] == []
    assert told["store"]["schema"] == told["installed"]["schema"] == SCHEMA.fingerprint
    assert told["store"]["rows"]["register"] > 800
    assert told["store"]["fileBytes"] == Path(path_of(store)).stat().st_size
    assert told["store"]["jobs"] == []
    alone = cli("doctor")
    assert (alone.code, "store" in alone.out.split("\n", 2)[2]) == (0, False)


def test_doctor_finds_a_file_unsound(cli: Cli, own: str) -> None:
    with altered(own) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    page = 16_384
    with Path(path_of(own)).open("r+b") as file:
        for at in range(40 * page, 60 * page, page):
            file.seek(at + 8)
            file.write(os.urandom(512))
    said = cli("doctor", "--store", own)
    assert said.code in (1, 4)
    assert "installed" in said.out
    assert "Traceback" not in said.err
    assert said.code == 4 or "sound         no" in said.out


@pytest.mark.parametrize("command", ["dump", "digest", "verify", "doctor", "rebuild", "quarantine", "dead-letters"])
def test_what_is_no_store_is_told_clearly_and_left_as_it_is(cli: Cli, tmp_path: Path, command: str) -> None:
    text, folder, missing = tmp_path / "notes.txt", tmp_path / "folder", tmp_path / "missing.db"
    text.write_text("Buy tea. " * 100)
    folder.mkdir()
    for path in (text, folder):
        said = cli(command, "--store", f"sqlite:///{path}")
        assert said.code == 4
        assert said.err.startswith("strandline: error: ")
        assert repr(str(path)) in said.err
    assert text.read_text() == "Buy tea. " * 100
    said = cli(command, "--store", f"sqlite:///{missing}")
    assert (said.code, "there is no store at" in said.err) == (4, True)
    assert not missing.exists()


def test_a_store_of_another_program_is_refused(cli: Cli, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE recipe (name TEXT)")
    said = cli("replay", "-", "--store", f"sqlite:///{tmp_path / 'other.db'}")
    assert (said.code, "is no strandline store" in said.err) == (4, True)


def test_a_second_writer_is_refused_and_told_who_writes(cli: Cli, log: Path, own: str) -> None:
    with closing_store(own):
        for command in (["replay", log], ["rebuild"]):
            said = cli(*command, "--store", own)
            assert (said.code, f"being written by process {os.getpid()}" in said.err) == (4, True)
        assert cli("feed", "discover", "--store", own).code == 0


def as_anybody() -> None:
    """Give up root's leave to write what it may not, where this process has it."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_store_that_may_not_be_written_is_told_and_can_be_read(
    spawn: Spawn, cli: Cli, log: Path, store: str, tmp_path: Path
) -> None:
    folder = tmp_path / "fixed"
    folder.mkdir()
    url = f"sqlite:///{folder / 'forum.db'}"
    shutil.copy(path_of(store), folder / "forum.db")
    digest = cli("digest", "--store", url).out
    (folder / "forum.db").chmod(0o444)
    process = spawn("replay", log, "--store", url, preexec_fn=as_anybody)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, b"may not be written" in err, b"Traceback" in err) == (4, True, False), err
    folder.chmod(0o555)
    try:
        process = spawn("digest", "--store", url, preexec_fn=as_anybody)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out.decode()) == (0, digest), err
    finally:
        folder.chmod(0o755)
