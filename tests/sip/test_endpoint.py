"""The endpoint on a real loopback socket, against a far edge that is a core of its own."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator

import pytest
import uvloop

from quietline.config import Config
from quietline.errors import ProtocolError
from quietline.sealed import SIGNALLING, Ticket
from quietline.sip.message import Request
from quietline.sip.parse import parse
from quietline.sip.session import What
from quietline.telephony.admission import LEAST
from quietline.telephony.endpoint import WAITING_LEGS, SipEndpoint, SipLeg
from quietline.telephony.ports import Leg, LegEvent, LegEventKind, Telephony
from quietline.testing.sip_network import ANSWER, OFFER, FarEdge, config, request

MAC = "0" * 64
CALLER = (
    f"v1;kind=caller;at=1732440000;trunk=carrier-a;grade=tls-srtp;caller=%2B442079460001;privacy=0;ci=c;ft=f;mac={MAC}"
)
AGENT = f"v1;kind=agent;at=1732440009;agent=ag_7f3a;ci=c;ft=f;tt=t;mac={MAC}"


@pytest.fixture
def settings() -> Config:
    return config()


@pytest.fixture
async def endpoint(settings: Config) -> AsyncIterator[SipEndpoint]:
    one = await SipEndpoint.open(settings)
    yield one
    one.close()


@pytest.fixture
async def edge(settings: Config, endpoint: SipEndpoint) -> AsyncIterator[FarEdge]:
    async with FarEdge(settings) as far:
        yield far


async def arrival(endpoint: SipEndpoint) -> SipLeg:
    async with asyncio.timeout(2):
        return await anext(endpoint.incoming())


async def event(leg: SipLeg) -> LegEvent:
    async with asyncio.timeout(2):
        return await leg.next_event()


async def answered(endpoint: SipEndpoint, edge: FarEdge, **headers: str) -> SipLeg:
    """A caller's leg, talking."""
    edge.invite(**headers)
    leg = await arrival(endpoint)
    leg.answer(ANSWER)
    assert (await event(leg)).kind is LegEventKind.CONFIRMED
    return leg


async def test_it_is_what_the_ports_ask_for(endpoint: SipEndpoint, edge: FarEdge) -> None:
    telephony: Telephony = endpoint
    leg: Leg = telephony.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    assert leg.alive


# Callers


async def test_a_caller_arrives_with_offer_and_ticket(endpoint: SipEndpoint, edge: FarEdge) -> None:
    edge.invite(x_ql_leg=CALLER)
    leg = await arrival(endpoint)
    assert leg.offer == OFFER
    assert leg.ticket is not None
    assert leg.ticket.caller.open(Ticket("test", "test", SIGNALLING)) == "+442079460001"
    leg.ringing()
    assert (await edge.hears(What.RINGING)).code == 180
    leg.answer(ANSWER)
    assert (await edge.hears(What.ANSWERED)).sdp == ANSWER
    assert (await event(leg)).kind is LegEventKind.CONFIRMED


@pytest.mark.parametrize("header", [{}, {"x_ql_leg": "v1;kind=caller;mac=short"}, {"x_ql_leg": "junk"}])
async def test_without_a_readable_ticket_a_leg_proves_nothing(
    endpoint: SipEndpoint, edge: FarEdge, header: dict[str, str]
) -> None:
    edge.invite(**header)
    leg = await arrival(endpoint)
    assert leg.ticket is None
    assert leg.alive


