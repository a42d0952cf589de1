"""The whole product, as installed: the real supervisor, edge, relay, vault, controller and desk; real browsers call it.

One `Site` serves all tests that do not break it. Each test brings its own people; when they have gone, the floor is
empty again.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.testing.browser import AgentBrowser
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.code_gateway import CodeGateway
from quietline.testing.sample import Customer
from quietline.testing.site import Site, sample_config

DIALLED = "+442079460101"
CALLERS_TONE, AGENTS_TONE, NOBODYS_TONE = 730, 1_090, 1_390  # Hz
EMPTY_WITHIN = 45.0  # seconds: a page that is gone, a wrap-up, a phone that vanished
SHORT = {"notice": False, "ring_seconds": 6.0, "wrap_up_seconds": 8.0}


async def becomes(condition: Callable[[], Awaitable[Any]], within: float = 20.0, what: str = "it") -> Any:
    """Wait until `condition` gives something true; that."""
    try:
        async with asyncio.timeout(within):
            while not (found := await condition()):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true within {within:g} s") from None
    return found


async def heard_something(caller: SimulatedCaller) -> bool:
    return caller.media.counts["received"] > 15  # 0.3 s


@dataclass
class Stage:
    """What a test plays on."""

    site: Site
    gateway: CodeGateway
    folder: Path
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    count: int = 0

    @property
    def customers(self) -> tuple[Customer, ...]:
        return self.site.chain.customers

    def place(self, name: str) -> Path:
        self.count += 1
        place = self.folder / f"{name}-{self.count}"
        place.mkdir(parents=True)
        return place

    async def browser(self, **options: Any) -> AgentBrowser:
        """A browser on the sign-in page's doorstep."""
        tone = options.pop("tone", AGENTS_TONE)
        agent = AgentBrowser(self.site.url, self.site.ca, self.place("agent"), tone=tone, **options)
        return await self.stack.enter_async_context(agent)

    async def agent(self, login: str = "mia", **options: Any) -> AgentBrowser:
        """Signed in and ready."""
        agent = await self.browser(**options)
        await agent.signs_in(login, self.site.passwords[login])
        await agent.goes_ready()
        return agent

    async def caller(self, customer: int = 0, **options: Any) -> SimulatedCaller:
        """A customer's phone behind the named carrier."""
        person = Person(number=self.customers[customer].phone)
        tone = options.pop("tone", CALLERS_TONE)
        edge = options.pop("edge", None) or self.site.trunk()
        return await self.stack.enter_async_context(SimulatedCaller(edge, person, tone=tone, **options))

    async def chooses(self, caller: SimulatedCaller, key: str = "1") -> None:
        """Dial, listen to the menu's beginning as a person does, press a key."""
        await caller.dials(DIALLED)
        await caller.answered()
        await becomes(lambda: heard_something(caller), 5.0, "the menu")
        await caller.press(key)

    async def call(self, agent: AgentBrowser, caller: SimulatedCaller) -> str:
        """Dial, press 1, answer, hear each other; the call's id."""
        await self.chooses(caller)
        await agent.answers()
        await agent.hears(CALLERS_TONE)
        await caller.hears(AGENTS_TONE)
        await agent.page.locator(".card-body .reference").wait_for()
        return str((await self.state(agent))["call"])

    async def talk(self, login: str = "mia", customer: int = 0) -> tuple[AgentBrowser, SimulatedCaller, str]:
        """A call that is up: the agent, the caller, the call's id."""
        agent, caller = await self.agent(login), await self.caller(customer)
        return agent, caller, await self.call(agent, caller)

    async def steps_up(self, agent: AgentBrowser, caller: SimulatedCaller, customer: int = 0) -> None:
        """The keyed one-time code: assurance 2."""
        await agent.verifies()
        code = await self.gateway.next_code(self.customers[customer].phone)
        await caller.press(code)
        await agent.reads("Verified by code")

    async def state(self, agent: AgentBrowser) -> dict[str, Any]:
        """The agent's view, by the API."""
        status, body = await agent.call("GET", "/api/state")
        assert status == 200, (status, body)
        return dict(json.loads(body))

    async def floor(self) -> dict[str, int]:
        """How many agents are in which state."""
        desk = self.site.desk()
        try:
            return dict((await desk.call("floor"))["agents"])
        finally:
            await desk.close()

    async def everybody_leaves(self) -> None:
        """As if the web process had waited its ten seconds for each page that has gone."""
        desk = self.site.desk()
        try:
            for agent in self.site.agents.values():
                await desk.call("state", agent=agent, state="offline", phone="browser")
        finally:
            await desk.close()

    async def nobody_is_here(self) -> bool:
        return not any(count for state, count in (await self.floor()).items() if state != "offline")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def product() -> AsyncIterator[Site]:
    async with running() as site:
        yield site


@pytest.fixture
def site(product: Site) -> Site:
    """The product that the tests of this folder share; a file with a `site` of its own has one to itself."""
    return product


@asynccontextmanager
async def running() -> AsyncIterator[Site]:
    with open_to_all() as folder:
        async with Site(sample_config(folder)).with_settings(controller=SHORT) as site:
            await site.set_up()
            yield site


@pytest.fixture(scope="session")
def own_product() -> Callable[[], AbstractAsyncContextManager[Site]]:
    """Another product, for tests that break it."""
    return running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(site: Site, tmp_path: Path) -> AsyncIterator[Stage]:
    async with site.gateway() as gateway, AsyncExitStack() as stack:
        stage = Stage(site, gateway, tmp_path, stack)
        yield stage
        await stack.aclose()
        await stage.everybody_leaves()
        await becomes(stage.nobody_is_here, EMPTY_WITHIN, "an empty floor")


@contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder that each part's own user gets to, gone afterwards.

    Not below pytest's: whenever another pytest starts on the machine, that one becomes root's alone again.
    """
    with tempfile.TemporaryDirectory(prefix="quietline-e2e-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def tones() -> tuple[int, int, int]:
    """The caller's, the agent's, and one that nobody makes."""
    return CALLERS_TONE, AGENTS_TONE, NOBODYS_TONE


@pytest.fixture(scope="session")
def short() -> dict[str, Any]:
    """The controller's settings of these tests."""
    return SHORT


@pytest.fixture(scope="session")
def public_folder() -> Callable[[], AbstractContextManager[Path]]:
    return open_to_all
