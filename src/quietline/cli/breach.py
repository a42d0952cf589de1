"""`quietline breach`: whom did an account see between two times, and the 72-hour clock (GDPR 33, 34)."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import asked
from quietline.cli.vault import ask
from quietline.rights.times import read_stamp

TOKEN = "ag_"  # noqa: S105 - how an agent's token begins, not a secret


def command(
    account: Annotated[str, typer.Argument(help="The account: its token, or the login.")],
    since: Annotated[str, typer.Option("--from", help="2026-11-01 or 2026-11-01T09:00:00Z.")],
    until: Annotated[str, typer.Option("--to", help="Up to and without this time.")],
    aware: Annotated[str, typer.Option(help="When you learned of the breach; the clock counts from then. Now.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Whom did this account see, from the ledger: tokens, classes, counts, times, and what to do by when."""
    times = {"since": read_stamp(since), "until": read_stamp(until)}
    learned = read_stamp(aware) if aware else time.time()
    answer = asked(config, "breach", agent=_agent(account, config), aware=learned, **times)
    typer.echo(json.dumps(answer, indent=2)) if as_json else _tell(answer)


def _agent(account: str, config: Any) -> str:
    if account.startswith(TOKEN):
        return account
    return str(ask(config, lambda vault: vault.call("staff_find", login=account))["agent"])


def _tell(answer: dict[str, Any]) -> None:
    rows = [
        {
            "customer": each["customer"],
            "looks": each["looks"],
            "classes": ", ".join(f"{name} {count}" for name, count in each["classes"].items()),
            "first": each["first"],
            "last": each["last"],
        }
        for each in answer["customers"]
    ]
    show(rows, as_json=False)
    duties = answer["duties"]
    typer.echo(f"{answer['count']} customers, {answer['entries']} entries of this account.")
    typer.echo(f"Aware {duties['aware']}. Authority by {duties['authority_by']} ({duties['hours_left']} h left):")
    for line in duties["authority"]:
        typer.echo(f"  - {line}")
    typer.echo(f"Customers: {duties['customers']}")
    typer.echo(duties["record"])
