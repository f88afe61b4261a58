"""
What `strandline serve` and `strandline run --serve` have in common: options, checks, the application, the server.

Workers are processes that are told everything through the environment, so that all sign pages with one secret.
"""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from attrs import asdict, frozen

from strandline.forum import SCHEMA
from strandline.forum.xrpc import BlobUrls

if TYPE_CHECKING:  # it needs an extra
    import uvicorn
    from starlette.applications import Starlette

__all__ = [
    "Served",
    "application",
    "check",
    "checked",
    "config_of",
    "keys_of",
    "server_of",
    "serving",
    "serving_options",
    "tell",
    "worker",
]

F = TypeVar("F", bound=Callable[..., Any])

_TOLD: Final = "STRANDLINE_SERVED"
_KEYS: Final = "STRANDLINE_PAGE_KEYS"
_LEAST_KEY_BYTES: Final = 16
_KEY_FILE: Final = "A file with the secret of the page tokens, 16 bytes or more; a second one is the secret before."
_TRUST_VIEWER: Final = "Believe whoever says who they are, in X-Strandline-Viewer. For development, on loopback alone."


@frozen(kw_only=True)
class Served:
    """What is served, and how, as the command line says it."""

    url: str
    host: str
    port: int
    trust_viewer: bool = False
    proxies: tuple[str, ...] = ()
    image_proxy: str | None = None
    max_lag_s: float | None = None


def serving_options(command: F) -> F:
    """Let a command be told how to serve."""
    for option in (
        click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
        click.option(
            "--page-key-file",
            "key_files",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"{_KEY_FILE}  [needed outside loopback; or $STRANDLINE_PAGE_KEYS, parted by spaces]",
        ),
        click.option("--trust-viewer-header", "trust_viewer", is_flag=True, help=_TRUST_VIEWER),
        click.option(
            "--trusted-proxy", "proxies", metavar="CIDR", multiple=True, help="Believe X-Forwarded-For of these."
        ),
        click.option("--image-proxy", metavar="URL", help="Show pictures through this image proxy."),
        click.option(
            "--max-lag",
            "max_lag_s",
            metavar="SECONDS",
            type=float,
            help="/health is 503 when the index is behind by more.",
        ),
    ):
        command = option(command)
    return command


def checked(served: Served, files: tuple[Path, ...]) -> tuple[bytes, ...]:
    """Return the secrets of the page tokens; raises click.UsageError where what is asked for is unsafe."""
    check(served)
    return keys_of(served, files)


def keys_of(served: Served, files: tuple[Path, ...]) -> tuple[bytes, ...]:
    """
    Return the secrets of the page tokens.

    Raises:
        click.UsageError: there are none and the server can be reached from elsewhere; or what was given is no good.
    """
    keys = [file.read_bytes().strip() for file in files] or os.environ.get(_KEYS, "").encode().split()
    if not keys and not _is_loopback(served.host):
        raise click.UsageError(f"outside loopback a secret is needed: --page-key-file, or ${_KEYS}.")
    if len(keys) > 2 or any(len(key) < _LEAST_KEY_BYTES for key in keys):
        raise click.UsageError(f"page keys: expected one or two, each of {_LEAST_KEY_BYTES} bytes or more.")
    return tuple(keys) or (secrets.token_hex(32).encode(),)


def check(served: Served) -> None:
    """
    Refuse what would be unsafe.

    Raises:
        click.UsageError: says what.
    """
    if served.trust_viewer and not _is_loopback(served.host):
        raise click.UsageError("--trust-viewer-header lets anybody be anybody: only on loopback, such as 127.0.0.1.")
    for proxy in served.proxies:
        try:
            ip_network(proxy)
        except ValueError:
            raise click.UsageError(f"--trusted-proxy {proxy!r}: write a network, such as 10.0.0.0/8.") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def application(served: Served, keys: tuple[bytes, ...]) -> "Starlette":
    """Return the application that serves a store. Raises as `strandline.open_store`."""
    from strandline_http import Settings, create_app, nobody, open_readers, trusted_header

    settings = Settings(
        page_keys=keys,
        viewer=trusted_header if served.trust_viewer else nobody,
        blobs=BlobUrls(proxy=served.image_proxy),
        max_lag_s=served.max_lag_s,
    )
    return create_app(await open_readers(served.url, SCHEMA), settings)


def config_of(served: Served, app: Any, **more: Any) -> "uvicorn.Config":
    """Return how the server is run."""
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise click.UsageError(f"this needs {error.name!r}: pip install 'strandline[http]'") from None
    return uvicorn.Config(
        app,
        host=served.host,
        port=served.port,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(served.proxies),
        forwarded_allow_ips=list(served.proxies),
        server_header=False,
        timeout_graceful_shutdown=10,
        **more,
    )


def server_of(served: Served, app: Any) -> "uvicorn.Server":
    """Return a server that leaves signals to whoever runs it."""
    config = config_of(served, app)
    import uvicorn

    class Quiet(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Quiet(config)


@contextlib.asynccontextmanager
async def serving(served: Served | None, keys: tuple[bytes, ...]) -> AsyncIterator[None]:
    """Serve within the block, beside what else the event loop does; nothing for None."""
    if served is None:
        yield
        return
    server = server_of(served, await application(served, keys))
    at_work = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await at_work


def tell(served: Served, keys: tuple[bytes, ...]) -> None:
    """Tell the workers, through the environment, what is served."""
    os.environ[_TOLD] = json.dumps({"served": asdict(served), "keys": [key.hex() for key in keys]})


def worker() -> Any:
    """Return the application of a worker, as its environment says; made when the server begins."""
    told = json.loads(os.environ[_TOLD])
    served = Served(**{**told["served"], "proxies": tuple(told["served"]["proxies"])})
    keys = tuple(map(bytes.fromhex, told["keys"]))
    made: list[Any] = []
    making = asyncio.Lock()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with making:
            if not made:
                made.append(await application(served, keys))
        await made[0](scope, receive, send)

    return app
