"""What `strandline serve` refuses, and that `strandline run --serve` answers while it follows."""

import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., object]
DEADLINE_S = 20.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "a secret is needed"),
        (["--host", "0.0.0.0", "--trust-viewer-header"], "only on loopback"),
        (["--trusted-proxy", "nowhere"], "write a network"),
        (["--page-key-file", "short"], "16 bytes or more"),
        ([], "there is no store"),
    ],
)
def test_what_is_unsafe_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRANDLINE_PAGE_KEYS", raising=False)
    (tmp_path / "short").write_text("short")
    said = cli("serve", "--store", "sqlite:///none.db", *options)
    assert said.code != 0  # type: ignore[attr-defined]  # what the fixture returns
    assert told in " ".join(said.err.split())  # type: ignore[attr-defined]  # as above


def test_what_is_followed_is_served(spawn: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = f"sqlite:///{tmp_path / 'forum.db'}"
    process = spawn("run", "--source", "ws://127.0.0.1:9", "--store", store, "--serve", port)
    assert _answer(f"http://127.0.0.1:{port}/health") == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 128 + signal.SIGTERM


def _answer(url: str) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(url) as response:
                return int(response.status)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
