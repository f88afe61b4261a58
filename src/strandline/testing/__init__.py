"""
The test kit, shipped: what proves a store, and views of your own.

- `StoreConformance`: a store keeps the port and the laws.
- `LawsConformance`: an index of any schema obeys the laws, on any store.
- `strategies`: hostile logs for Hypothesis.
"""

import pytest

pytest.register_assert_rewrite("strandline.testing.conformance", "strandline.testing.laws")

from strandline.testing.conformance import StoreConformance  # noqa: E402 - so that its asserts tell what they compared
from strandline.testing.laws import LawsConformance  # noqa: E402 - likewise

__all__ = ["LawsConformance", "StoreConformance"]
