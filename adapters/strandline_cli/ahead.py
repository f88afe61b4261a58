"""
The next batch prepared in a second process, while this one folds and commits.

Decoding and judging need no store and are half of the work, so a machine with two cores takes a log in sooner. One
batch is ahead and no more, so memory stays flat. The second process ends with this one, however that ends: its pipe
is closed then.

Source: https://docs.python.org/3/library/multiprocessing.html#pipes-and-queues
"""

import gc
import marshal
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final

from attrs import define, evolve

from strandline import LogError, decode
from strandline.draft import Draft
from strandline.forum import SCHEMA
from strandline.judge import compile_judges
from strandline.prepare import PIECE, Given, Prepared, prepare
from strandline.register import REGISTER
from strandline_cli.stop import Stopped

__all__ = ["COLLECT_EVERY", "prepared", "unhurried_collection"]

COLLECT_EVERY: Final = 1_000_000
"""Objects made between two collections of garbage: those of a few batches."""

KEY: Final = REGISTER.key_size


@contextmanager
def unhurried_collection() -> Iterator[None]:
    """Collect garbage less often: a batch is many objects and no cycles."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def prepared(chunks: Iterator[list[bytes]], *, ahead: bool) -> Iterator[Prepared]:
    """
    Yield each chunk of lines as a batch ready to be folded; trouble with a chunk comes after those before it.

    Args:
        chunks: Lines of a log, a batch each.
        ahead: Ask for a chunk before the one before it is folded: wrong where the next may be long in coming. Without
            a second core it is not done.
    """
    given = Given(SCHEMA, compile_judges(SCHEMA))
    if ahead and (os.cpu_count() or 1) > 1:
        with closing(_Helper(given)) as helper:
            yield from _one_ahead(helper, chunks)
    else:
        yield from (_prepared(given, lines) for lines in chunks)


def _one_ahead(helper: "_Helper", chunks: Iterator[list[bytes]]) -> Iterator[Prepared]:
    lines, trouble = _next(chunks)
    begun = False
    while lines is not None:
        following, trouble = _next(chunks)
        ready = helper.take(lines) if begun else None
        if following is not None:
            helper.send(following)
        yield _prepared(helper.given, lines) if ready is None else ready
        del ready  # it is great, and the next is about to be made
        lines, begun = following, True
    if trouble is not None:
        raise trouble


def _next(chunks: Iterator[list[bytes]]) -> tuple[list[bytes] | None, BaseException | None]:
    try:
        return next(chunks, None), None
    except (LogError, OSError, Stopped) as trouble:
        return None, trouble


def _prepared(given: Given, lines: list[bytes]) -> Prepared:
    return prepare(given, map(decode, lines))


@define
class _Helper:
    """The second process, as this one sees it: begun with the first lines, and, once lost, done without."""

    given: Given
    _begun: bool = False
    _process: SpawnProcess | None = None
    _connection: Connection | None = None

    def send(self, lines: list[bytes]) -> None:
        """Begin to prepare lines; what was begun before has been taken."""
        if not self._begun:
            self._begun = True
            with suppress(OSError):  # no room for one more process: it is done without
                self._begin()
        self._tried(lambda connection: connection.send(lines))

    def take(self, lines: list[bytes]) -> Prepared:
        """Return the lines last sent, prepared."""
        pieces = self._tried(lambda connection: connection.recv())
        return _unpacked(pieces) if isinstance(pieces, list) else _prepared(self.given, lines)

    def close(self) -> None:
        """End the process; it has nothing to lose."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _begin(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with closing(theirs), _deaf():
            process.start()
        self._process, self._connection = process, ours

    def _tried(self, work: Callable[[Connection], object]) -> object:
        try:
            return None if self._connection is None else work(self._connection)
        except (EOFError, OSError):
            self._connection = None
            return None


@contextmanager
def _deaf() -> Iterator[None]:
    """Let what is begun within the block not hear Ctrl-C: it is for this process to answer."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _packed(batch: Prepared) -> Iterator[bytes]:
    """
    Yield a batch as bytes, piece by piece: so much less is held at a time.

    What there is most of is plain values but for the names of their parts: it goes by `marshal`, which takes a quarter
    of the time.
    """
    rest = evolve(batch, registers={}, draft=Draft())
    yield pickle.dumps(rest, pickle.HIGHEST_PROTOCOL)
    registers, draft = [*batch.registers.values()], batch.draft
    for at in range(0, len(registers), PIECE):
        yield marshal.dumps([tuple(it) for it in registers[at : at + PIECE]])
    rows = {view: (len(next(iter(found), ())), [*found.values()]) for view, found in draft.rows.items()}
    yield marshal.dumps((draft.sums, rows, draft.rivals))


def _unpacked(pieces: list[bytes]) -> Prepared:
    rest, *registers, draft = pieces
    ready: Prepared = pickle.loads(rest)
    for piece in registers:
        ready.registers.update((row[:KEY], row) for row in marshal.loads(piece))
    sums, rows, rivals = marshal.loads(draft)
    ready.draft = Draft(sums, {view: {it[:size]: it for it in found} for view, (size, found) in rows.items()}, rivals)
    return ready


def _work(connection: Connection) -> None:
    """Prepare what comes through the pipe, until it is closed."""
    given = Given(SCHEMA, compile_judges(SCHEMA))
    with unhurried_collection():
        try:
            while True:
                connection.send(list(_packed(_prepared(given, connection.recv()))))
        except (EOFError, OSError):
            return
