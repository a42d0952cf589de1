"""An agent's phone rings: what comes of it, and why it came to nothing."""

from __future__ import annotations

import asyncio

from quietline.live.floor import Floor
from quietline.routing.model import Withdraw
from quietline.telephony.ports import Leg, LegEvent, LegEventKind

LOST = (404, 408, 430, 477, 480, 500, 503)  # SIP codes of a phone that cannot be reached


async def first_outcome(leg: Leg, floor: Floor, call: str) -> LegEvent | None:
    """What the phone says, or None when the floor withdraws the offer of this call first."""
    phone = asyncio.ensure_future(settled(leg))
    withdrawn = asyncio.ensure_future(_withdrawn(floor, call))
    try:
        await asyncio.wait({phone, withdrawn}, return_when=asyncio.FIRST_COMPLETED)
        return phone.result() if phone.done() else None
    finally:
        phone.cancel()
        withdrawn.cancel()


async def settled(leg: Leg) -> LegEvent:
    """The first event that settles a call out."""
    while True:
        event = await leg.next_event()
        if event.kind in (LegEventKind.ANSWERED, LegEventKind.REJECTED, LegEventKind.ENDED):
            return event


async def _withdrawn(floor: Floor, call: str) -> None:
    while not isinstance(await floor.turn(call), Withdraw):
        pass


def refusal(event: LegEvent | None) -> str:
    """Why an offer failed, as the agent's page says it. A 302 is a decline (corrections, Edge)."""
    if event is None:
        return "no_answer"
    return "phone_lost" if event.code in LOST else "declined"
