"""
The served process, as who runs it meets it: workers, secrets that change, proxies, a store that goes and comes back.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from strandline import open_index
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline_cli.serving import Served, server_of
from strandline_postgres.testing import started

DISCOVER: Final = "/xrpc/social.coves.feed.getDiscover"
VOTE: Final = "/xrpc/social.coves.feed.vote.create"
PATIENCE_S: Final = 30.0

LOOK_S: Final = 1.1
"""After this the store is looked at again."""

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store with a small forum."""
    return filled(f"sqlite:///{tmp_path / 'forum.db'}")


def filled(url: str) -> str:
    with open_index(url, SCHEMA) as index:
        index.fold(world(seed=7, events=300))
    return url


def page(address: str, **asked: str) -> httpx.Response:
    return httpx.get(f"{address}{DISCOVER}", params={"sort": "new", "limit": "2", **asked}, timeout=PATIENCE_S)


def test_several_workers_sign_pages_with_one_secret(serve: Serve, store: str, tmp_path: Path) -> None:
    with serve(store, tmp_path, "--workers", "2") as address:
        cursor = page(address).json()["cursor"]
        second = {json.dumps(page(address, cursor=cursor).json()["feed"]) for _ in range(20)}  # each its own connection
        assert len(second) == 1


def test_a_secret_is_changed_without_a_gap(serve: Serve, store: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"another secret \xff of the tests")
    (tmp_path / "key").write_bytes(b"a secret of the tests")
    new, old = (("--page-key-file", str(tmp_path / name)) for name in ("new", "key"))
    with serve(store, tmp_path, keys=old) as address:
        cursor = page(address).json()["cursor"]
    with serve(store, tmp_path, "--workers", "2", keys=(*new, *old)) as address:
        assert page(address, cursor=cursor).status_code == 200
        later = page(address).json()["cursor"]
    with serve(store, tmp_path, keys=new) as address:
        assert page(address, cursor=later).status_code == 200
        assert page(address, cursor=cursor).json()["error"] == "InvalidCursor"


def test_what_a_client_meets_first(serve: Serve, store: str, tmp_path: Path) -> None:
    with serve(store, tmp_path) as address, httpx.Client(base_url=address) as client:
        got, head = client.get(DISCOVER), client.head(DISCOVER)
        assert got.headers["content-encoding"] == "gzip"
        assert (head.status_code, head.content) == (200, b"")
        assert client.options(DISCOVER).status_code == client.options("/health").status_code == 204
        assert "server" not in got.headers
        long = client.post(VOTE, content=b"x" * 1_000_001)
        assert (long.status_code, long.json()["error"]) == (413, "RequestTooLarge")
        chunked = client.post(VOTE, content=iter([b"x" * 65_536] * 20))
        assert (chunked.status_code, chunked.json()["error"]) == (413, "RequestTooLarge")
        assert client.post(VOTE, content=b"\xff not JSON").json()["error"] == "WriteToPds"
        for nsid, status in (("none.such", 404), ("social.coves.community.create", 501)):
            refused = client.post(f"/xrpc/{nsid}")
            assert (refused.status_code, set(refused.json())) == (status, {"error", "message"})
        assert "/xrpc/social.coves.feed.getTimeline" in client.get("/openapi.json").json()["paths"]


def until(address: str, path: str, status: int) -> httpx.Response:
    """Ask until the answer has a status; the look at the store is a second old at most."""
    end = time.monotonic() + 20 * LOOK_S
    while True:
        got = httpx.get(f"{address}{path}", timeout=PATIENCE_S)
        if got.status_code == status or time.monotonic() > end:
            assert got.status_code == status, got.text
            return got
        time.sleep(0.05)


def test_a_file_that_is_moved_away_is_no_healthy_store(serve: Serve, store: str, tmp_path: Path) -> None:
    path = Path(store.removeprefix("sqlite:///"))
    with serve(store, tmp_path) as address:
        assert page(address).status_code == until(address, "/health", 200).status_code == 200
        path.rename(tmp_path / "elsewhere.db")
        assert until(address, "/health", 503).json()["store"] == "unavailable"
        (tmp_path / "elsewhere.db").rename(path)
        assert until(address, "/health", 200).json()["store"] == "ok"


def test_a_server_that_is_gone_is_503_until_somebody_starts_it(serve: Serve, tmp_path: Path) -> None:
    with started(18) as postgres, serve(filled(postgres.url(schema="served")), tmp_path) as address:
        assert page(address).status_code == until(address, "/xrpc/_health", 200).status_code == 200
        postgres.stop()
        with ThreadPoolExecutor(2) as pool:  # each waits for the store until its time is over
            feed, health = pool.map(lambda path: until(address, path, 503), (DISCOVER, "/health"))
        assert feed.json()["error"] == "ServiceUnavailable"
        assert int(feed.headers["Retry-After"]) > 0
        assert health.json()["store"] == "unavailable"
        assert httpx.get(f"{address}/openapi.json").status_code == 200
        postgres.start()
        assert until(address, DISCOVER, 200).json()["feed"]
        assert until(address, "/health", 200).json()["store"] == "ok"


async def who_asks(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the address that is taken for the client's."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["client"][0].encode()})


@contextmanager
def listening(proxies: tuple[str, ...]) -> Iterator[str]:
    """Serve within the block, as the command does, and give the address."""
    server = server_of(Served(url="", host="127.0.0.1", port=0, proxies=proxies), who_asks)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("proxies", "told"), [((), "127.0.0.1"), (("10.0.0.0/8",), "127.0.0.1"), (("127.0.0.0/8",), "192.0.2.7")]
)
def test_only_a_named_proxy_is_believed(proxies: tuple[str, ...], told: str) -> None:
    with listening(proxies) as address:
        assert httpx.get(address, headers={"X-Forwarded-For": "192.0.2.7"}).text == told
