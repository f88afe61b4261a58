"""
What is indexed, declared as data: record kinds, tables, and views in one of three forms.

A view is a table and a rule by which the live records give its rows. Three forms are all there is:

- `Rows`: each item of its sources gives weighted rows, which are summed by key. Counts, scores, and weighted sets,
  whose size is a distinct count.
- `Effective`: of one actor's live records about one subject, the greatest by (rev, rkey).
- `Attach`: a row for each live record, which carries the sums another view holds under the same key.

Each form can take a contribution back as exactly as it gave it. So an edit, a delete, a hidden account and a
re-created record are one code path (retract the old, assert the new), and the order of arrival cannot matter. What
cannot be said in these forms cannot be kept right in any order, and is refused here, with the reason.

A record's key in every view is its at-uri turned round and cut short, `rkey/kind/did`: rkeys grow with time, so new
rows land side by side in a store's tree. See docs/decisions/0002-views-in-three-forms.md.
"""

import hashlib
import json
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property, partial
from keyword import iskeyword
from typing import Any, Literal, NamedTuple

from attrs import Factory, field, frozen

from strandline.errors import InvalidSchema
from strandline.lexicon.fault import Fault
from strandline.lexicon.model import Tolerance, definition_of, export
from strandline.memo import remembered

__all__ = [
    "Attach",
    "Column",
    "Effective",
    "Index",
    "Keys",
    "Live",
    "RecordKind",
    "Row",
    "Rows",
    "Schema",
    "Search",
    "Table",
    "Type",
    "View",
    "Weighted",
]

Row = tuple[Any, ...]
"""A row of a table: its values in the order of the table's columns, those of the key first."""

_NAME = re.compile("[a-z][a-z0-9_]{0,40}")


class Type(Enum):
    """
    What a column holds.

    TEXT compares as UTF-8 bytes. KEY is the key of a record: a view may give it as an at-uri. CID is a content
    identifier as text, which a store may hold as its bytes. JSON is canonical JSON as text. A FLAG is 0 or 1. WORDS are
    what `strandline.words.words_of` gives; the columns of words of a table are searched together.
    """

    TEXT = "text"
    KEY = "key"
    CID = "cid"
    INTEGER = "integer"
    FLAG = "flag"
    JSON = "json"
    BYTES = "bytes"
    WORDS = "words"


@frozen
class Column:
    """A column: its name, what it holds, and whether it may be null."""

    name: str
    type: Type = Type.TEXT
    null: bool = False


@frozen
class Index:
    """
    An order in which a table is paged, inside partitions.

    Attributes:
        name: Unique in its table.
        partition: Columns that a page fixes; rows of one partition lie together.
        order: Columns that sort the rows of a partition; the table's key breaks their ties.
        descending: The greatest first; else the least first.
        total: No two rows of a partition tie on `order`, so the key need not break ties.
    """

    name: str
    partition: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    descending: bool = True
    total: bool = False


@frozen
class Search:
    """
    An order in which the rows are paged of whose words a query is true; the greatest first.

    The words stand in a table of their own, under the same key, so that a row may change and its words not.

    Attributes:
        name: Unique in its table.
        words: Name of the table of the words: its key, and columns of WORDS.
        order: Columns that sort what is found; the table's key breaks their ties.
        headed: Rows of whose first column of words alone the query's wanted words are true come before the others.
        within: Columns that a search may be kept to some values of.
        since: The column, of integers, that a search may be kept to values of at least so much; None for none.
        total: No two rows tie on `order`, so the key need not break ties.
    """

    name: str
    words: str
    order: tuple[str, ...]
    headed: bool = False
    within: tuple[str, ...] = ()
    since: str | None = None
    total: bool = False


