"""`quietline staff`: accounts and training certificates. Names stay sealed; people are listed by token."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.vault import ask, ask_secret
from quietline.sealed import SIGNALLING, Ticket

app = typer.Typer(help="Accounts and training certificates.", no_args_is_help=True)

DAY = 86_400.0
SEND = Ticket("admin", "staff", SIGNALLING)

Agent = Annotated[str, typer.Argument(help="The agent's token, as `staff list` shows it.")]


@app.command("list")
def list_staff(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Everybody in service, with skills and certificates."""
    people = ask(config, lambda vault: vault.call("staff_list"))["staff"]
    rows = [
        {**each, "skills": " ".join(each["skills"]), "certificates": _dates(each["certificates"])} for each in people
    ]
    show(people if as_json else rows, as_json)


@app.command()
def add(
    login: str,
    store: str,
    role: str = "agent",
    skill: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Add an account; name and password are asked for."""
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
        ),
    )
    typer.echo(answer["agent"])


@app.command()
def certify(agent: Agent, data_class: str, days: int, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Give a training certificate for a data class, for so many days; 0 takes it away."""
    until = time.time() + days * DAY if days else 0.0
    ask(config, lambda vault: vault.call("certify", agent=agent, data_class=data_class, until=until))
    typer.echo(f"{data_class}: until {_date(until)}" if days else f"{data_class}: none any more")


@app.command()
def password(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Set a new password; every session of the agent ends."""
    new = ask_secret("New password")
    ask(config, lambda vault: vault.call("set_password", agent=agent, password=new.open(SEND)))
    typer.echo("Set.")


@app.command()
def end(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """End the service now: sessions, phone and offers stop at once."""
    ask(config, lambda vault: vault.call("end_service", agent=agent))
    typer.echo("Ended.")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _dates(certificates: dict[str, float]) -> str:
    return ", ".join(f"{name} {_date(until)}" for name, until in sorted(certificates.items()))
