"""A TURN server (Debian's coturn) for agents whose network lets no UDP through: TLS in, UDP out to the relay.

    async with Turn(address, port, secret, certificate, key, folder):
        ...  # config.web.turn = turn_url(realm, port), config.web.turn_secret_file holds the secret

Credentials are those of `use-auth-secret` (draft-uberti-behave-turn-rest-00). It takes clients over TLS alone and runs
under its own configuration file, so that the secret stands in no process argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from types import TracebackType

from quietline.errors import Unavailable

TURNSERVER = "/usr/bin/turnserver"
STARTS_WITHIN = 10.0  # seconds
STOPS_WITHIN = 5.0
RELAY_PORTS = (33_000, 33_999)  # beside rtpengine's own range
_ALLOCATED = re.compile(r"session \d+: new, realm=<[^>]*>, username=<[^>]+>")

SETTINGS = """\
listening-ip={address}
relay-ip={address}
listening-port={port}
tls-listening-port={port}
alt-listening-port=0
alt-tls-listening-port=0
min-port={first}
max-port={last}
no-udp
no-tcp
no-dtls
no-tlsv1
no-tlsv1_1
no-tcp-relay
no-multicast-peers
no-cli
no-rfc5780
use-auth-secret
static-auth-secret={secret}
realm={realm}
cert={certificate}
pkey={key}
userdb={folder}/turndb
pidfile={folder}/turnserver.pid
log-file=stdout
verbose
simple-log
"""


def turn_url(host: str, port: int) -> str:
    """What a browser is told (RFC 7065)."""
    return f"turns:{host}:{port}?transport=tcp"


class Turn:
    """One coturn on one address. `carried` tells whether somebody's media went through it."""

    def __init__(
        self, address: str, port: int, secret: str, certificate: Path, key: Path, folder: Path, realm: str = "turn"
    ) -> None:
        self.address, self.port = address, port
        self._settings = SETTINGS.format(
            address=address,
            port=port,
            first=RELAY_PORTS[0],
            last=RELAY_PORTS[1],
            secret=secret,
            realm=realm,
            certificate=certificate,
            key=key,
            folder=folder,
        )
        self._folder = folder
        self._log = folder / "turnserver.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Turn:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "turnserver.conf"
        settings.touch(0o600)
        settings.write_text(self._settings)
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(TURNSERVER, "-c", str(settings)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            await self._ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def allocations(self) -> int:
        """How many relays were given to clients with a good credential."""
        return len(_ALLOCATED.findall(self.log))

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def _ready(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and self._process and self._process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.address, self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise Unavailable(f"coturn does not start on {self.address} port {self.port}; see {self._log}")

    async def _stop(self) -> None:
        """By our own child's id."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
