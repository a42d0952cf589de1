"""What no policy set may allow, whoever wrote it: a set that does is not taken in.

Rules of a house's own say what is needed there; they do not end what Quietline promises (docs/threat-model.md): nothing
at assurance 0, nothing after the call but the wrap-up, nobody untrained, no other company's customers, no customer on
a call for those who take none. Asked with everything else as good as it gets, so that the one thing decides. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quietline.access.cedar import Rules
from quietline.access.decide import FIELD_ACTIONS, TIMED, Action, Phase, Role
from quietline.access.matrix import Case, abouts, ask, best_case
from quietline.vault.schema import DataClass, FieldSpec

NEED_TWO: Final = frozenset({DataClass.CONTACT, DataClass.DELIVERY})
ON_A_CALL: Final = frozenset({Action.CARD, Action.REVEAL, Action.CHANGE, Action.WRAP_UP})
_OUTSIDE: Final = (Role.STORE_MANAGER, Role.PRIVACY_OFFICER, Role.AUDITOR, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise, and the question that a set allows against it."""

    promise: str
    case: Case

    def told(self) -> str:
        """One line, for an error or a table."""
        return f"{self.promise}: it allows {self.case.words()}"


def broken_by(rules: Rules, fields: Sequence[FieldSpec]) -> list[Broken]:
    """Every broken promise once, with the first question that shows it; none for a set that keeps them."""
    asked = sorted(_forbidden(fields), key=lambda each: each.case.who)
    outcomes = ask(rules, [each.case for each in asked], fields)
    first: dict[str, Broken] = {}
    for each, outcome in zip(asked, outcomes, strict=True):
        if outcome.allowed:
            first.setdefault(each.promise, each)
    return sorted(first.values(), key=lambda each: each.promise)


def _forbidden(fields: Sequence[FieldSpec]) -> Iterator[Broken]:
    classes = {spec.name: spec.data_class for spec in fields}
    for action in Action:
        for field, reason in abouts(action, fields):
            yield from _of(best_case("supervisor", action, field, reason), classes.get(field))


def _of(best: Case, data_class: DataClass | None) -> Iterator[Broken]:
    yield Broken("store walls: another company's customers stay closed", replace(best, who="franchisee"))
    if best.action in FIELD_ACTIONS:
        yield Broken("promise 5: trained people only", replace(best, who="lapsed"))
    if best.action in FIELD_ACTIONS and best.action is not Action.BREAK_GLASS:
        yield Broken("promise 6: at assurance 0 nothing opens", replace(best, assurance=0))
    if best.action in (Action.REVEAL, Action.CHANGE, Action.WORK) and data_class in NEED_TWO:
        yield Broken("promise 6: contact and delivery open from 2 on", replace(best, assurance=1))
    if best.action is Action.CHANGE:
        yield Broken("promise 6: changes need 3", replace(best, assurance=2))
    if best.action in ON_A_CALL | {Action.LISTEN}:
        yield from (Broken("promise 4: bound to the live call", replace(best, phase=phase)) for phase in _ended(best))
    if best.action in TIMED:
        yield Broken("promise 4: a grant ends at its deadline", replace(best, until="over"))
    if best.action in ON_A_CALL:
        yield from (Broken("no customer for who takes no calls", replace(best, who=role.value)) for role in _OUTSIDE)


def _ended(best: Case) -> list[Phase]:
    return [Phase.OVER] if best.action is Action.WRAP_UP else [Phase.WRAP_UP, Phase.OVER]
