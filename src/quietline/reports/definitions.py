"""What each figure of a report means, and the sums it is made of. `docs/explanation/definitions.md` says it in words.

There is no one "service level": several are in use, which differ by what becomes of callers who hang up. So each has a
name, one is the default, and every report says which it used. Compare Jouini, Koole and Roubos, Performance Indicators
for Call Centers with Impatient Customers, IIE Transactions 45(3), 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quietline.routing.model import State
from quietline.routing.visits import NO_CALLBACK, Outcome, Visit


class Definition(StrEnum):
    """Ways to say how many callers were served in time. In all of them, those who asked to be called back and those
    who went on to another queue are left out: the first have a figure of their own, the second count where they went.
    """

    SHORT_ABANDONS_EXCLUDED = "short-abandons-excluded"
    ALL_CALLS = "all-calls"
    ANSWERED_CALLS = "answered-calls"
    QUICK_ABANDONS_MET = "quick-abandons-met"


FORMULAS = {
    Definition.SHORT_ABANDONS_EXCLUDED: "answered in time / (answered + lost - short abandons)",
    Definition.ALL_CALLS: "answered in time / (answered + lost)",
    Definition.ANSWERED_CALLS: "answered in time / answered",
    Definition.QUICK_ABANDONS_MET: "(answered in time + abandoned in time) / (answered + lost)",
}


@dataclass(frozen=True, slots=True)
class Standard:
    """How a report counts. Seconds."""

    within: float = 20.0  # answered in time: after this long at most, ringing included
    short: float = 5.0  # a caller who hangs up sooner has changed their mind; nobody could have answered
    definition: Definition = Definition.SHORT_ABANDONS_EXCLUDED


@dataclass(slots=True)
class Sums:
    """What was counted of one group: a queue, a store, an agent, an interval. Seconds and visits."""

    calls: int = 0  # visits that are no transfer: each is a caller's own call
    transfers: int = 0  # visits that came from another agent
    answered: int = 0
    in_time: int = 0  # of those
    waited: float = 0.0  # by those
    abandoned: int = 0  # hung up, short ones included
    short: int = 0  # of those, sooner than the standard's short threshold
    quick: int = 0  # of those, within the standard's time to answer
    gave_up: int = 0  # the longest wait was over
    moved: int = 0  # went on to another queue
    callbacks: int = 0  # asked to be called back
    called_back: int = 0  # tries that an agent took
    callback_wait: float = 0.0  # by those, from the wish to the agent
    talk: float = 0.0
    hold: float = 0.0
    wrap_up: float = 0.0
    missed: int = 0  # offers that came to nothing
    longest: float = 0.0  # wait
    ready: float = 0.0
    ringing: float = 0.0
    on_call: float = 0.0
    wrapping: float = 0.0
    away: float = 0.0

    def add(self, visit: Visit, standard: Standard) -> None:
        """Count one visit."""
        if visit.transferred:
            self.transfers += 1
        else:
            self.calls += 1
        self.missed += visit.missed
        if visit.callback != NO_CALLBACK:
            self._add_callback(visit)
        elif visit.outcome is Outcome.ANSWERED:
            self._add_answered(visit, standard)
        elif visit.outcome is Outcome.MOVED:
            self.moved += 1
        else:
            self._add_lost(visit, standard)

    def _add_answered(self, visit: Visit, standard: Standard) -> None:
        self.answered += 1
        self.waited += visit.waited
        self.in_time += visit.waited <= standard.within
        self.longest = max(self.longest, visit.waited)
        self._add_handle(visit)

    def _add_lost(self, visit: Visit, standard: Standard) -> None:
        self.longest = max(self.longest, visit.waited)
        if visit.outcome is Outcome.GAVE_UP:
            self.gave_up += 1
            return
        self.abandoned += 1
        self.short += visit.waited < standard.short
        self.quick += visit.waited <= standard.within

    def _add_callback(self, visit: Visit) -> None:
        self.callbacks += not visit.transferred  # one more try is no new wish
        if visit.outcome is Outcome.ANSWERED:
            self.called_back += 1
            self.callback_wait += visit.waited - visit.callback
            self._add_handle(visit)

    def _add_handle(self, visit: Visit) -> None:
        self.talk += visit.talk
        self.hold += visit.hold
        self.wrap_up += visit.wrap_up

    def stay(self, state: str, seconds: float) -> None:
        """Count a stretch of an agent's state; being offline counts for nothing."""
        name = "wrapping" if state == State.WRAP_UP else state
        if state != State.OFFLINE:
            setattr(self, name, getattr(self, name) + seconds)

    # Figures. None where there is nothing to divide by.

    @property
    def lost(self) -> int:
        """Callers who waited and were not answered: hung up, or turned away after the longest wait."""
        return self.abandoned + self.gave_up

    def service_level(self, standard: Standard) -> float | None:
        """The share served in time, 0 to 1, by the standard's definition."""
        met, of = self.in_time, self.answered + self.lost
        if standard.definition is Definition.SHORT_ABANDONS_EXCLUDED:
            of -= self.short
        elif standard.definition is Definition.ANSWERED_CALLS:
            of = self.answered
        elif standard.definition is Definition.QUICK_ABANDONS_MET:
            met += self.quick
        return _ratio(met, of)

    @property
    def abandonment(self) -> float | None:
        """The share of callers lost, short abandons left out above and below the line."""
        return _ratio(self.lost - self.short, self.answered + self.lost - self.short)

    @property
    def speed_of_answer(self) -> float | None:
        """ASA: mean seconds from entering the queue to the agent's answer, over answered calls."""
        return _ratio(self.waited, self.answered)

    @property
    def handled(self) -> int:
        """Conversations: calls answered, and calls made back."""
        return self.answered + self.called_back

    @property
    def handle_time(self) -> float | None:
        """AHT: mean seconds of talk, hold and wrap-up together, over conversations."""
        return _ratio(self.talk + self.hold + self.wrap_up, self.handled)

    @property
    def time_to_callback(self) -> float | None:
        """Mean seconds from the wish to be called back to an agent taking it."""
        return _ratio(self.callback_wait, self.called_back)

    @property
    def occupancy(self) -> float | None:
        """The share of their available time that agents worked: calls and wrap-up, by that and ready and ringing."""
        return _ratio(self.on_call + self.wrapping, self.available)

    @property
    def signed_in(self) -> float:
        """Seconds that agents were there, breaks included."""
        return self.available + self.away

    @property
    def available(self) -> float:
        """Seconds that agents were there, breaks left out."""
        return self.on_call + self.wrapping + self.ready + self.ringing


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
