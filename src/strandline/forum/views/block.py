"""Blocks: the communities an actor wants to see nothing of."""

from strandline.forum.records import BLOCK, Block
from strandline.schema import Column, Effective, Index, Live

__all__ = ["BLOCKS"]


def _row(it: Live) -> tuple[str, tuple[()]]:
    block: Block = it.record
    return block.subject, ()


BLOCKS = Effective(
    name="block",
    kind=BLOCK,
    subject=Column("community"),
    actor="actor",
    row=_row,
    indexes=(Index("by_actor", partition=("actor",), order=("community",), descending=False, total=True),),
)
"""A row is a block in force."""
