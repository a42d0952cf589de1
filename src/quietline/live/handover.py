"""While they talk, the agent may hand the caller on: at once (blind), or after a word with a colleague (warm).

At most one grant lives on a call at any moment: the first agent's closes before anybody else's opens, and a colleague
who is only asked has none. The caller keeps place and assurance. Each hand-over is in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from quietline.errors import Denied, Unavailable
from quietline.ledger.vocabulary import Kind
from quietline.live.consult import Consult
from quietline.live.floor import Interrupted
from quietline.live.house import House
from quietline.live.wishes import Ask, Pass, Settle, Wish
from quietline.routing.flow_run import Enter, Event
from quietline.routing.model import Overdue
from quietline.sealed import Sealed
from quietline.telephony.ports import AgentPhone, CallMedia, Leg, LegEvent, LegEventKind, Prompt
from quietline.telephony.prompt_scripts import spoken
from quietline.vault.ports import Match

if TYPE_CHECKING:
    from quietline.call import Progress

log = structlog.get_logger()

VAULT_RETRY = 2.0  # seconds
CONFIRM_RETRY, CONFIRM_RETRIES = 0.1, 50  # seconds and times to ask again until the edge knows the agent's leg is up
WAKES = 4  # re-INVITEs to wake a browser, at most: one that stills it, and up to three that let it speak
LONGEST_CONSULT = 300.0  # seconds two agents may talk while the caller waits; then the caller is taken back


class CallOver(Exception):
    """Ends the story from wherever it stands. `reason` is a closed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Handover:
    """The part of `Call` in which its agent talks to the caller and may hand them on."""

    house: House
    media: CallMedia
    progress: Progress
    leg: Leg
    agent_leg: Leg | None
    asking: Consult | None
    _waking: int = 0  # re-INVITEs left to wake the agent's browser
    _wanted: Enter | None
    _recognising: asyncio.Task[None] | None
    _verifying: asyncio.Task[None] | None

    # What the desk may ask for; what does not fit any more does nothing

    def transfer(self, queue: str = "", agent: str = "") -> None:
        """Hand the caller on to a queue or to one colleague, without a word."""
        self.house.floor.tell(self.progress.id, Pass(queue, agent))

    def consult(self, agent: str) -> None:
        """Ask a colleague first; the caller hears music."""
        self.house.floor.tell(self.progress.id, Ask(agent))

    def settle(self, how: str) -> None:
        """End the consultation: "complete" or "back"."""
        self.house.floor.tell(self.progress.id, Settle(how))

    # (8) They talk. The desk shows the minimum; each further look is the vault's to decide. The agent may hand on.
    async def _converse(self) -> None:
        while True:
            if self.progress.consulting:  # another life: the colleague's leg is gone, the caller comes back
                self.progress.consulting = ""
                await self.media.take_back()
            if not self.progress.agent:
                await self._find_next()
            self._record(Kind.CALL_CONNECTED, agent=self.progress.agent)
            self.house.outlook.answered(self.progress.id)
            await self._talk()

    async def _talk(self) -> None:
        """Until the agent has handed the caller on; every other end raises."""
        works = [self._spawn(self._open_grant()), self._spawn(self._hear_agent())]
        handed = await self._until_handed_on()
        for work in works:
            work.cancel()
        await asyncio.wait(works)
        await (self._hand_over(handed) if isinstance(handed, Consult) else self._pass_on(handed))

    async def _until_handed_on(self) -> Pass | Consult:
        while True:
            wish = await self._next_wish()
            if isinstance(wish, Pass):
                return wish
            if isinstance(wish, Ask) and (asked := await self._ask(wish.agent)):
                return asked

    async def _next_wish(self) -> Wish:
        while True:
            turn = await self.house.floor.turn(self.progress.id)
            if isinstance(turn, Overdue):
                raise CallOver(turn.reason)
            if isinstance(turn, Interrupted) and isinstance(turn.why, Wish):
                return turn.why

    # A blind transfer

    async def _pass_on(self, wish: Pass) -> None:
        """The first agent's grant closes at once, their leg ends, and the caller waits at the front: a head start as
        long as the call puts them where their arrival would, while the longest wait begins anew."""
        progress, first = self.progress, self.progress.agent
        await self._part("blind", queue=wish.queue or progress.queue, to=wish.agent)
        await self.media.park()
        progress.queue, progress.last_agent = wish.queue or progress.queue, wish.agent or progress.last_agent
        progress.only_agent, progress.since = wish.agent, self.house.clock.monotonic()
        self._wanted = None
        log.info("a caller was handed on", call=progress.id, by=first)
        self._save()

    async def _find_next(self) -> None:
        """As step 6, from the front of the queue, without words."""
        progress = self.progress
        self._wanted = Enter(progress.queue, head_start=progress.since - progress.arrived)
        while (ended := await self._wait()) is not None:
            await self._goes_another_way(ended)

    async def _part(self, how: str, **fields: str) -> None:
        """The first agent has no part in the call any more."""
        progress, leg = self.progress, self.agent_leg
        first, progress.agent, progress.grant, self.agent_leg = progress.agent, "", "", None
        progress.vault = "connecting"  # the next agent's page waits for a grant of its own
        if leg:
            leg.hang_up()
            if leg.ticket:
                with suppress(Unavailable):  # the vault asks the edge before every look, and the leg has ended
                    await self.house.vault.hang_up(leg.ticket.id)
        self._record(Kind.CALL_TRANSFERRED, how=how, agent=first, **fields)
        self.house.floor.finished(first)

    # A warm transfer

    async def _ask(self, agent: str) -> Pass | Consult | None:
        """A word with a colleague. The consultation when they take the caller over; None when the first has them back;
        a pass when nobody is left: then the queue takes the caller."""
        progress = self.progress
        progress.consults += 1
        asking = self.asking = Consult(self.house, self.media, f"{progress.id}.{progress.consults}", progress, agent)
        progress.consulting = agent
        self.house.floor.holds(progress.agent, True)
        self._save()
        try:
            if await asking.ring():
                self._save()
                async with asyncio.timeout(LONGEST_CONSULT):
                    if await self._decided(asking) == "complete":
                        return asking
        except TimeoutError:
            log.info("a consultation took too long", call=progress.id)
        await asking.ended()
        self.asking, progress.consulting = None, ""
        if self.agent_leg is None or not self.agent_leg.alive:
            return Pass(progress.queue)
        await self.media.take_back()
        self.house.floor.holds(progress.agent, self.media.held)
        self._wake_browser()
        self._save()
        return None

    def _wake_browser(self) -> None:
        """A browser plays the newest stream and stays deaf to the caller's, which it knew before the colleague's: two
        re-INVITEs make it look again. A desk phone plays whatever comes."""
        if self.agent_leg and self.house.floor.phone(self.progress.agent) is AgentPhone.BROWSER:
            self._waking = WAKES
            self.agent_leg.reoffer(self.media.agent_again("inactive"))

    def _woken(self, code: int) -> None:
        """The browser's answer. One that refused to speak again (anything but 2xx) would stay stilled: it is asked
        again."""
        assert self.agent_leg
        done = self._waking < WAKES and code < 300
        self._waking = 0 if done else self._waking - 1
        if self._waking:
            self.agent_leg.reoffer(self.media.agent_again("sendrecv"))

    async def _decided(self, asking: Consult) -> str:
        listening = self._spawn(asking.listen())
        try:
            while not isinstance(wish := await self._next_wish(), Settle):
                pass
            return wish.how
        finally:
            listening.cancel()

    async def _hand_over(self, asked: Consult) -> None:
        """The colleague has the call. The first agent's grant is closed before theirs opens."""
        progress = self.progress
        await self.media.hand_over()
        await self._part("warm", queue=progress.queue, to=asked.agent)
        self.agent_leg, self.asking = asked.leg, None
        progress.agent, progress.consulting = asked.agent, ""
        self.house.floor.leave(asked.id)
        self.house.floor.adopt(progress.id, progress.agent, progress.queue, consult="", colleague="")
        self._show(progress.agent)
        self._save()

    # What the two need meanwhile

    async def _open_grant(self) -> None:
        """Ask until the vault answers: meanwhile the call goes on and the page says that nothing can be shown."""
        retries = CONFIRM_RETRIES
        if self._recognising:
            await self._recognising
        while self.progress.grant == "" and self.leg.ticket and self.agent_leg and self.agent_leg.ticket:
            try:
                if self.progress.vault != "ok":
                    await self._recognise(self.house.vault.match)
                self.progress.grant = await self.house.vault.connect(self.leg.ticket.id, self.agent_leg.ticket.raw)
                self.progress.vault = "ok"
            except Unavailable:
                self.progress.vault = "unavailable"
                self._show(self.progress.agent)
                await asyncio.sleep(VAULT_RETRY)
            except Denied as denied:
                if denied.reason != "call-unconfirmed" or (retries := retries - 1) < 0:
                    self.progress.vault = "refused"
                    break
                await asyncio.sleep(CONFIRM_RETRY)  # our ACK is still on its way through the edge
        self._show(self.progress.agent)
        self._save_soon()

    async def _hear_agent(self) -> None:
        """Hold, resume and ICE restarts are answered here; the caller never sees a re-INVITE."""
        assert self.agent_leg
        while True:
            event = await self.agent_leg.next_event()
            if event.kind is LegEventKind.OFFER:
                await self._reoffer(self.agent_leg, self.media.agent_reoffer, event)
                self.house.floor.holds(self.progress.agent, self.media.held)
            elif event.kind is LegEventKind.REOFFERED and self._waking:
                self._woken(event.code)
            elif event.kind is LegEventKind.ENDED and self.asking:
                return self.settle("complete")  # who leaves a consultation leaves the caller to the colleague
            elif event.kind is LegEventKind.ENDED:
                raise CallOver("agent_lost" if event.reason else "agent_hung_up")

    def verify(self) -> None:
        """The desk asks the caller to key the one-time code. One at a time."""
        if self.progress.grant and (self._verifying is None or self._verifying.done()):
            self._verifying = self._spawn(self._verify())

    async def _verify(self) -> None:
        agent, show = self.progress.agent, self.house.floor.show
        sent = partial(show, agent, verifying="sent")
        passed = await self._step_up(private=True, sent=sent)
        show(agent, verifying="passed" if passed else "failed", assurance=self.progress.assurance)
        await self.media.play(spoken(Prompt.CODE_OK if passed else Prompt.CODE_WRONG, self.language))
        self._save_soon()

    if TYPE_CHECKING:  # what `Call` has

        @property
        def leg_id(self) -> str: ...

        @property
        def language(self) -> str: ...

        async def _wait(self) -> Event | None: ...

        async def _goes_another_way(self, ended: Event) -> None: ...

        async def _recognise(self, ask: Callable[[Sealed[str]], Awaitable[Match]]) -> None: ...

        async def _step_up(self, private: bool, sent: Callable[[], None]) -> bool: ...

        async def _reoffer(self, leg: Leg, answer: Callable[[str], Awaitable[str]], event: LegEvent) -> None: ...

        def _show(self, agent: str) -> None: ...

        def _record(self, kind: Kind, **fields: str | int | float | bool) -> None: ...

        def _save(self) -> None: ...

        def _save_soon(self) -> None: ...

        def _spawn(self, work: Awaitable[Any]) -> asyncio.Task[Any]: ...
