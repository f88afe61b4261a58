"""The Jetstream to test with does as the real one does: what it sends to whom, and what it refuses."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.request import urlopen

import pytest
import zstandard
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from strandline.event import Account, Commit, Control, Event, Sync, decode
from strandline.wire import to_v1, to_v2
from strandline_jetstream import host_of
from strandline_jetstream.frames import Unpacker, dictionary_of
from strandline_jetstream.testing import Close, Cut, Error, Faults, Jetstream, Refuse, Stall, serving

V1, V2 = "/subscribe", "/xrpc/network.bsky.jetstream.subscribeEvents"
ANN, BOB = "did:web:ann.example", "did:web:bob.example"
T = 1_780_000_000_000_000
LIKE, POST = "app.bsky.feed.like", "social.coves.community.post"
REVS = [f"3k2aaaaaaaaa{it}" for it in "234567abcdefghij"]


def write(at: int, did: str = ANN, collection: str = POST) -> Commit:
    return Commit(did=did, rev=REVS[at], operation="delete", collection=collection, rkey="k", seen_us=T + at)


LOG: list[Event] = [
    write(0),
    write(1, BOB, LIKE),
    Account(did=BOB, active=True, time_us=T, relay_seq=7, seen_us=T + 2),
    Sync(did=ANN, rev=REVS[3], seen_us=T + 3),
    write(4, ANN, LIKE),
    write(5, BOB),
]
V1_LINES = [to_v1(it) for it in LOG if not isinstance(it, Sync)]


def served(
    test: Callable[[Jetstream], Awaitable[None]],
    faults: Faults | None = None,
    lines: Sequence[bytes] | None = None,
    **how: Any,
) -> None:
    """Run a test against a server of a log; it must not last."""

    async def run() -> None:
        told = [to_v2(it, seq) for seq, it in enumerate(LOG, 1)] if lines is None else lines
        async with asyncio.timeout(20), serving(told, faults, **how) as jetstream:
            await test(jetstream)

    asyncio.run(run())


async def some(socket: ClientConnection, count: int) -> list[bytes]:
    found = [await socket.recv() for _ in range(count)]
    return [it if isinstance(it, bytes) else it.encode() for it in found]


async def got(jetstream: Jetstream, asked: str, count: int) -> list[bytes]:
    """What a connection is sent, which is so much and no more before what happens then."""
    async with connect(f"{jetstream.url}{asked}", compression=None) as socket:
        return await some(socket, count)


async def refusal(jetstream: Jetstream, asked: str) -> tuple[int, str, str]:
    with pytest.raises(InvalidStatus) as refused:
        await got(jetstream, asked, 1)
    told = json.loads(refused.value.response.body or b"")
    return refused.value.response.status_code, told["error"], told["message"]


def numbers(lines: Sequence[bytes]) -> list[int]:
    return [item.position for item in map(decode, lines) if isinstance(item, Event)]


def test_either_wire_is_spoken_from_one_log_and_v1_knows_no_sync() -> None:
    async def test(jetstream: Jetstream) -> None:
        assert await got(jetstream, V2, 6) == [to_v2(it, seq) for seq, it in enumerate(LOG, 1)]
        assert await got(jetstream, V1, 5) == V1_LINES

    served(test)
    served(test, lines=[to_v2(it, seq) for seq, it in enumerate(LOG, 1)][::-1])


def test_a_log_of_v1_is_numbered_for_v2_and_every_host_numbers_on_its_own() -> None:
    async def test(jetstream: Jetstream) -> None:
        assert numbers(await got(jetstream, V2, 5)) == [900, 901, 902, 903, 904]
        assert await got(jetstream, V1, 5) == V1_LINES

    served(test, lines=V1_LINES, first=900)


def test_what_is_no_event_comes_as_it_is_behind_what_was_before_it() -> None:
    lines = [V1_LINES[0], b"{", b"\xff", *V1_LINES[1:]]

    async def test(jetstream: Jetstream) -> None:
        for wire in (V1, V2):
            assert (await got(jetstream, wire, 3))[1:] == [b"{", b"\xff"]

    served(test, lines=lines)


@pytest.mark.parametrize(
    ("asked", "numbered"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("?cursor=0", [1, 2, 3, 4, 5, 6]),
        ("?cursor=3", [3, 4, 5, 6]),
        (f"?cursor={T + 4}", [5, 6]),
        (f"?collections={POST}", [1, 3, 4, 6]),
        ("?collections=social.coves.*", [1, 3, 4, 6]),
        ("?collections=app.bsky.feed.*&collections=app.bs.*", [2, 3, 4, 5]),
        (f"?dids={ANN}", [1, 4, 5]),
        ("?kinds=account&kinds=sync", [3, 4]),
        (f"?kinds=commit&collections={LIKE}&dids={BOB}", [2]),
    ],
)
def test_v2_sends_what_is_asked_for_and_no_marker_is_filtered_by_collections(asked: str, numbered: list[int]) -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{V2}{asked}", compression=None) as socket:
            assert numbers(await some(socket, len(numbered))) == numbered
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.02)

    served(test)


def test_longer_lines_than_were_asked_for_are_left_out() -> None:
    sizes = [len(to_v2(it, seq)) for seq, it in enumerate(LOG, 1)]
    most = sorted(sizes)[2]

    async def test(jetstream: Jetstream) -> None:
        kept = [seq for seq, size in enumerate(sizes, 1) if size <= most]
        assert 3 <= len(kept) < len(sizes)
        assert numbers(await got(jetstream, f"{V2}?maxMessageSizeBytes={most}", len(kept))) == kept

    served(test)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("", [0, 1, 2, 3, 4]),
        (f"?cursor={T + 2}", [2, 3, 4]),
        ("?cursor=1", [0, 1, 2, 3, 4]),
        (f"?wantedCollections={LIKE}", [1, 2, 3]),
        (f"?wantedDids={ANN}", [0, 3]),
        (f"?wantedCollections=app.*&wantedDids={BOB}", [1, 2]),
    ],
)
def test_v1_sends_what_is_asked_for_and_accounts_always(asked: str, kept: list[int]) -> None:
    async def test(jetstream: Jetstream) -> None:
        assert await got(jetstream, f"{V1}{asked}", len(kept)) == [V1_LINES[it] for it in kept]

    served(test)


@pytest.mark.parametrize(
    "asked",
    [
        f"{V2}?wantedDids={ANN}",
        f"{V2}?compress=true",
        f"{V2}?kinds=party",
        f"{V2}?kinds=account&collections={POST}",
        f"{V2}?cursor=-1",
        f"{V2}?maxMessageSizeBytes=many",
        f"{V1}?cursor=soon",
        f"{V1}?wantedDids=ann",
        f"{V1}?wantedCollections=app.bsky.gr*",
        V1 + "?" + "&".join(f"wantedCollections=a.b.c{it}" for it in range(101)),
    ],
)
def test_what_may_not_be_asked_for_is_refused(asked: str) -> None:
    async def test(jetstream: Jetstream) -> None:
        assert (await refusal(jetstream, asked))[:2] == (400, "InvalidRequest")

    served(test)


def test_history_that_is_lost_is_refused_by_number_and_skipped_by_time() -> None:
    async def test(jetstream: Jetstream) -> None:
        assert await refusal(jetstream, f"{V2}?cursor=2") == (400, "CursorTooOld", "the oldest is 4")
        told = await got(jetstream, f"{V2}?cursor={T}", 2)
        assert isinstance(decode(told[0]), Control)
        assert numbers(told) == [4]
        assert numbers(await got(jetstream, f"{V2}?cursor=4", 1)) == [4]
        assert await got(jetstream, f"{V1}?cursor={T}", 1) == [V1_LINES[3]]

    served(test, Faults(lost=3))


def test_v1_frames_are_packed_with_the_dictionary_that_everybody_has() -> None:
    async def test(jetstream: Jetstream) -> None:
        unpacker = Unpacker(dictionary_of(host_of("wss://a.example/subscribe"))[1])
        frames = await got(jetstream, f"{V1}?compress=true", 5)
        assert [unpacker.line(it) for it in frames] == V1_LINES

    served(test)


def test_v2_frames_are_packed_with_the_dictionary_of_the_host_until_it_is_another() -> None:
    async def test(jetstream: Jetstream) -> None:
        number, data = await asyncio.to_thread(dictionary_of, host_of(jetstream.url))
        asked = f"{V2}?zstdDictionary={number}"
        frames = await got(jetstream, asked, 6)
        assert [Unpacker(data).line(it) for it in frames] == [to_v2(it, seq) for seq, it in enumerate(LOG, 1)]
        assert {zstandard.get_frame_parameters(it).dict_id for it in frames} == {number}
        jetstream.rotate()
        assert await refusal(jetstream, asked) == (400, "UnknownZstdDictionary", f"the dictionary is {number + 1}")
        assert (await asyncio.to_thread(dictionary_of, host_of(jetstream.url)))[0] == number + 1

    served(test)


def test_a_dictionary_that_is_gone_is_not_found() -> None:
    async def test(jetstream: Jetstream) -> None:
        url = jetstream.url.replace("ws:", "http:")
        for query, status in (("", 200), ("?id=1", 404), (f"?id={jetstream.dictionary}", 200)):
            path = f"{url}/xrpc/network.bsky.jetstream.getZstdDictionary{query}"
            assert await asyncio.to_thread(_status, path) == status

    served(test)


def _status(url: str) -> int:
    from urllib.error import HTTPError

    try:
        with urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_v1_options_take_the_place_of_all_before() -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{V1}?requireHello=true&wantedDids={ANN}", compression=None) as socket:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.02)
            await socket.send(json.dumps({"type": "hello"}))
            await socket.send(json.dumps({"type": "options_update", "payload": {"wantedCollections": [LIKE]}}))
            assert await some(socket, 3) == [V1_LINES[it] for it in (1, 2, 3)]

    served(test)


@pytest.mark.parametrize(
    ("path", "said", "code"),
    [
        (V1, "{", 1007),
        (V1, '{"type":"options_update","payload":{"wantedDids":"ann"}}', 1008),
        (V2, '{"type":"options_update","payload":{}}', 1008),
    ],
)
def test_who_says_what_may_not_be_said_is_put_out(path: str, said: str, code: int) -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{path}", compression=None) as socket:
            await socket.send(said)
            with pytest.raises(ConnectionClosed) as closed:
                await some(socket, 99)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code

    served(test)


@pytest.mark.parametrize(("fate", "code"), [(Cut(2), None), (Close(2, 1012), 1012), (Error(2), 1008)])
def test_a_connection_ends_as_it_is_told(fate: Cut | Close | Error, code: int | None) -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{V2}", compression=None) as socket:
            assert numbers(await some(socket, 2)) == [1, 2]
            if isinstance(fate, Error):
                assert decode((await some(socket, 1))[0]) == Control("error", "ConsumerTooSlow: ")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert (closed.value.rcvd and closed.value.rcvd.code) == code
        assert len(await got(jetstream, V2, 6)) == 6

    served(test, Faults(fates=[fate]))


def test_a_stalled_connection_answers_pings_and_sends_nothing() -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{V2}", compression=None) as socket:
            await some(socket, 2)
            await (await socket.ping())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.02)

    served(test, Faults(fates=[Stall(2)]))


def test_a_refusal_is_the_fate_of_one_connection() -> None:
    async def test(jetstream: Jetstream) -> None:
        assert await refusal(jetstream, V2) == (503, "ServiceUnavailable", "soon")
        assert len(await got(jetstream, V2, 6)) == 6

    served(test, Faults(fates=[Refuse(503, "ServiceUnavailable", "soon")]))


def test_frames_come_twice_when_they_are_told_to() -> None:
    async def test(jetstream: Jetstream) -> None:
        assert numbers(await got(jetstream, V2, 9)) == [1, 2, 2, 3, 4, 4, 5, 6, 6]

    served(test, Faults(twice=2))


def test_repos_are_mixed_and_each_keeps_its_order() -> None:
    log = [write(at, f"did:web:r{at % 3}.example") for at in range(16)]

    async def test(jetstream: Jetstream) -> None:
        events = [decode(it) for it in await got(jetstream, V2, 16)]
        told = [it for it in events if isinstance(it, Commit)]
        assert [it.position for it in told] == list(range(1, 17))
        assert told != log
        assert [sorted(told[at : at + 8], key=lambda it: it.seen_us) for at in (0, 8)] == [log[:8], log[8:]]
        for did in {it.did for it in log}:
            assert [it for it in told if it.did == did] == [it for it in log if it.did == did]

    served(test, lines=[to_v1(it) for it in log], shuffled=8)


def test_what_happens_then_comes_to_who_is_there() -> None:
    async def test(jetstream: Jetstream) -> None:
        async with connect(f"{jetstream.url}{V2}?cursor=6", compression=None) as socket:
            assert numbers(await some(socket, 1)) == [6]
            jetstream.put(to_v1(write(8)), b"{")
            told = await some(socket, 2)
            assert numbers(told) == [7]
            assert told[1] == b"{"

    served(test)
