"""
What is wrong with a value, and where.

A fault is data: a path into the value, a rule's stable name, and words for people. Checks make faults with paths
relative to the value they were given ("" is that value itself), and each container puts its own step in front on
the way out, so that a value without faults never pays for a path.
"""

import re
import reprlib
from collections.abc import Iterable
from typing import Final

from attrs import frozen

__all__ = ["MAX_FAULTS", "Fault", "show", "step", "under"]

MAX_FAULTS: Final = 1000
"""Faults told of one array or of one walk over a value: 4 MiB of wrong items need not become a million faults."""

_SHOWN_CHARACTERS: Final = 60
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,79}")


@frozen
class Fault:
    """
    One rule that one part of a value breaks.

    Attributes:
        path: Where: "$" is the whole, "$.reply.parent.uri", "$.images[2]", "$['odd key']".
        rule: The rule's stable name: "required", "type", "maxLength", "format" and so on.
        message: The value, shortened, and what was expected of it; for people, may change.
    """

    path: str
    rule: str
    message: str


def show(value: object) -> str:
    """
    Return `value` as Python's `ascii` writes it, cut to some sixty characters; cheap for values of any size.

    Which characters print differs between versions of Python; their escapes do not.

    >>> print(show("tide"), show("café"))
    'tide' 'caf\\xe9'
    """
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return _SHORT.repr(value).encode("ascii", "backslashreplace").decode()


class _Short(reprlib.Repr):
    """Cuts what it shows, at every level, and never writes out a long integer."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxlist = self.maxtuple = 6
        self.maxdict = 3
        self.maxstring = self.maxlong = self.maxother = _SHOWN_CHARACTERS

    def repr_int(self, x: int, level: int) -> str:
        return f"<{x.bit_length()} bits>" if x.bit_length() > 200 else repr(x)

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        if level <= 0:
            return "{...}" if x else "{}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}"
            for key, _ in zip(x, range(self.maxdict), strict=False)
        ]
        return "{" + ", ".join(shown + ["..."] * (len(x) > len(shown))) + "}"


_SHORT = _Short()


def step(key: object) -> str:
    """
    Return one step of a path: into an object by its key, into an array by its index; None takes no step.

    >>> step("uri"), step(2), step("odd key")
    ('.uri', '[2]', "['odd key']")
    """
    if isinstance(key, str) and _PLAIN_KEY.fullmatch(key):
        return f".{key}"
    return "" if key is None else f"[{show(key)}]"


def under(prefix: str, faults: Iterable[Fault]) -> list[Fault]:
    """Return `faults` with `prefix` in front of their paths."""
    return [Fault(prefix + fault.path, fault.rule, fault.message) for fault in faults]
