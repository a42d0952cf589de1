"""`quietline staff`: accounts and training certificates. Names stay sealed; people are listed by token."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.vault import ask, ask_secret
from quietline.errors import ConfigError
from quietline.sealed import SIGNALLING, Ticket
from quietline.skills import write_skills
from quietline.vault.client import AdminVaultClient
from quietline.vault.schema import DataClass

app = typer.Typer(help="Accounts and training certificates.", no_args_is_help=True)

DAY = 86_400.0
SEND = Ticket("admin", "staff", SIGNALLING)
TOKEN = "ag_"  # noqa: S105 - how an agent's token begins, not a secret

Agent = Annotated[str, typer.Argument(help="The agent's token, as `staff list` shows it, or the login.")]
Login = Annotated[str, typer.Argument(help="What the agent signs in with.")]
StoreId = Annotated[str, typer.Argument(help="The id of a store in the configuration.")]
RoleName = Annotated[str, typer.Option(help="agent, or another role that policy knows.")]
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
    login: Login, store: StoreId, role: RoleName = "agent", skill: Skills = None, config: ConfigPath = DEFAULT_CONFIG
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
