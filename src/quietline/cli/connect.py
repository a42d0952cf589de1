"""`quietline connect`: keep orders in step with a shop system. Started by root; it becomes the shop's user at once."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import Annotated

import typer

from quietline import logs
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root
from quietline.cli.status import not_running
from quietline.config import Config
from quietline.config_file import load
from quietline.connector.process import Connector, Secrets, become, listen, once, read_secrets
from quietline.errors import ConfigError

app = typer.Typer(help="Orders in step with a shop system.", no_args_is_help=True)

Once = Annotated[bool, typer.Option("--once", help="One sweep over what was modified since the last, then the end.")]


@app.callback()
def _connect() -> None:
    """Orders in step with a shop system."""


@app.command()
def shop(once_only: Once = False, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Follow the WooCommerce shop of the configuration's [shop], until it is stopped."""
    settings = load(config)
    if not settings.shop.url:
        raise ConfigError("connect shop: the configuration has no [shop]; docs/howto/connect-your-shop.md says how")
    need_root("connect shop", "to read the shop's secrets; then it becomes [users] shop")
    if not settings.paths.vault_socket.exists():
        raise not_running(settings)
    secrets = read_secrets(settings)
    if once_only:
        become(settings)
        count = asyncio.run(once(settings, secrets))
        typer.echo(json.dumps({"orders": count}) if as_json else f"{count} orders brought in step.")
        return
    logs.configure("shop")
    sockets = listen(settings.shop.addresses, settings.shop.port)
    become(settings)
    asyncio.run(_until_told(settings, secrets, sockets))


async def _until_told(settings: Config, secrets: Secrets, sockets: list[socket.socket]) -> None:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await Connector(settings, secrets).run(sockets)
    except asyncio.CancelledError:
        return
