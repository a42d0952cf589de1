"""What routing leaves behind: one row for each visit of a call to a queue, one for each stretch of an agent's state.

The live system writes them (live/history.py), the simulator makes them, reports and plots read them: whatever is said
of a day is said of these two. Tokens and times only. Times are UTC seconds, durations seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

NO_CALLBACK = -1.0


class Outcome(StrEnum):
    """How a visit to a queue ended."""

    ANSWERED = "answered"  # an agent took the call
    ABANDONED = "abandoned"  # the caller hung up first
    GAVE_UP = "gave_up"  # the longest wait was over; nobody had taken the call
    MOVED = "moved"  # it went on to another queue: overflow, the caller's choice


class Visit(NamedTuple):
    """One call's stay in one queue, and the conversation that came of it."""

    queue: str
    store: str  # the dialled one; "" where the number is no store's
    entered: float  # UTC seconds
    waited: float  # until the outcome, ringing included
    outcome: Outcome
    agent: str = ""
    talk: float = 0.0  # hold not included
    hold: float = 0.0
    wrap_up: float = 0.0
    missed: int = 0  # offers that came to nothing before
    callback: float = NO_CALLBACK  # seconds after `entered` at which the caller chose to be called back
    transferred: bool = False  # it came from another agent, so it is no new call
    call: str = ""  # the same for all visits of one call; means nothing elsewhere

    @property
    def handle(self) -> float:
        """Handle time: talk, hold and wrap-up."""
        return self.talk + self.hold + self.wrap_up


class Span(NamedTuple):
    """An agent was in one state (`routing.model.State`) from `start` until `end`."""

    agent: str
    store: str
    state: str
    start: float  # UTC seconds
    end: float
