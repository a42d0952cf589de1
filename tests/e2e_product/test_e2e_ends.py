"""How a call ends when it is not simply hung up: reload, back, a killed browser, a second tab, sign-out, dismissal.

Decided: a page that reloads, closes or goes elsewhere ends its call. The browser asks first; then BYE goes out, the
card closes and the page comes back in wrap-up. A call without the agent's ears would be worse than an ended one.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from quietline.testing.agent_phone import SimulatedAgentPhone
from quietline.testing.caller import CallRefused
from quietline.testing.digest import Credentials
from quietline.testing.remote_desk import RemoteDesk

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

FIELD = "contact.phone"
REFUSALS = (401, 403, 404, 409, 410)
DEAD_PEER = 20.0  # seconds (corrections, Media)


def says_yes(page) -> None:
    """The browser asks whether to leave a page with a call on it."""
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))


async def is_closed(agent, call: str) -> None:
    """By the API: no field, no card."""
    status, body = await agent.call("POST", f"/api/calls/{call}/fields/{FIELD}", {"reason": "delivery_change"})
    assert status in REFUSALS, (status, body)
    status, body = await agent.call("GET", f"/api/calls/{call}/card")
    assert status in REFUSALS, (status, body)


async def test_a_reload_ends_the_call_and_the_page_comes_back_in_wrap_up(stage) -> None:
    agent, caller, call = await stage.talk()
    says_yes(agent.page)
    await agent.page.reload()
    await caller.is_hung_up_on(within=3.0)
    await agent.reads("Wrap-up")
    await is_closed(agent, call)
    await agent.presses("Done")  # and the next call works
    await agent.page.get_by_role("heading", name="Ready").wait_for()
    assert await stage.call(agent, await stage.caller(1)) != call


async def test_going_elsewhere_ends_the_call_and_back_shows_nothing_of_it(stage) -> None:
    agent, caller, call = await stage.talk()
    says_yes(agent.page)
    reference = await agent.page.locator(".card-body .reference").inner_text()
    await agent.page.goto("about:blank")
    await caller.is_hung_up_on(within=3.0)
    await agent.page.go_back()
    await agent.reads("Phone ready")
    await is_closed(agent, call)
    assert stage.customers[0].phone not in await agent.text()
    assert reference in await agent.text() or "Ready" in await agent.text()  # wrap-up keeps the order's reference


async def test_a_killed_browser_ends_the_call_within_20_s(stage) -> None:
    agent, caller, _ = await stage.talk()
    agent.dies()
    await caller.is_hung_up_on(within=DEAD_PEER)


async def test_two_tabs_have_one_phone_and_the_second_takes_over(stage, tones) -> None:
    agent = await stage.agent()
    second = await agent.new_page()
    await second.goto(agent.url)
    await second.get_by_text("Registered in another tab").wait_for()
    await agent.page.close()
    agent.page = second
    await agent.reads("Registered in this tab")
    await agent.page.get_by_role("heading", name="Ready").wait_for()
    await stage.call(agent, await stage.caller())


async def test_the_second_tab_goes_on_when_the_first_closes_in_a_call(stage) -> None:
    """The phone was the first tab's: its call ends with it, and the second is ready for the next."""
    agent, caller, call = await stage.talk()
    second = await agent.new_page()
    await second.goto(agent.url)
    await second.locator(".card-body .reference").wait_for()
    await agent.page.close()
    await caller.is_hung_up_on(within=3.0)
    agent.page = second
    await agent.reads("Wrap-up")
    await is_closed(agent, call)
    await agent.presses("Done")
    await agent.page.get_by_role("heading", name="Ready").wait_for()
    await stage.call(agent, await stage.caller(1))


async def test_sign_out_in_a_call_ends_it(stage) -> None:
    agent, caller, call = await stage.talk()
    cookies = {each["name"]: each["value"] for each in await agent.context.cookies()}
    await agent.signs_out()
    await caller.is_hung_up_on(within=3.0)
    async with RemoteDesk(stage.site.url, stage.site.ca, cookies=cookies) as thief:
        status, _ = await thief.get(f"/api/calls/{call}/card")
        assert status == 401
    assert stage.customers[0].orders[-1].reference not in await agent.text()


async def test_an_agent_dismissed_in_a_call_has_nothing_from_that_moment(stage) -> None:
    """The administrator's `end_service`: page, API, event stream and SIP credential; the caller is not left alone."""
    agent, caller, call = await stage.talk("wren")
    cookies = {each["name"]: each["value"] for each in await agent.context.cookies()}
    _, body = await agent.call("GET", "/api/phone")
    phone = json.loads(body)
    witness = await stage.stack.enter_async_context(RemoteDesk(stage.site.url, stage.site.ca, cookies=cookies))
    await witness.listens()
    vault = stage.site.admin()
    await vault.call("end_service", agent=stage.site.agents["wren"])
    await vault.close()
    async with RemoteDesk(stage.site.url, stage.site.ca, cookies=cookies) as thief:
        for path in ("/api/me", "/api/state", "/api/phone", "/api/events", f"/api/calls/{call}/card"):
            assert (await thief.get(path))[0] == 401, path
    credential = Credentials(phone["user"], phone["password"])
    async with SimulatedAgentPhone(stage.site.public(), credential) as stolen:
        with pytest.raises(CallRefused):
            await stolen.registers()
    await agent.page.get_by_label("Password", exact=True).wait_for(timeout=6_000)  # asked every 2 s
    await caller.is_hung_up_on(within=3.0)
    async with asyncio.timeout(6.0):
        while {"reason": "signed-out"} not in witness.events:
            await asyncio.sleep(0.1)
    assert stage.customers[0].orders[-1].reference not in await agent.text()