async def test_the_caller_hangs_up(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    edge.do(edge.agent.hang_up(edge.agent.sessions[0], edge.loop.time()))
    ended = await event(leg)
    assert (ended.kind, ended.reason) == (LegEventKind.ENDED, "")
    assert not leg.alive
    leg.hang_up()  # does nothing


async def test_we_hang_up(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    leg.hang_up()
    assert not leg.alive
    await edge.hears(What.ENDED)
    assert (await event(leg)).kind is LegEventKind.ENDED
    assert endpoint.agent.sessions == []


async def test_a_caller_that_gives_up_while_nobody_looks_is_left_out(endpoint: SipEndpoint, edge: FarEdge) -> None:
    first = edge.invite()
    await edge.reads(b"SIP/2.0 100")
    edge.do(edge.agent.hang_up(first, edge.loop.time()))
    await edge.hears(What.REJECTED)
    second = edge.invite()
    leg = await arrival(endpoint)
    assert leg.session.dialog.call_id == second.dialog.call_id


async def test_cancel_reaches_a_leg_that_is_looked_at(endpoint: SipEndpoint, edge: FarEdge) -> None:
    calling = edge.invite()
    leg = await arrival(endpoint)
    leg.ringing()
    await edge.hears(What.RINGING)
    edge.do(edge.agent.hang_up(calling, edge.loop.time()))
    assert (await event(leg)).kind is LegEventKind.CANCELLED


async def test_a_refusal(endpoint: SipEndpoint, edge: FarEdge) -> None:
    edge.invite()
    leg = await arrival(endpoint)
    leg.reject(486)
    assert (await edge.hears(What.REJECTED)).code == 486
    for bad in ((200, ""), (486, "two\r\nlines"), (700, "")):
        with pytest.raises(ValueError, match="refusal"):
            leg.reject(*bad)


async def test_offers_in_dialog(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    for verb, argument, code in (("accept_offer", ANSWER, 200), ("refuse_offer", 488, 488)):
        edge.do(edge.agent.reinvite(edge.agent.sessions[0], OFFER + "a=sendonly\r\n", edge.loop.time()))
        offer = await event(leg)
        assert (offer.kind, offer.sdp) == (LegEventKind.OFFER, OFFER + "a=sendonly\r\n")
        assert leg.offer == offer.sdp
        getattr(leg, verb)(argument)
        assert (await edge.hears(What.REOFFERED)).code == code


async def test_the_queue_of_arrivals_is_bounded(endpoint: SipEndpoint, edge: FarEdge) -> None:
    for _ in range(WAITING_LEGS + 1):
        edge.invite()
        await asyncio.sleep(0)
    refused = await edge.hears(What.REJECTED)
    assert refused.code == 503
    assert refused.message is not None
    assert refused.message.headers.get("retry-after") == "5"


async def test_options_from_the_dispatcher(endpoint: SipEndpoint, edge: FarEdge) -> None:
    edge.send(request("OPTIONS", "sip:127.0.0.1:5070", body=""))
    assert await edge.reads(b"SIP/2.0 200")


# Agents


async def test_an_agent_is_rung_with_nothing_of_the_caller(endpoint: SipEndpoint, edge: FarEdge) -> None:
    await answered(endpoint, edge, x_ql_leg=CALLER)
    endpoint.dial_agent("ag_7f3a", 'Caller "4821"\r\nX: y', OFFER)
    raw = await edge.reads(b"INVITE ")
    invite = parse(raw)
    assert isinstance(invite, Request)
    assert invite.uri == "sip:ag_7f3a@shop.example"
    assert invite.headers.get("from").startswith('"Caller 4821X: y" <sip:anonymous@anonymous.invalid>;tag=')
    assert invite.headers.get("privacy") == "id"
    assert "@" not in invite.call_id
    assert {name for name, _ in invite.headers} == {
        "via", "max-forwards", "from", "to", "call-id", "cseq", "contact", "allow", "supported", "privacy",
        "content-type", "content-length",
    }  # fmt: skip
    assert b"2079460001" not in raw


async def test_the_agents_ticket_comes_with_the_answer(endpoint: SipEndpoint, edge: FarEdge) -> None:
    edge.mute = True
    leg = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    invite = await edge.reads(b"INVITE ")
    head = b"".join(
        line + b"\r\n" for line in invite.split(b"\r\n")[1:] if line.startswith((b"Via", b"From", b"Call-ID", b"CSeq"))
    )
    to = (
        b"To: <sip:ag_7f3a@shop.example>;tag=phone\r\nContact: <sip:a@192.0.2.7>\r\nX-QL-Leg: "
        + AGENT.encode()
        + b"\r\n"
    )
    body = b"Content-Type: application/sdp\r\n\r\n" + ANSWER.encode()
    edge.send(b"SIP/2.0 200 OK\r\n" + head + to + body)
    answer = await event(leg)
    assert (answer.kind, answer.sdp, leg.offer) == (LegEventKind.ANSWERED, ANSWER, ANSWER)
    assert answer.ticket is not None
    assert answer.ticket.agent == "ag_7f3a"
    assert leg.ticket is answer.ticket
    assert await edge.reads(b"ACK ")


@pytest.mark.parametrize("code", [302, 480, 486])
async def test_a_decline_is_its_code(endpoint: SipEndpoint, edge: FarEdge, code: int) -> None:
    leg = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    ringing = (await edge.hears(What.INVITED)).session
    edge.do(edge.agent.ring(ringing, edge.loop.time()))
    assert (await event(leg)).kind is LegEventKind.RINGING
    edge.do(edge.agent.reject(ringing, code, edge.loop.time()))
    rejected = await event(leg)
    assert (rejected.kind, rejected.code) == (LegEventKind.REJECTED, code)


async def test_giving_up_on_an_agent_is_a_cancel(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    ringing = (await edge.hears(What.INVITED)).session
    edge.do(edge.agent.ring(ringing, edge.loop.time()))
    await event(leg)
    leg.hang_up()
    await edge.hears(What.CANCELLED)
    rejected = await event(leg)
    assert (rejected.kind, rejected.code) == (LegEventKind.REJECTED, 487)


@pytest.mark.parametrize("token", ["", "a b", "a@b", "a\r\nX: y", "x" * 65])
async def test_an_agents_token_is_checked(endpoint: SipEndpoint, token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        endpoint.dial_agent(token, "Caller", OFFER)


async def test_info_is_dropped_when_nobody_reads(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    for _ in range(100):
        edge.do(edge.agent.info(edge.agent.sessions[0], "text/plain", b"x", edge.loop.time()))
        await edge.reads(b"SIP/2.0 200")
    edge.do(edge.agent.hang_up(edge.agent.sessions[0], edge.loop.time()))
    kinds = [(await event(leg)).kind for _ in range(65)]
    assert kinds == [LegEventKind.INFO] * 64 + [LegEventKind.ENDED]


# Dead peers and restarts


async def test_a_dead_peer_is_noticed_in_the_given_time(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    edge.mute = True
    leg.probe(0.2)
    ended = await event(leg)
    assert (ended.kind, ended.reason) == (LegEventKind.ENDED, "dead peer")
    assert await edge.reads(b"OPTIONS ")
    assert await edge.reads(b"BYE ")


async def test_a_living_peer_answers_the_probe(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge)
    leg.probe(0.3)
    await edge.reads(b"OPTIONS ")
    await asyncio.sleep(0.4)
    assert leg.alive


async def test_the_200_is_repeated_by_the_loops_timer(endpoint: SipEndpoint, edge: FarEdge) -> None:
    edge.mute = True
    edge.invite()
    leg = await arrival(endpoint)
    leg.answer(ANSWER)
    first, second = await edge.reads(b"SIP/2.0 200"), await edge.reads(b"SIP/2.0 200")
    assert first == second


async def test_a_leg_goes_on_in_another_process(endpoint: SipEndpoint, edge: FarEdge, settings: Config) -> None:
    leg = await answered(endpoint, edge, x_ql_leg=CALLER)
    saved = json.loads(json.dumps(leg.save()))
    endpoint.close()
    await asyncio.sleep(0.01)  # the loop closes sockets a turn later
    second = await SipEndpoint.open(settings)
    try:
        back = second.restore(saved)
        assert (back.id, back.offer, back.alive) == (leg.id, OFFER, True)
        assert back.ticket is not None
        assert leg.ticket is not None
        assert back.ticket.id == leg.ticket.id
        edge.do(edge.agent.info(edge.agent.sessions[0], "text/plain", b"x", edge.loop.time()))
        assert (await event(back)).kind is LegEventKind.INFO
        back.hang_up()
        await edge.hears(What.ENDED)
    finally:
        second.close()


@pytest.mark.parametrize("saved", [{}, {"version": 2}, {"version": 1, "ticket": "", "offer": "", "session": None}])
async def test_a_record_that_cannot_be_read(endpoint: SipEndpoint, saved: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        endpoint.restore(saved)


# Hostile


async def test_who_is_late_for_long_refuses_new_callers_until_it_is_not(endpoint: SipEndpoint, edge: FarEdge) -> None:
    for _ in range(LEAST):
        endpoint.admission.busy(9.0, endpoint.now() - 1.0)
    endpoint.heard(request(call_id="late", branch="z9hG4bKlate"), endpoint.edge, 9.0)
    assert b"\r\nRetry-After: 5\r\n" in await edge.reads(b"SIP/2.0 503")
    edge.invite()
    assert (await arrival(endpoint)).alive


async def test_strangers_are_not_heard(endpoint: SipEndpoint, edge: FarEdge, settings: Config) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(5):
            stranger.sendto(request(), ("127.0.0.1", settings.controller.sip_port))
        await asyncio.sleep(0.1)
    assert endpoint.strangers == 5
    assert endpoint.agent.sessions == []


async def test_junk_does_not_stop_it(endpoint: SipEndpoint, edge: FarEdge) -> None:
    dice = random.Random(7)
    good = request("BYE", tag="x")
    for number in range(2_000):
        junk = bytearray(good) if number % 2 else bytearray(dice.randbytes(dice.randrange(0, 1_400)))
        for _ in range(8):
            if junk:
                junk[dice.randrange(len(junk))] = dice.randrange(256)
        edge.send(bytes(junk))
        if number % 50 == 0:
            await asyncio.sleep(0)
    edge.send(b"x" * 65_000)
    leg = await answered(endpoint, edge)
    leg.hang_up()
    assert (await event(leg)).kind is LegEventKind.ENDED


async def test_an_edge_that_is_away_breaks_nothing(endpoint: SipEndpoint, settings: Config) -> None:
    leg = endpoint.dial_agent("ag_7f3a", "Caller 4821", OFFER)
    await asyncio.sleep(0.1)  # the port is closed: ICMP errors come back
    async with FarEdge(settings) as far:
        await far.hears(What.INVITED)
    assert leg.alive


def test_on_uvloop_a_deadline_that_is_past_breaks_nothing() -> None:
    """uvloop gives a handle without `when` for a time that is now or past; the next deadline must not ask it."""

    async def calls() -> None:
        settings = config()
        endpoint = await SipEndpoint.open(settings)
        async with FarEdge(settings) as edge:
            leg = await answered(endpoint, edge)
            real = endpoint.agent.next_deadline
            for early in (0.0, 0.5, 1.0):
                endpoint.agent.next_deadline = lambda early=early: endpoint.now() - early  # type: ignore[method-assign]
                endpoint.apply([])
            endpoint.agent.next_deadline = real  # type: ignore[method-assign]
            leg.hang_up()
            assert (await event(leg)).kind is LegEventKind.ENDED
        endpoint.close()

    uvloop.run(calls())


async def test_a_taken_port_is_said(endpoint: SipEndpoint, settings: Config) -> None:
    with pytest.raises(OSError, match="in use"):
        await SipEndpoint.open(settings)
    endpoint.close()
    endpoint.close()  # harmless
    await asyncio.sleep(0.01)
    (await SipEndpoint.open(settings)).close()


async def test_a_leg_shows_nothing_of_anyone(endpoint: SipEndpoint, edge: FarEdge) -> None:
    leg = await answered(endpoint, edge, x_ql_leg=CALLER)
    leg.answer(ANSWER)
    shown = repr([leg, leg.ticket, leg.session, leg.session.dialog, leg.session.unacked, leg.session.invite])
    assert "2079460001" not in shown
    assert "m=audio" not in shown
