"""Carries an erasure out: the one place where a customer ends. Every step may be run again after a crash.

1. it is begun: written down, and from here it only goes forward
2. the tombstone stands, so that a restored backup loses the customer again before it serves
3. nobody looks any more: live grants close, a promised callback is forgotten
4. the ledger says what is about to go, with the digest of what the receipt will say
5. index rows, keys, rows, the ledger's own words about the customer; the write-ahead logs are truncated
6. the receipt: signed, with the ledger's proof
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import structlog

from quietline.errors import TamperError
from quietline.ledger.vocabulary import Kind
from quietline.rights.books import RightsBooks
from quietline.rights.erasure import KEPT, split
from quietline.rights.parts import Parts
from quietline.rights.receipt import digest_of, write_receipt
from quietline.rights.requests import Act, Request, act
from quietline.rights.times import stamp
from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.blind_index import FIELDS as INDEXES
from quietline.vault.blind_index import ORDER, ORDER_RECORD, PHONE, normalise
from quietline.vault.bodies import body_owner
from quietline.vault.keys import Owner
from quietline.vault.records import ORDER as ORDER_KIND
from quietline.vault.schema import CLASSES, DataClass

log = structlog.get_logger()

_TICKET = Ticket("vault", "erasure", SIGNALLING)  # the number, to find its callback; it is gone a moment later


class Eraser:
    """Lives on the event loop; what blocks goes to threads. One erasure at a time."""

    def __init__(self, parts: Parts, books: RightsBooks) -> None:
        self._parts, self._books = parts, books
        self._one = asyncio.Lock()

    async def erase(self, request: Request, by: str, second: str = "") -> str:
        """The receipt. Raises LedgerUnavailable or Unavailable; then it is not done, and the same call goes on."""
        async with self._one:
            begun = request if request.state == "erasing" else act(request, Act.BEGIN, self._parts.now())
            await asyncio.to_thread(self._books.put, begun)  # (1)
            # Crash here: begun, and `resume` goes on at the next start.
            return await self._carry_out(begun, by, second)

    async def resume(self) -> int:
        """Go on with what a crash broke off; how many."""
        unfinished = self._books.unfinished()
        for request in unfinished:
            async with self._one:
                await self._carry_out(request, "vault", "")
            log.info("an erasure that was broken off is done", request=request.id)
        return len(unfinished)

    async def _carry_out(self, request: Request, by: str, second: str) -> str:
        parts, customer = self._parts, request.customer
        gone, kept = await asyncio.to_thread(self._classes, customer)
        if parts.tombstones:
            words = tuple(each.value for each in gone)
            await asyncio.to_thread(parts.tombstones.add, customer, request.controller, words)  # (2)
        await self._close(request)  # (3)
        statement = self._statement(request, gone, kept)
        await parts.journal.receipt(
            Kind.RIGHT_MOVED, request.id, request=request.id, act="erase", agent=by, second=second
        )
        receipt = await parts.journal.receipt(  # (4); the requester reads this one: no token of staff is in it
            Kind.RECORDS_ERASED, "", request=request.id, statement=digest_of(statement),
            classes=" ".join(gone), kept=" ".join(kept),
        )  # fmt: skip
        await asyncio.to_thread(self.destroy, request.controller, customer, gone, bool(kept))  # (5)
        await parts.ledger.erase(customer)
        await asyncio.to_thread(parts.keyring.destroy, body_owner(customer))
        # Crash here: nothing of the customer is left; the request still says "erasing", and `resume` ends it.
        return await asyncio.to_thread(self._receipt, request, statement, receipt.index)  # (6)

    def _classes(self, customer: str) -> tuple[list[DataClass], list[DataClass]]:
        fields = self._parts.records.fields
        return split(fields[name].data_class.value for name in self._parts.records.has(customer) if name in fields)

    async def _close(self, request: Request) -> None:
        parts = self._parts
        for grant in parts.grants.forget_customer(request.customer, parts.now()):
            parts.journal.soon(Kind.GRANT_CLOSED, grant=grant.id, leg=grant.caller_leg, agent=grant.agent, why="erased")
        mark = await asyncio.to_thread(self._mark, request)
        if mark:
            await parts.callbacks.drop_marked(mark, "erased")
        await parts.last_agents.forget(request.customer)
        await parts.helpers.forget(request.customer)

    def _mark(self, request: Request) -> str:
        """The mark under which a callback to this customer's number would be kept; "" for no number."""
        parts = self._parts
        try:
            number = parts.records.open(request.customer, PHONE, _TICKET)
        except TamperError:
            return ""  # resumed: the key is gone already
        normal = normalise(PHONE, number.open(_TICKET), parts.legal_country) if number else None
        return parts.index.token(request.controller, PHONE, normal).hex() if normal else ""

    def destroy(self, controller: str, customer: str, classes: Iterable[str], keeps_orders: bool) -> None:
        """Index rows, then keys, then rows, and the logs of both databases. Blocks; may be run again."""
        parts, gone = self._parts, list(classes)
        names = {*INDEXES, *(spec.name for spec in parts.records.fields.values() if spec.indexed)}
        leave = {ORDER, ORDER_RECORD} if keeps_orders else set()
        pairs = [(customer, name) for name in sorted(names - leave)]
        if not keeps_orders:
            orders = [each.id for each in parts.records.every(customer) if each.kind == ORDER_KIND]
            pairs += [(record, ORDER_RECORD) for record in orders]
        parts.index.write((), (), pairs)
        parts.keyring.destroy(*(Owner(controller, customer, each) for each in gone))
        parts.records.erase(customer, gone)

    def _statement(self, request: Request, gone: list[DataClass], kept: list[DataClass]) -> dict[str, Any]:
        purposes = self._books.recipients
        return {
            "what": "erasure (GDPR 17)",
            "request": request.id,
            "controller": request.controller,
            "asked": stamp(request.opened),
            "erased_at": stamp(self._parts.now()),
            "erased": [each.value for each in gone],
            "kept": [{"class": each.value, "basis": KEPT[each], "for": CLASSES[each].kept} for each in kept],
            "recipients": [
                {"name": name, "purpose": purposes.get(name, ""), "told": how}
                for name, how in sorted(request.told.items())
            ],
            "copies": "a backup of the keys keeps them until it expires; that window is published",
        }

    def _receipt(self, request: Request, statement: dict[str, Any], index: int) -> str:
        parts = self._parts
        receipt = write_receipt(statement, parts.reader.proof(index), parts.signer).decode()
        done = act(request, Act.COMPLETE, parts.now())
        self._books.finish_erasure(replace(done, customer=""), receipt, request.customer)
        return receipt
