"""
The command itself: its subcommands, its help, and how it ends.

Only what is asked for is imported: `strandline --help` needs no engine.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from strandline_cli.command import LazyGroup
from strandline_cli.exit import BUG, CODES, OK, OUTPUT, code_of, telling
from strandline_cli.loop import one_loop
from strandline_cli.stop import Stopped, leave, stoppable

__all__ = ["SECTIONS", "run", "strandline"]

_AT: Final = "strandline_cli.commands"

SECTIONS: Final = {
    "Take in": {
        "run": (f"{_AT}.run:run_", "Follow a Jetstream into a store."),
        "replay": (f"{_AT}.replay:replay", "Take logs into a store."),
        "serve": (f"{_AT}.serve:serve", "Serve the index over HTTP."),
        "record": (f"{_AT}.record:record", "Keep what a Jetstream sends as a log."),
        "world": (f"{_AT}.world:world", "Write the log of a made-up forum."),
    },
    "Look at the forum": {
        "feed": (f"{_AT}.feed:feed", "Show posts: of all communities, of one, or of those a viewer follows."),
        "thread": (f"{_AT}.thread:thread", "Show a post and what was said under it."),
        "search": (f"{_AT}.search:search", "Find posts, communities or profiles by their words."),
        "post": (f"{_AT}.entry:post", "Show a post: its text, its tally and its ranks."),
        "community": (f"{_AT}.entry:community", "Show a community: what it says of itself, and its counts."),
        "profile": (f"{_AT}.entry:profile", "Show a profile: what an account says of itself, and its counts."),
    },
    "Ask why": {
        "explain": (f"{_AT}.explain:explain", "Say why a record counts, or does not."),
        "quarantine": (f"{_AT}.refused:quarantine", "List the records that stand but are not valid."),
        "shrink": (f"{_AT}.shrink:shrink", "Cut a log that makes something fail to the fewest lines that still do."),
        "dead-letters": (f"{_AT}.dead:dead_letters", "See to the lines that were no events: list, show, retry, purge."),
    },
    "Trust it": {
        "verify": (f"{_AT}.verify:verify", "Compare the views with what the registers say."),
        "dump": (f"{_AT}.dump:dump", "Print the views as sorted lines of JSON."),
        "digest": (f"{_AT}.dump:digest", "Print the SHA-256 of the dump."),
    },
    "Keep it": {
        "rebuild": (f"{_AT}.rebuild:rebuild", "Make the views anew from the registers."),
        "copy": (f"{_AT}.copying:copy", "Copy an index into another store."),
        "doctor": (f"{_AT}.doctor:doctor", "Say what is installed, what the store holds and whether it is sound."),
        "lexicon": (f"{_AT}.lexicon:lexicon", "Write the lexicons of the forum's records."),
    },
}
"""The subcommands, by heading: where each is, and what it does."""


class _Strandline(LazyGroup):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in CODES.items()])


@click.group(
    cls=_Strandline,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
    options_metavar="[--store URL]",
    examples=(
        "strandline world --seed 7 --events 20000 > log.ndjson",
        "strandline replay log.ndjson --store sqlite:///forum.db",
        "strandline feed discover --store sqlite:///forum.db",
        "strandline replay --help",
    ),
)
@click.option(
    "--store", "url", metavar="URL", envvar="STRANDLINE_STORE", help="The store; may also follow the command."
)
@click.version_option(package_name="strandline", message="%(prog)s %(version)s")
def strandline(url: str | None) -> None:
    """
    Index a forum on the AT Protocol: a Jetstream log in, a right index out.

    The log may come in any order, with repetitions and garbage in it, and in any number of runs: the index says the
    same.
    """
    del url  # read by the subcommands, off the context


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command, by default that of the process; return its exit code. Errors are told on standard error."""
    if "_STRANDLINE_COMPLETE" in os.environ:
        return _complete(os.environ["_STRANDLINE_COMPLETE"])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with stoppable(for_good=arguments is None):
        try:
            with one_loop():
                code = _invoke(sys.argv[1:] if arguments is None else arguments)
                sys.stdout.flush()
        except BrokenPipeError:
            code = _let_go(sys.stdout.fileno(), OK)
        except Stopped as stopped:
            leave(stopped.hint)
            code = stopped.code
        except Exception as error:  # noqa: BLE001  # the outermost: it becomes an exit code
            code = _failed(error)
    return code


def _invoke(arguments: Sequence[str]) -> int:
    try:
        with strandline.make_context("strandline", list(arguments)) as context:
            strandline.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return OK


def _failed(error: Exception) -> int:
    code = code_of(error)
    if code is None:
        import traceback

        traceback.print_exception(error)
        print("strandline: error: this is a bug in strandline; please report it with the lines above", file=sys.stderr)
        return BUG
    print(f"strandline: error: {telling(error)}", file=sys.stderr)
    return _let_go(sys.stdout.fileno(), code) if code == OUTPUT else code


def _let_go(descriptor: int, code: int) -> int:
    """Send to nowhere what was not yet written, so that Python's own end does not stumble over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return code


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(strandline, {}, "strandline", "_STRANDLINE_COMPLETE", instruction)
