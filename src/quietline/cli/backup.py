"""`quietline backup DIR`: every database of the vault while it serves, encrypted, read back; expired copies removed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.config_file import load
from quietline.vault.backup import make_backup


def command(
    folder: Annotated[Path, typer.Argument(help="Where backups lie; made if it is not there.")],
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", "-r", help="Who may restore it: an age public key. Repeatable.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Back up the vault, while it serves or not. Keys lie apart and expire earlier."""
    settings = load(config)
    need_root("backup", "to read the vault's files")
    made = make_backup(settings, folder, recipient or [], time.time())
    if as_json:
        show([{"stamp": made.stamp, "files": made.files, "removed": list(made.removed)}], as_json)
        return
    show([{"file": name, "bytes": size} for name, size in made.files.items()], as_json, made.stamp)
    for gone in made.removed:
        typer.echo(f"Expired and removed: {gone}")
