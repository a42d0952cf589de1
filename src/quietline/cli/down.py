"""`quietline down`: stop everything, calls first."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, ConfigPath, need_root
from quietline.cli.status import tell
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import Unavailable

PATIENCE = 30.0  # seconds
SAMPLE_CONFIG = Path("/var/lib/quietline-sample/quietline.toml")

Sample = Annotated[bool, typer.Option("--sample", help="The sample of `make up`.")]


def command(config: ConfigPath = DEFAULT_CONFIG, sample: Sample = False) -> None:
    """Stop the product and wait until it has stopped. Exit 1 when it is still there after 30 seconds."""
    need_root("down", "to tell the supervisor")
    if sample and not SAMPLE_CONFIG.exists():
        typer.echo("It does not run.")
        return
    settings = load(SAMPLE_CONFIG if sample else config)
    try:
        asyncio.run(tell(settings, "stop"))
    except Unavailable:
        typer.echo("It does not run.")
        return
    _wait(settings)
    typer.echo("Stopped.")


def _wait(config: Config) -> None:
    deadline = time.monotonic() + PATIENCE
    while config.paths.supervisor_socket.exists():
        if time.monotonic() > deadline:
            raise Unavailable(f"down: not stopped after {PATIENCE:.0f} s; see {config.paths.log / 'supervisor.log'}")
        time.sleep(0.1)
