"""
What people and programs see: tables and JSON on standard output.

Records are written by strangers. On its way to a terminal every character of theirs that could move the cursor, change
the title, turn the direction of writing or is not a character at all is shown as its escape instead; in JSON it is
escaped, which is the same text to who reads it as JSON. NO_COLOR takes away all styling.

Source: https://no-color.org, https://trojansource.codes
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = [
    "camel",
    "card",
    "console",
    "duration_free",
    "error_console",
    "grid",
    "one_line",
    "plain",
    "print_json",
    "safe_json",
    "table",
    "when",
    "write",
]

PIPE_WIDTH: Final = 160

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RISKY: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
