"""A whole Quietline on this machine, run as a user would run it: the real supervisor and every real part.

The demo, `quietline up --sample`, the integration tests and the benches all start it here, and ask it from outside.

    async with Site(sample_config(folder)) as site:
        await site.set_up()
        ...
"""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from quietline.config import Config, Controller, Edge, Paths, Queue, Relay, Store, Trunk, Users, Vault, Web
from quietline.config_file import dump
from quietline.errors import ConfigError, QuietlineError, Unavailable
from quietline.sealed import Sealed
from quietline.telephony.certificates import issue_trunk
from quietline.telephony.private_files import owner_ids, write_private
from quietline.testing.code_gateway import CodeGateway
from quietline.testing.ports import free_ports
from quietline.testing.sample import Chain, sample_chain
from quietline.testing.wire import Edge as PhoneEdge
from quietline.vault.client import AdminVaultClient
from quietline.wire import WireClient

READY_WAIT = 60.0  # seconds, first start on a slow machine with prompts to make
STOP_WAIT = 30.0
PATIENT = 30.0  # seconds: on a machine that tests share, being late is no reason to refuse a call
BATCH = 100  # customers an import call
DAY = 86_400.0
TRUNK = "carrier-a"
TRUNK_CERTIFICATE = "carrier-a.example"

STORES = (
    Store("north", "Northgate", ("+442079460101",)),
    Store("harbour", "Harbour Street", ("+442079460102",)),
    Store("mill", "Old Mill", ("+442079460103",)),
    Store("hub", "Service hub", ("+442079460100",)),
)
QUEUES = (
    Queue("orders", "Orders", "1", ("orders",), "invoice", "order_status", "your order"),
    Queue("returns", "Returns and refunds", "2", ("returns",), "invoice", "return_refund", "a return or refund"),
    Queue("advice", "Product advice", "3", ("advice",), "invoice", "product_advice"),
)


def sample_config(folder: Path, addresses: tuple[str, ...] = ("127.0.0.1",), *, own_users: bool = True) -> Config:
    """The fictional chain on free ports, all of its files below `folder`. `own_users`: needs root and `make setup`."""
    tls, trunk, wss, clear, internal, sip, ng, digits, web, gateway = free_ports(10)
    return Config(
        paths=Paths(folder / "state", folder / "run", folder / "log"),
        users=Users() if own_users else Users("", "", "", "", ""),
        edge=Edge(
            addresses=addresses,
            tls_port=tls,
            trunk_port=trunk,
            wss_port=wss,
            cleartext_port=clear,
            internal_port=internal,
        ),
        relay=Relay(interfaces=addresses, ng_port=ng, digits_port=digits),
        controller=Controller(sip_port=sip, busy_after=PATIENT),
        vault=Vault(code_gateway=f"http://127.0.0.1:{gateway}/messages"),
        web=Web(addresses=addresses, port=web),
        trunks=(Trunk(TRUNK, certificate_name=TRUNK_CERTIFICATE),),
        stores=STORES,
        queues=QUEUES,
    )


