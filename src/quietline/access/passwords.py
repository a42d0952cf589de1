"""Password hashes: argon2id (RFC 9106) in a few threads of its own, so that sign-ins cannot starve the vault.

Parameters are the configuration's; never below OWASP's least (Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane).
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from quietline.access.words import word_fits
from quietline.config import LEAST_ARGON2_MEMORY_KIB, LEAST_ARGON2_PASSES
from quietline.errors import ConfigError, TamperError
from quietline.reasons import Why, denied
from quietline.sealed import Sealed, Ticket

SHORTEST: Final = 12  # characters; NIST SP 800-63B-4 asks for 15 where a password stands alone, 8 with a second factor
LONGEST: Final = 1_024  # characters; more is only work for the hash


@dataclass(frozen=True, slots=True)
class PasswordLimits:
    """argon2id's memory (KiB) and passes; hashes at work at once, and waiting beside them before "sign-in-busy"."""

    memory_kib: int = 65_536
    passes: int = 3
    workers: int = 2
    waiting: int = 64


class Passwords:
    """Hashes and checks. Owns a thread pool: `close` it. Raises ConfigError on parameters below the least."""

    def __init__(self, limits: PasswordLimits | None = None) -> None:
        self._limits = limits or PasswordLimits()
        if self._limits.memory_kib < LEAST_ARGON2_MEMORY_KIB or self._limits.passes < LEAST_ARGON2_PASSES:
            raise ConfigError(
                f"vault.argon2_memory_kib and argon2_passes: at least {LEAST_ARGON2_MEMORY_KIB} and"
                f" {LEAST_ARGON2_PASSES} (OWASP)"
            )
        self._hasher = PasswordHasher(self._limits.passes, self._limits.memory_kib, 1, type=Type.ID)
        self._pool = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="argon2")
        self._under_way = 0
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))  # blocking, once, at start

    def close(self) -> None:
        """Waits for the hashes under way."""
        self._pool.shutdown()

    async def hash(self, password: Sealed[str], ticket: Ticket) -> str:
        """The PHC string to store. Raises ConfigError when the password is too short or too long."""
        plain = password.open(ticket)
        if not SHORTEST <= len(plain) <= LONGEST:
            raise ConfigError(f"password: {SHORTEST} to {LONGEST} characters")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hasher.hash, plain)

    async def verify(self, stored: str | None, password: Sealed[str], ticket: Ticket) -> bool:
        """Whether it fits. `stored` None (nobody has this login) costs the same work and is False.

        Raises Denied("sign-in-busy") when too many wait, TamperError when the stored string is no argon2 hash.
        """
        if self._under_way >= self._limits.workers + self._limits.waiting:
            raise denied(Why.SIGN_IN_BUSY)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._fits, stored, password.open(ticket)[:LONGEST]
            )
        finally:
            self._under_way -= 1

    async def verify_word(self, stored: str, given: Sealed[str], now: float, ticket: Ticket) -> bool:
        """Whether a one-time word fits (words.py); costs what a wrong password costs. `now`: UTC seconds."""
        await self.verify(None, given, ticket)
        return word_fits(stored, given.open(ticket), now)

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's and should be made anew at the next sign-in."""
        return self._hasher.check_needs_rehash(stored)

    def _fits(self, stored: str | None, plain: str) -> bool:
        try:
            self._hasher.verify(self._nobody if stored is None else stored, plain)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            raise TamperError("password: what is stored is no argon2 hash; set it anew") from None
        return stored is not None
