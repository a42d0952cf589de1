"""`quietline staff`: accounts and training certificates. Names stay sealed; people are listed by token."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.cli.apply import write_words
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.vault import ask, ask_secret
from quietline.config_file import load
from quietline.errors import ConfigError
from quietline.sealed import SIGNALLING, Ticket
from quietline.skills import write_skills
from quietline.vault.client import AdminVaultClient
from quietline.vault.schema import DataClass
from quietline.vault.staff_import import COLUMNS, NEEDED

app = typer.Typer(help="Accounts and training certificates.", no_args_is_help=True)

DAY = 86_400.0
SEND = Ticket("admin", "staff", SIGNALLING)
TOKEN = "ag_"  # noqa: S105 - how an agent's token begins, not a secret

Agent = Annotated[str, typer.Argument(help="The agent's token, as `staff list` shows it, or the login.")]
Login = Annotated[str, typer.Argument(help="What the agent signs in with.")]
StoreId = Annotated[str, typer.Argument(help="The id of a store in the configuration.")]
RoleName = Annotated[
    str,
    typer.Option(
        help="agent, seasonal_agent, supervisor, store_manager, privacy_officer, auditor or administrator.",
    ),
]
LastDay = Annotated[
    str, typer.Option("--until", help="The contract's last day, such as 2027-01-31. A seasonal agent needs one.")
]
PeopleFile = Annotated[
    Path,
    typer.Argument(help="CSV with the columns login, name, role, store, and if you like skills, starts, ends."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")]
WordsFile = Annotated[
    Path | None, typer.Option("--words", help="Where the words for first sign-ins go; else into the state directory.")
]
Subject = Annotated[str, typer.Argument(help="Who they are at the identity provider: the `sub` of its ID tokens.")]
ROWS = 500  # of a file in one question
Skills = Annotated[
    list[str] | None,
    typer.Option(help="With a level of 1 to 5, such as orders:4; without one it is 3. Repeatable."),
]
DataClassName = Annotated[str, typer.Argument(help="contact, delivery, invoice or service.")]
Days = Annotated[int, typer.Argument(min=0, help="How long it lasts; 0 takes it away.")]


@app.command("list")
def list_staff(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Everybody, with skills and certificates."""
    people = ask(config, lambda vault: vault.call("staff_list"))["staff"]
    show(people if as_json else [row(each, time.time()) for each in people], as_json)


