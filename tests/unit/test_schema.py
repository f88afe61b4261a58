"""
What a schema may say: every refusal is made where it is declared, and tells why; every word declared is in the digest.
"""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from strandline.errors import InvalidSchema
from strandline.ingest import layout_of
from strandline.judge import compile_judge
from strandline.lexicon import model as lexicon
from strandline.lexicon.model import Tolerance, definition, record
from strandline.ports import Layout
from strandline.schema import Attach, Column, Effective, Index, Keys, RecordKind, Rows, Schema, Search, Table, Type

NOTE, CARD, THING = "com.example.note", "com.example.card", "com.example.thing"


@record(NOTE)
class Note:
    """A note."""

    text: str = lexicon.text(max_length=10)


@record(NOTE)
class LongerNote:
    """A note."""

    text: str = lexicon.text(max_length=11)


@record(CARD, key="literal:self")
class Card:
    """A card, one a repo."""

    name: str = lexicon.text()


@definition(f"{THING}#part")
class Part:
    """Part of a record."""

    name: str = lexicon.text()


KIND = RecordKind(collection=NOTE, name="note", type=Note)
SELF = RecordKind(collection=CARD, name="card", type=Card)


def nothing(*_: Any) -> Any:
    return ()


SUMS = Rows(name="sums", key=(Column("subject", Type.KEY),), sums=("count", "score"), sources={NOTE: nothing})
OTHER = Rows(name="other", key=(Column("did"),), sums=("count",), sources={"sums": nothing, "pick": nothing})
PICK = Effective(name="pick", kind=NOTE, columns=(Column("why", null=True),), row=nothing)
SHOWN = Attach(
    name="shown",
    kind=NOTE,
    columns=(Column("text"), Column("size", Type.INTEGER)),
    row=nothing,
    carries=SUMS,
    derived=(Column("rank", Type.INTEGER),),
    derive=nothing,
    indexes=(Index("by_rank", partition=("text",), order=("rank",)),),
)
CARDS = Attach(name="cards", kind=CARD, by="repo", columns=(Column("name"),), row=nothing, carries=OTHER)
SCHEMA = Schema(namespaces=("com.example",), kinds=(KIND, SELF), views=(SUMS, PICK, OTHER, SHOWN, CARDS))

TEXT, NUMBER, MAYBE = Column("text"), Column("number", Type.INTEGER), Column("maybe", null=True)


def schema(
    *views: Any, kinds: tuple[RecordKind, ...] = (KIND, SELF), namespaces: tuple[str, ...] = ("com.example",)
) -> Schema:
    return Schema(namespaces=namespaces, kinds=kinds, views=views)


def rows(name: str = "sums", **values: Any) -> Rows:
    return Rows(**{"name": name, "key": (Column("subject"),), "sums": ("count",), "sources": {NOTE: nothing}, **values})


def attach(name: str = "shown", **values: Any) -> Attach:
    return Attach(**{"name": name, "kind": NOTE, "columns": (TEXT,), "row": nothing, **values})


def table(*columns: Column, key_size: int = 1, indexes: tuple[Index, ...] = (), name: str = "plain") -> Table:
    return Table(name, columns, key_size, indexes)


BY, WORDS = Search("by", "said", ("text",)), Column("words", Type.WORDS)


def searched(*searches: Search) -> Table:
    return Table("plain", (TEXT, MAYBE), 1, (), searches)


def layout(*views: Table, kept: tuple[Table, ...] = ()) -> Layout:
    return Layout(kept=kept, views=views, stamp={})


