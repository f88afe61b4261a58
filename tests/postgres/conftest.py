"""A store of its own for each test, on the servers that all tests of a worker share."""

from collections.abc import Callable
from itertools import count

import pytest

from strandline_postgres.testing import Server

NUMBERS = count()


@pytest.fixture
def server(postgres: Callable[[int], Server]) -> Server:
    """A server of version 18."""
    return postgres(18)


@pytest.fixture
def schema() -> str:
    """The name of a database schema that no other test uses."""
    return f"test_{next(NUMBERS)}"


@pytest.fixture
def url(server: Server, schema: str) -> str:
    """The URL of a store that is not there yet."""
    return server.url(schema=schema)
