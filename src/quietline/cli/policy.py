"""`quietline policy`: check, test, explain and compare the rules of who may see what; take new ones in; keep score."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.access import lint
from quietline.access.cases import FILE, load_cases, run
from quietline.access.cedar import POLICIES, Policies
from quietline.access.decide import FIELD_ACTIONS, REASONED, TIMED, Action, Phase
from quietline.access.in_force import load_policies, zone_called
from quietline.access.matrix import PEOPLE, Case, Outcome, ask
from quietline.access.minimum import By
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.vault import ask as ask_vault
from quietline.config import Config
from quietline.config_file import load
from quietline.errors import ConfigError, QuietlineError
from quietline.reasons import ADVICE, NEEDS, Why
from quietline.vault.custom import catalogue
from quietline.vault.schema import FieldSpec, Reason

app = typer.Typer(help="The rules of who may see what, and how well they are kept.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Argument(help="A folder of rules. Default: the configured one, or else the shipped one.")
]
MOST = 40  # rows of a comparison on the screen; --json has them all


class PolicyNotRight(QuietlineError):
    """A check, a test or a comparison found something: exit code 1."""


@app.command()
def check(folder: Folder = None, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Find what does not load, errs, opens nothing, explains nothing or breaks a promise. Exit 1 for an error."""
    path, fields, settings = _which(folder, config)
    fields = [*fields, lint.OWN_FIELD]
    rules = _load(path, fields, settings)
    found = lint.lint(rules, lint.rules_of(rules.text), fields)
    rows = [{"severity": each.severity, "rule": each.rule, "what": each.what} for each in found]
    if rows or as_json:
        show(rows, as_json)
    errors = sum(each.severity == "error" for each in found)
    if errors:
        raise PolicyNotRight(f"policy check: {errors} errors in {path}; a vault refuses this set")
    if not as_json:
        typer.echo(f"{len(rules.ids)} rules are right. SHA-256 {rules.digest}")


