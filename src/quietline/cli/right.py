"""`quietline right`: what a privacy officer does with customers' requests. Identifiers and values are asked for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, show
from quietline.cli.person import SECOND, SEND, asked, folder, read_text, session, sign_in, write_new
from quietline.cli.vault import ask_secret
from quietline.errors import ConfigError, TamperError
from quietline.rights import processing
from quietline.rights.receipt import verify_receipt
from quietline.rights.times import read_stamp

app = typer.Typer(
    help="Customers' requests: access, rectification, restriction, objection, erasure.", no_args_is_help=True
)

FIELDS = {
    "phone": "contact.phone",
    "email": "contact.email",
    "loyalty": "contact.loyalty",
    "order": "order.reference",
}
RequestId = Annotated[str, typer.Argument(help="The request's token, as `right list` shows it.")]
By = Annotated[str, typer.Option("--by", help="Find the customer by: phone, email, loyalty or order.")]
Controller = Annotated[str, typer.Option(help="The data controller: the brand or a franchisee.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="A new file to write.")]
Key = Annotated[str, typer.Option("--key", help="The ledger's verifier key, or a file that has it.")]


@app.command("sign-in")
def sign_in_command(
    login: Annotated[str, typer.Argument(help="Who acts: a privacy officer, a second person.")],
    code: Annotated[bool, typer.Option(help="Also ask for the code of the authenticator app.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print a session for QUIETLINE_SESSION (or QUIETLINE_SECOND_SESSION); the password is asked for."""
    typer.echo(sign_in(config, login, code))


