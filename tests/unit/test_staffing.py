"""Scenarios and forecasts: what files may say, hostile ones; runs, comparisons and their intervals; plans."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.chain import reading as chain_reading
from quietline.errors import ConfigError
from quietline.reports.definitions import Sums
from quietline.reports.intervals import Intervals
from quietline.routing.arrivals import (
    CallbackOffer,
    Empirical,
    Exponential,
    Fixed,
    LogNormal,
    Profile,
    Recorded,
    Transfer,
)
from quietline.routing.erlang import Target
from quietline.routing.model import State
from quietline.routing.overflow import Load as OfStore
from quietline.staffing import reference
from quietline.staffing.calls_csv import Forecast, read_forecast, read_recorded
from quietline.staffing.doors import ChainDoors
from quietline.staffing.plan import Aim, plan, rows
from quietline.staffing.results import interval_rows, queue_rows, summary
from quietline.staffing.run import Outcome, beside, calls_of, compare, interval, measures, simulate, students_t
from quietline.staffing.scenario import Scenario, load

ROOT = Path(__file__).resolve().parents[2]
LONDON = ZoneInfo("Europe/London")
NINE = 1_795_770_000.0  # 27 November 2026, 09:00 in London

BASE = """
date: 2026-11-27
interval: 30
replications: 3
queues:
  orders: {name: Orders, needs: [orders:3], longest_wait: 300}
  returns: {name: Returns, needs: [returns]}
callers:
  orders:
    queue: orders
    start: 09:00
    calls: [20, 30]
    talk: {exponential: 120}
    patience: {exponential: 90}
agents:
  - {count: 3, skills: [orders], shift: 09:00-10:00}
