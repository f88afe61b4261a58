"""
Embeds: pictures, a video, a page elsewhere or another post, shown with a text.

Source: https://atproto.com/specs/lexicon#unions
"""

from strandline.forum.records.defs import PICTURES, StrongRef
from strandline.lexicon import model as field
from strandline.lexicon.model import Blob, definition

__all__ = [
    "AspectRatio",
    "External",
    "ExternalEmbed",
    "ExternalSource",
    "Image",
    "ImagesEmbed",
    "PostEmbed",
    "VideoEmbed",
]


@definition("social.coves.embed.images#aspectRatio")
class AspectRatio:
    """
    The shape of a picture, width to height, in any one unit.

    Attributes:
        width: Its width.
        height: Its height.
    """

    width: int = field.integer(minimum=1)
    height: int = field.integer(minimum=1)


@definition("social.coves.embed.images#image")
class Image:
    """
    A picture.

    Attributes:
        image: The file.
        alt: The picture in words.
        aspect_ratio: Its shape.
    """

    image: Blob = field.blob(accept=(*PICTURES, "image/gif"), max_size=10_000_000)
    alt: str | None = field.text(default=None, max_length=1000)
    aspect_ratio: AspectRatio | None = field.ref(default=None)


@definition("social.coves.embed.images")
class ImagesEmbed:
    """
    Pictures.

    Attributes:
        images: Each picture, in the order shown.
    """

    images: tuple[Image, ...] = field.array(min_length=1, max_length=8)


@definition("social.coves.embed.external#source")
class ExternalSource:
    """
    One of the pages a megathread gathers.

    Attributes:
        uri: The page.
        title: Its title.
        domain: Its domain.
        source_post: The post that linked to it.
    """

    uri: str = field.uri()
    title: str | None = field.text(default=None, max_length=500)
    domain: str | None = field.text(default=None, max_length=253)
    source_post: StrongRef | None = field.ref(default=None)


@definition("social.coves.embed.external#external")
class External:
    """
    A page elsewhere.

    Attributes:
        uri: The page.
        title: Its title.
        description: What it is about.
        thumb: A small picture of it.
        domain: Its domain.
        embed_type: What is on it.
        provider: Who offers it.
        images: Pictures on it.
        total_count: How many pictures it has in all.
        sources: The pages a megathread gathers.
    """

    uri: str = field.uri()
    title: str | None = field.text(default=None, max_length=500)
    description: str | None = field.text(default=None, max_length=1000)
    thumb: Blob | None = field.blob(default=None, max_size=6_000_000)
    domain: str | None = field.text(default=None, max_length=253)
    embed_type: str | None = field.text(default=None, known_values=("article", "image", "video", "website"))
    provider: str | None = field.text(default=None, max_length=100)
    images: tuple[Image, ...] | None = field.array(default=None, max_length=8)
    total_count: int | None = field.integer(default=None, minimum=0)
    sources: tuple[ExternalSource, ...] | None = field.array(default=None, max_length=50)


@definition("social.coves.embed.external")
class ExternalEmbed:
    """
    A page elsewhere.

    Attributes:
        external: The page.
    """

    external: External = field.ref()


@definition("social.coves.embed.post")
class PostEmbed:
    """
    Another post.

    Attributes:
        post: The version that is shown.
    """

    post: StrongRef = field.ref()


@definition("social.coves.embed.video")
class VideoEmbed:
    """
    A video.

    Attributes:
        video: The file.
        thumbnail: A still picture of it.
        alt: The video in words.
        duration: How long it is, in seconds.
    """

    video: Blob = field.blob(accept=("video/mp4", "video/webm"), max_size=100_000_000)
    thumbnail: Blob | None = field.blob(default=None, max_size=1_000_000)
    alt: str | None = field.text(default=None, max_length=1000)
    duration: int | None = field.integer(default=None, minimum=0)
