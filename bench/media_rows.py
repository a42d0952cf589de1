"""From the agent's answer to sound: phones of `quietline.testing` with SRTP, a tone each way, one call at a time."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from bench.stage import Stage, load_average
from quietline.testing.agent_phone import SimulatedAgentPhone
from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.digest import Credentials
from quietline.testing.rtp import RtpEndpoint

CALLS = 20
STORE = "+442079460101"
PATIENCE = 5.0


async def first_from(media: RtpEndpoint, talker: RtpEndpoint) -> float:
    """When this phone first heard that one (a relayed stream keeps its SSRC); monotonic seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for heard in media.received:
                if heard.packet.ssrc == talker.ssrc:
                    return heard.at
            await asyncio.sleep(0.001)


async def one_call(stage: Stage, phone: SimulatedAgentPhone, number: str) -> tuple[float, float]:
    """Milliseconds from the agent's answer to the first of the caller's sound at the agent, and the other way."""
    async with SimulatedCaller(stage.trunk(), Person(number)) as caller:
        await caller.dials(STORE)
        leg = await phone.is_rung()
        await leg.settled.wait()
        answered = time.monotonic()
        agent = await first_from(leg.media, caller.media)
        there = await first_from(caller.media, leg.media)
        await caller.hangs_up()
    return (agent - answered) * 1e3, (there - answered) * 1e3


async def media_rows(stage: Stage) -> list[dict[str, Any]]:
    stage.without = frozenset()
    async with stage:
        await stage.staff_known()
        user, password = stage.phones[0]
        numbers = [each.phone for each in stage.chain.customers[:CALLS]]
        async with SimulatedAgentPhone(stage.public(), Credentials(user, password)) as phone:
            await phone.registers()
            desk = stage.desk()
            await desk.call("state", agent=user, state="ready", phone="sip")
            await desk.close()
            found = [await one_call(stage, phone, number) for number in numbers]
    rows = []
    for name, each in (("agent_hears", [a for a, _ in found]), ("caller_hears", [b for _, b in found])):
        for share, value in (("p50", statistics.median(each)), ("max", max(each))):
            unit = "ms from the agent's answer; packets come every 20 ms"
            rows.append({"name": f"audio.{name}_{share}_ms", "value": round(value, 1), "unit": unit})
    return [row | {"load": round(load_average(), 1)} for row in rows]
