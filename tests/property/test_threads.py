"""
Where comments hang, against the reference: four of them, under two posts and each other, live or gone.

So few are nearly all there can be in a thread: replies to what lies elsewhere, cycles, and placeholders whose place is
kept for this thread, for another, or for none.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import Commit, Event, Ingest, MemoryStore, layout_of, run
from strandline.forum import SCHEMA
from strandline.forum.queries import Reply, thread
from strandline.forum.records import COMMENT
from strandline.forum.testing import reference
from strandline.forum.testing.strategies import CALM, CIDS, PEOPLE, POSTS, REVS, RKEYS

EXAMPLES = 20_000 if "STRANDLINE_FULL" in os.environ else 300

ROOTS: Final = (POSTS[0], POSTS[-1])
PATHS: Final = tuple((did, rkey) for did in PEOPLE[:2] for rkey in RKEYS[:2])
URIS: Final = tuple(f"at://{did}/{COMMENT}/{rkey}" for did, rkey in PATHS)


@frozen
class Said:
    """A comment: under which post, in answer to what (None for the post), and whether it is deleted since."""

    root: str
    parent: str | None
    gone: bool


Place = tuple[str, str | None, bool]
"""A comment in a thread, what it hangs under, and whether it is a placeholder."""

SAID = st.builds(Said, st.sampled_from(ROOTS), st.sampled_from((*URIS, None, ROOTS[1])), st.booleans())


def events(path: tuple[str, str], said: Said) -> Iterator[Commit]:
    """Return the writes to a comment's path."""
    reply = {name: {"uri": uri or said.root, "cid": CIDS[0]} for name, uri in (("root", None), ("parent", said.parent))}
    record = {"$type": COMMENT, "reply": reply, "content": "High water.", "createdAt": "2026-01-01T12:00:05Z"}
    put = evolve(CALM[2], did=path[0], rkey=path[1], rev=REVS[1], record=record)
    yield put
    if said.gone:
        yield evolve(put, operation="delete", rev=REVS[2], cid="", record=None)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.tuples(*(st.none() | SAID for _ in PATHS)))
def test_a_thread_is_that_of_the_reference(comments: tuple[Said | None, ...]) -> None:
    log: list[Event] = [
        it for path, said in zip(PATHS, comments, strict=True) if said is not None for it in events(path, said)
    ]
    store = MemoryStore(layout_of(SCHEMA))
    run(Ingest(store, SCHEMA).fold(log))
    for root in ROOTS:
        assert sorted(told(run(thread(store, root)))) == sorted(lawful(reference.thread(log, root)))


def told(replies: Sequence[Reply]) -> Iterator[Place]:
    above: list[str] = []
    for reply in replies:
        del above[reply.depth :]
        yield reply.uri, above[-1] if above else None, reply.comment is None
        above.append(reply.uri)


def lawful(nodes: Sequence[reference.Node], parent: str | None = None) -> Iterator[Place]:
    for node in nodes:
        yield node.uri, parent, node.placeholder
        yield from lawful(node.replies, node.uri)
