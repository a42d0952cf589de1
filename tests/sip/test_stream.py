"""SIP over TCP: cutting the stream, and the endpoint over one connection to the edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.config import Config
from quietline.errors import ProtocolError
from quietline.sip.agent import UserAgent
from quietline.sip.core import Settings
from quietline.sip.framing import Framer
from quietline.sip.parse import Limits
from quietline.sip.session import Effect, Event, What
from quietline.telephony.endpoint import SipEndpoint
from quietline.telephony.ports import LegEventKind
from quietline.testing.sip_network import ANSWER, OFFER, config, counter, request

MESSAGES = [request(), request("BYE", body="", tag="x"), request("INFO", body="\r\n\r\nx" * 9, tag="y")]


@given(st.lists(st.integers(1, 400), max_size=8), st.sampled_from([b"", b"\r\n\r\n", b"\r\n"]))
def test_wherever_the_stream_is_cut_the_messages_come_out_whole(cuts: list[int], between: bytes) -> None:
    stream, framer, out = between.join([b"", *MESSAGES, b""]), Framer(), []
    for cut in cuts:
        out += framer.feed(stream[:cut])
        stream = stream[cut:]
    out += framer.feed(stream)
    assert out == MESSAGES


def test_byte_by_byte() -> None:
    framer = Framer()
    out = [message for byte in b"".join(MESSAGES) for message in framer.feed(bytes([byte]))]
    assert out == MESSAGES


def test_the_compact_form_counts_too() -> None:
    data = request().replace(b"Content-Length", b"l ")
    assert Framer().feed(data) == [data]


@pytest.mark.parametrize(
    "data",
    [
        request().replace(b"Content-Length: ", b"X: "),
        request().replace(b"Content-Length: ", b"Content-Length: -"),
        request().replace(b"Content-Length: ", b"Content-Length: 99999"),
        request().replace(b"Content-Length: ", b"l: 3\r\nContent-Length: "),
        b"x" * 20_000,
        b"INVITE sip:a@b SIP/2.0\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
def test_a_stream_that_cannot_be_cut_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="closed"):
        Framer().feed(data)


def test_the_head_is_bounded_however_it_comes() -> None:
    framer = Framer(Limits(head=100))
    for _ in range(100):
        assert framer.feed(b"x") == []
    with pytest.raises(ProtocolError):
        framer.feed(b"x")


class StreamEdge:
    """The edge's TCP port, with a core behind it."""

    def __init__(self, settings: Config) -> None:
        self.port = settings.edge.internal_port
        self.agent = UserAgent(Settings(("127.0.0.1", self.port), "TCP"), counter("e"))
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.connected = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> StreamEdge:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        if self.writer:
            self.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer, framer = writer, Framer()
        self.connected.set()
        while data := await reader.read(4_096):
            for message in framer.feed(data):
                self.do(self.agent.receive(message, ("127.0.0.1", 0), asyncio.get_running_loop().time()))
        writer.close()

    def do(self, effects: list[Effect]) -> None:
        assert self.writer
        for effect in effects:
            if isinstance(effect, Event):
                self.events.put_nowait(effect)
            else:
                self.writer.write(effect.data)

    async def hears(self, what: What) -> Event:
        async with asyncio.timeout(3):
            while (event := await self.events.get()).what is not what:
                pass
        return event


@pytest.fixture
def settings() -> Config:
    return config()


@pytest.fixture
async def edge(settings: Config) -> AsyncIterator[StreamEdge]:
    async with StreamEdge(settings) as far:
        yield far


async def test_a_call_each_way_over_one_connection(settings: Config, edge: StreamEdge) -> None:
    endpoint = await SipEndpoint.open_stream(settings)
    await edge.connected.wait()
    now = asyncio.get_running_loop().time()
    _, effects = edge.agent.invite("sip:shop@shop.example", "<sip:a@b>", OFFER, endpoint.address, now)
    edge.do(effects)
    leg = await anext(endpoint.incoming())
    leg.answer(ANSWER)
    assert (await leg.next_event()).kind is LegEventKind.CONFIRMED
    other = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    invited = await edge.hears(What.INVITED)
    assert invited.message is not None
    assert invited.message.headers.get("via").startswith("SIP/2.0/TCP ")
    edge.do(edge.agent.answer(invited.session, ANSWER, now))
    assert (await other.next_event()).kind is LegEventKind.ANSWERED
    for one in (leg, other):
        one.hang_up()
        assert (await one.next_event()).kind is LegEventKind.ENDED
    endpoint.close()
    await asyncio.sleep(0.01)


async def test_a_lost_connection_is_opened_again_and_what_waited_is_sent(settings: Config, edge: StreamEdge) -> None:
    endpoint = await SipEndpoint.open_stream(settings)
    await edge.connected.wait()
    edge.connected.clear()
    assert edge.writer
    edge.writer.transport.abort()
    await asyncio.sleep(0.01)
    leg = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    invited = await edge.hears(What.INVITED)
    assert edge.connected.is_set()
    edge.do(edge.agent.reject(invited.session, 486, asyncio.get_running_loop().time()))
    assert (await leg.next_event()).code == 486
    endpoint.close()
    await asyncio.sleep(0.01)


async def test_a_broken_stream_is_opened_anew(settings: Config, edge: StreamEdge) -> None:
    endpoint = await SipEndpoint.open_stream(settings)
    await edge.connected.wait()
    edge.connected.clear()
    assert edge.writer
    edge.writer.write(b"\x16\x03\x01" * 9_000)
    async with asyncio.timeout(3):
        await edge.connected.wait()
    endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    await edge.hears(What.INVITED)
    endpoint.close()
    await asyncio.sleep(0.01)


async def test_it_waits_for_an_edge_that_starts_later(settings: Config) -> None:
    opening = asyncio.get_running_loop().create_task(SipEndpoint.open_stream(settings))
    await asyncio.sleep(0.15)
    assert not opening.done()
    async with StreamEdge(settings) as far:
        endpoint = await opening
        await far.connected.wait()
        endpoint.close()
        await asyncio.sleep(0.01)


async def test_opening_can_be_given_up(settings: Config) -> None:
    opening = asyncio.get_running_loop().create_task(SipEndpoint.open_stream(settings))
    await asyncio.sleep(0.05)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