"""


@pytest.fixture
def scenario_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    """The scenario of a text; `changes` replace parts of it."""

    def make(text: str = BASE, **changes: str) -> Scenario:
        for old, new in changes.items():
            text = text.replace(old, new)
        path = tmp_path / "day.yaml"
        path.write_text(text)
        return load(path)

    return make


def refused(make, text: str) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError) as error:
        make(text)
    return str(error.value)


# What a scenario says


def test_a_scenario_becomes_a_world(scenario_of) -> None:  # type: ignore[no-untyped-def]
    made = scenario_of()
    assert (made.name, made.replications, made.width, made.zone.key) == ("day", 3, 1_800, "Europe/London")
    assert [rule.id for rule in made.world.queues] == ["orders", "returns"]
    (stream,) = made.world.streams
    assert stream.arrivals == Profile(NINE, 1_800, (20, 30))
    assert stream.patience == Exponential(90)
    assert [agent.skills for agent in made.world.agents] == [{"orders": 3}] * 3
    assert [(duty.at - NINE, duty.state) for duty in made.world.duties[:2]] == [
        (0, State.READY),
        (3_600, State.OFFLINE),
    ]


def test_distributions(scenario_of) -> None:  # type: ignore[no-untyped-def]
    text = BASE.replace(
        "talk: {exponential: 120}", "talk: {lognormal: {mean: 100, cv: 0.5}}\n    wrap_up: {values: [1, 2]}"
    )
    (stream,) = scenario_of(text.replace("    patience: {exponential: 90}\n", "")).world.streams
    assert stream.talk == LogNormal(100, 0.5)
    assert stream.wrap_up == Empirical((1, 2))
    assert stream.patience == Fixed(inf)


def test_breaks_and_nights(scenario_of) -> None:  # type: ignore[no-untyped-def]
    text = BASE.replace("shift: 09:00-10:00", "shift: 22:00-06:00")
    duties = scenario_of(text).world.duties
    assert (duties[1].at - duties[0].at) / 3_600 == 8
    text = BASE.replace("shift: 09:00-10:00", "shift: 09:00-10:00, breaks: [09:15-09:30]")
    assert [duty.state for duty in scenario_of(text).world.duties[:4]] == [
        *(State.READY, State.AWAY, State.READY, State.OFFLINE)
    ]


def test_the_night_the_clocks_go_back_has_an_hour_more(scenario_of) -> None:  # type: ignore[no-untyped-def]
    text = BASE.replace("2026-11-27", "2026-10-24").replace("shift: 09:00-10:00", "shift: 22:00-06:00")
    duties = scenario_of(text).world.duties
    assert (duties[1].at - duties[0].at) / 3_600 == 9


def test_the_chain_file_gives_queues_and_people() -> None:
    made = load(ROOT / "examples" / "peak-day.yaml")
    assert {"orders", "returns", "french"} <= {rule.id for rule in made.world.queues}
    assert made.warnings == ()


def test_agents_of_the_chain_file(tmp_path: Path) -> None:
    chain = (ROOT / "examples" / "chain.yaml").read_text()
    (tmp_path / "chain.yaml").write_text(chain)
    text = BASE.replace("queues:\n", "chain: chain.yaml\nqueues:\n").replace(
        "count: 3, skills: [orders]", "chain: true"
    )
    (tmp_path / "day.yaml").write_text(text)
    agents = load(tmp_path / "day.yaml").world.agents
    assert len(agents) > 2
    assert any(agent.skills for agent in agents)
    assert all(agent.id.startswith("group1.chain.") for agent in agents), "no login of anybody's"


def test_recorded_calls(tmp_path: Path, scenario_of) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "calls.csv").write_text("arrived,queue,talk\n2026-11-27 09:10,returns,9\n2026-11-27 09:05,orders,60\n")
    text = BASE.replace("    start: 09:00\n    calls: [20, 30]\n", "    recorded: calls.csv\n")
    (stream,) = scenario_of(text).world.streams
    assert stream.arrivals == Recorded((NINE + 300,), (60,))


def test_recorded_calls_of_another_day_are_warned_about(tmp_path: Path, scenario_of) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "calls.csv").write_text("arrived\n2026-11-20 09:10\n")
    text = BASE.replace("    start: 09:00\n    calls: [20, 30]\n", "    recorded: calls.csv\n")
    (warning,) = scenario_of(text).warnings
    assert "all of them call while nobody is there; look at `date`" in warning


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("queue: orders", "queue: ordres", "did you mean `orders`?"),
        ("date: 2026-11-27", "date: 2026-02-30", "is not in the calendar"),
        ("date: 2026-11-27", "date: 27.11.2026", "want a date such as 2026-11-27"),
        ("interval: 30", "interval: 7", "interval"),
        ("interval: 30", "interval: 30\nzone: Mars/Olympus", "is no time zone"),
        ("interval: 30", "intervall: 30", "did you mean `interval`?"),
        ("start: 09:00", "start: 9:00", "want a time such as 09:00"),
        ("    start: 09:00\n", "", "`calls` need `start`"),
        ("calls: [20, 30]", "calls: [20, -1]", "want at least 0"),
        ("calls: [20, 30]", "calls: [20, 30]\n    recorded: x.csv", "either `calls` with `start`, or `recorded`"),
        ("talk: {exponential: 120}", "talk: {exponential: 120, fixed: 3}", "give one of fixed"),
        ("talk: {exponential: 120}", "talk: {exponential: 0}", "want more than 0"),
        ("count: 3, ", "", "give either `count`, or `chain: true`"),
        ("count: 3, skills: [orders]", "chain: true", "the chain file has no agents"),
        ("shift: 09:00-10:00", "shift: 9-10", "want times such as 09:00-17:30"),
        ("shift: 09:00-10:00", "shift: 09:00-10:00, breaks: [12:00-12:30]", "is not within the shift"),
        ("skills: [orders]", "skills: [orders], queues: [nope]", "`nope` is no queue here"),
        ("skills: [orders]", "skills: [orders:9]", "1 (learning) to 5"),
        ("calls: [20, 30]", f"calls: [{', '.join(['999999'] * 11)}]", "can be simulated at once"),
        ("replications: 3", "replications: 0", "want at least 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(scenario_of, old: str, new: str, said: str) -> None:  # type: ignore[no-untyped-def]
    assert old in BASE
    message = refused(scenario_of, BASE.replace(old, new))
    assert said in message
    assert "day.yaml:" in message


def test_a_recorded_file_that_is_not_there(scenario_of) -> None:  # type: ignore[no-untyped-def]
    text = BASE.replace("    start: 09:00\n    calls: [20, 30]\n", "    recorded: gone.csv\n")
    assert "gone.csv: cannot be read" in refused(scenario_of, text)


def test_callers_whom_nobody_can_take_are_named(scenario_of) -> None:  # type: ignore[no-untyped-def]
    (warning,) = scenario_of(BASE.replace("skills: [orders]", "skills: [orders:2]")).warnings
    assert "callers.orders" in warning
    assert "no agent here can ever take these calls" in warning


CHAIN = """
stores:
  mill:
    {name: Mill, numbers: [+442079460103], flow: default, agents: own, hours: day, overflow: [{to: hub, waiting: 2}]}
  hub: {name: Hub, numbers: [+442079460100], flow: default, agents: own, hours: day}
