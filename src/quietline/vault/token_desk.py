"""API tokens as administrators give them and machines use them. Every change is in the ledger before it holds."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from quietline.access.decide import HUBS, Principal, Role
from quietline.access.identity import Identity
from quietline.access.ports import TokenRow
from quietline.access.tokens import ApiTokens, Scope
from quietline.errors import Denied
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.vault.journal import Journal

USED_EVERY: Final = 3_600.0  # seconds: a wallboard asks each second, the ledger hears of it once an hour
SEES_FLOOR: Final = frozenset({Role.SUPERVISOR, Role.STORE_MANAGER})


class TokenDesk:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(self, journal: Journal, identity: Identity, tokens: ApiTokens) -> None:
        self._journal, self._identity, self._tokens = journal, identity, tokens
        self._said: dict[str, float] = {}

    # -- for administrators

    async def add(self, agent: str, scopes: tuple[str, ...], days: float) -> dict[str, Any]:
        """{"id", "token", "scopes", "expires"}; the token is in this answer and nowhere else.

        Raises ConfigError, Denied("policy") for nobody.
        """
        await asyncio.to_thread(self._identity.member, agent)
        planned = self._tokens.plan(agent, scopes, days)
        receipt = await self._journal.receipt(
            Kind.TOKEN_ISSUED,
            agent,
            agent=agent,
            token=planned.id,
            scopes=" ".join(planned.scopes),
            until=planned.expires,
        )
        token = await asyncio.to_thread(self._tokens.issue, planned, receipt.leaf)
        return {**_row(planned), "token": token}

    def list(self) -> list[dict[str, Any]]:
        """Everybody's; never the tokens themselves."""
        return [_row(row) for row in self._tokens.all()]

    async def revoke(self, token: str) -> None:
        """By its id; the next question with it is refused. Raises ConfigError."""
        row = await asyncio.to_thread(self._tokens.revoke, token)
        self._journal.soon(Kind.TOKEN_REVOKED, row.agent, agent=row.agent, token=row.id)

    async def revoke_agent(self, agent: str) -> None:
        """All of an account's, which has ended."""
        for token in await asyncio.to_thread(self._tokens.revoke_agent, agent):
            self._journal.soon(Kind.TOKEN_REVOKED, agent, agent=agent, token=token, why="account")

    # -- for machines

    async def floor(self, token: str) -> dict[str, str]:
        """Whose floor this token sees: {"agent", "store"}, "" for every store's. Raises Denied("token-refused")."""
        row, who = await self._owner(token, Scope.FLOOR_READ)
        if who.role not in SEES_FLOOR:
            raise denied(Why.TOKEN_REFUSED)
        return {"agent": row.agent, "store": "" if who.store in HUBS else who.store}

    async def about(self, token: str) -> dict[str, Any]:
        """What this token is: {"id", "agent", "scopes", "made", "expires"}. Raises Denied("token-refused")."""
        row, _ = await self._owner(token, Scope.TOKEN_READ)
        return _row(row)

    async def _owner(self, token: str, scope: Scope) -> tuple[TokenRow, Principal]:
        """A token whose owner's contract has ended is good for nothing, whether or not it was revoked."""
        row, now = self._tokens.check(token, scope), self._journal.now()
        try:
            at_hand = self._identity.at_hand(row.agent)
            ask = self._identity.principal
            who = ask(row.agent, now) if at_hand else await asyncio.to_thread(ask, row.agent, now)
        except Denied:
            raise denied(Why.TOKEN_REFUSED) from None
        if now - self._said.get(row.id, 0.0) >= USED_EVERY:
            self._said[row.id] = now
            self._journal.soon(Kind.TOKEN_USED, row.agent, agent=row.agent, token=row.id, scope=scope.value)
        return row, who


def _row(row: TokenRow) -> dict[str, Any]:
    return {"id": row.id, "agent": row.agent, "scopes": list(row.scopes), "made": row.made, "expires": row.expires}
