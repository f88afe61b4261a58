"""The Jetstream to test with is no Jetstream of our own making only: somebody else's client follows it too."""

import asyncio
import warnings
from typing import Any

import pytest

from strandline.event import Commit, Event, decode
from strandline.forum.world import world
from strandline_jetstream.testing import Cut, Faults, serving

LINES = [it.rstrip() for it in world(seed=7, events=300, wire="v2", repeats=0, late=0)]


@pytest.fixture
def client_of() -> Any:
    """Somebody else's client, which takes seconds to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        from atproto import AsyncJetstreamClient
    return AsyncJetstreamClient


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compress", [False, True])
def test_a_v2_client_of_others_reads_every_event(client_of: Any, compress: bool) -> None:
    """Through the wire's models, with the dictionary it fetches, or plain over a lost connection."""
    told: list[Any] = []
    faults = Faults(fates=[] if compress else [Cut(100)])

    async def test() -> None:
        async with serving(LINES, faults) as jetstream, asyncio.timeout(30):
            client = client_of(params={"cursor": 1}, base_uri=f"{jetstream.url}/xrpc", compress=compress)

            async def take(message: Any) -> None:
                told.append(message)
                if len(told) == len(LINES):
                    await client.stop()

            await client.start(take)
            assert len(jetstream.asked) == (1 if compress else 2)
            assert all(("zstdDictionary" in it) == compress for it in jetstream.asked)

    asyncio.run(test())
    events = [it for it in map(decode, LINES) if isinstance(it, Event)]
    assert [it.seq for it in told] == [it.position for it in events]
    assert [it.did for it in told] == [it.did for it in events]
    for theirs, ours in zip(told, events, strict=True):
        if isinstance(ours, Commit):
            assert (theirs.rev, theirs.operation, theirs.collection, theirs.rkey) == (
                ours.rev,
                ours.operation,
                ours.collection,
                ours.rkey,
            )
