"""What the web process may ask: sign in and out, the session, the phone, and looks through `looks.py`.

Every question carries the session's token; who that is and what they may do is read anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from quietline.access.decide import HUBS, TAKES_CALLS, Principal, Role
from quietline.access.identity import Identity
from quietline.access.passwords import Passwords
from quietline.access.ports import SessionRow
from quietline.access.sessions import Sessions, csrf_of
from quietline.access.sign_in import NO_CODE, SignIn
from quietline.access.step_up import Method, Needs, require_step_up
from quietline.clock import Clock
from quietline.errors import ConfigError, Denied, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.journal import Journal
from quietline.vault.looks import Looks
from quietline.vault.phones import Phones
from quietline.vault.ports import NONE_CHOSEN, Roster, Session


class Desk:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        identity: Identity,
        sessions: Sessions,
        sign_in: SignIn,
        passwords: Passwords,
        phones: Phones,
        looks: Looks,
        second_roles: Collection[str] = (),
    ) -> None:
        self._clock, self._journal, self._identity = clock, journal, identity
        self._sessions, self._sign_in, self._phones = sessions, sign_in, phones
        self._passwords = passwords
        self.looks = looks
        self._second_roles = frozenset(second_roles)

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def identity(self) -> Identity:
        """Accounts, for who answers about staff."""
        return self._identity

    async def sign_in(
        self,
        login: Sealed[str],
        password: Sealed[str],
        source: str,
        new_password: Sealed[str] = NONE_CHOSEN,
        code: Sealed[str] = NO_CODE,
    ) -> tuple[str, Session]:
        """A token and its session, once the entry is durable. Raises as `SignIn.check`.

        A one-time word is changed for `new_password` first; without a good one Denied("choose-password"), and the word
        stays good.
        """
        try:
            ticket = Ticket("vault", "sign-in", SIGNALLING)
            proven = await self._sign_in.check(login, password, source, ticket, code)
        except (Denied, TamperError) as refusal:
            self.refused(refusal)
            raise
        if proven.word:
            await self._choose_password(proven.agent, new_password)
        return await self.let_in(proven.agent, proven.methods)

    def refused(self, refusal: Denied | TamperError) -> None:
        """Write down that a sign-in was refused."""
        why = refusal.reason if isinstance(refusal, Denied) else "tampered"
        self._journal.soon(Kind.SIGN_IN_REFUSED, why=why)

    async def let_in(
        self, agent: str, methods: tuple[Method, ...], authenticated: float | None = None
    ) -> tuple[str, Session]:
        """A session for who has proved it so, once the entry is durable. `authenticated`: when, if not just now."""
        await self._journal.receipt(Kind.SIGNED_IN, agent, agent=agent, methods=" ".join(methods))
        token, row = await asyncio.to_thread(self._sessions.open, agent, methods, authenticated)
        return token, await self._session(token, row)

    async def _choose_password(self, agent: str, password: Sealed[str]) -> None:
        if not password:
            raise denied(Why.CHOOSE_PASSWORD)
        try:
            hashed = await self._passwords.hash(password, Ticket(agent, "sign-in", SIGNALLING))
        except ConfigError as short:
            raise Denied(Why.CHOOSE_PASSWORD.value, f"{short}. Choose another one.") from None
        receipt = await self._journal.receipt(Kind.STAFF_CHANGED, agent, agent=agent, change="password")
        await asyncio.to_thread(self._identity.set_password, agent, hashed, receipt.leaf)

    async def session(self, token: str) -> Session:
        """Who is signed in. Raises NotSignedIn."""
        return await self._session(token, self._sessions.check(token))

    async def sign_out(self, token: str) -> None:
        """End the session; with the agent's last one their page's phone credential ends too."""
        agent = await asyncio.to_thread(self._sessions.revoke, token)
        if agent:
            self._journal.soon(Kind.SIGNED_OUT, agent, agent=agent)
            await self.end_phone(agent)

    async def ring_at(self, token: str, own: bool) -> dict[str, str]:
        """Where calls ring. Raises as `ports.ring_at` says."""
        return await self._phones.ring_at((await self._caller_taker(token)).agent, own)

    async def _caller_taker(self, token: str) -> Principal:
        who = await self.who(token)
        if who.role not in TAKES_CALLS:
            raise denied(Why.ROLE_TAKES_NO_CALLS)
        return who

    async def phone(self, token: str) -> dict[str, str]:
        """A SIP credential: user, password, realm, kind. Raises NotSignedIn, Denied("role-takes-no-calls")."""
        return await self._phones.for_session((await self._caller_taker(token)).agent)

    async def who(self, token: str) -> Principal:
        """The signed-in person as policy sees them now. Raises NotSignedIn, TamperError."""
        row = self._sessions.check(token)
        try:
            if self._identity.at_hand(row.agent):
                return self._identity.principal(row.agent, self._clock.wall())
            return await asyncio.to_thread(self._identity.principal, row.agent, self._clock.wall())
        except TamperError:
            self._journal.soon(Kind.TAMPER_FOUND, row.agent, agent=row.agent, part="staff")
            raise

    async def stepped_up(self, token: str) -> Principal:
        """`who`, for a sensitive act: proved again within the last five minutes, with the second factor where there is
        one. Raises as `who`, and Denied("step-up-needed" | "set-up-second-factor")."""
        who = await self.who(token)
        require_step_up(self._sessions.check(token), self._clock.wall(), self.needs(who))
        return who

    def needs(self, who: Principal) -> Needs:
        """What this person, whom `who` has just read, must prove for a sensitive act."""
        return Needs(self._identity.has_second(who.agent), who.role in self._second_roles)

    async def colleagues(self, token: str, grant: str, agents: tuple[str, ...]) -> dict[str, str]:
        """The names of these, to hand a live call to. Raises NotSignedIn, Denied where the call is not theirs."""
        who = await self.who(token)
        await self.looks.holds(who, grant)
        names = await asyncio.to_thread(self._names, "", Ticket(who.agent, "hand-over", SIGNALLING))
        return {agent: names[agent] for agent in agents if agent in names}

    async def roster(self, token: str) -> Roster:
        """Whom this supervisor supervises. Raises NotSignedIn, TamperError, Denied("policy") for any other role."""
        who = await self.who(token)
        if who.role is not Role.SUPERVISOR:
            raise denied(Why.POLICY)
        store = "" if who.store in HUBS else who.store
        return Roster(store, await asyncio.to_thread(self._names, store, Ticket(who.agent, "floor", SIGNALLING)))

    def _names(self, store: str, ticket: Ticket) -> dict[str, str]:
        now = self._clock.wall()
        here = [each for each in self._identity.roll().members if each.in_service(now) and store in ("", each.store)]
        return {each.agent: self._identity.display_name(each.agent).open(ticket) for each in here}

    async def end_sessions(self, agent: str) -> None:
        """Every session of this agent ends, and the phone that lives by them."""
        ended = await asyncio.to_thread(self._sessions.revoke_agent, agent)
        if ended:
            self._journal.soon(Kind.SIGNED_OUT, agent, agent=agent, why="revoked", sessions=ended)
        await self._phones.end_sessions(agent)

    async def end_phone(self, agent: str) -> None:
        if not self._sessions.of_agent(agent):
            await self._phones.end_sessions(agent)

    async def end_expired(self) -> None:
        """End the sessions that ran out. Raises Unavailable where that cannot be stored."""
        for row in await asyncio.to_thread(self._sessions.flush):
            self._journal.soon(Kind.SIGNED_OUT, row.agent, agent=row.agent, why="expired")
            await self.end_phone(row.agent)

    async def _session(self, token: str, row: SessionRow) -> Session:
        principal = await self.who(token)
        name = self._identity.display_name(row.agent)  # `who` has just read it
        plain = name.open(Ticket(row.agent, "own-page", SIGNALLING))
        needs = self.needs(principal)
        second = "set-up" if needs.role and not needs.second else ""
        return Session(row.agent, plain, principal.role.value, csrf_of(token), self._sessions.expires(row), second)
