"""What every test may ask for."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the protocol's shared test vectors; the test is skipped where it is not laid beside the project."""
    folder = Path(__file__).resolve().parents[1] / "../shared/vectors"
    if not folder.is_dir():
        pytest.skip(f"no shared test vectors at {folder}")
    return folder.resolve()
