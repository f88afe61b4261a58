"""The consumer by hand that we are measured against does our work: on a log in order, once, and valid, the same views."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain

import pytest

from _by_hand_sqlite import consume
from compared import numbers_by_hand, numbers_of_ours
from stirred import EVENTS, stirred
from strandline.forum.records import AUTHORIZATION, BLOCK, COMMENT, POST, SUBSCRIPTION, VOTE
from strandline.forum.world import world


@contextmanager
def by_hand(log: Iterable[bytes]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        consume(connection, log)
        yield connection


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_log_in_order_gives_by_hand_what_it_gives_us(seed: int) -> None:
    with by_hand(stirred(seed)) as connection:
        found = numbers_by_hand(lambda statement: connection.execute(statement).fetchall())
    for name, rows in numbers_of_ours(stirred(seed)).items():
        assert found[name] == rows, name


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("post_words", "post"),
        ("community_words", "community WHERE visibility IS NOT NULL"),
        ("actor_words", "actor WHERE profile"),
    ],
)
def test_what_stands_has_words_and_nothing_else_has(words: str, told: str) -> None:
    with by_hand(stirred(2)) as connection:
        places = connection.execute(f"SELECT rowid FROM {told} ORDER BY 1").fetchall()
        assert places
        assert connection.execute(f"SELECT rowid FROM {words} ORDER BY 1").fetchall() == places


def test_the_logs_hold_what_is_to_be_taken_back() -> None:
    """Else the test above would show little."""
    seen = Counter[str]()
    for line in stirred(2):
        event = json.loads(line)
        commit = event.get("commit", {})
        seen[f"{commit.get('collection', event['kind'])} {commit.get('operation')}"] += 1
        seen[f"active {event.get('account', {}).get('active')}"] += 1
    assert seen["active False"] > 50
    assert seen["active True"] > 50
    for collection in (POST, COMMENT, VOTE, SUBSCRIPTION, BLOCK, AUTHORIZATION):
        assert seen[f"{collection} delete"], collection
        assert seen[f"{collection} update"], collection
    with by_hand(stirred(2)) as connection:
        for table in ("dormant", "tally", "account WHERE NOT active", "subscription WHERE NOT value"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table


@pytest.mark.parametrize("spoilt", [0.001, 0.1])
def test_no_log_of_a_world_stops_it(spoilt: float) -> None:
    log = list(world(7, EVENTS, late=0.2, repeats=0.1, spoilt=spoilt))
    with by_hand(chain(log, reversed(log))) as connection:
        assert connection.execute("SELECT time_us FROM cursor").fetchall() == [(json.loads(log[0])["time_us"],)]
