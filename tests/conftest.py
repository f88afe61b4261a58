"""What every test may ask for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from strandline_postgres.testing import Server, binaries, started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the laws: of all tests they take longest, and no process is to be left alone with them at the end."""
    items.sort(key=lambda item: "test_laws" not in item.nodeid)


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
