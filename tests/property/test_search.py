"""
What the forum finds, on memory and SQLite, against reading all that the reference shows and asking each for itself.

Every search is walked page by page, in every order, for viewers who subscribe, block, or are hidden.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from random import Random
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Account, Commit, Event, Identity, Ingest, Store, open_store, run
from strandline.forum import SCHEMA
from strandline.forum.queries import record
from strandline.forum.records import ACTOR_PROFILE, BLOCK, COMMUNITY_PROFILE, POST, SUBSCRIPTION
from strandline.forum.searching import Matches, search_actors, search_communities, search_posts
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import CALM, COMMUNITIES, PEOPLE, POOLS, SKETCHES
from strandline.testing.laws import Dying, Killed, wipe
from strandline.testing.strategies import Dice, Sketch
from strandline.testing.strategies import logs as logs_from
from strandline.wirejson import loads

FULL = "STRANDLINE_FULL" in os.environ
EXAMPLES = int(os.environ.get("STRANDLINE_LOGS", "100000" if FULL else "2000")) // 30

TEXTS: Final = ("the sea", "sea tides", "Tide, the SEA!", "tide", "", "the deep blue sea", "Überseetiden")
KINDS: Final = (POST, COMMUNITY_PROFILE, ACTOR_PROFILE, SUBSCRIPTION, BLOCK)
CLASSES: Final = {
    POST: ("title", "content"),
    COMMUNITY_PROFILE: ("name", "description"),
    ACTOR_PROFILE: ("displayName", "bio"),
}

Told = Callable[[list[str]], bool]

QUERIES: Final[dict[str, Told]] = {
    "sea": lambda words: "sea" in words,
    "tid*": lambda words: any(word.startswith("tid") for word in words),
    '"the sea"': lambda words: "the sea" in " ".join(words),
    "sea -the": lambda words: "sea" in words,
    "tide Sea": lambda words: {"tide", "sea"} <= set(words),
    "-sea": lambda words: False,
}
"""What is asked, and whether one text answers what is wanted, told naively."""


def close(store: Store) -> None:
    """Let go of a store."""
    run(store.close())


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, ...]]:
    path = tmp_path_factory.mktemp("search") / "search.db"
    with ExitStack() as stack:
        opened = (run(open_store("memory:", SCHEMA)), run(open_store(f"sqlite:///{path}", SCHEMA)))
        for store in opened:
            stack.callback(close, store)
        yield opened


def logs() -> st.SearchStrategy[list[Event]]:
    """Return a strategy for logs of what is searched, and of who may see it."""
    return logs_from(POOLS, [_worded(evolve(it, weight=4)) for it in SKETCHES if it.collection in KINDS], calm=CALM)


def _worded(sketch: Sketch) -> Sketch:
    def made(dice: Dice, did: str, rkey: str) -> dict[str, Any]:
        found = sketch.record(dice, did, rkey)
        for name in CLASSES.get(sketch.collection, ()):
            found[name] = dice.pick(TEXTS) or "x"
        if sketch.collection == COMMUNITY_PROFILE:
            found["visibility"] = dice.pick(("public", "private", "public", "public", "unlisted"))
        return found

    return evolve(sketch, record=made)


def told(store: Store, log: Sequence[Event]) -> None:
    run(wipe(store))
    index = Ingest(store, SCHEMA)
    run(index.fold(log))
    run(index.finish())


def hostile(examples: int) -> Callable[[Any], Any]:
    return settings(max_examples=max(1, examples), deadline=None, suppress_health_check=list(HealthCheck))


def walked(ask: Any, store: Store, *args: Any, limit: int = 100, **kwargs: Any) -> list[Any]:
    """Return the rows of a search, read page by page."""
    found: list[Any] = []
    after = None
    while True:
        page: Matches | None = run(ask(store, *args, limit=limit, after=after, **kwargs))
        if page is None:
            return found
        found += page.rows
        after = page.after
        if after is None:
            return found
        assert len(page.rows) == limit, "a page that is not the last is full"


def texts_of(store: Store, uri: str) -> list[list[str]]:
    """Return the words of each text that is searched of a record, told naively."""
    register = run(record(store, uri))
    assert register is not None
    assert register.record is not None
    found = loads(register.record.encode())
    texts = [str(found.get(name) or "") for name in CLASSES[uri.split("/")[3]]]
    return ["".join(it if it.isalnum() else " " for it in text.lower()).split() for text in texts]


def finds(store: Store, query: str, uri: str) -> bool:
    texts = texts_of(store, uri)
    wanted = QUERIES[query]
    if query == "tide Sea":
        return wanted([word for text in texts for word in text])
    return any(map(wanted, texts)) and not (query == "sea -the" and any("the" in text for text in texts))


def headed(store: Store, query: str, uri: str) -> bool:
    return QUERIES[query](texts_of(store, uri)[0])


def test_posts_are_found_as_in_the_feeds_of_the_reference(stores: Sequence[Store]) -> None:
    @hostile(EXAMPLES)
    @given(log=logs(), dice=st.randoms(use_true_random=False))
    def law(log: list[Event], dice: Random) -> None:
        limit, viewer, query = dice.randrange(1, 4), dice.choice(PEOPLE), dice.choice([*QUERIES])
        for store in stores:
            told(store, log)
            for order in ("relevance", "new", "top"):
                of_feed: dict[str, Any] = {"order": "hot" if order == "relevance" else order, "viewer": viewer}
                shown = [it for it in reference.discover(log, **of_feed) if finds(store, query, it)]
                if order == "relevance":
                    shown.sort(key=lambda uri: not headed(store, query, uri))
                asked: dict[str, Any] = {"order": order, "limit": limit, "viewer": viewer}
                found = walked(search_posts, store, query, **asked)
                assert [row.uri for row in found] == shown, (order, query)
                by = [row.uri for row in walked(search_posts, store, query, author=PEOPLE[0], **asked)]
                assert by == [row.uri for row in found if row.author == PEOPLE[0]]
            for did in COMMUNITIES:
                of_one = (
                    set(reference.community_feed(log, did, viewer=viewer)) if _unblocked(log, viewer, did) else set()
                )
                found = walked(search_posts, store, query, community=did, viewer=viewer)
                assert {row.uri for row in found} == {it for it in of_one if finds(store, query, it)}

    law()


def _unblocked(log: list[Event], viewer: str, did: str) -> bool:
    lines = [json.loads(line) for line in reference.dump(log)]
    return not any(it["view"] == "block" and (it["actor"], it["community"]) == (viewer, did) for it in lines)


def test_communities_and_actors_are_found_as_the_dump_tells(stores: Sequence[Store]) -> None:
    @hostile(EXAMPLES)
    @given(log=logs(), dice=st.randoms(use_true_random=False))
    def law(log: list[Event], dice: Random) -> None:
        limit, viewer, query = dice.randrange(1, 4), dice.choice(PEOPLE), dice.choice(["sea", "tid*", "sea -the"])
        lines = [json.loads(line) for line in reference.dump(log)]
        for store in stores:
            told(store, log)
            public = {did for (did,), row in _table(store, "community").items() if row.visibility == "public"}
            shown = [it for it in lines if it["view"] == "community" and it["did"] in public]
            shown = [it for it in shown if _unblocked(log, viewer, it["did"])]
            expected = _ranked(store, query, shown, COMMUNITY_PROFILE, "subscriberCount")
            found = walked(search_communities, store, query, limit=limit, viewer=viewer)
            assert [row.did for row in found] == expected
            shown = [it for it in lines if it["view"] == "profile"]
            found = walked(search_actors, store, query, limit=limit)
            assert [row.did for row in found] == _ranked(store, query, shown, ACTOR_PROFILE, "reputation")

    law()


def _table(store: Store, name: str) -> dict[Any, Any]:
    rows = run(store.get(name, [(did,) for did in (*PEOPLE, *COMMUNITIES)]))
    return {key: store.layout.table(name).row(row) for key, row in rows.items()}


def _ranked(store: Store, query: str, shown: Sequence[dict[str, Any]], collection: str, by: str) -> list[str]:
    uris = {it["did"]: f"at://{it['did']}/{collection}/self" for it in shown}
    found = [it for it in shown if finds(store, query, uris[it["did"]])]
    found.sort(key=lambda it: (headed(store, query, uris[it["did"]]), it[by], it["did"]), reverse=True)
    return [it["did"] for it in found]


def test_a_hidden_account_is_in_no_answer_while_its_job_waits(stores: Sequence[Store]) -> None:
    profile = next(it for it in CALM if isinstance(it, Commit) and it.collection == ACTOR_PROFILE)
    post = next(it for it in CALM if isinstance(it, Commit) and it.collection == POST)
    assert post.record is not None
    assert profile.record is not None
    worded = evolve(post, rev="3zzzzzzzzzz2z", operation="update", cid="", record={**post.record, "title": "The sea"})
    author = post.record["author"]
    for store in stores:
        told(store, [*CALM, worded])
        assert [row.uri for row in walked(search_posts, store, "sea")] == [f"at://{post.did}/{POST}/{post.rkey}"]
        assert walked(search_actors, store, profile.record["displayName"])
        for did in {author, profile.did}:
            with suppress(Killed):  # before the first step of the job this leaves
                run(
                    Ingest(Dying(store, 1), SCHEMA).fold(
                        [Account(did=did, active=False, time_us=2**52, relay_seq=0, seen_us=0)]
                    )
                )
        assert walked(search_posts, store, "sea") == []
        assert walked(search_actors, store, profile.record["displayName"]) == []


def test_a_handle_or_a_did_finds_its_actor(stores: Sequence[Store]) -> None:
    profile = next(it for it in CALM if isinstance(it, Commit) and it.collection == ACTOR_PROFILE)
    claim = Identity(did=profile.did, handle="ann.sea.example", time_us=2**52, relay_seq=0, seen_us=0)
    for store in stores:
        told(store, [*CALM, claim])
        for text in ("ann.sea.example", "@Ann.sea.example", f" {profile.did} "):
            assert [row.did for row in walked(search_actors, store, text)] == [profile.did]
        assert walked(search_actors, store, "nobody.sea.example") == []


def test_nothing_asked_is_nothing_found(stores: Sequence[Store]) -> None:
    for store in stores:
        told(store, CALM)
        for text in ("", " ", "-", "\0", '""', "!?", "-tides"):
            assert walked(search_posts, store, text) == walked(search_actors, store, text) == []
        assert walked(search_communities, store, "tides", visibility="unlisted") == []


def test_what_a_viewer_may_not_see_is_not_found(stores: Sequence[Store]) -> None:
    told_of = {it.collection: it for it in CALM if isinstance(it, Commit)}
    home, post, subscription = told_of[COMMUNITY_PROFILE], told_of[POST], told_of[SUBSCRIPTION]
    viewer = subscription.did

    def changed(it: Commit, **values: Any) -> Commit:
        return evolve(it, rev="3zzzzzzzzzz2z", operation="update", cid="", record={**(it.record or {}), **values})

    sea = changed(post, title="The sea")
    block = evolve(
        subscription,
        collection=BLOCK,
        record={"$type": BLOCK, "subject": home.did, "createdAt": "2026-01-01T00:00:00Z"},
    )
    named: dict[str, tuple[list[Event], bool, bool]] = {
        "public": ([], True, True),
        "blocked": ([block], False, False),
        "unlisted": ([changed(home, visibility="unlisted")], False, True),
        "private": ([changed(home, visibility="private")], False, True),
    }
    for store in stores:
        for why, (log, anywhere, there) in named.items():
            told(store, [*CALM, sea, *log])
            name = str((home.record or {})["name"])
            assert bool(walked(search_posts, store, "sea", viewer=viewer)) == anywhere, why
            assert bool(walked(search_posts, store, "sea", viewer=viewer, community=home.did)) == there, why
            assert bool(walked(search_communities, store, name, viewer=viewer)) == anywhere, why
        assert run(search_posts(store, "sea", community=home.did)) is None, "private, to who is no subscriber"
