"""`docs/reference/cli.md`, made from the commands themselves; a test keeps the page true.

`python -m quietline.cli.reference > docs/reference/cli.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from quietline.cli import build
from quietline.vault.reference import table

HEAD = """\
# Command line

Made from `src/quietline/cli/` by `python -m quietline.cli.reference`; a test keeps it true. Change the source, not
this page.

Exit code 0: done. 1: what was asked for failed, or something checked is not right. 2: it was asked for wrongly, or the
configuration is wrong. Errors are one line: what, where, and what to do. Secrets are never arguments: they are asked
for, or read from standard input, one a line.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(part for name, command in commands() for part in _section(name, command))])


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name: "vault init"."""
    yield from _walk("", get_command(build()))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, each in below.items():
        yield from _walk(f"{name} {word}".strip(), each)


def _section(name: str, command: Any) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([f"quietline {name}", *(each.name.upper() for each in arguments)])
    rows = [_row(each) for each in command.params]
    parts = [f"## `{usage}`\n", (command.help or "").strip() + "\n"]
    return [*parts, table(("argument or option", "default", "meaning"), rows)] if rows else parts


def _row(param: Any) -> tuple[str, str, str]:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`", "must be given" if param.required else "", param.help or ""
    names = ", ".join(f"`{each}`" for each in (*param.opts, *param.secondary_opts))
    default = param.default
    shown = "" if default is None or default is False else "on" if default is True else f"`{default}`"
    return names, shown, _cell(param)


def _cell(param: Any) -> str:
    variable = f" Or the environment's `{param.envvar}`." if param.envvar else ""
    return ((param.help or "") + variable).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
