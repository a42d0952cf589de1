"""A whole product for the benches: started, filled with agents and customers, its CPU by the kernel's own account."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from quietline.config import Config, Controller, Queue, Trunk
from quietline.errors import Unavailable
from quietline.sealed import Sealed
from quietline.telephony.edge import rpc_socket
from quietline.telephony.edge_rpc import EdgeRpc
from quietline.testing.site import TRUNK_CERTIFICATE, Site, sample_config
from quietline.vault.schema import DataClass

HERE = Path(__file__).resolve().parent
CLEAR = "127.0.0.9"  # the source of the trunk that is named cleartext
DIALLED = "+442079460101"
PARTS = ("vault", "relay", "edge", "controller", "web")
TICK = os.sysconf("SC_CLK_TCK")


def bench_config(folder: Path, **controller: Any) -> Config:
    """One queue (no menu), no notice, limits out of the way; everything else as shipped.

    Passwords are hashed with little memory: it shortens the set-up and is no part of a call.
    """
    config = sample_config(folder)
    wide = {"max_calls": 10_000, "invites_per_second": 5_000}
    return replace(
        config,
        edge=replace(config.edge, invites_per_second=5_000),
        controller=replace(
            config.controller,
            **{"notice": False, "wrap_up_seconds": 0.01, "max_calls": 10_000, "busy_after": Controller().busy_after}
            | controller,
        ),
        vault=replace(
            config.vault,
            argon2_memory_kib=19_456,
            argon2_passes=2,
            opens_per_leg=10**6,
            opens_per_minute=10**6,
            opens_per_day=10**6,
            opens_in_all=10**6,
        ),
        trunks=(
            Trunk("carrier-a", certificate_name=TRUNK_CERTIFICATE, **wide),  # type: ignore[arg-type]
            Trunk("clear", addresses=(CLEAR,), cleartext=True, **wide),  # type: ignore[arg-type]
        ),
        queues=(Queue("orders", "your order", "1", ("orders",), "invoice", "order_status"),),
    )


class Stage(Site):
    """A `Site` whose supervisor may run a plainer part; `without` as in parts.py."""

    without: frozenset[str] = frozenset()

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.phones: list[tuple[str, str]] = []  # user and password at the edge

    async def start(self) -> None:
        self.write_files()
        with (self.config.paths.log / "supervisor.log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(HERE / "parts.py"), "run", str(self.config_path), ",".join(self.without)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        assert self.process.stdin
        self.process.stdin.write(f"{self.passphrase}\n".encode())
        self.process.stdin.close()
        await self.ready()

    async def populate(self, agents: int) -> None:
        """The fictional chain's customers, once, and so many agents with phones of their own."""
        vault = self.admin()
        if not self.phones:
            await vault.init(Sealed(self.passphrase))
            await vault.import_customers([each.as_import() for each in self.chain.customers])
        while (await vault.status())["locked"]:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)
        for first in range(len(self.phones), agents, 16):
            numbers = range(first, min(first + 16, agents))
            self.phones += await asyncio.gather(*(self._hire_agent(vault, number) for number in numbers))
        staff = [
            {"agent": user, "skills": ["orders"], "certificates": {"invoice": time.time() + 9e4}, "store": "hub"}
            for user, _ in self.phones
        ]
        (self.folder / "staff.json").write_text(json.dumps(staff))
        await vault.close()

    async def _hire_agent(self, vault: Any, number: int) -> tuple[str, str]:
        login = f"agent{number}"
        self.passwords[login] = f"a long pass phrase {number}"
        account = {"login": login, "name": "Eva Example", "password": self.passwords[login], "store": "hub"}
        agent = (await vault.call("staff_add", **account, skills=["orders"]))["agent"]
        for data_class in DataClass:
            await vault.call("certify", agent=agent, data_class=data_class, until=time.time() + 9e4)
        self.agents[login] = agent
        phone = await vault.call("phone_issue", agent=agent)
        return str(phone["user"]), str(phone["password"])

    async def staff_known(self) -> None:
        """Wait until routing knows every agent."""
        desk = self.desk()
        for _ in range(100):
            counts = (await desk.call("floor"))["agents"]
            if sum(counts.values()) >= len(self.phones):
                break
            await asyncio.sleep(0.1)
        await desk.close()

    async def all_ready(self) -> None:
        desk = self.desk()
        for user, _ in self.phones:
            await desk.call("state", agent=user, state="ready", phone="sip")
        await desk.close()

    async def pids(self) -> dict[str, list[int]]:
        return {name: family(life["pid"]) for name, life in (await self.lives()).items()}

    # The generator's processes

    @property
    def carrier(self) -> dict[str, Any]:
        """The named trunk: mutual TLS, SRTP."""
        certificate, key = self.trunk_certificate()
        edge = self.config.edge
        files = {"ca": str(self.ca), "certificate": str(certificate), "key": str(key)}
        return {"host": "127.0.0.1", "port": edge.trunk_port, "srtp": True, **files}

    @property
    def clear(self) -> dict[str, Any]:
        """The trunk that is named cleartext: UDP, RTP."""
        edge = self.config.edge
        return {"host": "127.0.0.1", "port": edge.cleartext_port, "source": CLEAR, "srtp": False, "connections": 4}

    async def callers(self, where: dict[str, Any]) -> Generator:
        numbers = [each.phone for each in self.chain.customers]
        return await Generator.start("callers", {"where": where, "numbers": numbers, "dialled": DIALLED})

    async def agents_answer(self, *, tls: bool = True) -> Generator:
        """The agents' phones: registered over TLS as the product wants, or put at a UDP address by the edge's RPC."""
        edge = self.config.edge
        if tls:
            where = {"host": "127.0.0.1", "port": edge.tls_port, "ca": str(self.ca), "connections": 2}
            return await Generator.start("phones", {"where": where, "people": self.phones, "realm": edge.realm})
        where = {"host": "127.0.0.1", "port": edge.internal_port}
        phones = await Generator.start("phones", {"where": where})
        rpc = EdgeRpc(rpc_socket(self.config))
        for user, _ in self.phones:
            contact = f"sip:{user}@127.0.0.1:{phones.port}"
            await rpc.call("ul.add", "location", user, contact, "3600", "1.0", ".", "0", "0", "65535")
        rpc.close()
        return phones


