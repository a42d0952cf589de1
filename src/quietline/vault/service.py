"""The vault's front: one socket, one table of who may ask what, one state: locked or unsealed.

Locked, nothing that needs a key, the ledger or a session is answered. What goes wrong in the background ends the
process, so that it comes back clean; nothing is shown meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from quietline import logs
from quietline.errors import ConfigError, Denied, QuietlineError, TamperError, Unavailable, VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.answers import ANSWERS, OPERATIONS
from quietline.vault.kms_open import key_house
from quietline.vault.operations import Fields, Sides
from quietline.vault.ports import Kms
from quietline.vault.unsealed import Unsealed, World, unsealed
from quietline.wire import Frame, Peer, WireServer

log = structlog.get_logger()

RESTORING = "vault.restoring"  # restore.py has this folder while it puts files in place
UNSEAL_WAIT = 30.0  # seconds for files to open after the passphrase was right


class VaultService:
    """`run` serves until cancelled. `hardened` is what status tells of the process."""

    def __init__(self, world: World, hardened: Mapping[str, bool | str] | None = None) -> None:
        self._world = world
        self._hardened = hardened or {}
        self._sides = Sides.of(world.config.users)
        self._folder = world.config.paths.state / "vault"
        self._keys = key_house(world.config)
        self._server = WireServer(world.config.paths.vault_socket, self._answer)
        self._kms: asyncio.Queue[tuple[Kms, asyncio.Future[None]]] = asyncio.Queue(1)
        self._sealing = asyncio.Event()
        self._open: Unsealed | None = None
        self._unsealing = asyncio.Lock()

    async def run(self, passphrase: Sealed[str] | None = None) -> None:
        """Serve; with a passphrase the vault unseals itself, and where that fails it stays locked and says so."""
        await self._server.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lives())
                if self._lost_key():
                    log.error("the key file is missing, though there are keys sealed with it; restore it from its copy")
                elif not self.initialised:
                    log.info("the vault has no key yet and waits for `quietline vault init`")
                elif passphrase or self._keys.unattended:
                    await self._try_to_unseal(passphrase or Sealed(""))
        finally:
            await self._server.stop()

    @property
    def locked(self) -> bool:
        return self._open is None

    @property
    def initialised(self) -> bool:
        """Whether there is a key file, which `init` makes."""
        return (self._folder / "kms.json").exists()

    def _lost_key(self) -> bool:
        return not self.initialised and (self._folder / "keys.db").exists()

    async def _lives(self) -> None:
        """One unsealed life after another."""
        while True:
            kms, opened = await self._kms.get()
            self._sealing.clear()
            try:
                async with unsealed(self._world, kms) as parts:
                    self._open = parts
                    opened.set_result(None)
                    log.info("the vault is unsealed", key=kms.key_id)
                    await self._sealing.wait()
                    self._open = None
            except Exception as error:
                self._open = None
                if opened.done():
                    raise
                opened.set_exception(_first(error))
            log.info("the vault is locked")

    async def _try_to_unseal(self, passphrase: Sealed[str]) -> None:
        try:
            await self.unseal(passphrase)
        except (Denied, ConfigError, TamperError, Unavailable) as error:
            log.error("the vault stays locked", error=str(error))

    # -- sealing

    async def init(self, passphrase: Sealed[str]) -> None:
        """Make the key file, once, and unseal. Raises ConfigError when there is or was one, Denied for a weak one."""
        if self._lost_key():
            raise ConfigError(
                "vault init: keys.db holds keys of a kms.json that is missing; restore that from its copy"
            )
        plain = passphrase.open(Ticket("admin", "init", SIGNALLING)).encode()
        kms = await asyncio.to_thread(self._keys.create, plain)
        await self._use(kms)
        if self._open:
            self._open.journal.soon(Kind.KEY_CHANGED, key=kms.key_id, change="made")

    async def unseal(self, passphrase: Sealed[str]) -> None:
        """Raises Denied("passphrase"), ConfigError, TamperError, Unavailable. Harmless when unsealed already."""
        plain = passphrase.open(Ticket("admin", "unseal", SIGNALLING)).encode()
        await self._use(await asyncio.to_thread(self._keys.open, plain))

    async def recover(self, shares: tuple[str, ...], passphrase: Sealed[str]) -> None:
        """A new passphrase by two recovery shares, and unseal. Raises as `unseal`, ConfigError for other shares."""
        plain = passphrase.open(Ticket("admin", "recover", SIGNALLING)).encode()
        kms = await asyncio.to_thread(self._keys.recover, shares, plain)
        await self._use(kms)
        if self._open:
            self._open.journal.soon(Kind.KEY_CHANGED, key=kms.key_id, change="recovered")

    async def _use(self, kms: Kms) -> None:
        async with self._unsealing:
            if self._open:
                return
            if (self._world.config.paths.state / RESTORING).exists():
                raise ConfigError("the vault stays locked: a restore was broken off; run `quietline restore` once more")
            opened = asyncio.get_running_loop().create_future()
            self._kms.put_nowait((kms, opened))
            try:
                async with asyncio.timeout(UNSEAL_WAIT):
                    await opened
            except TimeoutError:
                raise Unavailable(f"the vault's files did not open within {UNSEAL_WAIT:.0f} s") from None

    def seal(self) -> None:
        """Close everything and drop the keys. Python cannot wipe them; end the process to be sure."""
        self._open = None
        self._sealing.set()

    # -- answering

    async def _answer(self, peer: Peer, frame: Frame) -> Frame:
        operation = frame.get("op")
        name = operation if isinstance(operation, str) else ""
        try:
            self._sides.require(peer, name, OPERATIONS.get(name))
        except Denied as refusal:
            log.warning("an operation was refused to a user", operation=name, uid=peer.uid)
            if self._open:
                self._open.journal.soon(Kind.LOOK_REFUSED, action=name, why=refusal.reason, uid=peer.uid)
            raise
        try:
            return await self._perform(name, Fields(frame))
        except QuietlineError:
            raise
        except Exception as broken:  # noqa: BLE001 - said by place only, for its text may be personal
            log.error("an operation ended in an error of ours", operation=name, error=logs.place(broken))
            raise Unavailable("vault: an error of ours; see its log") from None

    async def _perform(self, name: str, fields: Fields) -> Frame:
        if name == "status":
            return self.status()
        if name in ("init", "unseal"):
            await getattr(self, name)(fields.sealed("passphrase"))
            return {}
        if name == "recover":
            await self.recover(fields.texts("shares"), fields.sealed("passphrase"))
            return {}
        parts = self._open
        if parts is None:
            raise VaultLocked("the vault is locked; unseal it with `quietline vault unseal`")
        if name == "seal":
            self.seal()
            return {}
        return await ANSWERS[name](parts, fields)

    def status(self) -> dict[str, Any]:
        """Nothing secret: sealed or not, made or not, how many customers, what holds of the process."""
        parts = self._open
        return {
            "locked": parts is None,
            "initialised": self.initialised,
            "customers": parts.records.count() if parts else 0,
            "ledger": parts.ledger.state() if parts else "",
            **self._hardened,
        }


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
