"""The web process: `python -m quietline.web.process --config FILE`.

The supervisor starts it under its own user id. Everything it needs from disk (configuration, certificate, key, page)
is read before it serves; afterwards it opens nothing but its two sockets to the vault and the controller.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
import uvloop

from quietline import errors
from quietline.clock import SystemClock
from quietline.config import Config
from quietline.config_file import load
from quietline.logs import configure
from quietline.vault.assurance_client import AssuranceVaultClient
from quietline.vault.client import DeskVaultClient
from quietline.vault.guards_client import GuardsVaultClient
from quietline.vault.people_client import PeopleVaultClient
from quietline.web.app import build_app
from quietline.web.assets import load_assets
from quietline.web.desk import Desk
from quietline.web.site import site_of
from quietline.wire import WireClient

log = structlog.get_logger()

BACKLOG = 512
GRACE_SECONDS = 3


def read_secret(path: str) -> bytes:
    """A shared secret from its file, without the line end; empty without a path. Raises ConfigError."""
    if not path:
        return b""
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise errors.ConfigError(f"web.turn_secret_file: {path} cannot be read ({error.strerror})") from None


def build_desk(config: Config) -> Desk:
    """Join the parts: the vault's and the controller's sockets, the clock, the page's files."""
    vault = DeskVaultClient(config.paths.vault_socket)
    controller = WireClient(config.paths.controller_socket)
    site = site_of(config, read_secret(config.web.turn_secret_file))
    people = PeopleVaultClient(config.paths.vault_socket)
    assurance = AssuranceVaultClient(config.paths.vault_socket)
    guards = GuardsVaultClient(config.paths.vault_socket)
    return Desk(site, vault, controller, SystemClock(), load_assets(), people, assurance, guards)


class DeskServer(uvicorn.Server):
    """Ends open event streams when asked to stop, so that stopping need not wait for browsers."""

    def __init__(self, settings: uvicorn.Config, desk: Desk) -> None:
        super().__init__(settings)
        self._desk = desk

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop us, and a clean stop is exit 0; uvicorn's own would raise the signal once more.

        SIGHUP: take the certificate files anew.
        """
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: self.take_certificate}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def take_certificate(self) -> None:
        """Read certificate and key for connections from now on. Files that do not fit are said and not taken."""
        files = str(self.config.ssl_certfile), str(self.config.ssl_keyfile)
        assert self.config.ssl is not None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)  # first where a misfit does no harm
            self.config.ssl.load_cert_chain(*files)
        except (OSError, ssl.SSLError) as error:
            log.error("the renewed certificate cannot be used; the old one is kept", error=type(error).__name__)
        else:
            log.info("certificate taken anew")

    def _stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends event streams first: they would hold up the stop until its grace is over."""
        self._desk.floor.close_all()
        await super().shutdown(sockets)


def server_for(desk: Desk, certificate: Path, key: Path) -> DeskServer:
    """uvicorn over TLS 1.2 or later. Raises ConfigError when the certificate or key cannot be used."""
    settings = uvicorn.Config(
        build_app(desk),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=desk.site.limits.connections,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(f"web: {certificate} and {key} cannot be used ({error})") from None
    assert settings.ssl is not None
    settings.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return DeskServer(settings, desk)


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """One listening socket for each address. Raises ConfigError naming the address that cannot be used."""
    return [_listen_on(address, port) for address in addresses]


def _listen_on(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise errors.ConfigError(f"web.addresses: {address} port {port}: {error.strerror}") from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    desk = build_desk(config)
    server = server_for(desk, *config.paths.web_certificate)
    sockets = listen(config.web.addresses, config.web.port)
    await server.serve(sockets=sockets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 after a clean stop, 2 on a bad configuration."""
    parser = argparse.ArgumentParser(prog="quietline.web.process", description="Serve the agents' desk.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration file (TOML)")
    given = parser.parse_args(arguments)
    configure("web")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(load(given.config)))
    except errors.ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
