"""The endpoint behind a real Kamailio: a caller and an agent's phone, both over TLS, through the generated edge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.legs import verify_leg
from quietline.sealed import SIGNALLING, Ticket
from quietline.telephony.endpoint import SipEndpoint, SipLeg
from quietline.telephony.ports import LegEvent, LegEventKind
from quietline.testing.agent_phone import SimulatedAgentPhone, declines, rings_only
from quietline.testing.caller import CallRefused, Credentials, Edge, SimulatedCaller
from quietline.testing.edge_kit import RealEdge, edge_config
from quietline.testing.sip_wire import SDP, ha1

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SEEN = Ticket("test", "test", SIGNALLING)
STORE = "+442079460100"
AGENT = Credentials("ag_ring", "secret")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    running = RealEdge(edge_config(Path(tmp_path_factory.mktemp("edge")), requests_per_source=100_000))
    try:
        await running.start()
        await running.rpc.put_credential("ag_ring", ha1("ag_ring", "secret"))
        yield running
    finally:
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def endpoint(edge: RealEdge) -> AsyncIterator[SipEndpoint]:
    one = await SipEndpoint.open(edge.config)
    await seen_by(edge)
    yield one
    one.close()
    await asyncio.sleep(0.01)


async def seen_by(edge: RealEdge) -> None:
    """Until the edge's dispatcher holds the controller for alive: its next OPTIONS has found us."""
    async with asyncio.timeout(15):
        await asyncio.sleep(0.5)  # an answer to a predecessor on this port may still count for a moment
        while "'FLAGS': 'AP'" not in str(await edge.rpc.call("dispatcher.list")):
            await asyncio.sleep(0.1)


def door(edge: RealEdge) -> Edge:
    """The public TLS port."""
    ca = edge.config.paths.state / "ca" / "ca.pem"
    return Edge("127.0.0.1", edge.config.edge.tls_port, domain=edge.config.edge.realm, ca=ca)


async def event(leg: SipLeg, within: float = 5.0) -> LegEvent:
    async with asyncio.timeout(within):
        return await leg.next_event()


async def arrival(endpoint: SipEndpoint) -> SipLeg:
    async with asyncio.timeout(5):
        return await anext(endpoint.incoming())


async def talking(endpoint: SipEndpoint, caller: SimulatedCaller) -> SipLeg:
    await caller.dials(STORE)
    leg = await arrival(endpoint)
    leg.answer(SDP)
    await caller.answered()
    assert (await event(leg)).kind is LegEventKind.CONFIRMED
    return leg


async def test_a_caller_in_and_an_agent_out(edge: RealEdge, endpoint: SipEndpoint) -> None:
    async with SimulatedCaller(door(edge)) as caller, SimulatedAgentPhone(door(edge), AGENT) as phone:
        await phone.registers()
        leg = await talking(endpoint, caller)
        assert leg.ticket is not None
        assert verify_leg(leg.ticket.raw.open(SEEN), edge.leg_key).dialled == STORE
        assert await edge.rpc.leg_alive(leg.ticket)
        other = endpoint.dial_agent("ag_ring", "Caller 4821", SDP)
        while (answer := await event(other)).kind is not LegEventKind.ANSWERED:
            assert answer.kind is LegEventKind.RINGING
        assert answer.ticket is not None
        assert verify_leg(answer.ticket.raw.open(SEEN), edge.leg_key).agent == "ag_ring"
        assert await edge.rpc.leg_alive(answer.ticket)
        for one in (leg, other):
            one.probe(3.0)
        await asyncio.sleep(0.5)
        assert leg.alive
        assert other.alive
        await caller.hangs_up()
        assert (await event(leg)).kind is LegEventKind.ENDED
        other.hang_up()
        assert (await event(other)).kind is LegEventKind.ENDED
        await phone.is_hung_up_on()
        assert not await edge.rpc.leg_alive(answer.ticket)
        assert b"+447700900001" not in b"".join(phone.received)


async def test_we_hang_up_on_a_caller_after_a_restart(edge: RealEdge, endpoint: SipEndpoint) -> None:
    async with SimulatedCaller(door(edge)) as caller:
        leg = await talking(endpoint, caller)
        saved = json.loads(json.dumps(leg.save()))
        leg.probe(3.0)
        await asyncio.sleep(0.3)
        endpoint.close()
        await asyncio.sleep(0.05)
        second = await SipEndpoint.open(edge.config)
        try:
            back = second.restore(saved)
            back.hang_up()
            await caller.is_hung_up_on()
            assert (await event(back)).kind is LegEventKind.ENDED
        finally:
            second.close()


async def test_a_caller_that_vanishes_is_noticed(edge: RealEdge, endpoint: SipEndpoint) -> None:
    async with SimulatedCaller(door(edge)) as caller:
        leg = await talking(endpoint, caller)
        caller.vanishes()
        leg.probe(2.0)
        ended = await event(leg)
        assert (ended.kind, ended.reason) == (LegEventKind.ENDED, "dead peer")


async def test_a_caller_cancels(edge: RealEdge, endpoint: SipEndpoint) -> None:
    async with SimulatedCaller(door(edge)) as caller:
        await caller.dials(STORE)
        leg = await arrival(endpoint)
        leg.ringing()
        await caller.rings()
        await caller.cancels()
        assert (await event(leg)).kind is LegEventKind.CANCELLED


async def test_a_refusal_reaches_the_caller(edge: RealEdge, endpoint: SipEndpoint) -> None:
    async with SimulatedCaller(door(edge)) as caller:
        await caller.dials(STORE)
        (await arrival(endpoint)).reject(488)
        with pytest.raises(CallRefused) as refused:
            await caller.answered()
        assert refused.value.code == 488


async def test_an_agent_who_is_away_declines_or_is_given_up(edge: RealEdge, endpoint: SipEndpoint) -> None:
    away = endpoint.dial_agent("ag_none", "Caller 4821", SDP)
    assert (await event(away)).code == 480
    async with SimulatedAgentPhone(door(edge), AGENT) as phone:
        await phone.registers()
        phone.behaviour = declines("302 Moved Temporarily")
        leg = endpoint.dial_agent("ag_ring", "Caller 4821", SDP)
        while (said := await event(leg)).kind is LegEventKind.RINGING:
            pass
        assert (said.kind, said.code) == (LegEventKind.REJECTED, 603)  # the edge makes it a plain decline
        phone.behaviour = rings_only()
        leg = endpoint.dial_agent("ag_ring", "Caller 4821", SDP)
        assert (await event(leg)).kind is LegEventKind.RINGING
        leg.hang_up()
        assert (await event(leg)).code == 487