@app.command()
def add(
    login: Login,
    store: StoreId,
    role: RoleName = "agent",
    skill: Skills = None,
    until: LastDay = "",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Add an account; name and password are asked for."""
    ends = end_of(until)
    name, password = ask_secret("Name"), ask_secret("Password")
    answer = ask(
        config,
        lambda vault: vault.call(
            "staff_add",
            login=login,
            name=name.open(SEND),
            password=password.open(SEND),
            role=role,
            store=store,
            skills=skill or [],
            ends=ends,
        ),
    )
    typer.echo(answer["agent"])


@app.command()
def find(login: Login, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """The token of a login."""
    typer.echo(ask(config, lambda vault: vault.call("staff_find", login=login))["agent"])


@app.command()
def certify(agent: Agent, data_class: DataClassName, days: Days, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Give a training certificate for a data class, for so many days; 0 takes it away."""
    until = time.time() + days * DAY if days else 0.0
    ask(config, about(agent, "certify", data_class=data_class, until=until))
    typer.echo(f"{data_class}: until {date(until)}" if days else f"{data_class}: none any more")


@app.command()
def password(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Set a new password; every session of the agent ends."""
    new = ask_secret("New password")
    ask(config, about(agent, "set_password", password=new.open(SEND)))
    typer.echo("Set.")


@app.command()
def end(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """End the service now: sessions, phone and offers stop at once."""
    ask(config, about(agent, "end_service"))
    typer.echo("Ended.")


@app.command()
def unlock(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Forget the failed sign-ins of an account, so that it may try again at once."""
    was = ask(config, about(agent, "staff_unlock"))["was_locked"]
    typer.echo("Unlocked." if was else "It was not locked.")


@app.command("reset-factors")
def reset_factors(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Take passkeys, app and recovery codes away, for who lost them all; sessions end. Make sure who asks you."""
    ask(config, about(agent, "staff_reset_factors"))
    typer.echo("Reset. The password alone signs in until a second factor is set up anew.")


@app.command()
def link(agent: Agent, subject: Subject, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let an account sign on by the identity provider of the configuration's [oidc]."""
    ask(config, about(agent, "staff_link", subject=subject))
    typer.echo("Linked.")


@app.command()
def unlink(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Take that away."""
    ask(config, about(agent, "staff_unlink"))
    typer.echo("Unlinked.")


@app.command()
def locked(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Accounts whose sign-in waits after failed tries, and for how long."""
    waits = ask(config, lambda vault: vault.call("staff_locked"))["locked"]
    rows = [{"agent": agent, "seconds": round(seconds)} for agent, seconds in sorted(waits.items())]
    show(rows, as_json)


@app.command("import")
def import_staff(
    file: PeopleFile,
    dry_run: DryRun = False,
    words: WordsFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Add and change people by a file; nobody is retired by it. Bad rows are passed over, with a reason, and exit 1.

    Who is new gets a one-time word, kept in a file that root alone can read: they choose a password with it.
    """
    rows, digest = read_people(file)
    told: dict[str, Any] = {"added": 0, "changed": 0, "unchanged": 0, "bad": {}}
    new: dict[str, str] = {}
    for first in range(0, len(rows), ROWS):
        part = {"rows": rows[first : first + ROWS], "digest": digest, "dry_run": dry_run}
        _count(told, new, ask(config, lambda vault, part=part: vault.call("staff_import", **part)))  # type: ignore[misc]
    if new:
        path = words or load(config).paths.state / f"sign-in-words-{datetime.now(UTC):%Y%m%dT%H%M%S}.csv"
        write_words(path, new)
        told["words"] = str(path)
    typer.echo(json.dumps(told, indent=2) if as_json else _said(told, dry_run))
    if told["bad"]:
        raise typer.Exit(1)


def read_people(file: Path) -> tuple[list[dict[str, Any]], str]:
    """Rows by column with their lines, and the file's digest. Raises ConfigError: not CSV, or a column is wrong."""
    try:
        raw = file.read_bytes()
        reader = csv.DictReader(raw.decode("utf-8-sig").splitlines(), restkey="more", restval="")
        rows = [{"line": reader.line_num, **row} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file}: cannot be read as CSV in UTF-8 ({type(error).__name__})") from None
    wrong = set(reader.fieldnames or ()) - set(COLUMNS)
    missing = set(NEEDED) - set(reader.fieldnames or ())
    if wrong or missing:
        what = f"no column {', '.join(sorted(missing))}" if missing else f"unknown column {', '.join(sorted(wrong))}"
        raise ConfigError(f"{file}, line 1: {what}; the columns are {', '.join(COLUMNS)}")
    for row in rows:
        if "more" in row:
            raise ConfigError(f"{file}, line {row['line']}: more fields than columns; quote texts with commas")
    return rows, hashlib.sha256(raw).hexdigest()


def _count(told: dict[str, Any], new: dict[str, str], answer: dict[str, Any]) -> None:
    plan = answer["plan"]
    told["added"] += plan["added"]
    told["changed"] += len(plan["changed"])
    told["unchanged"] += plan["unchanged"]
    new.update(plan["words"])
    told["bad"].update(answer["bad"])


def _said(told: dict[str, Any], dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    lines = [f"{told['added']} {would}added, {told['changed']} {would}changed, {told['unchanged']} as they are."]
    if "words" in told:
        lines.append(f"The words for their first sign-in are in {told['words']}; hand them out.")
    return "\n".join([*lines, *(f"line {line}: {why}" for line, why in told["bad"].items())])


def end_of(day: str) -> float:
    """The end of that day, UTC seconds; 0 for none. Raises ConfigError for what is no date."""
    if not day:
        return 0.0
    try:
        return (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    except ValueError:
        raise ConfigError("--until: a date such as 2027-01-31") from None


def about(agent: str, operation: str, **fields: Any) -> Callable[[AdminVaultClient], Awaitable[Any]]:
    """A question about one agent, given by token or by login. It raises ConfigError when there is nobody."""

    async def question(vault: AdminVaultClient) -> Any:
        return await vault.call(operation, agent=await _token(vault, agent), **fields)

    return question


async def _token(vault: AdminVaultClient, agent: str) -> str:
    if not agent.startswith(TOKEN):
        return str((await vault.call("staff_find", login=agent))["agent"])
    people = (await vault.call("staff_list"))["staff"]
    if agent not in {each["agent"] for each in people}:
        raise ConfigError("staff: nobody has this token; `quietline staff list` shows everybody's")
    return agent


def row(person: dict[str, Any], now: float) -> dict[str, str]:
    """One line of the list. `now`: UTC seconds."""
    states = {
        "not in service": not person["in_service"],
        "signed in": person["signed_in"],
        "own phone": person["phone"] == "lasting",
    }
    return {
        "agent": person["agent"],
        "role": person["role"],
        "store": person["store"],
        "skills": " ".join(write_skills(person["skills"])),
        "certificates": certificates(person["certificates"], now),
        "now": ", ".join(word for word, holds in states.items() if holds),
    }


def certificates(until: dict[str, float], now: float) -> str:
    """Grouped by day: "contact, invoice until 2027-01-03"; one that is past "lapsed 2026-11-21"."""
    days: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for name, seconds in sorted(until.items()):
        if seconds:
            days[seconds <= now, date(seconds)].append(name)
    lines = (
        f"{_which(names)} {'lapsed' if lapsed else 'until'} {day}" for (lapsed, day), names in sorted(days.items())
    )
    return "\n".join(lines) or "none"


def _which(names: list[str]) -> str:
    return "every class" if len(names) == len(DataClass) else ", ".join(names)


def date(seconds: float) -> str:
    """UTC seconds as an ISO date."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
