"""
An index copied from one store to another, of whatever kind.

What was told is copied from one snapshot; the views are then made from it, as a rebuild makes them. Until all is
done the copy has no cursor and carries a mark, so one that was cut short shows no view and may be begun again.
"""

from contextlib import aclosing

from strandline.errors import StoreError
from strandline.ingest import CURSOR, Ingest
from strandline.ports import Key, Store
from strandline.schema import Row, Schema

__all__ = ["copy"]

_MARK = "(a copy that is not done)"


async def copy(source: Store, target: Store, schema: Schema) -> int:
    """
    Copy an index into a store that holds none, or a copy that was cut short; return how many registers it has.

    Args:
        source: What is copied, as it stands now.
        target: Open for writing; nobody else may write it meanwhile.
        schema: What is indexed, in both.

    Raises:
        StoreError: `target` holds an index, or a store is in trouble.
    """
    cursors = target.layout.table(CURSOR.name)
    await _clear(target)
    await _put(target, CURSOR.name, [(_MARK, 0)])
    names = [table.name for table in source.layout.kept if table != cursors]
    async with aclosing(source.scan([*names, CURSOR.name])) as chunks:
        positions: list[Row] = []
        async for table, rows in chunks:
            if table == CURSOR.name:
                positions += rows
            else:
                await _put(target, table, rows)
    count = await Ingest(target, schema).rebuild()
    async with target.transaction() as transaction:
        await transaction.commit({CURSOR.name: {(_MARK,): None, **{row[:1]: row for row in positions}}})
    return count


async def _put(store: Store, table: str, rows: list[Row]) -> None:
    size = store.layout.table(table).key_size
    async with store.transaction() as transaction:
        await transaction.commit({table: {tuple(row[:size]): row for row in rows}})


async def _clear(target: Store) -> None:
    """Empty a store that holds no more than part of a copy."""
    begun = bool(await target.get(CURSOR.name, [(_MARK,)]))
    async with aclosing(target.scan([table.name for table in target.layout.kept])) as chunks:
        async for table, rows in chunks:
            if not begun:
                raise StoreError(
                    f"the store to copy into holds an index: there are rows in {table!r}; name an empty one"
                )
            size = target.layout.table(table).key_size
            gone: dict[Key, Row | None] = {tuple(row[:size]): None for row in rows if row[0] != _MARK}
            async with target.transaction() as transaction:
                await transaction.commit({table: gone})
