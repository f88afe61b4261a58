"""
What the forum answers, on every store, against the reference: feeds, posts, communities, profiles, handles.

Every feed is walked page by page, in every order and timeframe, for viewers who subscribe, block, or are hidden. And
what is asked while a job waits: a hidden account is gone from every answer before a single record of its was moved.
"""

import json
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Event, Identity, Ingest, Store, open_store, run
from strandline.forum import SCHEMA
from strandline.forum.queries import (
    FeedPage,
    community,
    community_feed,
    discover,
    handles,
    post,
    profile,
    thread,
    timeline,
)
from strandline.forum.records import BLOCK, COMMUNITY_PROFILE, SUBSCRIPTION
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import CALM, COMMUNITIES, PEOPLE, POOLS, POSTS, SKETCHES, logs
from strandline.testing.laws import Dying, Killed, wipe
from strandline.testing.strategies import Dice, Sketch
from strandline.testing.strategies import logs as logs_from

FULL = "STRANDLINE_FULL" in os.environ
EXAMPLES = int(os.environ.get("STRANDLINE_LOGS", "100000" if FULL else "2000")) // 8

EVERYONE: Final = (*PEOPLE, *COMMUNITIES)
ORDERS: Final = ("hot", "new", "top")
SECOND_US: Final = 1_000_000

WEIGHTS: Final = {
    "community.post": 6,
    "community.profile": 5,
    "community.subscription": 4,
    "community.block": 4,
    "feed.vote": 3,
}
"""How often each kind is written in logs that are made for feeds; others are not."""

Ask = Callable[..., Coroutine[Any, Any, FeedPage | None]]


def close(store: Store) -> None:
    """Let go of a store."""
    run(store.close())


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, ...]]:
    path = tmp_path_factory.mktemp("feeds") / "feeds.db"
    with ExitStack() as stack:
        opened = (run(open_store("memory:", SCHEMA)), run(open_store(f"sqlite:///{path}", SCHEMA)))
        for store in opened:
            stack.callback(close, store)
        yield opened


def told(store: Store, log: Sequence[Event]) -> Ingest:
    """Fold a log into the emptied store."""
    run(wipe(store))
    index = Ingest(store, SCHEMA)
    run(index.fold(log))
    run(index.finish())
    return index


def walked(ask: Ask, store: Store, *args: Any, limit: int = 100, **kwargs: Any) -> list[str]:
    """Return the uris of a feed, read page by page."""
    found: list[str] = []
    after = None
    while True:
        page = run(ask(store, *args, limit=limit, after=after, **kwargs))
        if page is None:
            return found
        assert len(page.posts) <= limit
        found += [row.uri for row in page.posts]
        after = page.after
        if after is None:
            return found
        assert len(page.posts) == limit, "a page that is not the last is full"


def feed_logs() -> st.SearchStrategy[list[Event]]:
    """Return a strategy for logs in which most that is said bears on feeds."""
    weights = {f"social.coves.{kind}": weight for kind, weight in WEIGHTS.items()}
    sketches = [evolve(it, weight=weights[it.collection]) for it in SKETCHES if it.collection in weights]
    return logs_from(POOLS, [_of_any_visibility(it) for it in sketches], calm=CALM)


