"""
Communities: what they say of themselves, what is posted in them, what is said there, who follows or blocks them.

Source: https://atproto.com/specs/lexicon#record
"""

from collections.abc import Iterable, Iterator, Mapping

from strandline import syntax
from strandline.forum.records.defs import (
    AVATAR_MAX_BYTES,
    BANNER_MAX_BYTES,
    PICTURES,
    SelfLabels,
    StrongRef,
)
from strandline.forum.records.embed import ExternalEmbed, ImagesEmbed, PostEmbed, VideoEmbed
from strandline.forum.records.house import fault, not_a_record, not_the_repo, only_self
from strandline.forum.records.richtext import Facet
from strandline.lexicon import model as field
from strandline.lexicon.fault import Fault, show
from strandline.lexicon.model import Blob, Limits, Tolerance, definition, record

__all__ = [
    "BLOCK",
    "COMMENT",
    "COMMENT_TOLERANCES",
    "COMMUNITY_PROFILE",
    "POST",
    "SUBSCRIPTION",
    "SUBSCRIPTION_TOLERANCES",
    "Block",
    "Comment",
    "CommentEmbed",
    "CommunityProfile",
    "ContentRules",
    "Federation",
    "Post",
    "PostEmbeds",
    "Reply",
    "Subscription",
    "comment_kept",
    "comment_rule",
    "community_profile_rule",
    "post_rule",
]

TAG = Limits(max_length=64, max_graphemes=64)
COMMUNITY_PROFILE = "social.coves.community.profile"
POST = "social.coves.community.post"
COMMENT = "social.coves.community.comment"
SUBSCRIPTION = "social.coves.community.subscription"
BLOCK = "social.coves.community.block"


@definition("social.coves.community.profile#contentRules")
class ContentRules:
    """
    What a community asks of its posts. Kept and shown; nothing follows from it yet.

    Attributes:
        allowed_embed_types: The embeds that may be posted; an empty list allows text only.
        require_title: A post needs a title.
        require_text: A post needs a text.
        min_text_length: The least length of a text.
        max_text_length: The greatest length of a text.
        min_title_length: The least length of a title.
        max_title_length: The greatest length of a title.
        min_images: The least number of pictures.
        max_images: The greatest number of pictures.
        allow_federated: Posts from other forums may appear.
    """

    allowed_embed_types: tuple[str, ...] | None = field.array(default=None)
    require_title: bool | None = field.boolean(default=None)
    require_text: bool | None = field.boolean(default=None)
    min_text_length: int | None = field.integer(default=None)
    max_text_length: int | None = field.integer(default=None)
    min_title_length: int | None = field.integer(default=None)
    max_title_length: int | None = field.integer(default=None)
    min_images: int | None = field.integer(default=None)
    max_images: int | None = field.integer(default=None)
    allow_federated: bool | None = field.boolean(default=None)


@definition("social.coves.community.profile#federation")
class Federation:
    """
    How a community meets other forums.

    Attributes:
        allow_external_discovery: Other forums may list it.
    """

    allow_external_discovery: bool | None = field.boolean(default=None)


@record(COMMUNITY_PROFILE, key="literal:self")
class CommunityProfile:
    """
    What a community says of itself, in its own repository.

    Attributes:
        name: Its short name, as in its handle.
        created_at: When it was founded.
        created_by: Who founded it.
        hosted_by: The forum that hosts it.
        display_name: The name shown.
        description: What it is about.
        description_facets: What stretches of the description mean.
        avatar: A small picture.
        banner: A wide picture.
        visibility: Who is shown it; a value not known counts as unlisted.
        moderation_type: How it is moderated.
        content_warnings: What its posts may hold.
        content_rules: What it asks of its posts.
        federation: How it meets other forums.
    """

    name: str = field.text(max_length=64, max_graphemes=64)
    created_at: str = field.datetime()
    created_by: str = field.did()
    hosted_by: str = field.did()
    display_name: str | None = field.text(default=None, max_length=1280, max_graphemes=128)
    description: str | None = field.text(default=None, max_length=10_000, max_graphemes=1000)
    description_facets: tuple[Facet, ...] | None = field.array(default=None)
    avatar: Blob | None = field.blob(default=None, accept=PICTURES, max_size=AVATAR_MAX_BYTES)
    banner: Blob | None = field.blob(default=None, accept=PICTURES, max_size=BANNER_MAX_BYTES)
    visibility: str = field.text(default="public", known_values=("public", "unlisted", "private"))
    moderation_type: str | None = field.text(default=None, known_values=("moderator", "sortition"))
    content_warnings: tuple[str, ...] | None = field.array(
        default=None, items=Limits(max_length=32, known_values=("nsfw", "violence", "spoilers"))
    )
    content_rules: ContentRules | None = field.ref(default=None)
    federation: Federation | None = field.ref(default=None)


