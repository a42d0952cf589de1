"""Reports of days that were counted by hand: a morning, midnight, both clock changes, transfers, callbacks."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.reports.definitions import FORMULAS, Definition, Standard, Sums
from quietline.reports.intervals import DAY, Intervals
from quietline.reports.table import COLUMNS, as_csv, figures, on_screen, rows
from quietline.reports.tally import By, Tally, within
from quietline.routing.visits import NO_CALLBACK, Outcome, Span, Visit

LONDON = ZoneInfo("Europe/London")
ANSWERED, ABANDONED, GAVE_UP, MOVED = Outcome.ANSWERED, Outcome.ABANDONED, Outcome.GAVE_UP, Outcome.MOVED


def at(text: str, fold: int = 0, zone: ZoneInfo = LONDON) -> float:
    """UTC seconds of a London clock's time; `fold=1` for the second time an hour is there."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def morning() -> list[Visit]:
    """3 November, a Tuesday. Two queues, two stores, and something of everything."""
    return [
        Visit("orders", "mill", at("2026-11-03 09:00:10"), 10, ANSWERED, "ag_a", 100, 20, 30),  # in time
        Visit("orders", "mill", at("2026-11-03 09:05:00"), 20, ANSWERED, "ag_b", 200, 0, 10),  # just in time
        Visit("orders", "quay", at("2026-11-03 09:10:00"), 60, ANSWERED, "ag_a", 300, 0, 0, missed=1),  # late
        Visit("orders", "mill", at("2026-11-03 09:11:00"), 3, ABANDONED),  # short
        Visit("orders", "quay", at("2026-11-03 09:12:00"), 5, ABANDONED),  # quick, but not short: the threshold itself
        Visit("orders", "mill", at("2026-11-03 09:31:00"), 90, ABANDONED),  # late
        Visit("orders", "mill", at("2026-11-03 09:40:00"), 900, GAVE_UP, missed=2),
        Visit("orders", "mill", at("2026-11-03 09:50:00"), 30, MOVED),
        Visit("returns", "mill", at("2026-11-03 09:50:30"), 15, ANSWERED, "ag_b", 60, 0, 0),
    ]


def sums_of(visits: list[Visit], standard: Standard | None = None) -> Sums:
    return Tally(standard or Standard()).add(visits).groups["all"]


# By hand


def test_the_morning() -> None:
    orders = [visit for visit in morning() if visit.queue == "orders"]
    assert figures(sums_of(orders), Standard(), By.QUEUE) == {
        "calls": 8,
        "transfers": 0,
        "answered": 3,
        "abandoned": 2,
        "short": 1,
        "gave_up": 1,
        "moved": 1,
        "service_level_pct": 33.3,  # 2 in time, of 3 answered and 4 lost less 1 short: 2/6
        "abandonment_pct": 50.0,  # (4 - 1) / (3 + 4 - 1)
        "asa_s": 30.0,  # (10 + 20 + 60) / 3
        "longest_wait_s": 900,
        "aht_s": 220.0,  # (150 + 210 + 300) / 3
        "talk_s": 200.0,
        "hold_s": 6.7,
        "wrap_up_s": 13.3,
        "callbacks": 0,
        "called_back": 0,
        "time_to_callback_s": None,
        "missed": 3,
    }


@pytest.mark.parametrize(
    ("definition", "level"),
    [
        (Definition.SHORT_ABANDONS_EXCLUDED, 2 / 6),
        (Definition.ALL_CALLS, 2 / 7),
        (Definition.ANSWERED_CALLS, 2 / 3),
        (Definition.QUICK_ABANDONS_MET, 4 / 7),
    ],
)
def test_the_definitions_differ(definition: Definition, level: float) -> None:
    orders = [visit for visit in morning() if visit.queue == "orders"]
    standard = Standard(definition=definition)
    assert sums_of(orders, standard).service_level(standard) == pytest.approx(level)


def test_every_definition_has_its_formula() -> None:
    assert set(FORMULAS) == set(Definition)


def test_the_thresholds_are_the_standards() -> None:
    orders = [visit for visit in morning() if visit.queue == "orders"]
    strict = Standard(within=10, short=0)
    assert sums_of(orders, strict).service_level(strict) == pytest.approx(1 / 7)
    mild = Standard(within=60, short=100)
    assert sums_of(orders, mild).service_level(mild) == pytest.approx(3 / 4)


