"""How commands and options are declared, and the old names that still work."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

OLD_COMMANDS = {  # old name -> the words that replace it
    "continue": ("resume",),
    "try": ("predict",),
    "forgot": ("forgetting",),
    "samples": ("datasets",),
    "fetch": ("download",),
    "prefetch": ("download", "--for-room"),
    "work": ("worker",),
}
OLD_OPTIONS = {
    "--per-class": "--examples-per-class",
    "--volumes": "--examples-per-class",
    "--what-learns": "--tuning",
    "--mends": "--fixes",
    "--trial-seconds": "--pilot-seconds",
    "--precision": "--min-accuracy",
    "--sample": "--dataset",
}
# Ids of version 0.1.0 may begin with a dash, which click takes for an option.
DASHED_ID = re.compile(r"-[\w-]{21}")
ESCAPE = "\0"
FORGET_TEXT = (
    "`forget` is now called `delete-data`, because it deletes data for good. (To measure what a "
    "model forgot: `forgetting`.)"
)


def warn_renamed(old: str, new: str) -> None:
    print(f"{old} is now called {new}. The old name still works.", file=sys.stderr)


def _unescape(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_unescape(part) for part in value)
    return value.removeprefix(ESCAPE) if isinstance(value, str) else value


class Command(click.Command):
    """A command that still understands old names of options, and ids that begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for param in self.params for name in param.opts}
        words = [self._rename(word, known) for word in args]
        words = [ESCAPE + word if DASHED_ID.fullmatch(word) else word for word in words]
        rest = super().parse_args(ctx, words)
        ctx.params = {name: _unescape(value) for name, value in ctx.params.items()}
        return rest

    @staticmethod
    def _rename(word: str, known: set[str]) -> str:
        old, equals, value = word.partition("=")
        new = OLD_OPTIONS.get(old)
        if new not in known or old in known:
            return word
        warn_renamed(old, new)
        return new + equals + value


class CommandGroup(click.Group):
    """A group whose help lists its commands in sections, and that still understands old names."""

    command_class = Command

    def __init__(
        self, *args: Any, sections: Mapping[str, Iterable[click.Command]] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.sections = {title: tuple(commands) for title, commands in (sections or {}).items()}
        for commands in self.sections.values():
            for command in commands:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the sections, not of the alphabet

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name, *rest = args
        if name == "forget" and name not in self.commands:
            raise click.UsageError(FORGET_TEXT, ctx)
        if name not in self.commands and (new := OLD_COMMANDS.get(name)):
            warn_renamed(name, " ".join(new))
            args = [*new, *rest]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in self.sections.items():
            rows = [(command.name, command.get_short_help_str(limit=90)) for command in commands]
            with formatter.section(title):
                formatter.write_dl(rows, col_max=20)


def examples(*lines: str) -> str:
    """Return lines of examples as an epilog that click does not rewrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def complete_keys(keys: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """Return a shell completion for one key, or for the last key of a list with commas."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        before, comma, start = incomplete.rpartition(",")
        return [before + comma + key for key in keys() if key.startswith(start)]

    return complete


class KeyList(click.ParamType):
    """Keys with commas between them, as a tuple."""

    name = "KEY,KEY"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(filter(None, value.split(",")))


class IntList(click.ParamType):
    """Whole numbers with commas between them, as a tuple."""

    name = "N,N"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 10,50.", param, ctx)


class Tuning(click.Choice):
    """Which weights are trained; `all` is the old name of `full`."""

    def __init__(self) -> None:
        super().__init__(["auto", "lora", "full"])

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if value == "all":
            warn_renamed("--tuning all", "--tuning full")
            value = "full"
        return super().convert(value, param, ctx)
