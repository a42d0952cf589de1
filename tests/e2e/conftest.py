"""A real Chromium against the desk, over https; the browser trusts a local CA through its own store (certutil)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, WebSocketRoute, async_playwright

from quietline.clock import SystemClock
from quietline.testing.fake_assurance import FakeAssurance
from quietline.testing.fake_desk import AMARA, FakeAgent, FakeController, FakeVault
from quietline.testing.fake_phone_edge import FakePhoneEdge
from quietline.web.assets import BUNDLE, load_assets
from quietline.web.desk import Desk
from quietline.web.process import listen, server_for
from quietline.web.site import Limits, Site

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "out" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
LIMITS = Limits(heartbeat_seconds=0.5, offline_after_seconds=3.0)


def run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and a certificate for localhost that it signed."""
    folder = tmp_path_factory.mktemp("ca")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run(
        "openssl",
        "req",
        "-x509",
        *new_key,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=Desk test CA",
        cwd=folder,
    )
    run("openssl", "req", *new_key, "-keyout", "edge.key", "-out", "edge.csr", "-subj", "/CN=localhost", cwd=folder)
    (folder / "san").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
    run("openssl", "x509", "-req", "-in", "edge.csr", "-out", "edge.pem", *signing, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def browser_home(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose certificate store trusts our CA and nothing of ours besides."""
    home = tmp_path_factory.mktemp("home")
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{store}", "--empty-password", cwd=home)
    run("certutil", "-A", "-d", f"sql:{store}", "-n", "desk", "-t", "C,,", "-i", str(authority / "ca.pem"), cwd=home)
    return home


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The page as `npm run build` makes it; built here when its sources are newer."""
    sources = ROOT / "src" / "quietline" / "web" / "frontend"
    newest = max(path.stat().st_mtime for path in sources.iterdir())
    built = BUNDLE / "desk.js"
    if not built.exists() or built.stat().st_mtime < newest:
        npm = shutil.which("npm")
        assert npm, "npm is needed to build the page"
        run(npm, "run", "build", cwd=ROOT)
    return BUNDLE


@dataclass
class Floor:
    """One running desk with its far sides, and the browser that visits it."""

    vault: FakeVault
    controller: FakeController
    edge: FakePhoneEdge
    desk: Desk
    browser: Browser
    assurance: FakeAssurance
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # what the browser's console held against us

    @property
    def url(self) -> str:
        return self.desk.site.origin + "/"

    async def context(self, **options: object) -> BrowserContext:
        """A browser profile of its own; its softphone meets the fake edge."""
        context = await self.browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(8_000)
        await context.route_web_socket(self.desk.site.phone_socket, self._meet)
        context.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.contexts.append(context)
        return context

    def _meet(self, socket: WebSocketRoute) -> None:
        self.edge.accept(socket)

    async def open(self, page: Page) -> None:
        """Load the desk; once more when another test's network interface came or went (Chromium drops what is open)."""
        for _ in range(3):
            try:
                await page.goto(self.url)
                await page.locator("main").wait_for()  # drawn by the script
                return
            except Error as error:
                if not any(word in str(error) for word in ("ERR_NETWORK_CHANGED", "Timeout")):
                    raise
        raise AssertionError("the page does not load")

    async def sign_in(self, page: Page, who: FakeAgent = AMARA, phone: str = "Phone ready") -> None:
        """Up to what the bar then says of the phone."""
        await self.open(page)
        await page.get_by_label("Login").fill(who.login)
        await page.get_by_label("Password", exact=True).fill(who.password)
        await page.keyboard.press("Enter")
        await page.locator(".bar").get_by_text(phone).wait_for()

    async def agent(self, **options: object) -> Page:
        """A page on which Amara is signed in and ready."""
        page = await (await self.context(**options)).new_page()
        await self.sign_in(page)
        await page.get_by_role("button", name="Go ready").click()
        await page.get_by_role("heading", name="Ready").wait_for()
        return page

    async def rings(self) -> str:
        """A caller is offered to Amara, in her page and on her phone; the call's id."""
        call = self.controller.offers(AMARA.agent)
        await self.edge.invite()
        return call

    async def talks(self, page: Page, assurance: int = 1, known: bool = True) -> str:
        """The call's id, once the card is drawn."""
        call = await self.rings()
        await page.get_by_role("button", name="Answer").click()
        await self.edge.answered()
        self.controller.connects(AMARA.agent, assurance, known)
        await page.locator(".card-body .reference").wait_for()
        return call


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(browser_home: Path) -> AsyncIterator[Browser]:
    environment = {**os.environ, "HOME": str(browser_home)}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, env=environment)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def floor(browser: Browser, authority: Path, bundle: Path) -> AsyncIterator[Floor]:
    vault = FakeVault()
    controller = FakeController(vault)
    (listener,) = sockets = listen(["127.0.0.1"], 0)
    port = listener.getsockname()[1]
    site = Site("localhost", port, wss_port=port, limits=LIMITS)
    assurance = FakeAssurance(vault)
    desk = Desk(site, vault, controller, SystemClock(), load_assets(bundle), assurance=assurance)
    server = server_for(desk, authority / "edge.pem", authority / "edge.key")
    floor = Floor(vault, controller, FakePhoneEdge(), desk, browser, assurance)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets))
        yield floor
        for context in floor.contexts:
            await context.close()
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


@pytest.fixture
def shoot() -> Callable[[Page, str], Awaitable[None]]:
    """Pictures for people to look at, in out/screenshots."""

    async def shoot_page(page: Page, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.wait_for_timeout(400)
        await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return shoot_page
