"""
The statements of searches: FTS5 gives the rows that may be meant, and the words themselves say which are.

A full-text index keeps which row has which word, and no text; triggers keep it, so it moves with its table in every
transaction, and only when words do. Its tokenizer parts words at spaces, since all else that it parts at is in no word
of ours. Its name, `table.words.3`, holds the generation of the views: it cannot be renamed with its triggers.

Source: https://www.sqlite.org/fts5.html#contentless_tables
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

from strandline.ports import Key
from strandline.schema import Search, Table
from strandline.words import Query
from strandline_sqlite.sql import ROW, named

__all__ = ["INDEX", "Sought", "create", "scan", "terms"]

INDEX = ".words."
"""Between the name of a table and the generation, in the name of its full-text index."""


def create(table: Table, generation: int, suffix: str = "") -> list[str]:
    """Return the statements that create the full-text index of a table, and the triggers that keep it."""
    index, at = _index(table, generation), named(table, suffix)
    old, new = (" || ".join(f'{row}."{name}"' for name in table.words) for row in ("old", "new"))
    put = f"INSERT INTO {index} (rowid, words) VALUES (new.{ROW}, {new});"
    take = f"INSERT INTO {index} ({index}, rowid, words) VALUES ('delete', old.{ROW}, {old});"
    moved = ", ".join(f'"{name}"' for name in table.words)
    differ = " OR ".join(f'old."{name}" <> new."{name}"' for name in table.words)
    trigger = f'CREATE TRIGGER "{table.name}{INDEX}{generation}'
    return [
        f"CREATE VIRTUAL TABLE {index} USING fts5"
        "(words, content = '', columnsize = 0, detail = none, tokenize = 'ascii')",
        f'{trigger}.put" AFTER INSERT ON {at} BEGIN {put} END',
        f'{trigger}.take" AFTER DELETE ON {at} BEGIN {take} END',
        f'{trigger}.move" AFTER UPDATE OF {moved} ON {at} WHEN {differ} BEGIN {take} {put} END',
    ]


def scan(table: Table, generation: int, suffix: str = "") -> str:
    """Return the statement that reads all rows by key; of a row that its full-text index lacks, words are ""."""
    index = _index(table, generation)
    every = " || ".join(f'it."{name}"' for name in table.words)
    asked = f"""'"' || replace(replace(trim({every}), '  ', ' '), ' ', '" "') || '"'"""
    found = f"EXISTS (SELECT 1 FROM {index} WHERE {index} MATCH {asked} AND rowid = it.{ROW})"
    shown = (
        f"CASE WHEN {every} = '' OR {found} THEN it.\"{column.name}\" ELSE '' END"
        if column.name in table.words
        else f'it."{column.name}"'
        for column in table.columns
    )
    order = ", ".join(f'it."{column.name}"' for column in table.key)
    return f"SELECT {', '.join(shown)} FROM {named(table, suffix)} AS it ORDER BY {order}"


def terms(query: Query) -> str:
    """
    Return what a full-text index is asked: all words, some of which may go on.

    >>> terms(Query((" the sea ", " tid")))
    '"the" "sea" "tid"*'
    """
    return " ".join(f'"{word}"' if whole else f'"{word}"*' for word, whole in query.terms)


@frozen(kw_only=True)
class Sought:
    """A search of a table: what `Store.search` was given, and the tables."""

    table: Table
    words: Table
    search: Search
    query: Query
    within: Mapping[str, Collection[Any]]
    since: int | None
    after: Key | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the statement, but the limit."""
        given = {f"wanted{at}": it for at, it in enumerate(self.query.wanted)}
        given |= {f"unwanted{at}": it for at, it in enumerate(self.query.unwanted)}
        given |= {f"within_{name}": json.dumps(list(values)) for name, values in self.within.items()}
        given |= {f"after{at}": value for at, value in enumerate(self.after or ())}
        return {**given, "terms": terms(self.query), "since": self.since}

    @property
    def place(self) -> list[str]:
        """What the place of a row is made of."""
        first, count = self.words.words[0], len(self.query.wanted)
        head = " AND ".join(f'instr(w."{first}", :wanted{at}) > 0' for at in range(count))
        return [
            *([head] if self.search.headed else []),
            *(f'it."{it}"' for it in self.table.found_columns(self.search)),
        ]

    def statement(self, generation: int, suffix: str) -> str:
        """Return the statement that reads what is found, the greatest place first, each row behind its place."""
        on = " AND ".join(f'it."{column.name}" = w."{column.name}"' for column in self.table.key)
        columns = ", ".join([*self.place, *(f'it."{column.name}"' for column in self.table.columns)])
        return (
            f"SELECT {columns} FROM {_index(self.words, generation)}(:terms) AS f"
            f" CROSS JOIN {named(self.words, suffix)} AS w ON w.{ROW} = f.rowid"
            f" CROSS JOIN {named(self.table, suffix)} AS it ON {on}"
            f" WHERE {' AND '.join(self._conditions())} ORDER BY {', '.join(f'{it} DESC' for it in self.place)}"
            " LIMIT :limit"
        )

    def _conditions(self) -> Iterator[str]:
        yield from (self._held(f":wanted{at}") for at in range(len(self.query.wanted)))
        yield from (f"NOT {self._held(f':unwanted{at}')}" for at in range(len(self.query.unwanted)))
        yield from (f'it."{name}" IN (SELECT value FROM json_each(:within_{name}))' for name in self.within)
        if self.since is not None and self.search.since is not None:
            yield f'it."{self.search.since}" >= :since'
        if self.after is not None:
            place = ", ".join(self.place)
            yield f"({place}) < ({', '.join(f':after{at}' for at in range(len(self.after)))})"

    def _held(self, what: str) -> str:
        every = " OR ".join(f'instr(w."{name}", {what})' for name in self.words.words)
        return f"({every})"


def _index(table: Table, generation: int) -> str:
    return f'"{table.name}{INDEX}{generation}"'
