"""What the edge's tests stand around it: a real Kamailio on free ports, phones toward it, and a responder in the
controller's place (`sip_wire.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from quietline.config import Config, Controller, Edge, Paths, Trunk, Users
from quietline.errors import QuietlineError
from quietline.legs import HEADER, LegTicket, verify_leg
from quietline.telephony.certificates import ensure_certificates
from quietline.telephony.edge import EdgeRpc, edge_command, rpc_socket, write_edge
from quietline.testing.ports import free_ports
from quietline.testing.sip_wire import SDP, FakeController, Message, Peer, Request, StreamPeer, UdpPeer, WsPeer

TRUNKS = (
    Trunk("carrier-a", certificate_name="carrier-a.example"),
    Trunk("clear", addresses=("127.0.0.9",), cleartext=True, invites_per_second=1_000, max_calls=1_000),
    Trunk("carrier-d", digest_user="digcarrier"),
    Trunk("by-address", addresses=("127.0.0.16/28",), dialled_from="to"),
    Trunk("forwarder", addresses=("127.0.0.32/32",), dialled_from="diversion"),
    Trunk("small", addresses=("127.0.0.33",), max_calls=2),
    Trunk("slow", addresses=("127.0.0.34",), invites_per_second=2),
)


def edge_config(folder: Path, **edge: object) -> Config:
    """A configuration on free ports below `folder`, run as whoever runs the tests."""
    tls, trunk, wss, clear, internal, sip = free_ports(6)
    ports = Edge(tls_port=tls, trunk_port=trunk, wss_port=wss, cleartext_port=clear, internal_port=internal)
    return Config(
        paths=Paths(folder / "state", folder / "run", folder / "log"),
        users=Users("", "", "", "", ""),
        edge=replace(ports, **edge),  # type: ignore[arg-type]
        controller=Controller(sip_port=sip),
        trunks=TRUNKS,
    )


class RealEdge:
    """A Kamailio of our own, its RPC and the fake controller."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.leg_key = secrets.token_bytes(32)
        self.rpc = EdgeRpc(rpc_socket(config))
        self.controller = FakeController(("127.0.0.1", config.edge.internal_port))
        self.log = config.paths.log / "edge.log"
        self.process: asyncio.subprocess.Process | None = None
        self._peers: list[StreamPeer | UdpPeer] = []

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.config.paths.state / "ca" / "ca.pem"))

    async def start(self, debug: int = -2) -> None:
        """Files, certificates, process; returns once RPC answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        ensure_certificates(self.config)
        write_edge(self.config, self.leg_key, debug=debug)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *edge_command(self.config), stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(100):
            if rpc_socket(self.config).exists():
                with contextlib.suppress(QuietlineError):
                    await self.rpc.instance()
                    return
            await asyncio.sleep(0.1)
        raise AssertionError(f"the edge did not start: {self.log.read_text()[-2000:]}")

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the main process; its children go with it (killed by process group, for kill -9 leaves them)."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if kill:
                os.killpg(process.pid, 9)
            else:
                process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 8)
        except TimeoutError:
            os.killpg(process.pid, 9)
            await process.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def open_controller(self) -> FakeController:
        """The stand-in for the controller, listening where the edge looks for it."""
        await self.controller.open(("127.0.0.1", self.config.controller.sip_port))
        return self.controller

    async def phone(self, source: str | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None) -> StreamPeer:
        """A phone on TLS."""
        peer = await StreamPeer().open("127.0.0.1", port or self.config.edge.tls_port, tls or self.tls, source)
        self._peers.append(peer)
        return peer

    async def browser(self, source: str | None = None, origin: str | None = "https://quietline.local") -> WsPeer:
        """A browser's signalling socket."""
        peer = WsPeer(origin)
        await peer.open("127.0.0.1", self.config.edge.wss_port, self.tls, source)
        self._peers.append(peer)
        return peer

    async def cleartext(self, source: str = "127.0.0.9") -> UdpPeer:
        """A UDP peer; 127.0.0.9 is the trunk named cleartext."""
        peer = await UdpPeer(("127.0.0.1", self.config.edge.cleartext_port)).open((source, 0))
        self._peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        if self.controller.host:
            await self.controller.close()
        self.rpc.close()
        await self.stop()


@contextlib.asynccontextmanager
async def real_edge(folder: Path, **edge: object) -> AsyncIterator[RealEdge]:
    """A running edge with its controller; everything is stopped at the end."""
    running = RealEdge(edge_config(folder, **edge))
    try:
        await running.start()
        await running.open_controller()
        yield running
    finally:
        await running.close()


async def forget(edge: RealEdge) -> None:
    """Between tests that share an edge: nothing in the controller's inbox, its answer 200 with SDP, no ban."""
    await asyncio.sleep(0)
    controller = edge.controller
    while not controller.inbox.empty():
        controller.inbox.get_nowait()
    controller.code, controller.extra, controller.body = 200, "", SDP
    for address in await edge.rpc.bans():
        await edge.rpc.unban(address)


async def call(peer: Peer, request: Request, wait: float = 8.0) -> Message:
    """Send it; its final answer."""
    await peer.send(request.text(peer))
    return await peer.final(wait)


async def hang_up(peer: Peer, request: Request, answered: Message) -> None:
    """ACK and BYE for a call that was answered."""
    await peer.send(request.within(answered, "ACK", request.cseq).text(peer))
    ended = await call(peer, request.within(answered, "BYE", request.cseq + 1))
    if ended.code != 200:
        raise AssertionError(f"BYE was answered {ended.start}")


def ticket_of(edge: RealEdge, message: Message) -> LegTicket:
    """The one ticket of this message, verified."""
    (header,) = message.all(HEADER)
    return verify_leg(header, edge.leg_key)


async def ticket_for(edge: RealEdge, peer: Peer, request: Request) -> LegTicket:
    """The ticket that reached the controller for this call, which is then ended."""
    answered = await call(peer, request)
    if answered.code != 200:
        raise AssertionError(f"the call was answered {answered.start}")
    arrived = await edge.controller.request("INVITE")
    await hang_up(peer, request, answered)
    return ticket_of(edge, arrived)
