"""`quietline vault`: make its key, unseal, seal, say how it is. Root only; the passphrase is asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import Sealed
from quietline.vault.client import AdminVaultClient

app = typer.Typer(help="The vault's key and state.", no_args_is_help=True)


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
    show([{"what": name, "is": value} for name, value in answer.items()], as_json)


def ask(config: Any, question: Callable[[AdminVaultClient], Awaitable[Any]]) -> Any:
    """One question to the vault of this configuration."""

    async def once() -> Any:
        vault = AdminVaultClient(load(config).paths.vault_socket)
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
