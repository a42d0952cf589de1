"""The real ledger for the vault: its key from the key ring, its file beside the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.clock import Clock
from quietline.config import Config
from quietline.ledger.log import Limits, TileLog, open_log
from quietline.ledger.ports import BodySealer, Durability, Entry, Receipt


class FileLedger:
    """A `TileLog` as the vault uses it; see `unsealed.OpenLedger`."""

    def __init__(self, log: TileLog) -> None:
        self._log = log

    async def append(self, entry: Entry) -> Receipt:
        return await self._log.append(entry)

    def append_soon(self, entry: Entry) -> None:
        self._log.append_soon(entry)

    def state(self) -> str:
        """ "ok", "stalled" or "failing"."""
        return self._log.health().state

    async def erase(self, subject: str) -> int:
        return await self._log.erase(subject)

    async def export(self, directory: Path) -> int:
        return (await self._log.export(directory)).size


@asynccontextmanager
async def open_ledger(
    config: Config, seed: bytes, sealer: BodySealer, clock: Clock, durability: Durability | None = None
) -> AsyncIterator[FileLedger]:
    """`state/vault/ledger.db`, signed by the Ed25519 key of this 32-byte seed. Closing writes what is queued."""
    limits = Limits(wait_seconds=config.vault.ledger_wait_seconds)
    path = config.paths.state / "vault" / "ledger.db"
    key = Ed25519PrivateKey.from_private_bytes(seed)
    log = await open_log(path, signer=key, sealer=sealer, clock=clock, durability=durability, limits=limits)
    try:
        yield FileLedger(log)
    finally:
        await log.close()
