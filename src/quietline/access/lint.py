"""What is wrong, or odd, about a policy set that loads: `quietline policy check`.

Found over the whole matrix of questions (matrix.py), with one field of the house's own added, so that rules about such
fields have something to be about. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cedarpy

from quietline.access.cedar import Rules
from quietline.access.decide import Action
from quietline.access.matrix import USUAL, Case, Outcome, ask, best_case, every_case
from quietline.access.promises import broken_by
from quietline.reasons import NEEDS, Why
from quietline.vault.schema import DataClass, FieldSpec, Reason

OWN_FIELD: Final = FieldSpec("house.example", "Example", DataClass.SERVICE, 1, reasons=tuple(Reason))
MOMENTS: Final = ("03:00", USUAL, "14:00", "23:00")
ARITHMETIC: Final = frozenset({"+", "-", "*", "neg"})
CONSTRUCTORS: Final = frozenset({"ip", "decimal", "datetime", "duration"})


@dataclass(frozen=True, slots=True)
class Finding:
    """`severity`: "error" (the set is refused) or "warning". `rule`: its id, "" for none in particular."""

    severity: str
    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as Cedar reads it. `body`: its conditions, as Cedar's JSON."""

    id: str
    effect: str
    body: Any


def rules_of(policies: str) -> list[Rule]:
    """Every rule of a text that has passed `cedar.Policies`."""
    parts = json.loads(cedarpy.policies_to_json_str(policies)).get("staticPolicies", {}).values()
    return [Rule(str(part["annotations"]["id"]), str(part["effect"]), part.get("conditions", [])) for part in parts]


def misfits(written: Sequence[Rule]) -> list[Finding]:
    """What the text alone shows to be wrong: no set with these is taken in."""
    return [*_can_err(written), *_explain_nothing(written)]


def lint(rules: Rules, written: Sequence[Rule], fields: Sequence[FieldSpec]) -> list[Finding]:
    """Errors first. `fields`: those that `rules` was made over, OWN_FIELD among them."""
    cases = list(every_case(fields, MOMENTS if rules.by_the_clock else (USUAL,)))
    outcomes = ask(rules, cases, fields)
    found = [
        *(Finding("error", "", each.told()) for each in broken_by(rules, fields)),
        *misfits(written),
        *_decide_nothing(written, outcomes),
        *_needs(rules, fields),
    ]
    return sorted(found, key=lambda each: (each.severity, each.rule))


def _can_err(written: Sequence[Rule]) -> Iterator[Finding]:
    """Cedar skips a forbid that errs and we then deny everything; so no shipped rule calculates."""
    for rule in written:
        operators = sorted(set(_operators(rule.body)) & (ARITHMETIC | CONSTRUCTORS))
        if operators:
            names = ", ".join(operators)
            yield Finding(
                "error", rule.id, f"can err when it is asked ({names} may overflow or not parse); compare only"
            )


def _operators(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        yield from map(str, part)
        for each in part.values():
            yield from _operators(each)
    elif isinstance(part, list):
        for each in part:
            yield from _operators(each)


def _explain_nothing(written: Sequence[Rule]) -> Iterator[Finding]:
    words = {why.value for why in Why}
    for rule in written:
        if rule.effect == "forbid" and rule.id.partition("/")[0] not in words:
            yield Finding(
                "error", rule.id, "a forbid's id begins with a word that the page explains (docs/reference/policy.md)"
            )


def _decide_nothing(written: Sequence[Rule], outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    deciding = {rule for outcome in outcomes for rule in outcome.rules}
    for rule in written:
        if rule.id not in deciding:
            what = (
                "opens nothing that a forbid leaves open" if rule.effect == "permit" else "takes nothing from anybody"
            )
            yield Finding("error" if rule.effect == "permit" else "warning", rule.id, what)


def _needs(rules: Rules, fields: Sequence[FieldSpec]) -> Iterator[Finding]:
    """Where what a reason opens is not what it states that it needs (reasons.py)."""
    for reason in Reason:
        stated = needed(reason, fields)
        opened = opens(rules, reason, fields)
        for name in sorted(opened - stated):
            yield Finding("warning", "", f"{reason.value} opens {name}, which it does not state that it needs")
        for name in sorted(stated - opened):
            yield Finding("warning", "", f"{reason.value} needs {name}, which no rule opens for it")


def needed(reason: Reason, fields: Sequence[FieldSpec]) -> frozenset[str]:
    """The fields a reason states that it needs, those of the house's own among them."""
    own = {spec.name for spec in fields if reason in spec.reasons}
    return frozenset(own | set(NEEDS[reason.value].fields))


def opens(rules: Rules, reason: Reason, fields: Sequence[FieldSpec]) -> frozenset[str]:
    """The fields that the rules open for a reason when all else is well."""
    cases = [best_case("agent", Action.REVEAL, spec.name, reason.value) for spec in fields]
    outcomes = ask(rules, cases, fields)
    return frozenset(case.field for case, outcome in zip(cases, outcomes, strict=True) if outcome.allowed)


@dataclass(frozen=True, slots=True)
class Change:
    """A question whose answer is another one than before."""

    case: Case
    before: Outcome
    after: Outcome

    @property
    def kind(self) -> str:
        """ "opens", "closes", or "reason" where it stays closed for another reason."""
        if self.before.allowed != self.after.allowed:
            return "opens" if self.after.allowed else "closes"
        return "reason"


def compare(old: Rules, new: Rules, fields: Sequence[FieldSpec]) -> list[Change]:
    """Every question of the matrix that comes out otherwise: what opens first, then what closes."""
    clock = old.by_the_clock or new.by_the_clock
    cases = list(every_case(fields, MOMENTS if clock else (USUAL,)))
    pairs = zip(cases, ask(old, cases, fields), ask(new, cases, fields), strict=True)
    changed = [Change(case, before, after) for case, before, after in pairs if before.why != after.why]
    return sorted(changed, key=lambda change: ("opens", "closes", "reason").index(change.kind))
