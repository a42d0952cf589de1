"""One-time codes on the vault's socket: known and unknown alike, their ceilings, and calls that end meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import Denied
from quietline.sealed import Sealed
from quietline.testing.vault_house import ANA, ANA_NUMBER, VaultHouse


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path) as house:
        await house.admin.import_customers([ANA])
        yield house


async def refusal(awaitable: object) -> str:
    with pytest.raises(Denied) as error:
        await awaitable  # type: ignore[misc]
    return error.value.reason


async def test_a_code_is_sent_alike_to_known_and_unknown(house: VaultHouse) -> None:
    agent = await house.agent()
    known, unknown = await house.call(agent), await house.call(agent, number="+442079460999")
    assert await house.calls.send_code(unknown.leg) is True
    assert await house.calls.send_code(known.leg) is True
    await asyncio.sleep(0.2)
    ((to, text, ticket),) = house.channel.sent
    assert to.open(ticket) == "020 7946 0001"
    assert "for High Street" in text.open(ticket)
    assert "Never read this aloud to anyone" in text.open(ticket)
    assert ticket.entry > 0


async def test_a_code_has_three_tries(house: VaultHouse) -> None:
    agent = await house.agent()
    call = await house.call(agent)
    await house.calls.send_code(call.leg)
    reasons = [await refusal(house.calls.check_code(call.leg, Sealed("abcdef"))) for _ in range(4)]
    assert reasons == ["code-wrong", "code-wrong", "code-used-up", "code-expired"]


async def test_a_code_is_of_one_leg(house: VaultHouse) -> None:
    agent = await house.agent()
    one, other = await house.call(agent), await house.call(agent)
    await house.calls.send_code(one.leg)
    await asyncio.sleep(0.2)
    _, text, ticket = house.channel.sent[0]
    code = "".join(char for char in text.open(ticket) if char.isdigit())
    assert await refusal(house.calls.check_code(other.leg, Sealed(code))) == "code-expired"
    assert await house.calls.check_code(one.leg, Sealed(code)) == 2


async def sends(house: VaultHouse, number: str, times: int) -> list[str]:
    """So many calls from this number, a code asked for in each: "sent" or the refusal."""
    found = []
    for _ in range(times):
        header = house.caller_leg(number)
        match = await house.calls.match(header)
        try:
            found.append("sent" if await house.calls.send_code(match.leg) else "")
        except Denied as denied:
            found.append(denied.reason)
        await house.calls.hang_up(match.leg)
    return found


async def test_the_days_ceiling_holds_over_calls_for_known_and_unknown_alike(house: VaultHouse) -> None:
    for number in (ANA_NUMBER, "+442079460999"):
        assert await sends(house, number, 11) == ["sent"] * 10 + ["code-sends-used-up"]
    assert await sends(house, "020 7946 0001", 1) == ["code-sends-used-up"]  # the same number, written otherwise
    assert await sends(house, "+442079460998", 1) == ["sent"]


async def test_a_number_is_counted_on_a_call_that_outlived_a_restart(house: VaultHouse) -> None:
    header = house.caller_leg()
    match = await house.calls.match(header)
    await asyncio.sleep(0.2)  # longer than unsealed.SAVE_SECONDS
    await house.restart()
    assert await sends(house, ANA_NUMBER, 10) == ["sent"] * 10
    assert await refusal(house.calls.send_code(match.leg)) == "code-sends-used-up"


@pytest.mark.parametrize("place", ["edge", "ledger"])
async def test_no_code_for_a_call_that_ends_while_the_vault_waits(
    house: VaultHouse, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    call = await house.call(await house.agent())
    parts = house.service._open
    assert parts is not None
    codes = parts.calls._codes

    def then_hang_up(slow: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(_: Any, *given: Any, **more: Any) -> Any:
            answer = await slow(*given, **more)
            parts.calls.hang_up(call.leg)
            return answer

        return asked

    waits = parts.legs if place == "edge" else parts.journal
    name = "alive" if place == "edge" else "first"
    monkeypatch.setattr(type(waits), name, then_hang_up(getattr(waits, name)))
    assert await refusal(house.calls.send_code(call.leg)) == "call-ended"
    await asyncio.sleep(0.1)
    assert (house.channel.sent, codes._pending, codes._sends) == ([], {}, {})
