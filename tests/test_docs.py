"""
The documentation says what is so: its code runs, its links lead somewhere, and every public name stands in it.

The blocks of one page run in order in one folder: `python` ones share a namespace, `console` ones run their
`$ strandline …` lines and must succeed, `console exact` ones must also print what stands below them, `sql` ones are
asked of a demo store, or said to a PostgreSQL database with which `STRANDLINE_STORE` is set where they are
`sql postgres`. Text that is not to be run says what it is (`text`, `toml`, …); a fence that says nothing is an
error.
"""

import ast
import asyncio
import importlib
import inspect
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

import asyncpg
import pytest
from attrs import frozen

from strandline import layout_of
from strandline.event import BAD_REASONS
from strandline.forum import SCHEMA
from strandline_cli.app import SECTIONS
from strandline_cli.exit import CODES

pytestmark = pytest.mark.docs

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
RUNNING: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
INERT: Final = {"text", "toml", "json", "make", "ini", "yaml", "diff", "bash"}
PUBLIC: Final = [
    "strandline",
    "strandline.forum",
    "strandline.testing",
    "strandline.forum.testing",
    "strandline_sqlite",
    "strandline_postgres",
    "strandline_files",
    "strandline.forum.xrpc",
    "strandline_http",
]
DEMO_COMMANDS: Final = [  # as in `make demo`, with a tenth of its events
    "strandline world --seed 7 --events 2000 --out demo.ndjson",
    "strandline --store sqlite:///demo.db replay demo.ndjson",
]
FENCE: Final = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^ *(?P=ticks) *$", re.S | re.M
)
LINK: Final = re.compile(r"\]\(<?([^()<>\s]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.M)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@frozen
class Block:
    """One fenced block: its info string, its text without the fence's indent, and the line its text begins on."""

    info: str
    text: str
    line: int


def blocks(markdown: str) -> Iterator[Block]:
    """
    >>> [block.info for block in blocks("```python\\n1\\n```\\n\\n```\\n2\\n```\\n")]
    ['python', '']
    """
    for fence in FENCE.finditer(markdown):
        indent = re.compile(f"^{fence['indent']}", re.M)
        yield Block(
            fence["info"].strip(), indent.sub("", fence["body"]), markdown.count("\n", 0, fence.start("body")) + 1
        )


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of a demo store, built once from DEMO_COMMANDS."""
    folder = tmp_path_factory.mktemp("demo")
    for command in DEMO_COMMANDS:
        shell(command, folder)
    return folder / "demo.db"


@pytest.mark.parametrize("page", [page for page in RUNNING if "```" in page.read_text()], ids=page_id)
def test_every_block_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    found = list(blocks(page.read_text()))
    if any("postgres" in block.info.split() for block in found):
        monkeypatch.setenv("STRANDLINE_STORE", request.getfixturevalue("postgres")(18).url())
    for block in found:
        language, *options = block.info.split()
        if language == "python":
            run_python(block, page, module)
        elif language == "console":
            run_console(block, tmp_path, exact="exact" in options)
        elif language == "sql" and "postgres" in options:
            asyncio.run(say_sql(block, os.environ["STRANDLINE_STORE"]))
        elif language == "sql":
            run_sql(block, request.getfixturevalue("demo_store"))


def run_python(block: Block, page: Path, module: ModuleType) -> None:
    lines = "\n" * (block.line - 1) + block.text
    exec(compile(lines, str(page), "exec"), vars(module))


def run_sql(block: Block, store: Path) -> None:
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        for statement in filter(str.strip, block.text.split(";")):
            database.execute(statement).fetchall()
    finally:
        database.close()


async def say_sql(block: Block, url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(block.text)
    await connection.close()


def run_console(block: Block, folder: Path, *, exact: bool) -> None:
    for command, output in commands(block.text):
        if command.startswith("strandline "):
            said = shell(command, folder)
            assert not exact or said.rstrip() == output, f"{command!r} of line {block.line} says otherwise"


def commands(text: str) -> Iterator[tuple[str, str]]:
    r"""
    Yield the commands of a console block, each with what is shown below it.

    >>> list(commands("# first\n$ strandline a \\\n    b\nsaid\n$ strandline c\n"))
    [('strandline a b', 'said'), ('strandline c', '')]
    """
    text = re.sub(r"\\\n\s*", "", re.sub(r"^# .*\n", "", text, flags=re.M))
    for shown in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, output = shown.partition("\n")
        yield command, output.rstrip()


def shell(command: str, folder: Path) -> str:
    installed = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = os.environ | {"PATH": installed, "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command!r} exited {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_fence_says_what_it_holds(page: Path) -> None:
    for block in blocks(page.read_text()):
        assert block.info, f"line {block.line}: a fence without a language"
        language, *options = block.info.split()
        assert language in INERT | {"python", "console", "sql"}, f"line {block.line}: unknown language {language!r}"
        assert set(options) <= {"exact", "postgres"}, f"line {block.line}: unknown option in {block.info!r}"


def prose(page: Path) -> str:
    return re.sub("`[^`\n]+`", "`code`", FENCE.sub("", page.read_text()))


@cache
def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+?)(?: +#+)?$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for found in LINK.finditer(prose(page)):
        link = found[1] or found[2]
        if re.match("[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{link!r} leads nowhere"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target.resolve()), f"{link!r}: no such heading"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_tells_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert [public for public in names(module) if not told(module, public)] == []


def names(module: ModuleType) -> list[str]:
    public: list[str] = module.__all__
    return [public_name for public_name in public if not public_name.startswith("__")]


def told(module: ModuleType, name: str) -> bool:
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return bool(vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__)
    return name in constants_told()


@cache
def constants_told() -> set[str]:
    """The constants that a text stands under; a value has no docstring of its own to ask for."""
    return {
        name
        for root in ("src", "adapters")
        for path in (ROOT / root).rglob("*.py")
        for name in told_below(ast.parse(path.read_bytes()).body)
    }


def told_below(body: list[ast.stmt]) -> Iterator[str]:
    r"""
    >>> list(told_below(ast.parse("A = 1\n'what A is'\nB: int = 2").body))
    ['A']
    """
    for statement, below in pairwise(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_stands_in_the_reference(name: str) -> None:
    reference = "\n".join(page.read_text() for page in sorted(ROOT.glob("docs/reference/*.md")))
    words = set(re.findall(r"\w+", reference))
    assert [public for public in names(importlib.import_module(name)) if public not in words] == []


TABLES: Final = [name for table in layout_of(SCHEMA).tables.values() for name in (table.name, *table.position)]
COMMANDS: Final = [name for section in SECTIONS.values() for name in section]


@pytest.mark.parametrize(
    ("page", "every"),
    [
        ("tables", TABLES),
        ("events", BAD_REASONS),
        ("lexicon", SCHEMA.kind_of),
        ("command-line", [*COMMANDS, *map(str, CODES)]),
    ],
)
def test_a_page_of_the_reference_leaves_nothing_out(page: str, every: Iterable[str]) -> None:
    words = set(re.findall(r"[\w.-]+", (ROOT / f"docs/reference/{page}.md").read_text()))
    assert [name for name in every if name not in words] == []


@pytest.mark.parametrize("page", ["invariants", "reference/coves"])
def test_the_tests_that_a_page_names_are_there(page: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / f"docs/{page}.md").read_text())
    assert named
    assert [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


@pytest.mark.parametrize(
    ("body", "error"),
    [("x = 1\nassert x == 2", AssertionError), ("undefined", NameError)],
)
def test_a_wrong_block_is_caught(body: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_python(Block("python", body, 1), ROOT / "README.md", ModuleType("page"))


def test_blocks_of_a_page_are_found_with_their_lines() -> None:
    page = "# Title\n\n```python\na = 1\n```\n\n1. step\n\n   ```console exact\n   $ strandline x\n   said\n   ```\n````text\n```\n````\n"
    assert list(blocks(page)) == [
        Block("python", "a = 1\n", 4),
        Block("console exact", "$ strandline x\nsaid\n", 10),
        Block("text", "```\n", 14),
    ]


def test_commands_are_told_from_comments_and_output() -> None:
    text = "# first\n$ strandline a \\\n    b\nsaid\n$ strandline c\n"
    assert list(commands(text)) == [("strandline a b", "said"), ("strandline c", "")]
