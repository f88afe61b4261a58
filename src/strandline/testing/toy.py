"""
A small second schema, a lending library's, with which stores and the engine are proved: four kinds of record, and
views of every form over kinds and over views.

    loan ───> LOANS ──┬─> DEMAND ──> BOOKS ──┬─> HOLDINGS ──> SHELVES
    note ─────────────┼─> DEMAND             │      ^
    note ──> NOTES    ├─> READERS ───────────┼──────┘
                      └─> MOODS              └─> LANGUAGES

It is made to be unkind: sums of opposite signs that cancel out, a key in which many records meet, nulls, great numbers,
text that no sorter likes. `logs` are its hostile logs.

Source: the page "Views" of the documentation
"""

from base64 import b32encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from hypothesis import strategies as st

from strandline.event import Commit, Event
from strandline.lexicon import model as lexicon
from strandline.lexicon.fault import Fault, show
from strandline.lexicon.model import Limits, record
from strandline.schema import Attach, Column, Effective, Index, Live, RecordKind, Rows, Schema, Type, Weighted
from strandline.syntax import record_uri
from strandline.testing.strategies import Dice, Pools, Sketch
from strandline.testing.strategies import logs as hostile_logs

__all__ = [
    "ANN",
    "LOAN",
    "NAMESPACE",
    "POOLS",
    "SCHEMA",
    "SKETCHES",
    "Book",
    "Loan",
    "Note",
    "Shelf",
    "commit_logs",
    "logs",
]

NAMESPACE: Final = "com.example.library"
SHELF: Final = f"{NAMESPACE}.shelf"
BOOK: Final = f"{NAMESPACE}.book"
LOAN: Final = f"{NAMESPACE}.loan"
NOTE: Final = f"{NAMESPACE}.note"

GREATEST: Final = 2**53 - 1


@record(SHELF, key="literal:self")
class Shelf:
    """
    A library: the repo that holds its books.

    Attributes:
        name: What it is called.
    """

    name: str = lexicon.text(max_length=64)


@record(BOOK)
class Book:
    """
    A book, in its library's repo.

    Attributes:
        title: Its title, in any script.
        pages: How many pages it has; a negative number is missing pages.
        language: What it is written in.
        sequel: The book that goes on where it ends.
    """

    title: str = lexicon.text(max_length=256)
    pages: int = lexicon.integer(default=0)
    language: str | None = lexicon.text(default=None)
    sequel: str | None = lexicon.at_uri(default=None)


@record(LOAN)
class Loan:
    """
    A reader borrows a book; of two loans of one book the later counts.

    Attributes:
        book: The book.
        stars: What the reader thinks of it.
        returned: Whether it is back.
        instead: The book that the reader would rather have had.
    """

    book: str = lexicon.at_uri()
    stars: int = lexicon.integer(minimum=0, maximum=5)
    returned: bool = lexicon.boolean(default=False)
    instead: str | None = lexicon.at_uri(default=None)


@record(NOTE, key="any")
class Note:
    """
    A reader's note on some books; one that names a book twice counts twice.

    Attributes:
        books: The books.
        text: What it says.
    """

    books: tuple[str, ...] = lexicon.array(max_length=4, items=Limits(format="at-uri"))
    text: str = lexicon.text(default="")


def _uri_faults(path: str, uri: str | None) -> Iterator[Fault]:
    if uri is not None and record_uri(uri) is None:
        yield Fault(path, "house", f"is not at://did/collection/rkey: {show(uri)}")


def _book_rule(did: str, rkey: str, book: Book) -> Iterable[Fault]:
    yield from _uri_faults("$.sequel", book.sequel)


def _loan_rule(did: str, rkey: str, loan: Loan) -> Iterable[Fault]:
    yield from _uri_faults("$.book", loan.book)
    yield from _uri_faults("$.instead", loan.instead)


def _note_rule(did: str, rkey: str, note: Note) -> Iterable[Fault]:
    for at, uri in enumerate(note.books):
        yield from _uri_faults(f"$.books[{at}]", uri)


def _note_kept(note: Any) -> dict[str, Any] | None:
    books = note.get("books")
    return {"books": books} if isinstance(books, list) else None


KINDS: Final = (
    RecordKind(collection=SHELF, name="shelf", type=Shelf),
    RecordKind(collection=BOOK, name="book", type=Book, rule=_book_rule),
    RecordKind(collection=LOAN, name="loan", type=Loan, rule=_loan_rule),
    RecordKind(collection=NOTE, name="note", type=Note, rule=_note_rule, kept=_note_kept),
)


def _library(uri: str) -> str:
    return uri.split("/")[2]


def _loan(it: Live) -> tuple[str, tuple[Any, ...]]:
    loan: Loan = it.record
    return loan.book, (_library(loan.book), loan.stars, int(loan.returned), loan.instead)


