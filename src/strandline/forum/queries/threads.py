"""
Threads: the live comments of a post, each under its parent, with placeholders for what is gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from strandline.fold import QUARANTINE
from strandline.forum.queries.entries import path_of
from strandline.forum.queries.feeds import SORT_COLUMNS, Order
from strandline.forum.queries.people import hidden
from strandline.ports import Key, Store
from strandline.register import REPO, Repo, is_live, kept_of, registers_at
from strandline.schema import Keys

__all__ = ["Reply", "Tree", "thread", "tree"]

_COMMENTS: Final = 5000


@frozen
class Reply:
    """
    One place of a thread, in reading order.

    Attributes:
        depth: 0 at the top.
        uri: At-uri of the comment.
        comment: Its row of the table `comment`; None for a placeholder.
    """

    depth: int
    uri: str
    comment: Any | None


@frozen
class Tree:
    """
    A thread: comments by key, and what hangs under what.

    Attributes:
        comments: Rows of the table `comment`; what hangs in the tree without one is a placeholder.
        children: Under each key, and under None at the top, the keys of what hangs there, in order.
        ranks: What each key is ordered by, the greatest first; no two are equal.
    """

    comments: Mapping[str, Any]
    children: Mapping[str | None, Sequence[str]]
    ranks: Mapping[str, Key]


async def thread(store: Store, uri: str, *, order: Order = "hot") -> tuple[Reply, ...]:
    """
    Return the live comments of a post, each under its parent, with placeholders for parents that are gone.

    Siblings stand in `order`, the greatest first; a placeholder stands where its best reply would.
    """
    return _laid_out(store.layout.keys, await tree(store, uri, order=order))


async def tree(store: Store, uri: str, *, order: Order = "hot", since_us: int | None = None) -> Tree:
    """Return a thread as a tree; `since_us` leaves out comments whose `sort_at_us` is less."""
    keys, root = store.layout.keys, store.layout.keys.of(uri)
    comments = await _comments(store, root)
    parents = await _parents(store, root, comments)
    _cut_cycles(keys, parents)
    if since_us is not None:
        comments = {key: row for key, row in comments.items() if row.sort_at_us >= since_us}
    _prune(comments, parents)
    return _grown(keys, comments, parents, order)


async def _comments(store: Store, root: str) -> dict[str, Any]:
    named = store.layout.table("comment").row
    found: dict[str, Any] = {}
    after: Key | None = None
    more = True
    while more:
        rows = await store.page("comment", "by_root", [(root,)], limit=_COMMENTS, after=after)
        found.update((row[0], named(row)) for row in rows)
        after = rows[-1][:1] if rows else None
        more = len(rows) == _COMMENTS
    gone = await hidden(store, {row.author for row in found.values()})
    return {key: row for key, row in found.items() if row.author not in gone}


async def _parents(store: Store, root: str, comments: Mapping[str, Any]) -> dict[str, str | None]:
    """Return, for each comment and placeholder of a thread, the one it hangs under; None at the top."""
    parents: dict[str, str | None] = {}
    told = {key: row.parent for key, row in comments.items()}
    while told:
        unknown = {parent for parent in told.values() if parent not in comments and parent not in parents}
        gone = await _gone(store, root, unknown - {root} - set(told))
        for key, parent in told.items():
            stands = parent in comments or parent in gone or parent in parents or parent in told
            parents[key] = parent if stands and parent != root else None
        told = {key: parent or root for key, parent in gone.items()}
    return parents


async def _gone(store: Store, root: str, keys: Iterable[str]) -> dict[str, str | None]:
    """Return those of some keys at which nothing live stands, each with its parent as its tombstone has it."""
    names = store.layout.keys
    paths = {path_of(names.uri(key)): key for key in keys}
    registers = await registers_at(store.get, paths)
    invalid = await store.get(QUARANTINE.name, list(paths))
    repos = await store.get(REPO.name, [(path[2],) for path in paths])
    gone: dict[str, str | None] = {}
    for path, key in paths.items():
        it = registers.get(path)
        repo = Repo._make(repos[path[2],]) if (path[2],) in repos else None
        if it is None or not is_live(it, repo, path in invalid):
            kept = kept_of(it) if it is not None and it.record is None else None
            gone[key] = names.of(kept["parent"]) if kept and names.of(kept["root"]) == root else None
    return gone


def _cut_cycles(keys: Keys, parents: dict[str, str | None]) -> None:
    done: set[str] = set()
    for start in sorted(parents):
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in done and at not in path:
            path[at] = None
            at = parents[at]
        if at is not None and at in path:
            walked = list(path)
            parents[min(walked[walked.index(at) :], key=keys.uri)] = None
        done.update(path)


def _prune(comments: Mapping[str, Any], parents: dict[str, str | None]) -> None:
    """Leave out the placeholders under which nothing live hangs."""
    shown: set[str] = set()
    for key in comments:
        at: str | None = key
        while at is not None and at not in shown:
            shown.add(at)
            at = parents[at]
    for key in [key for key in parents if key not in shown]:
        del parents[key]


def _grown(keys: Keys, comments: Mapping[str, Any], parents: Mapping[str, str | None], order: Order) -> Tree:
    children: dict[str | None, list[str]] = {}
    for key, parent in parents.items():
        children.setdefault(parent, []).append(key)
    ranks = _ranks(keys, comments, parents, children, order)
    for siblings in children.values():
        siblings.sort(key=ranks.__getitem__, reverse=True)
    return Tree(comments, children, ranks)


def _laid_out(keys: Keys, grown: Tree) -> tuple[Reply, ...]:
    laid: list[Reply] = []
    stack = [(0, key) for key in reversed(grown.children.get(None, ()))]
    while stack:
        depth, key = stack.pop()
        laid.append(Reply(depth, keys.uri(key), grown.comments.get(key)))
        stack += [(depth + 1, child) for child in reversed(grown.children.get(key, ()))]
    return tuple(laid)


def _ranks(
    keys: Keys,
    comments: Mapping[str, Any],
    parents: Mapping[str, str | None],
    children: Mapping[str | None, Sequence[str]],
    order: Order,
) -> dict[str, Key]:
    columns = SORT_COLUMNS[order][:-1]
    ranks = {key: (*(getattr(row, name) for name in columns), keys.uri(key)) for key, row in comments.items()}
    for key in _deepest_first(parents, children):
        if key not in ranks:
            ranks[key] = max(ranks[child] for child in children[key])
    return ranks


def _deepest_first(parents: Mapping[str, str | None], children: Mapping[str | None, Sequence[str]]) -> list[str]:
    found = list(children.get(None, ()))
    for key in found:
        found.extend(children.get(key, ()))
    return found[::-1]
