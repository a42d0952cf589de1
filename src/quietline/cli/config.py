"""`quietline config`: check the configuration file, or print all of it."""

from __future__ import annotations

from importlib.resources import files

import typer

from quietline.cli.options import DEFAULT_CONFIG, ConfigPath
from quietline.config_file import dump, load
from quietline.errors import ConfigError

app = typer.Typer(help="Check or print the configuration.", no_args_is_help=True)


@app.command()
def new(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Write a commented file to start from; an existing one is left alone."""
    text = files("quietline.cli").joinpath("starter.toml").read_text()
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        with config.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{config}: is there already, and was left as it is") from None
    except OSError as error:
        raise ConfigError(f"{config}: cannot be written ({error.strerror}); use sudo, or --config PATH") from None
    typer.echo(f"{config}: name your carrier, stores and queues there, then run `quietline config check`")


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
