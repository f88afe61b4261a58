"""
Behind a proxy that lends a server's connection for one transaction at a time: pgbouncer.

Where it is not found the tests are skipped; where CI is set they fail.

Source: https://www.pgbouncer.org/features.html (transaction pooling)
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from strandline import Cursor, Ingest, MemoryStore, decode, open_store
from strandline.forum import SCHEMA
from strandline.forum.world import world
from strandline.ingest import layout_of
from strandline.testing.laws import told
from strandline_postgres import transaction
from strandline_postgres.testing import Server

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
NOBODY = 65534 if os.geteuid() == 0 else None
LOG = tuple(decode(line) for line in world(5, 600))
BATCH = 50
DEADLINE_S: Final = 30.0

pytestmark = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"), reason="pgbouncer is not here: apt-get install pgbouncer"
)


@contextmanager
def proxy(server: Server) -> Iterator[Path]:
    """Run a proxy of a server whose clients share six connections; yield the folder of its socket."""
    assert PROGRAM is not None, "CI is set: apt-get install pgbouncer"
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        settings = folder / "ini"
        settings.write_text(
            f"[databases]\n* = host={server.folder} user=postgres\n[pgbouncer]\nlisten_port = 5432\nunix_socket_dir = {folder}\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 6\n"
        )
        if NOBODY is not None:
            for path in (folder, settings):
                shutil.chown(path, NOBODY, NOBODY)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, str(settings)], stdout=log, stderr=log, user=NOBODY, group=NOBODY, extra_groups=None
            )
        try:
            _await_answer(process, folder)
            yield folder
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _await_answer(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not (folder / ".s.PGSQL.5432").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("copies", [1, transaction.COPIED])
def test_an_index_is_the_same_behind_a_proxy(
    server: Server, schema: str, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "COPIED", copies)

    async def folded(url: str) -> None:
        expected = MemoryStore(layout_of(SCHEMA))
        plain = Ingest(expected, SCHEMA)
        writers = [Ingest(await open_store(url, SCHEMA), SCHEMA) for _ in range(3)]
        try:
            for at in range(0, len(LOG), BATCH):
                await plain.fold(LOG[at : at + BATCH], Cursor("0", at))
            await asyncio.gather(*(part(index, at) for at, index in enumerate(writers)))
            await writers[0].finish()
            await plain.finish()
            reader = await open_store(url, SCHEMA, write=False)
            views = [table.name for table in expected.layout.views]
            assert [await told(reader, views)] == [await told(expected, views)]
            await writers[1].rebuild()
            assert [await told(reader, views)] == [await told(expected, views)]
            assert [drift async for drift in writers[0].verify(MemoryStore(layout_of(SCHEMA)))] == []
            await reader.close()
        finally:
            for index in writers:
                await index.store.close()

    with proxy(server) as folder:
        asyncio.run(folded(f"postgresql://postgres@/postgres?host={folder}&schema={schema}&statement_cache_size=0"))


async def part(index: Ingest, number: int) -> None:
    """Fold a third of the log, and something of the next."""
    third = len(LOG) // 3
    for at in range(number * third, min(len(LOG), number * third + third + BATCH), BATCH):
        await index.fold(LOG[at : at + BATCH], Cursor(str(number), at))
