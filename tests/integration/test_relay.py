"""A call's media through a real rtpengine: who hears whom, and who hears nothing."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from relay_parts import Phone, frequencies, loud, phones, strength

from quietline.errors import ProtocolError
from quietline.telephony.media import RtpengineMedia
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.rtpengine import RtpengineRelay
from quietline.telephony.sdp import UnacceptableOffer

pytestmark = pytest.mark.real

AES, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"
CLEAR = 2_000.0  # amplitude of a tone that is heard; it is sent at 8,000
SILENT = 150.0  # amplitude below which a tone is absent: the leakage of another tone's edges


async def answered(relay: RtpengineRelay, caller: Phone) -> RtpengineMedia:
    media = relay.media_for(secrets.token_hex(8))
    caller.connect(await media.answer_caller(caller.sdp()))
    return media


async def joined(relay: RtpengineRelay, caller: Phone, agent: Phone) -> RtpengineMedia:
    media = await answered(relay, caller)
    await join(media, agent, "first")
    return media


async def join(media: RtpengineMedia, agent: Phone, attempt: str) -> None:
    agent.connect(await media.offer_agent(attempt, AgentPhone.SIP))
    await media.bridge(attempt, agent.sdp())
    await asyncio.sleep(0.3)


async def keys(media_digits, count: int) -> str:
    async with asyncio.timeout(3):
        return "".join([await anext(media_digits) for _ in range(count)])


async def both(one: Phone, other: Phone, seconds: float = 0.6) -> tuple[list[int], list[int]]:
    heard = await asyncio.gather(one.listen(seconds), other.listen(seconds))
    return heard[0], heard[1]


@pytest.mark.parametrize("suite", [AES, GCM, ""])
async def test_after_the_bridge_each_hears_the_other_and_nobody_else(relay: RtpengineRelay, suite: str) -> None:
    mine, theirs, wrong = frequencies(3)
    async with phones(Phone(mine, suite=suite), Phone(theirs, suite=AES)) as (caller, agent):
        media = await joined(relay, caller, agent)
        at_caller, at_agent = await both(caller, agent)
        assert strength(at_caller, theirs) > CLEAR
        assert strength(at_agent, mine) > CLEAR
        for heard, own in ((at_caller, mine), (at_agent, theirs)):
            assert strength(heard, own) < SILENT
            assert strength(heard, wrong) < SILENT
        assert await media.suites() == {"caller": suite or "none", "agent": AES}
        assert set(await media.silence_seconds()) == {"caller", "agent"}
        await media.release()


async def test_the_inside_end_no_longer_feeds_a_bridged_caller(relay: RtpengineRelay) -> None:
    mine, theirs, strange = frequencies(3)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES), Phone(strange)) as (caller, agent, stranger):
        media = await answered(relay, caller)
        query = await relay.ng.command("query", call_id=media._id)
        stranger.there = ("127.0.0.1", query["tags"]["I"]["medias"][0]["streams"][0]["local port"])
        await join(media, agent, "first")
        at_caller = await caller.listen(0.6)
        assert strength(at_caller, strange) < SILENT
        assert strength(at_caller, theirs) > CLEAR
        await media.release()


@pytest.mark.parametrize(("law", "payload"), [("PCMU", 0), ("PCMA", 8)])
async def test_prompts_are_heard_and_replaced_in_the_callers_own_law(
    relay: RtpengineRelay, law: str, payload: int
) -> None:
    async with phones(Phone(1_000, law=law, law_payload=payload, suite=AES)) as (caller,):
        media = await answered(relay, caller)
        assert await caller.listen(0.3) == []
        assert 10 < await media.play(Prompt.NOTICE) < 40
        await caller.listen(0.3)
        assert loud(await caller.listen(0.8)) > 300
        await media.loop(Prompt.MUSIC)
        await caller.listen(0.2)
        assert loud(await caller.listen(0.5)) > 300
        await media.stop()
        await caller.listen(0.2)
        assert await caller.listen(0.3) == []
        assert {packet.payload for packet in caller.heard} == {payload}
        await media.release()


async def test_an_a_law_only_caller_with_events_on_96_talks_and_keys(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    odd = Phone(mine, law="PCMA", law_payload=8, events=96, suite=AES)
    async with phones(odd, Phone(theirs, law="PCMA", law_payload=8, events=96, suite=AES)) as (caller, agent):
        media = await answered(relay, caller)
        digits = media.digits()
        await caller.press("10*")
        assert await keys(digits, 3) == "10*"
        await join(media, agent, "first")
        at_caller, at_agent = await both(caller, agent)
        assert strength(at_caller, theirs) > CLEAR
        assert strength(at_agent, mine) > CLEAR
        await caller.press("7#")
        assert await keys(digits, 2) == "7#"
        await media.release()


async def test_a_caller_without_telephone_event_talks(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, events=None, suite=AES), Phone(theirs, events=None, suite=AES)) as (caller, agent):
        media = await answered(relay, caller)
        assert "telephone-event" not in await media.offer_agent("first", AgentPhone.SIP)
        await join(media, agent, "second")
        at_caller, at_agent = await both(caller, agent)
        assert strength(at_caller, theirs) > CLEAR
        assert strength(at_agent, mine) > CLEAR
        await media.release()


async def test_a_caller_without_g711_or_with_crypto_over_plain_rtp_is_refused(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES)) as (caller,):
        media = relay.media_for("refused")
        with pytest.raises(UnacceptableOffer, match=r"G\.711"):
            await media.answer_caller(caller.sdp().replace("PCMU", "opus").replace(" 0 101", " 96 101"))
        with pytest.raises(UnacceptableOffer, match="crypto over plain RTP"):
            await media.answer_caller(caller.sdp().replace("RTP/SAVP", "RTP/AVP"))
        assert (await relay.ng.command("list"))["calls"] == []


async def test_keys_are_muted_for_the_agent_and_still_arrive_here(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        media = await joined(relay, caller, agent)
        digits = media.digits()
        await media.mute_digits(True)
        await asyncio.sleep(0.1)
        before = len(agent.raw)
        await caller.press("493817")
        assert await keys(digits, 6) == "493817"
        assert len(agent.raw) == before, "the agent got a packet of the caller's while keys were entered"
        assert strength(await caller.listen(0.5), theirs) > CLEAR
        await media.mute_digits(False)
        await asyncio.sleep(0.1)
        assert strength(await agent.listen(0.5), mine) > CLEAR
        await media.release()


async def test_hold_gives_the_caller_music_and_resume_gives_the_voices_back(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        media = await joined(relay, caller, agent)
        assert "a=recvonly" in await media.agent_reoffer(agent.sdp("sendonly"))
        await asyncio.sleep(0.2)
        before = len(agent.raw)
        at_caller = await caller.listen(0.8)
        assert loud(at_caller) > 300
        assert strength(at_caller, theirs) < SILENT
        assert len(agent.raw) == before
        assert "a=sendrecv" in await media.agent_reoffer(agent.sdp())
        await asyncio.sleep(0.3)
        at_caller, at_agent = await both(caller, agent)
        assert strength(at_caller, theirs) > CLEAR
        assert strength(at_agent, mine) > CLEAR
        assert caller.undecipherable == agent.undecipherable == 0
        await media.release()


async def test_a_prompt_on_a_bridged_call_silences_the_agent_until_it_ends(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        media = await joined(relay, caller, agent)
        seconds = await media.play(Prompt.CODE_OK)
        await asyncio.sleep(0.2)
        at_caller, at_agent = await both(caller, agent)
        assert loud(at_caller) > 300
        assert strength(at_caller, theirs) < SILENT
        assert strength(at_agent, mine) > CLEAR
        await asyncio.sleep(seconds - 0.5)
        assert strength(await caller.listen(0.5), theirs) > CLEAR
        await media.release()


async def test_a_refused_attempt_leaves_nothing_behind(relay: RtpengineRelay) -> None:
    mine, first, second = frequencies(3)
    async with phones(Phone(mine, suite=AES), Phone(first, suite=AES), Phone(second, suite=AES)) as (caller, one, two):
        media = await answered(relay, caller)
        await media.loop(Prompt.MUSIC)
        one.connect(await media.offer_agent("AG1", AgentPhone.SIP))
        two.connect(await media.offer_agent("AG2", AgentPhone.SIP))
        await asyncio.sleep(0.2)
        assert loud(await caller.listen(0.4)) > 300, "the music stopped between two attempts"
        await media.bridge("AG2", two.sdp())
        await asyncio.sleep(0.3)
        before = len(caller.heard)
        at_caller, at_two = await both(caller, two)
        assert len({packet.ssrc for packet in caller.heard[before:]}) == 1, "the music goes on beside the agent"
        assert strength(at_caller, second) > CLEAR
        assert strength(at_caller, first) < SILENT
        assert strength(at_two, mine) > CLEAR
        assert one.raw == []
        query = await relay.ng.command("query", call_id=media._id)
        streams = query["tags"]["A1"]["medias"][0]["streams"]
        assert [stream.get("local port") for stream in streams] == [None, None], "its ports are still open"
        await media.release()


async def test_a_lost_agent_is_replaced_and_the_caller_stays_on_the_same_port(relay: RtpengineRelay) -> None:
    mine, first, second = frequencies(3)
    async with phones(Phone(mine, suite=AES), Phone(first, suite=AES), Phone(second, suite=AES)) as (caller, one, two):
        media = await joined(relay, caller, one)
        await media.mute_digits(True)
        await media.agent_reoffer(one.sdp("sendonly"))
        await media.loop(Prompt.MUSIC)
        two.connect(await media.offer_agent("AG2", AgentPhone.SIP))
        await asyncio.sleep(0.2)
        at_caller = await caller.listen(0.4)
        assert loud(at_caller) > 300
        assert strength(at_caller, first) < SILENT
        with pytest.raises(ProtocolError, match="latest attempt"):
            await media.bridge("first", one.sdp())
        await media.bridge("AG2", two.sdp())
        await asyncio.sleep(0.3)
        at_caller, at_two = await both(caller, two)
        assert strength(at_caller, second) > CLEAR
        assert strength(at_caller, first) < SILENT
        assert strength(at_two, mine) > CLEAR
        digits = media.digits()
        await caller.press("6")
        assert await keys(digits, 1) == "6"
        assert caller.undecipherable == 0
        await media.release()


async def test_a_waiting_caller_who_holds_is_sent_nothing_until_they_are_back(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES)) as (caller,):
        media = await answered(relay, caller)
        await media.loop(Prompt.MUSIC)
        await media.caller_reoffer(caller.sdp("sendonly"))
        await asyncio.sleep(0.2)
        assert await caller.listen(0.3) == []
        caller.rekey()
        await media.caller_reoffer(caller.sdp())
        await asyncio.sleep(0.2)
        assert loud(await caller.listen(0.4)) > 300
        digits = media.digits()
        await caller.press("0")
        assert await keys(digits, 1) == "0", "after the new key the relay understands the caller"
        await media.release()


async def test_an_answer_that_picks_no_offered_key_or_another_law_is_refused(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES), Phone(900, suite=AES)) as (caller, agent):
        media = await answered(relay, caller)
        agent.connect(await media.offer_agent("AG1", AgentPhone.SIP))
        for broken in (
            agent.sdp().replace("crypto:2", "crypto:9"),
            agent.sdp().replace(" 0 101", " 8 101"),
            agent.sdp().replace("RTP/SAVP", "RTP/AVP"),
        ):
            with pytest.raises(UnacceptableOffer):
                await media.bridge("AG1", broken)
        await media.bridge("AG1", agent.sdp())
        await media.release()


def browser(offer: str, direction: str = "sendrecv", ufrag: str = "abcd", setup: str = "active") -> str:
    """What Chromium says to an offer, as far as signalling goes."""
    mid = offer.split("a=mid:")[1].split("\r\n")[0]
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0 101"]
    lines += ["c=IN IP4 0.0.0.0", "a=candidate:1 1 udp 2122260223 127.0.0.1 40000 typ host generation 0"]
    lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{ufrag * 6}", "a=fingerprint:sha-256 " + ":".join(["0A"] * 32)]
    lines += [
        f"a=setup:{setup}",
        f"a=mid:{mid}",
        "a=rtcp-mux",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
    ]
    return "\r\n".join([*lines, f"a={direction}"]) + "\r\n"


def said(sdp: str, *names: str) -> dict[str, str]:
    pairs = [line[2:].split(":", 1) for line in sdp.split("\r\n") if line.startswith("a=") and ":" in line]
    return {name: value for name, value in pairs if name in names}


async def test_a_browsers_hold_keeps_ice_and_dtls_as_they_are_and_a_restart_renews_them(relay: RtpengineRelay) -> None:
    steady = ("ice-ufrag", "ice-pwd", "fingerprint", "mid")
    async with phones(Phone(700, suite=AES)) as (caller,):
        media = await answered(relay, caller)
        offer = await media.offer_agent("AG1", AgentPhone.BROWSER)
        await media.bridge("AG1", browser(offer))
        held = await media.agent_reoffer(browser(offer, "sendonly", setup="actpass"))
        assert "a=recvonly" in held
        assert said(held, *steady) == said(offer, *steady)
        assert said(held, "setup") == {"setup": "passive"}
        await asyncio.sleep(0.2)
        assert loud(await caller.listen(0.4)) > 300
        again = await media.agent_reoffer(browser(offer, ufrag="wxyz", setup="actpass"))
        assert said(again, "fingerprint", "mid", "setup") == said(held, "fingerprint", "mid", "setup")
        assert said(again, "ice-ufrag")
        assert "UDP/TLS/RTP/SAVPF 0 101" in again
        assert caller.undecipherable == 0
        await media.release()


async def test_an_agent_who_rings_but_has_not_answered_is_not_heard(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        media = await answered(relay, caller)
        agent.connect(await media.offer_agent("AG1", AgentPhone.SIP))
        assert await caller.listen(0.6) == []
        assert agent.raw == []
        await media.release()


async def test_no_key_of_the_callers_reaches_an_agent(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES), Phone(900, suite=AES)) as (caller, _):
        offer = caller.sdp()
        media = relay.media_for("keys")
        answer = await media.answer_caller(offer)
        caller.connect(answer)
        one = await media.offer_agent("AG1", AgentPhone.SIP)
        two = await media.offer_agent("AG2", AgentPhone.SIP)
        lines = [{part for part in text.split() if part.startswith("inline:")} for text in (offer, answer, one, two)]
        assert all(lines)
        assert len(set().union(*lines)) == sum(map(len, lines)), "a key is used on two legs"
        offered = {line.split()[1] for line in one.splitlines() if line.startswith("a=crypto")}
        assert offered == {AES, "AEAD_AES_128_GCM", GCM}
        await media.release()


async def test_the_browser_is_offered_dtls_ice_and_mux_and_nothing_of_the_caller(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES)) as (caller,):
        canaries = ["o=jane.doe", "s=Jane's phone", "i=about", "u=https://jane.example", "e=jane@jane.example"]
        offer = caller.sdp().replace("o=- 4 1", "o=jane.doe 4 1").replace("s=-", "\r\n".join(canaries[1:]))
        offer += "a=ssrc:4242 cname:jane@jane.example\r\na=tool:JanePhone\r\n"
        media = relay.media_for("browser")
        caller.connect(await media.answer_caller(offer))
        sdp = await media.offer_agent("AG1", AgentPhone.BROWSER)
        for canary in ("jane", "Jane", "4242", "about", caller.key.hex(), str(caller.port), "cname", "tool"):
            assert canary not in sdp
        assert "UDP/TLS/RTP/SAVPF 0 101" in sdp
        for wanted in (
            "a=rtcp-mux",
            "a=setup:actpass",
            "a=fingerprint:sha-256 ",
            "a=ice-ufrag:",
            "a=candidate:",
            "a=mid:",
        ):
            assert wanted in sdp
        assert "crypto" not in sdp
        await media.release()


async def test_the_callers_rtcp_names_never_reach_the_agent(relay: RtpengineRelay) -> None:
    canaries = {1: b"jane@canary.example", 2: b"Jane Canary", 4: b"+442079460777"}
    for suite in (AES, ""):
        async with phones(Phone(700, suite=suite), Phone(900, suite=AES)) as (caller, agent):
            media = await joined(relay, caller, agent)
            async with asyncio.timeout(15):  # the relay makes its own reports every five seconds or so
                while not agent.rtcp:
                    caller.send_rtcp(canaries)
                    await asyncio.sleep(0.2)
            for packet in agent.rtcp:
                assert not any(text in packet for text in canaries.values())
            await media.release()


async def test_a_callers_refresh_hold_and_new_key_keep_our_port_and_key(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        media = relay.media_for("refresh")
        first = await media.answer_caller(caller.sdp())
        caller.connect(first)
        await join(media, agent, "first")
        refreshed = await media.caller_reoffer(caller.sdp())
        assert _same_but_origin(first, refreshed)
        assert "a=recvonly" in await media.caller_reoffer(caller.sdp("sendonly"))
        await asyncio.sleep(0.2)
        assert await caller.listen(0.3) == []
        caller.rekey()
        again = await media.caller_reoffer(caller.sdp())
        assert _same_but_origin(first, again)
        await asyncio.sleep(0.3)
        at_caller, at_agent = await both(caller, agent)
        assert strength(at_caller, theirs) > CLEAR
        assert strength(at_agent, mine) > CLEAR
        await media.release()


async def test_an_agent_who_moves_to_another_port_and_key_is_heard_again(relay: RtpengineRelay) -> None:
    mine, theirs, moved = frequencies(3)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES), Phone(moved, suite=AES)) as (caller, one, two):
        media = await joined(relay, caller, one)
        two.connect(await media.agent_reoffer(two.sdp()))
        await asyncio.sleep(0.3)
        at_caller, at_two = await both(caller, two)
        assert strength(at_caller, moved) > CLEAR
        assert strength(at_two, mine) > CLEAR
        assert caller.undecipherable == 0, "the caller's key changed"
        await media.release()


def _same_but_origin(one: str, other: str) -> bool:
    """Equal but for o=, whose version must have grown (RFC 3264 §8)."""
    before, after = ([line for line in text.split("\r\n") if line[:2] != "o="] for text in (one, other))
    versions = [int(text.split("\r\n")[1].split()[2]) for text in (one, other)]
    return before == after and versions[0] < versions[1]
