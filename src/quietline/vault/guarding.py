"""What guards the looks of an open vault, put together once per unsealing: work grants, break-glass, canary customers,
alerts, receipts, and the books of who looked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from quietline.access.breakglass import GlassLimits
from quietline.access.cedar import Rules
from quietline.access.decide import HUBS, Action, Circumstances, Phase, Principal, decide
from quietline.access.grants import Grants
from quietline.access.work_grants import WorkLimits
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.rights.ledger_reader import LedgerReader
from quietline.vault.alerts import Alerts, Webhook
from quietline.vault.apart import LooksApart
from quietline.vault.blind_index import BlindIndex
from quietline.vault.bodies import Bodies
from quietline.vault.calls import Calls
from quietline.vault.canaries import Canaries
from quietline.vault.customers import Customers
from quietline.vault.desk import Desk
from quietline.vault.emergency import EmergencyDesk
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.leg_book import LegBook
from quietline.vault.look_book import LookBook
from quietline.vault.ports import CodeChannel
from quietline.vault.receipts import Post, Receipts
from quietline.vault.records import Records
from quietline.vault.remembered import Remembered
from quietline.vault.work import WorkDesk

log = structlog.get_logger()

SWEEP_SECONDS: Final = 5.0
RECEIPTS_EVERY: Final = 720  # sweeps: hourly
HTTPS_PORT: Final = 443


class Opened(Protocol):
    """The answering half of the vault, as far as it is needed here."""

    calls: Calls
    desk: Desk
    journal: Journal
    grants: Grants
    legs: LegBook
    records: Records
    remembered: Remembered
    customers: Customers


@dataclass(frozen=True, slots=True)
class Around:
    """What the vault lends from outside. `start`: a task of its task group; `policies`: those in force."""

    config: Config
    clock: Clock
    keyring: Keyring
    index: BlindIndex
    policies: Rules
    channel: CodeChannel | None
    start: Callable[[Any], object]
    country: str


@dataclass(frozen=True, slots=True)
class Guards:
    """What answers, and what runs by itself."""

    work: WorkDesk
    emergency: EmergencyDesk
    canaries: Canaries
    receipts: Receipts
    book: LookBook
    alerts: Alerts
    listening: Listening

    async def background(self) -> None:
        """To be run as a task of the open vault."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.alerts.run())
            group.create_task(self._keep_sweeping())

    async def _keep_sweeping(self) -> None:
        turn = 0
        while True:
            await self.sweep(receipts=turn % RECEIPTS_EVERY == 0)
            turn += 1
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self, receipts: bool = True) -> None:
        """Forget what is over; tell of reviews that are overdue."""
        try:
            await self.work.sweep()
            await self.emergency.sweep()
            if receipts:
                await self.receipts.sweep()
        except Unavailable:
            log.error("work grants, break-glass or receipts that are over could not be forgotten; tried again")


class Listening:
    """Listening in is a reveal: decided and written down here before anybody hears a word. The media path is the
    controller's; it has none yet, so a word from here is needed and nothing follows from it."""

    def __init__(self, apart: LooksApart, grants: Grants, legs: LegBook, policies: Rules, desk: Desk) -> None:
        self._apart, self._grants, self._legs, self._policies, self._desk = apart, grants, legs, policies, desk

    async def allow(self, who: Principal, leg: str) -> int:
        """The ledger's entry under which this supervisor may listen to this live call.

        Raises Denied, LedgerUnavailable, EdgeUnavailable.
        """
        with self._apart.refusals(who, "", Action.LISTEN):
            grant = next(iter(self._grants.of_leg(leg)), None)
            known = self._legs.get(leg)
            if grant is None or known is None or not await self._legs.alive(leg, grant.agent_leg):
                raise denied(Why.CALL_ENDED)
            now = self._apart.clock.wall()
            basis = decide(self._policies, who, Action.LISTEN, Circumstances(Phase.LIVE, known.controller, 0, now))
            agent = await asyncio.to_thread(self._desk.identity.principal, grant.agent, now)
            if who.store not in (*HUBS, agent.store):
                raise denied(Why.OTHER_STORE)
            self._apart.looks.touched(grant.customer, who.agent, Action.LISTEN.value)
            ticket = await self._apart.journal.first(
                Kind.LOOK_ALLOWED,
                who.agent,
                Action.LISTEN.value,
                grant.customer,
                agent=who.agent,
                heard=grant.agent,
                leg=leg,
                role=who.role.value,
                store=who.store,
                controller=known.controller,
                basis=" ".join(basis.policies),
                action=Action.LISTEN.value,
            )
            self._grants.still_live(grant.id, grant.agent, self._apart.clock.wall())
        return ticket.entry


def open_guards(opened: Opened, around: Around) -> Guards:
    """Take up what is kept, and listen to every look. Blocks. Raises TamperError, ConfigError for a bad webhook."""
    config, vault, journal, clock = around.config, around.config.vault, opened.journal, around.clock
    apart = LooksApart(clock, journal, opened.grants, around.policies, opened.records, opened.desk.looks)
    alerts = Alerts(journal, Webhook(vault.alert_webhook) if vault.alert_webhook else None)
    reader = LedgerReader(config.paths.state / "vault" / "ledger.db", Bodies(around.keyring))
    remembered, index, country = opened.remembered, around.index, around.country
    work_limits = WorkLimits(vault.work_own_seconds, vault.work_longest_seconds)
    work = WorkDesk(apart, opened.grants, opened.legs, opened.desk.identity, remembered, work_limits)
    glass_limits = GlassLimits(vault.break_glass_minutes)
    emergency = EmergencyDesk(apart, alerts, index, remembered, glass_limits, country)
    canaries = Canaries(clock, journal, alerts, opened.customers, index, remembered, country)
    for part in (work, emergency, canaries):
        part.restore()
    opened.desk.looks.touched = opened.calls.touched = canaries.touched
    opened.grants.on_ceiling = lambda why, agent: alerts.tell_seldom(Kind.CEILING_REACHED, agent, why.value)
    listening = Listening(apart, opened.grants, opened.legs, around.policies, opened.desk)
    book = LookBook(journal, reader, StoresInForce(config))
    return Guards(work, emergency, canaries, _receipts(opened, around, reader), book, alerts, listening)


def _receipts(opened: Opened, around: Around, reader: LedgerReader) -> Receipts:
    config = around.config
    post = Post(around.channel, receipt_base(config), config.vault.receipt_seconds, around.start, around.country)
    made = Receipts(
        around.clock,
        opened.journal,
        opened.grants,
        opened.legs,
        opened.records,
        opened.remembered,
        reader,
        StoresInForce(config),
        around.keyring.secret("receipt/link"),
        post,
    )
    made.bar = opened.desk.looks.bar
    return made


def receipt_base(config: Config) -> str:
    """Where receipts are opened: the desk's own origin, for it has the certificate."""
    port = "" if config.web.port == HTTPS_PORT else f":{config.web.port}"
    return f"https://{config.edge.realm}{port}/r/"
