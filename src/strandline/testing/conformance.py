"""
What every store must do, shipped: subclass `StoreConformance` and say how your store is opened.

    class TestMyStore(StoreConformance):
        durable = True

        def open(self, layout):
            return MyStore(new_address(), layout)

        def reopen(self, store):
            return MyStore(store.address, store.layout)

It proves the port, `strandline.ports.Store`: what is kept, how it is paged, what a scan, a rebuild and a crash leave;
and, over a schema of its own, every law of `strandline.testing.laws`. The port's oracle is plain: dicts of rows, and
pages made by filtering and sorting. What a store returns is compared by type too: 1 is no True, bytes no memoryview.

Source: https://zarr.readthedocs.io/en/stable/api/zarr/testing/store/, which ships its proof likewise
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

import pytest
from attrs import field, frozen
from hypothesis import strategies as st

from strandline.errors import StoreError
from strandline.ports import Changes, Counting, Found, Key, Layout, Store
from strandline.schema import Column, Index, Row, Search, Table, Type
from strandline.testing.laws import Held, Killed, LawsConformance, Told, put, told
from strandline.words import Query, query_of, words_of

__all__ = ["LAYOUT", "StoreConformance", "paged", "sought"]

T = TypeVar("T")

_PATIENCE_S: Final = 20.0
Rows = dict[str, dict[Key, Row]]

_GREATEST = 2**53 - 1

CURSOR: Final = Table("cursor", (Column("source"), Column("position", Type.INTEGER)))
TOLD: Final = Table(
    "told",
    (Column("did"), Column("group"), Column("size", Type.INTEGER)),
    indexes=(Index("by_group", partition=("group",), order=("size",)),),
)
PAIR: Final = Table("pair", (Column("left"), Column("right")), key_size=2)
COUNT: Final = Table("count", (Column("order"), Column("number", Type.INTEGER)))
ITEM: Final = Table(
    "item",
    (
        Column("rkey"),
        Column("number", Type.INTEGER),
        Column("group", null=True),
        Column("flag", Type.FLAG),
        Column("size", Type.INTEGER),
        Column("label"),
        Column("record", Type.KEY, null=True),
        Column("cid", Type.CID),
        Column("extra", Type.JSON, null=True),
        Column("select", Type.BYTES),
    ),
    key_size=2,
    indexes=(
        Index("everything"),
        Index("up", descending=False),
        Index("by_group", partition=("group",), order=("size",)),
        Index("by_label", partition=("group",), order=("label",), descending=False),
        Index("by_flag", partition=("flag", "group"), order=("size", "label")),
        Index("by_record", partition=("record",), order=("flag",), descending=False),
        Index("by_size", order=("size", "label", "rkey", "number"), total=True),
        Index("by_rkey", partition=("rkey",), order=("number",)),
        Index("by_number", partition=("number",), order=("rkey",), descending=False, total=True),
    ),
    searches=(
        Search("by_words", words="item_words", order=("size",), headed=True, within=("group", "rkey"), since="size"),
        Search("by_label", words="item_words", order=("label", "size"), within=("flag",)),
    ),
)
ITEM_WORDS: Final = Table(
    "item_words",
    (Column("rkey"), Column("number", Type.INTEGER), Column("match", Type.WORDS), Column("rank", Type.WORDS)),
    key_size=2,
)
ITEM_BY: Final = Table("item_by", (Column("rkey"), Column("label")), indexes=(Index("label", order=("label",)),))

NEAR: Final = Table(
    "near",
    (Column("number", Type.INTEGER), Column("rkey"), Column("label"), Column("size", Type.INTEGER), Column("cid")),
    key_size=3,
    near=1,
    indexes=(Index("by_number", partition=("number",), order=("rkey",), descending=False),),
)
"""Many of its rows are near each other."""

LAYOUT: Final = Layout(
    kept=(CURSOR, TOLD, NEAR),
    views=(PAIR, COUNT, ITEM, ITEM_WORDS, ITEM_BY),
    stamp={"schema": "conformance", "semantics": "1"},
)
"""What is kept for the proof: every type, keys of one and two columns, names that are words of SQL."""

TEXTS: Final = (
    *("a", "", "A", "aa", "b", " ", "a ", "ab\x01", "\x7f", "\n\t", "\u202e", "0", "9", "10", "1e3", "NULL", "null"),
    *("é", "e\u0301", "É", "ß", "ss", "i", "\u0130", "\u0131", "\u00ad", "\ud7ff", "\ue000", "\uffff", "\U00010000"),
    *("\U0001f30a", "\U0010ffff", "'; DROP TABLE item; --", '"', "\\", "%", "_", "?", ":name", "{}", "x" * 3000),
)
"""Text that stores have stumbled over; none has U+0000."""

INTEGERS: Final = (0, 1, -1, 9, 10, 2**31, -(2**31) - 1, 2**32, _GREATEST, -_GREATEST)

_CID = f"bafyrei{'a' * 51}q"
CIDS: Final = (
    _CID,
    _CID.replace("y", "k"),
    "",
    _CID[:-1] + "r",
    _CID.upper(),
    "b" + "a" * 58,
    "z2J6q",
    "no cid",
    _CID + "=",
    "b",
)
"""Content identifiers, and text that only looks like one: all come back as they went."""

VALUES: Final[Mapping[Type, tuple[Any, ...]]] = {
    Type.TEXT: TEXTS,
    Type.INTEGER: INTEGERS,
    Type.FLAG: (0, 1),
    Type.KEY: ("3k2a/note/web:a.example", "3k2a/com.example.note/plc:aaaa", "self/note/web:b.example"),
    Type.CID: CIDS,
    Type.JSON: ('{"a":[1,null,"\\ud800"]}', '"\U0001f30a"', "0", "[]", '{"b":1,"a":1.0}'),
    Type.BYTES: (b"", b"\x00\xff\x00", b"text", bytes(range(256)) * 20),
    Type.WORDS: (
        "",
        *map(words_of, ("a", "The sea, the SEA", "東京都 👍🏽", "x" * 3000, " ".join(map(str, range(3000))))),
    ),
}
FEW: Final[Mapping[str, tuple[Any, ...]]] = {
    "rkey": ("a", "b", "\uffff", "\U00010000", ""),
    "number": (0, 1, -_GREATEST),
    "group": ("a", None, "", "\U00010000"),
    "size": (0, 1, -1, _GREATEST),
    "label": ("a", "", "B", "\ue000", "\U0001f30a"),
}
"""Few values for the columns that pages sort by, so that rows tie."""


TERMS: Final = (
    "sea",
    "seal",
    "the",
    "tide",
    "tides",
    "Tïdes",
    "東京",
    "京都",
    "京",
    "हिन्दी",
    "👍🏽",
    "🇳🇱",
    "or",
    "near",
    "1",
)
"""Words, some of which begin others, that texts and queries are made of."""

HOSTILE: Final = (
    *("", " ", '"', '""', "*", "-", "- sea", "--sea", "-*", '"sea', 'sea"', "'", "''", "sea'; DROP TABLE item; --"),
    *("NEAR(sea tide)", "sea OR tide", "sea AND", "NOT sea", "match: sea", "{match rank}: sea", "^sea", "sea + tide"),
    *("(", ")", "((sea", "sea & !tide", "sea <-> tide", "sea:*", "sea:A", "!sea", "|", "\\", "\\'", "%", "_ea", "s%a"),
    *("sea\0tide", "\0", "\ud800", "\u202esea", "$1", "?1", ":name", "{}", "sea*tide", "*sea", "se**", '-"the sea"'),
    *("sea " * 3000, '"' * 5000, "(" * 5000, "-" * 5000, "sea-" * 100, "x" * 3000, "é" * 300, "東京" * 500),
)
"""What somebody may type to break a search: syntax of the databases, and much of it."""


# The oracle.


def paged(
    rows: Iterable[Row],
    table: Table,
    index: str,
    partitions: Sequence[Key],
    *,
    limit: int,
    each: int | None = None,
    after: Key | None = None,
    bound: Key | None = None,
) -> list[Row]:
    """Return the page that `Store.page` must return of a table that holds `rows`."""
    declared = table.index(index)
    sign = -1 if declared.descending else 1

    def values(row: Row, names: Sequence[str]) -> Key:
        return tuple(row[table.position[name]] for name in names)

    def at(row: Row) -> tuple[Any, ...]:
        return _bytewise(values(row, table.sort_columns(declared)))

    def asked(row: Row) -> bool:
        behind = after is None or _compare(at(row), _bytewise(after)) * sign > 0
        return behind and (bound is None or _compare(at(row)[: len(bound)], _bytewise(bound)) * sign <= 0)

    found: list[Row] = []
    for partition in dict.fromkeys(partitions):
        own = [row for row in rows if values(row, declared.partition) == partition and asked(row)]
        found += sorted(own, key=at, reverse=declared.descending)[:each]
    return sorted(found, key=at, reverse=declared.descending)[:limit]


def sought(
    rows: Iterable[Row],
    words: Mapping[Key, Row],
    search: str,
    query: Query,
    *,
    limit: int,
    within: Mapping[str, Sequence[Any]] | None = None,
    since: int | None = None,
    after: Key | None = None,
) -> list[Found]:
    """Return what `Store.search` must return where ITEM holds `rows` and ITEM_WORDS holds `words`."""
    declared = ITEM.search(search)

    def place(row: Row) -> Key:
        head = all(it in words[row[:2]][2] for it in query.wanted)
        return (
            *([int(head)] if declared.headed else []),
            *(row[ITEM.position[it]] for it in ITEM.found_columns(declared)),
        )

    def asked(row: Row) -> bool:
        texts = words.get(row[:2], (*row[:2], "", ""))[2:]
        wanted = [any(it in text for text in texts) for it in query.wanted]
        unwanted = [any(it in text for text in texts) for it in query.unwanted]
        kept = all(row[ITEM.position[name]] in values for name, values in (within or {}).items())
        late = since is None or declared.since is None or row[ITEM.position[declared.since]] >= since
        return bool(wanted) and all(wanted) and not any(unwanted) and kept and late

    found = [(place(row), row) for row in rows if asked(row)]
    behind = [it for it in found if after is None or _bytewise(it[0]) < _bytewise(after)]
    return sorted(behind, key=lambda it: _bytewise(it[0]), reverse=True)[:limit]


def _bytewise(key: Key) -> tuple[Any, ...]:
    return tuple(value.encode() if isinstance(value, str) else value for value in key)


def _compare(one: Key, other: Key) -> int:
    return (one > other) - (one < other)


def _changed(rows: Rows, changes: Changes) -> Rows:
    """Return what is there after a commit."""
    new = {table: dict(held) for table, held in rows.items()}
    for table, change in changes.items():
        held = {**new.get(table, {}), **change}
        new[table] = {key: row for key, row in held.items() if row is not None}
    return new


def _laid(rows: Rows) -> Told:
    """Return what a scan of all tables must give."""
    return {
        table: [row for _, row in sorted(held.items(), key=lambda item: _bytewise(item[0]))]
        for table, held in rows.items()
        if held
    }


def _typed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_typed(item) for item in value]
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    return type(value), value


async def _holds(store: Store, rows: Rows) -> None:
    """Check that the store holds these rows and no others, and finds each."""
    assert _typed(await told(store)) == _typed(_laid(rows))
    for table, held in rows.items():
        assert _typed(await store.get(table, held.keys())) == _typed(held)
        async with store.transaction() as transaction:
            assert _typed(await transaction.load(table, held.keys())) == _typed(held)


# What is drawn.


def _row(table: Table, pools: Mapping[str, Sequence[Any]]) -> st.SearchStrategy[Row]:
    return st.tuples(*(st.sampled_from(_pool(column, pools)) for column in table.columns))


def _pool(column: Column, pools: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    if column.name in pools and (column.null or None not in pools[column.name]):
        return pools[column.name]
    return (*VALUES[column.type], None) if column.null else VALUES[column.type]


def _keyed(table: Table, pools: Mapping[str, Sequence[Any]], most: int) -> st.SearchStrategy[dict[Key, Row]]:
    return st.lists(_row(table, pools), max_size=most).map(lambda rows: {row[: table.key_size]: row for row in rows})


def _changes(tables: Sequence[Table]) -> st.SearchStrategy[Changes]:
    """Return a strategy for commits: rows that come, rows that go, there or not, in some of the tables."""

    def merged(drawn: tuple[dict[Key, Row], dict[Key, Row]]) -> dict[Key, Row | None]:
        return {**dict.fromkeys(drawn[0]), **drawn[1]}

    some = {it.name: st.tuples(_keyed(it, FEW, 3), _keyed(it, FEW, 4)).map(merged) for it in tables}
    return st.fixed_dictionaries({}, optional=some)


@frozen(kw_only=True)
class Rebuilt:
    """A rebuild that fills the views with `changes`, and may fail then."""

    changes: Changes
    fails: bool


@frozen
class Reopened:
    """The store is closed and opened again."""


@frozen
class Asked:
    """A page, and the rows of the table it is asked of."""

    rows: dict[Key, Row]
    index: str
    partitions: list[Key]
    limits: dict[str, Any] = field(factory=dict)


@st.composite
def _asked(draw: st.DrawFn) -> Asked:
    rows = draw(_keyed(ITEM, FEW, 14))
    index = draw(st.sampled_from(ITEM.indexes))
    sort = ITEM.sort_columns(index)
    key = {column.name for column in ITEM.key}
    many = 4 if key <= set(sort) else 1  # else rows of two partitions may tie, and their order is nobody's promise
    partitions = draw(st.lists(_place(index.partition, rows), max_size=many))
    limits = draw(
        st.fixed_dictionaries(
            {"limit": st.integers(0, 16)},
            optional={
                "each": st.integers(0, 5) | st.none(),
                "after": _place(sort, rows) | st.none(),
                "bound": st.integers(0, len(sort)).flatmap(lambda size: _place(sort[:size], rows)) | st.none(),
            },
        )
    )
    return Asked(rows, index.name, partitions * draw(st.integers(1, 2)), limits)


@frozen
class Sought:
    """A search, and the rows and words of what is searched."""

    rows: dict[Key, Row]
    words: dict[Key, Row]
    search: str
    query: Query
    limits: dict[str, Any] = field(factory=dict)


def _texts() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(TERMS), max_size=6).map(" ".join).map(words_of)


def _queries() -> st.SearchStrategy[Query]:
    term = st.sampled_from(TERMS)
    phrase = st.lists(term, min_size=1, max_size=3).map(lambda terms: f'"{" ".join(terms)}"')
    plain = term | term.map(lambda it: f"{it[:2]}*") | phrase
    chunk = plain | plain.map("-{}".format) | st.sampled_from(HOSTILE)
    texts = st.lists(plain, min_size=1, max_size=2) | st.lists(chunk, max_size=4)
    return st.builds(lambda text, typing: query_of(text, typing=typing), texts.map(" ".join), st.booleans())


@st.composite
def _sought(draw: st.DrawFn) -> Sought:
    rows = draw(_keyed(ITEM, FEW, 14))
    others = draw(st.lists(st.tuples(st.sampled_from(FEW["rkey"]), st.sampled_from(FEW["number"])), max_size=2))
    words = {key: (*key, draw(_texts()), draw(_texts())) for key in {**rows, **dict.fromkeys(others)}}
    declared = draw(st.sampled_from(ITEM.searches))
    within = st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(st.sampled_from(_pool(_column(name), FEW)[:1]), max_size=2) for name in declared.within
        },
    )
    limits = draw(
        st.fixed_dictionaries(
            {"limit": st.integers(0, 16)},
            optional={"within": within, "since": st.sampled_from((-1, 0, 1)), "after": _found(declared, rows)},
        )
    )
    return Sought(rows, words, declared.name, draw(_queries()), limits)


def _found(search: Search, rows: Mapping[Key, Row]) -> st.SearchStrategy[Key]:
    heads = [st.sampled_from((0, 1))] if search.headed else []
    return st.tuples(*heads, _place(ITEM.found_columns(search), rows)).map(lambda it: (*it[:-1], *it[-1]))


def _column(name: str) -> Column:
    return ITEM.columns[ITEM.position[name]]


def _place(names: Sequence[str], rows: Mapping[Key, Row]) -> st.SearchStrategy[Key]:
    """Return a strategy for values of some columns: those of a row, or others."""
    columns = [ITEM.columns[ITEM.position[name]] for name in names]
    some = st.tuples(*(st.sampled_from(_pool(column, FEW)) for column in columns))
    there = sorted({tuple(row[ITEM.position[name]] for name in names) for row in rows.values()}, key=repr)
    return st.sampled_from(there) | some if there else some


def _item(number: int, **values: Any) -> Row:
    """Return a plain row of ITEM at ("a", number), with some values of its own."""
    plain: dict[str, Any] = {"rkey": "a", "number": number, "group": None, "flag": 0, "size": 0, "label": ""}
    plain |= {"record": None, "cid": "", "extra": None, "select": b""}
    return tuple({**plain, **values}[column.name] for column in ITEM.columns)


def _rows(table: Table, *rows: Row) -> dict[Key, Row]:
    return {row[: table.key_size]: row for row in rows}


SOME: Final[Rows] = {
    "cursor": _rows(CURSOR, ("log", 7)),
    "told": _rows(TOLD, ("did:web:a.example", "a", 1), ("did:web:b.example", "a", 2)),
    "near": _rows(NEAR, (1, "a", "", 5, ""), (1, "a", "b", 5, "")),
    "pair": _rows(PAIR, ("a", "b"), ("b", "a")),
    "count": _rows(COUNT, ("a", 1), ("b", _GREATEST)),
    "item": _rows(ITEM, _item(1, group="a"), _item(2, group="a", size=5), _item(3)),
    "item_by": _rows(ITEM_BY, ("a", "b")),
}
KEPT: Final[Rows] = {table.name: SOME[table.name] for table in LAYOUT.kept}
OTHER: Final[Rows] = {
    "count": _rows(COUNT, ("a", 2), ("c", 3)),
    "item": _rows(ITEM, _item(2, group="b"), _item(4, group="a", size=9)),
}

REFUSED: Final[Mapping[str, Row]] = {
    "null where a column has none": _item(9, label=None),
    "text in an integer": _item(9, size="many"),
    "a flag of 2": _item(9, flag=2),
    "bytes in text": _item(9, label=b"a"),
    "a row too short": _item(9)[:-1],
    "a row too long": (*_item(9), 0),
    "a lone surrogate": _item(9, label="\ud800"),
    "an integer past 64 bits": _item(9, size=2**63),
}


# What is proved.


def once(check: Callable[[Any, Held], Coroutine[Any, Any, None]]) -> Callable[["StoreConformance"], None]:
    """Make a test of a coroutine that is shown a new store."""

    def test(self: "StoreConformance") -> None:
        self.once(LAYOUT, partial(check, self))

    return _named(test, check)


def each(
    examples: st.SearchStrategy[T],
) -> Callable[[Callable[[Any, Held, T], Coroutine[Any, Any, None]]], Callable[["StoreConformance"], None]]:
    """Make a test of a coroutine that is shown an empty store with each of some examples."""

    def made(check: Callable[[Any, Held, T], Coroutine[Any, Any, None]]) -> Callable[["StoreConformance"], None]:
        def test(self: "StoreConformance") -> None:
            self.prove(LAYOUT, examples, partial(check, self))

        return _named(test, check)

    return made


def _named(test: Callable[..., None], check: Callable[..., Any]) -> Callable[..., None]:
    # Not functools.wraps: by that pytest would take the coroutine's arguments for fixtures.
    test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return test


class StoreConformance(LawsConformance):
    """
    Proves that a store keeps the port, and that an index over it keeps the laws.

    Attributes:
        refuses: It refuses, with a StoreError, a row that is not what its table declares.
    """

    refuses: ClassVar[bool] = True

    @once
    async def test_it_is_a_store_of_its_layout(self, held: Held) -> None:
        assert isinstance(held.store, Store)
        assert held.store.layout == LAYOUT

    @once
    async def test_a_new_store_is_empty_and_of_its_layouts_stamp(self, held: Held) -> None:
        await _holds(held.store, {})
        assert await held.store.get("item", [("a", 1)]) == {}
        assert dict(held.store.stamp) == LAYOUT.stamp
        for index in ITEM.indexes:
            assert await held.store.page("item", index.name, [(None,) * len(index.partition)], limit=9) == []

    # Keeping.

    @each(st.lists(st.tuples(_changes([*LAYOUT.tables.values()]), st.integers(1, 3)), max_size=4))
    async def test_what_was_committed_last_is_there(self, held: Held, commits: list[tuple[Changes, int]]) -> None:
        rows: Rows = {}
        for changes, step in commits:
            async with held.store.transaction() as transaction:
                for table, some in changes.items():
                    await transaction.load(table, list(some)[::step])
                await transaction.commit(changes)
            rows = _changed(rows, changes)
            await _holds(held.store, rows)

    @each(_keyed(ITEM, {}, 12))
    async def test_every_value_comes_back_as_it_went(self, held: Held, rows: dict[Key, Row]) -> None:
        await put(held.store, {"item": rows})
        await _holds(held.store, {"item": rows})

    @once
    async def test_a_commit_of_nothing_changes_nothing(self, held: Held) -> None:
        await put(held.store, SOME)
        await put(held.store, {})
        await put(held.store, {"item": {}, "pair": {}})
        await put(held.store, {"item": {("nowhere", 1): None}, "pair": {("a", "a"): None}})
        await put(held.store, SOME)
        await _holds(held.store, SOME)

    @once
    async def test_keys_that_are_not_there_are_left_out(self, held: Held) -> None:
        await put(held.store, SOME)
        async with held.store.transaction() as transaction:
            for ask in (held.store.get, transaction.load):
                assert await ask("item", []) == {}
                assert await ask("item", [("a", 7), ("a", 1), ("", 1), ("a", 1)]) == _rows(ITEM, _item(1, group="a"))
                assert await ask("item", {("A", 1)}) == {}

    @once
    async def test_a_commit_and_a_load_may_be_great(self, held: Held) -> None:
        rows = {"item": _rows(ITEM, *(_item(at, size=at % 7) for at in range(3000))), "pair": {("a", "b"): ("a", "b")}}
        await put(held.store, rows)
        await _holds(held.store, rows)
        asked = [("a", at) for at in range(1, 6000, 3)]
        found = {key: rows["item"][key] for key in asked if key in rows["item"]}
        async with held.store.transaction() as transaction:
            assert await transaction.load("item", asked) == found
        await put(held.store, {"item": dict.fromkeys(rows["item"])})
        await _holds(held.store, {"pair": rows["pair"]})

    @once
    async def test_a_transaction_left_without_a_commit_writes_nothing(self, held: Held) -> None:
        await put(held.store, SOME)
        async with held.store.transaction() as transaction:
            await transaction.load("item", list(SOME["item"]))
        with pytest.raises(Killed):
            await _killed_within(held.store)
        await _holds(held.store, SOME)
        await put(held.store, OTHER)
        await _holds(held.store, _changed(SOME, OTHER))

    @each(_asked())
    async def test_a_transaction_pages_as_the_store_does(self, held: Held, asked: Asked) -> None:
        await put(held.store, {"item": asked.rows})
        right = await held.store.page("item", asked.index, asked.partitions, **asked.limits)
        async with held.store.transaction() as transaction:
            assert await transaction.page("item", asked.index, asked.partitions, **asked.limits) == right

    @once
    async def test_who_follows_is_told_what_moved(self, held: Held) -> None:
        async with held.store.changes() as moves, asyncio.timeout(_PATIENCE_S):
            await put(held.store, {"pair": SOME["pair"], "item": {}})
            assert await anext(moves) == {"pair"}
            await put(held.store, {"item": SOME["item"]})
            await put(held.store, {"count": _rows(COUNT, ("a", 1))})
            found = await anext(moves)
            while found < {"count", "item"}:
                found |= await anext(moves)
            assert found == {"count", "item"}, "each once, or both together; and nothing twice"

    @once
    async def test_who_follows_is_told_of_nothing_else(self, held: Held) -> None:
        await put(held.store, SOME)
        async with held.store.changes() as moves, asyncio.timeout(_PATIENCE_S):
            await put(held.store, {})
            async with held.store.transaction() as transaction:
                await transaction.load("item", list(SOME["item"]))
            with suppress(KeyError, StoreError):
                await put(held.store, {"item": SOME["item"], "no_table": {("a",): ("a",)}})
            await put(held.store, {"pair": SOME["pair"]})
            assert await anext(moves) == {"pair"}

    @once
    async def test_who_follows_is_told_of_a_rebuild_at_its_end(self, held: Held) -> None:
        await put(held.store, SOME)
        async with held.store.changes() as moves, asyncio.timeout(_PATIENCE_S):
            async with held.store.rebuild() as beside:
                await put(beside, {"pair": SOME["pair"]})
            assert await anext(moves) == {table.name for table in LAYOUT.views}

    @once
    async def test_two_may_follow(self, held: Held) -> None:
        async with held.store.changes() as one, held.store.changes() as other, asyncio.timeout(_PATIENCE_S):
            await put(held.store, {"pair": SOME["pair"]})
            assert await anext(one) == await anext(other) == {"pair"}

    @once
    async def test_a_commit_is_all_or_nothing(self, held: Held) -> None:
        await put(held.store, SOME)
        with pytest.raises((KeyError, StoreError)):
            await put(held.store, {**OTHER, "pair": dict.fromkeys(SOME["pair"]), "no_table": {("a",): ("a",)}})
        await _holds(held.store, SOME)

    @once
    async def test_a_row_that_is_not_what_its_table_declares_stops_its_whole_commit(self, held: Held) -> None:
        if not self.refuses:
            pytest.skip("this store takes any row")
        await put(held.store, SOME)
        for why, row in REFUSED.items():
            changes = {**OTHER, "item": {**OTHER["item"], ("a", 9): row}, "cursor": _rows(CURSOR, ("log", 8))}
            assert await _refused(held.store, changes), why
            await _holds(held.store, SOME)
        await put(held.store, OTHER)
        await _holds(held.store, _changed(SOME, OTHER))

    # Paging.

    @each(_asked())
    async def test_a_page_is_what_filtering_and_sorting_give(self, held: Held, asked: Asked) -> None:
        await put(held.store, {"item": asked.rows})
        right = paged(asked.rows.values(), ITEM, asked.index, asked.partitions, **asked.limits)
        assert await held.store.page("item", asked.index, asked.partitions, **asked.limits) == right

    @each(st.tuples(_asked(), _changes([ITEM])))
    async def test_a_page_follows_every_change(self, held: Held, drawn: tuple[Asked, Changes]) -> None:
        asked, changes = drawn
        await put(held.store, {"item": asked.rows})
        await held.store.page("item", asked.index, asked.partitions, **asked.limits)
        await put(held.store, changes)
        rows = _changed({"item": asked.rows}, changes)["item"]
        right = paged(rows.values(), ITEM, asked.index, asked.partitions, **asked.limits)
        assert await held.store.page("item", asked.index, asked.partitions, **asked.limits) == right

    @each(st.tuples(_asked(), st.integers(1, 5)))
    async def test_a_walk_meets_each_row_once(self, held: Held, drawn: tuple[Asked, int]) -> None:
        asked, limit = drawn
        await put(held.store, {"item": asked.rows})
        places = [ITEM.position[name] for name in ITEM.sort_columns(ITEM.index(asked.index))]
        walked: list[Row] = []
        after: Key | None = None
        while page := await held.store.page("item", asked.index, asked.partitions, limit=limit, after=after):
            walked += page
            after = tuple(page[-1][place] for place in places)
        assert walked == paged(asked.rows.values(), ITEM, asked.index, asked.partitions, limit=99)

    @once
    async def test_text_sorts_as_utf_8_bytes(self, held: Held) -> None:
        ordered = sorted(TEXTS, key=str.encode)
        labels = _rows(ITEM, *(_item(at, label=text) for at, text in enumerate(TEXTS)))
        await put(held.store, {"count": _rows(COUNT, *((text, 0) for text in TEXTS)), "item": labels})
        assert [row[0] for row in (await told(held.store, ["count"]))["count"]] == ordered
        label = ITEM.position["label"]
        assert [row[label] for row in await held.store.page("item", "by_label", [(None,)], limit=99)] == ordered
        for bound in ordered:
            up = await held.store.page("item", "by_label", [(None,)], limit=99, bound=(bound,))
            assert [row[label] for row in up] == ordered[: ordered.index(bound) + 1]

    @once
    async def test_integers_sort_by_value(self, held: Held) -> None:
        await put(held.store, {"item": _rows(ITEM, *(_item(number, size=number) for number in INTEGERS))})
        assert [row[1] for row in (await told(held.store, ["item"]))["item"]] == sorted(INTEGERS)
        ordered = sorted(INTEGERS, reverse=True)
        assert [row[1] for row in await held.store.page("item", "by_size", [()], limit=99)] == ordered
        for bound in ordered:
            down = await held.store.page("item", "by_size", [()], limit=99, bound=(bound,))
            assert [row[1] for row in down] == ordered[: ordered.index(bound) + 1]
            behind = await held.store.page("item", "by_size", [()], limit=99, after=(bound, "", "a", bound))
            assert [row[1] for row in behind] == ordered[ordered.index(bound) + 1 :]

    # Searching.

    @each(_sought())
    async def test_a_search_is_what_reading_all_gives(self, held: Held, asked: Sought) -> None:
        await put(held.store, {"item": asked.rows, "item_words": asked.words})
        right = sought(asked.rows.values(), asked.words, asked.search, asked.query, **asked.limits)
        assert _typed(await held.store.search("item", asked.search, asked.query, **asked.limits)) == _typed(right)

    @each(st.tuples(_sought(), _changes([ITEM, ITEM_WORDS]), st.lists(_texts(), max_size=3)))
    async def test_a_search_follows_every_change(self, held: Held, drawn: tuple[Sought, Changes, list[str]]) -> None:
        asked, changes, texts = drawn
        await put(held.store, {"item": asked.rows, "item_words": asked.words})
        await held.store.search("item", asked.search, asked.query, **asked.limits)
        again = {key: (*key, text, text) for key, text in zip(asked.words, texts, strict=False)}
        changes = {**changes, "item_words": {**again, **changes.get("item_words", {})}}
        await put(held.store, changes)
        now = _changed({"item": asked.rows, "item_words": asked.words}, changes)
        right = sought(now["item"].values(), now["item_words"], asked.search, asked.query, **asked.limits)
        assert await held.store.search("item", asked.search, asked.query, **asked.limits) == right

    @each(st.tuples(_sought(), st.integers(1, 3)))
    async def test_a_walk_over_a_search_meets_each_row_once(self, held: Held, drawn: tuple[Sought, int]) -> None:
        asked, limit = drawn
        await put(held.store, {"item": asked.rows, "item_words": asked.words})
        walked: list[Found] = []
        after: Key | None = None
        while page := await held.store.search("item", asked.search, asked.query, limit=limit, after=after):
            walked += page
            after = page[-1][0]
        assert walked == sought(asked.rows.values(), asked.words, asked.search, asked.query, limit=99)

    @once
    async def test_nothing_that_is_typed_breaks_a_search(self, held: Held) -> None:
        texts = [
            words_of(" ".join(TERMS)),
            words_of("the sea"),
            "",
            words_of("x" * 3000, "sea"),
            words_of("東京" * 500),
        ]
        rows = _rows(ITEM, *(_item(at, size=at) for at in range(len(texts))))
        words = _rows(ITEM_WORDS, *(("a", at, text, texts[-at]) for at, text in enumerate(texts)))
        await put(held.store, {"item": rows, "item_words": words})
        for text in HOSTILE:
            for typing in (False, True):
                query = query_of(text, typing=typing)
                right = sought(rows.values(), words, "by_words", query, limit=9)
                assert await held.store.search("item", "by_words", query, limit=9) == right, repr(text[:40])

    @once
    async def test_a_search_may_be_kept_to_many_values(self, held: Held) -> None:
        rows = _rows(ITEM, *(_item(at, group=f"group {at}") for at in range(3000)))
        words = _rows(ITEM_WORDS, *(("a", at, " sea ", "") for at in range(3000)))
        await put(held.store, {"item": rows, "item_words": words})
        within = {"group": [f"group {at}" for at in range(0, 6000, 2)]}
        found = await held.store.search("item", "by_words", query_of("sea"), within=within, limit=2000)
        assert [row[1] for _, row in found] == list(range(2998, -1, -2))

    @once
    async def test_a_search_is_of_the_views_that_stand(self, held: Held) -> None:
        rows, words = _rows(ITEM, _item(1), _item(2)), _rows(ITEM_WORDS, ("a", 1, " sea ", ""), ("a", 2, " tide ", ""))

        async def numbers(store: Store, text: str) -> list[int]:
            return [row[1] for _, row in await store.search("item", "by_words", query_of(text), limit=9)]

        await put(held.store, {"item": rows, "item_words": words})
        for fails in (True, False):
            with suppress(Killed):
                async with held.store.rebuild() as beside:
                    assert await numbers(beside, "sea") == []
                    await put(beside, {"item": rows, "item_words": _rows(ITEM_WORDS, ("a", 2, "", " sea "))})
                    assert await numbers(beside, "sea") == [2]
                    assert await numbers(held.store, "sea") == [1]
                    if fails:
                        raise Killed
            assert await numbers(held.store, "sea") == [1 if fails else 2]
        await put(held.store, {"item": dict.fromkeys(rows)})
        assert await numbers(held.store, "sea") == []
        if self.durable:
            store = await held.reopen()
            await put(store, {"item": rows})
            assert await numbers(store, "sea") == [2]

    # Scanning.

    @once
    async def test_a_scan_gives_the_tables_asked_for_in_that_order(self, held: Held) -> None:
        await put(held.store, SOME)
        for tables in ([], ["item"], ["pair", "cursor", "item"], ["item", "pair"]):
            async with aclosing(held.store.scan(tables)) as chunks:
                found = [table async for table, rows in chunks for _ in rows]
            assert found == [table for table in tables for _ in SOME[table]]

    @once
    async def test_a_scan_is_one_snapshot(self, held: Held) -> None:
        many = {"pair": _rows(PAIR, *((f"{at:05}", "") for at in range(5000))), "item": SOME["item"]}
        await put(held.store, many)
        async with aclosing(held.store.scan(["pair", "item"])) as chunks:
            found: Rows = {"pair": {}, "item": {}}
            async for table, rows in chunks:
                found[table] |= {tuple(row[:2]): tuple(row) for row in rows}
                await put(held.store, {"pair": dict.fromkeys(many["pair"]), "item": OTHER["item"]})
        assert found == many
        await _holds(held.store, {"item": _changed(many, OTHER)["item"]})

    @once
    async def test_a_scan_left_early_holds_nothing_up(self, held: Held) -> None:
        await put(held.store, SOME)
        async with aclosing(held.store.scan(["pair", "item"])) as chunks:
            await anext(chunks)
        await put(held.store, {"item": dict.fromkeys(SOME["item"])})
        await _holds(held.store, {**SOME, "item": {}})

    @each(st.lists(_changes([*LAYOUT.tables.values()]), max_size=3))
    async def test_a_store_that_counts_its_rows_counts_right(self, held: Held, commits: list[Changes]) -> None:
        if not isinstance(held.store, Counting):
            return
        rows: Rows = {name: {} for name in LAYOUT.tables}
        for changes in commits:
            await put(held.store, changes)
            rows = _changed(rows, changes)
            assert await held.store.counts() == {name: len(there) for name, there in rows.items()}

    # Rebuilding.

    @once
    async def test_a_rebuild_starts_empty_beside_what_is_there(self, held: Held) -> None:
        await put(held.store, SOME)
        async with held.store.rebuild() as beside:
            await _holds(beside, KEPT)
            assert await beside.page("item", "by_group", [("a",)], limit=9) == []
            await put(beside, OTHER)
            await _holds(beside, {**KEPT, **OTHER})
            assert await beside.page("item", "by_group", [("a",)], limit=9) == [_item(4, group="a", size=9)]
            await _holds(held.store, SOME)
            assert len(await held.store.page("item", "by_group", [("a",)], limit=9)) == 2
        await _holds(held.store, {**KEPT, **OTHER})
        assert await held.store.page("item", "by_group", [("a",)], limit=9) == [_item(4, group="a", size=9)]
        assert dict(held.store.stamp) == LAYOUT.stamp

    @once
    async def test_a_rebuild_that_fails_leaves_the_views_as_they_were(self, held: Held) -> None:
        await put(held.store, SOME)
        for _ in range(2):
            await _rebuilt(held.store, Rebuilt(changes=OTHER, fails=True), SOME)
            await _holds(held.store, SOME)
            assert len(await held.store.page("item", "by_group", [("a",)], limit=9)) == 2
        await put(held.store, OTHER)
        await _holds(held.store, _changed(SOME, OTHER))

    @once
    async def test_a_rebuild_shares_the_kept_tables(self, held: Held) -> None:
        await put(held.store, SOME)
        assert len(await held.store.page("told", "by_group", [("a",)], limit=9)) == 2
        more = {"told": _rows(TOLD, ("did:web:c.example", "a", 3)), "cursor": _rows(CURSOR, ("log", 8))}
        await _rebuilt(held.store, Rebuilt(changes=more, fails=True), SOME)
        await _holds(held.store, _changed(SOME, more))
        assert len(await held.store.page("told", "by_group", [("a",)], limit=9)) == 3

    @once
    async def test_a_scan_goes_on_through_a_rebuild(self, held: Held) -> None:
        await put(held.store, SOME)
        async with aclosing(held.store.scan(["pair", "item"])) as chunks:
            found = [*(await anext(chunks))[1]]
            async with held.store.rebuild() as beside:
                await put(beside, OTHER)
            async for _, rows in chunks:
                found += rows
        assert found == [row for table in ("pair", "item") for row in _laid(SOME)[table]]

    @each(
        st.lists(
            st.builds(Rebuilt, changes=_changes(LAYOUT.views), fails=st.booleans())
            | _changes([*LAYOUT.tables.values()])
            | st.builds(Reopened),
            max_size=6,
        )
    )
    async def test_any_history_leaves_what_it_should(self, held: Held, steps: list[Any]) -> None:
        rows: Rows = {}
        for step in steps:
            if isinstance(step, Rebuilt):
                rows = await _rebuilt(held.store, step, rows)
            elif isinstance(step, Reopened):
                if self.durable:
                    await held.reopen()
            else:
                await put(held.store, step)
                rows = _changed(rows, step)
            await _holds(held.store, rows)

    # Outliving.

    @once
    async def test_what_was_kept_is_there_when_it_is_opened_again(self, held: Held) -> None:
        if not self.durable:
            pytest.skip("this store keeps nothing when it is closed")
        await put(held.store, SOME)
        store = await held.reopen()
        await _holds(store, SOME)
        assert dict(store.stamp) == LAYOUT.stamp
        async with store.rebuild() as beside:
            await put(beside, OTHER)
        store = await held.reopen()
        await _holds(store, {**KEPT, **OTHER})
        assert await store.page("item", "by_group", [("a",)], limit=9) == [_item(4, group="a", size=9)]

    @once
    async def test_a_rebuild_that_died_leaves_the_views_as_they_were(self, held: Held) -> None:
        if not self.durable:
            pytest.skip("this store keeps nothing when it is closed")
        await put(held.store, SOME)
        dying = held.store.rebuild()
        beside = await dying.__aenter__()
        await put(beside, OTHER)
        store = await held.reopen()
        with suppress(Killed, StoreError):
            await dying.__aexit__(Killed, Killed(), None)
        await _holds(store, SOME)
        async with store.rebuild() as beside:
            await _holds(beside, KEPT)
            await put(beside, OTHER)
        await _holds(await held.reopen(), {**KEPT, **OTHER})


async def _killed_within(store: Store) -> None:
    async with store.transaction() as transaction:
        await transaction.page("item", "by_group", [("a",)], limit=1)
        raise Killed


async def _refused(store: Store, changes: Changes) -> bool:
    try:
        await put(store, changes)
    except StoreError:
        return True
    return False


async def _rebuilt(store: Store, step: Rebuilt, rows: Rows) -> Rows:
    """Rebuild, and return what is there then."""
    try:
        async with store.rebuild() as beside:
            await put(beside, step.changes)
            if step.fails:
                raise Killed
    except Killed:
        return rows
    kept = {table.name: rows.get(table.name, {}) for table in LAYOUT.kept}
    return _changed(kept, step.changes)
