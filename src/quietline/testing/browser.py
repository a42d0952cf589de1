"""An agent at a desk: headless Chromium with a microphone that hums a tone, driven as a person would.

It trusts the given CA through its own certificate store and nothing else; no certificate error is ignored. What it
hears is measured in the page's own received audio.

    async with AgentBrowser(url, ca, folder) as agent:
        await agent.signs_in("mia", password)
        await agent.goes_ready()
        await agent.answers()
        assert await agent.hears(700)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import os
import signal
import struct
import subprocess
import time
import wave
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Error, Page, async_playwright

from quietline.errors import ProtocolError

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
LOUD_DB = -50.0  # a tone through G.711 measures about -20 dB; silence below -80
WAIT = 20.0

# Watches what the page receives; it changes nothing that the page does.
WATCH = """
window.__connections = [];
const Real = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(...all) {
    super(...all);
    window.__connections.push(this);
    this.addEventListener("track", ({ track }) => {
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0.1;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
      context.resume();
      window.__ear = { analyser, rate: context.sampleRate };
    });
  }
};
"""
LEVEL = """(hertz) => {
  if (!window.__ear) return -200;
  const { analyser, rate } = window.__ear;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const at = (f) => Math.round(f * analyser.fftSize / rate);
  return Math.max(-200, ...bins.slice(at(hertz - 15), at(hertz + 15) + 1));
}"""
TRANSPORT = """async () => {
  const found = {};
  for (const connection of window.__connections) {
    const stats = await connection.getStats();
    stats.forEach((each) => {
      if (each.type === "transport") {
        Object.assign(found, { dtls: each.dtlsState, suite: each.srtpCipher, tls: each.tlsVersion });
        const pair = stats.get(each.selectedCandidatePairId);
        if (!pair) return;
        found.local_candidate = stats.get(pair.localCandidateId)?.candidateType;
        found.remote_candidate = stats.get(pair.remoteCandidateId)?.candidateType;
      }
      if (each.type === "inbound-rtp") found.received = each.packetsReceived;
    });
  }
  return found;
}"""


@dataclass(frozen=True, slots=True)
class Received:
    """One thing the browser took in. `kind`: "headers" | "body" | "event" (of the event stream) | "frame" (WSS)."""

    kind: str
    address: str
    text: str


class Ear:
    """Everything a page's browser receives, by the DevTools protocol: also what the page's script never looks at."""

    def __init__(self, session: CDPSession) -> None:
        self.received: list[Received] = []
        self._session = session
        self._addresses: dict[str, str] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        on = self._session.on
        on("Network.requestWillBeSent", lambda each: self._named(each["requestId"], each["request"]["url"]))
        on("Network.webSocketCreated", lambda each: self._named(each["requestId"], each["url"]))
        on("Network.responseReceived", lambda each: self._keep("headers", each, str(each["response"]["headers"])))
        on("Network.eventSourceMessageReceived", lambda each: self._keep("event", each, each["data"]))
        on("Network.webSocketFrameReceived", lambda each: self._keep("frame", each, each["response"]["payloadData"]))
        on("Network.loadingFinished", self._finished)
        await self._session.send("Network.enable")

    async def settled(self) -> list[Received]:
        """All of it, once the bodies that are under way have been read."""
        while self._reading:
            await asyncio.wait(self._reading)
        return list(self.received)

    def _named(self, request: str, url: str) -> None:
        self._addresses[request] = url

    def _keep(self, kind: str, event: dict[str, Any], text: str) -> None:
        self.received.append(Received(kind, self._addresses.get(event["requestId"], "?"), text))

    def _finished(self, event: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._read(event))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, event: dict[str, Any]) -> None:
        with contextlib.suppress(Error):  # no body: 204, a preload, or a page that has gone
            body = await self._session.send("Network.getResponseBody", {"requestId": event["requestId"]})
            raw = base64.b64decode(body["body"]) if body["base64Encoded"] else body["body"].encode()
            self._keep("body", event, raw.decode("utf-8", "replace"))


class AgentBrowser:
    """One browser with one profile. `wrap` is a command prefix (to live in a network namespace); `resolve` maps the
    desk's host name to an address."""

    def __init__(
        self,
        url: str,
        ca: Path,
        folder: Path,
        *,
        tone: int = 1_000,
        wrap: tuple[str, ...] = (),
        resolve: str = "127.0.0.1",
    ) -> None:
        self.url, self.ca, self.folder, self.tone = url.rstrip("/") + "/", ca, folder, tone
        self._wrap, self._resolve = wrap, resolve
        self._stack = AsyncExitStack()
        self.complaints: list[str] = []

    async def __aenter__(self) -> AgentBrowser:
        home = self.folder / "home"
        await asyncio.to_thread(_trust, home, self.ca)
        write_tone(self.folder / "microphone.wav", self.tone)
        playwright = await self._stack.enter_async_context(async_playwright())
        self.context: BrowserContext = await playwright.chromium.launch_persistent_context(
            str(self.folder / "profile"),
            executable_path=str(self._launcher()),
            headless=True,
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={self.folder / 'microphone.wav'}", *self._rules()],
            env={**os.environ, "HOME": str(home)},
            permissions=["microphone"],
            viewport={"width": 1280, "height": 860},
        )
        self._stack.push_async_callback(self._close)
        await self.context.add_init_script(WATCH)
        self.context.on("console", self._noted)
        self.page: Page = await self.new_page()
        return self

    async def _close(self) -> None:
        with contextlib.suppress(Error):  # it was killed
            await self.context.close()

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _rules(self) -> list[str]:
        host = self.url.split("/")[2].split(":")[0]
        return [f"--host-resolver-rules=MAP {host} {self._resolve}"]

    def _launcher(self) -> Path:
        """Chromium itself, or a script that starts it behind the prefix."""
        if not self._wrap:
            return Path(CHROMIUM)
        script = self.folder / "chromium"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self._wrap)} {CHROMIUM} "$@"\n')
        script.chmod(0o755)
        return script

    async def new_page(self) -> Page:
        """A tab of the same browser."""
        page = (
            self.context.pages[0] if not hasattr(self, "page") and self.context.pages else await self.context.new_page()
        )
        page.set_default_timeout(WAIT * 1_000)
        return page

    # What an agent does

    async def signs_in(self, login: str, password: str) -> None:
        """Until the softphone is registered."""
        await self._opens()
        await self.page.get_by_label("Login").fill(login)
        await self.page.get_by_label("Password", exact=True).fill(password)
        await self.page.keyboard.press("Enter")
        await self.page.get_by_text("Phone ready").wait_for()

    async def _opens(self) -> None:
        """Load the desk; again, as people do, when a network interface came or went (Chromium lets go then)."""
        for last in (False, False, True):
            try:
                await self.page.goto(self.url)
            except Error as error:
                if last or "ERR_NETWORK_CHANGED" not in str(error):
                    raise
            else:
                return

    async def goes_ready(self) -> None:
        """By the button. Where a call waits it rings at once, and "Ready" is never seen."""
        await self.page.get_by_role("button", name="Go ready").click()
        ready = self.page.get_by_role("heading", name="Ready")
        await ready.or_(self.page.get_by_role("button", name="Answer")).first.wait_for()

    async def is_rung(self) -> None:
        await self.page.get_by_role("button", name="Answer").wait_for()

    async def answers(self) -> None:
        """By keyboard, once it rings."""
        await self.is_rung()
        await self.page.keyboard.press("Enter")

    async def hangs_up(self) -> None:
        await self.page.get_by_role("button", name="Hang up").click()

    async def declines(self) -> None:
        """By keyboard, once it rings."""
        await self.is_rung()
        await self.page.keyboard.press("Escape")

    async def presses(self, name: str) -> None:
        """A button by its words: "Mute", "Unmute", "Hold", "Resume", "Done", "Go away"."""
        await self.page.get_by_role("button", name=name).click()

    async def reads(self, words: str, within: float = WAIT) -> None:
        """Wait until these words are on the page."""
        await self.page.get_by_text(words).first.wait_for(timeout=within * 1_000)

    async def signs_out(self) -> None:
        """Also out of a call: the page asks, and is told yes."""
        self.page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await self.page.get_by_role("button", name="Sign out").click()
        await self.page.get_by_label("Password", exact=True).wait_for()

    def dies(self) -> None:
        """kill -9 of the browser: no BYE, no close of anything but by the kernel."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """Those of this profile."""
        mark = f"--user-data-dir={self.folder / 'profile'}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                arguments = entry.read_bytes().split(b"\0")
                if mark in arguments and not any(each.startswith(b"--type=") for each in arguments):
                    found.append(int(entry.parent.name))
        return found

    async def ear(self, page: Page | None = None) -> Ear:
        """Listen to everything that this page receives from now on."""
        ear = Ear(await self.context.new_cdp_session(page or self.page))
        await ear.open()
        return ear

    async def verifies(self) -> None:
        await self.page.get_by_role("button", name="Verify caller").click()

    async def shows(self, label: str, reason: int = 1) -> None:
        """Ask for a field with the reason of that number, by keyboard."""
        await self.page.get_by_role("button", name=f"Show {label}").click()
        await self.page.keyboard.press(str(reason))

    # What can be seen from outside

    async def text(self) -> str:
        """Everything a person could read on the page."""
        return str(await self.page.inner_text("body"))

    async def storage(self) -> str:
        """What the page keeps in the browser, its address, title and history."""
        return str(
            await self.page.evaluate(
                "() => JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, document.title,"
                " history.state, history.length])"
            )
        )

    async def level(self, hertz: int) -> float:
        """How loud this frequency is in the received audio, in dB."""
        return float(await self.page.evaluate(LEVEL, hertz))

    async def hears(self, hertz: int, within: float = 10.0) -> float:
        """The level of a tone, once it is loud. Raises ProtocolError when it does not come."""
        deadline = time.monotonic() + within
        while (level := await self.level(hertz)) < LOUD_DB:
            if time.monotonic() > deadline:
                raise ProtocolError(f"the agent's browser hears no {hertz} Hz within {within:g} s ({level:.0f} dB)")
            await asyncio.sleep(0.1)
        return level

    async def transport(self) -> dict[str, Any]:
        """What the browser says of its media: DTLS state and version, SRTP suite, packets received, and the types of
        the ICE candidates in use ("host", "prflx", "relay")."""
        return dict(await self.page.evaluate(TRANSPORT))

    async def csrf(self) -> str:
        """The session's CSRF token, as the page's own script asks for it; "" when signed out."""
        ask = "async () => { const a = await fetch('/api/me'); return a.ok ? (await a.json()).csrf : ''; }"
        return str(await self.page.evaluate(ask))

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """A request of the page's own origin with its cookie and CSRF token: (status, body)."""
        answer = await self.page.evaluate(
            """async ([method, path, body, csrf]) => {
              const headers = { "X-CSRF-Token": csrf, "Content-Type": "application/json" };
              const content = body === null ? undefined : JSON.stringify(body);
              const answer = await fetch(path, { method, headers, body: content });
              return [answer.status, await answer.text()];
            }""",
            [method, path, body, await self.csrf()],
        )
        return int(answer[0]), str(answer[1])

    async def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=str(path), full_page=True)


def _trust(home: Path, ca: Path) -> None:
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True, exist_ok=True)
    database = f"sql:{store}"
    for arguments in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "quietline", "-i", str(ca))):
        subprocess.run(("/usr/bin/certutil", "-d", database, *arguments), check=True, capture_output=True, timeout=30)  # noqa: S603


def write_tone(path: Path, hertz: int, seconds: int = 10, rate: int = 48_000) -> None:
    """A WAV that loops without a seam: whole seconds of a whole number of waves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (int(12_000 * math.sin(2 * math.pi * hertz * place / rate)) for place in range(rate * seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", each) for each in samples))
