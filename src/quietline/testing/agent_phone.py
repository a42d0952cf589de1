"""An agent's desk phone: registers over TLS with digest, takes calls with SRTP (SDES), does as it is told.

async with SimulatedAgentPhone(edge, Credentials("ag_7f3a", "…")) as phone:
    await phone.registers()
    phone.behaviour = answers_after(0.5)
    leg = await phone.takes_call()
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from quietline.errors import ProtocolError
from quietline.testing.caller import LOUD, listens, stays_deaf
from quietline.testing.digest import Credentials
from quietline.testing.far_leg import CallRefused, FarLeg, Headers
from quietline.testing.rtp import RtpEndpoint
from quietline.testing.sdp_text import MediaTaste
from quietline.testing.sip_text import Message, response_to
from quietline.testing.user_agent import UserAgent, wait_for
from quietline.testing.wire import Edge, SocketFactory

RESERVE = 4  # media ports kept open ahead of calls: binding is awaited, an INVITE is not


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the phone does with an INVITE: ring, then `act` after `after` seconds; None only rings."""

    act: Callable[[SimulatedAgentPhone, FarLeg], None] | None
    after: float = 0.0
    rings: bool = True


def rings_only() -> Behaviour:
    """Never answers."""
    return Behaviour(None)


def answers_after(seconds: float = 0.0) -> Behaviour:
    """Answers by itself, after so many seconds of ringing."""
    return Behaviour(lambda phone, leg: leg.accepts(), seconds)


def declines(status: str = "486 Busy Here", after: float = 0.0, extra: Headers = ()) -> Behaviour:
    """For a redirect give "302 Moved Temporarily" and a Contact in `extra`."""
    return Behaviour(lambda phone, leg: leg.declines(status, extra), after)


def vanishes_after(seconds: float = 0.0) -> Behaviour:
    """Rings, then its plug is pulled."""
    return Behaviour(lambda phone, leg: phone.vanishes(), seconds)


class _Registration:
    """REGISTER and its answer (RFC 3261 §10.2)."""

    def __init__(self, agent: UserAgent, domain: str) -> None:
        self.call_id = secrets.token_hex(12)
        self.code = 0
        self.done = asyncio.Event()
        self._agent, self._domain = agent, domain
        self._cseq, self._expires, self._tried = 0, 0, False
        self._tag = secrets.token_hex(6)

    def send(self, expires: int, *authorization: tuple[str, str]) -> None:
        self._expires, self._tried = expires, bool(authorization)
        self.done.clear()
        self._cseq += 1
        address = f"<sip:{self._agent.user}@{self._domain}>"
        headers = [
            self._agent.via(),
            ("Max-Forwards", "70"),
            ("From", f"{address};tag={self._tag}"),
            ("To", address),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", self._agent.contact),
            ("Expires", str(expires)),
            *authorization,
        ]
        self._agent.request(Message(f"REGISTER sip:{self._domain} SIP/2.0", headers))

    def on_response(self, response: Message) -> None:
        if response.code in (401, 407) and not self._tried:
            header = self._agent.authorize(response, "REGISTER", f"sip:{self._domain}")
            if header:
                self.send(self._expires, header)
                return
        if response.code >= 200:
            self.code = response.code
            self.done.set()

    def on_request(self, request: Message) -> None:
        self._agent.respond(request, response_to(request, "481 Call/Transaction Does Not Exist", self._tag))


