"""
The views: what is known, as clients read it. Plain JSON values; nothing here waits.

Records are shown verbatim. What a view adds (names, urls, counts) stands beside them, never in them. A key whose
value is not known is left out.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from strandline.forum.records import VOTE
from strandline.forum.xrpc.blobs import cid_of
from strandline.forum.xrpc.gather import Known, actor_uri, community_uri

__all__ = [
    "INVALID_HANDLE",
    "author_view",
    "blocked_post",
    "comment_view",
    "community_ref",
    "community_view",
    "community_view_detailed",
    "display_handle",
    "iso",
    "not_found_post",
    "post_view",
    "profile_view",
    "profile_view_detailed",
]

Json = dict[str, Any]

INVALID_HANDLE: Final = "handle.invalid"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POST: Final = "social.coves.community.post.get"


def iso(us: int) -> str:
    """
    Return microseconds since 1970 as a datetime of the protocol.

    >>> iso(1_000)
    '1970-01-01T00:00:00.001000Z'
    """
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _told(view: Mapping[str, Any]) -> Json:
    return {name: value for name, value in view.items() if value is not None}


def _picture(known: Known, did: str, blob: Any, preset: str) -> str | None:
    cid = cid_of(blob)
    return None if cid is None else known.blobs.picture(did, cid, preset)


def author_view(known: Known, did: str) -> Json:
    """Return who wrote something."""
    row = known.profiles.get(did)
    return _told(
        {
            "did": did,
            "handle": known.handles.get(did, INVALID_HANDLE),
            "displayName": row and row.display_name,
            "avatar": _picture(known, did, known.profile_record(did).get("avatar"), "avatar_small"),
        }
    )


def community_ref(known: Known, did: str) -> Json:
    """Return the community a post is in."""
    row = known.communities.get(did)
    return _told(
        {
            "did": did,
            "handle": known.handles.get(did, INVALID_HANDLE),
            "name": row.name if row else "",
            "avatar": _picture(known, did, known.community_record(did).get("avatar"), "avatar_small"),
        }
    )


def post_view(known: Known, row: Any, *, resolve: bool = True) -> Json | None:
    """Return a post; None if its record is gone. `resolve` shows an embedded post too, one deep."""
    register, record = known.registers.get(row.uri), known.records.get(row.uri)
    if register is None or record is None:
        return None
    return _told(
        {
            "$type": f"{_POST}#postView",
            "uri": row.uri,
            "cid": register.cid,
            "rkey": register.rkey,
            "author": author_view(known, row.author),
            "record": record,
            "community": community_ref(known, row.community),
            "embed": _embed(known, row.community, record.get("embed"), resolve=resolve),
            "createdAt": record["createdAt"],
            "editedAt": None if row.edited_at_us is None else iso(row.edited_at_us),
            "indexedAt": iso(row.indexed_at_us),
            "stats": {**_score(row), "commentCount": row.comment_count},
            "viewer": _viewer(known, row.key, {"saved": False}),
        }
    )


def not_found_post(uri: str) -> Json:
    """Return what stands for a post that is not there, or may not be seen."""
    return {"$type": f"{_POST}#notFoundPost", "uri": uri, "notFound": True}


def blocked_post(uri: str, author: str) -> Json:
    """Return what stands for a post of a community that the viewer blocks."""
    return {"$type": f"{_POST}#blockedPost", "uri": uri, "blocked": True, "author": {"did": author}}


def comment_view(known: Known, row: Any) -> Json | None:
    """Return a comment; None if its record is gone."""
    uri = known.keys.uri(row.key)
    register, record = known.registers.get(uri), known.records.get(uri)
    if register is None or record is None:
        return None
    reply = record["reply"]
    root, parent = ({"uri": reply[name]["uri"], "cid": reply[name]["cid"]} for name in ("root", "parent"))
    return _told(
        {
            "uri": uri,
            "cid": register.cid,
            "author": author_view(known, row.author),
            "record": record,
            "post": root,
            "parent": parent if parent["uri"] != root["uri"] else None,
            "embed": _embed(known, row.author, record.get("embed"), resolve=True),
            "createdAt": record["createdAt"],
            "indexedAt": iso(row.indexed_at_us),
            "stats": {**_score(row), "replyCount": row.reply_count},
            "viewer": _viewer(known, row.key, {}),
        }
    )


def _score(row: Any) -> Json:
    return {"upvotes": row.upvotes, "downvotes": row.downvotes, "score": row.score}


def _viewer(known: Known, key: str, more: Json) -> Json | None:
    if known.viewer is None:
        return None
    vote = known.votes.get(key)
    if vote is None:
        return more
    return {"vote": vote.direction, "voteUri": f"at://{vote.voter}/{VOTE}/{vote.rkey}", **more}


def _embed(known: Known, owner: str, embed: Any, *, resolve: bool) -> Json | None:
    kind = embed.get("$type") if isinstance(embed, dict) else None
    show = _EMBEDS.get(kind) if isinstance(kind, str) else None
    if show is None or (kind == "social.coves.embed.post" and not resolve):
        return None
    return {"$type": f"{kind}#view", **show(known, owner, embed)}


def _images(known: Known, owner: str, embed: Mapping[str, Any]) -> Json:
    return {"images": [_image(known, owner, image) for image in embed["images"]]}


def _image(known: Known, owner: str, image: Mapping[str, Any]) -> Json:
    return _told(
        {
            "thumb": _picture(known, owner, image["image"], "content_preview"),
            "fullsize": _picture(known, owner, image["image"], "content_full"),
            "alt": image.get("alt"),
            "aspectRatio": image.get("aspectRatio"),
        }
    )


def _external(known: Known, owner: str, embed: Mapping[str, Any]) -> Json:
    external = dict(embed["external"])
    thumb = _picture(known, owner, external.pop("thumb", None), "embed_thumbnail")
    if "images" in external:
        external["images"] = [_image(known, owner, image) for image in external["images"]]
    return {"external": _told({**external, "thumb": thumb})}


def _video(known: Known, owner: str, embed: Mapping[str, Any]) -> Json:
    cid = cid_of(embed["video"])
    return _told(
        {
            "video": None if cid is None else known.blobs.file(owner, cid),
            "thumbnail": _picture(known, owner, embed.get("thumbnail"), "embed_thumbnail"),
            "alt": embed.get("alt"),
            "duration": embed.get("duration"),
        }
    )


def _quote(known: Known, owner: str, embed: Mapping[str, Any]) -> Json:
    ref = {"uri": embed["post"]["uri"], "cid": embed["post"]["cid"]}
    row = known.quoted.get(ref["uri"])
    shown = None if row is None else post_view(known, row, resolve=False)
    return {"post": ref, "resolved": shown or not_found_post(ref["uri"])}


_EMBEDS: Final = {
    "social.coves.embed.images": _images,
    "social.coves.embed.external": _external,
    "social.coves.embed.video": _video,
    "social.coves.embed.post": _quote,
}


def display_handle(handle: str | None) -> str | None:
    """
    Return the handle of a community as people write it; None if it has none.

    >>> display_handle("c-gaming.coves.social")
    '!gaming@coves.social'
    >>> display_handle("gaming.example")
    'gaming.example'
    """
    if handle is None or not handle.startswith("c-"):
        return handle
    name, _, instance = handle[2:].partition(".")
    return f"!{name}@{instance}" if name and instance else handle


def community_view(known: Known, did: str, subscribed: Collection[str], blocked: Collection[str]) -> Json:
    """Return a live community, as lists show it."""
    row, handle = known.communities[did], known.handles.get(did)
    return _told(
        {
            "did": did,
            "handle": handle,
            "name": row.name,
            "displayName": row.display_name,
            "displayHandle": display_handle(handle),
            "avatar": _picture(known, did, known.community_record(did).get("avatar"), "avatar"),
            "visibility": row.visibility,
            "subscriberCount": row.subscriber_count,
            "memberCount": row.member_count,
            "postCount": row.post_count,
            "viewer": {"subscribed": did in subscribed, "blocked": did in blocked} if known.viewer else None,
        }
    )


def community_view_detailed(known: Known, did: str, subscribed: Collection[str], blocked: Collection[str]) -> Json:
    """Return a live community with all it says of itself."""
    record = known.community_record(did)
    kept = ("description", "descriptionFacets", "createdBy", "hostedBy", "moderationType", "contentWarnings")
    federation = record.get("federation") or {}
    return {
        **community_view(known, did, subscribed, blocked),
        **_told(
            {
                **{name: record.get(name) for name in (*kept, "createdAt")},
                "banner": _picture(known, did, record.get("banner"), "banner"),
                "allowExternalDiscovery": bool(federation.get("allowExternalDiscovery", False)),
                "uri": community_uri(did),
            }
        ),
    }


def profile_view(known: Known, did: str) -> Json:
    """Return a live profile, as lists show it."""
    row = known.profiles[did]
    return _told(
        {
            "did": did,
            "handle": known.handles.get(did, INVALID_HANDLE),
            "displayName": row.display_name,
            "description": row.bio,
            "avatar": _picture(known, did, known.profile_record(did).get("avatar"), "avatar"),
        }
    )


def profile_view_detailed(known: Known, did: str) -> Json:
    """Return a live profile with its counts."""
    row, record = known.profiles[did], known.profile_record(did)
    return {
        **profile_view(known, did),
        **_told(
            {
                "banner": _picture(known, did, record.get("banner"), "banner"),
                "createdAt": record.get("createdAt", iso(row.indexed_at_us)),
                "uri": actor_uri(did),
                "stats": {
                    "postCount": row.post_count,
                    "commentCount": row.comment_count,
                    "communityCount": row.community_count,
                    "membershipCount": row.membership_count,
                    "reputation": row.reputation,
                },
                "viewer": {} if known.viewer else None,
            }
        ),
    }
