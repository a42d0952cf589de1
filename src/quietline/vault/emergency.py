"""Break-glass in the vault: asked, answered, used, reviewed; loud at each step. Rules: access/breakglass.py.

Whether the identifier that was given leads to a customer is not told before a second person has agreed, so that asking
cannot be used to find out who is one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from quietline.access import breakglass
from quietline.access.breakglass import Case, GlassLimits, Stage, load_case, overdue, stage
from quietline.access.decide import Action, Circumstances, Phase, Principal, Role
from quietline.errors import ConfigError, Denied
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.alerts import Alerts
from quietline.vault.apart import LooksApart, Right
from quietline.vault.blind_index import BlindIndex, normalise
from quietline.vault.remembered import Remembered

PREFIX = "glass"
ALERTED = "glass-alerted"
FOUND_BY = ("contact.phone", "contact.email", "contact.loyalty", "order.reference")
KEPT_SECONDS = 2 * breakglass.RECIPROCAL_SECONDS  # cases are needed for 90 days; the ledger has them for longer
READERS = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
TICKET = Ticket("vault", "break-glass", SIGNALLING)  # what the requester typed in; it opens nothing on record


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for. `value`: the identifier they have of the customer."""

    field: str
    value: Sealed[str]
    controller: str
    classes: Sequence[str]
    justification: Sealed[str]
    minutes: int = 0


