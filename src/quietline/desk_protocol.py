"""What the desk (web process) and the controller say to each other over `controller.sock`. No personal data is in it.

Operations (web → controller), each `{"op": ..., "agent": token, ...}`:

    state      state="ready"|"away"|"offline", phone="browser"|"sip", reason=AwayReason
                                                              the agent's wish; offline also when the last page is gone
    snapshot                                                  -> AgentView, for a page that (re)loads
    hang_up    call                                           end the agent's call
    verify     call                                           start the keyed one-time code
    wrap_up_done  call                                        back to ready
    transfer   call, queue=... or colleague=token             hand the caller on at once
    consult    call, colleague=token                          ask a colleague first; the caller hears music
    complete   call                                           the colleague takes the caller over
    take_back  call                                           the caller comes back; the colleague is let go
    targets    call                                           -> {"queues": [{"id", "name"}], "agents": [token, ...]}:
                                                              to whom the caller may be handed on now
    floor                                                     -> counts: calls waiting, longest wait, agents by state
    wallboard  store="north" or "" for all                    -> live.wallboard.Board: queues, people, alerts; to
                                                              whom it is shown the web process asks the vault
    reload                                                    root only: read the chain anew; calls keep their places

`subscribe` streams `Event` objects of all agents; the web process hands each agent only its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from quietline.plain import plain


class AgentState(StrEnum):
    """Closed. Every state but OFFLINE, READY and AWAY has a deadline after which the controller leaves it."""

    OFFLINE = "offline"
    READY = "ready"
    AWAY = "away"
    RINGING = "ringing"  # an offer is out: deadline is the ring time
    ON_CALL = "on_call"  # deadline is max_call_seconds
    WRAP_UP = "wrap_up"


class AwayReason(StrEnum):
    """Why an agent wishes to be away. Closed."""

    CHOSEN = "chosen"  # not said
    BREAK = "break"
    MEAL = "meal"
    TRAINING = "training"
    DESK_WORK = "desk_work"


@dataclass(frozen=True, slots=True)
class AgentView:
    """All a page needs to draw itself. Times are UTC seconds; empty strings and zeros where they do not apply."""

    agent: str
    state: AgentState
    since: float
    reason: str = ""  # why away: an AwayReason, or "no_answer" | "declined" | "phone_lost"
    call: str = ""  # the call's id, random
    alias: str = ""  # "Caller 4821", random per call
    queue: str = ""  # the queue's display name
    topic: str = ""  # the reason code the desk proposes
    grant: str = ""  # for the vault, while the call lives
    deadline: float = 0.0
    verifying: str = ""  # "" | "sent" | "passed" | "failed"
    assurance: int = 0
    vault: str = "ok"  # "connecting" | "ok" | "refused" | "unavailable": the call goes on, nothing can be shown
    lapsed: tuple[str, ...] = ()  # data classes whose certificate has lapsed: no offers from them
    callback: str = ""  # "" | "offered": the customer is rung once you answer | "dialling": their phone rings
    consult: str = ""  # "" | "ringing" | "talking": a colleague is asked | "asked": a colleague asks you
    colleague: str = ""  # the other agent's token, meanwhile
    revision: int = 0  # grows with every change, over restarts of the controller too: of two views the larger is newer


@dataclass(frozen=True, slots=True)
class Event:
    """Something an agent's page must know. `name`: "state" carries a whole AgentView and is enough to draw the page."""

    name: str
    agent: str
    view: AgentView

    def as_frame(self) -> dict[str, Any]:
        return {"event": self.name, "agent": self.agent, "view": plain(self.view)}
