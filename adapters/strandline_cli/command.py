"""
What every subcommand is made of: examples in its help, the options that several share, and its arguments.

This file imports nothing but click, so that `strandline --help` is quick.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

import click

__all__ = [
    "Command",
    "Group",
    "LazyGroup",
    "json_option",
    "limit_option",
    "sort_option",
    "store_of",
    "store_option",
    "uri_argument",
]

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Group(Command, click.Group):
    """A group of commands that shows its help when none is named, and the nearest when there is none of a name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, no_args_is_help=False, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the group's own options; without any argument, show the help."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the named command."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=1)
            ctx.fail(f"there is no command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """
    A group that imports a command when it is asked for, and not to list it.

    Args:
        sections: For each heading of the help its commands: where each is (`module:name`), and its summary.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, tuple[str, str]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.places = {name: place for commands in sections.values() for name, (place, _) in commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, as the help lists them."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, by section."""
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, summary) for name, (_, summary) in commands.items()], col_max=14)


def uri_argument(*, required: bool = True) -> Callable[[F], F]:
    """Let a command be told the at-uri of a record, as `uri`."""
    metavar = "AT-URI" if required else "[AT-URI]"
    return click.argument("uri", metavar=metavar, required=required, callback=_record_uri)


def _record_uri(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from strandline.syntax import record_uri

    if value is not None and record_uri(value) is None:
        raise click.BadParameter(f"{value!r} is no at-uri of a record: write at://DID/COLLECTION/RKEY.", ctx, param)
    return value


def store_option(command: F) -> F:
    """Let a command be told its store, as `url`: None unless told."""
    return click.option(
        "--store",
        "url",
        metavar="URL",
        default=_store_above,
        help="The store, such as sqlite:///forum.db.  [default: $STRANDLINE_STORE]",
    )(command)


def _store_above() -> str | None:
    """Return the store that was told before the command, nearest first."""
    context: click.Context | None = click.get_current_context()
    while context is not None:
        if url := context.params.get("url"):
            return str(url)
        context = context.parent
    return None


def store_of(url: str | None) -> str:
    """
    Return the store's URL if one was given.

    Raises:
        click.UsageError: none was.
    """
    if not url:
        raise click.UsageError(
            "name the store: --store sqlite:///forum.db, or set STRANDLINE_STORE.", click.get_current_context()
        )
    return url


def json_option(command: F) -> F:
    """Let a command be asked for JSON, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, with every text as it is.")(command)


def sort_option(command: F) -> F:
    """Let a command be told the order of posts or comments, as `order`."""
    kinds = click.Choice(["hot", "new", "top"])
    help_ = "hot: score and age; new: the newest first; top: score."
    return click.option("--sort", "order", type=kinds, default="hot", show_default=True, help=help_)(command)


def limit_option(default: int) -> Callable[[F], F]:
    """Let a command be told how much to show, as `limit`."""

    def option(command: F) -> F:
        return click.option(
            "--limit", type=click.IntRange(1, 10_000), default=default, show_default=True, help="Show at most so many."
        )(command)

    return option
