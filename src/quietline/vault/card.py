"""The customer card as data: what is shown, what is masked, what is refused and why. Pure.

A mask is the same three dots for every value: it holds no digit, no length, no initial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from quietline.access.decide import Basis
from quietline.errors import Denied
from quietline.reasons import Why
from quietline.sealed import DOTS
from quietline.vault.schema import FieldSpec

_RUN = re.compile(r"\d+(?:[\s.-]{1,3}\d+)*")
_GROUP = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field. `state`: "shown" | "masked" | "refused". `reasons`: those for which a masked one may be asked."""

    name: str
    label: str
    data_class: str
    state: str
    value: str = field(default="", repr=False)
    mask: str = DOTS
    reason: str = ""
    advice: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """The whole card."""

    assurance: int
    known: bool
    fields: tuple[FieldView, ...]

    def as_frame(self) -> dict[str, Any]:
        """As plain data; `value` stands only on shown fields."""
        return {"assurance": self.assurance, "known": self.known, "fields": [_frame(each) for each in self.fields]}


def shown(spec: FieldSpec, value: str) -> FieldView:
    """The field with its value."""
    return FieldView(spec.name, spec.label, spec.data_class.value, "shown", value=value, mask="")


def masked(spec: FieldSpec, reasons: tuple[str, ...]) -> FieldView:
    """The field as dots, with the reasons for which it may be shown."""
    return FieldView(spec.name, spec.label, spec.data_class.value, "masked", reasons=reasons)


def refused(spec: FieldSpec, refusal: Denied) -> FieldView:
    """The field as dots, with the reason why nothing shows it."""
    return FieldView(
        spec.name, spec.label, spec.data_class.value, "refused", reason=refusal.reason, advice=refusal.advice
    )


def best_refusal(answers: Sequence[Basis | Denied]) -> Denied | None:
    """None if any reason opens the field; else the refusal that tells most."""
    refusals = [answer for answer in answers if isinstance(answer, Denied)]
    if len(refusals) < len(answers):
        return None
    return next((each for each in refusals if each.reason != Why.REASON_DOES_NOT_NEED_IT), refusals[0])


def holds_card_number(text: str) -> bool:
    """Whether digits, written in one or in groups, make 13 to 19 that pass the Luhn check (ISO/IEC 7812-1 annex B).

    Groups beside it (an expiry date) do not hide it: every sequence of whole groups is tried.
    """
    return any(luhn(digits) for run in _RUN.findall(text) for digits in _candidates(_GROUP.findall(run)))


def _candidates(groups: list[str]) -> Iterator[str]:
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) > 19:
                break
            if len(digits) >= 13:
                yield digits


def luhn(digits: str) -> bool:
    """The mod-10 check."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _frame(view: FieldView) -> dict[str, Any]:
    frame = asdict(view)
    if view.state != "shown":
        del frame["value"]
    return frame
