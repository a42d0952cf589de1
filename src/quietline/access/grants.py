"""Grants: the right to ask about one customer, bound to one live call. Pure: no clock, no I/O; `now` is UTC seconds.

A grant names the caller's leg, the agent's leg, the agent, the customer and when it opened. It lives until either
leg ends; then only the wrap-up is left, for a bounded time. Assurance is kept with the caller's leg: it outlives a
transfer.

The life of one: leg_arrived → connect → confirm (the edge's word that both legs live) → spend, spend … → hang_up →
wrap-up → over → sweep.

Restart: saved grants come back *unconfirmed*. The agent keeps the grant and notices nothing, but nothing opens until
the edge has said once more that both legs live; if it says no, the grant closes. Codes do not survive (`codes.py`); the
level that a passed code gave does. Look counters come back as last saved.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from quietline.access.decide import Phase
from quietline.errors import Denied, TamperError
from quietline.reasons import Why, denied

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GrantLimits:
    """Ceilings. `per_leg`: fields opened on one caller's leg, by whomever; `per_minute`: by one agent in 60 s;
    `per_day`: by one agent in a UTC day; `in_all`: by everybody in one minute by the clock.

    `confirmed_for`: seconds the edge's word that a leg lives is good for (0.0: it must be asked in the same second).
    `wrap_up`: seconds after the hang-up. `life`: seconds after which a leg is over even if nobody said so.
    """

    per_leg: int = 40
    per_minute: int = 60
    per_day: int = 2_000
    in_all: int = 6_000
    confirmed_for: float = 2.0
    wrap_up: float = 120.0
    life: float = 14_400.0


@dataclass(frozen=True, slots=True)
class CallerLeg:
    """A caller's leg. `customer` is the vault's own token, "" for nobody known. `looks`: fields opened so far."""

    id: str
    customer: str
    assurance: int
    arrived: float
    looks: int = 0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One agent's right on one call. `closed`: when it ended, None while it lives."""

    id: str
    caller_leg: str
    agent_leg: str
    agent: str
    customer: str
    opened: float
    closed: float | None = None


@dataclass(slots=True)
class _State:
    legs: dict[str, CallerLeg] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    on_leg: dict[str, list[str]] = field(default_factory=dict)  # caller's or agent's leg -> grants, oldest first
    of_agent: dict[str, dict[str, None]] = field(default_factory=dict, repr=False)  # agent -> live grants, oldest first
    confirmed: dict[str, float] = field(default_factory=dict)  # grant -> when the edge last said that both legs live
    recent: dict[str, deque[float]] = field(default_factory=dict)  # agent -> times of their opens in the last minute
    days: dict[str, tuple[int, int]] = field(default_factory=dict)  # agent -> UTC day and opens on it
    minute: tuple[int, int] = (0, 0)  # minute since 1970 and everybody's opens in it


def random_id() -> str:
    """An opaque grant id: 128 random bits."""
    return "gr_" + secrets.token_hex(16)


