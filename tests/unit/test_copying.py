"""An index copied from one store to another, and one that was cut short."""

from pathlib import Path

import pytest

from strandline import Cursor, Ingest, MemoryStore, Store, StoreError, decode, layout_of, open_store, run
from strandline.copying import copy
from strandline.forum import SCHEMA
from strandline.forum.dump import dump_lines
from strandline.forum.world import world
from strandline.ingest import CURSOR
from strandline.testing.laws import Dying, Killed, told

KEPT = [table.name for table in layout_of(SCHEMA).kept]


@pytest.fixture(scope="module")
def source() -> Store:
    store = MemoryStore(layout_of(SCHEMA))
    ingest = Ingest(store, SCHEMA)
    run(ingest.fold([*(decode(line) for line in world(3, 1500)), decode(b"?")], Cursor("log", 1501)))
    run(ingest.finish())
    return store


@pytest.fixture(params=["memory:", "sqlite:///{}/copy.db"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return run(open_store(request.param.format(tmp_path), SCHEMA))


def dumped(store: Store) -> list[bytes]:
    async def lines() -> list[bytes]:
        return sorted([line async for line in dump_lines(store)])

    return run(lines())


def test_a_copy_is_what_it_was_made_from(source: Store, target: Store) -> None:
    count = run(copy(source, target, SCHEMA))
    kept = run(told(source, KEPT))
    assert run(told(target, KEPT)) == kept
    assert count == len(kept["register"])
    assert dumped(target) == dumped(source) != []
    run(target.close())


def test_a_copy_cut_short_has_no_cursor_and_is_begun_again(source: Store, target: Store) -> None:
    for commits in range(1, 6):
        with pytest.raises(Killed):
            run(copy(source, Dying(target, commits), SCHEMA))
        assert run(target.get(CURSOR.name, [("log",)])) == {}
        assert dumped(target) == []
    run(copy(source, target, SCHEMA))
    assert run(told(target, KEPT)) == run(told(source, KEPT))
    assert dumped(target) == dumped(source)
    run(target.close())


def test_a_store_that_holds_an_index_is_not_written(source: Store, target: Store) -> None:
    run(Ingest(target, SCHEMA).fold([decode(b"?")]))
    before = run(told(target))
    with pytest.raises(StoreError, match="holds an index"):
        run(copy(source, target, SCHEMA))
    assert run(told(target)) == before
    run(target.close())
