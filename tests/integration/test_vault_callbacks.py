"""Ringing back: the number is kept, given out for dialling once a try, and the one who answers is a caller again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import Denied, EdgeUnavailable, LedgerUnavailable, ProtocolError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.testing.clock import ManualClock
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, ANA_NUMBER, FRANCHISE_NUMBER, PASSPHRASE, VaultHouse
from quietline.vault.ports import CallEvent

T = Ticket("test", "look", SIGNALLING)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def house(tmp_path: Path, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    async with furnished(tmp_path, ledger) as house:
        yield house


@asynccontextmanager
async def furnished(folder: Path, ledger: MemoryLedger, **vault: Any) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(folder, ledger, **vault) as house:
        await house.admin.import_customers([ANA])
        yield house


async def refusal(asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        await asked
    return refused.value.reason


async def kept(house: VaultHouse, number: str = ANA_NUMBER, **fields: str) -> str:
    """A callback whose caller has hung up."""
    header = house.caller_leg(number, **fields)
    match = await house.calls.arrive_and_match(header)
    callback = await house.calls.keep_callback(header)
    house.edge.hang_up(header)
    await house.calls.hang_up(match.leg)
    return callback.token


# -- the whole way


async def test_a_caller_is_rung_back_and_their_card_opens(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, token = await house.agent(), await house.signed_in()
    callback = await kept(house)
    agent_leg = house.agent_leg(agent)
    number = await house.calls.dial_callback(callback, agent_leg)
    assert number.open(T) == ANA_NUMBER
    answered = house.edge.called(number.open(T))
    match = await house.calls.answer_callback(callback, answered)
    assert (match.assurance, bool(match.customer)) == (1, True)
    grant = await house.calls.connect(match.leg, agent_leg)
    card = await house.desk.card(token, grant)
    assert (card["known"], card["assurance"]) == (True, 1)
    assert await house.step_up(match.leg) == 2
    assert (await house.desk.open(token, grant, "contact.name", "delivery_change")).open(T) == "Ana Example"
    house.edge.hang_up(answered)
    assert await refusal(house.desk.card(token, grant)) == "call-ended"
    told = [kind for kind in ledger.kinds() if kind.startswith("callback.")]
    assert told == ["callback.kept", "callback.dialled", "callback.dropped"]
    assert ledger.of(Kind.CALLBACK_DROPPED) == [{"callback": callback, "why": "answered"}]


async def test_an_unknown_caller_is_rung_back_like_any_other(house: VaultHouse) -> None:
    agent, callback = await house.agent(), await kept(house, "+442079460999")
    number = await house.calls.dial_callback(callback, house.agent_leg(agent))
    match = await house.calls.answer_callback(callback, house.edge.called(number.open(T)))
    assert (match.customer, match.assurance) == ("", 0)


async def test_the_company_is_the_one_that_was_called(house: VaultHouse) -> None:
    """A customer of the brand who called a franchisee's store is nobody there, rung back or not."""
    agent, callback = await house.agent(), await kept(house, dialled=FRANCHISE_NUMBER)
    await house.calls.dial_callback(callback, house.agent_leg(agent))
    assert (await house.calls.answer_callback(callback, house.edge.called(ANA_NUMBER))).customer == ""


async def test_it_outlives_a_restart(house: VaultHouse) -> None:
    agent, callback = await house.agent(), await kept(house)
    await house.restart()
    number = await house.calls.dial_callback(callback, house.agent_leg(agent))
    assert number.open(T) == ANA_NUMBER
    await house.restart()
    assert (await house.calls.answer_callback(callback, house.edge.called(ANA_NUMBER))).assurance == 1


# -- keeping


@pytest.mark.parametrize(
    "fields",
    [{"caller": "anonymous"}, {"privacy": "1"}, {"trunk": ""}, {"trunk": "not-configured"}, {"caller": "nonsense"}],
)
async def test_no_number_no_callback(house: VaultHouse, fields: dict[str, str]) -> None:
    """Not from a source that is no named trunk either: it could have us ring whomever it likes."""
    header = house.caller_leg(
        **{"number": fields.get("caller", ANA_NUMBER), **{k: v for k, v in fields.items() if k != "caller"}}
    )
    assert await refusal(house.calls.keep_callback(header)) == "callback-no-number"


