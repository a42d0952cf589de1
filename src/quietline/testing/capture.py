"""Captures traffic with tcpdump and says, stream by stream, what an eavesdropper would have.

    async with Capture(path, space=lab.caller) as capture:
        ...
    report = capture.report(known_tones=[730])
    assert report.leaks() == []

RTP and SRTP look alike but for their payload, so that one is told from the other by `noise`: "srtp" means RTP headers
over payload without structure. TLS is judged by its record framing, and its application data by the same tests.
"""

from __future__ import annotations

import asyncio
import signal
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from quietline.errors import ConfigError, ProtocolError, Unavailable
from quietline.testing.canaries import Canaries, Finding
from quietline.testing.namespaces import Space
from quietline.testing.noise import Noise, measure
from quietline.testing.pcap import Packet, read_packets, tcp_streams
from quietline.testing.rtp_packets import RtpPacket, is_rtcp

STARTS_WITHIN = 10.0  # seconds
FLUSH = 0.3  # seconds for the kernel's buffer to reach tcpdump
LEAKS = frozenset({"sip", "rtp", "rtcp", "text", "tls with structure"})
SIP_MARK = b"SIP/2.0"
TLS_NONCE = 8  # bytes: the explicit nonce of TLS 1.2's AES-GCM counts up, so it is no noise (RFC 5288 §3)


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of packet in one direction. `kind`:

    "tls", "dtls", "stun", "srtp", "srtcp"; the leaks "sip", "rtp", "rtcp", "text", "tls with structure"; and what
    cannot be told: "rtp or srtp" (too little payload), "other".
    """

    source: str
    target: str
    protocol: str
    kind: str
    packets: int
    size: int  # bytes of payload
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All streams of a capture."""

    streams: tuple[Stream, ...]
    packets: tuple[Packet, ...] = field(repr=False)

    def leaks(self) -> list[Stream]:
        """Streams an eavesdropper can read."""
        return [stream for stream in self.streams if stream.kind in LEAKS]

    def kinds(self) -> dict[str, int]:
        """Packets of each kind; a TCP stream counts as one."""
        counts: dict[str, int] = {}
        for stream in self.streams:
            counts[stream.kind] = counts.get(stream.kind, 0) + stream.packets
        return counts

    def findings(self, canaries: Mapping[str, str]) -> list[Finding]:
        """Canaries in any datagram or in any TCP stream put together."""
        search = Canaries(canaries)
        found = [
            f for p in self.packets if p.protocol != "tcp" for f in search.in_bytes(p.payload, f"{p.source}>{p.target}")
        ]
        for (source, target), data in tcp_streams(list(self.packets)).items():
            found += search.in_bytes(data, f"{source}>{target}")
        return sorted(set(found))


class Capture:
    """tcpdump in a namespace, or on one of this host's interfaces, into a pcap file. Needs root."""

    def __init__(self, path: Path, *, space: Space | None = None, interface: str = "any", only: str = "") -> None:
        self.path = path
        command = ["tcpdump", "-i", interface, "-n", "-U", "--immediate-mode", "-s", "0", "-Z", "root", "-w", str(path)]
        self._argv = [*command, *only.split()]
        if space:
            self._argv = space.command(self._argv)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Capture:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns once tcpdump listens. Raises Unavailable with its last words when it ends instead."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._argv, stderr=pipe)
        assert self._process.stderr
        said = b""
        async with asyncio.timeout(STARTS_WITHIN):
            while b"listening on" not in said:
                line = await self._process.stderr.readline()
                if not line:
                    await self._process.wait()
                    raise Unavailable(f"tcpdump: {said.decode('utf-8', 'replace').strip()}")
                said += line

    async def stop(self) -> None:
        """Stop this tcpdump by its process id, after a moment for what is still in the kernel."""
        if self._process and self._process.returncode is None:
            await asyncio.sleep(FLUSH)
            self._process.send_signal(signal.SIGINT)
            async with asyncio.timeout(STARTS_WITHIN):
                await self._process.communicate()

    def report(self, known_tones: Sequence[int] = ()) -> Report:
        """Read what was captured. Raises ConfigError when nothing was: an empty capture proves nothing."""
        report = read_report(self.path, known_tones)
        if not report.packets:
            raise ConfigError(f"{self.path}: no packet was captured, so nothing is proved")
        return report


