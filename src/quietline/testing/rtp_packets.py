"""RTP (RFC 3550 §5), telephone-event (RFC 4733 §2.3) and RTCP SDES (RFC 3550 §6.5) as bytes; nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from quietline.errors import ProtocolError
from quietline.testing.g711 import FRAME

EVENTS = "0123456789*#ABCD"  # RFC 4733 §3.2: the code is the index
SDES_ITEMS = {"CNAME": 1, "NAME": 2, "EMAIL": 3, "PHONE": 4, "LOC": 5, "TOOL": 6, "NOTE": 7}
END = 0x80


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """The fields we use; no CSRC, no extension when we send, both skipped when we read."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def encode(self) -> bytes:
        """The packet's bytes (RFC 3550 §5.1)."""
        second = self.payload_type | (0x80 if self.marker else 0)
        header = struct.pack("!BBHII", 0x80, second, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc)
        return header + self.payload

    @classmethod
    def decode(cls, data: bytes) -> RtpPacket:
        """Raises ProtocolError for what is no RTP version 2."""
        if len(data) < 12 or data[0] >> 6 != 2:
            raise ProtocolError("rtp: shorter than 12 bytes, or not version 2")
        first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        start = 12 + 4 * (first & 0x0F)
        if first & 0x10:
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        end = len(data) - (data[-1] if first & 0x20 else 0)
        return cls(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80))


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 §4: packet types 192–223 on a shared port are RTCP."""
    return len(data) >= 8 and 192 <= data[1] <= 223


@dataclass(frozen=True, slots=True)
class EventStep:
    """One 20 ms step of a key press; `payload` None is a pause."""

    payload: bytes | None
    first: bool = False


def event_steps(key: str, updates: int = 5, pause: int = 3) -> list[EventStep]:
    """`updates` growing reports, three end reports (RFC 4733 §2.5.1.4), a pause. Raises ValueError for no key."""
    code = EVENTS.index(key.upper())
    lengths = [FRAME * (n + 1) for n in range(updates)]
    growing = [EventStep(struct.pack("!BBH", code, 10, length), length == FRAME) for length in lengths]
    ending = [EventStep(struct.pack("!BBH", code, END | 10, lengths[-1]))] * 3
    return [*growing, *ending, *[EventStep(None)] * pause]


def event_of(payload: bytes) -> tuple[str, bool]:
    """The key and whether this is an end report. Raises ProtocolError for less than four bytes or no keypad event."""
    if len(payload) < 4 or payload[0] >= len(EVENTS):
        raise ProtocolError("telephone-event: not a keypad event")
    return EVENTS[payload[0]], bool(payload[1] & END)


def sender_report(ssrc: int, timestamp: int, packets: int, octets: int) -> bytes:
    """SR without report blocks; its NTP time is zero, which RFC 3550 §6.4.1 allows a sender without a wall clock."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 0, timestamp & 0xFFFFFFFF, packets, octets)


def source_description(ssrc: int, items: Mapping[str, str]) -> bytes:
    """SDES with one chunk. Raises KeyError for an unknown item name, ValueError for a text over 255 bytes."""
    body = struct.pack("!I", ssrc)
    for name, text in items.items():
        body += bytes([SDES_ITEMS[name], len(text.encode())]) + text.encode()
    body += bytes(4 - len(body) % 4)
    return struct.pack("!BBH", 0x81, 202, len(body) // 4) + body
