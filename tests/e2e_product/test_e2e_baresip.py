"""An independent phone (Debian's baresip 1.0) calls an agent's browser: none of our code on the caller's side."""

from __future__ import annotations

import pytest

from quietline.testing.baresip import Baresip

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

DIALLED = "+442079460101"
FAINTER_DB, FAINT = 20.0, 500.0


async def phone_of(stage, edge, tones, customer: int = 3) -> Baresip:
    number = stage.customers[customer].phone
    return await stage.stack.enter_async_context(Baresip(edge, stage.place("baresip"), number=number, tone=tones[0]))


async def connected(stage, phone: Baresip, tones):
    """A call that is up and heard both ways; a tone that nobody makes is heard by nobody."""
    theirs, hers, nobodys = tones
    agent = await stage.agent()
    await phone.dials(DIALLED)
    await phone.answered()
    await phone.press("1")
    await agent.answers()
    level = await agent.hears(theirs)
    await phone.hears(hers)
    assert await agent.level(nobodys) < level - FAINTER_DB
    assert phone.heard(nobodys) < FAINT
    return agent


async def test_a_baresip_caller_talks_to_a_browser_and_hangs_up(stage, tones) -> None:
    phone = await phone_of(stage, stage.site.trunk(), tones)
    agent = await connected(stage, phone, tones)
    assert phone.suite == "AES_CM_128_HMAC_SHA1_80"
    transport = await agent.transport()
    assert transport["dtls"] == "connected"
    assert "AES" in transport["suite"]
    await agent.reads("Number matched")  # the named carrier vouches for the number
    await phone.hangs_up()
    await agent.reads("Wrap-up")


async def test_the_agent_hangs_up_on_baresip(stage, tones) -> None:
    phone = await phone_of(stage, stage.site.trunk(), tones)
    agent = await connected(stage, phone, tones)
    await agent.hangs_up()
    await phone.is_hung_up_on()


async def test_its_keys_are_a_step_up_that_the_agent_does_not_hear(stage, tones) -> None:
    phone = await phone_of(stage, stage.site.trunk(), tones)
    agent = await connected(stage, phone, tones)
    await agent.verifies()
    code = await stage.gateway.next_code(phone.number)
    await phone.press(code)
    await agent.reads("Verified by code")


async def test_a_stranger_on_the_public_port_is_served_and_claims_nothing(stage, tones) -> None:
    """TLS without a certificate: the call goes through, the number is only a claim."""
    phone = await phone_of(stage, stage.site.public(), tones)
    agent = await connected(stage, phone, tones)
    await agent.reads("Caller not known")
    assert stage.customers[3].orders[-1].reference not in await agent.text()


async def test_a_baresip_without_srtp_is_refused(stage, tones) -> None:
    number = stage.customers[3].phone
    plain = Baresip(stage.site.public(), stage.place("baresip"), number=number, media_encryption="")
    async with plain:
        await plain.dials(DIALLED)
        assert (await plain.refused()).startswith("488")


async def test_a_caller_who_gives_up_before_the_answer_leaves_nothing_behind(stage, tones) -> None:
    phone = await phone_of(stage, stage.site.trunk(), tones)
    agent = await stage.agent()
    await phone.dials(DIALLED)
    await phone.answered()
    await phone.press("1")
    await agent.is_rung()
    await phone.hangs_up()
    await agent.page.get_by_role("heading", name="Ready").wait_for()
