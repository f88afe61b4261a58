"""
HTML out: templates, the headers that every page has, and pages for errors.

What a browser may do with a page is told by its Content-Security-Policy: nothing but show it, in the one style sheet,
with pictures of the image proxy alone. The one script there is refreshes the figures of `/index`.
"""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from strandline.forum.richtext import enclosed
from strandline_http.pages import shown
from strandline_http.pages.links import Links

__all__ = ["FILES", "error_page", "file_page", "headers_of", "links_of", "negotiated", "render", "wants_page"]

_MACHINES: Final = ("/xrpc/", "/health", "/openapi.json")
_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_SAID: Final[Mapping[int, tuple[str, str]]] = {
    400: ("This cannot be asked", "Something in the address is not what this page expects."),
    401: ("Who asks?", "This is shown to those who say who they are."),
    404: ("Nothing is here", "It was removed, it is not shown to you, or it never was."),
    405: ("This is only for reading", "A page is got, and not written to."),
    500: (
        "Something went wrong here",
        "It is not your fault. Those who run this site can see in their log what it was.",
    ),
    503: ("The index cannot be read now", "It is busy or away. Try again in a few seconds."),
}


@frozen
class _File:
    """A file of the site: its bytes, and the name that changes whenever they do."""

    name: str
    body: bytes
    media_type: str


def _file(name: str) -> _File:
    body = files(__package__).joinpath("static", name).read_bytes()
    stem, _, kind = name.partition(".")
    return _File(f"{stem}.{hashlib.sha256(body).hexdigest()[:16]}.{kind}", body, _TYPES[kind])


_STYLE: Final = _file("strandline.css")
_LIVE: Final = _file("live.js")
FILES: Final[Mapping[str, _File]] = {it.name: it for it in (_STYLE, _LIVE)}
"""The files of the site, by the names under which they are given."""


def _shown(value: Any) -> Any:
    """Return what an expression of a template shows: text that turns no direction but its own."""
    return enclosed(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    made.filters.update(shown.FILTERS)
    made.globals.update(style=_STYLE.name, live_script=_LIVE.name)
    return made


_TEMPLATES: Final = _environment()


def links_of(request: Request) -> Links:
    """Return the addresses of a request."""
    root = request.scope.get("root_path", "").rstrip("/")
    path = request.scope["path"]
    return Links(root, path.removeprefix(root) or "/", dict(request.query_params))


def render(template: str, here: Links, **told: Any) -> str:
    """Return a page as HTML."""
    return _TEMPLATES.get_template(template).render({"pictured": False, **told}, here=here)


def headers_of(proxy: str | None, *, script: bool = False) -> dict[str, str]:
    """
    Return the headers of a page.

    Args:
        proxy: The image proxy; None for none.
        script: Whether it has the one script.
    """
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": _origin(proxy) or "'none'",
        **({"script-src": "'self'", "connect-src": "'self'"} if script else {}),
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
    }


def _origin(proxy: str | None) -> str | None:
    """Return the origin of an address, as a policy names it; None if it has none."""
    parts = urlsplit(proxy or "")
    plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if plain and not set(parts.netloc) & set(" ;,'\"") else None


def file_page(request: Request) -> Response:
    """Give a file of the site; its name tells its bytes, so it may be kept for ever."""
    found = FILES.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(found.body, headers=headers, media_type=found.media_type)


def negotiated(request: Request) -> bool:
    """Whether an error, or a post, is a page or data here as who asks would rather have it."""
    return request.method in ("GET", "HEAD") and not links_of(request).path.startswith(_MACHINES)


def wants_page(request: Request) -> bool:
    """Whether who asks would rather read a page than data: a browser says so, a client of the API does not."""
    if not negotiated(request):
        return False
    told = dict(map(_weighed, request.headers.get("accept", "").split(",")))
    return told.get("text/html", 0.0) > 0.0 and told["text/html"] >= told.get("application/json", 0.0)


def _weighed(part: str) -> tuple[str, float]:
    kind, *parameters = (it.strip() for it in part.lower().split(";"))
    weight = next((it[2:] for it in parameters if it.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 0.0


def error_page(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the page of an error, in words a person understands; the message is told below them."""
    title, said = _SAID.get(status) or (HTTPStatus(status).phrase, "This could not be done.")
    here = links_of(request)
    again = here.same(cursor=None) if "cursor" in here.asked else None
    told = render("error.html", here, title=title, said=said, message=message, status=status, again=again)
    more = {**headers_of(None), "Vary": "Accept", **(headers or {})}
    return Response(told, status, more, media_type="text/html")
