"""May this agent do this, now, on this call? `decide` is the one place that answers; it raises when the answer is no.

Pure: no clock, no I/O; everything it needs is handed in. The rules themselves are Cedar (`policies/`), so that they can
be read and reviewed without Python. Whose call it is and how often one may look is not decided here: `grants.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from quietline.access.cedar import Node, Question, Rules, Uid, Value, Verdict
from quietline.config import Store
from quietline.errors import Denied
from quietline.reasons import Why, denied
from quietline.vault.schema import FieldSpec, Reason


class Action(StrEnum):
    """Closed; the same words as in `policies/schema.cedarschema`."""

    CARD = "card"  # the minimum, shown without being asked
    REVEAL = "reveal"  # one field, for a reason
    CHANGE = "change"  # one field, for a reason
    WRAP_UP = "wrap_up"  # what is kept after the call
    NOTE = "note"
    LISTEN = "listen"
    WORK = "work"  # one field after the call, for a reason, under a work grant
    BREAK_GLASS = "break_glass"  # one field without a call, under an approved break-glass
    EXPORT = "export"  # everything of one customer, for that customer (GDPR 15)


class Role(StrEnum):
    """Jobs. Only those of TAKES_CALLS ever see a customer's data on a call. A seasonal agent's contract has an end."""

    AGENT = "agent"
    SEASONAL_AGENT = "seasonal_agent"
    SUPERVISOR = "supervisor"
    STORE_MANAGER = "store_manager"
    PRIVACY_OFFICER = "privacy_officer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


TAKES_CALLS: Final = frozenset({Role.AGENT, Role.SEASONAL_AGENT, Role.SUPERVISOR})


class Phase(StrEnum):
    """Where a grant stands. After LIVE comes WRAP_UP for a bounded time, then OVER."""

    LIVE = "live"
    WRAP_UP = "wrap_up"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as the ledger vouches for them. `certificates`: data class -> expiry, UTC seconds.

    `controllers`: the GDPR controllers they work for (`controllers_of`).
    """

    agent: str
    role: Role
    store: str
    controllers: frozenset[str]
    certificates: Mapping[str, float] = field(default_factory=dict)

    def current(self, now: float) -> frozenset[str]:
        """The data classes whose certificate has not lapsed."""
        return frozenset(name for name, expiry in self.certificates.items() if int(now) < int(expiry))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The call as it stands. `controller`: the customer's GDPR controller. `now`: UTC seconds. `assurance`: 0–3.

    `until`: when the work grant or the break-glass ends, UTC seconds; other actions do not ask for it.
    """

    phase: Phase
    controller: str
    assurance: int
    now: float
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Basis:
    """On what an allowed look rests, for its ledger entry: the permits' ids."""

    policies: tuple[str, ...]


FIELD_ACTIONS: Final = frozenset(
    {Action.CARD, Action.REVEAL, Action.CHANGE, Action.WRAP_UP, Action.WORK, Action.BREAK_GLASS}
)
REASONED: Final = frozenset({Action.REVEAL, Action.CHANGE, Action.WORK})
TIMED: Final = frozenset({Action.WORK, Action.BREAK_GLASS})  # end by a deadline, not by a hang-up

# Which of several forbids is told: first what the agent cannot help, last what they can.
_TELL: Final = (
    Why.ROLE_TAKES_NO_CALLS,
    Why.ROLE_MAY_NOT,
    Why.OTHER_STORE,
    Why.CALL_ENDED,
    Why.GRANT_EXPIRED,
    Why.TRAINING_LAPSED,
    Why.ASSURANCE_TOO_LOW,
)


def decide(
    policies: Rules,
    who: Principal,
    action: Action,
    circumstances: Circumstances,
    what: FieldSpec | None = None,
    reason: Reason | None = None,
) -> Basis:
    """Returns on what the look rests, or raises Denied(reason, advice) with a word of `reasons.Why`.

    `what` goes with FIELD_ACTIONS, `reason` with REASONED, `circumstances.until` with TIMED. A question that does not
    fit the schema (a field nobody knows, a missing reason, a time that is no number) is denied as "policy-error".
    """
    question = question_of(policies.zone, who, action, circumstances, what, reason)
    (verdict,) = policies.ask_all([question])
    return _ruling(verdict, action)


def survey(
    policies: Rules,
    who: Principal,
    action: Action,
    circumstances: Circumstances,
    fields: Sequence[FieldSpec],
    reason: Reason | None = None,
) -> dict[str, Basis | Denied]:
    """The same for several fields at once: field name -> Basis, or the Denied that `decide` would raise."""
    questions = [question_of(policies.zone, who, action, circumstances, spec, reason) for spec in fields]
    verdicts = policies.ask_all(questions)
    return {spec.name: _ruling_or_error(verdict, action) for spec, verdict in zip(fields, verdicts, strict=True)}


