"""Legs that move, through a real rtpengine: a callback, a colleague who is asked, the hand-over."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from relay_parts import Phone, frequencies, phones, strength

from quietline.errors import ProtocolError
from quietline.telephony.media_moves import MovingMedia
from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.rtpengine import RtpengineRelay
from quietline.telephony.sdp import UnacceptableOffer

pytestmark = pytest.mark.real

AES, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"
CLEAR = 2_000.0  # amplitude of a tone that is heard; it is sent at 8,000
SILENT = 150.0  # amplitude below which a tone is absent
RINGING = 200.0  # amplitude of one of the ringback's two tones over its three seconds, soft and mostly silent
SETTLE = 0.3  # seconds until packets on their way have arrived


async def hear(*pairs: tuple[Phone, dict[float, bool]], seconds: float = 0.6) -> None:
    """Each phone hears just the tones that are True."""
    await asyncio.sleep(SETTLE)
    heard = await asyncio.gather(*(phone.listen(seconds) for phone, _ in pairs))
    for at, (samples, (phone, wanted)) in enumerate(zip(heard, pairs, strict=True)):
        for frequency, there in wanted.items():
            found = strength(samples, frequency)
            assert (found > CLEAR) if there else (found < SILENT), (at, phone.frequency, frequency, found, there)


def few_lost(*heard: Phone) -> None:
    """At the moment of a change the relay may send a packet or two under a key of neither; no more."""
    assert max(phone.undecipherable for phone in heard) < 5


async def talking(relay: RtpengineRelay, caller: Phone, agent: Phone) -> MovingMedia:
    media = relay.media_for(secrets.token_hex(8))
    caller.connect(await media.answer_caller(caller.sdp()))
    agent.connect(await media.offer_agent("AG1", AgentPhone.SIP))
    await media.bridge("AG1", agent.sdp())
    return media


async def asked(media: MovingMedia, colleague: Phone, attempt: str = "AG2") -> None:
    colleague.connect(await media.offer_consult(attempt, AgentPhone.SIP))
    await media.connect_consult(attempt, colleague.sdp())


@pytest.mark.parametrize(("called_suite", "agent_suite"), [(AES, AES), (GCM, AES), ("", AES)])
async def test_an_agent_first_then_the_customer(relay: RtpengineRelay, called_suite: str, agent_suite: str) -> None:
    mine, theirs = [each for each in frequencies(6) if each > 900][:2]  # clear of the ringing tone
    async with phones(Phone(theirs, suite=called_suite), Phone(mine, suite=agent_suite)) as (called, agent):
        media = relay.media_for(secrets.token_hex(8))
        agent.connect(await media.offer_agent_alone("AG1", AgentPhone.SIP))
        await media.connect_agent("AG1", agent.sdp())
        await media.ringback(True)
        assert strength(await agent.listen(3.0), 400) > RINGING
        called.connect(await media.offer_called(bool(called_suite)))
        await media.connect_called(called.sdp())
        keys = media.digits()
        await media.play(Prompt.CALLBACK)
        await hear((called, {mine: False}), (agent, {theirs: False}))
        await called.press("1")
        async with asyncio.timeout(3):
            assert await anext(keys) == "1"
        await media.join()
        await hear((called, {mine: True, 400: False}), (agent, {theirs: True, 400: False}))
        few_lost(called, agent)
        await media.release()


async def test_a_callback_may_be_handed_on(relay: RtpengineRelay) -> None:
    mine, theirs, others = frequencies(3)
    called, agent, next_agent = Phone(theirs, suite=AES), Phone(mine, suite=AES), Phone(others, suite=AES)
    async with phones(called, agent, next_agent):
        media = relay.media_for(secrets.token_hex(8))
        agent.connect(await media.offer_agent_alone("AG1", AgentPhone.SIP))
        await media.connect_agent("AG1", agent.sdp())
        called.connect(await media.offer_called())
        await media.connect_called(called.sdp())
        await media.join()
        await media.park()
        await hear((called, {mine: False}), (agent, {theirs: False}))
        next_agent.connect(await media.offer_agent("AG2", AgentPhone.SIP))
        await media.bridge("AG2", next_agent.sdp())
        await hear((called, {others: True, mine: False}), (next_agent, {theirs: True}), (agent, {theirs: False}))
        await media.release()


@pytest.mark.parametrize("suite", [AES, GCM, ""])
async def test_a_colleague_is_asked_and_the_caller_taken_back(relay: RtpengineRelay, suite: str) -> None:
    customers, firsts, seconds = frequencies(3)
    caller, first, second = Phone(customers, suite=suite), Phone(firsts, suite=AES), Phone(seconds, suite=AES)
    async with phones(caller, first, second):
        media = await talking(relay, caller, first)
        await hear((caller, {firsts: True}), (first, {customers: True}))
        await asked(media, second)
        await hear(
            (caller, {firsts: False, seconds: False}),
            (first, {seconds: True, customers: False}),
            (second, {firsts: True, customers: False}),
        )
        await media.take_back()
        await hear((caller, {firsts: True, seconds: False}), (first, {customers: True, seconds: False}))
        few_lost(caller, first, second)
        await media.release()


@pytest.mark.parametrize("suite", [AES, GCM, ""])
async def test_a_colleague_is_asked_and_the_caller_handed_over(relay: RtpengineRelay, suite: str) -> None:
    customers, firsts, seconds, thirds = frequencies(4)
    caller, first, second = Phone(customers, suite=suite), Phone(firsts, suite=AES), Phone(seconds, suite=AES)
    async with phones(caller, first, second, Phone(thirds, suite=AES)) as (*_, third):
        media = await talking(relay, caller, first)
        await asked(media, second)
        await media.hand_over()
        await hear(
            (caller, {seconds: True, firsts: False}),
            (second, {customers: True, firsts: False}),
            (first, {customers: False, seconds: False}),
        )
        await asked(media, third, "AG3")
        await hear((caller, {seconds: False, thirds: False}), (third, {seconds: True}), (second, {thirds: True}))
        await media.hand_over()
        await hear((caller, {thirds: True, seconds: False}), (third, {customers: True}), (second, {customers: False}))
        few_lost(caller, second, third)
        await media.release()


async def test_a_colleague_who_says_no_leaves_no_trace(relay: RtpengineRelay) -> None:
    customers, firsts, seconds = frequencies(3)
    caller, first, second = Phone(customers, suite=AES), Phone(firsts, suite=AES), Phone(seconds, suite=AES)
    async with phones(caller, first, second):
        media = await talking(relay, caller, first)
        await media.offer_consult("AG2", AgentPhone.SIP)
        await hear((caller, {firsts: False}), (first, {customers: False}))
        restored = relay.restore(media.save())
        await restored.take_back()
        await hear((caller, {firsts: True}), (first, {customers: True}))
        await asked(restored, second, "AG3")
        await restored.hand_over()
        await hear((caller, {seconds: True, firsts: False}), (second, {customers: True}))
        await restored.release()


async def test_hold_and_refresh_while_a_colleague_is_asked(relay: RtpengineRelay) -> None:
    """What only changes the direction is answered as it stands; media that moves is refused until the word is over."""
    customers, firsts, seconds = frequencies(3)
    caller, first, second = Phone(customers, suite=AES), Phone(firsts, suite=AES), Phone(seconds, suite=AES)
    async with phones(caller, first, second):
        media = await talking(relay, caller, first)
        await asked(media, second)
        assert "a=recvonly" in await media.agent_reoffer(first.sdp("sendonly"))
        assert "a=sendrecv" in await media.second_reoffer(second.sdp())
        first.rekey()
        with pytest.raises(UnacceptableOffer):
            await media.agent_reoffer(first.sdp())
        again = media.agent_again("inactive")
        assert "a=inactive" in again
        assert firsts_key(media.agent_again("sendrecv")) == firsts_key(again)
        await media.release()


def firsts_key(sdp: str) -> list[str]:
    return [line for line in sdp.split("\r\n") if line.startswith("a=crypto")]


async def test_an_attempt_that_is_not_the_latest_cannot_be_connected(relay: RtpengineRelay) -> None:
    one, two = frequencies(2)
    async with phones(Phone(one, suite=AES), Phone(two, suite=AES)) as (caller, agent):
        media = relay.media_for(secrets.token_hex(8))
        await media.offer_agent_alone("AG1", AgentPhone.SIP)
        with pytest.raises(ProtocolError):
            await media.connect_agent("AG0", agent.sdp())
        await media.release()
        media = await talking(relay, caller, agent)
        await media.offer_consult("AG2", AgentPhone.SIP)
        with pytest.raises(ProtocolError):
            await media.connect_consult("AG1", agent.sdp())
        await media.release()


async def test_a_customer_whose_phone_knows_another_law_or_no_encryption_is_refused(relay: RtpengineRelay) -> None:
    one, two = frequencies(2)
    for called in (Phone(one, law="PCMA", law_payload=8, suite=AES), Phone(one)):
        async with phones(called, Phone(two, suite=AES)) as (customer, agent):
            media = relay.media_for(secrets.token_hex(8))
            await media.offer_agent_alone("AG1", AgentPhone.SIP)
            await media.connect_agent("AG1", agent.sdp())
            await media.offer_called()
            with pytest.raises(UnacceptableOffer):
                await media.connect_called(customer.sdp())
            await media.release()
