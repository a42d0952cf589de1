"""`quietline run`: the supervisor in the foreground; what systemd starts."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from quietline import logs
from quietline.chain.in_force import in_force
from quietline.cli.options import DEFAULT_CONFIG, ConfigPath, need_root
from quietline.config import Config
from quietline.config_file import dump, load
from quietline.errors import ConfigError
from quietline.installation import BootKeys, parts, prepare
from quietline.preflight import claim, require_ports
from quietline.renewal import Renewal
from quietline.supervisor import FaultSink, Supervisor
from quietline.telephony.edge import rpc_socket
from quietline.telephony.edge_rpc import EdgeRpc
from quietline.vault.client import AdminVaultClient

RELOAD_WAIT = 5.0  # seconds for the edge to read its certificates anew

PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="Unseal with this file's first line at each start. Whoever reads the file has the key."),
]


def command(config: ConfigPath = DEFAULT_CONFIG, passphrase_file: PassphraseFile = None) -> None:
    """Run everything in the foreground until SIGTERM; without a passphrase the vault waits for `vault unseal`."""
    settings = in_force(load(config))
    if settings.users.vault:
        need_root("run")
    passphrase = _passphrase(passphrase_file)
    logs.configure("supervisor")
    _raise_limits()
    claim(settings)
    require_ports(settings)
    keys = BootKeys()
    prepare(settings, dump(settings), keys)
    supervisor = Supervisor(
        parts(settings, keys, passphrase), settings.paths.log, settings.paths.supervisor_socket, _faults(settings)
    )
    asyncio.run(_run(settings, supervisor))


async def _run(config: Config, supervisor: Supervisor) -> None:
    """The parts, and their certificates' renewal beside them; SIGHUP asks for it now (`systemctl reload`)."""
    edge = EdgeRpc(rpc_socket(config), RELOAD_WAIT)
    renewal = Renewal(config, edge, lambda: supervisor.lives["web"].pid)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renewal.at_once)
    async with asyncio.TaskGroup() as tasks:
        renewing = tasks.create_task(renewal.run())
        await supervisor.run()
        renewing.cancel()
    edge.close()


def _raise_limits() -> None:
    """Children inherit these: sockets for thousands of calls, and the vault's memory locked away from swap."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(ValueError):  # a container may forbid it; the vault's status and log then say "not locked"
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _passphrase(path: Path | None) -> str:
    """From the file, or one line of a pipe on standard input; a terminal is not asked, for nobody may sit there.

    Raises ConfigError where the file cannot be read or its first line is empty.
    """
    if path:
        try:
            line = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--passphrase-file {path}: cannot be read ({type(error).__name__})") from None
        if not line:
            raise ConfigError(f"--passphrase-file {path}: the first line is empty; write the passphrase there")
        return line
    return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline().strip()


def _faults(config: Config) -> FaultSink:
    """Writes each fault of a part to the ledger, through the vault."""
    vault = AdminVaultClient(config.paths.vault_socket)

    async def report(part: str, code: int) -> None:
        await vault.call("fault", part=part, code=code)

    return report
