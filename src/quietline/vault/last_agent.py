"""With whom a customer spoke last, so that the same agent may be rung first when they call again (strategy sticky).

From a customer's token to an agent's token and a time; no number is in it. All of it is in memory, for the match is
asked while a caller waits and must take as long for a stranger; each row lies sealed in `records.db` (`remembered`,
name `last_agent/<customer>`), so that an erasure takes one row by the customer's token: `forget`. Rows are stored
SAVE_SECONDS after the talk's beginning at the latest; a crash in between costs a hint, never a call.

The controller is told the agent alone. When it was stays here: with the time it could tell which two calls were one
customer's, and it is given a new token for them at each call so that it cannot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from quietline.clock import Clock
from quietline.errors import Unavailable
from quietline.vault.remembered import Remembered

log = structlog.get_logger()

PREFIX = "last_agent"


@dataclass(frozen=True, slots=True)
class LastTalk:
    """`agent`: token; `at`: when they were connected, UTC seconds."""

    agent: str
    at: float


class LastAgents:
    """Lives on the event loop. `keep`: seconds (`vault.last_agent_seconds`) a talk counts; 0: none does. `restore`
    first."""

    def __init__(self, remembered: Remembered, clock: Clock, keep: float) -> None:
        self._remembered, self._clock, self._keep = remembered, clock, keep
        self._talks: dict[str, LastTalk] = {}  # by customer; the oldest first
        self._unstored: set[str] = set()

    def restore(self, saved: Iterable[tuple[str, dict[str, str]]]) -> None:
        """Take up those of an earlier life; what is too old by now goes with the next `expire`."""
        talks = ((customer, LastTalk(each["agent"], float(each["at"]))) for customer, each in saved)
        self._talks = dict(sorted(talks, key=lambda each: each[1].at))

    def spoke(self, customer: str, agent: str) -> None:
        """They have been connected. `customer`: "" for nobody we know, of whom nothing is kept."""
        if not customer or self._keep <= 0:
            return
        self._talks.pop(customer, None)
        self._talks[customer] = LastTalk(agent, self._clock.wall())
        self._unstored.add(customer)

    def of(self, customer: str) -> str:
        """The agent's token; "" where they spoke with nobody, or too long ago."""
        talk = self._talks.get(customer)
        return talk.agent if talk and self._counts(talk) else ""

    def _counts(self, talk: LastTalk) -> bool:
        return self._clock.wall() - talk.at < self._keep

    async def save(self) -> None:
        """Store what is new. What cannot be stored is tried again."""
        unstored, self._unstored = self._unstored, set()
        found = {customer: talk for customer in unstored if (talk := self._talks.get(customer))}
        if not found:
            return
        rows = {_row(customer): {"agent": talk.agent, "at": repr(talk.at)} for customer, talk in found.items()}
        try:
            await asyncio.to_thread(self._remembered.update, rows)
        except Unavailable:
            self._unstored |= found.keys()
            log.error("whom customers spoke with could not be stored; it is tried again")
            return
        await self._take_back(customer for customer in found if customer not in self._talks)

    async def _take_back(self, gone: Iterable[str]) -> None:
        """Who was forgotten while their row was being written."""
        if names := [_row(customer) for customer in gone]:
            await asyncio.to_thread(self._remembered.forget, *names)

    async def expire(self) -> None:
        """Forget the talks that count no more. Raises Unavailable; then it is tried again."""
        old: list[str] = []
        for customer, talk in self._talks.items():
            if self._counts(talk):
                break
            old.append(customer)
        await self.forget(*old)

    async def forget_before(self, customer: str, at: float) -> None:
        """A talk from before this time: an older copy of the database brought it back. Raises Unavailable."""
        talk = self._talks.get(customer)
        if talk and talk.at <= at:
            await self.forget(customer)

    async def forget(self, *customers: str) -> None:
        """Nothing of these is left, here or on disk: part of erasing a customer. Raises Unavailable."""
        if not customers:
            return
        await asyncio.to_thread(self._remembered.forget, *map(_row, customers))
        for customer in customers:
            self._talks.pop(customer, None)
            self._unstored.discard(customer)


def _row(customer: str) -> str:
    return f"{PREFIX}/{customer}"
