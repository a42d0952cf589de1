"""The whole product under test, and the people around it: agents with desk phones and pages, customers on a trunk.

    async with product({"controller": {"ring_seconds": 2.0}}) as shop, shop.agent("mia") as mia:
        async with shop.caller() as caller:
            call = await shop.talk(caller, mia)

Everything is real: supervisor, Kamailio, rtpengine, vault, ledger, SIP over TLS, SRTP. One `Shop` serves a module.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.clock import SystemClock
from quietline.config import Config
from quietline.errors import ProtocolError, QuietlineError
from quietline.ledger.log import open_log
from quietline.ledger.ports import Entry
from quietline.live.controller import FLOOR_RECORD
from quietline.live.journal import calls_in
from quietline.telephony.edge import rpc_socket
from quietline.telephony.edge_rpc import EdgeRpc
from quietline.telephony.ng import NgClient
from quietline.testing.agent_phone import SimulatedAgentPhone
from quietline.testing.caller import Person, SimulatedCaller, stays_deaf
from quietline.testing.code_gateway import CodeGateway
from quietline.testing.digest import Credentials
from quietline.testing.far_leg import FarLeg
from quietline.testing.remote_desk import RemoteDesk
from quietline.testing.rtp import RtpEndpoint
from quietline.testing.sample import Customer
from quietline.testing.site import Site, sample_config
from quietline.vault import kms_file
from quietline.vault.bodies import Bodies
from quietline.vault.keys import Keyring, open_keys_database

STORE = "+442079460101"
CALLERS_TONE, NOBODYS_TONE = 610, 1_270  # Hz
TONES = {"mia": 890, "noor": 1_090, "tomos": 1_390, "wren": 970, "ivo": 730, "bea": 1_510}
FAINT = 300.0  # amplitude; a tone that is there measures about 8,000
ORDER, PHONE = "order.status", "contact.phone"
QUICK: dict[str, dict[str, Any]] = {
    "controller": {"notice": False, "ring_seconds": 3.0, "wrap_up_seconds": 1.0},
    "vault": {"argon2_memory_kib": 19_456, "argon2_passes": 2},
}
LONG = 20.0  # seconds: the promise for a dead peer (corrections, Media), and what any step here may take
Found = TypeVar("Found")


async def becomes(question: Callable[[], Awaitable[Found]], what: str, within: float = LONG) -> Found:
    """Ask until the answer is truthy; that answer. Raises AssertionError naming what never came true."""
    deadline = time.monotonic() + within
    while not (answer := await question()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)
    return answer


@dataclass(slots=True)
class Agent:
    """One agent at work: a registered desk phone (TLS, SRTP) and a page that listens."""

    login: str
    token: str
    credentials: Credentials
    phone: SimulatedAgentPhone
    desk: RemoteDesk

    @property
    def tone(self) -> int:
        return TONES[self.login]

    async def view(self) -> dict[str, Any]:
        """The page's own view; {} while the desk cannot tell."""
        with suppress(OSError, Exception):
            status, body = await self.desk.get("/api/state")
            return dict(json.loads(body)) if status == 200 else {}
        return {}

    async def reaches(self, state: str, within: float = LONG, **wanted: Any) -> dict[str, Any]:
        """Wait until the page says this state (and these values); the view."""

        async def there() -> dict[str, Any]:
            view = await self.view()
            return view if view.get("state") == state and wanted.items() <= view.items() else {}

        try:
            return await becomes(there, f"{self.login} is {state} {wanted or ''}", within)
        except AssertionError as error:
            raise AssertionError(f"{error}; is {await self.view()}") from None

    async def ready(self) -> None:
        """Say ready (again, as after a missed call) on the desk phone."""
        await self._wishes("ready")

    async def away(self) -> None:
        await self._wishes("away")

    async def _wishes(self, state: str) -> None:
        status, _ = await self.desk.post("/api/state", {"state": state, "phone": "sip"})
        assert status < 300, status

    async def looks(self, call: str, name: str = ORDER, reason: str = "order_status") -> tuple[int, str]:
        """Ask for one field; status and body."""
        return await self.desk.post(f"/api/calls/{call}/fields/{name}", {"reason": reason})


