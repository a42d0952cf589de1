"""May this be erased now, by these people, and what stays? Pure.

An erasure waits out a cooling period, in which the requester (or whoever sees a fraud) may stop it; a legal hold wins;
so many a day and no more, so that nobody empties the house; one person alone for a few, two for more (bulk).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from quietline.access.decide import Principal, Role
from quietline.errors import ConfigError, Denied
from quietline.rights.requests import Request, State
from quietline.rights.times import day_of, stamp
from quietline.vault.schema import DataClass

OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})
SECONDS: Final = frozenset({Role.PRIVACY_OFFICER, Role.ADMINISTRATOR})
READERS: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})

# What an erasure leaves, and on which basis. Everything else goes.
KEPT: Final[dict[DataClass, str]] = {
    DataClass.INVOICE: "GDPR 17(3)(b): orders and invoices are kept for the period that tax law sets",
}
UNTOLD: Final = ("impossible", "disproportionate")  # GDPR 19


class HoldReason(StrEnum):
    """Why data must stay (GDPR 17(3)(b) and (e), 18(1)(c))."""

    COURT_ORDER = "court-order"
    DISPUTE = "dispute"
    TAX_AUDIT = "tax-audit"
    INVESTIGATION = "investigation"


@dataclass(frozen=True, slots=True, repr=False)
class Hold:
    """A legal hold on one customer. `until`: UTC seconds; it ends by itself and has to be renewed by a person."""

    id: str
    customer: str
    controller: str
    reason: HoldReason
    by: str
    placed: float
    until: float

    def view(self) -> dict[str, Any]:
        """Without the customer's token."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("customer", "placed", "until")}
        return {**plain, "placed": stamp(self.placed), "until": stamp(self.until)}


def load_hold(saved: dict[str, Any]) -> Hold:
    """The hold again, of `asdict`."""
    return Hold(**{**saved, "reason": HoldReason(saved["reason"])})


def held(customer: str, holds: Iterable[Hold], now: float) -> Hold | None:
    """The hold on this customer that lasts longest, None where there is none now."""
    on = [each for each in holds if each.customer == customer and each.until > now]
    return max(on, key=lambda each: each.until, default=None)


def hold_reason(word: str) -> HoldReason:
    """Raises ConfigError."""
    try:
        return HoldReason(word)
    except ValueError:
        raise ConfigError(f"reason: one of {', '.join(HoldReason)}") from None


@dataclass(frozen=True, slots=True)
class Limits:
    """`cooling`: seconds. `per_day`: erasures in one UTC day. `alone`: how many of them one person may do."""

    cooling: float
    per_day: int
    alone: int


@dataclass(frozen=True, slots=True, repr=False)
class Books:
    """What stands when somebody wants to erase: every request and hold, the list of recipients, the time."""

    requests: Sequence[Request]
    holds: Sequence[Hold]
    recipients: Mapping[str, str]
    now: float

    def erased_today(self) -> int:
        """Erasures begun in this UTC day."""
        begun = (each for each in self.requests if each.right == "erasure")
        ours = (each for each in begun if each.state in (State.ERASING, State.DONE))
        return sum(day_of(each.changed) == day_of(self.now) for each in ours)


def require_role(who: Principal, roles: frozenset[Role]) -> None:
    """Raises Denied("policy") for any other role."""
    if who.role not in roles:
        raise Denied("policy", f"This is for: {', '.join(sorted(role.value for role in roles))}.")


def may_erase(wanted: Sequence[Request], people: Sequence[Principal], books: Books, limits: Limits) -> None:
    """Returns when all of these may be erased now by these people. Raises Denied with a word of its own otherwise."""
    _check_people(people, len(wanted), books, limits)
    for request in wanted:
        check_ripe(request, books, limits)


def _check_people(people: Sequence[Principal], count: int, books: Books, limits: Limits) -> None:
    if not people:
        raise Denied("policy", "Nobody is signed in for this.")
    require_role(people[0], OFFICERS)
    for second in people[1:]:
        require_role(second, SECONDS)
    today = books.erased_today()
    if today + count > limits.per_day:
        raise Denied("daily-cap", f"{today} were erased today, and {limits.per_day} a day is the limit.")
    if (count > 1 or today + count > limits.alone) and len({each.agent for each in people}) < 2:
        raise Denied(
            "second-person", f"More than one at a time, or more than {limits.alone} a day, takes two different people."
        )


def check_ripe(request: Request, books: Books, limits: Limits) -> None:
    """Raises Denied("not-in-this-state" | "cooling" | "legal-hold" | "recipients-untold")."""
    if request.state is State.ERASING:
        return  # begun before a crash: it only goes forward
    if request.state is not State.COOLING:
        raise Denied("not-in-this-state", f"This request is {request.state.value}.")
    if books.now < request.opened + limits.cooling:
        raise Denied("cooling", f"It may be taken back until {stamp(request.opened + limits.cooling)}.")
    hold = held(request.customer, books.holds, books.now)
    if hold:
        raise Denied("legal-hold", f"A legal hold ({hold.reason.value}) stands until {stamp(hold.until)}; it wins.")
    untold = sorted(set(books.recipients) - set(request.told))
    if untold:
        raise Denied(
            "recipients-untold",
            f"GDPR 19: tell {', '.join(untold)} first, or say why that is impossible or disproportionate.",
        )


def split(present: Iterable[str]) -> tuple[list[DataClass], list[DataClass]]:
    """(to erase, kept): the classes a customer has values of, and by KEPT what stays. All others are erased anyway."""
    has = set(present)
    kept = [each for each in DataClass if each in KEPT and each.value in has]
    return [each for each in DataClass if each not in kept], kept
