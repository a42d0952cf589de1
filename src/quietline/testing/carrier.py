"""A carrier that takes our calls: wants a sign-in, a signed call (digest), a number of ours; then rings whom we dial.

    async with SimulatedCarrier(certificate, key, Credentials("quietline", "…"), shows={"+442079460101"}) as carrier:
        carrier.behaviour = answers_after(0.2)
        leg = await carrier.is_called()
        await leg.media.press("1")

A TLS server of its own; shares no code with `quietline.sip`. `received` keeps every message, for leak checks.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

from quietline.errors import ProtocolError
from quietline.testing.digest import Credentials, expected_response
from quietline.testing.far_leg import FarLeg
from quietline.testing.rtp import RtpEndpoint
from quietline.testing.sdp_text import MediaTaste
from quietline.testing.sip_text import Message, response_to, take_message, uri_of
from quietline.testing.user_agent import BRANCH, wait_for

REALM = "carrier.example"
RESERVE = 3  # media ports kept open ahead of calls
MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a called phone does: rings, and `act` after `after` seconds; None only rings."""

    act: Callable[[FarLeg], None] | None
    after: float = 0.0


def answers_after(seconds: float = 0.0) -> Behaviour:
    """Somebody picks up."""
    return Behaviour(FarLeg.accepts, seconds)


def never_answers() -> Behaviour:
    """Rings on."""
    return Behaviour(None)


def refuses(status: str = "486 Busy Here", after: float = 0.0) -> Behaviour:
    """Busy, by default."""
    return Behaviour(lambda leg: leg.declines(status), after)