@app.command("test")
def run_cases(folder: Folder = None, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Run the folder's cases.yaml, or the shipped one where it has none. Exit 1 when a case comes out otherwise."""
    path, fields, settings = _which(folder, config)
    rules = _load(path, fields, settings)
    table = path / FILE if (path / FILE).is_file() else POLICIES / FILE
    rows = load_cases(fields, table)
    wrong = run(rules, rows, fields)
    told = [
        {"case": each.case.words(), "expected": each.row.expected, "is": each.outcome.why, "about": each.row.about}
        for each in wrong
    ]
    if told or as_json:
        show(told, as_json)
    questions = sum(len(row.cases) for row in rows)
    if wrong:
        raise PolicyNotRight(f"policy test: {len(wrong)} of {questions} questions come out otherwise than {table} says")
    if not as_json:
        typer.echo(f"{len(rows)} cases, {questions} questions: all as {table} says.")


@app.command()
def explain(
    who: Annotated[str, typer.Argument(help=f"One of {', '.join(PEOPLE)}.")],
    action: Annotated[Action, typer.Argument(help="What they want to do.")],
    field: Annotated[str, typer.Argument(help="Which field, where the action has one.")] = "",
    reason: Annotated[str, typer.Option(help="For which reason, where the action has one.")] = "",
    assurance: Annotated[int, typer.Option(min=0, max=3, help="How sure it is who calls.")] = 1,
    when: Annotated[Phase, typer.Option(help="Where the call stands.")] = Phase.LIVE,
    late: Annotated[bool, typer.Option("--late", help="A work grant's or break-glass's time is over.")] = False,
    at: Annotated[str, typer.Option(help="Local time, HH:MM.")] = "10:30",
    rules: Annotated[Path | None, typer.Option("--rules", help="A folder of rules other than the configured.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Answer one question in words: allowed or not, by which rules, and what the page says."""
    path, fields, settings = _which(rules, config)
    case = Case(who, action, field, reason, assurance, when, "over" if late else "open", _moment(at))
    _check_case(case, fields)
    (outcome,) = ask(_load(path, fields, settings), [case], fields)
    answer = _told(case, outcome)
    if as_json:
        show([answer], True)
    else:
        typer.echo("\n".join(_words(case, outcome, answer)))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A folder of rules.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List every question of the whole matrix whose answer differs, what opens first. Takes some seconds."""
    _, fields, settings = _which(None, config)
    before, after = (_load(path, fields, settings) for path in (old, new))
    changes = lint.compare(before, after, fields)
    rows = [
        {"change": each.kind, "question": each.case.words(), "before": each.before.why, "after": each.after.why}
        for each in changes
    ]
    if as_json:
        show(rows, True)
        return
    if rows:
        show(rows[:MOST], False)
    counts = Counter(each.kind for each in changes)
    more = f" The first {MOST} are shown; --json has all." if len(rows) > MOST else ""
    typer.echo(f"{counts['opens']} open, {counts['closes']} close, {counts['reason']} say another reason.{more}")


@app.command()
def review(folder: Folder = None, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print the rules as they stand and the hash of that very text, for `policy reload --reviewed`."""
    path, fields, settings = _which(folder, config)
    rules = _load(path, fields, settings)
    if as_json:
        show([{"folder": str(path), "digest": rules.digest, "rules": sorted(rules.ids)}], True)
        return
    typer.echo(rules.text)
    typer.echo(f"// {path}: {len(rules.ids)} rules. Hash of this text and its schema:\n// {rules.digest}")


@app.command()
def status(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Which rules are in force in the vault, and whether that very text was reviewed. Root only."""
    _tell_state(ask_vault(config, lambda vault: vault.call("policy_status")), as_json)


@app.command()
def reload(
    reviewed: Annotated[str, typer.Option(help="Only if it is this text: the hash that `policy review` printed.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take the configured folder in while calls go on. A set that is not right is refused; the old one stays."""
    _tell_state(ask_vault(config, lambda vault: vault.call("policy_reload", reviewed=reviewed)), as_json)


@app.command()
def minimum(
    by: Annotated[By, typer.Option("--by", help="A row for each of these.")] = By.REASON,
    start: Annotated[str, typer.Option("--from", help="First moment, local time. Default: the ledger's first.")] = "",
    end: Annotated[str, typer.Option("--to", help="Up to this moment. Default: now.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Score what was opened against what the reason needed, from the ledger. See explanation/definitions.md."""
    since, until = _instant("--from", start, 0.0), _instant("--to", end, time.time())
    answer = ask_vault(config, lambda vault: vault.call("policy_minimum", by=by.value, since=since, until=until))
    rows = answer["rows"]
    if rows or as_json:
        show(rows, as_json)
    elif not rows:
        typer.echo("No look in this time.")


# Which


def _which(folder: Path | None, config: Path) -> tuple[Path, list[FieldSpec], Config]:
    """The folder, and the fields that its rules are about. Without a configuration: what is shipped."""
    settings = load(config) if config.is_file() else Config()
    configured = Path(settings.vault.policies) if settings.vault.policies else POLICIES
    return folder or configured, list(catalogue(settings.fields).values()), settings


def _load(path: Path, fields: Sequence[FieldSpec], settings: Config) -> Policies:
    return load_policies(path, fields, zone=zone_called(settings.vault.policy_zone))


def _tell_state(state: dict[str, Any], as_json: bool) -> None:
    rows = [state] if as_json else [{"what": name, "is": value} for name, value in state.items()]
    show(rows, as_json)


def _instant(option: str, text: str, otherwise: float) -> float:
    """UTC seconds. Raises ConfigError for a text that is no time."""
    if not text:
        return otherwise
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise ConfigError(f"{option} {text!r}: give a time such as 2026-11-27T09:00") from None


# One question


def _check_case(case: Case, fields: Sequence[FieldSpec]) -> None:
    if case.who not in PEOPLE:
        raise ConfigError(f"who: one of {', '.join(PEOPLE)}")
    names = {spec.name for spec in fields}
    if case.action in FIELD_ACTIONS and case.field not in names:
        raise ConfigError(f"field: {case.action.value} is about one of {', '.join(sorted(names))}")
    if case.action in REASONED and case.reason not in set(Reason):
        raise ConfigError(f"--reason: {case.action.value} is for one of {', '.join(Reason)}")
    if (case.field and case.action not in FIELD_ACTIONS) or (case.reason and case.action not in REASONED):
        raise ConfigError(
            f"{case.action.value} has no such thing; leave out field and --reason where they do not apply"
        )


def _moment(text: str) -> str:
    try:
        return datetime.strptime(text, "%H:%M").strftime("%H:%M")  # noqa: DTZ007 - a wall clock's time, no instant
    except ValueError:
        raise ConfigError(f"--at {text!r}: give HH:MM, such as 22:30") from None


def _told(case: Case, outcome: Outcome) -> dict[str, Any]:
    return {
        "question": case.words(),
        "allowed": outcome.allowed,
        "why": outcome.why,
        "rules": list(outcome.rules),
        "page": "" if outcome.allowed else ADVICE[Why(outcome.why)],
        "needed": list(NEEDS[case.reason].fields) if case.reason else [],
    }


def _by(outcome: Outcome) -> str:
    return "Permitted by" if outcome.allowed else "Taken away by"


def _words(case: Case, outcome: Outcome, answer: dict[str, Any]) -> list[str]:
    who = PEOPLE[case.who]
    serves = ", ".join(sorted(who.controllers)) or "nobody"
    lines = [
        f"{answer['question']}: {'allowed' if answer['allowed'] else 'denied'}.",
        f"{_by(outcome)}: {', '.join(outcome.rules)}." if outcome.rules else "No rule permits it.",
        f"Asked of the role {who.role.value}, who serves {serves}, about a customer of brand.",
    ]
    if not answer["allowed"]:
        lines.append(f"The page says: {answer['page']}")
    if case.reason:
        lines.append(f"This reason needs {', '.join(answer['needed'])}. {NEEDS[case.reason].because}")
    if case.action in TIMED:
        lines.append("What this action may be used for at all is decided before: docs/decisions/0020-grants.md.")
    return lines
