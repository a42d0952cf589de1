"""`quietline chain`: check a chain file, show the one in force, print the schema."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from quietline.chain import reading as chain_reading
from quietline.chain.file import schema as chain_schema
from quietline.chain.in_force import active_path
from quietline.chain.start import start_from
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.files import marked_yaml

app = typer.Typer(help="The business in one file: check it, show the one in force.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The chain file.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings fail too.")]


@app.command()
def check(file: File, strict: Strict = False, as_json: AsJson = False) -> None:
    """Say that the file is right, or name each mistake by line, key and what to write instead. Needs no product."""
    found = chain_reading.load(file)
    chain = found.chain
    counts = {"stores": len(chain.stores), "queues": len(chain.queues), "flows": len(chain.flows)}
    people = {} if found.model.agents is None else {"agents": len(chain.agents)}
    if as_json:
        typer.echo(json.dumps({**counts, **people, "digest": found.digest, "warnings": found.warnings}, indent=2))
    else:
        for each in found.warnings:
            typer.echo(f"warning: {each}", err=True)
        listed = ", ".join(f"{count} {kind}" for kind, count in {**counts, **people}.items())
        typer.echo(f"{file}: right ({listed})")
    if strict and found.warnings:
        raise typer.Exit(1)


@app.command()
def show(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print the chain in force, as a file that `apply` takes again. People live in the vault and are not in it.

    Before the first apply: what the TOML file's stores and queues stand for, a file to start from.
    """
    settings = load(config)
    path = active_path(settings.paths.state)
    if not path.exists():
        head, values = (
            "# Nothing was applied yet; this is what the TOML file's stores and queues stand for.",
            start_from(settings),
        )
    else:
        text = _read(path)
        head = f"# In force. SHA-256: {hashlib.sha256(text.encode()).hexdigest()}"
        values = marked_yaml.parse(text, str(path)).value
    typer.echo(json.dumps(values, indent=1) if as_json else f"{head}\n{marked_yaml.dump(values)}", nl=as_json)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    typer.echo(json.dumps(chain_schema(), indent=2))