LOANS: Final = Effective(
    name="loan",
    kind=LOAN,
    subject=Column("book", Type.KEY),
    actor="reader",
    columns=(
        Column("library"),
        Column("stars", Type.INTEGER),
        Column("returned", Type.FLAG),
        Column("instead", Type.KEY, null=True),
    ),
    row=_loan,
    indexes=(Index("by_reader", partition=("reader",), order=("stars",)),),
)


def _demand_of_loan(loan: Any) -> list[Weighted]:
    return [((loan.book,), (1, loan.returned, loan.stars, 0))]


def _demand_of_note(it: Live) -> list[Weighted]:
    return [((book,), (0, 0, 0, 1)) for book in it.record.books]


DEMAND: Final = Rows(
    name="demand",
    key=(Column("book", Type.KEY),),
    sums=("loans", "returned", "stars", "notes"),
    sources={"loan": _demand_of_loan, NOTE: _demand_of_note},
)


def _book(it: Live) -> tuple[Any, ...]:
    book: Book = it.record
    return it.did, it.cid, book.title, book.pages, book.language, book.sequel, it.first_seen_us, int(it.edited)


def _worth(book: tuple[Any, ...], demand: tuple[int, ...]) -> tuple[int]:
    loans, _, stars, notes = demand
    return (5 * stars - 13 * loans + notes,)


BOOKS: Final = Attach(
    name="book",
    kind=BOOK,
    columns=(
        Column("library"),
        Column("cid", Type.CID),
        Column("title"),
        Column("pages", Type.INTEGER),
        Column("language", null=True),
        Column("sequel", Type.KEY, null=True),
        Column("first_seen_us", Type.INTEGER),
        Column("edited", Type.FLAG),
    ),
    row=_book,
    carries=DEMAND,
    derived=(Column("worth", Type.INTEGER),),
    derive=_worth,
    indexes=(
        Index("by_worth", partition=("library",), order=("worth",)),
        Index("by_title", partition=("language",), order=("title",), descending=False),
    ),
)


def _note(it: Live) -> tuple[str, str, int]:
    return it.did, it.source, it.seen_us


NOTES: Final = Attach(
    name="note",
    kind=NOTE,
    columns=(Column("reader"), Column("source", Type.JSON), Column("seen_us", Type.INTEGER)),
    row=_note,
)


def _reader_of_loan(loan: Any) -> list[Weighted]:
    return [((loan.library, loan.reader), (1,))]


def _reader_of_note(it: Live) -> list[Weighted]:
    return [((_library(book), it.did), (1,)) for book in it.record.books]


READERS: Final = Rows(
    name="reader",
    key=(Column("library"), Column("reader")),
    sums=("ties",),
    sources={"loan": _reader_of_loan, NOTE: _reader_of_note},
)
"""A weighted set: who reads in a library. Its size, the distinct count, is a sum of HOLDINGS."""


def _holding_of_book(row: Any) -> list[Weighted]:
    return [((row.library,), (1, row.pages, row.worth, 0))]


def _holding_of_reader(row: Any) -> list[Weighted]:
    return [((row.library,), (0, 0, 0, 1))]


HOLDINGS: Final = Rows(
    name="holding",
    key=(Column("library"),),
    sums=("books", "pages", "worth", "readers"),
    sources={"book": _holding_of_book, "reader": _holding_of_reader},
)


def _shelf(it: Live) -> tuple[str, int]:
    return it.record.name, it.seen_us


