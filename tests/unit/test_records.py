"""
Every record kind of the forum: each limit at its bound and one past it, each tolerance, each house rule, and garbage.

The bounds stand here by hand, as the network's rules have them, and once more are read from the types, so that
neither a wrong number nor a forgotten field can hide.
"""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.forum import records
from strandline.forum.records import (
    ACTOR_PROFILE,
    AUTHORIZATION,
    BLOCK,
    COMMENT,
    COMMUNITY_PROFILE,
    KINDS,
    POST,
    SERVICE,
    SUBSCRIPTION,
    VOTE,
    ActorProfile,
    Comment,
    CommunityProfile,
    Post,
    StrongRef,
    Subscription,
    comment_kept,
)
from strandline.lexicon import Document, Fault, Validator, compile_record, compile_ref, parse_document
from strandline.lexicon.model import definition_of, export, limits_of, structurer, tolerate, unstructure
from strandline.schema import RecordKind

Json = dict[str, Any]

REPO = "did:plc:z72i7hdynmk6r22z27h6tvur"
OTHER = "did:web:other.example"
CID = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
TIME = "2026-01-02T03:04:05.678Z"
POST_URI = f"at://{REPO}/{POST}/3kaaaaaaaaa2a"
COMMENT_URI = f"at://{OTHER}/{COMMENT}/3kaaaaaaaaa2b"


# A record of each kind with every field there is.


def blob(mime_type: str = "image/png", size: int = 1000) -> Json:
    return {"$type": "blob", "ref": {"$link": CID}, "mimeType": mime_type, "size": size}


def strong_ref(uri: str = POST_URI) -> Json:
    return {"uri": uri, "cid": CID}


FACET_TYPE = "social.coves.richtext.facet"
FEATURES: list[Json] = [
    {"$type": f"{FACET_TYPE}#mention", "did": OTHER},
    {"$type": f"{FACET_TYPE}#link", "uri": "https://a.example/"},
    {"$type": f"{FACET_TYPE}#bold"},
    {"$type": f"{FACET_TYPE}#italic"},
    {"$type": f"{FACET_TYPE}#strikethrough"},
    {"$type": f"{FACET_TYPE}#spoiler", "reason": "the end"},
    {"$type": f"{FACET_TYPE}#sparkle", "colour": 7},
]
FACET: Json = {"index": {"byteStart": 0, "byteEnd": 4}, "features": FEATURES}
LABELS: Json = {"values": [{"val": "nsfw"}]}
IMAGE: Json = {"image": blob(), "alt": "a tide pool", "aspectRatio": {"width": 4, "height": 3}}
SOURCE: Json = {"uri": "https://b.example/", "title": "B", "domain": "b.example", "sourcePost": strong_ref()}
EXTERNAL: Json = {
    "uri": "https://a.example/",
    "title": "A",
    "description": "about A",
    "thumb": blob(),
    "domain": "a.example",
    "embedType": "article",
    "provider": "A",
    "images": [IMAGE],
    "totalCount": 1,
    "sources": [SOURCE],
}
IMAGES_EMBED: Json = {"$type": "social.coves.embed.images", "images": [IMAGE]}
EXTERNAL_EMBED: Json = {"$type": "social.coves.embed.external", "external": EXTERNAL}
POST_EMBED: Json = {"$type": "social.coves.embed.post", "post": strong_ref()}
VIDEO_EMBED: Json = {
    "$type": "social.coves.embed.video",
    "video": blob("video/mp4"),
    "thumbnail": blob(),
    "alt": "waves",
    "duration": 12,
}
CONTENT_RULES: Json = {
    "allowedEmbedTypes": ["images"],
    "requireTitle": True,
    "requireText": False,
    "minTextLength": 0,
    "maxTextLength": 500,
    "minTitleLength": 0,
    "maxTitleLength": 50,
    "minImages": 0,
    "maxImages": 4,
    "allowFederated": True,
}

