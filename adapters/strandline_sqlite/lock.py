"""
One writer: a lock on a file beside the store, held by the kernel for as long as the process lives.

SQLite itself lets many processes take turns at writing; an index that reads, decides and then writes must not.
"""

import fcntl
import os
from pathlib import Path

from strandline.errors import StoreError, StoreLocked, StoreReadOnly

__all__ = ["WriterLock"]


class WriterLock:
    """A held lock; `release` lets it go, and so does the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> "WriterLock":
        """
        Take the lock of the store at `path`, at once or not at all.

        Raises:
            StoreLocked: another process holds it; the text names its process id.
            StoreReadOnly: the folder may not be written.
            StoreError: the folder is not there.
        """
        beside = path.with_name(f"{path.name}-writer")
        try:
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError:
            raise StoreReadOnly(f"the folder of {str(path)!r} may not be written; nothing was changed") from None
        except OSError as error:
            raise StoreError(f"the store {str(path)!r} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"the store {str(path)!r} is being written by process {holder or '(unknown)'}; it has one writer at "
                "a time: stop that one, or wait for it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return cls(descriptor)

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)
