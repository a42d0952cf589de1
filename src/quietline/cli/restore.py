"""`quietline restore DIR`: a backup in the place of what is there, while nothing runs; erasures are done again."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.vault.restore import Wanted, restore_backup


def command(
    folder: Annotated[Path, typer.Argument(help="Where backups lie, as for `quietline backup`.")],
    identity: Annotated[Path, typer.Option("--identity", "-i", help="A file with the age secret key.")],
    at: Annotated[str, typer.Option(help="Which one, by its stamp; empty: the newest.")] = "",
    mirror: Annotated[Path | None, typer.Option(help="An exported ledger, where this one is lost.")] = None,
    forked: Annotated[bool, typer.Option(help="There is no mirror; entries since the backup may be lost.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place. The ledger is never rolled back, nobody erased comes back, everybody signs in anew."""
    settings = load(config)
    need_root("restore", "to write the vault's files")
    wanted = Wanted(folder, read_identities(identity), at, mirror, forked)
    done = restore_backup(settings, wanted, time.time())
    if as_json:
        show([asdict(done)], as_json)
        return
    rows = {**asdict(done), "files": ", ".join(done.files), "erased": f"{done.erased} erased again"}
    show([{"what": name, "is": value} for name, value in rows.items()], as_json)
    typer.echo("Start it with `quietline up`; the passphrase is the one of the keys that are in place now.")


def read_identities(path: Path) -> tuple[str, ...]:
    """The secret keys of an age identity file; comments are left out. Raises ConfigError without showing any."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"restore: --identity: {path} cannot be read") from None
    found = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not found:
        raise ConfigError(f"restore: --identity: {path} holds no key; `age-keygen` makes one")
    return found
