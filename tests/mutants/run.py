"""
Put known bugs in, one after the other, and see the suite find each.

A mutant is a patch that makes one line wrong, with a head that says what goes wrong then and which tests must fail.
Each is applied to a copy of the tree, in which only those tests run. First they run on a copy without a bug, and must
pass there: a test that always fails kills nothing.

Source: https://en.wikipedia.org/wiki/Mutation_testing
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from attrs import frozen

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
COPIED: Final = ("src", "adapters", "tests", "pyproject.toml")
PACKAGES: Final = ("strandline", "strandline_cli", "strandline_files", "strandline_http", "strandline_sqlite")

LOGS: Final = 1200
"""STRANDLINE_LOGS for the suites: one share of the laws, of four, sees 300."""

PATIENCE_S: Final = 300
"""Seconds after which a suite counts as not having ended."""


@frozen
class Mutant:
    """
    A bug, and what must notice it.

    Attributes:
        name: Of its patch, without the ending.
        patch: The patch, from the project's root.
        killers: Ids of the tests of which one at least must fail.
    """

    name: str
    patch: Path
    killers: tuple[str, ...]


@frozen
class Fate:
    """What became of a mutant: a word that begins with "killed" or not, by which test, and in how many seconds."""

    told: str
    killer: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether a test failed that should."""
        return self.told == "killed"


def main() -> int:
    """Run the mutants; return 0 if all are killed."""
    asked = _parser().parse_args()
    mutants = [it for it in map(_read, sorted(HERE.glob("*.patch"))) if not asked.only or it.name in asked.only]
    unknown = sorted({*asked.only} - {it.name for it in mutants})
    if unknown or not mutants:
        print(f"no such mutant: {', '.join(unknown) or HERE}", file=sys.stderr)
        return 2
    if not _are_green({killer for it in mutants for killer in it.killers}, asked.jobs):
        return 1
    width = max(len(it.name) for it in mutants)
    killed = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        waiting = {pool.submit(_fate, mutant): mutant for mutant in mutants}
        for done in as_completed(waiting):
            fate = done.result()
            killed += fate.killed
            print(f"{fate.told:13} {fate.seconds:5.1f} s  {waiting[done].name:{width}}  {fate.killer}", flush=True)
    print(f"{killed} of {len(mutants)} killed")
    return 0 if killed == len(mutants) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Put known bugs in and see the suite find each.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this mutant; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: 2)")
    return parser


def _read(patch: Path) -> Mutant:
    head = patch.read_text().partition("\n--- ")[0]
    killers = tuple(re.findall(r"^Killer: (\S+)$", head, re.MULTILINE))
    if not killers or not head.startswith("Failure: "):
        raise SystemExit(f"{patch}: its head must say `Failure: what goes wrong` and `Killer: a test's id`")
    return Mutant(patch.stem, patch, killers)


def _are_green(killers: set[str], jobs: int) -> bool:
    began = perf_counter()
    with _copy() as copy:
        code, said = _run(copy, sorted(killers), "-n", str(jobs))
    if code != 0:
        print(f"{said}\nthe suites fail without any mutant", file=sys.stderr)
        return False
    print(f"green         {perf_counter() - began:5.1f} s  {len(killers)} suites without a mutant", flush=True)
    return True


def _fate(mutant: Mutant) -> Fate:
    began = perf_counter()
    with _copy() as copy:
        told, killer = _verdict(mutant, copy)
    return Fate(told, killer, perf_counter() - began)


def _verdict(mutant: Mutant, copy: Path) -> tuple[str, str]:
    if not _applies(mutant.patch, copy):
        return "did not apply", ""
    code, said = _run(copy, mutant.killers)
    if code == 0:
        return "survived", ""
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said, re.MULTILINE)
    if code == 1 and failed:
        return "killed", failed[1]
    return "no verdict", "timed out" if code is None else " ".join(said.splitlines()[-1:])


@contextmanager
def _copy() -> Iterator[Path]:
    """Copy the tree to a folder that goes when the block ends, and check that its packages are those imported."""
    with TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder).resolve()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
            else:
                shutil.copy2(ROOT / name, copy / name)
        _check_imports(copy)
        yield copy


def _check_imports(copy: Path) -> None:
    asked = f"from importlib.util import find_spec; print(*(find_spec(it).origin for it in {PACKAGES}), sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", asked], cwd=copy, env=_environment(copy), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for origin in found:
        if not Path(origin).resolve().is_relative_to(copy):
            raise SystemExit(f"the copy's packages are not those imported: {origin}")


def _applies(patch: Path, copy: Path) -> bool:
    # Elsewhere than in a repository, or git would pass over what that does not hold.
    outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    done = subprocess.run(["git", "apply", "-C1", str(patch)], cwd=copy, env=outside, capture_output=True)
    return done.returncode == 0


def _run(copy: Path, killers: Sequence[str], *options: str) -> tuple[int | None, str]:
    """Run tests in a copy until one fails; return pytest's exit code, None if it did not end, and what it said."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "plain", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *options, *killers],
            cwd=copy,
            env=_environment(copy),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return None, f"not done after {PATIENCE_S} s"
    return done.returncode, done.stdout


def _environment(copy: Path) -> dict[str, str]:
    paths = (copy / "src", copy / "adapters", copy / "tests" / "mutants")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STRANDLINE_")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "STRANDLINE_LOGS": str(LOGS),
    }


if __name__ == "__main__":
    sys.exit(main())
