"""SIP credentials: one per agent at the edge, by digest (HA1, RFC 8760 and RFC 3261 §22).

A browser's credential lasts while the agent has a session; a hardware phone's until it is revoked. An agent with a
hardware phone rings there, and the page registers nothing, until they choose the page: then the phone's digest waits
aside ("own"), and is good again when they choose the phone, or sign out. One of the two is signed in at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

from quietline.errors import Denied
from quietline.ledger.vocabulary import Kind
from quietline.vault.edge_credentials import EdgeCredentials
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring

SESSION, LASTING = "session", "lasting"


def ha1(user: str, realm: str, password: str) -> str:
    """MD5 of user:realm:password, as SIP digest wants it (RFC 3261 §22.4); worth the password at this realm."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


class Phones:
    """Lives on the event loop. `credentials`: by agent, each {"kind", "ha1", "nonce"}."""

    def __init__(self, credentials: EdgeCredentials, keyring: Keyring, realm: str, journal: Journal) -> None:
        self._credentials, self._keyring = credentials, keyring
        self._realm, self._journal = realm, journal
        self._giving = asyncio.Lock()  # two pages that load at once get one credential, not one each

    async def for_session(self, agent: str) -> dict[str, str]:
        """`user`, `password`, `realm`, `kind`; the same for every page of the agent while a session lives."""
        async with self._giving:
            return await self._for_session(agent)

    async def _for_session(self, agent: str) -> dict[str, str]:
        known = self._credentials.get(agent)
        if known and known["kind"] == LASTING:
            return {"user": agent, "password": "", "realm": self._realm, "kind": LASTING, "own": "yes"}
        nonce = known["nonce"] if known else secrets.token_hex(16)
        password = await self._password(agent, nonce)
        if known is None:
            await self._keep(agent, SESSION, password, nonce)
        own = "yes" if known and known.get("own") else ""
        return {"user": agent, "password": password, "realm": self._realm, "kind": SESSION, "own": own}

    async def ring_at(self, agent: str, own: bool) -> dict[str, str]:
        """Calls ring at the agent's hardware phone, or in their page: as `for_session`. Whichever it was is signed off.

        Raises Denied("no-own-phone") for who has no hardware phone.
        """
        async with self._giving:
            known = self._credentials.get(agent)
            digest = known["ha1"] if known and known["kind"] == LASTING else known.get("own", "") if known else ""
            if not digest:
                raise Denied("no-own-phone", "You have no phone of your own. Ask your administrator to issue one.")
            if own != (self.kind(agent) == LASTING):
                chosen = {"kind": LASTING, "ha1": digest, "nonce": ""} if own else await self._of_page(agent, digest)
                await self._credentials.replace(agent, chosen)
            return await self._for_session(agent)

    async def _of_page(self, agent: str, own: str) -> dict[str, str]:
        nonce = secrets.token_hex(16)
        password = await self._password(agent, nonce)
        return {"kind": SESSION, "ha1": ha1(agent, self._realm, password), "nonce": nonce, "own": own}

    async def issue(self, agent: str) -> dict[str, str]:
        """A lasting credential for a hardware phone; its password is in this answer and nowhere else."""
        password = secrets.token_urlsafe(24)
        await self._keep(agent, LASTING, password, "")
        return {"user": agent, "password": password, "realm": self._realm, "kind": LASTING}

    async def end_sessions(self, agent: str) -> None:
        """The agent's last session ended. A hardware phone that stood back rings again."""
        known = self._credentials.get(agent)
        if known and known.get("own"):
            await self.ring_at(agent, own=True)
        elif known and known["kind"] == SESSION:
            await self.revoke(agent)

    async def revoke(self, agent: str) -> None:
        """Take the agent's credential away, whichever it is."""
        if await self._credentials.revoke(agent):
            self._journal.soon(Kind.PHONE_REVOKED, agent=agent)

    def kind(self, agent: str) -> str:
        """ "session", "lasting" or ""."""
        known = self._credentials.get(agent)
        return known["kind"] if known else ""

    async def _keep(self, agent: str, kind: str, password: str, nonce: str) -> None:
        self._journal.soon(Kind.PHONE_ISSUED, agent=agent, lasting=kind == LASTING)
        entry = {"kind": kind, "ha1": ha1(agent, self._realm, password), "nonce": nonce}
        await self._credentials.keep(agent, entry)

    async def _password(self, agent: str, nonce: str) -> str:
        key = await asyncio.to_thread(self._keyring.secret, "phone/session")
        mac = hmac.digest(key, f"{agent}\0{nonce}".encode(), hashlib.sha256)
        return urlsafe_b64encode(mac[:24]).decode()