def test_by_queue_store_and_agent() -> None:
    counted = {by: Tally(Standard(), by).add(morning()).groups for by in (By.QUEUE, By.STORE, By.AGENT)}
    assert {key: sums.answered for key, sums in counted[By.QUEUE].items()} == {"orders": 3, "returns": 1}
    assert {key: sums.calls for key, sums in counted[By.STORE].items()} == {"mill": 7, "quay": 2}
    assert {key: sums.talk for key, sums in counted[By.AGENT].items()} == {"ag_a": 400, "ag_b": 260}


def test_by_interval() -> None:
    intervals = Intervals(LONDON, 1_800)
    made = rows(Tally(Standard(), By.INTERVAL, intervals).add(morning()), intervals)
    assert [(row["interval"], row["calls"], row["answered"]) for row in made] == [
        ("2026-11-03 09:00+00:00", 5, 3),
        ("2026-11-03 09:30+00:00", 4, 1),
    ]


# Agents' time


def shift() -> list[Span]:
    return [
        Span("ag_a", "mill", "ready", at("2026-11-03 08:50"), at("2026-11-03 09:00")),
        Span("ag_a", "mill", "ringing", at("2026-11-03 09:00"), at("2026-11-03 09:01")),
        Span("ag_a", "mill", "on_call", at("2026-11-03 09:01"), at("2026-11-03 09:41")),
        Span("ag_a", "mill", "wrap_up", at("2026-11-03 09:41"), at("2026-11-03 09:45")),
        Span("ag_a", "mill", "away", at("2026-11-03 09:45"), at("2026-11-03 10:00")),
    ]


def test_occupancy() -> None:
    sums = Tally(Standard(), By.AGENT).add([], shift()).groups["ag_a"]
    assert sums.occupancy == pytest.approx(44 / 55)  # the break does not count, the ringing is waiting time
    assert sums.signed_in == 70 * 60


def test_a_call_over_the_border_is_time_in_both_intervals() -> None:
    intervals = Intervals(LONDON, 1_800)
    groups = Tally(Standard(), By.INTERVAL, intervals).add([], shift()).groups
    found = {intervals.label(float(key))[11:16]: (sums.on_call / 60, sums.occupancy) for key, sums in groups.items()}
    assert found["08:30"] == (0, 0)
    assert found["09:00"] == (29, pytest.approx(29 / 30))
    assert found["09:30"] == (11, pytest.approx(1.0))


def test_queues_have_no_agents_time() -> None:
    assert Tally(Standard(), By.QUEUE).add([], shift()).groups == {}
    assert "occupancy_pct" not in figures(Sums(), Standard(), By.QUEUE)


def test_only_the_part_between_is_counted() -> None:
    inside = list(within(shift(), at("2026-11-03 08:55"), at("2026-11-03 09:11")))
    assert [(span.state, span.end - span.start) for span in inside] == [
        ("ready", 300),
        ("ringing", 60),
        ("on_call", 600),
    ]


def test_being_offline_counts_for_nothing() -> None:
    sums = Sums()
    sums.stay("offline", 100)
    assert sums.signed_in == 0


# Midnight


def test_a_visit_belongs_to_the_day_it_began_and_time_to_the_day_it_passed() -> None:
    visit = Visit("orders", "mill", at("2026-11-03 23:59:50"), 30, ANSWERED, "ag_a", 600)
    span = Span("ag_a", "mill", "on_call", at("2026-11-04 00:00:20") - 40, at("2026-11-04 00:10:20"))
    days = Intervals(LONDON, DAY)
    made = rows(Tally(Standard(), By.INTERVAL, days).add([visit], [span]), days)
    assert [(row["interval"], row["calls"], row["signed_in_h"]) for row in made] == [
        ("2026-11-03", 1, round(20 / 3_600, 2)),
        ("2026-11-04", 0, round(620 / 3_600, 2)),
    ]


# Clock changes


