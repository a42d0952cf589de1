"""`quietline down`: stop everything, calls first."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import typer

from quietline.cli.options import DEFAULT_CONFIG, ConfigPath
from quietline.cli.status import tell
from quietline.config_file import load
from quietline.errors import Unavailable

PATIENCE = 30.0  # seconds
SAMPLE_CONFIG = Path("/var/lib/quietline-sample/quietline.toml")


def command(config: ConfigPath = DEFAULT_CONFIG, sample: bool = False) -> None:
    """Stop the product (with --sample: the sample of `make up`) and wait until it has stopped."""
    settings = load(SAMPLE_CONFIG if sample else config)
    try:
        asyncio.run(tell(settings, "stop"))
    except Unavailable:
        typer.echo("It does not run.")
        return
    deadline = time.monotonic() + PATIENCE
    while settings.paths.supervisor_socket.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    typer.echo("Stopped.")
