"""Work grants in the vault: asked for on the agent's own call, agreed to, used, ended. Rules: access/work_grants.py.

What is kept lies sealed in the vault's memory of itself; every change is in the ledger before it holds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from quietline.access.decide import Action, Circumstances, Phase, Principal, Role
from quietline.access.grants import Grants
from quietline.access.identity import Identity
from quietline.access.work_grants import (
    OPEN,
    OVER,
    Call,
    Wish,
    WorkGrant,
    WorkLimits,
    agree,
    ask,
    load_work,
    revoke,
    state,
    use,
)
from quietline.errors import Denied
from quietline.ledger.vocabulary import Kind
from quietline.reasons import NEEDS, Why, denied
from quietline.sealed import Sealed
from quietline.vault.apart import LooksApart, Right
from quietline.vault.leg_book import LegBook
from quietline.vault.remembered import Remembered
from quietline.vault.schema import Reason

PREFIX = "work"


class WorkDesk:
    """Lives on the event loop; what blocks goes to threads. `restore` first."""

    def __init__(
        self,
        apart: LooksApart,
        grants: Grants,
        legs: LegBook,
        identity: Identity,
        remembered: Remembered,
        limits: WorkLimits,
    ) -> None:
        self._apart, self._grants, self._legs = apart, grants, legs
        self._identity, self._remembered, self._limits = identity, remembered, limits
        self._held: dict[str, WorkGrant] = {}

    def restore(self) -> None:
        """Take up those of an earlier life. Blocks. Raises TamperError."""
        self._held = {name: load_work(saved) for name, saved in self._remembered.all(PREFIX).items()}

    async def ask(self, who: Principal, grant_id: str, wish: Wish) -> dict[str, object]:
        """A work grant on the agent's own call, live or in its wrap-up; its view. Raises Denied, LedgerUnavailable."""
        with self._apart.refusals(who, grant_id, Action.WORK):
            call = self._call(who, grant_id)
            assignee = await self._principal(wish.assignee)
            if assignee.controllers.isdisjoint({call.controller}):
                raise denied(Why.OTHER_STORE)
            needed = self._apart.needed(_reason(wish.reason), NEEDS[wish.reason].fields)
            made = ask(who, call, wish, needed, self._open_for(wish.assignee), self._now(), self._limits)
        return await self._keep(made, who, "given" if made.given_by else "asked")

    async def agree(self, who: Principal, name: str) -> dict[str, object]:
        """A supervisor agrees. Raises Denied, LedgerUnavailable."""
        with self._apart.refusals(who, name, Action.WORK):
            waiting = self._find(name)
            store = (await self._principal(waiting.assignee)).store
            given = agree(self._find(name), who, store, self._limits, self._now())
        return await self._keep(given, who, "given")

    async def revoke(self, who: Principal, name: str) -> dict[str, object]:
        """It opens nothing from here on. Raises Denied, LedgerUnavailable: then it opens nothing all the same."""
        with self._apart.refusals(who, name, Action.WORK):
            ended = revoke(self._find(name), who, self._now())
        self._held[name] = ended
        return await self._keep(ended, who, "revoked")

    async def open(self, who: Principal, name: str, field: str) -> Sealed[str]:
        """One value. Raises as `LooksApart.open`."""
        with self._apart.refusals(who, name, Action.WORK, field):
            grant, spec = self._find(name), self._apart.spec(field)
            self._held[name] = used = use(grant, who.agent, field, self._limits, self._now())
            await asyncio.to_thread(self._store, name)
            now = Circumstances(Phase.OVER, used.controller, used.assurance, self._now(), used.until)
            right = Right(name, used.customer, Action.WORK, now, lambda: self._still(name), Reason(used.reason))
            return await self._apart.open(who, right, spec)

    def mine(self, who: Principal) -> list[dict[str, object]]:
        """What the person may use or has asked for; a supervisor also sees what waits for them."""
        now = self._now()
        return [each.view(self._limits, now) for each in self._held.values() if self._shows(each, who, now)]

    async def sweep(self) -> None:
        """Forget what is over, and what belongs to somebody who was erased."""
        now = self._now()
        gone = [name for name, each in self._held.items() if self._is_done(each, now)]
        if gone:
            await asyncio.to_thread(self._remembered.forget, *(f"{PREFIX}/{name}" for name in gone))
        for name in gone:
            self._held.pop(name, None)

    # -- inside

    def _call(self, who: Principal, grant_id: str) -> Call:
        grant = self._grants.find(grant_id, who.agent)
        if self._grants.phase(grant, self._now()) is Phase.OVER:
            raise denied(Why.CALL_ENDED)
        known = self._legs.get(grant.caller_leg)
        return Call(grant.caller_leg, grant.customer, known.controller if known else "", self._grants.assurance(grant))

    async def _principal(self, agent: str) -> Principal:
        try:
            return await asyncio.to_thread(self._identity.principal, agent, self._now())
        except Denied:
            raise Denied("no-such-colleague", "There is nobody in service under this token.") from None

    async def _keep(self, grant: WorkGrant, who: Principal, change: str) -> dict[str, object]:
        await self._apart.journal.receipt(
            Kind.WORK_CHANGED,
            grant.customer,
            agent=who.agent,
            work=grant.id,
            change=change,
            assignee=grant.assignee,
            field=" ".join(grant.fields),
            reason=grant.reason,
            until=grant.until,
        )
        # Crash here: the ledger tells of a change that does not hold; it is made again.
        self._held[grant.id] = grant
        await asyncio.to_thread(self._store, grant.id)
        return grant.view(self._limits, self._now())

    def _store(self, name: str) -> None:
        """As it stands when this runs, so that of two writes the later one never stores the older state."""
        self._remembered.put(f"{PREFIX}/{name}", self._held[name].dump())

    def _find(self, name: str) -> WorkGrant:
        if name not in self._held:
            raise denied(Why.NOT_YOUR_CALL)
        return self._held[name]

    def _still(self, name: str) -> None:
        if state(self._find(name), self._limits, self._now()) != OPEN:
            raise denied(Why.GRANT_EXPIRED)

    def _open_for(self, agent: str) -> int:
        now = self._now()
        return sum(each.assignee == agent and state(each, self._limits, now) != OVER for each in self._held.values())

    def _shows(self, grant: WorkGrant, who: Principal, now: float) -> bool:
        if state(grant, self._limits, now) == OVER:
            return False
        own = who.agent in (grant.assignee, grant.asked_by)
        return own or (who.role is Role.SUPERVISOR and grant.controller in who.controllers)

    def _is_done(self, grant: WorkGrant, now: float) -> bool:
        barred = self._apart.looks.bar(grant.customer)
        erased = barred is not None and barred.reason == Why.ERASED
        return erased or state(grant, self._limits, now) == OVER

    def _now(self) -> float:
        return self._apart.clock.wall()


def wish_of(fields: Any) -> Wish:
    """From a request's fields (`operations.Fields`). Raises ProtocolError."""
    return Wish(fields.text("assignee"), fields.texts("fields"), fields.text("reason"), fields.number("until"))


def _reason(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        raise Denied("unknown-reason", "Choose one of the reasons on the page.") from None
