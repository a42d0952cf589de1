"""What routing works with: skills, queues, agents, waiting calls, decisions. Plain frozen values; tokens only.

Times are seconds on one clock that never goes back (`now`); `wall` is UTC seconds, for what expires by the calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LOWEST, HIGHEST = 1, 5  # proficiency in a skill


class State(StrEnum):
    """An agent's state. RINGING, ON_CALL and WRAP_UP have deadlines (promise 12: no agent gets stuck)."""

    OFFLINE = "offline"
    READY = "ready"
    AWAY = "away"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"


@dataclass(frozen=True, slots=True)
class Need:
    """One skill that a call asks for. Language and VIP are skills like others: "lang:fr", "vip"."""

    skill: str
    level: int = LOWEST  # at least this proficiency, 1..5
    preferred: bool = False  # ranks agents (strategy best-skill), excludes nobody


@dataclass(frozen=True, slots=True)
class Step:
    """From `after` seconds of waiting on, these needs stand in place of the earlier step's."""

    after: float = 0.0
    needs: tuple[Need, ...] = ()
    stores: frozenset[str] = frozenset()  # whose agents may take it; empty: any store's


@dataclass(frozen=True, slots=True)
class QueueRule:
    """How one queue is served.

    Fairness: a call's rank is its arrival less its head start, so everybody ages at the same pace across queues, and no
    call is overtaken by one that came more than the difference of the head starts after it (Kleinrock's time-dependent
    priorities with equal slopes). Nothing starves by construction.
    """

    id: str
    data_class: str = "invoice"  # the certificate an agent needs (training as a predicate)
    steps: tuple[Step, ...] = (Step(),)  # the first has after = 0; `after` rises
    head_start: float = 0.0  # seconds
    strategy: str = "longest-idle"  # "longest-idle" | "least-occupied" | "best-skill" | one registered by the user
    sticky: float = 0.0  # seconds the call's last agent alone may take it, while signed in and not away
    ring: float = 15.0  # seconds; then ring-no-answer (RONA)
    wrap_up: float = 30.0
    longest_call: float = 14_400.0
    longest_wait: float = 900.0  # then the dignified exit
    longest_callback: float = 28_800.0  # the same for a caller who hung up and is to be called back


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as routing sees them. `since` is when the state began; `deadline` when it must end, 0 for never."""

    id: str
    skills: Mapping[str, int] = field(default_factory=dict)  # skill -> proficiency 1..5
    certificates: Mapping[str, float] = field(default_factory=dict)  # data class -> expiry, UTC seconds
    store: str = ""
    queues: frozenset[str] = frozenset()  # those served; empty: every queue whose needs are met
    state: State = State.OFFLINE
    since: float = 0.0
    reason: str = ""
    call: str = ""
    deadline: float = 0.0
    retiring: str = ""  # state wished for once the call is over: "away" or "offline"
    missed: int = 0  # offers that rang out since they signed in
    occupancy: float = 0.0  # 0..1 at `since`: the share of recent time on calls and in wrap-up (strategies.py)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in a queue. `since` is its place: kept through offers that fail, transfers back and callbacks.

    Entering the same call again replaces its needs and stores (overflow widens them) and keeps the place.
    """

    call: str
    queue: str
    since: float
    needs: tuple[Need, ...] = ()  # its own, on top of the queue's step: a language, VIP
    stores: frozenset[str] = frozenset()  # whose agents may take it, by store routing and overflow; empty: any store's
    head_start: float = 0.0  # its own, seconds, on top of the queue's
    last_agent: str = ""  # for the sticky strategy
    only_agent: str = ""  # a transfer to one person
    callback: bool = False  # the caller hung up and will be called back
    offered: str = ""  # the agent being rung


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring this agent for this call until the deadline."""

    call: str
    agent: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop ringing: the agent's time is up, or the call is gone."""

    call: str
    agent: str
    reason: str  # "no_answer" | "caller_gone" | "agent_gone"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The call has waited as long as it may; it leaves the queue."""

    call: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """A conversation has to end: it has reached its longest time, or its agent is no longer in service."""

    call: str
    agent: str
    reason: str = "longest_call"  # | "agent_dismissed"


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The call's needs are those of a later step now."""

    call: str
    step: int


@dataclass(frozen=True, slots=True)
class Changed:
    """This agent's state is new."""

    agent: str


Decision = Offer | Withdraw | GiveUp | Overdue | Relaxed | Changed
