"""The simulated phones' own words: SIP, SDP, digest, RTP and G.711, against bytes written by hand or by others."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError, ProtocolError
from quietline.testing.digest import Credentials, authorization
from quietline.testing.g711 import PCMA, PCMU, decode, encode
from quietline.testing.rtp_packets import (
    RtpPacket,
    event_of,
    event_steps,
    is_rtcp,
    sender_report,
    source_description,
)
from quietline.testing.sdp_text import PLAIN, MediaTaste, read_audio, write_audio
from quietline.testing.sip_text import Message, parameter, response_to, take_message, uri_of
from quietline.testing.srtp import Crypto
from quietline.testing.tones import amplitude_of, dtmf_frames, goertzel, loudest_in, sine
from quietline.testing.wire import Edge

INVITE = (
    b"INVITE sip:+442079460101@example.com SIP/2.0\r\n"
    b"v: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bK1;rport\r\n"
    b"Record-Route: <sip:b;lr>, <sip:a,x;lr>\r\n"
    b'f: "Quill, Rosa" <sip:+447700900001@example.com;user=phone>;tag=t1\r\n'
    b"t: <sip:+442079460101@example.com>\r\n"
    b"i: c1\r\nCSeq: 7 INVITE\r\n"
    b"Subject: a folded\r\n  line\r\n"
    b"l: 3\r\n\r\nabc"
)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/SAVP 18 8 0 96\r\nc=IN IP4 192.0.2.7\r\n"
    "a=rtpmap:96 telephone-event/8000\r\na=rtcp:4009 IN IP4 192.0.2.7\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:AAAA\r\n"
    "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n"
    "m=video 5000 RTP/SAVP 97\r\na=inactive\r\n"
)


def test_a_request_is_read() -> None:
    message = Message.parse(INVITE)
    assert (message.method, message.cseq, message.branch, message.code) == ("INVITE", 7, "z9hG4bK1", 0)
    assert message.all("record-route") == ["<sip:b;lr>", "<sip:a,x;lr>"]
    assert message.first("From").startswith('"Quill, Rosa"')
    assert message.all("from") == [message.first("from")]
    assert parameter(message.first("from"), "tag") == "t1"
    assert parameter(message.first("from"), "user") == ""
    assert uri_of(message.first("from")) == "sip:+447700900001@example.com;user=phone"
    assert message.first("subject") == "a folded line"
    assert message.body == "abc"


def test_a_response_copies_and_tags() -> None:
    response = response_to(Message.parse(INVITE), "180 Ringing", "mine")
    assert (response.code, response.reason, response.method) == (180, "Ringing", "INVITE")
    assert response.first("to") == "<sip:+442079460101@example.com>;tag=mine"
    assert len(response.all("record-route")) == 2
    assert response.encode().endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize("data", [b"", b"hello\r\n\r\n", b"SIP/2.0 200 OK\r\nno colon here\r\n\r\n"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Message.parse(data)


@given(cuts=st.lists(st.integers(1, 80), max_size=12))
def test_a_stream_is_cut_into_messages_however_it_arrives(cuts: list[int]) -> None:
    whole, buffer, found = INVITE * 3, bytearray(), []
    pieces, at = [], 0
    for cut in [*cuts, len(whole)]:
        pieces.append(whole[at : at + cut])
        at += cut
    for piece in pieces:
        buffer += piece
        while (message := take_message(buffer)) is not None:
            found.append(message)
    assert found == [INVITE] * 3


def test_digest_as_in_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2617 §3.5's example."""
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0a4f113b")
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    value = authorization(challenge, Credentials("Mufasa", "Circle Of Life"), "GET", "/dir/index.html")
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value
    plain = authorization('Digest realm="r", nonce="n"', Credentials("u", "p"), "GET", "/")
    assert "qop" not in plain


def test_other_challenges_are_refused_and_passwords_do_not_print() -> None:
    for challenge in ('Basic realm="x"', 'Digest realm="x", nonce="n", algorithm=SHA-256'):
        with pytest.raises(ProtocolError, match="MD5"):
            authorization(challenge, Credentials("u", "secret"), "GET", "/")
    assert "secret" not in repr(Credentials("u", "secret"))


def test_an_offer_is_read() -> None:
    audio = read_audio(OFFER)
    assert (audio.host, audio.port, audio.payload_types, audio.event_type) == ("192.0.2.7", 4000, (18, 8, 0, 96), 96)
    assert (audio.direction, audio.rtcp_mux, audio.rtcp_port) == ("sendonly", True, 4009)
    assert list(audio.cryptos) == [2]
    assert len(audio.cryptos[2].key) == 30
    assert audio.remote().payload_type == PCMA


