"""A real rtpengine on free ports, and small RTP/SRTP phones that play a tone and measure what they hear."""

from __future__ import annotations

import asyncio
import base64
import bisect
import contextlib
import math
import os
import random
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pylibsrtp

from quietline import config
from quietline.telephony.prompts import Prompts
from quietline.telephony.rtpengine import RtpengineRelay, command_line
from quietline.testing.ports import free_ports

RATE = 8_000
FRAME = 160  # samples in 20 ms
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (30, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
    "AEAD_AES_256_GCM": (44, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
}


def settings() -> config.Relay:
    """Ports of this run's own; the media range is one of many so that two runs seldom meet."""
    ng, digits = free_ports(2)
    low = 20_000 + 200 * random.randrange(60)
    return config.Relay(ng_port=ng, digits_port=digits, port_min=low, port_max=low + 198, threads=1)


class RelayProcess:
    """rtpengine as the supervisor starts it, its log in a file; stopped by its process id."""

    def __init__(self, relay: config.Relay, log: Path) -> None:
        self.relay, self.log = relay, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([*command_line(self.relay), *more], stdout=out, stderr=out)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def cpu_seconds(self) -> float:
        """User and system time so far, from the kernel's own account (proc(5), fields 14 and 15)."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(relay: config.Relay, log: Path, *more: str) -> Iterator[RelayProcess]:
    process = RelayProcess(relay, log)
    process.start(*more)
    try:
        yield process
    finally:
        process.kill()


@contextlib.asynccontextmanager
async def client(relay: config.Relay, prompts: Prompts) -> AsyncIterator[RtpengineRelay]:
    """A relay client that has seen rtpengine answer."""
    opened = await RtpengineRelay.open(relay, prompts)
    try:
        await until_alive(opened)
        yield opened
    finally:
        opened.close()


async def until_alive(relay: RtpengineRelay) -> None:
    async with asyncio.timeout(20):
        while not await relay.alive():
            await asyncio.sleep(0.05)


# G.711 (ITU-T): encode by tables made from the decoders.


def _ulaw(code: int) -> int:
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - value if code & 0x80 else value - 0x84


def _alaw(code: int) -> int:
    code ^= 0x55
    value, segment = (code & 0x0F) << 4, (code & 0x70) >> 4
    value = value + 8 if segment == 0 else (value + 0x108) << (segment - 1)
    return value if code & 0x80 else -value


DECODE = {"PCMU": [_ulaw(code) for code in range(256)], "PCMA": [_alaw(code) for code in range(256)]}


def tone(law: str, frequency: float, samples: int) -> bytes:
    ordered = sorted((value, code) for code, value in enumerate(DECODE[law]))
    values = [value for value, _ in ordered]

    def nearest(wanted: float) -> int:
        at = min(bisect.bisect_left(values, wanted), len(values) - 1)
        return ordered[at][1]

    return bytes(nearest(8_000 * math.sin(2 * math.pi * frequency * at / RATE)) for at in range(samples))


def strength(samples: list[int], frequency: float) -> float:
    """Amplitude of one frequency (Goertzel)."""
    if not samples:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * frequency / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + turn * one - two, one
    power = one * one + two * two - turn * one * two
    return 2 * math.sqrt(max(0.0, power)) / len(samples)


@dataclass
class Heard:
    at: float
    payload: int
    ssrc: int
    body: bytes


@dataclass(eq=False)
class Phone(asyncio.DatagramProtocol):
    """One RTP endpoint on loopback: sends its tone every 20 ms, keeps what it gets."""

    frequency: float
    law: str = "PCMU"
    law_payload: int = 0
    events: int | None = 101  # payload type of telephone-event, None: not offered
    suite: str = ""  # SRTP suite; "": plain RTP
    extra: tuple[str, ...] = ()  # further SDP lines
    more_formats: str = ""
    heard: list[Heard] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)
    undecipherable: int = 0
    crypto_tag: int = 1
    host: str = "127.0.0.1"

    async def open(self) -> Phone:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        self.rtcp_transport, _ = await loop.create_datagram_endpoint(lambda: _Rtcp(self), local_addr=(self.host, 0))
        self.rtcp_port = self.rtcp_transport.get_extra_info("sockname")[1]
        self.key = os.urandom(SUITES[self.suite][0]) if self.suite else b""
        self.out = self._session(self.key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.into: pylibsrtp.Session | None = None
        self.there: tuple[str, int] | None = None
        self.there_rtcp: tuple[str, int] | None = None
        self.ssrc, self.sequence, self.clock = random.getrandbits(32), 1, 0
        self.wave = tone(self.law, self.frequency, RATE)
        self.sending = asyncio.create_task(self._send())
        return self

    def _session(self, key: bytes, direction: int) -> pylibsrtp.Session | None:
        if not self.suite:
            return None
        policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=SUITES[self.suite][1])
        return pylibsrtp.Session(policy)

    def rekey(self) -> None:
        """Encrypt with a new key from now on, as some phones do with every re-INVITE."""
        self.key = os.urandom(len(self.key))
        self.out = self._session(self.key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)

    async def close(self) -> None:
        self.sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.sending
        self.transport.close()
        self.rtcp_transport.close()

    def sdp(self, direction: str = "sendrecv") -> str:
        events = "" if self.events is None else f" {self.events}"
        where = f"IN {'IP6' if ':' in self.host else 'IP4'} {self.host}"
        lines = ["v=0", f"o=- 4 1 {where}", "s=-", f"c={where}", "t=0 0"]
        transport = "RTP/SAVP" if self.suite else "RTP/AVP"
        lines.append(f"m=audio {self.port} {transport} {self.law_payload}{events}{self.more_formats}")
        lines.append(f"a=rtpmap:{self.law_payload} {self.law}/8000")
        if self.events is not None:
            lines += [f"a=rtpmap:{self.events} telephone-event/8000", f"a=fmtp:{self.events} 0-15"]
        if self.suite:
            lines.append(f"a=crypto:{self.crypto_tag} {self.suite} inline:{base64.b64encode(self.key).decode()}")
        lines += [f"a=rtcp:{self.rtcp_port}", *self.extra, f"a={direction}"]
        return "\r\n".join(lines) + "\r\n"

    def connect(self, sdp: str) -> None:
        """Take the far side's address, key and payload types."""
        lines = sdp.split("\r\n")
        host = next(line for line in lines if line.startswith("c=")).split()[2]
        self.there = (host, int(next(line for line in lines if line.startswith("m=audio")).split()[1]))
        rtcp = next((line for line in lines if line.startswith("a=rtcp:")), f"a=rtcp:{self.there[1] + 1}")
        self.there_rtcp = (host, int(rtcp.split(":")[1].split()[0]))
        if self.suite:
            crypto = next(line for line in lines if line.startswith("a=crypto:") and f" {self.suite} " in line)
            self.crypto_tag = int(crypto.split(":")[1].split(" ")[0])
            text = crypto.split("inline:")[1].split("|")[0].split()[0]
            key = base64.b64decode(text + "=" * (-len(text) % 4))
            self.into = self._session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    async def _send(self) -> None:
        due = time.monotonic()
        while True:
            at = self.clock % RATE
            if self.there:
                self.packet(self.law_payload, (self.wave + self.wave)[at : at + FRAME], self.clock)
            self.clock += FRAME
            due = max(due + 0.02, time.monotonic() - 0.2)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def packet(self, payload: int, body: bytes, timestamp: int, mark: bool = False) -> None:
        head = struct.pack(
            "!BBHII", 0x80, payload | mark << 7, self.sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self.ssrc
        )
        self.sequence += 1
        data = head + body
        self.transport.sendto(self.out.protect(data) if self.out else data, self.there)

    async def press(self, keys: str) -> None:
        """RFC 4733 events of 100 ms, the end sent three times (§2.5.1.4)."""
        assert self.events is not None
        for key in keys:
            event, start = "0123456789*#ABCD".index(key), self.clock
            for step in range(1, 6):
                self.packet(self.events, struct.pack("!BBH", event, 10, FRAME * step), start, mark=step == 1)
                await asyncio.sleep(0.02)
            for _ in range(3):
                self.packet(self.events, struct.pack("!BBH", event, 0x80 | 10, FRAME * 6), start)
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.06)

    def send_rtcp(self, items: dict[int, bytes]) -> None:
        """A receiver report and an SDES packet with these items (RFC 3550 §6.5)."""
        report = struct.pack("!BBHI", 0x80, 201, 1, self.ssrc)
        chunk = struct.pack("!I", self.ssrc)
        chunk += b"".join(bytes([kind, len(text)]) + text for kind, text in items.items()) + b"\0"
        chunk += b"\0" * (-len(chunk) % 4)
        data = report + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk
        self.rtcp_transport.sendto(self.out.protect_rtcp(data) if self.out else data, self.there_rtcp)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) < 12 or 64 <= data[1] & 0x7F < 96:
            self.take_rtcp(data)
            return
        self.raw.append(data)
        if self.into:
            try:
                data = self.into.unprotect(data)
            except pylibsrtp.Error:
                self.undecipherable += 1
                return
        ssrc = struct.unpack("!I", data[8:12])[0]
        self.heard.append(Heard(time.monotonic(), data[1] & 0x7F, ssrc, data[12 + 4 * (data[0] & 15) :]))

    def take_rtcp(self, data: bytes) -> None:
        if self.into:
            try:
                data = self.into.unprotect_rtcp(data)
            except pylibsrtp.Error:
                self.undecipherable += 1
                return
        self.rtcp.append(data)

    def error_received(self, exc: Exception) -> None:
        """The relay closed a port."""

    async def listen(self, seconds: float) -> list[int]:
        """The samples of the next seconds, stream after stream, so that a tone among others is still one tone."""
        start = len(self.heard)
        await asyncio.sleep(seconds)
        heard = [packet for packet in self.heard[start:] if packet.payload == self.law_payload]
        heard.sort(key=lambda packet: packet.ssrc)  # stable: in order of arrival within a stream
        return [DECODE[self.law][code] for packet in heard for code in packet.body]


class _Rtcp(asyncio.DatagramProtocol):
    def __init__(self, phone: Phone) -> None:
        self.phone = phone

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.phone.take_rtcp(data)

    def error_received(self, exc: Exception) -> None:
        """The relay closed a port."""


def loud(samples: list[int]) -> float:
    """Root mean square; 0 for silence or nothing."""
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0


@contextlib.asynccontextmanager
async def phones(*wanted: Phone) -> AsyncIterator[tuple[Phone, ...]]:
    """Open them, and close them whatever happens."""
    opened = [await phone.open() for phone in wanted]
    try:
        yield tuple(opened)
    finally:
        for phone in opened:
            await phone.close()


def frequencies(count: int) -> list[float]:
    """Random tones of this run, at least 150 Hz apart, so that none is mistaken for another or for a prompt's."""
    slots = random.sample(range(400, 2_600, 200), count)
    return [slot + random.uniform(0, 50) for slot in slots]
