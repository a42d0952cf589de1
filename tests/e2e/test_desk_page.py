"""How the page looks and whether everybody can use it: every state in light, dark and on a phone, with axe-core."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Error, Page, async_playwright, expect

from quietline.testing.fake_desk import AMARA, CUSTOMER

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

Shoot = Callable[[Page, str], Awaitable[None]]
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    "phone-dark": {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark"},
}
EXPECTED_COMPLAINTS = (
    "401",
    "409",
    "410",
    "403",
    "ERR_NETWORK_CHANGED",
)  # answers that a refusal leaves in the console


async def faults(page: Page) -> list[str]:
    """What axe finds: rule, element, and why."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("tags => axe.run(document, { runOnly: tags })", RULES)
    return [
        json.dumps([each["id"], node["target"], node["failureSummary"][:200]])
        for each in found["violations"]
        for node in each["nodes"]
    ]


OFF_CENTRE = """() => { const box = document.querySelector('.display')?.getBoundingClientRect();
  return box ? Math.abs(box.x + box.width / 2 - innerWidth / 2) : 0 }"""


class Inspector:
    """Takes a picture and lets axe look, at each stop of the tour."""

    def __init__(self, shoot: Shoot, look: str) -> None:
        self._shoot = shoot
        self._look = look
        self.found: dict[str, list[str]] = {}

    async def stop(self, page: Page, name: str) -> None:
        await self._shoot(page, f"{name}-{self._look}")
        if found := await faults(page):
            self.found[name] = found
        width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if width > 0:
            self.found[name + " is too wide"] = [str(width)]
        if await page.evaluate(OFF_CENTRE) > 2:
            self.found[name + " is off centre"] = [self._look]


async def before_the_call(floor, page: Page, inspector: Inspector) -> None:
    await floor.open(page)
    await page.get_by_label("Login").wait_for()
    await inspector.stop(page, "signin")
    await floor.sign_in(page)
    await inspector.stop(page, "away")
    await page.get_by_role("button", name="Go ready").click()
    await page.get_by_role("heading", name="Ready").wait_for()
    await inspector.stop(page, "ready")
    await page.get_by_role("button", name="Go away").click()
    await inspector.stop(page, "leaving")
    await page.get_by_role("button", name="Stay ready").click()
    await floor.rings()
    await page.get_by_role("button", name="Answer").wait_for()
    await inspector.stop(page, "ringing")


async def on_the_call(floor, page: Page, inspector: Inspector) -> None:
    await page.keyboard.press("Enter")
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent)
    await page.get_by_text("QL-20417").wait_for()
    await inspector.stop(page, "call")
    await page.get_by_role("button", name="Verify caller").click()
    await page.get_by_text("Code sent.").wait_for()
    await inspector.stop(page, "code-sent")
    floor.controller.verifies(AMARA.agent, True)
    await page.get_by_text("Verified.").wait_for()
    await page.get_by_role("button", name="Show Phone").press("Enter")
    await inspector.stop(page, "asking")
    await page.keyboard.press("2")
    await page.get_by_text(CUSTOMER["contact.phone"]).wait_for()
    await inspector.stop(page, "shown")


async def after_the_call(floor, page: Page, inspector: Inspector) -> None:
    await page.get_by_role("textbox", name="Note").fill("Delivery moved to Friday.")
    await page.keyboard.press("Control+Enter")
    await page.locator(".note-said").get_by_text("Saved and sealed.").wait_for()
    floor.controller.set(AMARA.agent, vault="unavailable")
    await page.get_by_text("Customer data unavailable.").wait_for()
    await inspector.stop(page, "vault-away")
    floor.controller.set(AMARA.agent, vault="ok")
    await page.get_by_role("button", name="Hang up").click()
    await page.get_by_role("button", name="Done").wait_for()
    await inspector.stop(page, "wrapup")


@pytest.mark.parametrize("look", LOOKS)
async def test_every_state_is_accessible_and_fits(floor, shoot: Shoot, look: str) -> None:
    page = await (await floor.context(**LOOKS[look])).new_page()
    inspector = Inspector(shoot, look)
    await before_the_call(floor, page, inspector)
    await on_the_call(floor, page, inspector)
    await after_the_call(floor, page, inspector)
    assert inspector.found == {}
    unexpected = [text for text in floor.complaints if not any(code in text for code in EXPECTED_COMPLAINTS)]
    assert unexpected == []  # the content security policy included


