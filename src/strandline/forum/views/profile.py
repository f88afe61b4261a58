"""Profiles: each did with a live actor profile, with its counts and reputation; and the counts of any did."""

from typing import Any

from strandline.forum.records import ACTOR_PROFILE, COMMENT, POST, ActorProfile, Post
from strandline.schema import Attach, Column, Live, Rows, Search, Type, Weighted
from strandline.words import words_of

__all__ = ["ACTOR_TALLY", "PROFILES", "PROFILE_WORDS"]

_POST, _COMMENT, _COMMUNITY, _MEMBERSHIP = (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0)


def _of_post(it: Live) -> list[Weighted]:
    post: Post = it.record
    return [((post.author,), _POST)]


def _of_comment(it: Live) -> list[Weighted]:
    return [((it.did,), _COMMENT)]


def _of_subscription(subscription: Any) -> list[Weighted]:
    return [] if subscription.ended else [((subscription.actor,), _COMMUNITY)]


def _of_member(member: Any) -> list[Weighted]:
    return [((member.did,), _MEMBERSHIP)]


def _of_score(row: Any) -> list[Weighted]:
    return [((row.author,), (0, 0, 0, 0, row.score))]


ACTOR_TALLY = Rows(
    name="actor_tally",
    key=(Column("actor"),),
    sums=("post_count", "comment_count", "community_count", "membership_count", "reputation"),
    sources={
        POST: _of_post,
        COMMENT: _of_comment,
        "subscription": _of_subscription,
        "member": _of_member,
        "post": _of_score,
        "comment": _of_score,
    },
)
"""Counts of what is known of a did, with a profile or without; `reputation` sums the scores of what it wrote."""


def _row(it: Live) -> tuple[Any, ...]:
    profile: ActorProfile = it.record
    return it.cid, profile.display_name, profile.bio, it.first_seen_us


def _words(it: Live) -> tuple[str, str]:
    profile: ActorProfile = it.record
    return words_of(profile.display_name), words_of(profile.bio)


PROFILE_WORDS = Attach(
    name="profile_words",
    kind=ACTOR_PROFILE,
    by="repo",
    columns=(Column("display_name", Type.WORDS), Column("bio", Type.WORDS)),
    row=_words,
)
"""What a profile is found by: the words of its name, and of its bio. Its handle is the repo's, and no word of it."""

PROFILES = Attach(
    name="profile",
    kind=ACTOR_PROFILE,
    by="repo",
    columns=(
        Column("cid", Type.CID),
        Column("display_name", null=True),
        Column("bio", null=True),
        Column("indexed_at_us", Type.INTEGER),
    ),
    row=_row,
    carries=ACTOR_TALLY,
    searches=(Search("by_relevance", PROFILE_WORDS.name, ("reputation", "did"), headed=True),),
)
"""A row for each did with a live actor profile."""
