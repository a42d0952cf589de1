"""A whole vault in this process, on a real socket with real files: `async with VaultHouse(folder) as house`.

The edge and the code channel are this package's; the ledger is the real one unless a `MemoryLedger` is wanted.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from quietline.clock import Clock, SystemClock
from quietline.config import Config, Controller, Paths, Store, Trunk, Users, Vault
from quietline.ledger.ports import BodySealer, Durability
from quietline.sealed import Sealed
from quietline.testing.stir import MemoryCertificates
from quietline.testing.vault import MemoryCodeChannel, MemoryEdge, MemoryLedger
from quietline.vault.client import AdminVaultClient, CallVaultClient, DeskVaultClient
from quietline.vault.open_ledger import open_ledger
from quietline.vault.people_client import PeopleVaultClient
from quietline.vault.schema import DataClass
from quietline.vault.service import VaultService
from quietline.vault.unsealed import LedgerMaker, World

PASSPHRASE = Sealed("correct horse battery staple")
PASSWORD = "a long enough password"  # noqa: S105 - of a fictional agent
STORE_NUMBER = "+442079460100"
FRANCHISE_NUMBER = "+442079460200"
ANA_NUMBER = "+442079460001"
ANA = {
    "key": "C-1001",
    "controller": "brand",
    "fields": {
        "contact.name": "Ana Example",
        "contact.phone": "020 7946 0001",
        "contact.email": "ana@example.com",
        "delivery.address": "1 Test Lane, London",
    },
    "orders": [
        {"order.reference": "QL-10441", "order.status": "delivered", "order.items": "a lamp", "order.total": "£20"},
        {"order.reference": "QL-10442", "order.status": "on its way", "order.items": "a kettle", "order.total": "£31"},
    ],
}


def vault_config(folder: Path, users: Users | None = None, **vault: Any) -> Config:
    """Two stores of two controllers, one named trunk; argon2id at OWASP's least."""
    limits = {
        "second_factor_roles": (),
        "argon2_memory_kib": 19_456,
        "argon2_passes": 2,
        "ledger_wait_seconds": 5.0,
        **vault,
    }
    return Config(
        paths=Paths(state=folder / "state", run=folder / "run", log=folder / "log"),
        users=users or Users("", "", "", "", ""),
        controller=Controller(wrap_up_seconds=30.0),
        vault=Vault(**limits),
        trunks=(Trunk("carrier-a", addresses=("192.0.2.1",), country="GB"),),
        stores=(
            Store("high-street", "High Street", (STORE_NUMBER,)),
            Store("station", "Station", (FRANCHISE_NUMBER,), controller="franchise-a"),
        ),
    )


