"""Customers from a shop system, in batches. Every step may be run again: known keys and order references are updated.

One customer:

    {"key": "C-1001", "controller": "brand", "fields": {"contact.name": "…", "contact.phone": "…"},
     "orders": [{"order.reference": "…", "order.status": "…", "order.items": "…", "order.total": "…"}]}

Oldest order first: the last one is the latest. Errors name the place, never the value. What stands on record already
is not written again. `storing.py` seals and indexes what is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from quietline.errors import ConfigError
from quietline.sealed import Sealed
from quietline.vault.blind_index import ORDER
from quietline.vault.card import holds_card_number
from quietline.vault.records import CUSTOMER, kind_of
from quietline.vault.schema import FIELDS, FieldSpec

MAX_BATCH = 1_000  # customers
MAX_ORDERS = 1_000  # of one customer
MAX_VALUE = 2_000  # characters
PLACED = "order.placed"
EPOCH = date(1970, 1, 1).toordinal()
Known = Mapping[str, FieldSpec]


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """One customer, checked."""

    key: str = field(repr=False)
    controller: str
    fields: dict[str, Sealed[str]] = field(repr=False)
    orders: tuple[dict[str, Sealed[str]], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch, read: the right customers and the wrong ones' reasons, each with its place, counted from 1."""

    customers: tuple[tuple[int, NewCustomer], ...]
    rejected: tuple[tuple[int, str], ...]


def read_batch(batch: Any, controllers: set[str], known: Known = FIELDS) -> list[NewCustomer]:
    """The customers, every one of them right. Raises ConfigError naming customer and field, counted from 1."""
    reading = read_each(batch, controllers, known)
    for place, reason in reading.rejected:
        raise ConfigError(f"import: customer {place}{reason}")
    return [customer for _, customer in reading.customers]


def read_each(batch: Any, controllers: set[str], known: Known = FIELDS) -> Reading:
    """The right ones, and why the others are not. Raises ConfigError where there is no list of customers at all."""
    if not isinstance(batch, list) or not 0 < len(batch) <= MAX_BATCH:
        raise ConfigError(f"import: give a list of 1 to {MAX_BATCH} customers")
    right: list[tuple[int, NewCustomer]] = []
    wrong: list[tuple[int, str]] = []
    keys: set[tuple[str, str]] = set()
    for place, item in enumerate(batch, 1):
        try:
            customer = _customer(item, controllers, known)
            if (customer.controller, customer.key) in keys:
                raise ConfigError(": the same key stands twice in one batch; give each customer once")
        except ConfigError as error:
            wrong.append((place, str(error)))
        else:
            keys.add((customer.controller, customer.key))
            right.append((place, customer))
    return Reading(tuple(right), tuple(wrong))


def day_of(text: str) -> int:
    """UTC days since 1970 of "2026-11-24" or "2026-11-24T09:30:00". Raises ValueError."""
    day = date.fromisoformat(text.strip()[:10]).toordinal() - EPOCH
    if day <= 0:
        raise ValueError("before 1970-01-02")
    return day


def _customer(item: Any, controllers: set[str], known: Known) -> NewCustomer:
    if not isinstance(item, dict) or set(item) - {"key", "controller", "fields", "orders"}:
        raise ConfigError(": give key, controller, fields and orders, and nothing else")
    key, controller, orders = item.get("key"), item.get("controller", "brand"), item.get("orders", [])
    if not isinstance(key, str) or not 0 < len(key.strip()) <= MAX_VALUE:
        raise ConfigError(": key: give the shop system's own key of this customer")
    if controller not in controllers:
        raise ConfigError(": controller: no store in the configuration has this one")
    if not isinstance(orders, list) or len(orders) > MAX_ORDERS:
        raise ConfigError(f": orders: give a list of at most {MAX_ORDERS}")
    fields = _fields(item.get("fields", {}), "", CUSTOMER, known)
    checked = tuple(_order(order, f", order {place}", known) for place, order in enumerate(orders, 1))
    return NewCustomer(key.strip(), controller, fields, checked)


def _order(order: Any, where: str, known: Known) -> dict[str, Sealed[str]]:
    fields = _fields(order, where, "order", known)
    if ORDER not in fields:
        raise ConfigError(f"{where}: every order needs an {ORDER}")
    if PLACED in fields:
        try:
            day_of(order[PLACED])
        except ValueError:
            raise ConfigError(f"{where}: {PLACED}: want a date such as 2026-11-24") from None
    return fields


def _fields(values: Any, where: str, kind: str, known: Known) -> dict[str, Sealed[str]]:
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: give fields as an object of names and texts")
    for name, value in values.items():
        if name not in known or kind_of(name) != kind:
            names = ", ".join(each for each in known if kind_of(each) == kind)
            raise ConfigError(f"{where}: an unknown field; known here: {names}")
        if not isinstance(value, str) or len(value) > MAX_VALUE:
            raise ConfigError(f"{where}: {name}: give a text of at most {MAX_VALUE} characters")
        if known[name].free_text and holds_card_number(value):
            raise ConfigError(f"{where}: {name}: holds a payment card number; take it out, it is never stored")
    return {name: Sealed(value) for name, value in values.items() if value.strip()}
