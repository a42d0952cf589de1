"""The whole vault on its socket, with its files and the real ledger: one call, every refusal, every fault."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline.errors import Denied, EdgeUnavailable, LedgerUnavailable, NotSignedIn, TamperError, VaultLocked
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault_house import ANA, ANA_NUMBER, FRANCHISE_NUMBER, PASSPHRASE, PASSWORD, Connected, VaultHouse
from quietline.vault.ports import CallEvent

T = Ticket("test", "test", 0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path) as house:
        await house.admin.import_customers([ANA])
        yield house


async def at_work(house: VaultHouse, **fields: str) -> tuple[str, Connected]:
    agent = await house.agent()
    return await house.signed_in(), await house.call(agent, **fields)


def states(card: dict[str, object]) -> dict[str, str]:
    return {each["name"]: each["state"] for each in card["fields"]}  # type: ignore[attr-defined]


def values(card: dict[str, object]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in card["fields"] if "value" in each}  # type: ignore[attr-defined]


async def refusal(awaitable: object) -> str:
    with pytest.raises(Denied) as error:
        await awaitable  # type: ignore[misc]
    return error.value.reason


async def test_one_safeguarded_call(house: VaultHouse) -> None:
    token, call = await at_work(house)
    card = await house.desk.card(token, call.grant)
    assert card["assurance"] == 1
    assert card["known"] is True
    assert values(card) == {
        "order.reference": "QL-10442",
        "order.status": "on its way",
        "order.items": "a kettle",
    }
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "order_status")) == "assurance-too-low"
    assert await house.step_up(call.leg) == 2
    name = await house.desk.open(token, call.grant, "contact.name", "order_status")
    assert name.open(T) == "Ana Example"
    await house.desk.write_note(token, call.grant, Sealed("will ring back"))
    await call.hangs_up()
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "order_status")) == "call-ended"
    assert await refusal(house.desk.card(token, call.grant)) == "call-ended"
    assert await house.desk.wrap_up(token, call.grant) == {"order_reference": "QL-10442", "note": "will ring back"}


async def test_masks_hold_nothing_of_the_value(house: VaultHouse) -> None:
    token, call = await at_work(house)
    card = await house.desk.card(token, call.grant)
    closed = [each for each in card["fields"] if each["state"] != "shown"]  # type: ignore[attr-defined]
    assert len(closed) == 5
    assert {each["mask"] for each in closed} == {"•••"}
    assert all("value" not in each for each in closed)
    assert all(each["advice"] and each["reason"] for each in closed if each["state"] == "refused")


async def test_after_step_up_the_card_says_for_which_reasons(house: VaultHouse) -> None:
    token, call = await at_work(house)
    assert states(await house.desk.card(token, call.grant))["contact.phone"] == "refused"
    await house.step_up(call.leg)
    card = await house.desk.card(token, call.grant)
    assert states(card)["contact.phone"] == "masked"
    phone = next(each for each in card["fields"] if each["name"] == "contact.phone")  # type: ignore[attr-defined]
    assert phone["reasons"] == ["delivery_change"]


async def test_once_a_reason_is_chosen_the_card_holds_only_what_it_needs(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.step_up(call.leg)
    advice = await house.desk.card(token, call.grant, "product_advice")
    assert states(advice) == {"order.reference": "shown", "order.items": "shown"}
    status = await house.desk.card(token, call.grant, "order_status")
    assert {name for name, state in states(status).items() if state != "shown"} == {"contact.name"}
    delivery = await house.desk.card(token, call.grant, "delivery_change")
    assert {"contact.phone", "delivery.address"} < set(states(delivery))
    assert "contact.email" not in states(delivery)
    assert await refusal(house.desk.card(token, call.grant, "curiosity")) == "unknown-reason"


async def test_the_reason_chosen_for_a_card_is_in_its_entry(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.desk.card(token, call.grant)
    await house.desk.card(token, call.grant, "product_advice")
    row = (await house.admin.call("policy_minimum", until=4e9))["rows"][0]
    counted = {name: row[name] for name in ("reason", "revealed", "needed", "beyond")}
    assert counted == {"reason": "product_advice", "revealed": 3, "needed": 2, "beyond": 1}  # the first card's one more


async def test_known_unknown_and_withheld_look_alike_but_for_the_token(house: VaultHouse) -> None:
    known = await house.calls.match(house.caller_leg())
    assert (known.assurance, bool(known.customer)) == (1, True)
    nobody = [
        house.caller_leg("+442079460999"),
        house.caller_leg("anonymous"),
        house.caller_leg(ANA_NUMBER, privacy="1"),
        house.caller_leg(ANA_NUMBER, trunk=""),
        house.caller_leg(ANA_NUMBER, trunk="not-configured"),
        house.caller_leg(ANA_NUMBER, dialled=FRANCHISE_NUMBER),
        house.caller_leg(ANA_NUMBER, dialled="+442079460999"),
        house.caller_leg("not a number"),
    ]
    for header in nobody:
        match = await house.calls.match(header)
        assert (match.customer, match.assurance) == ("", 0)


async def test_the_token_of_a_customer_differs_from_call_to_call(house: VaultHouse) -> None:
    one, other = await house.calls.match(house.caller_leg()), await house.calls.match(house.caller_leg())
    assert one.customer != other.customer


@pytest.mark.parametrize("number", ["02079460001", "0044 20 7946 0001", "+44 (0)20 7946 0001", "tel:+44-20-7946-0001"])
async def test_a_caller_is_found_however_the_number_is_written(house: VaultHouse, number: str) -> None:
    assert (await house.calls.match(house.caller_leg(number))).assurance == 1


async def test_an_invented_leg_is_refused_and_written_down(house: VaultHouse) -> None:
    good = house.caller_leg().open(T)
    invented = [good[:-64] + "0" * 64, good.replace("0001", "0002"), "v1;kind=caller;mac=" + "0" * 64, "nonsense", ""]
    for header in invented:
        assert await refusal(house.calls.match(Sealed(header))) == "leg-unknown"
        assert await refusal(house.calls.arrive(Sealed(header))) == "leg-unknown"
    old = house.caller_leg(at="1000000000")
    assert await refusal(house.calls.match(old)) == "leg-unknown"
    agents = house.agent_leg("ag_1")
    assert await refusal(house.calls.match(agents)) == "leg-unknown"


async def test_no_grant_without_two_live_legs(house: VaultHouse) -> None:
    agent = await house.agent()
    match = await house.calls.match(house.caller_leg())
    dead = house.agent_leg(agent)
    house.edge.hang_up(dead)
    assert await refusal(house.calls.connect(match.leg, dead)) == "call-unconfirmed"
    assert await refusal(house.calls.connect("leg_invented", house.agent_leg(agent))) == "call-ended"
    ended = house.caller_leg()
    gone = await house.calls.match(ended)
    house.edge.hang_up(ended)
    assert await refusal(house.calls.connect(gone.leg, house.agent_leg(agent))) == "call-unconfirmed"


async def test_one_agents_leg_serves_one_caller(house: VaultHouse) -> None:
    agent = await house.agent()
    call = await house.call(agent)
    other = await house.calls.match(house.caller_leg())
    assert await refusal(house.calls.connect(other.leg, call.agent_header)) == "not-your-call"


async def test_a_controller_that_does_not_say_hang_up_opens_nothing(house: VaultHouse) -> None:
    """The vault asks the edge: the controller's silence is worth nothing."""
    token, call = await at_work(house)
    await house.step_up(call.leg)
    house.edge.hang_up(call.caller_header)
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "order_status")) == "call-ended"
    assert await refusal(house.desk.card(token, call.grant)) == "call-ended"


