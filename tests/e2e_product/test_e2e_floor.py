"""The supervisor's live view on the whole product: a real call is on it, nothing of its caller; no agent sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quietline.testing.remote_desk import RemoteDesk

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "anchor velvet harvest moon"


async def supervisor(stage: Any, login: str, store: str) -> RemoteDesk:
    """Hired for this store and signed in."""
    vault = stage.site.admin()
    account = {"login": login, "name": f"Sigrid of {store}", "password": PASSWORD, "store": store, "role": "supervisor"}
    await vault.call("staff_add", **account)
    await vault.close()
    desk = await stage.stack.enter_async_context(RemoteDesk(stage.site.url, stage.site.ca))
    await desk.sign_in(login, PASSWORD)
    return desk


async def board(desk: RemoteDesk) -> tuple[dict[str, Any], str]:
    status, text = await desk.get("/api/floor")
    assert status == 200, text
    return json.loads(text), text


async def test_a_call_is_on_the_board_and_nothing_of_the_caller(stage: Any) -> None:
    agent, caller, call = await stage.talk()
    hub = await supervisor(stage, "sigrid", "hub")
    shown, text = await board(hub)
    mia = next(each for each in shown["agents"] if each["name"] == "Mia Thornfold")
    assert (mia["state"], mia["queue"], mia["store"]) == ("on_call", "Orders", "hub")
    assert [each["name"] for each in shown["queues"]] == ["Orders", "Returns and refunds", "Product advice"]
    customer = stage.customers[0]
    view = await stage.state(agent)
    for secret in (customer.phone, customer.orders[-1].reference, call, view["alias"], *customer.fields.values()):
        assert str(secret) not in text
    mill, _ = await board(await supervisor(stage, "sigrid-mill", "mill"))
    assert mill["agents"] == []  # store walls: Mia is the hub's
    assert (await agent.call("GET", "/api/floor"))[0] == 403
    await caller.hangs_up()
    await agent.reads("Wrap-up")
