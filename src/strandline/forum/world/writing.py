"""
Records as JSON text, with their keys in the order of the wire, which is the alphabet's.

Of the dice each function takes the same number at the same place, so that a log stays what it was.
"""

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from strandline.forum.records import ACTOR_PROFILE, AUTHORIZATION, COMMENT, POST, SUBSCRIPTION
from strandline.forum.world.choosing import choice, someone
from strandline.forum.world.identifiers import DAY_US
from strandline.forum.world.stage import PARAGRAPHS, Forum, Phrase, Topic, phrase_of, talk
from strandline.forum.world.vocabulary import HOST, NAMES, REMARKS, SIGNS, SITES, TONGUES

__all__ = [
    "actor_record",
    "authorization_record",
    "comment_record",
    "handle_of",
    "new_blob",
    "new_link",
    "post_record",
    "ref_of",
    "subscription_record",
]

FACET: Final = "social.coves.richtext.facet"
_SPACE: Final = phrase_of(" ")
_BREAK: Final = phrase_of("\n\n")
_REMARKS: Final = tuple(map(phrase_of, REMARKS))
_TONGUES: Final = tuple(
    (tongue, talk(Random(0).random, tuple(map(phrase_of, texts)))) for tongue, texts in TONGUES.items()
)


class Prose(NamedTuple):
    """A text as JSON, and the JSON of its facets and its language as further fields."""

    text: str
    facets: str
    langs: str


def _prose(forum: Forum, topic: Topic, openings: Sequence[Phrase], paragraphs: int, joint: Phrase) -> Prose:
    chance = forum.chance
    at, tongue = chance(), "en"
    if at < 0.12:
        tongue, topic = choice(forum, _TONGUES)
        openings = topic.sentences
    opening = openings[int(chance() * len(openings))]
    said = [opening, *[topic.paragraphs[int(chance() * PARAGRAPHS)] for _ in range(paragraphs)]]
    text = joint.text.join([phrase.text for phrase in said])
    langs = f',"langs":["{tongue}"]' if at < 0.94 else ""
    if 0.5 < at < 0.66:
        size = sum(phrase.size for phrase in said) + paragraphs * joint.size
        more, facets = _decoration(forum, size, opening.size, at)
        return Prose(text + more, facets, langs)
    return Prose(text, "", langs)


def _decoration(forum: Forum, size: int, first_size: int, at: float) -> tuple[str, str]:
    """Return what is written after `size` bytes of text, and the facets: a link, a mention, or a bold opening."""
    if at < 0.58:
        link = new_link(forum)
        return f" {link}", _facet(size + 1, size + 1 + len(link), f'"$type":"{FACET}#link","uri":"{link}"')
    if at < 0.61:
        person = someone(forum)
        name, did = f"@{handle_of(person)}", forum.people[person]
        return f" {name}", _facet(size + 1, size + 1 + len(name), f'"$type":"{FACET}#mention","did":"{did}"')
    return "", _facet(0, first_size, f'"$type":"{FACET}#{"bold" if at < 0.64 else "spoiler"}"')


def _facet(start: int, end: int, feature: str) -> str:
    return f',"facets":[{{"features":[{{{feature}}}],"index":{{"byteEnd":{end},"byteStart":{start}}}}}]'


def new_link(forum: Forum) -> str:
    return f"https://{choice(forum, SITES)}/{forum.us // DAY_US}/{forum.bits(24):x}"


def new_blob(forum: Forum, mime: str = "image/jpeg") -> str:
    size = 20_000 + forum.bits(19)
    return f'{{"$type":"blob","mimeType":"{mime}","ref":{{"$link":"bafkrei{forum.cid()[7:]}"}},"size":{size}}}'


def _embed(forum: Forum, topic: Topic) -> str:
    at = forum.chance()
    if at < 0.18:
        return _external(forum, topic, thumb=at < 0.1)
    if at < 0.30:
        images = ",".join([_image(forum, topic) for _ in range(1 + int((at - 0.18) * 25))])
        return f',"embed":{{"$type":"social.coves.embed.images","images":[{images}]}}'
    if at < 0.32 and forum.posts.count:
        return f',"embed":{{"$type":"social.coves.embed.post","post":{forum.posts.pick(forum.chance()).ref}}}'
    if at < 0.33:
        video = new_blob(forum, "video/mp4")
        return f',"embed":{{"$type":"social.coves.embed.video","alt":"","duration":{forum.bits(8)},"video":{video}}}'
    return ""


