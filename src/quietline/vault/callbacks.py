"""Callbacks: a caller's number, kept sealed past the hang-up, and given out for nothing but ringing them back.

The life of one: keep → dial (an agent has accepted) → answer, or dial again → gone: "answered", "expired" or the word
the controller gives. One number at one company has one callback, however often it calls. The numbers lie sealed in
`records.db` until then; in memory are tokens and times.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from quietline.errors import ProtocolError
from quietline.ledger.vocabulary import Kind
from quietline.legs import LegTicket
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.journal import Journal
from quietline.vault.leg_book import LegBook, leg_unknown
from quietline.vault.ports import Callback
from quietline.vault.remembered import Remembered

PREFIX = "callback"
TICKET = Ticket("vault", "callback", SIGNALLING)


@dataclass(frozen=True, slots=True)
class Kept:
    """One callback. `token`: its name; `mark`: the number's blind-index token at this `controller`, hex.

    `expires`: UTC seconds; `dialled_by`: legs of the agents it was dialled for.
    """

    token: str = field(repr=False)
    number: Sealed[str]
    mark: str = field(repr=False)
    controller: str
    expires: float
    dialled_by: tuple[str, ...] = field(default=(), repr=False)

    def dump(self) -> dict[str, str]:
        """As strings, for `Remembered`."""
        dialled = " ".join(self.dialled_by)
        texts = {"number": self.number.open(TICKET), "mark": self.mark, "controller": self.controller}
        return {**texts, "expires": repr(self.expires), "dialled_by": dialled}


def load(token: str, saved: dict[str, str]) -> Kept:
    """The callback again. Raises KeyError or ValueError on what `dump` did not write."""
    return Kept(
        token,
        Sealed(saved["number"]),
        saved["mark"],
        saved["controller"],
        float(saved["expires"]),
        tuple(saved["dialled_by"].split()),
    )


class Callbacks:
    """Lives on the event loop. `life`: seconds a number is kept; `tries`: how often it is dialled. `restore` first."""

    def __init__(self, journal: Journal, legs: LegBook, remembered: Remembered, life: float, tries: int) -> None:
        self._journal, self._legs, self._remembered = journal, legs, remembered
        self._life, self._tries = life, tries
        self._expires: dict[str, float] = {}  # callback -> UTC seconds
        self._of_mark: dict[str, str] = {}  # number's mark -> callback
        self._dialled_by: dict[str, str] = {}  # agent's leg -> callback
        self._changing = asyncio.Lock()

    def restore(self, saved: Iterable[tuple[str, dict[str, str]]]) -> None:
        """Take up those of an earlier life."""
        for token, each in saved:
            self._know(load(token, each))

    async def keep(self, number: str, mark: str, controller: str) -> Callback:
        """Keep an E.164 number, or say again that it is kept. Durable on return. Raises LedgerUnavailable."""
        async with self._changing:
            if (known := self._of_mark.get(mark)) and await self._still_good(known):
                return Callback(known, self._expires[known])
            expires = self._journal.now() + self._life
            kept = Kept("cb_" + secrets.token_hex(16), Sealed(number), mark, controller, expires)
            await self._journal.receipt(Kind.CALLBACK_KEPT, callback=kept.token, expires=kept.expires)
            # Crash here: the ledger tells of a callback that nobody has; the caller has not been promised one.
            await self._store(kept)
        return Callback(kept.token, kept.expires)

    async def dial(self, token: str, agent: LegTicket) -> Sealed[str]:
        """The number, for this agent's leg. Raises as `ports.dial_callback` does."""
        async with self._changing:
            kept = await self.find(token)
            if len(kept.dialled_by) >= self._tries:
                raise denied(Why.CALLBACK_USED_UP)
            if agent.id in self._dialled_by:
                raise denied(Why.NOT_YOUR_CALL)  # one agent's leg hears one person
            if not await self._legs.up(agent):
                raise denied(Why.CALL_UNCONFIRMED)
            attempt = len(kept.dialled_by) + 1
            await self._journal.receipt(
                Kind.CALLBACK_DIALLED, callback=token, agent=agent.agent, leg=agent.id, attempt=attempt
            )
            # Crash here: an entry of a number nobody got, and a try that does not count. Never the other way round.
            await self._store(replace(kept, dialled_by=(*kept.dialled_by, agent.id)))
        return kept.number

    async def find(self, token: str) -> Kept:
        """The callback. Raises Denied("callback-unknown") when it is dropped, expired or was never kept."""
        if self._expires.get(token, 0.0) <= self._journal.now():
            raise denied(Why.CALLBACK_UNKNOWN)
        saved = await asyncio.to_thread(self._remembered.get, f"{PREFIX}/{token}")
        if saved is None:
            raise denied(Why.CALLBACK_UNKNOWN)
        return load(token, saved)

    async def answered(self, token: str, number: str, leg: LegTicket) -> Kept:
        """The callback whose number the edge dialled on this leg, which is up. Raises Denied; see `ports`."""
        kept = await self.find(token)
        if not kept.dialled_by or not hmac.compare_digest(kept.number.open(TICKET).encode(), number.encode()):
            raise leg_unknown("the edge dialled another number, or this callback was not dialled")
        if not await self._legs.up(leg):
            raise denied(Why.CALL_UNCONFIRMED)
        return kept

    async def drop(self, token: str, why: str) -> None:
        """Forget it: the number is gone on return. Harmless where there is none. ProtocolError for a long `why`."""
        if not re.fullmatch(r"[a-z_]{1,40}", why):
            raise ProtocolError("vault: why: one word of small letters is needed")
        async with self._changing:
            await self._forget(token, why)

    async def drop_marked(self, mark: str, why: str) -> None:
        """`drop` whatever is kept for the number of this mark (its blind-index token, hex)."""
        if token := self._of_mark.get(mark):
            await self.drop(token, why)

    async def expire(self) -> None:
        """Forget those whose time is over."""
        now = self._journal.now()
        for token in [token for token, expires in self._expires.items() if expires <= now]:
            await self.drop(token, "expired")

    async def _still_good(self, token: str) -> bool:
        """Whether this one may yet be dialled; where not, it is forgotten and the number may have a new one."""
        tried = list(self._dialled_by.values()).count(token)
        if tried < self._tries and self._expires[token] > self._journal.now():
            return True
        await self._forget(token, "used_up" if tried >= self._tries else "expired")
        return False

    async def _forget(self, token: str, why: str) -> None:
        if token not in self._expires:
            return
        await asyncio.to_thread(self._remembered.forget, f"{PREFIX}/{token}")
        del self._expires[token]
        self._of_mark = {mark: other for mark, other in self._of_mark.items() if other != token}
        self._dialled_by = {leg: other for leg, other in self._dialled_by.items() if other != token}
        self._journal.soon(Kind.CALLBACK_DROPPED, callback=token, why=why)

    async def _store(self, kept: Kept) -> None:
        await asyncio.to_thread(self._remembered.put, f"{PREFIX}/{kept.token}", kept.dump())
        self._know(kept)

    def _know(self, kept: Kept) -> None:
        self._expires[kept.token] = kept.expires
        self._of_mark[kept.mark] = kept.token
        self._dialled_by.update(dict.fromkeys(kept.dialled_by, kept.token))
