"""`quietline taskrouter`: carry a Twilio TaskRouter workflow over. No product needs to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from quietline.errors import ConfigError
from quietline.taskrouter.workflow import LOST, PARTLY, Imported, read

app = typer.Typer(help="Carry a TaskRouter workflow over.", no_args_is_help=True)

HEAD = """\
# Made from a TaskRouter workflow. Put it beside your `stores`, lead a store to the flow `imported`, and give your
# people the skills it asks for; then `quietline chain check` says what is missing.
"""


@app.callback()
def _options() -> None:
    """Carry a TaskRouter workflow over."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The workflow's configuration, JSON.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Where the YAML goes; without it, to the screen.")] = None,
    head_start: Annotated[float, typer.Option(min=0, help="Seconds of head start for each step of priority.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all as JSON: the part and the report.")] = False,
) -> None:
    """Make queues and a flow of a workflow, and report line by line what was carried over and what was not."""
    try:
        imported = read(file.read_bytes(), head_start)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    if as_json:
        typer.echo(json.dumps({"part": imported.part, "report": [each.as_row() for each in imported.notes]}, indent=2))
        return
    _write(imported, out)
    _report(imported)


def _write(imported: Imported, out: Path | None) -> None:
    text = HEAD + yaml.safe_dump(imported.part, sort_keys=False, allow_unicode=True, width=110)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); name another file with --out") from None


def _report(imported: Imported) -> None:
    """On standard error, so that the YAML alone is on the output."""
    for each in imported.notes:
        typer.echo(f"{each.where}: {each.became}: {each.what}", err=True)
    counts = {word: sum(each.became == word for each in imported.notes) for word in (PARTLY, LOST)}
    typer.echo(f"{len(imported.notes)} lines: {counts[PARTLY]} in part, {counts[LOST]} not carried over", err=True)