class VaultHouse:
    """The vault and everybody around it. `me`: this process may ask everything, being every side's user."""

    def __init__(
        self, folder: Path, memory_ledger: MemoryLedger | None = None, disk: Durability | None = None, **vault: Any
    ) -> None:
        self.config = vault_config(folder, **vault)
        self.leg_key = os.urandom(32)
        self.edge = MemoryEdge(self.leg_key)
        self.channel = MemoryCodeChannel()
        self.ledger = memory_ledger
        self.disk = disk
        self.clock: Clock = SystemClock()
        self.with_channel = True
        self.certificates = MemoryCertificates()  # of carriers who sign, where `stir` names roots
        for path in (self.config.paths.state / "vault", self.config.paths.vault_socket.parent):
            path.mkdir(parents=True, exist_ok=True)

    # -- starting and stopping

    async def __aenter__(self) -> Self:
        await self.start()
        await self.admin.init(PASSPHRASE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, passphrase: Sealed[str] | None = None) -> None:
        """Serve; locked unless a passphrase is given."""
        channel = self.channel if self.with_channel else None
        world = World(
            self.config,
            self.clock,
            self.leg_key,
            self.edge,
            self.edge,
            channel,
            self._ledger_maker(),
            self.certificates,
        )
        self.service = VaultService(world)
        self.serving = asyncio.create_task(self.service.run(passphrase))
        socket = self.config.paths.vault_socket
        self.calls, self.desk, self.admin = CallVaultClient(socket), DeskVaultClient(socket), AdminVaultClient(socket)
        self.people = PeopleVaultClient(socket)
        for _ in range(400):
            if socket.exists() and (passphrase is None or not self.service.locked or self.serving.done()):
                break
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        for client in (self.calls, self.desk, self.admin, self.people):
            await client.close()
        self.serving.cancel()
        await asyncio.wait({self.serving}, timeout=10)
        self.config.paths.vault_socket.unlink(missing_ok=True)

    async def restart(self) -> None:
        """As after a crash or an upgrade, with an attended or unattended unseal."""
        await self.stop()
        await self.start(PASSPHRASE)

    def _ledger_maker(self) -> LedgerMaker:
        memory = self.ledger
        if memory is None:
            return partial(open_ledger, durability=self.disk)

        @asynccontextmanager
        async def make(config: Config, seed: bytes, sealer: BodySealer, clock: Clock) -> AsyncIterator[MemoryLedger]:
            yield memory

        return make

    # -- people and calls

    async def agent(self, login: str = "eva", certificates: tuple[str, ...] = tuple(DataClass), **more: Any) -> str:
        """An agent with current certificates; the token."""
        account = {"login": login, "name": "Eva Example", "password": PASSWORD, "store": "high-street", **more}
        agent = str((await self.admin.call("staff_add", **account))["agent"])
        for data_class in certificates:
            await self.admin.call("certify", agent=agent, data_class=data_class, until=time.time() + 86_400)
        return agent

    async def signed_in(self, login: str = "eva") -> str:
        """A session's token."""
        token, _ = await self.desk.sign_in(login, Sealed(PASSWORD), "192.0.2.7")
        return token

    def caller_leg(self, number: str = ANA_NUMBER, **fields: str) -> Sealed[str]:
        """A caller's leg, signed by the edge."""
        known = {"at": str(int(time.time())), "trunk": "carrier-a", "grade": "tls-srtp", "privacy": "0"}
        return self.edge.sign("caller", **{**known, "caller": number, "dialled": STORE_NUMBER, **fields})

    def agent_leg(self, agent: str, **fields: str) -> Sealed[str]:
        return self.edge.sign("agent", **{"at": str(int(time.time())), "agent": agent, "tt": "t1", **fields})

    async def call(self, agent: str, number: str = ANA_NUMBER, **fields: str) -> Connected:
        """A call from arrival to answer."""
        header = self.caller_leg(number, **fields)
        await self.calls.arrive(header)
        match = await self.calls.match(header)
        agent_header = self.agent_leg(agent)
        grant = await self.calls.connect(match.leg, agent_header)
        return Connected(self, match.leg, grant, header, agent_header)

    async def step_up(self, leg: str) -> int:
        """Send a code, and key in what the caller's phone got."""
        await self.calls.send_code(leg)
        for _ in range(200):
            if self.channel.sent:
                break
            await asyncio.sleep(0.01)
        _, text, ticket = self.channel.sent.pop()
        code = "".join(char for char in text.open(ticket).split(".")[0] if char.isdigit())
        return await self.calls.check_code(leg, Sealed(code))


class Connected:
    """A call under way."""

    def __init__(
        self, house: VaultHouse, leg: str, grant: str, caller_header: Sealed[str], agent_header: Sealed[str]
    ) -> None:
        self.house, self.leg, self.grant = house, leg, grant
        self.caller_header, self.agent_header = caller_header, agent_header

    async def hangs_up(self) -> None:
        """The edge knows it at once, then the controller says so."""
        self.house.edge.hang_up(self.caller_header)
        await self.house.calls.hang_up(self.leg)