@frozen
class Table:
    """
    A table: columns, of which the first `key_size` are its key, indexes, and searches.

    `near` columns of the key, the leading ones, tell a row from all but a few others: a store need index no more.

    Raises:
        InvalidSchema: a name is no plain word, stands twice, or an index or a search names a column that is not there.
    """

    name: str
    columns: tuple[Column, ...]
    key_size: int = 1
    indexes: tuple[Index, ...] = ()
    searches: tuple[Search, ...] = ()
    near: int | None = None

    def __attrs_post_init__(self) -> None:
        named: list[Column | Index | Search] = [*self.columns, *self.indexes, *self.searches]
        _check_names(self.name, [self.name, *(it.name for it in named)])
        _check_unique(self.name, [c.name for c in self.columns])
        _check_unique(self.name, [i.name for i in self.indexes])
        _check_unique(self.name, [s.name for s in self.searches])
        if not 0 < self.key_size <= len(self.columns):
            raise InvalidSchema(f"table {self.name!r}: a key of {self.key_size} columns; it needs at least one")
        if self.near is not None and not 0 < self.near < self.key_size:
            raise InvalidSchema(f"table {self.name!r}: near by {self.near} columns of a key of {self.key_size}")
        if any(column.null for column in self.columns[: self.key_size]):
            raise InvalidSchema(f"table {self.name!r}: a key column may be null; nulls are not equal to each other")
        if any(column.type is Type.WORDS and column.null for column in self.columns):
            raise InvalidSchema(f"table {self.name!r}: a column of words may be null; no words are the empty text")
        for index in self.indexes:
            _check_index(self, index)
        for search in self.searches:
            _check_search(self, search)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each column stands in a row."""
        return {column.name: at for at, column in enumerate(self.columns)}

    @cached_property
    def row(self) -> Callable[[Iterable[Any]], Any]:
        """Give a plain row its column names: a named tuple. The row has as many values as there are columns."""
        names = [column.name for column in self.columns]
        named: Any = namedtuple(self.name, names)  # type: ignore[misc]  # mypy wants literals; the columns are data
        return partial(tuple.__new__, named)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns of the key."""
        return self.columns[: self.key_size]

    def index(self, name: str) -> Index:
        """Return the index of that name; KeyError if there is none."""
        try:
            return next(index for index in self.indexes if index.name == name)
        except StopIteration:
            raise KeyError(f"{self.name}.{name}") from None

    def search(self, name: str) -> Search:
        """Return the search of that name; KeyError if there is none."""
        try:
            return next(search for search in self.searches if search.name == name)
        except StopIteration:
            raise KeyError(f"{self.name}.{name}") from None

    @property
    def words(self) -> tuple[str, ...]:
        """The names of its columns of words."""
        return tuple(column.name for column in self.columns if column.type is Type.WORDS)

    def found_columns(self, search: Search) -> tuple[str, ...]:
        """Return the columns that order totally what is found: those of the search, then those of the key."""
        ties = () if search.total else tuple(column.name for column in self.key if column.name not in search.order)
        return (*search.order, *ties)

    def sort_columns(self, index: Index) -> tuple[str, ...]:
        """Return the columns that order a partition totally: those of the index, then those of the key."""
        fixed = {*index.partition, *index.order}
        ties = () if index.total else tuple(column.name for column in self.key if column.name not in fixed)
        return (*index.order, *ties)


@frozen(kw_only=True)
class RecordKind:
    """
    A kind of record that is judged, typed and given to views.

    Attributes:
        collection: Its NSID, by which views name it as a source.
        name: One short word for it, in keys.
        type: The attrs type of its record; `strandline.lexicon` exports its document.
        tolerances: What is accepted though the strict lexicon forbids it.
        rule: The house rule: faults of a lexicon-valid record, given the repo's did and the rkey.
        kept: What stays known of a record under its tombstone; None for nothing. Gets any JSON object.
        version: Raise it when the rule, the tolerances or `kept` change: stores are then rebuilt.
    """

    collection: str
    name: str
    type: type
    tolerances: tuple[Tolerance, ...] = ()
    rule: Callable[[str, str, Any], Iterable[Fault]] = field(default=lambda did, rkey, record: ())
    kept: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None = None
    version: int = 1

    @property
    def literal(self) -> str | None:
        """The only record key that its lexicon lets a record have; None if there is more than one."""
        rule, _, literal = (definition_of(self.type).key or "").partition(":")
        return literal if rule == "literal" else None


class Live(NamedTuple):
    """
    A live record, as views see it.

    Attributes:
        did: The repository's owner.
        collection: NSID of its kind.
        rkey: Its key in the collection.
        cid: Its content identifier; "" when the stream gave none.
        rev: Revision of the commit that wrote it.
        edited: It stands by an update, not a create.
        seen_us: When this version was first seen, microseconds since 1970, UTC.
        first_seen_us: When any version at this path was first seen.
        record: The typed record.
        source: The record as canonical JSON.
        key: Its key in every view; see `Keys`.
    """

    did: str
    collection: str
    rkey: str
    cid: str
    rev: str
    edited: bool
    seen_us: int
    first_seen_us: int
    record: Any
    source: str
    key: str

    @property
    def uri(self) -> str:
        """Its at-uri."""
        return f"at://{self.did}/{self.collection}/{self.rkey}"


