"""One try to ring a customer back: the agent first, so that nobody who answers has to wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

import structlog

from quietline.call import Progress
from quietline.carriers import Route
from quietline.errors import Denied, RelayUnavailable, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.live.attendant import first_key
from quietline.live.handover import CONFIRM_RETRIES, CONFIRM_RETRY
from quietline.live.house import House
from quietline.live.ringing import first_outcome, refusal
from quietline.logs import place
from quietline.routing.model import Offer
from quietline.sealed import Sealed
from quietline.telephony.ports import CallMedia, Leg, LegEvent, LegEventKind, Prompt
from quietline.telephony.prompt_scripts import spoken
from quietline.telephony.sdp import UnacceptableOffer
from quietline.vault.ports import Match

log = structlog.get_logger()

Found = TypeVar("Found")

KEY = "1"  # shows that a person answered: a machine presses none
KEY_WAIT = 8.0  # seconds after the words


class Outcome(StrEnum):
    """How a try ends, closed."""

    ANSWERED = "answered"  # customer and agent are joined
    NOT_TAKEN = "not_taken"  # no agent took it
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NO_KEY = "no_key"  # a machine, or somebody who did not want it
    REFUSED = "refused"  # by the carrier
    AGENT_GONE = "agent_gone"
    VAULT_AWAY = "vault_away"
    FORGOTTEN = "forgotten"  # the vault has no such callback any more
    USED_UP = "used_up"
    FAULT = "fault"


class TryOver(Exception):
    """Ends a try from wherever it stands."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class Try:
    """One try. `run` once; afterwards `called`, `agent_leg` and `media` are a call's, or let go."""

    def __init__(self, house: House, media: CallMedia, progress: Progress, token: str, route: Route | None) -> None:
        self.house, self.media, self.progress = house, media, progress
        self.agent_leg: Leg | None = None
        self.called: Leg | None = None
        self.dialled = False
        self.save: Callable[[], None] = lambda: None
        self._token, self._route = token, route
        self._ended = asyncio.Event()
        self._connected = asyncio.Event()

    @property
    def legs(self) -> list[Leg]:
        """Those that another life would have to hang up."""
        return [leg for leg in (self.agent_leg, self.called) if leg]

    async def run(self, offer: Offer) -> Outcome:
        """Never raises but for cancellation; what failed is let go of."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch())
                await self._steps(offer)
                watching.cancel()
            return Outcome.ANSWERED
        except* TryOver as over:
            outcome = _first(over)
        except* UnacceptableOffer:
            outcome = Outcome.REFUSED
        except* RelayUnavailable:
            self.house.recorder.record(Kind.FAULT, "", part="relay")
            outcome = Outcome.FAULT
        except* Exception as broken:  # noqa: BLE001 - one broken try must not end every call; it is said aloud
            log.error("a callback's try ended in an error of ours", call=self.progress.id, error=place(broken))
            self.house.recorder.record(Kind.FAULT, "", part="call")
            outcome = Outcome.FAULT
        await self._let_go(offer, outcome)
        return outcome

    async def _steps(self, offer: Offer) -> None:
        # (1) The agent is rung, and told that this is a callback.
        answer = await self._ring(offer)
        # (2) They wait with a ringing tone.
        await self.media.connect_agent("AG1", answer.sdp)
        await self.media.ringback(True)
        # (3) The vault writes it down and gives the number out, for this one call.
        number = await self._number()
        # (4) The customer is dialled; they see their store's number.
        await self._dial(number)
        # (5) Whoever answers shows that they are a person.
        await self._person()
        # (6) The vault takes the leg for the customer's, and the two are joined.
        match = await self._vouched()
        self.progress.vault = "ok" if match else "unavailable"
        self.progress.assurance = match.assurance if match else 0
        await self.media.join()

    async def _ring(self, offer: Offer) -> LegEvent:
        floor, agent = self.house.floor, offer.agent
        self._show(callback="offered")
        self._record(Kind.CALL_OFFERED, agent=agent)
        sdp = await self.media.offer_agent_alone("AG1", floor.phone(agent))
        self.agent_leg = self.house.telephony.dial_agent(agent, self.progress.alias, sdp)
        self.save()
        event = await first_outcome(self.agent_leg, floor, self.progress.id)
        answered = event is not None and event.kind is LegEventKind.ANSWERED
        if event is None or not answered or not floor.answered(offer, callback="dialling", vault="connecting"):
            reason = refusal(event)
            floor.refused(offer, reason)
            self._record(Kind.CALL_DECLINED, agent=agent, reason=reason)
            raise TryOver(Outcome.NOT_TAKEN)
        self._connected.set()
        return event

    async def _number(self) -> Sealed[str]:
        leg = self.agent_leg
        if leg is None or leg.ticket is None or self._route is None:
            raise TryOver(Outcome.FAULT)
        raw = leg.ticket.raw
        try:
            return await _confirmed(lambda: self.house.vault.dial_callback(self._token, raw))
        except Unavailable:
            raise TryOver(Outcome.VAULT_AWAY) from None
        except Denied as denied:
            log.info("a callback's number was refused", call=self.progress.id, reason=denied.reason)
            words = {"callback-unknown": Outcome.FORGOTTEN, "callback-used-up": Outcome.USED_UP}
            raise TryOver(words.get(denied.reason, Outcome.FAULT)) from None

    async def _dial(self, number: Sealed[str]) -> None:
        assert self._route
        carrier = self._route.carrier
        sdp = await self.media.offer_called(encrypted=not self._route.cleartext)
        self.dialled = True
        self.called = self.house.telephony.dial_out(self._route, number, sdp)
        self.save()
        try:
            async with asyncio.timeout(carrier.ring_seconds):
                event = await self._called_settled(self.called)
        except TimeoutError:
            raise TryOver(Outcome.NO_ANSWER) from None
        if event.kind is not LegEventKind.ANSWERED:
            raise TryOver(_why(event.code))
        await self.media.connect_called(event.sdp)

    async def _called_settled(self, leg: Leg) -> LegEvent:
        while (event := await leg.next_event()).kind is LegEventKind.RINGING:
            self.save()  # now there is a call that another life would have to cancel
        return event

    async def _person(self) -> None:
        assert self.called
        keys = self.media.digits()
        async with asyncio.TaskGroup() as tasks:
            hung_up = tasks.create_task(_gone(self.called))
            seconds = await self.media.play(spoken(Prompt.CALLBACK, str(self.progress.flow.get("language", "en"))))
            key = await first_key(keys, KEY, seconds + KEY_WAIT)
            hung_up.cancel()
        if not key:
            raise TryOver(Outcome.NO_KEY)

    async def _vouched(self) -> Match | None:
        """None where the vault is away: the call goes on, and shows nothing."""
        assert self.called
        if self.called.ticket is None:
            return None
        raw = self.called.ticket.raw
        with suppress(Unavailable, Denied):
            return await _confirmed(lambda: self.house.vault.answer_callback(self._token, raw))
        return None

    # What may end it at any time

    async def _watch(self) -> None:
        """The agent hangs up, by phone or by page."""
        await self._connected.wait()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._hear_agent())
            await self._ended.wait()
            listening.cancel()
        raise TryOver(Outcome.AGENT_GONE)

    async def _hear_agent(self) -> None:
        assert self.agent_leg
        while True:
            event = await self.agent_leg.next_event()
            if event.kind is LegEventKind.ENDED:
                return self._ended.set()
            if event.kind is LegEventKind.OFFER:
                await self._reoffer(self.agent_leg, event)

    async def _reoffer(self, leg: Leg, event: LegEvent) -> None:
        try:
            leg.accept_offer(await self.media.agent_reoffer(event.sdp))
        except UnacceptableOffer:
            leg.refuse_offer(488)

    def hang_up(self, reason: str = "agent_hung_up") -> None:
        """The agent's page asks for the end."""
        self._ended.set()

    def verify(self) -> None:
        """There is nobody to verify yet."""

    # The end of a try that failed

    async def _let_go(self, offer: Offer, outcome: Outcome) -> None:
        for leg in self.legs:
            leg.hang_up()
        floor = self.house.floor
        if self._connected.is_set():
            floor.leave(self.progress.id, offer.agent)
            floor.wrapped_up(offer.agent)  # there is nothing to wrap up
            leg_id = self.called.ticket.id if self.called and self.called.ticket else ""
            self.house.recorder.record(
                Kind.CALL_ENDED, leg_id, call=self.progress.id, outcome=f"callback_{outcome.value}"
            )
        elif outcome is not Outcome.NOT_TAKEN:
            floor.refused(offer, "phone_lost")
        with suppress(RelayUnavailable):
            await self.media.release()

    # Small things

    def _show(self, **changes: str) -> None:
        queue = self.house.plans.now.queue(self.progress.queue)
        self.house.floor.show(
            self.progress.agent,
            alias=self.progress.alias,
            queue=queue.name if queue else self.progress.queue,
            topic=queue.reason if queue else "",
            **changes,
        )

    def _record(self, kind: Kind, **fields: str) -> None:
        self.house.recorder.record(kind, "", call=self.progress.id, **fields)


async def _confirmed(ask: Callable[[], Awaitable[Found]]) -> Found:
    """Ask until the edge knows that the leg is up: our ACK is still on its way. Raises Denied, Unavailable."""
    for _ in range(CONFIRM_RETRIES):
        try:
            return await ask()
        except Denied as denied:
            if denied.reason != "call-unconfirmed":
                raise
        await asyncio.sleep(CONFIRM_RETRY)
    return await ask()


async def _gone(leg: Leg) -> None:
    """Ends the try when whoever answered hangs up."""
    while (await leg.next_event()).kind is not LegEventKind.ENDED:
        pass
    raise TryOver(Outcome.NO_KEY)


def _why(code: int) -> Outcome:
    """RFC 3261 §21.4, §21.6: busy here and everywhere; nobody there; what else a carrier says is its refusal."""
    if code in (486, 600):
        return Outcome.BUSY
    return Outcome.NO_ANSWER if code in (408, 480, 487, 603) else Outcome.REFUSED


def _first(group: BaseExceptionGroup[TryOver]) -> Outcome:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error.outcome if isinstance(error, TryOver) else Outcome.FAULT
