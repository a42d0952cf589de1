"""The agent's page in a real Chromium: what is shown, what stays hidden, and that it goes at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page

from quietline.testing.fake_desk import AMARA, CUSTOMER

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

Shoot = Callable[[Page, str], Awaitable[None]]
PHONE_SIZE = {"width": 390, "height": 844}


async def tour(floor, shoot: Shoot, page: Page, theme: str) -> None:
    """Sign in, ready, ring, answer, card, verify, show, hang up, wrap up; a picture of each."""
    await page.goto(floor.url)
    await page.get_by_label("Login").wait_for()
    await shoot(page, f"signin-{theme}")
    await floor.sign_in(page)
    await shoot(page, f"away-{theme}")
    await page.get_by_role("button", name="Go ready").click()
    await page.get_by_role("heading", name="Ready").wait_for()
    await shoot(page, f"ready-{theme}")
    await floor.rings()
    await page.get_by_role("button", name="Answer").wait_for()
    await shoot(page, f"ringing-{theme}")
    await page.keyboard.press("Enter")
    await floor.edge.answered()
    floor.controller.connects(AMARA.agent)
    await page.get_by_text("QL-20417").wait_for()
    await shoot(page, f"call-{theme}")
    await page.get_by_role("button", name="Verify caller").click()
    await page.get_by_text("Code sent.").wait_for()
    await shoot(page, f"code-sent-{theme}")
    floor.controller.verifies(AMARA.agent, True)
    await page.get_by_text("Verified.").wait_for()
    await page.get_by_role("button", name="Show Phone").click()
    await shoot(page, f"asking-{theme}")
    await page.keyboard.press("2")
    await page.get_by_text(CUSTOMER["contact.phone"]).wait_for()
    await page.get_by_label("Note").and_(page.get_by_role("textbox")).fill("Delivery moved to Friday.")
    await page.keyboard.press("Control+Enter")
    await page.get_by_text("Saved and sealed.").wait_for()
    await shoot(page, f"shown-{theme}")
    await page.get_by_role("button", name="Hang up").click()
    await page.get_by_role("button", name="Done").wait_for()
    await shoot(page, f"wrapup-{theme}")


@pytest.mark.parametrize("theme", ["light", "dark", "phone"])
async def test_the_tour(floor, shoot: Shoot, theme: str) -> None:
    options = {"color_scheme": "dark" if theme == "dark" else "light"}
    if theme == "phone":
        options |= {"viewport": PHONE_SIZE, "device_scale_factor": 2}
    page = await (await floor.context(**options)).new_page()
    await tour(floor, shoot, page, theme)
