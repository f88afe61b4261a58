"""
How far the index is behind, told beside each answer: one look a second for all, and no trouble of it is an answer's.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final

import httpx
import pytest

from strandline import Cursor, Ingest, StoreUnavailable, layout_of, run
from strandline.forum import SCHEMA
from strandline.memory import MemoryStore
from strandline_http import Settings, create_app

DISCOVER: Final = "/xrpc/social.coves.feed.getDiscover"
HEADER: Final = "X-Index-Lag-Ms"
NEVER: Final = 3600.0
Get = Callable[[str], Awaitable[httpx.Response]]


async def at_once() -> None:
    """Be in no trouble."""


class Looked(MemoryStore):
    """A store that counts the looks at its cursors, each of which begins with some trouble."""

    def __init__(self, trouble: Callable[[], Awaitable[None]] = at_once) -> None:
        super().__init__(layout_of(SCHEMA))
        self.looks = 0
        self._trouble = trouble

    async def scan(self, tables: Sequence[str]) -> AsyncGenerator[Any, None]:
        """Count, get into trouble, and pass on."""
        self.looks += 1
        await self._trouble()
        async for chunk in super().scan(tables):
            yield chunk


def asked(store: Looked, body: Callable[[Get], Awaitable[None]], timeout_s: float = 10.0) -> None:
    """Ask an application over a store, in an event loop of its own."""
    app = create_app(store, Settings(page_keys=(b"a secret of the tests",), timeout_s=timeout_s))
    asyncio.run(within(app, body))


async def within(app: Any, body: Callable[[Get], Awaitable[None]]) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://forum.test") as client:
        await body(client.get)


def test_who_asks_at_one_time_shares_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("_PATIENCE_S", "_LOOK_S"):  # soon it is, however busy the machine
        monkeypatch.setattr(f"strandline_http.freshness.{bound}", 30.0)
    store = Looked()
    run(Ingest(store, SCHEMA).fold([], Cursor("jetstream", 1_780_000_000_000_000)))

    async def body(get: Get) -> None:
        answers = await asyncio.gather(*(get(path) for path in (DISCOVER, "/health", "/nowhere") for _ in range(10)))
        assert all(int(it.headers[HEADER]) > 0 for it in answers)
        assert store.looks == 1

    asked(store, body)


async def away() -> None:
    """Be in trouble that a store tells of."""
    raise StoreUnavailable("away")


async def late() -> None:
    """Take too long, in the words of some library."""
    raise TimeoutError


async def wrong() -> None:
    """Be in trouble that nobody thought of."""
    raise ZeroDivisionError("secret")


@pytest.mark.parametrize(("trouble", "status"), [(away, 503), (late, 503), (wrong, 500)])
def test_trouble_of_a_look_breaks_no_answer(
    trouble: Callable[[], Awaitable[None]], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "strandline.http")

    async def body(get: Get) -> None:
        for path, expected in ((DISCOVER, 200), ("/nowhere", 404), ("/openapi.json", 200), ("/health", status)):
            got = await get(path)
            assert (got.status_code, HEADER in got.headers) == (expected, False), path
            assert got.headers["X-Request-Id"]
            assert "secret" not in got.text
            assert isinstance(got.json(), dict)

    asked(Looked(trouble), body)


async def hang() -> None:
    """Take for ever."""
    await asyncio.sleep(NEVER)


def test_a_look_that_takes_long_holds_up_no_answer_and_is_not_begun_again() -> None:
    store = Looked(hang)

    async def body(get: Get) -> None:
        began = time.monotonic()
        answers = [await get(DISCOVER) for _ in range(20)]
        assert all(it.status_code == 200 and HEADER not in it.headers for it in answers)
        assert time.monotonic() - began < 5, "one wait, not twenty"
        assert store.looks == 1
        health = await get("/health")
        assert (health.status_code, health.json()["store"]) == (503, "unavailable")

    asked(store, body, timeout_s=1.0)


def test_a_look_that_another_event_loop_left_is_begun_again() -> None:
    store = Looked(hang)
    app = create_app(store, Settings(page_keys=(b"a secret of the tests",)))

    async def body(get: Get) -> None:
        assert (await get(DISCOVER)).status_code == 200

    for times in (1, 2):
        asyncio.run(within(app, body))
        assert store.looks == times


def test_the_end_of_the_application_ends_the_look() -> None:
    store = Looked(hang)
    app = create_app(store, Settings(page_keys=(b"a secret of the tests",)))

    async def body() -> None:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://forum.test") as client:
                await client.get(DISCOVER)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(body())
