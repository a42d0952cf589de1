"""A carrier's signature, from its INVITE through a real Kamailio's ticket into the vault's own verification."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.config import Stir
from quietline.ledger.vocabulary import Kind
from quietline.legs import HEADER, LegTicket
from quietline.sealed import SIGNALLING, Ticket
from quietline.testing.edge_kit import RealEdge, call, edge_config, forget, hang_up, ticket_of
from quietline.testing.sip_wire import SDP, Message, Request
from quietline.testing.stir import ADDRESS, SigningCarrier
from quietline.testing.vault import MemoryEdge, MemoryLedger
from quietline.testing.vault_house import ANA, ANA_NUMBER, STORE_NUMBER, VaultHouse

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SEEN = Ticket(who="test", why="test", entry=SIGNALLING)
TRUNK = "127.0.0.17"  # "by-address"


@pytest.fixture(scope="module")
def carrier() -> SigningCarrier:
    return SigningCarrier()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, carrier: SigningCarrier) -> AsyncIterator[RealEdge]:
    folder = Path(tmp_path_factory.mktemp("edge"))
    (folder / "roots.pem").write_bytes(carrier.roots)
    edge = RealEdge(replace(edge_config(folder, requests_per_source=100_000), stir=Stir(str(folder / "roots.pem"))))
    try:
        await edge.start()
        await edge.open_controller()
        yield edge
    finally:
        await edge.close()


@pytest_asyncio.fixture(loop_scope="module")
async def edge(running: RealEdge) -> RealEdge:
    await forget(running)
    return running


def invite(*headers: str) -> Request:
    extra = "".join(f"{header}\r\n" for header in headers)
    return Request(body=SDP, caller=f"<sip:{ANA_NUMBER}@x.example>", to=f"<sip:{STORE_NUMBER}@x>", extra=extra)


async def arrival(edge: RealEdge, request: Request, source: str | None = TRUNK) -> tuple[LegTicket, Message]:
    """The verified ticket, and the INVITE as it reached the controller."""
    phone = await edge.phone(source)
    answered = await call(phone, request)
    assert answered.code == 200, answered.start
    arrived = await edge.controller.request("INVITE")
    await hang_up(phone, request, answered)
    return ticket_of(edge, arrived), arrived


def identity(ticket: LegTicket) -> str:
    return ticket.identity.open(SEEN)


@pytest.mark.parametrize("name", ["Identity", "identity", "y"])
async def test_the_header_is_in_the_signed_ticket_and_nowhere_else(
    edge: RealEdge, carrier: SigningCarrier, name: str
) -> None:
    header = carrier.identity(ANA_NUMBER, STORE_NUMBER, time.time())
    ticket, arrived = await arrival(edge, invite(f"{name}: {header}"))
    assert identity(ticket) == header
    assert (arrived.all("identity"), arrived.all("y")) == ([], [])
    signature = header.partition(";")[0].rpartition(".")[2]
    assert [key for key, value in arrived.headers if signature in value] == [HEADER]


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ((), ""),
        (("Identity: one;info=<https://a.example/>", "Identity: two;info=<https://a.example/>"), "!several"),
        (("Identity: one;info=<https://a.example/>", "y: two;info=<https://a.example/>"), "!several"),
        (("Identity: " + "a" * 1_700,), "!too-large"),
        (("Identity: a;kind=agent;mac=b%3Bkind%3Dagent",), "a;kind=agent;mac=b%3Bkind%3Dagent"),
    ],
    ids=["none", "two", "two by both names", "long", "one that would break out"],
)
async def test_what_the_ticket_says_of_others(edge: RealEdge, headers: tuple[str, ...], word: str) -> None:
    ticket, _ = await arrival(edge, invite(*headers))
    assert identity(ticket) == word
    assert (ticket.kind, ticket.caller.open(SEEN)) == ("caller", ANA_NUMBER)


async def test_it_is_not_taken_from_a_source_that_is_no_named_trunk(edge: RealEdge, carrier: SigningCarrier) -> None:
    header = carrier.identity(ANA_NUMBER, STORE_NUMBER, time.time())
    ticket, _ = await arrival(edge, invite(f"Identity: {header}"), None)
    assert (ticket.trunk, identity(ticket)) == ("", "")


async def test_a_signed_call_of_a_trunk_is_verified_by_the_vault(
    edge: RealEdge, carrier: SigningCarrier, tmp_path: Path
) -> None:
    header = carrier.identity(ANA_NUMBER, STORE_NUMBER, time.time(), "B")
    ticket, _ = await arrival(edge, invite(f"Identity: {header}"))
    ledger = MemoryLedger()
    house = VaultHouse(tmp_path, ledger)
    trunks = (replace(house.config.trunks[0], name="by-address"),)
    house.config = replace(house.config, stir=edge.config.stir, trunks=trunks)
    house.leg_key, house.edge = edge.leg_key, MemoryEdge(edge.leg_key)
    house.certificates.held[ADDRESS] = carrier.chain
    async with house:
        await house.admin.import_customers([ANA])
        match = await house.calls.arrive_and_match(ticket.raw)
        assert match.assurance == 1
        async with asyncio.timeout(5):
            while not ledger.of(Kind.IDENTITY_CHECKED):
                await asyncio.sleep(0.01)
    assert ledger.of(Kind.IDENTITY_CHECKED) == [{"leg": match.leg, "verdict": "B"}]