class Grants:
    """All grants of one vault. Not safe across threads; every method is atomic on an event loop (none awaits)."""

    def __init__(self, limits: GrantLimits | None = None, make_id: Callable[[], str] = random_id) -> None:
        self._limits = limits or GrantLimits()
        self._make_id = make_id
        self._state = _State()
        self._changed: set[str] = set()
        self.on_ceiling: Callable[[Why, str], None] = lambda why, agent: None  # told each time one refuses

    # -- legs

    def leg_arrived(self, leg: str, customer: str, assurance: int, now: float) -> CallerLeg:
        """A caller's leg was matched. Told twice, the first stands: only `identify` gives a leg a customer later."""
        if leg not in self._state.legs:
            self._put_leg(CallerLeg(leg, customer, assurance, now))
        return self._state.legs[leg]

    def leg(self, leg: str) -> CallerLeg:
        """The leg. Raises Denied("call-ended") when it is not known or has ended."""
        found = self._state.legs.get(leg)
        if found is None or found.ended is not None:
            raise denied(Why.CALL_ENDED)
        return found

    def raise_assurance(self, leg: str, level: int) -> CallerLeg:
        """Set a live leg's level; it never falls during a call."""
        found = self.leg(leg)
        return self._put_leg(replace(found, assurance=max(found.assurance, level)))

    def identify(self, leg: str, customer: str) -> CallerLeg:
        """Who calls was found out on the call, which nobody was known to be on: once. Raises Denied("not-now")."""
        found = self.leg(leg)
        if found.customer:
            raise denied(Why.NOT_NOW)
        for grant in self.of_leg(leg):
            self._put_grant(replace(grant, customer=customer))
        return self._put_leg(replace(found, customer=customer))

    # -- grants

    def connect(self, leg: str, agent_leg: str, agent: str, now: float) -> Grant:
        """A grant for the agent who answered. The edge has vouched for both legs before this is called.

        Another agent's grant on the same leg closes (a transfer). Asked again for the same two legs, the same grant
        answers. An agent's leg serves one call: tied to another one Denied("not-your-call"), or ended "call-ended".
        """
        caller = self.leg(leg)
        for known in self._on_leg(agent_leg):
            return self._same(known, leg, agent)
        for other in self.of_leg(leg):
            self.close(other.id, now)
        grant = Grant(self._make_id(), leg, agent_leg, agent, caller.customer, now)
        self._put_grant(grant)
        self._state.confirmed[grant.id] = now
        return grant

    def find(self, grant: str, agent: str) -> Grant:
        """This agent's grant, in whatever phase. Denied("not-your-call"), alike for another's and for unknown ones."""
        found = self._state.grants.get(grant)
        if found is None or found.agent != agent:
            raise denied(Why.NOT_YOUR_CALL)
        return found

    def phase(self, grant: Grant, now: float) -> Phase:
        """Where it stands. A leg that outlives `life` is over without wrap-up."""
        if now >= grant.opened + self._limits.life:
            return Phase.OVER
        if grant.closed is None:
            return Phase.LIVE
        return Phase.WRAP_UP if now < grant.closed + self._limits.wrap_up else Phase.OVER

    def assurance(self, grant: Grant) -> int:
        """The level of the grant's call; 0 once the leg is forgotten."""
        leg = self._state.legs.get(grant.caller_leg)
        return leg.assurance if leg else 0

    def needs_word(self, grant: Grant, now: float) -> bool:
        """True when the edge must be asked whether both legs live before anything may open."""
        said = self._state.confirmed.get(grant.id)
        return said is None or not 0 <= now - said <= self._limits.confirmed_for

    def confirm(self, grant: str, now: float) -> None:
        """The edge just said that both legs live. Does nothing for a closed grant."""
        if self._live(grant):
            self._state.confirmed[grant] = now

    def spend(self, grant: str, agent: str, now: float) -> Grant:
        """Count one look, before the ledger entry is written. Raises Denied and then counts nothing.

        Words: not-your-call, call-ended, call-unconfirmed, and those of the ceilings.
        """
        found = self.find(grant, agent)
        if self.phase(found, now) is not Phase.LIVE:
            raise denied(Why.CALL_ENDED)
        if self.needs_word(found, now):
            raise denied(Why.CALL_UNCONFIRMED)
        caller = self.leg(found.caller_leg)
        if caller.looks >= self._limits.per_leg:
            raise self._over(Why.OPENS_PER_LEG, agent)
        self.spend_elsewhere(agent, now)
        self._put_leg(replace(caller, looks=caller.looks + 1))
        return found

    def spend_elsewhere(self, agent: str, now: float) -> None:
        """Count one look that no call carries (a work grant, break-glass) against the agent's and everybody's ceilings.

        Raises Denied("too-many-looks-this-minute" | "too-many-looks-today" | "too-many-looks-in-all"); counts nothing.
        """
        recent = self._state.recent.setdefault(agent, deque())
        while recent and recent[0] <= now - 60:
            recent.popleft()
        today, minute = int(now // 86_400), int(now // 60)
        day, looks = self._state.days.get(agent, (today, 0))
        then, all_looks = self._state.minute
        looks, all_looks = looks if day == today else 0, all_looks if then == minute else 0
        if len(recent) >= self._limits.per_minute:
            raise self._over(Why.OPENS_PER_MINUTE, agent)
        if looks >= self._limits.per_day:
            raise self._over(Why.OPENS_PER_DAY, agent)
        if all_looks >= self._limits.in_all:
            raise self._over(Why.OPENS_IN_ALL, agent)
        recent.append(now)
        self._state.days[agent] = (today, looks + 1)
        self._state.minute = (minute, all_looks + 1)

    def _over(self, why: Why, agent: str) -> Denied:
        self.on_ceiling(why, agent)
        return denied(why)

    def still_live(self, grant: str, agent: str, now: float) -> Grant:
        """The grant, if it still lives: asked again after the ledger's answer, before the value leaves the vault."""
        found = self.find(grant, agent)
        if self.phase(found, now) is not Phase.LIVE:
            raise denied(Why.CALL_ENDED)
        return found

    def close(self, grant: str, now: float) -> Grant | None:
        """Close one grant (the agent's leg ended); the closed grant, or None when it was closed already."""
        found = self._state.grants.get(grant)
        if found is None or found.closed is not None:
            return None
        self._state.confirmed.pop(grant, None)
        return self._put_grant(replace(found, closed=now))

    def hang_up(self, leg: str, now: float) -> list[Grant]:
        """A leg ended, caller's or agent's: close every grant on it. Returns those it closed."""
        caller = self._state.legs.get(leg)
        if caller and caller.ended is None:
            self._put_leg(replace(caller, ended=now))
        return [closed for grant in self._on_leg(leg) if (closed := self.close(grant.id, now))]

    def forget_customer(self, customer: str, now: float) -> list[Grant]:
        """The customer was erased: legs and grants know nobody any more, live grants close. Returns those it closed."""
        for leg in [each for each in self._state.legs.values() if each.customer == customer]:
            self._put_leg(replace(leg, customer=""))
        theirs = [each for each in self._state.grants.values() if each.customer == customer]
        for grant in theirs:
            self._put_grant(replace(grant, customer=""))
        return [closed for grant in theirs if (closed := self.close(grant.id, now))]

    def of_leg(self, leg: str) -> list[Grant]:
        """Live grants on a leg: none or one."""
        return [each for each in self._on_leg(leg) if each.closed is None]

    def of_agent(self, agent: str) -> list[Grant]:
        """The agent's live grants."""
        return [self._state.grants[key] for key in self._state.of_agent.get(agent, ())]

    def sweep(self, now: float) -> list[str]:
        """Forget what is over: grants past their wrap-up, ended legs without grants. Returns the forgotten ids."""
        over = [key for key, grant in self._state.grants.items() if self.phase(grant, now) is Phase.OVER]
        for key in over:
            _forget(self._state.grants.pop(key), self._state)
        needed = {grant.caller_leg for grant in self._state.grants.values()}
        idle = [key for key, leg in self._state.legs.items() if key not in needed and self._leg_over(leg, now)]
        for key in idle:
            del self._state.legs[key]
        self._changed.update(over + idle)
        return over + idle

    # -- saving

    def changes(self) -> tuple[list[Record], list[str]]:
        """What to write since this was last asked: records to put and ids to drop. Tokens and times, nothing personal.

        Each record has an "id" and a "kind". If writing fails, hand the ids back by `mark`.
        """
        changed, self._changed = self._changed, set()
        kept = [record for key in sorted(changed) if (record := self._record(key))]
        return kept, sorted(changed - {str(record["id"]) for record in kept})

    def mark(self, ids: Iterable[str]) -> None:
        """These ids are to be written again."""
        self._changed.update(ids)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up saved records, all unconfirmed. Raises TamperError on a record it cannot read, and takes up none."""
        state = _State()
        for record in records:
            _take_up(dict(record), state)
        self._state = state

    # -- inside

    def _put_leg(self, leg: CallerLeg) -> CallerLeg:
        self._state.legs[leg.id] = leg
        self._changed.add(leg.id)
        return leg

    def _put_grant(self, grant: Grant) -> Grant:
        _index(grant, self._state)
        self._changed.add(grant.id)
        return grant

    def _record(self, key: str) -> Record | None:
        if leg := self._state.legs.get(key):
            return {"kind": "leg", **_fields(leg)}
        grant = self._state.grants.get(key)
        return {"kind": "grant", **_fields(grant)} if grant else None

    def _on_leg(self, leg: str) -> list[Grant]:
        return [self._state.grants[key] for key in self._state.on_leg.get(leg, ())]

    def _same(self, known: Grant, leg: str, agent: str) -> Grant:
        if (known.caller_leg, known.agent) != (leg, agent):
            raise denied(Why.NOT_YOUR_CALL)
        if known.closed is not None:
            raise denied(Why.CALL_ENDED)
        return known

    def _live(self, grant: str) -> bool:
        found = self._state.grants.get(grant)
        return found is not None and found.closed is None

    def _leg_over(self, leg: CallerLeg, now: float) -> bool:
        return leg.ended is not None or now >= leg.arrived + self._limits.life


def _fields(record: CallerLeg | Grant) -> Record:
    return {name: getattr(record, name) for name in type(record).__slots__}


def _index(grant: Grant, state: _State) -> None:
    state.grants[grant.id] = grant
    for leg in (grant.caller_leg, grant.agent_leg):
        on_leg = state.on_leg.setdefault(leg, [])
        if grant.id not in on_leg:
            on_leg.append(grant.id)
    if grant.closed is None:
        state.of_agent.setdefault(grant.agent, {})[grant.id] = None
    else:
        _close(grant, state)


def _close(grant: Grant, state: _State) -> None:
    live = state.of_agent.get(grant.agent, {})
    live.pop(grant.id, None)
    if not live:
        state.of_agent.pop(grant.agent, None)


def _forget(grant: Grant, state: _State) -> None:
    state.confirmed.pop(grant.id, None)
    _close(grant, state)
    for leg in (grant.caller_leg, grant.agent_leg):
        state.on_leg[leg].remove(grant.id)
        if not state.on_leg[leg]:
            del state.on_leg[leg]


def _take_up(record: Record, state: _State) -> None:
    kind = record.pop("kind", None)
    try:
        if kind == "leg":
            state.legs[record["id"]] = CallerLeg(**record)
        elif kind == "grant":
            _index(Grant(**record), state)
        else:
            raise TamperError("grants: a saved record is neither leg nor grant")
    except (TypeError, KeyError):
        raise TamperError(f"grants: a saved {kind} does not have the fields of one") from None
