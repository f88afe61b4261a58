"""`strandline dead-letters`: listed as ever, shown, tried again, thrown away."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from strandline import open_index
from strandline.event import BadEvent, decode
from strandline.forum import SCHEMA
from strandline_postgres.testing import Server

SCHEMAS = count()


@pytest.fixture(params=["sqlite", "postgres"])
def own(request: pytest.FixtureRequest, log: Path, tmp_path: Path) -> str:
    """The URL of a store that holds the garbage of the log and nothing else, to be written."""
    url = f"sqlite:///{tmp_path / 'own.db'}"
    if request.param == "postgres":
        postgres: Callable[[int], Server] = request.getfixturevalue("postgres")
        url = postgres(18).url(schema=f"dead_{next(SCHEMAS)}")
    with open_index(url, SCHEMA) as index:
        index.fold([line for line in log.read_bytes().splitlines() if isinstance(decode(line), BadEvent)])
    return url


def test_they_are_listed_with_and_without_the_word(cli: Any, own: str) -> None:
    said = cli("dead-letters", "--store", own, "--json", "--limit", 5)
    assert said.code == 0
    assert len(said.json) == 5
    assert cli("dead-letters", "list", "--store", own, "--json", "--limit", 5) == said
    assert cli("dead-letters", "--store", own, "list", "--json", "--limit", 5) == said
    assert cli("--store", own, "dead-letters", "list", "--json", "--limit", 5) == said


def test_one_is_shown_as_it_came(cli: Any, own: str) -> None:
    for it in cli("dead-letters", "--store", own, "--json").json:
        if "payload" in it:
            assert cli("dead-letters", "show", it["number"], "--store", own).out == it["payload"] + "\n"
            assert cli("dead-letters", "show", it["number"], "--json", "--store", own).json == it
            item = decode(it["payload"].encode())
            assert isinstance(item, BadEvent)
            assert item.reason == it["reason"]
    assert cli("dead-letters", "show", 99_999, "--store", own).code == 1


def test_what_is_still_bad_stays(cli: Any, own: str) -> None:
    before = cli("dead-letters", "--json", "--store", own)
    said = cli("dead-letters", "retry", "--json", "--store", own)
    assert said.json == {"folded": 0, "bad": len(before.json), "cut": 0}
    assert cli("dead-letters", "--json", "--store", own) == before
    assert cli("dead-letters", "retry", "1", "--store", own).out.split() == [
        "taken",
        "in",
        "0",
        "still",
        "bad",
        "1",
        "cut,",
        "not",
        "tried",
        "0",
    ]


def test_they_are_thrown_away_by_reason_by_age_or_all(cli: Any, own: str) -> None:
    before = cli("dead-letters", "--json", "--store", own).json
    reason = before[0]["reason"]
    assert cli("dead-letters", "purge", "--reason", reason, "--store", own).code == 0
    left = [it for it in before if it["reason"] != reason]
    assert cli("dead-letters", "--json", "--store", own).json == left
    assert cli("dead-letters", "purge", "--keep", "1", "--store", own).out == f"{len(left) - 1} thrown away\n"
    assert cli("dead-letters", "--json", "--store", own).json == left[:1]
    assert cli("dead-letters", "purge", "--all", "--store", own).out == "1 thrown away\n"
    assert cli("dead-letters", "--store", own).out == "there are no dead letters\n"


@pytest.mark.parametrize("arguments", [(), ("--all", "--keep", "3"), ("--reason", "party")])
def test_what_to_throw_away_must_be_said(cli: Any, own: str, arguments: tuple[str, ...]) -> None:
    assert cli("dead-letters", "purge", *arguments, "--store", own).code == 2
    assert cli("dead-letters", "--json", "--store", own).json