@frozen
class Keys:
    """
    The keys of a schema's records: an at-uri turned round, with the kind's short name for the collection.

    Of a did the part before its identifier is left out: `did:plc:` whole, since most are, else `did:`. What is left
    of any other did holds a colon, so each key has one at-uri.

    >>> keys = Keys({"com.example.note": "note"})
    >>> keys.of("at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/com.example.note/3k2b")
    '3k2b/note/ewvi7nxzyoun6zhxrhs64oiz'
    >>> keys.of("at://did:web:a.example/com.example.other/3k2b")
    '3k2b/com.example.other/web:a.example'
    >>> keys.uri("3k2b/note/web:a.example")
    'at://did:web:a.example/com.example.note/3k2b'
    """

    names: Mapping[str, str]

    @cached_property
    def collections(self) -> Mapping[str, str]:
        """The NSID of each name."""
        return {name: collection for collection, name in self.names.items()}

    @cached_property
    def of(self) -> Callable[[str], str]:
        """Give the key of an at-uri of the form `at://did/collection/rkey`; a key stays as it is."""
        turn = remembered(self._turned)
        return lambda uri: turn(uri) if uri.startswith("at://") else uri

    def at(self, rkey: str, collection: str, did: str) -> str:
        """Return the key of a path."""
        short = did[8:] if did.startswith("did:plc:") and ":" not in did[8:] else did[4:]
        return f"{rkey}/{self.names.get(collection, collection)}/{short}"

    def uri(self, key: str) -> str:
        """Return the at-uri of a key."""
        rkey, name, short = key.split("/")
        did = f"did:{short}" if ":" in short else f"did:plc:{short}"
        return f"at://{did}/{self.collections.get(name, name)}/{rkey}"

    def _turned(self, uri: str) -> str:
        _, _, did, collection, rkey = uri.split("/")
        return self.at(rkey, collection, did)


Weighted = tuple[tuple[str, ...], tuple[int, ...]]
"""A weighted row: a key, and what is added to each of its sums."""


@frozen(kw_only=True)
class Rows:
    """
    Sums by key: each item of each source gives weighted rows.

    A key whose sums are all zero has no row. A source is a record kind, named by its NSID (items are `Live`), or a
    view, named by its name (items are its rows, as named tuples). A row of a `Rows` view is an item when it appears
    and is retracted when it goes, so the size of a weighted set is the sum of 1 over its rows.

    Attributes:
        name: The view's and its table's name.
        key: The key's columns.
        sums: Names of the integer columns that are summed.
        sources: For each source the pure function from one item to weighted rows.
        indexes: Orders in which it is paged.
        version: Raise it when a function changes: stores are then rebuilt.
    """

    name: str
    key: tuple[Column, ...]
    sums: tuple[str, ...]
    sources: Mapping[str, Callable[[Any], Iterable[Weighted]]]
    indexes: tuple[Index, ...] = ()
    version: int = 1
    table: Table = field(init=False, eq=False)

    @table.default
    def _table(self) -> Table:
        if not self.sums:
            raise InvalidSchema(f"view {self.name!r}: no sums; a weighted set sums 1 for each contribution")
        columns = (*self.key, *(Column(name, Type.INTEGER) for name in self.sums))
        return Table(self.name, columns, len(self.key), self.indexes)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its sources."""
        return tuple(self.sources)


@frozen(kw_only=True)
class Effective:
    """
    One relation for each actor and subject: the greatest live record by (rev, rkey).

    The actor is the repo that holds the records; revs of two repos are never compared, so it can be nothing else.

    Attributes:
        name: The view's and its table's name.
        kind: NSID of the record kind.
        subject: The key column for what the record is about.
        actor: Name of the key column for the repo's did.
        columns: What else is shown of the effective record.
        row: The pure function from a live record to its subject and the values of `columns`.
        indexes: Orders in which it is paged.
        version: Raise it when `row` changes: stores are then rebuilt.
    """

    name: str
    kind: str
    subject: Column = Column("subject")
    actor: str = "actor"
    columns: tuple[Column, ...] = ()
    row: Callable[[Live], tuple[str, tuple[Any, ...]]]
    indexes: tuple[Index, ...] = ()
    version: int = 1
    table: Table = field(init=False, eq=False)

    @table.default
    def _table(self) -> Table:
        fixed = (self.subject, Column(self.actor), Column("rkey"), Column("rev"))
        return Table(self.name, (*fixed, *self.columns, Column("dormant", Type.INTEGER)), 2, self.indexes)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its sources."""
        return (self.kind,)


