"""
Every statement this adapter says, made from declared tables.

Keys are looked up one by one along an index, however many there are and whatever the planner knows of a young table:
`LATERAL (... OFFSET 0)` leaves it no other way. Each call is one statement, its keys given as a text
a column, its rows as arrays.

A view's rows stand in a table of a generation, `name.3`; under its plain name there is an SQL view of the present
generation, so that a rebuild switches by moving the SQL view, and no reader has to know.

Words are indexed as a `tsvector` of our own making, without positions: PostgreSQL's parser and dictionaries are not
asked, and neither are its limits to how often and how far behind a word may stand.

Source: https://www.postgresql.org/docs/current/sql-select.html#SQL-FROM (LATERAL)
"""

import hashlib
from collections.abc import Sequence

from attrs import frozen

from strandline.packing import packed_places
from strandline.schema import Index, Search, Table, Type
from strandline.words import Query

__all__ = ["NOTIFY", "Tables", "key_texts", "own_indexes", "quoted", "terms"]

NOTIFY = "SELECT pg_notify($1, $2)"

META = "strandline_meta"
TURN = "strandline_turn"
VERSION = "version"
GENERATION = "generation"
VIEWS = "views"
STAMP = "stamp."

_TYPES = {
    Type.TEXT: "text",
    Type.KEY: "text",
    Type.CID: "text",
    Type.JSON: "text",
    Type.INTEGER: "bigint",
    Type.FLAG: "smallint",
    Type.BYTES: "bytea",
    Type.WORDS: "text",
}
_NAME_BYTES = 63

_MERGE = """
    WITH heads ({wanted}, {ranks}) AS MATERIALIZED (
        SELECT wanted.*, it.* FROM unnest({arrays}) AS wanted ({wanted})
        CROSS JOIN LATERAL (SELECT {sort} {found} ORDER BY {order} LIMIT {few}) AS it
    ), least AS MATERIALIZED (
        SELECT {ranks} FROM heads ORDER BY {ranked} LIMIT 1 OFFSET $1::bigint - 1
    ), ahead AS MATERIALIZED (
        SELECT DISTINCT {wanted} FROM heads
        WHERE NOT EXISTS (SELECT FROM least) OR ({ranks}) {better} (SELECT {ranks} FROM least)
    )
    SELECT {columns} FROM (
        SELECT it.* FROM ahead AS wanted CROSS JOIN LATERAL (
            SELECT it.* {found} AND EXISTS (SELECT FROM least) AND ({sort}) {better} (SELECT {ranks} FROM least)
            ORDER BY {order} LIMIT $2
        ) AS it
        UNION ALL
        SELECT it.* FROM ahead AS wanted CROSS JOIN LATERAL (
            SELECT it.* {found} AND NOT EXISTS (SELECT FROM least) ORDER BY {order} LIMIT $2
        ) AS it
    ) AS it ORDER BY {sorted} LIMIT $1
"""


_HEADED = '"is headed"'  # no declared name has a space

_SEARCH = """
    WITH meant AS MATERIALIZED (
        SELECT {key}, (NOT EXISTS (SELECT FROM unnest($3::text[]) AS n WHERE strpos(w.{head}, n) = 0))::int AS {headed}
        FROM {words} AS w WHERE {vector} @@ $2::text::tsquery
        AND NOT EXISTS (SELECT FROM unnest($3::text[]) AS n WHERE NOT ({every}))
        AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS n WHERE {every})
    )
    SELECT {place}, {columns} FROM (
        SELECT w.{headed}, it.* FROM meant AS w
        CROSS JOIN LATERAL (SELECT it.* FROM {table} AS it WHERE {at_key} OFFSET 0) AS it WHERE true{kept}
    ) AS it {behind} ORDER BY {order} LIMIT $1
"""


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def type_of(table: Table, at: int) -> str:
    """Return the SQL type of a column."""
    return "bytea" if at in packed_places(table) else _TYPES[table.columns[at].type]


def key_texts(table: Table) -> list[int]:
    """Return where in a key the texts stand."""
    return [at for at in range(table.key_size) if type_of(table, at) == "text"]


def own_indexes(table: Table) -> list[Index]:
    """Return the indexes that need a tree of their own: all but those which the key's order serves."""
    key = tuple(column.name for column in table.key)
    declared = [(index, (*index.partition, *index.order)) for index in table.indexes]
    return [index for index, columns in declared if columns != key[: len(columns)]]


