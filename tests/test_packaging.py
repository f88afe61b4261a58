"""
The distribution: what is in it, and that it works where only it is installed.

An environment here holds the built wheel and exactly those of the developer's installed packages that the wheel's own
metadata asks for, linked in, so that a requirement that was never declared is missing as it would be for a user.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

pytestmark = [pytest.mark.packaging, pytest.mark.xdist_group("packaging")]

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = sorted(path.parent.name for path in [*ROOT.glob("src/*/py.typed"), *ROOT.glob("adapters/*/py.typed")])
TYPED: Final = """
from collections.abc import Iterator

from strandline.event import Commit, decode
from strandline_files import read_lines


def repositories(path: str) -> Iterator[str]:
    for line in read_lines(path):
        event = decode(line)
        if isinstance(event, Commit):
            yield event.did
"""


def run(*command: str | Path, cwd: Path, fails: bool = False) -> str:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "MYPY"))
    }
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, f"{command} exited {done.returncode}:\n{output}"
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """The folder that holds the sdist, and the wheel that was built from it."""
    tree = folder / "tree"
    rubbish = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.db*", "*.egg-info")
    shutil.copytree(ROOT, tree, ignore=rubbish)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", tree, cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(folder: Path, wheel: Path) -> Path:
    """An environment without any extra."""
    return environment(folder / "bare", wheel, extra="")


@pytest.fixture(scope="module")
def full(folder: Path, wheel: Path) -> Path:
    """An environment with every extra."""
    return environment(folder / "full", wheel, extra="all")


def environment(where: Path, wheel: Path, extra: str) -> Path:
    run(sys.executable, "-m", "venv", "--without-pip", where, cwd=wheel.parent)
    site = next(where.glob("lib/python*/site-packages"))
    for needed in requirements(wheel, extra):
        link(distribution(needed), site)
    python = where / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel, cwd=where)
    return where


def requirements(wheel: Path, extra: str) -> set[str]:
    """The names of all that the wheel's metadata asks for with `extra`, and what that asks for in turn."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    needed: set[str] = set()
    todo = [(requirement, extra) for requirement in asked]
    while todo:
        text, wanted = todo.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": wanted}):
            continue
        if requirement.name == "strandline":
            todo += [(other, inner) for other in asked for inner in requirement.extras]
        elif requirement.name not in needed:
            needed.add(requirement.name)
            theirs = distribution(requirement.name).requires or []
            todo += [(other, inner) for other in theirs for inner in ("", *requirement.extras)]
    return needed


def link(installed: Distribution, site: Path) -> None:
    for top in {path.parts[0] for path in installed.files or [] if ".." not in path.parts}:
        target = Path(str(installed.locate_file(top)))
        if target.exists() and target.name != "__pycache__" and not (site / top).exists():
            (site / top).symlink_to(target)


def test_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert {"strandline", "strandline_cli", "strandline_files", "strandline_postgres", "strandline_sqlite"} <= set(
        PACKAGES
    )
    for package in PACKAGES:
        assert {f"{package}/__init__.py", f"{package}/py.typed"} <= set(names)
    assert not [name for name in names if re.search(r"(^|/)test_|conftest|\.md$|__pycache__|\.db$", name)]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_holds_every_module_of_the_tree(wheel: Path) -> None:
    roots = [ROOT / "src", ROOT / "adapters"]
    tree = {str(path.relative_to(root)) for root in roots for path in root.rglob("*.py")}
    assert tree == {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}


def test_wheel_holds_what_the_pages_are_made_of(wheel: Path) -> None:
    root = ROOT / "adapters"
    tree = {
        str(path.relative_to(root)) for path in root.rglob("*.*") if path.suffix in (".html", ".css", ".js", ".zdict")
    }
    assert {"strandline_http/pages/templates/base.html", "strandline_http/pages/static/strandline.css"} <= tree
    assert tree <= set(zipfile.ZipFile(wheel).namelist())


def test_pages_are_made_where_only_the_wheel_is(folder: Path, wheel: Path) -> None:
    env = environment(folder / "pages", wheel, extra="http")
    making = (
        "from strandline_http.pages.html import FILES, render\n"
        "from strandline_http.pages.links import Links\n"
        "print(render('whose.html', Links('', '/timeline', {}), did=None, who='').count('</h1>'), len(FILES))"
    )
    assert run(env / "bin/python", "-W", "error", "-c", making, cwd=folder).strip() == "1 2"


def test_sdist_holds_what_is_needed_to_build_and_test(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "Makefile",
        "tests/conftest.py",
        "tests/test_packaging.py",
    } <= names
    assert not [name for name in names if name.startswith((".venv", "build/", "dist/")) or "__pycache__" in name]


def test_wheel_of_the_tree_is_the_wheel_of_the_sdist(folder: Path, built: Path, wheel: Path) -> None:
    direct = folder / "direct"
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", direct, folder / "tree", cwd=folder)
    contents = [
        {info.filename: info.CRC for info in zipfile.ZipFile(path).infolist()}
        for path in (wheel, *direct.glob("*.whl"))
    ]
    assert contents[0] == contents[1]


def test_sdist_installs(folder: Path, built: Path) -> None:
    sdist = next(built.glob("*.tar.gz"))
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder / "from-sdist", sdist, cwd=folder)
    env = environment(folder / "sdist", next((folder / "from-sdist").glob("*.whl")), extra="")
    run(env / "bin/python", "-c", "import strandline.forum", cwd=folder)


def test_core_works_without_any_extra(folder: Path, bare: Path) -> None:
    imports = "import strandline, strandline.forum, strandline_files, sys; print('orjson' in sys.modules)"
    assert run(bare / "bin/python", "-W", "error", "-c", imports, cwd=folder).strip() == "False"


def test_command_without_its_extra_names_the_extra_in_plain_words(folder: Path, bare: Path) -> None:
    output = run(bare / "bin/strandline", "--version", cwd=folder, fails=True)
    assert re.search(r"strandline\[\w+\]", output)
    assert "Traceback" not in output


def test_command_says_its_version(folder: Path, full: Path, wheel: Path) -> None:
    assert wheel.name.split("-")[1] in run(full / "bin/strandline", "--version", cwd=folder)


def test_testing_kit_imports_with_its_extra_alone(folder: Path, wheel: Path) -> None:
    env = environment(folder / "testing", wheel, extra="testing")
    run(env / "bin/python", "-c", "import strandline.testing, strandline.forum.testing", cwd=folder)


def test_stores_are_found_by_name(folder: Path, full: Path) -> None:
    loading = (
        "from importlib.metadata import entry_points\n"
        "print(sorted(e.name for e in entry_points(group='strandline.stores') if callable(e.load())))"
    )
    assert (
        run(full / "bin/python", "-c", loading, cwd=folder).strip() == "['memory', 'postgres', 'postgresql', 'sqlite']"
    )


def test_types_reach_a_program_outside(folder: Path, full: Path) -> None:
    (folder / "right.py").write_text(TYPED)
    (folder / "wrong.py").write_text(TYPED.replace("yield event.did", "yield event.seen_us"))
    mypy: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        full / "bin/python",
        "--cache-dir",
    ]
    assert "Success" in run(*mypy, folder / "types", "right.py", cwd=folder)
    assert "wrong.py" in run(*mypy, folder / "types", "wrong.py", cwd=folder, fails=True)
