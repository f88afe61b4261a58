"""Subscriptions: of one actor's subscriptions to one community, the one that counts."""

from strandline.forum.records import SUBSCRIPTION, Subscription
from strandline.schema import Column, Effective, Index, Live, Type

__all__ = ["SUBSCRIPTIONS"]


def _row(it: Live) -> tuple[str, tuple[int, int]]:
    subscription: Subscription = it.record
    return subscription.subject, (subscription.content_visibility, int(subscription.ended_at is not None))


SUBSCRIPTIONS = Effective(
    name="subscription",
    kind=SUBSCRIPTION,
    subject=Column("community"),
    actor="actor",
    columns=(Column("content_visibility", Type.INTEGER), Column("ended", Type.FLAG)),
    row=_row,
    indexes=(
        Index("by_actor", partition=("actor",), order=("community",), descending=False, total=True),
        Index("by_community", partition=("community",), order=("actor",), descending=False, total=True),
    ),
)
"""An actor is subscribed iff `ended` is 0; `content_visibility` is 1 to 5."""
