"""`quietline helper`: whom a customer has named to call for them. Identifiers and numbers are asked for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import SEND, asked
from quietline.cli.right import FIELDS, By, Controller
from quietline.cli.vault import ask_secret
from quietline.errors import ConfigError
from quietline.rights.times import read_stamp, stamp

app = typer.Typer(help="Who may call for a customer, about what, until when.", no_args_is_help=True)


@app.command()
def add(
    until: Annotated[
        str, typer.Argument(help="Until when: a day (its beginning, UTC) or a time, a year ahead at most.")
    ],
    reason: Annotated[list[str], typer.Option(help="What they may call about, such as order_status. Repeatable.")],
    by: By = "order",
    controller: Controller = "brand",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Name a helper at the customer's word; the customer's identifier and the helper's number are asked for."""
    end = read_stamp(until)
    found = _found(by, controller)
    number = ask_secret("Helper's telephone number").open(SEND)
    _tell([asked(config, "helper_name", number=number, reasons=reason, until=end, **found)], as_json)


@app.command("list")
def list_helpers(
    by: By = "order", controller: Controller = "brand", config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """A customer's helpers: what they may call about, until when. No number is shown."""
    _tell(asked(config, "helper_list", **_found(by, controller))["helpers"], as_json)


@app.command()
def end(
    helper: Annotated[str, typer.Argument(help="The helper's token, as `helper list` shows it.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """From now on this helper is a caller like any other."""
    asked(config, "helper_end", helper=helper)
    typer.echo("Ended.")


def _found(by: str, controller: str) -> dict[str, str]:
    if by not in FIELDS:
        raise ConfigError(f"--by: {by}: one of {', '.join(FIELDS)}")
    return {"field": FIELDS[by], "value": ask_secret("Customer's identifier").open(SEND), "controller": controller}


def _tell(helpers: list[dict[str, Any]], as_json: bool) -> None:
    rows = [{**each, "reasons": " ".join(each["reasons"]), "until": stamp(each["until"])} for each in helpers]
    show(helpers if as_json else rows, as_json)
