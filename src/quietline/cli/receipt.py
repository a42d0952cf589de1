"""`quietline receipt`: hold a customer's receipt of a call against the ledger's key. Needs nothing of the house."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quietline.cli.options import AsJson, show
from quietline.cli.person import read_text
from quietline.errors import ConfigError
from quietline.ledger.call_receipt import Line, verify_call_receipt
from quietline.rights.breach import classes_of
from quietline.rights.times import stamp

app = typer.Typer(help="Customers' receipts of calls.", no_args_is_help=True)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The file saved from the receipt's page; - for standard input.")],
    key: Annotated[str, typer.Option("--key", help="The ledger's verifier key, or a file that has it.")],
    as_json: AsJson = False,
) -> None:
    """Check every line offline: signed, in the log, and saying what the log says. Exit 1 names the line that is not."""
    lines = verify_call_receipt(read_text(file), _key(key), classes_of)
    rows = [_row(each) for each in lines]
    if rows or as_json:
        show(rows, as_json)
    if not as_json:
        typer.echo(f"{len(rows)} lines, each of them in the ledger as it stands here.")


def _key(text: str) -> str:
    path = Path(text)
    if "+" in text and not path.is_file():
        return text
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("--key: the verifier key itself, or a file that has it (`quietline ledger export`)") from None


def _row(line: Line) -> dict[str, str]:
    return {
        "at": stamp(line.at),
        "role": line.role,
        "store": line.store,
        "kinds": " ".join(line.kinds),
        "reason": line.reason,
        "action": line.action,
    }
