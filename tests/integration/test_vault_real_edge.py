"""The vault over a real Kamailio: legs it really carries, credentials it really takes, and its restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.errors import Denied, EdgeUnavailable
from quietline.legs import HEADER
from quietline.sealed import Sealed, Ticket
from quietline.testing.edge_kit import TRUNKS, RealEdge, call, hang_up, real_edge, ticket_of
from quietline.testing.sip_wire import SDP, Request, credentials, ha1, sign_in
from quietline.testing.vault_house import ANA, VaultHouse

pytestmark = pytest.mark.real
T = Ticket("test", "test", 0)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[RealEdge]:
    async with real_edge(tmp_path / "edge") as edge:
        yield edge


@pytest.fixture
async def house(tmp_path: Path, edge: RealEdge) -> AsyncIterator[VaultHouse]:
    house = VaultHouse(tmp_path / "vault")
    house.config = replace(house.config, trunks=TRUNKS)
    house.leg_key, house.edge = edge.leg_key, edge.rpc  # type: ignore[assignment]
    async with house:
        await house.admin.import_customers([ANA])
        yield house


async def test_a_real_call_is_matched_and_lives_as_long_as_the_edge_says(house: VaultHouse, edge: RealEdge) -> None:
    phone, request = await edge.phone("127.0.0.17"), Request(body=SDP)  # from the trunk "by-address"
    await phone.send(request.text(phone))
    answered = await phone.final()
    assert answered.code == 200
    header = Sealed((await edge.controller.request("INVITE")).get(HEADER))
    match = await house.calls.match(header)
    assert match.assurance == 1
    assert await house.calls.send_code(match.leg) is True
    await phone.send(request.within(answered, "ACK", request.cseq).text(phone))
    await phone.send(request.within(answered, "BYE").text(phone))
    assert (await phone.final()).code == 200
    with pytest.raises(Denied) as refusal:
        await house.calls.send_code(match.leg)
    assert refusal.value.reason == "call-unconfirmed"


async def test_a_phone_that_is_no_trunk_claims_nothing(house: VaultHouse, edge: RealEdge) -> None:
    phone, request = await edge.phone(), Request(body=SDP)
    await phone.send(request.text(phone))
    assert (await phone.final()).code == 200
    header = Sealed((await edge.controller.request("INVITE")).get(HEADER))
    match = await house.calls.match(header)
    assert (match.assurance, match.customer) == (0, "")


async def test_a_killed_edge_gets_its_credentials_back_by_itself(house: VaultHouse, edge: RealEdge) -> None:
    agent = await house.agent()
    issued = await house.admin.call("phone_issue", agent=agent)
    phone = await edge.browser()
    assert [each.code for each in await sign_in(phone, agent, issued["password"])] == [401, 200]
    await edge.stop(kill=True)
    with pytest.raises(EdgeUnavailable):
        await edge.rpc.instance()
    await edge.start()
    for _ in range(80):
        back = await edge.browser()
        codes = [each.code for each in await sign_in(back, agent, issued["password"])]
        if codes == [401, 200]:
            break
        await asyncio.sleep(0.1)
    assert codes == [401, 200]
    await house.admin.call("phone_revoke", agent=agent)
    gone = await edge.browser()
    assert [each.code for each in await sign_in(gone, agent, issued["password"])][-1] != 200


async def test_a_sessions_credential_signs_the_browser_in(house: VaultHouse, edge: RealEdge) -> None:
    await house.agent()
    token = await house.signed_in()
    given = await house.desk.phone(token)
    assert [each.code for each in await sign_in(await edge.browser(), given["user"], given["password"])] == [401, 200]
    await house.desk.sign_out(token)
    after = await sign_in(await edge.browser(), given["user"], given["password"])
    assert after[-1].code != 200


# -- trunks known by digest


async def digest_call(edge: RealEdge, password: str) -> tuple[int, str]:
    """A call signed as the digest trunk: the final answer, and the trunk that the edge then vouches for."""
    phone, request = await edge.phone(), Request(body=SDP, caller="<sip:digcarrier@carrier.example>")
    asked = await call(phone, request)
    if asked.code != 407:
        return asked.code, ""
    line = credentials(
        asked.get("proxy-authenticate"),
        *("INVITE", request.uri, "digcarrier", ha1("digcarrier", password), "Proxy-Authorization"),
    )
    signed = replace(request, cseq=request.cseq + 1, extra=request.extra + line)
    answered = await call(phone, signed)
    if answered.code != 200:
        return answered.code, ""
    arrived = await edge.controller.request("INVITE")
    await hang_up(phone, signed, answered)
    return 200, ticket_of(edge, arrived).trunk


async def test_a_trunk_calls_by_its_issued_password_until_it_is_revoked(house: VaultHouse, edge: RealEdge) -> None:
    assert await digest_call(edge, "anything") == (503, "")  # nothing issued: nothing to compare with
    issued = await house.admin.call("trunk_issue", trunk="carrier-d")
    assert await digest_call(edge, issued["password"]) == (200, "carrier-d")
    assert await digest_call(edge, "not it") == (407, "")
    newer = await house.admin.call("trunk_issue", trunk="carrier-d")
    assert await digest_call(edge, issued["password"]) == (407, "")
    assert await digest_call(edge, newer["password"]) == (200, "carrier-d")
    await edge.stop(kill=True)
    await edge.start()
    for _ in range(80):
        found = await digest_call(edge, newer["password"])
        if found == (200, "carrier-d"):
            break
        await asyncio.sleep(0.1)
    assert found == (200, "carrier-d")
    assert (await house.admin.call("trunk_revoke", trunk="carrier-d"))["revoked"] is True
    assert await digest_call(edge, newer["password"]) == (503, "")