def test_an_answer_mirrors_the_offer() -> None:
    taste = MediaTaste().answering(read_audio(OFFER))
    assert (taste.codecs, taste.event_type, taste.profile) == (("PCMA", "PCMU"), 96, "RTP/SAVP")
    assert MediaTaste(event_type=None).answering(read_audio(OFFER)).event_type is None
    with pytest.raises(ProtocolError, match="no common codec"):
        MediaTaste(codecs=("PCMU",)).answering(read_audio(OFFER.replace(" 18 8 0 96", " 18 8 96")))


def test_what_we_write_reads_back() -> None:
    keys = {1: Crypto.fresh()}
    audio = read_audio(write_audio(MediaTaste(codecs=("PCMA",), event_type=96), "192.0.2.5", 4000, keys, "inactive"))
    assert (audio.payload_types, audio.event_type, audio.cryptos, audio.direction) == ((8, 96), 96, keys, "inactive")
    plain = write_audio(PLAIN, "2001:db8::1", 4000, {})
    assert "RTP/AVP 0 8 101" in plain
    assert "IN IP6 2001:db8::1" in plain
    assert "crypto" not in plain


def test_a_refused_or_missing_stream_is_said() -> None:
    with pytest.raises(ProtocolError, match="refused"):
        read_audio(OFFER.replace("audio 4000", "audio 0")).remote()
    with pytest.raises(ProtocolError, match="neither"):
        read_audio(OFFER.replace(" 18 8 0 96", " 18 96")).remote()
    with pytest.raises(ProtocolError, match="no audio stream"):
        read_audio("v=0\r\n")


@pytest.mark.parametrize(
    ("law", "pairs"),
    [(PCMU, {0: 0xFF, 32_124: 0x80, -32_124: 0x00, 100: 0xF2}), (PCMA, {8: 0xD5, -8: 0x55, 32_256: 0xAA})],
)
def test_g711_at_known_points(law: int, pairs: dict[int, int]) -> None:
    for sample, code in pairs.items():
        assert encode([sample], law) == bytes([code])


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_g711_there_and_back(law: int) -> None:
    every = bytes(range(256))
    again = encode(decode(every, law), law)
    assert [a for a, b in zip(every, again, strict=True) if a != b] == ([0x7F] if law == PCMU else [])  # minus zero
    for sample in range(-32_000, 32_000, 37):
        (heard,) = decode(encode([sample], law), law)
        assert abs(heard - sample) <= max(16, abs(sample) // 16)


def test_rtp_reads_what_it_writes_and_skips_what_it_does_not_use() -> None:
    packet = RtpPacket(8, 65_535, 4_000_000_000, 7, b"payload", marker=True)
    assert RtpPacket.decode(packet.encode()) == packet
    extended = b"\xb1\x08\x00\x01" + bytes(8) + b"csrc" + b"\xbe\xde\x00\x01extn" + b"payload\x00\x00\x03"
    assert RtpPacket.decode(extended).payload == b"payload"
    with pytest.raises(ProtocolError):
        RtpPacket.decode(b"\x80" * 5)


def test_a_key_press_in_steps() -> None:
    steps = event_steps("#")
    assert [event_of(step.payload) for step in steps if step.payload] == [("#", False)] * 5 + [("#", True)] * 3
    assert [step.first for step in steps].count(True) == 1
    assert [int.from_bytes(s.payload[2:], "big") for s in steps if s.payload][:5] == [160, 320, 480, 640, 800]
    with pytest.raises(ValueError, match="substring"):
        event_steps("x")
    with pytest.raises(ProtocolError):
        event_of(b"\x63\x00\x00\x00")


def test_rtcp_items() -> None:
    packet = source_description(7, {"CNAME": "a", "PHONE": "+44"})
    assert len(packet) % 4 == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet) // 4 - 1
    assert b"\x04\x03+44\x00" in packet
    assert is_rtcp(packet)
    assert is_rtcp(sender_report(7, 0, 1, 160))
    assert not is_rtcp(RtpPacket(0, 1, 1, 1, b"x", marker=True).encode())


def test_tones_are_measured() -> None:
    both = sine([700, 1_500], 5_000, 800)
    assert goertzel(both, 700) == pytest.approx(5_000, rel=0.01)
    assert goertzel(both, 1_100) < 50
    assert amplitude_of(sine([700])[:4_000] + sine([700])[55:4_055], 700) > 6_000  # a jump of phase in the middle
    assert loudest_in(sine([1_230])) == (1_230, pytest.approx(8_000, rel=0.01))
    assert (goertzel([], 700), loudest_in([])) == (0.0, (0, 0.0))
    five = decode(b"".join(dtmf_frames("5", PCMU)), PCMU)
    assert goertzel(five, 770) > 5_000
    assert goertzel(five, 1_336) > 5_000


def test_an_edge_says_which_certificate_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"edge 127\.0\.0\.1:5061: cannot load a certificate"):
        Edge("127.0.0.1", 5061, ca=tmp_path / "missing.pem").tls()
    assert Edge("127.0.0.1", 5061).name == "127.0.0.1"
    assert Edge("127.0.0.1", 5061, domain="desk.example").name == "desk.example"
