"""While they talk: hold, mute and refresh from either side; and how an agent is found when phones do not answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from product_parts import CALLERS_TONE, Shop, becomes, falls_silent, hear_each_other, hung_up_on, product

from quietline.reports.history_file import FILE, HistoryReader
from quietline.routing.visits import Visit
from quietline.testing.agent_phone import answers_after, declines, rings_only
from quietline.testing.caller import Person

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

LOUD = 1_000  # amplitude: music is heard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    async with product({"controller": {"ring_seconds": 1.5, "wrap_up_seconds": 0.5}}) as running:
        yield running


async def test_the_agents_phone_holds_and_resumes(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await shop.talk(caller, mia)
        leg = mia.phone.legs[-1]
        leg.reoffers("sendonly")
        await falls_silent(caller.media, mia.tone)
        await falls_silent(leg.media, CALLERS_TONE)  # the caller's words are not for a held agent's room

        async def music() -> bool:
            return caller.media.loudest()[1] > LOUD / 4

        await becomes(music, "the caller hears music")
        assert (await mia.view())["state"] == "on_call"
        leg.reoffers("sendrecv")
        await hear_each_other(caller, mia)
        assert caller.leg.offers == 0  # never re-INVITEd
        await caller.hangs_up()
        await hung_up_on(leg)
        await mia.reaches("ready")
    visit = await becomes(lambda: the_visit_held(shop), "the history has the hold")
    assert visit.talk > 0
    assert 0.4 <= visit.hold <= visit.handle - visit.talk  # music was heard that long, at least


async def the_visit_held(shop: Shop) -> Visit | None:
    """As `quietline report` reads it."""
    path = shop.site.config.paths.state / FILE
    reader = HistoryReader(path)
    try:
        return next((visit for visit in reader.visits(0.0, 4e9) if visit.hold), None)
    finally:
        reader.close()


async def test_an_agent_who_is_muted_is_not_heard_and_hears(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await shop.talk(caller, mia)
        media = mia.phone.legs[-1].media
        media.sends_tone(0)
        await falls_silent(caller.media, mia.tone)
        await mia.phone.hears(CALLERS_TONE)
        media.sends_tone(mia.tone)
        await hear_each_other(caller, mia)


async def test_the_caller_holds_resumes_and_refreshes(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        caller.leg.reoffers("sendonly")
        await falls_silent(caller.media, mia.tone)
        caller.leg.reoffers("sendrecv")
        await hear_each_other(caller, mia)
        caller.leg.reoffers("sendrecv")  # a refresh changes nothing (RFC 3264 §8)
        await hear_each_other(caller, mia)
        assert mia.phone.legs[-1].offers == 0
        assert (await mia.looks(call))[0] == 200


async def test_a_caller_on_hold_is_hung_up_on_like_any_other(shop: Shop) -> None:
    async with shop.agent("mia") as mia, shop.caller() as caller:
        await shop.talk(caller, mia)
        mia.phone.legs[-1].reoffers("inactive")
        await falls_silent(caller.media, mia.tone)
        mia.phone.hangs_up()
        await hung_up_on(caller.leg)
        await shop.nothing_left()


# How an agent is found


async def test_ring_no_answer_tries_the_next_agent_and_sends_the_first_away(shop: Shop) -> None:
    async with shop.agent("mia") as mia:
        mia.phone.behaviour = rings_only()
        async with shop.agent("noor") as noor, shop.caller() as caller:
            await shop.arrives(caller)
            rung = await mia.phone.is_rung()
            await shop.taken(noor)
            assert rung.state == "cancelled"
            await hear_each_other(caller, noor)
            await mia.reaches("away", reason="no_answer")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("486 Busy Here", ()),
        ("603 Decline", ()),
        ("302 Moved Temporarily", (("Contact", "<sip:+442079460999@elsewhere.invalid>"),)),
    ],
)
async def test_a_phone_that_declines_is_passed_by(
    shop: Shop, status: str, headers: tuple[tuple[str, str], ...]
) -> None:
    async with shop.agent("mia") as mia:
        mia.phone.behaviour = declines(status, extra=headers)
        async with shop.agent("noor") as noor, shop.caller() as caller:
            await shop.arrives(caller)
            await shop.taken(noor)
            await hear_each_other(caller, noor)
            assert mia.phone.legs[-1].state == "refused"
            await mia.reaches("away", reason="declined")


async def test_a_phone_that_is_not_registered_is_passed_by(shop: Shop) -> None:
    async with shop.agent("mia") as mia:
        await mia.phone.unregisters()
        async with shop.agent("noor") as noor, shop.caller() as caller:
            await shop.arrives(caller)
            await shop.taken(noor)
            await hear_each_other(caller, noor)
            await mia.reaches("away", reason="phone_lost")


async def test_the_place_is_kept_through_offers_that_fail(shop: Shop) -> None:
    """One who came first is served first, also when the only agent declined them once."""
    async with shop.agent("mia") as mia, shop.caller() as first, shop.caller(Person(shop.customer(1).phone)) as second:
        mia.phone.behaviour = declines()
        await shop.arrives(first)
        await mia.reaches("away", reason="declined")
        await shop.arrives(second)
        await shop.queued(2)
        mia.phone.behaviour = answers_after(0.0)
        await mia.ready()
        await becomes(lambda: mia.reaches("on_call"), "mia talks")
        await hear_each_other(first, mia)


async def test_an_agent_without_a_current_certificate_gets_no_offer(shop: Shop) -> None:
    """Promise 5: the lapsed agent has been ready longest; the call waits, and the reason can be asked for."""
    async with shop.agent("bea") as bea, shop.caller() as caller:
        await shop.arrives(caller)
        await shop.queued(1)
        (call,) = shop.journal()

        async def refused() -> bool:
            """Once the controller has the staff list, which it reads every 2 s."""
            groups = (await shop.ask("explain", call=call))["groups"]
            return any(bea.token in each["agents"] and "certificate" in each["words"] for each in groups)

        await becomes(refused, "the reason is named")
        assert set((await bea.view())["lapsed"]) >= {"contact", "invoice"}
        async with shop.agent("mia") as mia:
            await shop.taken(mia)
            await hear_each_other(caller, mia)
        assert bea.phone.legs == []


async def _reported(shop: Shop, by: str) -> list[dict[str, Any]]:
    """What `quietline report` says of today."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "quietline.cli",
            "report",
            "--by",
            by,
            "--json",
            "--config",
            str(shop.site.config_path),
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def test_a_call_is_in_the_days_report_by_other_tokens(shop: Shop) -> None:
    before = (await _reported(shop, "queue"))[-1]["answered"]
    async with shop.agent("mia") as mia, shop.caller() as caller:
        call = await shop.talk(caller, mia)
        await caller.hangs_up()
        await mia.reaches("ready")

    async def counted() -> bool:
        return bool((await _reported(shop, "queue"))[-1]["answered"] == before + 1)

    await becomes(counted, "the report counts the call")
    (row,) = [row for row in await _reported(shop, "agent") if row["agent"] == mia.token]
    assert row["aht_s"] > 0
    stores = {row["store"]: row for row in await _reported(shop, "store")}
    assert stores["north"]["answered"] >= 1
    kept = (shop.site.config.paths.state / "controller" / "history.db").read_bytes()
    for token in (call, call.removeprefix("call_"), mia.token, caller.person.number):
        assert token.encode() not in kept
