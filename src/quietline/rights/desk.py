"""The rights desk: what a privacy officer does with requests, holds and recipients. Lives on the event loop.

Of every act, in this order: (1) who acts, with which role, (2) what the rules say (requests.py, erasure.py), (3) the
ledger entry is durable, (4) it is done. A customer is found by an identifier they gave; nobody is listed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from quietline.access.decide import Action, Circumstances, Phase, Principal, decide
from quietline.errors import ConfigError, Denied
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.rights.access_file import SECTIONS, encryption, pack
from quietline.rights.books import RightsBooks
from quietline.rights.breach import duties, whom_did_it_see
from quietline.rights.eraser import Eraser
from quietline.rights.erasure import OFFICERS, READERS, UNTOLD, Hold, hold_reason, may_erase, require_role
from quietline.rights.gather import Gatherer
from quietline.rights.parts import Parts
from quietline.rights.requests import ENDS, Act, Request, Right, act, open_request, overdue, right_of
from quietline.rights.times import stamp
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.blind_index import normalise
from quietline.vault.card import holds_card_number
from quietline.vault.records import NewRecord, kind_of

FOUND_BY = ("contact.phone", "contact.email", "contact.loyalty", "order.reference")
MAX_VALUE = 2_000  # characters
MAX_TOGETHER = 100  # erasures in one act
HOLD_SECONDS = 2 * 366 * 86_400  # a hold is looked at again by then
_ASKED = Ticket("privacy-officer", "rights", SIGNALLING)  # what the requester said themselves


@dataclass(frozen=True, slots=True)
class Found:
    """How a customer is looked for: by which field, with which value, at which data controller."""

    field: str
    value: Sealed[str]
    controller: str


class RightsDesk:
    """`books` and `eraser` are its own; see `build.py`."""

    def __init__(self, parts: Parts, books: RightsBooks, eraser: Eraser) -> None:
        self._parts, self.books, self.eraser = parts, books, eraser
        self._gatherer = Gatherer(parts, books)

    # -- requests

    async def open(
        self, who: Principal, word: str, found: Found, methods: Sequence[str], about: str = ""
    ) -> dict[str, Any]:
        """A new request; its view. Raises Denied("not-identified" | "nobody-found" | "other-store"), ConfigError."""
        require_role(who, OFFICERS)
        right, name = right_of(word), _token("rq")
        try:
            customer = await self._find(who, found)
            request = open_request(
                name, right, (found.controller, customer), methods, who.agent, self._parts.now(), about
            )
        except Denied as refusal:
            await self._refused(who, right.value, refusal)
            raise
        await self._note(Kind.RIGHT_OPENED, who, request, level=request.level, methods=" ".join(request.methods))
        return (await asyncio.to_thread(self.books.put, request)).view()

    async def move(self, who: Principal, name: str, word: str, why: str = "") -> dict[str, Any]:
        """Complete, enforce, lift, refuse, withdraw or extend it; its view. Raises Denied, ConfigError."""
        require_role(who, OFFICERS)
        request, what = self._mine(who, name), _act(word)
        if request.right is Right.ERASURE and what in (Act.BEGIN, Act.COMPLETE):
            raise ConfigError("right: an erasure is carried out by `quietline right erase`")
        after = act(request, what, self._parts.now(), why)
        await self._note(Kind.RIGHT_MOVED, who, request, act=what.value, why=why)
        return (await asyncio.to_thread(self.books.put, after)).view()

    def show(self, who: Principal, name: str) -> dict[str, Any]:
        """One request."""
        require_role(who, READERS)
        return self._mine(who, name).view()

    def listed(self, who: Principal, everything: bool = False) -> list[dict[str, Any]]:
        """Requests that are not ended, nearest deadline first, each with whether it is late."""
        require_role(who, READERS)
        mine = [each for each in self.books.requests.values() if each.controller in who.controllers]
        late = {each.id for each in overdue(mine, self._parts.now())}
        shown = sorted((each for each in mine if everything or each.state not in ENDS), key=lambda each: each.due)
        return [{**each.view(), "late": each.id in late} for each in shown]

    async def told(self, who: Principal, name: str, recipient: str, how: str) -> dict[str, Any]:
        """A recipient was told of it (GDPR 19): `how`, or "impossible" or "disproportionate"."""
        require_role(who, OFFICERS)
        request = self._mine(who, name)
        if recipient not in self.books.recipients:
            raise ConfigError("recipient: none of this name is on the list; see `quietline right recipients`")
        if how not in ("told", *UNTOLD):
            raise ConfigError(f"how: told, {' or '.join(UNTOLD)}")
        await self._note(Kind.RIGHT_MOVED, who, request, act="told", recipient=recipient, why=how)
        word = f"{how} {stamp(self._parts.now())}"
        return (await asyncio.to_thread(self.books.put, _telling(request, recipient, word))).view()

    # -- what they bring about

    async def access(
        self, who: Principal, name: str, to: str, passphrase: Sealed[str], withheld: Sequence[str]
    ) -> bytes:
        """The customer's file, encrypted to the requester (age). Raises Denied, ConfigError, TamperError."""
        require_role(who, OFFICERS)
        request = self._mine(who, name)
        if request.right is not Right.ACCESS or request.state in ENDS:
            raise Denied("not-in-this-state", "Only an open request for access is answered with a file.")
        if unknown := set(withheld) - set(SECTIONS):
            raise ConfigError(f"withhold: {len(unknown)} unknown; of {', '.join(SECTIONS)}")
        encrypt = encryption(to, passphrase)  # says what is wrong before anything is opened
        at = Circumstances(Phase.OVER, request.controller, 0, self._parts.now())
        basis = decide(self._parts.policies, who, Action.EXPORT, at)
        # The entry stands in the customer's own log like any other look.
        ticket = await self._parts.journal.first(
            Kind.LOOK_ALLOWED, who.agent, "subject-access", request.customer, agent=who.agent, action="access",
            field="all", reason="subject_access", basis=" ".join(basis.policies), request=request.id,
        )  # fmt: skip
        file = await asyncio.to_thread(self._gatherer.file, request, ticket, withheld)
        return await asyncio.to_thread(lambda: encrypt(pack(file)))

    async def rectify(self, who: Principal, name: str, field: str, value: Sealed[str]) -> dict[str, Any]:
        """Put another value in place of one; the old one is gone. Raises Denied, ConfigError."""
        require_role(who, OFFICERS)
        request = self._mine(who, name)
        if request.right is not Right.RECTIFICATION:
            raise Denied("not-in-this-state", "This is no request for rectification.")
        done = act(request, Act.COMPLETE, self._parts.now())
        self._check_value(field, value)
        ticket = await self._parts.journal.first(
            Kind.RECORDS_CORRECTED, who.agent, "rectification", request.customer, agent=who.agent, field=field,
            request=request.id,
        )  # fmt: skip
        await asyncio.to_thread(self._replace, request, field, value, ticket)
        return (await asyncio.to_thread(self.books.put, done)).view()

    async def erase(self, people: Sequence[Principal], names: Sequence[str]) -> dict[str, str]:
        """Erase these customers; a receipt for each request. Raises Denied (erasure.py), Unavailable.

        Over several, those done before one fails stay done: ask again for the rest.
        """
        require_role(people[0], OFFICERS)
        if not 0 < len(set(names)) <= MAX_TOGETHER:
            raise ConfigError(f"erase: 1 to {MAX_TOGETHER} requests at a time")
        wanted = [self._mine(people[0], name) for name in dict.fromkeys(names)]
        second = next((each.agent for each in people if each.agent != people[0].agent), "")
        try:
            may_erase(wanted, people, self.books.at(self._parts.now()), self._parts.limits)
        except Denied as refusal:
            await self._refused(people[0], Right.ERASURE.value, refusal, " ".join(each.id for each in wanted))
            raise
        return {each.id: await self.eraser.erase(each, people[0].agent, second) for each in wanted}

    def receipt(self, who: Principal, name: str) -> str:
        """An erasure's receipt, again."""
        require_role(who, READERS)
        self._mine(who, name)
        return self.books.receipt(name)

    # -- holds and recipients

    async def hold(self, who: Principal, found: Found, reason: str, until: float) -> dict[str, Any]:
        """Keep a customer's data from erasure and retention. `until`: UTC seconds, within two years."""
        require_role(who, OFFICERS)
        now, word = self._parts.now(), hold_reason(reason)
        if not now < until <= now + HOLD_SECONDS:
            raise ConfigError("until: later than now, and within two years; renew it if it must last longer")
        customer = await self._find(who, found)
        hold = Hold(_token("lh"), customer, found.controller, word, who.agent, now, until)
        await self._parts.journal.receipt(
            Kind.HOLD_CHANGED, hold.id, agent=who.agent, hold=hold.id, change="placed", reason=word.value, until=until
        )
        await asyncio.to_thread(self.books.place, hold)
        return hold.view()

    async def lift_hold(self, who: Principal, name: str) -> None:
        """Take a hold off before it ends."""
        require_role(who, OFFICERS)
        if name not in self.books.holds or self.books.holds[name].controller not in who.controllers:
            raise Denied("unknown-hold", "There is no such hold.")
        await self._parts.journal.receipt(Kind.HOLD_CHANGED, name, agent=who.agent, hold=name, change="lifted")
        await asyncio.to_thread(self.books.lift, name)

    def holds(self, who: Principal) -> list[dict[str, Any]]:
        """Every hold of one's controllers."""
        require_role(who, READERS)
        return [each.view() for each in self.books.holds.values() if each.controller in who.controllers]

    async def recipient(self, who: Principal, name: str, purpose: str) -> dict[str, str]:
        """Put whom customers' data goes to on the list, or take them off ("" for the purpose); the list."""
        require_role(who, OFFICERS)
        if not 0 < len(name) <= 80 or len(purpose) > 200:
            raise ConfigError("recipient: a name of at most 80 characters and what they get it for, at most 200")
        change = "recipient" if purpose else "no-recipient"
        await self._parts.journal.receipt(Kind.HOLD_CHANGED, "", agent=who.agent, change=change)
        await asyncio.to_thread(self.books.recipient, name, purpose)
        return dict(self.books.recipients)

    # -- the breach desk

    async def breach(self, who: Principal, agent: str, times: tuple[float, float], aware: float) -> dict[str, Any]:
        """Whom did this account see between two times, and what is to be told to whom. Times: UTC seconds."""
        require_role(who, READERS)
        since, until = times
        if not since < until:
            raise ConfigError("from: before to")
        await self._parts.journal.receipt(Kind.BREACH_ASKED, agent, agent=who.agent, account=agent)
        answer = await asyncio.to_thread(lambda: whom_did_it_see(self._parts.reader.all(), agent, since, until))
        return {**answer.view(), "duties": duties(answer, aware, self._parts.now())}

    # -- inside

    async def _find(self, who: Principal, found: Found) -> str:
        if found.field not in FOUND_BY:
            raise ConfigError(f"found by: one of {', '.join(FOUND_BY)}")
        if found.controller not in who.controllers:
            raise denied(Why.OTHER_STORE)
        normal = normalise(found.field, found.value.open(_ASKED), self._parts.legal_country)
        index = self._parts.index
        customer = await asyncio.to_thread(index.find, found.controller, found.field, normal) if normal else ""
        if not customer:
            raise Denied("nobody-found", "Nobody, or more than one, is found by this. Ask for another identifier.")
        return customer

    def _mine(self, who: Principal, name: str) -> Request:
        request = self.books.request(name)
        if request.controller not in who.controllers:
            raise Denied("unknown-request", "There is no such request.")
        return request

    def _check_value(self, field: str, value: Sealed[str]) -> None:
        spec, text = self._parts.records.fields.get(field), value.open(_ASKED)
        if spec is None or kind_of(field) != "customer":
            raise ConfigError("field: one of the customer's own (contact, delivery); an order is corrected in the shop")
        if not 0 < len(text.strip()) <= MAX_VALUE:
            raise ConfigError(f"value: 1 to {MAX_VALUE} characters")
        if spec.free_text and holds_card_number(text):
            raise Denied("card-number", "The value holds a payment card number; it is never stored.")
        if spec.indexed and normalise(field, text, self._parts.legal_country) is None:
            raise ConfigError("value: of no form that could be found again; write a number as +44 20 7946 0001")

    def _replace(self, request: Request, field: str, value: Sealed[str], ticket: Ticket) -> None:
        parts = self._parts
        parts.records.add([NewRecord(request.controller, request.customer, "customer", {field: value})], ticket)
        parts.records.scrub()  # the old value is gone from the write-ahead log too
        # Crash here: the value is right, the index leads to it by the old one; the request is open, and is done again.
        normal = normalise(field, value.open(ticket), parts.legal_country)
        if parts.records.fields[field].indexed and normal:
            parts.index.replace(request.controller, request.customer, [(field, normal)])

    async def _note(self, kind: Kind, who: Principal, request: Request, **fields: str | int) -> None:
        about = {"right": request.right.value, "request": request.id, "agent": who.agent}
        await self._parts.journal.receipt(kind, request.id, **about, **fields)

    async def _refused(self, who: Principal, right: str, refusal: Denied, requests: str = "") -> None:
        await self._parts.journal.receipt(
            Kind.RIGHT_REFUSED, "", agent=who.agent, right=right, why=refusal.reason, requests=requests
        )


def _telling(request: Request, recipient: str, word: str) -> Request:
    return replace(request, told={**request.told, recipient: word})


def _token(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"


def _act(word: str) -> Act:
    try:
        return Act(word)
    except ValueError:
        raise ConfigError(f"act: one of {', '.join(Act)}") from None
