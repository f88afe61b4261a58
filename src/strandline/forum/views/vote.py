"""Votes: of one voter's votes on one subject, the one that counts."""

from strandline.forum.records import VOTE, Vote
from strandline.schema import Column, Effective, Index, Live, Type

__all__ = ["VOTES"]


def _row(it: Live) -> tuple[str, tuple[str]]:
    vote: Vote = it.record
    return vote.subject.uri, (vote.direction,)


VOTES = Effective(
    name="vote",
    kind=VOTE,
    subject=Column("subject", Type.KEY),
    actor="voter",
    columns=(Column("direction"),),
    row=_row,
    indexes=(Index("by_subject", partition=("subject",), order=("voter",), descending=False, total=True),),
)
"""`subject` is the key of what is voted on, `direction` up or down."""
