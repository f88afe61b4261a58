"""
Where the bytes of pictures and films are: at the host of the repo that holds the record, or behind an image proxy.

Source: https://docs.bsky.app/docs/api/com-atproto-sync-get-blob
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode

from attrs import frozen

__all__ = ["PRESETS", "BlobUrls", "cid_of"]

PRESETS: Final = ("avatar", "avatar_small", "banner", "content_preview", "content_full", "embed_thumbnail")
"""The sizes an image proxy knows."""


def _unknown(did: str) -> str | None:
    return None


@frozen(kw_only=True)
class BlobUrls:
    """
    How the url of a blob is made.

    Attributes:
        pds_of: Gives the origin of the host that holds a did's repo, such as `https://pds.example`; None if unknown.
        proxy: Origin and path of an image proxy; None for none.
    """

    pds_of: Callable[[str], str | None] = _unknown
    proxy: str | None = None

    def picture(self, did: str, cid: str, preset: str) -> str | None:
        """Return the url of a picture in one of PRESETS; None if nobody is known to have it."""
        if self.proxy is not None:
            return f"{self.proxy.rstrip('/')}/img/{preset}/plain/{quote(did, safe=':')}/{quote(cid, safe='')}"
        return self.file(did, cid)

    def file(self, did: str, cid: str) -> str | None:
        """Return the url of a blob as it was uploaded; None if its host is not known."""
        pds = self.pds_of(did)
        if pds is None:
            return None
        return f"{pds.rstrip('/')}/xrpc/com.atproto.sync.getBlob?{urlencode({'did': did, 'cid': cid})}"


def cid_of(blob: Any) -> str | None:
    """Return the CID of a blob as it stands in a record; None if it is no blob."""
    ref = blob.get("ref") if isinstance(blob, dict) and blob.get("$type") == "blob" else None
    link = ref.get("$link") if isinstance(ref, dict) else None
    return link if isinstance(link, str) else None
