"""Answers about aggregators, and the leave that communities give them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from strandline.forum.queries.entries import community
from strandline.forum.queries.people import hidden
from strandline.forum.records import AUTHORIZATION, SERVICE
from strandline.forum.xrpc.answers.walk import walk
from strandline.forum.xrpc.asking import Asked, did_of, place, subscriptions, token
from strandline.forum.xrpc.blobs import cid_of
from strandline.forum.xrpc.gather import Known, gather
from strandline.forum.xrpc.refusal import not_found
from strandline.forum.xrpc.views import community_ref
from strandline.ports import Key

__all__ = ["answer_authorizations", "answer_for_community", "answer_services"]

Json = dict[str, Any]

COUNTED: Final = 10_000
"""So many authorizations of one aggregator are counted at most."""


async def answer_services(asked: Asked) -> Json:
    """Answer `social.coves.aggregator.getServices`; dids that are none are left out."""
    live = await _live_services(asked, asked.parameters["dids"])
    known = await gather(asked, others=[_service_uri(did) for did in live])
    detailed = asked.parameters["detailed"]
    counts = await _communities_using(asked, live) if detailed else {}
    views = [view for did in live if (view := _service(known, did)) is not None]
    return {"views": [_detailed(known, view, counts) if detailed else view for view in views]}


def _service_uri(did: str) -> str:
    return f"at://{did}/{SERVICE}/self"


async def _live_services(asked: Asked, dids: Sequence[str]) -> list[str]:
    """Return those of some dids that are live aggregators, in order."""
    found = await asked.store.get("aggregator", [(did,) for did in dids])
    gone = await hidden(asked.store, dids)
    return [did for did in dict.fromkeys(dids) if (did,) in found and did not in gone]


def _service(known: Known, did: str) -> Json | None:
    record = known.records.get(_service_uri(did))
    if record is None:
        return None
    avatar = cid_of(record.get("avatar"))
    told: Json = {
        "did": did,
        "displayName": record["displayName"],
        "description": record.get("description"),
        "avatar": None if avatar is None else known.blobs.picture(did, avatar, "avatar"),
        "sourceUrl": record.get("sourceUrl"),
        "maintainer": record.get("maintainer"),
        "createdAt": record["createdAt"],
        "recordUri": _service_uri(did),
    }
    return {name: value for name, value in told.items() if value is not None}


def _detailed(known: Known, view: Json, counts: dict[str, int]) -> Json:
    schema = known.records[_service_uri(view["did"])].get("configSchema")
    stats = {"communitiesUsing": counts.get(view["did"], 0)}
    return {**view, "stats": stats, **({} if schema is None else {"configSchema": schema})}


async def _communities_using(asked: Asked, dids: Sequence[str]) -> dict[str, int]:
    named = asked.store.layout.table("authorization").row
    wanted = [(did,) for did in dids]
    rows = await asked.store.page("authorization", "by_aggregator", wanted, limit=COUNTED * len(dids), each=COUNTED)
    return Counter(row.aggregator for row in map(named, rows) if row.enabled)


async def answer_authorizations(asked: Asked) -> Json:
    """Answer `social.coves.aggregator.getAuthorizations`, by community."""
    did = await did_of(asked, "aggregatorDid", "AggregatorNotFound")
    if not await _live_services(asked, [did]):
        raise not_found("AggregatorNotFound", f"aggregatorDid: {did!r} is no aggregator")
    return await _page(asked, "by_aggregator", did, "community", "authorizations")


async def answer_for_community(asked: Asked) -> Json:
    """Answer `social.coves.aggregator.listForCommunity`, by aggregator."""
    did = await did_of(asked, "community", "CommunityNotFound")
    row = await community(asked.store, did)
    subscribed, _ = await subscriptions(asked)
    if row is None or (row.visibility == "private" and did not in subscribed):
        raise not_found("CommunityNotFound", f"community: {did!r} is no community that is shown to you")
    return await _page(asked, "by_community", did, "aggregator", "aggregators")


async def _page(asked: Asked, index: str, did: str, other: str, name: str) -> Json:
    named = asked.store.layout.table("authorization").row
    began = place(asked)
    subscribed, _ = await subscriptions(asked)

    async def fetch(limit: int, after: Key | None) -> Sequence[Any]:
        rows = await asked.store.page("authorization", index, [(did,)], limit=limit, after=after)
        return [*map(named, rows)]

    async def keep(rows: Sequence[Any]) -> list[Any]:
        gone = await hidden(asked.store, {who for row in rows for who in (row.aggregator, row.community)})
        there = [row for row in rows if not {row.aggregator, row.community} & gone]
        return [row for row in there if row.enabled or not asked.parameters["enabledOnly"]]

    def at(row: Any) -> Key:
        return (getattr(row, other),)

    rows, after = await walk(fetch, keep, at, limit=asked.limit, after=began.after)
    uris = {row: f"at://{row.community}/{AUTHORIZATION}/{row.rkey}" for row in rows}
    services = [_service_uri(it) for it in await _live_services(asked, [row.aggregator for row in rows])]
    known = await gather(asked, others=[*uris.values(), *services], communities=[row.community for row in rows])
    closed = {it.did for it in known.communities.values() if it.visibility == "private" and it.did not in subscribed}
    views = [
        _authorization(known, row, uri, with_community=row.community not in closed)
        for row, uri in uris.items()
        if uri in known.records
    ]
    return {name: views, **token(asked, began, after)}


def _authorization(known: Known, row: Any, uri: str, *, with_community: bool) -> Json:
    record = known.records[uri]
    told: Json = {
        "aggregatorDid": row.aggregator,
        "communityDid": row.community,
        "enabled": bool(row.enabled),
        "config": record.get("config"),
        "createdAt": record["createdAt"],
        "createdBy": record["createdBy"],
        "disabledAt": record.get("disabledAt"),
        "disabledBy": record.get("disabledBy"),
        "recordUri": uri,
        "aggregator": _service(known, row.aggregator),
        "community": community_ref(known, row.community) if with_community else None,
    }
    return {name: value for name, value in told.items() if value is not None}