FULL: Mapping[str, Json] = {
    ACTOR_PROFILE: {
        "createdAt": TIME,
        "displayName": "Ada",
        "bio": "of the shore",
        "bioFacets": [FACET],
        "avatar": blob(),
        "banner": blob(),
    },
    COMMUNITY_PROFILE: {
        "name": "tides",
        "createdAt": TIME,
        "createdBy": OTHER,
        "hostedBy": "did:web:host.example",
        "displayName": "Tides",
        "description": "all about tides",
        "descriptionFacets": [FACET],
        "avatar": blob(),
        "banner": blob(),
        "visibility": "unlisted",
        "moderationType": "moderator",
        "contentWarnings": ["nsfw"],
        "contentRules": CONTENT_RULES,
        "federation": {"allowExternalDiscovery": True},
    },
    POST: {
        "community": REPO,
        "author": OTHER,
        "createdAt": TIME,
        "title": "High water",
        "content": "today at noon",
        "facets": [FACET],
        "embed": IMAGES_EMBED,
        "langs": ["en", "de-CH"],
        "labels": LABELS,
        "tags": ["sea"],
        "crosspostOf": strong_ref(),
        "crosspostChain": [strong_ref()],
    },
    COMMENT: {
        "reply": {"root": strong_ref(), "parent": strong_ref(COMMENT_URI)},
        "content": "and low at six",
        "createdAt": TIME,
        "facets": [FACET],
        "embed": POST_EMBED,
        "langs": ["en"],
        "labels": LABELS,
    },
    VOTE: {"subject": strong_ref(), "direction": "up", "createdAt": TIME},
    SUBSCRIPTION: {"subject": OTHER, "createdAt": TIME, "endedAt": TIME, "contentVisibility": 4},
    BLOCK: {"subject": OTHER, "createdAt": TIME},
    SERVICE: {
        "did": REPO,
        "displayName": "Tide bot",
        "createdAt": TIME,
        "description": "posts tides",
        "avatar": blob(),
        "configSchema": {"type": "object"},
        "sourceUrl": "https://a.example/src",
        "maintainer": OTHER,
    },
    AUTHORIZATION: {
        "aggregatorDid": OTHER,
        "communityDid": REPO,
        "enabled": True,
        "createdAt": TIME,
        "createdBy": OTHER,
        "config": {"every": "hour"},
        "disabledAt": TIME,
        "disabledBy": OTHER,
    },
}
REQUIRED: Mapping[str, set[str]] = {
    ACTOR_PROFILE: {"createdAt"},
    COMMUNITY_PROFILE: {"name", "createdAt", "createdBy", "hostedBy"},
    POST: {"community", "author", "createdAt"},
    COMMENT: {"reply", "content", "createdAt"},
    VOTE: {"subject", "direction", "createdAt"},
    SUBSCRIPTION: {"subject", "createdAt"},
    BLOCK: {"subject", "createdAt"},
    SERVICE: {"displayName", "createdAt", "did"},
    AUTHORIZATION: {"aggregatorDid", "communityDid", "enabled", "createdAt", "createdBy"},
}
SELF_KEYED = (ACTOR_PROFILE, COMMUNITY_PROFILE, SERVICE)

KIND: Mapping[str, RecordKind] = {kind.collection: kind for kind in KINDS}
DOCUMENTS: Mapping[str, Json] = export(*(kind.type for kind in KINDS))


def catalog(documents: Mapping[str, Json]) -> Mapping[str, Document]:
    return {nsid: parse_document(document) for nsid, document in documents.items()}


def tolerated(collection: str) -> Mapping[str, Document]:
    loose = tolerate(DOCUMENTS[collection], KIND[collection].tolerances)
    return catalog({**DOCUMENTS, collection: loose})


STRICT: Mapping[str, Validator] = {collection: compile_record(collection, catalog(DOCUMENTS)) for collection in KIND}
TOLERANT: Mapping[str, Validator] = {
    collection: compile_record(collection, tolerated(collection)) for collection in KIND
}


def full(collection: str) -> Json:
    return {"$type": collection, **copy.deepcopy(FULL[collection])}


def with_part(value: Json, path: str, part: object) -> Json:
    """Return a copy of `value` with another part at a path such as "embed.images.0.alt"."""
    changed: Any = copy.deepcopy(value)
    *outer, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    inner = changed
    for step in outer:
        inner = inner[step]
    inner[last] = part
    whole: Json = changed
    return whole


def shown(path: str) -> str:
    """Return such a path as faults show it."""
    return "$" + "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path.split("."))


def rules_at(faults: list[Fault], path: str) -> set[str]:
    return {fault.rule for fault in faults if fault.path == path}


def structure_of(collection: str) -> Callable[[Mapping[str, object]], Any]:
    declared: Any = KIND[collection].type
    return structurer(declared)


def house(collection: str, record: Json, *, did: str = REPO, rkey: str = "self") -> list[tuple[str, str]]:
    """Return (path, rule) of the house's faults of a record that its lexicon finds valid."""
    assert TOLERANT[collection](record) == []
    typed = structure_of(collection)(record)
    return [(fault.path, fault.rule) for fault in KIND[collection].rule(did, rkey, typed)]


# Every kind.


def test_the_kinds_are_these() -> None:
    assert set(KIND) == set(FULL)


def test_every_field_is_described() -> None:
    for document in DOCUMENTS.values():
        for definition in document["defs"].values():
            assert definition["description"]
            properties = definition.get("record", definition)["properties"]
            assert [name for name, told in properties.items() if not told.get("description")] == []


