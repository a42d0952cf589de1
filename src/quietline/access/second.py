"""Proving a second factor: a code of the app, a recovery code, a passkey. Each proof counts once, durably.

Lives on the event loop; what blocks goes to threads. What is made for one session or visit is good for that one alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from quietline.access import passkeys, recovery, totp
from quietline.access.factor_book import FactorBook
from quietline.access.factors import Factors
from quietline.access.step_up import Method
from quietline.clock import Clock
from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket

SIGN_IN: Final = "sign-in"
STEP_UP: Final = "step-up"


class Proofs:
    """`recovery_key`: 32 bytes that only the vault has."""

    def __init__(self, book: FactorBook, party: passkeys.Party, recovery_key: bytes, clock: Clock) -> None:
        self.book, self.party, self.challenges = book, party, passkeys.Challenges(clock)
        self._recovery_key, self._clock = recovery_key, clock

    # -- codes

    async def code(self, agent: str, given: Sealed[str], ticket: Ticket) -> Method:
        """The way this code proved it; it is used up. Raises Denied: "second-factor" (none was given), "use-passkey"
        (none would help), "proof-refused"."""
        return await asyncio.to_thread(self._code, agent, given.open(ticket))

    def _code(self, agent: str, given: str) -> Method:
        if not given.strip():
            codes = self.book.read(agent).ways() & {Method.TOTP, Method.RECOVERY}
            raise denied(Why.SECOND_FACTOR if codes else Why.USE_PASSKEY)
        if recovery.looks_like(given):
            return self.book.change(agent, lambda held: self._recovered(held, given, agent))
        return self.book.change(agent, lambda held: self._timed(held, given))

    def _timed(self, held: Factors, given: str) -> tuple[Factors, Method]:
        step = totp.fits(held.app.secret, given, self._clock.wall(), held.app.step) if held.app else 0
        if not held.app or not step:
            raise denied(Why.PROOF_REFUSED)
        return replace(held, app=replace(held.app, step=step)), Method.TOTP

    def _recovered(self, held: Factors, given: str, agent: str) -> tuple[Factors, Method]:
        left = recovery.without(held.recovery, given, agent, self._recovery_key)
        if left is None:
            raise denied(Why.PROOF_REFUSED)
        return replace(held, recovery=left), Method.RECOVERY

    def new_codes(self, agent: str) -> tuple[list[str], tuple[str, ...]]:
        """Ten recovery codes to show once, and what is kept of them."""
        codes = recovery.new_codes()
        return codes, recovery.kept(codes, agent, self._recovery_key)

    # -- passkeys

    def request(self, visit: str) -> dict[str, Any]:
        """Options to sign in with, for this visit of the sign-in page."""
        return passkeys.request(self.party, (), self.challenges.make(SIGN_IN, visit))

    async def request_own(self, agent: str, session: str) -> dict[str, Any]:
        """Options to prove oneself again with; {} for who has no passkey. `session`: its digest."""
        held = await asyncio.to_thread(self.book.read, agent)
        if not held.passkeys:
            return {}
        return passkeys.request(self.party, held.passkeys, self.challenges.make(STEP_UP, session))

    async def passkey(self, purpose: str, holder: str, answer: str, allowed: Callable[[str], None]) -> str:
        """Whose passkey made this answer. `allowed` is asked with the agent's token before anything is stored.

        Raises Denied("proof-refused") and whatever `allowed` raises.
        """
        challenge = self.challenges.take(purpose, holder)
        agent, name = passkeys.holder(answer)
        await asyncio.to_thread(self._use, agent, name, answer, challenge, allowed)
        return agent

    def _use(self, agent: str, name: str, answer: str, challenge: bytes, allowed: Callable[[str], None]) -> None:
        allowed(agent)
        self.book.change(agent, lambda held: (self._used(held, name, answer, challenge), None))

    def _used(self, held: Factors, name: str, answer: str, challenge: bytes) -> Factors:
        key = held.passkey(name)
        if key is None:
            raise denied(Why.PROOF_REFUSED)
        return held.with_passkey(passkeys.used(self.party, answer, challenge, key, self._clock.wall()))
