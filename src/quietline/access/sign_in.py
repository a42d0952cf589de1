"""Signing in: the right password, from somewhere that has not just tried too often, by somebody whose contract runs.

One answer to every refusal, and the same work: whether the login exists cannot be told from words or time (OWASP ASVS
5.0 V6.3). The back-off is by login *and* source, so that nobody locks out a colleague or a whole office behind one
address; it applies to logins that nobody has just the same. It lives in memory: a restart forgives.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from quietline.access.identity import Identity
from quietline.access.passwords import Passwords
from quietline.access.ports import StaffRow
from quietline.access.words import is_word
from quietline.clock import Clock
from quietline.errors import ConfigError
from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    """`free` failures cost nothing; each one more doubles the wait from `first` up to `most` seconds.

    `forget`: seconds without a failure after which all is forgiven. `remembered`: pairs kept; the oldest go first.
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


class Backoff:
    """Failures by (login token, source). Pure: `now` in seconds on one monotonic clock."""

    def __init__(self, limits: BackoffLimits | None = None) -> None:
        self._limits = limits or BackoffLimits()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def wait(self, login: str, source: str, now: float) -> float:
        """Seconds until this pair may try again; 0.0 for at once."""
        failed = self._failures.get((login, source))
        if failed is None or failed.count < self._limits.free:
            return 0.0
        doublings = min(failed.count - self._limits.free, 32)
        return max(0.0, failed.last + min(self._limits.first * 2.0**doublings, self._limits.most) - now)

    def failed(self, login: str, source: str, now: float) -> int:
        """Count one more; how many now."""
        before = self._failures.pop((login, source), _Failures(0, now))
        kept = before.count if now - before.last <= self._limits.forget else 0
        self._failures[(login, source)] = _Failures(kept + 1, now)
        while len(self._failures) > self._limits.remembered:
            self._failures.popitem(last=False)
        return kept + 1

    def passed(self, login: str, source: str) -> None:
        self._failures.pop((login, source), None)


class SignIn:
    """Checks logins and passwords. What to do with the answer (session, ledger entry) is the caller's."""

    def __init__(self, identity: Identity, passwords: Passwords, clock: Clock, backoff: Backoff | None = None) -> None:
        self._identity = identity
        self._passwords = passwords
        self._clock = clock
        self._backoff = backoff or Backoff()

    async def check(self, login: Sealed[str], password: Sealed[str], source: str, ticket: Ticket) -> tuple[str, bool]:
        """The agent's token, and whether it was a one-time word that fitted.

        Raises Denied("sign-in-refused") for every failure alike, Denied("sign-in-busy"), TamperError for a row that is
        not ours, Unavailable. `source`: the client's address as the web process saw it.

        Tries under way at once count as failures until they pass, so that a burst gains nothing.
        """
        key = self._key(login, ticket)
        if self._backoff.wait(key, source, self._clock.monotonic()) > 0:
            raise denied(Why.SIGN_IN_REFUSED)
        self._backoff.failed(key, source, self._clock.monotonic())
        row = await asyncio.to_thread(self._identity.by_login, key)
        fits = await self._fits(row, password, ticket)
        if not (fits and row and self._in_service(row)):
            raise denied(Why.SIGN_IN_REFUSED)
        self._backoff.passed(key, source)
        return row.agent, is_word(row.password)

    async def _fits(self, row: StaffRow | None, given: Sealed[str], ticket: Ticket) -> bool:
        if row and is_word(row.password):
            return await self._passwords.verify_word(row.password, given, self._clock.wall(), ticket)
        return await self._passwords.verify(row.password if row else None, given, ticket)

    def _key(self, login: Sealed[str], ticket: Ticket) -> str:
        try:
            return self._identity.login_token(login, ticket)
        except ConfigError:
            raise denied(Why.SIGN_IN_REFUSED) from None

    def _in_service(self, row: StaffRow) -> bool:
        now = self._clock.wall()
        return row.starts <= now and (row.ends == 0 or now < row.ends)
