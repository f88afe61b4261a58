"""The index over HTTP, until it is told to stop."""

import asyncio
import signal
from pathlib import Path
from socket import socket
from typing import Any

import click

from strandline_cli.command import Command, store_of, store_option
from strandline_cli.loop import run
from strandline_cli.opened import reading
from strandline_cli.serving import Served, application, checked, config_of, server_of, serving_options, tell
from strandline_cli.stop import SIGNALS, Stopped

__all__ = ["serve"]


@click.command(
    cls=Command,
    examples=(
        "strandline serve --store sqlite:///forum.db --port 8000",
        "strandline serve --store sqlite:///forum.db --port 8000 --trust-viewer-header",
        "strandline serve --store sqlite:///forum.db --port 80 --host 0.0.0.0 --page-key-file key --workers 2",
    ),
)
@store_option
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="So many processes.")
@serving_options
def serve(url: str | None, port: int, workers: int, key_files: tuple[Path, ...], **told: Any) -> None:
    """
    Serve the index over HTTP.

    It reads the store beside whoever writes it. / is for a browser, /health says how it is, /openapi.json what can be
    asked.
    """
    served = Served(url=store_of(url), port=port, **told)
    keys = checked(served, key_files)
    with reading(url):  # an error is told here, not by each worker
        pass
    if workers == 1:
        run(_serve(served, keys))
    else:
        _serve_many(served, keys, workers)


async def _serve(served: Served, keys: tuple[bytes, ...]) -> None:
    server = server_of(served, await application(served, keys))
    arrived: list[int] = []

    def stop(number: int) -> None:
        arrived.append(number)
        server.should_exit = True

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    telling = asyncio.create_task(_tell(server, served.host))
    try:
        await server.serve()
    finally:
        telling.cancel()
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    if arrived:
        raise Stopped(arrived[0])


async def _tell(server: Any, host: str) -> None:
    """Say where it listens, once it does."""
    while not server.started:
        await asyncio.sleep(0.01)
    _say_where(host, server.servers[0].sockets[0])


def _say_where(host: str, listening: socket) -> None:
    port = listening.getsockname()[1]
    click.echo(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")


def _serve_many(served: Served, keys: tuple[bytes, ...], workers: int) -> None:
    from uvicorn.supervisors import Multiprocess

    arrived: list[int] = []

    class Remembering(Multiprocess):
        def handle_signals(self) -> None:
            arrived.extend(number for number in self.signal_queue if number in SIGNALS)
            super().handle_signals()

    tell(served, keys)
    config = config_of(served, "strandline_cli.serving:worker", factory=True, workers=workers)
    listening = config.bind_socket()
    listening.listen(config.backlog)  # who comes before the workers waits for them
    _say_where(served.host, listening)
    Remembering(config, sockets=[listening]).run()
    if not arrived:
        raise click.ClickException("the workers ended by themselves; the lines above say why")
    raise Stopped(arrived[0])
