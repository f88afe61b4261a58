"""
The advisory locks of a store, all of them held to the end of a transaction and taken in this order.

A batch shares `rebuild` and holds `write`: batches follow one another, and wait while a rebuild, which holds
`rebuild` alone, lasts. Opening a store for writing holds `migrate`.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

import hashlib

from attrs import frozen

__all__ = ["Locks"]


@frozen
class Locks:
    """The statements that take the locks of the store in a schema."""

    schema: str

    @property
    def migrating(self) -> str:
        """Wait for whoever migrates, and be the one."""
        return f"SELECT pg_advisory_xact_lock({self._number('migrate')})"

    @property
    def writing(self) -> str:
        """Wait for a rebuild's end and for the other writers, and be the one that writes."""
        return f"SELECT pg_advisory_xact_lock_shared({self._number('rebuild')}); {self.writing_beside}"

    @property
    def writing_beside(self) -> str:
        """Wait for the other writers, and be the one that writes, within a rebuild."""
        return f"SELECT pg_advisory_xact_lock({self._number('write')})"

    @property
    def rebuilding(self) -> str:
        """Wait for all writers and rebuilds, and let none begin."""
        return f"SELECT pg_advisory_xact_lock({self._number('rebuild')})"

    @property
    def idle(self) -> str:
        """Tell whether nobody writes or rebuilds, and if so let none begin."""
        return f"SELECT pg_try_advisory_xact_lock({self._number('rebuild')})"

    def _number(self, what: str) -> int:
        digest = hashlib.sha256(f"strandline/{self.schema}/{what}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)
