"""A failing log, cut to what makes it fail."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strandline_cli.commands.shrink import fewest

Cli = Callable[..., Any]

CHECK = "import sys; log = open(sys.argv[1]).read(); sys.exit('nine' in log and 'seventy' in log)"


@given(guilty=st.sets(st.integers(0, 60), min_size=1, max_size=5), size=st.integers(1, 61))
def test_only_what_is_guilty_is_left_and_in_order(guilty: set[int], size: int) -> None:
    guilty = {it % size for it in guilty}
    assert fewest(range(size), lambda some: guilty <= {*some}) == sorted(guilty)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 9))
def test_nothing_left_can_be_left_out_alone(items: list[int], sum_: int) -> None:
    def fails(some: Any) -> bool:
        return bool(sum(some) >= sum_)

    if fails(items):
        left = fewest(items, fails)
        assert fails(left)
        assert not any(fails([*left[:at], *left[at + 1 :]]) for at in range(len(left)) if len(left) > 1)


def test_a_log_is_cut_to_its_guilty_lines(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(["one", "nine", *"abcdefgh", "seventy", "last"]) + "\n")
    (tmp_path / "check.py").write_text(CHECK)
    check = f"{sys.executable} {tmp_path / 'check.py'}"
    said = cli("shrink", tmp_path / "log", "--check", check)
    assert (said.code, said.out) == (0, "nine\nseventy\n")
    assert "2 of 12 lines" in said.err
    assert cli("shrink", tmp_path / "log", "--check", check, "--out", tmp_path / "small.gz").code == 0
    assert cli("shrink", tmp_path / "small.gz", "--check", check).out == said.out


def test_a_check_that_does_not_fail_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\n")
    for check in ("true", " "):
        said = cli("shrink", tmp_path / "log", "--check", check)
        assert (said.code, said.out) == (2, "")
        assert "does not fail" in said.err
    assert "cannot be run" in cli("shrink", tmp_path / "log", "--check", "/no/such/program").err
    assert cli("shrink", tmp_path / "none", "--check", "false").code == 3
