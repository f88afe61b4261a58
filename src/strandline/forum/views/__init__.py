"""The views of the forum: a file each, with its table."""

from strandline.forum.views.aggregator import AGGREGATORS
from strandline.forum.views.authorization import AUTHORIZATIONS
from strandline.forum.views.block import BLOCKS
from strandline.forum.views.comment import COMMENTS
from strandline.forum.views.community import COMMUNITIES, COMMUNITY_TALLY
from strandline.forum.views.member import MEMBERS
from strandline.forum.views.post import POSTS
from strandline.forum.views.profile import ACTOR_TALLY, PROFILES
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
    "MEMBERS",
    "POSTS",
    "PROFILES",
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
    COMMENTS,
    MEMBERS,
    COMMUNITY_TALLY,
    COMMUNITIES,
    ACTOR_TALLY,
    PROFILES,
    AGGREGATORS,
)
"""Every view, each after those it reads."""