def community_profile_rule(did: str, rkey: str, record: CommunityProfile) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid community profile: its key is not `self`."""
    return only_self(rkey)


PostEmbeds = ImagesEmbed | VideoEmbed | ExternalEmbed | PostEmbed | Mapping[str, object]
"""What a post may show; a mapping is an embed of a kind not known here."""


@record(POST)
class Post:
    """
    A post in a community, in the community's repository.

    Attributes:
        community: The community: the repository that holds the record.
        author: Who wrote it.
        created_at: When its author says it was written.
        title: Its title.
        content: Its text.
        facets: What stretches of the text mean.
        embed: What is shown with the text.
        langs: The languages of the text.
        labels: Labels its author put on it.
        tags: Words to find it by.
        crosspost_of: The post it repeats.
        crosspost_chain: The posts it came by: first the original, last the one it repeats.
    """

    community: str = field.did()
    author: str = field.did()
    created_at: str = field.datetime()
    title: str | None = field.text(default=None, max_length=3000, max_graphemes=300)
    content: str | None = field.text(default=None, max_length=100_000, max_graphemes=10_000)
    facets: tuple[Facet, ...] | None = field.array(default=None)
    embed: PostEmbeds | None = field.union(default=None)
    langs: tuple[str, ...] | None = field.array(default=None, max_length=3, items=Limits(format="language"))
    labels: SelfLabels | None = field.ref(default=None)
    tags: tuple[str, ...] | None = field.array(default=None, max_length=8, items=TAG)
    crosspost_of: StrongRef | None = field.ref(default=None)
    crosspost_chain: tuple[StrongRef, ...] | None = field.array(default=None, max_length=25)


def post_rule(did: str, rkey: str, record: Post) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid post: it names another community than that whose repository holds it."""
    return not_the_repo("community", record.community, did)


CommentEmbed = ImagesEmbed | PostEmbed | Mapping[str, object]
"""What a comment may show; a mapping is an embed of a kind not known here."""


@definition("social.coves.community.comment#replyRef")
class Reply:
    """
    Where a comment belongs.

    Attributes:
        root: The post the whole thread hangs under.
        parent: The post or comment it answers.
    """

    root: StrongRef = field.ref()
    parent: StrongRef = field.ref()


@record(COMMENT)
class Comment:
    """
    A comment under a post, in its writer's repository.

    Attributes:
        reply: Where it belongs.
        content: Its text.
        created_at: When its writer says it was written.
        facets: What stretches of the text mean.
        embed: What is shown with the text.
        langs: The languages of the text.
        labels: Labels its writer put on it.
    """

    reply: Reply = field.ref()
    content: str = field.text(max_length=30_000, max_graphemes=3000)
    created_at: str = field.datetime()
    facets: tuple[Facet, ...] | None = field.array(default=None)
    embed: CommentEmbed | None = field.union(default=None)
    langs: tuple[str, ...] | None = field.array(default=None, max_length=3, items=Limits(format="language"))
    labels: SelfLabels | None = field.ref(default=None)


COMMENT_TOLERANCES = (Tolerance(path="content", max_length=100_000, max_graphemes=10_000),)
"""Forums let longer comments be written than the lexicon allows."""


def comment_rule(did: str, rkey: str, record: Comment) -> Iterable[Fault]:
    """Tell what is wrong with a lexicon-valid comment: a root that is no post, a parent that is no record, no words."""
    return _comment_faults(record)


def _comment_faults(record: Comment) -> Iterator[Fault]:
    root = record.reply.root.uri
    yield from not_a_record("reply.root.uri", root)
    yield from not_a_record("reply.parent.uri", record.reply.parent.uri)
    place = syntax.record_uri(root)
    if place is not None and place[1] != POST:
        yield fault("reply.root.uri", f"is no post: {show(root)}")
    if not record.content.strip():
        yield fault("content", "is empty")


def comment_kept(record: Mapping[str, object]) -> dict[str, str] | None:
    """
    Return what stays known of a comment under its tombstone: the uris of its root and parent, never content.

    It takes any JSON object, valid or not; None unless it names both as `at://did/collection/rkey`.

    >>> comment_kept({"reply": {"root": {"uri": "at://did:web:a.example"}, "parent": 7}}) is None
    True
    """
    reply = record.get("reply")
    if not isinstance(reply, Mapping):
        return None
    root, parent = (_record_uri_of(reply.get(end)) for end in ("root", "parent"))
    return None if root is None or parent is None else {"root": root, "parent": parent}


def _record_uri_of(strong_ref: object) -> str | None:
    uri = strong_ref.get("uri") if isinstance(strong_ref, Mapping) else None
    return uri if isinstance(uri, str) and syntax.record_uri(uri) is not None else None


@record(SUBSCRIPTION)
class Subscription:
    """
    Somebody follows a community, or did.

    Attributes:
        subject: The community.
        created_at: When they began.
        ended_at: When they left off; they follow it no longer.
        content_visibility: How much of it they want to see, from 1 (little) to 5 (all).
    """

    subject: str = field.did()
    created_at: str = field.datetime()
    ended_at: str | None = field.datetime(default=None)
    content_visibility: int = field.integer(default=3, minimum=1, maximum=5, clamp=True)


SUBSCRIPTION_TOLERANCES = (Tolerance(path="contentVisibility", dropped=("minimum", "maximum")),)
"""Any integer is accepted; the type brings it to 1 to 5."""


@record(BLOCK)
class Block:
    """
    Somebody wants to see nothing of a community.

    Attributes:
        subject: The community.
        created_at: When they blocked it.
    """

    subject: str = field.did()
    created_at: str = field.datetime()
