"""Work grants: the right to look again after the call, for the ticket work that it left. Pure; `now` is UTC seconds.

A work grant names the assignee, the fields, the reason and the deadline (product.md, promise 4). An agent gives one to
themselves on their own call, for a short time; longer, or for a colleague, a supervisor of the same house agrees. It
ends by its deadline, or when somebody whose it is takes it back. Every look under it passes policy (action "work").

The life of one: ask → [a supervisor agrees] → look, look … → over. A request that nobody answers lapses.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from quietline.access.decide import TAKES_CALLS, Principal, Role
from quietline.errors import Denied, TamperError
from quietline.reasons import Why, denied


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Seconds and counts. `own`: the longest an agent gives themselves; `longest`: with a supervisor's word;
    `answer`: how long a request waits for that word; `fields`: in one grant; `looks`: under one grant; `open`: that one
    person may hold at a time."""

    own: float = 86_400.0
    longest: float = 1_209_600.0
    answer: float = 86_400.0
    fields: int = 8
    looks: int = 40
    open: int = 50


@dataclass(frozen=True, slots=True)
class Call:
    """The call it is for: the vault's own word. `assurance`: what it had reached, 0–3."""

    leg: str
    customer: str
    controller: str
    assurance: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `until`: UTC seconds; `reason`: a code of vault/schema.py."""

    assignee: str
    fields: tuple[str, ...]
    reason: str
    until: float


@dataclass(frozen=True, slots=True)
class WorkGrant:
    """One work grant. `given_by` is "" while it waits for a supervisor. Times: UTC seconds, 0 for not yet."""

    id: str
    leg: str
    customer: str
    controller: str
    assurance: int
    assignee: str
    asked_by: str
    fields: tuple[str, ...]
    reason: str
    asked: float
    until: float
    given_by: str = ""
    ended: float = 0.0
    looks: int = 0

    def dump(self) -> dict[str, str]:
        """As strings, for the vault's memory."""
        return {name: " ".join(value) if isinstance(value, tuple) else str(value) for name, value in _items(self)}

    def view(self, limits: WorkLimits, now: float) -> dict[str, object]:
        """For its assignee or supervisor: no customer's token, nothing personal."""
        shown = ("id", "assignee", "asked_by", "reason", "until", "given_by", "looks")
        parts = asdict(self)
        return {**{name: parts[name] for name in shown}, "fields": list(self.fields), "state": state(self, limits, now)}


WAITING: Final = "waiting"
OPEN: Final = "open"
OVER: Final = "over"


def load_work(saved: Mapping[str, str]) -> WorkGrant:
    """The grant again. Raises TamperError on what `dump` did not write."""
    try:
        return WorkGrant(
            saved["id"],
            saved["leg"],
            saved["customer"],
            saved["controller"],
            int(saved["assurance"]),
            saved["assignee"],
            saved["asked_by"],
            tuple(saved["fields"].split()),
            saved["reason"],
            float(saved["asked"]),
            float(saved["until"]),
            saved["given_by"],
            float(saved["ended"]),
            int(saved["looks"]),
        )
    except (KeyError, ValueError):
        raise TamperError("work grants: a saved one does not have the fields of one") from None


def state(grant: WorkGrant, limits: WorkLimits, now: float) -> str:
    """WAITING, OPEN or OVER."""
    if grant.ended or now >= grant.until or (not grant.given_by and now >= grant.asked + limits.answer):
        return OVER
    return OPEN if grant.given_by else WAITING


def ask(
    asker: Principal,
    call: Call,
    wish: Wish,
    needed: Collection[str],
    held: int,
    now: float,
    limits: WorkLimits,
) -> WorkGrant:
    """A new grant: open at once where the asker may give it to themselves, waiting otherwise.

    needed: what the reason needs of a customer; held: work grants the assignee has open. Raises Denied: not-your-call
    for no customer, reason-does-not-need-it, work-too-long, too-many-fields, too-many-work-grants.
    """
    if asker.role not in TAKES_CALLS:
        raise denied(Why.ROLE_TAKES_NO_CALLS)
    if not call.customer:
        raise Denied("nobody-matched", "No customer was recognised on this call, so there is nothing to look up.")
    _check(wish, needed, held, now, limits)
    alone = wish.assignee == asker.agent and wish.until <= now + limits.own
    return WorkGrant(
        "wg_" + secrets.token_hex(16),
        call.leg,
        call.customer,
        call.controller,
        call.assurance,
        wish.assignee,
        asker.agent,
        tuple(dict.fromkeys(wish.fields)),
        wish.reason,
        now,
        wish.until,
        asker.agent if alone else "",
    )


def agree(grant: WorkGrant, who: Principal, store: str, limits: WorkLimits, now: float) -> WorkGrant:
    """A supervisor's word. `store`: the assignee's; a hub's supervisor serves them all.

    Raises Denied("role-may-not" | "other-store" | "not-your-own" | "grant-expired").
    """
    if who.role is not Role.SUPERVISOR:
        raise denied(Why.ROLE_MAY_NOT)
    if grant.controller not in who.controllers or (len(who.controllers) == 1 and who.store != store):
        raise denied(Why.OTHER_STORE)
    if who.agent in (grant.asked_by, grant.assignee):
        raise Denied("not-your-own", "Somebody else has to agree to this.")
    if state(grant, limits, now) != WAITING:
        raise denied(Why.GRANT_EXPIRED)
    return replace(grant, given_by=who.agent)


def use(grant: WorkGrant, agent: str, field: str, limits: WorkLimits, now: float) -> WorkGrant:
    """Count a look, before its ledger entry is written. Raises Denied and then counts nothing."""
    if agent != grant.assignee:
        raise denied(Why.NOT_YOUR_CALL)
    if state(grant, limits, now) != OPEN:
        raise denied(Why.GRANT_EXPIRED)
    if field not in grant.fields:
        raise Denied("not-in-this-grant", "The work grant does not name this field. Ask for another grant.")
    if grant.looks >= limits.looks:
        raise denied(Why.OPENS_PER_LEG)
    return replace(grant, looks=grant.looks + 1)


def revoke(grant: WorkGrant, who: Principal, now: float) -> WorkGrant:
    """End it: the assignee, whoever asked or gave, a supervisor or a privacy officer of the house."""
    theirs = who.agent in (grant.assignee, grant.asked_by, grant.given_by)
    over_it = who.role in (Role.SUPERVISOR, Role.PRIVACY_OFFICER) and grant.controller in who.controllers
    if not (theirs or over_it):
        raise denied(Why.NOT_YOUR_CALL)
    return grant if grant.ended else replace(grant, ended=now)


def _check(wish: Wish, needed: Collection[str], held: int, now: float, limits: WorkLimits) -> None:
    if not 0 < len(wish.fields) <= limits.fields:
        raise Denied("too-many-fields", f"Name 1 to {limits.fields} fields.")
    if any(name not in needed for name in wish.fields):
        raise denied(Why.REASON_DOES_NOT_NEED_IT)
    if not now < wish.until <= now + limits.longest:
        days = round(limits.longest / 86_400)
        raise Denied("work-too-long", f"Give a deadline from now on, at most {days} days away.")
    if held >= limits.open:
        raise Denied("too-many-work-grants", "This person has as many open as one may have. End some first.")


def _items(grant: WorkGrant) -> list[tuple[str, object]]:
    return [(name, getattr(grant, name)) for name in WorkGrant.__slots__]
