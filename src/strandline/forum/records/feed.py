"""
Votes.

Source: https://atproto.com/specs/lexicon#record
"""

from collections.abc import Iterable, Iterator

from strandline.forum.records.defs import StrongRef
from strandline.forum.records.house import fault, not_a_record
from strandline.lexicon import model as field
from strandline.lexicon.fault import Fault, show
from strandline.lexicon.model import record

__all__ = ["VOTE", "Vote", "vote_rule"]

VOTE = "social.coves.feed.vote"
DIRECTIONS = ("up", "down")


@record(VOTE)
class Vote:
    """
    A vote on a post or comment.

    Attributes:
        subject: What is voted on.
        direction: Which way.
        created_at: When the voter says they voted.
    """

    subject: StrongRef = field.ref()
    direction: str = field.text(known_values=DIRECTIONS)
    created_at: str = field.datetime()


def vote_rule(did: str, rkey: str, record: Vote) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid vote: it is neither up nor down, or its subject is no record."""
    return _vote_faults(record)


def _vote_faults(record: Vote) -> Iterator[Fault]:
    if record.direction not in DIRECTIONS:
        yield fault("direction", f"is neither up nor down: {show(record.direction)}")
    yield from not_a_record("subject.uri", record.subject.uri)
