"""`quietline breakglass`: cases, their review, what was told. Asking and agreeing are done at the desk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import asked
from quietline.rights.times import read_stamp, stamp

app = typer.Typer(help="Looks without a call: cases, reviews, alerts.", no_args_is_help=True)

Case = Annotated[str, typer.Argument(help="The case's token, as `breakglass list` shows it.", show_default=False)]
Since = Annotated[str, typer.Option(help="From when on, such as 2026-11-24; without it, today (UTC).")]


@app.command("list")
def list_cases(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Cases that are yours to see, newest first; late ones suspend their store's break-glass."""
    cases = asked(config, "glass_cases")["cases"]
    if as_json:
        show(cases, True)
    elif cases:
        show([_row(each) for each in cases], False)
    else:
        typer.echo("No cases.")


@app.command()
def review(
    case: Case,
    finding: Annotated[str, typer.Argument(help="justified, not-justified or breach.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Close a case with a finding: within 72 hours of its opening. `breach` goes to `quietline breach`."""
    done = asked(config, "glass_finding", case=case, finding=finding)["case"]
    if as_json:
        show([done], True)
    else:
        typer.echo(f"{done['id']}: {done['stage']}, {done['finding']}. {done['looks']} looks.")


@app.command()
def alerts(since: Since = "", config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """What was told: canary touches, ceilings, break-glass, tampering. Newest first."""
    answer = asked(config, "alert_log", since=moment(since))
    tell_rows(answer, as_json, "No alerts.")


def moment(since: str) -> float:
    """UTC seconds; today's midnight for "". Raises ConfigError."""
    return read_stamp(since) if since else datetime.now(UTC).replace(hour=0, minute=0, second=0).timestamp()


def tell_rows(answer: dict[str, Any], as_json: bool, nothing: str) -> None:
    """A book's rows with their times readable, and from when on they are all."""
    rows = [{**each, "at": stamp(each["at"])} for each in answer["rows"]]
    if as_json:
        show([{"from": stamp(answer["from"]), "rows": rows}], True)
        return
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        show([{name: row.get(name, "") for name in names} for row in rows], False)
    else:
        typer.echo(nothing)
    typer.echo(f"Complete from {stamp(answer['from'])} on.")


def _row(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "case": case["id"],
        "stage": case["stage"],
        "store": case["store"],
        "asked by": case["requester"],
        "agreed by": case["approver"],
        "kinds": " ".join(case["classes"]),
        "looks": case["looks"],
        "review by": stamp(case["review_by"]) if case["review_by"] else "",
        "late": case["late"],
        "why": case["justification"],
    }
