"""
Logs into a store, in batches, each committed with how many lines of its log are taken in.

Where a log ends early, what was read before is committed in whole batches, the last one shorter; then the trouble is
told. Where the store is in trouble, or somebody presses Ctrl-C, the batches that were committed stand, and one that was
only read ahead is read again. So a replay can always go on, or be begun again: the views are the same.
"""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
from attrs import asdict, define, frozen

from strandline import Cursor, Ingest, LogError, Outcome
from strandline.forum import SCHEMA
from strandline_cli.ahead import batches, unhurried_collection
from strandline_cli.command import Command, json_option, store_of, store_option
from strandline_cli.loop import run
from strandline_cli.opened import writing
from strandline_cli.progress import Progress, showing_progress
from strandline_cli.show import by_reason, card, console, print_json
from strandline_cli.stop import Stopped, held

__all__ = ["replay"]

PROCESSES: Final = 2
"""So many at most take in a log, unless it is said otherwise."""


@frozen
class Way:
    """How logs are taken in: the options of the command."""

    batch: int | None
    processes: int
    resume: bool

    @property
    def words(self) -> list[str]:
        """The options as they are typed, so that it goes on as it began."""
        batch = [] if self.batch is None else ["--batch", str(self.batch)]
        processes = [] if self.processes == PROCESSES else ["--processes", str(self.processes)]
        return [*batch, *processes, "--resume"]


@define
class Sofar:
    """How far a replay has come: lines passed over, and seconds at work."""

    skipped: int = 0
    seconds: float = 0.0


@click.command(
    cls=Command,
    examples=(
        "strandline replay log.ndjson --store sqlite:///forum.db",
        "strandline replay day1.ndjson.zst day2.ndjson.gz --store sqlite:///forum.db --resume",
        "zcat log.gz | strandline replay - --store sqlite:///forum.db",
    ),
)
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@store_option
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Lines a commit; the views do not differ. Unless said, 14,000, and 28,000 into PostgreSQL.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, PROCESSES),
    default=PROCESSES,
    help="At most so many. With 2, the default, a second one prepares the next batch of a file on a second core.",
)
@click.option("--resume", is_flag=True, help="Pass over the lines of each log that were taken in before.")
@json_option
def replay(logs: Sequence[str], url: str | None, as_json: bool, **way: Any) -> None:
    """
    Take logs into a store.

    A LOG is a file of one Jetstream event a line, plain, gzip or zstd, or "-" for standard input; v1 and v2 lines may
    be mixed. A log taken in twice changes nothing. Bad lines are counted and kept as dead letters; they stop nothing.

    Stopped by Ctrl-C, the command finishes the batch in hand and says how to go on. How many lines of each log were
    taken in is kept under the log's absolute path, so a log may grow between two runs with --resume, but not change.
    """
    url, how = store_of(url), Way(**way)
    _refuse_missing(logs[0])
    sofar = Sofar()
    with writing(url, new=True) as store, unhurried_collection(), showing_progress() as progress:
        ingest = Ingest(store, SCHEMA)
        began = perf_counter()
        try:
            try:
                for log in logs:
                    _take_in(ingest, log, how, sofar, progress)
            except LogError:  # what was read before it stands, with all that follows from it
                _finish(ingest, progress)
                raise
            _finish(ingest, progress)
        except Stopped as stopped:
            stopped.hint = f"go on with\n    {_again(logs, url, how)}"
            raise
        finally:
            sofar.seconds = perf_counter() - began
            progress.end()
            _tell(ingest.outcome, sofar, how.resume, as_json)


def _refuse_missing(log: str) -> None:
    """Refuse a log that is not there, before a store is made for it."""
    if log != "-" and not Path(log).exists():
        raise LogError(f"{log!r} does not exist: check the path; `-` is standard input")


def source_of(log: str) -> str:
    """Return the name under which is kept how many lines of a log were taken in."""
    path = os.fsencode(Path(log).absolute()).decode("utf-8", "backslashreplace")
    return "stdin" if log == "-" else f"file:{path}"


def _take_in(ingest: Ingest, log: str, how: Way, sofar: Sofar, progress: Progress) -> None:
    source = source_of(log)
    position = (run(ingest.cursor(source)) or 0) if how.resume else 0
    sofar.skipped += position
    progress.began(log)
    size, ahead = how.batch or ingest.batch, how.processes > 1 and log != "-" and Path(log).is_file()
    for batch, read_bytes in batches(log, skip=position, size=size, ahead=ahead):
        with held():
            position += len(batch)
            run(ingest.fold(batch, Cursor(source, position), later=True))
            progress.took(len(batch), read_bytes)
            del batch  # it is great, and the next is about to be made


def _finish(ingest: Ingest, progress: Progress) -> None:
    progress.finishing()
    run(ingest.finish())


def _again(logs: Sequence[str], url: str, how: Way) -> str:
    command = shlex.join(["strandline", "replay", *logs, "--store", url, *how.words])
    return f"{command}\nand the same standard input, from its beginning" if "-" in logs else command


def _tell(outcome: Outcome, sofar: Sofar, resume: bool, as_json: bool) -> None:
    rate = round(outcome.read / sofar.seconds) if sofar.seconds else 0
    if as_json:
        told = asdict(outcome) | {"skipped": sofar.skipped, "seconds": round(sofar.seconds, 3), "eventsPerSecond": rate}
        print_json(told)
        return
    rows = {
        "skipped": f"{sofar.skipped:,}  taken in before" if resume else None,
        "read": f"{outcome.read:,}",
        "applied": f"{outcome.applied:,}",
        "stale": f"{outcome.stale:,}",
        "other apps'": f"{outcome.other:,}",
        "control": f"{outcome.control:,}",
        "bad": by_reason(outcome.bad),
        "quarantined": by_reason(outcome.quarantined),
        "events/s": f"{rate:,}",
    }
    console().print(card(rows))
