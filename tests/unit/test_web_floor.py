"""The supervisor's view over HTTP: who may see it, whose people are on it, and that names are asked for seldom."""

from __future__ import annotations

import pytest

from quietline.testing.clock import ManualClock
from quietline.testing.desk_client import DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA, JONAS, SIGRID
from quietline.vault.ports import Roster
from quietline.web.api.floor import ROSTER_FOR

MINE = {
    "agent": AMARA.agent,
    "state": "ready",
    "since": 1.0,
    "store": "hub",
    "reason": "",
    "queue": "",
    "deadline": 0.0,
}
OTHER = MINE | {"agent": "ag_of_another_store"}
BOARD = {"now": 5.0, "queues": [{"id": "orders", "waiting": 2}], "agents": [MINE, OTHER], "offline": 1}


@pytest.fixture
def under() -> DeskUnderTest:
    under = DeskUnderTest(clock=ManualClock())
    under.controller.board = dict(BOARD)
    return under


@pytest.fixture
async def sigrid(under: DeskUnderTest) -> DeskClient:
    return await under.signed_in(SIGRID)


async def test_a_supervisor_sees_queues_and_people_by_name(sigrid: DeskClient) -> None:
    response = await sigrid.get("/api/floor")
    assert response.status_code == 200
    shown = response.json()
    assert (shown["now"], shown["queues"], shown["offline"]) == (5.0, BOARD["queues"], 1)
    assert [each["name"] for each in shown["agents"]] == [AMARA.name]  # whom the vault does not name is left out
    assert "ag_" not in response.text  # nor does a token get out
    assert "no-store" in response.headers["cache-control"]


@pytest.mark.parametrize("who", [AMARA, JONAS])
async def test_an_agent_gets_403_and_the_controller_is_not_even_asked(under: DeskUnderTest, who) -> None:
    response = await (await under.signed_in(who)).get("/api/floor")
    assert response.status_code == 403
    assert response.json()["reason"] == "policy"
    assert [op for op, _ in under.controller.asked if op == "wallboard"] == []


async def test_the_vault_has_the_last_word_about_the_role(
    under: DeskUnderTest, sigrid: DeskClient, monkeypatch
) -> None:
    """A web process that took anybody for a supervisor would get no names, and then no board."""
    amara = await under.signed_in(AMARA)
    monkeypatch.setattr("quietline.web.api.floor.SUPERVISOR", "agent")
    assert (await amara.get("/api/floor")).status_code == 403


async def test_signed_out(under: DeskUnderTest) -> None:
    client = under.client()
    await client.visit()
    assert (await client.get("/api/floor")).status_code == 401


async def test_the_page_is_the_same_for_everybody_and_empty(under: DeskUnderTest, sigrid: DeskClient) -> None:
    nobody = under.client()
    one, other = await nobody.get("/floor"), await sigrid.get("/floor")
    assert one.status_code == other.status_code == 200
    assert "floor.js" in one.text
    assert SIGRID.name not in other.text
    assert other.headers["content-security-policy"]


async def test_a_supervisor_of_one_store_is_shown_that_store(
    under: DeskUnderTest, sigrid: DeskClient, monkeypatch
) -> None:
    async def roster(token: str) -> Roster:
        return Roster("mill", {"ag_of_another_store": "Ivo Larkmere"})

    monkeypatch.setattr(under.vault, "roster", roster)
    shown = (await sigrid.get("/api/floor")).json()
    assert [each["name"] for each in shown["agents"]] == ["Ivo Larkmere"]
    assert [fields["store"] for op, fields in under.controller.asked if op == "wallboard"] == ["mill"]


async def test_names_are_kept_for_a_while_by_session(under: DeskUnderTest, sigrid: DeskClient, monkeypatch) -> None:
    asked: list[str] = []
    given = under.vault.roster

    async def roster(token: str) -> Roster:
        asked.append(token)
        return await given(token)

    monkeypatch.setattr(under.vault, "roster", roster)
    for _ in range(3):
        await sigrid.get("/api/floor")
    assert len(asked) == 1
    under.clock.advance(ROSTER_FOR + 1)
    await sigrid.get("/api/floor")
    assert len(asked) == 2
    await (await under.signed_in(SIGRID)).get("/api/floor")
    assert len(set(asked)) == 2


async def test_what_does_not_answer_is_503(under: DeskUnderTest, sigrid: DeskClient) -> None:
    under.controller.down = True
    assert (await sigrid.get("/api/floor")).status_code == 503
    under.controller.down = False
    under.vault.down = True
    assert (await sigrid.get("/api/floor")).status_code == 503


async def test_why_an_agent_is_away_is_said_to_the_controller(under: DeskUnderTest) -> None:
    amara = await under.signed_in(AMARA)
    assert (await amara.post("/api/state", {"state": "away", "reason": "meal"})).json()["reason"] == "meal"
    assert (await amara.post("/api/state", {"state": "away"})).json()["reason"] == "chosen"
    assert (await amara.post("/api/state", {"state": "away", "reason": "tired of it"})).status_code == 422
