"""
Questions to the forum: feeds, threads, posts, communities, profiles.

Coroutines over a store; nothing here writes or reads a clock. What an account's state changes is checked at read, so
that a hidden account is gone at once, while the job that takes its records back is still at work.
"""

from strandline.forum.queries.entries import community, post, profile, record
from strandline.forum.queries.feeds import TIMEFRAMES_US, FeedPage, Order, community_feed, discover, timeline
from strandline.forum.queries.people import handles
from strandline.forum.queries.revs import rev_at_least
from strandline.forum.queries.threads import Reply, thread

__all__ = [
    "TIMEFRAMES_US",
    "FeedPage",
    "Order",
    "Reply",
    "community",
    "community_feed",
    "discover",
    "handles",
    "post",
    "profile",
    "record",
    "rev_at_least",
    "thread",
    "timeline",
]