HUBS = ("hub",)  # stores that work for all the others


def controllers_of(store: str, stores: Iterable[Store], hubs: Collection[str] = HUBS) -> frozenset[str]:
    """The GDPR controllers an employee of `store` works for: the store's own; at a hub all of them; none if unknown."""
    by_id = {each.id: each.controller for each in stores}
    if store not in by_id:
        return frozenset()
    return frozenset(by_id.values()) if store in hubs else frozenset({by_id[store]})


def entities_of(fields: Iterable[FieldSpec], minimum: Collection[str]) -> list[Node]:
    """Fields, data classes and roles as Cedar entities."""
    specs = list(fields)
    classes = {("DataClass", str(spec.data_class)) for spec in specs}
    roles: list[Uid] = [("Role", role.value) for role in Role]
    fixed = [Node(uid) for uid in sorted(classes) + roles] + [Node(("Card", "minimum"))]
    return fixed + [_field_node(spec, spec.name in minimum) for spec in specs]


def _field_node(spec: FieldSpec, on_card: bool) -> Node:
    parents: tuple[Uid, ...] = (("DataClass", str(spec.data_class)),)
    if on_card:
        parents += (("Card", "minimum"),)
    needed_for = frozenset(reason.value for reason in spec.reasons)
    return Node(("Field", spec.name), (("leastAssurance", spec.assurance), ("neededFor", needed_for)), parents)


def question_of(
    zone: tzinfo,
    who: Principal,
    action: Action,
    circumstances: Circumstances,
    what: FieldSpec | None,
    reason: Reason | None,
) -> Question:
    """The question as Cedar is asked it; each action has the context that `schema.cedarschema` gives it."""
    context: dict[str, Value] = {"controller": circumstances.controller, **_clock(circumstances.now, zone)}
    if action in FIELD_ACTIONS and what is not None:
        context |= {
            "now": _whole(circumstances.now),
            "certifiedUntil": _whole(who.certificates.get(str(what.data_class), 0)),
        }
        if action is not Action.BREAK_GLASS:
            context["assurance"] = circumstances.assurance
    if action in TIMED:
        context["until"] = _whole(circumstances.until)
    elif action is not Action.EXPORT:
        context["phase"] = circumstances.phase.value
    if action in REASONED and reason is not None:
        context["reason"] = reason.value
    return Question(_principal_node(who), action.value, _resource(action, what), context)


def _resource(action: Action, what: FieldSpec | None) -> Uid:
    if action in FIELD_ACTIONS and what is not None:
        return ("Field", what.name)
    return ("Customer", "this") if action is Action.EXPORT else ("Call", "this")


def _clock(now: float, zone: tzinfo) -> dict[str, Value]:
    """The time as a wall clock in the house shows it; Monday is 1 (ISO 8601)."""
    try:
        local = datetime.fromtimestamp(now, zone)
    except (ValueError, OverflowError, OSError):
        raise denied(Why.POLICY_ERROR) from None
    return {"minuteOfDay": local.hour * 60 + local.minute, "weekday": local.isoweekday()}


def _whole(seconds: float) -> int:
    """Cedar counts in whole numbers. With both sides rounded down, a certificate lapses up to 1 s early, never late."""
    if not math.isfinite(seconds):
        raise denied(Why.POLICY_ERROR)
    return int(seconds)


def _principal_node(who: Principal) -> Node:
    attributes = (("store", who.store), ("controllers", who.controllers))
    return Node(("Agent", who.agent), attributes, (("Role", who.role.value),))


def told(verdict: Verdict, action: Action) -> Why | None:
    """None when it is allowed; else the word that a page explains."""
    if verdict.error:
        return Why.POLICY_ERROR
    return None if verdict.allowed else _why(verdict, action)


def _ruling(verdict: Verdict, action: Action) -> Basis:
    refusal = told(verdict, action)
    if refusal:
        raise denied(refusal)
    return Basis(verdict.policies)


def _ruling_or_error(verdict: Verdict, action: Action) -> Basis | Denied:
    try:
        return _ruling(verdict, action)
    except Denied as error:
        return error


def _why(verdict: Verdict, action: Action) -> Why:
    """The forbid to tell of. With no forbid at all nothing permitted it: then the reason did not need the field."""
    fired = {name.partition("/")[0] for name in verdict.policies}
    for why in _TELL:
        if why.value in fired:
            return why
    return Why.REASON_DOES_NOT_NEED_IT if action in REASONED and not fired else Why.POLICY
