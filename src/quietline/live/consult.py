"""A word with a colleague: their phone is rung, the two agents talk, the caller hears music meanwhile.

The colleague sees that they are asked, by whom and for which queue, and nothing of the caller but the alias. They have
no grant. On the floor the consultation is a call of its own, so that the matcher knows where everybody is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.live.house import House
from quietline.live.ringing import first_outcome, refusal
from quietline.live.wishes import Settle
from quietline.routing.model import Offer, Waiting
from quietline.telephony.ports import CallMedia, Leg, LegEventKind
from quietline.telephony.sdp import UnacceptableOffer

if TYPE_CHECKING:
    from quietline.call import Progress

log = structlog.get_logger()

OFFER_WITHIN = 1.0  # seconds: who is ready is offered the call at once


class Consult:
    """One. `ring`, then `listen` while they talk; `ended` unless the colleague takes the call over."""

    def __init__(self, house: House, media: CallMedia, name: str, progress: Progress, agent: str) -> None:
        self.house, self.media, self.id, self.progress, self.agent = house, media, name, progress, agent
        self.leg: Leg | None = None
        self._talking = False

    async def ring(self) -> bool:
        """Ring the colleague; whether they answered. When not, nothing of it is left but the caller's music."""
        offer = await self._offered()
        if offer is None:
            return False
        self._show(self.progress.agent, consult="ringing")
        self._show(self.agent, consult="asked")
        self._record(Kind.CALL_OFFERED, agent=self.agent)
        sdp = await self.media.offer_consult(self.id, self.house.floor.phone(self.agent))
        self.leg = self.house.telephony.dial_agent(self.agent, self.progress.alias, sdp)
        event = await first_outcome(self.leg, self.house.floor, self.id)
        answered = event is not None and event.kind is LegEventKind.ANSWERED
        if event is None or not answered or not self.house.floor.answered(offer, consult="asked", vault="connecting"):
            reason = refusal(event)
            self.house.floor.refused(offer, reason)
            self._record(Kind.CALL_DECLINED, agent=self.agent, reason=reason)
            return False
        self._talking = True
        try:
            await self.media.connect_consult(self.id, event.sdp)
        except UnacceptableOffer:
            return False
        self._show(self.progress.agent, consult="talking")
        return True

    async def _offered(self) -> Offer | None:
        floor = self.house.floor
        queue, now = self.progress.queue, self.house.clock.monotonic()
        try:
            floor.beside(Waiting(self.id, queue, now, only_agent=self.agent))
            async with asyncio.timeout(OFFER_WITHIN):
                while not isinstance(turn := await floor.turn(self.id), Offer):
                    pass
                return turn
        except (ConfigError, TimeoutError):
            return None

    async def listen(self) -> None:
        """Until the colleague hangs up: then the first agent has the caller back."""
        assert self.leg
        while (event := await self.leg.next_event()).kind is not LegEventKind.ENDED:
            if event.kind is LegEventKind.OFFER:
                await self._reoffer(self.leg, event.sdp)
        self.gone()

    def gone(self) -> None:
        """The colleague is out of it."""
        self.house.floor.tell(self.progress.id, Settle("back"))

    async def _reoffer(self, leg: Leg, sdp: str) -> None:
        try:
            leg.accept_offer(await self.media.second_reoffer(sdp))
        except UnacceptableOffer:
            leg.refuse_offer(488)

    async def ended(self) -> None:
        """The colleague goes back to their work, with nothing to wrap up."""
        self.let_go()
        self.house.floor.show(self.progress.agent, consult="", colleague="")

    def let_go(self) -> None:
        """Hang up and free the colleague; harmless when that was done."""
        if self.leg:
            self.leg.hang_up()
        self.house.floor.leave(self.id, self.agent if self._talking else "")
        if self._talking:
            self.house.floor.wrapped_up(self.agent)
        self._talking = False

    # For the colleague's own page

    def hang_up(self, reason: str = "agent_hung_up") -> None:
        """Their page asks for the end."""
        self.gone()

    def _show(self, agent: str, **changes: str) -> None:
        queue = self.house.plans.now.queue(self.progress.queue)
        other = self.progress.agent if agent == self.agent else self.agent
        self.house.floor.show(
            agent,
            alias=self.progress.alias,
            queue=queue.name if queue else self.progress.queue,
            colleague=other,
            **changes,
        )

    def _record(self, kind: Kind, **fields: str) -> None:
        self.house.recorder.record(kind, "", call=self.progress.id, **fields)
