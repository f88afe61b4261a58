"""
The record kinds of the forum, as the engine takes them.
"""

from strandline.forum.records.actor import ACTOR_PROFILE, ACTOR_PROFILE_TOLERANCES, ActorProfile, actor_profile_rule
from strandline.forum.records.aggregator import (
    AUTHORIZATION,
    SERVICE,
    SERVICE_TOLERANCES,
    AggregatorAuthorization,
    AggregatorService,
    authorization_rule,
    service_rule,
)
from strandline.forum.records.community import (
    BLOCK,
    COMMENT,
    COMMENT_TOLERANCES,
    COMMUNITY_PROFILE,
    POST,
    SUBSCRIPTION,
    SUBSCRIPTION_TOLERANCES,
    Block,
    Comment,
    CommunityProfile,
    Post,
    Subscription,
    comment_kept,
    comment_rule,
    community_profile_rule,
    post_rule,
)
from strandline.forum.records.feed import VOTE, Vote, vote_rule
from strandline.schema import RecordKind

__all__ = ["KINDS"]

KINDS = (
    RecordKind(
        collection=ACTOR_PROFILE,
        name="actor",
        type=ActorProfile,
        tolerances=ACTOR_PROFILE_TOLERANCES,
        rule=actor_profile_rule,
    ),
    RecordKind(collection=COMMUNITY_PROFILE, name="community", type=CommunityProfile, rule=community_profile_rule),
    RecordKind(collection=POST, name="post", type=Post, rule=post_rule),
    RecordKind(
        collection=COMMENT,
        name="comment",
        type=Comment,
        tolerances=COMMENT_TOLERANCES,
        rule=comment_rule,
        kept=comment_kept,
    ),
    RecordKind(collection=VOTE, name="vote", type=Vote, rule=vote_rule),
    RecordKind(collection=SUBSCRIPTION, name="subscription", type=Subscription, tolerances=SUBSCRIPTION_TOLERANCES),
    RecordKind(collection=BLOCK, name="block", type=Block),
    RecordKind(
        collection=SERVICE, name="service", type=AggregatorService, tolerances=SERVICE_TOLERANCES, rule=service_rule
    ),
    RecordKind(collection=AUTHORIZATION, name="authorization", type=AggregatorAuthorization, rule=authorization_rule),
)
"""Each kind of record that is indexed; subscriptions and blocks have no rule beyond their lexicon."""
