"""Refusals: why an answer is not given, as clients are told it."""

from collections.abc import Mapping
from typing import Any

from strandline.errors import StrandlineError

__all__ = ["Refusal", "invalid", "not_found"]


class Refusal(StrandlineError):
    """
    A request that gets an error for an answer.

    Attributes:
        status: The HTTP status.
        name: The error's name, one word.
        message: What is wrong, for a person.
        details: More of it, as JSON data; None for nothing.
    """

    def __init__(self, status: int, name: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.name, self.message, self.details = status, name, message, details

    def body(self) -> dict[str, Any]:
        """Return it as clients read it."""
        told: dict[str, Any] = {"error": self.name, "message": self.message}
        return told if self.details is None else {**told, "details": dict(self.details)}


def invalid(message: str) -> Refusal:
    """Return the refusal of a bad or missing parameter."""
    return Refusal(400, "InvalidRequest", message)


def not_found(name: str, message: str) -> Refusal:
    """Return the refusal of what is not there, or may not be seen."""
    return Refusal(404, name, message)
