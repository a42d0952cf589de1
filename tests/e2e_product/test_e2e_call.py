"""What an agent does with a call, in a real browser on the real product; sound is measured on both sides."""

from __future__ import annotations

import asyncio
import os

import pytest
from playwright.async_api import expect

from quietline.errors import ProtocolError

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

QUIET_DB = -60.0  # a tone measures about -20, silence below -80
LOUD_MUSIC = 100.0  # mean of absolute samples


async def falls_silent(agent, hertz: int, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while await agent.level(hertz) > QUIET_DB:
            await asyncio.sleep(0.1)


async def goes_deaf(caller, hertz: int, within: float = 8.0) -> None:
    """The tone is gone from what the caller hears, for half a second."""
    async with asyncio.timeout(within):
        while True:
            try:
                await caller.hears_no(hertz, during=0.5)
            except ProtocolError:
                await asyncio.sleep(0.1)
            else:
                return


def loudness(caller) -> float:
    samples = caller.media.samples()[-4_000:]
    return sum(map(abs, samples)) / max(1, len(samples))


async def test_hold_plays_music_and_resume_brings_the_voices_back(stage, tones) -> None:
    theirs, hers, _ = tones
    agent, caller, _ = await stage.talk()
    await agent.presses("Hold")
    await agent.reads("On hold. The caller hears music.")
    await goes_deaf(caller, hers)
    await falls_silent(agent, theirs)  # the caller is not overheard while on hold
    await asyncio.sleep(0.7)
    assert loudness(caller) > LOUD_MUSIC
    await agent.presses("Resume")
    await agent.reads("Connected, encrypted.")
    await agent.hears(theirs)
    await caller.hears(hers)
    await agent.hangs_up()
    await caller.is_hung_up_on()


async def test_the_caller_may_hang_up_on_hold(stage) -> None:
    agent, caller, _ = await stage.talk()
    await agent.presses("Hold")
    await agent.reads("On hold.")
    await caller.hangs_up()
    await agent.reads("Wrap-up")


async def test_mute_silences_one_way_only(stage, tones) -> None:
    theirs, hers, _ = tones
    agent, caller, _ = await stage.talk()
    await agent.presses("Mute")
    await agent.reads("You are muted.")
    await goes_deaf(caller, hers)
    await agent.hears(theirs)
    await agent.presses("Unmute")
    await caller.hears(hers)
    await caller.hangs_up()
    await agent.reads("Wrap-up")


async def test_a_declined_call_goes_to_the_next_agent(stage, tones) -> None:
    first, caller = await stage.agent("mia"), await stage.caller()
    await stage.chooses(caller)
    await first.is_rung()
    second = await stage.agent("noor")
    await first.declines()
    await second.answers()
    await second.hears(tones[0])
    await caller.hears(tones[1])
    await first.reads("You declined a call, so you were set to away.")
    await expect(first.page.locator(".card-body .reference")).to_have_count(0)


async def test_a_call_nobody_answers_goes_to_the_next_agent(stage, tones) -> None:
    first, caller = await stage.agent("mia"), await stage.caller()
    await stage.chooses(caller)
    await first.is_rung()
    second = await stage.agent("noor")
    await first.reads("The last call was not answered, so you were set to away.")
    await second.answers()
    await second.hears(tones[0])
    await caller.hears(tones[1])


async def test_an_agent_who_becomes_ready_again_gets_the_call_that_waited(stage, tones) -> None:
    agent, caller = await stage.agent(), await stage.caller()
    await stage.chooses(caller)
    await agent.declines()
    await agent.reads("You declined a call, so you were set to away.")
    await agent.presses("Go ready")
    await agent.answers()
    await agent.hears(tones[0])


@pytest.mark.soak
@pytest.mark.skipif(os.environ.get("QUIETLINE_SOAK") != "1", reason="QUIETLINE_SOAK=1 runs it")
async def test_wrap_up_ends_by_itself(stage) -> None:
    agent, caller, _ = await stage.talk()
    await caller.hangs_up()
    await agent.reads("Wrap-up")
    await agent.page.get_by_role("heading", name="Ready").wait_for()


async def test_done_ends_the_wrap_up_and_the_note_is_kept(stage) -> None:
    agent, caller, call = await stage.talk()
    await caller.hangs_up()
    await agent.reads("Wrap-up")
    await agent.page.get_by_role("textbox", name="Note").fill("Asked where the parcel is.")
    await agent.presses("Done")
    await agent.page.get_by_role("heading", name="Ready").wait_for()
    assert "parcel" not in await agent.text()
    status, _ = await agent.call("GET", f"/api/calls/{call}/wrap-up")
    assert status in (403, 404, 409, 410)
