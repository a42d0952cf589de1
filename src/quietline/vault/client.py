"""The vault from outside, over its socket: for the controller, the web process, and the command line.

See `ports.py` for the contracts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quietline.errors import Unavailable
from quietline.plain import plain
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.ports import NONE_CHOSEN, Callback, CallEvent, Match, Roster, Session, StaffMember, StaffPlan
from quietline.wire import WireClient

OPEN_SECONDS = 8.0  # longer than the vault waits for its ledger, so that its own refusal arrives
SESSION_SECONDS = 2.0  # from the vault's memory; call control goes on without a vault that hangs
ADMIN_SECONDS = 60.0  # argon2id, an import batch, an export
_SEND = Ticket("client", "send", SIGNALLING)  # the value goes to the vault, which alone decides


class CallVaultClient:
    """The controller's side."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, OPEN_SECONDS, Unavailable)

    async def arrive_and_match(self, leg: Sealed[str]) -> Match:
        return Match(**await self._wire.call("arrive_and_match", leg=leg.open(_SEND)))

    async def arrive(self, leg: Sealed[str]) -> None:
        await self._wire.call("arrive", leg=leg.open(_SEND))

    async def match(self, leg: Sealed[str]) -> Match:
        return Match(**await self._wire.call("match", leg=leg.open(_SEND)))

    async def connect(self, leg: str, agent_leg: Sealed[str]) -> str:
        return str((await self._wire.call("connect", leg=leg, agent_leg=agent_leg.open(_SEND)))["grant"])

    async def send_code(self, leg: str) -> bool:
        return bool((await self._wire.call("send_code", leg=leg))["sent"])

    async def keep_digits(self, leg: str, digits: Sealed[str]) -> None:
        await self._wire.call("keep_digits", leg=leg, digits=digits.open(_SEND))

    async def check_code(self, leg: str, digits: Sealed[str]) -> int:
        return int((await self._wire.call("check_code", leg=leg, digits=digits.open(_SEND)))["assurance"])

    async def hang_up(self, leg: str) -> None:
        await self._wire.call("hang_up", leg=leg)

    async def keep_callback(self, leg: Sealed[str]) -> Callback:
        return Callback(**await self._wire.call("keep_callback", leg=leg.open(_SEND)))

    async def dial_callback(self, callback: str, agent_leg: Sealed[str]) -> Sealed[str]:
        answer = await self._wire.call("dial_callback", callback=callback, agent_leg=agent_leg.open(_SEND))
        return Sealed(str(answer["number"]))

    async def answer_callback(self, callback: str, leg: Sealed[str]) -> Match:
        return Match(**await self._wire.call("answer_callback", callback=callback, leg=leg.open(_SEND)))

    async def drop_callback(self, callback: str, why: str = "withdrawn") -> None:
        await self._wire.call("drop_callback", callback=callback, why=why)

    async def staff(self) -> list[StaffMember]:
        answer = await self._wire.call("staff")
        return [StaffMember(**each) for each in answer["staff"]]

    async def note_events(self, events: list[CallEvent]) -> None:
        await self._wire.call("note_events", events=[plain(event) for event in events])

    async def close(self) -> None:
        await self._wire.close()


class DeskVaultClient:
    """The web process's side."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, OPEN_SECONDS, Unavailable)

    async def sign_in(
        self,
        login: str,
        password: Sealed[str],
        source: str,
        new_password: Sealed[str] = NONE_CHOSEN,
        code: Sealed[str] = NONE_CHOSEN,
    ) -> tuple[str, Session]:
        given = {"password": password, "new_password": new_password, "code": code}
        words: dict[str, Any] = {name: each.open(_SEND) for name, each in given.items()}
        answer = await self._wire.call("sign_in", login=login, source=source, **words)
        return str(answer["token"]), Session(**answer["session"])

    async def session(self, token: str) -> Session:
        return Session(**await self._wire.call("session", SESSION_SECONDS, token=token))

    async def sign_out(self, token: str) -> None:
        await self._wire.call("sign_out", token=token)

    async def phone(self, token: str) -> dict[str, str]:
        return dict(await self._wire.call("phone", token=token))

    async def ring_at(self, token: str, own: bool) -> dict[str, str]:
        return dict(await self._wire.call("ring_at", token=token, own=own))

    async def card(self, token: str, grant: str, reason: str = "") -> dict[str, object]:
        return dict(await self._wire.call("card", token=token, grant=grant, reason=reason))

    async def open(self, token: str, grant: str, field: str, reason: str) -> Sealed[str]:
        answer = await self._wire.call("open", token=token, grant=grant, field=field, reason=reason)
        return Sealed(str(answer["value"]))

    async def write_note(self, token: str, grant: str, text: Sealed[str]) -> None:
        await self._wire.call("write_note", token=token, grant=grant, text=text.open(_SEND))

    async def wrap_up(self, token: str, grant: str) -> dict[str, object]:
        return dict(await self._wire.call("wrap_up", token=token, grant=grant))

    async def colleagues(self, token: str, grant: str, agents: list[str]) -> dict[str, str]:
        answer = await self._wire.call("colleagues", token=token, grant=grant, agents=agents)
        return {str(agent): str(name) for agent, name in answer["names"].items()}

    async def roster(self, token: str) -> Roster:
        answer = await self._wire.call("roster", token=token)
        return Roster(str(answer["store"]), dict(answer["names"]))

    async def close(self) -> None:
        await self._wire.close()


class AdminVaultClient:
    """Root's side. `call` is any operation of `operations.py` on the administrator's side, by name."""

    def __init__(self, socket: Path) -> None:
        self._wire = WireClient(socket, ADMIN_SECONDS, Unavailable)

    async def call(self, operation: str, **fields: Any) -> dict[str, Any]:
        return await self._wire.call(operation, **fields)

    async def status(self) -> dict[str, Any]:
        return await self._wire.call("status")

    async def init(self, passphrase: Sealed[str]) -> None:
        """Make the key, once, and unseal."""
        await self._wire.call("init", passphrase=passphrase.open(_SEND))

    async def unseal(self, passphrase: Sealed[str]) -> None:
        await self._wire.call("unseal", passphrase=passphrase.open(_SEND))

    async def seal(self) -> None:
        await self._wire.call("seal")

    async def import_customers(self, customers: list[dict[str, Any]]) -> dict[str, int]:
        return dict(await self._wire.call("import_customers", customers=customers))

    async def staff_apply(self, people: list[dict[str, object]], digest: str, dry_run: bool) -> StaffPlan:
        return StaffPlan(**await self._wire.call("staff_apply", people=people, digest=digest, dry_run=dry_run))

    async def config_applied(self, digest: str, counts: dict[str, int]) -> None:
        await self._wire.call("config_applied", digest=digest, counts=counts)

    async def close(self) -> None:
        await self._wire.close()
