"""kill -9 of every other part during a live call: what goes on, what closes, what comes back, what is on record."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from product_parts import Agent, Shop, becomes, hear_each_other, hung_up_on, product

from quietline.errors import QuietlineError
from quietline.testing.agent_phone import SimulatedAgentPhone

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product() as running:
        yield running


async def _on_record(shop: Shop, part: str) -> None:
    await shop.noted("fault", part=part, code=-9)
    assert f'"part": "{part}", "exit": -9' in shop.log("supervisor")


async def _opens(agent: Agent, call: str) -> None:
    async def shown() -> bool:
        return (await agent.looks(call))[0] == 200

    await becomes(shown, "the field opens again")


async def test_a_vault_that_hangs_shows_nothing_and_stops_no_call(shop: Shop) -> None:
    """SIGSTOP: the socket still takes connections, nobody answers. Then kill -9, and every grant works again."""
    async with (
        shop.agent("mia") as mia,
        shop.agent("noor", ready=False) as noor,
        shop.caller() as caller,
        shop.caller() as other,
    ):
        call = await shop.talk(caller, mia)
        await noor.desk.ready("sip")
        pid = await shop.site.kill("vault", signal.SIGSTOP)
        try:
            async with asyncio.TaskGroup() as tasks:
                look = tasks.create_task(mia.looks(call))
                await hear_each_other(caller, mia)
                await shop.arrives(other)
                await shop.taken(noor)
                await hear_each_other(other, noor)
            status, body = look.result()
            assert status >= 500, body
            assert "value" not in body
            second = (await shop.ask("snapshot", agent=noor.token))["call"]
        finally:
            os.kill(pid, signal.SIGKILL)
        await shop.site.ready()
        await noor.reaches("on_call", vault="ok")
        await _opens(noor, second)
        await _opens(mia, call)
        await _on_record(shop, "vault")


async def test_a_killed_vault_comes_back_unsealed_and_the_grant_works(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await shop.kill("vault")
        await hear_each_other(caller, mia)
        await mia.reaches("on_call")
        await _opens(mia, call)
        await caller.hangs_up()
        await hung_up_on(mia.phone.legs[-1])
        assert (await mia.looks(call))[0] in (403, 404, 409, 410)
        await shop.nothing_left()


async def test_a_killed_relay_ends_its_calls_and_takes_new_ones(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller, shop.caller() as waiting:
        call = await shop.talk(caller, mia)
        await shop.arrives(waiting)
        await shop.kill("relay")
        await hung_up_on(caller.leg)
        await hung_up_on(mia.phone.legs[-1])
        assert (await mia.looks(call))[0] in (403, 404, 409, 410)
        await hung_up_on(waiting.leg)  # whoever heard music hears nothing now: ended as well
        await mia.reaches("ready")
        await shop.nothing_left()
        await shop.talk(caller, mia)
        await _on_record(shop, "relay")


async def test_a_killed_web_process_interrupts_no_call(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await shop.kill("web")
        await hear_each_other(caller, mia)
        await mia.reaches("on_call")
        await _opens(mia, call)
        mia.phone.hangs_up()
        await hung_up_on(caller.leg)
        await shop.nothing_left()
        await _on_record(shop, "web")


async def test_a_killed_edge_ends_its_calls_and_knows_the_phones_again(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await shop.kill("edge")
        assert (await mia.looks(call))[0] in (403, 404, 409, 410, 503)  # nobody vouches for the call any more
        await shop.nothing_left()  # within 20 s
        await mia.reaches("ready")
        async with SimulatedAgentPhone(shop.site.public(), mia.credentials, tone=mia.tone) as mia.phone:
            await becomes(lambda: _registers(mia.phone), "the phone is registered again", 15.0)
            async with shop.caller() as another:
                await shop.talk(another, mia)
        await _on_record(shop, "edge")


async def _registers(phone: SimulatedAgentPhone) -> bool:
    """Its credential is there by itself."""
    try:
        await phone.registers(within=2.0)
    except QuietlineError:
        return False
    return True
