"""Laws of reports, histories and plans, whatever is in them."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from itertools import pairwise
from math import inf
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.reports.definitions import Definition, Standard, Sums
from quietline.reports.history_file import HistoryFile, HistoryReader
from quietline.reports.intervals import DAY, Intervals
from quietline.reports.table import as_csv, figures, on_screen, rows
from quietline.reports.tally import By, Tally, within
from quietline.routing.erlang import Target
from quietline.routing.visits import Outcome, Span, Visit
from quietline.staffing.calls_csv import Forecast
from quietline.staffing.plan import Aim, plan
from quietline.staffing.run import interval, students_t

LONDON = ZoneInfo("Europe/London")
QUIET = settings(deadline=None, max_examples=100)
FEW = settings(deadline=None, max_examples=30)  # with a file each, or many rows

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
seconds = st.floats(0, 10_000)
instants = st.floats(1.7e9, 1.9e9)
visits = st.builds(
    Visit,
    queue=words,
    store=words,
    entered=instants,
    waited=seconds,
    outcome=st.sampled_from(Outcome),
    agent=words,
    talk=seconds,
    hold=seconds,
    wrap_up=seconds,
    missed=st.integers(0, 9),
    callback=st.one_of(st.just(-1.0), seconds),
    transferred=st.booleans(),
    call=words,
).map(lambda visit: visit._replace(callback=min(visit.callback, visit.waited)))  # asked for while waiting
spans = st.builds(
    lambda agent, store, state, start, length: Span(agent, store, state, start, start + length),
    *(
        words,
        words,
        st.sampled_from(["ready", "ringing", "on_call", "wrap_up", "away"]),
        instants,
        st.floats(1, 50_000),
    ),
)


# The history's file


@FEW
@given(st.lists(visits, max_size=5), st.lists(spans, max_size=5))
def test_what_was_kept_comes_back_to_a_tenth(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Visit], stretches: list[Span]
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.db"
    file = HistoryFile(path)
    file.append(kept, stretches)
    file.close()
    back_visits, back_spans = _read(path)
    coarse = [
        visit._replace(
            entered=int(visit.entered),
            waited=round(visit.waited, 1),
            talk=round(visit.talk, 1),
            hold=round(visit.hold, 1),
            wrap_up=round(visit.wrap_up, 1),
            callback=round(visit.callback, 1),
        )
        for visit in kept
    ]
    assert sorted(back_visits) == sorted(coarse)
    assert sorted(back_spans) == sorted(
        span._replace(start=round(span.start, 1), end=round(span.end, 1)) for span in stretches
    )


def _read(path: Path) -> tuple[list[Visit], list[Span]]:
    reader = HistoryReader(path)
    found = list(reader.visits(0, 3e9)), list(reader.spans(0, 3e9))
    reader.close()
    return found


# Figures


@QUIET
@given(st.lists(visits, max_size=30), st.sampled_from(Definition), st.floats(0, 600), st.floats(0, 60))
def test_a_longer_time_to_answer_never_lowers_the_level(
    made: list[Visit], definition: Definition, time: float, more: float
) -> None:
    levels = []
    for standard in (Standard(time, 5, definition), Standard(time + more, 5, definition)):
        sums = Tally(standard).add(made).groups.get("all", Sums())
        levels.append(sums.service_level(standard))
    low, high = levels
    assert (low is None) == (high is None)
    assert low is None or high is None or low <= high


@QUIET
@given(st.lists(visits, max_size=30))
def test_the_strictest_definition_is_below_the_others(made: list[Visit]) -> None:
    sums = Tally(Standard()).add(made).groups.get("all", Sums())
    levels = {each: sums.service_level(Standard(definition=each)) for each in Definition}
    strictest = levels[Definition.ALL_CALLS]
    assert all(level is None or strictest is None or strictest <= level for level in levels.values())


@FEW
@given(st.lists(visits, max_size=12), st.lists(spans, max_size=12), st.sampled_from(By))
def test_rows_are_alike_and_survive_csv(made: list[Visit], stretches: list[Span], by: By) -> None:
    intervals = Intervals(LONDON, 3_600)
    table = rows(Tally(Standard(), by, intervals).add(made, [span._replace(end=span.start + 9) for span in stretches]),
                 intervals)  # fmt: skip
    assert len({tuple(row) for row in table}) <= 1
    assert len(on_screen(table)) == len(table)
    text = as_csv(table)
    if "\r" not in text:  # a carriage return inside of quotes is read back as a line's end
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(table)
    for row in table:
        assert all(value is None or value >= 0 for value in row.values() if not isinstance(value, str))


@QUIET
@given(st.lists(spans, max_size=10), instants, st.floats(0, 100_000))
def test_time_cut_in_two_is_the_same_time(stretches: list[Span], start: float, length: float) -> None:
    middle, end = start + length / 2, start + length
    whole = sum(span.end - span.start for span in within(stretches, start, end))
    halves = [within(stretches, start, middle), within(stretches, middle, end)]
    assert sum(span.end - span.start for half in halves for span in half) == pytest.approx(whole, abs=1e-4)


@QUIET
@given(st.lists(spans, max_size=8), st.sampled_from([900, 3_600, DAY]))
def test_the_intervals_hold_all_of_an_agents_time(stretches: list[Span], width: int) -> None:
    tally = Tally(Standard(), By.INTERVAL, Intervals(LONDON, width)).add([], stretches)
    total = sum(span.end - span.start for span in stretches)
    assert sum(sums.signed_in for sums in tally.groups.values()) == pytest.approx(total, abs=1e-3)
    assert all(sums.available <= sums.signed_in for sums in tally.groups.values())


@QUIET
@given(st.integers(0, 3_000))
def test_the_days_of_a_year_are_labelled_by_their_dates(number: int) -> None:
    day = date(2024, 1, 1) + timedelta(days=number)
    intervals = Intervals(LONDON, DAY)
    start, end = intervals.around(1_704_067_200 + 86_400 * number + 43_200)
    assert intervals.label(start) == day.isoformat()
    assert end - start in (23 * 3_600, 24 * 3_600, 25 * 3_600)


def test_no_figure_is_made_of_nothing() -> None:
    assert [name for name, value in figures(Sums(), Standard()).items() if value] == []


# Plans, and how sure one is


@QUIET
@given(st.floats(0, 2_000), st.floats(0, 500), st.floats(20, 900), st.one_of(st.just(inf), st.floats(10, 600)))
def test_more_calls_never_need_fewer_agents(calls: float, more: float, handle: float, patience: float) -> None:
    aim = Aim(Target(0.8, 20), handle, patience)
    first, second = plan([Forecast(0, calls, None), Forecast(1_800, calls + more, None)], aim)
    assert first.performance.agents <= second.performance.agents
    assert first.performance.meets(aim.target)


def test_students_t_falls_towards_the_normal() -> None:
    values = [students_t(freedom) for freedom in range(1, 400)]
    assert all(a > b for a, b in pairwise(values))
    assert values[-1] == pytest.approx(1.966, abs=0.001)


@QUIET
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-1e6, 1e6))
def test_an_interval_moves_with_its_values(values: list[float], by: float) -> None:
    mean, half = interval(values) or (0.0, 0.0)
    moved, same = interval([value + by for value in values]) or (0.0, 0.0)
    assert min(values) - 1e-6 <= mean <= max(values) + 1e-6
    assert moved == pytest.approx(mean + by, abs=1e-3)
    assert same == pytest.approx(half, abs=1e-2)
