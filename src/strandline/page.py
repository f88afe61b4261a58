"""
Page tokens: where a page ended, signed, so that the next goes on there and nowhere else.

A token is a keyset place, never a number of rows: what was written meanwhile neither repeats nor skips what stands.
The signature covers what was asked (method, parameters, who asked) without carrying it, so a token of another feed,
order or viewer is none. It proves no right to read anything; it keeps hostile places out of the store's queries.

The first key signs and every key is believed, so a secret is changed by putting the new one in front.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final

from strandline.errors import InvalidToken
from strandline.wirejson import canonical, loads

__all__ = ["MAX_TOKEN", "place_of", "token_of"]

MAX_TOKEN: Final = 4096
"""The longest token that is read, in characters."""

_SEAL_BYTES: Final = 16


def token_of(keys: Sequence[bytes], asked: Any, place: Any) -> str:
    """
    Return the token of a place.

    Args:
        keys: Secrets, of 16 bytes or more; the first signs.
        asked: What was asked, as JSON data; the token holds for nothing else.
        place: Where the next page begins, as JSON data.

    >>> keys = [b"sixteen bytes or more"]
    >>> token = token_of(keys, ["feed", "ann"], [7, "at://x"])
    >>> place_of(keys, ["feed", "ann"], token)
    [7, 'at://x']
    """
    text = canonical(place)
    return _wrapped(_seal(keys[0], asked, text) + text)


def place_of(keys: Sequence[bytes], asked: Any, token: str) -> Any:
    """
    Return the place that a token tells.

    Raises:
        InvalidToken: it was made with none of the keys, or for something else, or is no token.
    """
    sealed = _unwrapped(token) if len(token) <= MAX_TOKEN else b""
    seal, text = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not any(hmac.compare_digest(seal, _seal(key, asked, text)) for key in keys):
        raise InvalidToken("this page token was made for something else, or was not made here")
    return loads(text)


def _wrapped(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unwrapped(token: str) -> bytes:
    """Return what a token holds; but for padding there is one way to write it."""
    try:
        told = token.rstrip("=").encode("ascii")
        sealed = urlsafe_b64decode(told + b"=" * (-len(told) % 4))
    except ValueError as error:
        raise InvalidToken("this is no page token") from error
    if _wrapped(sealed) != told.decode():
        raise InvalidToken("this is no page token")
    return sealed


def _seal(key: bytes, asked: Any, text: bytes) -> bytes:
    told = hashlib.sha256(canonical(asked)).digest()
    return hmac.new(key, told + text, hashlib.sha256).digest()[:_SEAL_BYTES]
