"""A customer's request: which right, how they were identified, by when it is answered, and which states it passes.

Pure. Every state but the last ones has an exit; who did what, and when, stands in the ledger by the request's token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from quietline.errors import ConfigError, Denied
from quietline.rights.times import months_later, stamp


class Right(StrEnum):
    """Which right (GDPR article)."""

    ACCESS = "access"  # 15
    RECTIFICATION = "rectification"  # 16
    ERASURE = "erasure"  # 17
    RESTRICTION = "restriction"  # 18
    OBJECTION = "objection"  # 21


class State(StrEnum):
    """Where a request stands. DONE, REFUSED, WITHDRAWN and LIFTED are the ends."""

    OPEN = "open"
    COOLING = "cooling"  # an erasure that may still be taken back
    ERASING = "erasing"  # begun: it only goes forward, over a crash too
    IN_FORCE = "in_force"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LIFTED = "lifted"


class Act(StrEnum):
    """What can be done with it."""

    COMPLETE = "complete"
    BEGIN = "begin"
    ENFORCE = "enforce"
    LIFT = "lift"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    EXTEND = "extend"


class Refusal(StrEnum):
    """Why a request may be refused; nothing else is a reason."""

    UNFOUNDED = "manifestly-unfounded"  # 12(5)(b)
    EXCESSIVE = "excessive"  # 12(5)(b)
    NOT_IDENTIFIED = "not-identified"  # 11(2), 12(2)
    LAW = "law-requires-keeping"  # 17(3)(b)
    CLAIMS = "legal-claims"  # 17(3)(e), 18(2)
    COMPELLING = "compelling-grounds"  # 21(1)


ENDS: Final = frozenset({State.DONE, State.REFUSED, State.WITHDRAWN, State.LIFTED})
_ANSWERED: Final = {Act.REFUSE: State.REFUSED, Act.WITHDRAW: State.WITHDRAWN}
_ONCE: Final = {State.OPEN: {**_ANSWERED, Act.COMPLETE: State.DONE, Act.EXTEND: State.OPEN}}
_LASTING: Final = {
    State.OPEN: {**_ANSWERED, Act.ENFORCE: State.IN_FORCE, Act.EXTEND: State.OPEN},
    State.IN_FORCE: {Act.LIFT: State.LIFTED},
}
TRANSITIONS: Final[dict[Right, dict[State, dict[Act, State]]]] = {
    Right.ACCESS: _ONCE,
    Right.RECTIFICATION: _ONCE,
    Right.RESTRICTION: _LASTING,
    Right.OBJECTION: _LASTING,
    Right.ERASURE: {
        State.COOLING: {**_ANSWERED, Act.BEGIN: State.ERASING, Act.EXTEND: State.COOLING},
        State.ERASING: {Act.COMPLETE: State.DONE},
    },
}

# How a requester was identified, and how much each proves on the scale of product.md, promise 6. No more is asked than
# is needed (GDPR 12(6), 5(1)(c); EDPB Guidelines 01/2022, §§ 65 to 79): a copy of an identity card is the last way.
METHODS: Final[dict[str, int]] = {
    "number-matches": 1,  # a caller's number is a claim
    "order-known": 1,
    "call-back": 2,  # we rang the number on record
    "one-time-code": 2,
    "e-mail-confirmed": 2,
    "shop-account": 2,  # signed in at the shop
    "identity-card": 2,
    "authority-seen": 2,  # a representative's, beside how the customer was identified
}
SAME_FACTOR: Final = (frozenset({"number-matches", "call-back", "one-time-code"}),)  # the telephone is one factor
NEEDED: Final[dict[Right, int]] = {
    Right.ACCESS: 2,
    Right.RECTIFICATION: 3,  # a change of contact data takes an account over (product.md: at 3 changes)
    Right.ERASURE: 2,
    Right.RESTRICTION: 1,  # harms nobody, and is lifted again
    Right.OBJECTION: 1,
}
OBJECTED: Final = ("marketing", "recording", "profiling", "everything")
MONTHS, EXTENDED_MONTHS = 1, 3  # GDPR 12(3): one month; where necessary two further months


def identified(methods: Iterable[str]) -> int:
    """The level that these methods reach together: the best one, or 3 for two of level 2 that are independent.

    Raises ConfigError for an unknown method.
    """
    used = set(methods)
    if unknown := used - set(METHODS):
        raise ConfigError(f"identified by: {len(unknown)} unknown; one or more of {', '.join(METHODS)}")
    strong = {each for each in used if METHODS[each] == 2}
    factors = {next((min(group) for group in SAME_FACTOR if each in group), each) for each in strong}
    return 3 if len(factors) > 1 else max((METHODS[each] for each in used), default=0)


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request. Times: UTC seconds. `customer`: a token, "" once erased. `about`: a closed word (an objection's)."""

    id: str
    right: Right
    state: State
    controller: str
    customer: str
    methods: tuple[str, ...]
    level: int
    opened: float
    due: float
    changed: float
    by: str  # who opened it, a staff token
    about: str = ""
    why: str = ""  # of a refusal or an extension
    told: dict[str, str] = field(default_factory=dict)  # recipient -> how, or why not (GDPR 19)

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def view(self) -> dict[str, Any]:
        """For the privacy officer's page and the command line: no token of the customer."""
        shown = ("id", "right", "state", "controller", "methods", "level", "about", "why", "told")
        plain = {name: value for name, value in self.dump().items() if name in shown}
        times = {"opened": stamp(self.opened), "due": stamp(self.due), "changed": stamp(self.changed)}
        return {**plain, "methods": list(self.methods), **times}


