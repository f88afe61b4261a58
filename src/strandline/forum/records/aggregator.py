"""
Aggregators: accounts that post by themselves, and the leave communities give them.

Source: https://atproto.com/specs/lexicon#record
"""

from collections.abc import Iterable, Mapping

from strandline.forum.records.defs import AVATAR_MAX_BYTES, PICTURES
from strandline.forum.records.house import not_the_repo, only_self
from strandline.lexicon import model as field
from strandline.lexicon.fault import Fault
from strandline.lexicon.model import Blob, Tolerance, record

__all__ = [
    "AUTHORIZATION",
    "SERVICE",
    "SERVICE_TOLERANCES",
    "AggregatorAuthorization",
    "AggregatorService",
    "authorization_rule",
    "service_rule",
]

SERVICE = "social.coves.aggregator.service"
AUTHORIZATION = "social.coves.aggregator.authorization"


@record(SERVICE, key="literal:self")
class AggregatorService:
    """
    What an aggregator says of itself.

    Attributes:
        did: The aggregator: the repository that holds the record.
        display_name: The name shown.
        created_at: When it was set up.
        description: What it does.
        avatar: A small picture.
        config_schema: JSON Schema of what a community may set when it gives leave.
        source_url: Where its code is.
        maintainer: Who keeps it.
    """

    did: str | None = field.did(default=None, required=True)
    display_name: str = field.text(max_length=640, max_graphemes=64)
    created_at: str = field.datetime()
    description: str | None = field.text(default=None, max_length=3000, max_graphemes=300)
    avatar: Blob | None = field.blob(default=None, accept=PICTURES, max_size=AVATAR_MAX_BYTES)
    config_schema: Mapping[str, object] | None = field.unknown(default=None)
    source_url: str | None = field.uri(default=None)
    maintainer: str | None = field.did(default=None)


SERVICE_TOLERANCES = (Tolerance(path="did", required=False),)
"""Some leave the did out; the repository says it anyway."""


def service_rule(did: str, rkey: str, record: AggregatorService) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid service: its key is not `self`, or it names another aggregator."""
    yield from only_self(rkey)
    if record.did is not None:
        yield from not_the_repo("did", record.did, did)


@record(AUTHORIZATION, key="any")
class AggregatorAuthorization:
    """
    Leave that a community gives an aggregator, or takes back.

    Attributes:
        aggregator_did: The aggregator.
        community_did: The community: the repository that holds the record.
        enabled: Whether it may post.
        created_at: When it was given leave.
        created_by: Who gave it.
        config: What the community set, as the aggregator's schema has it.
        disabled_at: When leave was taken back.
        disabled_by: Who took it back.
    """

    aggregator_did: str = field.did()
    community_did: str = field.did()
    enabled: bool = field.boolean()
    created_at: str = field.datetime()
    created_by: str = field.did()
    config: Mapping[str, object] | None = field.unknown(default=None)
    disabled_at: str | None = field.datetime(default=None)
    disabled_by: str | None = field.did(default=None)


def authorization_rule(did: str, rkey: str, record: AggregatorAuthorization) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid authorization: it speaks for another community."""
    return not_the_repo("communityDid", record.community_did, did)
