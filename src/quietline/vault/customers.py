"""Customers come in: root's imports and the shop's connector. What is not on record is stored, or only counted, dry.

A dry run tells root how many are known: each one is an entry of the ledger too, for it could be used to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from quietline.chain.in_force import StoresInForce
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Ticket
from quietline.vault.blind_index import BlindIndex
from quietline.vault.importing import MAX_BATCH, Reading, read_batch, read_each
from quietline.vault.journal import Journal
from quietline.vault.keys import Keyring
from quietline.vault.records import Records
from quietline.vault.storing import Importer, Outcome, Twins

SHOP_KEYS = ("woo:", "woo-guest:", "woo-order:")  # connector/woo.py makes no others
GONE = "deleted in the shop"


class Customers:
    """Lives on the event loop; what blocks goes to threads, one batch at a time."""

    def __init__(
        self, journal: Journal, importer: Importer, records: Records, controllers: Callable[[], set[str]], shop: str
    ) -> None:
        self._journal, self._importer, self._records = journal, importer, records
        self._controllers, self._shop = controllers, shop
        self._one = asyncio.Lock()  # two batches at once could make two customers of one key

    async def import_all(self, batch: Any) -> dict[str, int]:
        """A batch of which everything must be right: {"stored", "with_phone"}. Raises ConfigError and stores none."""
        customers = await asyncio.to_thread(read_batch, batch, self._controllers(), self._records.fields)
        async with self._one:
            ticket = await self._importing(len(customers))
            outcome = await asyncio.to_thread(self._importer.store, customers, ticket)
        return {"stored": len(customers), "with_phone": outcome.with_phone}

    async def import_each(self, batch: Any, twins: str, dry_run: bool) -> dict[str, Any]:
        """Store what is right, say what is not: `storing.Outcome` as data, places counted from 0.

        Raises ConfigError (no list of 1 to 1,000 customers, an unknown word), Unavailable, LedgerUnavailable.
        """
        word = _twins(twins)
        reading = await asyncio.to_thread(read_each, batch, self._controllers(), self._records.fields)
        outcome = await self._perform(reading, word, dry_run) if reading.customers else Outcome()
        return _as_answer(reading, outcome)

    async def sync(self, batch: Any, gone: Sequence[str]) -> dict[str, Any]:
        """What the shop's connector brings: customers of the shop's own controller, under the shop's own keys.

        It is not believed to know a customer by a number: an account that somebody opens with another's number would
        take the other's record over. gone: references of orders that the shop has no more. Raises as `import_each`.
        """
        if len(gone) > MAX_BATCH:
            raise ConfigError(f"shop: at most {MAX_BATCH} references at once")
        reading = await asyncio.to_thread(self._read_shops, batch) if batch or not gone else Reading((), ())
        customers = [customer for _, customer in reading.customers]
        async with self._one:
            ticket = await self._journal.first(
                Kind.RECORDS_IMPORTED, "shop", "sync", customers=len(customers), gone=len(gone)
            )
            outcome = await asyncio.to_thread(self._importer.store, customers, ticket, Twins.KEEP, True)
            marked = await asyncio.to_thread(self._importer.mark_gone, self._shop, gone, GONE, ticket)
        return {**_as_answer(reading, outcome), "gone": marked}

    def _read_shops(self, batch: Any) -> Reading:
        reading = read_each(batch, {self._shop}, self._records.fields)
        right = tuple(each for each in reading.customers if each[1].key.startswith(SHOP_KEYS))
        wrong = tuple(
            (place, ": key: not one of the shop's") for place, each in reading.customers if (place, each) not in right
        )
        return Reading(right, reading.rejected + wrong)

    async def _perform(self, reading: Reading, twins: Twins, dry_run: bool) -> Outcome:
        customers = [customer for _, customer in reading.customers]
        work = self._importer.compare if dry_run else self._importer.store
        async with self._one:
            ticket = await (self._comparing(len(customers)) if dry_run else self._importing(len(customers)))
            return await asyncio.to_thread(work, customers, ticket, twins)

    async def _importing(self, customers: int) -> Ticket:
        return await self._journal.first(Kind.RECORDS_IMPORTED, "admin", "import", customers=customers)

    async def _comparing(self, customers: int) -> Ticket:
        return await self._journal.first(Kind.RECORDS_COMPARED, "admin", "import", customers=customers)


def customers_of(
    config: Config, journal: Journal, keyring: Keyring, index: BlindIndex, records: Records, country: str
) -> Customers:
    """The part, over the stores in force. `country`: by whose rules the shop writes numbers, ISO 3166."""
    stores = StoresInForce(config)
    importer = Importer(keyring, index, records, country)
    return Customers(journal, importer, records, lambda: {store.controller for store in stores}, config.shop.controller)


def _twins(word: str) -> Twins:
    try:
        return Twins(word)
    except ValueError:
        raise ConfigError(f"import: duplicates: one of {', '.join(Twins)}") from None


def _as_answer(reading: Reading, outcome: Outcome) -> dict[str, Any]:
    places = [place - 1 for place, _ in reading.customers]
    rejected = [[place - 1, reason] for place, reason in reading.rejected]
    rejected += [[places[place], reason] for place, reason in outcome.rejected]
    return {
        "new": outcome.new,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "with_phone": outcome.with_phone,
        "duplicates": [places[place] for place in outcome.twins],
        "rejected": sorted(rejected),
    }
