"""
The engine over a schema that is no forum, against the obvious way: gather the live records, then count.

`strandline.testing` proves that any store gives what `MemoryStore` gives; this proves that what it gives is right.
"""

import os
from collections import Counter
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Event, Identity, Ingest, MemoryStore, Sync, layout_of, run
from strandline.event import canonical
from strandline.judge import compile_judges
from strandline.testing import strategies as hostile
from strandline.testing import toy
from strandline.testing.laws import Told, told

EXAMPLES = 5000 if "STRANDLINE_FULL" in os.environ else 200
JUDGES = compile_judges(toy.SCHEMA)
RANK = {"delete": 0, "create": 1, "update": 2}

Record = dict[str, Any]


def test_the_views_are_what_counting_gives() -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(log=toy.logs())
    def counted(log: list[Event]) -> None:
        assert folded(log) == naive(log)

    counted()


def test_an_election_among_many_is_what_counting_gives() -> None:
    dids, rkeys = (toy.ANN,), tuple(f"3kp222222222{at}" for at in "234567abcd")
    loans = [evolve(it, dids=dids, rkeys=rkeys) for it in toy.SKETCHES if it.collection == toy.LOAN]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(log=hostile.logs(toy.POOLS, loans, only_commits=True), cut=st.integers(0, 25))
    def counted(log: list[Event], cut: int) -> None:
        assert folded(log, cut) == naive(log)

    counted()


def test_an_election_finds_the_heir_when_the_greatest_leave_together() -> None:
    def loan(at: int, **changes: Any) -> Commit:
        record = {"$type": toy.LOAN, "book": f"at://{toy.OAK}/{toy.BOOK}/1", "stars": at % 6}
        it = Commit(
            did=toy.ANN,
            rev=f"3ka222222222{at}",
            operation="create",
            collection=toy.LOAN,
            rkey=str(at),
            record=record,
            seen_us=0,
        )
        return evolve(it, **changes)

    made = [loan(at) for at in range(2, 8)]
    for left in range(1, 7):
        gone = [loan(at, operation="delete", record=None, rev="3kb2222222222") for at in range(7, 7 - left, -1)]
        assert folded([*made, *gone], len(made)) == naive([*made, *gone])


def folded(log: list[Event], cut: int = 0) -> Told:
    store = MemoryStore(layout_of(toy.SCHEMA))
    index = Ingest(store, toy.SCHEMA)
    run(index.fold(log[:cut]))
    run(index.fold(log[cut:]))
    run(index.finish())
    return run(told(store, [view.name for view in toy.SCHEMA.views]))


def version(commit: Commit) -> Any:
    return commit.rev, RANK[commit.operation], commit.cid


def live_records(log: list[Event]) -> list[tuple[Commit, int, int, Record]]:
    """Every live record: a commit of its version, its least seen_us, its first_seen_us, and the record."""
    writes: dict[Any, list[Commit]] = {}
    for event in log:
        if isinstance(event, Commit) and event.collection in JUDGES:
            writes.setdefault((event.did, event.collection, event.rkey), []).append(event)
    floors = {
        event.did: max(it.rev for it in log if isinstance(it, Sync) and it.did == event.did)
        for event in log
        if isinstance(event, Sync)
    }
    accounts: dict[str, list[Any]] = {}
    for event in log:
        if isinstance(event, Account):
            accounts.setdefault(event.did, []).append(
                (event.time_us, event.relay_seq, not event.active, event.status or "")
            )
    hidden = {did for did, told in accounts.items() if max(told)[2]}
    found = []
    for (did, collection, rkey), commits in writes.items():
        standing = [it for it in commits if version(it) == max(map(version, commits))]
        put = max(standing, key=lambda it: canonical(it.record))
        if put.record is None or did in hidden or put.rev < floors.get(did, ""):
            continue
        if not JUDGES[collection].verdict(did, rkey, put.record).faults:
            first = min(it.seen_us for it in commits if it.record is not None)
            found.append((put, min(it.seen_us for it in standing), first, put.record))
    return found


def uri(put: Commit) -> str:
    return f"at://{put.did}/{put.collection}/{put.rkey}"


def key(uri: str | None) -> str | None:
    return None if uri is None else toy.SCHEMA.keys.of(uri)


def library(uri: str) -> str:
    return uri.split("/")[2]


Sums = dict[Any, list[int]]
Loans = dict[tuple[str, str], tuple[str, str, Record, int]]
Notes = list[tuple[str, str]]


def add(sums: Sums, at: Any, amounts: list[int]) -> None:
    sums[at] = [a + b for a, b in zip(sums.get(at, [0] * len(amounts)), amounts, strict=True)]


