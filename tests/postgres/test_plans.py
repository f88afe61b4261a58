"""
How the server finds what it is asked: every statement the adapter says of a table that grows goes by a tree.

The tables are filled with rows made up from their declarations, and the planner has looked at them. Reads are shown
with the plan that is made once for all values, which is what readers use, and writers' statements with one made for
the values. Sequential scans are not forbidden to the planner; only a scan, which reads whole tables, may use one.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import asyncpg
import pytest

from strandline.forum import SCHEMA
from strandline.ingest import layout_of
from strandline.ports import Key
from strandline.schema import Index, Row, Table, Type
from strandline.testing.laws import put
from strandline.words import query_of
from strandline_postgres import PostgresStore
from strandline_postgres.sql import own_indexes
from strandline_postgres.testing import Server

LAYOUT = layout_of(SCHEMA)
ROWS = 2000
GROUPS = 200
"""So many partitions an index has, about."""


def value(table: Table, at: int, number: int) -> Any:
    """Return the value of a column in a row, made up: keys differ, partitions are few, ranks are many."""
    column = table.columns[at]
    parts = {name for index in table.indexes for name in index.partition}
    if column.name in parts and at >= table.key_size:
        number %= GROUPS
    elif at < table.key_size - 1:
        number = number * 7919 % ROWS if at else number // 2
    match column.type:
        case Type.INTEGER:
            return number
        case Type.FLAG:
            return number % 2
        case Type.BYTES:
            return b"%d" % number
        case Type.JSON:
            return json.dumps([number] * 20)
        case Type.WORDS:
            return f" word {number} of {column.name.replace('_', ' ')} "
    return f"{column.name}:{number:06}"


def rows_of(table: Table) -> dict[Key, Row | None]:
    found = [tuple(value(table, at, number) for at in range(len(table.columns))) for number in range(ROWS)]
    return {row[: table.key_size]: row for row in found}


def questions(table: Table, index: Index) -> Iterator[dict[str, Any]]:
    """Yield every way in which an index is paged."""
    kept = [row for row in rows_of(table).values() if row is not None]
    parts = sorted({tuple(row[table.position[name]] for name in index.partition) for row in kept})[:300]
    sort, far = (
        tuple(kept[at][table.position[name]] for name in table.sort_columns(index))
        for at in (ROWS // 2, ROWS // 4 if index.descending else ROWS * 3 // 4)
    )
    for partitions in (parts[:1], parts[:2], parts):
        yield {"partitions": partitions, "limit": 50}
        yield {"partitions": partitions, "limit": 50, "each": 3}
        yield {"partitions": partitions, "limit": 50, "after": sort}
        yield {"partitions": partitions, "limit": 50, "bound": far[:1]}
        yield {"partitions": partitions, "limit": 50, "after": sort, "bound": far[:1]}
    if any(column.null for column in table.columns if column.name in index.partition):
        yield {"partitions": [(None,) * len(index.partition), *parts[:2]], "limit": 50}


class Heard:
    """What was said on a connection, once each, with the values of the first time."""

    def __init__(self) -> None:
        self.said: dict[str, Sequence[Any]] = {}

    def __call__(self, record: Any) -> None:
        plain = record.query.lstrip().startswith(("SELECT", "WITH", "INSERT", "DELETE", "UPDATE"))
        if plain and "pg_advisory" not in record.query:
            self.said.setdefault(record.query, record.args)


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def plans(connection: Any, statement: str, arguments: Sequence[Any]) -> list[list[dict[str, Any]]]:
    """Return the nodes of the plan for any values, and of that for these."""
    values = ", ".join("NULL" for _ in arguments)
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE it AS {statement}")
    any_values = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE it{f'({values})' if values else ''}")
    await connection.execute("DEALLOCATE it; RESET plan_cache_mode")
    these = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    return [list(nodes(json.loads(it)[0]["Plan"])) for it in (any_values, these)]


async def filled(server: Server, schema: str) -> tuple[Any, PostgresStore]:
    connection = await asyncpg.connect(server.url())
    store = await PostgresStore.over(connection, LAYOUT, schema=schema)
    await put(store, {table.name: rows_of(table) for table in LAYOUT.tables.values()})
    await connection.execute("ANALYZE")
    await connection.execute("SET enable_bitmapscan = off; SET random_page_cost = 1.1")
    return connection, store


@pytest.fixture(scope="module")
def told(postgres: Any) -> dict[str, dict[str, list[list[dict[str, Any]]]]]:
    """For what is done to each table, the plans of the statements that were said."""
    return asyncio.run(_told(postgres(18)))


async def _told(server: Server) -> dict[str, dict[str, list[list[dict[str, Any]]]]]:
    connection, store = await filled(server, "plans")
    found: dict[str, dict[str, list[list[dict[str, Any]]]]] = {}

    async def heard(name: str, doing: Any) -> None:
        ear = Heard()
        connection.add_query_logger(ear)
        await doing
        connection.remove_query_logger(ear)
        assert ear.said
        found[name] = {it: await plans(connection, it, arguments) for it, arguments in ear.said.items()}

    for table in LAYOUT.tables.values():
        some = dict(list(rows_of(table).items())[:200])
        await heard(f"{table.name} get", store.get(table.name, some))
        await heard(f"{table.name} get one", store.get(table.name, list(some)[:1]))
        await heard(f"{table.name} put", put(store, {table.name: some}))
        await heard(f"{table.name} delete", put(store, {table.name: dict.fromkeys(list(some)[:50])}))
        for index in table.indexes:
            for at, question in enumerate(questions(table, index)):
                await heard(f"{table.name} page {index.name} {at}", store.page(table.name, index.name, **question))
        await connection.execute("SET enable_bitmapscan = on")  # an index of words is read in no other way
        for search in table.searches:
            within = {name: [row[table.position[name]] for row in some.values() if row] for name in search.within}
            for typed in ("77", "word 77", '777* -"7778 of"'):
                asked = partial(store.search, table.name, search.name, query_of(typed), limit=9)
                await heard(f"{table.name} search {search.name} {typed!r}", asked())
                await heard(f"{table.name} search {search.name} {typed!r} within", asked(within=within, since=0))
        await connection.execute("SET enable_bitmapscan = off")
    await connection.close()
    return found


@cache
def of_a_table(relation: str) -> bool:
    """Tell whether a relation is a table of the layout: all of them grow."""
    return relation.partition(".")[0] in LAYOUT.tables


def test_no_statement_reads_a_whole_table(told: dict[str, dict[str, list[list[dict[str, Any]]]]]) -> None:
    seen = 0
    for what, statements in told.items():
        for statement, both in statements.items():
            for plan in both:
                for node in plan:
                    if of_a_table(node.get("Relation Name", "")):
                        seen += 1
                        assert node["Node Type"] != "Seq Scan", f"{what}: {statement}"
    assert seen > 500


def test_a_page_is_read_in_the_order_of_its_own_tree(told: dict[str, dict[str, list[list[dict[str, Any]]]]]) -> None:
    """By another tree it would have to read a partition whole, and sort it."""
    own = {(table.name, index.name) for table in LAYOUT.tables.values() for index in own_indexes(table)}
    total = {(table.name, index.name) for table in LAYOUT.tables.values() for index in table.indexes if index.total}
    for what, statements in told.items():
        table, does, *names = what.split()
        if does != "page":
            continue
        tree = f".{names[0]}" if (table, names[0]) in own else "_pkey"
        for statement, both in statements.items():
            for plan in both:
                for node in plan:
                    if of_a_table(node.get("Relation Name", "")):
                        assert node.get("Index Name", "").endswith(tree), f"{what}: {node['Node Type']}: {statement}"
                        if (table, names[0]) in total:
                            assert "Filter" not in node, f"{what}: {statement}"


def test_the_head_of_a_partition_is_read_from_the_tree_alone(
    told: dict[str, dict[str, list[list[dict[str, Any]]]]],
) -> None:
    for order in ("by_new", "by_hot", "by_top"):
        [both] = told[f"post page {order} 10"].values()
        for plan in both:
            assert [node["Node Type"] for node in plan].count("Index Only Scan") == 1
