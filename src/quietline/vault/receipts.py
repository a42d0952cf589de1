"""Receipts in the vault: after a call the customer may see who looked at what, proven against the ledger, and choose.

Sent to the phone on record only, and only where that was on record before the call (`SETTLED_DAYS`), so that whoever
pretends to be a customer gets no receipt of that customer's. It names roles and stores, never people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from quietline.access.decide import Phase, Principal
from quietline.access.grants import Grant, Grants
from quietline.chain.in_force import StoresInForce
from quietline.clock import Clock
from quietline.errors import Denied, TamperError, Unavailable
from quietline.ledger.call_receipt import as_document, line_of, proven
from quietline.ledger.records import SALT_BYTES, decode_body
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.rights.breach import classes_of
from quietline.rights.ledger_reader import LedgerReader
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.blind_index import PHONE, normalise_phone
from quietline.vault.journal import Journal
from quietline.vault.leg_book import LegBook
from quietline.vault.ports import CodeChannel
from quietline.vault.receipt_links import check_link, gone, make_link, name_of
from quietline.vault.records import CONSENT, DAY_SECONDS, NewRecord, Records
from quietline.vault.remembered import Remembered

log = structlog.get_logger()

PREFIX = "receipt"
SETTLED_DAYS: Final = 7  # a contact that changed later raises nothing either (issue 4, assurance)
TEXT = "See who looked at your data on your call with us, and choose what we keep: {link} (until {days} days from now)"
CHOICES: Final[dict[str, str]] = {
    "recording": "You may record my calls, so that what was agreed can be heard again.",
    "follow-up": "You may ask me afterwards how the call went.",
}
WORDING = "receipt-page/1"
_TICKET = Ticket("vault", "receipt", SIGNALLING)


@dataclass(frozen=True, slots=True)
class Kept:
    """One receipt. `looks`: the ledger's entries; times: UTC seconds."""

    customer: str
    controller: str
    leg: str
    store: str
    at: float
    until: float
    looks: tuple[int, ...]

    def dump(self) -> dict[str, str]:
        """As strings, for the vault's memory."""
        words = {"customer": self.customer, "controller": self.controller, "leg": self.leg, "store": self.store}
        return {**words, "at": repr(self.at), "until": repr(self.until), "looks": " ".join(map(str, self.looks))}


def load_kept(saved: dict[str, str]) -> Kept:
    """The receipt again. Raises TamperError on what `dump` did not write."""
    try:
        words = (saved["customer"], saved["controller"], saved["leg"], saved["store"])
        looks = tuple(map(int, saved["looks"].split()))
        return Kept(*words, float(saved["at"]), float(saved["until"]), looks)
    except (KeyError, ValueError):
        raise TamperError("receipts: a saved one does not have the fields of one") from None


@dataclass(frozen=True, slots=True)
class Post:
    """How a receipt travels. `base`: "https://host/r/"; `start`: runs what nobody waits for, in a task that is owned;
    `country`: by whose rules numbers on record are written."""

    channel: CodeChannel | None
    base: str
    life: float
    start: Callable[[Any], object]
    country: str


