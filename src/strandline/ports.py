"""
The seams between the engine and the world.

A store keeps declared tables: keys, rows, pages. It knows no event, no view and no forum, so a new view touches no
store and a new store is a few hundred lines. Methods are coroutines, because some stores wait on a network; those of
memory and SQLite never wait, so `strandline.run` drives them in a plain script without an event loop.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from strandline.errors import InvalidSchema
from strandline.schema import Keys, Row, Table
from strandline.words import Query

__all__ = ["Batching", "Changes", "Counting", "Foreseeing", "Found", "Key", "Layout", "Store", "Transaction"]

Key = tuple[Any, ...]
"""The leading values of a row that tell it from every other of its table."""

Changes = Mapping[str, Mapping[Key, Row | None]]
"""For each table the new row at each key; None where there is none any more."""


Found = tuple[Key, Row]
"""A row that was found, behind its place among all that are."""


@frozen(kw_only=True)
class Layout:
    """
    What a store is to hold.

    Attributes:
        kept: Tables of what was told: registers, repos, cursors. No rebuild touches them.
        views: Tables that a rebuild makes anew.
        stamp: Versions the views were made under, by name. A store with another stamp is stale.
        keys: How records are named in the views; of no use to a store, and of much to whoever reads one.

    Raises:
        InvalidSchema: two tables have one name, or a search has no table of words with its table's key.
    """

    kept: tuple[Table, ...]
    views: tuple[Table, ...]
    stamp: Mapping[str, str]
    keys: Keys = field(factory=lambda: Keys({}))

    def __attrs_post_init__(self) -> None:
        names = [table.name for table in (*self.kept, *self.views)]
        for name in names:
            if names.count(name) > 1:
                raise InvalidSchema(f"two tables are named {name!r}; a view may not have the name of a table of ours")
        for table in self.kept:
            if table.words:
                raise InvalidSchema(f"table {table.name!r}: words follow from what is kept; a view has them")
        for table in self.views:
            for search in table.searches:
                _check_words(table, self.tables.get(search.words), search.words)

    def table(self, name: str) -> Table:
        """Return the table of that name; KeyError if there is none."""
        return self.tables[name]

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """All tables, by name."""
        return {table.name: table for table in (*self.kept, *self.views)}


def _check_words(table: Table, words: Table | None, name: str) -> None:
    if words is None or not words.words or words.key != table.key:
        raise InvalidSchema(
            f"table {table.name!r}: {name!r}, in which it is searched, is no table with its key and columns of words"
        )


class Transaction(Protocol):
    """A writer's: what it reads stands until its end, since no other writer is at work meanwhile."""

    async def load(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`; what is not there is left out."""
        ...

    async def page(
        self,
        table: str,
        index: str,
        partitions: Sequence[Key],
        *,
        limit: int,
        each: int | None = None,
        after: Key | None = None,
        bound: Key | None = None,
    ) -> list[Row]:
        """Return rows of some partitions of an index; see `Store.page`."""
        ...

    async def commit(self, changes: Changes) -> None:
        """Write all changes, the cursor's row among them: all of them or none. Once, and last."""
        ...


@runtime_checkable
class Store(Protocol):
    """
    Keeps the tables of a layout. All errors are `strandline.errors.StoreError`; after one, nothing was written, but
    where a commit was interrupted: then all of it, or nothing.

    What a reader sees is always the state between two commits.

    Attributes:
        layout: What it holds.
    """

    layout: Layout

    @property
    def stamp(self) -> Mapping[str, str]:
        """The versions the views were made under, by name; a new store has its layout's."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """
        Begin a transaction, once no other writer is in one. Left without a commit, nothing is written.

        Raises:
            StoreInterrupted: it was cut short, here or at any step; do it again whole.
            StoreUnavailable: the store cannot be reached.
        """
        ...

    async def get(self, table: str, keys: Collection[Key]) -> dict[Key, Row]:
        """Return the rows at `keys`; what is not there is left out."""
        ...

    async def page(
        self,
        table: str,
        index: str,
        partitions: Sequence[Key],
        *,
        limit: int,
        each: int | None = None,
        after: Key | None = None,
        bound: Key | None = None,
    ) -> list[Row]:
        """
        Return rows of some partitions of an index, merged in its order: `Table.sort_columns`, all one way.

        Args:
            table: Name of the table.
            index: Name of one of its indexes.
            partitions: Values of the index's partition columns, one tuple a partition.
            limit: At most so many rows in all.
            each: At most so many rows of one partition; None for no such limit.
            after: Sort columns of the last row of the page before; the page starts behind it.
            bound: Leading sort columns; rows beyond it, in the index's direction, are left out.
        """
        ...

    async def search(
        self,
        table: str,
        search: str,
        query: Query,
        *,
        limit: int,
        within: Mapping[str, Collection[Any]] | None = None,
        since: int | None = None,
        after: Key | None = None,
    ) -> list[Found]:
        """
        Return rows of whose words `Query.finds` is true, in the order of a search, each behind its place.

        A place is 1 if the first column of words holds all that is wanted, else 0, where the search is `headed`; then
        the values of `Table.found_columns`. The greatest place comes first.

        Args:
            table: Name of the table.
            search: Name of one of its searches.
            query: What is sought.
            limit: At most so many rows.
            within: Columns of the search's `within`, each with the values one of which a row must have.
            since: Rows with less in the search's column `since` are left out.
            after: Place of the last row of the page before; the page starts behind it.
        """
        ...

    def scan(self, tables: Sequence[str]) -> AsyncGenerator[tuple[str, list[Row]], None]:
        """
        Yield all rows of some tables, in the order given and by key, in chunks, from one snapshot.

        Words that a search would not find are given as "", so that who compares sees it.
        """
        ...

    def rebuild(self) -> AbstractAsyncContextManager["Store"]:
        """
        Open a store whose view tables are new and empty, beside the present ones; the kept tables are shared.

        When the block ends well, the new tables and the layout's stamp take the place of the old in one transaction.
        When it does not, or the process dies, the old ones stay and the new ones are dropped.
        """
        ...

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[frozenset[str]]]:
        """
        Follow the store within the block: each item names the tables that have moved since the item before.

        Told after the commit, whichever process made it. After a rebuild all views have moved.
        """
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


@runtime_checkable
class Counting(Protocol):
    """What a store may do besides: say how many rows it holds, without reading them one by one."""

    async def counts(self) -> Mapping[str, int]:
        """
        Return how many rows each table of the layout has, by name; a table that cannot be told of is left out.

        Exact up to 100,000 rows; more may be an estimate. It may take seconds where there are many millions: ask it
        rarely, and not while somebody waits.
        """
        ...


@runtime_checkable
class Batching(Protocol):
    """
    What a store may say besides.

    Attributes:
        batch: How many events of a long log it is best given at a time: the more, the less is written twice, and the
            more memory it takes.
    """

    batch: int


@runtime_checkable
class Foreseeing(Protocol):
    """What a store of several writers may do besides: read before a writer's turn what it will ask for in it."""

    async def foresee(self, keys: Mapping[str, Collection[Key]]) -> None:
        """
        Read the rows at some keys, by table, for the next transaction.

        Other writers may be at work meanwhile: what they change is read again in the transaction, so this changes no
        answer. It is a store's choice to do nothing; a read that is cut short it leaves to the transaction.

        Raises:
            StoreError: the store is in trouble, as the transaction would be.
        """
        ...
