"""How the index is served."""

from collections.abc import Awaitable, Callable
from typing import Final

from attrs import field, frozen
from starlette.requests import Request

from strandline.forum.xrpc import Answering, BlobUrls, Refusal
from strandline.syntax import Did

__all__ = ["VIEWER_HEADER", "Settings", "Viewer", "nobody", "trusted_header"]

Viewer = Callable[[Request], str | Awaitable[str | None] | None]
"""Tells the did of who asks; None for a stranger. May raise `Refusal`."""

VIEWER_HEADER: Final = "X-Strandline-Viewer"
"""The header that `trusted_header` believes."""

_LEAST_KEY_BYTES: Final = 16


def nobody(request: Request) -> str | None:
    """Take everybody for a stranger."""
    return None


def trusted_header(request: Request) -> str | None:
    """Believe the header X-Strandline-Viewer. For development: whoever reaches the server is whoever they say."""
    told = request.headers.get(VIEWER_HEADER)
    if told is not None and not Did.matches(told):
        raise Refusal(401, "AuthenticationRequired", f"{VIEWER_HEADER}: it holds no did")
    return told


def _long_enough(instance: object, attribute: object, keys: tuple[bytes, ...]) -> None:
    if not keys or any(len(key) < _LEAST_KEY_BYTES for key in keys):
        raise ValueError(f"page keys: expected at least one, each of {_LEAST_KEY_BYTES} bytes or more")


@frozen(kw_only=True)
class Settings:
    """
    How the index is served.

    Attributes:
        page_keys: Secrets of the page tokens, the same for all servers of one address, of 16 bytes or more. The first
            signs, all are believed: to change the secret, put the new one in front and later drop the old one.
        viewer: Tells who asks.
        blobs: How the urls of pictures are made.
        origins: Origins whose pages may read the answers; `*` for all.
        max_body_bytes: Longer bodies are refused.
        timeout_s: An answer that takes longer is given up.
        max_lag_s: `/health` is 503 when the index is behind by more; None for no such bound.
        version: What is told of the server.
    """

    page_keys: tuple[bytes, ...] = field(validator=_long_enough)
    viewer: Viewer = nobody
    blobs: BlobUrls = field(factory=BlobUrls)
    origins: tuple[str, ...] = ("*",)
    max_body_bytes: int = 1_000_000
    timeout_s: float = 10.0
    max_lag_s: float | None = None
    version: str = "0.1.0"

    @property
    def answering(self) -> Answering:
        """What the core needs of these."""
        return Answering(page_keys=self.page_keys, blobs=self.blobs)
