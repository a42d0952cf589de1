"""How a trunk is known, and its limits. Real Kamailio."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.telephony.certificates import issue, issue_trunk, make_ca
from quietline.testing.edge_kit import RealEdge, call, forget, real_edge, ticket_for
from quietline.testing.sip_wire import (
    SDP,
    Message,
    Request,
    credentials,
    ha1,
)

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealEdge]:
    async with real_edge(Path(tmp_path_factory.mktemp("edge"))) as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="module")
async def edge(running: RealEdge) -> RealEdge:
    await running.rpc.put_credential("ag_1", ha1("ag_1", "secret"))
    await running.rpc.put_trunk_credential("digcarrier", ha1("digcarrier", "carrier's secret"))
    await forget(running)
    return running


# ---- trunks --------------------------------------------------------------------------------------


def with_certificate(edge: RealEdge, folder: Path, name: str) -> ssl.SSLContext:
    issued = issue_trunk(edge.config, name)
    pem = folder / f"{name}.pem"
    pem.write_bytes(issued.certificate_pem + issued.key_pem)
    context = edge.tls
    context.load_cert_chain(pem)
    return context


async def test_a_trunk_is_known_by_the_name_in_its_certificate(edge: RealEdge, tmp_path: Path) -> None:
    context = with_certificate(edge, tmp_path, "carrier-a.example")
    phone = await edge.phone(port=edge.config.edge.trunk_port, tls=context)
    assert (await ticket_for(edge, phone, Request(body=SDP))).trunk == "carrier-a"


async def test_signed_by_our_ca_is_not_enough(edge: RealEdge, tmp_path: Path) -> None:
    context = with_certificate(edge, tmp_path, "somebody.example")
    phone = await edge.phone(port=edge.config.edge.trunk_port, tls=context)
    assert (await call(phone, Request(body=SDP))).code == 403


async def test_no_certificate_and_a_foreign_one_get_no_connection(edge: RealEdge, tmp_path: Path) -> None:
    foreign = issue(
        make_ca(datetime.now(UTC)), "carrier-a.example", ["carrier-a.example"], datetime.now(UTC), client=True
    )
    pem = tmp_path / "foreign.pem"
    pem.write_bytes(foreign.certificate_pem + foreign.key_pem)
    bad = edge.tls
    bad.load_cert_chain(pem)
    for context in (edge.tls, bad):
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await use_until_closed(edge, context)
        assert await edge.controller.nothing(0.1)


async def use_until_closed(edge: RealEdge, context: ssl.SSLContext) -> None:
    """Connect and send; in TLS 1.3 the refusal comes only after the client's own handshake, as a closed connection."""
    phone = await edge.phone(port=edge.config.edge.trunk_port, tls=context)
    await phone.send(Request("OPTIONS").text(phone))
    await asyncio.wait_for(phone.closed.wait(), 3)
    raise ConnectionError("closed by the edge")


async def test_a_name_in_a_certificate_counts_on_the_trunk_port_only(edge: RealEdge, tmp_path: Path) -> None:
    phone = await edge.phone(tls=with_certificate(edge, tmp_path, "carrier-a.example"))
    assert (await ticket_for(edge, phone, Request(body=SDP))).trunk == ""


@pytest.mark.parametrize(
    ("source", "name"), [("127.0.0.16", "by-address"), ("127.0.0.31", "by-address"), ("127.0.0.35", "")]
)
async def test_a_trunk_is_known_by_its_address(edge: RealEdge, source: str, name: str) -> None:
    assert (await ticket_for(edge, await edge.phone(source), Request(body=SDP))).trunk == name


def signed(request: Request, challenge: Message, user: str, password: str) -> Request:
    line = credentials(
        challenge.get("proxy-authenticate"), "INVITE", request.uri, user, ha1(user, password), "Proxy-Authorization"
    )
    return replace(request, cseq=request.cseq + 1, extra=request.extra + line)


@pytest.mark.parametrize(
    "request_",
    [
        Request(body=SDP, caller="<sip:digcarrier@x.example>"),
        Request(body=SDP, contact_user="digcarrier"),
        Request(body=SDP, extra="P-Asserted-Identity: <sip:+442079460002@x.example>\r\n"),
    ],
    ids=["from", "contact", "asserted"],
)
async def test_a_trunk_is_known_by_digest(edge: RealEdge, request_: Request) -> None:
    phone = await edge.phone()
    asked = await call(phone, request_)
    assert asked.code == 407
    wrong = await call(phone, signed(request_, asked, "digcarrier", "wrong"))
    assert wrong.code == 407
    right = signed(request_, wrong, "digcarrier", "carrier's secret")
    assert (await ticket_for(edge, phone, right)).trunk == "carrier-d"


async def test_an_agents_credential_is_no_trunks(edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP, caller="<sip:digcarrier@x.example>")
    asked = await call(phone, request)
    assert (await call(phone, signed(request, asked, "ag_1", "secret"))).code in (403, 407)
    assert edge.controller.inbox.empty()


async def test_a_trunk_has_so_many_calls_and_no_more(edge: RealEdge) -> None:
    phone = await edge.phone("127.0.0.33")
    open_calls = []
    for _ in range(2):
        request = Request(body=SDP)
        answered = await call(phone, request)
        assert answered.code == 200
        await phone.send(request.within(answered, "ACK", 1).text(phone))
        open_calls.append((request, answered))
    assert (await call(phone, Request(body=SDP))).code == 503
    for request, answered in open_calls:
        assert (await call(phone, request.within(answered, "BYE"))).code == 200
    assert (await ticket_for(edge, phone, Request(body=SDP))).trunk == "small"


async def test_a_trunk_has_so_many_calls_a_second(edge: RealEdge) -> None:
    edge.controller.code = 486
    phone = await edge.phone("127.0.0.34")
    for _ in range(20):
        await phone.send(Request(body=SDP).text(phone))
    answered = [(await phone.final()).code for _ in range(20)]
    assert 503 in answered
    assert 486 in answered
    assert await edge.rpc.bans() == []  # limited, not banned
