"""
The lexicon documents of the questions, and of the views that answer them.

Written as data, with short words for what comes often. Parameters are validated from these, answers are tested
against them, and the OpenAPI document is made of them.

Source: https://atproto.com/specs/lexicon
"""

from collections.abc import Mapping
from typing import Any, Final

from strandline.forum.xrpc.writes import WRITES

__all__ = ["ALIASES", "DOCUMENTS", "QUERIES", "UNSERVED"]

Json = dict[str, Any]

_N: Final = "social.coves."
_POST: Final = f"{_N}community.post.get"
_COMMENT: Final = f"{_N}community.comment.defs"
_ACTOR: Final = f"{_N}actor.defs"
_COMMUNITY: Final = f"{_N}community.defs"
_AGGREGATOR: Final = f"{_N}aggregator.defs"
_FEED: Final = f"{_N}feed.defs"

ALIASES: Final[Mapping[str, str]] = {
    f"{_N}communityFeed.getCommunity": f"{_N}feed.getCommunity",
    f"{_N}actor.getprofile": f"{_N}actor.getProfile",
}
"""Other names under which clients ask the same."""

UNSERVED: Final = frozenset(
    f"{_N}{name}"
    for name in (
        "community.create",
        "community.update",
        "community.post.create",
        "community.post.update",
        "community.post.delete",
        "actor.updateProfile",
        "actor.deleteAccount",
        "actor.signup",
        "aggregator.register",
        "aggregator.enable",
        "aggregator.disable",
        "aggregator.updateConfig",
        "moderation.banUser",
        "moderation.unbanUser",
        "moderation.listBans",
        "moderation.getBanStatus",
    )
)
"""What is known, and answered 501."""

_INTEGER: Final[Json] = {"type": "integer"}
_BOOLEAN: Final[Json] = {"type": "boolean"}
_TEXT: Final[Json] = {"type": "string"}
_ANY: Final[Json] = {"type": "unknown"}


def _format(name: str) -> Json:
    return {"type": "string", "format": name}


_DID, _AT_URI, _DATETIME, _URI = map(_format, ("did", "at-uri", "datetime", "uri"))


def _known(*values: str, default: str | None = None) -> Json:
    told: Json = {"type": "string", "knownValues": list(values)}
    return told if default is None else {**told, "default": default}


def _ref(name: str) -> Json:
    return {"type": "ref", "ref": name}


def _list(items: Json, **limits: int) -> Json:
    return {"type": "array", "items": items, **limits}


def _object(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    told: Json = {"type": "object", "properties": {**required, **(optional or {})}}
    return {**told, "required": list(required)} if required else told


_SORT: Final = _known("hot", "top", "new", default="hot")
_CURSOR: Final[Json] = {"type": "string", "maxLength": 4096}
_WORDS: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 512}
_WHO: Final[Json] = {"type": "string", "maxLength": 2048}


def _timeframe(default: str) -> Json:
    return _known("hour", "day", "week", "month", "year", "all", default=default)


def _page(default: int, most: int) -> Json:
    return {"limit": {"type": "integer", "minimum": 1, "maximum": most, "default": default}, "cursor": _CURSOR}


_FEED_PAGE: Final[Json] = {"sort": _SORT, "timeframe": _timeframe("day"), **_page(15, 50)}
_LIST_PAGE: Final = _page(50, 100)
_KINDS: Final = _list(_known("text", "article", "image", "video", "microblog"), maxLength=5)


def _query(
    description: str,
    parameters: Json,
    output: Json,
    *,
    required: tuple[str, ...] = (),
    errors: tuple[str, ...] = (),
) -> Json:
    params: Json = {"type": "params", "properties": parameters}
    told: Json = {
        "type": "query",
        "description": description,
        "parameters": {**params, "required": list(required)} if required else params,
        "output": {"encoding": "application/json", "schema": output},
    }
    return {**told, "errors": [{"name": name} for name in errors]} if errors else told


def _paged(name: str, items: Json) -> Json:
    return _object({name: _list(items)}, {"cursor": _TEXT})


_FEED_OUT: Final = _paged("feed", _ref(f"{_FEED}#feedViewPost"))
_POSTS_OUT: Final = _paged("posts", _ref(f"{_POST}#postView"))
_SERVICE: Final = _object(
    {"did": _DID, "displayName": _TEXT, "createdAt": _DATETIME, "recordUri": _AT_URI},
    {
        "description": _TEXT,
        "avatar": _URI,
        "sourceUrl": _URI,
        "maintainer": _DID,
        "configSchema": _ANY,
        "stats": _object({"communitiesUsing": _INTEGER}),
    },
)

