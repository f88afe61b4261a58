"""The consumer by hand that our Postgres ingest is measured against does our work, as the one of SQLite does."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import chain

import asyncpg
import pytest

from _by_hand_postgres import consume
from compared import Ask, numbers_by_hand, numbers_of_ours
from stirred import EVENTS, stirred
from strandline.forum.world import world
from strandline_postgres.testing import Server


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def by_hand(runner: asyncio.Runner, server: Server, schema: str, log: Iterable[bytes]) -> Ask:
    """Take a log in; return what asks the tables it left in a schema of their own."""
    path = {"search_path": schema}

    async def taken_in() -> None:
        connection = await asyncpg.connect(server.url(), server_settings=path)
        await connection.execute(f"CREATE SCHEMA {schema}")
        await consume(connection, log)
        await connection.close()

    async def asked(statement: str) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(server.url(), server_settings=path)
        rows = await connection.fetch(statement)
        await connection.close()
        return list(map(tuple, rows))

    runner.run(taken_in())
    return lambda statement: runner.run(asked(statement))


def test_a_log_in_order_gives_by_hand_what_it_gives_us(runner: asyncio.Runner, server: Server, schema: str) -> None:
    ask = by_hand(runner, server, schema, stirred(3))
    found = numbers_by_hand(ask)
    for name, rows in numbers_of_ours(stirred(3)).items():
        assert found[name] == rows, name
    for key, words, told, title in (
        ("uri", "post_words", "post", "title"),
        ("did", "community_words", "community WHERE visibility IS NOT NULL", "name"),
        ("did", "actor_words", "actor WHERE profile", "name"),
    ):
        stands = f"SELECT {key} FROM {told}"
        assert sorted(ask(f"SELECT {key} FROM {words}")) == sorted(ask(stands))
        written = f"SELECT {key} FROM {words} JOIN (SELECT {key}, {title} AS title FROM {told}) AS told USING ({key})"
        assert ask(f"{written} WHERE NOT words @@ plainto_tsquery('simple', title)") == []


def test_no_log_of_a_world_stops_it(runner: asyncio.Runner, server: Server, schema: str) -> None:
    log = list(world(7, EVENTS, late=0.2, repeats=0.1, spoilt=0.1))
    ask = by_hand(runner, server, schema, chain(log, reversed(log)))
    assert ask("SELECT time_us FROM cursor") == [(json.loads(log[0])["time_us"],)]
