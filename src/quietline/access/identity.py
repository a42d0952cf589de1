"""Staff: who they are, as the ledger vouches for them. Rows that somebody changed behind our back count for nothing.

Setting anything takes three steps, in this order: the ledger entry becomes durable (the caller does that), its leaf
goes into the row, the row gets its voucher and is stored. Everything here blocks on the store: call it in a thread.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from quietline.access.decide import Principal, Role, controllers_of
from quietline.access.ports import CertificateRow, StaffRow, StaffStore
from quietline.access.vouch import Voucher
from quietline.config import Store
from quietline.errors import ConfigError, TamperError
from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket
from quietline.skills import read_skills, write_skills
from quietline.vault.schema import DataClass

MAX_REMEMBERED = 4_096  # people


class StaffSealer(Protocol):
    """What the vault lends to identity. `agent` is bound to the ciphertext, so that names cannot be swapped."""

    def index(self, login: str) -> str:
        """A keyed token of a login that `normal_login` has passed."""

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes: ...

    def open_name(self, agent: str, sealed: bytes) -> Sealed[str]:
        """Raises TamperError when it was sealed for somebody else."""


@dataclass(frozen=True, slots=True)
class NewStaff:
    """An account to make. `password`: a PHC string of `Passwords.hash`. Times: UTC seconds, `ends` 0 for open-ended.

    `skills`: skill -> proficiency, 1 to 5 (skills.py).
    """

    login: Sealed[str]
    name: Sealed[str]
    password: str = field(repr=False)
    role: Role
    store: str
    skills: Mapping[str, int] = field(default_factory=dict)
    starts: float = 0.0
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class Member:
    """A vouched-for account, without secrets. `skills`: skill -> proficiency, 1 to 5.

    `certificates`: data class -> expiry; only vouched-for ones.
    """

    agent: str
    role: Role
    store: str
    skills: dict[str, int]
    starts: float
    ends: float
    certificates: dict[str, float]
    second: bool = False  # a second factor is set up

    def in_service(self, now: float) -> bool:
        """Whether the contract runs at `now`, UTC seconds."""
        return self.starts <= now and (self.ends == 0 or now < self.ends)


@dataclass(frozen=True, slots=True)
class Roll:
    """Everybody at a glance. `tampered`: what each refused row was, to be alerted and written down; tokens only."""

    members: list[Member]
    tampered: list[str]


def new_agent_token() -> str:
    """An agent's token: random, also the user part at the edge."""
    return "ag_" + secrets.token_hex(8)


