"""How the vault's own steps reach the ledger: durable before a look, queued for what nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from quietline.clock import Clock
from quietline.errors import LedgerUnavailable
from quietline.ledger.ports import Entry, Field, Ledger, Receipt
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Ticket


class Journal:
    """`wait`: seconds after which an entry that is not durable counts as failed."""

    def __init__(self, ledger: Ledger, clock: Clock, wait: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._wait = wait

    def now(self) -> float:
        """UTC seconds."""
        return self._clock.wall()

    async def first(self, kind: Kind, who: str, why: str, subject: str = "", **fields: Field) -> Ticket:
        """The ticket to open or write a value, once its entry is durable. Raises LedgerUnavailable; nothing opens."""
        # Crash here: the entry stands for a look that did not happen. Never the other way round.
        return Ticket(who, why, (await self.receipt(kind, subject, **fields)).index)

    async def receipt(self, kind: Kind, subject: str = "", **fields: Field) -> Receipt:
        """Where the entry stands, once it is durable. Raises LedgerUnavailable."""
        entry = Entry(kind, self._clock.wall(), subject, fields)
        try:
            async with asyncio.timeout(self._wait):
                return await self._ledger.append(entry)
        except TimeoutError:
            raise LedgerUnavailable("ledger: the entry was not durable in time") from None

    def soon(self, kind: Kind, subject: str = "", **fields: Field) -> None:
        """Queue an entry; never waits."""
        self.write_soon(kind, fields, subject)

    def write_soon(self, kind: Kind, fields: Mapping[str, Field], subject: str = "") -> None:
        """The same with fields of any name."""
        self._ledger.append_soon(Entry(kind, self._clock.wall(), subject, fields))