async def test_only_a_live_caller_is_promised_one(house: VaultHouse, ledger: MemoryLedger) -> None:
    header = house.caller_leg()
    house.edge.hang_up(header)
    assert await refusal(house.calls.keep_callback(header)) == "call-unconfirmed"
    assert await refusal(house.calls.keep_callback(house.agent_leg("ag_1"))) == "leg-unknown"
    house.edge.down = True
    with pytest.raises(EdgeUnavailable):
        await house.calls.keep_callback(house.caller_leg())
    assert Kind.CALLBACK_KEPT.value not in ledger.kinds()


async def test_one_number_has_one_callback(house: VaultHouse) -> None:
    """Else whoever claims a number could have it rung a hundred times."""
    first = await kept(house)
    asked = [house.calls.keep_callback(house.caller_leg("020 7946 0001")) for _ in range(4)]
    assert {each.token for each in await asyncio.gather(*asked)} == {first}
    assert await kept(house, "+442079460002") != first
    assert await kept(house, dialled=FRANCHISE_NUMBER) != first


async def test_nothing_is_kept_without_the_ledger(house: VaultHouse, ledger: MemoryLedger) -> None:
    ledger.fault = LedgerUnavailable("ledger: full")
    with pytest.raises(LedgerUnavailable):
        await house.calls.keep_callback(house.caller_leg())
    ledger.fault = None
    assert (await house.calls.keep_callback(house.caller_leg())).token


async def test_the_number_is_not_in_the_files_or_the_ledger(house: VaultHouse, ledger: MemoryLedger) -> None:
    await kept(house, "+442079460777")
    for path in (house.config.paths.state / "vault").iterdir():
        assert b"79460777" not in path.read_bytes(), path.name
    assert "79460777" not in repr([entry.fields for entry in ledger.entries])


# -- dialling


