"""`quietline plan`, `simulate` and `report` as a user meets them; the how-to's commands run; the plots."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quietline.errors import ConfigError
from quietline.installation import history_key
from quietline.live.history import agent_token
from quietline.reports.definitions import FORMULAS, Definition
from quietline.reports.history_file import HistoryFile
from quietline.reports.plots import DayPlot, Line, draw
from quietline.reports.table import COLUMNS
from quietline.routing.visits import Outcome, Span, Visit

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs/howto/plan-staff-for-a-peak-day.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PNG = b"\x89PNG\r\n\x1a\n"
Cli = Callable[..., Any]

DAY = """
date: 2026-11-27
replications: 2
queues:
  orders: {name: Orders}
callers:
  orders: {queue: orders, start: 09:00, calls: [20, 20], talk: {exponential: 120}, patience: {exponential: 90}}
agents:
  - {count: 2, shift: 09:00-10:00}
"""


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.yaml"
    path.write_text(DAY)
    return path


@pytest.fixture
def forecast(tmp_path: Path) -> Path:
    path = tmp_path / "friday.csv"
    path.write_text("start,calls\n2026-11-27 09:00,100\n2026-11-27 09:30,0\n")
    return path


# The how-to


@pytest.fixture
def few_days(tmp_path: Path) -> Path:
    """The examples, with three days instead of ten: a test has no minute."""
    for name in ("peak-day.yaml", "peak-day-changed.yaml", "chain.yaml"):
        text = (ROOT / "examples" / name).read_text()
        (tmp_path / name).write_text(text.replace("replications: 10", "replications: 3"))
    return tmp_path


def test_the_how_to_runs_as_it_is_written(few_days: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = FENCE.findall(HOWTO.read_text())
    (forecast,) = [text for language, text in blocks if language == "csv"]
    (few_days / "friday.csv").write_text(forecast)
    monkeypatch.chdir(few_days)
    commands = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    assert [line.split()[1] for line in commands] == ["plan", "simulate", "simulate"]
    told = [cli(*shlex.split(line)[1:]) for line in commands]
    assert [(result.code, result.err) for result in told] == [(0, "")] * 3
    assert "Erlang A, patience 180 s; target 80/20, shrinkage 30%" in told[0].out
    assert "french" in told[1].out
    assert "peak-day-changed less peak-day" in told[2].out
    for name in ("plan.svg", "day.svg", "both.svg"):
        assert ET.parse(few_days / name).getroot().tag.endswith("svg")


def test_the_how_tos_roster_is_what_the_page_says(few_days: Path, cli: Cli) -> None:
    """A third of the French callers hang up, and the change helps them: more than chance."""
    day, changed = few_days / "peak-day.yaml", few_days / "peak-day-changed.yaml"
    found = json.loads(cli("simulate", str(day), "--against", str(changed), "--json").out)
    queues = {row["queue"]: row for row in found["scenarios"][0]["queues"]}
    assert queues["french"]["abandonment_pct"] == pytest.approx(33, abs=6)
    differences = {(each["group"], each["figure"]): each for each in found["differences"]}
    assert differences["french", "service_level_pct"]["difference"] > 10
    assert differences["french", "service_level_pct"]["sure"]


# plan


def test_a_plan_as_json_csv_and_table(cli: Cli, forecast: Path) -> None:
    (first, second) = json.loads(cli("plan", str(forecast), "--handle", "180", "--json").out)
    assert (first["interval"], first["agents"], first["service_level_pct"]) == ("2026-11-27 09:00+00:00", 14, 88.8)
    assert second["agents"] == 0
    (row, _) = csv.DictReader(io.StringIO(cli("plan", str(forecast), "--handle", "180", "--csv").out))
    assert row["agents"] == "14"
    assert "Erlang C; target 80/20" in cli("plan", str(forecast)).out


def test_a_plan_with_every_option(cli: Cli, forecast: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plan.png"
    result = cli(
        *("plan", str(forecast), "--target", "90/10", "--patience", "120", "--occupancy", "80", "--abandoned", "2"),
        *("--shrinkage", "25", "--interval", "15", "--zone", "UTC", "--plot", str(picture), "--json"),
    )
    (row, _) = json.loads(result.out)
    assert row["occupancy_pct"] <= 80
    assert row["abandonment_pct"] <= 2
    assert row["service_level_pct"] >= 90
    assert picture.read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", "80"), "give per cent and seconds, such as 80/20"),
        (("--target", "100/20"), "give per cent and seconds, such as 80/20"),
        (("--target", "x/20"), "give per cent and seconds, such as 80/20"),
        (("--zone", "Mars"), "no such time zone"),
        (("--zone", "../../etc/passwd"), "no such time zone"),
        (("--interval", "7"), "minutes that divide an hour"),
        (("--plot", "plan.jpeg"), "plots are .svg or .png"),
        (("--plot", "no/such/folder/plan.svg"), "its folder is not there"),
    ],
)
def test_a_wrong_option_of_plan(cli: Cli, forecast: Path, options: tuple[str, ...], said: str) -> None:
    result = cli("plan", str(forecast), *options)
    assert result.code == 2
    assert said in result.error


def test_a_forecast_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    assert "cannot be read" in cli("plan", str(tmp_path / "none.csv")).error


# simulate


def test_a_simulation_as_json(cli: Cli, day: Path) -> None:
    (found,) = json.loads(cli("simulate", str(day), "--json").out)["scenarios"]
    assert (found["name"], found["days"]) == ("day", 2)
    assert found["definition"].startswith("Service level within 20 s (short-abandons-excluded: ")
    assert [row["interval"][11:16] for row in found["intervals"][:2]] == ["09:00", "09:30"]
    assert {row["figure"] for row in found["whole_day"]} >= {"service_level_pct", "asa_s"}
    assert set(COLUMNS) <= set(found["intervals"][0])
    assert found["wait_told"]["calls"] > 0


def test_a_simulation_as_table_and_csv(cli: Cli, day: Path) -> None:
    told = cli("simulate", str(day))
    assert (told.code, told.err) == (0, "")
    for word in ("09:00+00:00", "orders", "service_level_pct", "2 days simulated, seed 1", "half are off by less than"):
        assert word in told.out
    (row, *_) = csv.DictReader(io.StringIO(cli("simulate", str(day), "--csv").out))
    assert float(row["calls"]) > 5


def test_two_scenarios_must_have_one_clock(cli: Cli, day: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(DAY + "zone: Europe/Paris\n")
    result = cli("simulate", str(day), "--against", str(other))
    assert result.code == 2
    assert "zone or interval differ" in result.error


def test_one_day_alone_has_no_interval(cli: Cli, day: Path) -> None:
    day.write_text(DAY.replace("replications: 2", "replications: 1"))
    assert "unknown from one day" in cli("simulate", str(day)).out
    (found,) = json.loads(cli("simulate", str(day), "--json").out)["scenarios"]
    assert {row["half"] for row in found["whole_day"]} == {None}
    compared = json.loads(cli("simulate", str(day), "--against", str(day), "--json").out)
    assert {each["half"] for each in compared["differences"]} == {None}


def test_warnings_come_first_and_on_standard_error(cli: Cli, day: Path) -> None:
    day.write_text(DAY.replace("{name: Orders}", "{name: Orders, needs: [orders], longest_wait: 60}"))
    result = cli("simulate", str(day), "--csv")
    assert result.code == 0
    assert "no agent here can ever take these calls" in result.err


def test_a_wrong_scenario_is_one_line(cli: Cli, day: Path) -> None:
    day.write_text(DAY.replace("queue: orders,", "queue: ordres,"))
    assert "day.yaml:7: callers.orders.queue: `ordres` is no queue here" in cli("simulate", str(day)).error


# report


@pytest.fixture
def kept(house: Path) -> Path:
    """A history of today in the configured place: two calls, one agent."""
    path = house.parent / "state" / "controller"
    path.mkdir(parents=True)
    now, agent = time.time(), agent_token(history_key(house.parent / "state"), "ag_mia")
    file = HistoryFile(path / "history.db")
    file.append(
        [
            Visit("orders", "mill", now - 60, 10, Outcome.ANSWERED, agent, 30, 0, 10, call="x"),
            Visit("orders", "mill", now - 50, 40, Outcome.ABANDONED, call="y"),
            Visit("orders", "mill", now - 3 * 86_400, 1, Outcome.ANSWERED, agent, 5, call="z"),
        ],
        [Span(agent, "mill", "on_call", now - 50, now - 20), Span(agent, "mill", "ready", now - 20, now - 10)],
    )
    file.close()
    return house


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


def test_the_days_report(cli: Cli, kept: Path) -> None:
    *rows, whole = json.loads(cli("report", "--by", "queue", "--from", ago(1), "--json", "--config", str(kept)).out)
    assert [row["queue"] for row in rows] == ["orders"]
    assert (whole["queue"], whole["service_level_pct"], whole["occupancy_pct"]) == ("all", 50.0, 75.0)


def test_from_and_to(cli: Cli, kept: Path) -> None:
    old = ("--from", ago(4), "--to", ago(2), "--by", "all", "--json", "--config", str(kept))
    (row, _) = json.loads(cli("report", *old).out)
    assert row["answered"] == 1
    moment = ("--from", f"{ago(4)}T00:00+00:00", "--to", f"{ago(2)}T23:59", "--by", "all", "--json")
    assert json.loads(cli("report", *moment, "--config", str(kept)).out)[0]["answered"] == 1


def test_the_table_says_which_definition(cli: Cli, kept: Path) -> None:
    told = cli("report", "--by", "store", "--from", ago(1), "--definition", "all-calls", "--config", str(kept)).out
    assert "mill" in told
    assert "all-calls: answered in time / (answered + lost)" in told


def test_each_queue_is_counted_by_its_own_times_and_the_stores_clock(cli: Cli, kept: Path) -> None:
    folder = kept.parent / "state" / "chain"
    folder.mkdir()
    chain = (ROOT / "examples/chain.yaml").read_text()
    (folder / "active.yaml").write_text(chain.replace("{share: 0.8, seconds: 20}", "{share: 0.8, seconds: 9}"))
    command = ("report", "--from", ago(1), "--by", "queue", "--config", str(kept))
    *_, whole = json.loads(cli(*command, "--json").out)
    assert whole["service_level_pct"] == 0.0, "ten seconds are too long for a queue that asks for nine"
    assert "within each queue's own times" in cli(*command).out
    *_, whole = json.loads(cli(*command, "--json", "--within", "20", "--short", "5").out)
    assert whole["service_level_pct"] == 50.0
    (row, *_) = json.loads(cli("report", "--from", ago(1), "--interval", "60", "--json", "--config", str(kept)).out)
    assert re.search(r"\+0[01]:00$", row["interval"]), "London's, not UTC's"


def test_a_chain_that_cannot_be_read_stops_no_report(cli: Cli, kept: Path) -> None:
    folder = kept.parent / "state" / "chain"
    folder.mkdir()
    (folder / "active.yaml").write_text("stores: [")
    assert cli("report", "--from", ago(1), "--config", str(kept)).code == 0


def test_nothing_in_this_time(cli: Cli, kept: Path) -> None:
    told = cli("report", "--from", "2020-01-01", "--to", "2020-01-02", "--config", str(kept))
    assert told.out == "No call and no agent in this time.\n"


def test_a_report_as_csv_and_drawn(cli: Cli, kept: Path, tmp_path: Path) -> None:
    picture = tmp_path / "calls.png"
    command = ("report", "--from", ago(1), "--interval", "60", "--zone", "Europe/London", "--config", str(kept))
    result = cli(*command, "--csv", "--plot", str(picture))
    assert "interval,calls" in result.out
    assert picture.read_bytes().startswith(PNG)


def test_agents_rows_are_roots_and_carry_the_accounts_token(cli: Cli, kept: Path, vault: Any) -> None:
    vault.answers["staff_list"] = {"staff": [{"agent": "ag_mia"}]}
    command = ("report", "--by", "agent", "--from", ago(1), "--json", "--config", str(kept))
    (row,) = json.loads(cli(*command).out)
    assert (row["agent"], row["answered"], row["occupancy_pct"]) == ("ag_mia", 1, 75.0)


def test_agents_rows_without_the_vault_have_the_historys_token(cli: Cli, kept: Path) -> None:
    result = cli("report", "--by", "agent", "--from", ago(1), "--json", "--config", str(kept))
    assert json.loads(result.out)[0]["agent"].startswith("hr_")
    assert "the vault does not answer" in result.err


def test_agents_rows_are_refused_to_others(as_nobody: Cli, kept: Path) -> None:
    result = as_nobody("report", "--by", "agent", "--config", str(kept))
    assert result.code == 2
    assert "root is needed" in result.error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "today"), "give a day such as 2026-11-27"),
        (("--from", "2026-13-01"), "give a day such as 2026-11-27"),
        (("--from", "2026-11-27", "--to", "2026-11-26T00:00"), "is not after --from"),
        (("--to", "9999-12-31"), "give a day such as 2026-11-27"),
        (("--by", "queue", "--plot", "x.svg"), "--plot draws intervals"),
        (("--interval", "7"), "minutes that divide an hour"),
        (("--from", "2020-01-01", "--to", "2020-01-01", "--plot", "x.svg"), "there is nothing to draw"),
    ],
)
def test_a_wrong_option_of_report(cli: Cli, kept: Path, options: tuple[str, ...], said: str) -> None:
    result = cli("report", *options, "--config", str(kept))
    assert result.code == 2
    assert said in result.error


def test_no_history_yet(cli: Cli, house: Path) -> None:
    result = cli("report", "--config", str(house))
    assert result.code == 2
    assert "there is no history yet" in result.error


# Plots


def plot(**changes: Any) -> DayPlot:
    values: dict[str, Any] = {
        "title": "A day",
        "starts": [1_795_770_000.0 + 1_800 * n for n in range(4)],
        "zone": ZoneInfo("Europe/London"),
        "levels": [Line("now", [80.0, None, 60.0, 100.0], (5, 5, 5, 5)), Line("then", [70.0, 75.0, 80.0, 90.0])],
        "target": 80.0,
        "answered": [5, 6, 7, 8],
        "lost": [0, 1, 2, 0],
        "people": [Line("there", [2, 2, 3, 3]), Line("needed", [1, 2, 4, 3], dashed=True)],
        "note": "of four half hours",
    }
    return DayPlot(**(values | changes))


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figures_give_the_same_file(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    draw(plot(), first)
    draw(plot(), second)
    assert first.read_bytes() == second.read_bytes()
    draw(plot(lost=[3, 1, 2, 0]), second)
    assert first.read_bytes() != second.read_bytes()


def test_one_interval_and_no_people_can_be_drawn(tmp_path: Path) -> None:
    small = plot(starts=[1_795_770_000.0], levels=[Line("now", [None])], target=None, answered=[0], lost=[0], people=[])
    draw(small, tmp_path / "small.svg")
    draw(plot(answered=(), lost=()), tmp_path / "levels.svg")
    assert (tmp_path / "small.svg").stat().st_size > 1_000


def test_a_plot_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        draw(plot(), tmp_path / "folder.svg")


# The pages


def test_the_definitions_page_has_every_name_and_formula() -> None:
    page = (ROOT / "docs/explanation/definitions.md").read_text()
    for each in Definition:
        assert f"| `{each.value}` | {FORMULAS[each]} |" in page
    said = set(re.findall(r"`(\w+)`", page))
    told_in_words = {"answered", "abandoned", "short", "gave_up", "talk_s", "wrap_up_s", "service_level_pct"}
    assert set(COLUMNS) - said <= told_in_words


def test_the_how_tos_picture_is_there_and_light() -> None:
    picture = ROOT / "docs/images/peak-day.svg"
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert picture.stat().st_size < 200_000
