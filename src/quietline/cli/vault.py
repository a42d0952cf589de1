"""`quietline vault`: make its key, unseal, seal, say how it is. Root only; the passphrase is asked for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.status import not_running
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import Sealed
from quietline.vault.backup import oldest_keys
from quietline.vault.client import AdminVaultClient
from quietline.vault.window import rows_of, window_of

app = typer.Typer(help="The vault's key and state.", no_args_is_help=True)

BATCH = 100  # customers an import call


@app.command()
def init(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Make the vault's key, sealed with a passphrase. Lose the passphrase and every customer is noise."""
    passphrase = ask_secret("New passphrase")
    if sys.stdin.isatty() and ask_secret("Once more") != passphrase:
        raise ConfigError("vault init: the two passphrases differ; nothing was made")
    ask(config, lambda vault: vault.init(passphrase))
    typer.echo("The vault has a key and is open.")


@app.command()
def unseal(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Open the vault."""
    passphrase = ask_secret("Passphrase")
    ask(config, lambda vault: vault.unseal(passphrase))
    typer.echo("The vault is open.")


@app.command()
def seal(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Close the vault: calls go on, nothing is shown."""
    ask(config, lambda vault: vault.seal())
    typer.echo("The vault is locked.")


@app.command()
def status(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Locked or open, and how well the process is hardened."""
    answer = ask(config, lambda vault: vault.status())
    show([answer] if as_json else [{"what": name, "is": value} for name, value in answer.items()], as_json)


@app.command()
def window(
    backups: Annotated[Path | None, typer.Option(help="Also: the oldest copy of the keys in this folder.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """How long after an erasure a copy of the erased keys may still be about, by this configuration."""
    found = window_of(load(config).vault)
    oldest = oldest_keys(backups) if backups else None
    if as_json:
        show([{**found.as_dict(), "oldest_keys": oldest.stamp if oldest else ""}], as_json)
        return
    show(rows_of(found), as_json)
    if backups:
        typer.echo(f"Oldest copy of the keys: {oldest.stamp if oldest else 'none'}")


@app.command("import")
def import_customers(
    file: Annotated[Path, typer.Argument(help="JSON: a list of customers, as docs/howto/run-it.md describes.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Seal and index customers of the shop system. Known keys are updated; an error names the customer by its place."""
    customers = _customers(file)
    stored = 0
    for start in range(0, len(customers), BATCH):
        part = customers[start : start + BATCH]
        try:
            stored += ask(config, partial(_store, part))["stored"]
        except ConfigError as error:
            raise ConfigError(f"{error} (counted from place {start} of {file}; {stored} are stored)") from None
    typer.echo(f"{stored} customers stored.")


async def _store(customers: list[Any], vault: AdminVaultClient) -> Any:
    return await vault.import_customers(customers)


def _customers(file: Path) -> list[Any]:
    try:
        customers = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError(f"{file}: is not JSON") from None
    if not isinstance(customers, list):
        raise ConfigError(f"{file}: give a list of customers")
    return customers


def ask(config: Path, question: Callable[[AdminVaultClient], Awaitable[Any]]) -> Any:
    """One question to the vault of this configuration, as root. Raises Unavailable when nothing runs."""
    settings = load(config)
    need_root("vault", "for the vault answers nobody else")
    if not settings.paths.vault_socket.exists():
        raise not_running(settings)

    async def once() -> Any:
        vault = AdminVaultClient(settings.paths.vault_socket)
        try:
            return await question(vault)
        finally:
            await vault.close()

    return asyncio.run(once())


def ask_secret(what: str) -> Sealed[str]:
    """From the terminal without echo, or one line of standard input."""
    if sys.stdin.isatty():
        return Sealed(str(typer.prompt(what, hide_input=True)))
    return Sealed(sys.stdin.readline().rstrip("\n"))