@pytest.mark.parametrize("collection", FULL)
class TestEveryKind:
    def test_has_these_fields(self, collection: str) -> None:
        body = DOCUMENTS[collection]["defs"]["main"]["record"]
        assert set(body["properties"]) == set(FULL[collection])
        assert set(body["required"]) == REQUIRED[collection]

    def test_has_its_key(self, collection: str) -> None:
        keys = {AUTHORIZATION: "any", **dict.fromkeys(SELF_KEYED, "literal:self")}
        assert definition_of(KIND[collection].type).key == keys.get(collection, "tid")

    def test_a_full_record_is_valid(self, collection: str) -> None:
        assert STRICT[collection](full(collection)) == []
        assert house(collection, full(collection)) == []

    def test_a_record_of_what_is_required_is_valid(self, collection: str) -> None:
        least = {name: full(collection)[name] for name in {"$type", *REQUIRED[collection]}}
        assert STRICT[collection](least) == []
        assert house(collection, least) == []
        assert unstructure(structure_of(collection)(least)) == least

    def test_each_required_field_is_missed(self, collection: str) -> None:
        for name in REQUIRED[collection]:
            record = full(collection)
            del record[name]
            assert [(fault.path, fault.rule) for fault in STRICT[collection](record)] == [(f"$.{name}", "required")]

    def test_all_missing_fields_are_told_at_once(self, collection: str) -> None:
        faults = STRICT[collection]({"$type": collection})
        assert {(fault.path, fault.rule) for fault in faults} == {
            (f"$.{name}", "required") for name in REQUIRED[collection]
        }

    def test_all_broken_fields_are_told_at_once(self, collection: str) -> None:
        faults = TOLERANT[collection]({"$type": collection, **{name: [3.5] for name in FULL[collection]}})
        assert {fault.path.split("[")[0] for fault in faults} == {f"$.{name}" for name in FULL[collection]}

    def test_null_is_not_absence(self, collection: str) -> None:
        for name in FULL[collection]:
            assert {fault.path for fault in TOLERANT[collection](with_part(full(collection), name, None))} == {
                f"$.{name}"
            }

    def test_another_type_name_is_a_fault(self, collection: str) -> None:
        for told in ("social.coves.other", f"{collection}#main", None, 7):
            assert rules_at(TOLERANT[collection]({**full(collection), "$type": told}), "$.$type") == {"$type"}

    def test_unknown_fields_are_no_fault_and_are_dropped(self, collection: str) -> None:
        record = {**full(collection), "memberCount": -1, "x": {"$type": 7}}
        assert STRICT[collection](record) == []
        structure = structure_of(collection)
        assert structure(record) == structure(full(collection))

    def test_it_reads_back_as_it_was(self, collection: str) -> None:
        typed = structure_of(collection)(full(collection))
        assert unstructure(typed) == full(collection)
        assert structure_of(collection)(unstructure(typed)) == typed


# Every limit, by hand.


