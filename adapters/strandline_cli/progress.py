"""
Progress on a terminal: how much of a log is read, and how fast. In a pipe there is none.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from strandline_cli.show import console, text

if TYPE_CHECKING:  # where nobody sees it, it need not be loaded
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Progress", "showing_progress", "working"]


class Progress(Protocol):
    """Is told what goes on."""

    def began(self, log: str) -> None:
        """A log is about to be read."""
        ...

    def took(self, count: int, read_bytes: int) -> None:
        """So many more lines were taken in, by which so many bytes of the log, unpacked, were read in all."""
        ...

    def finishing(self) -> None:
        """No more is read; what follows for accounts that were hidden or restored is being written."""
        ...

    def end(self) -> None:
        """Nothing more will come; leave the terminal as it was."""
        ...


class _Silent:
    def began(self, log: str) -> None:
        pass

    def took(self, count: int, read_bytes: int) -> None:
        pass

    def finishing(self) -> None:
        pass

    def end(self) -> None:
        pass


class _Shown:
    def __init__(self, bar: "Bar") -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._taken = 0

    def began(self, log: str) -> None:
        self._taken = 0
        self._show(text(log).plain, _plain_bytes(log), "0")

    def took(self, count: int, read_bytes: int) -> None:
        if self._task is not None:
            self._taken += count
            task = self._bar.tasks[0]
            rate = self._taken / task.elapsed if task.elapsed else 0
            told = f"{self._taken:,} lines, {rate:,.0f}/s"
            self._bar.update(self._task, completed=read_bytes, count=told)

    def finishing(self) -> None:
        self._show("accounts hidden and restored", None, "")

    def end(self) -> None:
        self._bar.stop()

    def _show(self, what: str, total: int | None, count: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total, count=count)


def _plain_bytes(log: str) -> int | None:
    """Return a log's size in bytes; None where its lines' sizes say nothing of it."""
    if log == "-" or log.endswith((".gz", ".zst")):
        return None
    path = Path(log)
    return path.stat().st_size if path.is_file() else None


@contextmanager
def showing_progress() -> Iterator[Progress]:
    """Show progress on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console(error=True), transient=True, refresh_per_second=5) as bar:
        yield _Shown(bar)


def working(words: str) -> AbstractContextManager[Any]:
    """Show on a terminal that something goes on whose end cannot be foretold; print nothing meanwhile."""
    return console(error=True).status(words) if sys.stderr.isatty() else nullcontext()