@dataclass(slots=True)
class Shop:
    """The running product and how the tests ask it."""

    site: Site
    gateway: CodeGateway
    edge: EdgeRpc
    ng: NgClient
    _lasting: dict[str, Credentials] = field(default_factory=dict)

    # People

    @asynccontextmanager
    async def agent(self, login: str, ready: bool = True, **phone: Any) -> AsyncIterator[Agent]:
        """An agent at work. On leaving: offline, and the phone is gone."""
        async with AsyncExitStack() as stack:
            credentials = await self._credentials(login)
            device = SimulatedAgentPhone(self.site.public(), credentials, tone=TONES[login], **phone)
            desk = await stack.enter_async_context(RemoteDesk(self.site.url, self.site.ca))
            await stack.enter_async_context(device)
            await device.registers()
            await desk.sign_in(login, self.site.passwords[login])
            agent = Agent(login, credentials.user, credentials, device, desk)
            if ready:
                await desk.ready("sip")
            try:
                yield agent
            finally:
                await self._goes_home(agent)

    async def _credentials(self, login: str) -> Credentials:
        if login not in self._lasting:
            vault = self.site.admin()
            issued = await vault.call("phone_issue", agent=self.site.agents[login])
            await vault.close()
            self._lasting[login] = Credentials(issued["user"], issued["password"])
        return self._lasting[login]

    async def _goes_home(self, agent: Agent) -> None:
        """Hang up, and offline at once; a test that left the controller dead must not hide its own error."""
        if not agent.phone.agent.silent and not agent.phone.agent.wire.lost.is_set():
            for leg in agent.phone.legs:
                leg.hangs_up()
        with suppress(QuietlineError):
            await self.ask("state", agent=agent.token, state="offline", phone="sip")

    def caller(self, person: Person | None = None, *, public: bool = False, **taste: Any) -> SimulatedCaller:
        """A customer of the chain on the named trunk, or (`public`) any phone on the internet."""
        edge = self.site.public() if public else self.site.trunk()
        return SimulatedCaller(edge, person or Person(self.customer().phone), tone=CALLERS_TONE, **taste)

    def customer(self, place: int = 0) -> Customer:
        return self.site.chain.customers[place]

    # Calls

    async def arrives(self, caller: SimulatedCaller, key: str = "1") -> None:
        """Dial the store, be answered, choose from the menu once it is heard, as a person does."""
        await caller.dials(STORE)
        await caller.answered()
        with suppress(AssertionError):  # a relay that is gone says nothing: the key is pressed all the same
            await becomes(lambda: _hears_something(caller), "the menu begins", 3.0)
        await caller.press(key)

    async def talk(self, caller: SimulatedCaller, agent: Agent, **wanted: Any) -> str:
        """A whole call up to the open card, tones heard both ways; the call's id."""
        await self.arrives(caller)
        await self.taken(agent)
        await hear_each_other(caller, agent)
        view = await agent.reaches("on_call", **({"vault": "ok"} | wanted))
        return str(view["call"])

    async def taken(self, agent: Agent, within: float = 10.0) -> FarLeg:
        """The agent's phone rings and answers. Says what the floor looks like when it does not."""
        try:
            return await agent.phone.takes_call(within)
        except QuietlineError as error:
            state = (await agent.view()).get("state")
            raise AssertionError(f"{error}; {agent.login} is {state}, floor {await self.floor()}") from None

    # Asking

    async def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """The controller's socket, as root."""
        desk = self.site.desk()
        try:
            return await desk.call(operation, **fields)
        finally:
            await desk.close()

    async def floor(self) -> dict[str, Any]:
        return await self.ask("floor")

    async def queued(self, count: int) -> None:
        async def there() -> bool:
            return bool((await self.floor())["waiting"] == count)

        await becomes(there, f"{count} calls wait")

    async def relay_calls(self) -> list[str]:
        return list((await self.ng.command("list", limit=1_000)).get("calls", []))

    def journal(self) -> list[str]:
        """Ids of the calls in the controller's journal."""
        path = self.site.config.paths.state / "controller" / "journal"
        return [call for call in calls_in(path) if call != FLOOR_RECORD]

    async def leftovers(self) -> dict[str, Any]:
        """What of calls is still anywhere: empty when every part has let go."""
        left = {
            "relay": await self.relay_calls(),
            "edge": await self.edge.calls(),
            "journal": self.journal(),
            "waiting": (await self.floor())["waiting"],
        }
        return {part: found for part, found in left.items() if found}

    async def nothing_left(self, within: float = LONG) -> None:
        """Wait until relay, edge, journal and queue know no call."""

        async def empty() -> bool:
            return not await self.leftovers()

        try:
            await becomes(empty, "no call is left anywhere", within)
        except AssertionError as error:
            raise AssertionError(f"{error}; {await self.leftovers()}") from None

    # Parts

    async def kill(self, part: str) -> int:
        """kill -9 and wait for the next life; its process id."""
        starts = (await self.site.lives())[part]["starts"]
        await self.site.kill(part)
        return await self.restarted(part, starts)

    async def restarted(self, part: str, starts: int) -> int:
        async def alive() -> int:
            life = (await self.site.lives())[part]
            return life["pid"] if life["starts"] > starts else 0

        pid = await becomes(alive, f"{part} is started again")
        await self.site.ready()
        return pid

    async def unsealed(self) -> None:
        """Wait until the vault has its keys again: it answers before."""

        async def opened() -> bool:
            vault = self.site.admin()
            try:
                return not (await vault.status())["locked"]
            finally:
                await vault.close()

        await becomes(opened, "the vault is unsealed")

    def log(self, part: str) -> str:
        return (self.site.config.paths.log / f"{part}.log").read_text(errors="replace")

    async def ledger(self) -> list[Entry]:
        """Every entry, read as an auditor with the key would: from a copy, while the vault goes on."""
        with tempfile.TemporaryDirectory() as folder:
            await asyncio.to_thread(self._copy_vault, Path(folder))
            return await _entries(Path(folder), self.site.passphrase)

    def _copy_vault(self, to: Path) -> None:
        source = self.site.config.paths.state / "vault"
        shutil.copy(source / "kms.json", to)
        for name in ("keys.db", "ledger.db"):
            with closing(sqlite3.connect(source / name)) as live, closing(sqlite3.connect(to / name)) as copy:
                live.backup(copy)

    async def noted(self, kind: str, within: float = LONG, **fields: Any) -> Entry:
        """Wait for an entry of this kind with these fields."""

        async def found() -> Entry | None:
            entries = [each for each in await self.ledger() if each.kind.value == kind]
            return next((each for each in entries if fields.items() <= dict(each.fields or {}).items()), None)

        return await becomes(found, f"an entry {kind} {fields}", within)  # type: ignore[return-value]


