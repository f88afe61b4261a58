"""
Facets: what stretches of a text mean beyond their letters.

Offsets count UTF-8 bytes. Nothing here compares them with the text they belong to; a reader must expect stretches
that overlap, end before they begin, or lie outside of it.

Source: https://atproto.com/specs/lexicon#unions
"""

from collections.abc import Mapping

from strandline.lexicon import model as field
from strandline.lexicon.model import definition

__all__ = ["Bold", "ByteSlice", "Facet", "Feature", "Italic", "Link", "Mention", "Spoiler", "Strikethrough"]


@definition("social.coves.richtext.facet#byteSlice")
class ByteSlice:
    """
    A stretch of a text, in bytes of its UTF-8 form.

    Attributes:
        byte_start: The first byte, from zero.
        byte_end: The byte after the last.
    """

    byte_start: int = field.integer(minimum=0)
    byte_end: int = field.integer(minimum=0)


@definition("social.coves.richtext.facet#mention")
class Mention:
    """
    The text names an account.

    Attributes:
        did: The account.
    """

    did: str = field.did()


@definition("social.coves.richtext.facet#link")
class Link:
    """
    The text is a link.

    Attributes:
        uri: Where it leads.
    """

    uri: str = field.uri()


@definition("social.coves.richtext.facet#bold")
class Bold:
    """The text is bold."""


@definition("social.coves.richtext.facet#italic")
class Italic:
    """The text is italic."""


@definition("social.coves.richtext.facet#strikethrough")
class Strikethrough:
    """The text is struck through."""


@definition("social.coves.richtext.facet#spoiler")
class Spoiler:
    """
    The text is hidden until asked for.

    Attributes:
        reason: What it would give away.
    """

    reason: str | None = field.text(default=None, max_length=128, max_graphemes=32)


Feature = Mention | Link | Bold | Italic | Strikethrough | Spoiler | Mapping[str, object]
"""What a stretch means; a mapping is a feature of a kind not known here."""


@definition("social.coves.richtext.facet")
class Facet:
    """
    What a stretch of a text means.

    Attributes:
        index: The stretch.
        features: Each thing it means.
    """

    index: ByteSlice = field.ref()
    features: tuple[Feature, ...] = field.array()
