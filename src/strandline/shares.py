"""
What a live record gives to the views.

The functions that a schema declares are pure. So what they give for a record can be worked out as soon as it is known,
before the writer's turn or in another process, and the fold is left with plain values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from attrs import frozen

from strandline.register import Register
from strandline.schema import Attach, Column, Effective, Keys, Live, Rows, Type, View, Weighted

__all__ = ["Share", "Shares", "live", "weighted"]

Give = Callable[[Any], Any]


class Share(NamedTuple):
    """
    What one live record gives to each view that reads its kind.

    Attributes:
        key: The record's key in every view; see `strandline.schema.Keys`.
        did: The repository's owner.
        rkey: Its key in the collection.
        rev: Revision of the commit that wrote it.
        parts: What each view gets, at the place that `Shares.at` tells: a `Rows` view weighted rows, an `Effective`
            one the subject and its columns, an `Attach` one its columns. Where columns hold keys these are keys.
    """

    key: str
    did: str
    rkey: str
    rev: str
    parts: tuple[Any, ...]


@frozen
class Shares:
    """
    How the records of each kind are shared out among views.

    Attributes:
        keys: The keys of their records.
        views: The views.
    """

    keys: Keys
    views: Sequence[View]

    def of(self, it: Live) -> Share:
        """Return what a live record gives."""
        gives = self._gives.get(it.collection, ())
        return Share(it.key, it.did, it.rkey, it.rev, tuple([give(it) for give in gives]))

    @cached_property
    def at(self) -> Mapping[tuple[str, str], int]:
        """The place of a view among those that read a kind, by the names of both."""
        return {(view.name, kind): at for kind, views in self._readers.items() for at, view in enumerate(views)}

    @cached_property
    def _readers(self) -> Mapping[str, Sequence[View]]:
        names = {view.name for view in self.views}
        kinds = dict.fromkeys(name for view in self.views for name in view.inputs if name not in names)
        return {kind: [view for view in self.views if kind in view.inputs] for kind in kinds}

    @cached_property
    def _gives(self) -> Mapping[str, Sequence[Give]]:
        return {kind: [self._give(view, kind) for view in views] for kind, views in self._readers.items()}

    def _give(self, view: View, kind: str) -> Give:
        if isinstance(view, Rows):
            return weighted(view, kind, self.keys)
        if isinstance(view, Effective):
            return _elected(view, self.keys)
        return _attached(view, self.keys)


def weighted(view: Rows, source: str, keys: Keys) -> Callable[[Any], Iterable[Weighted]]:
    """Return what gives an item's weighted rows, with keys where the columns hold keys."""
    give, turned = view.sources[source], _turned(view.key, keys)
    if turned is None:
        return lambda item: [(tuple(key), tuple(amounts)) for key, amounts in give(item)]
    return lambda item: [(turned(key), tuple(amounts)) for key, amounts in give(item)]


def _elected(view: Effective, keys: Keys) -> Give:
    turned = _turned(view.columns, keys) or tuple
    turned_subject = keys.of if view.subject.type is Type.KEY else str

    def give(it: Live) -> tuple[str, tuple[Any, ...]]:
        subject, shown = view.row(it)
        return turned_subject(subject), turned(shown)

    return give


def _attached(view: Attach, keys: Keys) -> Give:
    row, turned = view.row, _turned(view.columns, keys) or tuple
    return lambda it: turned(row(it))


def _turned(columns: Sequence[Column], keys: Keys) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
    """Return what turns at-uris into keys where the columns hold keys; None where none does."""
    places = frozenset(at for at, column in enumerate(columns) if column.type is Type.KEY)
    if not places:
        return None
    if len(columns) == 1 and not columns[0].null:
        return lambda values: (keys.of(values[0]),)

    def turned(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([keys.of(it) if at in places and it is not None else it for at, it in enumerate(values)])

    return turned


def live(keys: Keys, it: Register, record: object) -> Live:
    """Return a live register as views see it."""
    return Live(
        it.did,
        it.collection,
        it.rkey,
        it.cid,
        it.rev,
        it.rank == 2,
        it.seen_us,
        it.first_seen_us or 0,
        record,
        it.record or "",
        keys.at(it.rkey, it.collection, it.did),
    )
