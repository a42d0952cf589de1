"""Which address each leg is told: sides, advertised addresses, IPv6."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from relay_parts import Phone, client, loud, phones, running, settings

from quietline.telephony.ports import AgentPhone, Prompt
from quietline.telephony.prompts import Prompts

pytestmark = pytest.mark.real

AES = "AES_CM_128_HMAC_SHA1_80"


def connection(sdp: str) -> str:
    return next(line for line in sdp.split("\r\n") if line.startswith("c="))


async def test_each_side_is_told_its_own_advertised_address(prompts: Prompts, tmp_path: Path) -> None:
    """A carrier on one network, agents behind a NAT with a public address on another."""
    sides = ("trunk/127.0.0.1", "agents/127.0.0.2!203.0.113.9")
    with running(replace(settings(), interfaces=sides), tmp_path / "relay.log") as process:
        async with client(process.relay, prompts) as relay, phones(Phone(700, suite=AES)) as (caller,):
            media = relay.media_for("sides")
            assert connection(await media.answer_caller(caller.sdp())) == "c=IN IP4 127.0.0.1"
            assert connection(await media.offer_agent("AG1", AgentPhone.SIP)) == "c=IN IP4 203.0.113.9"
            offer = await media.offer_agent("AG2", AgentPhone.BROWSER)
            assert " 203.0.113.9 " in offer
            assert "127.0.0.2" not in offer
            await media.release()


async def test_a_caller_on_ipv6_meets_an_agent_on_ipv4(prompts: Prompts, tmp_path: Path) -> None:
    with running(replace(settings(), interfaces=("127.0.0.1", "::1")), tmp_path / "relay.log") as process:
        async with client(process.relay, prompts) as relay, phones(Phone(700, suite=AES, host="::1")) as (caller,):
            media = relay.media_for("families")
            answer = await media.answer_caller(caller.sdp())
            assert connection(answer) == "c=IN IP6 ::1"
            caller.connect(answer)
            await media.play(Prompt.NOTICE)
            await caller.listen(0.4)
            assert loud(await caller.listen(0.5)) > 300
            assert connection(await media.offer_agent("AG1", AgentPhone.SIP)) == "c=IN IP4 127.0.0.1"
            await media.release()