class Receipts:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        grants: Grants,
        legs: LegBook,
        records: Records,
        remembered: Remembered,
        reader: LedgerReader,
        stores: StoresInForce,
        key: bytes,
        post: Post,
    ) -> None:
        self._clock, self._journal, self._grants, self._legs = clock, journal, grants, legs
        self._records, self._remembered, self._reader, self._stores = records, remembered, reader, stores
        self._key, self._post = key, post
        self._sent: set[str] = set()  # legs; one receipt a call
        self.bar: Callable[[str], Denied | None] = lambda customer: None

    # -- sending

    async def send(self, who: Principal, grant_id: str) -> None:
        """Send the receipt of the agent's own call, in its wrap-up. Whether there was a contact to send to is not told.

        Raises Denied("call-live" | "call-ended" | "nobody-matched" | "receipt-sent"), LedgerUnavailable, Unavailable.
        """
        grant = self._ended(who, grant_id)
        if self._post.channel is None:
            raise Unavailable("receipts: no gateway is configured ([vault] code_gateway)")
        self._sent.add(grant.caller_leg)
        try:
            ticket = await self._journal.first(
                Kind.RECEIPT_SENT, who.agent, "receipt", grant.customer, agent=who.agent, leg=grant.caller_leg
            )
        except Unavailable:
            self._sent.discard(grant.caller_leg)
            raise
        self._post.start(self._carry(self._post.channel, grant, ticket))

    def _ended(self, who: Principal, grant_id: str) -> Grant:
        grant = self._grants.find(grant_id, who.agent)
        phase = self._grants.phase(grant, self._clock.wall())
        if phase is Phase.LIVE:
            raise Denied("call-live", "The call has not ended.")
        if phase is Phase.OVER:
            raise denied(Why.CALL_ENDED)
        if not grant.customer:
            raise Denied("nobody-matched", "No customer was recognised on this call, so there is nobody to send it to.")
        if grant.caller_leg in self._sent:
            raise Denied("receipt-sent", "A receipt of this call was sent already.")
        return grant

    async def _carry(self, channel: CodeChannel, grant: Grant, ticket: Ticket) -> None:
        """Nobody waits for this; what fails is in the ledger."""
        try:
            if not await asyncio.to_thread(self._settled, grant):
                return
            held = await asyncio.to_thread(self._records.open, grant.customer, PHONE, ticket)
            to = normalise_phone(held.open(ticket), self._post.country) if held else None
            if to:
                link = await self._keep(grant)
                days = round(self._post.life / DAY_SECONDS)
                text = TEXT.format(link=self._post.base + link.open(_TICKET), days=days)
                await channel.send(Sealed(to), Sealed(text), ticket)
        except (Unavailable, TamperError) as error:
            log.error("a receipt could not be sent", leg=grant.caller_leg, error=type(error).__name__)
            self._journal.soon(Kind.FAULT, leg=grant.caller_leg, part="receipt")

    def _settled(self, grant: Grant) -> bool:
        """Whether the contact stood on record well before the call."""
        changed = self._records.changed(grant.customer, PHONE)
        return changed == 0 or changed + SETTLED_DAYS <= grant.opened // DAY_SECONDS

    async def _keep(self, grant: Grant) -> Sealed[str]:
        until = self._clock.wall() + self._post.life
        link = make_link(self._key, until)
        kept = await asyncio.to_thread(self._gather, grant, until)
        await asyncio.to_thread(self._remembered.put, f"{PREFIX}/{name_of(link)}", kept.dump())
        return Sealed(link)

    def _gather(self, grant: Grant, until: float) -> Kept:
        known = self._legs.get(grant.caller_leg)
        controller = known.controller if known else self._records.controller_of(grant.customer)
        store = self._stores.by_number(known.ticket.dialled) if known else None
        theirs = self._reader.of(grant.customer)
        looks = [
            placed.index
            for placed in theirs
            if placed.entry.kind is Kind.LOOK_ALLOWED and (placed.entry.fields or {}).get("leg") == grant.caller_leg
        ]
        leg, name = grant.caller_leg, store.name if store else ""
        return Kept(grant.customer, controller, leg, name, grant.opened, until, tuple(looks))

    # -- reading

    async def document(self, link: str) -> dict[str, Any]:
        """What the page and the file show. Raises Denied("receipt-unknown")."""
        kept = await self._find(link)
        self._journal.soon(Kind.RECEIPT_OPENED, kept.customer, leg=kept.leg)
        return await asyncio.to_thread(self._document, kept)

    def _document(self, kept: Kept) -> dict[str, Any]:
        lines = [line for index in kept.looks if (line := self._line(index))]
        names = {each.id: each.name for each in self._stores}
        stores = {line["store"]: names[line["store"]] for line in lines if line["store"] in names}
        call = {"store": kept.store, "at": kept.at, "until": kept.until, "stores": stores}
        return {**as_document(call, lines, self._reader.vkey()), "choices": self._choices(kept)}

    def _line(self, index: int) -> dict[str, Any] | None:
        try:
            proof = self._reader.proof(index)
        except IndexError:
            return None  # erased since
        entry = decode_body(proof.opened[SALT_BYTES:])
        return proven(line_of(entry, classes_of), proof.index, proof.opened, proof.hashes, proof.checkpoint)

    def _choices(self, kept: Kept) -> list[dict[str, Any]]:
        given = dict.fromkeys(CHOICES, False)
        for record in self._records.every(kept.customer):
            if record.kind == CONSENT:
                purpose, choice = (
                    self._value(kept.customer, f"consent.{name}", record.id) for name in ("purpose", "choice")
                )
                given |= {purpose: choice == "given"} if purpose in given else {}
        return [{"purpose": name, "wording": CHOICES[name], "given": given[name]} for name in CHOICES]

    def _value(self, customer: str, name: str, record: str) -> str:
        value = self._records.open(customer, name, _TICKET, record)
        return value.open(_TICKET) if value else ""

    # -- choosing

    async def choose(self, link: str, purpose: str, given: bool) -> dict[str, Any]:
        """Keep a choice, with the words it was made by; the choices as they stand. Durable on return.

        Raises Denied("receipt-unknown" | "unknown-choice"), LedgerUnavailable.
        """
        kept = await self._find(link)
        if purpose not in CHOICES:
            raise Denied("unknown-choice", "There is no such choice.")
        kind = Kind.CONSENT_GIVEN if given else Kind.CONSENT_REFUSED
        ticket = await self._journal.first(
            kind, "customer", "receipt", kept.customer, leg=kept.leg, wording=WORDING, purpose=purpose, how="page"
        )
        # Crash here: the ledger tells of a choice that is not on record; the page still shows the old one.
        values = {
            "consent.purpose": purpose,
            "consent.choice": "given" if given else "refused",
            "consent.wording": CHOICES[purpose],
            "consent.heard": str(round(self._clock.wall())),
        }
        fields = {name: Sealed(value) for name, value in values.items()}
        record = NewRecord(kept.controller, kept.customer, CONSENT, fields)
        await asyncio.to_thread(self._records.add, [record], ticket)
        return {"choices": await asyncio.to_thread(self._choices, kept)}

    # -- keeping

    async def sweep(self) -> None:
        """Forget what has expired, and whose customer was erased."""
        now = self._clock.wall()
        stored = await asyncio.to_thread(self._remembered.all, PREFIX)
        gone_ones = [name for name, saved in stored.items() if self._is_gone(load_kept(saved), now)]
        if gone_ones:
            await asyncio.to_thread(self._remembered.forget, *(f"{PREFIX}/{name}" for name in gone_ones))
        self._sent = {leg for leg in self._sent if self._legs.get(leg)}

    def _is_gone(self, kept: Kept, now: float) -> bool:
        barred = self.bar(kept.customer)
        return now >= kept.until or (barred is not None and barred.reason == Why.ERASED)

    async def _find(self, link: str) -> Kept:
        name = check_link(self._key, link, self._clock.wall())
        saved = await asyncio.to_thread(self._remembered.get, f"{PREFIX}/{name}")
        if saved is None or self._is_gone(kept := load_kept(saved), self._clock.wall()):
            raise gone()
        return kept