QUERIES: Final[Mapping[str, Json]] = {
    f"{_N}feed.getTimeline": _query(
        "The posts of the communities the viewer is subscribed to.",
        _FEED_PAGE,
        _FEED_OUT,
        errors=("AuthenticationRequired", "InvalidCursor"),
    ),
    f"{_N}feed.getDiscover": _query(
        "The posts of all public communities.", _FEED_PAGE, _FEED_OUT, errors=("InvalidCursor",)
    ),
    f"{_N}feed.getAll": _query(
        "The posts of all public communities, of some kinds.",
        {**_FEED_PAGE, "postType": _KINDS, "postTypes": _KINDS},
        _FEED_OUT,
        errors=("InvalidCursor",),
    ),
    f"{_N}feed.getCommunity": _query(
        "The posts of one community.",
        {"community": _WHO, **_FEED_PAGE},
        _FEED_OUT,
        required=("community",),
        errors=("CommunityNotFound", "InvalidCursor"),
    ),
    _POST: _query(
        "Posts by at-uri, in the order asked.",
        {"uris": _list(_AT_URI, maxLength=25), "uri": _list(_AT_URI, maxLength=25)},
        _object(
            {
                "posts": _list(
                    {"type": "union", "refs": [f"{_POST}#{it}" for it in ("postView", "notFoundPost", "blockedPost")]}
                )
            }
        ),
    ),
    f"{_N}community.post.list": _query(
        "The posts of a community, of an author, of both, or of all public communities.",
        {"community": _WHO, "author": _WHO, **_FEED_PAGE},
        _POSTS_OUT,
        errors=("CommunityNotFound", "ActorNotFound", "InvalidCursor"),
    ),
    f"{_N}community.post.search": _query(
        "Posts by the words of their title, content and tags.",
        {
            "q": _WORDS,
            "community": _WHO,
            "author": _WHO,
            "sort": _known("relevance", "new", "top", default="relevance"),
            "timeframe": _timeframe("all"),
            **_page(15, 50),
        },
        _POSTS_OUT,
        required=("q",),
        errors=("CommunityNotFound", "ActorNotFound", "InvalidCursor"),
    ),
    f"{_N}community.comment.getComments": _query(
        "A post and what was said under it; or, with parentRkey, under one comment.",
        {
            "post": _AT_URI,
            "parentRkey": _format("record-key"),
            "sort": _SORT,
            "timeframe": _timeframe("all"),
            "depth": {"type": "integer", "minimum": 0, "maximum": 100, "default": 10},
            **_LIST_PAGE,
        },
        _object(
            {"post": _ref(f"{_POST}#postView"), "comments": _list(_ref(f"{_COMMENT}#threadViewComment"))},
            {"cursor": _TEXT},
        ),
        required=("post",),
        errors=("RootNotFound", "ParentNotFound", "InvalidCursor"),
    ),
    f"{_N}actor.getProfile": _query(
        "A profile.",
        {"actor": _WHO},
        _ref(f"{_ACTOR}#profileViewDetailed"),
        required=("actor",),
        errors=("ProfileNotFound",),
    ),
    f"{_N}actor.getPosts": _query(
        "The posts of one actor, the newest first.",
        {
            "actor": _WHO,
            "filter": _known(
                "posts_with_replies", "posts_no_replies", "posts_with_media", default="posts_with_replies"
            ),
            "community": _WHO,
            **_LIST_PAGE,
        },
        _FEED_OUT,
        required=("actor",),
        errors=("ActorNotFound", "CommunityNotFound", "InvalidCursor"),
    ),
    f"{_N}actor.getComments": _query(
        "The comments of one actor, the newest first.",
        {"actor": _WHO, "community": _WHO, **_LIST_PAGE},
        _paged("comments", _ref(f"{_COMMENT}#commentView")),
        required=("actor",),
        errors=("ActorNotFound", "CommunityNotFound", "InvalidCursor"),
    ),
    f"{_N}actor.search": _query(
        "Actors by the words of their name and bio, or by their handle.",
        {"q": _WORDS, **_LIST_PAGE},
        _paged("actors", _ref(f"{_ACTOR}#profileView")),
        required=("q",),
        errors=("InvalidCursor",),
    ),
    f"{_N}community.get": _query(
        "A community.",
        {"community": _WHO},
        _ref(f"{_COMMUNITY}#communityViewDetailed"),
        required=("community",),
        errors=("NotFound",),
    ),
    f"{_N}community.list": _query(
        "Communities: public ones, and private ones to their subscribers.",
        {
            "sort": _known("popular", "active", "new", "alphabetical", default="popular"),
            "visibility": _known("public", "unlisted", "private"),
            "subscribed": {"type": "boolean", "default": False},
            **_LIST_PAGE,
        },
        _paged("communities", _ref(f"{_COMMUNITY}#communityView")),
        errors=("AuthenticationRequired", "InvalidCursor"),
    ),
    f"{_N}community.search": _query(
        "Public communities by the words of their names and description.",
        {"q": _WORDS, "visibility": _known("public", "unlisted", "private", default="public"), **_LIST_PAGE},
        _paged("communities", _ref(f"{_COMMUNITY}#communityView")),
        required=("q",),
        errors=("InvalidCursor",),
    ),
    f"{_N}community.getSubscribers": _query(
        "Who is subscribed to a community.",
        {"community": _WHO, **_LIST_PAGE},
        _paged("subscribers", _ref(f"{_POST}#authorView")),
        required=("community",),
        errors=("NotFound", "InvalidCursor"),
    ),
    f"{_N}community.getMembers": _query(
        "Who has written in a community.",
        {"community": _WHO, **_LIST_PAGE},
        _paged("members", _ref(f"{_POST}#authorView")),
        required=("community",),
        errors=("NotFound", "InvalidCursor"),
    ),
    f"{_N}aggregator.getServices": _query(
        "Aggregators by did.",
        {"dids": _list(_DID, minLength=1, maxLength=25), "detailed": {"type": "boolean", "default": False}},
        _object({"views": _list(_ref(f"{_AGGREGATOR}#serviceView"))}),
        required=("dids",),
    ),
    f"{_N}aggregator.getAuthorizations": _query(
        "The communities that gave an aggregator leave.",
        {"aggregatorDid": _WHO, "enabledOnly": {"type": "boolean", "default": True}, **_LIST_PAGE},
        _paged("authorizations", _ref(f"{_AGGREGATOR}#authorizationView")),
        required=("aggregatorDid",),
        errors=("AggregatorNotFound", "InvalidCursor"),
    ),
    f"{_N}aggregator.listForCommunity": _query(
        "The aggregators that a community gave leave.",
        {"community": _WHO, "enabledOnly": {"type": "boolean", "default": True}, **_LIST_PAGE},
        _paged("aggregators", _ref(f"{_AGGREGATOR}#authorizationView")),
        required=("community",),
        errors=("CommunityNotFound", "InvalidCursor"),
    ),
}
"""Each question that is answered, by NSID: the main definition of its document."""

