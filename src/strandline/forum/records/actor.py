"""
What an account says of itself.

Source: https://atproto.com/specs/lexicon#record
"""

from collections.abc import Iterable

from strandline.forum.records.defs import AVATAR_MAX_BYTES, BANNER_MAX_BYTES, PICTURES
from strandline.forum.records.house import only_self
from strandline.forum.records.richtext import Facet
from strandline.lexicon import model as field
from strandline.lexicon.fault import Fault
from strandline.lexicon.model import Blob, Tolerance, record

__all__ = ["ACTOR_PROFILE", "ACTOR_PROFILE_TOLERANCES", "ActorProfile", "actor_profile_rule"]

ACTOR_PROFILE = "social.coves.actor.profile"


@record(ACTOR_PROFILE, key="literal:self")
class ActorProfile:
    """
    What an account says of itself.

    Attributes:
        created_at: When the account came to the forum.
        display_name: The name shown.
        bio: About the account.
        bio_facets: What stretches of the bio mean.
        avatar: A small picture.
        banner: A wide picture.
    """

    created_at: str | None = field.datetime(default=None, required=True)
    display_name: str | None = field.text(default=None, max_length=640, max_graphemes=64)
    bio: str | None = field.text(default=None, max_length=2560, max_graphemes=256, older="description")
    bio_facets: tuple[Facet, ...] | None = field.array(default=None)
    avatar: Blob | None = field.blob(default=None, accept=PICTURES, max_size=AVATAR_MAX_BYTES)
    banner: Blob | None = field.blob(default=None, accept=PICTURES, max_size=BANNER_MAX_BYTES)


ACTOR_PROFILE_TOLERANCES = (Tolerance(path="createdAt", required=False),)
"""Many writers leave createdAt out. One that is there and broken is still a fault."""


def actor_profile_rule(did: str, rkey: str, record: ActorProfile) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid actor profile: its key is not `self`."""
    return only_self(rkey)
