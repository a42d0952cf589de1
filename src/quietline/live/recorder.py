"""Ledger entries that nobody waits for: queued here, carried to the vault in the background."""

from __future__ import annotations

import asyncio

import structlog

from quietline.errors import Denied, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.vault.ports import CallEvent, CallVault

log = structlog.get_logger()

MAX_QUEUED = 20_000  # entries; at 200 calls/s about 20 s of a vault that does not answer
BATCH = 200
PAUSE = 0.02  # seconds between batches: one round trip carries many entries
RETRY = 1.0


class VaultRecorder:
    """Bounded: what does not fit is counted, and the count itself is written once the vault answers again."""

    def __init__(self, vault: CallVault) -> None:
        self._vault = vault
        self._queue: asyncio.Queue[CallEvent] = asyncio.Queue(MAX_QUEUED)
        self._lost = 0

    def record(self, kind: Kind, leg: str, **fields: str | int | float | bool) -> None:
        """Queue an entry. Never waits, never raises."""
        try:
            self._queue.put_nowait(CallEvent(kind.value, leg, fields))
        except asyncio.QueueFull:
            self._lost += 1

    async def run(self) -> None:
        """Carry entries to the vault until cancelled."""
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(PAUSE)
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._deliver(batch)

    async def _deliver(self, batch: list[CallEvent]) -> None:
        while True:
            lost = [CallEvent(Kind.FAULT.value, "", {"part": "recorder", "entries_lost": self._lost})] * bool(
                self._lost
            )
            try:
                await self._vault.note_events(batch + lost)
            except Denied:
                log.error("the vault refused ledger entries of the controller", entries=len(batch))
                return
            except Unavailable:
                await asyncio.sleep(RETRY)
            else:
                self._lost = 0
                return