def bytes_of(length: int) -> str:
    """Return one or two graphemes of that many bytes, so that only bytes count."""
    return "a" * (2 - length % 2) + "\u0301" * ((length - 1) // 2)


TEXTS = [
    (ACTOR_PROFILE, "displayName", 640, 64),
    (ACTOR_PROFILE, "bio", 2560, 256),
    (ACTOR_PROFILE, "bioFacets.0.features.5.reason", 128, 32),
    (COMMUNITY_PROFILE, "name", 64, 64),
    (COMMUNITY_PROFILE, "displayName", 1280, 128),
    (COMMUNITY_PROFILE, "description", 10_000, 1000),
    (COMMUNITY_PROFILE, "contentWarnings.0", 32, None),
    (POST, "title", 3000, 300),
    (POST, "content", 100_000, 10_000),
    (POST, "tags.0", 64, 64),
    (POST, "labels.values.0.val", 128, None),
    (POST, "embed.images.0.alt", 1000, None),
    (COMMENT, "content", 30_000, 3000),
    (COMMENT, "labels.values.0.val", 128, None),
    (SERVICE, "displayName", 640, 64),
    (SERVICE, "description", 3000, 300),
]
EMBED_TEXTS = [
    (VIDEO_EMBED, "alt", 1000),
    (EXTERNAL_EMBED, "external.title", 500),
    (EXTERNAL_EMBED, "external.description", 1000),
    (EXTERNAL_EMBED, "external.domain", 253),
    (EXTERNAL_EMBED, "external.provider", 100),
    (EXTERNAL_EMBED, "external.sources.0.title", 500),
    (EXTERNAL_EMBED, "external.sources.0.domain", 253),
]


@pytest.mark.parametrize(("collection", "path", "most_bytes", "most_graphemes"), TEXTS)
def test_a_text_holds_so_much_and_no_more(
    collection: str, path: str, most_bytes: int, most_graphemes: int | None
) -> None:
    check = STRICT[collection]
    assert check(with_part(full(collection), path, bytes_of(most_bytes))) == []
    too_long = check(with_part(full(collection), path, bytes_of(most_bytes + 1)))
    assert rules_at(too_long, shown(path)) == {"maxLength"}
    assert len(too_long) == 1
    if most_graphemes is not None:
        assert check(with_part(full(collection), path, "a" * most_graphemes)) == []
        too_many = check(with_part(full(collection), path, "a" * (most_graphemes + 1)))
        assert "maxGraphemes" in rules_at(too_many, shown(path))


@pytest.mark.parametrize(("embed", "path", "most_bytes"), EMBED_TEXTS)
def test_a_text_of_an_embed_holds_so_much_and_no_more(embed: Json, path: str, most_bytes: int) -> None:
    post = {**full(POST), "embed": embed}
    path = f"embed.{path}"
    assert STRICT[POST](with_part(post, path, bytes_of(most_bytes))) == []
    faults = STRICT[POST](with_part(post, path, bytes_of(most_bytes + 1)))
    assert [(fault.path, fault.rule) for fault in faults] == [(shown(path), "maxLength")]


FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"


def test_a_name_of_families_counts_each_family_once() -> None:
    record = full(ACTOR_PROFILE)
    assert STRICT[ACTOR_PROFILE]({**record, "displayName": FAMILY * 25}) == []
    assert len(FAMILY * 25) > 64


ARRAYS = [
    (POST, None, "langs", 0, 3, "en"),
    (POST, None, "tags", 0, 8, "sea"),
    (POST, None, "crosspostChain", 0, 25, strong_ref()),
    (POST, None, "labels.values", 0, 10, {"val": "x"}),
    (COMMENT, None, "langs", 0, 3, "en"),
    (COMMENT, None, "labels.values", 0, 10, {"val": "x"}),
    (POST, IMAGES_EMBED, "embed.images", 1, 8, IMAGE),
    (COMMENT, IMAGES_EMBED, "embed.images", 1, 8, IMAGE),
    (POST, EXTERNAL_EMBED, "embed.external.images", 0, 8, IMAGE),
    (POST, EXTERNAL_EMBED, "embed.external.sources", 0, 50, SOURCE),
]


@pytest.mark.parametrize(("collection", "embed", "path", "least", "most", "item"), ARRAYS)
def test_an_array_holds_so_many_and_no_more(
    collection: str, embed: Json | None, path: str, least: int, most: int, item: object
) -> None:
    record = full(collection) if embed is None else {**full(collection), "embed": embed}
    check = STRICT[collection]
    for fits in {least, most}:
        assert check(with_part(record, path, [item] * fits)) == []
    assert rules_at(check(with_part(record, path, [item] * (most + 1))), shown(path)) == {"maxLength"}
    if least:
        assert rules_at(check(with_part(record, path, [item] * (least - 1))), shown(path)) == {"minLength"}


PICTURES = ("image/png", "image/jpeg", "image/webp")
BLOBS = [
    (ACTOR_PROFILE, None, "avatar", PICTURES, 1_000_000),
    (ACTOR_PROFILE, None, "banner", PICTURES, 2_000_000),
    (COMMUNITY_PROFILE, None, "avatar", PICTURES, 1_000_000),
    (COMMUNITY_PROFILE, None, "banner", PICTURES, 2_000_000),
    (SERVICE, None, "avatar", PICTURES, 1_000_000),
    (POST, IMAGES_EMBED, "embed.images.0.image", (*PICTURES, "image/gif"), 10_000_000),
    (POST, EXTERNAL_EMBED, "embed.external.thumb", None, 6_000_000),
    (POST, VIDEO_EMBED, "embed.video", ("video/mp4", "video/webm"), 100_000_000),
    (POST, VIDEO_EMBED, "embed.thumbnail", None, 1_000_000),
]


@pytest.mark.parametrize(("collection", "embed", "path", "accept", "most_bytes"), BLOBS)
def test_a_blob_is_so_large_and_of_these_types(
    collection: str, embed: Json | None, path: str, accept: tuple[str, ...] | None, most_bytes: int
) -> None:
    record = full(collection) if embed is None else {**full(collection), "embed": embed}
    check = STRICT[collection]
    for mime_type in accept or ("image/avif",):
        assert check(with_part(record, path, blob(mime_type, most_bytes))) == []
        too_large = check(with_part(record, path, blob(mime_type, most_bytes + 1)))
        assert rules_at(too_large, shown(path)) == {"maxSize"}
    if accept is not None:
        assert rules_at(check(with_part(record, path, blob("image/tiff"))), shown(path)) == {"accept"}


INTEGERS = [
    (SUBSCRIPTION, None, "contentVisibility", 1, 5),
    (POST, None, "facets.0.index.byteStart", 0, None),
    (POST, None, "facets.0.index.byteEnd", 0, None),
    (POST, IMAGES_EMBED, "embed.images.0.aspectRatio.width", 1, None),
    (POST, IMAGES_EMBED, "embed.images.0.aspectRatio.height", 1, None),
    (POST, EXTERNAL_EMBED, "embed.external.totalCount", 0, None),
    (POST, VIDEO_EMBED, "embed.duration", 0, None),
]


@pytest.mark.parametrize(("collection", "embed", "path", "least", "most"), INTEGERS)
def test_an_integer_lies_between_its_bounds(
    collection: str, embed: Json | None, path: str, least: int, most: int | None
) -> None:
    record = full(collection) if embed is None else {**full(collection), "embed": embed}
    check = STRICT[collection]
    assert check(with_part(record, path, least)) == []
    assert rules_at(check(with_part(record, path, least - 1)), shown(path)) == {"minimum"}
    assert check(with_part(record, path, 2**53 - 1 if most is None else most)) == []
    if most is not None:
        assert rules_at(check(with_part(record, path, most + 1)), shown(path)) == {"maximum"}


FORMATS = [
    *((collection, "createdAt", "2026-13-01T00:00:00Z") for collection in FULL),
    (SUBSCRIPTION, "endedAt", "yesterday"),
    (AUTHORIZATION, "disabledAt", "2026-01-01T00:00:60Z"),
    (COMMUNITY_PROFILE, "createdBy", "a.example"),
    (COMMUNITY_PROFILE, "hostedBy", "did:web"),
    (POST, "community", "tides.example"),
    (POST, "author", "ada.example"),
    (POST, "langs.0", "not a language"),
    (POST, "crosspostOf.uri", "https://a.example/"),
    (POST, "crosspostOf.cid", "bafy"),
    (POST, "crosspostChain.0.uri", "at://"),
    (POST, "facets.0.features.0.did", "ada.example"),
    (POST, "facets.0.features.1.uri", "no uri"),
    (COMMENT, "reply.root.uri", "at://a b"),
    (COMMENT, "reply.root.cid", ""),
    (COMMENT, "reply.parent.uri", ""),
    (COMMENT, "langs.0", ""),
    (VOTE, "subject.uri", POST_URI[5:]),
    (VOTE, "subject.cid", "x"),
    (SUBSCRIPTION, "subject", "tides.example"),
    (BLOCK, "subject", POST_URI),
    (SERVICE, "did", "bot.example"),
    (SERVICE, "sourceUrl", "no uri"),
    (SERVICE, "maintainer", "ada.example"),
    (AUTHORIZATION, "aggregatorDid", ""),
    (AUTHORIZATION, "communityDid", "x"),
    (AUTHORIZATION, "createdBy", "x"),
    (AUTHORIZATION, "disabledBy", "x"),
]


@pytest.mark.parametrize(("collection", "path", "broken"), FORMATS)
def test_a_string_keeps_its_format(collection: str, path: str, broken: str) -> None:
    faults = TOLERANT[collection](with_part(full(collection), path, broken))
    assert [(fault.path, fault.rule) for fault in faults] == [(shown(path), "format")]


KNOWN = [
    (COMMUNITY_PROFILE, "visibility", ["public", "unlisted", "private"]),
    (COMMUNITY_PROFILE, "moderationType", ["moderator", "sortition"]),
    (VOTE, "direction", ["up", "down"]),
]


@pytest.mark.parametrize(("collection", "name", "known"), KNOWN)
def test_known_values_are_open(collection: str, name: str, known: list[str]) -> None:
    assert DOCUMENTS[collection]["defs"]["main"]["record"]["properties"][name]["knownValues"] == known
    for value in [*known, "", "something new"]:
        assert STRICT[collection]({**full(collection), name: value}) == []


@pytest.mark.parametrize(
    ("collection", "known"),
    [(POST, [IMAGES_EMBED, VIDEO_EMBED, EXTERNAL_EMBED, POST_EMBED]), (COMMENT, [IMAGES_EMBED, POST_EMBED])],
)
def test_embeds_are_an_open_union(collection: str, known: list[Json]) -> None:
    structure = structure_of(collection)
    for embed in known:
        assert STRICT[collection]({**full(collection), "embed": embed}) == []
        assert not isinstance(structure({**full(collection), "embed": embed}).embed, Mapping)
        assert STRICT[collection]({**full(collection), "embed": {"$type": embed["$type"]}}) != []
    stranger = {"$type": "org.example.poll", "images": 7}
    assert STRICT[collection]({**full(collection), "embed": stranger}) == []
    assert structure({**full(collection), "embed": stranger}).embed == stranger
    assert STRICT[collection]({**full(collection), "embed": {"images": []}}) != []


def test_a_comment_takes_a_page_or_video_as_an_embed_it_does_not_know() -> None:
    comment = {**full(COMMENT), "embed": {**EXTERNAL_EMBED, "external": 7}}
    assert STRICT[COMMENT](comment) == []


# Every limit once more, from the types.


def definitions() -> dict[str, type]:
    found = [getattr(records, name) for name in records.__all__]
    return {definition_of(cls).type_name: cls for cls in found if isinstance(cls, type) and "__lexicon__" in vars(cls)}


PARTS: Mapping[str, Json] = {
    "com.atproto.repo.strongRef": strong_ref(),
    "com.atproto.label.defs#selfLabel": {"val": "x"},
    "com.atproto.label.defs#selfLabels": LABELS,
    FACET_TYPE: FACET,
    f"{FACET_TYPE}#byteSlice": FACET["index"],
    **{feature["$type"]: feature for feature in FEATURES[:-1]},
    **{embed["$type"]: embed for embed in (IMAGES_EMBED, EXTERNAL_EMBED, POST_EMBED, VIDEO_EMBED)},
    "social.coves.embed.images#image": IMAGE,
    "social.coves.embed.images#aspectRatio": IMAGE["aspectRatio"],
    "social.coves.embed.external#external": EXTERNAL,
    "social.coves.embed.external#source": SOURCE,
    "social.coves.community.profile#contentRules": CONTENT_RULES,
    "social.coves.community.profile#federation": {"allowExternalDiscovery": False},
    "social.coves.community.comment#replyRef": FULL[COMMENT]["reply"],
}


def part(type_name: str) -> Json:
    return full(type_name) if type_name in FULL else copy.deepcopy(PARTS[type_name])


def test_every_declared_type_is_exported_and_tried() -> None:
    named = {nsid if name == "main" else f"{nsid}#{name}" for nsid, told in DOCUMENTS.items() for name in told["defs"]}
    assert named == set(definitions()) == set(PARTS) | set(FULL)


def bounds() -> list[tuple[str, str, str, object, object]]:
    """Return (definition, field, keyword, value at the bound, value past it) for every limit there is."""
    return [
        (type_name, name, *bound)
        for type_name, cls in definitions().items()
        for name, limits in limits_of(cls).items()
        for bound in bounds_of(limits, part(type_name)[name])
    ]


def bounds_of(limits: Any, sample: Any) -> list[tuple[str, object, object]]:
    made: list[tuple[str, object, object]] = []
    if limits.max_graphemes is not None:
        made.append(("maxGraphemes", "a" * limits.max_graphemes, "a" * (limits.max_graphemes + 1)))
    if limits.max_length is not None and isinstance(sample, str):
        made.append(("maxLength", bytes_of(limits.max_length), bytes_of(limits.max_length + 1)))
    elif limits.max_length is not None:
        made.append(("maxLength", sample[:1] * limits.max_length, sample[:1] * (limits.max_length + 1)))
    if limits.min_length is not None:
        made.append(("minLength", sample[:1] * limits.min_length, sample[:1] * (limits.min_length - 1)))
    if limits.minimum is not None:
        made.append(("minimum", limits.minimum, limits.minimum - 1))
    if limits.maximum is not None:
        made.append(("maximum", limits.maximum, limits.maximum + 1))
    if limits.max_size is not None:
        made.append(("maxSize", {**sample, "size": limits.max_size}, {**sample, "size": limits.max_size + 1}))
    if limits.accept is not None:
        made.append(("accept", {**sample, "mimeType": limits.accept[-1]}, {**sample, "mimeType": "text/plain"}))
    if limits.format is not None:
        made.append(("format", sample, "\n"))
    return made


@pytest.mark.parametrize(("type_name", "name", "keyword", "fits", "past"), bounds())
def test_each_declared_limit_holds(type_name: str, name: str, keyword: str, fits: object, past: object) -> None:
    check = compile_ref(type_name, catalog(DOCUMENTS))
    assert check({**part(type_name), name: fits}) == []
    assert keyword in rules_at(check({**part(type_name), name: past}), f"$.{name}")


# Tolerances.


def test_an_actor_may_leave_out_when_it_came_but_not_break_it() -> None:
    absent = {"$type": ACTOR_PROFILE}
    assert rules_at(STRICT[ACTOR_PROFILE](absent), "$.createdAt") == {"required"}
    assert TOLERANT[ACTOR_PROFILE](absent) == []
    assert structurer(ActorProfile)(absent) == ActorProfile()
    for broken in ("", "yesterday", 7, None):
        assert TOLERANT[ACTOR_PROFILE]({**absent, "createdAt": broken}) != []


@pytest.mark.parametrize("description", [None, 7, True, [], {}, "x" * 257])
def test_the_older_name_of_a_bio_is_never_judged(description: object) -> None:
    assert STRICT[ACTOR_PROFILE]({**full(ACTOR_PROFILE), "description": description}) == []
    assert house(ACTOR_PROFILE, {"$type": ACTOR_PROFILE, "description": description}) == []


@pytest.mark.parametrize(
    ("fields", "bio"),
    [
        ({"description": "old"}, "old"),
        ({"bio": "new", "description": "old"}, "new"),
        ({"bio": "", "description": "old"}, ""),
        ({"description": 7}, None),
        ({"description": None}, None),
        ({}, None),
    ],
)
def test_a_bio_falls_back_to_its_older_name(fields: Json, bio: str | None) -> None:
    assert structurer(ActorProfile)({"$type": ACTOR_PROFILE, **fields}).bio == bio


def test_longer_comments_are_tolerated_up_to_a_bound() -> None:
    for content in ("a" * 10_000, bytes_of(100_000)):
        comment = {**full(COMMENT), "content": content}
        assert STRICT[COMMENT](comment) != []
        assert TOLERANT[COMMENT](comment) == []
    assert rules_at(TOLERANT[COMMENT]({**full(COMMENT), "content": "a" * 10_001}), "$.content") == {"maxGraphemes"}
    assert rules_at(TOLERANT[COMMENT]({**full(COMMENT), "content": bytes_of(100_001)}), "$.content") == {"maxLength"}


@pytest.mark.parametrize(
    ("written", "kept"), [(-(2**53), 1), (0, 1), (1, 1), (3, 3), (5, 5), (6, 5), (2**53, 5), (4.0, 4)]
)
def test_content_visibility_is_tolerated_and_clamped(written: int, kept: int) -> None:
    record = {**full(SUBSCRIPTION), "contentVisibility": written}
    assert (STRICT[SUBSCRIPTION](record) == []) == (written == kept)
    assert TOLERANT[SUBSCRIPTION](record) == []
    assert structurer(Subscription)(record).content_visibility == kept


def test_content_visibility_is_three_unless_said() -> None:
    record = full(SUBSCRIPTION)
    del record["contentVisibility"]
    assert structurer(Subscription)(record).content_visibility == 3
    for broken in ("3", 3.5, True, None):
        assert TOLERANT[SUBSCRIPTION]({**record, "contentVisibility": broken}) != []


def test_visibility_is_public_unless_said() -> None:
    record = full(COMMUNITY_PROFILE)
    del record["visibility"]
    assert structurer(CommunityProfile)(record).visibility == "public"


def test_a_service_may_leave_out_its_did_but_not_break_it() -> None:
    absent = full(SERVICE)
    del absent["did"]
    assert rules_at(STRICT[SERVICE](absent), "$.did") == {"required"}
    assert house(SERVICE, absent) == []
    assert TOLERANT[SERVICE]({**absent, "did": "bot.example"}) != []


@pytest.mark.parametrize("collection", FULL)
def test_nothing_else_is_tolerated(collection: str) -> None:
    tolerated_ = {
        ACTOR_PROFILE: {"createdAt"},
        COMMENT: {"content"},
        SUBSCRIPTION: {"contentVisibility"},
        SERVICE: {"did"},
    }
    assert {tolerance.path for tolerance in KIND[collection].tolerances} == tolerated_.get(collection, set())


# House rules.


@pytest.mark.parametrize("collection", FULL)
def test_some_kinds_are_known_by_self_alone(collection: str) -> None:
    for rkey in ("Self", "3kaaaaaaaaa2a", "self."):
        assert house(collection, full(collection), rkey=rkey) == [("$", "house")] * (collection in SELF_KEYED)


@pytest.mark.parametrize(
    ("collection", "path"), [(POST, "$.community"), (SERVICE, "$.did"), (AUTHORIZATION, "$.communityDid")]
)
def test_some_records_speak_for_their_own_repository_alone(collection: str, path: str) -> None:
    assert house(collection, full(collection), did=OTHER) == [(path, "house")]


@pytest.mark.parametrize("direction", ["", "UP", "up ", "sideways"])
def test_a_vote_goes_up_or_down(direction: str) -> None:
    assert house(VOTE, {**full(VOTE), "direction": direction}) == [("$.direction", "house")]
    assert house(VOTE, {**full(VOTE), "direction": "down"}) == []


NO_RECORDS = [f"at://{REPO}", f"at://{REPO}/{POST}", f"at://tides.example/{POST}/3kaaaaaaaaa2a"]


@pytest.mark.parametrize("uri", NO_RECORDS)
def test_a_vote_is_on_a_record(uri: str) -> None:
    assert house(VOTE, {**full(VOTE), "subject": strong_ref(uri)}) == [("$.subject.uri", "house")]


@pytest.mark.parametrize("uri", NO_RECORDS)
def test_a_comment_is_on_records(uri: str) -> None:
    for end in ("root", "parent"):
        comment = with_part(full(COMMENT), f"reply.{end}.uri", uri)
        assert house(COMMENT, comment) == [(f"$.reply.{end}.uri", "house")]


def test_a_comment_hangs_under_a_post_and_may_answer_anything() -> None:
    assert house(COMMENT, with_part(full(COMMENT), "reply.root.uri", COMMENT_URI)) == [("$.reply.root.uri", "house")]
    assert house(COMMENT, with_part(full(COMMENT), "reply.parent.uri", f"at://{REPO}/org.example.note/a")) == []


@pytest.mark.parametrize("content", ["", " ", "\n\t\u00a0\u2003\u3000"])
def test_a_comment_says_something(content: str) -> None:
    assert house(COMMENT, {**full(COMMENT), "content": content}) == [("$.content", "house")]


def test_all_house_faults_are_told_at_once() -> None:
    comment = with_part(with_part(full(COMMENT), "reply.root.uri", NO_RECORDS[0]), "reply.parent.uri", NO_RECORDS[1])
    paths = [path for path, _ in house(COMMENT, {**comment, "content": ""})]
    assert paths == ["$.reply.root.uri", "$.reply.parent.uri", "$.content"]
    assert len(house(VOTE, {**full(VOTE), "direction": "", "subject": strong_ref(NO_RECORDS[0])})) == 2
    assert len(house(SERVICE, full(SERVICE), did=OTHER, rkey="other")) == 2


# What stays under a tombstone.


def test_of_a_comment_its_place_is_kept_and_never_its_content() -> None:
    assert comment_kept(full(COMMENT)) == {"root": POST_URI, "parent": COMMENT_URI}
    assert KIND[COMMENT].kept is comment_kept
    assert all(kind.kept is None for kind in KINDS if kind.collection != COMMENT)


@pytest.mark.parametrize("path", ["reply", "reply.root", "reply.parent", "reply.root.uri", "reply.parent.uri"])
@pytest.mark.parametrize("part_", [None, 7, "", [], {}, {"uri": 7}, NO_RECORDS[0], "at://\ud800/a.b.c/d"])
def test_of_a_comment_in_no_place_nothing_is_kept(path: str, part_: object) -> None:
    assert comment_kept(with_part(full(COMMENT), path, part_)) is None


# Garbage.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("$type"), inner, max_size=3),
    max_leaves=8,
)
GARBAGE: list[object] = [
    None,
    True,
    0,
    -(10**400),
    0.5,
    "",
    "\x00\ud800",
    [],
    [None],
    {},
    {"$type": 7},
    {"$type": "blob"},
    {"$type": "blob", "ref": {"$link": 7}, "mimeType": [], "size": "x"},
    {"$link": CID},
    [[[{"uri": {}}]]],
]


