"""
The index as pages that a person reads: HTML made here, whole, of the answers that clients get as JSON.

A page needs no script, no picture and no other host. All that a record holds is hostile: it is escaped, kept in its
own direction, linked to nothing but http and https, and its pictures come through the image proxy or not at all.
"""

from strandline_http.pages.html import error_page, negotiated, wants_page
from strandline_http.pages.routes import Pages

__all__ = ["Pages", "error_page", "negotiated", "wants_page"]