async def test_the_number_is_given_for_an_agent_who_has_answered(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, callback = await house.agent(), await kept(house)
    hung_up = house.agent_leg(agent)
    house.edge.hang_up(hung_up)
    assert await refusal(house.calls.dial_callback(callback, hung_up)) == "call-unconfirmed"
    assert await refusal(house.calls.dial_callback(callback, house.caller_leg())) == "leg-unknown"
    forged = house.agent_leg(agent).open(T)[:-64] + "0" * 64
    assert await refusal(house.calls.dial_callback(callback, Sealed(forged))) == "leg-unknown"
    busy = await house.call(agent, "+442079460002")
    assert await refusal(house.calls.dial_callback(callback, busy.agent_header)) == "not-your-call"
    assert ledger.of(Kind.CALLBACK_DIALLED) == []


async def test_each_answer_dials_once_and_only_so_often(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, callback, other = await house.agent(), await kept(house), await kept(house, "+442079460002")
    leg = house.agent_leg(agent)
    await house.calls.dial_callback(callback, leg)
    assert await refusal(house.calls.dial_callback(callback, leg)) == "not-your-call"
    assert await refusal(house.calls.dial_callback(other, leg)) == "not-your-call", "one leg hears one person"
    for _ in range(house.config.vault.callback_tries - 1):
        await house.calls.dial_callback(callback, house.agent_leg(agent))
    assert await refusal(house.calls.dial_callback(callback, house.agent_leg(agent))) == "callback-used-up"
    assert [entry["attempt"] for entry in ledger.of(Kind.CALLBACK_DIALLED)] == [1, 2, 3]
    assert await kept(house) != callback, "who calls again has a new one"


async def test_the_tries_are_counted_over_a_restart(tmp_path: Path, ledger: MemoryLedger) -> None:
    async with furnished(tmp_path, ledger, callback_tries=1) as house:
        agent, callback = await house.agent(), await kept(house)
        await house.calls.dial_callback(callback, house.agent_leg(agent))
        await house.restart()
        assert await refusal(house.calls.dial_callback(callback, house.agent_leg(agent))) == "callback-used-up"


async def test_no_number_before_its_entry_is_durable(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, callback = await house.agent(), await kept(house)
    ledger.running.clear()
    asked = asyncio.ensure_future(house.calls.dial_callback(callback, house.agent_leg(agent)))
    await asyncio.wait({asked}, timeout=0.3)
    assert not asked.done()
    ledger.fault = LedgerUnavailable("ledger: full")
    ledger.running.set()
    with pytest.raises(LedgerUnavailable):
        await asked
    ledger.fault = None
    assert await house.calls.dial_callback(callback, house.agent_leg(agent)), "a try that gave nothing does not count"


# -- answering


async def test_who_answers_must_be_who_was_to_be_rung(house: VaultHouse) -> None:
    """A controller gone bad that dials a number of its own gets nobody's card for it."""
    agent, callback = await house.agent(), await kept(house)
    assert await refusal(house.calls.answer_callback(callback, house.edge.called(ANA_NUMBER))) == "leg-unknown"
    await house.calls.dial_callback(callback, house.agent_leg(agent))
    for header in (
        house.edge.called("+442079460002"),
        house.edge.called(ANA_NUMBER, trunk=""),
        house.edge.called(ANA_NUMBER, trunk="not-configured"),
        house.caller_leg(),
        Sealed(house.edge.called("+442079460002").open(T).replace("0002", "0001")),
    ):
        assert await refusal(house.calls.answer_callback(callback, header)) == "leg-unknown"
    over = house.edge.called(ANA_NUMBER)
    house.edge.hang_up(over)
    assert await refusal(house.calls.answer_callback(callback, over)) == "call-unconfirmed"
    assert (await house.calls.answer_callback(callback, house.edge.called(ANA_NUMBER))).assurance == 1


async def test_what_is_answered_is_forgotten(house: VaultHouse) -> None:
    agent, callback = await house.agent(), await kept(house)
    await house.calls.dial_callback(callback, house.agent_leg(agent))
    await house.calls.answer_callback(callback, house.edge.called(ANA_NUMBER))
    again = house.edge.called(ANA_NUMBER)
    assert await refusal(house.calls.answer_callback(callback, again)) == "callback-unknown"
    assert await refusal(house.calls.dial_callback(callback, house.agent_leg(agent))) == "callback-unknown"


# -- the end


async def test_a_dropped_one_is_gone_for_good(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, callback = await house.agent(), await kept(house)
    await house.calls.drop_callback(callback, "caller_called_again")
    await house.calls.drop_callback(callback)
    await house.calls.drop_callback("cb_invented")
    assert ledger.of(Kind.CALLBACK_DROPPED) == [{"callback": callback, "why": "caller_called_again"}]
    await house.restart()
    assert await refusal(house.calls.dial_callback(callback, house.agent_leg(agent))) == "callback-unknown"


@pytest.mark.parametrize("why", ["", "two words", "+442079460001", "x" * 41, "Why"])
async def test_the_word_for_dropping_is_one(house: VaultHouse, why: str) -> None:
    callback = await kept(house)
    with pytest.raises(ProtocolError, match="one word"):
        await house.calls.drop_callback(callback, why)


async def test_it_expires(tmp_path: Path, ledger: MemoryLedger) -> None:
    house = VaultHouse(tmp_path, ledger, callback_seconds=600.0)
    clock = house.clock = ManualClock(wall=time.time())
    await house.start()
    try:
        await house.admin.init(PASSPHRASE)
        agent, callback = await house.agent(), await kept(house)
        clock.advance(599)
        assert await house.calls.dial_callback(callback, house.agent_leg(agent))
        clock.advance(2)
        assert await refusal(house.calls.dial_callback(callback, house.agent_leg(agent))) == "callback-unknown"
        parts = house.service._open
        assert parts
        await parts.calls.callbacks.expire()
        assert ledger.of(Kind.CALLBACK_DROPPED) == [{"callback": callback, "why": "expired"}]
        assert parts.remembered.all("callback") == {}
    finally:
        await house.stop()


# -- what the controller's events do


async def test_the_end_of_a_call_among_the_events_closes_its_grant(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, token = await house.agent(), await house.signed_in()
    call, other = await house.call(agent), await house.call(await house.agent("max"), "+442079460002")
    await house.calls.note_events([CallEvent(Kind.CALL_ENDED.value, call.leg, {"outcome": "caller_hung_up"})])
    assert await refusal(house.desk.card(token, call.grant)) == "call-ended"
    assert [closed["grant"] for closed in ledger.of(Kind.GRANT_CLOSED)] == [call.grant]
    await house.calls.hang_up(call.leg)
    await house.calls.note_events([CallEvent(Kind.CALL_CONNECTED.value, other.leg, {})])
    assert len(ledger.of(Kind.GRANT_CLOSED)) == 1