async def _entries(folder: Path, passphrase: str) -> list[Entry]:
    kms = await asyncio.to_thread(kms_file.unseal, folder / "kms.json", passphrase.encode())
    with closing(open_keys_database(folder)) as keys:
        keyring = Keyring(keys, kms)
        key = Ed25519PrivateKey.from_private_bytes(keyring.secret("ledger/signing"))
        log = await open_log(folder / "ledger.db", signer=key, sealer=Bodies(keyring), clock=SystemClock())
        try:
            recorded = [await log.read(index) for index in range(log.size)]
        finally:
            await log.close()
    return [each.entry for each in recorded if each.entry]


async def _hears_something(caller: SimulatedCaller) -> bool:
    return caller.media.counts["received"] > 5


async def hear_each_other(caller: SimulatedCaller, agent: Agent) -> None:
    """Both tones, and not one that nobody makes. Sound of the last 0.4 s only, so an earlier one does not count."""
    await asyncio.gather(caller.hears(agent.tone), agent.phone.hears(CALLERS_TONE))
    await asyncio.gather(caller.hears_no(NOBODYS_TONE, 0.3), agent.phone.hears_no(NOBODYS_TONE, 0.3))


async def falls_silent(media: RtpEndpoint, tone: int, within: float = 5.0) -> None:
    """Wait until this tone is not in the last 0.4 s of what arrived, nor for 0.3 s after."""

    async def silent() -> bool:
        return media.heard(tone, since=time.monotonic() - 0.4) < FAINT

    await becomes(silent, f"{tone} Hz falls silent", within)
    await stays_deaf(media, tone, 0.3)


async def hung_up_on(leg: FarLeg, within: float = LONG) -> None:
    """The far side ended it: a BYE reached this phone."""
    try:
        await asyncio.wait_for(leg.ended.wait(), within)
    except TimeoutError:
        raise ProtocolError(f"no BYE within {within:g} s; the leg is {leg.state}") from None
    assert leg.ended_by == "them", leg.state


@asynccontextmanager
async def product(
    settings: dict[str, dict[str, Any]] | None = None,
    change: Callable[[Config, Path], Config] = lambda config, folder: config,
    **site: Any,
) -> AsyncIterator[Shop]:
    """The product with quick settings, these on top, set up with the fictional chain. `change`: what else is to be
    configured, before it is started; files go into the folder."""
    with tempfile.TemporaryDirectory(prefix="quietline-product-") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # each part's own user passes through
        sections = {key: QUICK.get(key, {}) | (settings or {}).get(key, {}) for key in {*QUICK, *(settings or {})}}
        config = change(site.pop("config", None) or sample_config(folder), folder)
        running = Site(config).with_settings(**sections)
        async with running, running.gateway() as gateway, _kept(folder):
            await running.set_up()
            ng = await NgClient.connect(running.config.relay.ng_port)
            edge = EdgeRpc(rpc_socket(running.config))
            try:
                yield Shop(running, gateway, edge, ng)
            finally:
                ng.close()
                edge.close()


@asynccontextmanager
async def _kept(folder: Path) -> AsyncIterator[None]:
    """The parts' logs, where QUIETLINE_KEEP_LOGS says: a folder for each product."""
    try:
        yield
    finally:
        keep = os.environ.get("QUIETLINE_KEEP_LOGS")
        if keep:
            shutil.copytree(folder / "log", Path(keep) / folder.name)
