"""
The figures of `/index`: true of what the store holds, and read without holding anybody up.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pages.conftest import Page, Site, parsed, site_over

from strandline import Cursor, Ingest, MemoryStore, StoreUnavailable, decode, layout_of, run
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.forum.xrpc import BlobUrls
from strandline.ingest import cursors_of
from strandline.session import Place
from strandline_http import OnLoop
from strandline_http.freshness import Freshness
from strandline_http.pages import figures as module
from strandline_http.pages.charts import HEIGHT, WIDTH, line
from strandline_http.pages.figures import Figures, Look, events_between, lag_of, rates, sources

STREAM = "jetstream v2 stream.example"
SEEN_US = 1_780_000_000_000_000
MINUTE_US = 60_000_000


def positions(lines: int, read: int, seen_us: int = SEEN_US) -> Mapping[str, int]:
    """The cursors of a log and of a stream, so far taken in."""
    told = cursors_of(Place(STREAM, 900_000_000 + read, seen_us), read)
    return {"file:/home/ann/log.ndjson": lines, **{it.source: it.position for it in told}}


def test_events_are_counted_by_the_lines_of_logs_and_the_counts_of_streams() -> None:
    looks = [Look(0, positions(0, 5)), Look(2_000_000, positions(100, 15)), Look(4_000_000, positions(100, 35))]
    assert rates(looks) == [(2_000_000, 55.0), (4_000_000, 10.0)]
    assert events_between(Look(0, {}), Look(1, {"file:/log": 7})) == 7


def test_places_of_a_stream_are_no_events() -> None:
    uncounted = {it.source: it.position for it in cursors_of(Place(STREAM, 900_000_000, SEEN_US))}
    v1 = {it.source: it.position for it in cursors_of(Place("jetstream v1 a.example", SEEN_US, SEEN_US))}
    assert events_between(Look(0, {}), Look(1, uncounted)) is None
    assert events_between(Look(0, {}), Look(1, v1)) is None
    assert rates([Look(0, uncounted), Look(1, uncounted)]) == []


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=5))
def test_no_rate_is_below_zero_whatever_a_cursor_does(told: list[tuple[int, int]]) -> None:
    looks = [Look(at, positions(*it)) for at, it in enumerate(told)]
    assert all(value >= 0 for _, value in rates(looks))


def test_the_lag_is_from_the_latest_event_that_was_seen() -> None:
    assert lag_of(Look(SEEN_US + 5, positions(100, 1))) == 5
    assert lag_of(Look(SEEN_US - 5, positions(100, 1))) == 0, "a clock may be behind"
    assert lag_of(Look(SEEN_US, {"file:/log": 7})) is None


def test_sources_are_shown_without_the_folders_and_passwords_of_who_runs_it() -> None:
    told = sources({**positions(12, 34), "jetstream v1 me:secret@a.example": 7, "stdin": 3})
    assert [it.name for it in told] == ["a.example", STREAM, "log.ndjson", "stdin"]
    assert [(it.lines, it.seen_us) for it in told[1:]] == [(34, SEEN_US), (12, None), (3, None)]


@given(st.lists(st.floats(0, 1e12, allow_nan=False), min_size=2, max_size=50))
def test_a_line_stays_within_its_box(values: list[float]) -> None:
    found = line(list(enumerate(values)))
    assert found is not None
    points = [tuple(map(float, it.split(","))) for it in found.points.split()]
    assert len(points) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert (found.least, found.most, found.latest) == (min(values), max(values), values[-1])


def told_by(store: MemoryStore, count: int = 1) -> dict[str, Any]:
    async def told() -> dict[str, Any]:
        readers = OnLoop(store)
        figures = Figures(readers, Freshness(readers, timeout_s=10))
        for _ in range(count):
            found = await figures.told()
        await figures.close()
        return found

    return asyncio.run(told())


@pytest.fixture
def store() -> MemoryStore:
    """A made-up forum, with garbage among its lines."""
    store = MemoryStore(layout_of(SCHEMA))
    lines = [*world(seed=7, events=3000), b"{", b"[]", b"[1]"]
    ingest = Ingest(store, SCHEMA)
    run(ingest.fold([decode(it) for it in lines], Cursor("file:/log", len(lines))))
    run(ingest.finish())
    return store


def test_what_was_refused_is_told_by_why(store: MemoryStore) -> None:
    census = told_by(store)["census"]
    reasons = [row[2] for row in run(store.page("dead_letter", "by_number", [()], limit=99))]
    assert {it.name: it.count for it in census.bad.bars} == {it: reasons.count(it) for it in set(reasons)}
    assert census.bad.all == census.bad.looked_at == len(reasons) > 2
    assert sum(it.count for it in census.quarantined.bars) == census.quarantined.all > 0


def test_what_is_indexed_is_counted(store: MemoryStore) -> None:
    async def rows(table: str) -> int:
        return sum([len(rows) async for _, rows in store.scan([table])])

    shown = {it.name: it.count for it in told_by(store)["census"].rows}
    for name, table in (("Posts", "post"), ("Votes", "vote"), ("Communities", "community"), ("Accounts", "repo")):
        assert shown[name] == run(rows(table)) > 0


def test_of_much_that_was_refused_a_part_is_looked_at_and_so_it_says(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LETTERS", 2)
    monkeypatch.setattr(module, "REFUSED", 2)
    census = told_by(store)["census"]
    assert (census.bad.looked_at, census.quarantined.looked_at) == (2, 2)
    assert census.bad.all > 2
    assert census.quarantined.all > 2


class Slow(MemoryStore):
    """A store that takes its time to count, and says how often it was asked to."""

    asked = 0

    async def counts(self) -> Mapping[str, int]:
        """Count, for a second."""
        self.asked += 1
        await asyncio.sleep(1)
        return await super().counts()


def test_nobody_waits_until_all_is_counted_and_it_is_not_counted_twice() -> None:
    slow = Slow(layout_of(SCHEMA))
    assert told_by(slow)["census"] is None
    assert told_by(slow, 20)["census"] is not None
    assert slow.asked == 2


class Away(MemoryStore):
    """A store whose cursors cannot be read."""

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[Any, None]:
        """Fail."""
        raise StoreUnavailable("away")
        yield


def test_a_store_that_is_away_has_no_figures() -> None:
    with pytest.raises(StoreUnavailable):
        told_by(Away(layout_of(SCHEMA)))


def shown(site: Site, path: str) -> Page:
    answer = site.ask(path)
    return Page(
        answer, parsed(answer.text if "<html" in answer.text else f"<!doctype html><title>x</title>{answer.text}")
    )


def test_the_page_shows_them_and_a_part_of_it_refreshes_them() -> None:
    with site_over("memory:", BlobUrls()) as site:
        ingest = Ingest(site.index.store, SCHEMA)
        run(ingest.fold([decode(b"{")], [Cursor(it, at) for it, at in positions(12, 34).items()]))
        for path in ("/index", "/index?part=figures"):
            page = shown(site, path)
            assert "log.ndjson" in page.text()
            assert "/home/ann" not in page.response.text
            assert "json" in page.text()
            rows = {it[0].text: it[1].text for it in page.all("tr") if len(it) == 3}
            assert rows["Posts"] == f"{len(site.index.ask(_posts)):,}"
        assert not shown(site, "/index?part=figures").all("header")


async def _posts(store: Any) -> list[Any]:
    return [row async for _, rows in store.scan(["post"]) for row in rows]
