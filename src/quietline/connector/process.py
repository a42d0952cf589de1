"""The connector as a process: root reads the secrets and makes its folder, then it is the shop's user and nobody else.

It holds one socket to the vault, one connection to the shop, and the port on which webhooks arrive.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from quietline.config import Config
from quietline.connector.api import ShopApi
from quietline.connector.cursor import CursorFile
from quietline.connector.sync import Sync
from quietline.connector.webhooks import Webhooks
from quietline.errors import ConfigError, Unavailable
from quietline.wire import WireClient

log = structlog.get_logger()

STORE_SECONDS = 60.0  # a batch of 100 orders takes a tenth of a second
BACKLOG = 128
GRACE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Secrets:
    """What root read: the API's key and secret, the webhooks' secret."""

    key: tuple[str, str] = field(repr=False)
    webhook: bytes = field(repr=False)


class VaultSink:
    """See `sync.Sink`: the vault's `shop_sync`, which only the shop's user may ask."""

    def __init__(self, path: Path) -> None:
        self._wire = WireClient(path, STORE_SECONDS, Unavailable)

    async def sync(self, customers: list[dict[str, Any]], gone: list[str]) -> dict[str, Any]:
        return await self._wire.call("shop_sync", customers=customers, gone=gone)

    async def close(self) -> None:
        await self._wire.close()


def read_secrets(config: Config) -> Secrets:
    """As root, before the user changes. Raises ConfigError naming the key, never what a file holds."""
    key = _read("key_file", config.shop.key_file).decode("utf-8", "replace").split()
    if len(key) != 2:
        raise ConfigError("[shop] key_file: want two lines, the consumer key and the consumer secret")
    webhook = _read("webhook_secret_file", config.shop.webhook_secret_file)
    if len(webhook) < 16:
        raise ConfigError("[shop] webhook_secret_file: want a secret of at least 16 characters")
    return Secrets((key[0], key[1]), webhook)


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"[shop] {name}: {path} cannot be read ({error.strerror})") from None


def state_folder(config: Config) -> Path:
    """Where the cursor is kept, the shop's user's own."""
    return config.paths.state / "connector"


def become(config: Config) -> None:
    """Give the folder to the shop's user and be that user from now on; nothing where none is configured."""
    folder = state_folder(config)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = config.users.shop
    if not name or os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(f"[users] shop: the system has no user {name}; add it with useradd --system") from None
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """One listening socket for each address. Raises ConfigError naming the address."""
    made = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            made.append(socket.create_server((address, port), family=family, backlog=BACKLOG))
        except OSError as error:
            raise ConfigError(f"[shop] addresses: {address} port {port}: {error.strerror}") from None
    return made


class Server(uvicorn.Server):
    """uvicorn that leaves the process's signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of ours."""
        yield


def server_for(config: Config, webhooks: Webhooks) -> Server:
    """uvicorn for the webhooks' one route. Raises ConfigError when the certificate cannot be used."""
    shop = config.shop
    settings = uvicorn.Config(
        webhooks.app(), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=64, timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=shop.certificate or None, ssl_keyfile=shop.key or None,
    )  # fmt: skip
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[shop] certificate, key: cannot be used ({type(error).__name__})") from None
    return Server(settings)


@dataclass(slots=True)
class Connector:
    """Everything, put together before the user changes. `run` goes on until cancelled."""

    config: Config
    secrets: Secrets = field(repr=False)

    async def run(self, sockets: list[socket.socket]) -> None:
        """Sweeps, hints and webhooks, one task each; an error of ours in one ends all."""
        shop = self.config.shop
        api, sink = ShopApi(shop.url, self.secrets.key), VaultSink(self.config.paths.vault_socket)
        sync = Sync(api, sink, CursorFile(state_folder(self.config)), shop.controller, shop.poll_seconds)
        server = server_for(self.config, Webhooks(self.secrets.webhook, sync.hint))
        log.info("the shop's orders are kept in step", port=sockets[0].getsockname()[1])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(sync.run())
                group.create_task(server.serve(sockets=sockets))
        finally:
            for each in sockets:
                each.close()
            await api.close()
            await sink.close()


async def once(config: Config, secrets: Secrets) -> int:
    """One sweep; how many orders were new to us. Raises what shop and vault raise."""
    api, sink = ShopApi(config.shop.url, secrets.key), VaultSink(config.paths.vault_socket)
    keeper = CursorFile(state_folder(config))
    try:
        return await Sync(api, sink, keeper, config.shop.controller, config.shop.poll_seconds).sweep()
    finally:
        await api.close()
        await sink.close()
