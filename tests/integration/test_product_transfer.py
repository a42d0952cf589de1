"""A caller is handed on: blind to a queue or a colleague, warm after a word; hang-ups at each moment; kill -9."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from product_parts import CALLERS_TONE, ORDER, Agent, Shop, falls_silent, hear_each_other, product

from quietline.errors import QuietlineError
from quietline.testing.agent_phone import answers_after, declines, rings_only
from quietline.testing.caller import SimulatedCaller, listens, stays_deaf
from quietline.testing.far_leg import FarLeg

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Shop]:
    async with product() as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="module")
async def shop(running: Shop) -> AsyncIterator[Shop]:
    yield running
    await running.nothing_left()


async def asks(shop: Shop, agent: Agent, operation: str, call: str, **fields: str) -> dict[str, object]:
    return await shop.ask(operation, agent=agent.token, call=call, **fields)


async def consults(shop: Shop, caller: SimulatedCaller, first: Agent, second: Agent, call: str) -> FarLeg:
    """The second agent is asked and answers: the two hear each other, the caller neither."""
    await asks(shop, first, "consult", call, colleague=second.token)
    leg = await shop.taken(second)
    await first.reaches("on_call", consult="talking", colleague=second.token)
    await asyncio.gather(second.phone.hears(first.tone), first.phone.hears(second.tone))
    await falls_silent(caller.media, first.tone)
    await stays_deaf(leg.media, CALLERS_TONE, 0.4)
    return leg


async def sees(agent: Agent, call: str) -> bool:
    return (await agent.looks(call))[0] == 200


async def is_refused(agent: Agent, call: str) -> None:
    status, body = await agent.looks(call)
    assert status in (404, 409, 410), (status, body)


async def test_a_blind_transfer_closes_the_first_agents_page_and_opens_the_seconds(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        assert await sees(mia, call)
        async with shop.agent("noor") as noor:
            await asks(shop, mia, "transfer", call, colleague=noor.token)
            await shop.noted("call.transferred", how="blind", agent=mia.token, to=noor.token)
            await is_refused(mia, call)
            await shop.taken(noor)
            await hear_each_other(caller, noor)
            view = await noor.reaches("on_call", vault="ok", call=call)
            assert view["assurance"] == 1
            assert await sees(noor, call)
            await is_refused(mia, call)
            assert (await mia.view())["state"] in ("wrap_up", "ready")
            grants = [entry for entry in await shop.ledger() if entry.kind.value.startswith("grant.")]
            last = [(entry.kind.value, dict(entry.fields or {})["agent"]) for entry in grants[-3:]]
            assert last == [("grant.opened", mia.token), ("grant.closed", mia.token), ("grant.opened", noor.token)]


async def test_a_blind_transfer_to_a_queue_waits_at_the_front_with_music(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await mia.away()  # after this call
        await asks(shop, mia, "transfer", call, queue="returns")
        await shop.queued(1)
        await falls_silent(caller.media, mia.tone)
        async with shop.agent("noor") as noor:
            await shop.taken(noor)
            await hear_each_other(caller, noor)
            view = await noor.reaches("on_call", vault="ok", call=call)
            assert view["topic"] == "return_refund"


async def test_a_colleague_who_does_not_answer_leaves_the_caller_to_the_queue(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor, shop.agent("wren", ready=False) as wren:
            noor.phone.behaviour = declines()
            await asks(shop, mia, "transfer", call, colleague=noor.token)
            await noor.phone.is_rung()
            await wren.ready()
            taken = await first_to_answer(mia, wren)
            await hear_each_other(caller, taken)


async def first_to_answer(*agents: Agent) -> Agent:
    tasks = {asyncio.ensure_future(agent.phone.takes_call(15.0)): agent for agent in agents}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return tasks[done.pop()]


async def test_a_warm_transfer_is_completed(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            await consults(shop, caller, mia, noor, call)
            view = await noor.view()
            assert (view["consult"], view["colleague"]) == ("asked", mia.token)
            await is_refused(noor, str(view["call"]))  # who is asked sees nothing
            assert await sees(mia, call)
            await asks(shop, mia, "complete", call)
            await hear_each_other(caller, noor)
            await noor.reaches("on_call", vault="ok", call=call, consult="")
            assert await sees(noor, call)
            await is_refused(mia, call)
            await shop.noted("call.transferred", how="warm", agent=mia.token, to=noor.token)
            await caller.hangs_up()
            await noor.reaches("wrap_up")
            await is_refused(noor, call)


async def test_the_caller_is_taken_back_and_a_second_colleague_asked(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            leg = await consults(shop, caller, mia, noor, call)
            await asks(shop, mia, "take_back", call)
            await hear_each_other(caller, mia)
            await noor.reaches("ready")
            assert leg.ended_by == "them"
            assert await sees(mia, call)
            await consults(shop, caller, mia, noor, call)
            noor.phone.hangs_up()  # the colleague's hang-up gives the caller back
            await hear_each_other(caller, mia)
            await mia.reaches("on_call", consult="")


async def test_a_colleague_who_declines_gives_the_caller_back(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            noor.phone.behaviour = declines()
            await asks(shop, mia, "consult", call, colleague=noor.token)
            await noor.phone.is_rung()
            await noor.reaches("away", reason="declined")
            await hear_each_other(caller, mia)
            with pytest.raises(QuietlineError):
                await asks(shop, mia, "consult", call, colleague=noor.token)  # not ready any more


async def test_an_agent_who_leaves_a_consultation_leaves_the_caller_to_the_colleague(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            await consults(shop, caller, mia, noor, call)
            mia.phone.hangs_up()
            await hear_each_other(caller, noor)
            await noor.reaches("on_call", vault="ok", call=call)


async def test_an_agent_who_leaves_while_the_colleague_rings_sends_the_caller_to_the_queue(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            noor.phone.behaviour = rings_only()
            await asks(shop, mia, "consult", call, colleague=noor.token)
            await noor.phone.is_rung()
            mia.phone.hangs_up()
            await noor.reaches("away", reason="no_answer")
            noor.phone.behaviour = answers_after(0.0)
            await noor.ready()
            taken = await first_to_answer(mia, noor)
            await hear_each_other(caller, taken)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_caller_who_hangs_up_during_a_consultation_frees_everybody(shop: Shop, answers: bool) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            noor.phone.behaviour = answers_after(0.0) if answers else rings_only()
            if answers:
                await consults(shop, caller, mia, noor, call)
            else:
                await asks(shop, mia, "consult", call, colleague=noor.token)
                await noor.phone.is_rung()
            await caller.hangs_up()
            async with asyncio.timeout(10):
                await mia.phone.legs[-1].ended.wait()
                await noor.phone.legs[-1].ended.wait()
            await noor.reaches("ready")
            await mia.reaches("ready")
            await is_refused(mia, call)


async def test_kill_9_during_a_consultation_gives_the_caller_back(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            leg = await consults(shop, caller, mia, noor, call)
            await asyncio.sleep(2.5)  # agents' states go into the journal every two seconds
            await shop.kill("controller")
            await hear_each_other(caller, mia)
            async with asyncio.timeout(10):
                await leg.ended.wait()
            view = await mia.reaches("on_call", vault="ok")
            assert (await mia.looks(str(view["call"]), ORDER))[0] == 200
            await noor.reaches("ready")


async def test_what_does_not_fit_is_refused(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        async with shop.agent("noor") as noor:
            for operation, fields in (
                ("complete", {}),
                ("take_back", {}),
                ("transfer", {}),
                ("transfer", {"queue": "nowhere"}),
                ("transfer", {"colleague": mia.token}),
                ("consult", {"colleague": "ag_nobody"}),
            ):
                with pytest.raises(QuietlineError):
                    await asks(shop, mia, operation, call, **fields)
            with pytest.raises(QuietlineError):  # another agent's call
                await asks(shop, noor, "transfer", call, queue="returns")
            targets = await asks(shop, mia, "targets", call)
            assert targets["agents"] == [noor.token]
            assert {"id": "returns", "name": "Returns and refunds"} in list(targets["queues"])  # type: ignore[call-overload]
            await listens(caller.media, mia.tone, 2.0)
