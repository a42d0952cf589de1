"""A part dies or goes silent under a real agent's page: what the page says, what the caller hears, what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quietline.errors import QuietlineError
from quietline.sealed import Sealed
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.site import Site

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

BACK_WITHIN = 15.0  # seconds: an agent takes a call again after the edge's restart (corrections, Edge)
DEAD_PEER = 20.0  # seconds
long = pytest.mark.skipif(os.environ.get("QUIETLINE_SOAK") != "1", reason="QUIETLINE_SOAK=1 runs it")
FIELD = "/api/calls/{}/fields/order.items"
ASK = {"reason": "order_status"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(own_product) -> AsyncIterator[Site]:
    async with own_product() as site:
        yield site


async def rings_through(stage, agent) -> SimulatedCaller:
    """Dial until the edge is there again and the agent's page rings."""
    while True:
        caller = SimulatedCaller(stage.site.trunk(), Person(number=stage.customers[0].phone), tone=730)
        try:
            await stage.stack.enter_async_context(caller)
            await stage.chooses(caller)
        except (OSError, QuietlineError):
            await asyncio.sleep(0.3)
        else:
            await agent.is_rung()
            return caller


async def restarted(stage, part: str, starts: int) -> None:
    async with asyncio.timeout(BACK_WITHIN):
        while (await stage.site.lives())[part]["starts"] <= starts:
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def no_disk(stage) -> AsyncIterator[None]:
    """Every file the vault writes to is at its limit (setrlimit(2), RLIMIT_FSIZE): EFBIG, like a full disk."""
    pid = (await stage.site.lives())["vault"]["pid"]
    await limit(pid, "0:", stage.site.config.users.vault)
    try:
        yield
    finally:
        await limit(pid, "unlimited:", stage.site.config.users.vault)


async def limit(pid: int, soft: str, user: str) -> None:
    """As the vault's own user, who alone may."""
    person = pwd.getpwnam(user)
    command = ("/usr/bin/prlimit", f"--fsize={soft}", f"--pid={pid}")
    process = await asyncio.create_subprocess_exec(*command, user=person.pw_uid, group=person.pw_gid, extra_groups=[])
    assert await process.wait() == 0


async def test_an_edge_that_died_is_back_and_the_idle_agent_takes_a_call(stage, tones) -> None:
    agent = await stage.agent()
    starts = (await stage.site.lives())["edge"]["starts"]
    async with asyncio.timeout(BACK_WITHIN):
        await stage.site.kill("edge")
        await agent.reads("Your phone lost its connection.")
        await agent.reads("Phone ready")
        caller = await rings_through(stage, agent)
    await agent.answers()
    await agent.hears(tones[0])
    await caller.hears(tones[1])
    assert (await stage.site.lives())["edge"]["starts"] == starts + 1


@pytest.mark.soak
@long
async def test_an_edge_that_dies_in_a_call_ends_it_and_closes_the_card(stage) -> None:
    agent, _, call = await stage.talk()
    await stage.site.kill("edge")
    status, body = await agent.call("POST", FIELD.format(call), ASK)
    assert status >= 400, body
    await (
        agent.page.get_by_role("heading", name="Ready")
        .or_(agent.page.get_by_text("Wrap-up").first)
        .first.wait_for(timeout=DEAD_PEER * 1_000 + 5_000)
    )
    assert stage.customers[0].phone not in await agent.text()


@pytest.mark.soak
@long
async def test_a_relay_that_dies_ends_its_calls_with_bye(stage) -> None:
    agent, caller, call = await stage.talk()
    await stage.site.kill("relay")
    await caller.is_hung_up_on(within=DEAD_PEER)
    await agent.reads("Wrap-up")
    status, _ = await agent.call("POST", FIELD.format(call), ASK)
    assert status >= 400
    await agent.page.get_by_role("heading", name="Ready").wait_for()
    await stage.call(agent, await stage.caller(1))


async def test_a_controller_that_dies_in_a_call_interrupts_nobody(stage, tones) -> None:
    agent, caller, call = await stage.talk()
    starts = (await stage.site.lives())["controller"]["starts"]
    await stage.site.kill("controller")
    await restarted(stage, "controller", starts)
    await agent.hears(tones[0])
    await caller.hears(tones[1])
    async with asyncio.timeout(BACK_WITHIN):
        while (await agent.call("POST", FIELD.format(call), ASK))[0] != 200:
            await asyncio.sleep(0.2)
    await caller.hangs_up()
    await agent.reads("Wrap-up")
    status, _ = await agent.call("POST", FIELD.format(call), ASK)
    assert status >= 400


async def test_a_vault_sealed_in_a_call_shows_nothing_and_the_call_goes_on(stage, tones) -> None:
    agent, caller, call = await stage.talk()
    assert (await agent.call("POST", FIELD.format(call), ASK))[0] == 200
    vault = stage.site.admin()
    await vault.seal()
    try:
        status, _ = await agent.call("POST", FIELD.format(call), ASK)
        assert status == 503
        await agent.shows("Name")
        await agent.reads("Customer data unavailable.")
        await agent.hears(tones[0])
        await caller.hears(tones[1])
    finally:
        await vault.unseal(Sealed(stage.site.passphrase))
        await vault.close()
    await agent.page.locator(".card-body .reference").wait_for()
    await agent.page.get_by_text("Customer data unavailable.").wait_for(state="hidden")
    await agent.hangs_up()
    await caller.is_hung_up_on()


async def test_a_call_that_comes_while_the_vault_is_sealed_is_served_and_gets_its_card_later(stage, tones) -> None:
    agent = await stage.agent()
    vault = stage.site.admin()
    await vault.seal()
    try:
        caller = await stage.caller()
        await stage.chooses(caller)
        await agent.answers()
        await agent.hears(tones[0])
        await caller.hears(tones[1])
        await agent.reads("Customer data is")
        assert stage.customers[0].orders[-1].reference not in await agent.text()
    finally:
        await vault.unseal(Sealed(stage.site.passphrase))
        await vault.close()
    await agent.page.locator(".card-body .reference").wait_for()


async def test_a_look_that_cannot_be_written_down_stays_masked(stage, tones) -> None:
    """Promise 3, through the page: the ledger's disk takes nothing more."""
    agent, caller, call = await stage.talk()
    await stage.steps_up(agent, caller)
    phone = stage.customers[0].phone
    async with no_disk(stage):
        await agent.shows("Phone", 2)
        await agent.reads("so it was not shown")
        assert phone not in await agent.text()
        path = f"/api/calls/{call}/fields/contact.phone"
        status, body = await agent.call("POST", path, {"reason": "delivery_change"})
        assert (status, phone in body) == (503, False)
        await agent.hears(tones[0])
    async with asyncio.timeout(20):
        while phone not in await agent.text():
            await agent.page.locator(".card-body .reference").wait_for()
            await agent.shows("Phone", 2)
            await asyncio.sleep(0.5)
    await caller.hangs_up()
