"""
How `strandline` ends: one table of exit codes, and which error gives which.

The engine is imported only once there is an error of its to tell, so that `strandline --help` is quick.
"""

from collections.abc import Mapping
from typing import Final

import click

__all__ = ["CODES", "NotThere", "code_of", "telling"]

OK: Final = 0
WRONG: Final = 1
USAGE: Final = 2
LOG: Final = 3
STORE: Final = 4
BUG: Final = 70
OUTPUT: Final = 74

CODES: Final[Mapping[int, str]] = {
    OK: "all went well, or the reader of the output had enough",
    WRONG: "something wrong was found (drift, an unsound store), or what was asked for is not there",
    USAGE: "the command was not understood",
    LOG: "a log cannot be read or written",
    STORE: "the store is in trouble: locked, full, out of reach, damaged, read-only, stale, too new or missing",
    BUG: "a bug in strandline",
    OUTPUT: "the output, or a temporary file, cannot be written",
    130: "stopped by Ctrl-C (SIGINT)",
    143: "stopped by SIGTERM",
}
"""Every exit code, with its meaning."""


class NotThere(click.ClickException):
    """What was asked for is not in the store."""

    exit_code = WRONG


def code_of(error: Exception) -> int | None:
    """Return the exit code for an error that is somebody's fault; None for a bug."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, OSError):
        return OUTPUT
    from strandline.errors import InvalidSyntax, LogError, StoreError, UnknownStore

    if isinstance(error, UnknownStore | InvalidSyntax):
        return USAGE
    if isinstance(error, LogError):
        return LOG
    return STORE if isinstance(error, StoreError) else None


def telling(error: Exception) -> str:
    """Return what to tell of an error, in words."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "strandline"
        return f"{error.format_message()}\nTry '{path} --help'."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        where = f": {error.filename!r}" if error.filename else ""
        return f"cannot write: {error.strerror or error}{where}"
    return str(error)
