"""The one way from a stored value to an agent's page. See `ports.DeskVault`.

Of every look, in this order: (1) whose call is it, (2) does the edge say that both legs live, (3) does policy allow it,
with training, assurance and reason, (4) is the ceiling kept, (5) the ledger entry is durable, (6) the value is opened,
(7) the call still lives. A refusal at any step is in the ledger too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from quietline.access.cedar import Rules
from quietline.access.decide import Action, Basis, Circumstances, Phase, Principal, decide, survey
from quietline.access.grants import Grant, Grants
from quietline.access.helpers import require_scope
from quietline.access.lint import needed
from quietline.clock import Clock
from quietline.errors import Denied, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.card import Card, FieldView, best_refusal, holds_card_number, masked, refused, shown
from quietline.vault.journal import Journal
from quietline.vault.leg_book import LegBook
from quietline.vault.records import NOTE, NewRecord, Records
from quietline.vault.schema import FIELDS, MINIMUM, FieldSpec, Reason

log = structlog.get_logger()

MAX_NOTE = 2_000  # characters
MAX_SURVEYS = 1_024  # answers kept; each is a few hundred bytes
ORDER_REFERENCE = FIELDS["order.reference"]
NOTE_FIELD = "service.note"
KEYED_FIELD = "call.keyed"
Survey = dict[str, tuple[tuple[str, ...], Denied | None]]


class Looks:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self, clock: Clock, journal: Journal, legs: LegBook, grants: Grants, policies: Rules, records: Records
    ) -> None:
        self._clock, self._journal, self._legs = clock, journal, legs
        self._grants, self._policies, self._records = grants, policies, records
        self._notes: dict[str, str] = {}  # grant -> record of the agent's own note
        self._carded: set[tuple[str, int]] = set()  # (grant, assurance) whose card was counted as a look
        self._surveys: dict[object, Survey] = {}
        self.bar: Callable[[str], Denied | None] = lambda customer: None  # the rights desk's word: restricted, erased
        self.touched: Callable[[str, str, str], None] = lambda customer, agent, how: None  # canaries.py listens
        self._opened: dict[str, dict[str, int]] = {}  # grant -> field -> the ledger's entry of its last look

    # -- one field

    async def open(self, who: Principal, grant_id: str, name: str, reason_word: str) -> Sealed[str]:
        """One value. Raises Denied, LedgerUnavailable, EdgeUnavailable, TamperError; then nothing was opened."""
        with self._refusals(who, grant_id, name, action="reveal", reason=reason_word):
            spec, reason = self._spec(name), _reason(reason_word)
            grant = await self._live(who, grant_id)  # (1) (2)
            self._helped(grant, reason)
            self.touched(grant.customer, who.agent, "reveal")
            basis = decide(self._policies, who, Action.REVEAL, self._circumstances(grant), spec, reason)  # (3)
            self._grants.spend(grant.id, who.agent, self._clock.wall())  # (4)
        ticket = await self._allowed(who, grant, basis, action="reveal", field=name, reason=reason.value)  # (5)
        with self._refusals(who, grant_id, name, action="reveal", reason=reason_word):
            await self._again(who, grant)
            value = await self._unseal(grant, [name], ticket)  # (6)
            self._grants.still_live(grant.id, who.agent, self._clock.wall())  # (7)
            if name not in value:
                raise Denied("not-on-record", "This customer has no such field.")
        self._opened.setdefault(grant.id, {})[name] = ticket.entry
        return value[name]

    async def mistaken(self, who: Principal, grant_id: str, name: str) -> None:
        """The agent opened this field by mistake, and the page closes it; another look opens it anew.

        Raises Denied("not-your-call" | "nothing-opened"), LedgerUnavailable.
        """
        grant = self._grants.find(grant_id, who.agent)
        look = self._opened.get(grant.id, {}).pop(name, None)
        if look is None:
            raise Denied("nothing-opened", "This field was not opened on this call.")
        fields = {"agent": who.agent, "grant": grant.id, "leg": grant.caller_leg, "field": name}
        await self._journal.receipt(Kind.LOOK_MISTAKEN, grant.customer, look=look, **fields)

    # -- the card

    async def card(self, who: Principal, grant_id: str, reason_word: str = "") -> Card:
        """The minimum shown, the rest masked or refused; once a reason is chosen, only what it needs (GDPR 5(1)(c)).

        Raises as `open` does.
        """
        with self._refusals(who, grant_id, "minimum", action="card", **_chosen(reason_word)):
            grant = await self._live(who, grant_id)
            self.touched(grant.customer, who.agent, "card")
            if barred := self.bar(grant.customer):
                return await self._barred_card(grant, barred)
            now = self._circumstances(grant)
            has = await asyncio.to_thread(self._records.has, grant.customer) if grant.customer else set()
            has &= self._needed(reason_word)
            minimum = [self._records.fields[name] for name in MINIMUM if name in has]
            answers = survey(self._policies, who, Action.CARD, now, minimum)
            allowed = {name: basis for name, basis in answers.items() if isinstance(basis, Basis)}
            self._count_card(who, grant, now.assurance, bool(allowed))
        values = await self._minimum(who, grant, allowed, reason_word)
        specs = [spec for spec in self._records.fields.values() if spec.name in has]
        rest = self._survey(who, now, [spec for spec in specs if spec.name not in values])
        fields = tuple(_view(spec, values, rest) for spec in specs)
        return Card(now.assurance, bool(grant.customer), (*self._keyed(grant), *fields))

    async def _barred_card(self, grant: Grant, refusal: Denied) -> Card:
        """Nothing is shown of a customer who is restricted (GDPR 18(2)), and every field says why."""
        has = await asyncio.to_thread(self._records.has, grant.customer)
        specs = [spec for spec in self._records.fields.values() if spec.name in has]
        fields = tuple(refused(spec, refusal) for spec in specs)
        return Card(self._grants.assurance(grant), True, (*self._keyed(grant), *fields))

    async def holds(self, who: Principal, grant_id: str) -> None:
        """Whether this agent is on this live call. Raises Denied as `open` does, EdgeUnavailable."""
        with self._refusals(who, grant_id, "colleagues", action="colleagues"):
            await self._live(who, grant_id)

    def _keyed(self, grant: Grant) -> tuple[FieldView, ...]:
        """What the caller keyed on this very call, for the agent who has it: said to them, so no look at a record."""
        digits = self._legs.keyed(grant.caller_leg)
        if digits is None:
            return ()
        value = digits.open(Ticket("vault", "keyed", SIGNALLING))
        return (FieldView(KEYED_FIELD, "Keyed in by the caller", "service", "shown", value=value, mask=""),)

    def _needed(self, reason_word: str) -> frozenset[str]:
        """The fields a card is about: every one until a reason is chosen."""
        fields = self._records.fields
        return needed(_reason(reason_word), tuple(fields.values())) if reason_word else frozenset(fields)

    async def _minimum(
        self, who: Principal, grant: Grant, allowed: dict[str, Basis], reason_word: str
    ) -> dict[str, str]:
        if not allowed:
            return {}
        basis = Basis(tuple(sorted({policy for each in allowed.values() for policy in each.policies})))
        chosen = _chosen(reason_word)
        ticket = await self._allowed(who, grant, basis, action="card", field=" ".join(allowed), **chosen)
        with self._refusals(who, grant.id, "minimum", action="card"):
            await self._again(who, grant)
            values = await self._unseal(grant, list(allowed), ticket)
            self._grants.still_live(grant.id, who.agent, self._clock.wall())
        return {name: value.open(ticket) for name, value in values.items()}

    def _count_card(self, who: Principal, grant: Grant, assurance: int, shows: bool) -> None:
        """A page that loads again shows the same three fields: it is one look, though each showing is in the ledger."""
        if shows and (grant.id, assurance) not in self._carded:
            self._grants.spend(grant.id, who.agent, self._clock.wall())
            self._carded.add((grant.id, assurance))

    def _survey(self, who: Principal, now: Circumstances, specs: Sequence[FieldSpec]) -> Survey:
        """For each field: the reasons for which it may be shown, and the refusal to explain where there is none."""
        certified = who.current(now.now)
        names = tuple(spec.name for spec in specs)
        key = (
            self._policies.digest,
            int(now.now // 60) if self._policies.by_the_clock else 0,
            who.agent,
            who.role,
            who.store,
            who.controllers,
            certified,
            now.phase,
            now.controller,
            now.assurance,
            names,
        )
        if key not in self._surveys:
            if len(self._surveys) >= MAX_SURVEYS:
                self._surveys.clear()
            answers = {reason: survey(self._policies, who, Action.REVEAL, now, specs, reason) for reason in Reason}
            self._surveys[key] = {
                name: (
                    tuple(reason.value for reason in Reason if isinstance(answers[reason][name], Basis)),
                    best_refusal([answers[reason][name] for reason in Reason]),
                )
                for name in names
            }
        return self._surveys[key]

    # -- note and wrap-up

    async def write_note(self, who: Principal, grant_id: str, text: Sealed[str]) -> None:
        """Seal a note with the customer. Raises Denied("card-number" | "note-too-long" | "nobody-matched" | …)."""
        with self._refusals(who, grant_id, NOTE_FIELD, action="note"):
            grant = self._grants.find(grant_id, who.agent)
            _check_note(text.open(Ticket(who.agent, "check", SIGNALLING)))
            now = self._circumstances(grant)
            decide(self._policies, who, Action.NOTE, now)
            if not grant.customer:
                raise Denied(
                    "nobody-matched", "No customer was recognised on this call, so there is nowhere to keep it."
                )
        ticket = await self._journal.first(
            Kind.NOTE_WRITTEN, who.agent, "note", grant.customer, agent=who.agent, grant=grant.id, leg=grant.caller_leg
        )
        record = NewRecord(now.controller, grant.customer, NOTE, {NOTE_FIELD: text})
        (self._notes[grant.id],) = await asyncio.to_thread(self._records.add, [record], ticket)

    async def wrap_up(self, who: Principal, grant_id: str) -> dict[str, str]:
        """After the hang-up: `order_reference` and the agent's own `note`, "" for none. Raises as `open` does."""
        with self._refusals(who, grant_id, ORDER_REFERENCE.name, action="wrap_up"):
            grant = await self._ended(who, grant_id)
            if not grant.customer:
                return {"order_reference": "", "note": ""}
            basis = decide(self._policies, who, Action.WRAP_UP, self._circumstances(grant), ORDER_REFERENCE)
        ticket = await self._allowed(who, grant, basis, action="wrap_up", field=ORDER_REFERENCE.name)
        values = await self._unseal(grant, [ORDER_REFERENCE.name], ticket)
        note = await self._own_note(grant, ticket)
        reference = values.get(ORDER_REFERENCE.name)
        return {"order_reference": reference.open(ticket) if reference else "", "note": note}

    async def _own_note(self, grant: Grant, ticket: Ticket) -> str:
        record = self._notes.get(grant.id)
        if record is None:
            return ""
        note = await asyncio.to_thread(self._records.open, grant.customer, NOTE_FIELD, ticket, record)
        return note.open(ticket) if note else ""

    def forget(self, grant: str) -> None:
        """The grant is over for good."""
        self._notes.pop(grant, None)
        self._opened.pop(grant, None)
        self._carded = {pair for pair in self._carded if pair[0] != grant}

    # -- steps

    async def _live(self, who: Principal, grant_id: str) -> Grant:
        """(1) The agent's own live grant, (2) of which the edge says now that both legs live."""
        grant = self._grants.still_live(grant_id, who.agent, self._clock.wall())
        if not await self._legs.alive(grant.caller_leg, grant.agent_leg):
            self._close(grant)
            raise denied(Why.CALL_ENDED)
        self._grants.confirm(grant.id, self._clock.wall())
        return self._grants.still_live(grant_id, who.agent, self._clock.wall())

    def _helped(self, grant: Grant, reason: Reason) -> None:
        """Whoever calls for a customer does so for the reasons that the customer named. Raises Denied."""
        known = self._legs.get(grant.caller_leg)
        require_scope(known.scope if known else "", reason.value)

    async def _again(self, who: Principal, grant: Grant) -> None:
        """A slow ledger makes the edge's word old: then it is asked once more."""
        if self._grants.needs_word(grant, self._clock.wall()):
            await self._live(who, grant.id)
        self._grants.still_live(grant.id, who.agent, self._clock.wall())

    async def _ended(self, who: Principal, grant_id: str) -> Grant:
        """The agent's grant once its call is over, by our books or by the edge's word."""
        grant = self._grants.find(grant_id, who.agent)
        if self._grants.phase(grant, self._clock.wall()) is not Phase.LIVE:
            return grant
        if await self._legs.alive(grant.caller_leg, grant.agent_leg):
            raise Denied("call-live", "The call has not ended.")
        self._close(grant)
        return self._grants.find(grant_id, who.agent)

    def _close(self, grant: Grant) -> None:
        if self._grants.close(grant.id, self._clock.wall()):
            self._journal.soon(Kind.GRANT_CLOSED, grant=grant.id, leg=grant.caller_leg, agent=grant.agent, why="edge")

    def _circumstances(self, grant: Grant) -> Circumstances:
        """Every way to a value passes here. Raises Denied("restricted" | "erased")."""
        if barred := self.bar(grant.customer):
            raise barred
        leg = self._legs.get(grant.caller_leg)
        now = self._clock.wall()
        controller = leg.controller if leg else ""
        return Circumstances(self._grants.phase(grant, now), controller, self._grants.assurance(grant), now)

    async def _allowed(self, who: Principal, grant: Grant, basis: Basis, **fields: str) -> Ticket:
        why = fields.get("reason", fields["action"])
        known = self._legs.get(grant.caller_leg)
        return await self._journal.first(
            Kind.LOOK_ALLOWED,
            who.agent,
            why,
            grant.customer,
            agent=who.agent,
            grant=grant.id,
            leg=grant.caller_leg,
            role=who.role.value,
            store=who.store,
            controller=known.controller if known else "",
            basis=" ".join(basis.policies),
            **fields,
        )

    async def _unseal(self, grant: Grant, names: Sequence[str], ticket: Ticket) -> dict[str, Sealed[str]]:
        def work() -> dict[str, Sealed[str]]:
            found = ((name, self._records.open(grant.customer, name, ticket)) for name in names)
            return {name: value for name, value in found if value is not None}

        try:
            return await asyncio.to_thread(work)
        except TamperError:
            log.error("a stored value does not match what vouched for it", grant=grant.id)
            self._journal.soon(Kind.TAMPER_FOUND, grant.customer, grant=grant.id, part="records")
            raise

    @contextmanager
    def _refusals(self, who: Principal, grant: str, name: str, **fields: str) -> Iterator[None]:
        """Every refusal is an entry. Words that are not ours (an unknown field or reason) are not copied into it."""
        try:
            yield
        except Denied as refusal:
            words = {"field": name, **fields}.items()
            known = {key: value if self._is_ours(value) else "unknown" for key, value in words}
            leg = self._grants_leg(grant, who.agent)
            self._journal.soon(Kind.LOOK_REFUSED, agent=who.agent, leg=leg, why=refusal.reason, **known)
            raise

    def _is_ours(self, word: str) -> bool:
        return word in _WORDS or word in self._records.fields

    def _spec(self, name: str) -> FieldSpec:
        if name not in self._records.fields:
            raise Denied("unknown-field", "There is no such field.")
        return self._records.fields[name]

    def _grants_leg(self, grant: str, agent: str) -> str:
        try:
            return self._grants.find(grant, agent).caller_leg
        except Denied:
            return ""


_WORDS = {*(reason.value for reason in Reason), "reveal", "card", "note", "wrap_up", "minimum"}


def _chosen(reason_word: str) -> dict[str, str]:
    return {"reason": reason_word} if reason_word else {}


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        raise Denied("unknown-reason", "Choose one of the reasons on the page.") from None


def _check_note(text: str) -> None:
    if len(text) > MAX_NOTE:
        raise Denied("note-too-long", f"Keep it under {MAX_NOTE} characters.")
    if holds_card_number(text):
        raise Denied("card-number", "The note holds a payment card number. Take it out; it is never stored.")


def _view(spec: FieldSpec, values: dict[str, str], rest: Survey) -> FieldView:
    if spec.name in values:
        return shown(spec, values[spec.name])
    reasons, refusal = rest[spec.name]
    return masked(spec, reasons) if refusal is None else refused(spec, refusal)