class SimulatedCarrier:
    """One carrier. `legs`: the calls it was asked for, newest last; `registrations`: expiry of each sign-in it took."""

    def __init__(
        self,
        certificate: Path | None = None,
        key: Path | None = None,
        credentials: Credentials | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        shows: frozenset[str] = frozenset(),
        challenge: int = 407,
        taste: MediaTaste | None = None,
        tone: int = 700,
    ) -> None:
        self.host, self.port, self.shows, self.challenge = host, port, shows, challenge
        self.behaviour = answers_after(0.0)
        self.asks = 'qop="auth", algorithm=MD5'  # the rest of a challenge
        self.taste = taste or MediaTaste()
        self.legs: list[FarLeg] = []
        self.received: list[bytes] = []
        self.invites: list[Message] = []  # those it accepted
        self.refusals: list[int] = []  # codes it refused INVITEs with, challenges left out
        self.registrations: list[int] = []
        self.registered = asyncio.Event()
        self.wants_registration = False
        self._credentials, self._tone = credentials, tone
        self._files = (certificate, key)
        self._nonces: set[str] = set()
        self._arrivals: asyncio.Queue[FarLeg] = asyncio.Queue()
        self._reserve: list[RtpEndpoint] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> SimulatedCarrier:
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate, key = self._files
        if certificate is None:
            raise ProtocolError("simulated carrier: a certificate is needed")
        context.load_cert_chain(certificate, key)
        self._server = await loop.create_server(lambda: Line(self), self.host, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        await self._refill()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        for leg in self.legs:
            leg.hangs_up()
        for media in [*self._reserve, *(leg.media for leg in self.legs)]:
            media.close()
        assert self._server
        self._server.close()
        for line in tuple(self._lines):
            line.close()
        await asyncio.sleep(0)

    # What the test does

    async def is_called(self, within: float = 10.0) -> FarLeg:
        """The next call that it rings somebody for. Raises ProtocolError when none comes."""
        try:
            async with asyncio.timeout(within):
                leg = await self._arrivals.get()
        except TimeoutError:
            raise ProtocolError(f"simulated carrier: no call within {within:g} s; refused {self.refusals}") from None
        await self._refill()
        return leg

    async def picks_up(self, within: float = 10.0) -> FarLeg:
        """The next call, once it is answered."""
        leg = await self.is_called(within)
        await wait_for(leg.settled, within, "an answer by the called phone")
        if leg.state != "answered":
            raise ProtocolError(f"simulated carrier: the called phone is {leg.state} ({leg.code})")
        return leg

    async def forget(self) -> None:
        """Let go of calls that nobody asked for yet: between tests that share a carrier."""
        while not self._arrivals.empty():
            self._arrivals.get_nowait()
        await self._refill()

    async def signed_in(self, within: float = 15.0) -> None:
        """Wait until we are registered."""
        await wait_for(self.registered, within, "a registration")

    # From the wire

    def joined(self, line: Line) -> None:
        """A connection of the edge's."""
        self._lines.add(line)

    def left(self, line: Line) -> None:
        """It is gone."""
        self._lines.discard(line)

    async def _refill(self) -> None:
        while len(self._reserve) < RESERVE:
            media = RtpEndpoint(self.host, rtcp_items={"CNAME": "called@invalid"})
            await media.open()
            media.sends_tone(self._tone)
            self._reserve.append(media)

    def on_request(self, line: Line, request: Message) -> None:
        """A request outside a known call."""
        if request.method == "REGISTER":
            self._on_register(line, request)
        elif request.method == "INVITE":
            self._on_invite(line, request)
        elif request.method != "ACK":
            status = "200 OK" if request.method == "OPTIONS" else "481 Call/Transaction Does Not Exist"
            line.respond(request, response_to(request, status, secrets.token_hex(6)))

    def _on_register(self, line: Line, request: Message) -> None:
        if not self._proved(line, request, 401):
            return
        expires = int(request.first("expires") or 0)
        self.registrations.append(expires)
        self.registered.set()
        granted = [("Contact", f"{request.first('contact')};expires={expires}"), ("Expires", str(expires))]
        line.respond(request, response_to(request, "200 OK", secrets.token_hex(6), granted))

    def _on_invite(self, line: Line, request: Message) -> None:
        if self.wants_registration and not self.registered.is_set():
            self._refuse(line, request, "403 Not registered")
        elif not self._proved(line, request, self.challenge):
            return
        elif self.shows and self._shown(request) not in self.shows:
            self._refuse(line, request, "403 Caller number not yours")
        elif not self._reserve or len(self.legs) >= MOST_CALLS:
            self._refuse(line, request, "503 No line")
        else:
            self._ring(line, request)

    def _shown(self, request: Message) -> str:
        """The number it would show: P-Asserted-Identity before From (RFC 3325)."""
        value = request.first("p-asserted-identity") or request.first("from")
        return uri_of(value).partition(":")[2].partition("@")[0]

    def _refuse(self, line: Line, request: Message, status: str) -> None:
        self.refusals.append(int(status[:3]))
        line.respond(request, response_to(request, status, secrets.token_hex(6)))

    def _proved(self, line: Line, request: Message, code: int) -> bool:
        """Whether the request is signed with the right password; else it is challenged, or refused with 403."""
        if self._credentials is None:
            return True
        name, asks = {401: ("authorization", "WWW"), 407: ("proxy-authorization", "Proxy")}[code]
        given = request.first(name)
        if given:
            nonce = re.search(r'nonce="([^"]*)"', given)
            known = nonce is not None and nonce.group(1) in self._nonces
            if known and expected_response(given, self._credentials, request.method):
                return True
            self._refuse(line, request, "403 Wrong password")
            return False
        nonce_text = secrets.token_hex(12)
        self._nonces.add(nonce_text)
        header = (f"{asks}-Authenticate", f'Digest realm="{REALM}", nonce="{nonce_text}", {self.asks}')
        reason = "Unauthorized" if code == 401 else "Proxy Authentication Required"
        line.respond(request, response_to(request, f"{code} {reason}", secrets.token_hex(6), [header]))
        return False

    def _ring(self, line: Line, request: Message) -> None:
        leg = FarLeg(line, self._reserve.pop(), self.taste)
        try:
            leg.invited(request)
        except ProtocolError:
            self._refuse(line, request, "488 Not Acceptable Here")
            return
        self.invites.append(request)
        line.calls[leg.call_id] = leg
        self.legs.append(leg)
        leg.rings()
        self._arrivals.put_nowait(leg)
        act, after = self.behaviour.act, self.behaviour.after
        if act is not None:
            self._timers.append(asyncio.get_running_loop().call_later(after, self._act, act, leg))

    def _act(self, act: Callable[[FarLeg], None], leg: FarLeg) -> None:
        if leg.state in ("calling", "ringing"):
            act(leg)


class Line(asyncio.Protocol):
    """One connection from the edge; the calls on it."""

    def __init__(self, carrier: SimulatedCarrier) -> None:
        self._carrier = carrier
        self._buffer = bytearray()
        self._answered: dict[tuple[str, str], Message] = {}
        self.calls: dict[str, FarLeg] = {}
        self.contact = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.contact = f"<sip:called@{self._carrier.host}:{self._carrier.port};transport=tls>"
        self._carrier.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._carrier.left(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        while message := take_message(self._buffer):
            self._carrier.received.append(message)
            self._on_message(Message.parse(message))
            while self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]

    def _on_message(self, message: Message) -> None:
        leg = self.calls.get(message.first("call-id"))
        repeated = None if message.is_response else self._answered.get((message.branch, message.method))
        if repeated is not None:
            self._transport.write(repeated.encode())
        elif message.is_response:
            if leg:
                leg.on_response(message)
        elif leg:
            leg.on_request(message)
        else:
            self._carrier.on_request(self, message)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # far_leg.Outbox

    def request(self, message: Message) -> None:
        self._transport.write(message.encode())

    def respond(self, request: Message, response: Message) -> None:
        if response.code >= 200:
            self._answered[(request.branch, request.method)] = response
        self._transport.write(response.encode())

    def via(self) -> tuple[str, str]:
        port = self._carrier.port
        return ("Via", f"SIP/2.0/TLS {self._carrier.host}:{port};branch={BRANCH}{secrets.token_hex(8)};rport")

    def authorize(self, challenge: Message, method: str, uri: str) -> tuple[str, str] | None:
        """Nobody challenges a carrier inside a call."""
        return None
