"""Who calls, beyond the number: a carrier's signature, what the caller tells, questions, helpers, relayed calls, and
what follows when a verification fails. The levels are access/assurance.py's; codes are sent and checked in calls.py.

An agent acts here on their own live call alone (`Looks.holds` has asked the edge). Whatever fails, the caller hears no
difference; what the page is told, the agent keeps to themselves (reasons.FAILED_SCRIPT).
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from quietline.access.assurance import Evidence, Factor, is_new, score
from quietline.access.grants import CallerLeg, Grant, Grants
from quietline.access.helpers import HIGHEST
from quietline.access.messages import warning_text
from quietline.access.questions import Answers, askable, same
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.errors import Denied, TamperError, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.legs import LegTicket
from quietline.reasons import ADVICE, FAILED_SCRIPT, Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.stir.passport import Claim
from quietline.stir.verify import Verifier
from quietline.vault.blind_index import LOYALTY, ORDER, PHONE, BlindIndex, normalise
from quietline.vault.helpers import Helpers
from quietline.vault.journal import Journal
from quietline.vault.leg_book import KnownLeg, LegBook
from quietline.vault.ports import CodeChannel
from quietline.vault.records import Records, today

log = structlog.get_logger()

LANGUAGE = "contact.language"
CLAIMED_BY = {"order": ORDER, "loyalty": LOYALTY}
CLAIMS = 3  # numbers tried on one call: a shop's order numbers follow each other, and must not be searched
WARNING_SECONDS = 86_400.0  # one warning a day to one customer


class Assuring:
    """Lives on the event loop; what blocks goes to threads. `background` takes work nobody waits for."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        legs: LegBook,
        grants: Grants,
        index: BlindIndex,
        records: Records,
        helpers: Helpers,
        stores: StoresInForce,
        channel: CodeChannel | None,
        background: asyncio.TaskGroup,
    ) -> None:
        self._clock, self._journal, self._legs, self._grants = clock, journal, legs, grants
        self._index, self._records, self.helpers, self._stores = index, records, helpers, stores
        self._channel, self._background = channel, background
        self._answers = Answers()
        self._warned: dict[str, float] = {}  # customer -> when
        self.verifier: Verifier | None = None  # None: no roots are configured

    # -- the carrier's word

    def attest(self, ticket: LegTicket, claim: Claim) -> None:
        """Check the `Identity` header, off the path of ringing: the call goes on, and its grade comes when it comes."""
        if self.verifier is not None and ticket.identity:
            self._background.create_task(self._attest(self.verifier, ticket, claim))

    async def _attest(self, verifier: Verifier, ticket: LegTicket, claim: Claim) -> None:
        header = ticket.identity.open(Ticket("vault", "attest", SIGNALLING))
        verdict = await verifier.verify(header, claim)
        self._legs.standing(ticket.id).attestation = verdict.value
        self._journal.soon(Kind.IDENTITY_CHECKED, leg=ticket.id, verdict=verdict.value)

    # -- levels

    def counts(self, customer: str, name: str = PHONE) -> bool:
        """Whether a contact may raise anything: not one that was changed in the last 7 days. One query, 20 µs."""
        return not is_new(self._records.changed(customer, name), today())

    def level(self, leg: CallerLeg, known: KnownLeg | None) -> int:
        """By all that is known of it now."""
        if known is None:
            return 0
        evidence = Evidence(bool(known.ticket.trunk), known.withheld, known.matched, bool(leg.customer))
        level = score(evidence, self._legs.standing(leg.id).shown)
        return min(level, HIGHEST) if known.scope else level

    def shown(self, leg: CallerLeg, factor: Factor) -> int:
        """The level once this factor was shown too; nothing where the contact it rests on is new."""
        known = self._legs.get(leg.id)
        if factor is not Factor.CODE_TO_PHONE or known is None or known.scope or self.counts(leg.customer):
            self._legs.standing(leg.id).shown.add(factor)
        return self.level(leg, known)

    async def contact(self, leg: CallerLeg, ticket: Ticket) -> tuple[Sealed[str] | None, str]:
        """Where this leg's code goes, None for nowhere, and the language: the helper's own number, else the one on
        record unless it is new. Nothing is sent for a call that no named trunk answers for."""
        known = self._legs.get(leg.id)
        if not leg.customer or known is None or not known.ticket.trunk:
            return None, ""
        language = await asyncio.to_thread(self._records.open, leg.customer, LANGUAGE, ticket)
        word = language.open(ticket) if language else ""
        if known.scope:
            helper = self.helpers.between(known.number, leg.customer, self._clock.wall())
            return (Sealed(helper.number) if helper else None), word
        if not self.counts(leg.customer):
            return None, ""
        return await asyncio.to_thread(self._records.open, leg.customer, PHONE, ticket), word

    def store_name(self, leg: str) -> str:
        """Of the store dialled, "" for none of ours."""
        known = self._legs.get(leg)
        store = self._stores.by_number(known.ticket.dialled) if known else None
        return store.name if store else ""

    # -- what the caller tells

    async def claim(self, grant: Grant, by: str, value: Sealed[str]) -> int:
        """The caller says who they are: the level now, 0 where only their word stands for it.

        Picks one of several who share the number, finds somebody whose number does not match or is withheld, and finds
        the customer whom a helper calls for. Raises Denied("not-now" | "claim-unknown" | "claims-used-up").
        """
        leg, known = self._grants.leg(grant.caller_leg), self._known(grant)
        standing = self._legs.standing(leg.id)
        if leg.customer or by not in CLAIMED_BY:
            raise denied(Why.NOT_NOW)
        if standing.claims >= CLAIMS:
            raise denied(Why.CLAIMS_USED_UP)
        standing.claims += 1
        found = await self._found(known.controller, CLAIMED_BY[by], value)
        await self._journal.receipt(Kind.CALLER_CLAIMED, found, leg=leg.id, agent=grant.agent, by=by, found=bool(found))
        if not found:
            raise denied(Why.CLAIM_UNKNOWN)
        return self._identify(leg, found)

    async def _found(self, controller: str, name: str, value: Sealed[str]) -> str:
        plain = normalise(name, value.open(Ticket("vault", "claim", SIGNALLING))[:64])
        several = await asyncio.to_thread(self._index.every, controller, name, plain) if plain else []
        return several[0] if len(several) == 1 else ""

    def _identify(self, leg: CallerLeg, customer: str) -> int:
        known = self._legs.get(leg.id)
        if known is None:
            raise denied(Why.CALL_ENDED)
        shares = customer in self._legs.standing(leg.id).candidates and self.counts(customer)
        helper = None if shares else self.helpers.between(known.number, customer, self._clock.wall())
        self._legs.identified(leg.id, shares or bool(helper), " ".join(helper.reasons) if helper else "")
        picked = self._grants.identify(leg.id, customer)
        return self._raise(picked)

    def _raise(self, leg: CallerLeg) -> int:
        return self._grants.raise_assurance(leg.id, self.level(leg, self._legs.get(leg.id))).assurance

    # -- questions

    async def answer(self, grant: Grant, name: str, answer: Sealed[str]) -> int:
        """The level after a right answer, 1 at most. Raises Denied("not-now" | "contact-new" | "answer-wrong" |
        "questions-used-up"), LedgerUnavailable, TamperError."""
        leg = self._grants.leg(grant.caller_leg)
        if not leg.customer or name not in await self._asks(leg.customer):
            raise denied(Why.NOT_NOW)
        if not self.counts(leg.customer, name):
            raise denied(Why.CONTACT_NEW)
        self._answers.spend(leg.customer, self._clock.monotonic())
        about = {"leg": leg.id, "agent": grant.agent, "field": name}
        ticket = await self._journal.first(Kind.QUESTION_ANSWERED, grant.agent, "question", leg.customer, **about)
        value = await asyncio.to_thread(self._records.open, leg.customer, name, ticket)
        right = value is not None and same(answer, value, ticket)
        self._journal.soon(Kind.QUESTION_ANSWERED, leg.customer, right=right, **about)
        if not right:
            if not self._answers.left(leg.customer, self._clock.monotonic()):
                self.failed(leg.id)
            raise denied(Why.ANSWER_WRONG)
        self._legs.standing(leg.id).shown.add(Factor.QUESTION)
        return self._raise(self._grants.leg(leg.id))

    async def _asks(self, customer: str) -> dict[str, str]:
        has = await asyncio.to_thread(self._records.has, customer)
        return {spec.name: spec.label for spec in askable(self._records.fields, has)}

    # -- relayed calls

    async def relayed(self, grant: Grant, relayed: bool) -> None:
        """The agent says that an operator of a relay service speaks for the caller. Changes no level, either way."""
        await self._journal.receipt(Kind.CALL_RELAYED, leg=grant.caller_leg, agent=grant.agent, relayed=relayed)
        self._legs.standing(grant.caller_leg).relayed = relayed

    # -- a verification that failed

    def failed(self, leg: str) -> None:
        """The last try was wrong. The account's holder is warned, where there is one and nothing was shown yet that a
        code opens; once a day. Takes as long for nobody: the message is written and sent out of hearing."""
        self._legs.standing(leg).failed = True
        self._background.create_task(self._warn(self._grants.leg(leg)))

    async def _warn(self, leg: CallerLeg) -> None:
        now = self._clock.monotonic()
        last = self._warned.get(leg.customer, -WARNING_SECONDS)
        if self._channel is None or not leg.customer or leg.assurance > 1 or now - last < WARNING_SECONDS:
            return
        self._warned[leg.customer] = now
        try:
            ticket = await self._journal.first(Kind.HOLDER_WARNED, "vault", "warning", leg.customer, leg=leg.id)
            to = await asyncio.to_thread(self._records.open, leg.customer, PHONE, ticket)
            language = await asyncio.to_thread(self._records.open, leg.customer, LANGUAGE, ticket)
            if to:
                text = warning_text(language.open(ticket) if language else "", self.store_name(leg.id))
                await self._channel.send(to, Sealed(text), ticket)
        except (Unavailable, TamperError) as error:
            log.error("a warning could not be sent", leg=leg.id, error=type(error).__name__)
            self._journal.soon(Kind.FAULT, leg=leg.id, part="code_gateway")

    # -- the page

    async def view(self, grant: Grant) -> dict[str, Any]:
        """What the agent's page shows of it: closed words, no value."""
        leg, known = self._grants.leg(grant.caller_leg), self._known(grant)
        standing = self._legs.standing(leg.id)
        asks = await self._asks(leg.customer) if leg.customer else {}
        return {
            "assurance": leg.assurance,
            "known": bool(leg.customer),
            "shared": len(standing.candidates) > 1,
            "attestation": standing.attestation,
            "code": self._code(leg, known),
            "questions": [{"name": name, "label": label} for name, label in asks.items()] if leg.assurance < 1 else [],
            "answers_left": self._answers.left(leg.customer, self._clock.monotonic()) if leg.customer else 0,
            "claims_left": 0 if leg.customer else CLAIMS - standing.claims,
            "relayed": standing.relayed,
            "helper": known.scope.split(),
            "failed": standing.failed,
            "script": list(FAILED_SCRIPT) if standing.failed else [],
        }

    def _code(self, leg: CallerLeg, known: KnownLeg) -> dict[str, str]:
        """Whether a code would raise anything, and why not: for the agent alone."""
        if leg.customer and not known.scope and not self.counts(leg.customer):
            return {"state": Why.CONTACT_NEW.value, "advice": ADVICE[Why.CONTACT_NEW]}
        return {"state": "possible" if leg.customer and known.ticket.trunk else "nobody", "advice": ""}

    def _known(self, grant: Grant) -> KnownLeg:
        known = self._legs.get(grant.caller_leg)
        if known is None:
            raise denied(Why.CALL_ENDED)
        return known


def warned_of(refusal: Denied) -> bool:
    """Whether a refused code ends the verification: the last try was wrong. A code that ran out is no attack."""
    return refusal.reason == Why.CODE_USED_UP.value