def normal_login(login: str) -> str:
    """A login as it is indexed: trimmed, case folded. Raises ConfigError when it is empty or longer than 254."""
    normal = login.strip().casefold()
    if not 0 < len(normal) <= 254:
        raise ConfigError("login: 1 to 254 characters")
    return normal


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What one reading of the store said, good while the store has this version."""

    version: int
    member: Member
    name: Sealed[str]


class Identity:
    """Accounts and certificates over a store. Every method blocks; safe across threads as the store is."""

    def __init__(self, store: StaffStore, voucher: Voucher, sealer: StaffSealer, stores: Iterable[Store] = ()) -> None:
        self._store = store
        self._voucher = voucher
        self._sealer = sealer
        self._stores = stores  # iterated anew at each use: they change when a chain is applied
        self._remembered: dict[str, _Remembered] = {}
        self._roll: tuple[int, Roll] | None = None

    # -- writing; `leaf` is that of the ledger entry just made durable

    def add(self, new: NewStaff, leaf: str, ticket: Ticket, agent: str = "") -> str:
        """Make an account; the agent's token. Raises ConfigError for a taken login or bad times."""
        token = agent or new_agent_token()
        row = self.new_row(new, leaf, ticket, token)
        if self._store.by_agent(token):
            raise ConfigError(f"staff {token}: exists already; change it instead")
        self._store.put_staff(self._voucher.staff(row))
        return token

    def new_row(self, new: NewStaff, leaf: str, ticket: Ticket, token: str) -> StaffRow:
        """The account as it is kept, not stored yet. Raises ConfigError for a login that is none, or bad times."""
        check_times(new.role, new.starts, new.ends)
        return StaffRow(
            agent=token,
            login=self.login_token(new.login, ticket),
            name=self._sealer.seal_name(token, new.name),
            role=new.role.value,
            store=new.store,
            skills=tuple(write_skills(new.skills)),
            starts=new.starts,
            ends=new.ends,
            password=new.password,
            leaf=leaf,
        )

    def put_all(self, rows: Iterable[StaffRow]) -> None:
        """Vouch for these accounts and store them, all or none. Raises ConfigError for a taken login."""
        self._store.put_all([self._voucher.staff(row) for row in rows])

    def seal_name(self, agent: str, name: Sealed[str]) -> bytes:
        """A display name as a row keeps it."""
        return self._sealer.seal_name(agent, name)

    def set_role(self, agent: str, role: Role, leaf: str) -> None:
        """Another job. Raises Denied for nobody, TamperError for a row not ours, ConfigError: a season without end."""
        row = self.row(agent)
        check_times(role, row.starts, row.ends)
        self._change(agent, leaf, role=role.value)

    def set_service(self, agent: str, starts: float, ends: float, leaf: str) -> None:
        """The contract's times; `ends` in the past ends it. The caller revokes the sessions."""
        check_times(Role(self.row(agent).role), starts, ends)
        self._change(agent, leaf, starts=starts, ends=ends)

    def set_password(self, agent: str, password: str, leaf: str) -> None:
        """`password`: a PHC string of `Passwords.hash`."""
        self._change(agent, leaf, password=password)

    def set_certificate(self, agent: str, data_class: DataClass, expires: float, leaf: str) -> None:
        """Give a certificate, renew it, or take it away (`expires` 0)."""
        _check_times(0.0, expires)
        self.row(agent)
        held = next((row for row in self._store.certificates(agent) if row.data_class == data_class), None)
        version = held.version + 1 if held else 1
        row = CertificateRow(agent, data_class.value, expires, leaf, version)
        self._store.put_certificate(self._voucher.certificate(row))

    # -- reading

    def login_token(self, login: Sealed[str], ticket: Ticket) -> str:
        """The keyed token a login is kept under. Raises ConfigError when it is empty or too long. Does not block."""
        return self._sealer.index(normal_login(login.open(ticket)))

    def by_login(self, token: str) -> StaffRow | None:
        """The account of a `login_token`, None for nobody. Raises TamperError for a row that is not ours."""
        row = self._store.by_login(token)
        return self._voucher.check_staff(row) if row else None

    def member(self, agent: str) -> Member:
        """One account. Raises Denied("policy") for nobody; TamperError if it or one of its certificates is not ours."""
        return self._read(agent).member

    def _read(self, agent: str) -> _Remembered:
        """Whatever was written while this reads makes the version of before out of date."""
        version = self._store.version()
        row = self.row(agent)
        held = [self._voucher.check_certificate(each) for each in self._store.certificates(agent)]
        found = _Remembered(version, _member(row, held), self._sealer.open_name(agent, row.name))
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[agent] = found
        return found

    def at_hand(self, agent: str) -> bool:
        """Whether `principal` and `display_name` answer from memory: nothing was written since. Does not block."""
        found = self._remembered.get(agent)
        return found is not None and found.version == self._store.version()

    def _known(self, agent: str) -> _Remembered:
        return self._remembered[agent] if self.at_hand(agent) else self._read(agent)

    def principal(self, agent: str, now: float) -> Principal:
        """The agent as policy sees them. Raises as `member` does, and Denied("signed-out") outside the contract."""
        member = self._known(agent).member
        if not member.in_service(now):
            raise denied(Why.SIGNED_OUT)
        controllers = controllers_of(member.store, self._stores)
        return Principal(agent, member.role, member.store, controllers, member.certificates)

    def has_second(self, agent: str) -> bool:
        """Whether a second factor is set up. From memory after `principal`. Raises as `member` does."""
        return self._known(agent).member.second

    def display_name(self, agent: str) -> Sealed[str]:
        """For the person's own page."""
        return self._known(agent).name

    def name_of(self, row: StaffRow) -> Sealed[str]:
        """The display name a row keeps."""
        return self._sealer.open_name(row.agent, row.name)

    def logins(self) -> dict[str, str]:
        """Agent -> the keyed token of their login, of everybody."""
        return {row.agent: row.login for row in self._store.all_staff()}

    def roll(self) -> Roll:
        """Everybody. A tampered account is left out whole, a tampered certificate counts as not held.

        Read once for each version of the store: routing asks every two seconds, and thousands of vouchers take 0.1 s.
        """
        version = self._store.version()
        if self._roll is None or self._roll[0] != version:
            self._roll = (version, self._read_roll())
        return self._roll[1]

    def roll_at_hand(self) -> bool:
        """Whether `roll` answers from memory. Does not block."""
        return self._roll is not None and self._roll[0] == self._store.version()

    def _read_roll(self) -> Roll:
        roll = Roll([], [])
        held = self._vouched_certificates(roll)
        for row in self._store.all_staff():
            try:
                roll.members.append(_member(self._voucher.check_staff(row), held.get(row.agent, [])))
            except TamperError as error:
                roll.tampered.append(str(error))
        return roll

    # -- inside

    def _vouched_certificates(self, roll: Roll) -> dict[str, list[CertificateRow]]:
        held: dict[str, list[CertificateRow]] = {}
        for row in self._store.all_certificates():
            try:
                held.setdefault(row.agent, []).append(self._voucher.check_certificate(row))
            except TamperError as error:
                roll.tampered.append(str(error))
        return held

    def row(self, agent: str) -> StaffRow:
        """The account as it is kept. Raises Denied("policy") for nobody, TamperError for a row that is not ours."""
        row = self._store.by_agent(agent)
        if row is None:
            raise denied(Why.POLICY)
        return self._voucher.check_staff(row)

    def _change(self, agent: str, leaf: str, **values: str | float) -> None:
        row = self.row(agent)
        changed = replace(row, leaf=leaf, version=row.version + 1, **values)  # type: ignore[arg-type]
        self._store.put_staff(self._voucher.staff(changed))


def _member(row: StaffRow, held: Iterable[CertificateRow]) -> Member:
    try:
        role = Role(row.role)
    except ValueError:
        raise TamperError(f"staff {row.agent}: a role nobody knows; set it anew") from None
    certificates = {each.data_class: each.expires for each in held}
    return Member(row.agent, role, row.store, read_skills(row.skills), row.starts, row.ends, certificates, row.second)


def check_times(role: Role, starts: float, ends: float) -> None:
    """Returns when a contract may run so. Raises ConfigError: times that are none, a season without end."""
    _check_times(starts, ends)
    if role is Role.SEASONAL_AGENT and ends == 0:
        raise ConfigError("staff: a seasonal agent's contract ends: give the date")


def _check_times(starts: float, ends: float) -> None:
    if not (math.isfinite(starts) and math.isfinite(ends)) or starts < 0 or ends < 0:
        raise ConfigError("times: UTC seconds, finite and not negative")