async def test_the_agents_end_closes_the_grant_too(house: VaultHouse) -> None:
    token, call = await at_work(house)
    house.edge.hang_up(call.agent_header)
    assert await refusal(house.desk.card(token, call.grant)) == "call-ended"


async def test_a_silent_edge_opens_nothing(house: VaultHouse) -> None:
    token, call = await at_work(house)
    house.edge.down = True
    with pytest.raises(EdgeUnavailable):
        await house.desk.card(token, call.grant)
    house.edge.down = False
    assert values(await house.desk.card(token, call.grant))


async def test_another_agents_call_is_not_yours(house: VaultHouse) -> None:
    _, call = await at_work(house)
    await house.agent("max")
    other = await house.signed_in("max")
    assert await refusal(house.desk.card(other, call.grant)) == "not-your-call"
    assert await refusal(house.desk.open(other, call.grant, "order.status", "order_status")) == "not-your-call"
    assert await refusal(house.desk.wrap_up(other, call.grant)) == "not-your-call"
    assert await refusal(house.desk.card(other, "gr_invented")) == "not-your-call"


async def test_lapsed_training_opens_nothing_and_is_told(house: VaultHouse) -> None:
    agent = await house.agent(certificates=("contact",))
    token, call = await house.signed_in(), await house.call(agent)
    card = await house.desk.card(token, call.grant)
    assert values(card) == {}
    reference = next(each for each in card["fields"] if each["name"] == "order.reference")  # type: ignore[attr-defined]
    assert (reference["state"], reference["reason"]) == ("refused", "training-lapsed")
    staff = await house.calls.staff()
    assert set(staff[0].certificates) == {"contact"}


