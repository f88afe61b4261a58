"""
Every question that has pages, walked to its end, against what the reference says should be there.

Hostile logs and made-up forums, any limit, any order and timeframe, for subscribers, blockers, the hidden and strangers:
each thing that may be seen comes once, in order. The first page fixes the time; those after it are asked years later.
And while more is taken in between two pages, nothing that kept its place is met twice or missed.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack
from random import Random
from typing import Any, Final
from unicodedata import normalize

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import BadEvent, Commit, Event, Ingest, Store, decode, open_store, run
from strandline.event import Control
from strandline.forum import SCHEMA
from strandline.forum.records import (
    AUTHORIZATION,
    BLOCK,
    COMMENT,
    COMMUNITY_PROFILE,
    POST,
    SERVICE,
    SUBSCRIPTION,
)
from strandline.forum.testing import reference
from strandline.forum.testing.reference import Facts, Node, Standing
from strandline.forum.testing.strategies import CALM, COMMUNITIES, PEOPLE, POOLS, SKETCHES
from strandline.forum.world import START_US, world
from strandline.forum.xrpc import ANSWERS, Answering, Refusal, answer
from strandline.forum.xrpc.documents import QUERIES
from strandline.testing.laws import wipe
from strandline.testing.strategies import Dice, Sketch
from strandline.testing.strategies import logs as logs_from
from strandline_postgres.testing import Server

FULL = "STRANDLINE_FULL" in os.environ
EXAMPLES: Final = 3000 if FULL else 200
WORLDS: Final = 40 if FULL else 4

HOW: Final = Answering(page_keys=(b"a secret of the tests",))
ORDERS: Final = ("hot", "new", "top")
LISTS: Final = ("popular", "active", "new", "alphabetical")
SECOND_US: Final = 1_000_000
MOST: Final = 5000
"""More than any question of these logs has."""

LATER_US: Final = 10**15
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("images",),
    "video": ("video",),
    "article": ("external",),
    "microblog": ("post",),
    "text": (),
}
EMBEDS: Final[Sequence[dict[str, Any] | None]] = (
    None,
    {"$type": "social.coves.embed.external", "external": {"uri": "https://tides.example"}},
    {"$type": "social.coves.embed.post", "post": {"uri": f"at://{COMMUNITIES[0]}/{POST}/3kp2222222222", "cid": "bafyreiden2tz6omhdcc7tc7tdlxajfrrdg3ogkgfq3pucdlkxyofnrlncm"}},
    {"$type": "com.example.embed.sound"},
)  # fmt: skip


def _beside(event: Event, did: str, **changes: Any) -> Commit:
    """Return a commit like one of CALM, in another repo."""
    assert isinstance(event, Commit)
    assert event.record is not None
    named: Any = {name: changes.pop(name) for name in ("collection", "rkey") if name in changes}
    record = {**event.record, **changes, "$type": named.get("collection", event.collection)}
    return evolve(event, did=did, record=record, **named)


def _grown() -> tuple[Commit, ...]:
    """Return a forum in which every question has more than one thing to show to ANN."""
    home, post, _, _, subscription, _, _, profile, _ = CALM
    ann, bob, _ = PEOPLE
    sea, tea = COMMUNITIES
    leave = {"collection": AUTHORIZATION, "communityDid": sea, "enabled": True, "createdBy": ann}
    return (
        *(it for it in CALM if isinstance(it, Commit)),
        _beside(home, tea),
        _beside(post, tea, community=tea, title="Tides", author=ann, embed=EMBEDS[1]),
        _beside(post, sea, rkey="3kr2222222222", title="Tides", author=ann, embed=EMBEDS[2]),
        _beside(CALM[2], ann, rkey="3kr2222222222"),
        _beside(subscription, ann, subject=tea, rkey="3kr2222222222"),
        _beside(subscription, bob),
        _beside(profile, bob),
        *(_beside(home, did, collection=SERVICE, rkey="self", displayName="Tide tables") for did in (ann, bob)),
        *(_beside(home, sea, **leave, rkey=did[8:11], aggregatorDid=did) for did in (ann, bob)),
        _beside(home, tea, **{**leave, "communityDid": tea}, rkey="ann", aggregatorDid=ann),
    )


Questions = Iterator[tuple[str, dict[str, Any], list[str]]]
"""A question, what it is asked with, and what the reference says of it, in order."""


def hostile_logs() -> st.SearchStrategy[list[Event]]:
    """Return a strategy for logs of everything; posts of every kind, communities of every visibility."""
    return logs_from(POOLS, [_varied(it) for it in SKETCHES], calm=GROWN)


def _varied(sketch: Sketch) -> Sketch:
    def made(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
        found = sketch.record(dice, did, rkey)
        if sketch.collection == POST:
            embed = dice.pick(EMBEDS)
            return found if embed is None else {**found, "embed": embed}
        return {**found, "visibility": dice.pick(("public", "private", "public", "unlisted"))}

    return evolve(sketch, record=made) if sketch.collection in (POST, COMMUNITY_PROFILE) else sketch


GROWN: Final = _grown()


@frozen
class Law:
    """What the reference says of a log, for one viewer."""

    log: Sequence[Event]
    viewer: str | None
    now_us: int
    facts: Facts
    lines: Mapping[str, dict[str, Any]]

    def live(self, collection: str) -> list[Standing]:
        """Return the live records of a kind."""
        return [it for it in self.facts.live if it.collection == collection]

    def effective(self, collection: str, actor: str | None) -> set[str]:
        """Return what the viewer, or another, is subscribed to or blocks."""
        rows = [it for it in self.facts.effective if it.collection == collection and it.did == actor]
        return {str(it.record["subject"]) for it in rows if it.record.get("endedAt") is None}

    def communities(self) -> dict[str, str]:
        """Return the visibility of each live community that the viewer may see."""
        mine = self.effective(SUBSCRIPTION, self.viewer)
        found = {it.did: str(it.record.get("visibility", "public")) for it in self.live(COMMUNITY_PROFILE)}
        return {did: it for did, it in found.items() if it != "private" or did in mine}

    def homes(self, dice: Random) -> list[str]:
        """Return some communities, two at most."""
        found = sorted(it.did for it in self.live(COMMUNITY_PROFILE))
        return dice.sample(found, 2) if len(found) > 1 else [*found, *COMMUNITIES]

    def people(self) -> list[str]:
        """Return who wrote something, once for each time."""
        return [str(it.record.get("author", it.did)) for it in (*self.live(POST), *self.live(COMMENT))] or [*PEOPLE]

    def ranked(self, uris: Sequence[str], order: str, *, since_us: int | None = None) -> list[str]:
        """Return records in an order, those since a time."""
        kept = [self.lines[uri] for uri in uris if since_us is None or self.lines[uri]["sortAtUs"] >= since_us]
        return [it["uri"] for it in sorted(kept, key=lambda it: rank(it, order), reverse=True)]


def rank(line: Mapping[str, Any], order: str) -> tuple[Any, ...]:
    """Return what a post or comment is ordered by."""
    if order == "hot":
        return (line["hot"], line["uri"])
    return (line["score"], line["sortAtUs"], line["uri"]) if order == "top" else (line["sortAtUs"], line["uri"])


def law_of(log: Sequence[Event], viewer: str | None, now_us: int) -> Law:
    lines = [json.loads(line) for line in reference.dump(log)]
    by_uri = {it["uri"]: it for it in lines if it["view"] in ("post", "comment")}
    return Law(log, viewer, now_us, reference.find_facts(log), by_uri)


def kind_of(post: Standing) -> str:
    embed = str((post.record.get("embed") or {}).get("$type", "")).rpartition(".")
    known = embed[2] if embed[0] == "social.coves.embed" else ""
    return next((kind for kind, names in KINDS.items() if known in names), "text")


def feeds(law: Law, dice: Random) -> Questions:
    order, timeframe = dice.choice(ORDERS), dice.choice(("all", "all", *reference.WINDOWS_US))
    window: dict[str, Any] = {"order": order, "timeframe": timeframe if order == "top" else "all", "now_us": law.now_us}
    asked = {"sort": order, "timeframe": timeframe}
    everywhere = reference.discover(law.log, viewer=law.viewer, **window)
    yield "feed.getDiscover", asked, everywhere
    yield "feed.getAll", asked, everywhere
    kinds = {it.uri: kind_of(it) for it in law.live(POST)}
    wanted = dice.sample([*KINDS], 2)
    few = [uri for uri in everywhere if kinds[uri] in wanted]
    yield "feed.getAll", {**asked, dice.choice(("postType", "postTypes")): wanted}, few
    yield "community.post.list", asked, everywhere
    if law.viewer is not None:
        yield "feed.getTimeline", asked, reference.timeline(law.log, law.viewer, **window)
    for did in law.homes(dice):
        if did in law.communities():
            feed = reference.community_feed(law.log, did, viewer=law.viewer, **window)
            yield "feed.getCommunity", {**asked, "community": did}, feed
            yield "community.post.list", {**asked, "community": did}, feed


def by_author(law: Law, dice: Random) -> Questions:
    actor, home = dice.choice(law.people()), law.homes(dice)[0]
    order, timeframe = dice.choice(ORDERS), dice.choice(("all", *reference.WINDOWS_US))
    may = law.communities()
    posts = [it for it in law.live(POST) if it.record["author"] == actor and it.did in may]
    posts = [it for it in posts if actor not in law.facts.hidden]
    uris = [it.uri for it in posts]
    since_us = None if timeframe == "all" or order != "top" else law.now_us - reference.WINDOWS_US[timeframe]
    asked = {"author": actor, "sort": order, "timeframe": timeframe}
    yield "community.post.list", asked, law.ranked(uris, order, since_us=since_us)
    yield "actor.getPosts", {"actor": actor}, law.ranked(uris, "new")
    media = [it.uri for it in posts if kind_of(it) != "text"]
    yield "actor.getPosts", {"actor": actor, "filter": "posts_with_media"}, law.ranked(media, "new")
    said = [it for it in law.live(COMMENT) if it.did == actor and _may_be_read(law, _root(it).split("/")[2])]
    yield "actor.getComments", {"actor": actor}, law.ranked([it.uri for it in said], "new")
    if home in {it.did for it in law.live(COMMUNITY_PROFILE)}:
        there = [it.uri for it in posts if it.did == home]
        yield "actor.getPosts", {"actor": actor, "community": home}, law.ranked(there, "new")
        there = [it.uri for it in said if _root(it).split("/")[2] == home]
        yield "actor.getComments", {"actor": actor, "community": home}, law.ranked(there, "new")


def _root(comment: Standing) -> str:
    return str(comment.record["reply"]["root"]["uri"])


def _may_be_read(law: Law, home: str) -> bool:
    """Tell whether what was said in a community, known or not, may be shown: it is neither hidden nor closed."""
    private = {it.did for it in law.live(COMMUNITY_PROFILE)} - set(law.communities())
    return home not in private and home not in law.facts.hidden


def lists(law: Law, dice: Random) -> Questions:
    order = dice.choice(LISTS)
    listed = reference.communities(law.log, order, viewer=law.viewer)
    yield "community.list", {"sort": order}, listed
    may, visibility = law.communities(), dice.choice(("public", "private", "unlisted"))
    yield "community.list", {"sort": order, "visibility": visibility}, [it for it in listed if may[it] == visibility]
    if law.viewer is not None:
        mine = law.effective(SUBSCRIPTION, law.viewer)
        names = {it.did: normalize("NFC", it.record["name"]).casefold() for it in law.live(COMMUNITY_PROFILE)}
        told = sorted((it for it in may if it in mine), key=lambda it: (names[it], it))
        yield "community.list", {"sort": "alphabetical", "subscribed": "true"}, told
    for did in law.homes(dice):
        if did in may:
            yield (
                "community.getSubscribers",
                {"community": did},
                sorted(
                    actor
                    for actor in {it.did for it in law.facts.effective if it.collection == SUBSCRIPTION}
                    if did in law.effective(SUBSCRIPTION, actor)
                ),
            )
            authors = {str(it.record["author"]) for it in law.live(POST) if it.did == did}
            speakers = {it.did for it in law.live(COMMENT) if _root(it).split("/")[2] == did}
            yield "community.getMembers", {"community": did}, sorted((authors | speakers) - set(law.facts.hidden))


def aggregators(law: Law, dice: Random) -> Questions:
    only = dice.choice((True, False))
    given = [it for it in law.facts.effective if it.collection == AUTHORIZATION and (it.record["enabled"] or not only)]
    pairs = [(it.did, str(it.record["aggregatorDid"])) for it in given]
    pairs = [pair for pair in pairs if not set(pair) & set(law.facts.hidden)]
    asked = {"enabledOnly": json.dumps(only)}
    for aggregator in {it.did for it in law.live(SERVICE)}:
        there = sorted(community for community, other in pairs if other == aggregator)
        yield "aggregator.getAuthorizations", {"aggregatorDid": aggregator, **asked}, there
    for did in law.homes(dice):
        if did in law.communities():
            there = sorted(aggregator for community, aggregator in pairs if community == did)
            yield "aggregator.listForCommunity", {"community": did, **asked}, there


def searches(law: Law, dice: Random) -> Questions:
    order = dice.choice(("relevance", "new", "top"))
    feed = reference.discover(law.log, "hot" if order == "relevance" else order, viewer=law.viewer)
    worded = {it.uri for it in law.live(POST) if "tides" in str(it.record.get("title", "")).lower()}
    yield "community.post.search", {"q": "Tides", "sort": order}, [uri for uri in feed if uri in worded]
    blocked = law.effective(BLOCK, law.viewer)
    popular = [it for it in reference.communities(law.log) if law.communities().get(it) == "public"]
    named = {it.did: str(it.record["name"]).lower() for it in law.live(COMMUNITY_PROFILE)}
    found = [it for it in popular if named[it] == "sea" and it not in blocked]
    yield "community.search", {"q": "SEA"}, found
    profiles = [line for line in map(json.loads, reference.dump(law.log)) if line["view"] == "profile"]
    anns = [it for it in profiles if (it["displayName"] or "").lower() == "ann"]
    anns.sort(key=lambda it: (it["reputation"], it["did"]), reverse=True)
    yield "actor.search", {"q": "ann"}, [it["did"] for it in anns]


def threads(law: Law, dice: Random) -> Questions:
    order = dice.choice(ORDERS)
    may = law.communities()
    for post in law.live(POST):
        if _may_be_read(law, post.did) and post.record["author"] not in law.facts.hidden and post.did in may:
            top = _in_order(law, reference.thread(law.log, post.uri), order)
            asked = {"post": post.uri, "sort": order}
            yield "community.comment.getComments", asked, [it.uri for it in top]
            for node in _below(top):
                rkey = node.uri.split("/")[-1]
                if [it.uri.split("/")[-1] for it in _below(top)].count(rkey) == 1:
                    below = [it.uri for it in _in_order(law, node.replies, order)]
                    yield "community.comment.getComments", {**asked, "parentRkey": rkey}, below


def _below(nodes: Sequence[Node]) -> list[Node]:
    return [it for node in nodes for it in (node, *_below(node.replies))]


def _in_order(law: Law, nodes: Sequence[Node], order: str) -> list[Node]:
    """Return siblings by rank; a placeholder stands where its best reply would."""
    return sorted(nodes, key=lambda node: _best(law, node, order), reverse=True)


def _best(law: Law, node: Node, order: str) -> tuple[Any, ...]:
    if not node.placeholder:
        return rank(law.lines[node.uri], order)
    return max(_best(law, reply, order) for reply in node.replies)


About = Callable[[Law, Random], Questions]

ABOUT: Final[Sequence[About]] = (feeds, by_author, lists, aggregators, threads, searches)


def named(nsid: str, item: Mapping[str, Any]) -> str:
    """Return what tells an item of an answer from the others: an at-uri or a did."""
    other = {"aggregator.getAuthorizations": "communityDid", "aggregator.listForCommunity": "aggregatorDid"}
    if nsid in other:
        return str(item[other[nsid]])
    if nsid.startswith("feed.") or nsid == "actor.getPosts":
        item = item["post"]
    if nsid == "community.comment.getComments":
        item = item["comment"]
    return str(item["uri"] if "uri" in item else item["did"])


@frozen
class Opened:
    """A store, and what runs a coroutine over it."""

    store: Store
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def empty(self) -> None:
        """Take out all there is."""
        self.run(wipe(self.store))

    def take_in(self, log: Sequence[Event]) -> None:
        """Take in a log, and finish what it leaves to do."""
        index = Ingest(self.store, SCHEMA)
        self.run(index.fold(log))
        self.run(index.finish())

    def ask(self, nsid: str, pairs: Mapping[str, Any], viewer: str | None, now_us: int) -> dict[str, Any]:
        """Return an answer."""
        told = [(name, str(one)) for name, it in pairs.items() for one in (it if isinstance(it, list) else [it])]
        asked = answer(self.store, f"social.coves.{nsid}", told, viewer=viewer, now_us=now_us, how=HOW)
        answered: dict[str, Any] = self.run(asked)
        return answered


def walked(
    opened: Opened,
    nsid: str,
    pairs: Mapping[str, Any],
    *,
    viewer: str | None,
    now_us: int,
    limit: int,
    between: Callable[[], None] = lambda: None,
) -> list[str]:
    """Return all a question has, page by page; after the first it is another day."""
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        told = opened.ask(nsid, {**pairs, **more, "limit": limit}, viewer, now_us)
        items = next(value for value in told.values() if isinstance(value, list))
        found += [named(nsid, item) for item in items]
        assert len(found) < MOST, "it never ends"
        if "cursor" not in told:
            return found
        assert len(items) == limit, "a page that is not the last is full"
        more, now_us = {"cursor": told["cursor"]}, now_us + LATER_US
        between()


def hostile(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=max(1, examples), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opened, ...]]:
    path = tmp_path_factory.mktemp("walks") / "walks.db"
    with ExitStack() as stack:
        stores = (run(open_store("memory:", SCHEMA)), run(open_store(f"sqlite:///{path}", SCHEMA)))
        for store in stores:
            stack.callback(lambda it: run(it.close()), store)
        yield tuple(Opened(store, run) for store in stores)


@pytest.fixture(scope="module")
def distant(postgres: Callable[[int], Server]) -> Iterator[Opened]:
    """A store in PostgreSQL."""
    with asyncio.Runner() as runner:
        opening: Any = open_store(postgres(18).url(schema="walks"), SCHEMA)
        store = runner.run(opening)
        yield Opened(store, runner.run)
        runner.run(store.close())


def holds(opened: Opened, law: Law, dice: Random, limit: int, about: Sequence[About] = ABOUT) -> set[str]:
    """Check every question that has pages; return those that had more than one."""
    opened.empty()
    opened.take_in(law.log)
    full: set[str] = set()
    for questions in about:
        for nsid, pairs, expected in questions(law, dice):
            got = walked(opened, nsid, pairs, viewer=law.viewer, now_us=law.now_us, limit=limit)
            if nsid == "actor.getComments":  # those of one instant are in the order of their keys
                assert sorted(got) == sorted(expected), (nsid, pairs)
                assert [law.lines[it]["sortAtUs"] for it in got] == [law.lines[it]["sortAtUs"] for it in expected]
            else:
                assert got == expected, (nsid, pairs)
            full |= {nsid} if len(got) > limit else set()
    return full


WITH_PAGES: Final = {nsid for nsid in ANSWERS if "cursor" in QUERIES[nsid]["parameters"]["properties"]}
"""Questions that have pages."""


def check(stores: Sequence[Opened], examples: int) -> None:
    """Check so many hostile logs."""

    @hostile(examples)
    @given(log=hostile_logs(), dice=st.randoms(use_true_random=False))
    def law(log: list[Event], dice: Random) -> None:
        viewer, limit = dice.choice((*PEOPLE, None)), dice.choice((1, 1, 2, 3, 50))
        now_us = POOLS.times_us[0] + dice.choice([0, *reference.WINDOWS_US.values()]) + dice.randrange(12) * SECOND_US
        told, seed = law_of(log, viewer, now_us), dice.randrange(2**32)
        for opened in stores:
            holds(opened, told, Random(seed), limit)

    law()


def test_every_question_that_has_pages_is_walked(opened: Sequence[Opened]) -> None:
    told = law_of(GROWN, PEOPLE[0], POOLS.times_us[0] + 30 * SECOND_US)
    for it in opened:
        full = {nsid for seed in range(12) for nsid in holds(it, told, Random(seed), 1)}
        assert {f"social.coves.{nsid}" for nsid in full} == WITH_PAGES


def test_every_page_of_every_question_is_that_of_the_reference(opened: Sequence[Opened]) -> None:
    check(opened, EXAMPLES)


def test_so_it_is_in_postgresql(distant: Opened) -> None:
    check([distant], EXAMPLES // 10)


def test_every_page_of_a_made_up_forum_is_that_of_the_reference(opened: Sequence[Opened]) -> None:
    for seed in range(WORLDS):
        log = [it for line in world(seed, 400) if not isinstance(it := decode(line), BadEvent | Control)]
        subscribers = [it.did for it in log if isinstance(it, Commit) and it.collection == SUBSCRIPTION]
        dice = Random(seed)
        told = law_of(log, dice.choice(subscribers), START_US + 31 * 86_400 * SECOND_US)
        for each in opened:
            holds(each, told, Random(seed), dice.choice((1, 3, 7, 50)), ABOUT[:-1])  # it has words of all kinds


def test_what_keeps_its_place_is_met_once_while_more_is_taken_in(opened: Sequence[Opened]) -> None:
    @hostile(EXAMPLES)
    @given(log=hostile_logs(), more=hostile_logs(), dice=st.randoms(use_true_random=False))
    def law(log: list[Event], more: list[Event], dice: Random) -> None:
        viewer, order, at = dice.choice(PEOPLE), dice.choice(ORDERS), dice.randrange(3)
        before, after = (law_of(it, viewer, 0) for it in (log, [*log, *more]))
        for nsid, pairs, feed in _feeds(dice):
            shown = [set(feed(it, order)) for it in (before, after)]
            kept = {
                uri for uri in shown[0] & shown[1] if rank(before.lines[uri], order) == rank(after.lines[uri], order)
            }
            for it in opened:
                it.empty()
                it.take_in(log)
                try:
                    met = walked(
                        it,
                        nsid,
                        {**pairs, "sort": order},
                        viewer=viewer,
                        now_us=0,
                        limit=1,
                        between=_late(it, more, at),
                    )
                except Refusal:  # it is not shown, before or since
                    continue
                assert {uri: met.count(uri) for uri in kept} == dict.fromkeys(kept, 1), (nsid, order)

    law()


def _feeds(dice: Random) -> Iterator[tuple[str, dict[str, Any], Callable[[Law, str], list[str]]]]:
    home = dice.choice(COMMUNITIES)
    yield "feed.getDiscover", {}, lambda law, order: reference.discover(law.log, order, viewer=law.viewer)
    yield "feed.getTimeline", {}, lambda law, order: reference.timeline(law.log, str(law.viewer), order)
    yield (
        "feed.getCommunity",
        {"community": home},
        lambda law, order: reference.community_feed(law.log, home, order, viewer=law.viewer),
    )


def _late(opened: Opened, log: Sequence[Event], at: int) -> Callable[[], None]:
    """Take in a log between two pages, once."""
    pages = iter(range(10**6))

    def between() -> None:
        if next(pages) == at:
            opened.take_in(log)

    return between
