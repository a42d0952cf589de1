"""Lock-out: failed sign-ins make the next try wait, longer each time (OWASP ASVS 5.0 V6.3.1). Pure; in memory.

Three counts. By login *and* source: few are free. By login from anywhere, and by source for any login: many are free,
for these hit guesses that are spread out; whoever has signed in from that source before is spared them, so that nobody
can lock a person out of their own place, nor one colleague the whole office. Logins that nobody has count the same.
A restart forgives.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    """`free` failures cost nothing; each one more doubles the wait from `first` up to `most` seconds.

    `forget`: seconds without a failure after which all is forgiven. `remembered`: keys kept; the oldest go first.
    """

    free: int = 5
    first: float = 2.0
    most: float = 900.0
    forget: float = 3_600.0
    remembered: int = 10_000


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: float


Key = tuple[str, ...]


class Backoff:
    """Failures by key. Pure: `now` in seconds on one monotonic clock."""

    def __init__(self, limits: BackoffLimits | None = None) -> None:
        self._limits = limits or BackoffLimits()
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()

    def wait(self, *key: str, now: float) -> float:
        """Seconds until this key may try again; 0.0 for at once."""
        failed = self._failures.get(key)
        if failed is None or failed.count < self._limits.free:
            return 0.0
        doublings = min(failed.count - self._limits.free, 32)
        return max(0.0, failed.last + min(self._limits.first * 2.0**doublings, self._limits.most) - now)

    def failed(self, *key: str, now: float) -> int:
        """Count one more; how many now."""
        before = self._failures.pop(key, _Failures(0, now))
        kept = before.count if now - before.last <= self._limits.forget else 0
        self._failures[key] = _Failures(kept + 1, now)
        while len(self._failures) > self._limits.remembered:
            self._failures.popitem(last=False)
        return kept + 1

    def take_back(self, *key: str) -> None:
        """The last one was none after all; earlier ones stand."""
        found = self._failures.get(key)
        if found and found.count > 1:
            self._failures[key] = _Failures(found.count - 1, found.last)
        elif found:
            self._failures.pop(key)

    def passed(self, *key: str) -> None:
        """Forget this key."""
        self._failures.pop(key, None)

    def forgive(self, first: str) -> int:
        """Forget every key that begins so; how many."""
        found = [key for key in self._failures if key[0] == first]
        for key in found:
            self._failures.pop(key)
        return len(found)

    def longest(self, first: str, now: float) -> float:
        """The longest wait of the keys that begin so, seconds."""
        return max((self.wait(*key, now=now) for key in self._failures if key[0] == first), default=0.0)


SPREAD: Final = BackoffLimits(free=50)
OFFICE: Final = BackoffLimits(free=200, most=60.0)
KNOWN: Final = 10_000  # places that people have signed in from


class Lockout:
    """All three counts. `login`: a keyed token; `source`: the client's address; `now`: monotonic seconds."""

    def __init__(
        self,
        pairs: BackoffLimits | None = None,
        logins: BackoffLimits = SPREAD,
        sources: BackoffLimits = OFFICE,
    ) -> None:
        self._pairs, self._logins, self._sources = Backoff(pairs), Backoff(logins), Backoff(sources)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, login: str, source: str, now: float) -> float:
        """Seconds until this login may be tried from there; 0.0 for at once."""
        own = self._pairs.wait(login, source, now=now)
        if (login, source) in self._known:
            return own
        return max(own, self._logins.wait(login, now=now), self._sources.wait(source, now=now))

    def failed(self, login: str, source: str, now: float) -> None:
        """Count a try; `passed` takes it back."""
        self._pairs.failed(login, source, now=now)
        self._logins.failed(login, now=now)
        self._sources.failed(source, now=now)

    def unfinished(self, login: str, source: str) -> None:
        """The password was right and the code is still to come: no failure, and earlier ones are not forgiven."""
        self._pairs.take_back(login, source)
        self._logins.take_back(login)
        self._sources.take_back(source)

    def passed(self, login: str, source: str) -> None:
        """Signed in: this place is known from now on."""
        self._pairs.passed(login, source)
        self._logins.take_back(login)
        self._sources.take_back(source)
        self._known.pop((login, source), None)
        self._known[(login, source)] = None
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def unlock(self, login: str) -> bool:
        """An administrator's word: forget this login's failures; whether there were any."""
        forgiven = self._pairs.forgive(login) + self._logins.forgive(login)
        return forgiven > 0

    def locked(self, login: str, now: float) -> float:
        """Seconds until the login may be tried from everywhere; 0.0 when it is not locked."""
        return max(self._pairs.longest(login, now), self._logins.wait(login, now=now))
