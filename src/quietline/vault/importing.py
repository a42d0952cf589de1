"""Customers from a shop system, in batches. Every step may be run again: known keys and order references are updated.

One customer:

    {"key": "C-1001", "controller": "brand", "fields": {"contact.name": "…", "contact.phone": "…"},
     "orders": [{"order.reference": "…", "order.status": "…", "order.items": "…", "order.total": "…"}]}

Oldest order first: the last one is the latest. Errors name the place, never the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from quietline.errors import ConfigError
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.blind_index import (
    CUSTOMER_KEY,
    EMAIL,
    ORDER,
    ORDER_RECORD,
    PHONE,
    BlindIndex,
    IndexRow,
    normalise,
)
from quietline.vault.bodies import body_owner
from quietline.vault.keys import Keyring
from quietline.vault.records import CUSTOMER, NewRecord, Records, kind_of, new_token, owners_of
from quietline.vault.schema import FIELDS

MAX_BATCH = 1_000  # customers
MAX_ORDERS = 1_000  # of one customer
MAX_VALUE = 2_000  # characters
_READ = Ticket("vault", "import", SIGNALLING)


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """One customer, checked."""

    key: str = field(repr=False)
    controller: str
    fields: dict[str, Sealed[str]] = field(repr=False)
    orders: tuple[dict[str, Sealed[str]], ...] = field(repr=False)


def read_batch(batch: Any, controllers: set[str]) -> list[NewCustomer]:
    """The customers, every one of them right. Raises ConfigError naming customer and field, counted from 1."""
    if not isinstance(batch, list) or not 0 < len(batch) <= MAX_BATCH:
        raise ConfigError(f"import: give a list of 1 to {MAX_BATCH} customers")
    customers = [_customer(item, f"customer {place}", controllers) for place, item in enumerate(batch, 1)]
    keys = [(each.controller, each.key) for each in customers]
    if len(set(keys)) != len(keys):
        raise ConfigError("import: the same key stands twice in one batch; give each customer once")
    return customers


def _customer(item: Any, where: str, controllers: set[str]) -> NewCustomer:
    if not isinstance(item, dict) or set(item) - {"key", "controller", "fields", "orders"}:
        raise ConfigError(f"import: {where}: give key, controller, fields and orders, and nothing else")
    key, controller, orders = item.get("key"), item.get("controller", "brand"), item.get("orders", [])
    if not isinstance(key, str) or not 0 < len(key.strip()) <= MAX_VALUE:
        raise ConfigError(f"import: {where}: key: give the shop system's own key of this customer")
    if controller not in controllers:
        raise ConfigError(f"import: {where}: controller: no store in the configuration has this one")
    if not isinstance(orders, list) or len(orders) > MAX_ORDERS:
        raise ConfigError(f"import: {where}: orders: give a list of at most {MAX_ORDERS}")
    fields = _fields(item.get("fields", {}), where, CUSTOMER)
    checked = tuple(_fields(order, f"{where}, order {place}", "order") for place, order in enumerate(orders, 1))
    if any(ORDER not in order for order in checked):
        raise ConfigError(f"import: {where}: every order needs an {ORDER}")
    return NewCustomer(key.strip(), controller, fields, checked)


def _fields(values: Any, where: str, kind: str) -> dict[str, Sealed[str]]:
    if not isinstance(values, dict):
        raise ConfigError(f"import: {where}: give fields as an object of names and texts")
    for name, value in values.items():
        if name not in FIELDS or kind_of(name) != kind:
            known = ", ".join(each for each in FIELDS if kind_of(each) == kind)
            raise ConfigError(f"import: {where}: an unknown field; known here: {known}")
        if not isinstance(value, str) or len(value) > MAX_VALUE:
            raise ConfigError(f"import: {where}: {name}: give a text of at most {MAX_VALUE} characters")
    return {name: Sealed(value) for name, value in values.items() if value.strip()}


class Importer:
    """Methods block."""

    def __init__(self, keyring: Keyring, index: BlindIndex, records: Records, country: str) -> None:
        self._keyring, self._index, self._records, self._country = keyring, index, records, country

    def store(self, customers: list[NewCustomer], ticket: Ticket) -> int:
        """Seal and index them; how many have a phone number that a call can match. Durable on return."""
        tokens = [self._index.find(each.controller, CUSTOMER_KEY, each.key) or new_token("cu") for each in customers]
        pairs = list(zip(tokens, customers, strict=True))
        self._keyring.make(*(owner for token, each in pairs for owner in _owners(token, each)))
        # Crash here: keys that nothing uses.
        self._index.write([IndexRow(each.controller, token, CUSTOMER_KEY, each.key) for token, each in pairs])
        # Crash here: a customer with nothing yet, whom the next run finds by the key and completes.
        orders = [(token, each, order) for token, each in pairs for order in each.orders]
        found = [self._order_record(each.controller, order) for _, each, order in orders]
        records = [NewRecord(each.controller, token, CUSTOMER, each.fields) for token, each in pairs]
        for (token, each, order), record in zip(orders, found, strict=True):
            records.append(NewRecord(each.controller, token, "order", order, record))
        ids = self._records.add(records, ticket)[len(pairs) :]
        # Crash here: values whom no caller matches yet; the next run updates them. An order may then stand twice.
        own = [row for token, each in pairs for row in self._own_rows(token, each)]
        references = [row for line, made in zip(orders, ids, strict=True) for row in self._order_rows(line, made)]
        self._index.write(own, references)
        return sum(row.field == PHONE for row in own)

    def _order_record(self, controller: str, order: dict[str, Sealed[str]]) -> str:
        reference = normalise(ORDER, order[ORDER].open(_READ))
        return self._index.find(controller, ORDER_RECORD, reference) if reference else ""

    def _own_rows(self, token: str, customer: NewCustomer) -> Iterator[IndexRow]:
        for name in (PHONE, EMAIL):
            value = customer.fields.get(name)
            normal = normalise(name, value.open(_READ), self._country) if value else None
            if normal:
                yield IndexRow(customer.controller, token, name, normal)

    def _order_rows(self, line: tuple[str, NewCustomer, dict[str, Sealed[str]]], record: str) -> Iterator[IndexRow]:
        token, customer, order = line
        reference = normalise(ORDER, order[ORDER].open(_READ))
        if reference:
            yield IndexRow(customer.controller, token, ORDER, reference)
            yield IndexRow(customer.controller, record, ORDER_RECORD, reference)


def _owners(token: str, customer: NewCustomer) -> Iterator[Any]:
    yield from owners_of(customer.controller, token)
    yield body_owner(token)
