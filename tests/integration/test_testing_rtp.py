"""Two media endpoints on loopback: keys, digits, RTCP, files."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import pytest

from quietline.errors import ConfigError, ProtocolError
from quietline.testing.g711 import PCMA, PCMU
from quietline.testing.rtp import Remote, RtpEndpoint
from quietline.testing.srtp import AES_CM, AES_GCM, AuthenticationFailure, Crypto, Replayed, SrtpDirection
from quietline.testing.tones import sine

HOST = "127.0.0.1"
PACKET = b"\x80\x00\x00\x01" + bytes(8) + b"voice" * 20


def _to(endpoint: RtpEndpoint, payload_type: int = PCMU, event_type: int | None = 101) -> Remote:
    return Remote(HOST, endpoint.port, payload_type, event_type)


@pytest.mark.parametrize("suite", [None, AES_CM, AES_GCM])
@pytest.mark.parametrize("law", [PCMU, PCMA])
async def test_each_hears_the_other_and_not_itself(suite: str | None, law: int) -> None:
    key, other = (Crypto.fresh(suite), Crypto.fresh(suite)) if suite else (None, None)
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        a.sends_tone(730)
        b.sends_tone(1_150)
        a.connect(_to(b, law), key, other)
        b.connect(_to(a, law), other, key)
        await a.press("1*D")
        await asyncio.sleep(0.3)
        assert b.heard(730) > 5_000
        assert b.heard(1_150) < 100
        assert a.heard(1_150) > 5_000
        assert a.loudest()[0] == 1_150
        assert b.digits_heard() == "1*D"
        assert b.sources == {a.ssrc}
        assert not b.counts["authentication_failures"] + b.counts["malformed"] + b.counts["replays"]


@pytest.mark.parametrize("suite", [AES_CM, AES_GCM])
async def test_a_wrong_key_hears_nothing_and_counts(suite: str) -> None:
    async with RtpEndpoint(HOST, rtcp_items={"CNAME": "canary"}) as a, RtpEndpoint(HOST) as b:
        a.sends_tone(730)
        a.connect(_to(b), Crypto.fresh(suite), None)
        b.connect(_to(a), None, Crypto.fresh(suite))
        await asyncio.sleep(0.3)
        assert b.heard(730) == 0.0
        assert b.loudest() == (0, 0.0)
        assert b.counts["received"] == 0
        assert b.counts["authentication_failures"] > 5
        assert b.rtcp_received == []
        assert any(b"canary" not in packet for packet in b.undeciphered)


async def test_plain_media_at_an_encrypting_endpoint_is_refused() -> None:
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        a.connect(_to(b))
        b.connect(_to(a), None, Crypto.fresh())
        await asyncio.sleep(0.15)
        assert (b.counts["received"], b.counts["authentication_failures"] > 0) == (0, True)


async def test_source_description_items_arrive(tmp_path: Path) -> None:
    key = Crypto.fresh()
    async with RtpEndpoint(HOST, rtcp_items={"CNAME": "c1", "NAME": "Ivy Canary", "PHONE": "+447700900555"}) as a:
        for mux in (False, True):
            async with RtpEndpoint(HOST) as b:
                a.counts.clear()
                a.connect(Remote(HOST, b.port, rtcp_mux=mux), key, None)
                b.connect(_to(a), None, key)
                await asyncio.sleep(0.15)
                assert any(b"Ivy Canary" in packet and b"+447700900555" in packet for packet in b.rtcp_received)
                assert all(heard.packet.payload_type == 0 for heard in b.received)


async def test_pausing_sends_nothing_and_time_goes_on() -> None:
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        a.connect(_to(b))
        await asyncio.sleep(0.1)
        a.paused = True
        await asyncio.sleep(0.05)
        before = b.counts["received"]
        await asyncio.sleep(0.15)
        assert b.counts["received"] == before
        a.paused = False
        await asyncio.sleep(0.1)
        first, last = b.received[before - 1].packet, b.received[before].packet
        assert last.sequence - first.sequence == 1
        assert last.timestamp - first.timestamp > 4 * 160


async def test_a_span_of_time_can_be_listened_to() -> None:
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        a.sends_tone(700)
        a.connect(_to(b))
        await asyncio.sleep(0.3)
        middle = b.received[-1].at
        a.sends_tone(1_500)
        await asyncio.sleep(0.3)
        assert b.heard(700, until=middle) > 5_000
        assert b.heard(1_500, until=middle) < 100
        assert b.heard(1_500, since=middle + 0.05) > 5_000
        assert b.samples(since=middle + 1_000) == []


def _wav(path: Path, rate: int, samples: list[int]) -> Path:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    return path


async def test_a_recording_is_sent_and_a_wrong_one_refused(tmp_path: Path) -> None:
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        a.connect(_to(b))
        a.sends_wav(_wav(tmp_path / "tone.wav", 8_000, sine([940])))
        await asyncio.sleep(0.3)
        assert b.heard(940, since=b.received[2].at) > 5_000
        with pytest.raises(ConfigError, match="not mono 16-bit 8,000 Hz"):
            a.sends_wav(_wav(tmp_path / "wide.wav", 16_000, sine([940])))
        with pytest.raises(ConfigError, match="shorter than 20 ms"):
            a.sends_wav(_wav(tmp_path / "short.wav", 8_000, [1, 2]))


async def test_misuse_is_said() -> None:
    async with RtpEndpoint(HOST) as a, RtpEndpoint(HOST) as b:
        with pytest.raises(ProtocolError, match="no call"):
            await a.press("1")
        a.connect(_to(b))
        with pytest.raises(ValueError, match="substring not found"):
            await a.press("x")


async def test_what_is_no_rtp_is_counted() -> None:
    async with RtpEndpoint(HOST) as a:
        a._on_rtp(b"nonsense")
        assert a.counts["malformed"] == 1


@pytest.mark.parametrize("suite", [AES_CM, AES_GCM])
def test_replays_and_changes_are_told_apart(suite: str) -> None:
    key = Crypto.fresh(suite)
    protected = SrtpDirection(key, inbound=False).protect(PACKET)
    receiver = SrtpDirection(key, inbound=True)
    assert b"voice" not in protected
    assert receiver.unprotect(protected) == PACKET
    with pytest.raises(Replayed):
        receiver.unprotect(protected)
    with pytest.raises(AuthenticationFailure):
        SrtpDirection(key, inbound=True).unprotect(protected[:-1] + bytes([protected[-1] ^ 1]))


def test_keys_travel_in_sdp_and_do_not_print() -> None:
    key = Crypto.fresh(AES_GCM)
    assert Crypto.from_attribute(key.attribute(3).removeprefix("a=crypto:") + "|2^31|1:1") == (3, key)
    assert str(key.key) not in repr(key)
    with pytest.raises(ProtocolError, match="a suite"):
        Crypto.from_attribute("1 F8_128_HMAC_SHA1_80 inline:AAAA")
    with pytest.raises(ProtocolError, match="needs 30 bytes"):
        Crypto.from_attribute(f"1 {AES_CM} inline:AAAA")
