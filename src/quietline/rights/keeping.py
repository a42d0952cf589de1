"""Retention on schedule: what is past its time is erased, class by class; a legal hold wins. See retention.py."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from quietline.errors import QuietlineError
from quietline.ledger.vocabulary import Kind
from quietline.rights.books import RightsBooks
from quietline.rights.eraser import Eraser
from quietline.rights.parts import Parts
from quietline.rights.retention import Due, Plan, Stored, plan
from quietline.rights.times import day_of
from quietline.sealed import Ticket
from quietline.vault.blind_index import ORDER, ORDER_RECORD, IndexRow, normalise
from quietline.vault.keys import Owner
from quietline.vault.schema import DataClass

log = structlog.get_logger()


class Keeping:
    """`run` now, or `keep_running` every so many seconds. One run at a time."""

    def __init__(self, parts: Parts, books: RightsBooks, eraser: Eraser) -> None:
        self._parts, self._books, self._eraser = parts, books, eraser
        self._one = asyncio.Lock()

    async def run(self, dry_run: bool, by: str = "vault") -> dict[str, Any]:
        """The report: customers, values by class, holds that won, values without a day. Raises Unavailable."""
        async with self._one:
            made = await asyncio.to_thread(self._plan)
            if not dry_run:
                counts = {f"{name}_values": count for name, count in made.values.items()}
                ticket = await self._parts.journal.first(
                    Kind.RETENTION_RUN, by, "retention", "", agent=by, customers=len(made.due), held=made.held,
                    undated=made.undated, **counts,
                )  # fmt: skip
                # Crash here: the entry tells of a run that did not end; the next one erases the rest.
                await asyncio.to_thread(self._carry_out, made, ticket)
        return {**made.report(), "dry_run": dry_run}

    async def keep_running(self, every: float) -> None:
        """Finish erasures that a crash broke off, then run every so many seconds; 0: by hand only."""
        await self._try_to_resume()
        while every:
            await asyncio.sleep(every)
            try:
                report = await self.run(dry_run=False)
                log.info("retention has run", customers=report["customers"], held=report["held"])
            except QuietlineError as error:
                log.error("retention could not run; it is tried again", error=str(error))

    async def _try_to_resume(self) -> None:
        try:
            await self._eraser.resume()
        except QuietlineError as error:
            log.error("an erasure that was begun could not be ended; ask for it again", error=str(error))

    def _plan(self) -> Plan:
        held = self._books.held(self._parts.now())
        rows = self._parts.records.stored()
        return plan((Stored(*row) for row in rows), day_of(self._parts.now()), held)

    def _carry_out(self, made: Plan, ticket: Ticket) -> None:
        for due in made.due:
            self._end(due, ticket)

    def _end(self, due: Due, ticket: Ticket) -> None:
        """Whole classes by their key; single values by their row, from the file and its log."""
        parts = self._parts
        controller = parts.records.controller_of(due.customer)
        gone, orders = self._orders(due)
        pairs = [(due.customer, name) for name, spec in parts.records.fields.items() if spec.data_class in due.classes]
        left = self._references(controller, due, orders, ticket) if gone and orders else []
        parts.index.write(left, (), [*pairs, *((record, ORDER_RECORD) for record in gone)])
        parts.keyring.destroy(*(Owner(controller, due.customer, each) for each in due.classes))
        parts.records.erase(due.customer, due.classes)
        parts.records.drop(due.customer, [(each.record, each.name) for each in due.values])

    def _orders(self, due: Due) -> tuple[list[str], list[str]]:
        """Orders that end with this run, and those that stay."""
        singly = {each.record for each in due.values if each.name == ORDER}
        all_end = DataClass.INVOICE.value in due.classes
        orders = [each.id for each in self._parts.records.every(due.customer) if ORDER in each.fields]
        gone = [each for each in orders if all_end or each in singly]
        return gone, [each for each in orders if each not in gone]

    def _references(self, controller: str, due: Due, orders: list[str], ticket: Ticket) -> list[IndexRow]:
        """The index rows of orders that stay, which push out those of the orders that end."""
        opened = (self._parts.records.open(due.customer, ORDER, ticket, each) for each in orders)
        normal = (normalise(ORDER, each.open(ticket)) for each in opened if each)
        return [IndexRow(controller, due.customer, ORDER, each) for each in normal if each]
