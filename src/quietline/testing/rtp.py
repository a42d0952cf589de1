"""The far side's media: one RTP or SRTP endpoint on asyncio, sending a tone and measuring what it hears.

    async with RtpEndpoint("127.0.0.1") as phone:
        phone.connect(Remote("127.0.0.1", 20_000), sends=Crypto.fresh(), receives=their_crypto)
        await phone.press("1")
        assert phone.heard(1_000) > 500

Times are `time.monotonic()` seconds; amplitudes are peaks in 16-bit units. All work happens in loop callbacks: no task.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from quietline.errors import ConfigError, ProtocolError
from quietline.testing.g711 import FRAME, PCMA, PCMU, decode
from quietline.testing.rtp_packets import (
    EventStep,
    RtpPacket,
    event_of,
    event_steps,
    is_rtcp,
    sender_report,
    source_description,
)
from quietline.testing.srtp import AuthenticationFailure, Crypto, Replayed, SrtpDirection
from quietline.testing.tones import amplitude_of, dtmf_frames, loudest_in, tone_frames, wav_frames

SocketFactory = Callable[[int, int], socket.socket]  # (family, type): `namespaces` makes them elsewhere
PTIME = 0.02  # seconds
RTCP_EVERY = 50  # packets, so one second


@dataclass(frozen=True, slots=True)
class Remote:
    """Where to send. `rtcp_port` 0 means RTP port + 1, or the RTP port itself with `rtcp_mux`."""

    host: str
    port: int
    payload_type: int = PCMU
    event_type: int | None = 101  # None: keys are sent in band
    rtcp_mux: bool = False
    rtcp_port: int = 0

    @property
    def rtcp_address(self) -> tuple[str, int]:
        return (self.host, self.port if self.rtcp_mux else self.rtcp_port or self.port + 1)


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet that arrived and was authentic."""

    at: float  # time.monotonic()
    packet: RtpPacket


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data)


