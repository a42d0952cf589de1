"""The command line: `quietline COMMAND`. One file a command; errors are one line and the fix, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from quietline.errors import ConfigError, QuietlineError

COMMANDS = (
    "demo",
    "run",
    "up",
    "down",
    "status",
    "doctor",
    "config",
    "chain",
    "apply",
    "flow",
    "taskrouter",
    "store",
    "explain",
    "vault",
    "key",
    "backup",
    "restore",
    "policy",
    "customer",
    "connect",
    "staff",
    "token",
    "phone",
    "trunk",
    "ledger",
    "witness",
    "right",
    "breach",
    "helper",
    "breakglass",
    "canary",
    "receipt",
    "report",
    "plan",
    "simulate",
    "call",
)

app = typer.Typer(
    name="quietline",
    help="A call router that shows nobody more of a customer than the call needs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"quietline {version('quietline')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def _options(version: Version = False) -> None:
    """A call router that shows nobody more of a customer than the call needs."""


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands, each from its own module; may be called again."""
    app.registered_groups.clear()
    app.registered_commands.clear()
    for name in names:
        module = import_module(f"quietline.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.command)
    return app


def needed(arguments: Sequence[str]) -> Sequence[str]:
    """The command that is named, alone: the others' modules, numpy among them, are not even imported. All of them where
    none is named, for help and for a slip of the pen."""
    word = next((each for each in arguments if not each.startswith("-")), "")
    return (word,) if word in COMMANDS else COMMANDS


def main() -> None:
    """The entry point. Exit 1: the thing asked for failed; 2: it, or the configuration, is wrong."""
    try:
        build(needed(sys.argv[1:]))(prog_name="quietline")
    except QuietlineError as error:
        sys.stderr.write(f"quietline: {error}\n")
        sys.exit(2 if isinstance(error, ConfigError) else 1)
