"""Calls out by a carrier that asks for all a carrier may ask for. Real Kamailio, our SIP endpoint behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from quietline import carriers
from quietline.config import Carrier, Store
from quietline.legs import verify_leg
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.telephony.certificates import Issued, issue, make_ca
from quietline.telephony.endpoint import SipEndpoint, SipLeg
from quietline.telephony.ports import LegEvent, LegEventKind
from quietline.testing.carrier import SimulatedCarrier, answers_after, never_answers, refuses
from quietline.testing.digest import Credentials
from quietline.testing.edge_kit import RealEdge, edge_config
from quietline.testing.sip_wire import SDP

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

OURS, CUSTOMER = "+442079460101", "+442079460123"
CREDENTIALS = Credentials("quietline", 'p:a"s\\s$w{r}d')
MD5 = 'qop="auth", algorithm=MD5'
TEST = Ticket("test", "test", SIGNALLING)


def pem(folder: Path, name: str, issued: Issued) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    return certificate, key


class Bench:
    """A running edge, a carrier, and the controller's SIP endpoint."""

    def __init__(self, edge: RealEdge, carrier: SimulatedCarrier, impostor: SimulatedCarrier) -> None:
        self.edge, self.carrier, self.impostor = edge, carrier, impostor
        self.endpoint: SipEndpoint

    def dial(self, number: str = CUSTOMER, by: str = "carrier-a", **changes: object) -> SipLeg:
        route = carriers.route(self.edge.config, OURS, by)
        assert route
        carrier = {key: changes.pop(key) for key in ("trunk", "host", "identity") if key in changes}
        route = replace(route, carrier=replace(route.carrier, **carrier), **changes)  # type: ignore[arg-type]
        return self.endpoint.dial_out(route, Sealed(number), SDP)


@asynccontextmanager
async def bench(folder: Path, *more: Carrier, **settings: object) -> AsyncIterator[Bench]:
    now = datetime.now(UTC)
    ca = make_ca(now)
    pem(folder, "ca", ca)
    named = pem(folder, "named", issue(ca, "sip.carrier.example", ["sip.carrier.example"], now))
    wrong = pem(folder, "wrong", issue(ca, "other.example", ["other.example"], now))
    secret = folder / "password"
    secret.write_text(f"{CREDENTIALS.password}\n")
    secret.chmod(0o400)
    async with (
        SimulatedCarrier(*named, CREDENTIALS, shows=frozenset({OURS})) as carrier,
        SimulatedCarrier(*wrong, CREDENTIALS) as impostor,
    ):
        first = Carrier(
            "carrier-a", "127.0.0.1", carrier.port, "sip.carrier.example", str(folder / "ca.pem"),
            user=CREDENTIALS.user, password_file=str(secret), register=True, register_seconds=60, max_calls=2,
        )  # fmt: skip
        lines = (
            replace(first, **settings),  # type: ignore[arg-type]
            replace(first, trunk="carrier-d", port=impostor.port, register=False),
        )
        config = replace(edge_config(folder), carriers=lines, stores=(Store("north", "North", (OURS,)),))
        edge = RealEdge(config)
        running = Bench(edge, carrier, impostor)
        try:
            await edge.start()
            running.endpoint = await SipEndpoint.open(config)
            yield running
        finally:
            if hasattr(running, "endpoint"):
                running.endpoint.close()
            await edge.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("outbound")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def outside(running: Bench) -> Bench:
    running.carrier.behaviour = answers_after(0.0)
    running.carrier.challenge, running.carrier.asks = 407, MD5
    await running.carrier.forget()
    return running


async def outcome(leg: SipLeg, within: float = 8.0) -> LegEvent:
    async with asyncio.timeout(within):
        while True:
            event = await leg.next_event()
            if event.kind is not LegEventKind.RINGING:
                return event


async def hung_up(bench: Bench, leg: SipLeg) -> None:
    leg.hang_up()
    event = await outcome(leg)
    assert event.kind is LegEventKind.ENDED
    async with asyncio.timeout(8):
        while await bench.edge.rpc.calls():
            await asyncio.sleep(0.05)


async def test_we_sign_in_at_the_carrier_and_stay_signed_in(outside: Bench) -> None:
    await outside.carrier.signed_in()
    assert outside.carrier.registrations[0] == 60


async def test_a_signed_call_is_answered_and_the_edge_vouches_for_it(outside: Bench) -> None:
    leg = outside.dial()
    called = await outside.carrier.picks_up()
    event = await outcome(leg)
    assert event.kind is LegEventKind.ANSWERED
    assert event.ticket
    ticket = verify_leg(event.ticket.raw.open(TEST), outside.edge.leg_key)
    assert (ticket.kind, ticket.trunk, ticket.grade) == ("called", "carrier-a", "tls-srtp")
    assert ticket.caller == Sealed(CUSTOMER)
    assert await outside.edge.rpc.leg_alive(ticket)
    await hung_up(outside, leg)
    async with asyncio.timeout(5):
        await called.ended.wait()
    assert called.ended_by == "them"
    assert not await outside.edge.rpc.leg_alive(ticket)