REFUSED: list[tuple[str, Callable[[], Any]]] = [
    # Names.
    ("'No': the name 'No' is no plain lower-case word", lambda: table(TEXT, name="No")),
    ("the name '' is no plain", lambda: table(TEXT, name="")),
    ("the name '1st' is no plain", lambda: table(Column("1st"))),
    ("the name 'a b' is no plain", lambda: table(Column("a b"))),
    ("the name 'a\"b' is no plain", lambda: table(Column('a"b'))),
    ("the name 'é' is no plain", lambda: table(Column("é"))),
    ("the name 'a\\n' is no plain", lambda: table(Column("a\n"))),
    (f"the name '{'a' * 42}' is no plain", lambda: table(Column("a" * 42))),
    ("the name 'from' is a word of Python's", lambda: table(Column("from"))),
    ("the name 'by-text' is no plain", lambda: table(TEXT, indexes=(Index("by-text"),))),
    ("the name 'com.example' is no plain", lambda: schema(kinds=(evolve(KIND, name="com.example"),))),
    ("'plain': 'text' stands twice", lambda: table(TEXT, NUMBER, TEXT)),
    ("'plain': 'by' stands twice", lambda: table(TEXT, indexes=(Index("by"), Index("by", order=("text",))))),
    ("'shown': 'count' stands twice", lambda: attach(columns=(Column("count"),), carries=evolve(SUMS, name="tally"))),
    ("'pick': 'rev' stands twice", lambda: Effective(name="pick", kind=NOTE, columns=(Column("rev"),), row=nothing)),
    (
        "'pick': 'same' stands twice",
        lambda: Effective(name="pick", kind=NOTE, subject=Column("same"), actor="same", row=nothing),
    ),
    ("'sums' stands twice", lambda: schema(SUMS, rows())),
    (f"{NOTE!r} stands twice", lambda: schema(kinds=(KIND, evolve(KIND, name="other")))),
    ("'note' stands twice", lambda: schema(kinds=(KIND, evolve(SELF, name="note")))),
    # Tables.
    ("a key of 0 columns; it needs at least one", lambda: table(TEXT, key_size=0)),
    ("a key of 0 columns", lambda: rows(key=())),
    ("a key of 2 columns", lambda: table(TEXT, key_size=2)),
    ("a key column may be null; nulls are not equal", lambda: table(TEXT, MAYBE, key_size=2)),
    ("a key column may be null", lambda: rows(key=(MAYBE,))),
    ("index 'by' names no column of it: 'size'", lambda: table(TEXT, indexes=(Index("by", order=("size",)),))),
    ("index 'by' names no column of it: 'size'", lambda: table(TEXT, indexes=(Index("by", partition=("size",)),))),
    (
        "index 'by' sorts by 'maybe', which may be null",
        lambda: table(TEXT, MAYBE, indexes=(Index("by", order=("maybe",)),)),
    ),
    # Views alone.
    ("no sums; a weighted set sums 1", lambda: rows(sums=())),
    ("whose key has 2 columns; sums are carried at one key", lambda: attach(carries=rows(key=(TEXT, NUMBER)))),
    ("carries 'sums', whose key is no record's", lambda: attach(carries=rows(key=(TEXT,)))),
    ("carries 'sums', whose key is a record's", lambda: attach(carries=SUMS, by="repo", kind=CARD)),
    ("`derived` and `derive` go together", lambda: attach(derived=(NUMBER,))),
    ("`derived` and `derive` go together", lambda: attach(derive=nothing)),
    # Views together.
    ("its source 'nowhere' is no kind and no view before it", lambda: schema(rows(sources={"nowhere": nothing}))),
    ("its source 'com.example.other' is no kind", lambda: schema(attach(kind="com.example.other"))),
    ("its source 'com.example.other' is no kind", lambda: schema(evolve(PICK, kind="com.example.other"))),
    ("its source 'pick' is no kind and no view before it; views are listed after", lambda: schema(SUMS, OTHER, PICK)),
    ("its source 'sums' is no kind and no view before it", lambda: schema(SHOWN, SUMS)),
    ("its source 'sums' is no kind and no view before it", lambda: schema(rows(sources={"sums": nothing}))),
    ("'sums' is no record kind; only sums follow other views", lambda: schema(SUMS, evolve(PICK, kind="sums"))),
    ("'sums' is no record kind; only sums follow other views", lambda: schema(SUMS, attach(kind="sums"))),
    (
        "the 'sums' it carries is not the schema's",
        lambda: schema(SUMS, evolve(SHOWN, carries=evolve(SUMS, sums=("count", "weight")))),
    ),
    ("two of one repo would claim one row", lambda: schema(attach(by="repo"))),
    # Kinds.
    (f"kind {NOTE!r} lies in none of the namespaces ('com.other',)", lambda: schema(namespaces=("com.other",))),
    (f"kind {NOTE!r} lies in none of the namespaces", lambda: schema(namespaces=("com.exam", "com.example.notes"))),
    ("is no lexicon type", lambda: schema(kinds=(evolve(KIND, type=str),))),
    ("its type is not that record but 'com.example.card'", lambda: schema(kinds=(evolve(KIND, type=Card),))),
    (
        "its type is not that record but 'com.example.thing#part'",
        lambda: schema(kinds=(RecordKind(collection=THING, name="part", type=Part),)),
    ),
    # Searches.
    ("a column of words may be null", lambda: table(TEXT, Column("words", Type.WORDS, null=True))),
    ("search 'by' names no column of it: 'size'", lambda: searched(Search("by", "said", ("size",)))),
    ("search 'by' names no column of it: 'size'", lambda: searched(Search("by", "said", ("text",), within=("size",)))),
    ("search 'by' names no column of it: 'size'", lambda: searched(Search("by", "said", ("text",), since="size"))),
    ("search 'by' sorts by 'maybe', which may be null", lambda: searched(Search("by", "said", ("maybe",)))),
    ("'plain': 'by' stands twice", lambda: searched(BY, BY)),
    ("'said', in which it is searched, is no table", lambda: layout(searched(BY))),
    ("'said', in which it is searched, is no table", lambda: layout(searched(BY), table(NUMBER, WORDS, name="said"))),
    ("'said', in which it is searched, is no table", lambda: layout(searched(BY), table(TEXT, MAYBE, name="said"))),
    ("words follow from what is kept; a view has them", lambda: layout(kept=(table(TEXT, WORDS),))),
    # What the engine keeps itself.
    ("two tables are named 'dormant'", lambda: layout_of(schema(rows("dormant")))),
    ("two tables are named 'register'", lambda: layout_of(schema(rows("register")))),
]


