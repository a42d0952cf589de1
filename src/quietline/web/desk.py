"""What every route works with, and how a route gets at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request

from quietline.clock import Clock
from quietline.errors import Unavailable
from quietline.sealed import Ticket
from quietline.vault.assurance_client import AssuranceVault
from quietline.vault.guards_client import GuardsVault
from quietline.vault.people_client import PeopleVault
from quietline.vault.ports import DeskVault
from quietline.web.assets import Assets
from quietline.web.guard import SAFE_METHODS
from quietline.web.identity import COOKIE, Sessions, SignedIn, Visits, require_csrf
from quietline.web.live import ControllerLink, LiveFloor
from quietline.web.problems import Busy
from quietline.web.site import Site


class Desk:
    """The web process's parts, joined. Adapters are given; nothing here opens a socket."""

    def __init__(
        self,
        site: Site,
        vault: DeskVault,
        controller: ControllerLink,
        clock: Clock,
        assets: Assets,
        people: PeopleVault | None = None,
        assurance: AssuranceVault | None = None,
        guards: GuardsVault | None = None,
    ) -> None:
        self.site = site
        self.vault = vault
        self._people, self._guards = people, guards
        self._assurance = assurance
        self.clock = clock
        self.assets = assets
        self.sessions = Sessions(vault, clock, site.limits.session_cache_seconds)
        self.visits = Visits()
        self.floor = LiveFloor(controller, site.limits)
        self._signing_in = asyncio.Semaphore(site.limits.sign_ins_at_once)
        self._waiting = 0

    @property
    def people(self) -> PeopleVault:
        """The vault, for who looks after their own sign-in. Raises Unavailable where the desk has none."""
        if self._people is None:
            raise Unavailable("the desk was built without it")
        return self._people

    @property
    def assurance(self) -> AssuranceVault:
        """The vault, for who calls. Raises Unavailable where the desk has none."""
        if self._assurance is None:
            raise Unavailable("the desk was built without it")
        return self._assurance

    @property
    def guards(self) -> GuardsVault:
        """The vault, for looks that no call carries, and receipts. Raises Unavailable where the desk has none."""
        if self._guards is None:
            raise Unavailable("the desk was built without it")
        return self._guards

    @asynccontextmanager
    async def sign_in_slot(self) -> AsyncIterator[None]:
        """One of few: a sign-in costs the vault 64 MiB. Raises Busy when too many wait already."""
        if self._waiting >= self.site.limits.sign_ins_waiting:
            raise Busy("too many sign-ins wait")
        self._waiting += 1
        try:
            async with self._signing_in:
                yield
        finally:
            self._waiting -= 1

    async def run(self) -> None:
        """Follow the controller until cancelled."""
        await self.floor.run()


def token_of(who: SignedIn) -> str:
    """The session token, on its way to the vault that issued it."""
    return who.token.open(Ticket(who=who.session.agent, why="session", entry=-1))


def desk_of(request: Request) -> Desk:
    """The desk that this request came to."""
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


DeskDep = Annotated[Desk, Depends(desk_of)]


async def signed_in(request: Request, desk: DeskDep) -> SignedIn:
    """For call control. Raises NotSignedIn; on every request that changes something, Forged without the CSRF token."""
    who = await desk.sessions.check(request.cookies.get(COOKIE, ""))
    if request.method not in SAFE_METHODS:
        require_csrf(request, who.session.csrf)
    return who


async def signed_in_for_data(who: Annotated[SignedIn, Depends(signed_in)]) -> SignedIn:
    """For anything of a customer's. Raises Unavailable too, while the vault is away."""
    return who.for_data()


async def taken_on(request: Request, desk: DeskDep) -> SignedIn:
    """For what the vault is asked with this very token, and answers only if it is good: one question instead of two."""
    who = await desk.sessions.recall(request.cookies.get(COOKIE, ""))
    if request.method not in SAFE_METHODS:
        require_csrf(request, who.session.csrf)
    return who


Caller = Annotated[SignedIn, Depends(signed_in)]
DataCaller = Annotated[SignedIn, Depends(signed_in_for_data)]
TokenCaller = Annotated[SignedIn, Depends(taken_on)]
Json = dict[str, Any]
