"""What several commands share: options, the look of tables, and how a missing right is said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from quietline.errors import ConfigError

DEFAULT_CONFIG = Path("/etc/quietline/quietline.toml")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="QUIETLINE_CONFIG", help="The configuration file.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show(rows: list[dict[str, Any]], as_json: bool, title: str = "") -> None:
    """A table for people, or the same rows as JSON. The first column names the row and is never cut."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(title=title or None, show_edge=False, pad_edge=False, header_style="bold")
    for place, column in enumerate(rows[0] if rows else ()):
        table.add_column(column, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(said, row.values()))
    Console().print(table)


def said(value: Any) -> str:
    """A value as people read it: yes and no, nothing for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def need_root(command: str, why: str = "to start each part under a user id of its own") -> None:
    """Raises ConfigError for anybody else."""
    if os.geteuid() != 0:
        raise ConfigError(f"{command}: root is needed, {why}; use sudo")