def test_the_hour_that_is_there_twice() -> None:
    """25 October 2026: 01:00 to 02:00 summer time, then 01:00 to 02:00 winter time."""
    hours = Intervals(LONDON, 3_600)
    visits = [
        Visit("orders", "mill", at("2026-10-25 01:30", fold=0), 10, ANSWERED, "ag_a", 60),
        Visit("orders", "mill", at("2026-10-25 01:30", fold=1), 40, ANSWERED, "ag_a", 60),
    ]
    made = rows(Tally(Standard(), By.INTERVAL, hours).add(visits), hours)
    assert [(row["interval"], row["service_level_pct"]) for row in made] == [
        ("2026-10-25 01:00+01:00", 100.0),
        ("2026-10-25 01:00+00:00", 0.0),
    ]


@pytest.mark.parametrize(("date", "hours"), [("2026-10-25", 25), ("2026-03-29", 23), ("2026-11-03", 24)])
def test_days_are_as_long_as_the_clock_makes_them(date: str, hours: int) -> None:
    start, end = Intervals(LONDON, DAY).around(at(f"{date} 12:00"))
    assert end - start == hours * 3_600
    assert len(Intervals(LONDON, 1_800).between(start, end)) == 2 * hours


def test_a_shift_through_the_night_the_clocks_go_back() -> None:
    """22:00 to 06:00 is nine hours of work."""
    span = Span("ag_a", "hub", "ready", at("2026-10-24 22:00"), at("2026-10-25 06:00"))
    days = Intervals(LONDON, DAY)
    made = rows(Tally(Standard(), By.INTERVAL, days).add([], [span]), days)
    assert [(row["interval"], row["signed_in_h"]) for row in made] == [("2026-10-24", 2.0), ("2026-10-25", 7.0)]


ZONES = ("Europe/London", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "Africa/Cairo", "Asia/Beirut")


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([ZoneInfo(name) for name in ZONES]),
    st.sampled_from([900, 1_800, 3_600, DAY]),
    st.integers(1_700_000_000, 1_900_000_000),
)
def test_every_instant_is_in_one_interval_and_intervals_touch(zone: ZoneInfo, width: int, instant: int) -> None:
    start, end = Intervals(zone, width).around(instant)
    assert start <= instant < end
    assert Intervals(zone, width).around(start) == (start, end)
    assert Intervals(zone, width).around(end - 1) == (start, end)
    assert Intervals(zone, width).around(end)[0] == end
    assert width == DAY or end - start <= width


@pytest.mark.parametrize(
    ("zone", "date"),
    [("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"), ("Africa/Cairo", "2026-04-24")],
)
def test_labels_of_a_day_of_odd_changes_are_all_different(zone: str, date: str) -> None:
    """Half an hour's change, and one at midnight."""
    info = ZoneInfo(zone)
    start, end = Intervals(info, DAY).around(at(f"{date} 12:00", zone=info))
    intervals = Intervals(info, 3_600)
    starts = intervals.between(start, end)
    assert starts[0] == start
    assert all(a < b for a, b in pairwise([*starts, end]))
    assert [intervals.around(each)[0] for each in starts] == starts
    labels = [intervals.label(each) for each in starts]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("width", [0, 7, 59, 1_000, 7_200])
def test_an_interval_that_does_not_fit_the_clock_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="does not fit the clock"):
        Intervals(LONDON, width)


# Transfers and callbacks


def test_a_transfer_is_one_call_and_two_visits() -> None:
    visits = [
        Visit("orders", "mill", at("2026-11-03 09:00"), 8, ANSWERED, "ag_a", 120, call="c1"),
        Visit("returns", "mill", at("2026-11-03 09:02:08"), 40, ANSWERED, "ag_b", 60, call="c1", transferred=True),
    ]
    whole = sums_of(visits)
    assert (whole.calls, whole.transfers, whole.answered, whole.in_time) == (1, 1, 2, 1)
    assert whole.handle_time == 90
    groups = Tally(Standard(), By.QUEUE).add(visits).groups
    assert (groups["returns"].calls, groups["returns"].transfers) == (0, 1)