async def test_a_franchisees_customer_is_not_the_brands(house: VaultHouse) -> None:
    customer = {**ANA, "controller": "franchise-a", "key": "C-2"}
    await house.admin.import_customers([customer])
    agent = await house.agent()
    token, call = await house.signed_in(), await house.call(agent, dialled=FRANCHISE_NUMBER)
    card = await house.desk.card(token, call.grant)
    assert card["known"] is True
    assert values(card) == {}
    assert await refusal(house.desk.open(token, call.grant, "order.status", "order_status")) == "other-store"


async def test_a_reason_opens_only_what_it_needs(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.step_up(call.leg)
    asked = house.desk.open(token, call.grant, "delivery.address", "order_status")
    assert await refusal(asked) == "reason-does-not-need-it"
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "curiosity")) == "unknown-reason"
    assert await refusal(house.desk.open(token, call.grant, "contact.shoe", "order_status")) == "unknown-field"


async def test_a_ceiling_for_each_call(tmp_path: Path) -> None:
    async with VaultHouse(tmp_path, opens_per_leg=3) as house:
        await house.admin.import_customers([ANA])
        token, call = await at_work(house)
        await house.desk.card(token, call.grant)
        await house.desk.card(token, call.grant)  # a page that loads again is the same look
        for _ in range(2):
            await house.desk.open(token, call.grant, "order.status", "order_status")
        assert await refusal(house.desk.open(token, call.grant, "order.status", "order_status")) == (
            "too-many-looks-this-call"
        )


async def test_a_ceiling_for_each_agent_and_minute(tmp_path: Path) -> None:
    async with VaultHouse(tmp_path, opens_per_minute=2) as house:
        await house.admin.import_customers([ANA])
        token, call = await at_work(house)
        for _ in range(2):
            await house.desk.open(token, call.grant, "order.status", "order_status")
        assert await refusal(house.desk.open(token, call.grant, "order.status", "order_status")) == (
            "too-many-looks-this-minute"
        )


async def test_an_unknown_caller_has_an_empty_card(house: VaultHouse) -> None:
    token, call = await at_work(house, number="+442079460999")
    assert await house.desk.card(token, call.grant) == {"assurance": 0, "known": False, "fields": []}
    assert await refusal(house.desk.open(token, call.grant, "order.status", "order_status")) == "assurance-too-low"
    assert await refusal(house.desk.write_note(token, call.grant, Sealed("hello"))) == "nobody-matched"
    await call.hangs_up()
    assert await house.desk.wrap_up(token, call.grant) == {"order_reference": "", "note": ""}


async def test_wrap_up_only_after_the_call(house: VaultHouse) -> None:
    token, call = await at_work(house)
    assert await refusal(house.desk.wrap_up(token, call.grant)) == "call-live"


