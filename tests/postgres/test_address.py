"""Where a store is: what URLs say, what is refused, and that no password is shown."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest

from strandline import StoreUnavailable, UnknownStore, open_store
from strandline.forum import SCHEMA
from strandline_postgres.address import address_of
from strandline_postgres.testing import Server


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgresql://me:secret@db.example:5433/forum", "postgresql://me:secret@db.example:5433/forum"),
        ("postgres://db.example/forum?schema=a", "postgres://db.example/forum"),
        ("postgresql:///forum?host=/run/pg&schema=a", "postgresql:///forum?host=%2Frun%2Fpg"),
        ("postgresql://me@/forum?host=a,b&port=1,2&pool_size=9", "postgresql://me@/forum?host=a%2Cb&port=1%2C2"),
        ("postgresql://%2Frun%2Fpg/forum", "postgresql://%2Frun%2Fpg/forum"),
        (
            "postgresql://h/f?sslmode=require&statement_cache_size=0&connect_timeout=3",
            "postgresql://h/f?sslmode=require",
        ),
    ],
)
def test_a_libpq_url_goes_to_the_driver_without_our_parameters(url: str, dsn: str) -> None:
    assert address_of(url).dsn == dsn


def test_our_parameters_are_read() -> None:
    address = address_of("postgresql://h/f?schema=a%22b&statement_cache_size=0&pool_size=5&connect_timeout=3")
    assert (address.schema, address.statement_cache_size, address.pool_size) == ('a"b', 0, 5)
    assert (address.connect_timeout_s, address.proxied, address_of("postgresql://h/f").schema) == (
        3,
        True,
        "strandline",
    )


@pytest.mark.parametrize(
    ("url", "folders"),
    [
        ("postgresql:///f?host=/run/pg", ("/run/pg",)),
        ("postgresql://me@%2Frun%2Fpg/f", ("/run/pg",)),
        ("postgresql:///f?host=/a,b,/c", ("/a", "/c")),
        ("postgresql://h/f", ()),
    ],
)
def test_the_folders_of_sockets_are_known(url: str, folders: tuple[str, ...]) -> None:
    assert address_of(url).folders == folders


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:secret@h/f",
        "postgresql://me:secret@h/f#part",
        "postgresql://me:secret@h/f?schema=",
        "postgresql://me:secret@h/f?schema=pg_toast",
        "postgresql://me:secret@h/f?schema=" + "é" * 32,
        "postgresql://me:secret@h/f?pool_size=3",
        "postgresql://me:secret@h/f?pool_size=many",
        "postgresql://me:secret@h/f?statement_cache_size=-1",
        "postgresql://me:secret@h/f?connect_timeout=0",
        "postgresql://me:secret@[h/f",
        "postgresql://h/f?password=secret&pool_size=1",
    ],
)
def test_what_is_no_url_is_refused_and_its_password_not_shown(url: str) -> None:
    with pytest.raises(UnknownStore) as refused:
        address_of(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql://h:port/f", "postgresql://h/f?sslmode=never", "postgresql://me:se/cr?et@h/f?schema=a"]
)
def test_what_the_driver_cannot_read_is_refused(url: str) -> None:
    with pytest.raises(UnknownStore) as refused:
        asyncio.run(open_store(url, SCHEMA))
    assert "cr?et" not in str(refused.value)


def test_a_mistyped_folder_is_told_at_once_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@/f?{urlencode({'host': tmp_path / 'nowhere'})}"
    with pytest.raises(StoreUnavailable, match="no folder") as told:
        asyncio.run(asyncio.wait_for(open_store(url, SCHEMA), 2))
    assert "secret" not in str(told.value)


def test_a_database_that_is_not_there_is_told_without_the_password(server: Server) -> None:
    url = server.url(database="nowhere", user="postgres:secret")
    with pytest.raises(Exception, match="no such database") as told:
        asyncio.run(open_store(url, SCHEMA))
    assert "secret" not in str(told.value)


def test_every_form_of_url_opens_the_same_store(server: Server, schema: str) -> None:
    folder = str(server.folder)
    quoted = folder.replace("/", "%2F")
    urls = [
        f"postgresql://postgres@/postgres?host={folder}&schema={schema}",
        f"postgres:///postgres?host={quoted}&user=postgres&schema={schema}",
        f"postgresql://postgres@{quoted}/postgres?schema={schema}&statement_cache_size=0",
    ]

    async def opened() -> None:
        for url in urls:
            store = await open_store(url, SCHEMA)
            assert await store.get("cursor", [("log",)]) == {}
            await store.close()

    asyncio.run(opened())