@pytest.mark.parametrize("look", ["light", "phone-dark"])
async def test_calls_can_ring_on_a_desk_phone_and_every_state_of_that_fits(floor, shoot: Shoot, look: str) -> None:
    """By keyboard: the switch is reached and moved as radio buttons are. Nothing is registered in the browser then, no
    microphone is asked for, and the page leaves answering to the phone."""
    floor.vault.own_phones[AMARA.agent] = True
    page = await (await floor.context(**LOOKS[look])).new_page()
    inspector = Inspector(shoot, look)
    await floor.sign_in(page, phone="Desk phone")
    await expect(page.get_by_role("radio", name="On my desk phone")).to_be_checked()
    await page.get_by_role("button", name="Go ready").click()
    await page.get_by_role("heading", name="Ready").wait_for()
    assert floor.edge.registered == 0
    assert [asked["phone"] for operation, asked in floor.controller.asked if operation == "state"] == ["sip"]
    await inspector.stop(page, "ready-desk-phone")
    floor.controller.offers(AMARA.agent)
    await page.get_by_text("Pick up your desk phone.", exact=True).wait_for()
    await expect(page.get_by_role("button", name="Answer")).to_have_count(0)
    await inspector.stop(page, "ringing-desk-phone")
    floor.controller.connects(AMARA.agent)
    await page.get_by_text("QL-20417").wait_for()
    await expect(page.get_by_role("button", name="Mute")).to_have_count(0)
    await inspector.stop(page, "call-desk-phone")
    await page.get_by_role("button", name="Hang up").click()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Go away").click()
    await page.get_by_role("button", name="Break").click()
    await page.get_by_role("radio", name="On my desk phone").focus()
    await page.keyboard.press("ArrowLeft")
    await page.get_by_text("Registered in this tab").wait_for()
    await expect(page.get_by_role("radio", name="In this tab")).to_be_focused()
    await inspector.stop(page, "away-own-phone")
    assert floor.vault.own_phones[AMARA.agent] is False
    assert floor.edge.registered == 1
    assert inspector.found == {}


async def test_axe_can_find_something(floor) -> None:
    """A seeded fault, so that a clean report means something."""
    page = await floor.agent()
    await page.evaluate("document.querySelector('.display').before(document.createElement('button'))")
    assert any("button-name" in found for found in await faults(page))


async def test_the_appearance_can_be_chosen_and_stays(floor) -> None:
    page = await floor.agent(color_scheme="light")
    await page.get_by_role("button", name="Dark appearance").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.reload()
    await page.get_by_text("Phone ready").wait_for()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert await page.evaluate("JSON.stringify({...localStorage})") == '{"quietline-theme":"dark"}'


async def test_reduced_motion_is_honoured(floor) -> None:
    page = await floor.agent(reduced_motion="reduce")
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_nothing_of_another_origin_is_loaded(floor) -> None:
    context = await floor.context()
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await floor.sign_in(page)
    assert asked
    assert [url for url in asked if not url.startswith(floor.url)] == []


async def test_a_browser_without_our_ca_refuses(floor, tmp_path: Path) -> None:
    """The certificate is really checked: the same browser with an empty store does not open the page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"], env={**os.environ, "HOME": str(tmp_path)}
        )
        page = await browser.new_page()
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(floor.url)
        await browser.close()


async def test_a_one_time_word_is_changed_for_a_password(floor, shoot: Shoot) -> None:
    word = floor.vault.words[AMARA.login] = "7KQF-M2XT-1RBD-HW4P-0ZNC-E6VA"
    page = await (await floor.context()).new_page()
    await floor.open(page)
    await page.get_by_label("Login").fill(AMARA.login)
    await page.get_by_label("Password", exact=True).fill(word)
    await page.keyboard.press("Enter")
    chosen = page.get_by_label("New password")
    await expect(chosen).to_be_focused()
    await expect(page.locator("#signin-said")).to_contain_text("Choose a password of 12 characters or more")
    assert not await faults(page)
    await shoot(page, "signin-new-password")
    await chosen.fill("a password of my own")
    await page.keyboard.press("Enter")
    await page.get_by_text("Phone ready").wait_for()
