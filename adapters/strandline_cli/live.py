"""
Following a Jetstream from the command line: what `run` and `record` share.

A signal ends it after the batch in hand, if that is done within a second; else, or at a second signal, the batch is
given up, whose rows and place are committed together or not at all. Whatever then still hangs is left behind. On a
terminal a line tells how it goes, as JSON if asked; in a pipe nothing but the summary at the end does.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Group
from rich.text import Text

from strandline.session import Filter, Host
from strandline.syntax import Did
from strandline_cli.loop import hush
from strandline_cli.show import by_reason, card, console, text, when
from strandline_cli.stop import Stopped, answering

if TYPE_CHECKING:  # it needs an extra
    from strandline_jetstream import Follower, Status

__all__ = [
    "END_S",
    "collections_option",
    "compress_option",
    "dids_option",
    "follow_until_stopped",
    "hosts_of",
    "json_status_option",
    "wanted_of",
]

F = TypeVar("F", bound=Callable[..., Any])

FORUM: Final = "social.coves.*"
GRACE_S: Final = 1.0
"""So long a batch in hand may take once a signal has come."""
END_S: Final = 1.75
"""So long after a signal it is over, whatever it hangs in: in a file that is locked, a server that answers nothing."""

dids_option = click.option("--dids", metavar="DID", multiple=True, help="Ask for these repos alone; may be repeated.")
compress_option = click.option("--no-compress", is_flag=True, help="Ask for plain text instead of zstd.")
json_status_option = click.option("--status-json", is_flag=True, help="Print how it goes, one JSON object a second.")


def collections_option(command: F) -> F:
    """Let a command be told which collections to ask for, as `collections`: the forum's unless told."""
    return click.option(
        "--collections",
        metavar="NSID",
        multiple=True,
        default=(FORUM,),
        show_default=True,
        help="Ask for these, exact or ending in .*; may be repeated; * is all.",
    )(command)


def hosts_of(sources: Sequence[str], hint: str) -> list[Host]:
    """
    Return the Jetstreams that URLs name.

    Raises:
        click.UsageError: one names none, or the extra is not installed.
    """
    try:
        from strandline_jetstream import host_of
    except ModuleNotFoundError as error:
        raise click.UsageError(f"this needs {error.name!r}: pip install 'strandline[jetstream]'") from None
    try:
        return [host_of(it) for it in sources]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from None


def wanted_of(collections: Sequence[str], dids: Sequence[str]) -> Filter:
    """
    Return what is to be asked for; `*` among the collections is all of them.

    Raises:
        click.UsageError: a did is none.
    """
    for it in dids:
        if not Did.matches(it):
            raise click.BadParameter(f"{it!r} is no did: write did:plc:… or did:web:….", param_hint="--dids")
    return Filter(collections=() if "*" in collections else tuple(collections), dids=tuple(dids))


async def follow_until_stopped(follower: "Follower", status_json: bool) -> None:
    """
    Follow until a signal comes or nothing more can be done, and print a summary.

    Raises:
        Stopped: a signal came.
        click.ClickException: the host refuses for good.
    """
    telling = asyncio.create_task(_tell(follower.status, status_json))
    following = asyncio.create_task(follower.follow())
    with _interrupting(follower, following) as arrived:
        try:
            [came] = await asyncio.gather(following, return_exceptions=True)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            _summarise(follower.status, status_json)
    if isinstance(came, Exception):
        raise came
    if arrived:
        raise Stopped(arrived[0])
    if isinstance(came, BaseException):
        raise came
    if came:
        raise click.ClickException(came)


@contextmanager
def _interrupting(follower: "Follower", following: "asyncio.Task[str]") -> Iterator[list[int]]:
    """Let signals interrupt the follower within the block, patiently once; give the list of those that came."""
    arrived: list[int] = []
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        follower.interrupt()
        loop.call_later(GRACE_S if len(arrived) == 1 else 0, following.cancel)

    def stop(number: int) -> None:
        arrived.append(number)
        hush(loop)
        loop.call_soon_threadsafe(interrupt)

    with answering(stop):
        yield arrived


def _summarise(status: "Status", status_json: bool) -> None:
    told = status.told()
    if status_json:
        print(json.dumps(told), flush=True)
        return
    rows = {
        "host": status.host or None,
        "events": f"{status.events:,}",
        "bad": by_reason(status.bad),
        "control": f"{status.control:,}",
        "gaps": f"{status.gaps:,}",
        "connections": f"{status.connections:,}",
        "taken in up to": when(status.seen_us),
        "last error": status.last_error,
    }
    console().print(card(rows))


async def _tell(status: "Status", status_json: bool) -> None:
    """Tell every second how it goes: on a terminal in a line, as JSON if asked, else not."""
    if status_json:
        while True:
            print(json.dumps(status.told()), flush=True)
            await asyncio.sleep(1)
    if not sys.stderr.isatty():
        return
    before = status.events
    with console(error=True).status("") as line:
        while True:
            line.update(Group(_line(status, status.events - before)))  # a bare text would be made to wrap
            before = status.events
            await asyncio.sleep(1)


def _line(status: "Status", rate: int) -> Text:
    lag_us = status.told()["lag_us"]
    lag = "-" if lag_us is None else f"{int(str(lag_us)) / 1e6:,.1f} s"
    host = status.host if status.connected else f"connecting {status.host}".rstrip()
    words = [f"{rate:,} events/s", f"lag {lag}", f"queue {status.queue:,}", f"bad {status.bad.total():,}", host]
    line = text(", ".join([*words, f"last error: {status.last_error}"] if status.last_error else words))
    line.no_wrap, line.overflow = True, "ellipsis"  # one line, however narrow the terminal
    return line
