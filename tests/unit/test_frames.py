"""Frames of a Jetstream, and the URLs by which one is named."""

import pytest
import zstandard

from strandline.event import MAX_LINE_BYTES, BadEvent
from strandline_jetstream import host_of
from strandline_jetstream.frames import Unpacker, dictionary_of

LINE = b'{"did":"did:web:a.example","time_us":1,"kind":"party"}'


def test_a_frame_is_unpacked_with_the_dictionary() -> None:
    number, data = dictionary_of(host_of("wss://a.example/subscribe"))
    packed = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(data)).compress(LINE)
    assert number == 1612007021
    assert Unpacker(data).line(packed) == LINE


@pytest.mark.parametrize("told", [True, False])
def test_what_unpacks_to_more_than_a_line_is_unpacked_no_further(told: bool) -> None:
    frame = zstandard.ZstdCompressor(write_content_size=told).compress(bytes(20 * MAX_LINE_BYTES))
    item = Unpacker().line(frame)
    assert isinstance(item, BadEvent)
    assert (item.reason, item.payload) == ("line-too-long", frame)


@pytest.mark.parametrize("frame", [b"", b"?", b"\x28\xb5\x2f\xfd"])
def test_what_is_no_zstd_is_a_bad_event(frame: bytes) -> None:
    item = Unpacker().line(frame)
    assert isinstance(item, BadEvent)
    assert (item.reason, item.payload) == ("json", frame)


@pytest.mark.parametrize("frame", ["", "{", "\ud800"])
def test_a_text_is_a_line_whatever_it_holds(frame: str) -> None:
    assert Unpacker().line(frame) == frame.encode("utf-8", "surrogatepass")


def test_no_more_is_kept_to_unpack_a_frame_than_a_line_may_need() -> None:
    settings = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    packing = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    item = Unpacker().line(packing.compress(LINE) + packing.flush())
    assert isinstance(item, BadEvent)
    assert item.reason == "json"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "wss://",
        "wss://a.example/x",
        "a.example",
        "ws://a.example:port",
        "ws://a.example:99999",
        "ws://a.example:0",
        "ws://:80",
        "ws://[::1",
        "wss://a.example?cursor=1",
        "wss://me:secret@a.example",
    ],
)
def test_what_is_no_jetstream_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no Jetstream: write") as refused:
        host_of(url)
    assert "secret" not in str(refused.value)


def test_a_host_has_one_name_however_it_is_written() -> None:
    assert host_of("wss://A.Example/subscribe/") == host_of("WSS://a.example/subscribe")
