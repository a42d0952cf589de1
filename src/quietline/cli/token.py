"""`quietline token`: API tokens, for machines that ask in somebody's name."""

from __future__ import annotations

from typing import Annotated

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.staff import Agent, about, date
from quietline.cli.vault import ask

app = typer.Typer(help="API tokens: scoped, expiring, shown once.", no_args_is_help=True)

Scopes = Annotated[list[str], typer.Option("--scope", help="floor.read or token.read. Repeatable.")]
Days = Annotated[float, typer.Option(min=0.01, max=366, help="How long it is good for; a year at most.")]
TokenId = Annotated[str, typer.Argument(help="The token's id, as `token list` shows it.")]


@app.command()
def add(
    agent: Agent, scope: Scopes, days: Days = 90.0, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Make a token in an account's name. It is shown here, and never again."""
    made = ask(config, about(agent, "token_add", scopes=list(scope), days=days))
    if as_json:
        show(made, as_json)
    else:
        typer.echo(f"{made['token']}\n{made['id']}: {' '.join(made['scopes'])}, until {date(made['expires'])}")


@app.command("list")
def list_tokens(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every token that has not ended; never the tokens themselves."""
    tokens = ask(config, lambda vault: vault.call("token_list"))["tokens"]
    rows = [
        {
            "id": each["id"],
            "agent": each["agent"],
            "scopes": " ".join(each["scopes"]),
            "made": date(each["made"]),
            "until": date(each["expires"]),
        }
        for each in tokens
    ]
    show(tokens if as_json else rows, as_json)


@app.command()
def revoke(token: TokenId, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """End a token now: the next question with it is refused."""
    ask(config, lambda vault: vault.call("token_revoke", api_token=token))
    typer.echo("Revoked.")
