"""
Every statement this adapter says, made from declared tables.

Narrow tables without indexes are clustered on their key. The others keep their rows in the order they came, with an
index on the key, so that wide rows are appended and each index entry stays short: on the whole key or, where fewer
columns come near enough, on those. The one process that writes then sees to it that a key stands once.

The statements of searches are in `searching`.
"""

from collections.abc import Collection, Sequence

from strandline.schema import Column, Index, Table, Type

__all__ = [
    "ASIDE",
    "GENERATION",
    "META",
    "MOVE",
    "MOVED",
    "ROW",
    "count",
    "create_index",
    "create_table",
    "delete",
    "drop",
    "heads",
    "indexed",
    "insert",
    "is_clustered",
    "named",
    "own_indexes",
    "page",
    "rename",
    "scan",
    "select",
    "set_aside",
    "update",
]

META = "CREATE TABLE strandline_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"

GENERATION = "SELECT value FROM strandline_meta WHERE name = 'generation'"

MOVED = "CREATE TABLE strandline_moved (name TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID"

MOVE = (
    "INSERT INTO strandline_moved (name, times) VALUES (?, 1)"
    " ON CONFLICT (name) DO UPDATE SET times = strandline_moved.times + 1"
)

ASIDE = '"register+old"'
"""What a table of registers is called while its rows move to a new one."""

ROW = '"row number"'
"""The number of a row with words, by which its full-text index knows it; no declared name has a space."""

_TYPES = {
    Type.TEXT: "TEXT",
    Type.KEY: "TEXT",
    Type.CID: "ANY",
    Type.JSON: "TEXT",
    Type.INTEGER: "INTEGER",
    Type.FLAG: "INTEGER",
    Type.BYTES: "BLOB",
    Type.WORDS: "TEXT",
}


def create_table(table: Table, suffix: str = "") -> str:
    """Return the statement that creates a table; the rows of one with words have numbers that stay."""
    if table.words:
        held = ", ".join(map(_column, table.columns))
        return f"CREATE TABLE {named(table, suffix)} ({ROW} INTEGER PRIMARY KEY, {held}, UNIQUE ({_key(table)})) STRICT"
    columns = ", ".join(_column(column) for column in table.columns)
    if table.near is not None:
        return f"CREATE TABLE {named(table, suffix)} ({columns}) STRICT"
    kind = "STRICT, WITHOUT ROWID" if is_clustered(table) else "STRICT"
    return f"CREATE TABLE {named(table, suffix)} ({columns}, PRIMARY KEY ({_key(table)})) {kind}"


def is_clustered(table: Table) -> bool:
    """Tell whether the rows of a table stand in the order of its key, and have no numbers."""
    wide = any(column.type in (Type.JSON, Type.BYTES, Type.WORDS) for column in table.columns)
    return not wide and table.near is None and not own_indexes(table)


def own_indexes(table: Table) -> list[Index]:
    """
    Return the indexes that need a tree of their own: all but those which the key's order serves.

    A table that is near by some columns of its key has an index on those, and none on the key.
    """
    key = tuple(column.name for column in table.key)
    near = () if table.near is None else (Index("near", order=key[: table.near], descending=False, total=True),)
    return [*near, *(index for index in table.indexes if indexed(index) != key[: len(indexed(index))])]


def indexed(index: Index) -> tuple[str, ...]:
    """Return the columns of an index, in its order; the place of the row ends each entry."""
    return (*index.partition, *index.order)


def create_index(table: Table, index: Index, generation: int, suffix: str = "") -> str:
    """Return the statement that creates an index; `generation` keeps its name apart from those of older tables."""
    columns = ", ".join(f'"{name}"' for name in indexed(index))
    name = f"{table.name}.{index.name}.{generation}"
    return f'CREATE INDEX "{name}" ON {named(table, suffix)} ({columns})'


def drop(name: str) -> str:
    """Return the statement that drops a table."""
    return f'DROP TABLE IF EXISTS "{name}"'


def set_aside(table: Table) -> str:
    """Return the statement that makes room for a new table of registers."""
    return f"ALTER TABLE {named(table, '')} RENAME TO {ASIDE}"


def rename(table: Table, suffix: str) -> str:
    """Return the statement that takes the suffix off a table's name."""
    return f'ALTER TABLE {named(table, suffix)} RENAME TO "{table.name}"'


def select(table: Table, suffix: str, count: int) -> str:
    """Return the statement that reads the rows at `count` keys, one after the other in its parameters."""
    mark = f"({', '.join('?' * table.key_size)})"
    wanted = f"(VALUES {', '.join([mark] * count)}) AS wanted"
    on = " AND ".join(f'it."{column.name}" = wanted.column{at}' for at, column in enumerate(table.key, 1))
    columns = ", ".join(f'it."{column.name}"' for column in table.columns)
    return f"SELECT {columns} FROM {wanted} CROSS JOIN {named(table, suffix)} AS it ON {on}"


