"""The desk's API over real HTTPS, without a browser: an agent's script, an attacker with a stolen cookie, a bench.

async with RemoteDesk(site.url, site.ca) as desk:
    await desk.sign_in("mia", password)
    status, body = await desk.post(f"/api/calls/{call}/fields/contact.phone", {"reason": "delivery_change"})
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from quietline.errors import ProtocolError

CSRF = re.compile(r'name="csrf" content="([^"]*)"')
RECONNECT = 0.3  # seconds
COOKIE = "__Host-quietline"


class RemoteDesk:
    """One cookie jar. `address` is where the desk's host name is reached; its certificate is verified there too."""

    def __init__(self, url: str, ca: Path, address: str = "127.0.0.1", cookies: dict[str, str] | None = None) -> None:
        host = url.split("/")[2]
        self._http = httpx.AsyncClient(
            base_url=f"https://{address}:{host.split(':')[1]}",
            verify=ssl.create_default_context(cafile=str(ca)),
            headers={"Host": host, "Origin": url.rstrip("/")},
            cookies=cookies,
            timeout=30.0,
            trust_env=False,
        )
        self.csrf = ""
        self.events: list[dict[str, Any]] = []
        self._heard = asyncio.Event()
        self._stream: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RemoteDesk:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            self._stream.cancel()
            with suppress(asyncio.CancelledError):
                await self._stream
        await self._http.aclose()

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._http.cookies.items())

    async def sign_in(self, login: str, password: str) -> None:
        """Raises ProtocolError when the desk says no."""
        page = await self._http.get("/")
        found = CSRF.search(page.text)
        self.csrf = found.group(1) if found else ""
        status, body = await self.post("/api/session", {"login": login, "password": password})
        if status != 201:
            raise ProtocolError(f"desk: sign-in answered {status}")
        self.csrf = json.loads(body)["csrf"]

    async def listens(self) -> None:
        """Open the event stream, as a page does, until this desk is left; what it says is in `events`."""
        self._stream = asyncio.get_running_loop().create_task(self._listen())
        await asyncio.wait_for(self._heard.wait(), 10.0)

    async def ready(self, phone: str = "browser") -> None:
        """Listen, and go ready."""
        await self.listens()
        status, _ = await self.post("/api/state", {"state": "ready", "phone": phone})
        if status >= 300:
            raise ProtocolError(f"desk: going ready answered {status}")

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        answer = await self._http.get(path)
        return answer.status_code, answer.text

    async def post(self, path: str, body: Any = None) -> tuple[int, str]:
        """Status and text; with the CSRF token, as the page sends it."""
        answer = await self._http.post(path, json=body or {}, headers={"X-CSRF-Token": self.csrf})
        return answer.status_code, answer.text

    async def first_event(self, within: float = 10.0) -> dict[str, Any]:
        """What the event stream says first; {} when it is refused."""
        async with asyncio.timeout(within), self._http.stream("GET", "/api/events", timeout=None) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    return dict(json.loads(line[5:]))
        return {}

    async def _listen(self) -> None:
        """As a page's EventSource: a stream that breaks is opened again."""
        while True:
            with suppress(httpx.TransportError):
                await self._listen_once()
            await asyncio.sleep(RECONNECT)

    async def _listen_once(self) -> None:
        async with self._http.stream("GET", "/api/events", timeout=None) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    self.events.append(json.loads(line[5:]))
                    self._heard.set()
