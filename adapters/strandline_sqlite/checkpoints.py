"""
What is committed, moved from the WAL into the file beside the writer, so that no batch waits for it.

A passive checkpoint holds up neither writer nor readers. It is made in a thread, on a connection of its own: one
call, in which Python is not needed. SQLite's own, which the writer waits for, is left for when these do not keep up.

Source: https://www.sqlite.org/wal.html#ckpt
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from threading import Thread
from typing import Final

__all__ = ["Checkpoints"]

ROWS: Final = 20_000
"""Rows written between two checkpoints."""


class Checkpoints:
    """
    The checkpoints of one file.

    Args:
        connect: Opens another connection to it.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._thread: Thread | None = None
        self._rows = 0

    def wrote(self, rows: int) -> None:
        """Some rows were committed."""
        self._rows += rows
        if self._rows >= ROWS and (self._thread is None or not self._thread.is_alive()):
            self._rows = 0
            self._thread = Thread(target=self._checkpoint, name="strandline checkpoint", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait for the checkpoint that is at work."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _checkpoint(self) -> None:
        with suppress(sqlite3.Error), closing(self._connect()) as connection:  # the next one will do it
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
