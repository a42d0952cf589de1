"""Handing a call on, from the page: the list, a blind transfer, a word with a colleague, callbacks; by keyboard too."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from quietline.desk_protocol import AgentState
from quietline.testing.fake_desk import AMARA

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

COLLEAGUE = "ag_colleague"
ORDER = "QL-20417"


async def talking(floor, ready: bool = True) -> Page:
    page = await floor.agent()
    floor.controller.set(COLLEAGUE, state=AgentState.READY if ready else AgentState.AWAY)
    await floor.rings()
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent)
    await page.get_by_text(ORDER).wait_for()
    return page


def card(page: Page) -> Locator:
    """The order on the call's card; the wrap-up shows its reference elsewhere, and soon."""
    return page.get_by_role("region", name="Customer").get_by_text(ORDER)


def asked(floor, operation: str) -> list[dict[str, object]]:
    return [fields for op, fields in floor.controller.asked if op == operation]


async def test_a_transfer_to_a_queue_blanks_the_card_at_once(floor) -> None:
    page = await talking(floor)
    await page.keyboard.press("Alt+t")
    await page.get_by_role("button", name="Transfer to Returns").click()
    await expect(card(page)).to_have_count(0)
    await page.get_by_text("Wrap-up").first.wait_for()
    assert asked(floor, "transfer")[-1]["queue"] == "returns"


async def test_colleagues_are_listed_by_name_and_asked_first(floor) -> None:
    page = await talking(floor)
    await page.get_by_role("button", name="Transfer").first.click()
    await page.get_by_role("button", name="Ask Colleague 1 first").click()
    await page.get_by_text("You talk to your colleague. The caller hears music.").wait_for()
    assert asked(floor, "consult")[-1]["colleague"] == COLLEAGUE
    await expect(page.get_by_text(ORDER)).to_be_visible()  # the first agent keeps the card meanwhile
    await expect(page.get_by_role("button", name="Transfer", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Take the caller back").click()
    await expect(page.get_by_text("The caller hears music")).to_have_count(0)
    assert asked(floor, "take_back")


async def test_a_caller_is_handed_over(floor) -> None:
    page = await talking(floor)
    floor.controller.set(AMARA.agent, consult="talking", colleague=COLLEAGUE)
    await page.get_by_role("button", name="Hand over").click()
    await expect(card(page)).to_have_count(0)
    assert asked(floor, "complete")


async def test_who_is_asked_sees_that_and_no_order(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    floor.controller.set(AMARA.agent, consult="asked", colleague=COLLEAGUE)
    await page.get_by_text("A colleague asks you about a caller.").wait_for()
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    call = floor.controller.view(AMARA.agent).call
    floor.controller.set(AMARA.agent, state=AgentState.ON_CALL, call=call, consult="asked", vault="connecting")
    await page.get_by_text("The order opens if you take the caller over.").first.wait_for()
    await expect(page.get_by_text(ORDER)).to_have_count(0)


async def test_nobody_ready_leaves_the_queues_and_escape_from_the_list(floor) -> None:
    page = await talking(floor, ready=False)
    await page.get_by_role("button", name="Transfer").first.click()
    await page.get_by_text("Nobody is ready.").wait_for()
    await page.get_by_role("button", name="Keep the call").click()
    await expect(page.get_by_text("Nobody is ready.")).to_have_count(0)
    await expect(page.get_by_text(ORDER)).to_be_visible()


async def test_a_callback_says_so_before_and_while_the_customer_is_rung(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    floor.controller.set(AMARA.agent, callback="offered")
    await page.get_by_text("A callback: the customer is rung once you answer.").wait_for()
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.set(AMARA.agent, state=AgentState.ON_CALL, callback="dialling", vault="connecting")
    await page.get_by_text("Ringing the customer…").wait_for()
    await page.get_by_text("The order opens when the customer has answered.").wait_for()
