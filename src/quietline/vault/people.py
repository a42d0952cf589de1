"""People as they look after their own sign-in: second factors, step-up, their sessions. The desk's other half.

Every question carries the session's token. What changes how somebody signs in asks for fresh proof first, is in the
ledger before it holds, and ends what it makes untrue.
"""

from __future__ import annotations

import asyncio
from base64 import b32encode
from dataclasses import replace
from typing import Any, Final

from quietline.access import passkeys, totp
from quietline.access.decide import Principal
from quietline.access.factors import LONGEST_LABEL, MOST_PASSKEYS, App, Factors
from quietline.access.identity import Identity
from quietline.access.passwords import Passwords
from quietline.access.ports import SessionRow
from quietline.access.second import SIGN_IN, STEP_UP, Proofs
from quietline.access.sessions import Sessions, public_id
from quietline.access.sign_in import SignIn, in_service
from quietline.access.step_up import Method, require_fresh
from quietline.clock import Clock
from quietline.errors import ConfigError, Denied, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.desk import Desk
from quietline.vault.journal import Journal
from quietline.vault.ports import Session

REGISTER: Final = "register"
APP: Final = "app"


class People:
    """Lives on the event loop; what blocks goes to threads."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        identity: Identity,
        sessions: Sessions,
        sign_in: SignIn,
        passwords: Passwords,
        proofs: Proofs,
        desk: Desk,
    ) -> None:
        self._clock, self._journal, self._identity, self._sessions = clock, journal, identity, sessions
        self._sign_in, self._passwords, self._proofs, self._desk = sign_in, passwords, proofs, desk

    # -- signing in with a passkey

    def passkey_options(self, visit: str) -> dict[str, Any]:
        """For a sign-in page that nobody has signed in on: the same for everybody, whoever there is."""
        return self._proofs.request(visit)

    async def passkey_sign_in(self, visit: str, answer: str) -> tuple[str, Session]:
        """A session. Raises Denied("sign-in-refused") for every refusal alike."""
        try:
            agent = await self._proofs.passkey(SIGN_IN, visit, answer, self._require_service)
        except (Denied, TamperError) as refusal:
            self._desk.refused(refusal)
            raise denied(Why.SIGN_IN_REFUSED) from None
        return await self._desk.let_in(agent, (Method.PASSKEY,))

    def _require_service(self, agent: str) -> None:
        if not in_service(self._identity.row(agent), self._clock.wall()):
            raise denied(Why.SIGN_IN_REFUSED)

    # -- step-up

    async def step_up_options(self, token: str) -> dict[str, Any]:
        """{"passkey": the browser's options or {}, "code": whether a code is asked for beside the password}."""
        row = await self._checked(token)
        held = await asyncio.to_thread(self._proofs.book.read, row.agent)
        return {"passkey": await self._proofs.request_own(row.agent, row.digest), "code": held.second}

    async def step_up(self, token: str, password: Sealed[str], code: Sealed[str], answer: str) -> None:
        """Prove it again: with a passkey (`answer`), or with password and code. Raises Denied("proof-refused", ...)."""
        row = await self._checked(token)
        methods = await self._proved(row, password, code, answer)
        await self._journal.receipt(Kind.STEPPED_UP, row.agent, agent=row.agent, methods=" ".join(methods))
        await asyncio.to_thread(self._sessions.stepped_up, token, methods)

    async def _proved(
        self, row: SessionRow, password: Sealed[str], code: Sealed[str], answer: str
    ) -> tuple[Method, ...]:
        if not answer:
            return await self._sign_in.proves(row.agent, password, code, Ticket(row.agent, "step-up", SIGNALLING))

        def own(agent: str) -> None:
            if agent != row.agent:
                raise denied(Why.PROOF_REFUSED)

        await self._proofs.passkey(STEP_UP, row.digest, answer, own)
        return (Method.PASSKEY,)

    # -- own factors

    async def factors(self, token: str) -> dict[str, Any]:
        """What is set up; nothing secret."""
        row = await self._checked(token)
        held = await asyncio.to_thread(self._proofs.book.read, row.agent)
        keys = [{"id": each.id, "label": each.label, "made": each.made, "used": each.used} for each in held.passkeys]
        return {
            "passkeys": keys,
            "app": held.app.made if held.app else 0.0,
            "recovery": len(held.recovery),
            "needed": self._desk.needs(await self._desk.who(token)).role,
        }

    async def passkey_begin(self, token: str) -> dict[str, Any]:
        """The browser's options to make a passkey. Raises Denied("step-up-needed", "policy": there are ten)."""
        row, who = await self._fresh(token)
        held = await asyncio.to_thread(self._proofs.book.read, who.agent)
        if len(held.passkeys) >= MOST_PASSKEYS:
            raise denied(Why.POLICY)
        name = self._own_name(who.agent)
        challenge = self._proofs.challenges.make(REGISTER, row.digest)
        return passkeys.registration(self._proofs.party, who.agent, name, held.passkeys, challenge)

    async def passkey_add(self, token: str, answer: str, label: str) -> list[str]:
        """Recovery codes to show once, with the first factor; [] later."""
        row, who = await self._fresh(token)
        challenge = self._proofs.challenges.take(REGISTER, row.digest)
        made = passkeys.registered(self._proofs.party, answer, challenge, _label(label), self._clock.wall())
        return await self._enrol(
            token, who.agent, "passkey-added", lambda held: held.with_passkey(made), Method.PASSKEY
        )

    async def passkey_remove(self, token: str, name: str) -> None:
        """Harmless where there is none of this id."""
        _, who = await self._fresh(token)
        await self._change(who.agent, "passkey-removed", lambda held: held.without_passkey(name))

    async def app_begin(self, token: str) -> dict[str, str]:
        """A new secret for an app, good once `app_confirm` has seen a code of it: {"secret", "address": otpauth://}."""
        row, who = await self._fresh(token)
        secret = _base32(self._proofs.challenges.make(APP, row.digest))
        return {"secret": secret, "address": totp.address(secret, self._own_name(who.agent))}

    async def app_confirm(self, token: str, code: Sealed[str]) -> list[str]:
        """The app is set up; recovery codes as `passkey_add`. A wrong code ends this try: begin anew."""
        row, who = await self._fresh(token)
        secret = _base32(self._proofs.challenges.take(APP, row.digest))
        now = self._clock.wall()
        step = totp.fits(secret, code.open(Ticket(who.agent, "enrol", SIGNALLING)), now, 0)
        if not step:
            raise denied(Why.PROOF_REFUSED)
        app = App(secret, step, now)
        return await self._enrol(token, who.agent, "app-added", lambda held: replace(held, app=app), Method.TOTP)

    async def app_remove(self, token: str) -> None:
        """Harmless where there is none."""
        _, who = await self._fresh(token)
        await self._change(who.agent, "app-removed", Factors.without_app)

    async def recovery_renew(self, token: str) -> list[str]:
        """Ten new codes, shown once; the old ones are void. Raises Denied("set-up-second-factor") without a factor."""
        _, who = await self._fresh(token)
        if not self._identity.has_second(who.agent):
            raise denied(Why.SET_UP_SECOND_FACTOR)
        codes, kept = self._proofs.new_codes(who.agent)
        await self._change(who.agent, "recovery-renewed", lambda held: replace(held, recovery=kept))
        return codes

    async def _enrol(self, token: str, agent: str, change: str, how: Any, method: Method) -> list[str]:
        """The session has just proved the new factor. The person's other sessions, opened without it, end."""
        codes, kept = self._proofs.new_codes(agent)

        def added(held: Factors) -> tuple[Factors, bool]:
            new: Factors = how(held)
            return (new, False) if held.second else (replace(new, recovery=kept), True)

        receipt = await self._journal.receipt(Kind.FACTORS_CHANGED, agent, agent=agent, change=change)
        first = await asyncio.to_thread(self._proofs.book.change, agent, added, receipt.leaf)
        await asyncio.to_thread(self._sessions.stepped_up, token, (Method.PASSWORD, method))
        if first:
            await self._end_others(token, agent)
        return codes if first else []

    async def _change(self, agent: str, change: str, how: Any) -> None:
        receipt = await self._journal.receipt(Kind.FACTORS_CHANGED, agent, agent=agent, change=change)
        await asyncio.to_thread(self._proofs.book.change, agent, lambda held: (how(held), None), receipt.leaf)

    # -- own password and sessions

    async def change_password(self, token: str, password: Sealed[str]) -> None:
        """A new password; the person's other sessions end. Raises Denied("step-up-needed" | "choose-password")."""
        _, who = await self._fresh(token)
        try:
            hashed = await self._passwords.hash(password, Ticket(who.agent, "own-page", SIGNALLING))
        except ConfigError as short:
            raise Denied(Why.CHOOSE_PASSWORD.value, f"{short}. Choose another one.") from None
        receipt = await self._journal.receipt(Kind.STAFF_CHANGED, who.agent, agent=who.agent, change="password")
        await asyncio.to_thread(self._identity.set_password, who.agent, hashed, receipt.leaf)
        await self._end_others(token, who.agent)

    async def sessions(self, token: str) -> list[dict[str, Any]]:
        """Where this person is signed in: {"id", "opened", "seen", "expires", "methods", "own": it is this one}."""
        row = await self._checked(token)
        return [
            {
                "id": public_id(each),
                "opened": each.opened,
                "seen": each.seen,
                "expires": self._sessions.expires(each),
                "methods": list(each.methods),
                "own": each.digest == row.digest,
            }
            for each in self._sessions.of_agent(row.agent)
        ]

    async def end_session(self, token: str, session: str) -> bool:
        """End one of one's own; its streams end within seconds, its phone with the last. Whether there was one."""
        row = await self._checked(token)
        ended = await asyncio.to_thread(self._sessions.revoke_id, row.agent, session)
        if ended:
            self._journal.soon(Kind.SIGNED_OUT, row.agent, agent=row.agent, why="revoked", sessions=1)
            await self._desk.end_phone(row.agent)
        return ended

    async def end_other_sessions(self, token: str) -> int:
        """How many ended."""
        return await self._end_others(token, (await self._checked(token)).agent)

    async def _end_others(self, token: str, agent: str) -> int:
        ended = await asyncio.to_thread(self._sessions.revoke_others, token)
        if ended:
            self._journal.soon(Kind.SIGNED_OUT, agent, agent=agent, why="revoked", sessions=ended)
        return ended

    # -- inside

    async def _checked(self, token: str) -> SessionRow:
        """The session of somebody whose contract runs."""
        row = self._sessions.check(token)
        await self._desk.who(token)
        return row

    def _own_name(self, agent: str) -> str:
        """For the person's own page, which has just been asked for."""
        return self._identity.display_name(agent).open(Ticket(agent, "own-page", SIGNALLING))

    async def _fresh(self, token: str) -> tuple[SessionRow, Principal]:
        who = await self._desk.who(token)
        row = self._sessions.check(token)
        require_fresh(row, self._clock.wall(), self._desk.needs(who))
        return row, who


def _label(given: str) -> str:
    label = " ".join(given.split())
    return label[:LONGEST_LABEL] if label.isprintable() and label else "Passkey"


def _base32(challenge: bytes) -> str:
    """160 of the challenge's 256 random bits, as a secret for an app."""
    return b32encode(challenge[:20]).decode()