hours:
  day: {zone: Europe/London, week: {mon-sun: 09:00-09:30}}
queues:
  orders: {name: Orders, needs: [orders]}
  repairs: {name: Repairs, needs: [orders]}
flows:
  default: {steps: {orders: {do: queue, queue: orders}}}
"""
OF_THE_CHAIN = """
date: 2026-11-27
replications: 2
chain: chain.yaml
callers:
  mill:
    queue: orders
    store: mill
    start: 09:00
    calls: [40, 10]
    talk: {fixed: 60}
    transfer: {share: 0.1, to: repairs, talk: {fixed: 30}}
    callback: {after: 120, share: 0.5}
agents:
  - {count: 1, store: mill, skills: [orders], shift: 09:00-11:00}
  - {count: 1, store: hub, skills: [orders], shift: 09:00-11:00}
"""


def of_the_chain(folder: Path, text: str = OF_THE_CHAIN, chain: str = CHAIN) -> Scenario:
    (folder / "chain.yaml").write_text(chain)
    (folder / "day.yaml").write_text(text)
    return load(folder / "day.yaml")


def test_hand_overs_and_offers_to_be_rung_back(tmp_path: Path) -> None:
    stream = of_the_chain(tmp_path).world.streams[0]
    assert stream.transfer == Transfer(0.1, "repairs", Fixed(30), Fixed(0))
    assert stream.callback == CallbackOffer(120, 0.5)


def test_the_chains_hours_and_overflow_hold_in_a_simulated_day(tmp_path: Path) -> None:
    """The ten or so who come after half past nine meet a closed door. The hub, which nobody here calls, is at work
    because Old Mill fills up; without the rule it is not."""
    outcome = simulate(of_the_chain(tmp_path))
    answered = outcome.by_interval.groups
    assert 2 * 3 < outcome.closed < 2 * 20
    assert max(float(start) for start in answered if answered[start].calls) < NINE + 1_800
    busy = {row["queue"]: row for row in queue_rows(outcome)}
    assert busy["repairs"]["transfers"] > 0
    assert busy["orders"]["callbacks"] > 0
    alone = simulate(of_the_chain(tmp_path, chain=CHAIN.replace(", overflow: [{to: hub, waiting: 2}]", "")))
    both = [outcome.by_queue.groups["orders"], alone.by_queue.groups["orders"]]
    assert both[0].answered > 1.3 * both[1].answered


def test_doors_open_to_whom_the_chain_opens_them(tmp_path: Path) -> None:
    """As `live.plan` asks the same chain. The rule of size counts this store's own calls."""
    (tmp_path / "chain.yaml").write_text(CHAIN)
    chain = chain_reading.load(tmp_path / "chain.yaml").chain
    doors = ChainDoors(chain, ("orders", "own"))

    def waiting(count: int) -> Callable[[str], OfStore]:
        return lambda store: OfStore(True, count if store == "mill" else 0, 0.0)

    assert doors.stores("mill", "orders", NINE, waiting(1), 0.0) == {"mill"}
    assert doors.stores("mill", "orders", NINE, waiting(2), 0.0) == {"mill", "hub"}
    assert doors.stores("mill", "orders", NINE + 1_800, waiting(0), 0.0) is None
    assert doors.stores("mill", "own", NINE + 1_800, waiting(0), 0.0) == frozenset()  # a queue of the scenario's own
    assert doors.stores("elsewhere", "orders", NINE + 1_800, waiting(0), 0.0) == frozenset()
    assert (doors.change("mill"), doors.change("elsewhere")) == (True, False)


