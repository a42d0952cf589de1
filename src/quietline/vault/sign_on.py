"""Signing on by the identity provider, where there is one. Lives on the event loop; what blocks goes to threads."""

from __future__ import annotations

import asyncio
from typing import Protocol

from quietline.access.identity import Identity
from quietline.access.links import Links
from quietline.access.oidc import Client, SignedOn, Tries, Try, address
from quietline.access.sign_in import in_service
from quietline.access.step_up import Method
from quietline.clock import Clock
from quietline.errors import Denied, TamperError
from quietline.reasons import Why, denied
from quietline.vault.desk import Desk
from quietline.vault.ports import Session


class Provider(Protocol):
    """The identity provider. Raises Unavailable where it does not answer."""

    @property
    def client(self) -> Client: ...

    async def authorization_endpoint(self) -> str: ...

    async def exchange(self, code: str, begun: Try, now: float) -> SignedOn:
        """Raises Denied("proof-refused")."""


class SignOn:
    """`provider` None: there is none, and every question is refused."""

    def __init__(self, provider: Provider | None, clock: Clock, identity: Identity, links: Links, desk: Desk) -> None:
        self._provider, self._clock = provider, clock
        self._identity, self._links, self._desk = identity, links, desk
        self._tries = Tries(clock)

    @property
    def issuer(self) -> str:
        """Whose subjects accounts are linked to; "" without a provider."""
        return self._provider.client.issuer if self._provider else ""

    async def start(self, visit: str) -> str:
        """Where to send this browser. Raises Denied("policy") without a provider, Unavailable."""
        provider = self._there()
        state, begun = self._tries.begin(visit)
        return address(await provider.authorization_endpoint(), provider.client, state, begun)

    async def finish(self, visit: str, state: str, code: str) -> tuple[str, Session]:
        """A session for who came back. Raises Denied("sign-in-refused") for every refusal alike, Unavailable."""
        try:
            found = await self._exchange(visit, state, code)
            agent = await asyncio.to_thread(self._account, found.subject)
        except (Denied, TamperError) as refusal:
            self._desk.refused(refusal)
            raise denied(Why.SIGN_IN_REFUSED) from None
        methods = (Method.OIDC, Method.OIDC_SECOND) if found.many_factors else (Method.OIDC,)
        # A sign-on that is hours old at the provider proves nobody's presence now.
        return await self._desk.let_in(agent, methods, min(found.at, self._clock.wall()))

    async def _exchange(self, visit: str, state: str, code: str) -> SignedOn:
        provider = self._there()
        begun = self._tries.end(state, visit)
        return await provider.exchange(code, begun, self._clock.wall())

    def _account(self, subject: str) -> str:
        agent = self._links.holder(self._links.token(self.issuer, subject))
        if not agent or not in_service(self._identity.row(agent), self._clock.wall()):
            raise denied(Why.SIGN_IN_REFUSED)
        return agent

    def _there(self) -> Provider:
        if self._provider is None:
            raise denied(Why.POLICY)
        return self._provider