class EmergencyDesk:
    """Lives on the event loop; what blocks goes to threads. `restore` first."""

    def __init__(
        self,
        apart: LooksApart,
        alerts: Alerts,
        index: BlindIndex,
        remembered: Remembered,
        limits: GlassLimits,
        country: str,
    ) -> None:
        self._apart, self._alerts, self._index = apart, alerts, index
        self._remembered, self._limits, self._country = remembered, limits, country
        self._cases: dict[str, Case] = {}
        self._alerted: set[str] = set()  # cases whose overdue review was told
        self._changing = asyncio.Lock()  # two answers to one case, or two cases of one person, are one after another

    def restore(self) -> None:
        """Take up those of an earlier life. Blocks. Raises TamperError."""
        self._cases = {name: load_case(saved) for name, saved in self._remembered.all(PREFIX).items()}
        self._alerted = set(self._remembered.all(ALERTED))

    # -- the steps

    async def ask(self, who: Principal, asked: Asked) -> dict[str, object]:
        """A new case that waits for a second person; its view. Raises Denied, ConfigError, LedgerUnavailable."""
        async with self._changing:
            return await self._ask(who, asked)

    async def _ask(self, who: Principal, asked: Asked) -> dict[str, object]:
        with self._apart.refusals(who, "", Action.BREAK_GLASS):
            about = (await self._customer(asked), asked.controller)
            text = asked.justification.open(TICKET)
            case = breakglass.ask(
                who, about, asked.classes, text, asked.minutes, self._cases.values(), self._now(), self._limits
            )
        digest = hashlib.sha256(case.justification.encode()).hexdigest()
        fields = {"agent": who.agent, "glass": case.id, "store": case.unit, "controller": case.controller}
        kinds = " ".join(case.classes)
        await self._apart.journal.receipt(
            Kind.GLASS_ASKED, case.customer, classes=kinds, minutes=case.minutes, justification=digest, **fields
        )
        await self._keep(case)
        self._alerts.wake(Kind.GLASS_ASKED, classes=kinds, minutes=case.minutes, **fields)
        return self._view(case)

    async def approve(self, who: Principal, name: str) -> dict[str, object]:
        """The second person agrees: it is open from now. Raises Denied, LedgerUnavailable."""
        return await self._move(who, name, "approved", partial(breakglass.approve, cases=self._all()))

    async def refuse(self, who: Principal, name: str) -> dict[str, object]:
        """The second person says no. Raises Denied, LedgerUnavailable."""
        return await self._move(who, name, "refused", partial(breakglass.refuse, cases=self._all()))

    async def end(self, who: Principal, name: str) -> dict[str, object]:
        """It closes early. Raises Denied, LedgerUnavailable."""
        return await self._move(who, name, "ended", breakglass.end)

    async def review(self, who: Principal, name: str, finding: str) -> dict[str, object]:
        """A privacy officer's finding. Raises Denied, ConfigError, LedgerUnavailable."""
        return await self._move(who, name, "reviewed", partial(breakglass.review, finding=finding))

    async def open(self, who: Principal, name: str, field: str) -> Sealed[str]:
        """One value. Raises as `LooksApart.open`."""
        with self._apart.refusals(who, name, Action.BREAK_GLASS, field):
            spec, case = self._apart.spec(field), self._find(name)
            kind = spec.data_class.value
            used = breakglass.use(case, who, kind, self._all(), self._now(), self._limits)
            self._cases[name] = used
            await asyncio.to_thread(self._store, name)
            if not used.customer:
                raise Denied("not-on-record", "Nobody, or more than one, is found by what was given.")
            now = Circumstances(Phase.OVER, used.controller, 0, self._now(), used.until)
            right = Right(name, used.customer, Action.BREAK_GLASS, now, lambda: self._still(name))
            value = await self._apart.open(who, right, spec)
        self._alerts.wake(Kind.LOOK_ALLOWED, agent=who.agent, glass=name, field=field, how="break_glass")
        return value

    def listed(self, who: Principal) -> list[dict[str, object]]:
        """One's own, those one may answer, and for a privacy officer or auditor all of the house. Newest first."""
        shown = [each for each in self._cases.values() if self._shows(each, who)]
        return [self._view(each) for each in sorted(shown, key=lambda each: -each.asked)]

    async def sweep(self) -> None:
        """Tell of overdue reviews, each once; forget what is over and no longer needed."""
        now = self._now()
        for case in overdue(self._cases.values(), now):
            if case.id not in self._alerted:
                self._alerted.add(case.id)
                self._alerts.tell(
                    Kind.GLASS_OVERDUE, case.customer, agent=case.requester, glass=case.id, store=case.unit
                )
                await asyncio.to_thread(self._remembered.put, f"{ALERTED}/{case.id}", {})
        old = [name for name, each in self._cases.items() if self._is_old(each, now)]
        if old:
            names = [f"{prefix}/{name}" for name in old for prefix in (PREFIX, ALERTED)]
            await asyncio.to_thread(self._remembered.forget, *names)
        for name in old:
            self._cases.pop(name, None)

    # -- inside

    async def _customer(self, asked: Asked) -> str:
        if asked.field not in FOUND_BY:
            raise ConfigError(f"break-glass: found by one of {', '.join(FOUND_BY)}")
        normal = normalise(asked.field, asked.value.open(TICKET), self._country)
        if not normal:
            return ""
        return await asyncio.to_thread(self._index.find, asked.controller, asked.field, normal) or ""

    async def _move(self, who: Principal, name: str, change: str, step: Callable[..., Case]) -> dict[str, object]:
        async with self._changing:
            return await self._take(who, name, change, step)

    async def _take(self, who: Principal, name: str, change: str, step: Callable[..., Case]) -> dict[str, object]:
        with self._apart.refusals(who, name, Action.BREAK_GLASS):
            before = self._find(name)
            after = step(before, who=who, now=self._now(), limits=self._limits)
        if after == before:
            return self._view(after)
        fields = {"agent": who.agent, "glass": name, "change": change, "store": after.unit, "finding": after.finding}
        await self._apart.journal.receipt(Kind.GLASS_MOVED, after.customer, **fields)
        # Crash here: the ledger tells of a step that does not hold; it is taken again.
        after = step(self._find(name), who=who, now=self._now(), limits=self._limits)  # a look may have come between
        await self._keep(after)
        self._alerts.wake(Kind.GLASS_MOVED, **fields)
        return self._view(after)

    async def _keep(self, case: Case) -> None:
        self._cases[case.id] = case
        await asyncio.to_thread(self._store, case.id)

    def _store(self, name: str) -> None:
        """As it stands when this runs, so that of two writes the later one never stores the older state."""
        self._remembered.put(f"{PREFIX}/{name}", self._cases[name].dump())

    def _find(self, name: str) -> Case:
        if name not in self._cases:
            raise Denied("unknown-case", "There is no such break-glass.")
        return self._cases[name]

    def _still(self, name: str) -> None:
        if stage(self._find(name), self._limits, self._now()) is not Stage.OPEN:
            raise denied(Why.GRANT_EXPIRED)

    def _shows(self, case: Case, who: Principal) -> bool:
        if who.agent in (case.requester, case.approver):
            return True
        if case.controller not in who.controllers:
            return False
        waits = stage(case, self._limits, self._now()) is Stage.ASKED
        return who.role in READERS or (waits and who.role in breakglass.APPROVERS and who.store != case.unit)

    def _view(self, case: Case) -> dict[str, object]:
        """No customer's token; the justification for those who answer for it."""
        now = self._now()
        late = case.id in {each.id for each in overdue([case], now)}
        return {
            "id": case.id,
            "requester": case.requester,
            "store": case.unit,
            "classes": list(case.classes),
            "minutes": case.minutes,
            "justification": case.justification,
            "stage": stage(case, self._limits, now).value,
            "asked": case.asked,
            "approver": case.approver,
            "until": case.until,
            "review_by": case.review_by,
            "late": late,
            "reviewer": case.reviewer,
            "finding": case.finding,
            "looks": case.looks,
        }

    def _is_old(self, case: Case, now: float) -> bool:
        ended = stage(case, self._limits, now) in (Stage.REVIEWED, Stage.REFUSED, Stage.LAPSED)
        return ended and now >= case.asked + KEPT_SECONDS

    def _all(self) -> list[Case]:
        return list(self._cases.values())

    def _now(self) -> float:
        return self._apart.clock.wall()
