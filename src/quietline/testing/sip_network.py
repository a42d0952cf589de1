"""SIP's far sides for tests and benches: user agents joined by a network in memory, and an edge on a real socket."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quietline.config import Config, Controller, Edge
from quietline.sip.agent import UserAgent
from quietline.sip.core import Settings
from quietline.sip.message import Request, Response
from quietline.sip.parse import parse
from quietline.sip.session import Address, Effect, Event, Send, Session, What
from quietline.testing.ports import free_ports

A: Address = ("192.0.2.1", 5060)
B: Address = ("192.0.2.2", 5060)
OFFER = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
ANSWER = OFFER.replace("192.0.2.1", "192.0.2.2")


def counter(prefix: str = "a") -> Callable[[], str]:
    """Ids that are the same in every run: sixteen hex digits, first the prefix."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers):0{16 - len(prefix)}x}"


def agent(address: Address = A, prefix: str = "a", **settings: object) -> UserAgent:
    """A user agent with made-up tags and branches that are the same in every run."""
    return UserAgent(replace(Settings(address), **settings), counter(prefix))  # type: ignore[arg-type]


def events(effects: list[Effect]) -> list[Event]:
    """What the user is told."""
    return [effect for effect in effects if isinstance(effect, Event)]


def whats(effects: list[Effect]) -> list[What]:
    """The kinds of what the user is told."""
    return [event.what for event in events(effects)]


def sent(effects: list[Effect]) -> list[Request | Response]:
    """What went out, parsed."""
    return [parse(effect.data) for effect in effects if isinstance(effect, Send)]


def statuses(effects: list[Effect]) -> list[int]:
    """Of the responses that went out, read from the bytes: a refusal echoes headers that do not parse."""
    return [int(one.data[8:11]) for one in effects if isinstance(one, Send) and one.data.startswith(b"SIP/2.0 ")]


def methods(effects: list[Effect]) -> list[str]:
    """The methods of the requests that went out."""
    return [message.method for message in sent(effects) if isinstance(message, Request)]


