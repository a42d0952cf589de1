"""Promise 6, caller ID is a claim: what each way of calling is worth, and what a keyed code adds to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from product_parts import ORDER, PHONE, Agent, Shop, product

from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.sample import Customer

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

CONTACT = (PHONE, "delivery_change")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product({"controller": {"wrap_up_seconds": 0.3}}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mia(shop: Shop) -> AsyncIterator[Agent]:
    async with shop.agent("mia") as agent:
        yield agent


def _mobile(shop: Shop) -> Customer:
    return next(each for each in shop.site.chain.customers if each.phone.startswith("+447700900"))


async def _over(shop: Shop, mia: Agent, caller: SimulatedCaller) -> None:
    await caller.hangs_up()
    await mia.reaches("ready")


async def _refused(mia: Agent, call: str, name: str, reason: str, why: str) -> None:
    status, body = await mia.looks(call, name, reason)
    assert (status, why in body) == (403, True), body


async def test_a_known_number_on_a_named_trunk_is_worth_one(shop: Shop, mia: Agent) -> None:
    async with shop.caller(Person(_mobile(shop).phone)) as caller:
        call = await shop.talk(caller, mia, assurance=1)
        assert (await mia.looks(call, ORDER))[0] == 200
        await _refused(mia, call, *CONTACT, "assurance-too-low")
        await _over(shop, mia, caller)


@pytest.mark.parametrize(
    "written",
    ["0{rest}", "0044{rest}", "tel:+44{rest}", "+44{rest};ext=7"],
    ids=["national", "international prefix", "tel", "parameters"],
)
async def test_other_ways_to_write_the_number_match_too(shop: Shop, mia: Agent, written: str) -> None:
    number = written.format(rest=_mobile(shop).phone.removeprefix("+44"))
    uri = number if number.startswith("tel:") else f"sip:{number}@carrier-a.example"
    async with shop.caller(Person(uri=uri)) as caller:
        call = await shop.talk(caller, mia, assurance=1)
        assert (await mia.looks(call, ORDER))[0] == 200
        await _over(shop, mia, caller)


async def test_the_carriers_word_counts_before_what_the_phone_says(shop: Shop, mia: Agent) -> None:
    person = Person("+442079460999", identities=(f"<sip:{_mobile(shop).phone}@carrier-a.example>",))
    async with shop.caller(person) as caller:
        await shop.talk(caller, mia, assurance=1)
        await _over(shop, mia, caller)


async def test_the_same_number_from_the_internet_matches_nothing(shop: Shop, mia: Agent) -> None:
    phone = _mobile(shop).phone
    person = Person(phone, identities=(f"<sip:{phone}@carrier-a.example>",))
    async with shop.caller(person, public=True) as caller:
        call = await shop.talk(caller, mia, assurance=0)
        await _nothing_opens(mia, call)
        await _over(shop, mia, caller)


@pytest.mark.parametrize(
    "changes",
    [
        {"privacy": "id"},
        {"privacy": "user;id"},
        {"uri": "sip:anonymous@anonymous.invalid", "identities": ()},
        {"uri": "sip:anonymous@anonymous.invalid", "privacy": "id"},
    ],
    ids=["id", "user and id", "no number", "number with the carrier only"],
)
async def test_a_withheld_number_matches_nothing(shop: Shop, mia: Agent, changes: dict[str, str]) -> None:
    phone = _mobile(shop).phone
    details = {"number": phone, "identities": (f"<sip:{phone}@carrier-a.example>",)} | changes
    async with shop.caller(Person(**details)) as caller:  # type: ignore[arg-type]
        call = await shop.talk(caller, mia, assurance=0)
        await _nothing_opens(mia, call)
        await _over(shop, mia, caller)


async def _nothing_opens(mia: Agent, call: str) -> None:
    for name, reason in ((ORDER, "order_status"), CONTACT):
        status, body = await mia.looks(call, name, reason)
        assert status == 403, body


async def _keys(mia: Agent, call: str) -> None:
    """Ask the caller to key a code; once the caller may begin."""
    status, body = await mia.desk.post(f"/api/calls/{call}/verify")
    assert status == 200, body
    await mia.reaches("on_call", verifying="sent")
    await asyncio.sleep(0.5)  # the prompt begins; a text message takes longer than that


async def test_three_wrong_codes_end_it_and_a_new_one_may_be_sent(shop: Shop, mia: Agent) -> None:
    customer = _mobile(shop)
    async with shop.caller(Person(customer.phone)) as caller:
        call = await shop.talk(caller, mia, assurance=1)
        await _keys(mia, call)
        right = await shop.gateway.next_code(customer.phone)
        wrong = "000000" if right != "000000" else "111111"
        await caller.press(wrong * 3)
        await mia.reaches("on_call", verifying="failed", assurance=1)
        warning = await shop.gateway.next_message(customer.phone)  # the account's holder is told; the caller is not
        assert "could not be verified" in warning
        assert right not in warning
        await _refused(mia, call, *CONTACT, "assurance-too-low")
        await caller.press(right)  # too late: that code is dead
        await _refused(mia, call, *CONTACT, "assurance-too-low")
        await _keys(mia, call)
        await caller.press(await shop.gateway.next_code(customer.phone))
        await mia.reaches("on_call", verifying="passed", assurance=2)
        assert (await mia.looks(call, *CONTACT))[0] == 200
        await _over(shop, mia, caller)


async def test_a_code_works_once_and_on_its_own_call_only(shop: Shop, mia: Agent) -> None:
    customer = _mobile(shop)
    async with shop.caller(Person(customer.phone)) as caller:
        call = await shop.talk(caller, mia, assurance=1)
        await _keys(mia, call)
        used = await shop.gateway.next_code(customer.phone)
        await caller.press(used)
        await mia.reaches("on_call", verifying="passed", assurance=2)
        await _over(shop, mia, caller)
        again = await shop.talk(caller, mia, assurance=1)  # a new call starts at its number's worth
        await _keys(mia, again)
        fresh = await shop.gateway.next_code(customer.phone)
        await caller.press(used if used != fresh else "999999")
        await caller.press(fresh)
        await mia.reaches("on_call", verifying="passed", assurance=2)
        await _over(shop, mia, caller)
    failed = await shop.noted("code.failed", why="code-wrong")
    assert used not in str(failed)


async def test_an_unknown_caller_goes_through_the_same_steps(shop: Shop, mia: Agent) -> None:
    """The page and the phone tell the same story, and nobody is sent a code; any six digits are wrong."""
    sent = shop.gateway.taken
    async with shop.caller(Person("+447700900998"), public=True) as caller:
        call = await shop.talk(caller, mia, assurance=0)
        await _keys(mia, call)
        await caller.press("123456" * 3)
        await mia.reaches("on_call", verifying="failed", assurance=0)
        await _over(shop, mia, caller)
    assert shop.gateway.taken == sent


async def test_a_gateway_that_is_down_is_on_record_and_leaves_the_call(shop: Shop, mia: Agent) -> None:
    customer = _mobile(shop)
    shop.gateway.fails = True
    try:
        async with shop.caller(Person(customer.phone)) as caller:
            call = await shop.talk(caller, mia, assurance=1)
            await _keys(mia, call)
            await shop.noted("fault", part="code_gateway")
            assert (await mia.looks(call, ORDER))[0] == 200
            await _over(shop, mia, caller)
    finally:
        shop.gateway.fails = False
    await shop.nothing_left()
