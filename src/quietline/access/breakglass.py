"""Break-glass: a look without a call, in an emergency that a second person has agreed on. Pure; `now` is UTC seconds.

    asked → [somebody outside the line agrees] → open, for minutes → over → [a privacy officer reviews] → reviewed

- In writing: the justification has a least length and no personal data in it.
- Two people: whoever agrees is no supervisor or manager of the requester's own store, and is not one whose own
  break-glass the requester agreed to in the last 90 days: favours are not returned.
- Bounded: one customer, named data classes, minutes, a count of looks.
- Reviewed within 72 hours of being opened. An overdue review suspends the break-glass of that store until it is done.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from quietline.access.decide import Principal, Role
from quietline.errors import ConfigError, Denied, TamperError
from quietline.reasons import Why, denied
from quietline.vault.schema import DataClass

LEAST_JUSTIFICATION: Final = 40  # characters
MOST_JUSTIFICATION: Final = 1_000
LEAST_WORDS: Final = 6  # different ones
RECIPROCAL_SECONDS: Final = 90 * 86_400.0
REVIEW_SECONDS: Final = 72 * 3_600.0
APPROVERS: Final = frozenset({Role.SUPERVISOR, Role.STORE_MANAGER, Role.PRIVACY_OFFICER})
REVIEWERS: Final = frozenset({Role.PRIVACY_OFFICER})
_DIGITS = re.compile(r"(?:\d[\s().+-]{0,2}){7,}")  # as long as a phone number
_ADDRESS = re.compile(r"\S@\S")


class Stage(StrEnum):
    """Where a case stands. REFUSED, LAPSED and REVIEWED are the ends."""

    ASKED = "asked"
    OPEN = "open"
    OVER = "over"  # a review is due
    REFUSED = "refused"
    LAPSED = "lapsed"  # nobody answered
    REVIEWED = "reviewed"


class Finding(StrEnum):
    """What a review comes to."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not-justified"
    BREACH = "breach"  # goes to the breach desk: GDPR 33


@dataclass(frozen=True, slots=True)
class GlassLimits:
    """`minutes`: open where none are asked for; `answer`: seconds a request waits; `looks`: in one case."""

    minutes: int = 30
    most_minutes: int = 60
    answer: float = 3_600.0
    looks: int = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One break-glass. Times: UTC seconds, 0 for not yet. `unit`: the requester's store."""

    id: str
    requester: str
    unit: str
    customer: str = field(repr=False)
    controller: str = ""
    classes: tuple[str, ...] = ()
    minutes: int = 30
    justification: str = field(default="", repr=False)
    asked: float = 0.0
    approver: str = ""
    opened: float = 0.0
    ended: float = 0.0  # ended early, or refused
    reviewer: str = ""
    reviewed: float = 0.0
    finding: str = ""
    looks: int = 0

    @property
    def until(self) -> float:
        """When it closes by itself; 0 while it is not open."""
        return self.opened + self.minutes * 60 if self.opened else 0.0

    @property
    def review_by(self) -> float:
        """When the review is due; 0 while there is nothing to review."""
        return self.opened + REVIEW_SECONDS if self.opened else 0.0

    def dump(self) -> dict[str, str]:
        """As strings, for the vault's memory."""
        return {name: _said(getattr(self, name)) for name in Case.__slots__}


def load_case(saved: Mapping[str, str]) -> Case:
    """The case again. Raises TamperError on what `dump` did not write."""
    try:
        numbers = {name: float(saved[name]) for name in ("asked", "opened", "ended", "reviewed")}
        counts = {name: int(saved[name]) for name in ("minutes", "looks")}
        words = {name: saved[name] for name in Case.__slots__ if name not in {*numbers, *counts, "classes"}}
    except (KeyError, ValueError):
        raise TamperError("break-glass: a saved case does not have the fields of one") from None
    return Case(**words, **numbers, **counts, classes=tuple(saved["classes"].split()))  # type: ignore[arg-type]


def stage(case: Case, limits: GlassLimits, now: float) -> Stage:
    """Where it stands at this moment; nothing has to happen for it to close."""
    if case.reviewed:
        return Stage.REVIEWED
    if not case.opened:
        if case.ended:
            return Stage.REFUSED
        return Stage.LAPSED if now >= case.asked + limits.answer else Stage.ASKED
    return Stage.OVER if case.ended or now >= case.until else Stage.OPEN


def overdue(cases: Iterable[Case], now: float) -> list[Case]:
    """Opened, not reviewed, and past their 72 hours."""
    return [each for each in cases if each.opened and not each.reviewed and now >= each.review_by]


def check_justification(text: str) -> str:
    """The text, trimmed. Raises Denied("justification") with what to change."""
    plain = " ".join(text.split())
    words = {word.casefold() for word in re.findall(r"[^\W\d_]{2,}", plain)}
    if not LEAST_JUSTIFICATION <= len(plain) <= MOST_JUSTIFICATION or len(words) < LEAST_WORDS:
        raise Denied(
            "justification",
            f"Say in a sentence or two what happened and why it cannot wait: {LEAST_JUSTIFICATION} to "
            f"{MOST_JUSTIFICATION} characters.",
        )
    if _DIGITS.search(plain) or _ADDRESS.search(plain):
        raise Denied("justification", "Leave out numbers and addresses of people: others read this text.")
    return plain


