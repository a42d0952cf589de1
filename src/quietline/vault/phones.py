"""SIP credentials: one per agent at the edge, by digest (HA1, RFC 8760 and RFC 3261 §22). The edge keeps them in memory
only, so they are pushed again whenever it has restarted.

A browser's credential lasts while the agent has a session; a hardware phone's until it is revoked. An agent with a
hardware phone rings there, and the page registers nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

import structlog

from quietline.errors import EdgeUnavailable
from quietline.ledger.vocabulary import Kind
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.ports import PhoneBook
from quietline.vault.remembered import Remembered

log = structlog.get_logger()

WATCH_SECONDS = 1.0  # how often the edge is asked whether it is still the one that knows the credentials
PUSH_SECONDS = 10.0  # for all of them
SESSION, LASTING = "session", "lasting"


def ha1(user: str, realm: str, password: str) -> str:
    """MD5 of user:realm:password, as SIP digest wants it (RFC 3261 §22.4); worth the password at this realm."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


class Phones:
    """Lives on the event loop. `load` first."""

    def __init__(self, book: PhoneBook, remembered: Remembered, keyring: Keyring, realm: str, journal: Journal) -> None:
        self._book, self._remembered, self._keyring = book, remembered, keyring
        self._realm, self._journal = realm, journal
        self._known: dict[str, dict[str, str]] = {}  # agent -> {"kind", "ha1", "nonce"}
        self._instance = ""  # of the edge that was given all of them; "" when it is not sure

    async def load(self) -> None:
        """Take up what was issued before the restart."""
        self._known = await asyncio.to_thread(self._remembered.all, "phone")

    async def for_session(self, agent: str) -> dict[str, str]:
        """`user`, `password`, `realm`, `kind`; the same for every page of the agent while a session lives."""
        known = self._known.get(agent)
        if known and known["kind"] == LASTING:
            return {"user": agent, "password": "", "realm": self._realm, "kind": LASTING}
        if known is None:
            nonce = secrets.token_hex(16)
            await self._keep(agent, SESSION, await self._password(agent, nonce), nonce)
        password = await self._password(agent, self._known[agent]["nonce"])
        return {"user": agent, "password": password, "realm": self._realm, "kind": SESSION}

    async def issue(self, agent: str) -> dict[str, str]:
        """A lasting credential for a hardware phone; its password is in this answer and nowhere else."""
        password = secrets.token_urlsafe(24)
        await self._keep(agent, LASTING, password, "")
        return {"user": agent, "password": password, "realm": self._realm, "kind": LASTING}

    async def end_sessions(self, agent: str) -> None:
        """The agent's last session ended."""
        if self._known.get(agent, {}).get("kind") == SESSION:
            await self.revoke(agent)

    async def revoke(self, agent: str) -> None:
        """Take the agent's credential away, whichever it is."""
        if self._known.pop(agent, None) is None:
            return
        self._journal.soon(Kind.PHONE_REVOKED, agent=agent)
        await asyncio.to_thread(self._remembered.forget, f"phone/{agent}")
        try:
            await self._book.remove(agent)
        except EdgeUnavailable:
            self._instance = ""
            log.warning("the edge did not answer: a revoked credential is taken away when it does", agent=agent)

    def kind(self, agent: str) -> str:
        """ "session", "lasting" or ""."""
        return self._known.get(agent, {}).get("kind", "")

    async def watch(self) -> None:
        """Push everything again when the edge is another one than before. Runs until cancelled."""
        while True:
            try:
                async with asyncio.timeout(PUSH_SECONDS):
                    await self._push_if_new()
            except (EdgeUnavailable, TimeoutError):
                self._instance = ""
            await asyncio.sleep(WATCH_SECONDS)

    async def _push_if_new(self) -> None:
        instance = await self._book.instance()
        if instance == self._instance:
            return
        for agent, known in tuple(self._known.items()):
            await self._book.add(agent, known["ha1"])
        self._instance = instance
        log.info("credentials pushed to the edge", phones=len(self._known))

    async def _keep(self, agent: str, kind: str, password: str, nonce: str) -> None:
        digest = ha1(agent, self._realm, password)
        self._known[agent] = {"kind": kind, "ha1": digest, "nonce": nonce}
        await asyncio.to_thread(self._remembered.put, f"phone/{agent}", self._known[agent])
        self._journal.soon(Kind.PHONE_ISSUED, agent=agent, lasting=kind == LASTING)
        try:
            await self._book.add(agent, digest)
        except EdgeUnavailable:
            self._instance = ""  # the watch pushes it as soon as the edge answers

    async def _password(self, agent: str, nonce: str) -> str:
        key = await asyncio.to_thread(self._keyring.secret, "phone/session")
        mac = hmac.digest(key, f"{agent}\0{nonce}".encode(), hashlib.sha256)
        return urlsafe_b64encode(mac[:24]).decode()
