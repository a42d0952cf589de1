"""A call's receipt in a real Chromium: what it says, that everybody can use it, and that nothing stays behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from quietline.testing.fake_guards import LINK, FakeGuards, receipt

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 1000}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark", "device_scale_factor": 2},
}


async def visit(floor: Any, link: str = LINK, **look: Any) -> tuple[Page, FakeGuards]:
    guards = FakeGuards(floor.vault)
    floor.desk._guards = guards
    page = await (await floor.context(locale="en-GB", timezone_id="Europe/London", **look)).new_page()
    await page.goto(f"{floor.url}r/{link}")
    return page, guards


async def axe(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
    return [f"{each['id']}: {json.dumps(each['nodes'][0]['target'])}" for each in found["violations"]]


@pytest.mark.parametrize("look", LOOKS)
async def test_it_can_be_used_by_everybody(floor: Any, shoot: Any, look: str) -> None:
    page, _ = await visit(floor, **LOOKS[look])
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your data was looked at 3 times")
    assert await axe(page) == []
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    await shoot(page, f"receipt-{look}")


async def test_it_says_who_looked_and_a_choice_and_the_file_work_by_keyboard(floor: Any) -> None:
    page, guards = await visit(floor)
    rows = page.locator(".look")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("Your contact details")
    await expect(rows.nth(1)).to_contain_text("Agent, Lantern Row · to change a delivery")
    await expect(rows.nth(2)).to_contain_text("Supervisor, Service hub")
    assert "ag_" not in await page.locator("body").inner_text()
    switch = page.get_by_role("switch", name="You may record my calls.")
    await expect(switch).to_have_attribute("aria-checked", "false")
    await switch.focus()
    await page.keyboard.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await expect(page.locator("#status")).to_have_text("Allowed. Kept.")
    assert ("receipt_choose", "recording", True) in guards.asked
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Save the file with its proofs").press("Enter")
    saved = await (await waiting.value).path()
    assert json.loads(saved.read_text())["lines"] == guards.receipt["lines"]
    assert floor.complaints == []


async def test_a_call_on_which_nobody_looked(floor: Any, shoot: Any) -> None:
    guards = FakeGuards(floor.vault)
    guards.receipt = receipt([])
    page, _ = await visit(floor)
    floor.desk._guards = guards
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Nobody looked at your data")
    assert await axe(page) == []
    await shoot(page, "receipt-nobody")


async def test_an_expired_link_is_said_kindly_and_nothing_stays_behind(floor: Any, shoot: Any) -> None:
    page, _ = await visit(floor, "expired", **LOOKS["phone-dark"])
    await expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer good")
    assert await axe(page) == []
    await shoot(page, "receipt-expired")
    await page.goto(f"{floor.url}r/{LINK}")
    await expect(page.locator(".look").first).to_be_visible()
    assert await page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    assert await page.context.cookies() == []


async def test_opened_by_mistake_closes_the_field_and_is_written_down(floor: Any) -> None:
    """On the desk's own card; here, for the vault's other side is here."""
    guards = FakeGuards(floor.vault)
    floor.desk._guards = guards
    page = await floor.agent()
    await floor.talks(page, assurance=2)
    await page.locator('[data-show="contact.name"]').click()
    await page.keyboard.press("1")
    await expect(page.locator('[data-value="contact.name"]')).to_have_text("Rosa Quill")
    await page.get_by_role("button", name="Opened by mistake").click()
    await expect(page.locator('[data-value="contact.name"]')).to_have_count(0)
    await expect(page.locator("#status")).to_have_text("Name closed. Logged as opened by mistake.")
    assert guards.asked[-1][0] == "mistaken"
    assert guards.asked[-1][-1] == "contact.name"
    assert "Rosa Quill" not in await page.locator("body").inner_text()