def ask(
    who: Principal,
    about: tuple[str, str],
    classes: Iterable[str],
    justification: str,
    minutes: int,
    cases: Iterable[Case],
    now: float,
    limits: GlassLimits,
) -> Case:
    """A new case, waiting for a second person. `about`: (customer's token, "" for nobody; controller).

    Raises Denied("other-store" | "justification" | "break-glass-suspended" | "break-glass-open"), ConfigError.
    """
    customer, controller = about
    if controller not in who.controllers:
        raise denied(Why.OTHER_STORE)
    held = list(cases)
    _require_not_suspended(who.store, held, now)
    if any(each.requester == who.agent and stage(each, limits, now) in (Stage.ASKED, Stage.OPEN) for each in held):
        raise Denied("break-glass-open", "One at a time: end the one you have first.")
    wanted, least = _classes(classes), minutes or limits.minutes
    if not 0 < least <= limits.most_minutes:
        raise ConfigError(f"break-glass: 1 to {limits.most_minutes} minutes")
    text = check_justification(justification)
    name = "bg_" + secrets.token_hex(12)
    return Case(name, who.agent, who.store, customer, controller, wanted, least, text, now)


def approve(case: Case, who: Principal, cases: Iterable[Case], now: float, limits: GlassLimits) -> Case:
    """The second person's word: it opens. Raises Denied, naming why this person may not, or why it is too late."""
    held = list(cases)
    _may_answer(case, who, held, now)
    if stage(case, limits, now) is not Stage.ASKED:
        raise denied(Why.GRANT_EXPIRED)
    _require_not_suspended(case.unit, held, now)
    return replace(case, approver=who.agent, opened=now)


def refuse(case: Case, who: Principal, cases: Iterable[Case], now: float, limits: GlassLimits) -> Case:
    """The second person says no. Raises as `approve` does."""
    _may_answer(case, who, list(cases), now)
    if stage(case, limits, now) is not Stage.ASKED:
        raise denied(Why.GRANT_EXPIRED)
    return replace(case, approver=who.agent, ended=now)


def end(case: Case, who: Principal, now: float, limits: GlassLimits) -> Case:
    """Close it early: the requester, the approver, or a privacy officer of the house."""
    if who.agent not in (case.requester, case.approver) and not _officer(who, case):
        raise denied(Why.ROLE_MAY_NOT)
    return replace(case, ended=now) if stage(case, limits, now) in (Stage.ASKED, Stage.OPEN) else case


def use(case: Case, who: Principal, data_class: str, cases: Iterable[Case], now: float, limits: GlassLimits) -> Case:
    """Count a look, before its ledger entry is written. Raises Denied and then counts nothing."""
    if who.agent != case.requester:
        raise denied(Why.NOT_YOUR_CALL)
    if stage(case, limits, now) is not Stage.OPEN:
        raise denied(Why.GRANT_EXPIRED)
    _require_not_suspended(case.unit, list(cases), now)
    if data_class not in case.classes:
        raise Denied("not-in-this-grant", "This kind of data was not agreed on.")
    if case.looks >= limits.looks:
        raise denied(Why.OPENS_PER_LEG)
    return replace(case, looks=case.looks + 1)


def review(case: Case, who: Principal, finding: str, now: float, limits: GlassLimits) -> Case:
    """A privacy officer's finding, once it is over. Raises Denied, ConfigError for no word of Finding."""
    if not _officer(who, case):
        raise denied(Why.ROLE_MAY_NOT)
    if who.agent in (case.requester, case.approver):
        raise Denied("not-your-own", "Whoever asked or agreed does not review it.")
    if stage(case, limits, now) is not Stage.OVER:
        raise Denied("nothing-to-review", "It is not over yet, was never opened, or was reviewed.")
    if finding not in {each.value for each in Finding}:
        raise ConfigError(f"break-glass review: one of {', '.join(Finding)}")
    return replace(case, reviewer=who.agent, reviewed=now, finding=finding)


def _may_answer(case: Case, who: Principal, cases: list[Case], now: float) -> None:
    if who.role not in APPROVERS or case.controller not in who.controllers:
        raise denied(Why.ROLE_MAY_NOT)
    if who.agent == case.requester:
        raise Denied("not-your-own", "Somebody else has to agree to this.")
    if who.store == case.unit and who.role is not Role.PRIVACY_OFFICER:
        raise Denied("same-line", "Somebody outside this store has to agree: another store, or a privacy officer.")
    if any(_favour(each, case.requester, who.agent, now) for each in cases):
        raise Denied("reciprocal", "This person agreed to yours in the last 90 days. Somebody else has to answer.")


def _favour(case: Case, requester: str, approver: str, now: float) -> bool:
    """Whether the one who asks now opened a case of the one who is to answer now, in the last 90 days."""
    opened = case.opened and now < case.opened + RECIPROCAL_SECONDS
    return bool(opened) and case.requester == approver and case.approver == requester


def _require_not_suspended(unit: str, cases: list[Case], now: float) -> None:
    if any(each.unit == unit for each in overdue(cases, now)):
        raise Denied(
            "break-glass-suspended", "A review of this store's last break-glass is overdue. Tell the privacy officer."
        )


def _officer(who: Principal, case: Case) -> bool:
    return who.role in REVIEWERS and case.controller in who.controllers


def _classes(words: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(words)))
    known = {each.value for each in DataClass} - {DataClass.RECORDING.value}
    if not wanted or not set(wanted) <= known:
        raise ConfigError(f"break-glass: name kinds of data, of {', '.join(sorted(known))}")
    return wanted


def _said(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
