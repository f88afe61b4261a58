"""
The directions of imports, read from the source: `src/` is pure, the engine knows no forum, adapters know no other; and
no pattern has what early releases of Python 3.11 match wrongly.

Every rule is a function from one module's text to its breaches, so that each is also shown to catch one.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    {"errors", "masking", "memo", "wirejson"},
    {"syntax", "event", "lexicon", "wire", "words"},
    {"following", "schema", "register", "judge", "packing", "ports", "session"},
    {"shares", "delta"},
    {"draft", "prepare", "views", "fold"},
    {"jobs", "rebuild", "page", "ingest", "memory"},
    {"copying", "index", "letters"},
]
LAYER = {f"strandline.{name}": depth for depth, names in enumerate(LAYERS) for name in names}
LIBRARIES = {"attr", "attrs", "cattr", "cattrs", "uniseg"}
IMPURE = {
    *("asyncio.subprocess", "ctypes", "fcntl", "getpass", "glob", "http", "io", "locale", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "platform", "random", "resource", "secrets", "selectors", "shutil", "signal"),
    *("socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request", "uuid"),
}
IMPURE_CALLS = {
    "open",
    "print",
    "input",
    "breakpoint",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}
FORUM_WORDS = {
    *(
        "forum",
        "post",
        "comment",
        "vote",
        "upvote",
        "downvote",
        "community",
        "communitie",
        "feed",
        "discover",
    ),  # less an s
    *("timeline", "subscription", "subscriber", "profile", "karma", "reputation", "coves"),
}

Rule = Callable[[str, ast.Module], Iterator[str]]


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, and every name imported from one, dotted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_testing(module: str) -> bool:
    return within(module, {"strandline.testing", "strandline.forum.testing"})


def layer(name: str) -> int | None:
    return LAYER.get(".".join(name.split(".")[:2]))


def pure(module: str, tree: ast.Module) -> Iterator[str]:
    allowed = {"random", "random.Random"} if within(module, {"strandline.forum.world"}) else set()
    yield from (name for name in imports(tree) if within(name, IMPURE) and name not in allowed)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        seeded = called.endswith("Random") and (call.args or call.keywords)
        if called in IMPURE_CALLS or ((called.startswith("random.") or called == "Random") and not seeded):
            yield f"{called}()"


def few_libraries(module: str, tree: ast.Module) -> Iterator[str]:
    allowed = LIBRARIES | set(sys.stdlib_module_names) | {"strandline"}
    allowed |= {"orjson"} if module == "strandline.wirejson" else set()
    allowed |= {"hypothesis", "pytest"} if is_testing(module) else set()
    yield from (name for name in imports(tree) if name.split(".")[0] not in allowed)


def engine_knows_no_forum_and_no_testing(module: str, tree: ast.Module) -> Iterator[str]:
    forbidden = (
        set() if within(module, {"strandline.forum"}) or module == "strandline.testing" else {"strandline.forum"}
    )
    forbidden |= set() if is_testing(module) else {"strandline.testing", "strandline.forum.testing"}
    yield from (name for name in imports(tree) if within(name, forbidden))


def engine_in_layers(module: str, tree: ast.Module) -> Iterator[str]:
    if module == "strandline" or within(module, {"strandline.forum", "strandline.testing"}):
        return
    depth = layer(module)
    if depth is None:
        yield f"{module} has no place in LAYERS"
        return
    for name in imports(tree):
        if within(name, {"strandline"}) and not ((below := layer(name)) is not None and below <= depth):
            yield name


def forum_uses_public_names(module: str, tree: ast.Module) -> Iterator[str]:
    if within(module, {"strandline.forum"}):
        for name in imports(tree):
            if within(name, {"strandline"}) and not within(name, {"strandline.forum"}) and "._" in name:
                yield name


SRC_RULES: list[Rule] = [
    pure,
    few_libraries,
    engine_knows_no_forum_and_no_testing,
    engine_in_layers,
    forum_uses_public_names,
]


def adapters_know_the_core_alone(module: str, tree: ast.Module) -> Iterator[str]:
    own = module.split(".")[0]
    if own != "strandline_cli":
        yield from (name for name in imports(tree) if name.startswith("strandline_") and not within(name, {own}))


def stores_hold_no_forum_word(module: str, tree: ast.Module) -> Iterator[str]:
    if within(module, {"strandline_sqlite", "strandline_postgres", "strandline.memory"}):
        yield from (name for name in imports(tree) if within(name, {"strandline.forum"}))
        for node in ast.walk(tree):
            for name in identifiers(node):
                words = {word.lower() for word in re.findall("[A-Z]?[a-z]+", name)}
                if FORUM_WORDS & (words | {word.removesuffix("s") for word in words}):
                    yield name


def identifiers(node: ast.AST) -> Iterator[str]:
    for field in ("id", "attr", "arg", "name", "asname"):
        value = getattr(node, field, None)
        if isinstance(value, str):
            yield value


def no_group_repeats_possessively(module: str, tree: ast.Module) -> Iterator[str]:
    """As `strandline.syntax` tells; two modules do, and tell why they may."""
    if module not in ("strandline.wirejson", "strandline.lexicon.datamodel"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                yield from re.findall(r"\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>", text)


ADAPTER_RULES: list[Rule] = [adapters_know_the_core_alone, stores_hold_no_forum_word, no_group_repeats_possessively]


def modules(root: Path) -> dict[str, ast.Module]:
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_bytes())
        for path in sorted(root.rglob("*.py"))
    }


def breaches(found: dict[str, ast.Module], rules: list[Rule]) -> list[str]:
    return [
        f"{module}: {rule.__name__}: {what}"
        for module, tree in found.items()
        for rule in rules
        for what in rule(module, tree)
    ]


def test_src_is_pure_and_imports_one_way() -> None:
    found = modules(ROOT / "src")
    assert len(found) > 20
    assert breaches(found, [*SRC_RULES, stores_hold_no_forum_word, no_group_repeats_possessively]) == []


def test_adapters_know_the_core_and_no_other() -> None:
    found = modules(ROOT / "adapters")
    assert len(found) > 5
    assert breaches(found, ADAPTER_RULES) == []


def test_no_module_of_the_engine_imports_itself_by_a_detour() -> None:
    found = modules(ROOT / "src")
    graph = {
        module: {it for name in imports(tree) for it in (name, name.rpartition(".")[0])} & found.keys() - {module}
        for module, tree in found.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize(
    ("module", "text", "rule"),
    [
        ("strandline.fold", "import time", pure),
        ("strandline.fold", "from os import environ", pure),
        ("strandline.fold", "def f():\n    from pathlib import Path", pure),
        ("strandline.fold", "datetime.now(UTC)", pure),
        ("strandline.fold", "open('x')", pure),
        ("strandline.forum.rank", "import random", pure),
        ("strandline.forum.world", "import random\nrandom.random()", pure),
        ("strandline.forum.world", "from random import Random\nRandom()", pure),
        ("strandline.forum.world", "from random import choice", pure),
        ("strandline.fold", "import orjson", few_libraries),
        ("strandline.forum.queries", "import pytest", few_libraries),
        ("strandline.fold", "from strandline import forum", engine_knows_no_forum_and_no_testing),
        ("strandline.fold", "import strandline.testing.strategies", engine_knows_no_forum_and_no_testing),
        ("strandline.forum.queries", "import strandline.forum.testing", engine_knows_no_forum_and_no_testing),
        ("strandline.event", "from strandline.fold import fold", engine_in_layers),
        ("strandline.fold", "from strandline import Commit", engine_in_layers),
        ("strandline.fold", "import strandline_sqlite\nimport strandline", engine_in_layers),
        ("strandline.nowhere", "", engine_in_layers),
        ("strandline.forum.schema", "from strandline.fold import _state", forum_uses_public_names),
        ("strandline_files.lines", "import strandline_sqlite", adapters_know_the_core_alone),
        ("strandline_sqlite.store", "def count_communities(): ...", stores_hold_no_forum_word),
        ("strandline_sqlite.store", "class FeedPage: ...", stores_hold_no_forum_word),
        ("strandline_sqlite.store", "import strandline.forum", stores_hold_no_forum_word),
        ("strandline.syntax", 'rf"(?:{label}\\.)++x"', no_group_repeats_possessively),
        ("strandline.syntax", 'rb"(?:a+){1,3}+"', no_group_repeats_possessively),
        ("strandline.syntax", 'r"(?>a+)b"', no_group_repeats_possessively),
    ],
)
def test_each_rule_catches_what_breaks_it(module: str, text: str, rule: Rule) -> None:
    assert list(rule(module, ast.parse(text)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("strandline.forum.world", "from random import Random\nRandom(7)"),
        ("strandline.testing.strategies", "import hypothesis"),
        ("strandline.wirejson", "import orjson"),
        ("strandline.fold", "from strandline.event import Commit\nfrom datetime import datetime"),
        ("strandline_cli.app", "import strandline_sqlite"),
        ("strandline_sqlite.store", "postpone = postgres = thread"),
        ("strandline_cli.show", 'r"(?:[a-z]{1,8}+)+(?P<a>b)*c++"'),
    ],
)
def test_what_is_allowed_is_let_pass(module: str, text: str) -> None:
    assert breaches({module: ast.parse(text)}, SRC_RULES if module.startswith("strandline.") else ADAPTER_RULES) == []
