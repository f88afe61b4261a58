"""What every test may ask for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from strandline_postgres.testing import Server, binaries, started

LONGEST: Final = (
    "test_packaging",
    "test_laws",
    "test_docs",
    "test_writers",
    "test_soak",
    "test_browser",
    "postgres/test_by_hand",
    "test_walks",
    "test_fuzz",
    "every_link_within",
)
"""
What takes longest: no process is to be left alone with it at the end.

The first of it shares fixtures that take long, so one process is to take it all.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the protocol's shared test vectors; the test is skipped where it is not laid beside the project."""
    folder = Path(__file__).resolve().parents[1] / "../shared/vectors"
    if not folder.is_dir():
        pytest.skip(f"no shared test vectors at {folder}")
    return folder.resolve()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[int], Server]]:
    """
    PostgreSQL servers by major version, one each, started when first asked for.

    18 and 17 come with the tests' requirements, and their absence is an error; any other version that is not
    installed skips the test.
    """
    with ExitStack() as running:

        @cache
        def server(version: int) -> Server:
            if version not in (17, 18):
                try:
                    binaries(version)
                except LookupError as error:
                    pytest.skip(str(error))
            return running.enter_context(started(version))

        yield server