@app.command("sign-out")
def sign_out(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """End the session in QUIETLINE_SESSION."""
    asked(config, "console_sign_out")
    typer.echo("Signed out.")


@app.command("open")
def open_request(
    right: Annotated[str, typer.Argument(help="access, rectification, restriction, objection or erasure.")],
    by: By = "phone",
    method: Annotated[
        list[str] | None, typer.Option(help="How the requester was identified, such as call-back. Repeatable.")
    ] = None,
    about: Annotated[str, typer.Option(help="What an objection is against: marketing, recording, …")] = "",
    controller: Controller = "brand",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Open a request for the customer whom this identifier finds; it is asked for, and kept nowhere."""
    found = {"field": _field(by), "value": ask_secret("Identifier").open(SEND), "controller": controller}
    _tell(asked(config, "right_open", right=right, methods=method or [], about=about, **found), as_json)


@app.command("list")
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are ended.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Open requests, nearest deadline first."""
    requests = asked(config, "right_list", everything=everything)["requests"]
    shown = ("id", "right", "state", "due", "late")
    show(requests if as_json else [{name: each[name] for name in shown} for each in requests], as_json)


@app.command("show")
def show_request(request: RequestId, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """One request."""
    _tell(asked(config, "right_show", request=request), as_json)


@app.command("act")
def act(
    request: RequestId,
    what: Annotated[str, typer.Argument(help="complete, enforce, lift, refuse, withdraw or extend.")],
    why: Annotated[str, typer.Option(help="A closed word, for a refusal or an extension.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Complete a request, put a restriction or objection in force, lift it, refuse, withdraw or extend."""
    _tell(asked(config, "right_move", request=request, act=what, why=why), as_json)


@app.command()
def access(
    request: RequestId,
    out: Out,
    to: Annotated[
        str, typer.Option(help="The requester's age public key; without one a passphrase is asked for.")
    ] = "",
    withhold: Annotated[
        list[str] | None, typer.Option(help="Leave out a kind of record in which others stand, such as note.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write the customer's file, encrypted (age): HTML and JSON. Nothing readable touches this disk."""
    passphrase = "" if to else ask_secret("Passphrase for the requester").open(SEND)
    answer = asked(config, "right_access", request=request, to=to, passphrase=passphrase, withhold=withhold or [])
    write_new(out, base64.b64decode(answer["file"]))
    typer.echo(f"{out}: send it; tell the passphrase by another way. Then: quietline right act {request} complete")


@app.command()
def rectify(
    request: RequestId,
    field: Annotated[str, typer.Argument(help="Such as contact.email or delivery.address.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put another value, which is asked for, in place of the one on record."""
    value = ask_secret("New value").open(SEND)
    _tell(asked(config, "right_rectify", request=request, field=field, value=value), as_json)


@app.command()
def erase(
    request: Annotated[list[str], typer.Argument(help="One request or several; several take two people.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A directory for the receipts.")] = Path(),
    second: Annotated[bool, typer.Option(help=f"With the second person signed in in {SECOND}.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Erase these customers, once they have cooled and nothing holds them; a receipt for each."""
    other = session(SECOND) if second else ""
    folder(out)
    for name, receipt in asked(config, "right_erase", requests=request, second=other)["receipts"].items():
        path = out / f"{name}.receipt"
        write_new(path, receipt.encode())
        typer.echo(str(path))


@app.command()
def receipt(request: RequestId, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Print an erasure's receipt again."""
    typer.echo(asked(config, "right_receipt", request=request)["receipt"], nl=False)


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt, or - for standard input.")],
    key: Key,
    as_json: AsJson = False,
) -> None:
    """Check a receipt offline, with the ledger's verifier key alone; exit 1 where anything does not fit."""
    path = Path(key)
    vkey = read_text(path).decode("utf-8", "replace") if path.is_file() else key
    try:
        found = verify_receipt(read_text(receipt), vkey.strip())
    except TamperError as error:
        typer.echo(
            json.dumps({"verified": False, "why": str(error)}) if as_json else f"NOT verified. {error}", err=True
        )
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"verified": True, "index": found.index, "size": found.size, **found.statement}))
        return
    said = found.statement
    typer.echo(f"Verified: erasure {said['request']} at {said['erased_at']}, entry {found.index} of {found.origin}.")
    typer.echo(f"Erased: {', '.join(said['erased'])}.")
    for kept in said["kept"]:
        typer.echo(f"Kept: {kept['class']}, {kept['basis']} ({kept['for']}).")
    for told in said["recipients"]:
        typer.echo(f"Recipient {told['name']}: {told['told']}.")


@app.command()
def told(
    request: RequestId,
    recipient: Annotated[str, typer.Argument(help="A name on the list of recipients.")],
    how: Annotated[str, typer.Option(help="told, impossible or disproportionate (GDPR 19).")] = "told",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write down that a recipient was told; an erasure waits until all of them were."""
    _tell(asked(config, "right_told", request=request, recipient=recipient, how=how), as_json)


@app.command()
def recipients(
    add: Annotated[str, typer.Option(help="Put this one on the list.")] = "",
    purpose: Annotated[str, typer.Option("--for", help="What they get customers' data for.")] = "",
    remove: Annotated[str, typer.Option(help="Take this one off the list.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Who else gets customers' data: couriers, the shop's connector, whoever a webhook goes to."""
    if bool(add) != bool(purpose) or (add and remove):
        raise ConfigError("recipients: give --add with --for, or --remove, or neither for the list")
    if add or remove:
        listed = asked(config, "right_recipient", name=add or remove, purpose=purpose)["recipients"]
    else:
        listed = asked(config, "right_recipients")["recipients"]
    show([{"recipient": name, "for": what} for name, what in listed.items()], as_json)


@app.command()
def hold(
    reason: Annotated[str, typer.Argument(help="court-order, dispute, tax-audit or investigation.")],
    until: Annotated[str, typer.Option(help="A date, within two years: 2027-03-31.")],
    by: By = "phone",
    controller: Controller = "brand",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Keep a customer's data from erasure and retention; the identifier is asked for."""
    ends, found = read_stamp(until), {"field": _field(by), "value": ask_secret("Identifier").open(SEND)}
    _tell(asked(config, "right_hold", reason=reason, until=ends, controller=controller, **found), as_json)


@app.command()
def holds(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Every legal hold, with its reason and end."""
    show(asked(config, "right_holds")["holds"], as_json)


@app.command()
def lift(
    hold: Annotated[str, typer.Argument(help="The hold's token, as `right holds` shows it.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take a hold off before it ends."""
    asked(config, "right_lift_hold", hold=hold)
    typer.echo("Lifted.")


@app.command()
def retention(
    run: Annotated[bool, typer.Option("--run", help="Erase what is due; without it nothing changes.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """What is past its time, by class; it runs by itself every `vault.retention_seconds`."""
    report = asked(config, "right_retention", run=run)
    if as_json:
        show([report], as_json)
        return
    rows = [{"class": name, "values": count} for name, count in report["values"].items()]
    show([*rows, {"class": "customers", "values": report["customers"]}], as_json)
    typer.echo(f"Under a hold: {report['held']}. Without a day: {report['undated']}.")


@app.command()
def record(as_json: AsJson = False) -> None:
    """The record of processing activities (GDPR 30), from the schema."""
    typer.echo(json.dumps(processing.record(), indent=2) if as_json else processing.record_markdown())


@app.command()
def assessment(as_json: AsJson = False) -> None:
    """The skeleton of an impact assessment (GDPR 35), from the schema."""
    typer.echo(json.dumps(processing.assessment(), indent=2) if as_json else processing.assessment_markdown())


def _field(by: str) -> str:
    if by not in FIELDS:
        raise ConfigError(f"by: one of {', '.join(FIELDS)}")
    return FIELDS[by]


def _tell(view: dict[str, Any], as_json: bool) -> None:
    plain = {name: value if as_json else _said(value) for name, value in view.items()}
    show([plain] if as_json else [{"what": name, "is": value} for name, value in plain.items()], as_json)


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