def wrong_for(told: Json) -> list[object]:
    """Return the garbage that no value of that lexicon type can be, by Python's own types."""
    right: dict[str, Callable[[Any], bool]] = {
        "string": lambda value: isinstance(value, str),
        "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "boolean": lambda value: isinstance(value, bool),
        "array": lambda value: isinstance(value, list),
        "unknown": lambda value: isinstance(value, dict),
        "ref": lambda value: isinstance(value, dict),
        "union": lambda value: isinstance(value, dict) and isinstance(value.get("$type"), str),
    }
    fits = right.get(told["type"], lambda value: False)
    return [value for value in GARBAGE if not fits(value)]


@pytest.mark.parametrize("type_name", [*FULL, *PARTS])
def test_garbage_in_any_field_is_a_fault_there(type_name: str) -> None:
    nsid, _, name = type_name.partition("#")
    told = DOCUMENTS[nsid]["defs"][name or "main"]
    check = compile_ref(type_name, catalog(DOCUMENTS))
    for field, shape in told.get("record", told)["properties"].items():
        for value in wrong_for(shape):
            faults = check({**part(type_name), field: value})
            assert faults, (field, value)
            assert all(fault.path.startswith(f"$.{field}") for fault in faults)


@pytest.mark.parametrize("collection", FULL)
@pytest.mark.parametrize("value", GARBAGE)
def test_a_record_of_garbage_is_faulty(collection: str, value: object) -> None:
    assert TOLERANT[collection](value) != []


