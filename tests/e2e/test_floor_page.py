"""The supervisor's live view in a real Chromium: what it says, that everybody can use it, and who may not see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from quietline.testing.fake_desk import AMARA, JONAS, SIGRID, FakeAgent

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark"},
}


def queue(name: str, waiting: int = 0, longest: float = 0.0, level: float | None = None, **more: Any) -> dict[str, Any]:
    shown = {"id": name.lower(), "name": name, "waiting": waiting, "longest_wait": longest, "service_level": level}
    figures = {"expected_wait": 0.0, "able": 4, "answered": 41, "abandoned": 2, "aim": 0.8, "aim_seconds": 20.0}
    return shown | figures | {"alerts": []} | more


def person(who: FakeAgent, state: str, since: float, **more: Any) -> dict[str, Any]:
    return {"agent": who.agent, "store": "hub", "state": state, "since": since, "reason": "", "queue": ""} | more


def busy(now: float) -> dict[str, Any]:
    """A board on which something is wrong."""
    return {
        "now": now,
        "queues": [
            queue("Orders", 3, 74.0, 0.71, expected_wait=95.0, alerts=["wait", "level"]),
            queue("Returns and refunds", 0, 0.0, 0.93),
            queue("Product advice", 1, 12.0, None, expected_wait=None, able=0, alerts=["nobody"]),
        ],
        "agents": [
            person(AMARA, "on_call", now - 200, queue="Orders"),
            person(JONAS, "away", now - 31, reason="no_answer"),
            person(SIGRID, "ready", now - 5),
        ],
        "offline": 3,
    }


async def visit(floor: Any, who: FakeAgent = SIGRID, **look: Any) -> Page:
    """The view, signed in on it."""
    page = await (await floor.context(**look)).new_page()
    await page.goto(floor.url + "floor")
    await page.get_by_label("Login").fill(who.login)
    await page.get_by_label("Password", exact=True).fill(who.password)
    await page.keyboard.press("Enter")
    return page


@pytest.mark.parametrize("look", LOOKS)
async def test_it_shows_the_floor_to_everybody(floor: Any, shoot: Any, look: str) -> None:
    floor.controller.board = busy(floor.desk.clock.wall())
    page = await visit(floor, **LOOKS[look])
    await page.get_by_role("rowheader", name="Orders").wait_for()
    await shoot(page, f"floor-{look}")
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("tags => axe.run(document, { runOnly: tags })", RULES)
    faults = [
        [each["id"], node["target"], node["failureSummary"]] for each in found["violations"] for node in each["nodes"]
    ]
    assert json.dumps(faults, indent=1) == "[]"
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert [text for text in floor.complaints if "401" not in text] == []  # the content security policy included


async def test_what_is_wrong_is_said_in_words_and_aloud(floor: Any) -> None:
    floor.controller.board = busy(floor.desk.clock.wall())
    page = await visit(floor)
    alerts = page.get_by_role("region", name="Alerts").get_by_role("listitem")
    await expect(alerts).to_have_text(
        [
            "Orders: a caller has waited longer than 20 s.",
            "Orders: 71 % answered within 20 s today; the aim is 80 %.",
            "Product advice: nobody in service may take its calls.",
        ]
    )
    await expect(page.get_by_role("status")).to_contain_text("Product advice: nobody in service")


async def test_it_follows_the_floor_and_keeps_the_keyboard_where_it_was(floor: Any) -> None:
    now = floor.desk.clock.wall()
    floor.controller.board = busy(now)
    page = await visit(floor)
    away = page.get_by_role("button", name="Away 1")
    await away.focus()
    await page.keyboard.press("Enter")
    people = page.get_by_role("region", name="People").get_by_role("rowheader")
    await expect(people).to_have_text([JONAS.name])
    board = busy(now + 1)
    board["agents"][0] = person(AMARA, "away", now, reason="chosen")
    floor.controller.board = board
    await expect(people).to_have_text([JONAS.name, AMARA.name])
    await expect(page.get_by_role("button", name="Away 2")).to_be_focused()


async def test_a_floor_that_does_not_answer_is_not_taken_for_live(floor: Any) -> None:
    floor.controller.board = busy(floor.desk.clock.wall())
    page = await visit(floor)
    await page.get_by_role("rowheader", name="Orders").wait_for()
    floor.controller.down = True
    await page.get_by_text("The floor does not answer.").wait_for()
    await page.get_by_text("Not live").wait_for()
    floor.controller.down = False
    await page.get_by_text("The floor does not answer.").wait_for(state="hidden")


async def test_an_agent_is_told_that_it_is_not_theirs(floor: Any) -> None:
    page = await visit(floor, AMARA)
    await page.get_by_role("heading", name="This view is for supervisors").wait_for()
    await page.get_by_role("link", name="Go to my desk").click()
    await page.get_by_text("Phone ready").wait_for()


async def test_who_signs_out_leaves_nothing_on_the_page(floor: Any) -> None:
    floor.controller.board = busy(floor.desk.clock.wall())
    page = await visit(floor)
    await page.get_by_role("rowheader", name=AMARA.name).wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Login").wait_for()
    assert AMARA.name not in await page.content()
