"""Whatever text the world throws at an index: PostgreSQL holds and tells it as memory and SQLite do."""

import asyncio
import json
import random
import string
from pathlib import Path
from typing import Any

import pytest

from strandline import Column, Cursor, Ingest, Layout, MemoryStore, Store, StoreError, Table, decode, open_store
from strandline.forum import SCHEMA, digest
from strandline.forum.dump import dump_lines
from strandline.ingest import layout_of
from strandline.schema import Type
from strandline.testing.laws import told
from strandline_postgres import open_store as open_postgres
from strandline_postgres import transaction

DICE = random.Random(7)
TID = "234567abcdefghijklmnopqrstuvwxyz"
SMALL = string.ascii_lowercase + string.digits
COMMUNITY, AUTHOR = "did:plc:" + "c" * 24, "did:plc:" + "a" * 24
CID = f"bafyrei{'a' * 51}q"
AT = "2026-06-01T03:23:55.014Z"

UGLY = (
    *("plain", "\\u0000", "a\\u0000b", "\\\\", "\\\\N", "\\t", "\\n\\r", "\\u0001\\u007f", "\\ud800", "\\udfff\\ud800"),
    *("\\ud83c\\udf0a", "\u202eright to left", "\u0627\u0644\u0633\u0644\u0627\u0645", "\u05e9\u05dc\u05d5\u05dd"),
    *("e\u0301", "\ufeff", "\uffff", "\U0010ffff", "{}", "'; DROP TABLE post; --", "$1", "%s", '\\"', "NULL", "  "),
)
"""Text as JSON spells it, so that it may hold what no text in Python's files should."""

NUMBERS = ("0", "-0", "1e15", "1000000000000000", "9007199254740991", "9007199254740993", "1.5", "-1e400", "1e-400")


def line(did: str, collection: str, rkey: str, record: str, *, number: int) -> bytes:
    """Return a line of the wire, whose record is what is given."""
    rev = f"3k{TID[number // 32]}{TID[number % 32]}22222222a"
    commit = {"rev": rev, "operation": "create", "collection": collection, "rkey": rkey}
    told = json.dumps({**commit, "record": 0, "cid": CID})
    body = told.replace('"record": 0', f'"record": {record}')
    return f'{{"did":{json.dumps(did)},"time_us":{1780284235194014 + number},"kind":"commit","commit":{body}}}'.encode()


def community(did: str = COMMUNITY, number: int = 0) -> bytes:
    """Return the line that makes a community."""
    record = {
        "$type": "social.coves.community.profile",
        "createdAt": AT,
        "createdBy": AUTHOR,
        "hostedBy": AUTHOR,
        "name": "a",
        "visibility": "public",
        "federation": {"allowExternalDiscovery": True},
    }
    return line(did, "social.coves.community.profile", "self", json.dumps(record), number=number)


def post(title: str, content: str, extra: str = "0", *, number: int, did: str = COMMUNITY, rkey: str = "") -> bytes:
    """Return the line of a post; its texts as JSON spells them."""
    record = (
        f'{{"$type":"social.coves.community.post","community":"{did}","author":"{AUTHOR}","createdAt":"{AT}",'
        f'"title":"{title}","content":"{content}","extra":{extra}}}'
    )
    return line(did, "social.coves.community.post", rkey or f"post{number}", record, number=number)


def subscription(actor: str, subject: str, rkey: str, *, number: int) -> bytes:
    record = {
        "$type": "social.coves.community.subscription",
        "createdAt": AT,
        "subject": subject,
        "contentVisibility": 1,
    }
    return line(actor, "social.coves.community.subscription", rkey, json.dumps(record), number=number)


def vote(actor: str, subject: str, rkey: str, *, number: int) -> bytes:
    record = {
        "$type": "social.coves.feed.vote",
        "createdAt": AT,
        "direction": "up",
        "subject": {"uri": subject, "cid": CID},
    }
    return line(actor, "social.coves.feed.vote", rkey, json.dumps(record), number=number)


def comment(actor: str, root: str, rkey: str, *, number: int) -> bytes:
    strong = {"uri": root, "cid": CID}
    record = {
        "$type": "social.coves.community.comment",
        "createdAt": AT,
        "content": "yes",
        "reply": {"root": strong, "parent": strong},
    }
    return line(actor, "social.coves.community.comment", rkey, json.dumps(record), number=number)


def noise(length: int, letters: str = SMALL) -> str:
    """Return text that no compression makes short."""
    return "".join(DICE.choices(letters, k=length))


def web(length: int) -> str:
    """Return a did of that length."""
    return "did:web:" + noise(length - 8 - 5) + ".test"


def uglies() -> list[bytes]:
    every = [(text, number) for text in UGLY for number in NUMBERS[:2]] + [("t", number) for number in NUMBERS]
    lines = [community()]
    for at, (text, number) in enumerate(every, 1):
        lines.append(post(text, text, number, number=at))
        lines.append(post("t", "c", f'{{"{text}":"{text}"}}', number=at, rkey=f"key{at}"))
    return lines


def longest() -> list[bytes]:
    """The longest identifiers that are legal, and none that compression would help."""
    did, other, rkey = web(512), web(512), noise(512)
    uri = f"at://{did}/social.coves.community.post/{rkey}"
    far = web(2048)
    lines = [community(did), post("t", "c", number=1, did=did, rkey=rkey)]
    for actor in (other, did):
        for at, subject in enumerate((far, far, did, did)):
            lines.append(subscription(actor, subject, noise(512), number=20 + at))
        lines.append(vote(actor, uri, noise(512), number=4))
        lines.append(vote(actor, uri, noise(512), number=5))
        lines.append(comment(actor, uri, noise(512), number=6))
    handle = json.dumps("\U0010ffff" * 500)
    identity = f'{{"did":"{AUTHOR}","handle":{handle},"seq":1,"time":"{AT}"}}'
    lines.append(f'{{"did":"{AUTHOR}","time_us":1780284235194099,"kind":"identity","identity":{identity}}}'.encode())
    return lines


