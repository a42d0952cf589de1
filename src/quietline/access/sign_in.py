"""Signing in: the right password, from somewhere that has not just tried too often, by somebody whose contract runs.

One answer to every refusal, and the same work: whether the login exists cannot be told from words or time (OWASP ASVS
5.0 V6.3). Who tries too often waits (`lockout.py`). That a second factor is needed is said only to whom the password
has proved.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from quietline.access.identity import Identity
from quietline.access.lockout import Lockout
from quietline.access.passwords import Passwords
from quietline.access.ports import StaffRow
from quietline.access.second import Proofs
from quietline.access.step_up import Method
from quietline.access.words import is_word
from quietline.clock import Clock
from quietline.errors import ConfigError, Denied
from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket

NO_CODE = Sealed("")


class Proven(NamedTuple):
    """Who signed in, whether it was with a one-time word, and how it was proved."""

    agent: str
    word: bool
    methods: tuple[Method, ...]


class SignIn:
    """Checks logins and passwords. What to do with the answer (session, ledger entry) is the caller's."""

    def __init__(
        self, identity: Identity, passwords: Passwords, clock: Clock, proofs: Proofs, lockout: Lockout | None = None
    ) -> None:
        self._identity = identity
        self._passwords = passwords
        self._clock = clock
        self._proofs = proofs
        self.lockout = lockout or Lockout()

    async def check(
        self, login: Sealed[str], password: Sealed[str], source: str, ticket: Ticket, code: Sealed[str] = NO_CODE
    ) -> Proven:
        """Who that is. `source`: the client's address as the web process saw it. `code`: of the second factor.

        Raises Denied("sign-in-refused") for every wrong login or password alike, Denied("sign-in-busy"), TamperError
        for a row that is not ours, Unavailable; and once the password has proved right, as `Proofs.code`.

        Tries under way at once count as failures until they pass, so that a burst gains nothing.
        """
        key = self._key(login, ticket)
        if self.lockout.wait(key, source, self._clock.monotonic()) > 0:
            raise denied(Why.SIGN_IN_REFUSED)
        self.lockout.failed(key, source, self._clock.monotonic())
        row = await asyncio.to_thread(self._identity.by_login, key)
        fits = await self._fits(row, password, ticket)
        if not (fits and row and in_service(row, self._clock.wall())):
            raise denied(Why.SIGN_IN_REFUSED)
        second = (await self._second(key, source, row.agent, code, ticket),) if row.second else ()
        self.lockout.passed(key, source)
        return Proven(row.agent, is_word(row.password), (Method.PASSWORD, *second))

    async def _second(self, key: str, source: str, agent: str, code: Sealed[str], ticket: Ticket) -> Method:
        """A wrong code is a failed try; one that is still to come is none."""
        try:
            return await self._proofs.code(agent, code, ticket)
        except Denied as refusal:
            if refusal.reason != Why.PROOF_REFUSED:
                self.lockout.unfinished(key, source)
            raise

    async def proves(self, agent: str, password: Sealed[str], code: Sealed[str], ticket: Ticket) -> tuple[Method, ...]:
        """How somebody who is signed in proves it again. Raises as `check` does; failures count for their session."""
        row = await asyncio.to_thread(self._identity.row, agent)
        source, now = f"session of {agent}", self._clock.monotonic()
        if self.lockout.wait(row.login, source, now) > 0:
            raise denied(Why.SIGN_IN_REFUSED)
        self.lockout.failed(row.login, source, now)
        if is_word(row.password) or not await self._passwords.verify(row.password, password, ticket):
            raise denied(Why.PROOF_REFUSED)
        second = (await self._second(row.login, source, agent, code, ticket),) if row.second else ()
        self.lockout.passed(row.login, source)
        return (Method.PASSWORD, *second)

    async def _fits(self, row: StaffRow | None, given: Sealed[str], ticket: Ticket) -> bool:
        if row and is_word(row.password):
            return await self._passwords.verify_word(row.password, given, self._clock.wall(), ticket)
        return await self._passwords.verify(row.password if row else None, given, ticket)

    def _key(self, login: Sealed[str], ticket: Ticket) -> str:
        try:
            return self._identity.login_token(login, ticket)
        except ConfigError:
            raise denied(Why.SIGN_IN_REFUSED) from None


def in_service(row: StaffRow, now: float) -> bool:
    """Whether the contract runs at `now`, UTC seconds."""
    return row.starts <= now and (row.ends == 0 or now < row.ends)