async def test_another_agents_note_does_not_show(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.desk.write_note(token, call.grant, Sealed("of the first call"))
    await call.hangs_up()
    max_ = await house.agent("max")
    other, second = await house.signed_in("max"), await house.call(max_)
    await second.hangs_up()
    assert (await house.desk.wrap_up(other, second.grant))["note"] == ""
    assert (await house.desk.wrap_up(token, call.grant))["note"] == "of the first call"


@pytest.mark.parametrize("text", ["card 4111 1111 1111 1111 ok", "4111111111111111", "5500-0000-0000-0004"])
async def test_a_card_number_is_never_kept(house: VaultHouse, text: str) -> None:
    token, call = await at_work(house)
    assert await refusal(house.desk.write_note(token, call.grant, Sealed(text))) == "card-number"


# -- faults


async def test_locked_means_nothing_is_answered(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.admin.seal()
    asked = [
        house.desk.card(token, call.grant),
        house.desk.session(token),
        house.desk.sign_in("eva", Sealed(PASSWORD), ""),
        house.calls.match(house.caller_leg()),
        house.calls.staff(),
        house.admin.import_customers([ANA]),
    ]
    for each in asked:
        with pytest.raises(VaultLocked):
            await each
    assert (await house.admin.status())["locked"] is True
    assert await refusal(house.admin.unseal(Sealed("wrong horse battery"))) == "passphrase"
    await house.admin.unseal(PASSPHRASE)
    assert (await house.desk.session(token)).agent


async def test_a_restart_keeps_calls_sessions_and_grants(house: VaultHouse) -> None:
    token, call = await at_work(house)
    await house.step_up(call.leg)
    await asyncio.sleep(0.2)  # longer than unsealed.SAVE_SECONDS
    await house.restart()
    assert (await house.desk.open(token, call.grant, "contact.name", "order_status")).open(T) == "Ana Example"
    house.edge.hang_up(call.caller_header)
    await house.restart()
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "order_status")) == "call-ended"


async def test_a_tampered_value_is_not_shown_and_is_written_down(house: VaultHouse) -> None:
    import sqlite3

    token, call = await at_work(house)
    with sqlite3.connect(house.config.paths.state / "vault" / "records.db") as connection:
        connection.execute("UPDATE field SET sealed = zeroblob(60)")
    connection.close()
    with pytest.raises(TamperError):
        await house.desk.card(token, call.grant)


async def test_a_tampered_index_row_matches_nobody_and_the_call_goes_on(house: VaultHouse) -> None:
    import sqlite3

    with sqlite3.connect(house.config.paths.state / "vault" / "keys.db") as connection:
        connection.execute("UPDATE blind_index SET mac = zeroblob(32)")
    connection.close()
    assert (await house.calls.match(house.caller_leg())).assurance == 0


async def test_sign_in_and_out(house: VaultHouse) -> None:
    agent = await house.agent()
    assert await refusal(house.desk.sign_in("eva", Sealed("wrong password here"), "")) == "sign-in-refused"
    assert await refusal(house.desk.sign_in("nobody", Sealed(PASSWORD), "")) == "sign-in-refused"
    token = await house.signed_in("EVA ")
    session = await house.desk.session(token)
    assert (session.agent, session.name, session.role) == (agent, "Eva Example", "agent")
    await house.desk.sign_out(token)
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    with pytest.raises(NotSignedIn):
        await house.desk.card(token, "gr_1")


async def test_a_new_password_and_an_ended_contract_end_sessions(house: VaultHouse) -> None:
    agent = await house.agent()
    token = await house.signed_in()
    await house.admin.call("set_password", agent=agent, password="another long password")
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    token, _ = await house.desk.sign_in("eva", Sealed("another long password"), "")
    await house.admin.call("end_service", agent=agent)
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    assert await house.calls.staff() == []


# -- phones


async def test_a_sessions_phone_lives_as_long_as_the_session(house: VaultHouse) -> None:
    agent = await house.agent()
    token = await house.signed_in()
    first, again = await house.desk.phone(token), await house.desk.phone(token)
    assert first == again
    assert first["user"] == agent
    assert agent in house.edge.phones
    await house.desk.sign_out(token)
    assert agent not in house.edge.phones


async def test_a_restarted_edge_gets_every_credential_again(house: VaultHouse) -> None:
    agent = await house.agent()
    issued = await house.admin.call("phone_issue", agent=agent)
    digest = house.edge.phones[agent]
    house.edge.restart()
    assert house.edge.phones == {}
    for _ in range(60):
        await asyncio.sleep(0.1)
        if house.edge.phones:
            break
    assert house.edge.phones == {agent: digest}
    await house.restart()
    house.edge.restart()
    for _ in range(60):
        await asyncio.sleep(0.1)
        if house.edge.phones:
            break
    assert house.edge.phones == {agent: digest}
    assert issued["password"] not in str(await house.admin.call("staff_list"))
    await house.admin.call("phone_revoke", agent=agent)
    assert house.edge.phones == {}