_STRONG: Final = _object({"uri": _AT_URI, "cid": _TEXT})
_SCORE: Final[Json] = {"upvotes": _INTEGER, "downvotes": _INTEGER, "score": _INTEGER}
_VOTE: Final[Json] = {"vote": _known("up", "down"), "voteUri": _AT_URI}
_COMMUNITY_VIEW: Final[tuple[Json, Json]] = (
    {
        "did": _DID,
        "name": _TEXT,
        "visibility": _known("public", "unlisted", "private"),
        "subscriberCount": _INTEGER,
        "memberCount": _INTEGER,
        "postCount": _INTEGER,
    },
    {
        "handle": _format("handle"),
        "displayName": _TEXT,
        "displayHandle": _TEXT,
        "avatar": _URI,
        "viewer": _object({"subscribed": _BOOLEAN, "blocked": _BOOLEAN}),
    },
)
_PROFILE_VIEW: Final[tuple[Json, Json]] = (
    {"did": _DID, "handle": _format("handle")},
    {"displayName": _TEXT, "description": _TEXT, "avatar": _URI},
)
_PROFILE_STATS: Final = ("postCount", "commentCount", "communityCount", "membershipCount", "reputation")
_VIEWS: Final[Mapping[str, Mapping[str, Json]]] = {
    _FEED: {"feedViewPost": _object({"post": _ref(f"{_POST}#postView")}, {"reason": _ANY})},
    _POST: {
        "postView": _object(
            {
                "uri": _AT_URI,
                "cid": _TEXT,
                "rkey": _format("record-key"),
                "author": _ref("#authorView"),
                "record": _ANY,
                "community": _ref("#communityRef"),
                "createdAt": _DATETIME,
                "indexedAt": _DATETIME,
                "stats": _object({**_SCORE, "commentCount": _INTEGER}),
            },
            {"embed": _ANY, "editedAt": _DATETIME, "viewer": _object({"saved": _BOOLEAN}, _VOTE)},
        ),
        "authorView": _object({"did": _DID, "handle": _format("handle")}, {"displayName": _TEXT, "avatar": _URI}),
        "communityRef": _object({"did": _DID, "handle": _format("handle"), "name": _TEXT}, {"avatar": _URI}),
        "notFoundPost": _object({"uri": _AT_URI, "notFound": _BOOLEAN}),
        "blockedPost": _object({"uri": _AT_URI, "blocked": _BOOLEAN}, {"author": _object({"did": _DID})}),
    },
    _COMMENT: {
        "threadViewComment": _object(
            {"comment": _ref("#commentView")}, {"replies": _list(_ref("#threadViewComment")), "hasMore": _BOOLEAN}
        ),
        "commentView": _object(
            {"uri": _AT_URI, "post": _STRONG, "stats": _object({**_SCORE, "replyCount": _INTEGER})},
            {
                "cid": _TEXT,
                "author": _ref(f"{_POST}#authorView"),
                "record": _ANY,
                "parent": _STRONG,
                "embed": _ANY,
                "createdAt": _DATETIME,
                "indexedAt": _DATETIME,
                "viewer": _object({}, _VOTE),
                "isDeleted": _BOOLEAN,
                "deletionReason": _known("author", "moderator", "unavailable"),
                "deletedAt": _DATETIME,
            },
        ),
    },
    _COMMUNITY: {
        "communityView": _object(*_COMMUNITY_VIEW),
        "communityViewDetailed": _object(
            {
                **_COMMUNITY_VIEW[0],
                "createdBy": _DID,
                "hostedBy": _DID,
                "createdAt": _DATETIME,
                "allowExternalDiscovery": _BOOLEAN,
                "uri": _AT_URI,
            },
            {
                **_COMMUNITY_VIEW[1],
                "description": _TEXT,
                "descriptionFacets": _list(_ANY),
                "banner": _URI,
                "moderationType": _TEXT,
                "contentWarnings": _list(_TEXT),
            },
        ),
    },
    _ACTOR: {
        "profileView": _object(*_PROFILE_VIEW),
        "profileViewDetailed": _object(
            {
                **_PROFILE_VIEW[0],
                "createdAt": _DATETIME,
                "uri": _AT_URI,
                "stats": _object(dict.fromkeys(_PROFILE_STATS, _INTEGER)),
            },
            {**_PROFILE_VIEW[1], "banner": _URI, "viewer": _object({}, {"blocking": _AT_URI})},
        ),
    },
    _AGGREGATOR: {
        "serviceView": _SERVICE,
        "authorizationView": _object(
            {
                "aggregatorDid": _DID,
                "communityDid": _DID,
                "enabled": _BOOLEAN,
                "createdAt": _DATETIME,
                "createdBy": _DID,
                "recordUri": _AT_URI,
            },
            {
                "config": _ANY,
                "disabledAt": _DATETIME,
                "disabledBy": _DID,
                "aggregator": _ref("#serviceView"),
                "community": _ref(f"{_POST}#communityRef"),
            },
        ),
    },
}


def _procedure(nsid: str) -> Json:
    write = WRITES[nsid]
    return {
        "type": "procedure",
        "description": f"Not served here: call {write.call} on the user's own host, collection {write.collection}.",
        "input": {"encoding": "application/json", "schema": _object({})},
        "errors": [{"name": "WriteToPds"}],
    }


def _documents() -> dict[str, Json]:
    mains: dict[str, Json] = {**QUERIES, **{nsid: _procedure(nsid) for nsid in WRITES}}
    return {
        nsid: {
            "lexicon": 1,
            "id": nsid,
            "defs": {**({"main": mains[nsid]} if nsid in mains else {}), **_VIEWS.get(nsid, {})},
        }
        for nsid in sorted({*mains, *_VIEWS})
    }


DOCUMENTS: Final[Mapping[str, Json]] = _documents()
"""The documents of all questions, writes and views, by NSID."""
