"""The softphone in a real Chromium: one registration for all tabs, and what becomes of a call."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from quietline.desk_protocol import AgentState
from quietline.testing.fake_desk import AMARA

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

NO_MICROPHONE = (
    """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"""
)

# Playwright's own reading of the page counts as a person's touch, so that has to be hidden.
UNTOUCHED = "Object.defineProperty(navigator, 'userActivation', { value: { hasBeenActive: false } })"


async def becomes(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_two_tabs_one_phone_and_one_stream(floor) -> None:
    page = await floor.agent()
    other = await page.context.new_page()
    await floor.open(other)
    await other.get_by_text("Registered in another tab").wait_for()
    await expect(page.get_by_text("Registered in this tab")).to_be_visible()
    assert floor.edge.registered == 1
    assert floor.desk.floor.stream_count() == 1
    await floor.rings()
    for each in (page, other):
        await each.get_by_role("heading", name="Caller 4821").wait_for()
        assert await each.title() == "Ringing · Quietline"


async def test_the_other_tab_answers_through_the_first(floor) -> None:
    page = await floor.agent()
    other = await page.context.new_page()
    await floor.open(other)
    await other.get_by_text("Registered in another tab").wait_for()
    await floor.rings()
    await other.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent)
    await other.get_by_text("QL-20417").wait_for()
    await other.get_by_role("button", name="Mute").click()
    await expect(page.get_by_role("button", name="Unmute")).to_be_visible()


async def test_when_the_first_tab_closes_the_second_takes_over(floor) -> None:
    page = await floor.agent()
    other = await page.context.new_page()
    await floor.open(other)
    await other.get_by_text("Registered in another tab").wait_for()
    await page.close()
    await other.get_by_text("Registered in this tab").wait_for()
    assert floor.edge.registered == 2
    assert floor.controller.view(AMARA.agent).state is AgentState.READY


async def test_it_never_answers_by_itself(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    await page.get_by_role("button", name="Answer").wait_for()
    await page.wait_for_timeout(1_000)
    assert not [line for line in floor.edge.seen if line.startswith("SIP/2.0 2")]
    assert "SIP/2.0 180 Ringing" in floor.edge.seen


async def test_escape_declines(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    await page.get_by_role("button", name="Answer").wait_for()
    await page.keyboard.press("Escape")
    await floor.edge.rejected()
    assert "SIP/2.0 603 Decline" in floor.edge.seen
    floor.controller.set(AMARA.agent, state=AgentState.AWAY, reason="declined", call="")
    await page.get_by_text("You declined a call").wait_for()


async def test_an_offer_taken_back(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    await page.get_by_role("button", name="Answer").wait_for()
    floor.edge.cancel()
    floor.controller.set(AMARA.agent, state=AgentState.AWAY, reason="no_answer", call="")
    await page.get_by_text("The last call was not answered").wait_for()
    assert "SIP/2.0 487 Request Terminated" in floor.edge.seen
    await floor.talks(page)  # and the next one works


async def test_mute_and_hold(floor) -> None:
    page = await floor.agent()
    await floor.talks(page)
    await page.keyboard.press("Alt+m")
    await page.get_by_text("You are muted.").wait_for()
    await page.get_by_role("button", name="Unmute").click()
    await page.keyboard.press("Alt+h")
    await page.get_by_text("On hold. The caller hears music.").wait_for()
    await becomes(lambda: [line for line in floor.edge.seen if line.startswith("INVITE")])
    await page.get_by_role("button", name="Resume").click()
    await page.get_by_text("Connected, encrypted.").wait_for()


async def test_a_second_call_is_busy(floor) -> None:
    page = await floor.agent()
    await floor.talks(page)
    await floor.edge.invite("Caller 9")
    await floor.edge.rejected()
    assert "SIP/2.0 486 Busy Here" in floor.edge.seen


async def test_an_edge_that_restarts_gets_the_phone_back(floor) -> None:
    """The socket closes, the credential is unknown for a moment, then all is well: within 15 s."""
    page = await floor.agent()
    floor.edge.refuse = True
    await floor.edge.sockets[-1].close()
    await page.get_by_text("Reconnecting", exact=True).first.wait_for()
    await page.get_by_text("Phone refused").wait_for(timeout=15_000)
    floor.edge.refuse = False
    await becomes(lambda: floor.edge.registered == 2)
    await page.get_by_text("Phone ready").wait_for()
    await floor.talks(page)


async def test_a_blocked_microphone_is_said_before_ready(floor) -> None:
    page = await (await floor.context()).new_page()
    await page.add_init_script(NO_MICROPHONE)
    await floor.sign_in(page)
    await page.get_by_role("button", name="Go ready").click()
    await page.locator(".form-said").get_by_text("The microphone is blocked.").wait_for()
    assert floor.controller.view(AMARA.agent).state is not AgentState.READY
    await expect(page.get_by_role("button", name="Go ready")).to_be_enabled()


async def test_blocked_sound_is_said_and_can_be_turned_on(floor) -> None:
    """After a reload nobody has touched the page, so the browser would not let it ring."""
    page = await floor.agent()
    await page.add_init_script(UNTOUCHED)
    await page.reload()
    await page.get_by_text("The browser blocks sound.").wait_for()
    await page.get_by_role("button", name="Turn sound on").click()
    await expect(page.get_by_text("The browser blocks sound.")).to_have_count(0)


async def test_a_lost_controller_is_said_and_forgotten_when_it_is_back(floor) -> None:
    page = await floor.agent()
    floor.controller.goes_away()
    await page.get_by_text("Call control does not answer.").wait_for()
    floor.controller.down = False
    await expect(page.get_by_text("Call control does not answer.")).to_have_count(0)
    await page.get_by_role("button", name="Go away").click()
    await page.get_by_role("button", name="Break").click()
    await page.get_by_role("heading", name="Away").wait_for()


async def test_away_asks_why_by_keyboard_and_escape_stays_ready(floor) -> None:
    page = await floor.agent()
    await page.get_by_role("button", name="Go away").press("Enter")
    await expect(page.get_by_role("button", name="Break")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Go away").press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_text("You are at your meal.").wait_for()
    assert floor.controller.view(AMARA.agent).reason == "meal"
    await page.get_by_role("button", name="Go ready").click()
    await page.get_by_role("button", name="Go away").wait_for()  # the question is not left over


async def test_a_controller_that_forgot_is_believed(floor) -> None:
    page = await floor.agent()
    floor.controller.goes_away()
    await page.get_by_text("Call control does not answer.").wait_for()
    floor.controller.forgets(AMARA.agent)
    floor.controller.down = False
    await page.get_by_role("heading", name="Away").wait_for()


async def test_the_desk_away_is_said_and_found_again(floor) -> None:
    page = await floor.agent()
    await page.context.set_offline(True)
    floor.desk.floor.close_all()
    await page.get_by_text("The desk lost its connection.").wait_for()
    await page.context.set_offline(False)
    await expect(page.get_by_text("The desk lost its connection.")).to_have_count(0, timeout=12_000)
    floor.controller.offers(AMARA.agent)
    await page.get_by_role("heading", name="Caller 4821").wait_for()


async def test_the_last_page_closed_takes_the_agent_offline(floor) -> None:
    page = await floor.agent()
    await page.close()
    await becomes(lambda: floor.controller.view(AMARA.agent).state is AgentState.OFFLINE)


async def test_lapsed_training_is_said(floor) -> None:
    page = await floor.agent()
    floor.controller.set(AMARA.agent, lapsed=("delivery",))
    await page.get_by_text("Your certificate for delivery data has lapsed").wait_for()
