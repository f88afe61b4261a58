"""
What many records share: references to records, an author's own labels, pictures.

Source: https://atproto.com/specs/data-model
"""

from strandline.lexicon import model as field
from strandline.lexicon.model import Blob, definition

__all__ = ["AVATAR_MAX_BYTES", "BANNER_MAX_BYTES", "PICTURES", "Blob", "SelfLabel", "SelfLabels", "StrongRef"]

PICTURES = ("image/png", "image/jpeg", "image/webp")
AVATAR_MAX_BYTES = 1_000_000
BANNER_MAX_BYTES = 2_000_000


@definition("com.atproto.repo.strongRef")
class StrongRef:
    """
    One version of a record.

    Attributes:
        uri: Where the record is.
        cid: The content identifier of the version that is meant.
    """

    uri: str = field.at_uri()
    cid: str = field.cid()


@definition("com.atproto.label.defs#selfLabel")
class SelfLabel:
    """
    A label that an author puts on their own record.

    Attributes:
        val: The short name of the label.
    """

    val: str = field.text(max_length=128)


@definition("com.atproto.label.defs#selfLabels")
class SelfLabels:
    """
    The labels that an author puts on their own record.

    Attributes:
        values: Each label.
    """

    values: tuple[SelfLabel, ...] = field.array(max_length=10)