def test_callbacks_have_figures_of_their_own() -> None:
    visits = [
        Visit("orders", "mill", at("2026-11-03 09:00"), 10, ANSWERED, "ag_a", 100),
        Visit("orders", "mill", at("2026-11-03 09:01"), 700, ANSWERED, "ag_a", 50, callback=100),
        Visit("orders", "mill", at("2026-11-03 09:02"), 9_000, GAVE_UP, callback=60),
    ]
    sums = sums_of(visits)
    assert sums.service_level(Standard()) == 1
    assert sums.abandonment == 0
    assert sums.speed_of_answer == 10
    assert (sums.callbacks, sums.called_back, sums.time_to_callback) == (2, 1, 600)
    assert sums.handle_time == 75


# Nothing, and too much


def test_nothing_to_divide_by() -> None:
    row = figures(Sums(), Standard())
    assert {name for name, value in row.items() if value is None} == {
        *("service_level_pct", "abandonment_pct", "asa_s", "aht_s", "talk_s", "hold_s", "wrap_up_s"),
        *("time_to_callback_s", "occupancy_pct"),
    }
    assert set(row) == set(COLUMNS)


def test_intervals_must_be_given() -> None:
    with pytest.raises(ValueError, match="needs the intervals"):
        Tally(Standard(), By.INTERVAL)


visits_of_any_kind = st.builds(
    Visit,
    queue=st.sampled_from(["orders", "returns"]),
    store=st.sampled_from(["mill", ""]),
    entered=st.floats(1.79e9, 1.79e9 + 200_000),
    waited=st.floats(0, 2_000),
    outcome=st.sampled_from(Outcome),
    agent=st.sampled_from(["ag_a", "ag_b"]),
    talk=st.floats(0, 900),
    missed=st.integers(0, 3),
    callback=st.one_of(st.just(-1.0), st.floats(0, 100)),
    transferred=st.booleans(),
)


@settings(deadline=None)
@given(st.lists(visits_of_any_kind, max_size=40), st.sampled_from(Definition))
def test_every_visit_is_counted_once_however_it_is_grouped(visits: list[Visit], definition: Definition) -> None:
    standard = Standard(definition=definition)
    for by in (By.ALL, By.QUEUE, By.STORE, By.INTERVAL):
        groups = Tally(standard, by, Intervals(LONDON)).add(visits).groups
        assert sum(each.calls + each.transfers for each in groups.values()) == len(visits)
        ends = sum(each.answered + each.abandoned + each.gave_up + each.moved for each in groups.values())
        assert ends == sum(visit.callback == NO_CALLBACK for visit in visits)
        for each in groups.values():
            level = each.service_level(standard)
            assert level is None or 0 <= level <= 1


# Rows


def test_agents_rows_say_less_and_carry_names_where_known() -> None:
    made = rows(Tally(Standard(), By.AGENT).add(morning(), shift()), names={"ag_a": "mia"})
    assert [row["agent"] for row in made] == ["mia", "ag_b"]
    assert "service_level_pct" not in made[0]
    assert made[0]["occupancy_pct"] == 80.0


def test_what_fits_on_a_screen() -> None:
    (first, *_) = on_screen(rows(Tally(Standard(), By.QUEUE).add(morning())))
    assert list(first) == ["queue", "calls", "answered", "abandoned", "SL %", "lost %", "ASA s", "AHT s"]
    assert on_screen([]) == []


def test_intervals_of_one_day_are_shown_without_the_date() -> None:
    intervals = Intervals(LONDON, 1_800)
    made = rows(Tally(Standard(), By.INTERVAL, intervals).add(morning()), intervals)
    assert [row["interval"] for row in on_screen(made)] == ["09:00+00:00", "09:30+00:00"]
    later = made[0] | {"interval": "2026-11-04 09:00+00:00"}
    assert [row["interval"][:10] for row in on_screen([made[0], later])] == ["2026-11-03", "2026-11-04"]
    assert on_screen([{"interval": "2026-11-04"}]) == [{"interval": "2026-11-04"}]


def test_csv_reads_back_and_runs_nothing() -> None:
    made = rows(Tally(Standard(), By.QUEUE).add([Visit("=cmd()", "", 1.79e9, 2.5, ANSWERED, "ag_a", 9)]))
    (back,) = csv.DictReader(io.StringIO(as_csv(made)))
    assert back["queue"] == "'=cmd()"
    assert (back["asa_s"], back["time_to_callback_s"]) == ("2.5", "")
    assert as_csv([]) == "\n"
