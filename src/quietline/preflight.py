"""What is asked before anything is touched: that no other Quietline runs on these folders, and that the ports are free.

Without it a second start would give the running edge new keys, and a taken port would restart a part for ever.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from quietline.config import Config
from quietline.errors import ConfigError

PORTS_WAIT = 10.0  # seconds for the parts of a supervisor that was killed to let go of their ports
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    """One that a part will listen on. `key` is where the configuration says so."""

    key: str
    address: str
    number: int
    kind: socket.SocketKind


def claim(config: Config) -> int:
    """A lock on `paths.run`, held until this process ends, however it ends (flock(2)). Returns its file descriptor.

    Raises ConfigError when another process has it.
    """
    config.paths.run.mkdir(parents=True, exist_ok=True)
    path = config.paths.run / "supervisor.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError(f"run: it runs already on {config.paths.run}; `quietline down` stops it") from None
    return lock


def ports(config: Config) -> Iterator[Port]:
    """Every port that the parts will listen on; calls' sound has a range of its own and takes what is free in it."""
    edge, tcp, udp = config.edge, socket.SOCK_STREAM, socket.SOCK_DGRAM
    for address in edge.addresses:
        for key in ("tls_port", "trunk_port", "wss_port"):
            yield Port(f"[edge] {key}", address, getattr(edge, key), tcp)
        if edge.cleartext_port:
            yield Port("[edge] cleartext_port", address, edge.cleartext_port, udp)
    yield Port("[edge] internal_port", LOOPBACK, edge.internal_port, udp)
    yield Port("[controller] sip_port", LOOPBACK, config.controller.sip_port, udp)
    yield Port("[relay] ng_port", LOOPBACK, config.relay.ng_port, udp)
    yield Port("[relay] digits_port", LOOPBACK, config.relay.digits_port, udp)
    for address in config.web.addresses:
        yield Port("[web] port", address, config.web.port, tcp)


def require_ports(config: Config, wait: float = PORTS_WAIT) -> None:
    """Raises ConfigError naming the key, the address and the port that cannot be had, after `wait` seconds."""
    deadline = time.monotonic() + wait
    for port in ports(config):
        while (why := _refusal(port)) == errno.EADDRINUSE and time.monotonic() < deadline:
            time.sleep(0.1)
        if why:
            raise ConfigError(f"{port.key}: {port.address}:{port.number}: {_words(why)}")


def _refusal(port: Port) -> int:
    """The error number of listening there, 0 for none."""
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with closing(socket.socket(family, port.kind)) as probe:
        if port.kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no listener
        try:
            probe.bind((port.address, port.number))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _words(number: int) -> str:
    if number == errno.EADDRINUSE:
        return "another program listens there; stop it, or choose another port"
    if number == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return f"cannot be listened on ({os.strerror(number)})"
