"""The attendant: walks a caller through the store's flow. It speaks, listens and hands on; the flow decides.

What a caller keys is sealed here and given to whom the step names; no digit is in a position, a record or a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

from quietline.clock import Clock
from quietline.live.plan import Plan
from quietline.routing.flow_run import (
    AskDigits,
    AskKey,
    Collected,
    Consented,
    Done,
    End,
    Enter,
    Event,
    Facts,
    Key,
    Move,
    Position,
    Promise,
    Promised,
    Prove,
    Say,
    Silence,
    Verified,
)
from quietline.sealed import Sealed
from quietline.telephony.ports import CallMedia
from quietline.telephony.prompt_scripts import spoken


class Hands(Protocol):
    """What a flow asks of the call around it."""

    def assurance(self) -> int:
        """As far as it is known now; nobody waits for the vault."""

    def moved(self, position: Position) -> None:
        """The caller stands here now: to be remembered."""

    def consented(self, consent: Consented) -> None:
        """An answer to write down."""

    async def prove(self, language: str) -> bool:
        """Send a one-time code and have it keyed."""

    async def keep_digits(self, digits: Sealed[str], to: str) -> None:
        """Give what was keyed to where it belongs."""

    async def promise(self, queue: str) -> bool:
        """Keep the caller's number for a callback; False where there is none."""


class Attendant:
    """One caller's. Every wait is bounded by the step's own time."""

    def __init__(self, plan: Plan, media: CallMedia, hands: Hands, clock: Clock) -> None:
        self._plan, self._media, self._hands, self._clock = plan, media, hands, clock
        self._keys: AsyncIterator[str] | None = None
        self.position = Position("", "")

    def listens(self) -> None:
        """From now on keys count for the first menu: a quick caller presses before the flow has begun."""
        self._keys = self._media.digits()

    async def begin(self, store: str) -> Enter | End:
        """From the start of the store's flow to a queue or an end."""
        return await self._walk(self._plan.flows.begin(store, self._facts()))

    async def again(self, position: Position) -> Enter | End:
        """From where an earlier life stood; the step begins anew."""
        return await self._walk(self._plan.flows.again(position, self._facts()))

    async def after(self, event: Event) -> Enter | End:
        """On from the queue, once the wait has ended so."""
        return await self._walk(self._plan.flows.go(self.position, event, self._facts()))

    async def _walk(self, move: Move) -> Enter | End:
        while True:
            self.position = move.position
            for consent in move.noted:
                self._hands.consented(consent)
            self._hands.moved(move.position)
            if isinstance(move.ask, (Enter, End)):
                return move.ask
            event = await self._do(move.ask)
            move = self._plan.flows.go(move.position, event, self._facts())

    def _facts(self) -> Facts:
        return Facts(self._hands.assurance(), self._plan.closed_at(self._clock.wall()))

    async def _do(self, ask: Say | AskKey | AskDigits | Prove | Promise) -> Event:
        match ask:
            case Say():
                for prompt in ask.say:
                    await asyncio.sleep(await self._play(prompt))
                return Done()
            case AskKey():
                return await self._ask_key(ask)
            case AskDigits():
                return await self._ask_digits(ask)
            case Prove():
                return Verified(await self._hands.prove(self.position.language))
            case Promise():
                return Promised(await self._hands.promise(ask.queue))

    async def _play(self, prompt: str) -> float:
        return await self._media.play(spoken(prompt, self.position.language))

    # Keys

    async def _ask_key(self, ask: AskKey) -> Event:
        keys = self._listen(fresh=ask.fresh)
        for number, prompt in enumerate(ask.say, 1):
            seconds = await self._play(prompt)
            key = await first_key(keys, "" if ask.strict else ask.keys, seconds + ask.wait * (number == len(ask.say)))
            if key:
                return Key(key)
        return Silence()

    async def _ask_digits(self, ask: AskDigits) -> Event:
        keys = self._listen(fresh=True)
        first = ""
        for number, prompt in enumerate(ask.say, 1):
            seconds = await self._play(prompt)
            first = await first_key(keys, "", seconds + ask.wait * (number == len(ask.say)))
            if first:
                break
        digits = await gather(keys, first, ask) if first else Sealed("")
        if not digits:
            return Silence()
        await self._hands.keep_digits(digits, ask.to)
        return Collected()

    def _listen(self, fresh: bool) -> AsyncIterator[str]:
        if fresh or self._keys is None:
            self._keys = self._media.digits()
        return self._keys


async def first_key(keys: AsyncIterator[str], among: str, wait: float) -> str:
    """The first key that is one of `among` ("": any), "" when none came in `wait` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait):
            async for key in keys:
                if not among or key in among:
                    return key
    return ""


async def gather(keys: AsyncIterator[str], first: str, ask: AskDigits) -> Sealed[str]:
    """The digits from the first on, sealed; empty when too few came. `*` begins anew where it does not end them."""
    keyed, key = "", first
    while key and key != ask.end:
        keyed = keyed + key if key.isdigit() else ""
        if len(keyed) == ask.most:
            break
        key = await first_key(keys, "", ask.wait)
    return Sealed(keyed if len(keyed) >= ask.least else "")
