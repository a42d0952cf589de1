"""Caller and agent in network namespaces of their own: each sees this host's end of its own cable and nothing else.

    async with NetworkLab() as lab:
        caller = SimulatedCaller(Edge(lab.caller.gateway, 5061, ca=ca), sockets=lab.caller.socket)

Needs root and iproute2. A namespace has one route, to the host's address on its own veth pair (10.231.x.0/30), and
forwards nothing. Everything is removed on exit, after errors too; kill -9 of this process leaves namespaces named
`ql<pid>…`, which `ip netns delete` removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from quietline.errors import ConfigError, QuietlineError

_CLONE_NEWNET = 0x40000000  # sched.h
BLOCK_UDP = """
table inet quietline_block {
  chain in { type filter hook input priority 0; meta l4proto udp drop; }
  chain out { type filter hook output priority 0; meta l4proto udp drop; }
  chain through { type filter hook forward priority 0; meta l4proto udp drop; }
}
"""
MASQUERADE = """
table ip quietline_nat {
  chain post {
    type nat hook postrouting priority 100;
    masquerade
  }
}
"""


class CommandFailed(QuietlineError):
    """A command of the laboratory ended with another code than 0; the text has its first line of complaint."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace. `address` is inside, `gateway` the host's end of the cable."""

    name: str
    address: str
    gateway: str

    def command(self, argv: list[str]) -> list[str]:
        """The argv that runs it inside; `ip netns exec` becomes the program, so the process id is the program's."""
        return ["ip", "netns", "exec", self.name, *argv]

    async def run(self, argv: list[str], within: float = 30.0, given: str = "") -> Ran:
        """Run to its end. Raises TimeoutError, after killing it. The code is the caller's to check."""
        return await _run(self.command(argv), within, given)

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A socket that lives inside while the code that uses it stays outside (a `SocketFactory`).

        A socket keeps the namespace it was made in; a short-lived thread enters it to make one (setns(2)).
        """
        with ThreadPoolExecutor(max_workers=1) as visitor:
            return visitor.submit(_socket_inside, Path("/run/netns", self.name), family, kind).result()

    async def block_udp(self) -> None:
        """From now on no UDP in or out, as in an office that allows web traffic only. Raises CommandFailed."""
        await _must(self.command(["nft", "-f", "-"]), BLOCK_UDP)

    async def allow_udp(self) -> None:
        """Undo `block_udp`. Raises CommandFailed when it was not blocked."""
        await _must(self.command(["nft", "delete", "table", "inet", "quietline_block"]))


class NetworkLab:
    """`caller` and `agent`, two namespaces without a way to each other."""

    def __init__(self) -> None:
        self._prefix = f"ql{os.getpid():x}{secrets.token_hex(1)}"  # with a letter more at most 12 of 15 characters
        self._net = ""
        self._count = 0
        self._cleanup = contextlib.AsyncExitStack()
        self.caller: Space
        self.agent: Space

    async def __aenter__(self) -> NetworkLab:
        if os.geteuid() != 0:
            raise ConfigError("network laboratory: needs root, to make network namespaces")
        async with contextlib.AsyncExitStack() as on_error:
            on_error.push_async_callback(self._cleanup.aclose)
            self._net = self._claim_net()
            self.caller = await self._cable_to_host()
            self.agent = await self._cable_to_host()
            on_error.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    async def behind(self, router: Space) -> Space:
        """A namespace whose only way out is `router`, which masquerades for it: a home office behind NAT.

        It reaches the host's end of the router's cable and nothing more; the router's address stands for it there.
        """
        name, inner, outer = await self._new_space()
        here = f"{name}o"
        await _must(["ip", "link", "add", here, "netns", router.name, "type", "veth", "peer", "eth0", "netns", name])
        await self._address(router.name, here, f"{outer}/30")
        await self._address(name, "eth0", f"{inner}/30")
        await _must(["ip", "-n", name, "route", "add", f"{router.gateway}/32", "via", outer])
        await _must(router.command(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))
        await _must(router.command(["nft", "-f", "-"]), MASQUERADE)
        return Space(name, inner, router.gateway)

    def _claim_net(self) -> str:
        """A third octet no other laboratory holds: an abstract Unix socket is the lock, gone with the process."""
        for octet in range(1, 255):
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0quietline-lab-{octet}")
            except OSError:
                claim.close()
                continue
            self._cleanup.callback(claim.close)
            return f"10.231.{octet}"
        raise ConfigError("network laboratory: all 254 networks are in use")

    async def _new_space(self) -> tuple[str, str, str]:
        """Name, inner and outer address of a fresh namespace."""
        place, self._count = self._count, self._count + 1
        name = f"{self._prefix}{'abcdefgh'[place]}"
        await _must(["ip", "netns", "add", name])
        self._cleanup.push_async_callback(_run, ["ip", "netns", "delete", name], 10.0)
        await _must(["ip", "-n", name, "link", "set", "lo", "up"])
        return name, f"{self._net}.{4 * place + 2}", f"{self._net}.{4 * place + 1}"

    async def _cable_to_host(self) -> Space:
        name, inner, outer = await self._new_space()
        await _must(["ip", "link", "add", name, "type", "veth", "peer", "eth0", "netns", name])
        self._cleanup.push_async_callback(_run, ["ip", "link", "delete", name], 10.0)
        await _must(["ip", "address", "add", f"{outer}/30", "dev", name])
        await _must(["ip", "link", "set", name, "up"])
        await self._address(name, "eth0", f"{inner}/30")
        return Space(name, inner, outer)

    async def _address(self, space: str, device: str, address: str) -> None:
        await _must(["ip", "-n", space, "address", "add", address, "dev", device])
        await _must(["ip", "-n", space, "link", "set", device, "up"])


def _socket_inside(path: Path, family: int, kind: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as space:
        if libc.setns(space.fileno(), _CLONE_NEWNET) != 0:
            raise ConfigError(f"setns: {os.strerror(ctypes.get_errno())}; entering a network namespace needs root")
    return socket.socket(family, kind)


async def _run(argv: list[str], within: float, given: str = "") -> Ran:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(within):
            out, err = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def _must(argv: list[str], given: str = "") -> None:
    ran = await _run(argv, 10.0, given)
    if ran.code:
        complaint = next(iter(ran.err.splitlines()), "no word")
        raise CommandFailed(f"{' '.join(argv)}: code {ran.code}: {complaint}")
