"""Communities: each live community profile with its counts; and the counts of any did that is taken for one."""

from typing import Any

from strandline.forum.records import COMMUNITY_PROFILE, POST, CommunityProfile
from strandline.schema import Attach, Column, Index, Live, Rows, Search, Type, Weighted
from strandline.syntax import datetime_us
from strandline.words import words_of

__all__ = ["COMMUNITIES", "COMMUNITY_TALLY", "COMMUNITY_WORDS"]

_SUBSCRIBER, _POST, _MEMBER = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def _of_subscription(subscription: Any) -> list[Weighted]:
    return [] if subscription.ended else [((subscription.community,), _SUBSCRIBER)]


def _of_post(it: Live) -> list[Weighted]:
    return [((it.did,), _POST)]


def _of_member(member: Any) -> list[Weighted]:
    return [((member.community,), _MEMBER)]


COMMUNITY_TALLY = Rows(
    name="community_tally",
    key=(Column("community"),),
    sums=("subscriber_count", "post_count", "member_count"),
    sources={"subscription": _of_subscription, POST: _of_post, "member": _of_member},
)
"""Counts of what is known; those claimed inside records are never read."""


def _row(it: Live) -> tuple[Any, ...]:
    profile: CommunityProfile = it.record
    visibility = profile.visibility if profile.visibility in ("public", "private") else "unlisted"
    created_at_us = datetime_us(profile.created_at)
    return it.cid, profile.name, profile.display_name, visibility, created_at_us, it.first_seen_us


def _words(it: Live) -> tuple[str, str]:
    profile: CommunityProfile = it.record
    return words_of(profile.name, profile.display_name), words_of(profile.description)


COMMUNITY_WORDS = Attach(
    name="community_words",
    kind=COMMUNITY_PROFILE,
    by="repo",
    columns=(Column("name", Type.WORDS), Column("description", Type.WORDS)),
    row=_words,
)
"""What a community is found by: the words of its names, and of its description."""

COMMUNITIES = Attach(
    name="community",
    kind=COMMUNITY_PROFILE,
    by="repo",
    columns=(
        Column("cid", Type.CID),
        Column("name"),
        Column("display_name", null=True),
        Column("visibility"),
        Column("created_at_us", Type.INTEGER),
        Column("indexed_at_us", Type.INTEGER),
    ),
    row=_row,
    carries=COMMUNITY_TALLY,
    version=2,
    searches=(
        Search(
            "by_relevance",
            COMMUNITY_WORDS.name,
            ("subscriber_count", "did"),
            headed=True,
            within=("visibility",),
        ),
    ),
    indexes=(Index("by_popular", partition=("visibility",), order=("subscriber_count", "did"), total=True),),
)
"""`visibility` is public, unlisted or private; a word that is not known counts as unlisted."""
