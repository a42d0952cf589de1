"""Who looked: an agent's own looks, and a company's log of looks at its customers. Read from the ledger, newest first.

Nothing of a customer is told but that there was one. A question reads so many entries back and no more, and says from
when on its answer holds; questions are answered one at a time, for they keep the vault busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from quietline.access.decide import HUBS, Principal, Role
from quietline.chain.in_force import StoresInForce
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.rights.ledger_reader import LedgerReader, Placed
from quietline.vault.journal import Journal

MOST_ENTRIES: Final = 20_000  # read for one question
MOST_ROWS: Final = 500
OWN: Final = frozenset({Kind.LOOK_ALLOWED, Kind.LOOK_REFUSED, Kind.LOOK_MISTAKEN})
ALERTS: Final = frozenset(
    {
        Kind.CANARY_TOUCHED,
        Kind.CEILING_REACHED,
        Kind.GLASS_ASKED,
        Kind.GLASS_MOVED,
        Kind.GLASS_OVERDUE,
        Kind.TAMPER_FOUND,
    }
)
LOGS: Final = frozenset({Role.STORE_MANAGER, Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.AUDITOR})
ALERTED: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
Row = dict[str, Any]


class LookBook:
    """Lives on the event loop; reads in a thread."""

    def __init__(self, journal: Journal, reader: LedgerReader, stores: StoresInForce) -> None:
        self._journal, self._reader, self._stores = journal, reader, stores
        self._one = asyncio.Lock()

    async def mine(self, who: Principal, since: float) -> Row:
        """One's own looks, refusals and mistakes since then (UTC seconds): {"from", "rows"}."""
        return await self._rows(since, lambda entry: _mine(entry, who.agent))

    async def of_store(self, who: Principal, store: str, since: float) -> Row:
        """Looks at the customers of this store's company, by whomever; outsiders are marked. Raises Denied."""
        known = {each.id: each.controller for each in self._stores}
        controller = known.get(store, "")
        if who.role not in LOGS or controller not in who.controllers or not controller:
            raise denied(Why.OTHER_STORE if who.role in LOGS else Why.ROLE_MAY_NOT)
        return await self._rows(since, lambda entry: _of(entry, controller, known))

    async def alerts(self, who: Principal, since: float) -> Row:
        """What was told, for a privacy officer."""
        if who.role not in ALERTED:
            raise denied(Why.ROLE_MAY_NOT)
        return await self._rows(since, _alert)

    async def _rows(self, since: float, row_of: Callable[[Entry], Row | None]) -> Row:
        async with self._one:
            return await asyncio.to_thread(collect, self._reader.back(), since, row_of)


def collect(entries: Iterator[Placed], since: float, row_of: Callable[[Entry], Row | None]) -> Row:
    """Rows of entries given newest first, down to `since`. `from`: from when on nothing is left out, UTC seconds."""
    rows: list[Row] = []
    for read, placed in enumerate(entries, 1):
        if placed.entry.at < since:
            break
        if row := row_of(placed.entry):
            rows.append({"at": placed.entry.at, "entry": placed.index, **row})
        if read >= MOST_ENTRIES or len(rows) >= MOST_ROWS:
            return {"from": placed.entry.at, "rows": rows}
    return {"from": since, "rows": rows}


def _mine(entry: Entry, agent: str) -> Row | None:
    fields = entry.fields or {}
    if entry.kind not in OWN or fields.get("agent") != agent:
        return None
    what = {Kind.LOOK_ALLOWED: "shown", Kind.LOOK_REFUSED: "refused", Kind.LOOK_MISTAKEN: "mistake"}[entry.kind]
    names = ("action", "field", "reason", "why", "grant")
    return {"what": what, **{name: str(fields.get(name, "")) for name in names}}


def _of(entry: Entry, controller: str, stores: dict[str, str]) -> Row | None:
    fields = entry.fields or {}
    if entry.kind is not Kind.LOOK_ALLOWED or fields.get("controller") != controller:
        return None
    by = str(fields.get("store", ""))
    from_outside = by in HUBS or stores.get(by) != controller
    names = ("role", "store", "action", "field", "reason", "agent")
    return {**{name: str(fields.get(name, "")) for name in names}, "outside": from_outside}


def _alert(entry: Entry) -> Row | None:
    if entry.kind not in ALERTS:
        return None
    fields = entry.fields or {}
    names = ("agent", "how", "glass", "store", "change", "why", "part")
    return {"kind": entry.kind.value, **{name: str(fields[name]) for name in names if fields.get(name)}}
