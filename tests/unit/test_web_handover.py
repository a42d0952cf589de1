"""Handing a call on, by the API: whom the page may name, what it may not, and what the controller is asked."""

from __future__ import annotations

import pytest

from quietline.desk_protocol import AgentState
from quietline.testing.desk_client import DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA


@pytest.fixture
def under() -> DeskUnderTest:
    return DeskUnderTest()


@pytest.fixture
async def amara(under: DeskUnderTest) -> DeskClient:
    return await under.signed_in()


def asked(under: DeskUnderTest, operation: str) -> list[dict[str, object]]:
    return [fields for op, fields in under.controller.asked if op == operation]


async def test_ready_colleagues_are_named_and_nobody_else(under: DeskUnderTest, amara: DeskClient) -> None:
    call = under.on_call()
    under.controller.set("ag_noor", state=AgentState.READY)
    under.controller.set("ag_wren", state=AgentState.AWAY)
    body = (await amara.get(f"/api/calls/{call}/targets")).json()
    assert body["colleagues"] == [{"id": "ag_noor", "name": "Colleague 1"}]
    assert body["queues"] == [{"id": "returns", "name": "Returns"}]


async def test_without_the_vault_the_queues_are_left(under: DeskUnderTest, amara: DeskClient) -> None:
    call = under.on_call()
    under.controller.set("ag_noor", state=AgentState.READY)
    await amara.get("/api/me")
    under.vault.down = True
    body = (await amara.get(f"/api/calls/{call}/targets")).json()
    assert body == {"queues": [{"id": "returns", "name": "Returns"}], "colleagues": []}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"queue": "returns"}, {"queue": "returns", "colleague": ""}),
        ({"colleague": "ag_1"}, {"queue": "", "colleague": "ag_1"}),
    ],
)
async def test_a_transfer_asks_the_controller_for_just_that(
    under: DeskUnderTest, amara: DeskClient, body: dict[str, str], fields: dict[str, str]
) -> None:
    call = under.on_call()
    assert (await amara.post(f"/api/calls/{call}/transfer", body)).status_code == 200
    assert asked(under, "transfer") == [{"agent": AMARA.agent, "call": call, **fields}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("transfer", {}, 400),
        ("transfer", {"queue": "a", "colleague": "b"}, 400),
        ("transfer", {"queue": "a b"}, 422),
        ("transfer", {"queue": 7}, 422),
        ("transfer", {"number": "1"}, 422),
        ("transfer", None, 422),
        ("consult", {}, 422),
        ("consult", {"colleague": ""}, 422),
        ("consult", {"colleague": "x" * 81}, 422),
    ],
)
async def test_what_is_no_target(under: DeskUnderTest, amara: DeskClient, path: str, body: object, status: int) -> None:
    call = under.on_call()
    assert (await amara.post(f"/api/calls/{call}/{path}", body)).status_code == status
    assert not asked(under, path)


@pytest.mark.parametrize(("reason", "status"), [("not-ready", 409), ("not-now", 409), ("no-such-queue", 403)])
async def test_the_controllers_refusal_is_passed_on_with_advice(
    under: DeskUnderTest, amara: DeskClient, monkeypatch: pytest.MonkeyPatch, reason: str, status: int
) -> None:
    from quietline.reasons import Why, denied

    call, real = under.on_call(), under.controller.call

    async def refuses(op: str, **fields: object) -> dict[str, object]:
        if op == "consult":
            raise denied(Why(reason))
        return await real(op, **fields)

    monkeypatch.setattr(under.controller, "call", refuses)
    response = await amara.post(f"/api/calls/{call}/consult", {"colleague": "ag_1"})
    assert (response.status_code, response.json()["reason"]) == (status, reason)
    assert response.json()["advice"]


@pytest.mark.parametrize("path", ["targets", "transfer", "consult", "complete", "take-back"])
async def test_a_call_that_only_rings_cannot_be_handed_on(under: DeskUnderTest, amara: DeskClient, path: str) -> None:
    call = under.controller.offers(AMARA.agent)
    body = {"colleague": "ag_1"} if path in ("transfer", "consult") else None
    response = await amara.send("GET" if path == "targets" else "POST", f"/api/calls/{call}/{path}", body)
    assert response.status_code == 409
    assert not asked(under, path.replace("-", "_"))
