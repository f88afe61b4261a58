"""A live Jetstream: frames, and following a server that fails into a store, whose index must be that of the log."""

import asyncio
import hashlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from strandline import Ingest, MemoryStore, Store, decode, layout_of, open_store
from strandline.errors import StoreUnavailable
from strandline.event import MAX_LINE_BYTES, BadEvent, Control, Decoded
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline.ingest import DEAD_LETTER, cursors_of
from strandline.session import Place, follow
from strandline_jetstream import Follower, host_of
from strandline_jetstream.frames import Unpacker, dictionary_of
from strandline_jetstream.testing import Faults, serving

GARBAGE = [b"{", b'{"kind":"party"}', b"[]"]


def log(count: int) -> list[bytes]:
    """Events of a made-up forum in the order of their positions, with garbage among them."""
    events = [(line, decode(line)) for line in world(seed=7, events=count)]
    good = [(item.position, line) for line, item in events if not isinstance(item, BadEvent | Control)]
    lines = [line for _, line in sorted(good)]
    for at, line in enumerate(GARBAGE):
        lines.insert((at + 1) * len(lines) // 4, line)
    return lines


async def digest(store: Store) -> str:
    return hashlib.sha256(b"\n".join(sorted([line async for line in dump_lines(store)]))).hexdigest()


class TestFrames:
    def test_a_frame_is_unpacked_with_the_dictionary(self) -> None:
        line = log(10)[0]
        number, data = dictionary_of(host_of("wss://a.example/subscribe"))
        packed = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(data)).compress(line)
        assert number == 1612007021
        assert Unpacker(data).decode(packed) == decode(line)

    @pytest.mark.parametrize("told", [True, False])
    def test_what_unpacks_to_more_than_a_line_is_unpacked_no_further(self, told: bool) -> None:
        frame = zstandard.ZstdCompressor(write_content_size=told).compress(bytes(20 * MAX_LINE_BYTES))
        item = Unpacker().decode(frame)
        assert isinstance(item, BadEvent)
        assert (item.reason, item.payload) == ("line-too-long", frame)

    @pytest.mark.parametrize("frame", [b"", b"?", b"\x28\xb5\x2f\xfd", "", "{", "\ud800"])
    def test_garbage_is_a_bad_event(self, frame: str | bytes) -> None:
        item = Unpacker().decode(frame)
        assert isinstance(item, BadEvent)
        assert item.reason == "json"

    @pytest.mark.parametrize("url", ["https://a.example", "wss://", "wss://a.example/x", "a.example"])
    def test_what_is_no_jetstream_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="no Jetstream"):
            host_of(url)


@pytest.mark.parametrize("compress", [False, True])
def test_whatever_a_host_does_the_index_is_that_of_the_log(tmp_path: Path, compress: bool) -> None:
    asyncio.run(_soak(tmp_path, compress))


async def _soak(tmp_path: Path, compress: bool) -> None:
    lines = log(5_000)
    last = max(item.position for item in map(decode, lines) if not isinstance(item, BadEvent | Control))
    store = await open_store(f"sqlite:///{tmp_path}/index.db", SCHEMA)
    ingest = Ingest(store, SCHEMA)
    troubles = [StoreUnavailable("gone"), StoreUnavailable("gone")]

    async def deliver(items: Sequence[Decoded], place: Place | None) -> None:
        if troubles:
            raise troubles.pop()
        await ingest.fold(items, cursors_of(place) if place else None)
        if place is not None and place.position == last:
            follower.interrupt()

    faults = Faults(cuts=[0, 1000, 1, 2000], refusals=[(503, "ServiceUnavailable", "soon")], twice=7)
    async with serving(lines, faults) as url:
        host = host_of(f"{url}/subscribe")
        place = Place(host.source, 0, 0)
        follower = Follower(follow([host], [place], compress=compress), deliver)
        assert await follower.follow() == ""
    assert not faults.cuts
    assert await ingest.places([host.source]) == [Place(host.source, last, last)]
    await ingest.finish()

    await assert_is_index_of(lines, store)
    await store.close()


async def assert_is_index_of(lines: list[bytes], store: Store) -> None:
    told = Ingest(MemoryStore(layout_of(SCHEMA)), SCHEMA)
    await told.fold([decode(line) for line in lines])
    await told.finish()
    assert await digest(store) == await digest(told.store)
    letters = [row[4] async for _, rows in store.scan([DEAD_LETTER.name]) for row in rows]
    assert sorted(letters) == sorted(GARBAGE)


def test_a_killed_run_goes_on_where_its_rows_end(tmp_path: Path) -> None:
    asyncio.run(_killed(tmp_path))


async def _killed(tmp_path: Path) -> None:
    lines, url = log(2_000), f"sqlite:///{tmp_path}/index.db"
    last = max(item.seen_us for item in map(decode, lines) if not isinstance(item, BadEvent | Control))
    async with serving(lines, Faults(stalls=[900], floor=1)) as host:
        first = await _run(f"{host}/subscribe", url)
        await _told(first, "events", 1)
        first.kill()
        await first.wait()
        second = await _run(f"{host}/subscribe", url)
        await _told(second, "seen_us", last)
        second.terminate()
        assert await second.wait() == 143
    store = await open_store(url, SCHEMA)
    await Ingest(store, SCHEMA).finish()
    await assert_is_index_of(lines, store)
    await store.close()


async def _run(source: str, store: str) -> Process:
    main = "import sys; from strandline_cli import main; sys.exit(main())"
    options = ("run", "--source", source, "--store", store, "--status-json")
    return await asyncio.create_subprocess_exec(sys.executable, "-c", main, *options, stdout=PIPE, stderr=PIPE)


async def _told(process: Process, name: str, least: int) -> None:
    """Wait until a run tells of at least so much."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := await process.stdout.readline():
            if (json.loads(line)[name] or 0) >= least:
                return
    raise AssertionError("it ended")
