"""Everything that exists only while the vault is unsealed, put together once per unsealing.

`Unsealed.live` runs what it needs in the background; when it is left, files are closed and keys dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from quietline import config_file
from quietline.access.cedar import Rules
from quietline.access.codes import CodeLimits, Codes
from quietline.access.grants import GrantLimits, Grants
from quietline.access.identity import Identity
from quietline.access.passwords import PasswordLimits, Passwords
from quietline.access.ports import GrantStore
from quietline.access.sessions import SessionLimits, Sessions
from quietline.access.staff_sqlite import SqliteStaff
from quietline.access.vouch import VouchedState, Voucher
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import Unavailable
from quietline.ledger.ports import BodySealer, Ledger
from quietline.ledger.vocabulary import Kind
from quietline.rights.build import Rights, open_rights
from quietline.rights.store import open_rights_database
from quietline.stir.build import verifier_of
from quietline.stir.fetch import CertificateSource
from quietline.vault.admin import Admin, Ending
from quietline.vault.blind_index import BlindIndex
from quietline.vault.bodies import Bodies
from quietline.vault.callbacks import PREFIX, Callbacks
from quietline.vault.calls import Calls
from quietline.vault.custom import catalogue
from quietline.vault.customers import Customers, customers_of
from quietline.vault.desk import Desk
from quietline.vault.edge_credentials import EdgeCredentials, watch
from quietline.vault.guarding import Around, Guards, open_guards
from quietline.vault.helper_desk import HelperDesk
from quietline.vault.helpers import PREFIX as HELPER
from quietline.vault.helpers import Helpers
from quietline.vault.journal import Journal
from quietline.vault.key_desk import KeyDesk, KeyParts
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.last_agent import PREFIX as LAST_AGENT
from quietline.vault.last_agent import LastAgents
from quietline.vault.leg_book import LegBook, dump, load
from quietline.vault.looks import Looks
from quietline.vault.people_parts import AtHand, PeopleSide, people_of, sign_in_of
from quietline.vault.phones import Phones
from quietline.vault.policies import VaultPolicies, open_policies
from quietline.vault.ports import CodeChannel, Kms, LiveLegs, PhoneBook
from quietline.vault.records import Records, open_records_database
from quietline.vault.remembered import Remembered
from quietline.vault.replay import forget_again, open_tombstones
from quietline.vault.staff_sealer import VaultStaffSealer
from quietline.vault.trunks import Trunks

log = structlog.get_logger()

SAVE_SECONDS = 0.2  # how late grants and legs are stored; a crash in between loses a grant, which then opens nothing
SWEEP_SECONDS = 5.0
SESSIONS_SECONDS = 30.0
WRAP_UP_GRACE = 10.0  # seconds beyond the controller's wrap-up, for a page that is a little late


class OpenLedger(Ledger, Protocol):
    """A ledger that says how it fares and can be handed out."""

    def state(self) -> str:
        """ "ok", "stalled" or "failing"."""

    async def erase(self, subject: str) -> int:
        """Delete the bodies sealed under this subject; how many. No proof breaks."""

    async def export(self, directory: Path) -> int:
        """Write its public form below `directory`; how many entries."""


LedgerMaker = Callable[[Config, bytes, BodySealer, Clock], AbstractAsyncContextManager[OpenLedger]]


@dataclass(frozen=True, slots=True)
class World:
    """What the vault is given: the edge's word, the edge's phone book, a channel for codes, a ledger, a clock."""

    config: Config
    clock: Clock
    leg_key: bytes = field(repr=False)
    edge: LiveLegs
    phone_book: PhoneBook
    channel: CodeChannel | None
    open_ledger: LedgerMaker
    certificates: CertificateSource | None = None  # of carriers who sign; None: over HTTPS, from the hosts configured


@dataclass(slots=True)
class Unsealed:
    """The parts that answer."""

    calls: Calls
    desk: Desk
    admin: Admin
    journal: Journal
    ledger: OpenLedger
    records: Records
    grants: Grants
    legs: LegBook
    live: GrantStore
    remembered: Remembered
    agent_legs: dict[str, str]  # grant -> the agent's leg
    changed_legs: set[str]
    customers: Customers
    policies: VaultPolicies
    people: PeopleSide
    rights: Rights = field(init=False)
    keys: KeyDesk = field(init=False)
    guards: Guards = field(init=False)
    helper_desk: HelperDesk = field(init=False)

    # -- background

    async def save(self) -> None:
        """Store grants and legs that changed; what cannot be stored is tried again."""
        await self.calls.last_agents.save()
        put, drop = self.grants.changes()
        legs, self.changed_legs = self.changed_legs, set()
        if not (put or drop or legs):
            return
        self.agent_legs.update({str(each["id"]): str(each["agent_leg"]) for each in put if each["kind"] == "grant"})
        known = {f"leg/{leg}": dump(found) for leg in legs if (found := self.legs.get(leg))}
        gone = [f"leg/{leg}" for leg in legs if self.legs.get(leg) is None]
        try:
            await asyncio.to_thread(self.live.write_grants, put, drop)
            await asyncio.to_thread(self.remembered.update, known, gone)
        except Unavailable:
            self.grants.mark([*(str(each["id"]) for each in put), *drop])
            self.changed_legs |= legs
            log.error("live grants could not be stored; they are tried again")

    def sweep(self) -> None:
        """Forget what is over."""
        for over in self.grants.sweep(self.journal.now()):
            self.desk.looks.forget(over)
            self.legs.forget(self.agent_legs.pop(over, ""))
            self.legs.forget(over)

    async def keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self.save()

    async def keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()
            try:
                await self.calls.callbacks.expire()
                await self.calls.last_agents.expire()
                await self.calls.assuring.helpers.expire(self.journal.now())
            except Unavailable:
                log.error("callbacks or last talks whose time is over could not be forgotten; tried again")

    async def keep_ending_sessions(self) -> None:
        while True:
            await asyncio.sleep(SESSIONS_SECONDS)
            try:
                await self.desk.end_expired()
                await self.admin.end_contracts()
            except Unavailable:
                log.error("sessions that ran out could not be stored; tried again")


class _Closed(Protocol):
    def close(self) -> None: ...


Part = TypeVar("Part", bound=_Closed)


async def _opened(stack: AsyncExitStack, make: Callable[..., Part], *given: Any) -> Part:
    """A part that is made off the event loop, and closed with the vault."""
    part = await asyncio.to_thread(make, *given)
    stack.callback(part.close)
    return part


@asynccontextmanager
async def unsealed(world: World, kms: Kms) -> AsyncIterator[Unsealed]:
    """The vault, open. Raises ConfigError, TamperError or Unavailable when what is stored cannot be used."""
    folder = world.config.paths.state / "vault"
    async with AsyncExitStack() as stack:
        keys = await _opened(stack, open_keys_database, folder)
        rows = await _opened(stack, open_records_database, folder)
        requests = await _opened(stack, open_rights_database, folder)
        staff = await _opened(stack, SqliteStaff, folder / "staff.db")
        live = await _opened(stack, SqliteStaff, folder / "grants.db")
        keyring = Keyring(keys, kms)
        stack.callback(keyring.forget)
        signing = await asyncio.to_thread(keyring.secret, "ledger/signing")
        ledger = await stack.enter_async_context(world.open_ledger(world.config, signing, Bodies(keyring), world.clock))
        passwords = await _opened(stack, Passwords, _password_limits(world.config))
        index = BlindIndex(keys, keyring)
        records = Records(rows, keyring, catalogue(world.config.fields))
        remembered = await asyncio.to_thread(Remembered, rows, keyring)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        core = _Core(world, keyring, index, records, remembered, staff, live, passwords, ledger, group)
        opened = await core.build()
        at_hand = (requests, keyring, index)
        country = _country(world.config)
        stones = await asyncio.to_thread(open_tombstones, folder, keys, rows, world.clock.wall)
        memories = (opened.calls.last_agents, opened.calls.assuring.helpers)
        await forget_again(await asyncio.to_thread(stones.every), *memories)
        opened.rights = await asyncio.to_thread(open_rights, world.config, opened, at_hand, ledger, stones, country)
        around = Around(
            world.config,
            world.clock,
            keyring,
            index,
            opened.policies.in_force,
            world.channel,
            group.create_task,
            country,
        )
        opened.guards = await asyncio.to_thread(open_guards, opened, around)
        opened.helper_desk = HelperDesk(opened.journal, index, opened.calls.assuring.helpers, country)
        opened.keys = KeyDesk(KeyParts(world.config, kms, keys, rows, keyring, index, records, opened.journal, country))
        by_themselves = (*core.background(opened), opened.rights.background(), opened.guards.background())
        tasks = [group.create_task(work) for work in (*by_themselves, opened.keys.background())]
        try:
            yield opened
        finally:
            for task in tasks:
                task.cancel()
            await opened.save()


@dataclass(slots=True)
class _Core:
    """The stored half, from which the answering half is built."""

    world: World
    keyring: Keyring
    index: BlindIndex
    records: Records
    remembered: Remembered
    staff: SqliteStaff
    live: SqliteStaff  # a file of its own: its frequent writes must not hold up who reads staff
    passwords: Passwords
    ledger: OpenLedger
    group: asyncio.TaskGroup
    credentials: tuple[EdgeCredentials, ...] = ()

    async def build(self) -> Unsealed:
        world, config = self.world, self.world.config
        journal = Journal(self.ledger, world.clock, config.vault.ledger_wait_seconds)
        policies = await open_policies(
            config, journal, self.remembered, tuple(self.records.fields.values()), self.keyring
        )
        await journal.receipt(Kind.CONFIG_LOADED, digest=hashlib.sha256(config_file.dump(config).encode()).hexdigest())
        legs = LegBook(world.leg_key, world.edge, config.vault.leg_ticket_seconds, config.vault.edge_answer_seconds)
        grants = Grants(_grant_limits(config))
        changed: set[str] = set()
        voucher = Voucher(await asyncio.to_thread(self.keyring.secret, "staff/voucher"))
        live = VouchedState(self.live, voucher)
        agent_legs = await self._restore(journal, legs, grants, live)
        calls = self._calls(journal, legs, grants)
        calls.callbacks.restore((await asyncio.to_thread(self.remembered.all, PREFIX)).items())
        calls.assuring.helpers.restore((await asyncio.to_thread(self.remembered.all, HELPER)).items())
        calls.assuring.verifier = await asyncio.to_thread(verifier_of, config, world.clock, world.certificates)
        calls.last_agents.restore((await asyncio.to_thread(self.remembered.all, LAST_AGENT)).items())
        desk, people, admin = await self._people(journal, legs, grants, policies.in_force, voucher)
        opened = Unsealed(
            calls, desk, admin, journal, self.ledger, self.records, grants, legs, live, self.remembered,
            agent_legs, changed,
            customers_of(config, journal, self.keyring, self.index, self.records, _country(config)),
            policies,
            people,
        )  # fmt: skip
        legs.on_change = lambda leg: opened.changed_legs.add(leg)
        return opened

    def background(self, opened: Unsealed) -> list[Any]:
        telling = watch(self.world.phone_book.instance, self.credentials)
        return [opened.keep_saving(), opened.keep_sweeping(), opened.keep_ending_sessions(), telling]

    async def _restore(self, journal: Journal, legs: LegBook, grants: Grants, live: VouchedState) -> dict[str, str]:
        """Live calls of an earlier life: nothing opens on them until the edge has said that they live."""
        stored = await asyncio.to_thread(live.grants)
        for left_out in live.tampered:
            await journal.receipt(Kind.TAMPER_FOUND, part="grant")
            await asyncio.to_thread(live.write_grants, [], [left_out.name])
        grants.restore(stored)
        saved = await asyncio.to_thread(self.remembered.all, "leg")
        agent_legs = {str(each["id"]): str(each["agent_leg"]) for each in stored if each["kind"] == "grant"}
        needed = {str(each["id"]) for each in stored} | set(agent_legs.values())
        legs.restore(load(each) for leg, each in saved.items() if leg in needed)
        await asyncio.to_thread(self.remembered.forget, *(f"leg/{leg}" for leg in saved if leg not in needed))
        return agent_legs

    def _calls(self, journal: Journal, legs: LegBook, grants: Grants) -> Calls:
        limits = self.world.config.vault
        codes = Codes(CodeLimits(limits.code_seconds, limits.code_tries))
        world = self.world
        callbacks = Callbacks(journal, legs, self.remembered, limits.callback_seconds, limits.callback_tries)
        return Calls(
            world.config, world.clock, journal, legs, grants, codes, self.index, self.records, callbacks,
            world.channel, self.group, LastAgents(self.remembered, world.clock, limits.last_agent_seconds),
            Helpers(self.remembered),
        )  # fmt: skip

    async def _credentials(self, journal: Journal) -> tuple[Phones, Trunks]:
        """What the edge should know, as it was issued before the restart."""
        book, config, remembered = self.world.phone_book, self.world.config, self.remembered
        of_phones = EdgeCredentials("phone", book.add, book.remove, remembered)
        of_trunks = EdgeCredentials("trunk", book.put_trunk_credential, book.remove_trunk_credential, remembered)
        self.credentials = (of_phones, of_trunks)
        for each in self.credentials:
            await each.load()
        realm = config.edge.realm
        return Phones(of_phones, self.keyring, realm, journal), Trunks(config.trunks, of_trunks, realm, journal)

    async def _sessions(self, journal: Journal, voucher: Voucher) -> Sessions:
        """Who was signed in before the restart; a session that somebody planted is written down, then dropped."""
        vault = self.world.config.vault
        stored = VouchedState(self.staff, voucher)
        sessions = Sessions(stored, self.world.clock, SessionLimits(vault.session_seconds, vault.session_idle_seconds))
        await asyncio.to_thread(sessions.load)
        for left_out in stored.tampered:
            await journal.receipt(Kind.TAMPER_FOUND, part="session")
            await asyncio.to_thread(stored.drop_sessions, [left_out.name])
        return sessions

    async def _people(
        self, journal: Journal, legs: LegBook, grants: Grants, policies: Rules, voucher: Voucher
    ) -> tuple[Desk, PeopleSide, Admin]:
        config, clock = self.world.config, self.world.clock
        sealer = VaultStaffSealer(self.keyring, self.index)
        identity = Identity(self.staff, voucher, sealer, StoresInForce(config))
        sessions = await self._sessions(journal, voucher)
        phones, trunks = await self._credentials(journal)
        looks = Looks(clock, journal, legs, grants, policies, self.records)
        at = AtHand(
            config, clock, journal, self.staff, voucher, self.keyring, sealer, identity, sessions, self.passwords
        )
        sign_in, proofs = await sign_in_of(at)
        roles = config.vault.second_factor_roles
        desk = Desk(clock, journal, identity, sessions, sign_in, self.passwords, phones, looks, roles)
        people = await people_of(at, desk, sign_in, proofs)
        ending = Ending(desk.end_sessions, people.tokens.revoke_agent)
        admin = Admin(
            config, clock, journal, identity, self.passwords, sessions, phones, trunks, sealer.make_keys,
            self.ledger.export, ending,
        )  # fmt: skip
        return desk, people, admin


def _password_limits(config: Config) -> PasswordLimits:
    return PasswordLimits(config.vault.argon2_memory_kib, config.vault.argon2_passes)


def _grant_limits(config: Config) -> GrantLimits:
    return GrantLimits(
        per_leg=config.vault.opens_per_leg,
        per_minute=config.vault.opens_per_minute,
        per_day=config.vault.opens_per_day,
        in_all=config.vault.opens_in_all,
        wrap_up=config.controller.wrap_up_seconds + WRAP_UP_GRACE,
        life=config.controller.max_call_seconds,
    )


def _country(config: Config) -> str:
    """By whose rules the shop's own records write numbers: the first trunk's country."""
    return config.trunks[0].country if config.trunks else "GB"
