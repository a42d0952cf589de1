"""`quietline canary`: customers who do not exist, so that every touch of one is an alert. A privacy officer's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import asked, read_text
from quietline.config_file import load
from quietline.errors import ConfigError

app = typer.Typer(help="Customers who do not exist: whoever comes upon one is told of.", no_args_is_help=True)

Record = Annotated[
    Path, typer.Argument(help='One customer as JSON: {"key", "controller", "fields", "orders"}; - for standard input.')
]


@app.command()
def add(record: Record, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Make one and watch it. Its phone number must be one that rings nobody else; which they are is not shown again."""
    load(config)  # its fault is said before the record's
    _tell(asked(config, "canary_add", record=_read(record)), as_json)


@app.command()
def count(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """How many are watched."""
    _tell(asked(config, "canary_count"), as_json)


def _read(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except ValueError:
        raise ConfigError(f"{path}: is not JSON; give one customer's record") from None


def _tell(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show([answer], True)
    else:
        typer.echo(f"{answer['canaries']} canary customers are watched.")