def test_a_chain_that_is_always_open_and_shares_its_agents_needs_no_looks(tmp_path: Path) -> None:
    (tmp_path / "chain.yaml").write_text(CHAIN.replace(", hours: day", "").replace(", agents: own", ""))
    doors = ChainDoors(chain_reading.load(tmp_path / "chain.yaml").chain, ("orders",))
    assert not doors.change("mill")
    assert doors.stores("mill", "orders", NINE, lambda _: OfStore(), 0.0) == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("to: repairs", "to: repars", "did you mean `repairs`?"),
        ("share: 0.1", "share: 0", "share"),
        ("share: 0.5", "share: 1.5", "share"),
        ("after: 120", "after: -1", "after"),
        (", to: repairs", "", "to"),
    ],
)
def test_a_wrong_share_or_queue_is_said_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        of_the_chain(tmp_path, OF_THE_CHAIN.replace(old, new))
    assert said in str(error.value)
    assert "day.yaml:1" in str(error.value)  # line 12 or 13


def test_a_store_that_the_chain_lacks_is_warned_about(tmp_path: Path) -> None:
    (warning,) = of_the_chain(
        tmp_path, OF_THE_CHAIN.replace("store: mill\n    start", "store: mil\n    start")
    ).warnings
    assert "always open" in warning
    assert "`mill`" in warning


def test_the_reference_page_is_current() -> None:
    current = (ROOT / "docs/reference/scenario.md").read_text()
    assert current == reference.page(), "run: python -m quietline.staffing.reference > docs/reference/scenario.md"


# CSV files


def recorded(tmp_path: Path, text: str | bytes) -> Recorded:
    path = tmp_path / "calls.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_recorded(path, LONDON)


def test_recorded_calls_come_in_order_of_time(tmp_path: Path) -> None:
    made = recorded(tmp_path, "Arrived , Patience\n2026-11-27 09:01,5\n\n2026-11-27T09:00:00+00:00,7\n")
    assert made == Recorded((NINE, NINE + 60), (), (), (7, 5))


def test_a_spreadsheets_mark_at_the_start_is_no_letter(tmp_path: Path) -> None:
    assert recorded(tmp_path, b"\xef\xbb\xbfarrived\r\n2026-11-27 09:00\r\n").at == (NINE,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: column arrived is missing"),
        ("arrived\n", "no calls in it"),
        ("when\n2026-11-27 09:00\n", "column when is not known; known: arrived"),
        ("arrivd\n", "did you mean `arrived`?"),
        ("arrived,arrived\n", "column arrived stands twice"),
        ("+447700900123,arrived\n", "column number 1 is not known"),
        ("arrived,talk\n2026-11-27 09:00\n", ":2: 1 cells under 2 columns"),
        ("arrived,talk\n2026-11-27 09:00,\n", ":2: talk: want a number from 0 to 86,400, found nothing"),
        ("arrived,talk\n2026-11-27 09:00,-3\n", "found a negative number"),
        ("arrived,talk\n2026-11-27 09:00,nan\n", "talk: want a number"),
        ("arrived,talk\n2026-11-27 09:00,1_0\n", "talk: want a number"),
        ("arrived,talk\n2026-11-27 09:00,1e9\n", "talk: want a number"),
        ("arrived\nyesterday\n", ":2: arrived: want a time such as"),
        ("arrived\n2026-03-29 01:30\n", "this time is not there in Europe/London"),
        ('arrived\n"2026', ":2: this is not CSV"),
        (b"arrived\n\xff\xfe\n", "is not UTF-8 text"),
        ("arrived\n" + "9" * 140_000 + "\n", ":2: this is not CSV"),
    ],
)
def test_a_hostile_file_is_refused_by_line_and_column(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        recorded(tmp_path, text)
    assert said in str(error.value)


def test_no_cell_is_repeated_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        recorded(tmp_path, "arrived,talk\n2026-11-27 09:00,+447700900123\n2026-11-27 09:00,x447700900123\n")
    assert "7700900123" not in str(error.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recorded(tmp_path, LONDON)


@settings(deadline=None, max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: ("arrived,talk\n" + text).encode())))
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "calls.csv"
    path.write_bytes(data)
    for read in (read_recorded, read_forecast):
        try:
            read(path, LONDON)
        except ConfigError as error:
            assert str(path) in str(error)  # noqa: PT017 - both ways are right


