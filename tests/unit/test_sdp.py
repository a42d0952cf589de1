"""SDP: what is taken from a description, what is refused, and what never travels."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from quietline.telephony.media_state import MOST_KNOWN, Known
from quietline.telephony.sdp import (
    DTLS,
    PLAIN,
    SDES,
    Audio,
    Codec,
    Limits,
    UnacceptableOffer,
    read,
    render,
    render_answer,
)

KEY30 = base64.b64encode(bytes(range(30))).decode()
KEY28 = base64.b64encode(bytes(28)).decode()
KEY44 = base64.b64encode(bytes(44)).decode()
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}"
ANY = (*PLAIN, *SDES, *DTLS)

PHONE = [
    "v=0", "o=jane 2890844526 2890842807 IN IP4 192.0.2.10", "s=Jane's phone", "i=Jane Example",
    "u=https://jane.example", "e=jane@example.com (Jane)", "p=+44 20 7946 0001", "c=IN IP4 192.0.2.10", "b=AS:80",
    "t=0 0", "k=prompt", "a=tool:JanePhone 1.0", "m=audio 49170 RTP/SAVP 0 8 101", "i=Jane's microphone",
    "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16",
    CRYPTO, "a=ssrc:42 cname:jane@example.com", "a=msid:jane jane", "a=label:jane", "a=ptime:20", "a=sendrecv",
]  # fmt: skip

BROWSER = [
    "v=0", "o=mozilla...THIS_IS_SDPARTA-99.0 4 0 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=ice-options:trickle", "a=msid-semantic:WMS *",
    "m=audio 50000 UDP/TLS/RTP/SAVPF 0 101", "c=IN IP4 198.51.100.7",
    "a=candidate:1 1 UDP 2122252543 198.51.100.7 50000 typ host generation 0 ufrag jane network-cost 999",
    "a=candidate:2 1 udp 2122252542 0f4a1d2c-jane.local 50001 typ host",
    "a=candidate:3 1 UDP 1686052351 203.0.113.9 50000 typ srflx raddr 198.51.100.7 rport 50000",
    "a=rtpmap:101 telephone-event/8000", "a=ice-ufrag:ab12", "a=ice-pwd:" + "p" * 24, "a=setup:active", "a=mid:0",
    "a=rtcp-mux", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=ssrc:7 cname:{jane}", "a=sendrecv",
]  # fmt: skip


def text(*lines: str) -> str:
    return "\r\n".join(lines) + "\r\n"


def replaced(lines: list[str], old: str, new: str) -> str:
    assert any(old in line for line in lines)
    return text(*(line.replace(old, new) for line in lines))


def test_what_media_needs_is_read() -> None:
    audio = read(text(*PHONE), SDES).audio
    assert (audio.host, audio.port, audio.protocol, audio.family) == ("192.0.2.10", 49170, "RTP/SAVP", "IP4")
    assert audio.codecs == (Codec(0, "PCMU"), Codec(8, "PCMA"), Codec(101, "telephone-event"))
    assert audio.crypto == (CRYPTO[9:],)
    assert audio.direction == "sendrecv"
    assert audio.law() == Codec(0, "PCMU")
    assert not audio.holds


def test_nothing_identifying_travels() -> None:
    made = render(read(text(*PHONE), SDES).audio, 7, 3)
    assert "jane" not in made.lower()
    assert made == text(
        "v=0", "o=- 7 3 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0", "m=audio 49170 RTP/SAVP 0 8 101",
        "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
        CRYPTO, "a=ptime:20", "a=sendrecv",
    )  # fmt: skip


def test_a_browsers_description_keeps_ice_and_dtls_and_loses_the_rest() -> None:
    audio = read(text(*BROWSER), DTLS).audio
    assert audio.attribute("fingerprint").startswith("sha-256 AB:")
    assert audio.attribute("mid") == "0"
    candidates = [value for name, value in audio.attributes if name == "candidate"]
    assert candidates == [
        "1 1 UDP 2122252543 198.51.100.7 50000 typ host",
        "3 1 UDP 1686052351 203.0.113.9 50000 typ srflx raddr 198.51.100.7 rport 50000",
    ]
    made = render(audio)
    for gone in ("jane", "mozilla", "extmap", "ssrc", "BUNDLE", ".local", "network-cost"):
        assert gone not in made
    assert read(made, DTLS).audio == audio


def test_a_description_and_its_error_print_no_address_or_key() -> None:
    audio = read(text(*PHONE), SDES).audio
    assert repr(audio) == "Audio(RTP/SAVP)"
    assert KEY30 not in repr(read(text(*PHONE), SDES))
    with pytest.raises(UnacceptableOffer) as caught:
        read(replaced(PHONE, "192.0.2.10", "jane.example"), SDES)
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason", "warning"),
    [
        ("v=0", "v=1", "v=0", 399),
        ("m=audio 49170", "m=audio 0", "no audio", 304),
        ("m=audio 49170", "m=video 49170", "no audio", 304),
        ("m=audio 49170", "m=audio 70000", "malformed", 399),
        ("m=audio 49170", "m=audio x", "malformed", 399),
        ("RTP/SAVP 0 8 101", "RTP/SAVP", "malformed", 399),
        ("RTP/SAVP", "RTP/AVP", "transport", 302),
        ("RTP/SAVP", "UDP/TLS/RTP/SAVPF", "transport", 302),
        ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "suite", 302),
        ("AES_CM_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80", "suite", 302),
        ("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80", "suite", 302),
        (KEY30, KEY30[:-4], "suite", 302),
        (KEY30, KEY30 + " UNENCRYPTED_SRTP", "suite", 302),
        (KEY30, KEY30 + " UNAUTHENTICATED_SRTP", "suite", 302),
        ("c=IN IP4 192.0.2.10", "c=IN IP4 jane.example", "IP literal", 399),
        ("c=IN IP4 192.0.2.10", "c=IN IP4 224.2.1.1", "unicast", 399),
        ("c=IN IP4 192.0.2.10", "c=IN IP4 224.2.1.1/127", "IP literal", 399),
        ("c=IN IP4 192.0.2.10", "c=IN IP6 192.0.2.10", "family", 399),
        ("c=IN IP4 192.0.2.10", "b=x", "IP literal", 399),
    ],
)
def test_what_is_refused_says_why(old: str, new: str, reason: str, warning: int) -> None:
    with pytest.raises(UnacceptableOffer, match=reason) as caught:
        read(replaced(PHONE, old, new), SDES)
    assert (caught.value.code, caught.value.warning) == (488, warning)


def test_crypto_over_plain_rtp_is_refused_rather_than_ignored() -> None:
    with pytest.raises(UnacceptableOffer, match="crypto over plain RTP"):
        read(replaced(PHONE, "RTP/SAVP", "RTP/AVP"), (*PLAIN, *SDES))


def test_no_g711_is_refused() -> None:
    audio = read(replaced(PHONE, " 0 8 101", " 9 101"), SDES).audio
    with pytest.raises(UnacceptableOffer, match=r"G\.711") as caught:
        audio.law()
    assert caught.value.warning == 305
    with pytest.raises(UnacceptableOffer, match="law"):
        read(replaced(PHONE, " 0 8 101", " 8 101"), SDES).audio.only("PCMU")


@pytest.mark.parametrize(
    ("formats", "law", "codecs"),
    [
        ("8 101", "PCMA", ["PCMA", "telephone-event"]),
        ("8", "PCMA", ["PCMA"]),
        ("101 8 0", "PCMA", ["telephone-event", "PCMA", "PCMU"]),
        ("9 18 0", "PCMU", ["PCMU"]),
        ("0 0 8", "PCMU", ["PCMU", "PCMA"]),
    ],
)
def test_the_callers_order_of_codecs_stands(formats: str, law: str, codecs: list[str]) -> None:
    audio = read(replaced(PHONE, " 0 8 101", f" {formats}"), SDES).audio
    assert audio.law().name == law
    assert [codec.name for codec in audio.codecs] == codecs


def test_payload_types_are_the_callers_own() -> None:
    lines = replaced(PHONE, " 0 8 101", " 97 96").replace(":0 PCMU/8000", ":97 pcma/8000/1").replace(":101 ", ":96 ")
    assert read(lines, SDES).audio.codecs == (Codec(97, "PCMA"), Codec(96, "telephone-event"))


def test_telephone_event_at_another_rate_is_not_ours() -> None:
    audio = read(replaced(PHONE, "telephone-event/8000", "telephone-event/48000"), SDES).audio
    assert audio.names == {"PCMU", "PCMA"}


def test_all_three_suites_and_padded_or_bare_keys_are_taken() -> None:
    more = [
        f"a=crypto:2 AEAD_AES_128_GCM inline:{KEY28}|2^31|1:4",
        f"a=crypto:3 AEAD_AES_256_GCM inline:{KEY44.rstrip('=')}",
    ]
    assert len(read(text(*PHONE, *more), SDES).audio.crypto) == 3


def test_many_crypto_lines_are_cut_off_or_refused() -> None:
    lines = [f"a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY30}" for tag in range(2, 20)]
    assert len(read(text(*PHONE, *lines), SDES).audio.crypto) == Limits().cryptos
    with pytest.raises(UnacceptableOffer, match="crypto"):
        read(text(*PHONE, *lines, *lines), SDES)


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "inactive"])
def test_direction_is_the_streams_or_the_sessions(direction: str) -> None:
    assert read(replaced(PHONE, "a=sendrecv", f"a={direction}"), SDES).audio.direction == direction
    session = [line for line in PHONE if line != "a=sendrecv"]
    session.insert(9, f"a={direction}")
    assert read(text(*session), SDES).audio.direction == direction


def test_hold_is_seen_both_ways() -> None:
    assert read(replaced(PHONE, "a=sendrecv", "a=sendonly"), SDES).audio.holds
    assert read(replaced(PHONE, "192.0.2.10", "0.0.0.0"), SDES).audio.holds
    assert not read(replaced(PHONE, "a=sendrecv", "a=recvonly"), SDES).audio.holds


def test_the_streams_address_goes_before_the_sessions() -> None:
    lines = [*PHONE, "c=IN IP6 2001:db8::1"]
    audio = read(text(*lines), SDES).audio
    assert (audio.host, audio.family) == ("2001:db8::1", "IP6")
    assert "IN IP6 2001:db8::1" in render(audio)


def test_the_rtcp_port_is_kept_without_its_address() -> None:
    audio = read(text(*PHONE, "a=rtcp:53020 IN IP4 198.51.100.99"), SDES).audio
    assert audio.rtcp_port == 53020
    assert "198.51.100.99" not in render(audio)


def test_other_streams_are_refused_in_their_place() -> None:
    offer = replaced(PHONE, "m=audio", "m=video 5000 RTP/SAVP 97\r\na=rtpmap:97 VP8/90000\r\nm=audio")
    offer += text("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
    description = read(offer, SDES)
    assert description.taken == 1
    answer = render_answer(description, Audio("192.0.2.1", 4000, "RTP/SAVP", (Codec(0, "PCMU"),)), 5, 1)
    lines = [line for line in answer.split("\r\n") if line.startswith("m=")]
    assert lines == [
        "m=video 0 RTP/SAVP 97",
        "m=audio 4000 RTP/SAVP 0",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]


def test_the_first_audio_stream_over_an_allowed_transport_is_taken() -> None:
    offer = replaced(PHONE, "m=audio 49170", "m=audio 4000 RTP/AVP 0\r\nm=audio 49170")
    description = read(offer, SDES)
    assert (description.taken, description.audio.port) == (1, 49170)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["a=x"] * 500, "lines"),
        (["a=" + "x" * 20_000], "characters"),
        (["m=audio 9 RTP/AVP 0"] * 9, "streams"),
        (["m=audio 9 RTP/AVP " + " ".join(["0"] * 65)], "malformed"),
        (["a=candidate:1 1 UDP 1 192.0.2.1 9 typ host"] * 33, "candidates"),
    ],
)
def test_limits_hold(more: list[str], reason: str) -> None:
    with pytest.raises(UnacceptableOffer, match=reason):
        read(text(*PHONE, *more), SDES)


@pytest.mark.parametrize("nothing", ["", "\r\n", "v=0", "v=0\r\nm=", "m=audio 9 RTP/AVP 0\r\nv=0", "\x00" * 100])
def test_nonsense_is_refused(nothing: str) -> None:
    with pytest.raises(UnacceptableOffer):
        read(nothing, ANY)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c=IN IP4 224.0.0.1", "unicast"),
        ("c=IN IP4 239.255.255.255", "unicast"),
        ("c=IN IP4 ::1", "unicast"),
        ("c=IN IP6 192.0.2.1", "unicast"),
        ("c=IN IP6 fe80::1%eth0", "unicast"),
        ("c=IN IP4 192.0.2", "no IP literal"),
        ("c=IN IP4 192.0.2.01", "no IP literal"),
        ("c=IN IP4 192.0.2.1\0", "no IP literal"),
        ("c=IN IP4 host.example", "no IP literal"),
        ("c=IN IP4", "no IP literal"),
    ],
)
def test_an_address_is_a_unicast_literal_of_its_family(line: str, reason: str) -> None:
    with pytest.raises(UnacceptableOffer, match=reason):
        read(text("v=0", line, "m=audio 9 RTP/AVP 0"), PLAIN)


def test_a_description_we_wrote_is_known_by_its_text_and_no_more_than_a_few_are_kept() -> None:
    known, audio = Known(), read(text(*PHONE), SDES).audio
    assert known[known.keep(audio)] is audio
    for port in range(1, 50):
        written = known.keep(replace(audio, port=port))
        assert read(written, SDES).audio == known[written]
    assert len(known) <= MOST_KNOWN
