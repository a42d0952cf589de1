"""However a call ends, all of it ends: leg, grant, relay, edge, journal; the agent is free again (promises 4, 12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from product_parts import CALLERS_TONE, Agent, Shop, becomes, falls_silent, hear_each_other, hung_up_on, product

from quietline.testing.agent_phone import rings_only
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.far_leg import FarLeg
from quietline.testing.namespaces import NetworkLab

pytestmark = [pytest.mark.real, pytest.mark.namespaces, pytest.mark.asyncio(loop_scope="module")]

TIMER = (("Supported", "timer"), ("Session-Expires", "90;refresher=uas"))  # RFC 4028 §4: 90 s is the least
REFRESHED = 60.0  # seconds; due at half the interval (§10)


@dataclass(slots=True)
class House:
    """The product on loopback and toward two namespaces, with one long call."""

    shop: Shop
    lab: NetworkLab
    long_caller: SimulatedCaller
    long_agent: Agent


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(NetworkLab())
        gateway = lab.caller.gateway
        sides = {"interfaces": (f"trunk/{gateway}", "agents/127.0.0.1")}
        shop = await stack.enter_async_context(product({"edge": {"addresses": ("127.0.0.1", gateway)}, "relay": sides}))
        caller = await stack.enter_async_context(shop.caller(Person(shop.customer(9).phone, headers=TIMER)))
        agent = await stack.enter_async_context(shop.agent("tomos"))
        await shop.talk(caller, agent)
        yield House(shop, lab, caller, agent)


@pytest_asyncio.fixture(loop_scope="module")
async def shop(house: House) -> AsyncIterator[Shop]:
    """As every test finds it: nobody but the long call."""
    yield house.shop
    await only_the_long_call_is_left(house.shop)


async def only_the_long_call_is_left(shop: Shop) -> None:
    async def just_one() -> bool:
        left = await shop.leftovers()
        return (len(left["relay"]), left["edge"], len(left["journal"]), left.get("waiting")) == (1, 2, 1, None)

    try:
        await becomes(just_one, "only the long call is left")
    except AssertionError as error:
        raise AssertionError(f"{error}; {await shop.leftovers()}") from None


async def _is_over(agent: Agent, call: str) -> None:
    """The grant refuses; the agent wraps up, and is ready without doing anything."""
    status, body = await agent.looks(call)
    assert status in (403, 404, 409, 410), body
    await agent.reaches("wrap_up")
    await agent.reaches("ready")


async def test_the_caller_hangs_up(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await caller.hangs_up()
        await hung_up_on(mia.phone.legs[-1])
        await _is_over(mia, call)


async def test_the_agents_phone_hangs_up(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        mia.phone.hangs_up()
        await hung_up_on(caller.leg)
        await _is_over(mia, call)


async def test_the_agents_page_hangs_up(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        status, _ = await mia.desk.post(f"/api/calls/{call}/hang-up")
        assert status == 200
        await asyncio.gather(hung_up_on(caller.leg), hung_up_on(mia.phone.legs[-1]))
        await _is_over(mia, call)


async def test_both_hang_up_at_once(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        mia.phone.hangs_up()
        caller.leg.hangs_up()
        await _is_over(mia, call)


async def test_the_caller_gives_up_while_the_agents_phone_rings(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        mia.phone.behaviour = rings_only()
        await shop.arrives(caller)
        ringing = await mia.phone.is_rung()
        await caller.hangs_up()
        await hung_up_on(ringing, 5.0)
        assert ringing.state == "cancelled"
        await mia.reaches("ready")


async def test_the_caller_gives_up_while_waiting_or_with_cancel_before_the_answer(shop: Shop) -> None:
    async with shop.caller() as waiting, shop.caller() as hasty:
        await shop.arrives(waiting)
        await shop.queued(1)
        await hasty.dials("+442079460101")
        hasty.leg.cancels()
        await waiting.hangs_up()
        await becomes(lambda: asyncio.sleep(0, hasty.leg.ended.is_set()), "the hasty caller is gone")


@dataclass(slots=True)
class Talk:
    """One of several calls at once."""

    caller: SimulatedCaller
    agent: Agent
    call: str


async def _talking(stack: AsyncExitStack, shop: Shop, place: int, login: str) -> Talk:
    agent = await stack.enter_async_context(shop.agent(login))
    caller = await stack.enter_async_context(shop.caller(Person(shop.customer(place).phone)))
    return Talk(caller, agent, await shop.talk(caller, agent))


async def _cut_off(stack: AsyncExitStack, house: House, login: str) -> Talk:
    """A caller in a namespace of their own, whose network is then gone without a word."""
    edge, space = house.shop.site.trunk(house.lab.caller.gateway), house.lab.caller
    person = Person(house.shop.customer(5).phone)
    caller = SimulatedCaller(edge, person, sockets=space.socket, tone=CALLERS_TONE)
    await stack.enter_async_context(caller)
    agent = await stack.enter_async_context(house.shop.agent(login))
    await house.shop.arrives(caller, key="2")
    await house.shop.taken(agent)
    await hear_each_other(caller, agent)
    call = (await agent.reaches("on_call", vault="ok"))["call"]
    assert (await space.run(["ip", "link", "set", "eth0", "down"])).code == 0
    caller.agent.silent = True  # it says no goodbye when the test is over
    return Talk(caller, agent, call)


async def _ends(talk: Talk, leg: FarLeg) -> None:
    await hung_up_on(leg)
    await _is_over(talk.agent, talk.call)


async def test_dead_peers_are_gone_within_twenty_seconds(house: House, shop: Shop) -> None:
    """The plugs of a caller, an agent and one who waits are pulled; a held caller's phone hangs; a network is gone."""
    async with AsyncExitStack() as stack:
        pulled, plugless, held = [
            await _talking(stack, shop, place, login) for place, login in enumerate(("mia", "noor", "wren"))
        ]
        waiting = await stack.enter_async_context(shop.caller(Person(shop.customer(7).phone)))
        await shop.arrives(waiting)
        held.agent.phone.legs[-1].reoffers("sendonly")
        await falls_silent(held.caller.media, held.agent.tone)
        cut_off = await _cut_off(stack, house, "ivo")
        held.caller.agent.silent = held.caller.media.paused = True  # its connection still stands
        for gone in (pulled.caller, plugless.agent.phone, waiting):
            gone.vanishes()
        await asyncio.gather(
            _ends(plugless, plugless.caller.leg),
            *(_ends(talk, talk.agent.phone.legs[-1]) for talk in (pulled, held, cut_off)),
            shop.queued(0),
        )


async def test_a_session_is_refreshed_by_us_and_goes_on(house: House) -> None:
    """RFC 4028 on a real call: the caller asked that we refresh every 90 s; we do at half of that."""
    caller = house.long_caller
    await becomes(lambda: asyncio.sleep(0, caller.leg.offers > 0), "a refresh reached the caller", REFRESHED)
    await hear_each_other(caller, house.long_agent)
    await caller.hangs_up()
    await hung_up_on(house.long_agent.phone.legs[-1])
    await house.shop.nothing_left()
