"""The vault as a process of its own, `python -m quietline.vault.process CONFIG`: where its ports meet their adapters.

Secrets come on standard input as one JSON line, `{"leg_key": "<64 hex>", "passphrase": "…"}`; without the passphrase
the vault waits, locked, for an administrator. Nothing secret is in arguments or environment.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path

import structlog
import uvloop

from quietline import collector, logs
from quietline.clock import SystemClock
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import Sealed
from quietline.telephony.edge import rpc_socket
from quietline.telephony.edge_rpc import EdgeRpc
from quietline.vault.gateway import HttpGateway
from quietline.vault.hardening import harden
from quietline.vault.open_ledger import open_ledger
from quietline.vault.service import VaultService
from quietline.vault.unsealed import World

log = structlog.get_logger()

LEG_KEY_BYTES = 32
# A reveal crosses four threads; at Python's 5 ms each would wait that long for the interpreter (bench/vault.py).
SWITCH_SECONDS = 0.0005
MAX_SECRETS = 65_536  # bytes of the line on standard input


def read_secrets(line: bytes) -> tuple[bytes, bytes]:
    """Leg key and passphrase (b"" for none). Raises ConfigError without repeating any of it."""
    try:
        given = json.loads(line)
        return bytes.fromhex(given["leg_key"]), str(given.get("passphrase", "")).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("vault: standard input: one JSON line with leg_key in hex and maybe a passphrase") from None


def build_vault(config: Config, leg_key: bytes, hardened: Mapping[str, bool | str] | None = None) -> VaultService:
    """The vault over the real edge, ledger, gateway and clock. Raises ConfigError."""
    if len(leg_key) != LEG_KEY_BYTES:
        raise ConfigError(f"vault: the leg key has {LEG_KEY_BYTES} bytes, the same as the edge's")
    folder = config.paths.state / "vault"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    edge = EdgeRpc(rpc_socket(config), config.vault.edge_answer_seconds)
    gateway = config.vault.code_gateway
    channel = HttpGateway(gateway, folder / "gateway.token") if gateway else None
    world = World(config, SystemClock(), leg_key, edge, edge, channel, open_ledger)
    return VaultService(world, hardened)


async def run_vault(config: Config, secrets: tuple[bytes, bytes], hardened: Mapping[str, bool | str]) -> None:
    """Serve until cancelled, then close cleanly. `secrets`: leg key and passphrase; `hardened`: what `harden` said."""
    leg_key, passphrase = secrets
    sys.setswitchinterval(SWITCH_SECONDS)
    service = build_vault(config, leg_key, hardened)
    collector.settle()
    await service.run(Sealed(passphrase.decode()) if passphrase else None)


async def _until_told(work: Coroutine[None, None, None]) -> None:
    serving = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


def main(arguments: list[str]) -> int:
    """The exit code: 2 where the call, the configuration or the secrets are wrong, 1 after an error of ours."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m quietline.vault.process CONFIG\n")
        return 2
    logs.configure("vault")
    hardened = harden()  # before any secret is read
    try:
        config = load(Path(arguments[0]))
        secrets = read_secrets(sys.stdin.buffer.readline(MAX_SECRETS))
        uvloop.run(_until_told(run_vault(config, secrets, hardened)))
    except ConfigError as error:
        log.error("the vault cannot start", error=str(error))
        return 2
    except BaseExceptionGroup as broken:  # by place only: the text may hold what a peer sent
        log.error("the vault ended in an error of ours", error=logs.place(broken))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
