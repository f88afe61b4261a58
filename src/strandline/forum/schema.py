"""The forum, as the engine takes it: its namespace, its record kinds, its views."""

from strandline.forum.records import KINDS
from strandline.forum.views import VIEWS
from strandline.schema import Schema

__all__ = ["NAMESPACE", "SCHEMA"]

NAMESPACE = "social.coves"
"""Collections at or below this are kept; those of other apps are counted and left alone."""

SCHEMA = Schema(namespaces=(NAMESPACE,), kinds=KINDS, views=VIEWS)
"""Everything the forum indexes."""
