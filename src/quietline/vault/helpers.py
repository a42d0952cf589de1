"""The helpers that customers have named (access/helpers.py), sealed in `records.db` as `helper/<id>`.

All are in memory, by the number's blind-index token: the match is asked while a caller waits. `forget` is part of
erasing a customer, and `expire` drops what ran out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from quietline.access.helpers import Helper, from_row
from quietline.vault.remembered import Remembered

PREFIX = "helper"


class Helpers:
    """Lives on the event loop. `restore` first."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._helpers: dict[str, Helper] = {}
        self._marks: dict[str, list[str]] = {}  # by mark

    def restore(self, saved: Iterable[tuple[str, dict[str, str]]]) -> None:
        """Take up those of an earlier life. Raises KeyError or ValueError on what is no helper."""
        for name, row in saved:
            self._keep(from_row(name, row))

    def of_mark(self, mark: str, now: float) -> list[Helper]:
        """Whom this number may call for now. `mark`: its index token in hex, "" for no number."""
        return [self._helpers[each] for each in self._marks.get(mark, ()) if self._helpers[each].current(now)]

    def between(self, mark: str, customer: str, now: float) -> Helper | None:
        """This number's word for this customer, None for none."""
        return next((each for each in self.of_mark(mark, now) if each.customer == customer), None)

    def of_customer(self, customer: str) -> list[Helper]:
        return [each for each in self._helpers.values() if each.customer == customer]

    async def put(self, helper: Helper) -> None:
        """Durable on return."""
        await asyncio.to_thread(self._remembered.put, f"{PREFIX}/{helper.id}", helper.as_row())
        self._keep(helper)

    def get(self, helper: str) -> Helper | None:
        return self._helpers.get(helper)

    async def drop(self, *helpers: str) -> None:
        """Harmless for those there are not. Raises Unavailable; then they stand."""
        known = [each for each in helpers if each in self._helpers]
        if known:
            await asyncio.to_thread(self._remembered.forget, *(f"{PREFIX}/{each}" for each in known))
        for each in known:
            if gone := self._helpers.pop(each, None):
                self._marks[gone.mark].remove(each)

    async def forget(self, customer: str) -> None:
        """Part of erasing a customer."""
        await self.drop(*(each.id for each in self.of_customer(customer)))

    async def forget_before(self, customer: str, at: float) -> None:
        """Who was named before this time: an older copy of the database brought them back."""
        await self.drop(*(each.id for each in self.of_customer(customer) if each.named <= at))

    async def expire(self, now: float) -> None:
        """Drop those whose time is over."""
        await self.drop(*(each.id for each in self._helpers.values() if not each.current(now)))

    def _keep(self, helper: Helper) -> None:
        self._helpers[helper.id] = helper
        self._marks.setdefault(helper.mark, []).append(helper.id)
