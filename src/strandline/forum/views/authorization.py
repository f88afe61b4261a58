"""Authorizations: the leave a community gives an aggregator."""

from strandline.forum.records import AUTHORIZATION, AggregatorAuthorization
from strandline.schema import Column, Effective, Index, Live, Type

__all__ = ["AUTHORIZATIONS"]


def _row(it: Live) -> tuple[str, tuple[int]]:
    authorization: AggregatorAuthorization = it.record
    return authorization.aggregator_did, (int(authorization.enabled),)


AUTHORIZATIONS = Effective(
    name="authorization",
    kind=AUTHORIZATION,
    subject=Column("aggregator"),
    actor="community",
    columns=(Column("enabled", Type.FLAG),),
    row=_row,
    indexes=(
        Index("by_aggregator", partition=("aggregator",), order=("community",), descending=False, total=True),
        Index("by_community", partition=("community",), order=("aggregator",), descending=False, total=True),
    ),
)
"""An aggregator may post iff `enabled` is 1."""
