"""
What people of a forum talk about and are called, and how they get things wrong.
"""

from typing import Final

__all__ = [
    "GARBAGE",
    "HOST",
    "HOST_DID",
    "NAMES",
    "REMARKS",
    "SENTENCES",
    "SIGNS",
    "SITES",
    "SPOILS",
    "STATUSES",
    "TONGUES",
    "TOPICS",
]

HOST: Final = "strand.test"
HOST_DID: Final = "did:web:strand.test"
TOPICS: Final = {
    "gardening": ("tomato seedlings", "compost", "raised beds", "a wild hedge"),
    "bread": ("sourdough", "rye loaves", "slow dough", "an old oven"),
    "cycling": ("winter tyres", "long rides", "cargo bikes", "dynamo lights"),
    "tides": ("tide tables", "mud flats", "spring tides", "a home-made gauge"),
    "birds": ("nest boxes", "swifts", "owl pellets", "night calls"),
    "chess": ("rook endings", "blindfold games", "opening theory", "slow chess"),
    "maps": ("contour lines", "paper maps", "sea charts", "GPS traces"),
    "selfhosting": ("backups", "a small server", "mail", "reverse proxies"),
    "tea": ("oolong", "clay pots", "cold brewing", "smoked teas"),
    "trains": ("night trains", "timetables", "narrow gauge", "rail passes"),
    "astronomy": ("double stars", "cheap telescopes", "dark skies", "comets"),
    "knitting": ("sock heels", "wool from small farms", "cables", "mending"),
    "films": ("silent films", "subtitles", "short films", "old projectors"),
    "sailing": ("reefing early", "knots", "dinghies", "harbour etiquette"),
    "languages": ("minimal pairs", "flash cards", "dialects", "false friends"),
    "climbing": ("finger strength", "trad gear", "rest days", "sea cliffs"),
}


SENTENCES: Final = (
    "Has anyone here had luck with {}?",
    "After three years with {} I would do it all again.",
    "A short guide to {} for people who have never tried.",
    'The "expert" advice about {} turned out to be wrong, at least where I live.',
    "Where do you buy what you need for {} these days?",
    "My notes on {} from last weekend, mistakes included.",
    "I keep hearing that {} is not worth the trouble, and I don't agree.",
    "What nobody told me about {}: it takes twice as long as you think 😅",
    "We talked about {} at the meeting and could not settle it.",
    "Photos of {}, taken on a rainy afternoon ☔",
    "There is a good chapter on {} in the library's copy, near the end.",
    "If you only change one thing about {}, measure first.",
    "Question for the old hands: how did you start with {}?",
    "The café on the corner now runs an evening on {} 🎉",
)


REMARKS: Final = (
    "Agreed.",
    "This is the answer.",
    "Thank you, that saved me an evening.",
    "Do you have a source for that?",
    "I tried the same and it did not work for me.",
    "😂😂",
    "Can confirm.",
    "Good question!\n\nLet me look it up and come back to you.",
    "You are both right, I think.",
    "No. Please don't.",
    "Following 👀",
    "That is not what the post says.",
    "Came here to write exactly this.",
    "Naïve question: why?",
)


TONGUES: Final = {
    "de": ("Das habe ich auch schon probiert, leider ohne Erfolg.", "Schöne Grüße aus Köln!", "Wer hätte das gedacht?"),
    "fr": ("Ça marche très bien chez moi.", "Merci pour le conseil, à bientôt !", "Je n'y avais pas pensé."),
    "es": ("¿Alguien sabe cómo se hace?", "Muchas gracias por la explicación.", "Mañana lo vuelvo a intentar."),
    "pt": ("Alguém já experimentou?", "Isso não é bem assim.", "Obrigado, ajudou muito!"),
    "ja": ("ありがとうございます。", "これは知りませんでした。", "写真がきれいですね 📷"),
    "uk": ("Дякую, дуже корисно.", "А де це купити?", "Спробую завтра."),
    "ar": ("شكرا جزيلا على الشرح.", "هل جرب أحد هذا؟"),
}


NAMES: Final = (
    "ada",
    "bram",
    "chidi",
    "dara",
    "emil",
    "femke",
    "goran",
    "hana",
    "ines",
    "jonas",
    "kaja",
    "linh",
    "mira",
)


SIGNS: Final = ("", " 🌊", " 🌱", " (she/her)", " 🚲", " – on holiday", " 👩‍🔧", " & co")
SITES: Final = ("example.org", "news.example.com", "blog.example.net", "weather.example", "archive.example.org")
STATUSES: Final = ("deactivated", "suspended", "takendown", "deleted")
SPOILS: Final = (
    ("vote", '"direction":"', '"direction":"side'),
    ("vote", '"createdAt":"', '"createdAt":"on '),
    ("vote", '"subject":', '"object":'),
    ("vote", '"$type":"social', '"$type":"antisocial'),
    ("comment", '"content":"', '"contents":"'),
    ("comment", '"content":"', '"content":" ","was":"'),
    ("comment", '"$type"', '"$because":"\\u0000","$type"'),
    ("comment", '"$type"', '"$because":1.5,"$type"'),
    ("post", '"community":"did:', '"community":"none:'),
    ("edit", '"createdAt":"', '"createdAt":"before '),
    ("post", '"langs":[', '"langs":["en","de","fr","es",'),
)
"""What makes a good record a bad one: the act whose record it is, what to find in it, what to put there."""


GARBAGE: Final = (
    b"not json",
    b"[1,2,3]",
    b'{"did":"did:plc:',
    b'{"did":"did:web:a.test","time_us":1,"kind":"party"}',
    b'{"did":"nobody","time_us":1,"kind":"commit","commit":{"rev":"222222222222k"}}',
    b'{"did":"did:web:a.test","time_us":true,"kind":"commit","commit":{}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"commit","commit":{"rev":"zzzz","operation":"create"}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"account","account":{"did":"did:web:b.test","active":NaN}}',
    b'{"did":"did:web:a.test","time_us":1,"kind":"commit","commit":{"operation":"delete","bytes":"\xff\xfe"}}',
)
