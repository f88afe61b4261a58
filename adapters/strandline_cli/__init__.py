"""
The command `strandline`.

This file imports without any extra, so that where the libraries of the command line are not installed it can say
which extra to install. `app` holds the command itself, `commands` a file for each or a few of its subcommands.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]

_NEEDED = {"click", "rich"}
_MISSING = 2
_STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run `strandline` with some arguments, by default those of the process; return its exit code.

    The codes are those of `strandline_cli.exit.CODES`.
    """
    try:
        from strandline_cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        print(
            f"strandline: error: the command line needs {error.name!r}, which is not installed; install it with\n"
            "    pip install 'strandline[all]'",
            file=sys.stderr,
        )
        return _MISSING
    except KeyboardInterrupt:
        return _STOPPED
    return run(arguments)
