"""One call, from arrival to the end. The numbers are those of `docs/life-of-a-call.md`.

Nothing here knows sockets, rtpengine or keys: telephony, media, vault and floor are ports. Every wait has a deadline or
ends with the call; whatever happens, `_close` runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import structlog

from quietline.collector import let_go
from quietline.errors import Denied, RelayUnavailable, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.live.aliases import alias
from quietline.live.attendant import Attendant
from quietline.live.consult import Consult
from quietline.live.floor import Interrupted
from quietline.live.handover import CallOver, Handover
from quietline.live.house import House
from quietline.live.place import Place
from quietline.live.plan import GAVE_UP
from quietline.live.ringing import refusal, settled
from quietline.live.step_up import step_up
from quietline.live.wishes import Wish
from quietline.plain import plain
from quietline.routing.flow_run import Closed, Consented, End, Enter, Event, Position, Waited
from quietline.routing.model import GiveUp, Offer, Withdraw
from quietline.sealed import Sealed
from quietline.telephony.ports import CallMedia, Leg, LegEvent, LegEventKind, Prompt
from quietline.telephony.prompt_scripts import spoken
from quietline.telephony.sdp import UnacceptableOffer
from quietline.vault.ports import Match

log = structlog.get_logger()

HEARTBEAT = 10.0  # seconds between probes of each leg
PROBE_WAIT = 8.0  # seconds for its answer: a dead peer is gone within 20 s (corrections, Media)
SAVE_WITHIN = 0.02  # seconds
KNOWN_WITHIN = 0.25  # seconds: a match takes 10 ms (vault/calls.py); then the caller queues as anybody does


@dataclass(slots=True)
class Progress:
    """How far a call has come: plain data, kept by the journal. Tokens only."""

    id: str
    arrived: float  # monotonic seconds
    alias: str = field(default_factory=alias)
    step: int = 0
    assurance: int = 0
    store: str = ""
    flow: dict[str, Any] = field(default_factory=dict)  # the position in it (routing/flow_run.py)
    queue: str = ""
    since: float = 0.0  # its place in the queue
    agent: str = ""
    attempts: int = 0
    grant: str = ""
    only_agent: str = ""  # to whom alone the caller is handed on
    consults: int = 0  # how often a colleague was asked
    consulting: str = ""  # the colleague who is being asked
    last_agent: str = ""  # whom the caller knows (strategy sticky)
    vault: str = "connecting"  # as on the agent's page: "connecting" | "ok" | "refused" | "unavailable"
    outcome: str = ""


class Call(Handover):
    """One caller's call."""

    def __init__(
        self, house: House, leg: Leg, media: CallMedia, progress: Progress, agent_leg: Leg | None = None
    ) -> None:
        self.house = house
        self.leg = leg
        self.media = media
        self.progress = progress
        self.agent_leg = agent_leg
        self._told_to_end = ""
        self._unsaved: asyncio.TimerHandle | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._recognising: asyncio.Task[None] | None = None
        self._verifying: asyncio.Task[None] | None = None
        self._plan = house.plans.now  # a call keeps the one it began with
        self._attendant = Attendant(self._plan, media, self, house.clock)
        self._wanted: Enter | None = None
        self.asking: Consult | None = None

    async def run(self) -> None:
        """Tell the story from the step where it stands, until either side, the desk or a fault ends it."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._spawn(self._hear_caller())
                self._beat()
                if self._told_to_end:
                    self._spawn(self._end())
                await self._story()
        except* CallOver as over:
            self.progress.outcome = str(_first(over))
            let_go(over)
        except* RelayUnavailable as lost:
            let_go(lost)
            self.progress.outcome = "relay_lost"
            self.house.recorder.record(Kind.FAULT, self.leg.id, part="relay")
        finally:
            self._tasks = None
            self._stop_timers()
            await self._close()
            self._let_go()

    async def _story(self) -> None:
        for step in STORY[self.progress.step :]:
            await step(self)
            self.progress.step += 1
            self._save() if step in SAVED_AT_ONCE else self._save_soon()
        raise CallOver("finished")

    # (1) The edge has admitted the call: TLS or a named trunk, SRTP or refused. Answer it.
    async def _admit(self) -> None:
        self._recognising = self._spawn(self._recognise(self.house.vault.arrive_and_match))
        self._attendant.listens()
        try:
            self.leg.answer(await self.media.answer_caller(self.leg.offer))
        except UnacceptableOffer:
            self.leg.reject(488)
            raise CallOver("no_common_codec") from None
        except RelayUnavailable:
            self.leg.reject(503)
            raise

    # (2) The ledger records the arrival; queued, never awaited: a dead ledger must not stop calls.
    # (3) Match by blind index: a token comes back, never a number.
    # (4) Assurance is scored with it. The three are one question to the vault.
    async def _recognise(self, ask: Callable[[Sealed[str]], Awaitable[Match]]) -> None:
        if self.leg.ticket is None:
            self.progress.vault = "refused"
            return
        try:
            match = await ask(self.leg.ticket.raw)
        except (Unavailable, Denied):
            self.progress.vault = "unavailable"
            return
        self.progress.vault, self.progress.assurance = "ok", match.assurance
        self.progress.last_agent = self.progress.last_agent or match.last_agent  # none who a transfer has named since

    # (5) The store's flow runs: it speaks, asks, and leads to a queue or an end. Known and unknown
    # callers hear the same, and nobody waits for the vault.
    async def _greet(self) -> None:
        dialled = self.leg.ticket.dialled if self.leg.ticket else ""
        if self.progress.flow:
            self._goes_on(await self._attendant.again(Position(**self.progress.flow)))
            return
        self.progress.store = self._plan.store(dialled)
        self._goes_on(await self._attendant.begin(self.progress.store))

    def _goes_on(self, ask: Enter | End) -> None:
        """Into a queue, or the flow has ended the call."""
        if isinstance(ask, End):
            raise CallOver(ask.outcome)
        if ask.queue != self.progress.queue:  # who comes back to a queue keeps the place
            self.progress.queue, self.progress.since = ask.queue, self.house.clock.monotonic()
        self._wanted = ask

    # (6) Routing picks. The caller waits in company, and keeps the place through every offer that fails. What ends the
    # wait without an agent leads on in the flow: too long, closed, a key.
    async def _find_agent(self) -> None:
        if self._wanted is None:  # another life waits on, without the words that were heard
            self._goes_on(await self._attendant.again(Position(**self.progress.flow)))
            self._wanted = replace(self._waits_for, hold="")
        while (ended := await self._wait()) is not None:
            self._goes_on(await self._attendant.after(ended))

    async def _wait(self) -> Event | None:
        """Wait in the queue; None once an agent has the call, else why it was in vain."""
        progress = self.progress
        await self._known_to(progress.queue)
        self._record(Kind.CALL_QUEUED, queue=progress.queue)
        self._place = Place(
            self.house, self._plan, self.media, progress.id, progress.store, self.language, self._waits_for,
            progress.since, self._record, self._spawn, progress.last_agent, progress.only_agent,
        )  # fmt: skip
        progress.only_agent = ""
        return await self._turns(self._place) if self._place.take() else Closed()

    async def _known_to(self, queue: str) -> None:
        """Where the last agent comes first, the vault's word is awaited for a moment; notice and menu take longer."""
        line = self._plan.queue(queue)
        if line and line.rule.sticky and self._recognising and not self._recognising.done():
            await asyncio.wait({self._recognising}, timeout=KNOWN_WITHIN)

    async def _turns(self, place: Place) -> Event | None:
        while True:
            turn = await self.house.floor.turn(self.progress.id)
            if isinstance(turn, Interrupted) and isinstance(turn.why, Wish):
                continue  # of the agent who handed the caller on, too late
            if isinstance(turn, Offer) and await self._ring(turn, place):
                return None
            if isinstance(turn, Offer):
                place.open_to_all()
            if isinstance(turn, GiveUp | Interrupted):
                await place.leave()
                return cast(Event, turn.why) if isinstance(turn, Interrupted) else Waited()

    @property
    def _waits_for(self) -> Enter:
        assert self._wanted
        return self._wanted

    # (7) The agent is rung with a masked identity; when they answer, the relay joins the two.
    async def _ring(self, offer: Offer, place: Place) -> bool:
        self.progress.attempts += 1
        attempt = f"AG{self.progress.attempts}"
        self._show(offer.agent)
        self._record(Kind.CALL_OFFERED, agent=offer.agent)
        sdp = await self.media.offer_agent(attempt, self.house.floor.phone(offer.agent))
        self.agent_leg = self.house.telephony.dial_agent(offer.agent, self.progress.alias, sdp)
        self._save_soon()
        answer = await self._answer(self.agent_leg, offer)
        if answer is None:
            return False
        return await self._bridge(attempt, offer, answer, place)

    async def _bridge(self, attempt: str, offer: Offer, answer: LegEvent, place: Place) -> bool:
        assert self.agent_leg
        await place.alone()
        try:
            await self.media.bridge(attempt, answer.sdp)
        except UnacceptableOffer:  # a phone that answers with no usable media: the caller keeps the place
            self.agent_leg.hang_up()
            self.house.floor.leave(self.progress.id, offer.agent)
            self.progress.agent = ""
            place.take_again()
            return False
        return True

    async def _answer(self, leg: Leg, offer: Offer) -> LegEvent | None:
        """The agent's answer, or None once the offer came to nothing: then the next agent is tried."""
        event = await self._first_outcome(leg)
        if event and event.kind is LegEventKind.ANSWERED and self.house.floor.answered(offer, vault="connecting"):
            self.progress.agent = offer.agent  # from here on `_close` frees them, whatever ends the call
            return event
        leg.hang_up()
        self.agent_leg = None
        reason = refusal(event)
        self.house.floor.refused(offer, reason)
        self._record(Kind.CALL_DECLINED, agent=offer.agent, reason=reason)
        return None

    async def _first_outcome(self, leg: Leg) -> LegEvent | None:
        """What the phone says, or None when the floor withdraws the offer first."""
        try:
            async with asyncio.timeout(None) as offered:
                withdrawal = self._spawn(self._withdrawn(offered))
                try:
                    return await settled(leg)
                finally:
                    withdrawal.cancel()
        except TimeoutError:
            return None

    async def _withdrawn(self, offered: asyncio.Timeout) -> None:
        while not isinstance(await self.house.floor.turn(self.progress.id), Withdraw):
            pass
        offered.reschedule(0.0)

    # (8) They talk: `handover.py`. The desk shows the minimum; each further look is the vault's to decide.

    async def _step_up(self, private: bool, sent: Callable[[], None]) -> bool:
        house = self.house
        level = await step_up(house.vault, self.media, self.leg_id, self.language, private=private, sent=sent)
        self.progress.assurance = max(self.progress.assurance, level)
        return level > 0

    # (9) Either side hangs up, or a part is lost: every field closes, the agent wraps up.
    async def _close(self) -> None:
        self.leg.hang_up()
        if self.agent_leg:
            self.agent_leg.hang_up()
        if self.asking:
            self.asking.let_go()
        self.house.floor.leave(self.progress.id, self.progress.agent)
        self.house.outlook.left(self.progress.id, hung_up=self.progress.outcome in GAVE_UP)
        # The vault closes every grant of the leg at this word; a missed one opens nothing, for it asks the edge.
        self._record(Kind.CALL_ENDED, outcome=self.progress.outcome or "fault")
        with suppress(RelayUnavailable):
            await self.media.release()
        self.house.journal.forget(self.progress.id)

    # What the flow asks of the call (`attendant.Hands`)

    def assurance(self) -> int:
        return self.progress.assurance

    def moved(self, position: Position) -> None:
        self.progress.flow, self.progress.store = plain(position), position.store
        self._save_soon()

    def consented(self, consent: Consented) -> None:
        kind = Kind.CONSENT_GIVEN if consent.given else Kind.CONSENT_REFUSED
        self._record(kind, wording=f"{consent.wording}/{consent.version}", how=consent.how)

    async def prove(self, language: str) -> bool:
        if self._recognising:
            await self._recognising
        passed = self.progress.vault == "ok" and await self._step_up(private=False, sent=lambda: None)
        await asyncio.sleep(await self.media.play(spoken(Prompt.CODE_OK if passed else Prompt.CODE_WRONG, language)))
        return passed

    async def keep_digits(self, digits: Sealed[str], to: str) -> None:
        with suppress(Unavailable, Denied):  # the call goes on without them; the agent asks
            await self.house.vault.keep_digits(self.leg_id, digits)

    async def promise(self, queue: str) -> bool:
        return self.house.callbacks is not None and await self.house.callbacks.promise(self, queue)

    # What may end it at any time

    async def _hear_caller(self) -> None:
        while True:
            event = await self.leg.next_event()
            if event.kind is LegEventKind.OFFER:
                await self._reoffer(self.leg, self.media.caller_reoffer, event)
            elif event.kind in (LegEventKind.ENDED, LegEventKind.CANCELLED):
                progress, now = self.progress, self.house.clock.monotonic()
                word = self._plan.gave_up(progress.queue, now - progress.since, progress.agent)
                raise CallOver("caller_lost" if event.reason else word)

    def hang_up(self, reason: str = "agent_hung_up") -> None:
        """The desk, or the controller's own end, asks for the end. An agent who leaves while a colleague is asked
        leaves the caller to them."""
        if self.asking and self.agent_leg and reason == "agent_hung_up":
            self.agent_leg.hang_up()
            self.settle("complete")
        elif not self._told_to_end:
            self._told_to_end = reason
            if self._tasks:
                self._spawn(self._end())

    async def _end(self) -> None:
        raise CallOver(self._told_to_end)

    def _beat(self) -> None:
        self._heartbeat = asyncio.get_running_loop().call_later(HEARTBEAT, self._probe)

    def _probe(self) -> None:
        self._spawn(self._probe_legs())
        self._beat()

    async def _probe_legs(self) -> None:
        """A dead phone, tab or network sends no BYE; a relay that lost the call carries no sound."""
        for leg in (self.leg, self.agent_leg, self.asking.leg if self.asking else None):
            if leg and leg.alive:
                leg.probe(PROBE_WAIT)
        await self.media.silence_seconds()

    # Small things

    @property
    def wanted(self) -> Enter | None:
        """What the caller waits for, or waited for last."""
        return self._wanted

    @property
    def leg_id(self) -> str:
        """The leg's id as the edge signed it, else our own."""
        return self.leg.ticket.id if self.leg.ticket else self.leg.id

    async def _reoffer(self, leg: Leg, answer: Callable[[str], Awaitable[str]], event: LegEvent) -> None:
        try:
            leg.accept_offer(await answer(event.sdp))
        except UnacceptableOffer:
            leg.refuse_offer(488)

    @property
    def language(self) -> str:
        """What the caller is spoken to in."""
        return str(self.progress.flow.get("language", "en"))

    def _show(self, agent: str) -> None:
        queue, progress = self._plan.queue(self.progress.queue), self.progress
        self.house.floor.show(
            agent,
            callback="",
            alias=progress.alias,
            queue=queue.name if queue else progress.queue,
            topic=queue.reason if queue else "",
            grant=progress.grant,
            assurance=progress.assurance,
            vault=progress.vault,
        )

    async def _goes_another_way(self, ended: Event) -> None:
        """A wait after a transfer was in vain: on in the flow where there is one, else the end."""
        if not self._attendant.position.step:
            await asyncio.sleep(await self.media.play(spoken(Prompt.SORRY, self.language)))
            raise CallOver("waited_too_long")
        self._goes_on(await self._attendant.after(ended))

    def _record(self, kind: Kind, **fields: str | int | float | bool) -> None:
        self.house.recorder.record(kind, self.leg_id, call=self.progress.id, **fields)

    def _save(self) -> None:
        if self._unsaved:
            self._unsaved.cancel()
            self._unsaved = None
        self.house.journal.save(self.progress.id, self.record())

    def _save_soon(self) -> None:
        """Steps that follow each other closely are written as one. What a crash may undo in this time is a step that
        another life takes again: a key, a ringing phone, the grant, but neither the caller's nor the agent's leg."""
        if self._unsaved is None:
            self._unsaved = asyncio.get_running_loop().call_later(SAVE_WITHIN, self._save)

    def _stop_timers(self) -> None:
        for timer in (self._unsaved, self._heartbeat):
            if timer:
                timer.cancel()

    def _let_go(self) -> None:
        """Of whatever points back here: the call is freed with its last reference, and no collector looks for it."""
        for part in ("_attendant", "_place", "_recognising", "_verifying"):
            self.__dict__.pop(part, None)

    def record(self) -> dict[str, Any]:
        """Everything another life of this process needs to go on. Personal: the journal seals it."""
        return {
            "progress": plain(self.progress),
            "leg": self.leg.save(),
            "media": self.media.save(),
            "agent_leg": self.agent_leg.save() if self.agent_leg else None,
            "second_leg": self.asking.leg.save() if self.asking and self.asking.leg else None,
        }

    def _spawn(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        assert self._tasks
        return self._tasks.create_task(work)  # type: ignore[arg-type]


STORY: tuple[Callable[[Call], Awaitable[None]], ...] = (
    Call._admit,
    Call._greet,
    Call._find_agent,
    Call._converse,
)
# What another life cannot take up again without the record: the caller is answered, the agent is connected.
SAVED_AT_ONCE = (Call._admit, Call._find_agent)


def resume(house: House, leg: Leg, media: CallMedia, agent_leg: Leg | None, progress: dict[str, Any]) -> Call:
    """A call of an earlier life, where it stood. A phone that was ringing is let go; the place in the queue stays."""
    call = Call(house, leg, media, Progress(**progress), agent_leg)
    if agent_leg and (call.progress.step < STORY.index(Call._converse) or not call.progress.agent):
        agent_leg.hang_up()
        call.agent_leg = None
    if call.progress.agent:
        house.floor.adopt(call.progress.id, call.progress.agent, call.progress.queue)
        call._show(call.progress.agent)
    return call


def _first(group: BaseExceptionGroup[CallOver]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error.reason if isinstance(error, CallOver) else "fault"