def naive(log: list[Event]) -> Told:
    """Every view of the log, from its live records alone."""
    live: dict[str, list[tuple[Commit, int, int, Record]]] = {}
    for it in live_records(log):
        live.setdefault(toy.SCHEMA.kind_of[it[0].collection].name, []).append(it)
    rivals: dict[Any, list[Any]] = {}
    for put, _, _, record in live.get("loan", ()):
        rivals.setdefault((record["book"], put.did), []).append((put.rev, put.rkey, record))
    loans = {pair: (*max(them, key=lambda it: it[:2]), len(them) - 1) for pair, them in rivals.items()}
    notes = [(put.did, book) for put, _, _, record in live.get("note", ()) for book in record["books"]]
    demand = count_demand(loans, notes)
    ties = Counter([(library(book), reader) for book, reader in loans] + [(library(book), it) for it, book in notes])
    books = [book_row(it, demand) for it in live.get("book", ())]
    holding = count_holding(books, ties)
    views: dict[str, list[Any]] = {
        "loan": [loan_row(pair, loan) for pair, loan in loans.items()],
        "demand": [(key(book), *sums) for book, sums in demand.items()],
        "book": books,
        "note": [(key(uri(put)), put.did, canonical(it).decode(), seen) for put, seen, _, it in live.get("note", ())],
        "reader": [(*pair, count) for pair, count in ties.items()],
        "holding": [(where, *sums) for where, sums in holding.items()],
        "shelf": [shelf_row(it, holding) for it in live.get("shelf", ())],
        "mood": count_mood(loans),
        "language": count_languages(books),
    }
    return {view: sorted(rows) for view, rows in views.items() if rows}


def count_demand(loans: Loans, notes: Notes) -> Sums:
    demand: Sums = {}
    for (book, _), (_, _, it, _) in loans.items():
        add(demand, book, [1, int(it.get("returned", False)), it["stars"], 0])
    for _, book in notes:
        add(demand, book, [0, 0, 0, 1])
    return demand


def count_holding(books: list[Any], ties: Counter[tuple[str, str]]) -> Sums:
    holding: Sums = {}
    for book in books:
        add(holding, book[1], [1, book[4], book[-1], 0])
    for where, _ in ties:
        add(holding, where, [0, 0, 0, 1])
    return holding


def count_mood(loans: Loans) -> list[Any]:
    mood: Counter[str] = Counter()
    for (_, reader), (_, _, it, _) in loans.items():
        mood[reader] += it["stars"] - 2
    return [(reader, sum_) for reader, sum_ in mood.items() if sum_]


def count_languages(books: list[Any]) -> list[Any]:
    languages: Sums = {}
    for book in books:
        if book[5] is not None:
            add(languages, (book[5], book[8]), [1, book[11]])
    return [(*it, *sums) for it, sums in languages.items()]


def loan_row(pair: tuple[str, str], loan: tuple[str, str, Record, int]) -> Any:
    rev, rkey, it, dormant = loan
    return (
        key(pair[0]),
        pair[1],
        rkey,
        rev,
        library(pair[0]),
        it["stars"],
        int(it.get("returned", False)),
        key(it.get("instead")),
        dormant,
    )


def book_row(item: tuple[Commit, int, int, Record], demand: Sums) -> Any:
    put, _, first, it = item
    loans, returned, stars, notes = demand.get(uri(put), [0] * 4)
    shown = (put.did, put.cid, it["title"], it["pages"], it.get("language"), key(it.get("sequel")), first)
    edited = int(put.operation == "update")
    return (key(uri(put)), *shown, edited, loans, returned, stars, notes, 5 * stars - 13 * loans + notes)


def shelf_row(item: tuple[Commit, int, int, Record], holding: Sums) -> Any:
    put, seen, _, it = item
    sums = holding.get(put.did, [0] * 4)
    return (put.did, it["name"], seen, *sums, sums[1] // sums[3] if sums[3] else None)


def test_the_logs_reach_every_view_and_every_event() -> None:
    reached: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, database=None)
    @given(log=toy.logs())
    def reach(log: list[Event]) -> None:
        reached.update({view: 1 for view, rows in folded(log).items() if rows})
        reached.update({type(event).__name__: 1 for event in log})
        reached.update(dormant=any(row[-1] for row in folded(log).get("loan", ())))

    reach()
    for name in (
        *(view.name for view in toy.SCHEMA.views),
        *(kind.__name__ for kind in (Commit, Identity, Account, Sync)),
        "dormant",
    ):
        assert reached[name] >= 5, (name, reached)
