"""What an administrator does about how people sign in: unlock, take factors away, say who is who at the provider.

Lives on the event loop; what blocks goes to threads. In the ledger before it holds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from quietline.access.factor_book import FactorBook
from quietline.access.identity import Identity
from quietline.access.links import Links
from quietline.access.lockout import Lockout
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.vault.desk import Desk
from quietline.vault.journal import Journal


class StaffKeeping:
    """Over the same parts as `People`."""

    def __init__(
        self, journal: Journal, identity: Identity, book: FactorBook, lockout: Lockout, links: Links, desk: Desk
    ) -> None:
        self._journal, self._identity, self._book = journal, identity, book
        self._lockout, self._links, self._desk = lockout, links, desk

    async def unlock(self, agent: str) -> bool:
        """Forget failed sign-ins of this account; whether there were any. Raises Denied("policy") for nobody."""
        row = await asyncio.to_thread(self._identity.row, agent)
        await self._said(agent, "unlocked")
        return self._lockout.unlock(row.login)

    async def locked(self) -> dict[str, float]:
        """Agent -> seconds until somebody may try again, for those whose sign-in waits."""
        now = self._desk.clock.monotonic()
        rows = await asyncio.to_thread(self._identity.logins)
        waits = {agent: self._lockout.locked(login, now) for agent, login in rows.items()}
        return {agent: wait for agent, wait in waits.items() if wait > 0}

    async def reset_factors(self, agent: str) -> None:
        """Passkeys, app and recovery codes are gone, sessions end: for who lost them all, and for a damaged record."""
        receipt = await self._journal.receipt(Kind.FACTORS_CHANGED, agent, agent=agent, change="reset")
        await asyncio.to_thread(self._book.reset, agent, receipt.leaf)
        await self._desk.end_sessions(agent)

    async def link(self, agent: str, issuer: str, subject: str) -> None:
        """This account is that subject at the identity provider, in place of an earlier one. Raises ConfigError."""
        if not 0 < len(subject) <= 255 or not issuer:  # OpenID Connect Core §2: sub has 255 ASCII characters at most
            raise ConfigError("staff link: a subject of 1 to 255 characters, and [oidc] issuer in the configuration")
        await asyncio.to_thread(self._identity.member, agent)
        token = self._links.token(issuer, subject)
        holder = await asyncio.to_thread(self._links.holder, token)
        if holder not in ("", agent):
            raise ConfigError("staff link: another account has this subject; unlink that one first")
        receipt = await self._said(agent, "linked")
        await asyncio.to_thread(self._links.put, token, agent, receipt.leaf)

    async def unlink(self, agent: str) -> None:
        """No sign-on by the provider any more. Harmless where there was none."""
        await self._said(agent, "unlinked")
        await asyncio.to_thread(self._links.drop, agent)

    async def _said(self, agent: str, change: str) -> Any:
        return await self._journal.receipt(Kind.STAFF_CHANGED, agent, agent=agent, change=change)
