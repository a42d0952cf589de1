"""The vault's front: one socket, one table of who may ask what, one state: locked or unsealed.

Locked, nothing that needs a key, the ledger or a session is answered. What goes wrong in the background ends the
process, so that it comes back clean; nothing is shown meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from quietline import logs
from quietline.errors import ConfigError, Denied, QuietlineError, TamperError, Unavailable, VaultLocked
from quietline.ledger.vocabulary import Kind
from quietline.plain import plain
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault import kms_file
from quietline.vault.admin import NewAccount
from quietline.vault.operations import Fields, Sides
from quietline.vault.ports import CallEvent, Kms
from quietline.vault.unsealed import Unsealed, World, unsealed
from quietline.wire import Frame, Peer, WireServer

log = structlog.get_logger()

UNSEAL_WAIT = 30.0  # seconds for files to open after the passphrase was right

Answer = Callable[[Unsealed, Fields], Awaitable[Frame]]


class VaultService:
    """`run` serves until cancelled. `hardened` is what status tells of the process."""

    def __init__(self, world: World, hardened: Mapping[str, bool | str] | None = None) -> None:
        self._world = world
        self._hardened = hardened or {}
        self._sides = Sides.of(world.config.users)
        self._folder = world.config.paths.state / "vault"
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
                elif passphrase:
                    await self._try_to_unseal(passphrase)
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
        limits = self._world.config.vault
        if self._lost_key():
            raise ConfigError(
                "vault init: keys.db holds keys of a kms.json that is missing; restore that from its copy"
            )
        plain = passphrase.open(Ticket("admin", "init", SIGNALLING)).encode()
        path = self._folder / "kms.json"
        kms = await asyncio.to_thread(kms_file.create, path, plain, limits.argon2_memory_kib, limits.argon2_passes)
        await self._use(kms)
        if self._open:
            self._open.journal.soon(Kind.KEY_CHANGED, key=kms.key_id, change="made")

    async def unseal(self, passphrase: Sealed[str]) -> None:
        """Raises Denied("passphrase"), ConfigError, TamperError, Unavailable. Harmless when unsealed already."""
        plain = passphrase.open(Ticket("admin", "unseal", SIGNALLING)).encode()
        await self._use(await asyncio.to_thread(kms_file.unseal, self._folder / "kms.json", plain))

    async def _use(self, kms: Kms) -> None:
        async with self._unsealing:
            if self._open:
                return
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
            self._sides.require(peer, name)
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


# -- one small function an operation: take the fields, ask the part, answer plain data


async def _arrive_and_match(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.arrive_and_match(fields.sealed("leg")))


async def _arrive(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.arrive(fields.sealed("leg"))
    return {}


async def _match(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.match(fields.sealed("leg")))


async def _connect(parts: Unsealed, fields: Fields) -> Frame:
    return {"grant": await parts.calls.connect(fields.text("leg"), fields.sealed("agent_leg"))}


async def _send_code(parts: Unsealed, fields: Fields) -> Frame:
    return {"sent": await parts.calls.send_code(fields.text("leg"))}


async def _check_code(parts: Unsealed, fields: Fields) -> Frame:
    return {"assurance": await parts.calls.check_code(fields.text("leg"), fields.sealed("digits"))}


async def _keep_digits(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.keep_digits(fields.text("leg"), fields.sealed("digits"))
    return {}


async def _hang_up(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.hang_up(fields.text("leg"))
    return {}


async def _keep_callback(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.keep_callback(fields.sealed("leg")))


async def _dial_callback(parts: Unsealed, fields: Fields) -> Frame:
    number = await parts.calls.dial_callback(fields.text("callback"), fields.sealed("agent_leg"))
    return {"number": number.open(Ticket("controller", "dial", SIGNALLING))}


async def _answer_callback(parts: Unsealed, fields: Fields) -> Frame:
    return plain(await parts.calls.answer_callback(fields.text("callback"), fields.sealed("leg")))


async def _drop_callback(parts: Unsealed, fields: Fields) -> Frame:
    await parts.calls.callbacks.drop(fields.text("callback"), fields.text("why", "withdrawn"))
    return {}


async def _staff(parts: Unsealed, fields: Fields) -> Frame:
    return {"staff": [plain(member) for member in await parts.admin.in_service()]}


async def _note_events(parts: Unsealed, fields: Fields) -> Frame:
    parts.calls.note_events(_events(fields.raw("events")))
    return {}


def _events(raw: Any) -> list[CallEvent]:
    try:
        events = [CallEvent(**each) for each in raw]
    except TypeError:
        raise Denied("event-refused", "give a list of kind, leg and fields") from None
    if not all(isinstance(event.fields, dict) for event in events):
        raise Denied("event-refused", "fields: give an object")
    return events


async def _sign_in(parts: Unsealed, fields: Fields) -> Frame:
    token, session = await parts.desk.sign_in(
        fields.sealed("login"),
        fields.sealed("password"),
        fields.text("source"),
        Sealed(fields.text("new_password", "")),
    )
    return {"token": token, "session": asdict(session)}


async def _session(parts: Unsealed, fields: Fields) -> Frame:
    return asdict(await parts.desk.session(fields.text("token")))


async def _sign_out(parts: Unsealed, fields: Fields) -> Frame:
    await parts.desk.sign_out(fields.text("token"))
    return {}


async def _phone(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.desk.phone(fields.text("token")))


async def _card(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    return (await parts.desk.looks.card(who, fields.text("grant"))).as_frame()


async def _open(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    value = await parts.desk.looks.open(who, fields.text("grant"), fields.text("field"), fields.text("reason"))
    return {"value": value.open(Ticket(who.agent, fields.text("reason"), SIGNALLING))}


async def _write_note(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    await parts.desk.looks.write_note(who, fields.text("grant"), fields.sealed("text"))
    return {}


async def _wrap_up(parts: Unsealed, fields: Fields) -> Frame:
    who = await parts.desk.who(fields.text("token"))
    return dict(await parts.desk.looks.wrap_up(who, fields.text("grant")))


async def _colleagues(parts: Unsealed, fields: Fields) -> Frame:
    return {"names": await parts.desk.colleagues(fields.text("token"), fields.text("grant"), fields.texts("agents"))}


async def _roster(parts: Unsealed, fields: Fields) -> Frame:
    return asdict(await parts.desk.roster(fields.text("token")))


async def _import_customers(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.admin.import_customers(fields.raw("customers")))


async def _staff_add(parts: Unsealed, fields: Fields) -> Frame:
    account = NewAccount(
        fields.sealed("login"),
        fields.sealed("name"),
        fields.sealed("password"),
        fields.text("role", "agent"),
        fields.text("store"),
        fields.texts("skills"),
        fields.number("starts", 0.0),
        fields.number("ends", 0.0),
    )
    return {"agent": await parts.admin.staff_add(account)}


async def _staff_find(parts: Unsealed, fields: Fields) -> Frame:
    return {"agent": await parts.admin.staff_find(fields.sealed("login"))}


async def _staff_list(parts: Unsealed, fields: Fields) -> Frame:
    return {"staff": await parts.admin.staff_list()}


async def _staff_apply(parts: Unsealed, fields: Fields) -> Frame:
    applied = parts.admin.applied
    return plain(await applied.apply(fields.raw("people"), fields.text("digest"), dry_run=fields.flag("dry_run")))


async def _config_applied(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.config_applied(fields.text("digest"), fields.raw("counts"))
    return {}


async def _set_password(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.set_password(fields.text("agent"), fields.sealed("password"))
    return {}


async def _end_service(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.end_service(fields.text("agent"))
    return {}


async def _certify(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.certify(fields.text("agent"), fields.text("data_class"), fields.number("until"))
    return {}


async def _phone_issue(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.admin.phone_issue(fields.text("agent")))


async def _phone_revoke(parts: Unsealed, fields: Fields) -> Frame:
    await parts.admin.phone_revoke(fields.text("agent"))
    return {}


async def _trunk_issue(parts: Unsealed, fields: Fields) -> Frame:
    return dict(await parts.admin.trunks.issue(fields.text("trunk")))


async def _trunk_revoke(parts: Unsealed, fields: Fields) -> Frame:
    return {"revoked": await parts.admin.trunks.revoke(fields.text("trunk"))}


async def _ledger_export(parts: Unsealed, fields: Fields) -> Frame:
    return {"entries": await parts.admin.ledger_export(Path(fields.text("directory")))}


async def _fault(parts: Unsealed, fields: Fields) -> Frame:
    parts.admin.fault(fields.text("part"), int(fields.number("code")))
    return {}


ANSWERS: dict[str, Answer] = {
    "arrive_and_match": _arrive_and_match,
    "arrive": _arrive,
    "match": _match,
    "connect": _connect,
    "send_code": _send_code,
    "check_code": _check_code,
    "keep_digits": _keep_digits,
    "hang_up": _hang_up,
    "keep_callback": _keep_callback,
    "dial_callback": _dial_callback,
    "answer_callback": _answer_callback,
    "drop_callback": _drop_callback,
    "staff": _staff,
    "note_events": _note_events,
    "sign_in": _sign_in,
    "session": _session,
    "sign_out": _sign_out,
    "phone": _phone,
    "card": _card,
    "open": _open,
    "write_note": _write_note,
    "wrap_up": _wrap_up,
    "colleagues": _colleagues,
    "roster": _roster,
    "import_customers": _import_customers,
    "staff_add": _staff_add,
    "staff_find": _staff_find,
    "staff_list": _staff_list,
    "staff_apply": _staff_apply,
    "config_applied": _config_applied,
    "set_password": _set_password,
    "end_service": _end_service,
    "certify": _certify,
    "phone_issue": _phone_issue,
    "phone_revoke": _phone_revoke,
    "trunk_issue": _trunk_issue,
    "trunk_revoke": _trunk_revoke,
    "ledger_export": _ledger_export,
    "fault": _fault,
}
