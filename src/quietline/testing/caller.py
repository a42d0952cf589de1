"""A customer with a phone, as the edge meets one.

    async with SimulatedCaller(Edge("127.0.0.1", 5061, ca=ca)) as caller:
        await caller.dials("+442079460101")
        await caller.answered()
        await caller.press("1")
        await caller.hears(1_000)
        await caller.hangs_up()

It speaks TLS (with a client certificate on a trunk), TCP or cleartext UDP; shares no code with `quietline.sip`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from quietline.errors import ProtocolError, QuietlineError
from quietline.testing.digest import Credentials
from quietline.testing.far_leg import CallRefused, FarLeg
from quietline.testing.rtp import RtpEndpoint
from quietline.testing.sdp_text import PLAIN, MediaTaste
from quietline.testing.tones import BLOCK, amplitude_of
from quietline.testing.user_agent import UserAgent, wait_for
from quietline.testing.wire import Edge, SocketFactory

__all__ = ["PLAIN", "CallRefused", "Credentials", "Edge", "MediaTaste", "NotHeard", "Person", "SimulatedCaller"]

LOUD = 1_000.0  # a tone of amplitude 8,000 through G.711 measures about 8,000; noise of the codec below 100
LISTEN = 0.4  # seconds looked at
ENOUGH = 2 * BLOCK  # samples: a filter over less answers to its neighbours' tones too
HANG_UP_GRACE = 2.0  # seconds for the BYE's answer


class NotHeard(QuietlineError):
    """The tone did not arrive in time; the text says what was loudest instead."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who calls, and everything a phone may give away about it: plant canaries here."""

    number: str = "+447700900001"
    name: str = ""  # display name in From
    uri: str = ""  # "": sip:<number>@<edge's name>
    identities: tuple[str, ...] = ()  # P-Asserted-Identity values, as they shall stand
    privacy: str = ""  # Privacy, RFC 3323
    headers: tuple[tuple[str, str], ...] = ()  # further ones: Diversion, Remote-Party-ID, X-…
    rtcp: Mapping[str, str] = field(default_factory=lambda: {"CNAME": "far@invalid"})  # SDES items, RFC 3550 §6.5

    def from_value(self, domain: str) -> str:
        """The From header's value, without its tag."""
        uri = self.uri or f"sip:{self.number}@{domain}"
        return f'"{self.name}" <{uri}>' if self.name else f"<{uri}>"

    def extra_headers(self) -> list[tuple[str, str]]:
        """What else this person's carrier says: P-Asserted-Identity (RFC 3325), Privacy (RFC 3323)."""
        privacy = [("Privacy", self.privacy)] if self.privacy else []
        return [*(("P-Asserted-Identity", value) for value in self.identities), *privacy, *self.headers]


