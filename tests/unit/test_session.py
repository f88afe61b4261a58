"""The whole decision table of a stream session, and what must hold whatever a host does; no test waits."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.event import BadEvent, Commit, Control
from strandline.session import (
    CLAMP_US,
    FIRST_PAUSE_US,
    IDLE_US,
    LONGEST_PAUSE_US,
    LOSSES_A_HOST,
    MAX_FRAME_BYTES,
    REWIND_AT_ANOTHER_US,
    REWIND_US,
    SECOND_US,
    SILENCE_US,
    TOO_BIG,
    Arrived,
    Closed,
    Connect,
    Deliver,
    Disconnect,
    FetchDictionary,
    Fetched,
    Filter,
    Gap,
    Host,
    Interrupted,
    Opened,
    Place,
    Ponged,
    Refused,
    Session,
    Sleep,
    Stop,
    Waited,
    began,
    follow,
    step,
)

EAST = Host("wss://east.example", "v2")
WEST = Host("wss://west.example/", "v2")
OLD = Host("wss://old.example", "v1")
T = 1_780_000_000_000_000


def event(seen_us: int, position: int = 0) -> Commit:
    return Commit(
        did="did:web:a.example",
        rev="3k2aaaaaaaaa2",
        operation="delete",
        collection="a.b.c",
        rkey="k",
        seen_us=seen_us,
        position=position,
    )


def arrived(*positions: int, seen_us: int = T) -> Arrived:
    return Arrived([event(seen_us, position) for position in positions])


def plain(*hosts: Host, **how: Any) -> Session:
    return Session(hosts=hosts or (EAST,), compress=False, **how)


def asked(connect: Any) -> dict[str, list[str]]:
    assert isinstance(connect, Connect)
    return parse_qs(urlsplit(connect.url).query)


def begun(session: Session) -> tuple[Session, list[Any]]:
    begun, steps = began(session)
    return begun, list(steps)


def after(session: Session, *happenings: Any, now_us: int = T, chance: float = 0.5) -> tuple[Session, list[Any]]:
    steps: list[Any] = []
    for happening in happenings:
        session, steps = step(session, happening, now_us, chance)
    return session, steps


class TestConnecting:
    def test_v2_is_asked_by_its_names(self) -> None:
        wanted = Filter(collections=("social.coves.*", "a.b.c"), dids=("did:web:a.example",))
        _, [connect] = begun(plain(wanted=wanted))
        assert connect.url.startswith("wss://east.example/xrpc/network.bsky.jetstream.subscribeEvents?")
        assert asked(connect) == {"collections": ["social.coves.*", "a.b.c"], "dids": ["did:web:a.example"]}

    def test_v1_is_asked_by_its_names(self) -> None:
        _, [connect] = begun(plain(OLD, wanted=Filter(collections=("a.b.c",), dids=("did:web:a.example",))))
        assert connect.url.startswith("wss://old.example/subscribe?")
        assert asked(connect) == {"wantedCollections": ["a.b.c"], "wantedDids": ["did:web:a.example"]}

    @pytest.mark.parametrize("choked", [False, True])
    def test_v1_is_told_in_a_message_what_a_url_cannot_hold(self, choked: bool) -> None:
        wanted = Filter(collections=("a.b.c",), dids=tuple(f"did:web:a{at}.example" for at in range(10_000)))
        _, [connect] = begun(plain(OLD, wanted=wanted, choked=choked, place=Place(OLD.source, T, T)))
        assert len(connect.url) < 200
        assert (asked(connect)["requireHello"], "cursor" in asked(connect)) == (["true"], True)
        said = {"wantedCollections": ["a.b.c"], "wantedDids": list(wanted.dids)}
        size = MAX_FRAME_BYTES if choked else 0
        assert json.loads(connect.hello) == {"type": "options_update", "payload": said | {"maxMessageSizeBytes": size}}
        assert begun(plain(OLD, wanted=Filter(dids=wanted.dids[:9])))[1][0].hello is None
        assert begun(plain(EAST, wanted=wanted))[1][0].hello is None, "a client of v2 says nothing"

    def test_without_a_place_it_begins_with_what_happens_now(self) -> None:
        for host in (EAST, OLD):
            _, [connect] = begun(plain(host))
            assert "cursor" not in asked(connect)
            assert "?" not in connect.url

    def test_at_the_same_host_v2_goes_on_where_it_was(self) -> None:
        _, [connect] = begun(plain(place=Place(EAST.source, 77, T)))
        assert asked(connect)["cursor"] == ["77"]

    def test_at_the_same_host_v1_goes_back_a_little(self) -> None:
        _, [connect] = begun(plain(OLD, place=Place(OLD.source, T, T)))
        assert asked(connect)["cursor"] == [str(T - REWIND_US)]

    @pytest.mark.parametrize("host", [WEST, OLD])
    def test_at_another_host_time_is_asked_for_from_well_before(self, host: Host) -> None:
        _, [connect] = begun(plain(host, place=Place(EAST.source, 77, T)))
        assert asked(connect)["cursor"] == [str(T - REWIND_AT_ANOTHER_US)]

    def test_sources_tell_generations_of_one_host_apart(self) -> None:
        assert Host("wss://a.example", "v1").source != Host("wss://a.example", "v2").source


class TestFollowing:
    def test_the_preferred_hosts_own_place_is_taken_while_it_is_about_as_late(self) -> None:
        own, other = Place(EAST.source, 7, T), Place(WEST.source, 9, T + REWIND_AT_ANOTHER_US)
        assert follow([EAST, WEST], [other, own]).place == own

    def test_what_was_seen_much_later_elsewhere_is_not_asked_for_again(self) -> None:
        own, other = Place(EAST.source, 7, T), Place(WEST.source, 9, T + REWIND_AT_ANOTHER_US + 1)
        session = follow([EAST, WEST], [own, other], compress=False)
        assert session.place == other
        assert asked(begun(session)[1][0])["cursor"] == [str(other.seen_us - REWIND_AT_ANOTHER_US)]

    def test_nothing_kept_is_no_place(self) -> None:
        assert follow([EAST], []).place is None


class TestDictionaries:
    def test_it_is_fetched_before_the_first_connection(self) -> None:
        session, steps = begun(Session(hosts=(EAST,)))
        assert steps == [FetchDictionary(EAST)]
        _, [connect] = after(session, Fetched(5))
        assert (connect.dictionary, asked(connect)["zstdDictionary"]) == (5, ["5"])

    def test_v1_is_asked_to_compress(self) -> None:
        _, [connect] = after(Session(hosts=(OLD,)), Fetched(5))
        assert (connect.dictionary, asked(connect)["compress"]) == (5, ["true"])

    def test_without_one_frames_come_plain(self) -> None:
        _, [connect] = after(Session(hosts=(EAST,)), Fetched(None))
        assert (connect.dictionary, asked(connect)) == (None, {})

    def test_what_could_not_be_fetched_is_asked_for_again_at_the_next_connection(self) -> None:
        session, _ = after(Session(hosts=(EAST,)), Fetched(None), Opened(), arrived(1), Closed(1006))
        assert after(session, Waited())[1] == [FetchDictionary(EAST)]

    def test_a_dictionary_is_kept_from_one_connection_to_the_next(self) -> None:
        _, [connect] = after(Session(hosts=(EAST,)), Fetched(5), Opened(), arrived(1), Closed(1006), Waited())
        assert connect.dictionary == 5

    def test_each_rotation_is_followed(self) -> None:
        session, unknown = Session(hosts=(EAST,), dictionary=4), Refused(400, "UnknownZstdDictionary", "5")
        for number in range(5, 9):
            session, steps = after(session, Closed(1006), Waited(), unknown)
            assert steps == [FetchDictionary(EAST)]
            session, [connect] = after(session, Fetched(number))
            assert connect.dictionary == number
            session, _ = after(session, Opened(), arrived(number))

    def test_one_that_is_unknown_is_fetched_again_once_and_then_done_without(self) -> None:
        unknown = Refused(400, "UnknownZstdDictionary", "5")
        session, steps = after(Session(hosts=(EAST,), dictionary=4), unknown)
        assert steps == [FetchDictionary(EAST)]
        _, [connect] = after(session, Fetched(5), unknown)
        assert (connect.dictionary, asked(connect)) == (None, {})


class TestLosses:
    def pauses(self, session: Session, count: int, chance: float) -> Iterator[int]:
        for _ in range(count):
            session, [sleep] = step(session, Closed(1006), T, chance)
            assert isinstance(sleep, Sleep)
            yield sleep.us
            session, _ = step(session, Waited(), T, chance)

    def test_pauses_double_up_to_the_longest(self) -> None:
        pauses = list(self.pauses(plain(), 12, 0.999999999))
        assert pauses[:4] == [FIRST_PAUSE_US, 2 * FIRST_PAUSE_US, 4 * FIRST_PAUSE_US, 8 * FIRST_PAUSE_US]
        assert pauses[-1] == LONGEST_PAUSE_US == max(pauses)

    def test_chance_takes_off_up_to_half(self) -> None:
        assert list(self.pauses(plain(), 2, 0.0)) == [FIRST_PAUSE_US // 2, FIRST_PAUSE_US]

    def test_only_an_event_begins_anew(self) -> None:
        session, _ = after(plain(), Closed(1006), Waited(), Closed(1001), Waited(), Opened())
        for nothing in (
            Ponged(),
            Arrived([]),
            Arrived([Control("info", "hello"), BadEvent("json", "", b"?")]),
        ):
            session, _ = after(session, nothing)
            assert session.losses == 2
        assert after(session, arrived(1))[0].losses == 0

    def test_after_some_losses_the_next_host_is_tried_and_after_the_last_the_first(self) -> None:
        session, hosts = plain(EAST, WEST, OLD), []
        for _ in range(3 * LOSSES_A_HOST):
            session, _ = after(session, Closed(1006))
            hosts.append(session.host)
        assert hosts == [EAST] * 2 + [WEST] * 3 + [OLD] * 3 + [EAST]

    def test_after_progress_the_preferred_host_is_tried_first(self) -> None:
        session, _ = after(plain(EAST, WEST, at=1, losses=4), Opened(), arrived(5), Closed(1006))
        assert session.host == EAST

    def test_a_server_that_is_not_ready_is_a_loss(self) -> None:
        for refusal in (Refused(503, "ServiceUnavailable"), Refused(429), Refused(404), Refused(500, "", "<html>")):
            assert isinstance(after(plain(), refusal)[1][0], Sleep)

    def test_a_request_that_is_wrong_stops_it_with_the_hosts_words(self) -> None:
        session, [stop] = after(plain(), Refused(400, "InvalidRequest", "collections: too many"))
        assert isinstance(stop, Stop)
        assert "InvalidRequest: collections: too many" in stop.reason
        assert after(session, Waited()) == (session, [])


class TestSilence:
    OPEN, _ = after(plain(), Opened())

    def test_the_end_of_a_minute_is_waited_for(self) -> None:
        assert after(plain(), Opened())[1] == [Sleep(SILENCE_US)]
        session, _ = step(self.OPEN, arrived(1), T + 20 * SECOND_US, 0)
        assert step(session, Waited(), T + SILENCE_US, 0) == (session, [Sleep(20 * SECOND_US)])

    def test_a_host_that_is_silent_and_answers_no_ping_is_left(self) -> None:
        _, steps = step(self.OPEN, Waited(), T + SILENCE_US, 0)
        assert [type(it) for it in steps] == [Disconnect, Sleep]

    def test_a_host_that_answers_pings_is_idle_and_not_dead(self) -> None:
        session, now_us = self.OPEN, T
        while now_us < T + IDLE_US - 30 * SECOND_US:
            now_us += 30 * SECOND_US
            session, _ = step(session, Ponged(), now_us, 0)
            session, steps = step(session, Waited(), now_us, 0)
            assert not any(isinstance(it, Disconnect) for it in steps)
        session, _ = step(session, Ponged(), T + IDLE_US, 0)
        assert isinstance(step(session, Waited(), T + IDLE_US, 0)[1][0], Disconnect)


class TestGaps:
    def test_a_v1_host_that_begins_later_than_it_was_asked_is_told(self) -> None:
        session, _ = begun(plain(OLD, place=Place(OLD.source, T, T)))
        session, _ = after(session, Opened())
        late = arrived(T + CLAMP_US + 1, seen_us=T - REWIND_US + CLAMP_US + 1)
        _, [gap, deliver] = after(session, late)
        assert gap == Gap(OLD, T - REWIND_US, T - REWIND_US + CLAMP_US + 1)
        assert isinstance(deliver, Deliver)
        again, _ = after(session, late)
        assert [type(it) for it in after(again, late)[1]] == [Deliver], "once a connection"

    def test_a_first_event_about_when_it_was_asked_is_none(self) -> None:
        session, _ = begun(plain(OLD, place=Place(OLD.source, T, T)))
        assert [type(it) for it in after(session, Opened(), arrived(T, seen_us=T))[1]] == [Deliver]

    def test_a_cursor_too_old_is_a_gap_and_the_stream_goes_on_by_time(self) -> None:
        place = Place(EAST.source, 77, T)
        session, [gap, connect] = after(plain(place=place), Refused(400, "CursorTooOld", "the floor is 1234"))
        assert gap == Gap(EAST, T, None)
        assert asked(connect)["cursor"] == [str(T - REWIND_AT_ANOTHER_US)]
        _, [connect] = after(session, Refused(400, "CursorTooOld", "the floor is 1234"))
        assert asked(connect)["cursor"] == ["1234"]

    def test_a_floor_that_is_not_told_is_done_without(self) -> None:
        session, steps = after(plain(place=Place("", 77, T)), Refused(400, "CursorTooOld", "?"))
        assert (session.place, [type(it) for it in steps]) == (None, [Sleep])

    def test_a_gap_that_was_told_is_not_told_again_when_the_host_clamps(self) -> None:
        session = plain(place=Place(EAST.source, 77, T))
        session, [gap, _] = after(session, Refused(400, "CursorTooOld", "the floor is 1234"))
        assert isinstance(gap, Gap)
        _, [deliver] = after(session, Opened(), Arrived([Control("info", "OutdatedCursor: x"), event(T, 1234)]))
        assert deliver.place == Place(EAST.source, 1234, T)

    def test_an_outdated_cursor_is_a_gap_and_moves_nothing(self) -> None:
        place = Place(EAST.source, 77, T)
        session, [gap, deliver] = after(plain(place=place), Arrived([Control("info", "OutdatedCursor: x")]))
        assert gap == Gap(EAST, T, None)
        assert (deliver.place, session.place) == (None, place)


class TestFramesTooBig:
    def choked(self, session: Session) -> tuple[Session, list[Any]]:
        session, _ = after(session, Opened(), arrived(5))
        return after(session, Closed(TOO_BIG, "a frame over 32 MiB"))

    def test_one_is_told_as_a_bad_line_with_all_that_is_known_of_it(self) -> None:
        session, [deliver, sleep] = self.choked(plain())
        known = f"{EAST.source}: after position 5".encode()
        assert deliver == Deliver([BadEvent("line-too-long", "a frame over 32 MiB", known)], None)
        assert isinstance(sleep, Sleep)
        assert session.place == Place(EAST.source, 5, T)

    @pytest.mark.parametrize("host", [EAST, OLD])
    def test_such_frames_are_asked_to_be_left_out_until_events_come(self, host: Host) -> None:
        session, _ = self.choked(plain(host))
        for _ in range(2):
            session, [connect] = after(session, Waited())
            assert asked(connect)["maxMessageSizeBytes"] == [str(MAX_FRAME_BYTES)]
            session, _ = after(session, Closed(1006))
        session, _ = after(session, Waited(), Opened(), arrived(9), Closed(1006))
        assert "maxMessageSizeBytes" not in asked(after(session, Waited())[1][0])


class TestPlaces:
    def test_a_place_is_that_of_the_last_event_delivered(self) -> None:
        session, [deliver] = after(plain(), arrived(5, 9, 7))
        assert deliver.place == session.place == Place(EAST.source, 7, T)

    def test_garbage_and_control_frames_move_no_place(self) -> None:
        items: list[Any] = [event(T, 5), BadEvent("json", "", b"?"), Control("error", "ConsumerTooSlow: x")]
        _, [deliver] = after(plain(), Arrived(items))
        assert (deliver.items, deliver.place) == (items, Place(EAST.source, 5, T))

    def test_nothing_follows_a_stop(self) -> None:
        session, steps = after(plain(), Opened(), Interrupted())
        assert steps == [Disconnect(), Stop()]
        for happening in (Waited(), arrived(1), Closed(1000), Opened(), Interrupted()):
            assert after(session, happening) == (session, [])


class Upstream:
    """A Jetstream that never was: some instances of one stream, each with its own numbers, which fail as they are told."""

    def __init__(self, seen: list[int], offsets: dict[str, int]) -> None:
        self.seen, self.offsets = seen, offsets

    def position(self, host: Host, at: int) -> int:
        return self.seen[at] if host.generation == "v1" else 10 * at + self.offsets[host.url]

    def from_cursor(self, host: Host, cursor: int | None) -> int:
        by_time = host.generation == "v1" or (cursor or 0) >= 10**15
        places = [seen if by_time else self.position(host, at) for at, seen in enumerate(self.seen)]
        return next((at for at, place in enumerate(places) if cursor is not None and place >= cursor), len(places))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_the_hosts_do_every_event_is_delivered_and_no_place_is_ahead_of_it(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.integers(1, 90 * SECOND_US), min_size=1, max_size=12), label="between events")
    seen = [T + sum(steps[:at]) for at in range(1, len(steps) + 1)]
    hosts = data.draw(st.permutations([EAST, WEST, OLD]).map(lambda it: it[: data.draw(st.integers(1, 3))]))
    upstream = Upstream(seen, {host.url: data.draw(st.integers(1, 9)) for host in hosts})
    first = hosts[0]
    session = plain(*hosts, place=Place(first.source, upstream.position(first, 0), seen[0]))
    session, todo = begun(session)
    delivered: set[int] = set()
    at, now_us = len(seen), T
    for turn in range(200):
        happening: Any = None
        for it in todo:
            if isinstance(it, Connect):
                assert 0 <= session.at < len(hosts)
                assert it.host == session.host
                cursor = asked(it).get("cursor")
                at = upstream.from_cursor(it.host, int(cursor[0]) if cursor else None)
                happening = Opened()
            elif isinstance(it, Sleep):
                assert 0 < it.us <= max(LONGEST_PAUSE_US, IDLE_US)
                now_us += it.us
            elif isinstance(it, Deliver) and it.items:
                delivered |= {item.seen_us for item in it.items if isinstance(item, Commit)}
                assert it.place is not None
                assert {at_us for at_us in seen if at_us <= it.place.seen_us} <= delivered, "a place is never ahead"
        fails = turn < 120 and data.draw(st.integers(0, 2), label="fails") == 0
        if fails and session.connected:
            happening = Closed(1006)
        elif happening is None and session.connected and at < len(seen):
            size = data.draw(st.integers(1, 4), label="frames")
            part = range(at, min(at + size, len(seen)))
            happening = Arrived([event(seen[it], upstream.position(session.host, it)) for it in part])
            at = part.stop
        session, todo = step(session, happening or Waited(), now_us, data.draw(st.floats(0, 0.99)))
        if delivered == set(seen):
            return
    raise AssertionError(f"only {len(delivered)} of {len(seen)} came")


def test_a_session_is_a_value() -> None:
    assert evolve(plain(), losses=0) == plain()
    assert hash(plain()) == hash(plain())
