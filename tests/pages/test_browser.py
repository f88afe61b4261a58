"""
The pages in a real browser: light and dark, at a desk and on a phone, by keyboard, and without scripts.

It needs Chromium (`apt-get install chromium`); where there is none the tests are skipped, but not where CI is set. With
`STRANDLINE_SHOTS` naming a folder, a picture of each page is left there to be looked at.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import uvicorn
from playwright.sync_api import BrowserContext, Page, Playwright, Route, sync_playwright
from tests.pages.conftest import ANN, EVE, EVENTS, KEYS, NIGHT, PIER, PROXY

from strandline import Cursor, Index, open_index
from strandline.forum import SCHEMA
from strandline.forum.xrpc import BlobUrls
from strandline_http import Settings, create_app, open_readers
from strandline_http.pages import figures

SWITCHES: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SIZES: Final = {"desk": (1280, 900), "phone": (360, 740)}
PICTURE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><rect width="640" height="480"/></svg>'
)
OPENED: Final = "for (const it of document.querySelectorAll('details')) it.open = true"
CLOSED: Final = "for (const it of document.querySelectorAll('details')) it.open = false"
PATHS: Final = {
    "discover": "/",
    "top": "/?sort=top&timeframe=all",
    "communities": "/communities",
    "community": f"/c/{PIER}",
    "warned": f"/c/{NIGHT}",
    "timeline": f"/timeline/{ANN}",
    "whose": "/timeline",
    "thread": f"/post/{PIER}/first",
    "hostile": f"/post/{PIER}/hostile",
    "long": f"/post/{PIER}/words",
    "labelled": f"/post/{PIER}/labelled",
    "profile": f"/u/{EVE}",
    "comments": f"/u/{ANN}?show=comments",
    "search": "/search?q=tides",
    "index": "/index",
    "error": "/nowhere",
}


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium, and CI is set: apt-get install chromium")
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, str]]:
    """The hostile forum in a file, and the file's URL."""
    url = f"sqlite:///{tmp_path_factory.mktemp('browser') / 'forum.db'}"
    with open_index(url, SCHEMA) as opened:
        opened.fold(EVENTS)
        yield opened, url


@pytest.fixture(scope="module")
def address(index: tuple[Index, str]) -> Iterator[str]:
    """Where it is served."""
    opened: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not opened:
            readers = await open_readers(index[1], SCHEMA, threads=2)
            opened.append(create_app(readers, Settings(page_keys=KEYS, blobs=BlobUrls(proxy=PROXY))))
        await opened[0](scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def opened(playwright: Playwright, chromium: str, folder: Path, **how: Any) -> Iterator[BrowserContext]:
    browser = playwright.chromium.launch_persistent_context(
        folder, executable_path=chromium, chromium_sandbox=False, args=list(SWITCHES), **how
    )
    browser.set_default_timeout(10_000)
    browser.route(f"{PROXY}/**", _picture)
    yield browser
    browser.close()


def _picture(route: Route) -> None:
    route.fulfill(body=PICTURE, content_type="image/svg+xml")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    with opened(playwright, chromium, tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page; what the browser complains of fails the test."""
    page, complaints = browser.new_page(), list[str]()
    page.on("console", lambda it: complaints.append(it.text) if it.type in ("error", "warning") else None)
    page.on("pageerror", lambda it: complaints.append(str(it)))
    page.on("dialog", lambda it: complaints.append(f"a dialog: {it.message}"))
    yield page
    page.close()
    assert [it for it in complaints if "404 (Not Found)" not in it] == []


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_page_can_be_read_by_everybody(page: Page, address: str, path: str, request: pytest.FixtureRequest) -> None:
    page.goto(f"{address}{path}")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    for scheme, size in product(SCHEMES, SIZES):
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        _look(page, f"{request.node.callspec.id}-{scheme}-{size}")
        assert page.evaluate(f"{OPENED}; document.documentElement.scrollWidth") <= width, f"wider than a {size}"
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [(it["id"], [node["html"] for node in it["nodes"]]) for it in told] == []
        page.evaluate(CLOSED)


def _look(page: Page, name: str) -> None:
    if folder := os.environ.get("STRANDLINE_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_all_can_be_done_by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}/post/{PIER}/labelled")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert skip.bounding_box()["y"] >= 0  # type: ignore[index]  # it is shown, so it has a box
    page.keyboard.press("Enter")
    summary = page.locator("details.cover > summary").first
    for _ in range(20):
        page.keyboard.press("Tab")
        if summary.evaluate("it => it === document.activeElement"):
            break
    assert summary.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
    assert not page.get_by_role("heading", name="what the label covers").is_visible()
    page.keyboard.press("Enter")
    assert page.get_by_role("heading", name="what the label covers").is_visible()


def test_the_figures_refresh_themselves_until_they_are_paused(
    page: Page, address: str, index: tuple[Index, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "SOON_US", 0)
    page.clock.install()
    page.goto(f"{address}/index")
    assert "late.ndjson" not in page.inner_text("main")
    index[0].ask(lambda store: index[0].ingest.fold([], Cursor("file:/late.ndjson", 7)))
    page.clock.run_for(5100)
    page.locator("text=late.ndjson").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("status").inner_text() == "Paused."
    asked: list[str] = []
    page.on("request", lambda it: asked.append(it.url))
    page.clock.run_for(20_000)
    page.get_by_role("button", name="Go on").click()
    assert asked == []


def test_all_is_there_without_scripts(playwright: Playwright, chromium: str, address: str, tmp_path: Path) -> None:
    with opened(playwright, chromium, tmp_path, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_role("link", name="Next page").click()
        assert page.get_by_role("link", name="First page").is_visible()
        page.get_by_role("searchbox").fill("tides")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Tides", exact=True).click()
        assert page.get_by_role("heading", name="Tides", level=1).is_visible()
        page.get_by_text("Spoiler: <i>why</i>").first.click()
        page.goto(f"{address}/index")
        assert page.get_by_role("heading", name="Quarantined records").is_visible()
        assert not page.get_by_role("button", name="Pause").is_visible()


def test_a_link_that_was_never_one_is_none_in_the_browser_either(page: Page, address: str) -> None:
    for path in (f"/post/{PIER}/first", f"/post/{PIER}/hostile", f"/u/{EVE}"):
        page.goto(f"{address}{path}")
        told = page.evaluate("[...document.querySelectorAll('a')].map(it => it.protocol)")
        assert set(told) <= {"http:", "https:"}
        assert page.evaluate("document.scripts.length") == 0
