"""A real call in pictures, light, dark and on a small screen, for people to look at: out/screenshots/product/.

What can be measured is: nothing is wider than the screen, and nothing is cut off.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

SHOTS = Path(__file__).parents[2] / "out" / "screenshots" / "product"
LOOKS = {
    "light": ("light", {"width": 1280, "height": 860}),
    "dark": ("dark", {"width": 1280, "height": 860}),
    "phone": ("light", {"width": 390, "height": 844}),
    "phone-dark": ("dark", {"width": 390, "height": 844}),
}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll("button, h1, .reference, .row-value, .row-label")]
  .filter((each) => each.offsetParent && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1)
  .map((each) => each.className + ": " + each.scrollWidth + " in " + each.clientWidth)"""


async def pictures(agent, name: str) -> None:
    """One state in every look; it must fit."""
    for look, (scheme, size) in LOOKS.items():
        await agent.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await agent.page.set_viewport_size(size)
        await agent.page.wait_for_timeout(120)
        await agent.screenshot(SHOTS / f"{name}-{look}.png")
        assert await agent.page.evaluate(WIDER) <= 0, (name, look)
        assert await agent.page.evaluate(CUT) == [], (name, look)


async def test_a_call_in_pictures(stage) -> None:
    agent = await stage.browser()
    await agent.page.goto(agent.url)
    await agent.page.get_by_label("Login").wait_for()
    await pictures(agent, "0-sign-in")
    await agent.signs_in("mia", stage.site.passwords["mia"])
    await agent.goes_ready()
    await pictures(agent, "1-ready")
    caller = await stage.caller(7)
    await stage.chooses(caller)
    await agent.is_rung()
    await pictures(agent, "2-ringing")
    await agent.answers()
    await agent.page.locator(".card-body .reference").wait_for()
    await pictures(agent, "3-call")
    await stage.steps_up(agent, caller, 7)
    await agent.shows("Phone", 2)
    await agent.reads(stage.customers[7].phone)
    await agent.page.get_by_role("button", name="Show Delivery address").click()
    await pictures(agent, "4-verified-and-shown")
    await agent.page.keyboard.press("2")
    await agent.page.get_by_role("button", name="Hold").click()
    await agent.reads("On hold.")
    await pictures(agent, "5-on-hold")
    await caller.hangs_up()
    await agent.reads("Wrap-up")
    await pictures(agent, "6-wrap-up")
    assert [each for each in agent.complaints if "401" not in each] == []  # "who am I?" before the sign-in
