"""The command as a whole: its help, its errors, its exit codes, its manners on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

import strandline_cli
from strandline import decode
from strandline.event import BadEvent
from strandline.lexicon import parse_document
from strandline_cli.app import SECTIONS, strandline
from strandline_cli.exit import CODES
from strandline_files import read_lines

Cli = Callable[..., Any]

SUMMARIES = {name: told for commands in SECTIONS.values() for name, told in commands.items()}


def commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    context = click.Context(strandline)
    for name in strandline.list_commands(context):
        command = strandline.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", it) for inner, it in command.commands.items()]
    return found


def test_the_help_lists_every_command_and_exit_code(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    for name in SUMMARIES:
        assert re.search(rf"^  {name}  ", said.out, re.MULTILINE)
    for code in CODES:
        assert re.search(rf"^  {code}  ", said.out, re.MULTILINE)
    assert cli().code == 2


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_has_help_a_person_can_learn_from(cli: Cli, name: str, command: click.Command) -> None:
    said = cli(*name.split(), "--help")
    assert said.code == 0
    examples = said.out.partition("Examples:\n")[2].splitlines()
    assert examples
    assert all("strandline" in example for example in examples)
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    if name in SUMMARIES:
        assert command.get_short_help_str(200) == SUMMARIES[name][1]


def test_help_and_version_need_no_engine() -> None:
    for argument in ("--help", "--version"):
        script = f"import sys, strandline_cli; strandline_cli.main(['{argument}']); print(sorted(sys.modules), file=sys.stderr)"
        modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
        assert "'click.core'" in modules
        assert "'strandline'" not in modules
        assert "'rich'" not in modules


def test_the_version_is_that_of_the_distribution(cli: Cli) -> None:
    assert cli("--version").out == f"strandline {version('strandline')}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replya"], "there is no command 'replya'. Did you mean 'replay'?"),
        (["replay", "log"], "name the store: --store sqlite:///forum.db, or set STRANDLINE_STORE."),
        (["replay", "--store", "sqlite:///x.db"], "Missing argument 'LOG...'."),
        (["dump", "--store", "oracle:x"], "no store is installed for 'oracle:x'"),
        (["dump", "--store", "sqlite://x"], "'sqlite://x' is no SQLite store"),
        (["digest", "--frob"], "No such option"),
        (["replay", "x", "--batch", "0", "--store", "sqlite:///x.db"], "Invalid value for '--batch'"),
        (["world", "--garbage", "1"], "Invalid value for '--garbage'"),
        (["world", "--events", str(10**15)], "a log lies between"),
        (["feed", "discover", "--sort", "best"], "Invalid value for '--sort'"),
        (["lexicon", "export", "com.example.none"], "'com.example.none' is none of"),
    ],
)
def test_what_is_not_understood_is_told_in_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("strandline: error: ")
    assert words in said.err
    assert list(tmp_path.iterdir()) == []


def test_the_store_is_named_before_or_after_the_command_or_by_the_environment(
    cli: Cli, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = cli("digest", "--store", store).out
    assert cli("--store", store, "digest").out == digest
    monkeypatch.setenv("STRANDLINE_STORE", "sqlite:///nowhere.db")
    assert cli("--store", store, "digest").out == digest
    assert cli("digest", "--store", store).out == digest
    assert cli("feed", "discover").code == 4
    monkeypatch.setenv("STRANDLINE_STORE", store)
    assert strandline_cli.main(["digest"]) == 0


def test_without_its_libraries_it_says_which_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("strandline_cli.") or name == "click"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)
    assert strandline_cli.main(["--version"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "pip install 'strandline[all]'" in said.err


def test_a_bug_is_told_as_one(cli: Cli, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise KeyError("oops")

    monkeypatch.setattr("strandline_cli.commands.dump.digest_of", broken)
    said = cli("digest", "--store", store)
    assert said.code == 70
    assert "Traceback" in said.err
    assert "please report it" in said.err


def test_the_world_is_written_whole_and_the_same_each_time(cli: Cli, tmp_path: Path) -> None:
    options = ["--seed", "3", "--events", "500", "--wire", "mixed"]
    printed = cli("world", *options).out.encode()
    assert len(printed.splitlines()) == 500
    cli("world", *options, "--out", tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == printed
    cli("world", *options, "--garbage", "0.1", "--out", tmp_path / "spoilt.gz")
    spoilt = list(read_lines(tmp_path / "spoilt.gz"))
    assert len(spoilt) == 500
    assert sum(isinstance(decode(line), BadEvent) for line in spoilt) > 25


def test_lexicons_are_exported_as_documents(cli: Cli, tmp_path: Path) -> None:
    every = cli("lexicon", "export").json
    assert {parse_document(document).id for document in every} >= {
        "social.coves.feed.vote",
        "com.atproto.repo.strongRef",
    }
    assert cli("lexicon", "export", "social.coves.feed.vote").json["id"] == "social.coves.feed.vote"
    assert cli("lexicon", "export", "--out", tmp_path / "lexicons").code == 0
    written = {json.loads(path.read_text())["id"] for path in tmp_path.rglob("*.json")}
    assert written == {document["id"] for document in every}
    assert (tmp_path / "lexicons/social/coves/feed/vote.json").is_file()


ON_A_TERMINAL = """
import os, sys, strandline_cli
for arguments in sys.argv[1:]:
    strandline_cli.main(arguments.split())
    print("=====", flush=True)
    os.environ["NO_COLOR"] = "1" if arguments.startswith("community") else ""
"""


def on_a_terminal(*commands: str) -> list[str]:
    """What commands print on a terminal, standard error with it; with NO_COLOR from the first `community` on."""
    ours, theirs = pty.openpty()
    settings = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *commands],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=settings | {"TERM": "xterm"},
    ):
        os.close(theirs)
        seen = bytearray()
        with suppress(OSError):  # so Linux says that the other side is closed
            while piece := os.read(ours, 65536):
                seen += piece
        os.close(ours)
    return seen.decode().split("=====")


def test_a_terminal_sees_progress_and_style_and_none_of_what_strangers_wrote(
    diary: Any, told: Callable[[Any], str], tmp_path: Path
) -> None:
    diary.sea(name="\x9b31m\u202esea")
    url = told(diary)
    (tmp_path / "log").write_bytes(b"\n".join(diary.lines))
    shown = f"community did:web:sea.example --store {url}"
    replay, dump, styled, unstyled, _ = on_a_terminal(
        f"replay {tmp_path / 'log'} --store {url}", f"dump --store {url}", shown, shown
    )
    assert "\x1b[" in replay
    assert "accounts hidden and restored" in replay
    assert "read         1" in re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", replay)
    assert r'"name":"\u009b31m\u202esea"' in dump
    assert "\x9b" not in dump
    assert "\x1b[1m" in styled
    assert "\x1b" not in unstyled
    assert r"name         \x9b31m\u202esea" in unstyled
