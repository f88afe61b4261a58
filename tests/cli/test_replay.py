"""Replay: what was read is what the store holds, however often it was stopped, resumed or repeated."""

import gzip
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard

import strandline_cli.ahead
from strandline_cli.stop import Stopped, held, stoppable

Cli = Callable[..., Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
EVENTS = 1200


def lines_of(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def taken_in(path: Path) -> dict[str, int]:
    """The cursors of a store, as another process sees them; none while there is no store."""
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return {}
    try:
        return dict(database.execute("SELECT source, position FROM cursor"))
    except sqlite3.OperationalError:
        return {}
    finally:
        database.close()


def test_the_summary_counts_every_line(cli: Cli, log: Path, store: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    told = cli("replay", log, "--store", url, "--json").json
    assert told["read"] == EVENTS
    assert sum(told["bad"].values()) > 10
    assert told["quarantined"]
    assert told["read"] == sum(told[name] for name in ("applied", "stale", "other", "control")) + sum(
        told["bad"].values()
    )
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


def test_the_summary_is_for_people_and_nothing_else_is_printed_in_a_pipe(cli: Cli, log: Path, tmp_path: Path) -> None:
    said = cli("replay", log, "--store", f"sqlite:///{tmp_path / 'new.db'}", "--batch", "700")
    names = [line.split("  ")[0] for line in said.out.splitlines()]
    assert names == ["read", "applied", "stale", "other apps'", "control", "bad", "quarantined", "events/s"]
    assert re.search(r"^bad +\d+  \(.*\bjson \d+.*\)$", said.out, re.MULTILINE)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out


def test_a_second_run_changes_nothing(cli: Cli, log: Path, own: str) -> None:
    before = cli("digest", "--store", own).out
    told = cli("replay", log, "--store", own, "--json").json
    assert (told["read"], told["applied"]) == (EVENTS, 0)
    assert cli("digest", "--store", own).out == before


@pytest.mark.parametrize(("processes", "begun"), [(1, 0), (2, 1)])
def test_it_is_taken_in_by_one_process_or_two(
    cli: Cli, log: Path, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, begun: int
) -> None:
    begins: list[object] = []
    begin = strandline_cli.ahead._Helper.begin

    def watched(helper: Any, *told: Any) -> None:
        begins.append(told)
        begin(helper, *told)

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(strandline_cli.ahead._Helper, "begin", watched)
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert cli("replay", log, "--store", url, "--batch", "500", "--processes", processes).code == 0
    assert len(begins) == begun
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gz", "zst"])
def test_packed_logs_and_several_in_order(
    cli: Cli, log: Path, store: str, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    lines = lines_of(log)
    (tmp_path / "one").write_bytes(pack(b"".join(lines[:700])))
    (tmp_path / "two").write_bytes(b"".join(lines[700:]))
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert cli("replay", tmp_path / "one", tmp_path / "two", "--store", url).code == 0
    assert taken_in(tmp_path / "new.db") == {
        f"file:{tmp_path / 'one'}": 700,
        f"file:{tmp_path / 'two'}": EVENTS - 700,
    }
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


def test_resume_passes_over_what_was_taken_in_and_takes_in_what_was_added(
    cli: Cli, log: Path, store: str, tmp_path: Path
) -> None:
    lines = lines_of(log)
    growing, url = tmp_path / "growing", f"sqlite:///{tmp_path / 'new.db'}"
    growing.write_bytes(b"".join(lines[:534]))
    cli("replay", growing, "--store", url)
    growing.write_bytes(b"".join(lines))
    told = cli("replay", growing, "--store", url, "--resume", "--json").json
    assert (told["skipped"], told["read"]) == (534, EVENTS - 534)
    again = cli("replay", growing, "--store", url, "--resume")
    assert again.out.startswith("skipped      1,200")
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


def test_a_log_that_became_shorter_is_not_the_log_it_was(cli: Cli, log: Path, tmp_path: Path) -> None:
    shorter, url = tmp_path / "log", f"sqlite:///{tmp_path / 'new.db'}"
    shorter.write_bytes(b"".join(lines_of(log)[:500]))
    cli("replay", shorter, "--store", url)
    shorter.write_bytes(b"".join(lines_of(log)[:400]))
    said = cli("replay", shorter, "--store", url, "--resume")
    assert said.code == 3
    assert "holds 400 lines, but 500 were taken in" in said.err


def test_a_broken_log_gives_what_stands_before_the_damage(cli: Cli, log: Path, tmp_path: Path) -> None:
    lines = lines_of(log)
    broken, url = tmp_path / "broken.gz", f"sqlite:///{tmp_path / 'new.db'}"
    broken.write_bytes(gzip.compress(b"".join(lines))[:-9000])
    said = cli("replay", broken, "--store", url, "--batch", "300", "--json")
    assert said.code == 3
    assert said.err.startswith(f"strandline: error: '{broken}' is cut short")
    read = said.json["read"]
    assert 300 < read < EVENTS
    assert read % 300, "the last, shorter batch is committed too"
    assert taken_in(tmp_path / "new.db") == {f"file:{broken}": read}
    (tmp_path / "same").write_bytes(b"".join(lines[:read]))
    cli("replay", tmp_path / "same", "--store", f"sqlite:///{tmp_path / 'same.db'}")
    assert cli("digest", "--store", url).out == cli("digest", "--store", f"sqlite:///{tmp_path / 'same.db'}").out


def test_jobs_are_finished_where_a_log_is_cut_short(cli: Cli, log: Path, tmp_path: Path) -> None:
    lines = lines_of(log)
    voter = next(event["did"] for event in map(json.loads, filter(is_vote, lines)))
    said = {"did": voter, "active": False, "status": "deleted", "time": "2100-01-01T00:00:00Z", "seq": 1}
    hides = json.dumps({"did": voter, "time_us": 1, "kind": "account", "account": said}).encode() + b"\n"
    broken, path = tmp_path / "broken.gz", tmp_path / "new.db"
    broken.write_bytes(gzip.compress(b"".join([*lines[:600], hides, *lines[600:]]))[:-9000])
    assert cli("replay", broken, "--store", f"sqlite:///{path}", "--batch", "50").code == 3
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM repo WHERE did = ? AND active = 0", (voter,)).fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM job").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM vote WHERE voter = ?", (voter,)).fetchone() == (0,)


def is_vote(line: bytes) -> bool:
    return b'"create"' in line and b'"$type":"social.coves.feed.vote"' in line.replace(b" ", b"")


def test_an_error_in_the_second_log_leaves_what_the_first_gave(cli: Cli, log: Path, store: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    said = cli("replay", log, tmp_path / "missing", "--store", url)
    assert (said.code, "does not exist" in said.err) == (3, True)
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


def test_no_store_is_made_for_a_log_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    said = cli("replay", tmp_path / "mistyped", "--store", f"sqlite:///{tmp_path / 'new.db'}")
    assert (said.code, list(tmp_path.iterdir())) == (3, [])


def test_garbage_is_counted_and_kept_aside(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(5000).replace(b"\n", b"") + b"\n{}\n[]\n\x1b[2J\n")
    url = f"sqlite:///{tmp_path / 'new.db'}"
    said = cli("replay", tmp_path / "noise", "--store", url, "--json")
    assert (said.code, said.json["read"], sum(said.json["bad"].values())) == (0, 4, 4)
    listed = cli("dead-letters", "--store", url)
    assert listed.out.count("\n") > 4
    assert "\x1b" not in listed.out
    letters = cli("dead-letters", "--store", url, "--json", "--limit", "2").json
    assert [letter["payload"] for letter in letters] == ["\x1b[2J", "[]"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_and_resumed_it_comes_to_the_same(
    cli: Cli,
    spawn: Spawn,
    log: Path,
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    path = tmp_path / "new.db"
    options = ("--batch", "100", "--processes", "1")
    process = spawn("replay", "-", "--store", f"sqlite:///{path}", *options, "--json", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"".join(lines_of(log)[:950]))
    process.stdin.flush()
    for _ in range(1000):
        if taken_in(path) == {"stdin": 900}:
            break
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    read = json.loads(out)["read"]
    assert process.returncode == code
    assert f"strandline replay - --store sqlite:///{path} {' '.join(options)} --resume" in err.decode()
    assert b"Traceback" not in err
    assert 900 <= read <= 950
    assert taken_in(path) == {"stdin": read}, "what was read of the batch in hand was taken in, or never read"
    with log.open() as again:
        monkeypatch.setattr(sys, "stdin", again)
        told = cli("replay", "-", "--store", f"sqlite:///{path}", "--resume", "--json").json
    assert (told["skipped"], told["read"]) == (read, EVENTS - read)
    assert cli("digest", "--store", f"sqlite:///{path}").out == cli("digest", "--store", store).out


def test_a_batch_from_a_pipe_is_taken_in_before_the_next_is_there(spawn: Spawn, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    process = spawn("replay", "-", "--store", f"sqlite:///{path}", "--batch", "100", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"".join(lines_of(log)[:200]))
    process.stdin.flush()
    for _ in range(500):
        if taken_in(path) == {"stdin": 200}:
            break
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
    assert taken_in(path) == {"stdin": 200}


def test_a_signal_waits_for_the_batch_in_hand_and_a_second_does_not() -> None:
    done: list[str] = []

    def take(signals: int) -> None:
        with held():
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGINT)
            done.append(f"a batch after {signals}")

    with stoppable():
        with pytest.raises(Stopped):
            take(1)
        with pytest.raises(Stopped):
            take(2)
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
    assert (done, stopped.value.code) == (["a batch after 1"], 143)


def test_a_full_disk_ends_it_clearly_and_leaves_a_store_to_go_on_with(
    cli: Cli, spawn: Spawn, log: Path, store: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))

    process = spawn("replay", log, "--store", url, "--batch", "100", preexec_fn=small_disk)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 4
    assert b"Traceback" not in err
    assert cli("verify", "--store", url).code == 0
    assert cli("replay", log, "--store", url, "--resume").code == 0
    assert cli("digest", "--store", url).out == cli("digest", "--store", store).out


@pytest.mark.parametrize("name", ["expected_v1.jsonl", "golden_v1.jsonl"])
def test_a_real_log_holds_nothing_bad_and_loses_nothing(cli: Cli, vectors: Path, tmp_path: Path, name: str) -> None:
    log = vectors / "jetstream" / name
    told = cli("replay", log, "--store", f"sqlite:///{tmp_path / 'new.db'}", "--json").json
    assert told["bad"] == told["quarantined"] == {}
    assert told["other"] > 0
    assert told["read"] == told["applied"] + told["stale"] + told["other"] + told["control"]
    assert told["read"] == len(lines_of(log))
