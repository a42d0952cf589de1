"""The SIP endpoint: the core of `quietline.sip` on a loopback socket, as `Telephony` and `Leg` want it.

It speaks to one peer, the edge, and hears nobody else. One timer of the loop serves every deadline of the core. UDP is
the rule, for on loopback it is enough; TCP shares everything but the wire.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from math import ceil, inf
from typing import Any, Protocol

import structlog

from quietline import legs
from quietline.carriers import E164, Route
from quietline.config import Config
from quietline.errors import ProtocolError
from quietline.legs import LegTicket
from quietline.mailbox import Mailbox
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.sip.agent import UserAgent
from quietline.sip.core import Settings
from quietline.sip.message import Message
from quietline.sip.session import Address, Effect, Event, Send, Session, What
from quietline.telephony.admission import Admission
from quietline.telephony.datagrams import Datagrams
from quietline.telephony.ports import LegEvent, LegEventKind
from quietline.telephony.stream import EdgeStream

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
WAITING_LEGS = 256  # callers that nobody has taken up yet; above it 503
EVENTS_PER_LEG = 64  # unread ones; above it INFO and RINGING are dropped, the others never
ANONYMOUS = "<sip:anonymous@anonymous.invalid>"  # RFC 3323 §4.1.1.3
PRIVATE = (("privacy", "id"),)  # RFC 3323, RFC 3325 §9.3
MAX_CODE = 699
IDS_AT_ONCE = 256
GRID = 0.02  # seconds; timers that are due between two points of it run together, at the later one

_AGENT = re.compile(r"[A-Za-z0-9_.\-]{1,64}").fullmatch
_KINDS = {
    What.RINGING: LegEventKind.RINGING,
    What.ANSWERED: LegEventKind.ANSWERED,
    What.REJECTED: LegEventKind.REJECTED,
    What.CONFIRMED: LegEventKind.CONFIRMED,
    What.CANCELLED: LegEventKind.CANCELLED,
    What.ENDED: LegEventKind.ENDED,
    What.OFFER: LegEventKind.OFFER,
    What.INFO: LegEventKind.INFO,
    What.REOFFERED: LegEventKind.REOFFERED,
}
_DROPPABLE = (LegEventKind.INFO, LegEventKind.RINGING)
_OWN = Ticket("controller", "journal", SIGNALLING)
_DIAL = Ticket("controller", "dial", SIGNALLING)


class SipLeg:
    """One leg; see `ports.Leg` for the contract."""

    def __init__(
        self, endpoint: SipEndpoint, session: Session, offer: str = "", ticket: LegTicket | None = None
    ) -> None:
        self.id = "sip_" + session.id
        self.offer = offer
        self.ticket = ticket
        self.session = session
        self._endpoint = endpoint
        self._events: Mailbox[LegEvent] = Mailbox()

    @property
    def alive(self) -> bool:
        return self.session.alive

    def ringing(self) -> None:
        self._endpoint.apply(self._endpoint.agent.ring(self.session, self._endpoint.now()))

    def answer(self, sdp: str) -> None:
        self._endpoint.apply(self._endpoint.agent.answer(self.session, sdp, self._endpoint.now()))

    def reject(self, code: int, reason: str = "") -> None:
        """Raises ValueError when `code` is not 300 to 699 or `reason` is no single line."""
        if not 300 <= code <= MAX_CODE or not reason.isprintable():
            raise ValueError("a refusal needs a code of 300 to 699 and a printable reason")
        self._endpoint.apply(self._endpoint.agent.reject(self.session, code, self._endpoint.now(), reason))
        self._endpoint.forget(self)

    def hang_up(self) -> None:
        self._endpoint.apply(self._endpoint.agent.hang_up(self.session, self._endpoint.now()))
        self._endpoint.forget(self)

    def accept_offer(self, sdp: str) -> None:
        self._endpoint.apply(self._endpoint.agent.accept_offer(self.session, sdp, self._endpoint.now()))

    def refuse_offer(self, code: int) -> None:
        self._endpoint.apply(self._endpoint.agent.refuse_offer(self.session, code, self._endpoint.now()))

    def reoffer(self, sdp: str) -> None:
        self._endpoint.apply(self._endpoint.agent.reinvite(self.session, sdp, self._endpoint.now()))

    def probe(self, wait: float = 32.0) -> None:
        self._endpoint.apply(self._endpoint.agent.options(self.session, self._endpoint.now(), wait))

    async def next_event(self) -> LegEvent:
        return await self._events.get()

    def save(self) -> dict[str, Any]:
        return {
            "version": 1,
            "offer": self.offer,
            "ticket": self.ticket.raw.open(_OWN) if self.ticket else "",
            "session": self.session.save(self._endpoint.now()),
        }

    def happened(self, event: LegEvent) -> None:
        """Called by the endpoint only."""
        if event.kind in _DROPPABLE and len(self._events) >= EVENTS_PER_LEG:
            return
        if event.sdp:
            self.offer = event.sdp
        if event.ticket:
            self.ticket = event.ticket
        self._events.put(event)

    def __repr__(self) -> str:
        return f"<SipLeg {self.id} {self.session.phase.value}>"


class Wire(Protocol):
    """What carries bytes to the edge: `Datagrams` or `EdgeStream`."""

    def sendto(self, data: bytes, to: Address, /) -> None: ...

    def close(self) -> None: ...


class SipEndpoint:
    """`ports.Telephony` over UDP or TCP on loopback. Make one with `open` or `open_stream`."""

    def __init__(self, config: Config, transport: str = "UDP") -> None:
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.address: Address = (LOOPBACK, config.controller.sip_port)
        self.edge: Address = (LOOPBACK, config.edge.internal_port)
        self.strangers = 0  # datagrams from elsewhere than the edge, dropped
        self._realm = config.edge.realm
        settings = Settings(self.address, transport, max_incoming=config.controller.max_calls)
        self.agent = UserAgent(settings, fresh_ids().__next__)
        self.admission = Admission(config.controller.busy_after)
        self._legs: dict[str, SipLeg] = {}
        self._arrivals: asyncio.Queue[SipLeg] = asyncio.Queue(WAITING_LEGS)
        self._wire: Wire | None = None
        self._timer: asyncio.Handle | None = None
        self._armed_at = inf  # ours, for uvloop's handle of a time that is past cannot tell it

    @classmethod
    async def open(cls, config: Config) -> SipEndpoint:
        """Bind 127.0.0.1:controller.sip_port. Raises OSError when the port is taken."""
        endpoint = cls(config)
        endpoint._wire = Datagrams(endpoint.address, endpoint.heard)
        log.info("sip endpoint open", port=endpoint.address[1])
        return endpoint

    @classmethod
    async def open_stream(cls, config: Config) -> SipEndpoint:
        """Connect to 127.0.0.1:edge.internal_port over TCP; returns once that stands, and keeps it standing."""
        endpoint = cls(config, "TCP")
        stream = EdgeStream(endpoint.edge, lambda data: endpoint.heard(data, endpoint.edge))
        endpoint._wire = stream
        try:
            await stream.connect()
        except asyncio.CancelledError:
            stream.close()
            raise
        log.info("sip stream open", port=endpoint.edge[1])
        return endpoint

    def close(self) -> None:
        """Stop at once; legs are not told. Harmless when closed."""
        if self._timer:
            self._timer.cancel()
        if self._wire:
            self._wire.close()
        self._timer = self._wire = None

    # ports.Telephony

    async def incoming(self) -> AsyncIterator[SipLeg]:
        """New callers, 100 Trying already sent; those that gave up while waiting here are left out."""
        while True:
            leg = await self._arrivals.get()
            if leg.alive:
                yield leg

    def dial_agent(self, agent: str, alias: str, sdp: str) -> SipLeg:
        """See the port. Raises ValueError for an agent token that is none."""
        if not _AGENT(agent):
            raise ValueError("an agent's token is 1 to 64 of letters, digits, '_', '.' and '-'")
        shown = "".join(char for char in alias if char.isprintable() and char not in '"\\')
        uri = f"sip:{agent}@{self._realm}"
        session, effects = self.agent.invite(uri, f'"{shown}" {ANONYMOUS}', sdp, self.edge, self.now(), PRIVATE)
        leg = self._keep(SipLeg(self, session))
        self.apply(effects)
        return leg

    def dial_out(self, route: Route, number: Sealed[str], sdp: str) -> SipLeg:
        """See the port. Raises ValueError for a number that is none."""
        digits = number.open(_DIAL)
        if not E164.fullmatch(digits):
            raise ValueError("a number to dial is E.164: +, country, number")
        asked = (("x-ql-trunk", route.carrier.trunk), ("x-ql-shows", route.shown))
        session, effects = self.agent.invite(route.uri(digits), route.caller, sdp, self.edge, self.now(), asked)
        session.signs = bool(route.carrier.user)
        leg = self._keep(SipLeg(self, session))
        self.apply(effects)
        return leg

    def restore(self, saved: dict[str, Any]) -> SipLeg:
        try:
            if saved["version"] != 1:
                raise ProtocolError("SIP: a saved leg is of another version")
            raw, offer = str(saved["ticket"]), str(saved["offer"])
            ticket = legs.parse_leg(raw) if raw else None
            session, effects = self.agent.restore(saved["session"], self.now())
        except (KeyError, TypeError):
            raise ProtocolError("SIP: a saved leg cannot be read") from None
        leg = self._keep(SipLeg(self, session, offer, ticket))
        self.apply(effects)
        return leg

    # The wire

    def heard(self, data: bytes, source: Address, waited: float = 0.0) -> None:
        """A message, and the seconds it waited for us. While all of them wait too long new callers get 503."""
        if source != self.edge:
            self.strangers += 1
            return
        now = self._loop.time()
        self.apply(self.agent.receive(data, source, now, busy=self.admission.busy(waited, now)))

    # Effects

    def apply(self, effects: list[Effect]) -> None:
        """Send, tell, and set the timer to the next deadline."""
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect.data, effect.to)
            elif effect.what is What.INVITED:
                self._arrived(effect)
            else:
                self._happened(effect)
        self._arm()

    def _send(self, data: bytes, to: Address) -> None:
        if self._wire:
            self._wire.sendto(data, to)

    def _arrived(self, event: Event) -> None:
        leg = self._keep(SipLeg(self, event.session, event.sdp, _ticket(event.message)))
        try:
            self._arrivals.put_nowait(leg)
        except asyncio.QueueFull:
            leg.reject(503)

    def _happened(self, event: Event) -> None:
        kind, leg = _KINDS.get(event.what), self._legs.get(event.session.id)
        if kind is None or leg is None:
            return
        ticket = _ticket(event.message) if kind is LegEventKind.ANSWERED else None
        leg.happened(LegEvent(kind, event.code, event.reason, event.sdp, ticket))
        self.forget(leg)

    def _keep(self, leg: SipLeg) -> SipLeg:
        self._legs[leg.session.id] = leg
        return leg

    def forget(self, leg: SipLeg) -> None:
        """Let go of a leg whose signalling is over."""
        if leg.session.done:
            self._legs.pop(leg.session.id, None)

    def _arm(self) -> None:
        deadline = self.agent.next_deadline()
        if deadline == inf or deadline + GRID > self._armed_at or not self._wire:
            return  # set already; a timer that fires early finds nothing due and is set anew
        if self._timer:
            self._timer.cancel()
        self._armed_at = ceil(deadline / GRID) * GRID
        self._timer = self._loop.call_at(self._armed_at, self._tick)

    def _tick(self) -> None:
        self._timer, self._armed_at = None, inf
        self.apply(self.agent.tick(self._loop.time()))


def fresh_ids() -> Iterator[str]:
    """16 hex digits each, from the kernel's random source, which is asked once for many."""
    while True:
        drawn = os.urandom(IDS_AT_ONCE * 8).hex()
        for start in range(0, len(drawn), 16):
            yield drawn[start : start + 16]


def _ticket(message: Message | None) -> LegTicket | None:
    """The edge's word for a leg; None when there is none or it cannot be read: such a leg proves nothing."""
    header = message.headers.get(legs.HEADER) if message else ""
    if not header:
        return None
    try:
        return legs.parse_leg(header)
    except ProtocolError:
        log.warning("a leg ticket could not be read")
        return None
