"""Promises 4 and 8, by name, on the whole product: a real browser, everything it receives kept and searched."""

from __future__ import annotations

import asyncio
import json

import pytest

from quietline.testing.caller import Person, SimulatedCaller
from quietline.testing.canaries import scan_text
from quietline.testing.remote_desk import RemoteDesk

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

CUSTOMER = 7
FIELD, ASK = "/api/calls/{}/fields/contact.phone", {"reason": "delivery_change"}
REFUSALS = (401, 403, 404, 409, 410)
AFTER = 1.0  # seconds after the hang-up at which everything is closed


def secrets_of(stage, name: str = "Wilhelmina Canary") -> dict[str, str]:
    """What nobody may see of this customer unasked; the caller's phone gives away a name of its own as well."""
    fields = stage.customers[CUSTOMER].fields
    return {
        "number": fields["contact.phone"],
        "name": fields["contact.name"],
        "e-mail": fields["contact.email"],
        "address": fields["delivery.address"],
        "display name": name,
    }


async def canary_caller(stage) -> SimulatedCaller:
    number = stage.customers[CUSTOMER].phone
    person = Person(
        number=number,
        name="Wilhelmina Canary",
        identities=(f"<sip:{number}@carrier-a.example>",),
        headers=(("Subject", "call of Wilhelmina Canary"), ("Remote-Party-ID", f"<sip:{number}@carrier-a.example>")),
        rtcp={"CNAME": "Wilhelmina Canary", "PHONE": number},
    )
    return await stage.stack.enter_async_context(SimulatedCaller(stage.site.trunk(), person, tone=730))


def found_in(received, canaries: dict[str, str]) -> list[str]:
    return [
        f"{finding.canary} as {finding.encoding} in a {each.kind} of {each.address}"
        for each in received
        for finding in scan_text(each.text, canaries)
    ]


async def test_promise_8_masked_everywhere_nothing_of_the_caller_reaches_the_browser_before_a_look(stage) -> None:
    """Every body, header, event and WSS frame, from the sign-in page to the card; then one look, and that alone."""
    agent = await stage.browser()
    ear = await agent.ear()
    await agent.signs_in("mia", stage.site.passwords["mia"])
    await agent.goes_ready()
    caller = await canary_caller(stage)
    call = await stage.call(agent, caller)
    await stage.steps_up(agent, caller, CUSTOMER)
    before = await ear.settled()
    kinds = {each.kind for each in before}
    assert kinds == {"headers", "body", "event", "frame"}, kinds  # otherwise we would have searched nothing
    order = {"order": stage.customers[CUSTOMER].orders[-1].reference}
    assert [each for each in found_in(before, order) if "/card" in each]  # what is shown at once is found
    assert any("INVITE sip:" in each.text for each in before if each.kind == "frame")
    assert found_in(before, secrets_of(stage)) == []
    assert scan_text(await agent.text() + await agent.storage(), secrets_of(stage)) == []

    await agent.shows("Phone", 2)
    await agent.reads(stage.customers[CUSTOMER].phone)
    later = (await ear.settled())[len(before) :]
    leaks = found_in(later, secrets_of(stage))
    assert leaks
    assert all(FIELD.format(call) in each and each.startswith("number") for each in leaks), leaks
    assert scan_text(await agent.storage(), secrets_of(stage)) == []


async def test_promise_8_two_calls_of_one_person_have_aliases_without_a_digit_that_differ(stage) -> None:
    agent = await stage.agent()
    aliases = []
    for _ in range(2):
        caller = await canary_caller(stage)
        await stage.call(agent, caller)
        aliases.append((await stage.state(agent))["alias"])
        await caller.hangs_up()
        await agent.presses("Done")
        await agent.page.get_by_role("heading", name="Ready").wait_for()
    assert aliases[0] != aliases[1]
    assert not any(character.isdigit() for alias in aliases for character in alias)


async def test_promise_4_bound_to_the_live_call_a_hang_up_closes_everything_within_a_second(stage) -> None:
    """Page, API, event stream, back button, second tab and old token alike; wrap-up keeps the order and the note."""
    agent = await stage.browser()
    ear = await agent.ear()
    await agent.signs_in("mia", stage.site.passwords["mia"])
    await agent.goes_ready()
    caller = await canary_caller(stage)
    call = await stage.call(agent, caller)
    await stage.steps_up(agent, caller, CUSTOMER)
    number, canaries = stage.customers[CUSTOMER].phone, secrets_of(stage)
    await agent.shows("Phone", 2)
    await agent.reads(number)
    await agent.page.get_by_role("textbox", name="Note").fill("Wants it at the side door.")
    cookies = {each["name"]: each["value"] for each in await agent.context.cookies()}
    csrf = await agent.csrf()
    second = await agent.new_page()
    await second.goto(agent.url)
    await second.locator(".card-body .reference").wait_for()
    await agent.page.bring_to_front()
    taken = len(await ear.settled())

    await caller.hangs_up()
    await asyncio.sleep(AFTER)

    pages = [await agent.text(), await agent.page.content(), await second.inner_text("body"), await second.content()]
    assert [finding for page in pages for finding in scan_text(page, canaries)] == []  # page and second tab
    for ask in (("POST", FIELD.format(call), ASK), ("GET", f"/api/calls/{call}/card", None)):  # API
        status, body = await agent.call(*ask)
        assert status in REFUSALS, (ask, status)
        assert scan_text(body, canaries) == []
    async with RemoteDesk(stage.site.url, stage.site.ca, cookies=cookies) as thief:  # old token, from elsewhere
        thief.csrf = csrf
        status, body = await thief.post(FIELD.format(call), ASK)
        assert status in REFUSALS
        told = json.dumps(await thief.first_event())  # event stream, anew
        assert '"wrap_up"' in told
        assert scan_text(body + told, canaries) == []
    assert found_in((await ear.settled())[taken:], canaries) == []  # event stream, and all else that came since
    await wrap_up_keeps_the_order_and_the_note(stage, agent)
    await agent.page.goto("about:blank")
    await agent.page.go_back()  # back button
    await agent.reads("Phone ready")
    assert scan_text(await agent.text() + await agent.storage(), canaries) == []


async def wrap_up_keeps_the_order_and_the_note(stage, agent) -> None:
    await agent.reads(stage.customers[CUSTOMER].orders[-1].reference)
    kept = await agent.page.get_by_role("textbox", name="Note").input_value()
    assert kept == "Wants it at the side door."
