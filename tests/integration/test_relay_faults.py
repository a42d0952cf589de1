"""When things go wrong around the relay: it dies, the controller dies, strangers speak, logs are read."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from pathlib import Path

import pytest
from relay_parts import Phone, client, frequencies, loud, phones, running, settings, strength, until_alive

from quietline.errors import ProtocolError, RelayUnavailable
from quietline.telephony.media_state import relay_id
from quietline.telephony.ng import NgClient
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.prompts import Prompts
from quietline.telephony.rtpengine import RtpengineRelay

pytestmark = pytest.mark.real

AES = "AES_CM_128_HMAC_SHA1_80"


async def calls(relay: RtpengineRelay) -> set[str]:
    return set((await relay.ng.command("list", limit=100))["calls"])


async def test_a_killed_relay_is_unavailable_and_works_again_after_a_restart(prompts: Prompts, tmp_path: Path) -> None:
    with running(settings(), tmp_path / "relay.log") as process:
        async with client(process.relay, prompts) as relay, phones(Phone(700, suite=AES)) as (caller,):
            lost = relay.media_for("lost")
            caller.connect(await lost.answer_caller(caller.sdp()))
            process.kill()
            assert not await relay.alive()
            with pytest.raises(RelayUnavailable, match="unanswered"):
                await lost.play(Prompt.HOLD)
            process.start()
            await until_alive(relay)
            with pytest.raises(RelayUnavailable, match="refused"):
                await lost.silence_seconds()
            await lost.release()
            again = relay.media_for("again")
            caller.connect(await again.answer_caller(caller.sdp()))
            await again.play(Prompt.NOTICE)
            await caller.listen(0.4)
            assert loud(await caller.listen(0.5)) > 300
            await again.release()


async def test_reaping_deletes_only_unknown_calls_of_our_own(relay: RtpengineRelay) -> None:
    async with phones(Phone(700, suite=AES)) as (caller,):
        known, orphan = secrets.token_hex(8), secrets.token_hex(8)
        for call in (known, orphan):
            await relay.media_for(call).answer_caller(caller.sdp())
        plain = caller.sdp().replace("SAVP", "AVP").replace("a=crypto", "a=x")
        await relay.ng.command("offer", call_id="someone-elses", from_tag="a", to_tag="b", sdp=plain)
        assert await relay.reap({known, "never seen"}) == 1
        assert await calls(relay) == {relay_id(known), "someone-elses"}
        assert await relay.reap({known}) == 0
        assert await relay.reap(set()) == 1
        await relay.delete("someone-elses")
        await relay.delete("someone-elses")


async def test_another_process_goes_on_with_a_live_call(relay: RtpengineRelay, prompts: Prompts) -> None:
    """The second client knows the call from its saved record alone, as JSON, as the journal keeps it."""
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        first = relay.media_for("survivor")
        caller.connect(await first.answer_caller(caller.sdp()))
        agent.connect(await first.offer_agent("AG1", AgentPhone.SIP))
        await first.bridge("AG1", agent.sdp())
        saved = json.loads(json.dumps(first.save()))
        ng = await NgClient.connect(relay.ng._transport.get_extra_info("peername")[1])
        settings_of_another_life = settings()
        other = RtpengineRelay(settings_of_another_life, prompts, ng, relay.listener)
        second = other.restore(saved)
        assert await second.silence_seconds() == pytest.approx({"caller": 1.0, "agent": 1.0}, abs=1.5)
        held = await second.agent_reoffer(agent.sdp("sendonly"))
        assert int(held.split("\r\n")[1].split()[2]) == 2, "the o= version did not go on"
        await asyncio.sleep(0.2)
        at_caller = await caller.listen(0.5)
        assert loud(at_caller) > 300
        assert strength(at_caller, theirs) < 150
        third = other.restore(json.loads(json.dumps(second.save())))
        await third.agent_reoffer(agent.sdp())
        await asyncio.sleep(0.3)
        assert strength(await caller.listen(0.5), theirs) > 2_000
        await third.release()
        assert relay_id("survivor") not in await calls(relay)
        other.ng.close()


async def test_a_prompt_cut_off_by_a_restart_gives_the_agents_voice_back(relay: RtpengineRelay) -> None:
    mine, theirs = frequencies(2)
    async with phones(Phone(mine, suite=AES), Phone(theirs, suite=AES)) as (caller, agent):
        first = relay.media_for("cut off")
        caller.connect(await first.answer_caller(caller.sdp()))
        agent.connect(await first.offer_agent("AG1", AgentPhone.SIP))
        await first.bridge("AG1", agent.sdp())
        await first.play(Prompt.CODE)
        saved = first.save()
        first.forget()
        second = relay.restore(saved)
        await second.silence_seconds()
        await asyncio.sleep(0.2)
        assert strength(await caller.listen(0.5), theirs) > 2_000
        await second.release()


async def test_a_record_of_another_kind_is_refused(relay: RtpengineRelay) -> None:
    for record in ({}, {"call": "x", "colour": "red"}):
        with pytest.raises(ProtocolError, match="saved record"):
            relay.restore(record)


async def test_digits_from_elsewhere_or_without_sense_are_counted_and_dropped(relay: RtpengineRelay) -> None:
    port = relay.listener._transport.get_extra_info("sockname")[1]
    digits = relay.media_for("keys").digits()
    good = {"callid": relay_id("keys"), "source_tag": "C", "event": 5}
    bad = [b"", b"\xff\xfe", b"[]", b"5", b"[" * 2_000, json.dumps(good | {"event": 16}).encode()]
    bad += [json.dumps(good | change).encode() for change in ({"event": True}, {"event": "5"}, {"callid": 7})]
    before = relay.listener.ignored
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in bad:
            sender.sendto(data, ("127.0.0.1", port))
        sender.sendto(json.dumps(good | {"source_tag": "A1"}).encode(), ("127.0.0.1", port))
        sender.sendto(json.dumps(good).encode(), ("127.0.0.1", port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        stranger.sendto(json.dumps(good | {"event": 9}).encode(), ("127.0.0.1", port))
    async with asyncio.timeout(2):
        assert await anext(digits) == "5"
        while relay.listener.ignored < before + len(bad) + 1:
            await asyncio.sleep(0.01)


async def test_the_relays_log_and_command_line_hold_nothing_of_a_call(prompts: Prompts, tmp_path: Path) -> None:
    log = tmp_path / "relay.log"
    with running(settings(), log) as process:
        async with client(process.relay, prompts) as relay, phones(Phone(700, suite=AES)) as (caller,):
            media = relay.media_for("call-of-+442079460123")
            offer = caller.sdp().replace("s=-", "s=canary-name")
            caller.connect(await media.answer_caller(offer))
            digits = media.digits()
            await caller.press("7391")
            assert [await anext(digits) for _ in "7391"] == list("7391")
            await media.stop()
            with pytest.raises(RelayUnavailable):
                await relay.ng.command("offer", call_id="x", from_tag="a", sdp="canary: no description")
            with pytest.raises(RelayUnavailable):
                await relay.ng.command("answer", call_id="x", from_tag="a", to_tag="b", sdp=f"{offer}a=canary-line")
            await media.release()
            arguments = Path(f"/proc/{process.process.pid}/cmdline").read_bytes().decode()
        text = log.read_text()
        assert "canary" not in arguments + text
        key = offer.split("inline:")[1].split("\r\n")[0]
        for canary in ("442079460123", "7391", "DTMF", key, key[:20], str(caller.port), "127.0.0.1"):
            assert canary not in text