@pytest.mark.parametrize(("why", "declare"), REFUSED, ids=[why for why, _ in REFUSED])
def test_what_cannot_be_kept_right_is_refused_with_the_reason(why: str, declare: Callable[[], Any]) -> None:
    with pytest.raises(InvalidSchema) as refused:
        declare()
    assert why in str(refused.value)


def test_what_can_be_kept_right_is_taken() -> None:
    assert [view.name for view in SCHEMA.views] == ["sums", "pick", "other", "shown", "cards"]
    assert {"sums", "pick"} <= SCHEMA.followed
    assert layout_of(SCHEMA).table("shown") == SHOWN.table


def test_a_schema_may_be_carried_on() -> None:
    more = schema(SUMS, kinds=(KIND,)).extended(
        namespaces=("org.example",), kinds=(SELF,), views=(PICK, OTHER, SHOWN, CARDS)
    )
    assert more == Schema(namespaces=("com.example", "org.example"), kinds=SCHEMA.kinds, views=SCHEMA.views)
    assert more.view("pick") is PICK
    with pytest.raises(KeyError):
        more.view("nowhere")
    with pytest.raises(InvalidSchema):
        more.extended(views=(SUMS,))


def test_a_namespace_holds_itself_and_what_lies_below() -> None:
    held = {
        it: SCHEMA.holds(it) for it in ("com.example", NOTE, "com.example.a.b", "com.examples.note", "org.com.example")
    }
    assert held == {
        "com.example": True,
        NOTE: True,
        "com.example.a.b": True,
        "com.examples.note": False,
        "org.com.example": False,
    }


def test_the_columns_of_each_form_stand_in_order() -> None:
    def names(view: Any) -> list[str]:
        return [column.name for column in view.table.columns]

    assert names(SUMS) == ["subject", "count", "score"]
    assert names(PICK) == ["subject", "actor", "rkey", "rev", "why", "dormant"]
    assert names(SHOWN) == ["key", "text", "size", "count", "score", "rank"]
    assert names(CARDS) == ["did", "name", "count"]
    assert [view.table.key_size for view in SCHEMA.views] == [1, 2, 1, 1, 1]


def test_the_key_breaks_the_ties_of_an_index_that_is_not_total() -> None:
    indexes = (
        Index("ties", partition=("b",), order=("c", "a")),
        Index("total", order=("c",), total=True),
        Index("key"),
    )
    it = Table("it", (Column("a"), Column("b"), Column("d"), Column("c")), 3, indexes)
    assert [it.sort_columns(index) for index in it.indexes] == [("c", "a", "d"), ("c",), ("a", "b", "d")]


def _carrying(**changes: Any) -> Schema:
    sums = evolve(SUMS, **changes)
    return evolve(SCHEMA, views=(sums, PICK, OTHER, evolve(SHOWN, carries=sums), CARDS))


def _with(old: Any, new: Any) -> Schema:
    return evolve(SCHEMA, views=tuple(new if view is old else view for view in SCHEMA.views))


def _kind(**changes: Any) -> Schema:
    return evolve(SCHEMA, kinds=(evolve(KIND, **changes), SELF))


def _index(**changes: Any) -> Schema:
    return _with(SHOWN, evolve(SHOWN, indexes=(evolve(SHOWN.indexes[0], **changes),)))


