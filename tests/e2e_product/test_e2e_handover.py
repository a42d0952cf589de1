"""Two real browsers and one caller: a word with a colleague, taken back, handed over; sound measured at all three."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from quietline.errors import ProtocolError

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

NOORS_TONE = 1_630  # Hz
QUIET_DB = -60.0  # a tone measures about -20, silence below -80


async def falls_silent(agent, hertz: int, within: float = 6.0) -> None:
    async with asyncio.timeout(within):
        while await agent.level(hertz) > QUIET_DB:
            await asyncio.sleep(0.1)


async def goes_deaf(caller, hertz: int, within: float = 8.0) -> None:
    async with asyncio.timeout(within):
        while True:
            try:
                await caller.hears_no(hertz, during=0.5)
            except ProtocolError:
                await asyncio.sleep(0.1)
            else:
                return


async def asks(stage, mia, noor, tones) -> None:
    """Mia asks Noor by name; the two hear each other, the caller neither."""
    theirs, hers, _ = tones
    name = next(person.name for person in stage.site.chain.staff if person.login == "noor")
    await mia.presses("Transfer")
    await mia.presses(f"Ask {name} first")
    await noor.reads("A colleague asks you about a caller.")
    await noor.answers()
    await mia.reads("You talk to your colleague. The caller hears music.")
    await asyncio.gather(mia.hears(NOORS_TONE), noor.hears(hers))
    await asyncio.gather(falls_silent(mia, theirs), falls_silent(noor, theirs))
    await expect(noor.page.locator(".card-body .reference")).to_have_count(0)


async def test_a_word_with_a_colleague_taken_back_and_handed_over(stage, tones) -> None:
    theirs, hers, _ = tones
    mia, caller, call = await stage.talk()
    noor = await stage.agent("noor", tone=NOORS_TONE)
    await asks(stage, mia, noor, tones)
    await goes_deaf(caller, hers)
    await mia.presses("Take the caller back")
    await asyncio.gather(mia.hears(theirs), caller.hears(hers, within=10.0))
    await goes_deaf(caller, NOORS_TONE)
    await noor.reads("The next caller is yours")
    await asks(stage, mia, noor, tones)
    await mia.presses("Hand over")
    await asyncio.gather(noor.hears(theirs), caller.hears(NOORS_TONE, within=10.0))
    await noor.page.locator(".card-body .reference").wait_for()
    await mia.reads("Wrap-up")
    await expect(mia.page.locator(".card-body .field")).to_have_count(0)
    status, _ = await mia.call("POST", f"/api/calls/{call}/fields/order.status", {"reason": "order_status"})
    assert status == 410
    await goes_deaf(caller, hers)
    await caller.hangs_up()
    await noor.reads("Wrap-up")