def _pages_a_reader(shelf: tuple[Any, ...], holding: tuple[int, ...]) -> tuple[int | None]:
    _, pages, _, readers = holding
    return (pages // readers if readers else None,)


SHELVES: Final = Attach(
    name="shelf",
    kind=SHELF,
    by="repo",
    columns=(Column("name"), Column("seen_us", Type.INTEGER)),
    row=_shelf,
    carries=HOLDINGS,
    derived=(Column("pages_a_reader", Type.INTEGER, null=True),),
    derive=_pages_a_reader,
)


def _mood(loan: Any) -> list[Weighted]:
    return [((loan.reader,), (loan.stars - 2,))]


MOODS: Final = Rows(name="mood", key=(Column("reader"),), sums=("mood",), sources={"loan": _mood})
"""Sums that cancel out: a reader who likes as much as they dislike has no row."""


def _language(row: Any) -> list[Weighted]:
    return [] if row.language is None else [((row.language, row.edited), (1, row.stars))]


LANGUAGES: Final = Rows(
    name="language",
    key=(Column("language"), Column("edited", Type.FLAG)),
    sums=("books", "stars"),
    sources={"book": _language},
    indexes=(Index("by_stars", order=("stars",)),),
)

SCHEMA: Final = Schema(
    namespaces=(NAMESPACE,),
    kinds=KINDS,
    views=(LOANS, DEMAND, BOOKS, NOTES, READERS, HOLDINGS, SHELVES, MOODS, LANGUAGES),
)
"""Everything the library indexes."""


ANN, BOB, CAT = ("did:web:ann.example", "did:web:bob.example", "did:web:cat.example")
OAK, ELM = LIBRARIES = ("did:web:oak.example", "did:plc:elmelmelmelmelmelmelmelm")
RKEYS: Final = ("3kp2222222222", "3kq2222222222", "3kr2222222222")
REVS: Final = tuple(f"{start}2222222222" for start in ("222", "3ka", "3kb", "3kc", "3kd"))


def _cid(number: int) -> str:
    return "b" + b32encode(bytes((0x01, 0x71, 0x12, 0x20)) + bytes([number]) * 32).decode().lower().rstrip("=")


POOLS: Final = Pools(
    dids=(ANN, BOB, OAK, ELM, CAT),
    revs=REVS,
    cids=(_cid(0), _cid(1), "", f"{_cid(0)[:-1]}b", "no cid"),
    times_us=(1_000_000, 1_000_000, 2_000_000, 3_000_000),
    relay_seqs=(7, 7, 8),
    seen_us=(5_000_000, 6_000_000, 0, GREATEST),
    handles=("ann.example", "oak.example", None),
    statuses=(None, "deactivated", "takendown", ""),
)

TITLES: Final = ("Tides", "", "a\n\u202eb", "e\u0301", "\u00e9", "\uffff", "\U00010000", "'; --", "10", "9")
URIS: Final = tuple(
    f"at://{did}/{collection}/{rkey}"
    for did, collection, rkey in (
        *[(OAK, BOOK, RKEYS[0])] * 6,
        (ELM, BOOK, RKEYS[0]),
        (OAK, BOOK, RKEYS[1]),
        (ANN, NOTE, RKEYS[0]),
        ("did:web:gone.example", BOOK, RKEYS[0]),
        (OAK, "org.example.other", RKEYS[0]),
    )
)


def _shelf_record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    return {"name": dice.pick(("Oak", "", "\U0001f333"))}


def _book_record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    book: dict[str, Any] = {"title": dice.pick(TITLES), "pages": dice.pick((100, 0, -100, GREATEST, -GREATEST))}
    if dice.happens(50):
        book["language"] = dice.pick(("en", "", "\U00010000"))
    return {**book, "sequel": dice.pick(URIS)} if dice.happens(30) else book


def _loan_record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    loan: dict[str, Any] = {"book": dice.pick(URIS), "stars": dice.pick((1, 3, 0, 2, 5)), "returned": dice.happens(40)}
    return {**loan, "instead": dice.pick(URIS)} if dice.happens(30) else loan


def _note_record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
    return {"books": [dice.pick(URIS) for _ in range(dice.roll() % 4)], "text": dice.pick(TITLES)}


SPOILED: Final[tuple[tuple[str, Any], ...]] = (
    ("$type", f"{NAMESPACE}.sofa"),
    ("pages", "100"),
    ("stars", 6),
    ("title", 7),
    ("book", f"at://{OAK}"),
    ("books", ["at://oak.example"]),
    ("name", "o" * 65),
    ("note", "\x00"),
    ("note", "\ud800"),
    ("note", 2**53),
    ("note", 0.5),
)
"""Fields that break a record."""


def _sketch(
    collection: str,
    build: Callable[[Dice, str, str], dict[str, Any]],
    dids: tuple[str, ...],
    rkeys: tuple[str, ...],
    weight: int,
) -> Sketch:
    def record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
        spoil = dice.happens(8)
        made = {"$type": collection, **build(dice, did, rkey)}
        if spoil:
            name, value = dice.pick([(name, value) for name, value in SPOILED if name in made or name == "note"])
            made[name] = value
        return made

    return Sketch(collection=collection, dids=dids, rkeys=rkeys, record=record, weight=weight)


SKETCHES: Final = (
    _sketch(BOOK, _book_record, (OAK, OAK, ELM), RKEYS[:2], 6),
    _sketch(LOAN, _loan_record, (*(ANN,) * 5, BOB, CAT, OAK), RKEYS, 12),
    _sketch(NOTE, _note_record, (ANN, BOB), (RKEYS[0], "self", "a:b~c"), 4),
    _sketch(SHELF, _shelf_record, (OAK, OAK, ELM, ANN), (*("self",) * 5, RKEYS[0]), 4),
    _sketch(f"{NAMESPACE}.sofa", _shelf_record, LIBRARIES, RKEYS[:1], 1),
    _sketch("com.example.librarys", _shelf_record, LIBRARIES, RKEYS[:1], 1),
)
"""The four kinds, a collection of the namespace's that no kind declares, and one of another app."""


def logs(*, max_events: int = 25) -> st.SearchStrategy[list[Event]]:
    """Return a strategy for hostile logs of every event, in no order."""
    return hostile_logs(POOLS, SKETCHES, max_events=max_events)


def commit_logs(*, max_events: int = 25) -> st.SearchStrategy[list[Commit]]:
    """Return a strategy for hostile logs of commits only; each has a rev less than GREATEST_REV."""
    commits = hostile_logs(POOLS, SKETCHES, max_events=max_events, only_commits=True)
    return cast(st.SearchStrategy[list[Commit]], commits)
