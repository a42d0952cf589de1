"""`quietline phone`: credentials for hardware and soft phones that speak SIP over TLS."""

from __future__ import annotations

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.staff import Agent, about
from quietline.cli.vault import ask

app = typer.Typer(help="SIP credentials of agents' own phones.", no_args_is_help=True)


@app.command()
def issue(agent: Agent, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Make a credential; the password is shown now and never again."""
    answer = ask(config, about(agent, "phone_issue"))
    show([answer] if as_json else [{"what": name, "is": value} for name, value in answer.items()], as_json)


@app.command()
def revoke(agent: Agent, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Take it back; the phone is signed off at once."""
    ask(config, about(agent, "phone_revoke"))
    typer.echo("Revoked.")
