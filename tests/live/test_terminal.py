"""What `strandline run` shows on a terminal: one line of how it goes, cut to the width; in colour unless told not to."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from strandline.forum.world import world
from strandline_jetstream.testing import Faults, Refuse, serving

LINES = [b"{", *(it.rstrip() for it in world(seed=7, events=300))]
ANGRY = "\x1b[31mgo away"
"""What a host says, in red."""
COMMAND = (sys.executable, "-c", "import sys; from strandline_cli import main; sys.exit(main())")
COUNTED = (
    r". [\d,]+ events/s, lag [\d,.]+ s, queue 0, bad 1, jetstream v2 \S+, last error: HTTP 503 Busy \\x1b\[31mgo away"
)
CUT = r". [\d,]+ events/s, lag [\d,.]+ s, .*…"
CODES = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")


async def seen_on_a_terminal(source: str, store: str, until: str, width: int, **settings: str) -> str:
    """Run on a terminal until so much is to be seen on it, then press Ctrl-C; return all that it was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    os.set_blocking(ours, False)
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("run", "--source", source, "--store", store),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=plain | {"TERM": "xterm"} | settings,
    )
    os.close(theirs)
    seen, stirred, loop = bytearray(), asyncio.Event(), asyncio.get_running_loop()

    def read() -> None:
        try:
            seen.extend(os.read(ours, 65536))
        except OSError:  # so Linux says that the other side is closed
            loop.remove_reader(ours)
        stirred.set()

    loop.add_reader(ours, read)
    try:
        while until.encode() not in seen and process.returncode is None:
            stirred.clear()
            await stirred.wait()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        read()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(ours)
        os.close(ours)
    return seen.decode()


@pytest.mark.parametrize(("width", "settings"), [(160, {}), (40, {"NO_COLOR": "1"})])
def test_a_terminal_sees_one_line_of_how_it_goes(
    width: int, settings: dict[str, str], awaited: Callable[..., None], tmp_path: Path
) -> None:
    """Nothing that a host says moves the cursor or colours the screen."""
    told: list[str] = []

    async def test() -> None:
        faults = Faults(fates=[Refuse(503, "Busy", ANGRY)])
        async with serving(LINES, faults) as jetstream:
            store = f"sqlite:///{tmp_path / 'index.db'}"
            told.append(await seen_on_a_terminal(jetstream.url, store, "events/s, lag 1", width, **settings))

    awaited(test())
    [seen] = told
    shown, summary = seen.split("\x1b[?25h")
    lines = [CODES.sub("", it) for it in shown.rstrip().split("\r")]
    assert max(map(len, lines)) <= width
    assert not any("\n" in it for it in lines)
    assert ANGRY not in seen
    assert ("\x1b[32m" in seen, "\x1b[1m" in seen) == (not settings, not settings)
    assert lines[0].endswith("0 events/s, lag -, queue 0, bad 0, connecting"[: width - 3].rstrip() + "…" * (width < 48))
    assert re.fullmatch(COUNTED if width > 100 else CUT, lines[-1].rstrip())
    assert "taken in up to" in summary
    assert summary.endswith("strandline: stopped\r\n")
