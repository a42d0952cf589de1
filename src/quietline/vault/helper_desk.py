"""Naming a helper, and ending one, at a customer's word: for privacy officers and supervisors, in their own name.

The customer has been identified beforehand, as for any request of theirs. The helper's number goes to no page and no
list again: who looks sees which reasons, until when.
"""

from __future__ import annotations

import asyncio
from typing import Any

from quietline.access.decide import Principal, Role
from quietline.access.helpers import Helper, check_terms
from quietline.errors import ConfigError, Denied
from quietline.ledger.vocabulary import Kind
from quietline.reasons import Why, denied
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.vault.blind_index import EMAIL, LOYALTY, ORDER, PHONE, BlindIndex, normalise, normalise_phone
from quietline.vault.helpers import Helpers
from quietline.vault.journal import Journal
from quietline.vault.records import new_token

MAY = frozenset({Role.PRIVACY_OFFICER, Role.SUPERVISOR})
FOUND_BY = (ORDER, LOYALTY, EMAIL, PHONE)


class HelperDesk:
    """`country`: by whose rules national numbers are read, ISO 3166."""

    def __init__(self, journal: Journal, index: BlindIndex, helpers: Helpers, country: str) -> None:
        self._journal, self._index, self._helpers, self._country = journal, index, helpers, country

    async def name(
        self,
        who: Principal,
        found: tuple[str, str, Sealed[str]],
        number: Sealed[str],
        reasons: tuple[str, ...],
        until: float,
    ) -> dict[str, Any]:
        """A helper's view. `found`: data controller, field and value by which the customer is found.

        Raises Denied("role-may-not" | "other-store" | "nobody-found"), ConfigError.
        """
        customer, now = await self._customer(who, found), self._journal.now()
        check_terms(reasons, until, now, len(self._helpers.of_customer(customer)))
        plain = normalise_phone(number.open(Ticket(who.agent, "helper", SIGNALLING)), self._country)
        if plain is None:
            raise ConfigError("number: a telephone number that can be dialled, such as +44 20 7946 0123")
        mark = await asyncio.to_thread(self._index.token, found[0], PHONE, plain)
        helper = Helper(new_token("he"), customer, plain, mark.hex(), reasons, until, now)
        await self._note(who, helper, "named")
        await self._helpers.put(helper)
        return _view(helper)

    async def listed(self, who: Principal, found: tuple[str, str, Sealed[str]]) -> list[dict[str, Any]]:
        """A customer's helpers. Raises as `name`."""
        return [_view(each) for each in self._helpers.of_customer(await self._customer(who, found))]

    async def end(self, who: Principal, helper: str) -> None:
        """From now on this helper is a caller like any other. Raises Denied("role-may-not" | "unknown-helper")."""
        self._require(who)
        known = self._helpers.get(helper)
        if known is None:
            raise Denied("unknown-helper", "There is no such helper: ended, or their time was over.")
        await self._note(who, known, "ended")
        await self._helpers.drop(helper)

    async def _note(self, who: Principal, helper: Helper, change: str) -> None:
        words = {"helper": helper.id, "reasons": " ".join(helper.reasons), "change": change, "agent": who.agent}
        await self._journal.receipt(Kind.HELPER_CHANGED, helper.customer, until=helper.until, **words)

    async def _customer(self, who: Principal, found: tuple[str, str, Sealed[str]]) -> str:
        self._require(who)
        controller, name, value = found
        if controller not in who.controllers:
            raise denied(Why.OTHER_STORE)
        if name not in FOUND_BY:
            raise ConfigError(f"found by: one of {', '.join(FOUND_BY)}")
        plain = normalise(name, value.open(Ticket(who.agent, "helper", SIGNALLING)), self._country)
        customer = await asyncio.to_thread(self._index.find, controller, name, plain) if plain else ""
        if not customer:
            raise Denied("nobody-found", "Nobody, or more than one, is found by this. Ask for another identifier.")
        return customer

    @staticmethod
    def _require(who: Principal) -> None:
        if who.role not in MAY:
            raise denied(Why.ROLE_MAY_NOT)


def _view(helper: Helper) -> dict[str, Any]:
    return {"helper": helper.id, "reasons": list(helper.reasons), "until": helper.until}
