"""
The next batch read and prepared in a second process, while this one folds and commits.

Reading, decoding and judging need no store and are half of the work, so a machine with two cores takes a log in
sooner. One batch is ahead and no more, so memory stays flat. The second process ends with this one, however that ends:
its pipe is closed then.

Source: https://docs.python.org/3/library/multiprocessing.html#pipes-and-queues
"""

import gc
import marshal
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from attrs import define, evolve

from strandline import LogError, decode
from strandline.draft import Draft
from strandline.forum import SCHEMA
from strandline.judge import compile_judges
from strandline.ports import Key
from strandline.prepare import PIECE, Given, Prepared, prepare
from strandline.register import REGISTER
from strandline.schema import Row
from strandline_cli.stop import Stopped
from strandline_files import read_lines

__all__ = ["COLLECT_EVERY", "Read", "batches", "unhurried_collection"]

COLLECT_EVERY: Final = 1_000_000
"""Objects made between two collections of garbage: those of a few batches."""


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


class Read(NamedTuple):
    """A batch ready to be folded, and how many bytes of its log, unpacked, were read by its end."""

    batch: Prepared
    read_bytes: int


def batches(log: str, *, skip: int, size: int, ahead: bool) -> Iterator[Read]:
    """
    Yield a log in batches of `size` lines, behind the first `skip` lines.

    Args:
        log: Its path, or "-" for standard input.
        skip: How many lines to pass over.
        size: How many lines a batch has; the last one has what is left.
        ahead: Read and prepare a batch while the one before it is folded: for a file, which can be read twice.
            Without a second core, and for a log of one batch, it is not done.

    Raises:
        LogError: the log cannot be read, or not further: what was read before was yielded.
    """
    given = Given(SCHEMA, compile_judges(SCHEMA))
    identity = _identity(log)
    pieces = _pieces(log, skip, size)
    first = next(pieces, None)
    if first is None:
        return
    if not ahead or (os.cpu_count() or 1) < 2 or len(first.lines) < size:
        for piece in chain([first], pieces):
            yield _prepared(given, piece)
        return
    taken = 0
    with closing(_Helper()) as helper:
        helper.begin(log, identity, skip + size, size)
        yield _prepared(given, first)
        del first  # it is great, and so are those to come
        while (read := helper.take()) is not None:
            taken += 1
            yield read
            del read
    if helper.lost:
        yield from (_prepared(given, piece) for piece in islice(pieces, taken, None))
    pieces.close()


_Identity = tuple[int, int] | None


class _Piece(NamedTuple):
    lines: list[bytes]
    read_bytes: int


def _pieces(log: str, skip: int, size: int) -> Generator[_Piece, None, None]:
    """Cut a log; where there is trouble, or a signal comes, the lines before it are one more piece."""
    taken: list[bytes] = []
    passed = read_bytes = 0
    try:
        for line in read_lines(log):
            read_bytes += len(line) + 1
            if passed < skip:
                passed += 1
                continue
            taken.append(line)
            if len(taken) == size:
                yield _cut(taken, read_bytes)
    except (LogError, Stopped):
        if taken:
            yield _Piece(taken, read_bytes)
        raise
    if passed < skip:
        raise LogError(
            f"{log!r} holds {passed:,} lines, but {skip:,} were taken in: it is not the log it was; "
            "take it in from its beginning, without --resume"
        )
    if taken:
        yield _Piece(taken, read_bytes)


def _cut(taken: list[bytes], read_bytes: int) -> _Piece:
    """Return the lines taken as a piece, and hold them no longer: who cuts may wait until the log is read elsewhere."""
    piece = _Piece([*taken], read_bytes)
    taken.clear()
    return piece


def _identity(log: str) -> _Identity:
    """Return what tells the file of a name from others; None for none."""
    try:
        found = Path(log).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepared(given: Given, piece: _Piece) -> Read:
    return Read(prepare(given, map(decode, piece.lines)), piece.read_bytes)


@define
class _Helper:
    """The second process, as this one sees it; once lost, it is done without."""

    lost: bool = False
    _process: SpawnProcess | None = None
    _connection: Connection | None = None

    def begin(self, log: str, identity: _Identity, skip: int, size: int) -> None:
        """Begin to read and prepare what stands behind the first `skip` lines of a log, if it is that file there."""
        context = get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, log, identity, skip, size), daemon=True)
        with closing(theirs):
            try:
                with _deaf():
                    process.start()
            except OSError:  # no room for one more process
                ours.close()
                self.lost = True
                return
        self._process, self._connection = process, ours

    def take(self) -> Read | None:
        """Return the next batch; None after the last one, or if it will not come. Raises as `batches`."""
        if self._connection is None:
            return None
        try:
            told = self._connection.recv()
            if isinstance(told, Read):
                _fill(told.batch, iter(self._connection.recv_bytes, b""))
                return told
        except (EOFError, OSError):
            self.lost = True
            return None
        if told is not None:
            raise told
        return None

    def close(self) -> None:
        """End the process; it has nothing to lose."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Let what is begun within the block not hear Ctrl-C: it is for this process to answer."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _send(connection: Connection, read: Read) -> None:
    """
    Send a batch, part by part: so much less is held at a time.

    What there is most of is plain values but for the names of their parts: it goes by `marshal`, which takes a quarter
    of the time.
    """
    registers, draft = [*read.batch.registers.values()], read.batch.draft
    connection.send(Read(evolve(read.batch, registers={}, draft=Draft()), read.read_bytes))
    rows = {view: (len(next(iter(found), ())), [*found.values()]) for view, found in draft.rows.items()}
    connection.send_bytes(marshal.dumps((draft.sums, rows, draft.rivals)))
    for at in range(0, len(registers), PIECE):
        connection.send_bytes(marshal.dumps([tuple(it) for it in registers[at : at + PIECE]]))
    connection.send_bytes(b"")


def _fill(batch: Prepared, parts: Iterator[bytes]) -> None:
    """Put into a batch what was sent behind it."""
    sums, rows, rivals = marshal.loads(next(parts))
    batch.draft = Draft(sums, {view: _by_key(found, size) for view, (size, found) in rows.items()}, rivals)
    for part in parts:
        batch.registers |= _by_key(marshal.loads(part), REGISTER.key_size)


def _by_key(rows: Sequence[Row], size: int) -> dict[Key, Row]:
    return dict(zip(map(itemgetter(slice(size)), rows), rows, strict=True))


def _work(connection: Connection, log: str, identity: _Identity, skip: int, size: int) -> None:
    """
    Read a log and send its batches, and at last what stopped it, or None, until nobody listens any more.

    Where the name is that of another file by now, or in this process, nothing is sent.
    """
    if _identity(log) != identity:
        return
    given = Given(SCHEMA, compile_judges(SCHEMA))
    with unhurried_collection(), suppress(OSError):
        try:
            for piece in _pieces(log, skip, size):
                _send(connection, _prepared(given, piece))
        except LogError as trouble:
            connection.send(trouble)
        else:
            connection.send(None)
