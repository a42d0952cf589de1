"""Whether new callers can be taken on: by how long the edge's messages wait for us. Pure.

The rule is CoDel's (RFC 8289 §3): a burst makes us late for a moment, but only a load above what the machine can carry
makes us late at *every* wake-up for a whole interval. Then new calls are refused, early and cheaply, until the oldest
message is again served in time; the calls that stand go on untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

INTERVAL = 0.1  # seconds, RFC 8289 §4.2
LEAST = 50  # messages: some seven calls' worth. A machine that is slow for a moment is not yet overloaded by callers
MEMORY = 1.0  # seconds: an overload so recent is taken for the same, and needs no new proof (RFC 8289 §4.3)


@dataclass(slots=True)
class Admission:
    """`target`: seconds that a message may wait (`controller.busy_after`). `now` is any monotonic clock in seconds."""

    target: float
    _since: float = inf  # since when we are late at every wake-up
    _late: int = 0  # messages since
    _was_busy: float = -inf

    def busy(self, waited: float, now: float) -> bool:
        """Told at each message what the oldest of its wake-up waited: whether new calls are to be refused now."""
        if waited <= self.target:
            self._since, self._late = inf, 0
            return False
        self._since, self._late = min(self._since, now), self._late + 1
        proven = self._late >= LEAST and now - self._since >= INTERVAL
        if not proven and now - self._was_busy > MEMORY:
            return False
        self._was_busy = now
        return True
