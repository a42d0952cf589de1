"""An agent's phone rings: what comes of it, and why it came to nothing."""

from __future__ import annotations

import asyncio

from quietline.live.floor import Floor
from quietline.routing.model import Withdraw
from quietline.telephony.ports import Leg, LegEvent, LegEventKind

LOST = (404, 408, 430, 477, 480, 500, 503)  # SIP codes of a phone that cannot be reached


async def first_outcome(leg: Leg, floor: Floor, call: str) -> LegEvent | None:
    """What the phone says, or None when the floor withdraws the offer of this call first."""
    try:
        async with asyncio.timeout(None) as offered, asyncio.TaskGroup() as tasks:
            withdrawal = tasks.create_task(_withdrawn(floor, call, offered))
            event = await settled(leg)
            withdrawal.cancel()
    except TimeoutError:
        return None
    return event


async def settled(leg: Leg) -> LegEvent:
    """The first event that settles a call out."""
    while True:
        event = await leg.next_event()
        if event.kind in (LegEventKind.ANSWERED, LegEventKind.REJECTED, LegEventKind.ENDED):
            return event


async def _withdrawn(floor: Floor, call: str, offered: asyncio.Timeout) -> None:
    while not isinstance(await floor.turn(call), Withdraw):
        pass
    offered.reschedule(0.0)


def refusal(event: LegEvent | None) -> str:
    """Why an offer failed, as the agent's page says it. A 302 is a decline (corrections, Edge)."""
    if event is None:
        return "no_answer"
    return "phone_lost" if event.code in LOST else "declined"
