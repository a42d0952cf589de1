"""What the page shows and takes back, in a real Chromium: masked, asked for by keyboard, gone at the hang-up."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from quietline.desk_protocol import AgentState
from quietline.testing.fake_desk import AMARA, CUSTOMER

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

PHONE = CUSTOMER["contact.phone"]
CLOSED_AFTER_CALL = [value for name, value in CUSTOMER.items() if name != "order.reference"]
EVERYTHING_STORED = """async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.title,
  document.cookie, location.href, history.state, (await indexedDB.databases()).length, (await caches.keys()).length])"""


async def html(page: Page) -> str:
    return await page.evaluate("document.documentElement.outerHTML")


async def held(page: Page, values: list[str]) -> list[str]:
    """Which of these values the page holds, anywhere in its tree."""
    text = await html(page)
    return [value for value in values for line in value.split("\n") if line in text]


async def show_phone(page: Page) -> None:
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await page.keyboard.press("Enter")
    await page.get_by_text(PHONE).wait_for()


async def test_the_card_is_masked_before_the_step_up(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=1)
    await expect(page.get_by_text("QL-20417")).to_be_visible()
    secrets = [CUSTOMER[name] for name in CUSTOMER if not name.startswith("order.") or name == "order.total"]
    assert await held(page, secrets) == []
    await expect(page.get_by_text("Verify the caller first.").first).to_be_visible()


async def found_and_asked(floor, page: Page) -> None:
    """By keyboard: an order picks the customer, a wrong answer and a right one; no answer is ever on the page."""
    await expect(page.get_by_text("Several customers use this number.")).to_be_visible()
    number = page.get_by_label("Number", exact=True)
    for said in ("QL-99999", "QL-20417"):
        await number.press_sequentially(said)
        await page.keyboard.press("Enter")
        if said == "QL-99999":
            await page.locator('[data-said="claim"]').get_by_text("Nobody is found").wait_for()
    answer = page.get_by_label("The caller's answer")
    await expect(answer).to_have_attribute("type", "password")
    for said in ("wrong@example.com", CUSTOMER["contact.email"]):
        await answer.press_sequentially(said)
        await page.keyboard.press("Enter")
        if said.startswith("wrong"):
            await page.locator('[data-said="answer"]').get_by_text("not the answer on record").wait_for()
            await expect(answer).to_have_value("")
    await page.get_by_text("QL-20417").wait_for()
    assert await held(page, [CUSTOMER["contact.email"], "wrong@example.com"]) == []
    await page.get_by_role("button", name="Relay call").press("Enter")
    await page.get_by_text("Speak to the caller, not to the operator.").wait_for()
    assert (floor.assurance.relayed, len(floor.assurance.asked)) == (True, 4)


async def test_refused_says_why_and_after_the_code_it_opens(floor, shoot) -> None:
    page = await floor.agent()
    floor.assurance.shown = {"shared": True, "attestation": "A"}
    await floor.talks(page, assurance=0, known=False)
    await page.get_by_text("Signed by the carrier, grade A.").wait_for()
    await shoot(page, "caller-unknown")
    await found_and_asked(floor, page)
    floor.assurance.shown = {"attestation": "stale", "failed": True, "helper": ["order_status"]}
    floor.assurance.shown["code"] = {"state": "contact-new", "advice": "Changed in the last 7 days."}
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await page.keyboard.press("Enter")
    await page.locator('[data-refusal="contact.phone"]').get_by_text("Verify the caller first.").wait_for()
    assert await held(page, [PHONE]) == []
    await page.get_by_role("button", name="Verify caller").click()
    await page.get_by_text("Code sent.").wait_for()
    floor.controller.verifies(AMARA.agent, passed=False)
    await page.get_by_text("The code did not match.").wait_for()
    for said in ("This caller could not be verified.", "A code would not count.", "A helper is calling.", "(stale)"):
        await page.get_by_text(said).wait_for()
    await shoot(page, "caller-failed")
    await page.get_by_role("button", name="Send a new code").click()
    await page.get_by_text("Code sent.").wait_for()
    floor.controller.verifies(AMARA.agent, passed=True)
    await page.get_by_text("Verified by code").wait_for()
    await show_phone(page)


async def test_by_keyboard_alone(floor) -> None:
    """Sign in, ready, answer, show with a reason, note, hang up, done: no pointer."""
    page = await (await floor.context()).new_page()
    await floor.open(page)
    await page.get_by_label("Login").wait_for()
    for keys in (AMARA.login, "Tab", AMARA.password, "Enter"):
        await (page.keyboard.press(keys) if keys in ("Tab", "Enter") else page.keyboard.type(keys))
    await page.get_by_text("Phone ready").wait_for()
    await tab_to(page, "Go ready")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Ready").wait_for()
    await floor.rings()
    await expect(page.get_by_role("button", name="Answer")).to_be_focused()
    await page.keyboard.press(" ")
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent, assurance=2)
    await page.get_by_text("QL-20417").wait_for()
    await tab_to(page, "Show Delivery address")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("radio", name="Order status")).to_be_focused()
    await page.keyboard.press("3")
    await page.get_by_text(CUSTOMER["delivery.address"]).wait_for()
    assert floor.vault.ledger[-1] == ("look.allowed", AMARA.agent, "delivery.address", "return_refund")
    await page.keyboard.press("Alt+x")
    await floor.edge.ended()
    await expect(page.get_by_role("textbox", name="Note")).to_be_focused()
    await page.keyboard.type("Refund agreed.")
    await page.keyboard.press("Control+Enter")
    await page.locator(".note-said").get_by_text("Saved and sealed.").wait_for()
    await tab_to(page, "Done")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Ready").wait_for()


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button has the focus: it can be reached, and not past the end of the page."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        text = await page.evaluate("document.activeElement.textContent")
        if text.strip().startswith(name):
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


async def test_the_queues_reason_is_proposed_and_escape_leaves(floor) -> None:
    page = await floor.agent()
    call = floor.controller.offers(AMARA.agent, topic="complaint")
    await floor.edge.invite()
    await page.keyboard.press("Enter")
    floor.controller.connects(AMARA.agent, assurance=2)
    await page.get_by_role("button", name="Show Name").press("Enter")
    await expect(page.get_by_role("radio", name="Complaint")).to_be_checked()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Show Name")).to_be_focused()
    assert floor.vault.ledger == []
    assert call == floor.controller.view(AMARA.agent).call
    about = page.get_by_label("This call is about")
    await about.select_option("product_advice")  # which needs what was bought, not who bought it
    await page.get_by_role("button", name="Show Name").wait_for(state="detached")
    await expect(about).to_be_focused()
    await expect(page.locator(".row")).to_have_count(0)
    assert CUSTOMER["order.status"] not in await html(page)
    await about.select_option("order_status")
    await page.get_by_role("button", name="Show Name").wait_for()
    await expect(page.locator(".row")).to_have_count(1)


@pytest.mark.parametrize("end", ["our button", "the caller's BYE", "the controller's word", "another tab"])
async def test_the_hang_up_blanks_the_card_at_once(floor, end: str) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    other = await page.context.new_page()
    await floor.open(other)
    await other.get_by_text("QL-20417").wait_for()
    await show_phone(page)
    await show_phone(other)
    match end:
        case "our button":
            await page.get_by_role("button", name="Hang up").click()
        case "the caller's BYE":
            floor.edge.bye()
            await expect(page.get_by_text(PHONE)).to_have_count(0)
            assert await held(page, CLOSED_AFTER_CALL) == []  # before the controller has said a word
            floor.controller.hangs_up(AMARA.agent)
        case "the controller's word":
            floor.controller.hangs_up(AMARA.agent)
        case "another tab":
            await other.get_by_role("button", name="Hang up").click()
    for each in (page, other):
        await expect(each.get_by_text(PHONE)).to_have_count(0)
        await each.get_by_role("button", name="Done").wait_for()
        assert await held(each, CLOSED_AFTER_CALL) == []


async def test_a_value_that_arrives_after_the_hang_up_is_not_drawn(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    floor.vault.open_gate = asyncio.Event()
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await page.keyboard.press("Enter")
    while not floor.vault.ledger:
        await asyncio.sleep(0.01)
    floor.controller.hangs_up(AMARA.agent)
    await page.get_by_role("button", name="Done").wait_for()
    floor.vault.open_gate.set()
    await page.wait_for_timeout(300)
    assert await held(page, [PHONE]) == []


async def test_while_the_grant_is_on_its_way_the_page_waits(floor) -> None:
    """The audio is there first; the vault still asks the edge about the legs."""
    page = await floor.agent()
    await floor.rings()
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.set(AMARA.agent, state=AgentState.ON_CALL, vault="connecting")
    await page.get_by_text("Opening the order…").wait_for()
    floor.controller.connects(AMARA.agent)
    floor.controller.set(AMARA.agent, vault="ok")
    await page.get_by_text("QL-20417").wait_for()


async def test_a_grant_that_is_refused_is_said(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.set(AMARA.agent, state=AgentState.ON_CALL, vault="refused")
    await page.get_by_text("The vault did not confirm this call").wait_for()
    await expect(page.get_by_role("button", name="Hang up")).to_be_visible()


async def test_a_held_up_ledger_keeps_the_field_masked(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    floor.vault.open_gate = asyncio.Event()
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await page.keyboard.press("Enter")
    while not floor.vault.ledger:
        await asyncio.sleep(0.01)
    assert await held(page, [PHONE]) == []
    floor.vault.open_gate.set()
    await page.get_by_text(PHONE).wait_for()


async def test_the_back_button_shows_nothing(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await show_phone(page)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto("about:blank")
    floor.controller.hangs_up(AMARA.agent)
    await page.go_back()
    await page.get_by_role("button", name="Done").wait_for()
    assert await held(page, CLOSED_AFTER_CALL) == []


async def test_leaving_the_page_blanks_it(floor) -> None:
    """Whatever a browser keeps for its back button is kept blank."""
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await show_phone(page)
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert await held(page, list(CUSTOMER.values())) == []


async def test_a_reload_masks_again_and_keeps_the_call_on_the_page(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await show_phone(page)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.reload()
    await page.get_by_text("QL-20417").wait_for()
    assert await held(page, [PHONE]) == []
    await expect(page.get_by_role("button", name="Hang up")).to_be_visible()


async def test_nothing_is_stored_in_the_browser(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await show_phone(page)
    await page.get_by_role("textbox", name="Note").fill("Lives by the old mill.")
    stored = await page.evaluate(EVERYTHING_STORED)
    assert not [value for value in [*CUSTOMER.values(), "mill", "Caller"] if value in stored]
    state = str(await page.context.storage_state())
    assert not [value for value in [*CUSTOMER.values(), "mill", "phone-"] if value in state]


async def test_signing_out_blanks_every_tab(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    other = await page.context.new_page()
    await floor.open(other)
    await other.get_by_text("QL-20417").wait_for()
    await show_phone(other)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Sign out").click()
    for each in (page, other):
        await each.get_by_label("Login").wait_for()
        assert await held(each, list(CUSTOMER.values())) == []


async def test_a_revoked_session_blanks_the_page(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await show_phone(page)
    floor.vault.sessions.clear()
    await page.get_by_text("Your session has ended. Sign in again.").wait_for()
    assert await held(page, list(CUSTOMER.values())) == []


async def test_an_unknown_caller(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=0, known=False)
    await expect(page.get_by_text("Not known", exact=True)).to_be_visible()
    assert await held(page, list(CUSTOMER.values())) == []


async def test_without_the_vault_the_page_says_so_and_the_call_goes_on(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    floor.vault.down = True
    await page.get_by_role("button", name="Answer").click()
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent, assurance=2)
    await page.get_by_text("The call goes on.").first.wait_for()
    assert await held(page, list(CUSTOMER.values())) == []
    floor.vault.down = False  # and then it comes by itself
    await page.get_by_text("QL-20417").wait_for()
    await expect(page.get_by_text("Customer data unavailable.")).to_have_count(0)


async def test_what_the_last_call_found_is_not_held_against_the_next(floor) -> None:
    page = await floor.agent()
    await floor.rings()
    floor.vault.down = True
    await page.get_by_role("button", name="Answer").click()
    floor.controller.connects(AMARA.agent)
    await page.get_by_text("Customer data unavailable.").wait_for()
    floor.controller.hangs_up(AMARA.agent)
    floor.vault.down = False
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("heading", name="Ready").wait_for()
    await expect(page.get_by_text("Customer data unavailable.")).to_have_count(0)


async def test_a_ledger_that_fails_shows_nothing_and_says_why(floor) -> None:
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    floor.vault.ledger_fails = True
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await page.keyboard.press("Enter")
    await page.locator("[data-refusal]").get_by_text("This look could not be recorded").wait_for()
    assert await held(page, [PHONE]) == []


async def test_a_note_with_a_card_number_is_refused(floor) -> None:
    page = await floor.agent()
    await floor.talks(page)
    await page.get_by_role("textbox", name="Note").fill("4111 1111 1111 1111")
    await page.keyboard.press("Control+Enter")
    await page.locator(".note-said").get_by_text("must not hold a card number").wait_for()
    assert ("note.written", AMARA.agent) not in floor.vault.ledger
