"""
One writer: a lock on a file beside the store, held by the kernel for as long as the process lives.

SQLite itself lets many processes take turns at writing; an index that reads, decides and then writes must not.
"""

import errno
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from strandline.errors import StoreError, StoreFull, StoreLocked, StoreReadOnly

__all__ = ["WriterLock"]


_BY_ERRNO: Mapping[int | None, tuple[type[StoreError], str]] = {
    errno.EACCES: (StoreReadOnly, "the folder of {!r} may not be written; nothing was changed"),
    errno.EPERM: (StoreReadOnly, "the folder of {!r} may not be written; nothing was changed"),
    errno.EROFS: (StoreReadOnly, "the file system of {!r} may not be written; nothing was changed"),
    errno.ENOSPC: (StoreFull, "there is no room left for the store {!r}; nothing was changed"),
    errno.EDQUOT: (StoreFull, "there is no room left for the store {!r}; nothing was changed"),
    errno.EFBIG: (StoreFull, "there is no room left for the store {!r}; nothing was changed"),
}


class WriterLock:
    """A held lock; `release` lets it go, and so does the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> "WriterLock":
        """
        Take the lock of the store at `path`, at once or not at all; links to one file share its lock.

        Raises:
            StoreLocked: another process holds it; the text names its process id.
            StoreReadOnly: the folder may not be written.
            StoreFull: there is no room for the lock.
            StoreError: the folder is not there.
        """
        try:
            return cls._take(path)
        except OSError as error:
            kind, told = _BY_ERRNO.get(
                error.errno, (StoreError, f"the store {{!r}} cannot be opened: {error.strerror}")
            )
            raise kind(told.format(str(path))) from None

    @classmethod
    def _take(cls, path: Path) -> "WriterLock":
        beside = Path(f"{os.path.realpath(path)}-writer")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"the store {str(path)!r} is being written by process {holder or '(unknown)'}; it has one writer at "
                "a time: stop that one, or wait for it"
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let the lock go; once gone, nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
