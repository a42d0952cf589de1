"""Seals and indexes customers that `importing.py` has read; says which were new, changed, unchanged or twins of others.

An import writes keys, then the way from the shop's key to the customer, then values, then the other index rows. A crash
between them leaves keys nobody uses or a customer nobody finds, and the same batch run again completes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.blind_index import (
    CUSTOMER_KEY,
    EMAIL,
    LOYALTY,
    ORDER,
    ORDER_RECORD,
    PHONE,
    BlindIndex,
    IndexRow,
    normalise,
)
from quietline.vault.bodies import body_owner
from quietline.vault.importing import PLACED, NewCustomer, day_of
from quietline.vault.keys import Keyring, Owner
from quietline.vault.records import CUSTOMER, NewRecord, Records, new_token
from quietline.vault.records import ORDER as ORDER_KIND

STATUS = "order.status"
_READ = Ticket("vault", "import", SIGNALLING)


class Twins(StrEnum):
    """What becomes of a row whose key is new, but whose number, address or order is a known customer's."""

    KEEP = "keep"  # a customer of its own; a number that two share identifies neither
    SKIP = "skip"  # not stored
    MERGE = "merge"  # the known customer, who from then on has both keys


class State(StrEnum):
    """How one customer of a batch stands against what is on record."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did or, dry, would do. Places are positions in the batch, counted from 0."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    with_phone: int = 0  # whom a call can match
    twins: tuple[int, ...] = ()  # places whose number, address or order another customer has too
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class _Plan:
    """One customer, looked up: whose token, which records to write."""

    customer: NewCustomer = field(repr=False)
    token: str
    state: State
    by_key: bool  # the shop's key leads here already
    twin: str = ""  # the field that another customer has too
    why: str = ""
    indexed: dict[str, str | None] = field(default_factory=dict, repr=False)  # field -> normalised
    records: list[NewRecord] = field(default_factory=list)


class Importer:
    """Methods block."""

    def __init__(self, keyring: Keyring, index: BlindIndex, records: Records, country: str) -> None:
        self._keyring, self._index, self._records, self._country = keyring, index, records, country
        own = (spec.name for spec in records.fields.values() if spec.indexed and spec.name.startswith("custom."))
        self._found_by = (PHONE, EMAIL, LOYALTY, *own)

    def compare(self, customers: Sequence[NewCustomer], ticket: Ticket, twins: Twins = Twins.KEEP) -> Outcome:
        """What `store` would do; nothing is written."""
        return _outcome(self._plans(customers, ticket, twins))

    def store(
        self, customers: Sequence[NewCustomer], ticket: Ticket, twins: Twins = Twins.KEEP, newest_only: bool = False
    ) -> Outcome:
        """Seal and index them. Durable on return.

        newest_only: beside an order older than one on record, how to reach the customer is not taken from it.
        """
        current = [self._without_old_contacts(each) for each in customers] if newest_only else customers
        plans = self._plans(current, ticket, twins)
        work = [plan for plan in plans if plan.state in (State.NEW, State.CHANGED)]
        if work:
            self._write(work, ticket)
        return _outcome(plans)

    def mark_gone(self, controller: str, references: Sequence[str], status: str, ticket: Ticket) -> int:
        """Say of these orders that the shop has them no more; their values stay (GDPR 17(3)(b)). How many we had."""
        found = [
            NewRecord(controller, self._records.customer_of(record), ORDER_KIND, {STATUS: Sealed(status)}, record)
            for reference in references
            if (normal := normalise(ORDER, reference))
            for record in self._index.every(controller, ORDER_RECORD, normal)
        ]
        present = [each for each in found if each.customer]
        self._records.add(present, ticket)
        return len(present)

    def _without_old_contacts(self, customer: NewCustomer) -> NewCustomer:
        days = [day_of(order[PLACED].open(_READ)) for order in customer.orders if PLACED in order]
        token = self._index.find(customer.controller, CUSTOMER_KEY, customer.key) if days else ""
        known = [each.day for each in self._records.every(token) if each.kind == ORDER_KIND] if token else []
        return replace(customer, fields={}) if known and max(known) > max(days) else customer

    def _write(self, work: list[_Plan], ticket: Ticket) -> None:
        fresh = frozenset(plan.token for plan in work if plan.state is State.NEW)
        self._keyring.make(*(owner for plan in work for owner in self._owners(plan)), fresh=fresh)
        # Crash here: keys that nothing uses.
        unknown = [plan for plan in work if not plan.by_key]
        keys = [IndexRow(plan.customer.controller, plan.token, CUSTOMER_KEY, plan.customer.key) for plan in unknown]
        self._index.write((), keys)
        # Crash here: a customer with nothing yet, whom the next run finds by the key and completes.
        records = [record for plan in work for record in plan.records]
        ids = self._records.add(records, ticket)
        # Crash here: values whom no caller matches yet; the next run sees them as unchanged unless it looks again.
        references = [row for record, made in zip(records, ids, strict=True) for row in self._order_rows(record, made)]
        own = [row for plan in work if plan.token not in fresh for row in _own_rows(plan)]
        first = [row for plan in work if plan.token in fresh for row in _own_rows(plan)]
        gone = [(plan.token, name) for plan in work for name, normal in plan.indexed.items() if normal is None]
        self._index.write(own, [*first, *references], gone)

    # -- looking up

    def _plans(self, customers: Sequence[NewCustomer], ticket: Ticket, twins: Twins) -> list[_Plan]:
        fresh: dict[tuple[str, str, str], str] = {}  # (controller, field, normalised) -> token, of this batch
        return [self._plan(customer, fresh, ticket, twins) for customer in customers]

    def _plan(
        self, customer: NewCustomer, fresh: dict[tuple[str, str, str], str], ticket: Ticket, twins: Twins
    ) -> _Plan:
        token = self._index.find(customer.controller, CUSTOMER_KEY, customer.key)
        plan = _Plan(customer, token, State.CHANGED, bool(token), indexed=self._indexed(customer))
        if not token:
            self._look_for_twins(plan, fresh, twins)
        if plan.state is not State.SKIPPED:
            self._look_for_changes(plan, ticket)
            fresh.update({(customer.controller, *each): plan.token for each in _values(plan)})
        return plan

    def _indexed(self, customer: NewCustomer) -> dict[str, str | None]:
        given = customer.fields
        return {
            name: normalise(name, given[name].open(_READ), self._country) for name in self._found_by if name in given
        }

    def _look_for_twins(self, plan: _Plan, fresh: dict[tuple[str, str, str], str], twins: Twins) -> None:
        controller, found = plan.customer.controller, {}
        for name, normal in _values(plan):
            here = fresh.get((controller, name, normal))
            found.update(
                dict.fromkeys(self._index.every(controller, name, normal), name) | ({here: name} if here else {})
            )
        plan.twin = next(iter(found.values()), "")
        merged = next(iter(found)) if twins is Twins.MERGE and len(found) == 1 else ""
        plan.token, plan.state = merged or new_token("cu"), State.CHANGED if merged else State.NEW
        if found and twins is not Twins.KEEP and not merged:
            several = "it fits several customers" if len(found) > 1 else "another customer has it"
            plan.state, plan.why = State.SKIPPED, f": {plan.twin}: {several}; not stored"

    def _look_for_changes(self, plan: _Plan, ticket: Ticket) -> None:
        customer, first = plan.customer, plan.state is State.NEW
        own = "" if first else self._records.latest(plan.token, CUSTOMER)
        whole = NewRecord(customer.controller, plan.token, CUSTOMER, customer.fields, own, first=first)
        orders = [self._order(plan, order) for order in customer.orders]
        wanted = [whole, *orders]
        plan.records = [each for each in wanted if not each.record or self._records.differs(each, each.record, ticket)]
        if not plan.records and plan.by_key and self._is_findable(plan):
            plan.state = State.UNCHANGED

    def _is_findable(self, plan: _Plan) -> bool:
        """Whether every index row of this customer is there: a crash may have come before they were written."""
        return all(plan.token in self._index.every(plan.customer.controller, *each) for each in _values(plan))

    def _order(self, plan: _Plan, order: dict[str, Sealed[str]]) -> NewRecord:
        reference = normalise(ORDER, order[ORDER].open(_READ))
        controller = plan.customer.controller
        found = (
            self._index.every(controller, ORDER_RECORD, reference) if reference and plan.state is not State.NEW else []
        )
        record = next((each for each in found if self._records.customer_of(each) == plan.token), "")
        day = day_of(order[PLACED].open(_READ)) if PLACED in order else 0
        return NewRecord(controller, plan.token, ORDER_KIND, order, record, day)

    # -- rows

    def _owners(self, plan: _Plan) -> Iterator[Owner]:
        names = {name for record in plan.records for name in record.fields}
        for data_class in {self._records.fields[name].data_class for name in names}:
            yield Owner(plan.customer.controller, plan.token, data_class)
        if plan.state is State.NEW:
            yield body_owner(plan.token)

    def _order_rows(self, record: NewRecord, made: str) -> Iterator[IndexRow]:
        reference = normalise(ORDER, record.fields[ORDER].open(_READ)) if ORDER in record.fields else None
        if reference:
            yield IndexRow(record.controller, record.customer, ORDER, reference)
            yield IndexRow(record.controller, made, ORDER_RECORD, reference)


def _own_rows(plan: _Plan) -> Iterator[IndexRow]:
    for name, normal in plan.indexed.items():
        if normal:
            yield IndexRow(plan.customer.controller, plan.token, name, normal)


def _values(plan: _Plan) -> Iterator[tuple[str, str]]:
    """By what this customer is found: fields and orders."""
    for name, normal in plan.indexed.items():
        if normal:
            yield name, normal
    for order in plan.customer.orders:
        reference = normalise(ORDER, order[ORDER].open(_READ))
        if reference:
            yield ORDER, reference


def _outcome(plans: list[_Plan]) -> Outcome:
    states = Counter(plan.state for plan in plans)
    return Outcome(
        states[State.NEW],
        states[State.CHANGED],
        states[State.UNCHANGED],
        sum(plan.indexed.get(PHONE) is not None for plan in plans if plan.state is not State.SKIPPED),
        tuple(place for place, plan in enumerate(plans) if plan.twin),
        tuple((place, plan.why) for place, plan in enumerate(plans) if plan.state is State.SKIPPED),
    )
