"""A callback, by hand: the hours at which a private phone may be rung, tries, rests, ends."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from quietline.routing import callback
from quietline.routing.callback import End, Promise, Rules, Stage
from quietline.routing.hours import DAY, Closure, Hours, Span

LONDON = "Europe/London"
ALL_DAY = Hours(LONDON, ((Span(0, DAY),),) * 7)
LATE_SHOP = Hours(LONDON, ((Span(600, 1_380),),) * 7)  # ten to eleven at night


def at(text: str, zone: str = LONDON) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("hours", "now", "then"),
    [
        (ALL_DAY, "2026-11-24 12:00", "2026-11-24 12:00"),
        (ALL_DAY, "2026-11-24 07:59", "2026-11-24 08:00"),
        (ALL_DAY, "2026-11-24 21:00", "2026-11-25 08:00"),
        (ALL_DAY, "2026-11-24 20:59", "2026-11-24 20:59"),
        (LATE_SHOP, "2026-11-24 08:30", "2026-11-24 10:00"),
        (LATE_SHOP, "2026-11-24 22:30", "2026-11-25 10:00"),  # the shop is open, the hour is not decent
        (ALL_DAY, "2026-03-28 23:00", "2026-03-29 08:00"),  # over the night of the clock change
    ],
)
def test_when_a_phone_may_be_rung(hours: Hours, now: str, then: str) -> None:
    assert callback.may_ring_at(hours, at(now)) == at(then)


def test_a_shop_that_never_opens_rings_nobody() -> None:
    assert callback.may_ring_at(Hours(LONDON, ((),) * 7), at("2026-11-24 12:00")) is None


def test_a_closure_is_kept_too() -> None:
    noon = at("2026-11-24 12:00")
    shut = Hours(LONDON, ((Span(0, DAY),),) * 7, closures=(Closure(noon, noon + 1_800, "power cut"),))
    assert callback.may_ring_at(shut, noon) == noon + 1_800


def test_a_promise_waits_by_day_and_rests_by_night() -> None:
    evening = at("2026-11-24 20:50")
    promise = callback.look(Promise(evening + 86_400), ALL_DAY, evening)
    assert promise.stage is Stage.QUEUED
    rests = callback.look(promise, ALL_DAY, at("2026-11-24 21:00"))
    assert (rests.stage, rests.rest_until) == (Stage.RESTING, at("2026-11-25 08:00"))
    assert callback.look(rests, ALL_DAY, at("2026-11-25 08:00")).stage is Stage.QUEUED


def test_one_that_can_never_be_rung_in_time_says_so_at_once() -> None:
    evening = at("2026-11-24 21:30")
    promise = callback.look(Promise(at("2026-11-25 07:00")), ALL_DAY, evening)
    assert (promise.stage, promise.end) == (Stage.DONE, "expired")


def tried(times: int, rules: Rules, now: float, expires: float) -> Promise:
    promise = Promise(expires)
    for _ in range(times):
        promise = callback.dialled(callback.taken(callback.look(promise, ALL_DAY, now)))
        promise = callback.failed(promise, rules, now)
        now += rules.pause
    return promise


def test_a_try_that_failed_is_repeated_after_the_pause_and_not_before() -> None:
    now, rules = at("2026-11-24 12:00"), Rules(tries=2, pause=300)
    promise = tried(1, rules, now, now + 86_400)
    assert (promise.stage, promise.tried, promise.rest_until) == (Stage.RESTING, 1, now + 300)
    assert callback.look(promise, ALL_DAY, now + 299).stage is Stage.RESTING
    assert callback.look(promise, ALL_DAY, now + 300).stage is Stage.QUEUED
    assert callback.next_look(promise, now) == now + 300


def test_after_the_last_try_it_is_used_up() -> None:
    now = at("2026-11-24 12:00")
    promise = tried(3, Rules(tries=3), now, now + 86_400)
    assert (promise.stage, promise.end) == (Stage.DONE, "used_up")


def test_no_try_is_planned_past_the_expiry() -> None:
    now = at("2026-11-24 12:00")
    assert tried(1, Rules(tries=3, pause=300), now, now + 200).end == "expired"


def test_an_agent_who_lets_go_uses_no_try() -> None:
    now = at("2026-11-24 12:00")
    promise = callback.taken(callback.look(Promise(now + 3_600), ALL_DAY, now))
    assert callback.let_go(promise) == callback.look(Promise(now + 3_600), ALL_DAY, now)


def test_nobody_is_dialled_whom_no_agent_took_and_no_end_is_undone() -> None:
    now = at("2026-11-24 12:00")
    waiting = callback.look(Promise(now + 3_600), ALL_DAY, now)
    with pytest.raises(ValueError, match="took"):
        callback.dialled(waiting)
    with pytest.raises(ValueError, match="waiting"):
        callback.taken(callback.taken(waiting))
    over = callback.done(waiting, End.WITHDRAWN)
    assert callback.done(over, End.ANSWERED) is over
    assert callback.look(over, ALL_DAY, now) is over
    assert callback.failed(over, Rules(), now) is over