def indexed(table: Table, index: Index) -> tuple[str, ...]:
    """Return the columns of an index: those declared; with the key's where nothing else would order a partition."""
    return (*index.partition, *(index.order or table.sort_columns(index)))


@frozen
class Tables:
    """
    Where the tables stand, and the statements about them.

    Attributes:
        schema: The database schema.
        generation: That of the views' tables; None to go through the SQL views, to whatever is the present one.
        views: Names of the tables that are views.
    """

    schema: str
    generation: int | None
    views: frozenset[str]

    @property
    def meta(self) -> str:
        """The table of what the store says of itself."""
        return self.named(META)

    def named(self, name: str) -> str:
        """Return a name in our schema."""
        return f"{quoted(self.schema)}.{quoted(name)}"

    def at(self, table: Table) -> str:
        """Return where a table's rows stand."""
        return self.named(self.plain(table))

    def plain(self, table: Table) -> str:
        """Return the name of what holds a table's rows."""
        beside = table.name in self.views and self.generation is not None
        return f"{table.name}.{self.generation}" if beside else table.name

    @property
    def turn(self) -> str:
        """The table of the last turns of its writers."""
        return self.named(TURN)

    @property
    def channel(self) -> str:
        """The channel on which commits tell what moved."""
        return _short(f"strandline.{self.schema}")

    # What the store is made of.

    def create_meta(self) -> str:
        """Return the statement that creates the table of what the store says of itself."""
        return f'CREATE TABLE {self.meta} (name text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL)'

    def create(self, table: Table) -> list[str]:
        """Return the statements that create a table and its indexes."""
        columns = ", ".join(_column(table, at) for at in range(len(table.columns)))
        made = f"CREATE TABLE {self.at(table)} ({columns}, PRIMARY KEY ({_key(table)}))"
        words = [self._create_words(table)] if table.words else []
        return [made, *(self._create_index(table, index) for index in own_indexes(table)), *words]

    def _create_index(self, table: Table, index: Index) -> str:
        columns = ", ".join(map(quoted, indexed(table, index)))
        name = _short(f"{self.plain(table)}.{index.name}")
        return f"CREATE INDEX {quoted(name)} ON {self.at(table)} ({columns})"

    def _create_words(self, table: Table) -> str:
        name = _short(f"{self.plain(table)}.words")
        return f"CREATE INDEX {quoted(name)} ON {self.at(table)} USING gin (({_vector(table)}))"

    def show(self, table: Table, *, anew: bool) -> list[str]:
        """Return the statements that bring the SQL view of a table to this generation; `anew` if its shape changes."""
        view = self.named(table.name)
        made = f"VIEW {view} AS SELECT {_columns(table)} FROM {self.at(table)}"
        return [f"DROP VIEW IF EXISTS {view}", f"CREATE {made}"] if anew else [f"CREATE OR REPLACE {made}"]

    def drop_view(self, name: str) -> str:
        """Return the statement that drops an SQL view."""
        return f"DROP VIEW IF EXISTS {self.named(name)}"

    def drop_table(self, name: str) -> str:
        """Return the statement that drops a table."""
        return f"DROP TABLE IF EXISTS {self.named(name)}"

    def lock(self, tables: Sequence[Table]) -> str:
        """Return the statement that keeps tables from being dropped until the transaction ends."""
        return f"LOCK TABLE {', '.join(map(self.at, tables))} IN ACCESS SHARE MODE"

    def analyze(self, table: Table) -> str:
        """Return the statement that lets the planner know a table."""
        return f"ANALYZE {self.at(table)}"

    def count(self, table: Table) -> str:
        """Return the statement that counts a table up to so many rows, and tells what the planner believes."""
        counted = f"SELECT count(*) FROM (SELECT FROM {self.at(table)} LIMIT $1) AS counted"
        return f"SELECT ({counted}), reltuples::bigint FROM pg_class WHERE oid = $2::text::regclass"

    def read_meta(self) -> str:
        """Return the statement that reads what the store says of itself."""
        return f"SELECT name, value FROM {self.meta}"

    def put_meta(self) -> str:
        """Return the statement that writes what the store says of itself: names, values."""
        return (
            f"INSERT INTO {self.meta} (name, value) SELECT * FROM unnest($1::text[], $2::text[]) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )

    def forget_stamp(self) -> str:
        """Return the statement that deletes the stamp."""
        return f"DELETE FROM {self.meta} WHERE name LIKE '{STAMP}%'"

    # Turns; see `strandline_postgres.turns`.

    def create_turn(self) -> list[str]:
        """Return the statements that create the table of turns; compressing marks would be in vain."""
        columns = 'number bigint PRIMARY KEY, writer text COLLATE "C" NOT NULL, names text[], marks bytea[]'
        return [f"CREATE TABLE {self.turn} ({columns})", f"ALTER TABLE {self.turn} ALTER marks SET STORAGE EXTERNAL"]

    def last_turn(self) -> str:
        """Return the statement that tells the number of the last turn, and whose it was."""
        return f"SELECT number, writer FROM {self.turn} ORDER BY number DESC LIMIT 1"

    def read_turns(self) -> str:
        """Return the statement that reads the turns from a number on: the number, and whether to tell of the rows."""
        told = "CASE WHEN $2 THEN names END, CASE WHEN $2 THEN marks END"
        return f"SELECT number, writer, {told} FROM {self.turn} WHERE number >= $1 ORDER BY number"

    def put_turn(self) -> str:
        """Return the statement that adds a turn, and deletes those up to a number, which comes last."""
        gone = f"DELETE FROM {self.turn} WHERE number <= $5"
        return f"WITH gone AS ({gone}) INSERT INTO {self.turn} (number, writer, names, marks) VALUES ($1, $2, $3, $4)"

    # Rows.

    def select(self, table: Table) -> str:
        """Return the statement that reads the rows at some keys; see `strandline_postgres.codec.wanted`."""
        it = f"SELECT {_columns(table)} FROM {self.at(table)} AS it WHERE {_at_wanted(table)} OFFSET 0"
        return f"SELECT {_columns(table, 'it')} FROM {_wanted(table)} CROSS JOIN LATERAL ({it}) AS it"

    def keys(self, table: Table) -> str:
        """Return the statement that tells at which of some keys a row stands: as `select`."""
        it = f"SELECT FROM {self.at(table)} AS it WHERE {_at_wanted(table)} OFFSET 0"
        return f"SELECT wanted.* FROM {_wanted(table)} CROSS JOIN LATERAL ({it}) AS it"

    def delete(self, table: Table) -> str:
        """Return the statement that deletes the rows at some keys; see `strandline_postgres.codec.wanted`."""
        it = f"SELECT it.ctid FROM {self.at(table)} AS it WHERE {_at_wanted(table)} OFFSET 0"
        places = f"SELECT it.ctid FROM {_wanted(table)} CROSS JOIN LATERAL ({it}) AS it"
        return f"DELETE FROM {self.at(table)} WHERE ctid = ANY (ARRAY({places}))"

    def insert(self, table: Table) -> str:
        """Return the statement that puts rows in the place of those at their keys: an array a column."""
        values = [f"{it} = excluded.{it}" for it in (quoted(column.name) for column in table.columns[table.key_size :])]
        then = f"UPDATE SET {', '.join(values)}" if values else "NOTHING"
        rows = f"SELECT * FROM {_unnest(table)}"
        return f"INSERT INTO {self.at(table)} ({_columns(table)}) {rows} ON CONFLICT ({_key(table)}) DO {then}"

    def scan(self, table: Table) -> str:
        """Return the statement that reads all rows by key."""
        return f"SELECT {_columns(table)} FROM {self.at(table)} ORDER BY {_key(table)}"

    def cursor(self, table: Table) -> str:
        """Return the name of the cursor of a scan: of its own for each statement, since the driver caches by text."""
        return quoted(_short(f"scan {hashlib.sha256(self.scan(table).encode()).hexdigest()}"))

    def page(self, table: Table, index: Index, nulls: Sequence[tuple[bool, ...]], *, after: int, bound: int) -> str:
        """
        Return the statement that reads a page over some partitions, in an index's order.

        Its parameters are the limit, that of one partition, the `after` leading sort columns of the row before, the
        `bound` leading sort columns of the last one allowed, and then for each of `nulls`, which says what partition
        columns are null, an array for each column that is not.
        """
        beyond, order = _beyond(table, index, after, bound), _order(table, index)
        at, parts = 3 + after + bound, []
        for null in nulls:
            parts.append(self._partitions(table, index, null, beyond, order, at))
            at += null.count(False)
        every = " UNION ALL ".join(parts)
        return f"SELECT {_columns(table, 'it')} FROM ({every}) AS it ORDER BY {_sorted(table, index) or '1'} LIMIT $1"

    def merge(self, table: Table, index: Index, *, after: int, bound: int) -> str:
        """
        Return the statement that reads a page over many partitions, in an index's order; few rows are read in vain.

        First it looks at the head of each partition, a few rows, in the index alone. The least of the best `limit` of
        them is a bound that no row of the page is beyond, so then it reads whole rows only up to there, and only of
        the partitions whose heads are that good.

        Its parameters are those of `page`, no partition column being null, and then how many rows a head has.
        """
        at = 3 + after + bound
        fixed = [f"it.{quoted(name)} = wanted.w{number}" for number, name in enumerate(index.partition, 1)]
        arrays = [f"${at + number}::{kind}[]" for number, kind in enumerate(_kinds(table, index.partition))]
        where = " AND ".join([*fixed, *_beyond(table, index, after, bound)])
        ranks = [f"s{number}" for number, _ in enumerate(table.sort_columns(index), 1)]
        return _MERGE.format(
            arrays=", ".join(arrays),
            better=">=" if index.descending else "<=",
            columns=_columns(table, "it"),
            few=f"${at + len(arrays)}",
            found=f"FROM {self.at(table)} AS it WHERE {where}",
            order=_order(table, index),
            ranked=", ".join(f"{rank} {_way(index)}" for rank in ranks),
            ranks=", ".join(ranks),
            sort=", ".join(f"it.{quoted(name)}" for name in table.sort_columns(index)),
            sorted=_sorted(table, index),
            wanted=", ".join(f"w{number}" for number, _ in enumerate(arrays, 1)),
        )

    def search(
        self, table: Table, search: Search, words: Table, *, within: tuple[str, ...], since: bool, after: int
    ) -> str:
        """
        Return the statement that reads the rows of whose words a query is true, each behind its place.

        The index gives the rows that may be meant; the words themselves say which are. Its parameters are the limit,
        the terms, what is wanted, what is not, an array for each column of `within`, the least value of `since`, and
        the `after` values of the place of the row before.
        """
        kept = [
            f"it.{quoted(name)} = ANY (${at}::{type_of(table, table.position[name])}[])"
            for at, name in enumerate(within, 5)
        ]
        if since and search.since is not None:
            kept.append(f"it.{quoted(search.since)} >= ${5 + len(within)}")
        first = 5 + len(within) + since
        place = ", ".join([*([_HEADED] if search.headed else []), *map(quoted, table.found_columns(search))])
        behind = f"WHERE ({place}) < ({', '.join(f'${first + at}' for at in range(after))})" if after else ""
        return _SEARCH.format(
            at_key=" AND ".join(f"it.{quoted(column.name)} = w.{quoted(column.name)}" for column in table.key),
            behind=behind,
            columns=_columns(table),
            every=" OR ".join(f"strpos(w.{quoted(name)}, n) > 0" for name in words.words),
            head=quoted(words.words[0]),
            headed=_HEADED,
            key=_key(words),
            kept="".join(f" AND {it}" for it in kept),
            order=", ".join(f"{it} DESC" for it in place.split(", ")),
            place=place,
            table=self.at(table),
            vector=_vector(words, "w"),
            words=self.at(words),
        )

    def _partitions(
        self, table: Table, index: Index, null: Sequence[bool], beyond: Sequence[str], order: str, at: int
    ) -> str:
        fixed: list[str] = []
        arrays: list[str] = []
        for name, is_null in zip(index.partition, null, strict=True):
            if is_null:
                fixed.append(f"it.{quoted(name)} IS NULL")
                continue
            arrays.append(f"${at + len(arrays)}::{type_of(table, table.position[name])}[]")
            fixed.append(f"it.{quoted(name)} = wanted.w{len(arrays)}")
        where = f" WHERE {' AND '.join([*fixed, *beyond])}" if fixed or beyond else ""
        page = f"SELECT it.* FROM {self.at(table)} AS it{where} ORDER BY {order or '1'} LIMIT $2"
        if not arrays:
            return f"(SELECT it.* FROM ({page}) AS it)"
        names = ", ".join(f"w{number}" for number in range(1, len(arrays) + 1))
        return f"(SELECT it.* FROM unnest({', '.join(arrays)}) AS wanted ({names}) CROSS JOIN LATERAL ({page}) AS it)"


def _short(name: str) -> str:
    """Return a name that PostgreSQL need not cut, so that two never become one."""
    if len(name.encode()) <= _NAME_BYTES:
        return name
    cut = name.encode()[: _NAME_BYTES - 13].decode(errors="ignore")
    return f"{cut}.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _column(table: Table, at: int) -> str:
    column, name = table.columns[at], quoted(table.columns[at].name)
    kind = type_of(table, at)
    collation = ' COLLATE "C"' if kind == "text" else ""
    check = f" CHECK ({name} IN (0, 1))" if column.type is Type.FLAG else ""
    return f"{name} {kind}{collation}{'' if column.null else ' NOT NULL'}{check}"


def _unnest(table: Table) -> str:
    size = len(table.columns)
    arrays = ", ".join(_array(table, at) for at in range(size))
    return f"unnest({arrays}) AS wanted ({', '.join(f'w{at + 1}' for at in range(size))})"


def _wanted(table: Table) -> str:
    size, texts = table.key_size, key_texts(table)
    given = [_apart(at, mark=size + 1) if at in texts else _array(table, at) for at in range(size)]
    return f"unnest({', '.join(given)}) AS wanted ({', '.join(f'w{at + 1}' for at in range(size))})"


def _apart(at: int, *, mark: int) -> str:
    """Return the texts that stand, each behind a mark, in one."""
    return f"(string_to_array(${at + 1}::text, ${mark}::text))[2:]"


def _array(table: Table, at: int) -> str:
    return f"${at + 1}::{type_of(table, at)}[]"


def _at_wanted(table: Table) -> str:
    return " AND ".join(f"it.{quoted(column.name)} = wanted.w{at}" for at, column in enumerate(table.key, 1))


def _vector(table: Table, it: str = "") -> str:
    """Return what the words of a row are in their index: which there are, and not where."""
    every = " || ".join(f"{it}.{quoted(name)}" if it else quoted(name) for name in table.words)
    return f"array_to_tsvector(array_remove(string_to_array({every}, ' '), ''))"


def terms(query: Query) -> str:
    """
    Return what the index of words is asked: all words, some of which may go on.

    >>> terms(Query((" the sea ", " tid")))
    "'the' & 'sea' & 'tid':*"
    """
    return " & ".join(f"'{word}'" if whole else f"'{word}':*" for word, whole in query.terms)


def _way(index: Index) -> str:
    return "DESC" if index.descending else "ASC"


def _sorted(table: Table, index: Index) -> str:
    return ", ".join(f"it.{quoted(name)} {_way(index)}" for name in table.sort_columns(index))


def _order(table: Table, index: Index) -> str:
    """Return the order of the whole index, which within one partition is that of its sort columns."""
    return ", ".join(f"it.{quoted(name)} {_way(index)}" for name in (*index.partition, *table.sort_columns(index)))


def _beyond(table: Table, index: Index, after: int, bound: int) -> list[str]:
    """Return what keeps a page behind the row before and within its bound: parameters from the third on."""
    sort = table.sort_columns(index)
    less, more = ("<", ">=") if index.descending else (">", "<=")
    return _compared(table, sort[:after], less, 3) + _compared(table, sort[:bound], more, 3 + after)


def _compared(table: Table, names: Sequence[str], sign: str, first: int) -> list[str]:
    if not names:
        return []
    columns = ", ".join(f"it.{quoted(name)}" for name in names)
    marks = ", ".join(f"${first + at}::{kind}" for at, kind in enumerate(_kinds(table, names)))
    return [f"({columns}) {sign} ({marks})"]


def _kinds(table: Table, names: Sequence[str]) -> list[str]:
    return [type_of(table, table.position[name]) for name in names]


def _columns(table: Table, of: str = "") -> str:
    mark = f"{of}." if of else ""
    return ", ".join(f"{mark}{quoted(column.name)}" for column in table.columns)


def _key(table: Table) -> str:
    return ", ".join(quoted(column.name) for column in table.key)
