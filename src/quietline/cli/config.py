"""`quietline config`: check the configuration file, or print all of it."""

from __future__ import annotations

import typer

from quietline.cli.options import DEFAULT_CONFIG, ConfigPath
from quietline.config_file import dump, load

app = typer.Typer(help="Check or print the configuration.", no_args_is_help=True)


@app.command()
def check(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Say that the file is right, or which line is wrong and how to mend it."""
    settings = load(config)
    typer.echo(
        f"{config}: right ({len(settings.stores)} stores, {len(settings.queues)} queues, {len(settings.trunks)} trunks)"
    )


@app.command()
def show(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Print what differs from the defaults."""
    typer.echo(dump(load(config)))
