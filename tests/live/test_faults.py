"""Each way in which a host or a store can fail, alone: what the follower makes of it, end to end over a socket."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from strandline import Ingest, MemoryStore, decode, layout_of
from strandline.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInterrupted,
    StoreLocked,
    StoreReadOnly,
    StoreStale,
    StoreTooNew,
    StoreUnavailable,
)
from strandline.event import Account, BadEvent, Commit, Control, Decoded, Event
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import cursors_of
from strandline.jobs import STEP
from strandline.session import Filter, Place, follow
from strandline.wire import to_v1
from strandline_jetstream import Follower, connection, follower, host_of
from strandline_jetstream.testing import Close, Cut, Error, Fate, Faults, Jetstream, Refuse, Stall, serving

T = 1_780_000_000_000_000
WIRES = pytest.mark.parametrize("wire", ["/subscribe", ""], ids=["v1", "v2"])


def events(count: int, step_us: int = 1_000_000, repos: int = 3) -> list[Commit]:
    """Writes of some repos, one a step."""
    revs = "234567abcdefghijklmnopqrstuvwxyz"
    return [
        Commit(
            did=f"did:web:r{at % repos}.example",
            rev=f"3k2aaaaaaa{revs[at // 1024]}{revs[at // 32 % 32]}{revs[at % 32]}",
            operation="delete",
            collection="social.coves.feed.vote",
            rkey=str(at),
            seen_us=T + at * step_us,
        )
        for at in range(count)
    ]


LOG = events(60)
LINES = [to_v1(it) for it in LOG]


@define
class Taken:
    """What was delivered, and what is to go wrong with it first."""

    items: list[Decoded] = field(factory=list)
    places: list[Place] = field(factory=list)
    troubles: list[StoreError] = field(factory=list)
    until: Callable[["Taken"], bool] = lambda it: len(it.commits) == len(LOG)
    follower: Follower | None = None

    @property
    def commits(self) -> set[str]:
        return {it.rkey for it in self.items if isinstance(it, Commit)}

    @property
    def said(self) -> Follower:
        assert self.follower is not None
        return self.follower

    async def deliver(self, items: Sequence[Decoded], place: Place | None) -> None:
        if self.troubles:
            raise self.troubles.pop()
        self.items += items
        self.places += [place] if place is not None else []
        if self.until(self):
            self.said.interrupt()


async def followed(
    *urls: str, taken: Taken | None = None, places: Sequence[Place] = (), patience_s: float = 300.0, **how: Any
) -> Taken:
    """Follow these hosts until all has come."""
    taken = taken or Taken()
    session = follow([host_of(it) for it in urls], places, pause_us=10_000, **how)
    taken.follower = Follower(session, taken.deliver, patience_s=patience_s)
    async with asyncio.timeout(20):
        assert await taken.follower.follow() == ""
    return taken


def run(test: Awaitable[Any]) -> Any:
    async def awaited() -> Any:
        return await test

    return asyncio.run(awaited())


async def through(wire: str, faults: Faults, lines: Sequence[bytes] = LINES, **how: Any) -> tuple[Taken, Jetstream]:
    async with serving(lines, faults) as jetstream:
        return await followed(f"{jetstream.url}{wire}", **how), jetstream


@WIRES
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "fate",
    [
        Cut(0),
        Cut(1),
        Cut(31),
        Close(30, 1001, "restart"),
        Close(30, 1000),
        Refuse(503, "ServiceUnavailable"),
        Refuse(429),
    ],
)
def test_after_a_lost_connection_all_comes(wire: str, compress: bool, fate: Fate) -> None:
    faults = Faults(fates=[fate])
    taken, jetstream = run(through(wire, faults, compress=compress))
    assert (faults.fates, len(jetstream.asked)) == ([], 2)
    assert taken.places[-1].position == (LOG[-1].seen_us if wire else len(LOG))


@WIRES
def test_a_connection_that_is_still_is_left(wire: str) -> None:
    taken, jetstream = run(through(wire, Faults(fates=[Stall(20)]), silence_us=100_000))
    assert len(jetstream.asked) == 2
    assert taken.said.status.connections == 2


@WIRES
def test_what_comes_twice_is_delivered_twice_and_its_place_stays(wire: str) -> None:
    taken, _ = run(through(wire, Faults(twice=2)))
    assert len(taken.items) > len(LOG)
    assert taken.places[-1].position == (LOG[-1].seen_us if wire else len(LOG))


def test_an_error_frame_is_told_and_the_stream_goes_on_after_it() -> None:
    taken, jetstream = run(through("", Faults(fates=[Error(30, "ConsumerTooSlow", "read faster")])))
    assert Control("error", "ConsumerTooSlow: read faster") in taken.items
    assert taken.said.status.control == 1
    assert len(jetstream.asked) == 2


@WIRES
def test_garbage_is_delivered_as_it_came_and_stops_nothing(wire: str) -> None:
    garbage = [b"{", b"\xff\xfe", b"", b"[1]", b'{"$type":"message","payload":7}', "é".encode()]
    lines = [LINES[0], *garbage, *LINES[1:]]
    taken, _ = run(through(wire, Faults(fates=[Cut(8)]), lines=lines))
    assert {it.payload for it in taken.items if isinstance(it, BadEvent)} == set(garbage)
    assert sum(taken.said.status.bad.values()) >= len(garbage)


@WIRES
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\x00nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 302 Found\r\nLocation: gopher://x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno zstd..",
    ],
)
def test_a_host_that_talks_nonsense_is_lost_and_tried_again(wire: str, answer: bytes) -> None:
    """To whoever asks for a dictionary, and to whoever wants a websocket."""
    asked: list[bytes] = []
    followers: list[Follower] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.write(answer)
        writer.close()
        if [b"subscribe" in it for it in asked].count(True) == 3:
            followers[0].interrupt()

    async def test() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server, asyncio.timeout(20):
            host = host_of(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{wire}")
            followers.append(Follower(follow([host], [], pause_us=10_000), Taken().deliver))
            assert await followers[0].follow() == ""

    run(test())
    assert followers[0].status.connections == 0
    assert followers[0].status.last_error


def test_an_interrupted_follower_leaves_nothing_to_be_waited_for() -> None:
    """A host that keeps its dictionary to itself is waited for in a thread."""
    callers: list[socket.socket] = []

    async def test() -> float:
        following = Follower(follow([host_of(f"ws://127.0.0.1:{silent.getsockname()[1]}")], []), Taken().deliver)
        at_work = asyncio.create_task(following.follow())
        callers.append((await asyncio.get_running_loop().sock_accept(silent))[0])
        following.interrupt()
        assert await at_work == ""
        return time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        ended_s = asyncio.run(test())
        callers[0].close()
    assert time.monotonic() - ended_s < follower.FETCH_S / 2


@WIRES
def test_a_frame_that_is_too_big_is_told_and_got_past(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "MAX_FRAME_BYTES", 1024)
    monkeypatch.setattr(follower, "ENVELOPE_BYTES", 0)
    monkeypatch.setattr("strandline.session.MAX_FRAME_BYTES", 1024)
    lines = [*LINES[:30], b"x" * 2048, *LINES[30:]]
    taken, jetstream = run(through(wire, Faults(), lines=lines, compress=False))
    bad = [it for it in taken.items if isinstance(it, BadEvent)]
    assert {it.reason for it in bad} == {"line-too-long"}
    assert all(b"after position" in it.payload for it in bad)
    assert "maxMessageSizeBytes=1024" in jetstream.asked[1]


def test_what_a_v1_host_no_longer_has_is_reported_as_a_gap() -> None:
    far = events(60, step_us=60_000_000)
    taken = Taken(until=lambda it: "59" in it.commits)

    async def test() -> None:
        async with serving([to_v1(it) for it in far], Faults(lost=40)) as jetstream:
            place = Place(host_of(f"{jetstream.url}/subscribe").source, far[10].seen_us, far[10].seen_us)
            await followed(f"{jetstream.url}/subscribe", taken=taken, places=[place])

    run(test())
    assert taken.said.status.gaps == 1
    assert taken.commits == {str(at) for at in range(40, 60)}


def test_a_number_that_is_too_old_is_a_gap_and_the_stream_goes_on_from_what_there_is() -> None:
    taken = Taken(until=lambda it: "59" in it.commits)

    async def test() -> Jetstream:
        async with serving(LINES, Faults(lost=40)) as jetstream:
            place = Place(host_of(jetstream.url).source, 11, LOG[10].seen_us)
            await followed(jetstream.url, taken=taken, places=[place])
            return jetstream

    jetstream = run(test())
    assert taken.said.status.gaps == 1
    assert taken.commits == {str(at) for at in range(40, 60)}
    assert [it.rpartition("cursor=")[2] for it in jetstream.asked] == ["11", str(LOG[10].seen_us - 300_000_000)]


def test_at_another_host_nothing_is_missed_though_its_numbers_and_its_order_are_its_own() -> None:
    async def test() -> tuple[Taken, Jetstream]:
        away: list[Fate] = [Cut(25), *[Refuse(503)] * 2]
        async with serving(LINES, Faults(fates=away)) as one, serving(LINES, first=9_000, shuffled=6) as other:
            return await followed(one.url, other.url), other

    taken, other = run(test())
    assert len(other.asked) == 1
    assert taken.places[-1].source == host_of(other.url).source
    assert taken.places[-1].position == 9_059


@pytest.mark.parametrize("wires", [("", "/subscribe"), ("/subscribe", "")])
def test_hosts_of_both_wires_stand_in_for_each_other(wires: tuple[str, str]) -> None:
    async def test() -> Taken:
        away: list[Fate] = [Close(25), *[Refuse(503)] * 2]
        async with serving(LINES, Faults(fates=away)) as one, serving(LINES, first=9_000) as other:
            return await followed(f"{one.url}{wires[0]}", f"{other.url}{wires[1]}")

    assert run(test()).said.status.connections == 2


def test_a_dictionary_that_is_another_is_fetched_and_used() -> None:
    taken, jetstream = run(through("", Faults(fates=[Cut(10), Cut(10), Cut(10)], rotate=2)))
    told = [it.rpartition("zstdDictionary=")[2].partition("&")[0] for it in jetstream.asked]
    assert len(set(told)) > 2
    assert all(told), "none was plain"
    assert taken.said.status.events >= len(LOG)


def test_without_a_dictionary_frames_come_plain_until_the_next_connection() -> None:
    taken, jetstream = run(through("", Faults(fates=[Cut(10)], no_dictionary=1)))
    assert ["zstdDictionary" in it for it in jetstream.asked] == [False, True]
    assert len(taken.commits) == len(LOG)


@WIRES
def test_what_is_asked_for_is_what_comes(wire: str) -> None:
    log = list(world(seed=7, events=300))
    wanted = Filter(collections=("social.coves.community.*",))
    told = {it.collection for it in map(decode, log) if isinstance(it, Commit)}
    expected = {it for it in told if it.startswith("social.coves.community.")}
    last = max(it.position for it in map(decode, log) if isinstance(it, Event))
    end = Account(did="did:web:z.example", active=True, time_us=T, relay_seq=1, seen_us=last + 1)
    taken = Taken(until=lambda it: end in it.items)
    run(through(wire, Faults(), lines=[*log, to_v1(end)], taken=taken, wanted=wanted))
    assert {it.collection for it in taken.items if isinstance(it, Commit)} == expected < told


@WIRES
def test_markers_move_the_place_while_nothing_of_ours_happens(wire: str) -> None:
    """Else it would fall behind what the host still has, since collections filter all but what is said of accounts."""
    markers = [
        Account(did=f"did:web:m{at}.example", active=True, time_us=T + at, relay_seq=at, seen_us=T + at * 10**6 + 1)
        for at in range(20)
    ]
    lines = [to_v1(it) for pair in zip(events(20), markers, strict=True) for it in pair]

    async def test() -> Place:
        ingest = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)

        async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
            await ingest.fold(items, cursors_of(place) if place else None)
            if markers[-1] in items:
                following.interrupt()

        async with serving(lines) as jetstream, asyncio.timeout(20):
            host = host_of(f"{jetstream.url}{wire}")
            wanted = Filter(collections=("social.coves.community.*",))
            following = Follower(follow([host], [], wanted=wanted), deliver)
            assert await following.follow() == ""
            [place] = await ingest.places([host.source])
        assert ingest.outcome.read == len(markers), "commits are filtered, and nothing else"
        return place

    place = run(test())
    last_us = markers[-1].seen_us
    assert (place.position, place.seen_us) == (last_us if wire else len(lines), last_us)


def test_many_dids_are_asked_for_of_v1_too() -> None:
    """More than a URL holds: they go in a message, before which nothing comes."""
    wanted = Filter(dids=(LOG[1].did, *(f"did:web:nobody{at}.example" for at in range(1_000))))
    ours = {it.rkey for it in LOG if it.did == LOG[1].did}
    taken, jetstream = run(
        through("/subscribe", Faults(fates=[Cut(7)]), taken=Taken(until=lambda it: it.commits >= ours), wanted=wanted)
    )
    assert taken.commits == ours
    assert all("requireHello=true" in it for it in jetstream.asked)
    assert len(jetstream.asked) == 2


@pytest.mark.parametrize("kind", [StoreUnavailable, StoreInterrupted, StoreLocked])
def test_trouble_of_the_store_that_may_pass_is_waited_out(
    kind: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "FIRST_PAUSE_S", 0.01)
    taken, _ = run(through("", Faults(), taken=Taken(troubles=[kind("later"), kind("later")])))
    assert len(taken.commits) == len(LOG)


@pytest.mark.parametrize("kind", [StoreCorrupt, StoreStale, StoreTooNew, StoreFull, StoreReadOnly, StoreError])
def test_trouble_that_no_waiting_mends_stops_it_at_once_with_its_place_where_it_was(kind: type[StoreError]) -> None:
    taken = Taken(troubles=[kind("for good")])
    with pytest.raises(kind, match="for good"):
        run(through("", Faults(), taken=taken))
    assert (taken.items, taken.places, taken.troubles) == ([], [], [])


def test_trouble_that_outlasts_the_patience_stops_it() -> None:
    taken = Taken(troubles=[StoreUnavailable("gone")] * 9)
    with pytest.raises(StoreUnavailable, match="gone"):
        run(through("", Faults(), taken=taken, patience_s=0.0))
    assert (taken.items, taken.places) == ([], [])


def test_a_slow_store_slows_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch is in hand no more is read than the buffers hold."""
    size, held = 50_000, 2 * 1024 * 1024
    monkeypatch.setattr(connection, "BUFFERED_BYTES", held)
    fat = [it.replace(b'"delete"', b'"delete","padding":"' + b"x" * size + b'"') for it in map(to_v1, events(600))]
    sent = [0]

    async def test() -> None:
        async with serving(fat) as jetstream:

            async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
                while jetstream.sent > sent[-1]:  # until it sends no more
                    sent.append(jetstream.sent)
                    await asyncio.sleep(0.1)
                following.interrupt()

            session = follow([host_of(f"{jetstream.url}/subscribe")], [], compress=False)
            following = Follower(session, deliver)
            await following.follow()

    run(test())
    sockets = 8 * 1024 * 1024
    assert 0 < sent[-1] * size < 2 * held + follower.MAX_QUEUE * size + sockets


def test_what_a_batch_left_to_be_done_goes_on_while_nothing_comes() -> None:
    """An account that wrote much is hidden, which takes many steps; and no event comes after that."""
    writes = events(3 * STEP, 1000, repos=1)
    account = Account(did=writes[0].did, active=False, time_us=T, relay_seq=1, seen_us=T + 10**9)
    steps: list[bool] = []

    async def test() -> None:
        ingest = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)

        async def go_on() -> bool:
            steps.append(await ingest.go_on())
            if len(steps) > 1 and steps[-2:] == [True, False]:
                following.interrupt()
            return steps[-1]

        async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
            await ingest.fold(items)

        async with serving([*map(to_v1, writes), to_v1(account)]) as jetstream, asyncio.timeout(20):
            following = Follower(follow([host_of(jetstream.url)], []), deliver, go_on=go_on)
            assert await following.follow() == ""
        assert not await ingest.go_on()

    run(test())
    assert steps.count(True) >= 2
