"""Digests (HA1) that the edge should hold, and how they get there and away again. The edge keeps them in memory only.

What is issued or revoked is stored first, sealed; then the edge is told. Where it does not answer, and whenever it has
restarted, the watch tells it all of it: a revoked credential stays on record until the edge has taken it away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from quietline.errors import EdgeUnavailable
from quietline.vault.remembered import Remembered

log = structlog.get_logger()

WATCH_SECONDS = 1.0  # how often the edge is asked whether it is still the one that knows the credentials
PUSH_SECONDS = 10.0  # for all of them
_REVOKED = {"kind": "revoked", "ha1": ""}

Entry = dict[str, str]  # "kind", "ha1", and what its owner adds


class EdgeCredentials:
    """Those of one kind, by user. Lives on the event loop; `load` first.

    prefix: what they are remembered under. add, remove: the edge's side; both raise EdgeUnavailable.
    """

    def __init__(
        self,
        prefix: str,
        add: Callable[[str, str], Awaitable[None]],
        remove: Callable[[str], Awaitable[None]],
        remembered: Remembered,
    ) -> None:
        self._prefix, self._add, self._remove = prefix, add, remove
        self._remembered = remembered
        self._known: dict[str, Entry] = {}
        self._storing, self._telling = asyncio.Lock(), asyncio.Lock()
        self.behind = False  # the edge has missed something

    async def load(self) -> None:
        """Take up what was issued before the restart."""
        self._known = await asyncio.to_thread(self._remembered.all, self._prefix)

    def get(self, user: str) -> Entry | None:
        """What was issued to this user and not revoked."""
        known = self._known.get(user)
        return None if known is None or known["kind"] == "revoked" else known

    async def keep(self, user: str, entry: Entry) -> None:
        """Durable on return; the edge has it, or gets it as soon as it answers."""
        self._known[user] = entry
        await self._store(user)
        await self._try_to_tell(user)

    async def replace(self, user: str, entry: Entry) -> None:
        """As `keep`; and whoever is signed in by the one before is signed off, if the edge answers."""
        self._known[user] = entry
        await self._store(user)
        try:
            async with self._telling:
                await self._remove(user)
        except EdgeUnavailable:
            log.warning("the edge did not answer: a phone that was replaced may ring until its registration ends")
        await self._try_to_tell(user)

    async def revoke(self, user: str) -> bool:
        """Durable on return, as `keep`; False when there was none. The edge is told even if it is not stored."""
        if self.get(user) is None:
            return False
        self._known[user] = dict(_REVOKED)
        try:
            await self._store(user)
        finally:
            await self._try_to_tell(user)
        return True

    async def tell_all(self) -> int:
        """Bring the edge up to date; how many users that were. Raises EdgeUnavailable."""
        self.behind = False
        users = tuple(self._known)
        for user in users:
            await self._tell(user)
        return len(users)

    async def _store(self, user: str) -> None:
        """What holds now, one at a time, so that no older word is stored over a newer one."""
        async with self._storing:
            name, known = f"{self._prefix}/{user}", self._known.get(user)
            put, forget = ({name: known}, ()) if known else ({}, (name,))
            await asyncio.to_thread(self._remembered.update, put, forget)

    async def _try_to_tell(self, user: str) -> None:
        try:
            await self._tell(user)
        except EdgeUnavailable:
            log.warning("the edge did not answer: a credential is brought or taken away when it does")

    async def _tell(self, user: str) -> None:
        """What holds now, one at a time: an older word never overtakes a newer one."""
        async with self._telling:
            known = self._known.get(user)
            try:
                if known and known["kind"] != "revoked":
                    await self._add(user, known["ha1"])
                elif known:
                    await self._remove(user)
            except EdgeUnavailable:
                self.behind = True
                raise
        if known and known["kind"] == "revoked" and self._known.get(user) is known:
            del self._known[user]
            await self._store(user)


async def watch(instance: Callable[[], Awaitable[str]], kinds: Sequence[EdgeCredentials]) -> None:
    """Tell the edge everything when it is another one than before, or has missed something. Runs until cancelled."""
    told = ""
    while True:
        try:
            async with asyncio.timeout(PUSH_SECONDS):
                now = await instance()
                if now != told or any(kind.behind for kind in kinds):
                    told = ""
                    count = sum([await kind.tell_all() for kind in kinds])
                    told = now
                    log.info("credentials pushed to the edge", credentials=count)
        except (EdgeUnavailable, TimeoutError):
            told = ""
        await asyncio.sleep(WATCH_SECONDS)
