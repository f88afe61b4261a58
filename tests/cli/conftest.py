"""The command, run in this process or as its own; small logs and stores to run it on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from strandline import open_index
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline_cli import main

EVENTS = 1200
COMMAND = [sys.executable, "-c", "import sys, strandline_cli; sys.exit(strandline_cli.main())"]

ANN, BOB, SEA = "did:web:ann.example", "did:web:bob.example", "did:web:sea.example"


@frozen
class Said:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run the command in this process."""
    monkeypatch.delenv("STRANDLINE_STORE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def spawn() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Run the command as a process of its own, with pipes."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object, **options: Any) -> "subprocess.Popen[bytes]":
        environment = {name: value for name, value in os.environ.items() if name not in ("STRANDLINE_STORE", "COLUMNS")}
        pipes: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen([*COMMAND, *map(str, arguments)], **(pipes | options)))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a made-up forum, with garbage."""
    path = tmp_path_factory.mktemp("logs") / "log.ndjson"
    path.write_bytes(b"".join(world(7, EVENTS, garbage=0.03, spoilt=0.02)))
    return path


@pytest.fixture(scope="session")
def folded(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store that took in the log; to be read only."""
    path = tmp_path_factory.mktemp("stores") / "forum.db"
    with open_index(f"sqlite:///{path}", SCHEMA) as index:
        index.fold(log.read_bytes().splitlines())
    return path


@pytest.fixture
def store(folded: Path) -> str:
    """The URL of a store that took in the log; to be read only."""
    return f"sqlite:///{folded}"


@pytest.fixture
def own(folded: Path, tmp_path: Path) -> str:
    """The URL of a copy of that store, to be written."""
    (tmp_path / "own.db").write_bytes(folded.read_bytes())
    return f"sqlite:///{tmp_path / 'own.db'}"


class Diary:
    """Writes the lines of a small log; later lines have later revs."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put(self, did: str, collection: str, rkey: str, record: dict[str, Any], operation: str = "create") -> str:
        collection = f"social.coves.{collection}"
        made = {"$type": collection, "createdAt": "2026-01-01T12:00:00Z"} | record
        self._write(did, collection, rkey, {"operation": operation, "cid": CID, "record": made})
        return f"at://{did}/{collection}/{rkey}"

    def delete(self, uri: str) -> None:
        did, collection, rkey = uri[5:].split("/")
        self._write(did, collection, rkey, {"operation": "delete"})

    def account(self, did: str, *, active: bool) -> None:
        seq = len(self.lines)
        body = {"did": did, "seq": seq, "time": f"2026-01-01T13:{seq:02}:00Z", "active": active, "status": "suspended"}
        self._add({"did": did, "kind": "account", "account": body})

    def handle(self, did: str, handle: str) -> None:
        seq = len(self.lines)
        body = {"did": did, "seq": seq, "time": f"2026-01-01T13:{seq:02}:00Z", "handle": handle}
        self._add({"did": did, "kind": "identity", "identity": body})

    def post(self, rkey: str, **more: Any) -> str:
        return self.put(SEA, "community.post", rkey, {"community": SEA, "author": ANN} | more)

    def comment(self, did: str, rkey: str, root: str, parent: str, content: str) -> str:
        reply = {"root": {"uri": root, "cid": CID}, "parent": {"uri": parent, "cid": CID}}
        return self.put(did, "community.comment", rkey, {"reply": reply, "content": content})

    def vote(self, did: str, rkey: str, uri: str, direction: str = "up") -> str:
        return self.put(did, "feed.vote", rkey, {"subject": {"uri": uri, "cid": CID}, "direction": direction})

    def sea(self, **more: Any) -> str:
        profile = {"name": "sea", "createdBy": ANN, "hostedBy": SEA, "visibility": "public"}
        return self.put(SEA, "community.profile", "self", profile | more)

    def _write(self, did: str, collection: str, rkey: str, commit: dict[str, Any]) -> None:
        number = f"{len(self.lines):03}".translate(str.maketrans("0123456789", "abcdefghij"))
        path = {"rev": f"3k{number}22222222", "collection": collection, "rkey": rkey}
        self._add({"did": did, "kind": "commit", "commit": path | commit})

    def _add(self, event: dict[str, Any]) -> None:
        seen_us = 1_767_268_800_000_000 + len(self.lines) * 1_000_000
        self.lines.append(json.dumps(event | {"time_us": seen_us}).encode())


CID = "bafyreiden2tz6omhdcc7tc7tdlxajfrrdg3ogkgfq3pucdlkxyofnrlncm"


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Diary], str]:
    """Take a diary into a new store; return its URL."""

    def take_in(diary: Diary) -> str:
        url = f"sqlite:///{tmp_path / 'diary.db'}"
        with open_index(url, SCHEMA) as index:
            index.fold(diary.lines)
            assert not index.outcome.bad, index.outcome
        return url

    return take_in