# -- the ledger


async def test_the_ledger_tells_the_story_and_exports(house: VaultHouse, tmp_path: Path) -> None:
    token, call = await at_work(house)
    await house.desk.card(token, call.grant)
    await call.hangs_up()
    exported = await house.admin.call("ledger_export", directory=str(tmp_path / "export"))
    assert exported["entries"] >= 10
    assert (tmp_path / "export" / "checkpoint").exists()


async def test_nothing_personal_is_in_any_file(house: VaultHouse, tmp_path: Path) -> None:
    token, call = await at_work(house)
    await house.step_up(call.leg)
    await house.desk.card(token, call.grant)
    await house.desk.open(token, call.grant, "contact.name", "order_status")
    await house.desk.write_note(token, call.grant, Sealed("a private remark"))
    await asyncio.sleep(0.2)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    for plain in ("Ana Ex", "79460001", "7946 0001", "ana@", "Test Lane", "QL-1044", "kettle", "remark", "Eva Ex"):
        assert plain.encode() not in stored, plain
        assert plain.encode("utf-16-le") not in stored


# -- who may write what


@pytest.mark.parametrize(
    "event",
    [
        CallEvent("look.allowed", "leg_1", {}),
        CallEvent("made.up", "leg_1", {}),
        CallEvent("call.ended", "leg_1", {"outcome": ANA_NUMBER}),
        CallEvent("call.ended", "leg_1", {"outcome": "caller 020 7946 0001"[7:]}),
        CallEvent("call.ended", "leg_1", {"outcome": 442079460001}),
        CallEvent("call.ended", "leg_1", {"outcome": float("inf")}),
        CallEvent("call.ended", "leg_1", {"outcome": ["x"]}),  # type: ignore[dict-item]
        CallEvent("call.ended", "leg_1", {"x" * 200: 1}),
        CallEvent("call.ended", "02079460001", {}),
    ],
)
async def test_the_controller_cannot_write_just_anything(house: VaultHouse, event: CallEvent) -> None:
    assert await refusal(house.calls.note_events([event])) == "event-refused"


async def test_the_controllers_own_events_are_taken(house: VaultHouse) -> None:
    fields = {"agent": "ag_0123456789abcdef", "outcome": "caller_hung_up", "wait": 3.5, "attempts": 2}
    await house.calls.note_events([CallEvent("call.ended", "leg_0123456789", dict(fields))])


async def test_only_the_right_user_may_ask(house: VaultHouse) -> None:
    """Here every side is this user; with other ids in the table each side is refused the others' operations."""
    from quietline.vault.operations import Sides

    house.service._sides = Sides(controller=os.getuid() + 1, web=os.getuid() + 2, admin=os.getuid())
    assert await refusal(house.desk.card("t", "g")) == "not-yours"
    assert await refusal(house.calls.staff()) == "not-yours"
    await house.admin.status()
    house.service._sides = Sides(controller=os.getuid(), web=os.getuid() + 2, admin=os.getuid() + 3)
    assert await refusal(house.admin.status()) == "not-yours"
    await house.calls.staff()


async def test_imports_are_all_or_nothing_and_run_again(house: VaultHouse) -> None:
    from quietline.errors import ConfigError

    with pytest.raises(ConfigError, match="customer 2"):
        await house.admin.import_customers([{**ANA, "key": "C-3"}, {"key": ""}])
    assert (await house.admin.status())["customers"] == 1
    changed = {**ANA, "orders": [{"order.reference": "ql 10442", "order.status": "lost"}]}
    assert await house.admin.import_customers([changed]) == {"stored": 1, "with_phone": 1}
    assert (await house.admin.status())["customers"] == 1
    token, call = await at_work(house)
    assert values(await house.desk.card(token, call.grant))["order.status"] == "lost"


async def test_ledger_errors_arrive_as_what_they_are() -> None:
    assert issubclass(LedgerUnavailable, Exception)
