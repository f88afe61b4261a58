"""
One made-up forum, in three stores, asked in three ways: as a library, mounted in an application, and as a process.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import pytest
from attrs import frozen

from strandline import Index, Store, open_index
from strandline.forum import SCHEMA
from strandline.forum.world import START_US, world
from strandline.forum.xrpc import Answering, BlobUrls, Refusal, answer
from strandline_http import VIEWER_HEADER, Settings, create_app, open_readers, trusted_header
from strandline_postgres.testing import Server

KEYS: Final = (b"a secret of the tests",)
PROXY: Final = "https://pictures.example"
BLOBS: Final = BlobUrls(proxy=PROXY)
HOW: Final = Answering(page_keys=KEYS, blobs=BLOBS)
EVENTS: Final = 1500
NOW_US: Final = START_US + 31 * 86_400_000_000
STORES: Final = ("memory", "sqlite", "postgres")
WAYS: Final = ("library", "mounted", "served")
PATIENCE_S: Final = 30.0


@frozen
class Told:
    """An answer: its status and its body."""

    status: int
    body: Any


Ask = Callable[..., Told]
Web = Callable[..., httpx.Response]


@frozen
class Forum:
    """The forum in one store: its URL, and an index that is open for writing."""

    name: str
    url: str
    index: Index

    def rows(self, table: str) -> list[Any]:
        """Return all rows of a view."""

        async def scanned(store: Store) -> list[Any]:
            return [row async for _, rows in store.scan([table]) for row in rows]

        return [*map(SCHEMA.view(table).table.row, self.index.ask(scanned))]

    def asked(self, nsid: str, *pairs: tuple[str, Any], viewer: str | None = None, now_us: int = NOW_US) -> Told:
        """Ask the library."""
        told = [(name, str(value)) for name, value in pairs]
        try:
            body = self.index.ask(answer, f"social.coves.{nsid}", told, viewer=viewer, now_us=now_us, how=HOW)
        except Refusal as refusal:
            return Told(refusal.status, refusal.body())
        return Told(200, body)


@contextmanager
def made(name: str, url: str) -> Iterator[Forum]:
    with open_index(url, SCHEMA) as index:
        index.fold(world(seed=7, events=EVENTS))
        yield Forum(name, url, index)


@pytest.fixture(scope="session")
def forums(
    tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[int], Server]
) -> Iterator[Mapping[str, Forum]]:
    """The same forum in each store."""
    urls = {
        "memory": "memory:",
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('http') / 'forum.db'}",
        "postgres": postgres(18).url(schema="http"),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(made(name, url)) for name, url in urls.items()}


@pytest.fixture(scope="session")
def forum(forums: Mapping[str, Forum]) -> Forum:
    """The forum in memory."""
    return forums["memory"]


def asking(client: httpx.AsyncClient, runner: asyncio.Runner) -> Ask:
    def ask(nsid: str, *pairs: tuple[str, Any], viewer: str | None = None) -> Told:
        query = urlencode([(name, str(value)) for name, value in pairs])
        headers = {} if viewer is None else {VIEWER_HEADER: viewer}
        got = runner.run(client.get(f"/xrpc/social.coves.{nsid}?{query}", headers=headers))
        return Told(got.status_code, got.json())

    return ask


@contextmanager
def client_of(runner: asyncio.Runner, **how: Any) -> Iterator[httpx.AsyncClient]:
    client = httpx.AsyncClient(**how)
    try:
        yield client
    finally:
        runner.run(client.aclose())


@contextmanager
def mounted(forum: Forum) -> Iterator[tuple[httpx.AsyncClient, asyncio.Runner]]:
    """The application over the forum's store, and the loop it lives in."""
    settings = Settings(page_keys=KEYS, viewer=trusted_header, blobs=BLOBS)
    with asyncio.Runner() as runner:

        async def store() -> Any:
            return forum.index.store if forum.name == "memory" else await open_readers(forum.url, SCHEMA, threads=2)

        opened = runner.run(store())
        transport = httpx.ASGITransport(create_app(opened, settings))
        with client_of(runner, transport=transport, base_url="http://forum.test") as client:
            yield client, runner
        if forum.name != "memory":
            runner.run(opened.close())


@contextmanager
def served(url: str, folder: Path, *more: str, keys: Sequence[str] = ()) -> Iterator[str]:
    """`strandline serve` in a process of its own; gives its address."""
    (folder / "key").write_bytes(KEYS[0])
    command = [sys.executable, "-c", "import sys; from strandline_cli import main; sys.exit(main())", "serve"]
    secret = keys or ("--page-key-file", str(folder / "key"))
    options = ["--store", url, "--port", "0", *secret, "--trust-viewer-header", "--image-proxy", PROXY, *more]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    """`strandline serve` of a store, within a block."""
    return served


@pytest.fixture(
    scope="session",
    params=[f"{store}-{way}" for store in STORES for way in WAYS if (store, way) != ("memory", "served")],
)
def way(
    request: pytest.FixtureRequest, forums: Mapping[str, Forum], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """Each way to ask each store; a store in memory is nobody else's, and is not served."""
    store, how = request.param.split("-")
    forum = forums[store]
    with ExitStack() as stack:
        if how == "library":
            yield lambda nsid, *pairs, viewer=None: forum.asked(nsid, *pairs, viewer=viewer)
        elif how == "mounted":
            yield asking(*stack.enter_context(mounted(forum)))
        else:
            address = stack.enter_context(served(forum.url, tmp_path_factory.mktemp("served")))
            runner = stack.enter_context(asyncio.Runner())
            yield asking(stack.enter_context(client_of(runner, base_url=address, timeout=PATIENCE_S)), runner)


@pytest.fixture(scope="session")
def webs(forums: Mapping[str, Forum]) -> Iterator[Mapping[str, Web]]:
    """Requests to the mounted application, over each store."""
    with ExitStack() as stack:
        yield {name: _requests(*stack.enter_context(mounted(forum))) for name, forum in forums.items()}


def _requests(client: httpx.AsyncClient, runner: asyncio.Runner) -> Web:
    def request(method: str, path: str, **how: Any) -> httpx.Response:
        sent: Awaitable[httpx.Response] = client.request(method, path, **how)
        return runner.run(sent)  # type: ignore[arg-type]  # a coroutine, as httpx has it

    return request


@pytest.fixture(scope="session")
def web(webs: Mapping[str, Web]) -> Web:
    """Requests to the mounted application, over the store in memory."""
    return webs["memory"]
