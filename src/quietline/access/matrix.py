"""Every question that access may be asked, over named people and calls: the whole matrix, for lints and comparisons.

Not every number: each input takes the values at which an answer can change (before and at a level, before and after a
deadline), and each person is one that the rules tell apart. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from quietline.access.cedar import Rules, Verdict
from quietline.access.decide import (
    FIELD_ACTIONS,
    REASONED,
    TIMED,
    Action,
    Circumstances,
    Phase,
    Principal,
    Role,
    question_of,
    told,
)
from quietline.vault.schema import DataClass, FieldSpec, Reason

NOW: Final = datetime(2026, 11, 27, 10, 30, tzinfo=UTC).timestamp()  # a Friday, in opening hours
USUAL: Final = "10:30"
OURS: Final = "brand"
MOST: Final = 200  # questions in one go: about 15 ms
THEIRS: Final = "franchise-9"
CURRENT: Final = {each.value: NOW + 86_400 for each in DataClass}
LAPSED: Final = {each.value: NOW - 1 for each in DataClass}


@dataclass(frozen=True, slots=True)
class Case:
    """One question in words. `who`: a name of PEOPLE. `field`, `reason`: "" where the action has none.

    `phase` goes with a call; `until`: "open" or "over", with work and break-glass. `moment`: local time, HH:MM.
    """

    who: str
    action: Action
    field: str = ""
    reason: str = ""
    assurance: int = 3
    phase: Phase = Phase.LIVE
    until: str = "open"
    moment: str = USUAL

    def words(self) -> str:
        """One line, such as "agent reveal contact.name for order_status at 2, live"."""
        parts = [self.who, self.action.value, self.field, f"for {self.reason}" if self.reason else ""]
        if self.action in FIELD_ACTIONS and self.action is not Action.BREAK_GLASS:
            parts.append(f"at {self.assurance}")
        if self.action in TIMED:
            parts.append("in time" if self.until == "open" else "too late")
        elif self.action is not Action.EXPORT:
            parts.append(self.phase.value.replace("_", "-"))
        return " ".join(part for part in parts if part) + ("" if self.moment == USUAL else f" {self.moment}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`why`: "allowed", or the word of the refusal (`reasons.Why`). `rules`: the ids that decided."""

    why: str
    rules: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether it is."""
        return self.why == "allowed"


def _person(
    role: Role, controllers: Sequence[str] = (OURS,), current: bool = True, store: str = "store-1"
) -> Principal:
    return Principal(f"ag_{role.value}", role, store, frozenset(controllers), CURRENT if current else LAPSED)


# Everybody of one brand's store and in training, but who is named otherwise.
PEOPLE: Final[dict[str, Principal]] = {
    **{role.value: _person(role) for role in Role},
    "lapsed": _person(Role.AGENT, current=False),
    "franchisee": _person(Role.AGENT, [THEIRS], store="store-9"),
    "hub": _person(Role.AGENT, [OURS, THEIRS], store="hub"),
    "nowhere": _person(Role.AGENT, []),
}


def ask(rules: Rules, cases: Sequence[Case], fields: Sequence[FieldSpec]) -> list[Outcome]:
    """What the rules say to each, in order. Raises KeyError for a person or field that is not there."""
    specs = {spec.name: spec for spec in fields}
    found: list[Outcome] = []
    for start, end in _runs(cases):
        part = cases[start:end]
        questions = [
            question_of(
                rules.zone,
                PEOPLE[case.who],
                case.action,
                circumstances_of(case, rules),
                specs[case.field] if case.field else None,
                Reason(case.reason) if case.reason else None,
            )
            for case in part
        ]
        answers = rules.ask_all(questions)
        found.extend(_outcome(verdict, case.action) for verdict, case in zip(answers, part, strict=True))
    return found


def circumstances_of(case: Case, rules: Rules) -> Circumstances:
    """The call of a case; its customer is the brand's."""
    hour, minute = map(int, case.moment.split(":"))
    local = datetime.fromtimestamp(NOW, rules.zone).replace(hour=hour, minute=minute)
    now = NOW if case.moment == USUAL else local.timestamp()
    until = now + 60 if case.until == "open" else now
    return Circumstances(case.phase, OURS, case.assurance, now, until)


def every_case(fields: Sequence[FieldSpec], moments: Sequence[str] = (USUAL,)) -> Iterator[Case]:
    """The whole matrix, people in a row, so that `ask` is quick."""
    for who in PEOPLE:
        for action in Action:
            for field, reason in abouts(action, fields):
                for moment in moments:
                    yield from _circumstances(Case(who, action, field, reason, moment=moment))


def abouts(action: Action, fields: Sequence[FieldSpec]) -> list[tuple[str, str]]:
    """Every field and reason that this action may be asked about; "" where it has none."""
    names = [spec.name for spec in fields] if action in FIELD_ACTIONS else [""]
    reasons = [reason.value for reason in Reason] if action in REASONED else [""]
    return [(name, reason) for name in names for reason in reasons]


def best_case(who: str, action: Action, field: str, reason: str) -> Case:
    """The question with everything else as good as it gets."""
    phase = Phase.WRAP_UP if action is Action.WRAP_UP else Phase.LIVE
    return Case(who, action, field, reason, 3, phase)


def _circumstances(case: Case) -> Iterator[Case]:
    levels = range(4) if case.action in FIELD_ACTIONS and case.action is not Action.BREAK_GLASS else [3]
    timed = case.action in TIMED
    for level in levels:
        for phase in Phase if not timed and case.action is not Action.EXPORT else [Phase.LIVE]:
            for until in ("open", "over") if timed else ["open"]:
                yield replace(case, assurance=level, phase=phase, until=until)


def _runs(cases: Sequence[Case]) -> Iterator[tuple[int, int]]:
    """Stretches of one person (a batch is about one principal), bounded, so that others get their turn between them."""
    start = 0
    for place in range(1, len(cases) + 1):
        if place == len(cases) or place - start == MOST or cases[place].who != cases[start].who:
            yield start, place
            start = place


def _outcome(verdict: Verdict, action: Action) -> Outcome:
    refusal = told(verdict, action)
    return Outcome(refusal.value if refusal else "allowed", verdict.policies)
