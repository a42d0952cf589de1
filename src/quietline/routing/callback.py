"""A callback that keeps the place: from the promise to its end. Pure; times are UTC seconds, handed in.

    promised ── QUEUED ⇄ RESTING         waits in the queue at the caller's place; rests while the store is closed, at
                  │ ▲        ▲            night, and for a while after a try that failed
              taken│ │let go │failed
                  ▼ │        │
                 TRYING ─────┘            an agent was rung, accepted, and the customer is dialled
                    │answered
                    ▼
                  DONE                    answered | expired | used_up | withdrawn

Every state has an exit: QUEUED and RESTING by `expires`, TRYING by the attempt's own deadlines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from quietline.routing.hours import Hours, local_date, moment, next_opening, zone_of

EARLIEST, LATEST = 8 * 60, 21 * 60  # minutes of the store's day between which a private phone may be rung
MINUTE = 60.0
LOOK_AHEAD = 60  # openings that are tried before we say that there is none


class Stage(StrEnum):
    """Where a callback stands, closed."""

    QUEUED = "queued"
    RESTING = "resting"
    TRYING = "trying"
    DONE = "done"


class End(StrEnum):
    """How a callback ends, closed: the ledger's words."""

    ANSWERED = "answered"
    EXPIRED = "expired"
    USED_UP = "used_up"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Rules:
    """How politely. `tries`: times it is dialled; `pause`: seconds between them; `ring`: seconds it rings."""

    tries: int = 3
    pause: float = 300.0
    ring: float = 30.0


@dataclass(frozen=True, slots=True)
class Promise:
    """One callback. `tried`: how often the customer was dialled; `rest_until`: not before that moment."""

    expires: float
    stage: Stage = Stage.RESTING
    tried: int = 0
    rest_until: float = 0.0
    end: str = ""


def may_ring_at(hours: Hours, wall: float) -> float | None:
    """The first moment from `wall` on when the store is open and it is neither early nor late there; None: never."""
    at: float | None = wall
    for _ in range(LOOK_AHEAD):
        at = next_opening(hours, at) if at is not None else None
        if at is None or (polite := _polite_from(hours.zone, at)) == at:
            return at
        at = polite
    return None


def _polite_from(zone: str, wall: float) -> float:
    """`wall` itself where that is a decent hour, else the next moment that is."""
    local = datetime.fromtimestamp(wall, UTC).astimezone(zone_of(zone))
    minute = local.hour * 60 + local.minute
    if EARLIEST <= minute < LATEST:
        return wall
    day = local_date(zone, wall)
    return moment(zone, day if minute < EARLIEST else day + timedelta(1), EARLIEST)


def look(promise: Promise, hours: Hours, wall: float) -> Promise:
    """Where it stands by now: into the queue, out of it, or expired. Nothing happens to one that is tried or done."""
    if promise.stage not in (Stage.QUEUED, Stage.RESTING):
        return promise
    if wall >= promise.expires:
        return done(promise, End.EXPIRED)
    at = may_ring_at(hours, max(wall, promise.rest_until))
    if at is None or at >= promise.expires:
        return done(promise, End.EXPIRED)  # it can never be rung any more: said at once, not after a vain wait
    return replace(promise, stage=Stage.QUEUED if at <= wall else Stage.RESTING, rest_until=0.0 if at <= wall else at)


def next_look(promise: Promise, wall: float) -> float:
    """When to `look` again, should nothing else happen: hours are kept to the minute."""
    return min(promise.rest_until if promise.stage is Stage.RESTING else wall + MINUTE, promise.expires)


def taken(promise: Promise) -> Promise:
    """An agent is being rung for it. Raises ValueError for one that does not wait."""
    if promise.stage is not Stage.QUEUED:
        raise ValueError("only a waiting callback can be offered")
    return replace(promise, stage=Stage.TRYING)


def let_go(promise: Promise) -> Promise:
    """The agent did not take it, or hung up before anybody was dialled: no try is used."""
    return replace(promise, stage=Stage.QUEUED) if promise.stage is Stage.TRYING else promise


def dialled(promise: Promise) -> Promise:
    """The customer's phone is about to ring. Raises ValueError for one that nobody took."""
    if promise.stage is not Stage.TRYING:
        raise ValueError("only a callback that an agent took can be dialled")
    return replace(promise, tried=promise.tried + 1)


def postponed(promise: Promise, wall: float, seconds: float) -> Promise:
    """Something of ours was not there: later, and no try is used."""
    return (
        replace(promise, stage=Stage.RESTING, rest_until=wall + seconds) if promise.stage is Stage.TRYING else promise
    )


def failed(promise: Promise, rules: Rules, wall: float) -> Promise:
    """Busy, no answer, or no human: tried again after a pause, unless it was tried often enough."""
    if promise.stage is not Stage.TRYING:
        return promise
    if promise.tried >= rules.tries:
        return done(promise, End.USED_UP)
    again = wall + rules.pause
    if again >= promise.expires:
        return done(promise, End.EXPIRED)
    return replace(promise, stage=Stage.RESTING, rest_until=again)


def done(promise: Promise, end: End) -> Promise:
    """Over; the first end stands."""
    return promise if promise.stage is Stage.DONE else replace(promise, stage=Stage.DONE, end=end.value)