def read_report(path: Path, known_tones: Sequence[int] = ()) -> Report:
    """Sort a pcap file's packets into streams."""
    packets = tuple(read_packets(path))
    groups: dict[tuple[str, str, str, str], list[bytes]] = {}
    for packet in packets:
        if packet.protocol != "tcp":
            kind = kind_of_datagram(packet.payload) if packet.protocol == "udp" else _kind_of_text(packet.payload)
            groups.setdefault((packet.source, packet.target, packet.protocol, kind), []).append(packet.payload)
    streams = [_datagrams(*key, payloads, known_tones) for key, payloads in groups.items()]
    for (source, target), data in tcp_streams(list(packets)).items():
        streams.append(_tcp(source, target, data))
    return Report(tuple(streams), packets)


def kind_of_datagram(data: bytes) -> str:
    """ "stun", "dtls", "rtp?" (RTP or SRTP), "rtcp", "srtcp", "sip", "text" or "other" (RFC 7983 §7)."""
    if data[4:8] == b"\x21\x12\xa4\x42" and data[0] < 4:
        return "stun"
    if len(data) > 13 and 20 <= data[0] <= 63 and data[1] == 0xFE:
        return "dtls"
    if len(data) >= 12 and data[0] >> 6 == 2:
        if not is_rtcp(data):
            return "rtp?"
        return "rtcp" if is_whole_rtcp(data) else "srtcp"
    return _kind_of_text(data)


def is_whole_rtcp(data: bytes) -> bool:
    """The lengths lead from header to header exactly to the end: SRTCP leaves only the first header in the clear."""
    at = 0
    while at + 4 <= len(data):
        first, kind, words = struct.unpack("!BBH", data[at : at + 4])
        if first >> 6 != 2 or not 192 <= kind <= 223:
            return False
        at += 4 * (words + 1)
    return at == len(data)


def _kind_of_text(data: bytes) -> str:
    if SIP_MARK in data:
        return "sip"
    printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in data)
    return "text" if len(data) >= 16 and printable > 0.85 * len(data) else "other"


def _datagrams(
    source: str, target: str, protocol: str, kind: str, payloads: list[bytes], known_tones: Sequence[int]
) -> Stream:
    noise = None
    if kind == "rtp?":
        distinct = dict.fromkeys(payloads)  # interface "any" may show a packet going out and coming in
        noise = measure(b"".join(_rtp_payloads(distinct)), known_tones)
        kind = {"noise": "srtp", "structure": "rtp", "too little": "rtp or srtp"}[noise.verdict]
    return Stream(source, target, protocol, kind, len(payloads), sum(map(len, payloads)), noise)


def _rtp_payloads(packets: Iterable[bytes]) -> Iterable[bytes]:
    for packet in packets:
        try:
            yield RtpPacket.decode(packet).payload
        except ProtocolError:
            continue  # a version 2 header that leads past the end


def _tcp(source: str, target: str, data: bytes) -> Stream:
    records = tls_records(data)
    if records is None:
        return Stream(source, target, "tcp", _kind_of_text(data), 1, len(data))
    secret = b"".join(body[TLS_NONCE:] for kind, body in records if kind == 23)
    noise = measure(secret) if secret else None
    bad = noise is not None and noise.verdict == "structure"
    return Stream(source, target, "tcp", "tls with structure" if bad else "tls", 1, len(data), noise)


def tls_records(data: bytes) -> list[tuple[int, bytes]] | None:
    """(content type, body) of each record (RFC 8446 §5.1); None when the bytes are no TLS. The last may break off."""
    records, at = [], 0
    while at + 5 <= len(data):
        kind, major, minor, length = struct.unpack("!BBBH", data[at : at + 5])
        if not 20 <= kind <= 24 or major != 3 or minor > 4 or length > 16_384 + 256:
            return None
        records.append((kind, data[at + 5 : at + 5 + length]))
        at += 5 + length
    return records or None
