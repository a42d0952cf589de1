"""The event stream and the floor behind it: fan-out, ends, breaks, and the last page's leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from quietline import errors
from quietline.desk_protocol import AgentState, AgentView
from quietline.testing.desk_client import SHORT, SITE, DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA, JONAS
from quietline.web.api.events import encode_event
from quietline.web.live import LiveFloor, Stream, public_view, view_of
from quietline.web.problems import TooMany

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
async def under() -> AsyncIterator[DeskUnderTest]:
    """A desk that follows its controller."""
    under = DeskUnderTest(replace(SITE, limits=SHORT))
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(under.desk.run())
        yield under
        following.cancel()


@pytest.fixture
async def amara(under: DeskUnderTest) -> DeskClient:
    return await under.signed_in()


async def becomes(condition) -> None:
    """Wait until something is so; fails by the test's own deadline."""
    while not condition():
        await asyncio.sleep(0.005)


async def test_a_stream_begins_with_the_whole_view(under, amara) -> None:
    under.on_call()
    async with amara.events() as events:
        name, view = await events.next()
    assert events.status == 200
    assert events.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in events.headers["cache-control"]
    assert (name, view["state"], view["alias"]) == ("state", "on_call", "Caller 4821")
    assert "grant" not in view


async def test_changes_arrive_and_are_ones_own_only(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        under.controller.offers(JONAS.agent)
        under.controller.offers(AMARA.agent)
        view = await events.until("ringing")
    assert view["agent"] == AMARA.agent


async def test_a_second_tab_sees_the_same(under, amara) -> None:
    async with amara.events() as first, amara.events() as second:
        under.controller.offers(AMARA.agent)
        assert (await first.until("ringing"))["call"] == (await second.until("ringing"))["call"]


async def test_streams_per_person_are_bounded(under, amara) -> None:
    async with amara.events() as first, amara.events() as second:
        await first.next()
        await second.next()
        response = await amara.get("/api/events")
    assert response.status_code == 429
    assert response.json()["code"] == "too-many"


async def test_signed_out_gets_no_stream(under) -> None:
    assert (await under.client().get("/api/events")).status_code == 401


async def test_last_event_id_is_harmless(under, amara) -> None:
    async with amara.events(**{"last-event-id": "../../etc/passwd\x00"}) as events:
        assert (await events.next())[0] == "state"


async def test_it_stays_open_while_nothing_happens(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        await events.heartbeat()
        assert not events.ended.is_set()


async def test_it_ends_on_sign_out(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        await amara.send("DELETE", "/api/session")
        name, _ = await events.next()
        while name == "state":
            name, _ = await events.next()
        assert name == "end"
        await events.ended.wait()


async def test_another_sessions_sign_out_leaves_it_open(under, amara) -> None:
    other = await under.signed_in(AMARA)
    under.controller.set(AMARA.agent, state=AgentState.READY)
    async with amara.events() as events:
        await events.next()
        await other.send("DELETE", "/api/session")
        assert (await events.until("offline"))["state"] == "offline"
        await events.heartbeat()


async def test_it_ends_when_the_session_is_revoked(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        under.vault.sessions.clear()
        assert (await events.next())[0] == "end"
        await events.ended.wait()


async def test_a_revoked_session_ends_a_busy_stream_too(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        under.vault.sessions.clear()
        while not events.ended.is_set():
            for state in (AgentState.READY, AgentState.AWAY):
                under.controller.set(AMARA.agent, state=state)
                await asyncio.sleep(0.01)


async def test_it_outlives_the_vault(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        under.vault.down = True
        await events.heartbeat()
        under.controller.offers(AMARA.agent)
        assert (await events.until("ringing"))["vault"] == "ok"


async def test_after_the_hang_up_the_stream_tells_and_keeps_nothing(under, amara) -> None:
    under.on_call(assurance=2)
    async with amara.events() as events:
        await events.until("on_call")
        under.controller.hangs_up(AMARA.agent)
        view = await events.until("wrap_up")
    assert set(view) == {*AgentView.__slots__} - {"grant"} | {"now"}


async def test_a_lost_controller_is_said_and_found_again(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        await becomes(lambda: under.controller._subscribers)
        under.controller.goes_away()
        assert await events.next() == ("fault", {"part": "controller"})
        under.controller.down = False
        under.controller.set(AMARA.agent, state=AgentState.READY)
        assert (await events.until("ready"))["state"] == "ready"
    assert under.desk.floor.connected


async def test_a_controller_that_forgot_is_believed(under, amara) -> None:
    """Its views start anew; an agent must not stay "ready" on the page while nobody offers them calls."""
    for state in (AgentState.AWAY, AgentState.READY):
        under.controller.set(AMARA.agent, state=state)
    async with amara.events() as events:
        await events.until("ready")
        await becomes(lambda: under.controller._subscribers)
        under.controller.goes_away()
        under.controller.forgets(AMARA.agent)
        under.controller.down = False
        assert (await events.until("offline"))["revision"] == 0


async def test_a_stream_opened_while_the_controller_is_away(under, amara) -> None:
    under.controller.goes_away()
    async with amara.events() as events:
        assert await events.next() == ("fault", {"part": "controller"})


async def test_the_last_page_gone_takes_the_agent_offline(under, amara) -> None:
    under.controller.set(AMARA.agent, state=AgentState.READY)
    async with amara.events() as events:
        await events.next()
    await becomes(lambda: under.controller.view(AMARA.agent).state is AgentState.OFFLINE)


async def test_a_reload_does_not(under, amara) -> None:
    under.controller.set(AMARA.agent, state=AgentState.READY)
    async with amara.events() as events:
        await events.next()
    async with amara.events() as events:
        await events.next()
        await asyncio.sleep(SHORT.offline_after_seconds * 2)
        assert under.controller.view(AMARA.agent).state is AgentState.READY


async def test_leaving_while_the_controller_is_away_breaks_nothing(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
    under.controller.goes_away()
    await asyncio.sleep(SHORT.offline_after_seconds * 2)
    under.controller.down = False
    await becomes(lambda: under.controller._subscribers)


async def test_stopping_ends_every_stream(under, amara) -> None:
    async with amara.events() as events:
        await events.next()
        under.desk.floor.close_all()
        await events.ended.wait()


# -- the parts


def view(**changes: object) -> AgentView:
    return AgentView(**{"agent": "ag_1", "state": AgentState.READY, "since": 10.0, **changes})  # type: ignore[arg-type]


async def test_a_slow_page_gets_the_newest_view_only() -> None:
    stream = Stream("ag_1", "s")
    for number in range(1_000):
        stream.put({"event": "state", "number": number})
    assert await stream.next(1) == {"event": "state", "number": 999}
    assert await stream.next(0.01) is None


async def test_a_closed_stream_says_nothing_more() -> None:
    stream = Stream("ag_1", "s")
    stream.put({"event": "state"})
    stream.close()
    assert await stream.next(1) is None


def test_an_older_view_does_not_undo_a_newer_one() -> None:
    """A snapshot and an event take different ways: the hang-up must not be undone by a late answer."""
    floor = LiveFloor(None, SHORT)  # type: ignore[arg-type]
    newer = view(state=AgentState.WRAP_UP, revision=20)
    assert floor._learn(newer) is newer
    assert floor._learn(view(state=AgentState.ON_CALL, revision=19)) is newer
    same_state_later = view(state=AgentState.WRAP_UP, revision=21, verifying="passed")
    assert floor._learn(same_state_later) is same_state_later


def test_views_from_frames() -> None:
    frame = {"agent": "ag_1", "state": "ready", "since": 1.0, "lapsed": ["contact"], "brand_new": 1}
    assert view_of(frame) == AgentView("ag_1", AgentState.READY, 1.0, lapsed=("contact",))
    for bad in ({}, {"state": "ready"}, {"agent": "a", "state": "dancing", "since": 1}):
        with pytest.raises(errors.ProtocolError):
            view_of(bad)


def test_the_public_view_keeps_the_grant_back() -> None:
    shown = public_view(view(grant="gr_secret"), now=11.0)
    assert "gr_secret" not in str(shown)
    assert shown["now"] == 11.0


def test_events_are_one_line_of_data() -> None:
    text = encode_event("state", {"alias": "a\n\nevent: end\ndata: x"}).decode()
    assert text.count("\n") == 3
    assert text.startswith("event: state\ndata: ")


def test_too_many_streams() -> None:
    floor = LiveFloor(None, SHORT)  # type: ignore[arg-type]
    floor.open_stream("ag_1", "s")
    floor.open_stream("ag_1", "s")
    with pytest.raises(TooMany):
        floor.open_stream("ag_1", "s")
    assert floor.stream_count() == 2
