"""The index over HTTP: an ASGI application, to be served or mounted."""

from strandline_http.app import create_app
from strandline_http.readers import InThreads, OnLoop, Readers, open_readers
from strandline_http.settings import VIEWER_HEADER, Settings, Viewer, nobody, trusted_header

__all__ = [
    "VIEWER_HEADER",
    "InThreads",
    "OnLoop",
    "Readers",
    "Settings",
    "Viewer",
    "create_app",
    "nobody",
    "open_readers",
    "trusted_header",
]