DECLARED: dict[str, Callable[[], Schema]] = {
    "namespaces": lambda: evolve(SCHEMA, namespaces=("com.example", "org.example")),
    "kind's name": lambda: _kind(name="notes"),
    "kind's type": lambda: _kind(type=LongerNote),
    "kind's tolerances": lambda: _kind(tolerances=(Tolerance(path="text", max_length=11),)),
    "kind's version": lambda: _kind(version=2),
    "no kind": lambda: evolve(SCHEMA, kinds=(KIND,), views=SCHEMA.views[:4]),
    "no view": lambda: evolve(SCHEMA, views=SCHEMA.views[:4]),
    "views' order": lambda: evolve(SCHEMA, views=(PICK, SUMS, *SCHEMA.views[2:])),
    "view's name": lambda: _with(CARDS, evolve(CARDS, name="card")),
    "view's form": lambda: _with(CARDS, rows("cards", key=(Column("did"),))),
    "view's version": lambda: _with(CARDS, evolve(CARDS, version=2)),
    "rows' version": lambda: _carrying(version=2),
    "rows' key": lambda: _carrying(key=(Column("about", Type.KEY),)),
    "rows' sums": lambda: _carrying(sums=("count", "weight")),
    "rows' sources": lambda: _carrying(sources={NOTE: nothing, CARD: nothing}),
    "effective's version": lambda: _with(PICK, evolve(PICK, version=2)),
    "effective's subject": lambda: _with(PICK, evolve(PICK, subject=Column("subject", Type.KEY))),
    "effective's actor": lambda: _with(PICK, evolve(PICK, actor="who")),
    "effective's kind": lambda: _with(PICK, evolve(PICK, kind=CARD)),
    "column's null": lambda: _with(PICK, evolve(PICK, columns=(Column("why"),))),
    "attach's columns": lambda: _with(SHOWN, evolve(SHOWN, columns=(Column("text"), Column("long", Type.INTEGER)))),
    "column's type": lambda: _with(SHOWN, evolve(SHOWN, columns=(Column("text"), Column("size", Type.FLAG)))),
    "attach's carries": lambda: _with(CARDS, evolve(CARDS, carries=None)),
    "attach's derived": lambda: _with(SHOWN, evolve(SHOWN, derived=(*SHOWN.derived, Column("hot")))),
    "attach's by": lambda: _with(CARDS, evolve(CARDS, by="record", carries=SUMS)),
    "index's name": lambda: _index(name="ranked"),
    "index's partition": lambda: _index(partition=("size",)),
    "index's order": lambda: _index(order=("rank", "size")),
    "index's direction": lambda: _index(descending=False),
    "index's total": lambda: _index(total=True),
}


@pytest.mark.parametrize("what", DECLARED)
def test_each_thing_declared_is_in_the_fingerprint(what: str) -> None:
    assert DECLARED[what]().fingerprint != SCHEMA.fingerprint


def test_the_fingerprint_is_that_of_what_is_declared_and_of_nothing_else() -> None:
    again = Schema(namespaces=("com.example",), kinds=(evolve(KIND), evolve(SELF)), views=SCHEMA.views)
    assert again.fingerprint == SCHEMA.fingerprint
    assert len({declare().fingerprint for declare in DECLARED.values()}) == len(DECLARED)


def test_a_kind_with_a_literal_key_has_one_valid_record_a_repo() -> None:
    assert (SELF.literal, KIND.literal) == ("self", None)
    card = {"$type": CARD, "name": "Ann"}
    judge = compile_judge(SELF)
    assert judge.verdict("did:web:a.example", "self", card).record == Card(name="Ann")
    for rkey in ("Self", "self2", "3kp2222222222"):
        verdict = judge.verdict("did:web:a.example", rkey, card)
        assert verdict.record is None
        assert [(fault.path, fault.rule) for fault in verdict.faults] == [("$", "rkey")]
    assert {fault.rule for fault in judge.verdict("did:web:a.example", "me", {"$type": CARD}).faults} == {
        "required",
        "rkey",
    }
    note = {"$type": NOTE, "text": "Tides"}
    assert compile_judge(KIND).verdict("did:web:a.example", "any", note).faults == ()


def test_keys_turn_at_uris_round_and_back() -> None:
    keys: Keys = SCHEMA.keys
    for uri, key in (
        (f"at://did:web:a.example/{NOTE}/3k2a", "3k2a/note/web:a.example"),
        ("at://did:plc:aaaa/com.example.other/note", "note/com.example.other/aaaa"),
        ("at://did:plc:web:a.example/com.example.other/note", "note/com.example.other/plc:web:a.example"),
        (f"at://did:web:a.example%3A80/{CARD}/at:", "at:/card/web:a.example%3A80"),
    ):
        assert (keys.of(uri), keys.of(key), keys.uri(key)) == (key, key, uri)
