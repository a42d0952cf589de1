"""The capture reader and the sorting of packets, on bytes made here."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from random import Random

import pytest

from quietline.errors import ConfigError
from quietline.testing.capture import is_whole_rtcp, kind_of_datagram, read_report, tls_records
from quietline.testing.g711 import PCMU, encode
from quietline.testing.pcap import Packet, read_packets, tcp_streams
from quietline.testing.rtp_packets import RtpPacket, sender_report, source_description
from quietline.testing.tones import sine

SIP = b"INVITE sip:+442079460101@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n"


def _ip(protocol: int, body: bytes, fragment: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, fragment, 64, protocol, 0)
    return header + socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") + body


def _udp(payload: bytes) -> bytes:
    return _ip(17, struct.pack("!HHHH", 4000, 5000, 8 + len(payload), 0) + payload)


def _tcp(payload: bytes, sequence: int, flags: int = 0x10) -> bytes:
    return _ip(6, struct.pack("!HHIIBBHHH", 4000, 5061, sequence, 0, 0x50, flags, 0, 0, 0) + payload)


def _write(path: Path, frames: list[bytes], order: str = "<", magic: int = 0xA1B2C3D4, link: int = 101) -> Path:
    data = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65_535, link)
    for place, frame in enumerate(frames):
        data += struct.pack(f"{order}IIII", 1_000 + place, 500, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 500e-6), (0xA1B23C4D, 500e-9)])
@pytest.mark.parametrize(("link", "header"), [(101, 0), (1, 14), (113, 16), (276, 20)])
def test_every_kind_of_file(tmp_path: Path, order: str, magic: int, fraction: float, link: int, header: int) -> None:
    path = _write(tmp_path / "x", [bytes(header) + _udp(b"hello")], order, magic, link)
    (packet,) = read_packets(path)
    assert (packet.protocol, packet.source, packet.target) == ("udp", "192.0.2.1:4000", "192.0.2.2:5000")
    assert packet.payload == b"hello"
    assert packet.at == pytest.approx(1_000 + fraction, abs=1e-7)


def test_ip_version_6(tmp_path: Path) -> None:
    body = struct.pack("!HHHH", 1, 2, 11, 0) + b"six"
    ends = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    (packet,) = read_packets(_write(tmp_path / "x", [struct.pack("!IHBB", 6 << 28, 11, 17, 64) + ends + body]))
    assert (packet.source, packet.payload) == ("2001:db8::1:1", b"six")


def test_what_is_no_transport(tmp_path: Path) -> None:
    frames = [_ip(17, b"tail of a datagram", fragment=185), _ip(1, b"ping"), b"\x00\x01arp", b"", _ip(17, b"x")]
    assert [packet.protocol for packet in read_packets(_write(tmp_path / "x", frames))] == ["fragment", "other"]


def test_a_file_that_breaks_off_yields_what_is_whole(tmp_path: Path) -> None:
    path = _write(tmp_path / "x", [_udp(b"one"), _udp(b"two")])
    path.write_bytes(path.read_bytes()[:-2])
    assert [packet.payload for packet in read_packets(path)] == [b"one"]


@pytest.mark.parametrize(("data", "why"), [(b"", "not a pcap"), (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng")])
def test_what_is_no_capture_is_said(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConfigError, match=why):
        list(read_packets(tmp_path / "x"))
    with pytest.raises(ConfigError, match="link type 147"):
        list(read_packets(_write(tmp_path / "y", [], link=147)))


def test_tcp_is_put_in_order_with_retransmissions_once() -> None:
    def segment(at: int, payload: bytes) -> Packet:
        return Packet(0.0, "tcp", "a", "b", payload, at & 0xFFFFFFFF)

    top = 0xFFFFFFFE  # the sequence number wraps
    parts = [segment(top, b"abc"), segment(top + 6, b"ghi"), segment(top + 3, b"def"), segment(top + 3, b"defg")]
    assert tcp_streams(parts) == {("a", "b"): b"abcdefghi"}


def test_a_syn_takes_one_number(tmp_path: Path) -> None:
    frames = [_tcp(b"", 99, 0x02), _tcp(b"ab", 100), _tcp(b"cd", 102), _tcp(b"ab", 100)]
    packets = list(read_packets(_write(tmp_path / "x", frames)))
    assert packets[0].sequence == 100
    assert list(tcp_streams(packets).values()) == [b"abcd"]


def _rtp(payloads: list[bytes]) -> list[bytes]:
    return [RtpPacket(0, n, 160 * n, 7, payload).encode() for n, payload in enumerate(payloads)]


def _frames_of_tone() -> list[bytes]:
    tone = encode(sine([700]), PCMU)
    return [tone[at : at + 160] for at in range(0, 8_000, 160)]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (SIP, "sip"),
        (b"SIP/2.0 200 OK\r\n\r\n", "sip"),
        (_rtp([bytes(160)])[0], "rtp?"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "stun"),
        (b"\x16\xfe\xfd" + bytes(20), "dtls"),
        (b'{"caller": "someone we know"}', "text"),
        (sender_report(7, 0, 1, 160) + source_description(7, {"CNAME": "ivy@example.com"}), "rtcp"),
        (sender_report(7, 0, 1, 160) + Random(1).randbytes(30), "srtcp"),
        (Random(2).randbytes(3), "other"),
    ],
)
def test_kinds_of_datagrams(data: bytes, kind: str) -> None:
    assert kind_of_datagram(data) == kind


def test_whole_rtcp_needs_every_length_to_fit() -> None:
    whole = sender_report(7, 0, 1, 160) + source_description(7, {"NAME": "Ivy"})
    assert is_whole_rtcp(whole)
    assert not is_whole_rtcp(whole[:-4])
    assert not is_whole_rtcp(whole + b"\x80\x00\x00\x01")


def test_records_of_tls() -> None:
    hello = b"\x16\x03\x01\x00\x03abc"
    assert tls_records(hello + b"\x17\x03\x03\x00\x02hi") == [(22, b"abc"), (23, b"hi")]
    assert tls_records(hello + b"\x17\x03\x03\x00\x09hi") == [(22, b"abc"), (23, b"hi")]
    assert tls_records(SIP) is None
    assert tls_records(hello + SIP) is None
    assert tls_records(b"") is None


def _kinds(path: Path, frames: list[bytes]) -> dict[str, int]:
    return read_report(_write(path, frames), [700]).kinds()


def test_seeded_leaks_are_found(tmp_path: Path) -> None:
    random = Random(4)
    secret = [random.randbytes(170) for _ in range(50)]
    assert _kinds(tmp_path / "a", [_udp(p) for p in _rtp(secret)]) == {"srtp": 50}
    assert _kinds(tmp_path / "b", [_udp(p) for p in _rtp(_frames_of_tone())]) == {"rtp": 50}
    assert _kinds(tmp_path / "c", [_udp(p) for p in _rtp(secret[:3])]) == {"rtp or srtp": 3}
    assert _kinds(tmp_path / "d", [_tcp(SIP, 1)]) == {"sip": 1}
    record = b"\x17\x03\x03" + struct.pack("!H", 4_000)
    assert _kinds(tmp_path / "e", [_tcp(record + random.randbytes(4_000), 1)]) == {"tls": 1}
    assert _kinds(tmp_path / "f", [_tcp(record + (SIP * 80)[:4_000], 1)]) == {"tls with structure": 1}


def test_a_packet_seen_twice_is_no_structure(tmp_path: Path) -> None:
    random = Random(5)
    packets = _rtp([random.randbytes(170) for _ in range(50)])
    assert _kinds(tmp_path / "x", [_udp(p) for p in packets for _ in range(2)]) == {"srtp": 100}


def test_leaks_and_canaries_in_a_report(tmp_path: Path) -> None:
    report = read_report(_write(tmp_path / "x", [_udp(SIP), _tcp(SIP[:20], 1), _tcp(SIP[20:], 21)]))
    assert {stream.kind for stream in report.leaks()} == {"sip"}
    found = report.findings({"dialled": "+442079460101"})
    assert {finding.path for finding in found} == {"192.0.2.1:4000>192.0.2.2:5000", "192.0.2.1:4000>192.0.2.2:5061"}
    assert "2079460101" not in repr(report)