def test_the_hour_that_is_there_twice_means_the_first_unless_an_offset_says(tmp_path: Path) -> None:
    made = recorded(tmp_path, "arrived\n2026-10-25 01:30\n2026-10-25 01:30+00:00\n")
    assert made.at[1] - made.at[0] == 3_600


# Runs


@pytest.fixture
def outcome(scenario_of) -> Outcome:  # type: ignore[no-untyped-def]
    return simulate(scenario_of())


def test_every_day_is_counted_once(outcome: Outcome) -> None:
    calls = sum(len(calls_of(outcome.scenario, day)) for day in range(3))
    assert sum(day.calls for day in outcome.days) == calls
    assert sum(sums.calls for sums in outcome.by_interval.groups.values()) == calls
    assert sum(sums.calls for sums in outcome.by_queue.groups.values()) == calls
    assert sum(sum(sums.calls for sums in day.values()) for day in outcome.queue_days) == calls


def test_days_differ_and_runs_do_not(outcome: Outcome, scenario_of) -> None:  # type: ignore[no-untyped-def]
    assert len({day.talk for day in outcome.days}) == 3
    assert simulate(scenario_of()).days == outcome.days
    assert simulate(replace(scenario_of(), seed=2)).days != outcome.days


def test_rows_are_means_a_day(outcome: Outcome) -> None:
    intervals = interval_rows(outcome)
    assert [row["interval"][11:16] for row in intervals[:2]] == ["09:00", "09:30"]
    assert intervals[0]["available_h"] == pytest.approx(1.5, abs=0.02)
    assert intervals[0]["busy_h"] <= intervals[0]["available_h"]
    (orders,) = queue_rows(outcome)
    assert orders["calls"] == pytest.approx(sum(row["calls"] for row in intervals), abs=0.2)
    assert orders["calls"] == pytest.approx(50, abs=15)
    assert {row["figure"] for row in summary(outcome)} == set(measures(outcome.scenario.standard))


def test_progress_is_told_of_every_call(scenario_of) -> None:  # type: ignore[no-untyped-def]
    told: list[int] = []
    outcome = simulate(scenario_of(), told.append, every=1)
    assert sum(told) == sum(day.calls for day in outcome.days)


def test_waits_that_would_be_told_are_judged(outcome: Outcome, scenario_of) -> None:  # type: ignore[no-untyped-def]
    assert outcome.wait_error().calls > 0
    assert 0 < outcome.wait_error().p50 < 120
    idle = simulate(scenario_of(BASE.replace("count: 3", "count: 300")))
    assert idle.wait_error().calls == 0


# What if


def test_one_more_agent_on_the_same_callers(scenario_of) -> None:  # type: ignore[no-untyped-def]
    first = scenario_of()
    other = beside(first, replace(scenario_of(BASE.replace("count: 3", "count: 5")), seed=99, replications=1))
    assert [calls_of(first, day).at for day in range(3)] == [calls_of(other, day).at for day in range(3)]
    found = {(each.group, each.measure): each for each in compare(simulate(first), simulate(other))}
    level = found["all", "service_level_pct"]
    assert level.difference > 0
    assert level.difference == pytest.approx(level.other - level.first)
    assert found["all", "asa_s"].difference < 0
    assert ("orders", "abandonment_pct") in found


