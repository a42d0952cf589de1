"""Promise 11, calls survive us: one kill -9 of the controller under calls in every state; then each goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from product_parts import PHONE, STORE, Agent, Shop, hear_each_other, hung_up_on, product

from quietline.testing.agent_phone import answers_after, rings_only
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.far_leg import FarLeg

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@dataclass(slots=True)
class Scene:
    """Six callers, four agents; the controller has been killed once."""

    shop: Shop
    agents: dict[str, Agent]
    callers: dict[str, SimulatedCaller]
    calls: dict[str, str]  # agent -> call's id
    rang: FarLeg
    relay_before: set[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(product())
        callers = {
            name: await stack.enter_async_context(shop.caller(Person(shop.customer(place).phone)))
            for place, name in enumerate(("with mia", "with noor", "ringing", "first", "second", "in the menu"))
        }
        agents, calls = {}, {}
        for login in ("mia", "noor"):
            agents[login] = await stack.enter_async_context(shop.agent(login))
            calls[login] = await shop.talk(callers[f"with {login}"], agents[login])
        agents["wren"] = await stack.enter_async_context(shop.agent("wren"))
        agents["wren"].phone.behaviour = rings_only()
        await shop.arrives(callers["ringing"])
        rang = await agents["wren"].phone.is_rung()
        for place, name in enumerate(("first", "second"), start=1):
            await shop.arrives(callers[name], key="2")
            await shop.queued(1 + place)  # the one who rings waits too
        await callers["in the menu"].dials(STORE)
        await callers["in the menu"].answered()
        relay_before = set(await shop.relay_calls())
        agents["wren"].phone.behaviour = answers_after(0.2)
        await shop.kill("controller")
        yield Scene(shop, agents, callers, calls, rang, relay_before)


async def _is_over(shop: Shop, agent: Agent, call: str) -> None:
    """The grant refuses, the agent wraps up and is ready again."""
    status, body = await agent.looks(call)
    assert status in (403, 404, 409, 410), body
    await agent.reaches("wrap_up")
    await agent.reaches("ready")


async def test_media_goes_on_and_the_new_life_knows_the_calls(scene: Scene) -> None:
    for login in ("mia", "noor"):
        caller, agent = scene.callers[f"with {login}"], scene.agents[login]
        await hear_each_other(caller, agent)
        assert caller.leg.offers == agent.phone.legs[-1].offers == 0  # nobody was re-INVITEd
        view = await agent.reaches("on_call", vault="ok")
        assert view["call"] == scene.calls[login]
    assert scene.relay_before <= set(await scene.shop.relay_calls())


async def test_the_grant_is_kept_and_so_are_its_limits(scene: Scene) -> None:
    mia, call = scene.agents["mia"], scene.calls["mia"]
    status, body = await mia.looks(call)
    assert status == 200, body
    assert (await mia.looks(call, PHONE, "delivery_change"))[0] == 403  # assurance 1, as before
    assert (await scene.agents["noor"].looks(call))[0] in (403, 404)  # still hers alone


async def test_step_up_by_a_keyed_code_works_in_the_new_life(scene: Scene) -> None:
    noor, call, customer = scene.agents["noor"], scene.calls["noor"], scene.shop.customer(1)
    await noor.desk.post(f"/api/calls/{call}/verify")
    code = await scene.shop.gateway.next_code(customer.phone)
    await scene.callers["with noor"].press(code)
    await noor.reaches("on_call", verifying="passed", assurance=2)
    status, body = await noor.looks(call, PHONE, "delivery_change")
    assert status == 200, body
    assert customer.phone in body


async def test_a_phone_that_rang_is_let_go_and_rung_again(scene: Scene) -> None:
    wren, caller = scene.agents["wren"], scene.callers["ringing"]
    await scene.shop.taken(wren)
    assert scene.rang.state == "cancelled"
    await hear_each_other(caller, wren)
    await caller.hangs_up()
    await hung_up_on(wren.phone.legs[-1])
    await wren.reaches("wrap_up")


async def test_places_in_the_queue_are_kept_in_order(scene: Scene) -> None:
    first, second = scene.callers["first"], scene.callers["second"]
    async with scene.shop.agent("ivo") as ivo:
        await scene.shop.taken(ivo)
        await hear_each_other(first, ivo)
        await second.hears_no(ivo.tone, 0.5)
        await first.hangs_up()
        await scene.shop.taken(ivo)
        await hear_each_other(second, ivo)
        await second.hangs_up()
        await hung_up_on(ivo.phone.legs[-1])


async def test_a_caller_in_the_menu_is_asked_again(scene: Scene) -> None:
    caller = scene.callers["in the menu"]
    async with scene.shop.agent("tomos") as tomos:
        await caller.press("3")
        await scene.shop.taken(tomos)
        await hear_each_other(caller, tomos)
        assert (await tomos.view())["topic"] == "product_advice"
        await caller.hangs_up()
        await hung_up_on(tomos.phone.legs[-1])


async def test_the_caller_of_an_adopted_call_hangs_up(scene: Scene) -> None:
    mia = scene.agents["mia"]
    await scene.callers["with mia"].hangs_up()
    await hung_up_on(mia.phone.legs[-1])
    await _is_over(scene.shop, mia, scene.calls["mia"])


async def test_the_agent_of_an_adopted_call_hangs_up(scene: Scene) -> None:
    noor = scene.agents["noor"]
    noor.phone.hangs_up()
    await hung_up_on(scene.callers["with noor"].leg)
    await _is_over(scene.shop, noor, scene.calls["noor"])


async def test_nothing_is_left_and_the_crash_is_on_record(scene: Scene) -> None:
    await scene.shop.nothing_left()
    await scene.shop.noted("fault", part="controller", code=-9)
    assert '"part": "controller", "exit": -9' in scene.shop.log("supervisor")


async def _alone(scene: Scene, login: str) -> Agent:
    """The others take a break."""
    for name, agent in scene.agents.items():
        await (agent.ready() if name == login else agent.away())
    return scene.agents[login]


async def test_a_bye_while_the_controller_is_away_is_heard_by_its_next_life(scene: Scene) -> None:
    """The edge repeats the BYE (RFC 3261 §17.1.2) until somebody answers it; the agent is told."""
    shop, mia, caller = scene.shop, await _alone(scene, "mia"), scene.callers["with mia"]
    call = await shop.talk(caller, mia)
    starts = (await shop.site.lives())["controller"]["starts"]
    await shop.site.kill("controller")
    caller.leg.hangs_up()
    await shop.restarted("controller", starts)
    await hung_up_on(mia.phone.legs[-1])
    await _is_over(shop, mia, call)
    await shop.nothing_left()


async def test_two_kills_in_a_row_leave_the_call_up(scene: Scene) -> None:
    shop, noor, caller = scene.shop, await _alone(scene, "noor"), scene.callers["with noor"]
    call = await shop.talk(caller, noor)
    for _ in range(2):
        await shop.kill("controller")
        await hear_each_other(caller, noor)
        assert (await noor.reaches("on_call", vault="ok"))["call"] == call
    noor.phone.hangs_up()
    await hung_up_on(caller.leg)
    await _is_over(shop, noor, call)
    await shop.nothing_left()
