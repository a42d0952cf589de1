"""`quietline simulate`: a day before it comes, on the real matcher; two ways of running it, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from quietline.cli.options import AsJson, show
from quietline.errors import ConfigError
from quietline.reports.definitions import FORMULAS
from quietline.reports.plots import DayPlot, Line, check_path, draw
from quietline.reports.table import as_csv, on_screen
from quietline.staffing.results import interval_rows, queue_rows, summary
from quietline.staffing.run import Difference, Outcome, beside, compare, expected_calls, measures, simulate
from quietline.staffing.scenario import Scenario, load

File = Annotated[Path, typer.Argument(help="The scenario, a YAML file.", show_default=False)]
Against = Annotated[Path | None, typer.Option(help="Another scenario, run on the same callers: what if?")]
Plot = Annotated[Path | None, typer.Option(help="Draw the day: a file that ends in .svg or .png.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the intervals as CSV.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def command(
    scenario: File,
    against: Against = None,
    plot: Plot = None,
    as_json: AsJson = False,
    csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Run the day many times over, and say how callers fare in each interval and queue."""
    if plot:
        check_path(plot)
    first = _load(scenario)
    other = beside(first, _load(against)) if against else None
    if other and (other.zone.key, other.width) != (first.zone.key, first.width):
        raise ConfigError(f"{against}: zone or interval differ from {scenario}; make them the same to compare")
    outcomes = _run([first, *([other] if other else [])], quiet or as_json or csv)
    if plot:
        draw(picture(outcomes), plot)
    if as_json:
        typer.echo(json.dumps(_document(outcomes), indent=2))
    elif csv:
        typer.echo(as_csv(interval_rows(outcomes[0])), nl=False)
    else:
        _tell(outcomes)


def _load(path: Path) -> Scenario:
    scenario = load(path)
    for line in scenario.warnings:
        typer.echo(f"warning: {line}", err=True)
    return scenario


def _run(scenarios: list[Scenario], quiet: bool) -> list[Outcome]:
    outcomes = []
    for scenario in scenarios:
        with _bar(scenario, quiet) as advance:
            outcomes.append(simulate(scenario, advance))
    return outcomes


@contextmanager
def _bar(scenario: Scenario, quiet: bool) -> Iterator[Callable[[int], object] | None]:
    """A progress bar on standard error, so that what is printed can be piped."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(scenario.name, total=expected_calls(scenario))
        yield lambda calls: progress.advance(task, calls)


# What is said


def _tell(outcomes: list[Outcome]) -> None:
    first = outcomes[0]
    show(on_screen(interval_rows(first)), False, f"{first.scenario.name}: a day by intervals")
    typer.echo("")
    show(on_screen(queue_rows(first)), False, "By queue")
    typer.echo("")
    show([_said(row) for row in summary(first)], False, "The whole day")
    typer.echo(f"\n{note(first)}")
    if first.closed:
        typer.echo(f"{_closed(first):g} calls a day came to a closed door, and are in no figure.")
    error = first.wait_error()
    if error.calls:
        typer.echo(
            f"Waits as they would be told at arrival: half are off by less than {error.p50:.0f} s; callers waited "
            f"{abs(error.bias):.0f} s {'longer' if error.bias > 0 else 'shorter'} than told, on average."
        )
    if len(outcomes) > 1:
        typer.echo("")
        show(
            [_shown(each) for each in compare(*outcomes)],
            False,
            f"{outcomes[1].scenario.name} less {first.scenario.name}",
        )
        typer.echo("\nThe same callers in both. ± is a 95 % interval; where it reaches over 0, the days do not tell.")


def note(outcome: Outcome) -> str:
    """Which definition, and how many days."""
    scenario = outcome.scenario
    standard = scenario.standard
    return (
        f"Service level within {standard.within:g} s ({standard.definition.value}: {FORMULAS[standard.definition]}); "
        f"short: under {standard.short:g} s. {scenario.replications} days simulated, seed {scenario.seed}."
    )


def _closed(outcome: Outcome) -> float:
    return round(outcome.closed / outcome.scenario.replications, 1)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    half = row.pop("half")
    return row | {"±": "unknown from one day" if half is None else half}


def _shown(each: Difference) -> dict[str, Any]:
    return {
        "group": each.group,
        "figure": each.measure,
        "first": round(each.first, 1),
        "other": round(each.other, 1),
        "difference": f"{each.difference:+.1f}",
        "±": "unknown" if each.half == inf else round(each.half, 1),
        "sure": each.sure,
    }


def _document(outcomes: list[Outcome]) -> dict[str, Any]:
    """Everything, for programs."""
    made: dict[str, Any] = {"scenarios": [_one(each) for each in outcomes]}
    if len(outcomes) > 1:
        made["differences"] = [_plain(each) for each in compare(*outcomes)]
    return made


def _plain(each: Difference) -> dict[str, Any]:
    half = None if each.half == inf else round(each.half, 3)
    values = {name: round(getattr(each, name), 3) for name in ("first", "other", "difference")}
    return {"group": each.group, "figure": each.measure, **values, "half": half, "sure": each.sure}


def _one(outcome: Outcome) -> dict[str, Any]:
    error = outcome.wait_error()
    return {
        "name": outcome.scenario.name,
        "definition": note(outcome),
        "days": outcome.scenario.replications,
        "whole_day": summary(outcome),
        "intervals": interval_rows(outcome),
        "queues": queue_rows(outcome),
        "closed": _closed(outcome),
        "wait_told": {"calls": error.calls, "p50_s": round(error.p50, 1), "bias_s": round(error.bias, 1)},
    }


# What is drawn


def picture(outcomes: list[Outcome]) -> DayPlot:
    """The first scenario's day, with the other's service level in the same picture."""
    first = outcomes[0]
    rows = interval_rows(first)
    starts = [float(start) for start in sorted(first.by_interval.groups, key=float)]
    present = [row for row in zip(starts, rows, strict=True) if row[1]["calls"]]  # not the last talks after hours
    labels = [each.scenario.name for each in outcomes]
    levels = [
        Line(label, _levels(each, [at for at, _ in present])) for label, each in zip(labels, outcomes, strict=True)
    ]
    hours = first.scenario.width / 3_600
    return DayPlot(
        " and ".join(labels),
        [at for at, _ in present],
        first.scenario.zone,
        levels,
        100 * first.scenario.aim,
        [row["answered"] for _, row in present],
        [row["abandoned"] + row["short"] + row["gave_up"] for _, row in present],
        [
            Line("there, breaks not included", [row["available_h"] / hours for _, row in present]),
            Line("at work on calls", [row["busy_h"] / hours for _, row in present], dashed=True),
        ],
        note(first),
    )


def _levels(outcome: Outcome, starts: list[float]) -> list[float | None]:
    level = measures(outcome.scenario.standard)["service_level_pct"]
    groups = outcome.by_interval.groups
    return [level(groups[start]) if start in groups else None for start in starts]
