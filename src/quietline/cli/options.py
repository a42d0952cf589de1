"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

DEFAULT_CONFIG = Path("/etc/quietline/quietline.toml")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="QUIETLINE_CONFIG", help="The configuration file.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show(rows: list[dict[str, Any]], as_json: bool, title: str = "") -> None:
    """A table for people, or the same rows as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(title=title or None, show_edge=False, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else []:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