def _of_any_visibility(sketch: Sketch) -> Sketch:
    if sketch.collection != COMMUNITY_PROFILE:
        return sketch

    def record(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
        visibility = dice.pick(("public", "private", "public", "private", "unlisted"))
        return {**sketch.record(dice, did, rkey), "visibility": visibility}

    return evolve(sketch, record=record)


def hostile(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=max(1, examples), deadline=None, suppress_health_check=list(HealthCheck))


def test_feeds_are_those_of_the_reference(stores: Sequence[Store]) -> None:
    @hostile(2 * EXAMPLES)
    @given(log=feed_logs(), dice=st.randoms(use_true_random=False))
    def law(log: list[Event], dice: Random) -> None:
        order = dice.choice(ORDERS)
        timeframe = dice.choice((*["all"] * 5, *reference.WINDOWS_US))
        window_us = reference.WINDOWS_US.get(timeframe, 0)
        now_us = POOLS.times_us[0] + window_us + dice.choice((0, 0, 5, 5, 10)) * SECOND_US
        since_us = None if timeframe == "all" else now_us - window_us
        told_to_reference: dict[str, Any] = {"order": order, "timeframe": timeframe, "now_us": now_us}
        asked: dict[str, Any] = {"order": order, "since_us": since_us, "limit": dice.randrange(1, 4)}
        with windows_of(dice.choice((1, 2, 1000)), page=dice.choice((1, 2, 500)), rounds=dice.choice((0, 1, 5))):
            for store in stores:
                told(store, log)
                _same_feeds(store, log, asked, told_to_reference)

    law()


@contextmanager
def windows_of(posts: int, *, page: int, rounds: int) -> Iterator[None]:
    """
    Let a window be sorted when it holds less posts, and else the order be walked too; communities come in pages.

    All posts are looked through for so many rounds, and then each public community's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strandline.forum.queries.feeds._WINDOW", posts)
        patch.setattr("strandline.forum.queries.feeds._PAGE", page)
        patch.setattr("strandline.forum.queries.relations._PAGE", page)
        patch.setattr("strandline.forum.queries.feeds._ROUNDS", rounds)
        yield


def _same_feeds(store: Store, log: list[Event], asked: dict[str, Any], told_to_reference: dict[str, Any]) -> None:
    for viewer in PEOPLE:
        for did in COMMUNITIES:
            expected = reference.community_feed(log, did, viewer=viewer, **told_to_reference)
            assert walked(community_feed, store, did, viewer=viewer, **asked) == expected, "community"
        expected = reference.discover(log, viewer=viewer, **told_to_reference)
        assert walked(discover, store, viewer=viewer, **asked) == expected, "discover"
        expected = reference.timeline(log, viewer, **told_to_reference)
        assert walked(timeline, store, viewer, **asked) == expected, "timeline"


def test_what_a_viewer_blocks_is_in_no_timeline_of_theirs(stores: Sequence[Store]) -> None:
    subscription = next(it for it in CALM if isinstance(it, Commit) and it.collection == SUBSCRIPTION)
    assert subscription.record is not None
    record = {key: subscription.record[key] for key in ("subject", "createdAt")}
    block = evolve(subscription, collection=BLOCK, record={"$type": BLOCK, **record})
    for store in stores:
        told(store, CALM)
        assert run(timeline(store, subscription.did)).posts
        told(store, [*CALM, block])
        assert run(timeline(store, subscription.did)).posts == ()


def test_what_is_asked_by_name_is_what_the_dump_tells(stores: Sequence[Store]) -> None:
    @hostile(EXAMPLES)
    @given(log=logs())
    def law(log: list[Event]) -> None:
        lines = [json.loads(line) for line in reference.dump(log)]
        hidden = {line["did"] for line in lines if line["view"] == "account"}
        posts = {line["uri"] for line in lines if line["view"] == "post" and line["author"] not in hidden}
        for store in stores:
            told(store, log)
            assert {uri for uri in POSTS if run(post(store, uri)) is not None} == posts & set(POSTS)
            for view, query in (("community", community), ("profile", profile)):
                shown = {line["did"] for line in lines if line["view"] == view}
                assert {did for did in EVERYONE if run(query(store, did)) is not None} == shown & set(EVERYONE)
            assert run(handles(store, {event.did for event in log})) == claimed(log)

    law()


def claimed(log: Sequence[Event]) -> dict[str, str]:
    return {did: handle for did, handle in reference.handles(log).items() if handle != "handle.invalid"}


IDENTITIES: Final = st.builds(
    Identity,
    did=st.sampled_from(PEOPLE),
    handle=st.sampled_from(("ann.example", "bob.example", None)),
    time_us=st.integers(0, 2),
    relay_seq=st.integers(0, 1),
    seen_us=st.just(0),
)


def test_a_handle_is_that_of_the_did_that_claimed_it_last(stores: Sequence[Store]) -> None:
    @hostile(EXAMPLES)
    @given(log=st.lists(IDENTITIES, max_size=6))
    def law(log: list[Event]) -> None:
        for store in stores:
            told(store, log)
            assert run(handles(store, PEOPLE)) == claimed(log)

    law()


def test_a_hidden_account_is_gone_from_every_answer_while_its_job_waits(stores: Sequence[Store]) -> None:
    @hostile(EXAMPLES // 2)
    @given(log=feed_logs(), gone=st.sets(st.sampled_from(EVERYONE), min_size=1, max_size=2))
    def law(log: list[Event], gone: set[str]) -> None:
        latest = max((event.time_us for event in log if isinstance(event, Account)), default=0)
        plain = Account(did="", active=False, time_us=latest + 1, relay_seq=0, seen_us=0)
        hides = [evolve(plain, did=did) for did in sorted(gone)]
        for store in stores:
            told(store, log)
            with suppress(Killed):  # before the first step of the jobs this leaves
                run(Ingest(Dying(store, 1), SCHEMA).fold(hides))
            _same_answers(store, [*log, *hides])

    law()


def _same_answers(store: Store, log: list[Event]) -> None:
    """Check what is shown, not in which order: counts follow when the job has run."""
    shown = [json.loads(line) for line in reference.dump(log)]
    for view, query in (("community", community), ("profile", profile)):
        expected = {line["did"] for line in shown if line["view"] == view}
        assert {did for did in EVERYONE if run(query(store, did)) is not None} == expected & set(EVERYONE)
    for viewer in EVERYONE:
        assert set(walked(discover, store, viewer=viewer)) == set(reference.discover(log, viewer=viewer))
        assert set(walked(timeline, store, viewer)) == set(reference.timeline(log, viewer))
        for did in COMMUNITIES:
            expected = set(reference.community_feed(log, did, viewer=viewer))
            assert set(walked(community_feed, store, did, viewer=viewer)) == expected
    for uri in {*POSTS}:
        expected = {node.uri for node in _all(reference.thread(log, uri))}
        assert {reply.uri for reply in run(thread(store, uri))} == expected


def _all(nodes: Sequence[reference.Node]) -> Iterator[reference.Node]:
    for node in nodes:
        yield node
        yield from _all(node.replies)