def great() -> list[bytes]:
    """Records of 900 kB, and lines as long as a line may be."""
    big = noise(900_000, string.printable[:62] + "é🌊")
    texts = [json.dumps(big)[1:-1], json.dumps(big, ensure_ascii=False)[1:-1]]
    lines = [community(), *(post("t", "c", f'"{text}"', number=at) for at, text in enumerate(texts, 1))]
    return [*lines, b"x" * 70_000, b'{"did":"' + b"\\u0000" * 700_000 + b'"}', b"\x00\xff\xfe", b""]


def hostile_logs() -> dict[str, list[bytes]]:
    return {"ugly": uglies(), "longest": longest(), "great": great()}


async def held(store: Store, lines: list[bytes]) -> tuple[dict[str, list[Any]], str]:
    """Return all rows and the digest of a log folded into a new store, and that it is the same after a rebuild."""
    index = Ingest(store, SCHEMA)
    for start in range(0, len(lines), 20):
        await index.fold([decode(it) for it in lines[start : start + 20]], Cursor("log", start))
    await index.finish()
    rows, told_as = await told(store), digest(sorted([it async for it in dump_lines(store)]))
    await index.rebuild()
    assert digest(sorted([it async for it in dump_lines(store)])) == told_as
    await store.close()
    return rows, told_as


@pytest.mark.parametrize("name", ["ugly", "longest", "great"])
@pytest.mark.parametrize("copies", [1, transaction.COPIED])
def test_every_store_holds_and_tells_the_same(
    url: str, tmp_path: Path, name: str, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "COPIED", copies)

    async def compared() -> None:
        lines = hostile_logs()[name]
        rows, told_as = await held(MemoryStore(layout_of(SCHEMA)), lines)
        assert len(rows["register"]) > 2
        for at in (f"sqlite:///{tmp_path}/a.db", url, f"{url}_plain&statement_cache_size=0"):
            assert await held(await open_store(at, SCHEMA), lines) == (rows, told_as), at

    asyncio.run(compared())


def test_values_are_told_apart_whatever_characters_they_hold(url: str) -> None:
    """Keys go to the server as a text a column, apart by a character that is in none of them; rows are told in two ways."""
    controls = [chr(code) for code in range(1, 0x100)]
    keys: list[tuple[str, int, str]] = [("", 0, ""), ("a", 1, ""), ("", 2, "a"), ("".join(controls), 3, "a\x1f")]
    keys += [(f"a{it}b", at, it) for at, it in enumerate(controls)]
    columns = (Column("value", null=True), Column("number", Type.INTEGER, null=True), Column("flag", Type.FLAG))
    table = Table("odd", (Column("one"), Column("at", Type.INTEGER), Column("two"), *columns), key_size=3)
    numbers = Table("numbers", (Column("number", Type.INTEGER), Column("value")))
    layout = Layout(kept=(table, numbers), views=(), stamp={})

    def rows(salt: str) -> dict[Any, Any]:
        values = [None, "", salt, *(f"{it}{salt}" for it in controls), "".join(controls)]
        counts = [None, 0, -1, 10**15, -(1 << 63), (1 << 63) - 1]
        return {key: (*key, values[at % len(values)], counts[at % len(counts)], at % 2) for at, key in enumerate(keys)}

    async def found() -> None:
        store = await open_postgres(url, layout)
        try:
            for salt, some in (("old", keys), ("new", keys), ("newer", keys[:50]), ("new", keys[:50])):
                kept = {key: row for key, row in rows(salt).items() if key in some}
                async with store.transaction() as transaction:
                    await transaction.commit({"odd": kept, "numbers": {(at,): (at, salt) for at in range(9)}})
                assert await store.get("odd", some) == kept
            for key in keys[:9]:
                async with store.transaction() as transaction:
                    await transaction.commit({"odd": {key: rows("one")[key]}})
                assert await store.get("odd", [key, ("none", 1, "")]) == {key: rows("one")[key]}
            async with store.transaction() as transaction:
                await transaction.commit({"odd": dict.fromkeys(keys[::2]), "numbers": {(1,): None}})
            assert {*await store.get("odd", keys)} == {*keys[1::2]}
            assert len(await store.get("numbers", [(at,) for at in range(9)])) == 8
        finally:
            await store.close()

    asyncio.run(found())


@pytest.mark.parametrize("row", [(1, 1, 1), ("a", "1", 1), ("a", 1 << 63, 1), ("a", 1, 2), ("a", 1, None)])
def test_a_value_of_another_type_is_refused_and_nothing_is_written(url: str, row: Any) -> None:
    table = Table("typed", (Column("name"), Column("number", Type.INTEGER), Column("flag", Type.FLAG)))

    async def refused() -> None:
        store = await open_postgres(url, Layout(kept=(table,), views=(), stamp={}))
        try:
            with pytest.raises(StoreError, match="cannot hold a value"):
                async with store.transaction() as transaction:
                    await transaction.commit({"typed": {(row[0],): row}})
            assert await store.get("typed", [("a",)]) == {}
            if not isinstance(row[0], str):
                with pytest.raises(StoreError, match="cannot hold a value"):
                    await store.get("typed", [(row[0],)])
        finally:
            await store.close()

    asyncio.run(refused())
