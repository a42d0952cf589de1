"""The simulated phones against a real Kamailio with the product's own configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline.legs import HEADER, verify_leg
from quietline.sealed import SIGNALLING, Ticket
from quietline.telephony.certificates import issue_trunk
from quietline.testing.agent_phone import SimulatedAgentPhone, declines, rings_only
from quietline.testing.caller import PLAIN, CallRefused, Credentials, Edge, Person, SimulatedCaller
from quietline.testing.edge_kit import RealEdge, real_edge
from quietline.testing.sip_wire import SDP, Request, answer, ha1

pytestmark = pytest.mark.real
NUMBER = "+442079460101"
SEEN = Ticket(who="test", why="test", entry=SIGNALLING)
AGENT = Credentials("ag_ring", "secret")


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[RealEdge]:
    async with real_edge(tmp_path, requests_per_source=100_000) as running:
        await running.rpc.put_credential(AGENT.user, ha1(AGENT.user, AGENT.password))
        await running.rpc.put_trunk_credential("digcarrier", ha1("digcarrier", "trunk secret"))
        yield running


def _public(edge: RealEdge, port: int = 0, certificate: Path | None = None, key: Path | None = None) -> Edge:
    ca = edge.config.paths.state / "ca" / "ca.pem"
    return Edge("127.0.0.1", port or edge.config.edge.tls_port, "tls", edge.config.edge.realm, ca, certificate, key)


async def test_a_caller_is_answered_and_hangs_up(edge: RealEdge) -> None:
    async with SimulatedCaller(_public(edge)) as caller:
        await caller.dials(NUMBER)
        await caller.answered()
        ticket = verify_leg((await edge.controller.request("INVITE")).get(HEADER), edge.leg_key)
        assert (ticket.trunk, ticket.dialled) == ("", NUMBER)
        assert await edge.controller.request("ACK")
        assert await edge.rpc.leg_alive(ticket)
        await caller.hangs_up()
        assert await edge.controller.request("BYE")
        assert caller.leg.bye_answered.is_set()
        assert not await edge.rpc.leg_alive(ticket)


async def test_a_carriers_certificate_makes_it_a_trunk(edge: RealEdge, tmp_path: Path) -> None:
    issued = issue_trunk(edge.config, "carrier-a.example")
    (tmp_path / "c.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "k.pem").write_bytes(issued.key_pem)
    public = _public(edge, edge.config.edge.trunk_port, tmp_path / "c.pem", tmp_path / "k.pem")
    person = Person("+447700900123", identities=("<sip:+447700900456@carrier-a.example>",))
    async with SimulatedCaller(public, person) as caller:
        await caller.dials(NUMBER)
        await caller.answered()
        ticket = verify_leg((await edge.controller.request("INVITE")).get(HEADER), edge.leg_key)
        assert (ticket.trunk, ticket.caller.open(SEEN)) == ("carrier-a", "+447700900456")


async def test_a_carriers_password_makes_it_a_trunk(edge: RealEdge) -> None:
    person = Person(uri="sip:digcarrier@carrier-d.example", identities=("<sip:+447700900456@carrier-d.example>",))
    async with SimulatedCaller(_public(edge), person, credentials=Credentials("digcarrier", "trunk secret")) as caller:
        await caller.dials(NUMBER)
        await caller.answered()
        ticket = verify_leg((await edge.controller.request("INVITE")).get(HEADER), edge.leg_key)
        assert (ticket.trunk, ticket.caller.open(SEEN)) == ("carrier-d", "+447700900456")


async def test_plain_media_is_refused_and_cancelling_works(edge: RealEdge) -> None:
    async with SimulatedCaller(_public(edge), taste=PLAIN) as caller:
        await caller.dials(NUMBER)
        assert await caller.refused() == 488
    edge.controller.code = 180
    async with SimulatedCaller(_public(edge)) as caller:
        await caller.dials(NUMBER)
        await caller.rings()
        invite = await edge.controller.request("INVITE")
        caller.leg.cancels()
        assert await edge.controller.request("CANCEL")
        await edge.controller.send(answer(invite, 487))
        await caller.cancels()
        assert caller.leg.code == 487


def _offer() -> Request:
    masked = '"Caller 4821" <sip:anonymous@anonymous.invalid>'
    return Request(uri=f"sip:{AGENT.user}@quietline.local", caller=masked, body=SDP, contact_user="ctl")


async def test_an_agents_phone_registers_rings_and_answers(edge: RealEdge) -> None:
    async with SimulatedAgentPhone(_public(edge), AGENT) as phone:
        await phone.registers()
        request = _offer()
        await edge.controller.send(request.text(edge.controller))
        leg = await phone.takes_call()
        answered = await edge.controller.final()
        assert answered.code == 200
        assert "RTP/SAVP" in answered.body
        await edge.controller.send(request.within(answered, "ACK", 1).text(edge.controller))
        await edge.controller.send(request.within(answered, "OPTIONS", 2).text(edge.controller))
        assert (await edge.controller.final()).code == 200
        assert leg.probes == 1
        await edge.controller.send(request.within(answered, "BYE", 3).text(edge.controller))
        await phone.is_hung_up_on()
        assert (await edge.controller.final()).code == 200


async def test_an_agents_phone_hangs_up_through_the_edge(edge: RealEdge) -> None:
    async with SimulatedAgentPhone(_public(edge), AGENT) as phone:
        await phone.registers()
        request = _offer()
        await edge.controller.send(request.text(edge.controller))
        leg = await phone.takes_call()
        answered = await edge.controller.final()
        await edge.controller.send(request.within(answered, "ACK", 1).text(edge.controller))
        phone.hangs_up()
        assert await edge.controller.request("BYE")
        async with asyncio.timeout(5):
            await leg.bye_answered.wait()


async def test_an_agents_phone_declines_and_unregisters(edge: RealEdge) -> None:
    async with SimulatedAgentPhone(_public(edge), AGENT) as phone:
        await phone.registers()
        phone.behaviour = declines("486 Busy Here")
        await edge.controller.send(_offer().text(edge.controller))
        assert (await edge.controller.final()).code == 486
        phone.behaviour = rings_only()
        await phone.unregisters()
        await edge.controller.send(_offer().text(edge.controller))
        assert (await edge.controller.final()).code == 480


async def test_a_wrong_password_is_refused(edge: RealEdge) -> None:
    async with SimulatedAgentPhone(_public(edge), Credentials(AGENT.user, "guess")) as phone:
        with pytest.raises(CallRefused) as caught:
            await phone.registers()
        assert caught.value.code in (401, 403)
