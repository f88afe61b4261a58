"""The views of the forum: a file each, with its table."""

from strandline.forum.views.aggregator import AGGREGATORS
from strandline.forum.views.authorization import AUTHORIZATIONS
from strandline.forum.views.block import BLOCKS
from strandline.forum.views.comment import COMMENTS
from strandline.forum.views.community import COMMUNITIES, COMMUNITY_TALLY, COMMUNITY_WORDS
from strandline.forum.views.member import MEMBERS
from strandline.forum.views.post import POST_WORDS, POSTS
from strandline.forum.views.profile import ACTOR_TALLY, PROFILE_WORDS, PROFILES
from strandline.forum.views.subscription import SUBSCRIPTIONS
from strandline.forum.views.tally import TALLY
from strandline.forum.views.vote import VOTES

__all__ = [
    "ACTOR_TALLY",
    "AGGREGATORS",
    "AUTHORIZATIONS",
    "BLOCKS",
    "COMMENTS",
    "COMMUNITIES",
    "COMMUNITY_TALLY",
    "COMMUNITY_WORDS",
    "MEMBERS",
    "POSTS",
    "POST_WORDS",
    "PROFILES",
    "PROFILE_WORDS",
    "SUBSCRIPTIONS",
    "TALLY",
    "VIEWS",
    "VOTES",
]

VIEWS = (
    VOTES,
    SUBSCRIPTIONS,
    BLOCKS,
    AUTHORIZATIONS,
    TALLY,
    POSTS,
    POST_WORDS,
    COMMENTS,
    MEMBERS,
    COMMUNITY_TALLY,
    COMMUNITIES,
    COMMUNITY_WORDS,
    ACTOR_TALLY,
    PROFILES,
    PROFILE_WORDS,
    AGGREGATORS,
)
"""Every view, each after those it reads."""
