"""Looks that no live call carries: under a work grant, or under break-glass. The steps are those of `looks.py`.

(1) The right itself is asked, and the look counted on it; (2) policy decides; (3) the ceilings are kept; (4) the ledger
entry is durable; (5) the value is opened; (6) the right still stands. A refusal at any step is in the ledger too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from quietline.access.cedar import Rules
from quietline.access.decide import Action, Circumstances, Principal, decide
from quietline.access.grants import Grants
from quietline.clock import Clock
from quietline.errors import Denied, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed, Ticket
from quietline.vault.journal import Journal
from quietline.vault.looks import Looks
from quietline.vault.records import Records
from quietline.vault.schema import FieldSpec, Reason

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Right:
    """On what a look rests. `name`: the work grant or break-glass; `still`: raises Denied once it is over."""

    name: str
    customer: str
    action: Action
    circumstances: Circumstances
    still: Callable[[], object]
    reason: Reason | None = None


class LooksApart:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self, clock: Clock, journal: Journal, grants: Grants, policies: Rules, records: Records, looks: Looks
    ) -> None:
        self.clock, self.journal = clock, journal
        self._grants, self._policies, self._records, self.looks = grants, policies, records, looks

    def spec(self, name: str) -> FieldSpec:
        """Raises Denied("unknown-field")."""
        if name not in self._records.fields:
            raise Denied("unknown-field", "There is no such field.")
        return self._records.fields[name]

    def needed(self, reason: Reason, shipped: tuple[str, ...]) -> frozenset[str]:
        """What a reason needs: the shipped fields, and the house's own that say so themselves."""
        own = (each.name for each in self._records.fields.values() if reason in each.reasons)
        return frozenset(shipped) | frozenset(own)

    async def open(self, who: Principal, right: Right, spec: FieldSpec) -> Sealed[str]:
        """One value, the right having been asked and counted. Raises Denied, LedgerUnavailable, TamperError."""
        now = right.circumstances
        self.looks.touched(right.customer, who.agent, right.action.value)
        if barred := self.looks.bar(right.customer):
            raise barred
        basis = decide(self._policies, who, right.action, now, spec, right.reason)
        self._grants.spend_elsewhere(who.agent, self.clock.wall())
        why = right.reason.value if right.reason else right.action.value
        ticket = await self.journal.first(
            Kind.LOOK_ALLOWED,
            who.agent,
            why,
            right.customer,
            agent=who.agent,
            grant=right.name,
            role=who.role.value,
            store=who.store,
            controller=now.controller,
            basis=" ".join(basis.policies),
            action=right.action.value,
            field=spec.name,
            reason=right.reason.value if right.reason else "",
        )
        value = await self._unseal(right, spec.name, ticket)
        right.still()
        if value is None:
            raise Denied("not-on-record", "This customer has no such field.")
        return value

    async def _unseal(self, right: Right, name: str, ticket: Ticket) -> Sealed[str] | None:
        try:
            return await asyncio.to_thread(self._records.open, right.customer, name, ticket)
        except TamperError:
            log.error("a stored value does not match what vouched for it", grant=right.name)
            self.journal.soon(Kind.TAMPER_FOUND, right.customer, grant=right.name, part="records")
            raise

    @contextmanager
    def refusals(self, who: Principal, name: str, action: Action, field: str = "") -> Iterator[None]:
        """Every refusal is an entry. A field that is none of ours is not copied into it."""
        try:
            yield
        except Denied as refusal:
            known = field if field in self._records.fields or not field else "unknown"
            self.journal.soon(
                Kind.LOOK_REFUSED, agent=who.agent, action=action.value, field=known, grant=name, why=refusal.reason
            )
            raise