class RtpEndpoint:
    """One phone's media. `counts` has "received", "sent", "authentication_failures", "replays", "malformed"."""

    def __init__(
        self, host: str, *, sockets: SocketFactory = socket.socket, rtcp_items: Mapping[str, str] | None = None
    ):
        self.host = host
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.received: list[Heard] = []
        self.rtcp_received: list[bytes] = []  # decrypted
        self.undeciphered: list[bytes] = []  # packets that failed authentication, as they came
        self.ssrc = secrets.randbits(32)
        self._sockets = sockets
        self._rtcp_items = rtcp_items
        self._transports: list[asyncio.DatagramTransport] = []
        self._remote: Remote | None = None
        self._sends: SrtpDirection | None = None
        self._receives: SrtpDirection | None = None
        self._source: Callable[[int], Iterator[bytes]] = partial(tone_frames, 0)
        self._frames: Iterator[bytes] = iter(())
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._event_timestamp = 0
        self._keys: deque[EventStep] = deque()
        self._inband: deque[bytes] = deque()
        self._keys_sent = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.paused = False  # a phone that sends nothing for a while

    async def __aenter__(self) -> RtpEndpoint:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await asyncio.sleep(0)  # closing takes one turn of the loop

    async def open(self) -> None:
        """Bind an even port and the next odd one for RTCP (RFC 3550 §11). Raises ConfigError after 50 tries."""
        loop = asyncio.get_running_loop()
        rtp, rtcp = _port_pair(self.host, self._sockets)
        self.port = int(rtp.getsockname()[1])
        for sock, receive in ((rtp, self._on_rtp), (rtcp, self._on_rtcp)):
            transport, _ = await loop.create_datagram_endpoint(partial(_Socket, receive), sock=sock)
            self._transports.append(transport)

    def connect(self, remote: Remote, sends: Crypto | None = None, receives: Crypto | None = None) -> None:
        """Send there from now on; None is plain RTP in that direction. Again with new values after a re-INVITE."""
        self._remote = remote
        self._sends = SrtpDirection(sends, inbound=False) if sends else None
        self._receives = SrtpDirection(receives, inbound=True) if receives else None
        self._load_frames()
        if self._timer is None:
            self._tick(asyncio.get_running_loop().time())

    def sends_tone(self, frequency: int) -> None:
        """A tone in whole hertz; 0 is silence."""
        self._source = partial(tone_frames, frequency)
        self._load_frames()

    def sends_wav(self, path: Path) -> None:
        """A mono 16-bit 8,000 Hz file, repeated. Raises ConfigError for another format."""
        self._source = partial(wav_frames, path)
        self._load_frames()

    async def press(self, keys: str, within: float = 10.0) -> None:
        """Press keys, RFC 4733 or in band; returns when sent. Raises TimeoutError, or ValueError for no key."""
        if self._remote is None:
            raise ProtocolError("press: no call is connected")
        for key in keys:
            if self._remote.event_type is None:
                self._inband.extend(dtmf_frames(key.upper(), self._remote.payload_type))
                self._inband.extend(next(tone_frames(0, self._remote.payload_type)) for _ in range(4))
            else:
                self._keys.extend(event_steps(key))
        self._keys_sent.clear()
        async with asyncio.timeout(within):
            await self._keys_sent.wait()

    def close(self) -> None:
        """Stop at once, say nothing."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        while self._transports:
            self._transports.pop().close()

    # What was heard

    def samples(self, since: float = 0.0, until: float = float("inf")) -> list[int]:
        """Decoded audio of the packets that arrived in [since, until]."""
        audio = (h.packet for h in self.received if since <= h.at <= until and h.packet.payload_type in (PCMU, PCMA))
        return [sample for packet in audio for sample in decode(packet.payload, packet.payload_type)]

    def heard(self, frequency: float, since: float = 0.0, until: float = float("inf")) -> float:
        """Amplitude of one frequency in that span."""
        return amplitude_of(self.samples(since, until), frequency)

    def loudest(self, since: float = 0.0, until: float = float("inf")) -> tuple[int, float]:
        """The strongest frequency of the span's last 100 ms and its amplitude; (0, 0.0) when nothing came."""
        return loudest_in(self.samples(since, until))

    def digits_heard(self, event_type: int = 101) -> str:
        """Keys received as RFC 4733 events, each once."""
        ends = {}
        for heard in self.received:
            if heard.packet.payload_type == event_type:
                key, ended = event_of(heard.packet.payload)
                if ended:
                    ends[heard.packet.timestamp] = key
        return "".join(ends.values())

    @property
    def sources(self) -> set[int]:
        """The distinct SSRCs of what arrived."""
        return {heard.packet.ssrc for heard in self.received}

    # Callbacks

    def _load_frames(self) -> None:
        if self._remote is not None:
            self._frames = self._source(self._remote.payload_type)

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        if not self.paused:
            self._send_next()
        self._timestamp += FRAME
        self._timer = loop.call_at(due + PTIME, self._tick, max(due + PTIME, loop.time() - 0.2))

    def _send_next(self) -> None:
        assert self._remote is not None
        if self._keys:
            self._send_key(self._keys.popleft())
        elif self._inband:
            self._send(self._remote.payload_type, self._inband.popleft(), self._timestamp)
        else:
            self._send(self._remote.payload_type, next(self._frames), self._timestamp)
        if not self._keys and not self._inband:
            self._keys_sent.set()

    def _send_key(self, step: EventStep) -> None:
        assert self._remote is not None
        if step.first:
            self._event_timestamp = self._timestamp
        if step.payload is not None and self._remote.event_type is not None:
            self._send(self._remote.event_type, step.payload, self._event_timestamp, marker=step.first)

    def _send(self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        assert self._remote is not None
        self._sequence += 1
        data = RtpPacket(payload_type, self._sequence, timestamp, self.ssrc, payload, marker).encode()
        self._transports[0].sendto(
            self._sends.protect(data) if self._sends else data, (self._remote.host, self._remote.port)
        )
        self.counts["sent"] += 1
        if self._rtcp_items is not None and self.counts["sent"] % RTCP_EVERY == 1:
            self._send_rtcp(self._remote, self._rtcp_items)

    def _send_rtcp(self, remote: Remote, items: Mapping[str, str]) -> None:
        sent = self.counts["sent"]
        report = sender_report(self.ssrc, self._timestamp, sent, sent * FRAME) + source_description(self.ssrc, items)
        data = self._sends.protect(report, rtcp=True) if self._sends else report
        self._transports[0 if remote.rtcp_mux else 1].sendto(data, remote.rtcp_address)

    def _on_rtp(self, data: bytes) -> None:
        if is_rtcp(data):
            self._on_rtcp(data)
            return
        plain = self._open(data, rtcp=False)
        if plain is None:
            return
        try:
            self.received.append(Heard(time.monotonic(), RtpPacket.decode(plain)))
            self.counts["received"] += 1
        except ProtocolError:
            self.counts["malformed"] += 1

    def _on_rtcp(self, data: bytes) -> None:
        plain = self._open(data, rtcp=True)
        if plain is not None:
            self.rtcp_received.append(plain)

    def _open(self, data: bytes, *, rtcp: bool) -> bytes | None:
        if self._receives is None:
            return data
        try:
            return self._receives.unprotect(data, rtcp=rtcp)
        except Replayed:
            self.counts["replays"] += 1
        except AuthenticationFailure:
            self.counts["authentication_failures"] += 1
            self.undeciphered.append(data)
        return None


def _port_pair(host: str, sockets: SocketFactory) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        rtp, rtcp = sockets(family, socket.SOCK_DGRAM), sockets(family, socket.SOCK_DGRAM)
        try:
            rtp.bind((host, 0))
            port = int(rtp.getsockname()[1])
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                rtp.setblocking(False)
                rtcp.setblocking(False)
                return rtp, rtcp
        except OSError:
            pass  # the odd port is taken: another pair
        rtp.close()
        rtcp.close()
    raise ConfigError(f"no free pair of ports on {host} after 50 tries")