def request(
    method: str = "INVITE", uri: str = "sip:shop@192.0.2.1", body: str = OFFER, tag: str = "",
    branch: str = "z9hG4bKx1", cseq: int = 1, call_id: str = "call-1", **headers: str,
) -> bytes:  # fmt: skip
    """A request as a stranger would write it; keyword arguments become headers (`max_forwards="0"`)."""
    lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}"]
    lines += ["From: <sip:+442079460001@192.0.2.9>;tag=far", f"To: <{uri}>" + (f";tag={tag}" if tag else "")]
    lines += [f"Call-ID: {call_id}", f"CSeq: {cseq} {method}", "Contact: <sip:far@192.0.2.9:5060>"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if body:
        lines += [] if "content_type" in headers else ["Content-Type: application/sdp"]
    lines.append(f"Content-Length: {len(body.encode())}\r\n\r\n")
    return ("\r\n".join(lines) + body).encode()


@dataclass
class Network:
    """User agents joined in memory. Each datagram may be lost, doubled and delayed, as `dice` says; `now` is ours."""

    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a network's luck, not a secret
    loss: float = 0.0
    doubling: float = 0.0
    delay: float = 0.0  # seconds at most: more than 0 reorders
    now: float = 1_000.0
    agents: dict[Address, UserAgent] = field(default_factory=dict)
    heard: list[tuple[Address, Event]] = field(default_factory=list)
    on_event: Callable[[Address, Event], None] = lambda _at, _event: None
    log: list[tuple[Address, bytes]] = field(default_factory=list)
    _flying: list[tuple[float, int, Address, Address, bytes]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def join(self, address: Address, prefix: str, **settings: object) -> UserAgent:
        """One more user agent, at this address."""
        self.agents[address] = agent(address, prefix, **settings)
        return self.agents[address]

    def take(self, at: Address, effects: list[Effect]) -> None:
        """Carry out what an agent wants."""
        for effect in effects:
            if isinstance(effect, Event):
                self.heard.append((at, effect))
                self.on_event(at, effect)
            else:
                self.log.append((at, effect.data))
                copies = 0 if self.dice.random() < self.loss else 1 + (self.dice.random() < self.doubling)
                for _ in range(copies):
                    due = self.now + self.dice.random() * self.delay
                    heapq.heappush(self._flying, (due, next(self._numbers), at, effect.to, effect.data))

    def run(self, until: float) -> None:
        """Let time pass up to the absolute second `until`, event by event."""
        while True:
            timers = [(one.next_deadline(), at) for at, one in self.agents.items()]
            due = min([time for time, _ in timers] + [flight[0] for flight in self._flying[:1]])
            if due > until:
                break
            self.now = max(self.now, due)
            self._step(timers)
        self.now = until

    def _step(self, timers: list[tuple[float, Address]]) -> None:
        if self._flying and self._flying[0][0] <= self.now:
            _, _, source, to, data = heapq.heappop(self._flying)
            if to in self.agents:
                self.take(to, self.agents[to].receive(data, source, self.now))
            return
        for time, at in timers:
            if time <= self.now:
                self.take(at, self.agents[at].tick(self.now))

    def rest(self) -> None:
        """Until nothing is left to happen."""
        for _ in range(100_000):
            times = [one.next_deadline() for one in self.agents.values()] + [flight[0] for flight in self._flying[:1]]
            if min(times) == float("inf"):
                return
            self.run(min(times))
        raise AssertionError("the network never comes to rest")

    def last(self, at: Address, what: What) -> Session:
        """The leg of the newest such event."""
        return next(event.session for where, event in reversed(self.heard) if where == at and event.what is what)

    def seen(self, at: Address) -> list[What]:
        return [event.what for where, event in self.heard if where == at]


def pair(**settings: object) -> Network:
    """Two user agents, A and B, that reach each other."""
    network = Network()
    network.join(A, "a", **settings)
    network.join(B, "b", **settings)
    return network


def call(network: Network, answer: str = ANSWER) -> tuple[Session, Session]:
    """A calls B, B answers; both legs, confirmed."""
    one, effects = network.agents[A].invite("sip:b@192.0.2.2", '"A" <sip:a@192.0.2.1>', OFFER, B, network.now)
    network.take(A, effects)
    network.run(network.now)
    other = network.last(B, What.INVITED)
    network.take(B, network.agents[B].answer(other, answer, network.now))
    network.run(network.now)
    return one, other


def config(**controller: object) -> Config:
    """A configuration on free ports."""
    sip, internal = free_ports(2)
    settings = Controller(sip_port=sip, **controller)  # type: ignore[arg-type]
    return Config(edge=Edge(internal_port=internal, realm="shop.example"), controller=settings)


class FarEdge(asyncio.DatagramProtocol):
    """The edge's place on loopback: a core of its own plays caller and agent, raw bytes can be sent and read."""

    def __init__(self, settings: Config) -> None:
        self.address: Address = ("127.0.0.1", settings.edge.internal_port)
        self.controller: Address = ("127.0.0.1", settings.controller.sip_port)
        self.agent = UserAgent(Settings(self.address), counter("e"))
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.raw: asyncio.Queue[bytes] = asyncio.Queue()
        self.mute = False  # true: what arrives is only kept in `raw`
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> FarEdge:
        self._transport, _ = await self.loop.create_datagram_endpoint(lambda: self, local_addr=self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.raw.put_nowait(data)
        if not self.mute:
            self.do(self.agent.receive(data, addr, self.loop.time()))

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Event):
                self.events.put_nowait(effect)
            else:
                self.send(effect.data)

    def send(self, data: bytes) -> None:
        assert self._transport
        self._transport.sendto(data, self.controller)

    def invite(self, sdp: str = OFFER, **extra: str) -> Session:
        headers = [(name.replace("_", "-"), value) for name, value in extra.items()]
        caller = "<sip:+442079460001@carrier.example>"
        session, effects = self.agent.invite(
            "sip:+442079460002@shop.example", caller, sdp, self.controller, self.loop.time(), headers
        )
        self.do(effects)
        return session

    async def hears(self, what: What) -> Event:
        """The next event of this kind; TimeoutError after two seconds."""
        async with asyncio.timeout(2):
            while (event := await self.events.get()).what is not what:
                pass
        return event

    async def reads(self, start: bytes) -> bytes:
        """The next datagram that begins with `start`; TimeoutError after two seconds."""
        async with asyncio.timeout(2):
            while not (data := await self.raw.get()).startswith(start):
                pass
        return data
