"""Aggregators: each live service record."""

from typing import Any

from strandline.forum.records import SERVICE, AggregatorService
from strandline.schema import Attach, Column, Live, Type

__all__ = ["AGGREGATORS"]


def _row(it: Live) -> tuple[Any, ...]:
    service: AggregatorService = it.record
    return it.cid, service.display_name, it.first_seen_us


AGGREGATORS = Attach(
    name="aggregator",
    kind=SERVICE,
    by="repo",
    columns=(Column("cid", Type.CID), Column("display_name"), Column("indexed_at_us", Type.INTEGER)),
    row=_row,
)
"""What each aggregator says of itself; the record itself stands in the registers."""
