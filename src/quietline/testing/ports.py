"""Ports for real parts under test, so that two runs beside each other never meet.

A port that was only found free is anybody's until it is bound, seconds later. So each process that starts parts keeps
a block of ports to itself for its life, and hands each of them out once before it hands one out again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import socket

FIRST, LAST = 10_000, 19_999  # below the relay's range and the kernel's ephemeral one (net.ipv4.ip_local_port_range)
BLOCK = 250  # ports; the first is the block's guard
BLOCKS = range(FIRST, LAST + 1, BLOCK)


class NoPorts(Exception):
    """Every port that could be handed out is taken."""


class Block:
    """One block of ports, held by a bound guard that the kernel lets go when this process ends, however it ends."""

    def __init__(self) -> None:
        self._guard, self.first = _guarded()
        self._turn = itertools.cycle(range(self.first + 1, self.first + BLOCK))

    def take(self, count: int) -> list[int]:
        """Ports of this block that are free for TCP and UDP on loopback now. Raises NoPorts."""
        found: list[int] = []
        for _ in range(BLOCK - 1):
            if len(found) == count:
                break
            port = next(self._turn)
            if _is_free(port):
                found.append(port)
        if len(found) < count:
            raise NoPorts(f"{count} ports wanted from {self.first + 1} on, {len(found)} free: stop what holds them")
        return found

    def release(self) -> None:
        os.close(self._guard)


def _guarded() -> tuple[int, int]:
    """The guard's file descriptor (not inherited: PEP 446) and the block's first port."""
    start = secrets.randbelow(len(BLOCKS))
    for first in (*BLOCKS[start:], *BLOCKS[:start]):
        guard = socket.socket()
        with contextlib.suppress(OSError):
            guard.bind(("127.0.0.1", first))
            return guard.detach(), first
        guard.close()
    raise NoPorts(f"all {len(BLOCKS)} blocks of ports from {FIRST} to {LAST} are held by other processes")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", port))
        udp.bind(("127.0.0.1", port))
        return True
    return False


_ours: Block | None = None


def free_ports(count: int) -> list[int]:
    """Ports for TCP and UDP that no other process under test is given meanwhile. Raises NoPorts."""
    global _ours  # one block a process, taken when first needed
    _ours = _ours or Block()
    return _ours.take(count)