def load_request(saved: dict[str, Any]) -> Request:
    """The request again, of `dump`. Raises KeyError or ValueError on anything else."""
    known = {each.name: saved[each.name] for each in fields(Request)}
    typed = {"right": Right(saved["right"]), "state": State(saved["state"]), "methods": tuple(saved["methods"])}
    return Request(**{**known, **typed})


def right_of(word: str) -> Right:
    """Raises ConfigError."""
    try:
        return Right(word)
    except ValueError:
        raise ConfigError(f"right: one of {', '.join(Right)}") from None


def check_opening(right: Right, methods: Iterable[str], about: str) -> int:
    """The level reached. Raises Denied("not-identified") below what the right needs, ConfigError for unknown words."""
    level = identified(methods)
    if level < NEEDED[right]:
        raise Denied(
            "not-identified",
            f"{right.value} needs level {NEEDED[right]}, and this reaches {level}. Identify the requester in another "
            "way too; ask for no more than that.",
        )
    if (right is Right.OBJECTION) != (about in OBJECTED):
        raise ConfigError(f"about: for an objection, and only for one: one of {', '.join(OBJECTED)}")
    return level


def open_request(
    name: str, right: Right, customer: tuple[str, str], methods: Iterable[str], by: str, now: float, about: str = ""
) -> Request:
    """A new request. `customer`: (controller, token). Raises as `check_opening`."""
    level = check_opening(right, methods, about)
    state = State.COOLING if right is Right.ERASURE else State.OPEN
    controller, token = customer
    due = months_later(now, MONTHS)
    return Request(name, right, state, controller, token, tuple(sorted(set(methods))), level, now, due, now, by, about)


def act(request: Request, what: Act, now: float, why: str = "") -> Request:
    """The request after this act. Raises Denied("not-in-this-state"), ConfigError for a refusal without its reason."""
    after = TRANSITIONS[request.right].get(request.state, {}).get(what)
    if after is None:
        raise Denied("not-in-this-state", f"This request of {request.right.value} is {request.state.value}: no {what}.")
    if what is Act.REFUSE and why not in {each.value for each in Refusal}:
        raise ConfigError(f"why: one of {', '.join(Refusal)}; the requester is told it, and where to complain (12(4))")
    if what is Act.EXTEND:
        return _extended(request, now, why)
    return replace(request, state=after, changed=now, why=why)


def _extended(request: Request, now: float, why: str) -> Request:
    """GDPR 12(3): told within the first month, with the reasons; once."""
    if why not in ("complexity", "number"):
        raise ConfigError("why: complexity or number (of the requests); the requester is told it within the month")
    latest = months_later(request.opened, EXTENDED_MONTHS)
    if now > request.due or request.due == latest:
        raise Denied("too-late", "A deadline is extended once, and before it has passed (GDPR 12(3)).")
    return replace(request, due=latest, changed=now, why=why)


def overdue(requests: Iterable[Request], now: float) -> list[Request]:
    """Those that should have been answered by now, oldest deadline first."""
    late = [each for each in requests if each.state not in (ENDS | {State.IN_FORCE}) and each.due < now]
    return sorted(late, key=lambda each: each.due)
