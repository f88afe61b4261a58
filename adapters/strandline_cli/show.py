"""
What people and programs see: tables and JSON on standard output.

Records are written by strangers. On its way to a terminal, every character of theirs that could move the cursor, turn
the direction of writing, or is no character at all, is shown as its escape instead; in JSON it is escaped, which is
the same text to who reads it as JSON. NO_COLOR takes away all styling.

Source: https://no-color.org, https://trojansource.codes
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = [
    "by_reason",
    "camel",
    "camel_keys",
    "card",
    "console",
    "one_line",
    "plain",
    "print_json",
    "print_lines",
    "safe",
    "table",
    "text",
    "when",
]

PIPE_WIDTH: Final = 120
_LINES_A_WRITE: Final = 1000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RISKY: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


_BLANK_ENDS: Final = re.compile(" +$", re.MULTILINE)


def plain(words: str) -> str:
    r"""
    Return `words` with every risky character shown as its escape; newlines and tabs stay.

    >>> print(plain("\x1b[2Jtide\u202e"))
    \x1b[2Jtide\u202e
    """
    return _RISKY.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


def one_line(words: str) -> str:
    r"""
    Return `words` plain and on one line.

    >>> one_line(" high\n\ntide ")
    'high tide'
    """
    return plain(" ".join(words.split()))


def safe(json_text: str) -> str:
    r"""
    Return a JSON text with every risky character in it escaped: the same value, whatever terminal it is shown on.

    >>> print(safe('"tide\u202e"'))
    "tide\u202e"
    """
    return _RISKY.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def text(words: object, style: str = "") -> Text:
    """Return `words` as a piece of a line, plain."""
    return Text(one_line(str(words)), style=style)


def when(time_us: int | None, *, exact: bool = True) -> str:
    """
    Return a time in ISO 8601, to the microsecond, or to the minute; "" for None.

    >>> when(1_780_272_000_000_000), when(1_780_272_000_000_000, exact=False)
    ('2026-06-01T00:00:00.000000Z', '2026-06-01 00:00')
    """
    if time_us is None:
        return ""
    try:
        time = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:  # written as of the year 0001 or 9999, a day's hours outside it
        return f"{time_us} µs"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S.%f')}Z" if exact else time.strftime("%Y-%m-%d %H:%M")


def camel(row: Any) -> dict[str, Any]:
    """Return a named tuple as a JSON object, its names in camel case."""
    return camel_keys(row._asdict())


def camel_keys(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its names in camel case."""
    return {_camel(name): value for name, value in named.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def console(*, error: bool = False) -> Console:
    """Return the console that writes to standard output, or error; in a pipe it is wide and without style."""
    stream = sys.stderr if error else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return _Console(
        file=stream if stream.isatty() else cast(TextIO, _Tidy(stream)),
        width=wide,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to who ends the program; the library would end it here."""
        raise BrokenPipeError


class _Tidy:
    """Takes the blanks off the ends of lines, with which tables are filled up."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        return self._stream.write(_BLANK_ENDS.sub("", words))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def table(headers: Sequence[str], rows: Iterable[Sequence[RenderableType]], numbers: Iterable[str] = ()) -> Table:
    """Return a table; `numbers` are the headers of columns that are set to the right."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    right = set(numbers)
    for header in headers:
        made.add_column(header, justify="right" if header in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def card(pairs: Mapping[str, object]) -> Table:
    """Return names and values, a line for each, or for each item of a list; what has no value is left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        lines = value if isinstance(value, list) else [] if value in (None, "") else [value]
        for at, line in enumerate(lines):
            made.add_row("" if at else name, Text(plain(" ".join(str(line).splitlines()))))
    return made


def by_reason(counts: Counter[str]) -> str:
    """
    Return how many there are in all, and of each reason.

    >>> by_reason(Counter({"json": 2, "kind": 1}))
    '3  (json 2, kind 1)'
    """
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    return f"{counts.total():,}" + (f"  ({reasons})" if reasons else "")


def print_json(value: object) -> None:
    """Print one JSON value, as UTF-8 wherever it goes."""
    written = safe(json.dumps(value, ensure_ascii=False, indent=2))
    sys.stdout.buffer.write(f"{written}\n".encode())


def print_lines(lines: Iterable[bytes]) -> None:
    """Print lines as they are; on a terminal, with their risky characters escaped as in JSON."""
    rest: Iterator[bytes] = iter(lines)
    shown = (safe(line.decode()).encode() for line in rest) if sys.stdout.isatty() else rest
    while batch := list(islice(shown, _LINES_A_WRITE)):
        sys.stdout.buffer.write(b"\n".join(batch) + b"\n")
