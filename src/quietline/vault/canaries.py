"""Canary customers in the vault: made like any other, watched by token. Rules: access/canary_customers.py.

The list lies sealed in the vault's memory of itself; neither records nor keys show which they are.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from quietline.access.canary_customers import CanaryBook
from quietline.access.decide import Principal, Role
from quietline.clock import Clock
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.alerts import Alerts
from quietline.vault.blind_index import PHONE, BlindIndex, normalise
from quietline.vault.customers import Customers
from quietline.vault.journal import Journal
from quietline.vault.remembered import Remembered

PREFIX = "canary"
KEEPERS = frozenset({Role.PRIVACY_OFFICER})
TICKET = Ticket("vault", "canary", SIGNALLING)


class Canaries:
    """Lives on the event loop; what blocks goes to threads. `restore` first."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        alerts: Alerts,
        customers: Customers,
        index: BlindIndex,
        remembered: Remembered,
        country: str,
    ) -> None:
        self._clock, self._journal, self._alerts = clock, journal, alerts
        self._customers, self._index, self._remembered = customers, index, remembered
        self._country = country
        self._book = CanaryBook()

    def restore(self) -> None:
        """Take up those of an earlier life. Blocks. Raises TamperError."""
        self._book = CanaryBook(each["customer"] for each in self._remembered.all(PREFIX).values())

    def touched(self, customer: str, agent: str, how: str) -> None:
        """Somebody came upon this customer: by a matched number, a card, a look. Never waits."""
        if self._book.touched(customer, agent, how, self._clock.monotonic()):
            self._alerts.tell(Kind.CANARY_TOUCHED, customer, agent=agent, how=how)

    async def add(self, who: Principal, record: Any) -> int:
        """Make one, imported like anybody: a record as `quietline customer import` takes it, with a phone number
        that is nobody else's. How many there are. Raises Denied("role-may-not"), ConfigError, LedgerUnavailable.
        """
        self._require(who)
        controller, phone = self._number(record)
        if controller not in who.controllers:
            raise denied(Why.OTHER_STORE)
        if await asyncio.to_thread(self._index.find, controller, PHONE, phone):
            raise ConfigError("canary: a customer has this number already; use one that nobody has")
        await self._customers.import_all([record])
        customer = await asyncio.to_thread(self._index.find, controller, PHONE, phone)
        await self._journal.receipt(Kind.CANARY_CHANGED, agent=who.agent, change="added")
        # Crash here: a customer who is not watched; the same command says that the number is taken.
        name = secrets.token_hex(8)
        await asyncio.to_thread(self._remembered.put, f"{PREFIX}/{name}", {"customer": customer})
        self._book.add(customer)
        return len(self._book)

    def count(self, who: Principal) -> int:
        """How many there are; nobody is told which."""
        self._require(who)
        return len(self._book)

    def _require(self, who: Principal) -> None:
        if who.role not in KEEPERS:
            raise denied(Why.ROLE_MAY_NOT)

    def _number(self, record: Any) -> tuple[str, str]:
        fields = record.get("fields") if isinstance(record, dict) else None
        phone = fields.get(PHONE) if isinstance(fields, dict) else None
        normal = normalise(PHONE, phone, self._country) if isinstance(phone, str) else None
        if normal is None:
            raise ConfigError("canary: give a record with a contact.phone, as `quietline customer import` takes it")
        return str(record.get("controller", "")), normal
