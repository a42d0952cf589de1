"""What root may ask, from the command line or the supervisor. A search by number is not among it.

Everything that changes who may see what is in the ledger before it holds, and its row carries that entry's hash.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quietline.access.decide import TAKES_CALLS, Role
from quietline.access.identity import Identity, NewStaff, Roll, check_times, new_agent_token
from quietline.access.passwords import Passwords
from quietline.access.ports import StaffRow
from quietline.access.sessions import Sessions
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.skills import parse_skills
from quietline.vault.applied_staff import AppliedStaff
from quietline.vault.journal import Journal
from quietline.vault.phones import Phones
from quietline.vault.ports import StaffMember
from quietline.vault.schema import DataClass
from quietline.vault.staff_import import StaffImport
from quietline.vault.trunks import Trunks

TICKET = Ticket("admin", "admin", SIGNALLING)
MAX_COUNTS = 32


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account as an administrator gives it. Times: UTC seconds, `ends` 0 for open-ended."""

    login: Sealed[str]
    name: Sealed[str]
    password: Sealed[str]
    role: str = "agent"
    store: str = ""
    skills: tuple[str, ...] = ()  # "orders:4", "orders" (skills.py)
    starts: float = 0.0
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends with an account: its sessions, with the phone that lives by them, and its API tokens."""

    sessions: Callable[[str], Awaitable[None]]
    tokens: Callable[[str], Awaitable[None]]


class Admin:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        journal: Journal,
        identity: Identity,
        passwords: Passwords,
        sessions: Sessions,
        phones: Phones,
        trunks: Trunks,
        make_keys: Callable[[Iterable[str]], None],
        export: Callable[[Path], Awaitable[int]],
        end: Ending,
    ) -> None:
        self._clock, self._journal, self._identity, self._passwords = clock, journal, identity, passwords
        self._sessions, self._phones = sessions, phones
        self.trunks = trunks
        self._export = export
        self._end = end
        self._stores = StoresInForce(config)
        self._alerted: set[str] = set()
        self.applied = AppliedStaff(journal, identity, make_keys, self._out_of_service)
        self.imported = StaffImport(self.applied, lambda: {store.id for store in self._stores})

    # -- staff

    async def staff_add(self, new: NewAccount) -> str:
        """The new agent's token. Raises ConfigError: taken login, unknown role or store, bad skill or password."""
        role, skills = _role(new.role), parse_skills(new.skills)
        stores = {store.id for store in self._stores}
        if new.store not in stores:
            raise ConfigError(f"staff: store: one of {', '.join(sorted(stores)) or 'none configured'}")
        if await self._by_login(new.login):
            raise ConfigError("staff: another account has this login; choose another")
        check_times(role, new.starts, new.ends)
        password = await self._passwords.hash(new.password, TICKET)
        agent = new_agent_token()
        receipt = await self._journal.receipt(
            Kind.STAFF_CHANGED, agent, agent=agent, change="added", role=role.value, store=new.store
        )
        row = NewStaff(new.login, new.name, password, role, new.store, skills, new.starts, new.ends)
        return await asyncio.to_thread(self._identity.add, row, receipt.leaf, TICKET, agent)

    async def staff_find(self, login: Sealed[str]) -> str:
        """The token of this login. Raises ConfigError when nobody has it."""
        row = await self._by_login(login)
        if row is None:
            raise ConfigError("staff: nobody has this login")
        return row.agent

    async def _by_login(self, login: Sealed[str]) -> StaffRow | None:
        token = await asyncio.to_thread(self._identity.login_token, login, TICKET)
        return await asyncio.to_thread(self._identity.by_login, token)

    async def set_password(self, agent: str, password: Sealed[str]) -> None:
        """A new password; every session of the agent ends."""
        await self._member(agent)
        hashed = await self._passwords.hash(password, TICKET)
        receipt = await self._journal.receipt(Kind.STAFF_CHANGED, agent, agent=agent, change="password")
        await asyncio.to_thread(self._identity.set_password, agent, hashed, receipt.leaf)
        await self._end.sessions(agent)

    async def end_service(self, agent: str) -> None:
        """The contract ends now: no sign-in, no calls, no phone; sessions end at once."""
        member = await self._member(agent)
        receipt = await self._journal.receipt(Kind.STAFF_CHANGED, agent, agent=agent, change="ended")
        ends = self._clock.wall()
        await asyncio.to_thread(self._identity.set_service, agent, min(member.starts, ends), ends, receipt.leaf)
        await self._out_of_service(agent)

    async def _out_of_service(self, agent: str) -> None:
        await self._end.sessions(agent)
        await self._end.tokens(agent)
        await self._phones.revoke(agent)

    async def end_contracts(self) -> None:
        """What a contract that ran out leaves behind ends by itself. Asked again and again; harmless."""
        now = self._clock.wall()
        for each in (await self._roll()).members:
            if (
                each.ends
                and each.ends <= now
                and (self._sessions.of_agent(each.agent) or self._phones.kind(each.agent))
            ):
                await self._out_of_service(each.agent)

    async def certify(self, agent: str, data_class: str, until: float) -> None:
        """Give, renew or (until 0) take away a training certificate. `until`: UTC seconds."""
        if data_class not in {each.value for each in DataClass}:
            raise ConfigError(f"certificate: class: one of {', '.join(DataClass)}")
        await self._member(agent)
        receipt = await self._journal.receipt(
            Kind.CERTIFICATE_SET, agent, agent=agent, data_class=data_class, until=until
        )
        await asyncio.to_thread(self._identity.set_certificate, agent, DataClass(data_class), until, receipt.leaf)

    async def staff_list(self) -> list[dict[str, Any]]:
        """Everybody, by token; names stay sealed."""
        roll = await self._roll()
        now = self._clock.wall()
        return [
            {
                "agent": each.agent,
                "role": each.role.value,
                "store": each.store,
                "skills": each.skills,
                "in_service": each.in_service(now),
                "certificates": each.certificates,
                "signed_in": bool(self._sessions.of_agent(each.agent)),
                "phone": self._phones.kind(each.agent),
            }
            for each in roll.members
        ]

    async def in_service(self) -> list[StaffMember]:
        """For routing: who takes calls, with the certificates that the ledger vouches for."""
        now = self._clock.wall()
        members = (await self._roll()).members
        return [
            StaffMember(each.agent, each.skills, each.certificates, each.store)
            for each in members
            if each.in_service(now) and each.role in TAKES_CALLS
        ]

    async def _roll(self) -> Roll:
        """The roll; each row that was changed behind our back is written down once."""
        at_hand = self._identity.roll_at_hand()
        roll = self._identity.roll() if at_hand else await asyncio.to_thread(self._identity.roll)
        for found in set(roll.tampered) - self._alerted:
            self._alerted.add(found)
            self._journal.soon(Kind.TAMPER_FOUND, part="staff")
        return roll

    async def _member(self, agent: str) -> Any:
        return await asyncio.to_thread(self._identity.member, agent)

    # -- what is applied

    async def config_applied(self, digest: str, counts: Any) -> None:
        """Write down that a configuration is about to be in force. Raises ConfigError: no digest, or no counts."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ConfigError("config: digest: SHA-256 of the file, 64 hexadecimal digits")
        if not isinstance(counts, dict) or not all(map(_is_count, counts.items())) or len(counts) > MAX_COUNTS:
            raise ConfigError("config: counts: at most 32 whole numbers, each under a word such as stores_added")
        fields = {name: value for name, value in counts.items() if name != "digest"}
        await self._journal.receipt(Kind.CONFIG_APPLIED, digest=digest, **fields)

    # -- phones

    async def phone_issue(self, agent: str) -> dict[str, str]:
        """A lasting credential for a hardware phone; the password is in this answer and nowhere else."""
        await self._member(agent)
        return await self._phones.issue(agent)

    async def phone_revoke(self, agent: str) -> None:
        await self._phones.revoke(agent)

    # -- the ledger

    async def ledger_export(self, directory: Path) -> int:
        """Write the ledger's public form, which verifies offline; how many entries. Raises ConfigError, Unavailable."""
        if not directory.is_absolute():
            raise ConfigError("ledger export: give an absolute directory that the vault's user may write to")
        return await self._export(directory)

    # -- the supervisor's word

    def fault(self, part: str, code: int) -> None:
        """A part stopped by itself, with this exit code. Raises ConfigError for what is no part's name."""
        if not re.fullmatch(r"[a-z]{1,20}", part):
            raise ConfigError("fault: part: the name of a part")
        self._journal.soon(Kind.FAULT, part=part, code=code)


def _is_count(item: tuple[Any, Any]) -> bool:
    name, value = item
    named = isinstance(name, str) and re.fullmatch(r"[a-z_]{1,40}", name) is not None
    return named and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**6


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise ConfigError(f"staff: role: one of {', '.join(Role)}") from None