@dataclass(slots=True)
class Site:
    """The running product. Start and stop it with `async with`; everything below is asked through its public sides."""

    config: Config
    passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    gateway_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    chain: Chain = field(default_factory=sample_chain)
    agents: dict[str, str] = field(default_factory=dict)  # login -> agent token
    passwords: dict[str, str] = field(default_factory=dict, repr=False)  # login -> password
    process: asyncio.subprocess.Process | None = None

    # Starting and stopping

    @property
    def folder(self) -> Path:
        return self.config.paths.state.parent

    async def __aenter__(self) -> Site:
        try:
            await self.start()
        except BaseException:  # a start that failed or was given up leaves no process behind either
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def config_path(self) -> Path:
        return self.folder / "quietline.toml"

    def write_files(self) -> None:
        """The configuration file, and the gateway's token for the vault's eyes."""
        for folder in (self.config.paths.log, self.config.paths.state / "vault"):
            folder.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(dump(self.config))
        token = self.config.paths.state / "vault" / "gateway.token"
        write_private(token, self.gateway_token.encode(), 0o400, owner_ids(self.config.users.vault))

    async def start(self) -> None:
        """Start the supervisor as a command of its own and wait until every part answers."""
        self.write_files()
        with (self.config.paths.log / "supervisor.log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "quietline.cli", "run", "--config", str(self.config_path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        assert self.process.stdin
        self.process.stdin.write(f"{self.passphrase}\n".encode())
        self.process.stdin.close()
        await self.ready()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not heed."""
        if self.process is None or self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_WAIT)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def ready(self, within: float = READY_WAIT) -> None:
        """Wait until each part answers. Raises Unavailable naming the part and where its log is."""
        for name, answers in self._questions().items():
            if not await _becomes_true(answers, within, self.process):
                raise Unavailable(f"{name} does not answer; see {self.config.paths.log / name}.log")

    def _questions(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        return {
            "vault": lambda: self._asked(self.config.paths.vault_socket, "status"),
            "edge": lambda: self._connects(self.config.edge.tls_port),
            "controller": lambda: self._asked(self.config.paths.controller_socket, "floor"),
            "web": lambda: self._connects(self.config.web.port),
        }

    async def _asked(self, socket: Path, operation: str) -> bool:
        client = WireClient(socket, timeout=2.0)
        try:
            await client.call(operation)
        except QuietlineError:
            return False
        finally:
            await client.close()
        return True

    async def _connects(self, port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.config.edge.addresses[0], port, ssl=self.tls())
        except OSError:
            return False
        writer.close()
        return True

    # Filling

    async def set_up(self) -> None:
        """Make the vault's key and load the fictional chain: customers, staff, certificates."""
        vault = self.admin()
        try:
            await vault.init(Sealed(self.passphrase))
            customers = self.chain.customers
            for start in range(0, len(customers), BATCH):
                await vault.import_customers([each.as_import() for each in customers[start : start + BATCH]])
            for person in self.chain.staff:
                await self._hire(vault, person)
        finally:
            await vault.close()

    async def _hire(self, vault: AdminVaultClient, person: Any) -> None:
        password = self.passwords.setdefault(person.login, secrets.token_urlsafe(12))
        answer = await vault.call(
            "staff_add",
            login=person.login,
            name=person.name,
            password=password,
            role=person.role,
            store=person.store,
            skills=person.as_skills(),
        )
        self.agents[person.login] = answer["agent"]
        for data_class, days in person.certificates.items():
            until = time.time() + days * DAY
            await vault.call("certify", agent=answer["agent"], data_class=data_class, until=until)

    async def apply(self, chain: Path) -> str:
        """Put a chain file in force, by `quietline apply`; what it said. Raises ConfigError with its words."""
        words = ("apply", str(chain), "--yes", "--config", str(self.config_path))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "quietline.cli", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), READY_WAIT)
        if process.returncode:
            raise ConfigError(output.decode().strip())
        return output.decode()

    # Asking

    def admin(self) -> AdminVaultClient:
        """Root's side of the vault."""
        return AdminVaultClient(self.config.paths.vault_socket)

    def desk(self) -> WireClient:
        """The controller's socket, as root."""
        return WireClient(self.config.paths.controller_socket)

    async def lives(self) -> dict[str, dict[str, int]]:
        """Process id and number of starts of each part, by the supervisor's word."""
        client = WireClient(self.config.paths.supervisor_socket)
        try:
            return await client.call("status")
        finally:
            await client.close()

    async def kill(self, part: str, signal: int = 9) -> int:
        """Send a signal to a part's process; the process id it had."""
        pid = (await self.lives())[part]["pid"]
        os.kill(pid, signal)
        return pid

    @property
    def ca(self) -> Path:
        """The local CA's certificate: what phones and browsers must trust."""
        return self.config.paths.state / "ca" / "ca.pem"

    def tls(self) -> ssl.SSLContext:
        """A client context that trusts the local CA only."""
        context = ssl.create_default_context(cafile=str(self.ca)) if self.ca.exists() else ssl.create_default_context()
        context.check_hostname = False  # reached by address here; the certificate is still verified
        return context

    def gateway(self) -> CodeGateway:
        """The text-message carrier that the vault posts codes to; enter it with `async with`."""
        return CodeGateway(self.gateway_token, int(self.config.vault.code_gateway.split(":")[2].split("/")[0]))

    def trunk(self, host: str = "127.0.0.1") -> PhoneEdge:
        """How the named carrier reaches the edge: mutual TLS."""
        certificate, key = self.trunk_certificate()
        edge = self.config.edge
        return PhoneEdge(host, edge.trunk_port, domain=edge.realm, ca=self.ca, certificate=certificate, key=key)

    def public(self, host: str = "127.0.0.1") -> PhoneEdge:
        """How any phone reaches the edge: TLS without a client certificate."""
        edge = self.config.edge
        return PhoneEdge(host, edge.tls_port, domain=edge.realm, ca=self.ca)

    @property
    def url(self) -> str:
        """The desk's origin."""
        return f"https://{self.config.edge.realm}:{self.config.web.port}"

    def trunk_certificate(self, name: str = TRUNK_CERTIFICATE) -> tuple[Path, Path]:
        """A carrier's client certificate and key as PEM files, issued now by the local CA."""
        issued = issue_trunk(self.config, name)
        folder = self.folder / "carrier"
        folder.mkdir(exist_ok=True)
        certificate, key = folder / "cert.pem", folder / "key.pem"
        certificate.write_bytes(issued.certificate_pem)
        key.write_bytes(issued.key_pem)
        return certificate, key

    def with_settings(self, **sections: Any) -> Site:
        """This site with other settings, before it is started: `with_settings(controller={"ring_seconds": 2.0})`."""
        changed = {name: replace(getattr(self.config, name), **values) for name, values in sections.items()}
        self.config = replace(self.config, **changed)
        return self


async def _becomes_true(
    answers: Callable[[], Awaitable[Any]], within: float, process: asyncio.subprocess.Process | None
) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not (process and process.returncode is not None):
        if await answers():
            return True
        await asyncio.sleep(0.1)
    return False