@dataclass(slots=True)
class Generator:
    """One process of load.py; ask it with `order`."""

    process: asyncio.subprocess.Process
    port: int = 0
    stopped: bool = field(default=False)

    @classmethod
    async def start(cls, role: str, setting: dict[str, Any], script: str = "load.py") -> Generator:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / script), role),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        made = cls(process)
        made.port = int((await made.order(setting)).get("port", 0))
        return made

    async def order(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        answer = await self.process.stdout.readline()
        if not answer:
            raise Unavailable("the load generator ended")
        return dict(json.loads(answer))

    async def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 10)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def generators(*made: Generator) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for each in made:
            await each.stop()


# -- CPU and memory


def family(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time so far (proc(5), fields 14 and 15)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_bytes(pids: list[int]) -> int:
    """Proportional set size: shared pages are counted once over a family."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * 1024


@dataclass(slots=True)
class Spent:
    """CPU milliseconds by part since it was made."""

    pids: dict[str, list[int]]
    begun: dict[str, float] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)


@contextmanager
def spending(pids: dict[str, list[int]]) -> Iterator[Spent]:
    spent = Spent(pids, {name: cpu_seconds(each) for name, each in pids.items()})
    yield spent
    spent.found = {name: (cpu_seconds(each) - spent.begun[name]) * 1e3 for name, each in pids.items()}


def load_average() -> float:
    return os.getloadavg()[0]
