"""Rows become customers, and customers batches, each with where the file is behind it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from quietline.customers.mapping import ColumnMap, Source
from quietline.customers.rows import Row, Rows, cell_of

BATCH = 500  # customers; the vault's limit is 1,000
MAX_BATCH_BYTES = 2 * 1024 * 1024  # of values; a frame to the vault holds 4 MiB
_EXCEL_TEXT = re.compile(r'="([^"]*)"')  # how spreadsheets keep a number's leading zeros
# OWASP, CSV Injection. + and - begin telephone numbers too; before a function, or a command after | or !, a formula.
_FORMULA = re.compile(r"[=@\t\r]|[+-].*[A-Za-z].*[|!]|[+-]\s*[A-Za-z@]\w*\(")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(slots=True)
class Batch:
    """Customers as the vault's importer reads them. `lines`: where each one's rows begin. `after`: to go on from."""

    customers: list[dict[str, Any]] = field(default_factory=list, repr=False)
    lines: list[list[int]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    rows: int = 0
    after: tuple[int, int] = (0, 0)


def batches(rows: Rows, mapping: ColumnMap, start: tuple[int, int] | None = None, size: int = BATCH) -> Iterator[Batch]:
    """Every row from `start` on. Rows of one key become one customer where they are in one batch.

    A batch ends only where another key begins, so that a customer whose rows follow each other is whole.
    """
    batch, places, weight = Batch(), dict[tuple[str, str], int](), 0
    for row in rows.read(start):
        customer, problem = ({}, row.problem) if row.problem else _customer(row, mapping)
        whose = (str(customer.get("controller")), str(customer.get("key")))
        full = len(batch.customers) >= size or weight > MAX_BATCH_BYTES
        if full and not (places and whose == next(reversed(places))):
            yield batch
            batch, places, weight = Batch(), {}, 0
        if problem:
            batch.rejected.append((row.line, problem))
        else:
            _put(batch, places, whose, customer, row.line)
        weight += _weight(customer)
        batch.rows, batch.after = batch.rows + 1, row.after
    if batch.rows:
        yield batch


def _put(
    batch: Batch, places: dict[tuple[str, str], int], whose: tuple[str, str], customer: dict[str, Any], line: int
) -> None:
    if whose in places:
        place = places[whose]
        batch.customers[place]["fields"].update(customer["fields"])
        batch.customers[place]["orders"] += customer["orders"]
        batch.lines[place].append(line)
        return
    places[whose] = len(batch.customers)
    batch.customers.append(customer)
    batch.lines.append([line])


def _weight(customer: dict[str, Any]) -> int:
    texts = [customer.get("fields", {}), *customer.get("orders", [])]
    return 64 + sum(len(value) + 32 for each in texts for value in each.values())


def _customer(row: Row, mapping: ColumnMap) -> tuple[dict[str, Any], str]:
    """The customer, or the reason why this row is none. Reasons name fields, never values."""
    try:
        key = clean("key", cell_of(row.value, mapping.key))
        if not key:
            raise ValueError(f"the key (`{mapping.key}`) is empty")
        controller = cell_of(row.value, mapping.controller_column).strip() if mapping.controller_column else ""
        fields = _fields(mapping.fields, row.value)
        orders = [made for order in _orders(row.value, mapping) if (made := _fields(mapping.order, order))]
    except ValueError as error:
        return {}, str(error)
    return {
        "key": mapping.key_prefix + key,
        "controller": controller or mapping.controller,
        "fields": fields,
        "orders": orders,
    }, ""


def _orders(value: dict[str, Any], mapping: ColumnMap) -> list[dict[str, Any]]:
    if not mapping.order:
        return []
    if not mapping.orders:
        return [value]
    found = value.get(mapping.orders, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"`{mapping.orders}` is no list of orders")
    return found


def _fields(sources: tuple[Source, ...], value: dict[str, Any]) -> dict[str, str]:
    made = {source.name: clean(source.name, source.value(lambda path: cell_of(value, path))) for source in sources}
    return {name: text for name, text in made.items() if text}


def clean(name: str, text: str) -> str:
    """The value as it is kept: ="0123" unwrapped, spaces around it off. Raises ValueError with the reason."""
    text = text.strip(" \n")
    wrapped = _EXCEL_TEXT.fullmatch(text)
    text = (wrapped[1] if wrapped else text).strip(" \n")
    if _FORMULA.match(text):
        raise ValueError(f"{name}: begins like a spreadsheet's formula; take the first character away")
    if _CONTROL.search(text):
        raise ValueError(f"{name}: holds a control character; take it out")
    return text