@pytest.mark.parametrize(
    ("code", "asks"),
    [
        (401, MD5),
        (407, 'qop="auth,auth-int"'),
        (407, 'qop=auth, opaque="5ccc09c403ebaf9f"'),
        (407, "algorithm=md5, stale=FALSE"),  # without qop: RFC 2069
        (401, 'qop="auth", algorithm=SHA-256, opaque=""'),
    ],
)
async def test_every_way_a_carrier_may_ask_who_we_are(outside: Bench, code: int, asks: str) -> None:
    outside.carrier.challenge, outside.carrier.asks = code, asks
    leg = outside.dial()
    await outside.carrier.picks_up()
    assert (await outcome(leg)).kind is LegEventKind.ANSWERED
    assert outside.carrier.invites[-1].cseq == 2
    await hung_up(outside, leg)


async def test_what_we_cannot_sign_is_refused(outside: Bench) -> None:
    outside.carrier.asks = 'qop="auth", algorithm=SHA-512-256'
    assert (await outcome(outside.dial())).code == 403


async def test_probes_and_a_hang_up_by_the_called_reach_the_right_dialog(outside: Bench) -> None:
    leg = outside.dial()
    called = await outside.carrier.picks_up()
    await outcome(leg)
    leg.probe(5.0)
    async with asyncio.timeout(5):
        while not called.probes:
            await asyncio.sleep(0.02)
    called.reoffers("sendonly")
    offer = await outcome(leg)
    assert offer.kind is LegEventKind.OFFER
    leg.accept_offer(SDP)
    await asyncio.sleep(0.2)
    assert leg.alive
    called.hangs_up()
    assert (await outcome(leg)).kind is LegEventKind.ENDED


async def test_the_carrier_sees_our_number_and_nothing_of_ours_inside(outside: Bench) -> None:
    leg = outside.dial()
    await outside.carrier.picks_up()
    await outcome(leg)
    await hung_up(outside, leg)
    invite = outside.carrier.invites[-1]
    assert invite.first("from").startswith(f"<sip:{OURS}@127.0.0.1>")
    assert invite.start.startswith(f"INVITE sip:{CUSTOMER}@127.0.0.1 ")
    inside = [
        f"127.0.0.1:{port}"
        for port in (outside.edge.config.controller.sip_port, outside.edge.config.edge.internal_port)
    ]
    for message in outside.carrier.received:
        text = message.decode().lower()
        assert "x-ql" not in text
        assert not [each for each in inside if each in text]
        assert CREDENTIALS.password not in text


@pytest.mark.parametrize(("status", "code"), [("486 Busy Here", 486), ("603 Decline", 603), ("404 Not Found", 404)])
async def test_a_refusal_arrives_as_it_is(outside: Bench, status: str, code: int) -> None:
    outside.carrier.behaviour = refuses(status)
    event = await outcome(outside.dial())
    assert (event.kind, event.code) == (LegEventKind.REJECTED, code)


async def test_a_call_that_nobody_answers_can_be_taken_back(outside: Bench) -> None:
    outside.carrier.behaviour = never_answers()
    leg = outside.dial()
    called = await outside.carrier.is_called()
    async with asyncio.timeout(5):
        assert (await leg.next_event()).kind is LegEventKind.RINGING
    leg.hang_up()
    assert (await outcome(leg)).kind is LegEventKind.REJECTED
    async with asyncio.timeout(5):
        await called.ended.wait()
    assert called.state == "cancelled"


@pytest.mark.parametrize(
    ("number", "changes", "code"),
    [
        ("+12125550123", {}, 403),  # another country: toll fraud
        (CUSTOMER, {"shown": "+442079460999"}, 403),  # not our number
        (CUSTOMER, {"trunk": "carrier-z"}, 404),
        (CUSTOMER, {"host": "198.51.100.7"}, 403),  # another place than the carrier
        (CUSTOMER, {"identity": "asserted"}, 403),  # the user in From, where the number belongs
    ],
)
async def test_the_edge_refuses_what_the_rules_forbid(
    outside: Bench, number: str, changes: dict[str, str], code: int
) -> None:
    before = len(outside.carrier.received)
    event = await outcome(outside.dial(number, **changes))
    assert (event.kind, event.code) == (LegEventKind.REJECTED, code)
    assert len(outside.carrier.received) == before


async def test_no_more_calls_than_the_carrier_takes(outside: Bench) -> None:
    legs = [outside.dial() for _ in range(2)]
    for leg in legs:
        await outside.carrier.picks_up()
        await outcome(leg)
    assert (await outcome(outside.dial())).code == 503
    for leg in legs:
        leg.hang_up()
    for leg in legs:
        await outcome(leg)
    await asyncio.sleep(0.2)
    leg = outside.dial()
    assert (await outcome(leg)).kind is LegEventKind.ANSWERED
    await hung_up(outside, leg)


async def test_a_carrier_whose_certificate_has_another_name_is_not_spoken_with(outside: Bench) -> None:
    leg = outside.dial(by="carrier-d")
    event = await outcome(leg, 20)
    assert event.kind is LegEventKind.REJECTED
    assert not outside.impostor.invites  # it got no signed call


async def test_the_password_is_in_no_log_and_in_files_of_the_edge_alone(outside: Bench) -> None:
    assert CREDENTIALS.password not in outside.edge.log.read_text()
    folder = outside.edge.config.paths.run / "edge"
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".pem":
            assert path.stat().st_mode & 0o077 == 0, path