def _external(forum: Forum, topic: Topic, *, thumb: bool) -> str:
    link = new_link(forum)
    picture = f'"thumb":{new_blob(forum)},' if thumb else ""
    fields = (
        f'"description":"{choice(forum, topic.sentences).text}","domain":"{link.split("/")[2]}",'
        f'"embedType":"article",{picture}"title":"{choice(forum, topic.sentences).text}","uri":"{link}"'
    )
    return f',"embed":{{"$type":"social.coves.embed.external","external":{{{fields}}}}}'


def _image(forum: Forum, topic: Topic) -> str:
    ratio = f'{{"height":{600 + forum.bits(9)},"width":{800 + forum.bits(9)}}}'
    return f'{{"alt":"{choice(forum, topic.sentences).text}","aspectRatio":{ratio},"image":{new_blob(forum)}}}'


def post_record(forum: Forum, author: str, community: str, created: str, topic: Topic) -> str:
    at = forum.chance()
    prose = _prose(forum, topic, topic.sentences, 20 if at < 0.01 else int(at * 4), _BREAK)
    labels = ',"labels":{"values":[{"val":"nsfw"}]}' if 0.5 < at < 0.51 else ""
    tags = ',"tags":["weekly"]' if at > 0.9 else ""
    title = "" if 0.4 < at < 0.44 else f',"title":"{choice(forum, topic.sentences).text}"'
    return (
        f'{{"$type":"{POST}","author":"{author}","community":"{community}","content":"{prose.text}",'
        f'"createdAt":"{created}"{_embed(forum, topic)}{prose.facets}{labels}{prose.langs}{tags}{title}}}'
    )


def comment_record(forum: Forum, created: str, reply: str, topic: Topic) -> str:
    text, facets, langs = _prose(forum, topic, _REMARKS, int(forum.chance() * 1.8), _SPACE)
    return f'{{"$type":"{COMMENT}","content":"{text}","createdAt":"{created}"{facets}{langs},"reply":{reply}}}'


def ref_of(cid: str, did: str, collection: str, rkey: str) -> str:
    return f'{{"cid":"{cid}","uri":"at://{did}/{collection}/{rkey}"}}'


def subscription_record(forum: Forum, created: str, place: int, ended: str = "") -> str:
    level = int(forum.chance() * 14)
    seen = f'"contentVisibility":{level},' if level < 7 else ""
    return (
        f'{{"$type":"{SUBSCRIPTION}",{seen}"createdAt":"{created}",{ended}"subject":"{forum.communities[place].did}"}}'
    )


def handle_of(person: int, version: int = 0) -> str:
    return f"{NAMES[person % len(NAMES)]}{person}{f'-{version}' if version else ''}.{HOST}"


def actor_record(forum: Forum, person: int) -> str:
    at = forum.chance()
    avatar = f'"avatar":{new_blob(forum, "image/png")},' if at < 0.5 else ""
    about = "description" if at > 0.95 else "bio"
    created = f'"createdAt":"{forum.time}",' if at < 0.7 else ""
    bio = f"{choice(forum, choice(forum, forum.communities).topic.sentences).text} {choice(forum, _REMARKS).text}"
    written = f'"{about}":"{bio}",'
    name = f"{NAMES[person % len(NAMES)].title()}{choice(forum, SIGNS)}"
    fields = f"{written}{created}" if about == "bio" else f"{created}{written}"
    return f'{{"$type":"{ACTOR_PROFILE}",{avatar}{fields}"displayName":"{name}"}}'


def authorization_record(forum: Forum, community: str, aggregator: str, created: str, ended: str) -> str:
    return (
        f'{{"$type":"{AUTHORIZATION}","aggregatorDid":"{aggregator}","communityDid":"{community}",'
        f'"config":{{"feed":"{new_link(forum)}"}},"createdAt":"{created}","createdBy":"{forum.people[0]}",{ended}'
        f'"enabled":{"false" if ended else "true"}}}'
    )