class SimulatedAgentPhone:
    """One registered phone; `legs` holds its calls, newest last; `received` every SIP message."""

    def __init__(
        self,
        edge: Edge,
        credentials: Credentials,
        *,
        taste: MediaTaste | None = None,
        sockets: SocketFactory = socket.socket,
        tone: int = 1_000,
    ) -> None:
        self.behaviour = answers_after(0.0)
        self.legs: list[FarLeg] = []
        self.taste = taste or MediaTaste()
        self.agent = UserAgent(
            edge, credentials.user, credentials=credentials, sockets=sockets, on_new_request=self._on_request
        )
        self._sockets = sockets
        self._tone = tone
        self._registration = _Registration(self.agent, edge.name)
        self._arrivals: asyncio.Queue[FarLeg] = asyncio.Queue()
        self._reserve: list[RtpEndpoint] = []
        self._timers: list[asyncio.TimerHandle] = []

    async def __aenter__(self) -> SimulatedAgentPhone:
        await self.agent.open()
        self.agent.conversations[self._registration.call_id] = self._registration
        await self._refill()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.agent.silent and not self.agent.wire.lost.is_set():
            for leg in self.legs:
                leg.hangs_up()
        self._stop()
        await self.agent.close()

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for media in [*self._reserve, *(leg.media for leg in self.legs)]:
            media.close()

    @property
    def received(self) -> list[bytes]:
        return self.agent.wire.received

    @property
    def rtcp_received(self) -> list[bytes]:
        return [packet for leg in self.legs for packet in leg.media.rtcp_received]

    # What an agent's phone does

    async def registers(self, expires: int = 300, within: float = 10.0) -> None:
        """Raises CallRefused with the registrar's code, ProtocolError when it does not answer."""
        self._registration.send(expires)
        await wait_for(self._registration.done, within, "an answer to REGISTER")
        if self._registration.code >= 300:
            raise CallRefused(self._registration.code, "registration")

    async def unregisters(self) -> None:
        await self.registers(expires=0)

    async def is_rung(self, within: float = 10.0) -> FarLeg:
        """The next call that rings. Raises ProtocolError when none comes."""
        try:
            async with asyncio.timeout(within):
                leg = await self._arrivals.get()
        except TimeoutError:
            raise ProtocolError(f"simulated agent: no call came within {within:g} s") from None
        await self._refill()
        return leg

    async def takes_call(self, within: float = 10.0) -> FarLeg:
        """The next call, once the phone has answered it. Raises CallRefused when it declined or the caller gave up."""
        leg = await self.is_rung(within)
        await wait_for(leg.settled, within, "answering")
        if leg.state != "answered":
            raise CallRefused(leg.code, leg.reason or leg.state)
        return leg

    async def hears(self, tone: int, within: float = 5.0, loud: float = LOUD) -> float:
        """As for the caller, on the newest call."""
        return await listens(self.legs[-1].media, tone, within, loud)

    async def hears_no(self, tone: int, during: float = 1.0, loud: float = LOUD) -> None:
        await stays_deaf(self.legs[-1].media, tone, during, loud)

    def hangs_up(self) -> None:
        self.legs[-1].hangs_up()

    async def is_hung_up_on(self, within: float = 10.0) -> None:
        await wait_for(self.legs[-1].ended, within, "the far side's hang-up")

    def vanishes(self) -> None:
        """Plug pulled: no BYE, no media, no answer."""
        self.agent.vanish()
        self._stop()

    # From the wire

    async def _refill(self) -> None:
        while len(self._reserve) < RESERVE:
            media = RtpEndpoint(self.agent.wire.local[0], sockets=self._sockets, rtcp_items={"CNAME": "desk@invalid"})
            await media.open()
            media.sends_tone(self._tone)
            self._reserve.append(media)

    def _on_request(self, request: Message) -> None:
        if request.method == "INVITE":
            self._on_invite(request)
            return
        status = "200 OK" if request.method in ("OPTIONS", "NOTIFY") else "481 Call/Transaction Does Not Exist"
        self.agent.respond(request, response_to(request, status, secrets.token_hex(6)))

    def _on_invite(self, request: Message) -> None:
        if not self._reserve:
            self.agent.respond(request, response_to(request, "486 Busy Here", secrets.token_hex(6)))
            return
        leg = FarLeg(self.agent, self._reserve.pop(), self.taste)
        try:
            leg.invited(request)
        except ProtocolError:
            leg.declines("488 Not Acceptable Here")
            return
        self.agent.conversations[leg.call_id] = leg
        self.legs.append(leg)
        self._arrivals.put_nowait(leg)
        self._behave(leg)

    def _behave(self, leg: FarLeg) -> None:
        behaviour = self.behaviour
        if behaviour.rings:
            leg.rings()
        if behaviour.act is not None:
            self._timers.append(asyncio.get_running_loop().call_later(behaviour.after, self._act, behaviour.act, leg))

    def _act(self, act: Callable[[SimulatedAgentPhone, FarLeg], None], leg: FarLeg) -> None:
        if leg.state in ("calling", "ringing") and not self.agent.silent:
            act(self, leg)