class SimulatedCaller:
    """One phone, one call at a time. `received` and `rtcp_received` keep all that came, for leak checks."""

    def __init__(
        self,
        edge: Edge,
        person: Person | None = None,
        *,
        taste: MediaTaste | None = None,
        credentials: Credentials | None = None,
        sockets: SocketFactory = socket.socket,
        tone: int = 700,
    ) -> None:
        self.person = person or Person()
        self.taste = taste or MediaTaste()
        self.agent = UserAgent(edge, self.person.number.lstrip("+"), credentials=credentials, sockets=sockets)
        self._sockets = sockets
        self._tone = tone
        self._leg: FarLeg | None = None

    async def __aenter__(self) -> SimulatedCaller:
        await self.agent.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.agent.silent and not self.agent.wire.lost.is_set():
            with contextlib.suppress(
                ProtocolError
            ):  # an edge that no longer answers must not hide the test's own error
                await self.hangs_up()
        if self._leg:
            self._leg.media.close()
        await self.agent.close()

    @property
    def leg(self) -> FarLeg:
        """The call. Raises ProtocolError before `dials`."""
        if self._leg is None:
            raise ProtocolError("simulated caller: has not dialled")
        return self._leg

    @property
    def media(self) -> RtpEndpoint:
        return self.leg.media

    @property
    def received(self) -> list[bytes]:
        """Every SIP message, as it came."""
        return self.agent.wire.received

    @property
    def rtcp_received(self) -> list[bytes]:
        return self.media.rtcp_received

    # What a caller does

    async def dials(self, number: str) -> None:
        """INVITE with an offer; returns once it is sent. A second call takes the place of the first."""
        if self._leg:
            self._leg.hangs_up()
            self._leg.media.close()
        media = RtpEndpoint(self.agent.wire.local[0], sockets=self._sockets, rtcp_items=self.person.rtcp)
        await media.open()
        media.sends_tone(self._tone)
        self._leg = FarLeg(self.agent, media, self.taste)
        self.agent.conversations[self._leg.call_id] = self._leg
        domain = self.agent.edge.name
        uri = number if number.startswith(("sip:", "sips:", "tel:")) else f"sip:{number}@{domain}"
        self._leg.invite(uri, self.person.from_value(domain), self.person.extra_headers())

    async def rings(self, within: float = 10.0) -> None:
        """Wait for 180 or 183. Raises ProtocolError when it does not come."""
        await wait_for(self.leg.ringing, within, "ringing")

    async def answered(self, within: float = 10.0) -> None:
        """Wait for the 200. Raises CallRefused on a final refusal, ProtocolError when nothing comes."""
        await wait_for(self.leg.settled, within, "an answer")
        if self.leg.state != "answered" and not self.leg.ended_by:
            raise CallRefused(self.leg.code, self.leg.reason)

    async def refused(self, within: float = 10.0) -> int:
        """Wait for a refusal; its code. Raises ProtocolError when the call is answered instead."""
        await wait_for(self.leg.settled, within, "a refusal")
        if self.leg.code < 300:
            raise ProtocolError("simulated caller: answered, not refused")
        return self.leg.code

    async def press(self, keys: str) -> None:
        """Keys by RFC 4733, or in band where the phone has no telephone-event."""
        await self.media.press(keys)

    async def hangs_up(self, grace: float = HANG_UP_GRACE) -> None:
        """BYE and wait for its answer for `grace` seconds; CANCEL when the call is still ringing."""
        if self._leg is None or self._leg.ended.is_set():
            return
        if self._leg.state in ("calling", "ringing"):
            await self.cancels(grace)
            return
        self._leg.hangs_up()
        with contextlib.suppress(ProtocolError):  # nobody left to answer: we are gone all the same
            await wait_for(self._leg.bye_answered, grace, "an answer to BYE")

    async def cancels(self, within: float = 5.0) -> None:
        """CANCEL and wait for the 487. Raises ProtocolError when none comes."""
        self.leg.cancels()
        await wait_for(self.leg.ended, within, "the end of a cancelled call")

    def vanishes(self) -> None:
        """The line is cut: no BYE, no media, no answer."""
        self.agent.vanish()
        if self._leg:
            self._leg.media.close()

    async def is_hung_up_on(self, within: float = 10.0) -> None:
        """Wait for the far side's BYE. Raises ProtocolError when it does not come."""
        await wait_for(self.leg.ended, within, "the far side's hang-up")

    # What a caller hears

    async def hears(self, tone: int, within: float = 5.0, loud: float = LOUD) -> float:
        """The tone's amplitude once it is `loud` over the last 0.4 s. Raises NotHeard."""
        return await listens(self.media, tone, within, loud)

    async def hears_no(self, tone: int, during: float = 1.0, loud: float = LOUD) -> None:
        """Raises ProtocolError if the tone is there over any 0.4 s."""
        await stays_deaf(self.media, tone, during, loud)


async def listens(media: RtpEndpoint, tone: int, within: float, loud: float = LOUD) -> float:
    """Wait for a tone; its amplitude. Raises NotHeard with what was loudest."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        samples = media.samples(since=time.monotonic() - LISTEN)
        amplitude = amplitude_of(samples, tone)
        if len(samples) >= ENOUGH and amplitude >= loud:
            return amplitude
        await asyncio.sleep(0.1)
    frequency, amplitude = media.loudest()
    raise NotHeard(
        f"{tone} Hz not heard in {within:g} s: {media.counts['received']} packets, "
        f"{media.counts['authentication_failures']} not authentic, loudest {frequency} Hz at {amplitude:.0f}"
    )


async def stays_deaf(media: RtpEndpoint, tone: int, during: float, loud: float = LOUD) -> None:
    """Raises ProtocolError if the tone is heard."""
    try:
        await listens(media, tone, during, loud)
    except NotHeard:
        return
    raise ProtocolError(f"simulated phone: hears {tone} Hz, which it should not")
