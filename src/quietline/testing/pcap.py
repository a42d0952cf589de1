"""A small reader of captures: the classic pcap file, down to UDP datagrams and TCP byte streams.

File format: tcpdump.org/manpages/pcap-savefile.5; both byte orders, micro- and nanoseconds; Ethernet, Linux cooked (v1,
v2) and raw IP. IPv4 and IPv6 without extension headers; later fragments are kept as bytes of their own.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from quietline.errors import ConfigError

_MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\xa1\xb2\xc3\xd4": (">", 1e-6)}
_MAGIC |= {b"\x4d\x3c\xb2\xa1": ("<", 1e-9), b"\xa1\xb2\x3c\x4d": (">", 1e-9)}
_LINK_HEADER = {1: 14, 113: 16, 276: 20, 101: 0}  # bytes before IP, by LINKTYPE


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet's transport payload. Addresses are "host:port"; `protocol` is "udp", "tcp", "fragment" or "other"."""

    at: float  # seconds since 1970
    protocol: str
    source: str
    target: str
    payload: bytes = field(repr=False)
    sequence: int = 0  # TCP


def read_packets(path: Path) -> Iterator[Packet]:
    """IP packets in order. Raises ConfigError for what is no pcap file; a record that breaks off ends it."""
    data = path.read_bytes()
    if data[:4] not in _MAGIC or len(data) < 24:
        raise ConfigError(f"{path}: not a pcap file (pcapng is not read: write with tcpdump -w)")
    order, tick = _MAGIC[data[:4]]
    link = struct.unpack(f"{order}I", data[20:24])[0] & 0x0FFFFFFF
    if link not in _LINK_HEADER:
        raise ConfigError(f"{path}: link type {link} is not read")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack(f"{order}IIII", data[at : at + 16])
        frame = data[at + 16 : at + 16 + length]
        packet = _read_ip(frame[_LINK_HEADER[link] :], seconds + fraction * tick)
        if packet and len(frame) == length:
            yield packet
        at += 16 + length


def _read_ip(data: bytes, at: float) -> Packet | None:
    """None for what is no IP, such as ARP."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        header, total = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
        hosts, protocol = (data[12:16], data[16:20]), data[9]
        later = int.from_bytes(data[6:8], "big") & 0x1FFF
    elif version == 6 and len(data) >= 40:
        header, total = 40, 40 + int.from_bytes(data[4:6], "big")
        hosts, protocol, later = (data[8:24], data[24:40]), data[6], 0
    else:
        return None
    source, target = (str(ipaddress.ip_address(host)) for host in hosts)
    body = data[header : total or None]
    if later or protocol not in (6, 17):
        return Packet(at, "fragment" if later else "other", source, target, body)
    return _read_transport(body, at, protocol, source, target)


def _read_transport(body: bytes, at: float, protocol: int, source: str, target: str) -> Packet | None:
    if len(body) < (8 if protocol == 17 else 20):
        return None
    ports = struct.unpack("!HH", body[:4])
    ends = (f"{source}:{ports[0]}", f"{target}:{ports[1]}")
    if protocol == 17:
        return Packet(at, "udp", *ends, body[8:])
    sequence, offset = struct.unpack("!I", body[4:8])[0], (body[12] >> 4) * 4
    opening = body[13] & 0x02  # SYN takes one number
    return Packet(at, "tcp", *ends, body[offset:], (sequence + bool(opening)) & 0xFFFFFFFF)


def tcp_streams(packets: list[Packet]) -> dict[tuple[str, str], bytes]:
    """Each direction's bytes in order, retransmissions once; a gap (a lost capture) is closed up."""
    flows: dict[tuple[str, str], list[Packet]] = {}
    for packet in packets:
        if packet.protocol == "tcp" and packet.payload:
            flows.setdefault((packet.source, packet.target), []).append(packet)
    return {ends: _joined(flow) for ends, flow in flows.items()}


def _joined(flow: list[Packet]) -> bytes:
    start = flow[0].sequence
    ordered = sorted(
        (((packet.sequence - start + 0x80000000) & 0xFFFFFFFF) - 0x80000000, packet.payload) for packet in flow
    )
    joined, reached = bytearray(), ordered[0][0]
    for at, payload in ordered:
        if at + len(payload) > reached:
            joined += payload[max(0, reached - at) :]
            reached = at + len(payload)
    return bytes(joined)