def test_the_same_callers_make_the_difference_sharper(scenario_of) -> None:  # type: ignore[no-untyped-def]
    many = BASE.replace("replications: 3", "replications: 12")
    first, other = scenario_of(many), scenario_of(many.replace("count: 3", "count: 4"))
    paired = compare(simulate(first), simulate(other))
    apart = compare(simulate(first), simulate(replace(other, seed=77)))
    half = {name: next(each.half for each in found if each.measure == "abandonment_pct") for name, found in
            (("paired", paired), ("apart", apart))}  # fmt: skip
    assert half["paired"] < half["apart"]


def test_nothing_changed_nothing_differs(scenario_of) -> None:  # type: ignore[no-untyped-def]
    for each in compare(simulate(scenario_of()), simulate(scenario_of())):
        assert (each.difference, each.half, each.sure) == (0, 0, False)


@pytest.mark.parametrize(
    ("freedom", "wanted"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (19, 2.093), (120, 1.980)]
)
def test_students_t_is_as_in_the_tables(freedom: int, wanted: float) -> None:
    assert students_t(freedom) == pytest.approx(wanted, rel=0.01)


def test_intervals() -> None:
    assert interval([]) is None
    assert interval([4.0]) == (4.0, inf)
    mean, half = interval([1.0, 2.0, 3.0, 4.0]) or (0, 0)
    assert (mean, half) == (2.5, pytest.approx(3.182 * 1.29099 / 2, rel=0.01))


def test_a_day_without_a_figure_is_left_out(outcome: Outcome) -> None:
    outcome.days.append(Sums())
    assert outcome.estimate(measures(outcome.scenario.standard)["asa_s"]) is not None


# Plans


def test_a_plan_by_erlang_c() -> None:
    """100 calls in half an hour, three minutes each, 80 % in 20 s: 14 agents (any Erlang C table or calculator)."""
    (need,) = plan([Forecast(NINE, 100, None)], Aim(Target(0.8, 20), 180, shrinkage=0.3))
    assert need.performance.agents == 14
    assert need.rostered == 20
    (row,) = rows([need], Intervals(LONDON, 1_800))
    assert (row["interval"], row["erlangs"], row["agents"]) == ("2026-11-27 09:00+00:00", 10.0, 14)
    assert row["service_level_pct"] == 88.8


def test_a_forecasts_own_handle_time_wins() -> None:
    first, second = plan([Forecast(NINE, 100, 90), Forecast(NINE, 100, None)], Aim(Target(), 180))
    assert first.performance.agents < second.performance.agents
    assert first.load.handle == 90


def test_impatient_callers_need_fewer_agents() -> None:
    (patient,) = plan([Forecast(NINE, 300, None)], Aim(Target(), 180))
    (impatient,) = plan([Forecast(NINE, 300, None)], Aim(Target(), 180, patience=60))
    assert impatient.performance.agents < patient.performance.agents
    assert impatient.performance.abandoned > 0


def test_nobody_expected_nobody_needed() -> None:
    (need,) = plan([Forecast(NINE, 0, None)], Aim(Target(), 180, shrinkage=0.3))
    assert (need.performance.agents, need.rostered) == (0, 0)


def test_shrinkage_never_rounds_down() -> None:
    for shrinkage in (0.1, 0.25, 0.3, 1 / 3):
        (need,) = plan([Forecast(NINE, 500, None)], Aim(Target(), 240, shrinkage=shrinkage))
        assert need.rostered * (1 - shrinkage) >= need.performance.agents - 1e-6
        assert math.isclose(need.rostered, need.performance.agents / (1 - shrinkage), abs_tol=1)


def test_an_aim_that_nobody_meets() -> None:
    with pytest.raises(ConfigError, match="the plan cannot be made"):
        plan([Forecast(NINE, 100, None)], Aim(Target(share=1.0), 180))


def test_a_forecast(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("start,calls,handle\n2026-11-27 09:30,80,200\n2026-11-27 09:00,70,210\n")
    assert read_forecast(path, LONDON) == [Forecast(NINE, 70, 210), Forecast(NINE + 1_800, 80, 200)]
    path.write_text("start,calls\n2026-11-27 09:30,80\n2026-11-27 09:30,70\n")
    with pytest.raises(ConfigError, match=":3: start: stands twice"):
        read_forecast(path, LONDON)