@frozen(kw_only=True)
class Attach:
    """
    A row for each live record, carrying the sums another view holds under the same key.

    It is written again when either moves. The row's columns are, in this order: its key, `columns`, the sums of
    the carried view (zero where that has no row), `derived`.

    Attributes:
        name: The view's and its table's name.
        kind: NSID of the record kind.
        by: What its key is: "record", the record's key; or "repo", the did, for kinds of one record a repo.
        columns: What is shown of the record.
        row: The pure function from a live record to the values of `columns`.
        carries: The `Rows` view whose sums it carries; None for none.
        derived: Columns worked out from both.
        derive: The pure function from the values of `columns` and the sums to those of `derived`.
        indexes: Orders in which it is paged.
        searches: Orders in which it is searched; the words are another `Attach` of the same kind and key.
        version: Raise it when a function changes: stores are then rebuilt.
    """

    name: str
    kind: str
    by: Literal["record", "repo"] = "record"
    columns: tuple[Column, ...]
    row: Callable[[Live], tuple[Any, ...]]
    carries: Rows | None = None
    derived: tuple[Column, ...] = ()
    derive: Callable[[tuple[Any, ...], tuple[int, ...]], tuple[Any, ...]] | None = None
    indexes: tuple[Index, ...] = ()
    searches: tuple[Search, ...] = ()
    version: int = 1
    table: Table = field(init=False, eq=False)

    @table.default
    def _table(self) -> Table:
        if bool(self.derived) != (self.derive is not None):
            raise InvalidSchema(f"view {self.name!r}: `derived` and `derive` go together")
        if self.carries is not None and len(self.carries.key) != 1:
            raise InvalidSchema(
                f"view {self.name!r}: carries {self.carries.name!r}, whose key has {len(self.carries.key)} columns; "
                "sums are carried at one key, the record's or the repo's, and nowhere else"
            )
        key = Column("key", Type.KEY) if self.by == "record" else Column("did")
        if self.carries is not None and (self.carries.key[0].type is Type.KEY) != (key.type is Type.KEY):
            raise InvalidSchema(
                f"view {self.name!r}: carries {self.carries.name!r}, whose key is "
                f"{'a' if self.by == 'repo' else 'no'} record's; keyed by the {self.by}, it would find no sums there"
            )
        sums = () if self.carries is None else tuple(Column(name, Type.INTEGER) for name in self.carries.sums)
        return Table(self.name, (key, *self.columns, *sums, *self.derived), 1, self.indexes, self.searches)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its sources."""
        return (self.kind,) if self.carries is None else (self.kind, self.carries.name)


View = Rows | Effective | Attach


@frozen(kw_only=True)
class Schema:
    """
    Everything that is indexed: namespaces, record kinds, and views in an order in which each follows its sources.

    Attributes:
        namespaces: Collections at or below these are kept as registers, declared or not; all others are let go.
        kinds: The record kinds.
        views: The views, each after the views it reads.

    Raises:
        InvalidSchema: it cannot be kept right; the text says what and why.
    """

    namespaces: tuple[str, ...]
    kinds: tuple[RecordKind, ...]
    views: tuple[View, ...]
    kind_of: Mapping[str, RecordKind] = field(
        init=False, eq=False, default=Factory(lambda self: {kind.collection: kind for kind in self.kinds}, True)
    )

    def __attrs_post_init__(self) -> None:
        _check_unique("schema", [kind.collection for kind in self.kinds])
        _check_unique("schema", [kind.name for kind in self.kinds])
        _check_names("schema", [kind.name for kind in self.kinds])
        _check_unique("schema", [view.name for view in self.views])
        for kind in self.kinds:
            _check_kind(kind)
            if not self.holds(kind.collection):
                raise InvalidSchema(f"kind {kind.collection!r} lies in none of the namespaces {self.namespaces!r}")
        sources: dict[str, RecordKind | View] = dict(self.kind_of)
        for view in self.views:
            _check_view(view, sources)
            sources[view.name] = view

    def holds(self, collection: str) -> bool:
        """Tell whether records of a collection are kept."""
        return any(collection == space or collection.startswith(f"{space}.") for space in self.namespaces)

    def extended(
        self, *, namespaces: Sequence[str] = (), kinds: Sequence[RecordKind] = (), views: Sequence[View] = ()
    ) -> "Schema":
        """Return this schema with more namespaces, kinds and views behind its own."""
        return Schema(
            namespaces=(*self.namespaces, *namespaces), kinds=(*self.kinds, *kinds), views=(*self.views, *views)
        )

    def view(self, name: str) -> View:
        """Return the view of that name; KeyError if there is none."""
        try:
            return next(view for view in self.views if view.name == name)
        except StopIteration:
            raise KeyError(name) from None

    @cached_property
    def keys(self) -> Keys:
        """The keys of its records."""
        return Keys({kind.collection: kind.name for kind in self.kinds})

    @cached_property
    def keeps(self) -> Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None]:
        """What the records of each kind leave under a tombstone, by NSID."""
        return {collection: kind.kept for collection, kind in self.kind_of.items()}

    @cached_property
    def followed(self) -> frozenset[str]:
        """The names of the views whose rows are items of other views."""
        return frozenset(name for view in self.views if isinstance(view, Rows) for name in view.inputs)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything declared here; stores of another fingerprint must be rebuilt."""
        told = {
            "namespaces": self.namespaces,
            "kinds": [(kind.name, export(kind.type), repr(kind.tolerances), kind.version) for kind in self.kinds],
            "views": [_told(view) for view in self.views],
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _told(view: View) -> list[Any]:
    table = view.table
    columns = [(column.name, column.type.value, column.null) for column in table.columns]
    indexes = [(index.name, index.partition, index.order, index.descending, index.total) for index in table.indexes]
    searches = [(it.name, it.words, it.order, it.headed, it.within, it.since, it.total) for it in table.searches]
    return [type(view).__name__, view.name, view.inputs, columns, table.key_size, indexes, searches, view.version]


def _check_view(view: View, sources: Mapping[str, "RecordKind | View"]) -> None:
    for name in view.inputs:
        if name not in sources:
            raise InvalidSchema(
                f"view {view.name!r}: its source {name!r} is no kind and no view before it; views are listed after "
                "their sources, so that none can depend on itself"
            )
    if isinstance(view, Effective | Attach) and not isinstance(sources[view.inputs[0]], RecordKind):
        raise InvalidSchema(f"view {view.name!r}: {view.inputs[0]!r} is no record kind; only sums follow other views")
    if isinstance(view, Attach):
        _check_attach(view, sources)


def _check_attach(view: Attach, sources: Mapping[str, "RecordKind | View"]) -> None:
    kind = sources[view.kind]
    if view.by == "repo" and isinstance(kind, RecordKind) and kind.literal is None:
        raise InvalidSchema(
            f"view {view.name!r}: keyed by the repo, but {view.kind!r} has records with any key; two of one repo would "
            "claim one row. Its record key must be literal, such as 'literal:self'"
        )
    if view.carries is not None and sources[view.carries.name] != view.carries:
        raise InvalidSchema(f"view {view.name!r}: the {view.carries.name!r} it carries is not the schema's")


def _check_kind(kind: RecordKind) -> None:
    try:
        place = definition_of(kind.type)
    except TypeError:
        raise InvalidSchema(f"kind {kind.collection!r}: {kind.type!r} is no lexicon type") from None
    if place.key is None or place.nsid != kind.collection:
        raise InvalidSchema(f"kind {kind.collection!r}: its type is not that record but {place.type_name!r}")


def _check_index(table: Table, index: Index) -> None:
    for name in (*index.partition, *index.order):
        if name not in table.position:
            raise InvalidSchema(f"table {table.name!r}: index {index.name!r} names no column of it: {name!r}")
    for name in index.order:
        if table.columns[table.position[name]].null:
            raise InvalidSchema(f"table {table.name!r}: index {index.name!r} sorts by {name!r}, which may be null")


def _check_search(table: Table, search: Search) -> None:
    for name in (*search.order, *search.within, *([] if search.since is None else [search.since])):
        if name not in table.position:
            raise InvalidSchema(f"table {table.name!r}: search {search.name!r} names no column of it: {name!r}")
    for name in search.order:
        if table.columns[table.position[name]].null:
            raise InvalidSchema(f"table {table.name!r}: search {search.name!r} sorts by {name!r}, which may be null")


def _check_names(owner: str, names: Iterable[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidSchema(f"{owner!r}: the name {name!r} is no plain lower-case word of at most 41 letters")
        if iskeyword(name):
            raise InvalidSchema(f"{owner!r}: the name {name!r} is a word of Python's; rows have their columns as names")


def _check_unique(owner: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidSchema(f"{owner!r}: {name!r} stands twice")
