"""What the controller may ask: recognise a caller, connect an agent, step up, hang up. See `ports.CallVault`.

The controller is not believed: legs come with the edge's signature, and the edge is asked whether they live.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable

import structlog

from quietline.access.assurance import Evidence, Factor, may_match, score
from quietline.access.codes import Codes
from quietline.access.grants import CallerLeg, Grants
from quietline.access.messages import code_text
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import Denied, EdgeUnavailable, TamperError, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.legs import LegTicket
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.stir.passport import Claim
from quietline.vault.assuring import Assuring, warned_of
from quietline.vault.blind_index import PHONE, BlindIndex, normalise_phone
from quietline.vault.callbacks import Callbacks
from quietline.vault.card import holds_card_number
from quietline.vault.helpers import Helpers
from quietline.vault.journal import Journal
from quietline.vault.last_agent import LastAgents
from quietline.vault.leg_book import LegBook
from quietline.vault.pace import paced
from quietline.vault.ports import Callback, CallEvent, CodeChannel, Match
from quietline.vault.records import Records

log = structlog.get_logger()

MATCH_SECONDS = 0.010  # floor of every match; the work takes about 1 ms
CODE_FLOOR_SECONDS = 0.050  # floor of every "send a code"; the gateway is spoken to afterwards, out of hearing
NOBODY = "+999{:012d}"  # looked up where there is no number, so that the work is the same; no country has +999
KEYED = re.compile(r"[0-9]{1,20}")
MAX_BATCH = 1_000  # events the controller may note at once
MAX_WORD = 80
WORD = re.compile(r"[A-Za-z0-9_.:/ -]{0,80}")
ONE_TOKEN = re.compile(r"[0-9_.:/-]*[A-Za-z][A-Za-z0-9_.:/-]*")
MAX_EVENT_FIELDS = 16
MAX_COUNT = 1e6  # a phone number does not pass for a count
LIKE_A_NUMBER = 7  # digits in words without a letter; tokens have letters
CONTROLLER_KINDS = frozenset(
    {
        Kind.CALL_QUEUED,
        Kind.CALL_OFFERED,
        Kind.CALL_DECLINED,
        Kind.CALL_CONNECTED,
        Kind.CALL_TRANSFERRED,
        Kind.CALL_OVERFLOWED,
        Kind.CALL_CLOSED,
        Kind.CALL_ENDED,
        Kind.CONSENT_GIVEN,
        Kind.CONSENT_REFUSED,
        Kind.FAULT,
    }
)
CONTROLLER_WORDS = frozenset(kind.value for kind in CONTROLLER_KINDS)


class Calls:
    """Lives on the event loop; what blocks goes to threads. `background` takes work nobody waits for."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        journal: Journal,
        legs: LegBook,
        grants: Grants,
        codes: Codes,
        index: BlindIndex,
        records: Records,
        callbacks: Callbacks,
        channel: CodeChannel | None,
        background: asyncio.TaskGroup,
        last_agents: LastAgents,
        helpers: Helpers,
    ) -> None:
        self._clock, self._journal, self._legs, self._grants = clock, journal, legs, grants
        self._codes, self._index, self._channel = codes, index, channel
        self.callbacks = callbacks
        self._background = background
        self.last_agents = last_agents
        self._countries = {trunk.name: trunk.country for trunk in config.trunks}
        self._stores = StoresInForce(config)
        self.assuring = Assuring(
            clock, journal, legs, grants, index, records, helpers, self._stores, channel, background
        )
        self.touched: Callable[[str, str, str], None] = lambda customer, agent, how: None  # canaries.py listens

    # -- the caller

    async def arrive_and_match(self, header: Sealed[str]) -> Match:
        """Both, with the ticket checked once. Raises Denied("leg-unknown")."""
        ticket = self._check(header, "caller")
        self._arrive(ticket)
        return await self._match(ticket)

    def arrive(self, header: Sealed[str]) -> None:
        """Queue CALL_ARRIVED. Raises Denied("leg-unknown")."""
        self._arrive(self._check(header, "caller"))

    def _arrive(self, ticket: LegTicket) -> None:
        store = self._stores.by_number(ticket.dialled)
        self._journal.soon(
            Kind.CALL_ARRIVED,
            leg=ticket.id,
            trunk=ticket.trunk,
            grade=ticket.grade,
            withheld=ticket.private,
            store=store.id if store else "",
        )

    async def match(self, header: Sealed[str]) -> Match:
        """Who calls, in the same time whether known or not. Raises Denied("leg-unknown")."""
        return await self._match(self._check(header, "caller"))

    async def _match(self, ticket: LegTicket) -> Match:
        async with paced(MATCH_SECONDS):
            return await self._recognise(ticket, self._controller_of(ticket))

    async def _recognise(self, ticket: LegTicket, controller: str) -> Match:
        several, number = await self._find(controller, ticket)
        customer = several[0] if len(several) == 1 else ""
        helper = "" if several else self._helps(number)
        customer, scope = (customer, "") if not helper else helper.split(" ", 1)
        matched = bool(scope) or (bool(customer) and self.assuring.counts(customer))
        evidence = Evidence(bool(ticket.trunk), ticket.private or not ticket.caller, matched)
        leg = self._grants.leg_arrived(ticket.id, customer, score(evidence), self._clock.wall())
        if self._legs.get(ticket.id) is None:
            self._legs.add(ticket, controller, matched, number, scope)
            self._legs.standing(ticket.id).candidates = frozenset(several)
            self._attest(ticket)
            self._journal.soon(Kind.CALL_MATCHED, leg.customer, leg=leg.id, assurance=leg.assurance)
            self.touched(leg.customer, "", "match")
        token = "cm_" + secrets.token_hex(16) if leg.customer else ""
        return Match(leg.id, token, leg.assurance, self.last_agents.of(leg.customer))

    def _helps(self, number: str) -> str:
        """For whom this number may call, and for which reasons, in words; "" for nobody, or several to choose from."""
        found = self.assuring.helpers.of_mark(number, self._clock.wall())
        return f"{found[0].customer} {' '.join(found[0].reasons)}" if len(found) == 1 else ""

    def _attest(self, ticket: LegTicket) -> None:
        if ticket.identity and ticket.trunk in self._countries:
            dialled = normalise_phone(ticket.dialled, self._countries[ticket.trunk]) or ""
            self.assuring.attest(ticket, Claim(self._number(ticket) or "", dialled))

    def _controller_of(self, ticket: LegTicket) -> str:
        """GDPR controller of the store dialled, "" for none of ours."""
        store = self._stores.by_number(ticket.dialled)
        return store.controller if store else ""

    async def _find(self, controller: str, ticket: LegTicket) -> tuple[list[str], str]:
        """The customers who share the number, and its token. Always one HMAC and one query, may it match or not."""
        number = self._number(ticket)
        looked_up = number or NOBODY.format(secrets.randbelow(10**12))
        token, found = self._look_up(controller, looked_up)
        if found is None:
            log.error("a blind-index row was changed behind our back")
            self._journal.soon(Kind.TAMPER_FOUND, leg=ticket.id, part="blind_index")
        return (found or [], token.hex()) if number else ([], "")

    def _look_up(self, controller: str, number: str) -> tuple[bytes, list[str] | None]:
        """The number's token, and whose it is; None where a row was changed.

        On the event loop: one indexed row takes 20 µs, a thread and the way back 200 (docs/decisions/0008-figures.md).
        """
        token = self._index.token(controller, PHONE, number)
        try:
            return token, self._index.every_by(PHONE, token)
        except TamperError:
            return token, None

    def _number(self, ticket: LegTicket) -> str | None:
        """E.164 by the trunk's country; None where it may not be looked up: withheld, or not on a named trunk."""
        if ticket.trunk not in self._countries or not may_match(ticket):
            return None
        claimed = ticket.caller.open(Ticket("vault", "match", SIGNALLING))
        return normalise_phone(claimed, self._countries[ticket.trunk])

    def _check(self, header: Sealed[str], kind: str) -> LegTicket:
        try:
            return self._legs.check(header, kind, self._clock.wall())
        except Denied as refusal:
            self._journal.soon(Kind.LOOK_REFUSED, action="leg", why=refusal.reason)
            raise

    # -- the agent

    async def connect(self, leg: str, agent_header: Sealed[str]) -> str:
        """A grant for the agent who answered, once the edge says that both legs live.

        Raises Denied("leg-unknown" | "call-ended" | "call-unconfirmed" | "not-your-call"), EdgeUnavailable.
        """
        ticket = self._check(agent_header, "agent")
        try:
            grant = await self._grant(leg, ticket)
        except EdgeUnavailable:
            self._forget_unused(ticket)
            raise
        except Denied as refusal:
            self._forget_unused(ticket)
            self._journal.soon(Kind.LOOK_REFUSED, action="connect", leg=leg, agent=ticket.agent, why=refusal.reason)
            raise
        self._journal.soon(Kind.GRANT_OPENED, grant=grant, leg=leg, agent=ticket.agent)
        return grant

    async def _grant(self, leg: str, ticket: LegTicket) -> str:
        self._grants.leg(leg)
        for other in self._grants.of_agent(ticket.agent):
            if other.agent_leg == ticket.id and other.caller_leg != leg:
                raise denied(Why.NOT_YOUR_CALL)  # one agent's leg hears one caller
        if self._legs.get(ticket.id) is None:
            self._legs.add(ticket)
        if not await self._legs.alive(leg, ticket.id):
            raise denied(Why.CALL_UNCONFIRMED)
        grant = self._grants.connect(leg, ticket.id, ticket.agent, self._clock.wall())
        self.last_agents.spoke(grant.customer, grant.agent)
        return grant.id

    def _forget_unused(self, ticket: LegTicket) -> None:
        if all(grant.agent_leg != ticket.id for grant in self._grants.of_agent(ticket.agent)):
            self._legs.forget(ticket.id)

    def hang_up(self, leg: str) -> None:
        """Close every grant of this leg, and forget its code."""
        for grant in self._grants.hang_up(leg, self._clock.wall()):
            self._journal.soon(Kind.GRANT_CLOSED, grant=grant.id, leg=grant.caller_leg, agent=grant.agent)
        self._codes.forget(leg)

    # -- ringing back

    async def keep_callback(self, header: Sealed[str]) -> Callback:
        """Keep this live caller's number to ring them back. Raises as `ports.keep_callback` says."""
        ticket = self._check(header, "caller")
        number = self._number(ticket)
        if number is None:
            raise denied(Why.CALLBACK_NO_NUMBER)
        if not await self._legs.up(ticket):
            raise denied(Why.CALL_UNCONFIRMED)
        controller = self._controller_of(ticket)
        mark = await asyncio.to_thread(self._index.token, controller, PHONE, number)
        return await self.callbacks.keep(number, mark.hex(), controller)

    async def dial_callback(self, callback: str, agent_header: Sealed[str]) -> Sealed[str]:
        """The number to dial, for an agent who has answered. Raises as `ports.dial_callback` says."""
        ticket = self._check(agent_header, "agent")
        try:
            if any(grant.agent_leg == ticket.id for grant in self._grants.of_agent(ticket.agent)):
                raise denied(Why.NOT_YOUR_CALL)
            return await self.callbacks.dial(callback, ticket)
        except Denied as refusal:
            self._journal.soon(Kind.LOOK_REFUSED, action="dial", agent=ticket.agent, why=refusal.reason)
            raise

    async def answer_callback(self, callback: str, header: Sealed[str]) -> Match:
        """Whoever was rung back is a caller from now on. Raises as `ports.answer_callback` says."""
        ticket = self._check(header, "called")
        kept = await self.callbacks.answered(callback, self._number(ticket) or "", ticket)
        match = await self._recognise(ticket, kept.controller)
        await self.callbacks.drop(callback, "answered")
        return match

    # -- step-up

    async def send_code(self, leg: str) -> bool:
        """Send a code to the contact on record; always True, in the same time, whether there is one or not.

        Raises Denied("call-ended" | "code-sends-used-up"), LedgerUnavailable, EdgeUnavailable; Unavailable: no gateway.
        """
        if self._channel is None:
            raise Unavailable("step-up: no code gateway is configured ([vault] code_gateway)")
        async with paced(CODE_FLOOR_SECONDS):
            self._grants.leg(leg)
            if not await self._legs.alive(leg):
                raise denied(Why.CALL_UNCONFIRMED)
            caller, known = self._grants.leg(leg), self._legs.get(leg)  # it may have ended while the edge was asked
            code = self._codes.issue(leg, self._clock.monotonic(), known.number if known else "")
            ticket = await self._journal.first(Kind.CODE_SENT, "vault", "code", caller.customer, leg=leg)
            self._grants.leg(leg)  # nor is anything sent for a call that ended while the ledger wrote
            self._background.create_task(self._send(self._channel, caller, code, ticket))
        return True

    async def _send(self, channel: CodeChannel, caller: CallerLeg, code: Sealed[str], ticket: Ticket) -> None:
        """Nobody waits for this; what fails is in the ledger, and the code runs out."""
        try:
            to, language = await self.assuring.contact(caller, ticket)
            if to:
                text = code_text(language, self.assuring.store_name(caller.id), code.open(ticket))
                await channel.send(to, Sealed(text), ticket)
        except (Unavailable, TamperError) as error:
            log.error("a one-time code could not be sent", leg=caller.id, error=type(error).__name__)
            self._journal.soon(Kind.FAULT, leg=caller.id, part="code_gateway")

    async def check_code(self, leg: str, digits: Sealed[str]) -> int:
        """The assurance after this try. Raises Denied: code-wrong, code-expired, code-used-up, call-ended."""
        caller = self._grants.leg(leg)
        try:
            self._codes.check(leg, digits, self._clock.monotonic(), Ticket("vault", "code", SIGNALLING))
        except Denied as refusal:
            self._journal.soon(Kind.CODE_FAILED, caller.customer, leg=leg, why=refusal.reason)
            if warned_of(refusal):
                self.assuring.failed(leg)
            raise
        level = self.assuring.shown(caller, Factor.CODE_TO_PHONE)
        await self._journal.first(Kind.CODE_PASSED, "vault", "code", caller.customer, leg=leg, assurance=level)
        return self._grants.raise_assurance(leg, level).assurance

    def keep_digits(self, leg: str, digits: Sealed[str]) -> None:
        """For the card. Raises Denied("leg-unknown", or "card-number" for digits that may pay)."""
        plain = digits.open(Ticket("vault", "keyed", SIGNALLING))
        if not KEYED.fullmatch(plain) or holds_card_number(plain):
            raise Denied("card-number", "A payment card's number is never kept.")
        self._legs.keep_keyed(leg, digits)

    # -- the controller's own entries

    def note_events(self, events: list[CallEvent]) -> None:
        """Queue entries of the controller's. Raises Denied("event-refused") on what is not its to write."""
        if len(events) > MAX_BATCH:
            raise Denied("event-refused", f"at most {MAX_BATCH} events at once")
        for event in events:
            _check_event(event)
        for event in events:
            self._journal.write_soon(Kind(event.kind), {**event.fields, "leg": event.leg})
            if event.kind == Kind.CALL_ENDED:
                self.hang_up(event.leg)


def _check_event(event: CallEvent) -> None:
    """Only the controller's kinds, and only short words without a run of digits: no number gets into the ledger."""
    if event.kind not in CONTROLLER_WORDS:
        raise Denied("event-refused", "not a kind of entry that the controller may write")
    if len(event.fields) > MAX_EVENT_FIELDS:
        raise Denied("event-refused", f"at most {MAX_EVENT_FIELDS} fields")
    for value in (event.leg, *event.fields, *event.fields.values()):
        if not _is_word_or_count(value):
            raise Denied("event-refused", "a field holds more than a word, a token or a number")


def _is_word_or_count(value: object) -> bool:
    if isinstance(value, str):
        if len(value) <= MAX_WORD and ONE_TOKEN.fullmatch(value):
            return True  # most are: one token with a letter in it
        unlettered = "".join(part for part in value.split() if not any(char.isalpha() for char in part))
        return bool(WORD.fullmatch(value)) and sum(char.isdigit() for char in unlettered) < LIKE_A_NUMBER
    return isinstance(value, bool) or (isinstance(value, int | float) and -MAX_COUNT < value < MAX_COUNT)
