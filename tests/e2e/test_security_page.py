"""My security in a real Chromium with a virtual authenticator, over the real vault: a passkey is made, and signs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

from quietline.clock import SystemClock
from quietline.ledger.vocabulary import Kind
from quietline.testing.fake_desk import FakeController, FakeVault
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import PASSWORD, VaultHouse
from quietline.web.assets import load_assets
from quietline.web.desk import Desk
from quietline.web.process import listen, server_for
from quietline.web.site import Limits, Site

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class Place:
    """The page over a real vault, at one address."""

    house: VaultHouse
    url: str
    browser: Browser

    async def visits(self, path: str = "security", **look: Any) -> Page:
        context: BrowserContext = await self.browser.new_context(**look)
        context.set_default_timeout(8_000)
        page = await context.new_page()
        await page.goto(self.url + path)
        return page


@pytest_asyncio.fixture(loop_scope="module")
async def place(browser: Browser, authority: Path, bundle: Path, tmp_path: Path) -> AsyncIterator[Place]:
    (listener,) = sockets = listen(["127.0.0.1"], 0)
    port = listener.getsockname()[1]
    house = VaultHouse(tmp_path, MemoryLedger())
    edge, web = replace(house.config.edge, realm="localhost"), replace(house.config.web, port=port)
    house.config = replace(house.config, edge=edge, web=web)
    site = Site("localhost", port, wss_port=port, limits=Limits(heartbeat_seconds=0.5))
    async with house, asyncio.TaskGroup() as tasks:
        controller = FakeController(FakeVault())
        desk = Desk(site, house.desk, controller, SystemClock(), load_assets(bundle), house.people)
        server = server_for(desk, authority / "edge.pem", authority / "edge.key")
        serving = tasks.create_task(server.serve(sockets))
        await house.agent("eva", certificates=())
        yield Place(house, site.origin + "/", browser)
        for context in browser.contexts:
            await context.close()
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


async def with_authenticator(page: Page) -> tuple[CDPSession, str]:
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session, str(made["authenticatorId"])


async def signs_in(page: Page, code: str = "") -> None:
    await page.get_by_label("Login").fill("eva")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    if code:
        await page.get_by_label("Code", exact=True).fill(code)
        await page.keyboard.press("Enter")


async def faults(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [f"{each['id']}: {each['nodes'][0]['target']}" for each in found["violations"]]


async def test_a_passkey_is_made_signs_in_and_its_sessions_are_ended(place: Place, shoot: Any) -> None:
    page = await place.visits(viewport={"width": 1280, "height": 900}, color_scheme="light")
    authenticator, device = await with_authenticator(page)
    await signs_in(page)
    await page.get_by_role("heading", name="My security").wait_for()
    await page.get_by_label("Name of the new passkey").fill("My laptop")
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_role("heading", name="Your recovery codes").wait_for()
    codes = await page.locator(".codes li").all_inner_texts()
    assert len(set(codes)) == 10
    assert await faults(page) == []
    await shoot(page, "security-codes")
    await page.get_by_role("button", name="I have kept them").click()
    await expect(page.get_by_text("My laptop")).to_be_visible()
    await expect(page.locator(".codes")).to_have_count(0)

    # (1) The passkey alone signs in; without verification it does not.
    await page.get_by_role("button", name="Sign out").click()
    await shoot(page, "sign-in")
    assert await faults(page) == []
    await authenticator.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_role("alert").filter(has_text="No passkey was used")).to_be_visible()
    await authenticator.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_text("last used")).to_be_visible()
    assert place.house.ledger is not None
    assert place.house.ledger.of(Kind.SIGNED_IN)[-1]["methods"] == "passkey"

    # (2) Elsewhere the password wants a code beside it; that session is seen here, and ended from here within seconds.
    other = await place.visits("", viewport={"width": 360, "height": 780}, color_scheme="dark")
    await signs_in(other, codes[0])
    await other.get_by_role("button", name="Sign out").wait_for()
    await page.reload()
    await expect(page.get_by_text("With password and recovery code")).to_be_visible()
    await shoot(page, "security")
    await page.get_by_role("button", name="End this session").click()
    await expect(other.get_by_text("Your session has ended.")).to_be_visible(timeout=3_000)

    # (3) The same on a phone, in the dark.
    await other.goto(place.url + "security")
    await signs_in(other, codes[1])
    await other.get_by_role("heading", name="My security").wait_for()
    await other.get_by_role("button", name="Set up an app").wait_for()
    assert await faults(other) == []
    assert await other.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await shoot(other, "security-phone-dark")
