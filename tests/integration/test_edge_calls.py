"""The edge with a real Kamailio: a call in, a call to an agent, what is hidden, what is stripped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.legs import HEADER
from quietline.sealed import SIGNALLING, Ticket
from quietline.testing.edge_kit import RealEdge, call, forget, hang_up, real_edge, ticket_for, ticket_of
from quietline.testing.sip_wire import (
    SDP,
    Message,
    Peer,
    Request,
    answer,
    ha1,
    sign_in,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SEEN = Ticket(who="test", why="test", entry=SIGNALLING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    async with real_edge(Path(tmp_path_factory.mktemp("edge")), requests_per_source=100_000) as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="module")
async def edge(running: RealEdge) -> RealEdge:
    await running.rpc.put_credential("ag_ring", ha1("ag_ring", "secret"))
    await forget(running)
    return running


# ---- a call in -----------------------------------------------------------------------------------


async def test_a_caller_reaches_the_controller_with_one_signed_ticket(edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP)
    answered = await call(phone, request)
    arrived = await edge.controller.request("INVITE")
    ticket = ticket_of(edge, arrived)
    assert (ticket.kind, ticket.trunk, ticket.grade, ticket.private) == ("caller", "", "tls-srtp", False)
    assert ticket.caller.open(SEEN) == "+442079460001"
    assert ticket.dialled == "+442079460100"
    assert (ticket.call_id, ticket.from_tag) == (request.call_id, request.from_tag)
    assert await edge.rpc.leg_alive(ticket)  # answered, although the ticket has no to-tag
    await hang_up(phone, request, answered)
    assert not await edge.rpc.leg_alive(ticket)


async def test_a_leg_is_alive_while_it_rings_and_not_after_cancel(edge: RealEdge) -> None:
    edge.controller.code = 0
    phone, request = await edge.phone(), Request(body=SDP)
    await phone.send(request.text(phone))
    arrived = await edge.controller.request("INVITE")
    await edge.controller.send(answer(arrived, 180, to_tag="early"))
    assert await phone.receive()
    ticket = ticket_of(edge, arrived)
    assert await edge.rpc.leg_alive(ticket)
    branch = re.search(r"branch=([^;]+)", request.text(phone))
    assert branch
    await edge.controller.send(answer(arrived, 486, to_tag="early"))
    assert (await phone.final()).code == 486
    assert not await edge.rpc.leg_alive(ticket)


async def test_a_leg_nobody_made_is_not_alive(edge: RealEdge) -> None:
    phone = await edge.phone()
    ticket = await ticket_for(edge, phone, Request(body=SDP))
    assert not await edge.rpc.leg_alive(replace(ticket, call_id="invented"))


@pytest.mark.parametrize(
    "header",
    [
        "X-QL-Leg: v1;kind=caller;at=1;ci=a;ft=b;mac=" + "0" * 64,
        "x-ql-else: canary-number",
        "P-Asserted-Identity: <sip:+442079460999@x.example>",
        "Remote-Party-ID: <sip:+442079460999@x.example>",
        "Subject: canary-number",
        "Organization: canary-number",
        "Call-Info: <https://canary-number.example>",
        "User-Agent: canary-number",
        "Proxy-Authorization: canary-number",
        "Authorization: canary-number",
        "X-Anything: canary-number",
        "History-Info: <sip:canary-number@x.example>",
    ],
)
async def test_a_callers_own_headers_stop_at_the_edge(edge: RealEdge, header: str) -> None:
    phone = await edge.phone("127.0.0.17") if "Asserted" in header else await edge.phone()
    request = Request(body=SDP, extra=header + "\r\n")
    answered = await call(phone, request)
    arrived = await edge.controller.request("INVITE")
    await hang_up(phone, request, answered)
    name, _, value = header.partition(": ")
    rest = [line for line in arrived.headers if line[0] != HEADER]
    assert name.lower() not in [key for key, _ in rest]
    assert value not in " ".join(text for _, text in rest)
    assert ticket_of(edge, arrived)


async def test_the_far_side_sees_nothing_of_the_controller(edge: RealEdge) -> None:
    edge.controller.extra = (
        "Server: controller-1\r\nX-QL-Leg: inner\r\nX-QL-Call: 7\r\nP-Asserted-Identity: <sip:a@b>\r\n"
    )
    phone, request = await edge.phone(), Request(body=SDP)
    answered = await call(phone, request)
    await hang_up(phone, request, answered)
    for secret in (f":{edge.config.controller.sip_port}", "X-QL", "Server", "Asserted", "ctl@"):
        assert secret.lower() not in answered.raw.lower()


async def test_a_second_topoh_cookie_is_refused(edge: RealEdge) -> None:
    phone = await edge.phone()
    assert (await call(phone, Request(body=SDP, extra="TH: xxx\r\n"))).code == 400


async def test_a_busy_controller_is_told_as_such_and_when_to_come_again(edge: RealEdge) -> None:
    """tm passes a 503 on as 500; a carrier must see the 503, for it tries another way then, or comes again."""
    edge.controller.code = 503
    refused = await call(await edge.phone(), Request(body=SDP))
    assert (refused.code, refused.get("retry-after")) == (503, "5")
    edge.controller.code = 200
    phone, request = await edge.phone(), Request(body=SDP)
    await hang_up(phone, request, await call(phone, request))  # and the next is tried: nobody was marked as dead


# ---- ringing an agent ----------------------------------------------------------------------------


def offer_to(agent: str = "ag_ring") -> Request:
    hidden = "Subject: canary\r\nUser-Agent: canary\r\nX-QL-Leg: canary\r\nP-Asserted-Identity: <sip:canary@x>\r\n"
    masked = '"Caller 4821" <sip:anonymous@anonymous.invalid>'
    return Request(uri=f"sip:{agent}@quietline.local", caller=masked, body=SDP, extra=hidden, contact_user="ctl")


async def ring(edge: RealEdge, peer: Peer, request: Request) -> Message:
    await edge.controller.send(request.text(edge.controller))
    return await peer.request("INVITE")


@pytest.mark.parametrize("kind", ["browser", "phone"])
async def test_an_agent_is_rung_masked_and_the_answer_is_signed(edge: RealEdge, kind: str) -> None:
    agent = await (edge.browser() if kind == "browser" else edge.phone())
    assert [m.code for m in await sign_in(agent, "ag_ring", "secret")] == [401, 200]
    request = offer_to()
    offered = await ring(edge, agent, request)
    for secret in ("canary", f":{edge.config.controller.sip_port}", "ctl@", request.call_id):
        assert secret not in offered.raw
    contact = f"Contact: <sip:ag_ring@{agent.host};transport=ws>\r\nX-QL-Leg: forged\r\nUser-Agent: JsSIP\r\n"
    await agent.send(answer(offered, 200, extra=contact, body=SDP))
    answered = await edge.controller.final()
    ticket = ticket_of(edge, answered)
    assert (ticket.kind, ticket.agent, ticket.call_id) == ("agent", "ag_ring", request.call_id)
    assert (ticket.from_tag, ticket.to_tag) == (request.from_tag, answered.tag("to"))
    assert await edge.rpc.leg_alive(ticket)
    assert "jssip" not in answered.raw.lower()
    await edge.controller.send(request.within(answered, "ACK", 1).text(edge.controller))
    assert (await agent.request("ACK")).get("call-id") == offered.get("call-id")
    await edge.controller.send(request.within(answered, "BYE").text(edge.controller))
    await agent.send(answer(await agent.request("BYE"), 200))
    assert (await edge.controller.final()).code == 200
    assert not await edge.rpc.leg_alive(ticket)


async def test_an_agents_in_dialog_requests_reach_the_controller(edge: RealEdge) -> None:
    agent = await edge.browser()
    await sign_in(agent, "ag_ring", "secret")
    offered = await ring(edge, agent, offer_to())
    ours = answer(offered, 200, extra=f"Contact: <sip:ag_ring@{agent.host};transport=ws>\r\n", body=SDP, to_tag="mine")
    await agent.send(ours)
    await edge.controller.final()
    back = Request(call_id=offered.get("call-id"), from_tag="mine", to_tag=offered.tag("from"))
    target = re.search(r"<([^>]+)>", offered.get("contact"))
    assert target
    routes = [part.strip() for line in offered.all("record-route") for part in line.split(",")]
    hold = replace(back, method="INVITE", uri=target.group(1), to="<sip:anonymous@anonymous.invalid>", routes=routes)
    assert (await call(agent, replace(hold, body=SDP))).code == 200
    assert (await call(agent, replace(hold, method="BYE", cseq=2))).code == 200
    assert await edge.controller.request("BYE")


async def test_a_phone_that_diverts_is_a_decline_and_its_target_stays_hidden(edge: RealEdge) -> None:
    agent = await edge.browser()
    await sign_in(agent, "ag_ring", "secret")
    offered = await ring(edge, agent, offer_to())
    await agent.send(answer(offered, 302, extra="Contact: <sip:elsewhere@127.0.0.1:9>\r\n"))
    declined = await edge.controller.final()
    assert declined.code == 603
    assert "elsewhere" not in declined.raw


@pytest.mark.parametrize("code", [486, 603, 480])
async def test_a_decline_passes(edge: RealEdge, code: int) -> None:
    agent = await edge.browser()
    await sign_in(agent, "ag_ring", "secret")
    offered = await ring(edge, agent, offer_to())
    await agent.send(answer(offered, code, extra="Reason: x\r\nServer: y\r\n"))
    assert (await edge.controller.final()).code == code


async def test_only_a_signed_in_agent_is_rung(edge: RealEdge) -> None:
    await edge.controller.send(offer_to("ag_nobody").text(edge.controller))
    assert (await edge.controller.final()).code == 480


async def test_nobody_but_the_controller_may_use_its_listener(edge: RealEdge) -> None:
    stranger = await edge.cleartext("127.0.0.1")
    stranger.target = ("127.0.0.1", edge.config.edge.internal_port)
    await stranger.send(offer_to().text(stranger))
    assert await stranger.nothing()


# ---- cancel, retransmission, and routes that lead elsewhere ----------------------------------------------------------


def cancelled(request: Request, peer: Peer, sent: str) -> str:
    """CANCEL for what was `sent`: the same branch and CSeq number (RFC 3261 §9.1)."""
    branch = re.search(r"branch=([^;]+)", sent)
    assert branch
    text = replace(request, method="CANCEL", body="", extra="X-QL-Leg: forged\r\nReason: canary\r\n").text(peer)
    return re.sub(r"branch=[^;]+", f"branch={branch.group(1)}", text)


async def test_a_caller_who_gives_up_reaches_the_controller(edge: RealEdge) -> None:
    edge.controller.code = 0
    phone, request = await edge.phone(), Request(body=SDP)
    sent = request.text(phone)
    await phone.send(sent)
    arrived = await edge.controller.request("INVITE")
    ticket = ticket_of(edge, arrived)
    await edge.controller.send(answer(arrived, 180, to_tag="t"))
    await phone.send(cancelled(request, phone, sent))
    cancel = await edge.controller.request("CANCEL")
    assert "x-ql-leg" not in cancel.raw.lower()
    await edge.controller.send(answer(arrived, 487, to_tag="t"))
    assert {(await phone.final()).code, (await phone.final()).code} == {200, 487}
    assert not await edge.rpc.leg_alive(ticket)


async def test_the_controller_may_give_up_ringing(edge: RealEdge) -> None:
    agent = await edge.browser()
    await sign_in(agent, "ag_ring", "secret")
    request = offer_to()
    sent = request.text(edge.controller)
    await edge.controller.send(sent)
    offered = await agent.request("INVITE")
    await agent.send(answer(offered, 180, to_tag="t"))
    await edge.controller.send(cancelled(request, edge.controller, sent))
    cancel = await agent.request("CANCEL")
    assert "canary" not in cancel.raw
    await agent.send(answer(cancel, 200))
    await agent.send(answer(offered, 487, to_tag="t"))
    assert {(await edge.controller.final()).code, (await edge.controller.final()).code} == {200, 487}


async def answer_of(edge: RealEdge, request: Request) -> Message:
    """The final answer to this request; others (sent again, as nobody acknowledges them here) are skipped."""
    while True:
        answered = await edge.controller.final()
        if answered.get("call-id") == request.call_id:
            return answered


async def test_an_answer_sent_again_carries_the_same_ticket(edge: RealEdge) -> None:
    agent, request = await edge.browser(), offer_to()
    await sign_in(agent, "ag_ring", "secret")
    offered = await ring(edge, agent, request)
    ours = answer(offered, 200, extra=f"Contact: <sip:ag_ring@{agent.host};transport=ws>\r\n", body=SDP, to_tag="t")
    await agent.send(ours)
    first = await answer_of(edge, request)
    await asyncio.sleep(1.1)  # the edge's clock shows another second
    await agent.send(ours)
    assert (await answer_of(edge, request)).get(HEADER) == first.get(HEADER) != ""


async def test_a_response_to_nothing_goes_nowhere(edge: RealEdge) -> None:
    phone, target = await edge.phone(), await edge.cleartext()
    stray = (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 127.0.0.1:{edge.config.edge.tls_port};branch=z9hG4bKx1\r\n"
        f"Via: SIP/2.0/UDP {target.host};branch=z9hG4bKx2\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
        "Call-ID: nobody\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    await phone.send(stray)
    assert await target.nothing(0.3)


async def test_private_headers_stop_within_a_call_too(edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP)
    answered = await call(phone, request)
    await phone.send(request.within(answered, "ACK", 1).text(phone))
    info = replace(request.within(answered, "INFO"), extra="X-QL-Leg: forged\r\nP-Asserted-Identity: <sip:a@b>\r\n")
    assert (await call(phone, info)).code == 200
    arrived = await edge.controller.request("INFO")
    assert not arrived.all(HEADER) + arrived.all("p-asserted-identity")
    await hang_up(phone, replace(request, cseq=2), answered)


async def test_a_call_cannot_be_routed_anywhere_but_to_the_controller(edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP)
    answered = await call(phone, request)
    await phone.send(request.within(answered, "ACK", 1).text(phone))
    away = request.within(answered, "INFO")
    for changed in (
        replace(away, uri="sip:127.0.0.1:22222", routes=away.routes),
        replace(away, routes=[*away.routes, "<sip:127.0.0.1:22222;lr>"]),
        replace(away, uri="sip:x@192.0.2.77", routes=[*away.routes, "<sip:192.0.2.77;lr>"]),
        replace(away, routes=[]),
    ):
        got = await call(phone, changed)
        assert got.code in (403, 404), changed
    await hang_up(phone, request, answered)


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE", "REFER", "OPTIONS"])
async def test_a_request_of_no_known_call_goes_nowhere(edge: RealEdge, method: str) -> None:
    phone = await edge.phone()
    route = f"<sip:127.0.0.1:{edge.config.edge.tls_port};transport=tls;lr>"
    request = Request(method, f"sip:127.0.0.1:{edge.config.controller.sip_port}", to_tag="x", routes=[route], body=SDP)
    assert (await call(phone, request)).code == 481
    arrived = [edge.controller.inbox.get_nowait() for _ in range(edge.controller.inbox.qsize())]
    assert [message for message in arrived if message.tag("from") == request.from_tag] == []


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "INFO", "BYE"])
async def test_methods_that_start_nothing_are_not_allowed(edge: RealEdge, method: str) -> None:
    answered = await call(await edge.phone(), Request(method, body=""))
    assert answered.code == 405
    assert "INVITE" in answered.get("allow")