def insert(table: Table, suffix: str, nulls: Collection[str] = ()) -> str:
    """
    Return the statement that puts one row in the place of the one at its key, if there is one.

    Of the columns in `nulls` it takes no value. No index tells of a key that is only near: there it must stand at none.
    """
    marks = ", ".join("NULL" if column.name in nulls else "?" for column in table.columns)
    values = [f'"{column.name}" = excluded."{column.name}"' for column in table.columns[table.key_size :]]
    then = f"UPDATE SET {', '.join(values)}" if values else "NOTHING"
    target = f"{named(table, suffix)} ({_columns(table)})"
    if table.near is not None:
        return f"INSERT INTO {target} VALUES ({marks})"
    return f"INSERT INTO {target} VALUES ({marks}) ON CONFLICT ({_key(table)}) DO {then}"


def update(table: Table, suffix: str, columns: Sequence[str], nulls: Collection[str] = ()) -> str:
    """Return the statement that sets some columns of the row at one key: the values of those not null, then the key."""
    values = ", ".join(f'"{name}" = {"NULL" if name in nulls else "?"}' for name in columns)
    return f"UPDATE {named(table, suffix)} SET {values} WHERE {_at_key(table)}"


def delete(table: Table, suffix: str) -> str:
    """Return the statement that deletes the row at one key."""
    return f"DELETE FROM {named(table, suffix)} WHERE {_at_key(table)}"


def scan(table: Table, suffix: str = "") -> str:
    """Return the statement that reads all rows by key."""
    return f"SELECT {_columns(table)} FROM {named(table, suffix)} ORDER BY {_key(table)}"


def count(table: Table, suffix: str = "") -> str:
    """Return the statement that counts all rows; SQLite walks the shortest index there is."""
    return f"SELECT count(*) FROM {named(table, suffix)}"


def page(table: Table, index: Index, *, after: int, bound: int, suffix: str = "") -> str:
    """
    Return the statement that reads the rows of one partition in an index's order.

    Its parameters are the partition, the `after` leading sort columns of the row before, the `bound` leading sort
    columns of the last one allowed, and the limit.
    """
    columns = table.sort_columns(index)
    less, more, way = ("<", ">=", "DESC") if index.descending else (">", "<=", "ASC")
    conditions = [f'"{name}" IS ?' if _may_be_null(table, name) else f'"{name}" = ?' for name in index.partition]
    conditions += _beyond(columns[:after], less) + _beyond(columns[:bound], more)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f'"{name}" {way}' for name in columns)
    return f"SELECT {_columns(table)} FROM {named(table, suffix)}{where} ORDER BY {order or '1'} LIMIT ?"


def heads(table: Table, index: Index, count: int, *, after: int, bound: int, suffix: str = "") -> str:
    """
    Return the statement that reads the first rows of each of `count` partitions, of which no column is null.

    Its parameters are the partitions, one after the other, then those of `page` behind its partition; the limit is that
    of each. The table has row numbers.
    """
    columns = table.sort_columns(index)
    less, more, way = ("<", ">=", "DESC") if index.descending else (">", "<=", "ASC")
    conditions = [f'"{name}" = wanted.column{at}' for at, name in enumerate(index.partition, 1)]
    conditions += _beyond(columns[:after], less) + _beyond(columns[:bound], more)
    order = ", ".join(f'"{name}" {way}' for name in columns)
    name = named(table, suffix)
    of_each = f"SELECT rowid FROM {name} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?"
    mark = f"({', '.join('?' * len(index.partition))})"
    wanted = f"(VALUES {', '.join([mark] * count)}) AS wanted"
    shown = ", ".join(f'it."{column.name}"' for column in table.columns)
    return f"SELECT {shown} FROM {wanted} CROSS JOIN {name} AS it ON it.rowid IN ({of_each})"


def _beyond(columns: Sequence[str], sign: str) -> list[str]:
    if not columns:
        return []
    names = ", ".join(f'"{name}"' for name in columns)
    return [f"({names}) {sign} ({', '.join('?' * len(columns))})"]


def _column(column: Column) -> str:
    check = f' CHECK ("{column.name}" IN (0, 1))' if column.type is Type.FLAG else ""
    return f'"{column.name}" {_TYPES[column.type]}{"" if column.null else " NOT NULL"}{check}'


def _may_be_null(table: Table, name: str) -> bool:
    return table.columns[table.position[name]].null


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _at_key(table: Table) -> str:
    return " AND ".join(f'"{column.name}" = ?' for column in table.key)


def _key(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.key)


def named(table: Table, suffix: str) -> str:
    """Return the name of a table as SQL writes it."""
    return f'"{table.name}{suffix}"'
