"""A browser's part in the desk's API, without a browser: cookies, Origin, CSRF token, and event streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from quietline.clock import Clock, SystemClock
from quietline.testing.fake_assurance import FakeAssurance
from quietline.testing.fake_desk import AMARA, FakeAgent, FakeController, FakeVault
from quietline.web.app import build_app
from quietline.web.assets import Assets, assets_of
from quietline.web.desk import Desk
from quietline.web.guard import Guard
from quietline.web.site import Limits, Site

WAIT_SECONDS = 5.0
HOST = "desk.test"
SITE = Site(HOST, 443, 8443)


def page_files() -> Assets:
    """Stand-ins for the built page."""
    return assets_of({"desk.js": b"export {};", "desk.css": b"body {}", "theme.js": b"", "font.woff2": b"wOF2"})


class DeskUnderTest:
    """A desk with its far sides in memory."""

    def __init__(self, site: Site = SITE, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.vault = FakeVault(clock=self.clock)
        self.controller = FakeController(self.vault, self.clock)
        self.assurance = FakeAssurance(self.vault)
        self.desk = Desk(site, self.vault, self.controller, self.clock, page_files(), assurance=self.assurance)
        self.app: Guard = build_app(self.desk)
        self.site = site

    def client(self) -> DeskClient:
        """A new browser."""
        return DeskClient(self)

    async def signed_in(self, who: FakeAgent = AMARA) -> DeskClient:
        """A client with this agent's session."""
        client = self.client()
        response = await client.sign_in(who)
        assert response.status_code == 201, response.text
        return client

    def on_call(self, who: FakeAgent = AMARA, assurance: int = 1, known: bool = True) -> str:
        """The agent talks; the call's id."""
        call = self.controller.offers(who.agent)
        self.controller.connects(who.agent, assurance, known)
        return call


class DeskClient:
    """One browser profile."""

    def __init__(self, under_test: DeskUnderTest) -> None:
        self.app = under_test.app
        self.origin = under_test.site.origin
        self.csrf = ""
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(under_test.app), base_url=self.origin)

    async def visit(self) -> httpx.Response:
        """Load the page, which carries the CSRF token for signing in."""
        response = await self.http.get("/")
        self.csrf = response.text.partition('name="csrf" content="')[2].partition('"')[0]
        return response

    async def sign_in(self, who: FakeAgent = AMARA, password: str | None = None) -> httpx.Response:
        await self.visit()
        secret = who.password if password is None else password
        response = await self.post("/api/session", {"login": who.login, "password": secret})
        if response.is_success:
            self.csrf = response.json()["csrf"]
        return response

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.send("POST", path, body, **headers)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """As the page does it; `headers` replace, and an empty one is left out."""
        sent = {"Origin": self.origin, "X-CSRF-Token": self.csrf, **{_dashed(name): v for name, v in headers.items()}}
        sent = {name: value for name, value in sent.items() if value}
        return await self.http.request(method, path, json=body, headers=sent)

    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    @asynccontextmanager
    async def events(self, **headers: str) -> AsyncIterator[EventReader]:
        """The event stream, until the block is left, which is what a closed page looks like to the server."""
        reader = EventReader()
        sent = {"host": self.http.base_url.netloc.decode(), "cookie": self.cookie(), **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/api/events",
            "raw_path": b"/api/events",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 443),
        }
        serving = asyncio.create_task(self.app(scope, reader.receive, reader.send))
        try:
            yield reader
        finally:
            reader.left.set()
            await asyncio.wait_for(serving, WAIT_SECONDS)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class EventReader:
    """What arrives on one stream."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = asyncio.Event()
        self._asked = False
        self._chunks: asyncio.Queue[str] = asyncio.Queue(1_024)

    async def receive(self) -> dict[str, Any]:
        """One empty request body; then it stays until the reader leaves."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        for block in message.get("body", b"").decode().split("\n\n"):
            if block:
                self._chunks.put_nowait(block)
        if not message.get("more_body"):
            self.ended.set()

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event: its name and data; comments and retry times are passed over."""
        while True:
            block = await self.raw()
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "event" in fields:
                return fields["event"], json.loads(fields["data"])

    async def until(self, state: str) -> dict[str, Any]:
        """The next `state` event with this state."""
        while True:
            name, data = await self.next()
            if name == "state" and data["state"] == state:
                return data

    async def heartbeat(self) -> None:
        """Wait for the next comment that says the stream is alive."""
        while await self.raw() != ": still here":
            pass

    async def raw(self) -> str:
        return await asyncio.wait_for(self._chunks.get(), WAIT_SECONDS)


SHORT = Limits(heartbeat_seconds=0.05, offline_after_seconds=0.1, streams_per_agent=2)