@pytest.mark.parametrize("collection", FULL)
@given(data=st.data())
def test_any_json_in_any_field_is_judged_and_if_valid_read_back(collection: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*FULL[collection], "$type", "description"]))
    record = {**full(collection), name: data.draw(json_values)}
    faults = TOLERANT[collection](record)
    if faults:
        assert all(fault.path.startswith("$") and fault.rule and fault.message for fault in faults)
    else:
        structure = structure_of(collection)
        typed = structure(record)
        assert structure(unstructure(typed)) == typed
        assert TOLERANT[collection](unstructure(typed)) == []
        list(KIND[collection].rule(REPO, "self", typed))


@given(st.dictionaries(st.sampled_from(["reply", "root", "parent", "uri"]), json_values))
def test_what_is_kept_is_asked_of_any_object(record: Json) -> None:
    assert comment_kept(record) is None
    assert comment_kept({"reply": record}) is None


# The published documents.


@pytest.mark.parametrize("collection", FULL)
@given(data=st.data())
def test_published_documents_judge_as_the_internal_ones(collection: str, data: st.DataObject) -> None:
    """Whoever reads the documents as text gets the judgement that we give, but for the tolerances."""
    name = data.draw(st.sampled_from([*FULL[collection]]))
    record = {**full(collection), name: data.draw(json_values | st.sampled_from(GARBAGE))}
    strict, tolerant = PUBLISHED[collection](record), TOLERANT[collection](record)
    assert strict == STRICT[collection](record)
    if name not in {tolerance.path for tolerance in KIND[collection].tolerances}:
        assert strict == tolerant


PUBLISHED: Mapping[str, Validator] = {
    kind.collection: compile_record(kind.collection, catalog(json.loads(json.dumps(export(kind.type)))))
    for kind in KINDS
}


def test_the_types_are_frozen() -> None:
    for cls in definitions().values():
        assert attrs.has(cls)
    ref = StrongRef(uri=POST_URI, cid=CID)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ref.cid = ""  # type: ignore[misc]  # that is the point


def test_a_post_and_a_comment_can_be_written_by_hand() -> None:
    post = Post(community=REPO, author=OTHER, created_at=TIME, title="High water")
    assert unstructure(post) == {
        "$type": POST,
        "community": REPO,
        "author": OTHER,
        "createdAt": TIME,
        "title": "High water",
    }
    there = StrongRef(uri=POST_URI, cid=CID)
    comment = Comment(reply=records.Reply(root=there, parent=there), content="so it was", created_at=TIME)
    assert house(COMMENT, unstructure(comment)) == []
